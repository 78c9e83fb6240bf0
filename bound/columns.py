"""The columns of a program: what the accelerators may really have done (annex: bound, 2).

Chip-seconds, millijoules, and for a meter the true energy per unit read in parts per million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from bound.errors_of_meters import kappa_interval
from bound.evidence import Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bound.evidence import ChipTable, Evidence, Integers, Site, Work
    from bound.program import Builder

AWAY: Final = "away"
"""The mode of a declared accelerator that is elsewhere: it draws nothing here, and trains."""


class Channel(NamedTuple):
    """A way to train in secret.

    Attributes:
        name: for people.
        way: of what kind it is.
        columns: chip-seconds spent that way.
        rates: gigaFLOP per chip-second of each column.
        known: whether anything but the number of accelerators in the world limits it.
    """

    name: str
    way: Way
    columns: Integers
    rates: Integers
    known: bool


@dataclass(frozen=True, slots=True)
class WorkColumns:
    """Columns of one class at one site.

    Attributes:
        work: what is declared.
        table: of the class.
        hours: chip-seconds declared, shape (blocks, groups).
        false: declared under a group and really in a mode, shape (blocks, groups, modes).
        honest: energy of the hours that are what they are declared to be, shape (blocks, groups); None without a meter.
        hidden: undeclared accelerators at the site by mode, shape (blocks, modes).
    """

    work: Work
    table: ChipTable
    hours: Integers
    false: Integers
    honest: Integers | None
    hidden: Integers


@dataclass(frozen=True, slots=True)
class SiteColumns:
    """Columns of one site.

    Attributes:
        site: the site.
        works: by class.
        energy: of all accelerators with their nodes, shape (blocks,); None without a meter.
        kappa: true energy per unit read, parts per million, shape (1,); None without a meter.
    """

    site: Site
    works: tuple[WorkColumns, ...]
    energy: Integers | None
    kappa: Integers | None


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a program mean.

    Attributes:
        sites: of the declared sites.
        elsewhere: undeclared accelerators at no declared site, by class, shape (blocks,).
        rented: undeclared rented compute, by class, shape (1,).
        channels: ways to train in secret.
    """

    sites: tuple[SiteColumns, ...]
    elsewhere: Mapping[str, Integers]
    rented: Mapping[str, Integers]
    channels: tuple[Channel, ...]


def lay_out(evidence: Evidence, builder: Builder) -> Layout:
    """New columns for everything that the evidence speaks of."""
    sites = tuple(_site(evidence, builder, site) for site in evidence.sites)
    elsewhere = {name: builder.new(_most(evidence, name), _usual(evidence, name)) for name in evidence.classes}
    rented = {name: builder.new([_most_rented(evidence, name)], _usual(evidence, name)) for name in evidence.classes}
    channels = tuple(_channels(evidence, sites, elsewhere, rented))
    return Layout(sites, elsewhere, rented, channels)


def _most(evidence: Evidence, chip_class: str) -> Integers:
    """Chip-seconds of undeclared accelerators of a class, by block: of the stock, or of all in the world."""
    window = evidence.window
    stocked = [stock.chips for stock in evidence.stock if stock.chip_class == chip_class]
    chips = np.minimum.reduce(stocked) if stocked else np.full(len(window.seconds), evidence.world_chips)
    return window.summed(chips * window.seconds)


def _most_rented(evidence: Evidence, chip_class: str) -> int:
    told = [one.chip_seconds for one in evidence.rented if one.chip_class == chip_class]
    return min(told, default=evidence.world_chips * int(evidence.window.seconds.sum()))


def _usual(evidence: Evidence, chip_class: str) -> int:
    """Chip-seconds of all declared accelerators of a class."""
    works = (work for site in evidence.sites for work in site.work if work.chip_class == chip_class)
    return max(1, sum(int(work.declared.sum()) for work in works))


def _site(evidence: Evidence, builder: Builder, site: Site) -> SiteColumns:
    works = tuple(_work(evidence, builder, site, work) for work in site.work)
    if site.meter is None:
        return SiteColumns(site, works, None, None)
    _, high = kappa_interval(evidence, site.meter)
    read = evidence.window.summed(site.meter.energy)
    # Gain and noise off by half each leave the accelerators no more than four times what the meter saw.
    return SiteColumns(site, works, builder.new(4 * read), builder.new([high]))


def _work(evidence: Evidence, builder: Builder, site: Site, work: Work) -> WorkColumns:
    table, window = evidence.classes[work.chip_class], evidence.window
    hours = window.summed(work.declared)
    could = np.array([not (site.located and mode.name == AWAY) for mode in table.modes], np.int64)
    false = builder.new(hours[:, :, None] * could)
    honest = None
    if site.meter is not None:
        honest = builder.new(hours * np.array([group.high_milliwatt for group in table.groups], np.int64))
    most = _most(evidence, work.chip_class)
    if work.chip_class in site.visible_chips:
        most = np.minimum(most, window.summed(window.seconds) * site.visible_chips[work.chip_class])
    here = np.array([mode.name != AWAY for mode in table.modes], np.int64)
    hidden = builder.new(most[:, None] * here, _usual(evidence, work.chip_class))
    return WorkColumns(work, table, hours, false, honest, hidden)


def _channels(
    evidence: Evidence,
    sites: tuple[SiteColumns, ...],
    elsewhere: Mapping[str, Integers],
    rented: Mapping[str, Integers],
) -> Iterator[Channel]:
    stocked = {stock.chip_class for stock in evidence.stock}
    leased = {one.chip_class for one in evidence.rented}
    for site in sites:
        for held in site.works:
            name, rates = held.table.name, _rates(held.table)
            for number, group in enumerate(held.table.groups):
                if not group.trains:
                    columns = held.false[:, number, :]
                    yield from _false(f"{group.name} declared at {site.site.name} ({name})", columns, held.table)
            known = name in stocked or name in site.site.visible_chips
            yield Channel(f"undeclared {name} at {site.site.name}", Way.UNDECLARED, held.hidden, rates, known=known)
    for name, columns in elsewhere.items():
        most = _rates(evidence.classes[name]).max()
        yield Channel(f"undeclared {name} elsewhere", Way.UNDECLARED, columns, most, known=name in stocked)
        yield Channel(f"rented {name}", Way.RENTED, rented[name], most, known=name in leased)


def _false(name: str, columns: Integers, table: ChipTable) -> Iterator[Channel]:
    """Hours declared falsely: on the spot, and elsewhere."""
    away = np.array([mode.name == AWAY for mode in table.modes])
    rates = _rates(table)
    yield Channel(name, Way.FALSE_HOURS, columns[:, ~away], rates[~away], known=True)
    yield Channel(f"{name}, and away", Way.AWAY, columns[:, away], rates[away], known=True)


def _rates(table: ChipTable) -> Integers:
    return np.array([mode.gigaflop_per_second for mode in table.modes], np.int64)
