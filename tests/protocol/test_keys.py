"""The Ed25519 profile."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol import keys
from protocol.errors import Reason, Refused
from tests.protocol import edwards
from tests.protocol.refusals import refuses

SEED = bytes(range(32))
KEY = keys.public_key(SEED)
MESSAGE = b"what was said"
SIGNATURE = keys.sign(SEED, MESSAGE)

# RFC 8032 section 7.1, tests 1 to 3: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
            "c027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("seed", "key", "message", "signature"), RFC_8032)
def test_signs_and_verifies_the_examples_of_rfc_8032(seed: str, key: str, message: str, signature: str) -> None:
    assert keys.public_key(bytes.fromhex(seed)).hex() == key
    assert keys.sign(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature
    keys.admit_public_key(bytes.fromhex(key))
    keys.verify(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_agrees_with_the_library_on_honest_signatures(seed: bytes, message: bytes) -> None:
    library = SigningKey(seed)
    assert keys.public_key(seed) == library.verify_key.encode()
    assert keys.sign(seed, message) == library.sign(message).signature
    assert keys.admit_public_key(keys.public_key(seed)) == keys.public_key(seed)
    assert keys.signature_holds(keys.public_key(seed), message, keys.sign(seed, message))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_refuses_a_key_of_another_length(length: int) -> None:
    with refuses(Reason.KEY_LENGTH, "public_key"):
        keys.admit_public_key((KEY * 2)[:length])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_refuses_a_seed_of_another_length(length: int) -> None:
    with refuses(Reason.KEY_LENGTH, "seed"):
        keys.sign((SEED * 2)[:length], MESSAGE)


@pytest.mark.parametrize("y", [edwards.P, edwards.P + 1, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 2**255])
def test_refuses_a_key_whose_y_is_not_reduced(y: int, sign: int) -> None:
    with refuses(Reason.KEY_NOT_CANONICAL):
        keys.admit_public_key((y + sign).to_bytes(32, "little"))


@pytest.mark.parametrize("index", range(8))
def test_refuses_a_key_of_small_order(index: int) -> None:
    with refuses(Reason.KEY_SMALL_ORDER):
        keys.admit_public_key(edwards.encode(edwards.TORSION[index]))


@pytest.mark.parametrize("y", [1, edwards.P - 1])
def test_refuses_a_sign_bit_on_a_point_without_x(y: int) -> None:
    with refuses(Reason.KEY_SMALL_ORDER):
        keys.admit_public_key((y + 2**255).to_bytes(32, "little"))


@pytest.mark.parametrize("index", range(1, 8))
def test_refuses_a_key_of_mixed_order(index: int) -> None:
    honest = edwards.decode(KEY)
    assert honest is not None
    with refuses(Reason.KEY_NOT_PRIME_ORDER):
        keys.admit_public_key(edwards.encode(edwards.add(honest, edwards.TORSION[index])))


def test_refuses_a_key_that_is_no_point_of_the_curve() -> None:
    y = next(y for y in range(2, 99) if edwards.decode(y.to_bytes(32, "little")) is None)
    with refuses(Reason.KEY_NOT_PRIME_ORDER):
        keys.admit_public_key(y.to_bytes(32, "little"))


def test_names_the_field_of_a_refused_key() -> None:
    with refuses(Reason.KEY_SMALL_ORDER, "parties.key"):
        keys.admit_public_key(bytes(32), "parties.key")


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:63], SIGNATURE + b"\0", SIGNATURE[1:]])
def test_refuses_a_signature_of_another_length(signature: bytes) -> None:
    with refuses(Reason.SIGNATURE_LENGTH, "signature"):
        keys.verify(KEY, MESSAGE, signature)
    assert not keys.signature_holds(KEY, MESSAGE, signature)


def test_a_short_signature_cannot_borrow_a_byte_of_the_message() -> None:
    assert keys.signature_holds(KEY, MESSAGE, SIGNATURE)
    assert not keys.signature_holds(KEY, SIGNATURE[63:] + MESSAGE, SIGNATURE[:63])


def test_refuses_the_group_order_added_to_s() -> None:
    s = int.from_bytes(SIGNATURE[32:], "little") + edwards.L
    forged = SIGNATURE[:32] + s.to_bytes(32, "little")
    with refuses(Reason.SIGNATURE_NOT_CANONICAL):
        keys.verify(KEY, MESSAGE, forged)
    assert not keys.signature_holds(KEY, MESSAGE, forged)


@pytest.mark.parametrize("point", edwards.NON_CANONICAL[2:])
def test_refuses_an_r_whose_y_is_not_reduced(point: bytes) -> None:
    with refuses(Reason.SIGNATURE_NOT_CANONICAL):
        keys.verify(KEY, MESSAGE, point + SIGNATURE[32:])


@pytest.mark.parametrize("index", range(8))
def test_refuses_an_r_of_small_order(index: int) -> None:
    with refuses(Reason.SIGNATURE_SMALL_ORDER):
        keys.verify(KEY, MESSAGE, edwards.encode(edwards.TORSION[index]) + SIGNATURE[32:])


def test_refuses_key_and_signature_of_zeros() -> None:
    with refuses(Reason.KEY_SMALL_ORDER):
        keys.admit_public_key(bytes(32))
    with refuses(Reason.SIGNATURE_SMALL_ORDER):
        keys.verify(KEY, MESSAGE, bytes(64))


@given(st.integers(0, 511))
def test_refuses_a_signature_with_any_bit_flipped(bit: int) -> None:
    flipped = (int.from_bytes(SIGNATURE, "big") ^ 1 << bit).to_bytes(64, "big")
    assert not keys.signature_holds(KEY, MESSAGE, flipped)
    keys.verify(KEY, MESSAGE, SIGNATURE)
    with pytest.raises(Refused):
        keys.verify(KEY, MESSAGE, flipped)


def test_refuses_another_message_and_another_key() -> None:
    with refuses(Reason.SIGNATURE_INVALID, "who.signature"):
        keys.verify(KEY, MESSAGE + b".", SIGNATURE, "who.signature")
    with refuses(Reason.SIGNATURE_INVALID):
        keys.verify(keys.public_key(bytes(32)), MESSAGE, SIGNATURE)


def _hostile_signatures() -> list[tuple[bytes, bytes]]:
    """Every key with every commitment: honest, of mixed order, of small order, not canonical; each with S and S + L.

    S solves the equation up to the torsion part, so that a check with the cofactor accepts all with reduced S.
    """
    secret, nonce = 0xA5A5_1234_5678_9ABC, 0x5EED_0000_1111_2222
    key, commitment = edwards.multiply(secret, edwards.BASE), edwards.multiply(nonce, edwards.BASE)
    small = [edwards.encode(point) for point in edwards.TORSION] + edwards.NON_CANONICAL
    public = [(edwards.encode(edwards.add(key, point)), secret) for point in edwards.TORSION]
    commitments = [(edwards.encode(edwards.add(commitment, point)), nonce) for point in edwards.TORSION]
    public += [(point, 0) for point in small]
    commitments += [(point, 0) for point in small]
    cases = []
    for (a, a_scalar), (r, r_scalar), excess in product(public, commitments, (0, edwards.L)):
        s = (r_scalar + edwards.challenge(r, a, MESSAGE) * a_scalar) % edwards.L + excess
        cases.append((a, r + s.to_bytes(32, "little")))
    return cases


def test_of_all_hostile_combinations_only_the_honest_one_is_accepted() -> None:
    cases = _hostile_signatures()
    assert len(set(cases)) == len(cases) == 2 * 22 * 22
    accepted = [case for case in cases if _accepted(*case)]
    assert accepted == cases[:1]


def test_the_bare_check_and_the_named_check_agree_on_every_combination_with_an_admitted_key() -> None:
    for key, signature in _hostile_signatures()[: 2 * 22]:
        keys.admit_public_key(key)
        assert keys.signature_holds(key, MESSAGE, signature) == _accepted(key, signature)


def _accepted(key: bytes, signature: bytes) -> bool:
    try:
        keys.admit_public_key(key)
        keys.verify(key, MESSAGE, signature)
    except Refused:
        return False
    return True
