"""Twins: what must hold of a move beside what would have been. Each compares with a second course of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from protocol import pledges
from protocol.state import Membership, Stage
from standstill.v1 import header_pb2
from tests.model.changing import an_accession_changes_nothing_for_the_others
from tests.model.move import Move
from tests.model.world import Act

Invariant = Callable[[Move], str | None]


def a_refused_statement_changes_nothing(move: Move) -> str | None:
    """Without its refused statements a closing leads to the same state, sizes of logs apart."""
    if not move.refused:
        return None
    kept = replace(move.act, said=tuple(said for said in move.act.said if said not in move.refused))
    other = move.world.step(move.before, kept).state
    sizes = {name: replace(party, size=0) for name, party in move.after.parties.items()}
    others = {name: replace(party, size=0) for name, party in other.parties.items()}
    # Refused leaves move those after them by their places.
    here, there = _placeless(replace(move.after, parties=sizes)), _placeless(replace(other, parties=others))
    return None if here == there else f"refused, and it changed the state: {next(iter(move.refused))}"


def _placeless(state: object) -> object:
    ballots = {name: replace(ballot, index=0, identity=b"") for name, ballot in state.ballots.items()}  # type: ignore[attr-defined]
    reports = {name: replace(report, index=0, identity=b"") for name, report in state.reports.items()}  # type: ignore[attr-defined]
    pledges = {lab: replace(one, index=0, identity=b"") for lab, one in state.pledges.items()}  # type: ignore[attr-defined]
    return replace(state, ballots=ballots, reports=reports, pledges=pledges, closing=b"")  # type: ignore[type-var]


def notice_shortens_nothing(move: Move) -> str | None:
    """Had a party that is leaving not given notice, nobody would keep more, until it goes."""
    leaving = {name for name, party in move.before.parties.items() if party.membership is Membership.NOTICE}
    leaving = {name for name in leaving if move.after.parties[name].membership is Membership.NOTICE}
    if not leaving:
        return None
    parties = {
        name: replace(party, membership=Membership.IN, notice_left=0) if name in leaving else party
        for name, party in move.before.parties.items()
    }
    act = Act(tuple(said for said in move.act.said if said not in move.refused), move.act.dark)
    other = move.world.step(replace(move.before, parties=parties), act).state
    here, there = _kept(move.after), _kept(other)
    same = here == there and other.levels == move.after.levels
    # Who leaves keeps an older pledge until it is gone, also one that it replaced before.
    more = here != there and all(here[lab] >= there[lab] for lab in here)
    return None if same or more else f"by the notice of {', '.join(sorted(leaving))} somebody keeps less"


def giving_notice_shortens_nothing(move: Move) -> str | None:
    """A closing in which somebody gives notice leaves everybody as bound as it would without that."""
    if not move.accepted(header_pb2.KIND_WITHDRAWAL):
        return None
    said = tuple(one for one in move.act.said if one.kind != header_pb2.KIND_WITHDRAWAL)
    other = move.world.step(move.before, replace(move.act, said=said)).state
    same = _stages(other) == _stages(move.after) and _kept(other) == _kept(move.after)
    return None if same else "a notice changed who is bound"


def more_pledged_never_binds_fewer(move: Move) -> str | None:
    """Had any one lab pledged to keep the highest level whatever happens, nobody would keep less."""
    kept = pledges.solve(move.agreement, move.after, {}).kept
    for lab in move.agreement.labs:
        held = replace(move.after.pledges[lab], older=move.world.firmest)
        more = replace(move.after, pledges={**move.after.pledges, lab: held})
        found = pledges.solve(move.agreement, more, {}).kept
        fewer = [name for name in kept if found[name] < kept[name]]
        if fewer:
            return f"had {lab} pledged more, {fewer[0]} would keep {found[fewer[0]]} instead of {kept[fewer[0]]}"
    return None


def _kept(state: object) -> dict[str, int]:
    return {lab: pledge.kept for lab, pledge in state.pledges.items()}  # type: ignore[attr-defined]


def _stages(state: object) -> list[tuple[Stage, object]]:
    return [(level.stage, level.binds) for level in state.levels.values()]  # type: ignore[attr-defined]


TWINS: Final[tuple[Invariant, ...]] = (
    a_refused_statement_changes_nothing,
    notice_shortens_nothing,
    giving_notice_shortens_nothing,
    more_pledged_never_binds_fewer,
    an_accession_changes_nothing_for_the_others,
)
"""Judged where a lens asks for them: each costs a step more."""
