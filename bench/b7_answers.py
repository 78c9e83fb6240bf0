"""B7: how long an auditor waits at the 99th percentile, with a million statements held and with ten thousand.

Two verifier processes, one on each store, asked in turns over mutual TLS, so that a disturbance meets both. The small
store is the large one as it was when it held so little.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from bench import history
from bench.measure import Aim, Measurement, Run, Target, middle, percentile
from bench.parties import AUDITOR, channel_to, running
from daemon.files import write_whole
from demo.scenario import VERIFIER
from standstill.v1 import audit_service_pb2, audit_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.history import History
    from bench.parties import Parties

LARGE: Final = 1_000_000
SMALL: Final = 10_000
QUICK_LARGE: Final = 1_200
QUICK_SMALL: Final = 600

_ASKED: Final = 200
_QUICK_ASKED: Final = 5
_WARM_UP: Final = 20
_REAL_AT_THE_END: Final = 5
_NEWEST: Final = 100
_HONEST: Final = "alpha"


class Question(NamedTuple):
    """What an auditor asks."""

    text: str
    ask: Callable[[audit_service_pb2_grpc.AuditServiceStub], object]


QUESTIONS: Final = (
    Question("GetState", lambda stub: stub.GetState(audit_service_pb2.GetStateRequest())),
    Question(
        f"ListAssessments, newest {_NEWEST}",
        lambda stub: stub.ListAssessments(audit_service_pb2.ListAssessmentsRequest(lab=history.CHEAT, limit=_NEWEST)),
    ),
    Question(
        f"ListFindings, newest {_NEWEST}",
        lambda stub: stub.ListFindings(audit_service_pb2.ListFindingsRequest(limit=_NEWEST)),
    ),
    Question(
        "GetBundle, newest period",
        lambda stub: list(stub.GetBundle(audit_service_pb2.GetBundleRequest(lab=_HONEST))),
    ),
)


def answers(run: Run) -> list[Measurement]:
    """B7, one line per question."""
    small, large = run.home / "small", run.home / "large"
    with history.opened(run.home / "history") as past:
        sizes = [_fill(past, run.size(SMALL, QUICK_SMALL), small), _fill(past, run.size(LARGE, QUICK_LARGE), large)]
        parties = past.parties
    with ExitStack() as stack:
        stubs = [_verifier(stack, parties, home) for home in (small, large)]
        return [
            _measured(run, f"B7{letter}", question, stubs, sizes)
            for letter, question in zip("abcd", QUESTIONS, strict=True)
        ]


def _fill(past: History, statements: int, copy: Path) -> int:
    """Let time pass until the verifier holds so much, and keep a copy of it there; how much it is."""
    periods = -(-(statements - past.statements) // history.STATEMENTS_A_PERIOD)
    # Enough of the beginning and of the end is appraised in earnest.
    repeated = max(periods - _REAL_AT_THE_END, 0) if past.period else 0
    past.live(repeated, appraise=False)
    past.live(periods - repeated)
    past.parties.verifier_copy(copy, clock=f"file:{(copy / 'clock').resolve()}", peer={})
    write_whole(copy / "clock", f"{past.clock.time + 1}\n".encode())
    return past.statements


def _verifier(stack: ExitStack, parties: Parties, home: Path) -> audit_service_pb2_grpc.AuditServiceStub:
    stack.enter_context(running("verifier", home))
    channel = stack.enter_context(channel_to(parties, home, VERIFIER, caller=AUDITOR))
    return audit_service_pb2_grpc.AuditServiceStub(channel)


def _measured(
    run: Run,
    name: str,
    question: Question,
    stubs: list[audit_service_pb2_grpc.AuditServiceStub],
    sizes: list[int],
) -> Measurement:
    _ask(question, stubs, _WARM_UP)
    taken = [_ask(question, stubs, run.size(_ASKED, _QUICK_ASKED)) for _ in range(run.rounds)]
    p99 = [[percentile(times, 99) for times in one] for one in taken]
    p50 = [middle([percentile(one[side], 50) for one in taken]) * 1e3 for side in (0, 1)]
    return Measurement(
        name=name,
        what=f"p99 of {question.text}",
        numerator=f"{middle([large for _, large in p99]) * 1e3:.2f} ms at {sizes[1]:,} statements",
        denominator=f"{middle([small for small, _ in p99]) * 1e3:.2f} ms at {sizes[0]:,}",
        rounds=[large / small for small, large in p99],
        target=Target(Aim.AT_MOST, 1.5),
        note=f"p50 {p50[1]:.2f} and {p50[0]:.2f} ms",
    )


def _ask(
    question: Question, stubs: list[audit_service_pb2_grpc.AuditServiceStub], times: int
) -> tuple[list[float], list[float]]:
    """Seconds of each answer of the small and of the large store, asked in turns."""
    taken: tuple[list[float], list[float]] = [], []
    for _ in range(times):
        for stub, seconds in zip(stubs, taken, strict=True):
            start = time.perf_counter()
            question.ask(stub)
            seconds.append(time.perf_counter() - start)
    return taken
