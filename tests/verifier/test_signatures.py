"""Signatures are checked by processes of their own with the answers that one alone would give."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.keys import public_key, sign
from protocol.leaf import Claim, verify_in_turn
from tests.builders import seed
from verifier.signatures import FEW, SignatureChecker

OWN, OTHER = seed("alpha", "statement 1"), seed("beta", "statement 1")
SIZES = range(3 * FEW)


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
@pytest.mark.parametrize("place", [0, SIZES[-1] // 2, SIZES[-1] // 2 + 1, SIZES[-1]])
def test_a_bad_signature_fails_in_its_place_alone(checker: SignatureChecker, bad: Claim, place: int) -> None:
    claims = [*GOOD[:place], bad, *GOOD[place + 1 :]]

    assert checker.begin(claims)() == [number != place for number in SIZES]


@given(st.lists(st.sampled_from([*GOOD, *BAD.values()]), max_size=3 * FEW))
def test_the_answers_are_those_of_one_thread(checker: SignatureChecker, claims: list[Claim]) -> None:
    assert checker.begin(claims)() == verify_in_turn(claims)


def test_several_requests_are_answered_each_by_itself(checker: SignatureChecker) -> None:
    bad = [BAD["none"], *GOOD[1:]]
    waiting = [checker.begin(claims) for claims in (GOOD, bad, GOOD, bad)]

    assert [wait()[0] for wait in waiting] == [True, False, True, False]


def test_the_answers_are_the_same_after_its_processes_were_killed() -> None:
    before = set(children(os.getpid()))
    with closing(SignatureChecker(2)) as checker:
        assert all(checker.begin(GOOD)())
        for child in set(children(os.getpid())) - before:
            os.kill(child, signal.SIGKILL)

        assert checker.begin([BAD["none"], *GOOD[1:]])() == [number > 0 for number in SIZES]


def test_a_process_that_was_killed_is_asked_no_more() -> None:
    before = set(children(os.getpid()))
    with closing(SignatureChecker(2)) as checker:
        os.kill(min(set(children(os.getpid())) - before), signal.SIGKILL)
        assert all(checker.begin(GOOD)())
        gone, alive = sorted(checker._workers, key=lambda worker: -worker.waiting)

        assert all(checker.begin(GOOD)())

    assert (gone.waiting, alive.waiting) == (math.inf, 0)


def test_without_processes_whoever_waits_checks() -> None:
    with closing(SignatureChecker(0)) as checker:
        assert checker.begin(GOOD)() == [True] * len(GOOD)


PARENT = """
from verifier.signatures import SignatureChecker
import sys, time
checker = SignatureChecker(2)
print("ready", flush=True)
time.sleep(60)
"""


def test_the_processes_end_with_a_daemon_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        orphans = children(parent.pid)
        parent.kill()

    assert len(orphans) == 2
    deadline = time.monotonic() + 30
    while any(running(orphan) for orphan in orphans):
        assert time.monotonic() < deadline, "a process outlived its daemon"
        time.sleep(0.05)


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def running(process: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
