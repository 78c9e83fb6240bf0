"""Root signatures collected offline, one key after another, before a log exists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.authoring import add_signature
from protocol.envelope import parse_envelope
from protocol.errors import Reason
from protocol.leaf import Cursor, read_leaves
from protocol.signing import Progress, Signing, accept, begin, founding, progress, read_signing
from protocol.wire import encode
from standstill.v1 import envelope_pb2, signing_pb2
from tests.protocol.refusals import refuses
from tests.terms import START, agreement, seed

SALTS = (bytes([1]) * 32, bytes([2]) * 32)
OTHER_SALTS = (bytes([3]) * 32, bytes([4]) * 32)


def signed(*keys: tuple[str, str], name: str = "test agreement") -> Signing:
    """The terms signed with these keys, each `(party, use)`, in turn."""
    signing = begin(agreement(name=name))
    for party, use in keys:
        signing = accept(signing, party, seed(party, use), salts=SALTS, time=START)
    return signing


ROOT_1, ROOT_2 = ("alpha", "root 1"), ("alpha", "root 2")


def test_nobody_has_accepted_at_first() -> None:
    found = progress(signed())

    assert list(found) == [party.name for party in agreement().terms.parties]
    assert set(found.values()) == {Progress(0, 2)}


def test_the_threshold_counts_distinct_root_keys() -> None:
    assert progress(signed(ROOT_1))["alpha"] == Progress(1, 2)
    assert not progress(signed(ROOT_1, ROOT_1))["alpha"].complete
    assert progress(signed(ROOT_1, ROOT_2))["alpha"].complete
    assert not progress(signed(ROOT_1, ROOT_2))["beta"].complete


def test_root_keys_at_two_places_sign_the_same_founding() -> None:
    first = read_signing(signed(ROOT_1).encode())
    both = accept(first, "alpha", seed(*ROOT_2), salts=OTHER_SALTS, time=START + 99)

    one, two = (parse_envelope(made.foundings["alpha"].envelope) for made in (first, both))
    assert one.identity() == two.identity()
    assert both == signed(ROOT_1, ROOT_2)


def test_the_order_of_two_keys_changes_no_identity() -> None:
    one, other = signed(ROOT_1, ROOT_2), signed(ROOT_2, ROOT_1)

    names = {parse_envelope(made.foundings["alpha"].envelope).identity() for made in (one, other)}
    assert len(names) == 1
    assert progress(one) == progress(other)


def test_a_complete_founding_is_leaf_0_of_the_log() -> None:
    leaf = founding(signed(ROOT_1, ROOT_2), "alpha")

    (read,), _ = read_leaves(agreement(), Cursor(agreement().parties["alpha"].origin, "alpha"), [leaf])
    assert read.refusal is None


def test_refuses_to_found_before_enough_keys_have_signed() -> None:
    with refuses(Reason.THRESHOLD_NOT_MET, "acceptances"):
        founding(signed(ROOT_1), "alpha")
    with refuses(Reason.THRESHOLD_NOT_MET, "acceptances"):
        founding(signed(ROOT_1, ROOT_2), "beta")


@pytest.mark.parametrize(
    ("party", "key", "reason"),
    [
        ("alpha", seed("beta", "root 1"), Reason.KEY_NOT_AGREED),
        ("alpha", seed("alpha", "log"), Reason.KEY_NOT_AGREED),
        ("nobody", seed("alpha", "root 1"), Reason.NAME_UNKNOWN),
    ],
)
def test_refuses_a_key_or_a_party_that_the_terms_do_not_name(party: str, key: bytes, reason: Reason) -> None:
    with refuses(reason):
        accept(begin(agreement()), party, key, salts=SALTS, time=START)


def test_what_goes_round_is_read_back_whole() -> None:
    made = signed(ROOT_1, ("vera", "root 1"), ROOT_2)

    assert read_signing(made.encode()) == made
    assert read_signing(begin(agreement()).encode()) == begin(agreement())


def forged(change: Callable[[signing_pb2.SignedAgreement], None]) -> bytes:
    message = signing_pb2.SignedAgreement.FromString(signed(ROOT_1).encode())
    change(message)
    return encode(message)


def _another_party(message: signing_pb2.SignedAgreement) -> None:
    message.acceptances[0].party = "beta"


def _nobody(message: signing_pb2.SignedAgreement) -> None:
    message.acceptances[0].party = "nobody"


def _twice(message: signing_pb2.SignedAgreement) -> None:
    message.acceptances.add().CopyFrom(message.acceptances[0])


def _other_terms(message: signing_pb2.SignedAgreement) -> None:
    message.agreement = agreement(name="other terms").data


def _stranger(message: signing_pb2.SignedAgreement) -> None:
    leaf = add_signature(message.acceptances[0].founding, seed("beta", "root 1"))
    message.acceptances[0].founding.CopyFrom(leaf)


def _same_signature_again(message: signing_pb2.SignedAgreement) -> None:
    leaf = message.acceptances[0].founding
    envelope = envelope_pb2.Envelope.FromString(leaf.envelope)
    envelope.signatures.add().CopyFrom(envelope.signatures[0])
    leaf.envelope = encode(envelope)


def _broken_signature(message: signing_pb2.SignedAgreement) -> None:
    leaf = message.acceptances[0].founding
    envelope = envelope_pb2.Envelope.FromString(leaf.envelope)
    envelope.signatures[0].sig = bytes(64)
    leaf.envelope = encode(envelope)


def _other_salt(message: signing_pb2.SignedAgreement) -> None:
    message.acceptances[0].founding.body_salt = OTHER_SALTS[1]


def _other_body(message: signing_pb2.SignedAgreement) -> None:
    message.acceptances[0].founding.body = b""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_another_party, Reason.COMMITMENT_MISMATCH),
        (_nobody, Reason.NAME_UNKNOWN),
        (_twice, Reason.NAME_TWICE),
        (_other_terms, Reason.COMMITMENT_MISMATCH),
        (_stranger, Reason.SIGNATURE_INVALID),
        (_same_signature_again, Reason.SIGNATURE_INVALID),
        (_broken_signature, Reason.SIGNATURE_INVALID),
        (_other_salt, Reason.COMMITMENT_MISMATCH),
        (_other_body, Reason.COMMITMENT_MISMATCH),
    ],
)
def test_refuses_an_acceptance_that_the_party_did_not_make(
    change: Callable[[signing_pb2.SignedAgreement], None], reason: Reason
) -> None:
    with refuses(reason):
        read_signing(forged(change))


def test_adding_a_signature_keeps_what_was_signed() -> None:
    leaf = signed(ROOT_1).foundings["alpha"]
    added = add_signature(leaf, seed(*ROOT_2))

    assert parse_envelope(added.envelope).payload == parse_envelope(leaf.envelope).payload
    assert len(parse_envelope(added.envelope).signatures) == 2
    assert len(parse_envelope(leaf.envelope).signatures) == 1
    assert add_signature(added, seed(*ROOT_1)) == added


def test_refuses_more_signatures_than_an_envelope_holds() -> None:
    leaf = signed(ROOT_1).foundings["alpha"]
    for number in range(63):
        leaf = add_signature(leaf, seed("key", str(number)))
    with refuses(Reason.ENVELOPE_SIGNATURES):
        add_signature(leaf, seed("key", "63"))
