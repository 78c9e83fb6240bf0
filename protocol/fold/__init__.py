"""The fold: one state from all that was said, in ten stages (annex 3.2).

`step` is pure, total and deterministic. Each stage reads only what the ones before it left. Order inside a log counts;
order between logs does not: stages 2 to 7 write only entries keyed by the log or voter that they come from, or take
unions and maxima, and the stages after them read the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.closing import Record, require_next
from protocol.fold.ballots import ballots
from protocol.fold.bind import bind
from protocol.fold.boundary import boundary
from protocol.fold.facts import facts
from protocol.fold.intake import intake, keys, proofs
from protocol.fold.phases import phases
from protocol.fold.schedule import schedule
from protocol.fold.standing import conduct
from protocol.fold.work import Outcome, Work
from protocol.in_force import in_force
from protocol.state import Conduct, LevelState, PartyState, PledgeState, State

if TYPE_CHECKING:
    from protocol.agreement import Agreement


def initial(agreement: Agreement) -> State:
    """The state before the first closing (annex 3.5, 2)."""
    return State(
        agreement=agreement.digest,
        terms=agreement.digest,
        closing=agreement.digest,
        parties={name: PartyState() for name in agreement.parties},
        pledges={lab: PledgeState() for lab in agreement.labs},
        levels={rank: LevelState() for rank in agreement.levels},
        conduct={lab: Conduct() for lab in agreement.labs},
    )


def step(agreement: Agreement, state: State, record: Record) -> Outcome:
    """The state after a closing.

    Raises:
        Refused: what :func:`protocol.closing.require_next` refuses, or LEAF_WITHHELD if leaves that the closing covers
            are not in the record; the state then stands.
    """
    agreement = in_force(agreement, state)
    sizes = {party.origin: state.parties[party.name].size for party in agreement.terms.parties}
    require_next(state, record.closing, sizes)
    new = replace(state, period=record.closing.period, closings=state.closings + 1, closing=record.digest)
    work = Work(agreement, state, record, new)
    for stage in STAGES:
        stage(work)
    return Outcome(work.new, work.refusals, work.transitions, work.reasons)


STAGES: Final[tuple[Callable[[Work], None], ...]] = (
    boundary,
    proofs,
    intake,
    keys,
    facts,
    conduct,
    ballots,
    phases,
    bind,
    schedule,
)
"""The ten stages, in order."""
