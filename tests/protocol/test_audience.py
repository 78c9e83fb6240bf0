"""Who may read what (semantics annex 7)."""

from __future__ import annotations

import pytest

from protocol.audience import Reader, may_read_body, may_read_header
from standstill.v1 import header_pb2

PUBLIC, PARTIES, VERIFIERS, SEALED = (
    header_pb2.AUDIENCE_PUBLIC,
    header_pb2.AUDIENCE_PARTIES,
    header_pb2.AUDIENCE_VERIFIERS,
    header_pb2.AUDIENCE_SEALED,
)


@pytest.mark.parametrize(
    ("reader", "audiences"),
    [
        (Reader.PUBLIC, {PUBLIC}),
        (Reader.PARTY, {PUBLIC, PARTIES}),
        (Reader.VERIFIER, {PUBLIC, PARTIES, VERIFIERS}),
    ],
)
def test_a_reader_sees_the_bodies_of_its_own_and_of_wider_audiences(reader: Reader, audiences: set[int]) -> None:
    seen = {audience for audience in header_pb2.Audience.values() if may_read_body(reader, audience)}

    assert seen == audiences


@pytest.mark.parametrize("reader", Reader)
@pytest.mark.parametrize("audience", [SEALED, header_pb2.AUDIENCE_UNSPECIFIED, 99, -1])
def test_nobody_sees_a_sealed_body_or_one_of_unknown_audience(reader: Reader, audience: int) -> None:
    assert not may_read_body(reader, audience)


def test_only_parties_and_verifiers_see_the_headers_of_a_log() -> None:
    seen = {reader for reader in Reader if may_read_header(reader, public_log=False)}

    assert seen == {Reader.PARTY, Reader.VERIFIER}


@pytest.mark.parametrize("reader", Reader)
def test_everybody_sees_the_headers_of_a_public_log(reader: Reader) -> None:
    assert may_read_header(reader, public_log=True)
