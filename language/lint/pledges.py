"""Pledges that nobody can be bound by, that want others to go on, or that say nothing (annex 4.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from language.lint.conditions import least_conflict
from language.lint.finding import Finding, error, note, warning
from language.lint.view import View, named, parts, tests
from language.lint.words import said
from language.satisfy import can_fail, can_hold
from protocol.fold import initial
from protocol.pledge_analysis import unmet_of_all
from protocol.pledge_problem import compile_problem
from protocol.pledges import greatest
from protocol.state import Membership, PledgeState
from protocol.wire import encode
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from protocol.agreement import Agreement
    from protocol.pledge_problem import Problem
    from protocol.pledge_unmet import Unmet
    from standstill.v1 import agreement_pb2, pledge_pb2

_KEPT: Final = frozenset({"keeps", "weighs"})
_GROUPS: Final = frozenset({"all", "any", "at_least"})
_RELIANCE: Final = frozenset({pb.PARTY_STATUS_RELIED, pb.PARTY_STATUS_CONFIRMED})


def lint_pledge(terms: agreement_pb2.Agreement, by: str, pledge: pledge_pb2.Pledge) -> list[Finding]:
    """What is doubtful about one pledge by itself.

    Args:
        terms: the agreement, valid.
        by: the lab that would make it.
        pledge: the pledge; conditions that the protocol refuses are told too.

    Returns:
        Findings with paths by level: `clauses.pause.provided.all[1]`.
    """
    view = View(terms)
    if not pledge.clauses:
        text = "promises nothing: no clause says which level is kept"
        return [warning("no-clause", "clauses", text, "write keep LEVEL { ... }")]
    return [
        finding
        for clause in pledge.clauses
        for finding in _clause(view, by, clause, f"clauses.{level_name(terms, clause.level)}")
    ]


def level_name(terms: agreement_pb2.Agreement, rank: int) -> str:
    """Name of a level; its rank if it has none."""
    return next((level.name for level in terms.levels if level.rank == rank), str(rank))


def lint_pledges(agreement: Agreement, pledges: Mapping[str, pledge_pb2.Pledge]) -> list[Finding]:
    """`unbacked`: pledges that together bind nobody, if everything they say of the outside is true."""
    if not pledges:
        return []
    problem = _problem(agreement, pledges)
    kept, _ = greatest(problem)
    if any(kept):
        return []
    lacks = unmet_of_all(problem)
    unmet = [f"{lab} lacks {_atoms(agreement.terms, lacks[lab])}" for lab in sorted(pledges) if lacks[lab].possible]
    text = f"together these pledges bind nobody: {'; '.join(unmet) or 'they have no clauses that could hold'}"
    return [warning("unbacked", "clauses", text, "let one of them ask for less")]


def _problem(agreement: Agreement, pledges: Mapping[str, pledge_pb2.Pledge]) -> Problem:
    """The pledges among labs that all take part and are relied on, with every outside fact true."""
    state = initial(agreement)
    here = {name: replace(party, membership=Membership.IN) for name, party in state.parties.items()}
    made = {lab: PledgeState(current=encode(_from_outside(pledge))) for lab, pledge in pledges.items()}
    return compile_problem(agreement, replace(state, parties=here, pledges={**state.pledges, **made}))


def _from_outside(pledge: pledge_pb2.Pledge) -> pledge_pb2.Pledge:
    """A pledge whose `when` holds at all times, and whose reliance on others is well placed."""
    made = type(pledge)()
    made.CopyFrom(pledge)
    for clause in made.clauses:
        for field in ("when", "until_period"):
            clause.ClearField(field)
        for _, part in tests(clause.provided, ""):
            if part.WhichOneof("test") == "status":
                part.constant.value = True
    return made


def _atoms(terms: agreement_pb2.Agreement, unmet: Unmet) -> str:
    """The fewest tests that a clause lacks, in the words of the text."""
    return " and ".join(
        f"{named(atom.labs)} {'keeps' if len(atom.labs) == 1 else 'keep'} {level_name(terms, atom.level)}"
        for atom in unmet.atoms
    )


def _clause(view: View, by: str, clause: pledge_pb2.PledgeClause, where: str) -> Iterator[Finding]:
    if clause.HasField("when"):
        yield from _when(view, clause.when, f"{where}.when")
    if clause.HasField("provided"):
        path = f"{where}.provided"
        broken = list(_not_monotone(view, clause.provided, path))
        yield from broken
        yield from _dormant(view, clause.provided, path)
        if not broken:
            yield from _provided(view, by, clause, path)


def _when(view: View, when: pb.Condition, path: str) -> Iterator[Finding]:
    """`never-true` and `when-after-phase`: a clause that never binds, or stops when the restriction begins."""
    constant = when.WhichOneof("test") == "constant"
    if not constant and can_hold(view.world, when) is False:
        parts_ = list(when.all.of)
        clash = " and ".join(said(parts_[number], view.terms) for number in least_conflict(view.world, parts_))
        text = f"{clash} cannot hold together: the clause never binds" if clash else "the clause never binds"
        yield error("never-true", path, text)
    elif not constant and can_fail(view.world, when) is False:
        yield warning("never-false", path, "holds whatever happens", "leave it out if that is meant")
    if when.WhichOneof("test") == "level_phase" and when.level_phase.phase == pb.PHASE_CALLED:
        yield note("when-after-phase", path, "binds only while the call is dormant, and frees once the level begins")


def _not_monotone(view: View, provided: pb.Condition, path: str) -> Iterator[Finding]:
    """`not-monotone`: a clause that others meet by keeping less, or that is not about what they keep."""
    for place, part in parts(provided, path):
        kind = part.WhichOneof("test")
        if kind == "negation":
            text = f'"{said(part, view.terms)}" wants another party to go on.'
            yield error("not-monotone", place, text, 'Remove "not".')
            return
        status = kind == "status" and part.status.status in _RELIANCE
        if kind not in _KEPT | _GROUPS | {"constant"} and not status:
            text = f"{said(part, view.terms)} is not what others keep"
            yield error("not-monotone", place, text, "write it in when")


def _dormant(view: View, provided: pb.Condition, path: str) -> Iterator[Finding]:
    """`dormant-clause`: a lab is named that is no party."""
    for place, part in tests(provided, path):
        labs = [*part.keeps.of, *(one.lab for one in part.weighs.of)]
        strangers = [lab for lab in labs if lab not in view.labs]
        if strangers:
            several = len(strangers) > 1
            are = "are not parties" if several else "is not a party"
            until = "they accede" if several else "it accedes"
            text = f"{named(strangers)} {are}; the clause counts as unmet until {until}."
            yield note("dormant-clause", place, text)


def _provided(view: View, by: str, clause: pledge_pb2.PledgeClause, path: str) -> Iterator[Finding]:
    """`cannot-be-met`, `of-itself`, `hollow`: what is asked is impossible, asked of oneself, or of everybody."""
    if clause.provided.WhichOneof("test") == "constant":
        if not clause.provided.constant.value:
            yield warning("hollow", path, "never holds: the clause promises nothing", "remove it")
        return
    if can_hold(view.world, clause.provided) is False:
        yield error("cannot-be-met", path, f"{said(clause.provided, view.terms)}: more is asked than there are labs")
        return
    for place, part in tests(clause.provided, path):
        if by in part.keeps.of:
            yield warning("of-itself", place, f"{by} counts itself among those who must keep it", f"leave out {by}")
    groups = {view.owner[lab]: lab for lab in sorted(view.labs) if view.owner[lab] != view.owner.get(by)}
    if len(groups) > 1 and all(_needs(view, clause.provided, owner) for owner in groups):
        text = f"holds only if all {len(groups)} others do: one that does not pledge frees {by}"
        yield warning("hollow", path, text, f"write at least {len(groups) - 1} of them")


def _needs(view: View, provided: pb.Condition, owner: str) -> bool:
    """Whether a condition fails whenever a control group keeps nothing."""
    labs = [lab for lab in sorted(view.labs) if view.owner[lab] == owner]
    nothing = pb.Condition(negation=pb.Condition(keeps=pb.Condition.Keeps(level=1, k=1, of=labs)))
    return can_hold(view.world, provided, nothing) is False
