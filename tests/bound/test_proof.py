"""Proofs as bytes: rounding keeps them valid, and nothing else passes for one."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bound.assembly import assemble
from bound.outcome import outcome, proven_bound, proven_floor
from bound.proof import MAX_ROWS, pack, rounded, unpack
from protocol.errors import Reason
from tests.bound.fleet import BEHAVIOURS, seeded
from tests.protocol.refusals import refuses

multipliers = st.lists(st.integers(-(2**90), 2**90), max_size=50)


@given(multipliers)
def test_a_proof_keeps_the_leading_bits(values: list[int]) -> None:
    back = unpack(pack(values), len(values))
    assert back == rounded(back)
    for value, kept in zip(values, back, strict=True):
        assert abs(kept) <= abs(value)
        assert abs(value - kept) * 2**23 <= abs(value)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_packed_proof_proves_hardly_less(behaviour: str) -> None:
    evidence = seeded(behaviour, 1).evidence
    found, made = outcome(evidence), assemble(evidence)
    rows = len(made.program.limits)
    assert found.bound is not None
    packed = proven_bound(made, unpack(pack(found.bound_multipliers), rows))
    assert found.bound <= packed <= found.bound * 1.000_01
    assert proven_floor(made, unpack(pack(found.floor_multipliers), rows)) <= found.floor


@given(multipliers.filter(bool), st.data())
def test_refuses_a_proof_for_other_rows(values: list[int], data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 60).filter(lambda number: number != len(values)))
    with refuses(Reason.CERTIFICATE_MALFORMED, "proof"):
        unpack(pack(values), rows)


@pytest.mark.parametrize("data", [b"", b"no proof", zlib.compress(b"12345")[:-1], zlib.compress(b"12345") + b"x"])
def test_refuses_bytes_that_are_no_proof(data: bytes) -> None:
    with refuses(Reason.CERTIFICATE_MALFORMED, "proof"):
        unpack(data, 1)


def test_refuses_more_rows_than_a_program_has() -> None:
    with refuses(Reason.CERTIFICATE_MALFORMED, "proof"):
        unpack(b"", MAX_ROWS + 1)
