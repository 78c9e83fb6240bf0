"""From a few words and the state to the ballot that they mean."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from cli.node_say import MOTIONS
from cli.node_view import View, Vote, ballot_of, question_of, read_view
from cli.node_waiting import Waiting, waiting
from protocol.agreement import Agreement
from protocol.errors import Reason
from protocol.fold import initial
from protocol.state import Conduct, LevelState, Stage, Standing, State
from protocol.state_entries import InquiryState, ProposalState
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import condition_pb2, decision_pb2, header_pb2, node_admin_service_pb2
from tests.bodies import exemption_request
from tests.protocol.refusals import refuses
from tests.protocol.test_ballots import TERMS as EVERY_MOTION
from tests.terms import PAUSE, agreement, change, party

M, C = decision_pb2, condition_pb2.Condition
REQUEST = encode(exemption_request())
OFFER = encode(party("delta"))
TEXT = sha256(b"proposed terms").hexdigest()


def state_of(made: Agreement) -> State:
    """A pause in its third episode; gamma is accused for the second time; of every other motion one waits."""
    base = initial(made)
    levels = {**base.levels, PAUSE: LevelState(stage=Stage.WINDING, episode=3)}
    conduct = {**base.conduct, "gamma": Conduct(standing=Standing.ACCUSED, accusations=2)}
    return replace(
        base,
        levels=levels,
        conduct=conduct,
        requests={"beta": REQUEST},
        offers={"beta": OFFER},
        proposals={"beta": ProposalState(digest=TEXT, parts=1, seen=1, closing=1)},
    )


ASKED = bytes(range(32))


def resolving(*asked: bytes) -> Agreement:
    """The terms in which every motion has a rule; the pause resumes when votes have found all of this."""
    made = change(EVERY_MOTION.terms)
    tests = [C(carried=C.Carried(rule="all", level=PAUSE, asked=digest)) for digest in asked]
    made.levels[PAUSE - 1].resume.CopyFrom(C(all=C.Several(of=tests)))
    return Agreement(encode(made), made)


TERMS = resolving(ASKED)
VIEW = View(terms=TERMS, party="alpha", state=state_of(TERMS), serials={"chair": 4}, period=7)


def cast(motion: str, subject: str, view: View = VIEW, **changes: Any) -> M.Ballot:
    """A ballot that every reader takes."""
    seat = changes.pop("seat", "")
    ballot = ballot_of(Vote(motion=motion, subject=subject, yes=True, **changes), view, seat)
    if not seat:
        rule = KINDS[header_pb2.KIND_BALLOT]
        rule.validate(ballot, header_pb2.Header(author=view.party), view.terms)
    return ballot


VOTES: list[tuple[str, str, dict[str, Any], M.Ballot]] = [
    ("call", "pause", {}, M.Ballot(level=PAUSE, episode=4)),
    ("ratify", "2", {}, M.Ballot(level=PAUSE, episode=4)),
    ("arm", "pause", {}, M.Ballot(level=PAUSE, episode=4)),
    ("lift", "pause", {}, M.Ballot(level=PAUSE, episode=3)),
    ("renew", "pause", {}, M.Ballot(level=PAUSE, episode=3)),
    ("resolve", "pause", {}, M.Ballot(level=PAUSE, episode=3, rule="all", asked=ASKED)),
    ("hold", "gamma", {}, M.Ballot(about="gamma", episode=2)),
    ("release", "gamma", {}, M.Ballot(about="gamma", episode=2)),
    ("exempt", "beta", {}, M.Ballot(about="beta", level=PAUSE, asked=sha256(REQUEST).digest())),
    ("admit", "delta", {}, M.Ballot(asked=sha256(OFFER).digest())),
    ("amend", TEXT[:6], {}, M.Ballot(asked=bytes.fromhex(TEXT))),
]


@pytest.mark.parametrize(("motion", "subject", "changes", "ballot"), VOTES, ids=[vote[0] for vote in VOTES])
def test_the_state_says_what_the_words_leave_out(
    motion: str, subject: str, changes: dict[str, Any], ballot: M.Ballot
) -> None:
    ballot.motion, ballot.yes = M.Motion.Value(f"MOTION_{motion.upper()}"), True

    assert cast(motion, subject, **changes) == ballot


def test_every_motion_of_the_protocol_has_its_word() -> None:
    words = {name.removeprefix("MOTION_").lower() for name, number in M.Motion.items() if number}

    assert set(MOTIONS) == words == {vote[0] for vote in VOTES}


@pytest.mark.parametrize(
    ("motion", "subject", "field", "names"),
    [
        ("call", "pauze", "LEVEL", "slowdown, pause"),
        ("hold", "vera", "LAB", "alpha, beta, gamma"),
        ("exempt", "gamma", "LAB", "beta"),
        ("admit", "beta", "PARTY", "delta"),
        ("amend", "xyz", "DIGEST", TEXT),
        ("amend", "", "DIGEST", TEXT),
    ],
)
def test_a_wrong_name_is_answered_with_those_that_there_are(motion: str, subject: str, field: str, names: str) -> None:
    with refuses(Reason.NAME_UNKNOWN, field) as caught:
        cast(motion, subject)

    assert names in caught.value.detail


def test_what_several_conditions_ask_for_is_told_apart_by_the_digest() -> None:
    other = bytes(reversed(ASKED))
    two, none = (replace(VIEW, terms=resolving(*asked)) for asked in ((ASKED, other), ()))
    for view, changes in ((two, {}), (two, {"asked": "ff"}), (two, {"asked": "00", "rule": "labs"}), (none, {})):
        with refuses(Reason.NAME_UNKNOWN, "--asked"):
            cast("resolve", "pause", view, **changes)

    assert cast("resolve", "pause", two, asked="1F1E").asked == other


def test_without_a_state_the_episode_must_be_given() -> None:
    blind = replace(VIEW, state=None)
    with refuses(Reason.FIELD_ABSENT, "--episode"):
        cast("lift", "pause", blind)

    assert cast("lift", "pause", blind, episode=5).episode == 5


def test_what_the_state_refuses_now_is_not_signed_unless_the_episode_is_given() -> None:
    with refuses(Reason.PHASE_MISMATCH, "ballot.about"):
        cast("hold", "beta")

    assert cast("hold", "beta", episode=1).about == "beta"


def test_who_has_no_vote_is_told_who_has() -> None:
    with refuses(Reason.NO_AUTHORITY, "--seat") as caught:
        cast("call", "pause", replace(VIEW, party="gridco"))

    assert "senate/chair" in caught.value.detail
    assert cast("call", "pause").level == PAUSE


def test_a_seats_ballot_has_the_serial_after_those_in_the_log() -> None:
    council = replace(VIEW, party="senate")

    ballot = cast("call", "pause", council, seat="chair")
    assert (ballot.seat, ballot.serial) == ("chair", 5)
    assert cast("call", "pause", replace(council, serials={}), seat="chair").serial == 1


def test_an_answer_goes_to_the_question_that_waits() -> None:
    def waiting(*names: str) -> View:
        one = InquiryState(lab="alpha", asker="beta", closing=1, period=1, index=5)
        found = {name * 32: one for name in names} | {"cc" * 32: replace(one, lab="gamma")}
        return replace(VIEW, state=replace(state_of(TERMS), inquiries=found))

    assert question_of(waiting("aa"), "") == bytes.fromhex("aa" * 32)
    assert question_of(waiting("aa", "bb"), "BB") == bytes.fromhex("bb" * 32)
    for view, beginning in ((waiting("aa", "bb"), ""), (waiting("aa"), "b"), (waiting(), ""), (waiting("aa"), "cc")):
        with refuses(Reason.INQUIRY_UNKNOWN, "--to"):
            question_of(view, beginning)


def test_reads_what_a_node_knows() -> None:
    made = agreement()
    state = initial(made)
    answer = node_admin_service_pb2.GetOwnStateResponse(agreement=made.data, party="alpha", serials={"chair": 4})
    blind = read_view(answer)
    answer.state, answer.period = state.text(), 7
    seeing = read_view(answer)

    assert (blind.state, blind.period, blind.terms.digest) == (None, None, made.digest)
    assert (seeing.state, seeing.running(None), seeing.running(3), seeing.serials) == (state, 7, 3, {"chair": 4})
    with refuses(Reason.PERIOD_NOT_ENDED, "--period"):
        blind.running(None)


# -- what waits -------------------------------------------------------------------------------------------------------


def test_what_waits_is_named_with_what_to_say_to_it() -> None:
    found = {one.command: one.about for one in waiting(VIEW)}

    assert found == {
        "vote hold gamma --yes": "accusation 2 of gamma",
        "vote release gamma --yes": "accusation 2 of gamma",
        "vote exempt beta --yes": "beta asks for audit of pause, 24 periods",
        "vote admit delta --yes": "beta offers it",
        f"vote amend {TEXT[:8]} --yes": "beta proposes these terms",
    }
    for command in found:
        _, motion, subject, _ = command.split()
        assert cast(motion, subject).yes


def test_a_brake_that_runs_waits_for_its_ratification() -> None:
    braked = LevelState(stage=Stage.WINDING, brake_left=2, brake_cap=9)
    state = replace(initial(TERMS), levels={**VIEW.known_state("").levels, PAUSE: braked})

    assert [one.command for one in waiting(replace(VIEW, state=state))] == ["vote ratify pause --yes"]


def test_a_question_waits_for_its_lab_alone() -> None:
    one = InquiryState(lab="alpha", asker="beta", closing=1, period=4, index=5)
    state = replace(initial(TERMS), inquiries={"ab" * 32: one})

    assert waiting(replace(VIEW, state=state)) == [Waiting("reply TEXT --to abababab", "beta asked in P4")]
    assert waiting(replace(VIEW, state=state, party="beta")) == []


@pytest.mark.parametrize(("party_name", "votes"), [("senate", 5), ("gridco", 0), ("gamma", 0)])
def test_votes_wait_for_those_who_have_them(party_name: str, votes: int) -> None:
    assert len(waiting(replace(VIEW, party=party_name))) == votes
    assert waiting(replace(VIEW, party=party_name, state=None)) == []
