"""The fold while its terms and parties change: no order between logs, and nothing but the record, decides the state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, Final

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import fold, wire
from protocol.closing import Record
from protocol.replay import replay
from protocol.state import Membership, Stage, State, read_state
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2, header_pb2, membership_pb2
from tests.bodies import brake, clarification, indicator_report, inquiry
from tests.builders import ALWAYS, LABS, PAUSE, World, attestation, clause, keeps, pledge, reordered, withdrawal
from tests.protocol.changing import ADMIT, AMEND, RULES, join, newcomer, propose, text, vote
from tests.terms import agreement, brake_terms, change, level, terms

FIRST: Final[dict[str, Any]] = {
    "novice_periods": 2,
    "verification": change(terms().verification, clarification_answer_periods=2),
    "levels": [
        change(terms().levels[0], trigger=ALWAYS),
        level("pause", PAUSE, trigger=ALWAYS, brake=brake_terms(rest_periods=20), entry=keeps(PAUSE, *LABS, k=2)),
    ],
}
TERMS: Final = agreement(**(RULES | FIRST))
DELTA, EPSILON = newcomer("delta"), newcomer("epsilon", pb.ROLE_SUPPLIER)


def _levels(**changes: Any) -> list[pb.Level]:
    return [FIRST["levels"][0], change(FIRST["levels"][1], **changes)]


TEXTS: Final = (
    text(**FIRST | {"levels": _levels(ramp_periods=5, wind_down_periods=2)}),
    text(**FIRST | {"levels": _levels(binds=pb.BINDS_EVERYONE, entry=None), "novice_periods": 0}),
    text(**FIRST | {"levels": [*_levels(), level("halt", 3, trigger=ALWAYS)]}),
    text(**FIRST | {"parties": [*terms().parties, DELTA], "founding": [*terms().founding, "delta"]}),
    text(**FIRST | {"parties": [*terms().parties, change(EPSILON, origin=DELTA.origin)]}),
    TERMS.data,
)

Said = Callable[[World], None]
Course = Sequence[Sequence[str]]


def _proposes(name: str, data: bytes, world: World) -> None:
    propose(world, data, name)


def _votes(motion: Any, data: bytes, world: World) -> None:
    vote(world, motion, sha256(data).digest(), LABS)


def _offers(name: str, data: bytes, world: World) -> None:
    world[name].say(membership_pb2.Admission(party=data))


def _says(name: str, body: Message, world: World) -> None:
    """What a party says, once it has a log."""
    if name in world.parties:
        world[name].say(body)


def _asks(motion: Any, rank: int, world: World) -> None:
    world.vote(motion, LABS, rank)


def _joins(world: World) -> None:
    if "delta" not in world.parties and "delta" in world.state.parties:
        join(world)


def _questions(world: World) -> None:
    world["beta"].say(clarification(), inquiry=inquiry("alpha"))


def _attests(world: World) -> None:
    world["alpha"].say(attestation(world.agreement, world.state.period or 0))


def _blames(world: World) -> None:
    world.assess("beta", max((world.state.period or 0) - 1, 0), header_pb2.VERDICT_BREACHED)


def _all() -> dict[str, Said]:
    found: dict[str, Said] = {
        "delta joins": _joins,
        "gamma leaves": partial(_says, "gamma", withdrawal()),
        "beta asks alpha": _questions,
        "alpha attests": _attests,
        "beta is found in breach": _blames,
    }
    for number, data in enumerate(TEXTS):
        found[f"terms {number}"] = partial(_proposes, LABS[number % 2], data)
        found[f"votes for terms {number}"] = partial(_votes, AMEND, data)
    for name, offered in (("alpha", DELTA), ("gamma", DELTA), ("beta", EPSILON)):
        data = wire.encode(offered)
        found[f"{name} offers {offered.name}"] = partial(_offers, name, data)
        found[f"votes for {offered.name}"] = partial(_votes, ADMIT, data)
    for name in (*LABS, "delta"):
        found[f"{name} pledges"] = partial(_says, name, pledge(clause(PAUSE)))
        found[f"{name} brakes"] = partial(_says, name, brake())
        found[f"{name} reports"] = partial(_says, name, indicator_report(name, 2_000))
    for rank in (1, PAUSE):
        found[f"call {rank}"] = partial(_asks, decision_pb2.MOTION_CALL, rank)
        found[f"lift {rank}"] = partial(_asks, decision_pb2.MOTION_LIFT, rank)
    return found | {"ratify": partial(_asks, decision_pb2.MOTION_RATIFY, PAUSE)}


ALL: Final = _all()


def _courses() -> st.SearchStrategy[list[list[str]]]:
    """Between four and twelve closings; whoever proposes something is often voted for at once."""
    apart = [[name] for name in ALL]
    terms_ = [[f"terms {number}", f"votes for terms {number}"] for number in range(len(TEXTS))]
    parties = [["alpha offers delta", "votes for delta"], ["beta offers epsilon", "votes for epsilon"]]
    several = st.lists(st.sampled_from([*apart, *terms_, *parties]), max_size=6)
    return st.lists(several.map(lambda found: [one for few in found for one in few]), min_size=4, max_size=12)


def _play(course: Course) -> tuple[World, list[tuple[State, Record]]]:
    """A history, and the state before each record of it."""
    world, history = World(TERMS), list[tuple[State, Record]]()
    for founder in list(world.parties.values()):
        founder.found()
    for said in ([], *course):
        for one in said:
            ALL[one](world)
        history.append((world.state, world.record()))
        world.close()
    return world, history


def test_courses_go_through_amended_terms_admitted_parties_and_restrictions() -> None:
    pledged = ["alpha pledges", "beta pledges", "alpha offers delta", "votes for delta"]
    course = [pledged, ["delta joins", "call 2"], ["terms 3", "votes for terms 3"], ["gamma brakes"]]
    world, _ = _play(course)
    assert world.state.terms == sha256(TEXTS[3]).digest()
    assert world.state.parties["delta"].membership is Membership.IN
    assert world.state.levels[PAUSE].terms == (TERMS.digest.hex(),)
    assert world.state.levels[PAUSE].stage is not Stage.OPEN


@settings(max_examples=25, deadline=None)
@given(_courses(), st.randoms(use_true_random=False))
def test_who_reads_the_logs_in_another_order_and_begins_from_the_text_of_a_state_computes_the_same(
    course: Course, random: Any
) -> None:
    for state, record in _play(course)[1]:
        origins = [head.origin for head in record.closing.heads]
        random.shuffle(origins)
        expected = fold.step(TERMS, state, record)
        found = fold.step(TERMS, read_state(state.text()), reordered(record, origins))
        assert found.state.text() == expected.state.text()
        assert {place: str(one) for place, one in found.refusals.items()} == {
            place: str(one) for place, one in expected.refusals.items()
        }
        assert found.transitions == expected.transitions


@settings(max_examples=15, deadline=None)
@given(_courses())
def test_a_replay_from_the_first_closing_leads_through_the_same_states(course: Course) -> None:
    world, history = _play(course)
    expected = [*(state for state, _ in history[1:]), world.state]
    assert [one.outcome.state for one in replay(TERMS, [record for _, record in history])] == expected
