"""What is known of one lab and one window: integers in fixed units, with owners and errors (annex: bound, 2 and 3).

Periods of the window are summed into *blocks* before anything else: runs of periods in which nothing changed (9, 2).
Arrays have one entry per period; :class:`Window` says which periods make a block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]


WORLD_CHIPS: Final = 100_000_000
"""More accelerators than there are: some 20 million H100-equivalents in 2026 (research e.5)."""


class Way(Enum):
    """A way to train in secret."""

    FALSE_HOURS = "declared accelerators that do something else"
    AWAY = "declared accelerators that are elsewhere"
    UNDECLARED = "undeclared accelerators"
    RENTED = "rented compute"


@dataclass(frozen=True, slots=True)
class Mode:
    """What an accelerator can be doing: a corner of all (power, rate) that its class can reach.

    Attributes:
        name: `off`, `full`, `hot`, `burn`, `away`.
        milliwatt: power with its share of the node.
        gigaflop_per_second: ceiling of the rate at which it trains.
    """

    name: str
    milliwatt: int
    gigaflop_per_second: int


@dataclass(frozen=True, slots=True)
class Group:
    """Labels with the same technology and the same evidence behind them.

    Attributes:
        name: of the group.
        low_milliwatt: least power of an accelerator that really does this work.
        high_milliwatt: greatest.
        trains: whether it is declared training, which is not covert while the level allows it.
    """

    name: str
    low_milliwatt: int
    high_milliwatt: int
    trains: bool = False


@dataclass(frozen=True, slots=True)
class ChipTable:
    """What one accelerator of a class can do; part of the agreement.

    Attributes:
        name: of the class.
        modes: corners; the first draws nothing and does nothing.
        groups: label groups, in the order of the columns of :attr:`Work.declared`.
    """

    name: str
    modes: tuple[Mode, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What a lab declares of one class at one site.

    Attributes:
        chip_class: name of the class.
        declared: chip-seconds by period and label group, shape (periods, groups).
    """

    chip_class: str
    declared: Integers


@dataclass(frozen=True, slots=True)
class Meter:
    """An energy meter of a site.

    Attributes:
        owner: control group of whoever reads it.
        number: of its registration among meters: 1, 2, ...
        energy: millijoules by period, shape (periods,).
        random_ppm: relative standard deviation of one period's reading.
        systematic_ppm: relative standard deviation of what all its readings of the window share.
        correlation_periods: periods over which the random part stays the same; 1: each is new.
    """

    owner: str
    number: int
    energy: Integers
    random_ppm: int
    systematic_ppm: int
    correlation_periods: int = 1


@dataclass(frozen=True, slots=True)
class Site:
    """A declared site.

    Attributes:
        name: of the site.
        work: one entry per class.
        meter: an independent meter of all its energy; None where there is none.
        pue_low_milli: least ratio of site energy to the energy of accelerators with their nodes, in thousandths.
        pue_high_milli: greatest.
        located: whether evidence shows that the declared accelerators are here.
        visible_chips: most undeclared accelerators that could stand here unseen, by class; absent: any number.
    """

    name: str
    work: tuple[Work, ...]
    meter: Meter | None
    pue_low_milli: int
    pue_high_milli: int
    located: bool
    visible_chips: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stock:
    """The most accelerators of a class that a lab can have beside those declared.

    Attributes:
        chip_class: name of the class.
        owners: control groups of the sources, each needed: suppliers, customs, survey.
        chips: shipped, less declared and destroyed, plus what may be older than the reports; by period.
    """

    chip_class: str
    owners: frozenset[str]
    chips: Integers


@dataclass(frozen=True, slots=True)
class Rented:
    """The most compute that a lab can have rented from operators and not declared.

    Attributes:
        chip_class: name of the class.
        owners: control groups of the operators, each needed.
        chip_seconds: in the window.
    """

    chip_class: str
    owners: frozenset[str]
    chip_seconds: int


@dataclass(frozen=True, slots=True)
class Challenges:
    """Instants of accelerator time that were drawn after the commitment, and what answered (annex: bound, 3 and 4).

    Attributes:
        owner: control group of the inspector.
        number: of the inspector's registration: 1, 2, ...
        drawn: number of instants drawn, by site and class.
        caught: answers that showed another work than the declared one.
        unanswered: draws without an answer.
        catch_ppm: least chance that an instant falsely declared is caught.
    """

    owner: str
    number: int
    drawn: Mapping[tuple[str, str], int]
    caught: int
    unanswered: int
    catch_ppm: int


@dataclass(frozen=True, slots=True)
class Window:
    """The span of a bound.

    Attributes:
        seconds: of each period.
        starts: first period of each block, ascending, the first 0.
    """

    seconds: Integers
    starts: Integers

    def summed(self, values: Integers) -> Integers:
        """Values by period, along the first axis, summed by block."""
        return np.add.reduceat(values, self.starts, axis=0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about one lab and one window.

    Attributes:
        window: its periods and blocks.
        classes: the chip table by name of class.
        sites: declared sites.
        stock: limits on undeclared accelerators.
        rented: limits on rented compute.
        challenges: of all inspectors, in the order of their registration.
        risk_ppb: alpha, parts per billion.
        left_open: ways that the bound need not cover.
        world_chips: accelerators of a class that exist: a limit that stands for no knowledge at all.
    """

    window: Window
    classes: Mapping[str, ChipTable]
    sites: tuple[Site, ...]
    stock: tuple[Stock, ...]
    rented: tuple[Rented, ...]
    challenges: tuple[Challenges, ...]
    risk_ppb: int
    left_open: frozenset[Way] = frozenset()
    world_chips: int = WORLD_CHIPS

    @property
    def owners(self) -> frozenset[str]:
        """Everybody whose word limits anything; devices of one owner are one source."""
        read = {site.meter.owner for site in self.sites if site.meter is not None}
        drawn = {one.owner for one in self.challenges}
        return frozenset(read | drawn) | self.limiting

    @property
    def limiting(self) -> frozenset[str]:
        """Those whose word limits undeclared and rented accelerators."""
        stocked = [one.owners for one in self.stock]
        return frozenset[str]().union(*stocked, *(one.owners for one in self.rented))

    def without(self, liars: frozenset[str]) -> Evidence:
        """The same window without a word of some owners; what others' numbers and budgets are does not change."""
        return replace(
            self,
            sites=tuple(_unread(site, liars) for site in self.sites),
            stock=tuple(one for one in self.stock if not one.owners & liars),
            rented=tuple(one for one in self.rented if not one.owners & liars),
            challenges=tuple(one for one in self.challenges if one.owner not in liars),
        )


def _unread(site: Site, liars: frozenset[str]) -> Site:
    return replace(site, meter=None) if site.meter is not None and site.meter.owner in liars else site
