"""Signatures are checked by other processes with the answers that one thread alone would give."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.keys import public_key, sign
from protocol.leaf import Claim, verify_in_turn
from tests.builders import seed
from verifier.signatures import WORTH_SENDING, SignatureChecker

OWN, OTHER = seed("alpha", "statement 1"), seed("beta", "statement 1")
SIZES = range(WORTH_SENDING + 40)


def claim(number: int) -> Claim:
    message = b"statement %d" % number * number
    return Claim(public_key(OWN), message, sign(OWN, message))


GOOD = [claim(number) for number in SIZES]
BAD = {
    "by another key": GOOD[3]._replace(public_key=public_key(OTHER)),
    "over other bytes": GOOD[3]._replace(message=b"other"),
    "cut short, its end in the message": GOOD[3]._replace(
        signature=GOOD[3].signature[:-1], message=GOOD[3].signature[-1:] + GOOD[3].message
    ),
    "too long, the message in its end": GOOD[3]._replace(signature=GOOD[3].signature + GOOD[3].message, message=b""),
    "none": GOOD[3]._replace(signature=b""),
}


@pytest.fixture(scope="module")
def checker() -> Iterator[SignatureChecker]:
    with closing(SignatureChecker(2)) as made:
        made.start()
        yield made


def alive(checker: SignatureChecker) -> list[int]:
    return [worker._process.pid for worker in checker._workers if worker._process.poll() is None]


def test_good_signatures_hold(checker: SignatureChecker) -> None:
    assert checker(GOOD) == [True] * len(GOOD)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("place", [0, 51, 52, len(GOOD) - 1])
def test_a_bad_signature_fails_in_its_place_alone(checker: SignatureChecker, bad: Claim, place: int) -> None:
    claims = [*GOOD[:place], bad, *GOOD[place + 1 :]]

    assert checker(claims) == [number != place for number in SIZES]
    assert verify_in_turn(claims) == [number != place for number in SIZES]


@given(st.lists(st.sampled_from([*GOOD, *BAD.values()]), max_size=3 * WORTH_SENDING))
def test_the_answers_are_those_of_one_thread(checker: SignatureChecker, claims: list[Claim]) -> None:
    assert checker(claims) == verify_in_turn(claims)


def test_before_the_processes_are_started_the_caller_checks() -> None:
    with closing(SignatureChecker(2)) as checker:
        assert checker([*GOOD, BAD["none"]]) == [True] * len(GOOD) + [False]


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost() -> None:
    with closing(SignatureChecker(2)) as checker:
        checker.start()
        before = alive(checker)
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        assert checker([*GOOD, BAD["none"]]) == [True] * len(GOOD) + [False]
        assert checker([*GOOD, BAD["none"]]) == [True] * len(GOOD) + [False]

        assert len(alive(checker)) == 2
        assert not set(alive(checker)) & set(before)


def test_workers_end_with_their_verifier_and_not_with_its_group() -> None:
    checker = SignatureChecker(2)
    checker.start()
    assert checker(GOOD) == [True] * len(GOOD)
    for pid in alive(checker):
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
    assert checker(GOOD) == [True] * len(GOOD)
    pids = alive(checker)

    checker.close()

    assert len(pids) == 2
    assert alive(checker) == []


def test_a_worker_ends_when_its_verifier_is_gone() -> None:
    with closing(SignatureChecker(1)) as checker:
        checker.start()
        (worker,) = checker._workers
        assert worker._process.stdin is not None
        assert worker._process.stdout is not None

        # What the system does for a verifier that is killed.
        worker._process.stdin.close()

        assert worker._process.stdout.read() == b""
        assert worker._process.wait(timeout=30) == 0
        assert not Path(f"/proc/{worker._process.pid}").exists()
        worker.restart()
