"""What each piece of evidence is worth: the bound with it, by solving again (annex: bound, 8).

A change of evidence is a function from evidence to evidence with the reading that the declarations predict. It helps
where it limits the channel that binds, and is worth nothing elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from bound.evidence import Challenges, Evidence, Meter, Rented, Site
from bound.outcome import outcome
from protocol.statistics import MILLI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bound.evidence import Integers

_USUAL_RANDOM_PPM: Final = 5_000
_USUAL_SYSTEMATIC_PPM: Final = 2_000
_USUAL_CATCH_PPM: Final = 900_000
_USUAL_DRAWS: Final = 100
_NEW: Final = "a new source"


@dataclass(frozen=True, slots=True)
class Worth:
    """What a change of evidence does to the bound.

    Attributes:
        change: in words.
        bound: with it, teraFLOP; None where a channel stays open.
        gain: by how much the bound falls, teraFLOP; None where there was none before or is none after.
    """

    change: str
    bound: int | None
    gain: int | None


def worths(evidence: Evidence) -> list[Worth]:
    """Every change of the catalogue that applies, the most useful first."""
    now = outcome(evidence).bound
    found = []
    for name, change in CATALOGUE.items():
        for what, changed in change(evidence):
            then = outcome(changed).bound
            gain = now - then if now is not None and then is not None else None
            found.append(Worth(f"{name}{what}", then, gain))
    return sorted(found, key=lambda one: (one.bound is None, one.bound or 0, one.change))


def _meters(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    first = 1 + max((site.meter.number for site in evidence.sites if site.meter is not None), default=0)
    bare = [site for site in evidence.sites if site.meter is None]
    metered = {site.name: _metered(evidence, site, first + place) for place, site in enumerate(bare)}
    if metered:
        yield f" at {', '.join(metered)}", _with_sites(evidence, lambda site: metered.get(site.name, site))


def _metered(evidence: Evidence, site: Site, number: int) -> Site:
    energy: Integers = np.zeros(len(evidence.window.seconds), np.int64)
    for work in site.work:
        groups = evidence.classes[work.chip_class].groups
        power = np.array([(group.low_milliwatt + group.high_milliwatt) // 2 for group in groups], np.int64)
        energy = energy + work.declared @ power
    overhead = (site.pue_low_milli + site.pue_high_milli) // 2
    read = energy // MILLI * overhead
    meter = Meter(_NEW, number, read, _USUAL_RANDOM_PPM, _USUAL_SYSTEMATIC_PPM)
    return replace(site, meter=meter)


def _better_meters(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    for site in evidence.sites:
        meter = site.meter
        if meter is not None and meter.systematic_ppm > 0:
            better = replace(site, meter=replace(meter, systematic_ppm=meter.systematic_ppm // 2))
            sites = tuple(better if one.name == better.name else one for one in evidence.sites)
            yield f" at {site.name}", replace(evidence, sites=sites)


def _located(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    away = [site.name for site in evidence.sites if not site.located]
    if away:
        yield f" at {', '.join(away)}", _with_sites(evidence, lambda site: replace(site, located=True))


def _visited(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    seen = dict.fromkeys(evidence.classes, 0)
    if any(dict(site.visible_chips) != seen for site in evidence.sites):
        yield "", _with_sites(evidence, lambda site: replace(site, visible_chips=seen))


def _more_challenges(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    if not evidence.challenges:
        drawn = {(site.name, work.chip_class): _USUAL_DRAWS for site in evidence.sites for work in site.work}
        new = Challenges(_NEW, 1, drawn, 0, 0, _USUAL_CATCH_PPM)
        yield f", {_USUAL_DRAWS} for each site and class", replace(evidence, challenges=(new,))
        return
    for place, one in enumerate(evidence.challenges):
        twice = replace(one, drawn={stratum: 2 * number for stratum, number in one.drawn.items()})
        challenges = (*evidence.challenges[:place], twice, *evidence.challenges[place + 1 :])
        yield f", twice as many by {one.owner}", replace(evidence, challenges=challenges)


def _surveyed(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    if evidence.stock:
        fifth = tuple(replace(one, chips=one.chips // 5) for one in evidence.stock)
        yield " that leaves a fifth of it", replace(evidence, stock=fifth)


def _leased(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    told = {one.chip_class for one in evidence.rented}
    missing = [name for name in evidence.classes if name not in told]
    if missing:
        new = tuple(Rented(name, frozenset({_NEW}), 0) for name in missing)
        yield "", replace(evidence, rented=(*evidence.rented, *new))


def _with_sites(evidence: Evidence, change: Callable[[Site], Site]) -> Evidence:
    return replace(evidence, sites=tuple(change(site) for site in evidence.sites))


CATALOGUE: Final[dict[str, Callable[[Evidence], Iterator[tuple[str, Evidence]]]]] = {
    "an independent meter": _meters,
    "half the systematic error of the meter": _better_meters,
    "proof that the declared accelerators are there": _located,
    "a visit that counts accelerators": _visited,
    "challenges": _more_challenges,
    "a survey of undeclared stock": _surveyed,
    "reports of all operators": _leased,
}
"""What could be had, and how the evidence would look with it."""
