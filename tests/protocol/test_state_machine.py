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
from protocol.agreement import read_agreement
from protocol.closing import Record
from protocol.state import State, read_state
from protocol.wire import encode
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2, header_pb2, pledge_pb2
from standstill.v1 import quantity_pb2 as q
from tests import bodies, builders
from tests.model import invariants, twins
from tests.model.changing import an_accession_changes_nothing_for_the_others
from tests.model.move import Move
from tests.model.world import (
    Act,
    Said,
    World,
    accede,
    ask,
    assess,
    decide,
    key_set,
    leave,
    offer,
    promise,
    propose,
    report,
    vote,
)
from tests.terms import ALWAYS, LABS, VERIFIERS, change, elapsed, keeps, level, party, reading, restrictive, terms

MOTIONS = (decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW)
VERDICTS = tuple(value for value in header_pb2.Verdict.values() if value)
RANKS = (1, 2)


def _text(**changes: Any) -> bytes:
    """Two levels with short clocks, of which the first calls itself; four verifiers, one may lie; a subsidiary.

    The council may amend, admit, grant an exemption, and hold whoever is accused. `changes` are of the pause.
    """
    made = terms(4)
    made.parties[2].owner = made.parties[1].owner
    usual = {"entry": keeps(2, *LABS[:2], k=1), "resume": _either(elapsed(2, 3), reading(900, below=True))}
    trial = pb.Exemption(name="trial", labels=[q.LABEL_ROLLOUT], on_request=True)
    trial.cap.CopyFrom(pb.Cap(name="trial", labels=trial.labels, chip_seconds=3_000, window_periods=4))
    slow = level("slowdown", 1, called_by="", mandate_periods=5, caps=None, allowed=made.levels[1].allowed)
    slow.exemptions.append(trial)
    text = terms(
        4,
        parties=list(made.parties),
        lying_verifiers=1,
        levels=[slow, level("pause", 2, exemptions=[trial], **(usual | changes))],
        amended_by="council",
        admitted_by="council",
        exempted_by="council",
        standing=change(made.standing, hold_rule="council"),
        rules=[pb.Rule(name="council", yes=2, voters=[*LABS, "gridco"], ballot_life_periods=3)],
        # Silence is no part of these courses of events.
        freshness=pb.Freshness(
            publish_within_seconds=600, late_periods=1, stale_periods=2, presumed_non_compliant_periods=100_000
        ),
    )
    return encode(text)


def _either(*tests: condition_pb2.Condition) -> condition_pb2.Condition:
    return condition_pb2.Condition(any=condition_pb2.Condition.Several(of=tests))


TERMS = read_agreement(_text())
TEXTS = {
    "the first terms": TERMS.data,
    "a pause that ends sooner": _text(steady_steps=1, ramp_periods=1, resume=ALWAYS),
    "a pause that binds everybody, with a cap": _text(
        binds=pb.BINDS_EVERYONE,
        entry=None,
        caps=[pb.Cap(name="runs", labels=[q.LABEL_EVAL], chip_seconds=9, window_periods=2)],
    ),
}
DELTA = "delta"
NEWCOMER = encode(party(DELTA, pb.ROLE_LAB, owner=f"{LABS[0]} group"))
REQUEST = encode(bodies.exemption_request(2, exemption="trial", periods=3))
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
        self.moves: list[Move] = []

    def _say(self, *said: Said) -> None:
        # Every closing is judged once.
        self.said += said
        self.moves = []

    @rule(value=st.sampled_from((100, 1_200, 5_000)), reporter=st.sampled_from(LABS), lab=st.sampled_from(LABS))
    def reports(self, value: int, reporter: str, lab: str) -> None:
        self._say(report(reporter, lab, value))

    @rule(
        voter=st.sampled_from([*LABS, "gridco"]),
        motion=st.sampled_from(MOTIONS),
        rank=st.sampled_from(RANKS),
        ahead=st.sampled_from((0, 0, 0, -1, 1)),
        yes=st.sampled_from((True, True, True, False)),
    )
    def votes(self, voter: str, motion: Any, rank: int, ahead: int, yes: bool) -> None:
        named = self.state.levels[rank].episode + (motion == decision_pb2.MOTION_CALL) + ahead
        self._say(vote(voter, motion, rank, max(named, 1), yes=yes))

    @rule(motion=st.sampled_from(MOTIONS), rank=st.sampled_from(RANKS))
    def all_vote(self, motion: Any, rank: int) -> None:
        for voter in LABS:
            self.votes(voter, motion, rank, 0, True)

    @rule(data=st.data(), lab=st.sampled_from(LABS))
    def pledges(self, data: st.DataObject, lab: str) -> None:
        self._say(promise(lab, data.draw(clauses(lab)), "something"))

    @rule(
        words=st.sampled_from(sorted(TEXTS)),
        proposed=st.sampled_from((True, True, False)),
        voters=st.sampled_from((2, 2, 2, 1)),
    )
    def amends(self, words: str, proposed: bool, voters: int) -> None:
        data = TEXTS[words]
        if proposed:
            self._say(propose(LABS[0], data, words))
        self._say(*(decide(voter, decision_pb2.MOTION_AMEND, data, words) for voter in LABS[:voters]))

    @rule(voters=st.sampled_from((2, 2, 1)))
    def admits(self, voters: int) -> None:
        self._say(offer(LABS[1], NEWCOMER, DELTA))
        self._say(*(decide(voter, decision_pb2.MOTION_ADMIT, NEWCOMER, DELTA) for voter in LABS[:voters]))

    @precondition(lambda self: DELTA in self.state.parties)
    @rule(word=st.sampled_from(("accedes", "accedes", "pledges", "withdraws")))
    def the_newcomer(self, word: str) -> None:
        said = {
            "accedes": [accede(DELTA, TERMS.digest, self.state.terms), key_set(DELTA)],
            "pledges": [promise(DELTA, bodies.pledge().SerializeToString(deterministic=True), "both levels")],
            "withdraws": [leave(DELTA)],
        }
        self._say(*said[word])

    @rule(voters=st.sets(st.sampled_from(LABS)), asks=st.booleans())
    def exempts(self, voters: set[str], asks: bool) -> None:
        if asks:
            self._say(ask(LABS[0], REQUEST, "the trial"))
        motion = decision_pb2.MOTION_EXEMPT
        self._say(*(decide(one, motion, REQUEST, "the trial", rank=2, about=LABS[0]) for one in sorted(voters)))

    @rule(lab=st.sampled_from(LABS), voters=st.sets(st.sampled_from(LABS), min_size=2))
    def holds(self, lab: str, voters: set[str]) -> None:
        times = max(self.state.conduct[lab].accusations, 1)
        self._say(*(vote(one, decision_pb2.MOTION_HOLD, 0, times, about=lab) for one in sorted(voters)))

    @rule(lab=st.sampled_from(LABS), names=st.sampled_from((VERIFIERS[:4], VERIFIERS[:4], VERIFIERS[:3])))
    def verifiers_find_breaches(self, lab: str, names: tuple[str, ...]) -> None:
        breached = header_pb2.VERDICT_BREACHED
        for ago in range(min((self.state.period or 0) + 1, 3)):
            self._say(*(assess(name, lab, breached, ago, 3) for name in names))

    @rule(lab=st.sampled_from(LABS), revision=st.integers(4, 9))
    def verifiers_vacate(self, lab: str, revision: int) -> None:
        last = self.state.period or 0
        honored = header_pb2.VERDICT_HONORED
        for period in self.state.conduct[lab].cause:
            self._say(*(assess(name, lab, honored, last - period, revision) for name in VERIFIERS[:4]))

    @rule(party=st.sampled_from([LABS[2], "gridco"]))
    def withdraws(self, party: str) -> None:
        self._say(leave(party))

    @rule(
        names=st.sets(st.sampled_from(VERIFIERS[:4]), min_size=1),
        lab=st.sampled_from(LABS),
        verdict=st.sampled_from(VERDICTS),
        ago=st.integers(0, 3),
        revision=st.integers(1, 3),
    )
    def verifiers_assess(self, names: set[str], lab: str, verdict: Any, ago: int, revision: int) -> None:
        if (self.state.period or 0) >= ago:
            self._say(*(assess(name, lab, verdict, ago, revision) for name in sorted(names)))

    @rule(dark=st.sampled_from((0, 0, 0, 0, 1, 4)), times=st.sampled_from((1, 1, 2, 5)))
    def closes(self, dark: int, times: int) -> None:
        self.moves = []
        for number in range(times):
            # One author's statements stand in the order in which it made them; the same one twice is two leaves.
            act = Act(tuple(dict.fromkeys(self.said)), 0 if number else dark)
            before, record = self.state, self.world.record(self.state, act)
            outcome = fold.step(TERMS, before, record)
            self.moves.append(Move(self.world, before, act, outcome))
            self.said, self.state = [], outcome.state
            self.records.append((record, self.state))

    def _holds(self, judged: Callable[[Move], str | None]) -> None:
        for move in self.moves:
            complaint = judged(move)
            assert complaint is None, complaint

    @invariant()
    def two_parties_with_the_same_closings_never_differ(self) -> None:
        for move in self.moves:
            # The other one restarted from the text of its state, and got the logs in another order.
            origins = [head.origin for head in move.record.closing.heads]
            again = fold.step(TERMS, read_state(move.before.text()), builders.reordered(move.record, origins[::-1]))
            assert again.state.text() == move.after.text()
            found, expected = again.refusals, move.outcome.refusals
            assert {place: str(one) for place, one in found.items()} == {p: str(one) for p, one in expected.items()}

    @invariant()
    def the_state_does_not_grow_with_history(self) -> None:
        entries = len(self.state.ballots) + len(self.state.reports) + len(self.state.verdicts)
        voters, open_periods, labs = 4, TERMS.terms.standing.settle_periods + 6, len(LABS) + 1
        # Of level motions, and of what has a digest or a lab: texts, the newcomer, the request, holds.
        motions = len(MOTIONS) * len(RANKS) + len(TEXTS) + 2 + labs
        assert entries <= voters * motions + labs * 8 + labs * 4 * open_periods
        assert len(self.state.texts) <= len(TEXTS)

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
    twins.a_refused_statement_changes_nothing,
    twins.more_pledged_never_binds_fewer,
    an_accession_changes_nothing_for_the_others,
):
    setattr(Fold, one.__name__, _sentence(one))

TestFold = Fold.TestCase
TestFold.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_every_sentence_is_judged_of_every_closing() -> None:
    judged = {name for name in dir(Fold) if hasattr(getattr(Fold, name), "hypothesis_stateful_invariant")}

    assert {one.__name__ for one in invariants.EVERYWHERE} <= judged
