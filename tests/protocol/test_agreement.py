"""Reading an agreement, and looking things up in it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from protocol import wire
from protocol.agreement import MAX_AGREEMENT_BYTES, pin, read_agreement
from protocol.errors import Reason
from standstill.v1 import agreement_pb2 as pb
from tests.builders import A100, H100, LABS, PERIOD, START, agreement, handle, terms
from tests.protocol.refusals import refuses


def test_is_the_digest_of_its_bytes() -> None:
    data = wire.encode(terms())
    assert read_agreement(data).digest == sha256(data).digest()


def test_is_trusted_by_its_digest_alone() -> None:
    data = wire.encode(terms())
    assert pin(data, sha256(data).digest()).data == data
    with refuses(Reason.TRUST_ROOT_MISMATCH, "agreement"):
        pin(wire.encode(terms(name="other")), sha256(data).digest())


def test_refuses_bytes_that_are_read_in_two_ways() -> None:
    with refuses(Reason.MESSAGE_NOT_CANONICAL, "agreement"):
        read_agreement(wire.encode(terms()) + b"\xf8\x07\x01")
    with refuses(Reason.MESSAGE_TOO_LARGE, "agreement"):
        read_agreement(bytes(MAX_AGREEMENT_BYTES + 1))


def test_refuses_with_the_first_broken_rule() -> None:
    with refuses(Reason.VERSION_UNKNOWN, "version"):
        read_agreement(wire.encode(terms(version=2, period_seconds=0)))


def test_looks_up_by_name() -> None:
    found = agreement()
    assert found.labs == LABS
    assert found.verifiers == ("vera",)
    assert list(found.chips) == [H100, A100]
    assert list(found.levels) == [1, 2]
    assert found.sites[handle("beta")][0] == "beta"
    assert found.logs["gamma.example/standstill"] == "gamma"
    assert found.owner("alpha") == "alpha group"
    assert found.has_role("chipco", pb.ROLE_SUPPLIER)
    assert not found.has_role("chipco", pb.ROLE_LAB)
    assert not found.has_role("nobody", pb.ROLE_LAB)


@pytest.mark.parametrize(
    ("operators", "liars", "quorum"),
    [(1, 0, 1), (3, 0, 2), (4, 1, 3), (5, 1, 4), (6, 1, 4), (7, 2, 5)],
)
def test_needs_the_quorum_of_the_table(operators: int, liars: int, quorum: int) -> None:
    found = agreement(operators, lying_verifiers=liars)
    assert found.quorum == quorum
    # Any two quorums share an honest operator (annex 1.1, 2).
    assert 2 * quorum - operators > liars


def test_gives_the_record_to_the_verifiers_in_turn() -> None:
    found = agreement(4, lying_verifiers=1)
    assert [found.record_origin(term) for term in (0, 1, 5)] == [
        "vera.example/record/0",
        "vito.example/record/1",
        "vito.example/record/5",
    ]


def test_counts_periods_from_its_start() -> None:
    found = agreement()
    assert (found.start_of(0), found.end_of(0)) == (START, START + PERIOD)
    assert [found.period_at(time) for time in (START - 1, START, START + PERIOD - 1, START + PERIOD)] == [None, 0, 0, 1]
