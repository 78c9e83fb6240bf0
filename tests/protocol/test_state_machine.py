"""The fold under any course of events: random statements by everybody, closings near and far apart.

What must hold of every closing stands in :mod:`tests.model.invariants`, where the exhaustive models judge it too; here
the worlds are larger, states are digested, and courses of events are longer. Each sentence is a method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol import fold
from protocol.closing import Record
from protocol.state import State, read_state
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2, header_pb2, pledge_pb2
from tests import builders
from tests.model import invariants
from tests.model.move import Move
from tests.model.world import Act, Said, World, assess, leave, promise, report, vote
from tests.terms import ALWAYS, LABS, VERIFIERS, agreement, elapsed, keeps, level, reading, restrictive, terms

MOTIONS = (decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW)
VERDICTS = tuple(value for value in header_pb2.Verdict.values() if value)
RANKS = (1, 2)


def _agreement() -> Any:
    """Two levels with short clocks, of which the first calls itself; four verifiers, one may lie; a subsidiary."""
    made = terms(4)
    made.parties[2].owner = made.parties[1].owner
    return agreement(
        4,
        parties=list(made.parties),
        lying_verifiers=1,
        levels=[
            level("slowdown", 1, called_by="", mandate_periods=5, caps=None, allowed=made.levels[1].allowed),
            level("pause", 2, entry=keeps(2, *LABS[:2], k=1), resume=_either(elapsed(2, 3), reading(900, below=True))),
        ],
        rules=[pb.Rule(name="council", yes=2, voters=[*LABS, "gridco"], ballot_life_periods=3)],
        # Silence is no part of these courses of events.
        freshness=pb.Freshness(
            publish_within_seconds=600, late_periods=1, stale_periods=2, presumed_non_compliant_periods=100_000
        ),
    )


def _either(*tests: condition_pb2.Condition) -> condition_pb2.Condition:
    return condition_pb2.Condition(any=condition_pb2.Condition.Several(of=tests))


TERMS = _agreement()
FOUNDED: State = builders.World(TERMS).found().state


@st.composite
def clauses(draw: st.DrawFn, lab: str) -> bytes:
    """A pledge: for some levels, on conditions that others keep something, and on what is known of the outside."""
    others = [name for name in LABS if name != lab]
    groups = len({TERMS.owner(name) for name in others})
    made = []
    for rank in draw(st.sets(st.sampled_from(RANKS))):
        needs = [None, *(keeps(of, *others, k=k) for of in RANKS for k in range(1, groups + 1))]
        whens = [None, ALWAYS, restrictive(rank), reading(1_500)]
        made.append(
            pledge_pb2.PledgeClause(
                level=rank, when=draw(st.sampled_from(whens)), provided=draw(st.sampled_from(needs))
            )
        )
    return pledge_pb2.Pledge(clauses=made).SerializeToString(deterministic=True)


class Fold(RuleBasedStateMachine):
    """What parties say until the next closing, the closing, and what holds of it."""

    @initialize()
    def begin(self) -> None:
        self.world, self.state = World(TERMS), FOUNDED
        self.said: list[Said] = []
        self.records: list[tuple[Record, State]] = []
        self.last: Move | None = None

    @rule(value=st.sampled_from((100, 1_200, 5_000)), reporter=st.sampled_from(LABS), lab=st.sampled_from(LABS))
    def reports(self, value: int, reporter: str, lab: str) -> None:
        self.said.append(report(reporter, lab, value))

    @rule(
        voter=st.sampled_from([*LABS, "gridco"]),
        motion=st.sampled_from(MOTIONS),
        rank=st.sampled_from(RANKS),
        ahead=st.sampled_from((0, 0, 0, -1, 1)),
        yes=st.sampled_from((True, True, True, False)),
    )
    def votes(self, voter: str, motion: Any, rank: int, ahead: int, yes: bool) -> None:
        named = self.state.levels[rank].episode + (motion == decision_pb2.MOTION_CALL) + ahead
        self.said.append(vote(voter, motion, rank, max(named, 1), yes=yes))

    @rule(motion=st.sampled_from(MOTIONS), rank=st.sampled_from(RANKS))
    def all_vote(self, motion: Any, rank: int) -> None:
        for voter in LABS:
            self.votes(voter, motion, rank, 0, True)

    @rule(data=st.data(), lab=st.sampled_from(LABS))
    def pledges(self, data: st.DataObject, lab: str) -> None:
        self.said.append(promise(lab, data.draw(clauses(lab)), "something"))

    @rule(party=st.sampled_from([LABS[2], "gridco"]))
    def withdraws(self, party: str) -> None:
        self.said.append(leave(party))

    @rule(
        names=st.sets(st.sampled_from(VERIFIERS[:4]), min_size=1),
        lab=st.sampled_from(LABS),
        verdict=st.sampled_from(VERDICTS),
        ago=st.integers(0, 3),
        revision=st.integers(1, 3),
    )
    def verifiers_assess(self, names: set[str], lab: str, verdict: Any, ago: int, revision: int) -> None:
        if (self.state.period or 0) >= ago:
            self.said += [assess(name, lab, verdict, ago, revision) for name in sorted(names)]

    @rule(dark=st.sampled_from((0, 0, 0, 0, 1, 4)))
    def closes(self, dark: int) -> None:
        # One author's statements stand in the order in which it made them; the same one twice is two leaves.
        act = Act(tuple(dict.fromkeys(self.said)), dark)
        before, record = self.state, self.world.record(self.state, act)
        outcome = fold.step(TERMS, before, record)
        self.last, self.said = Move(self.world, before, act, outcome), []
        self.state = outcome.state
        self.records.append((record, self.state))

    def _holds(self, judged: Callable[[Move], str | None]) -> None:
        if self.last is not None:
            complaint = judged(self.last)
            assert complaint is None, complaint

    @precondition(lambda self: self.last is not None)
    @invariant()
    def two_parties_with_the_same_closings_never_differ(self) -> None:
        move = self.last
        assert move is not None
        # The other one restarted from the text of its state, and got the logs in another order.
        origins = [head.origin for head in move.record.closing.heads]
        again = fold.step(TERMS, read_state(move.before.text()), builders.reordered(move.record, origins[::-1]))
        assert again.state.text() == self.state.text()
        found, expected = again.refusals, move.outcome.refusals
        assert {place: str(one) for place, one in found.items()} == {p: str(one) for p, one in expected.items()}

    @precondition(lambda self: self.last is not None)
    @invariant()
    def the_state_does_not_grow_with_history(self) -> None:
        entries = len(self.state.ballots) + len(self.state.reports) + len(self.state.verdicts)
        voters, open_periods = 4, TERMS.terms.standing.settle_periods + 6
        assert entries <= voters * len(MOTIONS) * len(RANKS) + len(LABS) * 8 + len(LABS) * 4 * open_periods

    def teardown(self) -> None:
        """Replay from genesis equals what was computed closing by closing."""
        state = FOUNDED
        for record, expected in getattr(self, "records", ()):
            state = fold.step(TERMS, state, record).state
            assert state.digest() == expected.digest()


def _sentence(judged: Callable[[Move], str | None]) -> Any:
    def holds(self: Fold) -> None:
        self._holds(judged)

    holds.__name__, holds.__doc__ = judged.__name__, judged.__doc__
    return invariant()(holds)


for one in (
    *invariants.EVERYWHERE,
    invariants.a_refused_statement_changes_nothing,
    invariants.more_pledged_never_binds_fewer,
):
    setattr(Fold, one.__name__, _sentence(one))

TestFold = Fold.TestCase
TestFold.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_every_sentence_is_judged_of_every_closing() -> None:
    judged = {name for name in dir(Fold) if hasattr(getattr(Fold, name), "hypothesis_stateful_invariant")}

    assert {one.__name__ for one in invariants.EVERYWHERE} <= judged
