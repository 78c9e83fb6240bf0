"""Signatures are checked by processes of their own with the answers that one alone would give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.keys import public_key, sign
from protocol.leaf import Claim, verify_in_turn
from tests.builders import seed
from verifier.signatures import SignatureChecker

OWN, OTHER = seed("alpha", "statement 1"), seed("beta", "statement 1")
SIZES = range(41)


def claim(number: int) -> Claim:
    message = b"statement %d" % number * number
    return Claim(public_key(OWN), message, sign(OWN, message))


GOOD = [claim(number) for number in SIZES]
ONE = GOOD[3]
BAD = {
    "by another key": ONE._replace(public_key=public_key(OTHER)),
    "over other bytes": ONE._replace(message=b"other"),
    "cut short, its end in the message": ONE._replace(
        signature=ONE.signature[:-1], message=ONE.signature[-1:] + ONE.message
    ),
    "too long, the message in its end": ONE._replace(signature=ONE.signature + ONE.message, message=b""),
    "none": ONE._replace(signature=b""),
}


@pytest.fixture(scope="module")
def checker() -> Iterator[SignatureChecker]:
    with closing(SignatureChecker(2)) as made:
        yield made


def test_good_signatures_hold(checker: SignatureChecker) -> None:
    assert checker.begin(GOOD)() == [True] * len(GOOD)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("place", [0, 20, 21, 40])
def test_a_bad_signature_fails_in_its_place_alone(checker: SignatureChecker, bad: Claim, place: int) -> None:
    claims = [*GOOD[:place], bad, *GOOD[place + 1 :]]

    assert checker.begin(claims)() == [number != place for number in SIZES]


@given(st.lists(st.sampled_from([*GOOD, *BAD.values()])))
def test_the_answers_are_those_of_one_thread(checker: SignatureChecker, claims: list[Claim]) -> None:
    assert checker.begin(claims)() == verify_in_turn(claims)
