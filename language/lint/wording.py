"""What is declared and never used, said and never read, or said without a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from language.characters import looks
from language.chips import PRESET_TABLE
from language.lint.finding import Finding, clause_of, note, warning
from language.lint.view import tests
from language.lint.votes import need_of
from language.words import EVIDENCE
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.lint.view import View

READ: Final = frozenset(
    {
        pb.EVIDENCE_ATTESTATION,
        pb.EVIDENCE_ENERGY,
        pb.EVIDENCE_METER,
        pb.EVIDENCE_SHIPMENTS,
        pb.EVIDENCE_HALT,
    }
)
"""Kinds of evidence that checks read."""
_EVIDENCE: Final = {value: word for word, value in EVIDENCE.items()}
_NAMING: Final = {
    "reading": "indicator",
    "trend": "indicator",
    "overdue": "indicator",
    "event": "event",
    "carried": "rule",
}
_SINGLE: Final[tuple[Literal["standing", "verification"], ...]] = ("standing", "verification")
_PARTS: Final = ("parties", "chips", "indicators", "events", "levels", "rules")


def unused(view: View) -> Iterator[Finding]:
    """`unused`: an indicator, event, rule or class of seats that no clause names."""
    used = {field: set[str]() for field in ("indicator", "event", "rule")}
    for path, condition in view.conditions():
        for _, part in tests(condition, path):
            kind = part.WhichOneof("test") or ""
            if kind in _NAMING:
                used[_NAMING[kind]].add(getattr(getattr(part, kind), _NAMING[kind]))
    used["rule"] |= {name for name, _, _ in view.rule_uses()}
    declared = {
        "indicator": [one.name for one in view.terms.indicators],
        "event": [one.name for one in view.terms.events],
        "rule": [one.name for one in view.terms.rules],
    }
    for field, names in declared.items():
        for name in names:
            if name not in used[field]:
                text = f"{name} is declared, and no clause of the terms names it"
                yield warning("unused", f"{field}s.{name}", text)
    seats = {name for rule in view.terms.rules for name in _seats(need_of(rule))}
    for council in view.terms.parties:
        for one in council.seats:
            if one.name not in seats:
                yield warning("unused", f"parties.{council.name}.seats.{one.name}", f"no rule counts {one.name}")


def alike(view: View) -> Iterator[Finding]:
    """`owners-look-alike`: two owners that a reader takes for one, though their votes and reports count as two."""
    first: dict[str, pb.Party] = {}
    for party in view.terms.parties:
        other = first.setdefault(looks(party.owner), party)
        if other.owner != party.owner:
            text = f"{party.owner!a} of {party.name} and {other.owner!a} of {other.name} count as two owners"
            where = f"parties.{party.name}.owner"
            yield warning(
                "owners-look-alike", where, text, "write them alike, or apart", (f"parties.{other.name}.owner",)
            )


def idle(view: View) -> Iterator[Finding]:
    """`no-level`: terms without a level, under which nothing is ever called."""
    if not view.terms.levels:
        yield warning("no-level", "", "there is no level: nothing can be called, and nobody is bound", "add a level")


def _seats(need: pb.Need) -> Iterator[str]:
    match need.WhichOneof("need"):
        case "count":
            yield need.count.seats
            yield from (name.partition("/")[2] for name in need.count.voters)
        case "weighted":
            yield from (one.voter.partition("/")[2] for one in need.weighted.of)
        case "all" | "any" as kind:
            for part in getattr(need, kind).of:
                yield from _seats(part)
        case _:
            return


def gaps(view: View) -> Iterator[Finding]:
    """`unsaid`: evidence that is asked for and that no check reads. `nothing-required`: none is asked for."""
    worth = view.terms.verification
    if view.labs and not worth.required:
        text = "a lab can be honored without any evidence"
        yield warning("nothing-required", "verification.required", text, "write required = [attestation, energy]")
    for field in ("required", "useful"):
        for kind in getattr(worth, field):
            if kind not in READ:
                text = f"{_EVIDENCE.get(kind, str(kind))}: no check reads it"
                yield note("unsaid", f"verification.{field}", text)


def uncited(view: View) -> Iterator[Finding]:
    """`uncited`: a clause without a source."""
    cited = {citation.clause for citation in view.terms.citations}
    # Rows of the shipped table cite their sources there.
    named = ((part, one) for part in _PARTS for one in getattr(view.terms, part) if one not in PRESET_TABLE)
    paths = ["", *(f"{part}.{one.name}" for part, one in named)]
    paths += [field for field in _SINGLE if view.terms.HasField(field)]
    for path in paths:
        if clause_of(path) not in cited:
            yield warning("uncited", path, f"{clause_of(path) or 'the agreement'} has no cite")
