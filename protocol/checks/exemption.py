"""Work under the exemptions of the level: each has a ledger of its own (spec: checks, 9; agreement.proto)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.checks.finding import BREACHED, INCONCLUSIVE, figure, finding
from protocol.exemptions import Allowance, allowances, exemption_of
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case, Cited
    from standstill.v1 import agreement_pb2
    from standstill.v1.assessment_pb2 import Finding
    from standstill.v1.compute_pb2 import ComputeAttestation, Use

CODES: Final = {
    "exemption-unknown": "Work that the level forbids was counted under an exemption that it does not have for it.",
    "exemption-not-granted": "Work was counted under an exemption that needs a grant, and none ran.",
    "exemption-exceeded": "Work under an exemption exceeded its cap, or what was granted.",
    "exemption-ledger-incomplete": "Work under an exemption cannot be summed: periods or operations are not stated.",
}


class Ledger(NamedTuple):
    """What may be done under an exemption, and what was.

    Attributes:
        limit: what may be done.
        statements: attestations from the first period that the limit counts to the period assessed.
        uses: what each of them states under the exemption, as long as `statements`.
    """

    limit: Allowance
    statements: tuple[Cited[ComputeAttestation], ...]
    uses: tuple[tuple[Use, ...], ...]

    def total(self, quantity: str) -> int:
        """Sum of `held` or `operations`; of several words on one site and period the largest counts."""
        said: dict[tuple[int, bytes], int] = {}
        for statement, uses in zip(self.statements, self.uses, strict=True):
            place = (statement.header.period, statement.header.site)
            said[place] = max(said.get(place, 0), sum(getattr(use, quantity).value for use in uses))
        return sum(said.values())

    @property
    def limits(self) -> Iterator[tuple[str, str, int]]:
        """Each limit with the quantity and the unit that it counts."""
        for quantity, unit, limit in (
            ("operations", "teraFLOP", self.limit.teraflop),
            ("held", "chip-seconds", self.limit.chip_seconds),
        ):
            if limit is not None:
                yield quantity, unit, limit


def check(case: Case) -> Iterator[Finding]:
    """What is claimed under exemptions can be, and stays within their caps and grants."""
    level = case.level
    if level is None:
        return
    for site, attestation in case.attestations.items():
        for use in attestation.body.use:
            yield from _claim(case, level, attestation, site, use)
    for ledger in ledgers(case):
        yield from _sum(case, level, ledger)


def _claim(
    case: Case, level: agreement_pb2.Level, attestation: Cited[ComputeAttestation], site: bytes, use: Use
) -> Iterator[Finding]:
    """One row of use that names an exemption."""
    if not use.exemption or not use.held.value:
        return
    exemption = exemption_of(level, use)
    label = quantity_pb2.Label.Name(use.label).removeprefix("LABEL_").lower()
    if exemption is None and use.label not in level.allowed:
        code, text = "exemption-unknown", f"{level.name} has no exemption {use.exemption} for {label}."
    elif exemption is not None and exemption.on_request and exemption.name not in dict(case.duty.grants):
        code, text = "exemption-not-granted", f"{case.lab} had no grant for {use.exemption} of {level.name}."
    else:
        # Allowed work that names an exemption of another level counts as any other.
        return
    figures = [
        figure("observed", use.held.value, "chip-seconds"),
        figure("expected", 0, "chip-seconds"),
        figure("tolerance", 0, "chip-seconds"),
    ]
    yield finding(code, BREACHED, text, figures=figures, statements=[attestation.ref], site=site)


def ledgers(case: Case) -> Iterator[Ledger]:
    """The ledgers of the level's exemptions: of each its cap, and the grant that runs."""
    level = case.level
    if level is None:
        return
    now = (*case.attestations.values(), *case.repeated)
    for limit in allowances(level, case.duty, case.period):
        inside = tuple(statement for statement in (*case.window, *now) if statement.header.period >= limit.first)
        uses = tuple(tuple(use for use in one.body.use if _counts(level, use, limit.exemption)) for one in inside)
        yield Ledger(limit=limit, statements=inside, uses=uses)


def _counts(level: agreement_pb2.Level, use: Use, name: str) -> bool:
    exemption = exemption_of(level, use)
    return exemption is not None and exemption.name == name


def _sum(case: Case, level: agreement_pb2.Level, ledger: Ledger) -> Iterator[Finding]:
    """A ledger against its limits."""
    limits = list(ledger.limits)
    refs = [statement.ref for statement in ledger.statements]
    # A period that adds nothing exceeds nothing that an earlier one did not.
    adds = any(
        use.held.value or use.operations.value
        for statement, uses in zip(ledger.statements, ledger.uses, strict=True)
        for use in uses
        if statement.header.period == case.period
    )
    if not limits or not adds:
        return
    what = f"{ledger.limit.exemption} of {level.name}"
    earlier = {(one.header.period, one.header.site) for one in ledger.statements if one.header.period < case.period}
    unstated = ledger.limit.teraflop is not None and any(
        use.held.value and not use.HasField("operations") for uses in ledger.uses for use in uses
    )
    if unstated or len(earlier) < (case.period - ledger.limit.first) * len(case.sites):
        missing = "operations" if unstated else "every site and period"
        text = f"{case.lab} did not state {missing} that {ledger.limit.by} counts for {what}."
        yield finding("exemption-ledger-incomplete", INCONCLUSIVE, text, statements=refs)
    for quantity, unit, limit in limits:
        total = ledger.total(quantity)
        if total > limit:
            text = f"{case.lab} exceeded {ledger.limit.by} of {what}: {total} {unit} in {ledger.limit.periods} periods."
            figures = [figure("observed", total, unit), figure("expected", limit, unit), figure("tolerance", 0, unit)]
            figures.append(figure("window", ledger.limit.periods, "periods"))
            yield finding("exemption-exceeded", BREACHED, text, figures=figures, statements=refs)
