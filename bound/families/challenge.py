"""Challenges: of instants drawn after the commitment, few were false, so few are false (annex: bound, 3 and 4).

q (1 - e^-L) sum (drawn / all) x false  <=  L x (caught + unanswered) + ln(1 / risk)
(e^L - 1) sum (drawn / all) x false     >=  L x caught - ln(1 / risk)

for L in a fixed list, and for infinity where nothing was caught. It holds for any strategy, also one that stops when it
has been caught: given the past, the product of the chances to pass is a supermartingale, and Markov's inequality gives
the row with one budget for all strata.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import TYPE_CHECKING, Final

from bound.budget import CHALLENGES, of_instrument

if TYPE_CHECKING:
    from bound.columns import Layout
    from bound.evidence import Challenges, Evidence, Integers
    from bound.program import Builder

_MICRO: Final = 1_000_000
_PPB: Final = 1_000_000_000
_FINE_BITS: Final = 36
"""Coefficients per chip-second are tiny: all of a row is multiplied by as much as its limit allows."""
_LIMIT_BITS: Final = 62


def rows(evidence: Evidence, layout: Layout, builder: Builder) -> None:
    """One row for L = 1 and one for infinity, and the lower row for L = 1; owned by the inspector."""
    for drawn in evidence.challenges:
        strata = list(_strata(layout, drawn))
        if not strata:
            continue
        # Two upper rows and one lower one share the instrument's risk.
        risk = of_instrument(evidence.risk_ppb, CHALLENGES, drawn.number) // 3
        with localcontext(prec=40):
            odds = (Decimal(_PPB) / max(risk, 1)).ln() * _MICRO
            passed = (1 - Decimal(-1).exp()) * _MICRO
            twice = (Decimal(1).exp() - 1) * _MICRO
        least, most = int(odds.to_integral_value(ROUND_FLOOR)), int(odds.to_integral_value(ROUND_CEILING))
        told = (drawn.caught + drawn.unanswered) * _MICRO
        caught = drawn.catch_ppm * int(passed.to_integral_value(ROUND_FLOOR)) // _MICRO
        _upper(builder, drawn, strata, caught, told + most)
        if told == 0:
            _upper(builder, drawn, strata, drawn.catch_ppm, most)
        if drawn.caught * _MICRO > least:
            chance = int(twice.to_integral_value(ROUND_CEILING))
            limit = least + 1 - drawn.caught * _MICRO
            fine = _fine(limit)
            terms = [(one[None, :], -_weight(chance * fine, number, hours, up=True)) for one, number, hours in strata]
            builder.add("challenge", *terms, to=limit * fine, owners=frozenset({drawn.owner}), what="instants")


def _strata(layout: Layout, drawn: Challenges) -> list[tuple[Integers, int, int]]:
    """For each site and class drawn from: its false hours, the number drawn, and all chip-seconds."""
    found = []
    for site in layout.sites:
        for held in site.works:
            number, hours = drawn.drawn.get((site.site.name, held.table.name), 0), int(held.hours.sum())
            if number and hours:
                found.append((held.false.ravel(), number, hours))
    return found


def _upper(
    builder: Builder, drawn: Challenges, strata: list[tuple[Integers, int, int]], chance: int, limit: int
) -> None:
    fine = _fine(limit)
    terms = [(one[None, :], _weight(chance * fine, number, hours, up=False)) for one, number, hours in strata]
    builder.add("challenge", *terms, to=limit * fine, owners=frozenset({drawn.owner}), what="instants")


def _fine(limit: int) -> int:
    return 1 << min(_FINE_BITS, _LIMIT_BITS - abs(limit).bit_length())


def _weight(chance: int, number: int, hours: int, *, up: bool) -> int:
    """Chance x drawn / all."""
    exact = chance * number
    return -(-exact // hours) if up else exact // hours
