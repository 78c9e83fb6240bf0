"""The state's text: one form, read back exactly, and pinned."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.conduct import VERDICTS
from protocol.errors import Reason, Refused
from protocol.state import (
    BallotState,
    Binding,
    Conduct,
    LevelState,
    Membership,
    PartyState,
    PledgeState,
    ReportState,
    Stage,
    Standing,
    State,
    Status,
    VerdictState,
    ballot_key,
    group_key,
    key,
    read_state,
)
from protocol.state_entries import EventState, GrantState, InquiryState, ProposalState
from tests.protocol.refusals import refuses

numbers = st.integers(0, 2**64)
digests = st.binary(min_size=32, max_size=32)
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,6}[a-z0-9]", fullmatch=True)
keys = st.lists(names, min_size=3, max_size=3).map(lambda parts: key(*parts))
hexes = digests.map(bytes.hex)
bindings = st.builds(Binding, since=numbers, until=st.none() | numbers)
states = st.builds(
    State,
    agreement=digests,
    terms=digests,
    period=st.none() | numbers,
    closings=numbers,
    closing=digests,
    status=st.sampled_from(Status),
    since=st.none() | numbers,
    parties=st.dictionaries(
        names,
        st.builds(
            PartyState,
            membership=st.sampled_from(Membership),
            notice_left=numbers,
            keys_version=numbers,
            size=numbers,
            founded=st.booleans(),
            convicted=st.booleans(),
            joined=numbers,
        ),
        max_size=3,
    ),
    pledges=st.dictionaries(
        names,
        st.builds(PledgeState, current=st.binary(), older=st.binary(), older_left=numbers, kept=numbers, floor=numbers),
        max_size=3,
    ),
    levels=st.dictionaries(
        st.integers(0, 99),
        st.builds(
            LevelState,
            stage=st.sampled_from(Stage),
            episode=numbers,
            start=st.none() | numbers,
            end=st.none() | numbers,
            age=numbers,
            held=numbers,
            ready=numbers,
            armed=st.booleans(),
            binds=st.dictionaries(names, bindings, max_size=3),
            terms=st.lists(hexes, max_size=2).map(tuple),
            brake_left=numbers,
            brake_cap=st.none() | numbers,
            suspended_by=st.lists(names, max_size=2).map(tuple),
        ),
        max_size=3,
    ),
    ballots=st.dictionaries(
        keys,
        st.builds(
            BallotState,
            episode=numbers,
            yes=st.booleans(),
            period=numbers,
            closing=numbers,
            index=numbers,
            serial=numbers,
            identity=st.just(b"") | digests,
        ),
        max_size=3,
    ),
    conduct=st.dictionaries(
        names,
        st.builds(
            Conduct,
            settled=st.lists(st.sampled_from(VERDICTS), max_size=12).map(tuple),
            honored=numbers,
            standing=st.sampled_from(Standing),
            timer=numbers,
            losses=numbers,
            attested=st.dictionaries(names, numbers, max_size=3),
            silent=numbers,
            accusations=numbers,
            cause=st.lists(numbers, max_size=3).map(tuple),
            by_silence=st.booleans(),
            out_since=st.none() | numbers,
            pardoned=numbers,
            newest=st.sampled_from(["", *VERDICTS]),
        ),
        max_size=3,
    ),
    verdicts=st.dictionaries(
        keys,
        st.builds(VerdictState, verdict=st.sampled_from(VERDICTS), revision=numbers, identity=st.just(b"") | digests),
        max_size=3,
    ),
    reports=st.dictionaries(
        keys,
        st.builds(
            ReportState,
            value=numbers,
            period=numbers,
            closing=numbers,
            index=numbers,
            low=st.none() | numbers,
            high=st.none() | numbers,
            identity=st.just(b"") | digests,
            samples=st.sampled_from(["", "3:100", "3:100,9:120"]),
        ),
        max_size=3,
    ),
    entered=numbers,
    texts=st.dictionaries(hexes, st.binary(), max_size=2),
    proposals=st.dictionaries(
        names, st.builds(ProposalState, digest=hexes, parts=numbers, seen=numbers, closing=numbers), max_size=2
    ),
    amendment=st.just("") | hexes,
    admitted=st.dictionaries(names, st.binary(), max_size=2),
    offers=st.dictionaries(names, st.binary(), max_size=2),
    grants=st.dictionaries(
        keys,
        st.builds(
            GrantState, teraflop=st.none() | numbers, chip_seconds=st.none() | numbers, start=numbers, until=numbers
        ),
        max_size=2,
    ),
    requests=st.dictionaries(names, st.binary(), max_size=2),
    events=st.dictionaries(
        keys,
        st.builds(
            EventState,
            happened=st.booleans(),
            level=numbers,
            closing=numbers,
            since_closing=numbers,
            index=numbers,
            identity=digests,
        ),
        max_size=2,
    ),
    plans=st.dictionaries(keys, numbers, max_size=2),
    inquiries=st.dictionaries(
        hexes,
        st.builds(InquiryState, lab=names, asker=names, closing=numbers, period=numbers, index=numbers),
        max_size=2,
    ),
    rests=st.dictionaries(st.text().map(lambda owner: key(1, group_key(owner))), numbers, max_size=2),
)

FIXED = State(
    agreement=bytes(32),
    terms=b"\x01" * 32,
    period=7,
    closings=6,
    closing=b"\xab" * 32,
    status=Status.IN_FORCE,
    since=2,
    parties={"beta": PartyState(), "alpha": PartyState(membership=Membership.IN, size=3, founded=True)},
    levels={2: LevelState(stage=Stage.RAMPING, episode=1, start=4, end=9, binds={"alpha": Binding(since=4, until=9)})},
    ballots={"alpha|1|2": BallotState(episode=1, yes=True, period=6, closing=5, index=2)},
    conduct={"alpha": Conduct(settled=("honored", "breached"), attested={"00ff": 5})},
)
TEXT = (
    b"agreement=" + b"00" * 32 + b"\n"
    b"ballots/alpha|1|2/closing=5\n"
    b"ballots/alpha|1|2/episode=1\n"
    b"ballots/alpha|1|2/index=2\n"
    b"ballots/alpha|1|2/period=6\n"
    b"ballots/alpha|1|2/yes=1\n"
    b"closing=" + b"ab" * 32 + b"\n"
    b"closings=6\n"
    b"conduct/alpha/attested/00ff=5\n"
    b"conduct/alpha/honored=0\n"
    b"conduct/alpha/losses=0\n"
    b"conduct/alpha/settled/0=honored\n"
    b"conduct/alpha/settled/1=breached\n"
    b"conduct/alpha/silent=0\n"
    b"conduct/alpha/standing=relied\n"
    b"conduct/alpha/timer=0\n"
    b"levels/2/age=0\n"
    b"levels/2/armed=1\n"
    b"levels/2/binds/alpha/since=4\n"
    b"levels/2/binds/alpha/until=9\n"
    b"levels/2/end=9\n"
    b"levels/2/episode=1\n"
    b"levels/2/held=0\n"
    b"levels/2/ready=0\n"
    b"levels/2/stage=ramping\n"
    b"levels/2/start=4\n"
    b"parties/alpha/convicted=0\n"
    b"parties/alpha/founded=1\n"
    b"parties/alpha/keys_version=0\n"
    b"parties/alpha/membership=in\n"
    b"parties/alpha/notice_left=0\n"
    b"parties/alpha/size=3\n"
    b"parties/beta/convicted=0\n"
    b"parties/beta/founded=0\n"
    b"parties/beta/keys_version=0\n"
    b"parties/beta/membership=forming\n"
    b"parties/beta/notice_left=0\n"
    b"parties/beta/size=0\n"
    b"period=7\n"
    b"since=2\n"
    b"status=in_force\n"
    b"terms=" + b"01" * 32 + b"\n"
)


def test_has_one_text_and_one_digest() -> None:
    assert FIXED.text() == TEXT
    assert FIXED.digest().hex() == "ecbf0ff0a32e34c7397d28d116baf8d6263d96c75c6e9f296f8eaff0a008e75d"


@given(states)
def test_reads_back_what_it_writes(state: State) -> None:
    assert read_state(state.text()) == state
    assert state.digest() == sha256(state.text()).digest()


@given(states)
def test_writes_each_path_once_in_the_order_of_bytes(state: State) -> None:
    lines = state.text().splitlines(keepends=True)
    assert lines == sorted(set(lines))
    assert len({line.partition(b"=")[0] for line in lines}) == len(lines)


@given(states, states)
def test_differs_wherever_two_states_differ(one: State, two: State) -> None:
    assert (one.digest() == two.digest()) is (one == two)


def test_leaves_out_what_is_absent() -> None:
    early = replace(FIXED, period=None, since=None)
    assert b"\nperiod=" not in early.text()
    assert b"\nsince=" not in early.text()
    assert read_state(early.text()) == early


def test_leaves_out_later_fields_while_nothing_uses_them() -> None:
    used = replace(FIXED, entered=3, parties={**FIXED.parties, "beta": PartyState(joined=5)})
    added = set(used.text().splitlines()) - set(TEXT.splitlines())
    assert added == {b"entered=3", b"parties/beta/joined=5"}
    assert read_state(used.text()) == used


def test_keeps_each_ballot_of_a_voter_apart_by_what_it_asks() -> None:
    asked = bytes(32)
    keys_ = [
        ballot_key("alpha", 1, 2),
        ballot_key("alpha", 1, 3),
        ballot_key("alpha", 2, 2),
        ballot_key("board/alpha", 1, 2),
        ballot_key("alpha", 1, 2, "beta"),
        ballot_key("alpha", 1, 2, "", asked),
        ballot_key("alpha", 1, 2, "beta", asked),
    ]
    assert keys_[0] == "alpha|1|2"
    assert len(set(keys_)) == len(keys_)
    ballot = BallotState(episode=1, yes=True, period=6, closing=5, index=2, serial=1)
    state = replace(FIXED, ballots=dict.fromkeys(keys_, ballot))
    assert read_state(state.text()) == state


MALFORMED = {
    "nothing": b"",
    "no line feed at the end": TEXT[:-1],
    "a line twice": TEXT + b"terms=" + b"01" * 32 + b"\n",
    "lines out of order": b"".join(sorted(TEXT.splitlines(keepends=True), reverse=True)),
    "an unknown field": TEXT.replace(b"period=7\n", b"period=7\nperiods=7\n"),
    "an unknown field below": TEXT.replace(b"beta/size=0\n", b"beta/size=0\nparties/beta/sizes=0\n"),
    "an empty line": b"\n" + TEXT,
    "carriage returns": TEXT.replace(b"\n", b"\r\n"),
    "a line without value": TEXT.replace(b"period=7", b"period"),
    "a missing line": TEXT.replace(b"parties/beta/size=0\n", b""),
    "a later field that says nothing": TEXT.replace(b"levels/2/end", b"levels/2/brake_left=0\nlevels/2/end"),
    "a number with a sign": TEXT.replace(b"period=7", b"period=+7"),
    "a number with a zero before it": TEXT.replace(b"period=7", b"period=07"),
    "a number with a space": TEXT.replace(b"period=7", b"period= 7"),
    "a number in other digits": TEXT.replace(b"period=7", "period=７".encode()),
    "a number that is none": TEXT.replace(b"period=7", b"period=x"),
    "a truth that is none": TEXT.replace(b"armed=1", b"armed=2"),
    "a stage that is none": TEXT.replace(b"stage=ramping", b"stage=closed"),
    "a digest in capitals": TEXT.replace(b"ab" * 32, b"AB" * 32),
    "a digest that is none": TEXT.replace(b"ab" * 32, b"xy" * 32),
    "a tuple with a gap": TEXT.replace(b"settled/1=", b"settled/2="),
    "a tuple by names": TEXT.replace(b"settled/1=", b"settled/x="),
    "a value below a value": TEXT.replace(b"period=7\n", b"period=7\nperiod/x=7\n"),
    "a value where there are more below": TEXT.replace(b"parties/alpha/c", b"parties=0\nparties/alpha/c"),
    "bytes that are no text": TEXT + b"\xff=1\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refuses(name: str) -> None:
    assert MALFORMED[name] != TEXT
    assert read_state(TEXT) == FIXED
    with refuses(Reason.STATE_MALFORMED, "state"):
        read_state(MALFORMED[name])


@given(st.lists(st.sampled_from(TEXT.splitlines(keepends=True)), max_size=30), st.binary(max_size=20))
def test_answers_any_bytes_with_a_state_of_these_bytes_or_a_refusal(lines: list[bytes], noise: bytes) -> None:
    for data in (b"".join(lines), b"".join(lines) + noise, noise):
        try:
            state = read_state(data)
        except Refused as refused:
            if refused.reason is not Reason.STATE_MALFORMED:
                raise
        else:
            assert state.text() == data


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
def test_reads_another_state_or_none_where_a_byte_is_flipped(place: int, flip: int) -> None:
    data = bytearray(TEXT)
    data[place] ^= flip
    try:
        found = read_state(bytes(data))
    except Refused as refused:
        if refused.reason is not Reason.STATE_MALFORMED:
            raise
    else:
        assert found != FIXED
        assert found.digest() == sha256(bytes(data)).digest()
