"""Bundles that somebody changed: each change is noticed by one step, for one reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import wire
from protocol.bundle import MAX_BUNDLE_BYTES, verify_bundle
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.errors import Reason
from protocol.wire import encode
from standstill.v1 import bundle_pb2, envelope_pb2, header_pb2
from tests import bundles
from tests.bundles import bytes_of, proven
from tests.protocol.bundle_parts import (
    OTHER,
    VERDICTS,
    Bundle,
    confirmed,
    failure,
    leaf_of,
    log,
    opened,
    record,
    verify,
    world,
)
from tests.terms import LABS, agreement, seed


def _swap_envelopes(bundle: Bundle) -> None:
    """Two statements of one log change places with their openings, not with their proofs (CVE-2026-22703)."""
    first, second = log(bundle, "gamma").leaves[-2:]
    one, other = envelope_pb2.Leaf.FromString(first.leaf.SerializeToString()), second.leaf
    first.leaf.CopyFrom(other)
    second.leaf.CopyFrom(one)


def _another_logs_envelope(bundle: Bundle) -> None:
    leaf_of(bundle, "gamma", header_pb2.KIND_COMPUTE_ATTESTATION).leaf.CopyFrom(
        leaf_of(bundle, "gridco", header_pb2.KIND_METER_READING).leaf
    )


def _other_body(bundle: Bundle) -> None:
    """The body of an honest attestation under the header of the one that hid chips."""
    honest = opened("honored")
    leaf = leaf_of(bundle, "gamma", header_pb2.KIND_COMPUTE_ATTESTATION).leaf
    leaf.body = leaf_of(honest, "gamma", header_pb2.KIND_COMPUTE_ATTESTATION).leaf.body


def _another_world(name: str) -> Callable[[Bundle], None]:
    """A log of a world in which gamma was honest: signed, cosigned, and of another history."""

    def replace(bundle: Bundle) -> None:
        log(bundle, name).CopyFrom(log(opened("honored"), name))

    return replace


def _proof_of_another_checkpoint(bundle: Bundle) -> None:
    """A head one leaf shorter, with proofs for the longer one."""
    made = world()
    log(bundle, "gamma").checkpoint = bundles.cosigned(made, made["gamma"], made.state.parties["gamma"].size - 1)


def _shorter_log(bundle: Bundle) -> None:
    """A head one leaf shorter, with proofs in it: right, but not the one recorded."""
    made = world()
    size = made.state.parties["gamma"].size - 1
    indices = [leaf.index for leaf in log(bundle, "gamma").leaves if leaf.index < size]
    log(bundle, "gamma").CopyFrom(proven(made, made["gamma"], size, indices))


def _checkpoint_of_another_log(bundle: Bundle) -> None:
    log(bundle, "gamma").checkpoint = log(bundle, "gridco").checkpoint


def _forged_checkpoint(bundle: Bundle) -> None:
    """Signed by the log, never cosigned."""
    origin = log(bundle, "gamma").origin
    log(bundle, "gamma").checkpoint = sign_checkpoint(Checkpoint(origin, 99, OTHER), seed("gamma", "log"))


def _state_text(bundle: Bundle) -> None:
    bundle.state = bundle.state.replace(b"status=in_force", b"status=forming")


def _later_state(bundle: Bundle) -> None:
    """A real state of the record, and the closings after it, but not the state that governs the period."""
    made = world()
    bundle.state = made.states[4].text()
    closings = made.registrar
    record(bundle).CopyFrom(proven(made, closings, len(closings.read), range(5, len(closings.read))))


def _earlier_state(bundle: Bundle) -> None:
    made = world()
    bundle.state = made.states[2].text()
    closings = made.registrar
    record(bundle).CopyFrom(proven(made, closings, len(closings.read), range(3, len(closings.read))))


def _other_assessment(bundle: Bundle) -> None:
    """The verifier's log of the honest world: another verdict, truly signed."""
    log(bundle, "vera").CopyFrom(log(opened("honored"), "vera"))


def _no_assessment(bundle: Bundle) -> None:
    del log(bundle, "vera").leaves[-1]


def _no_key_set(name: str) -> Callable[[Bundle], None]:
    def drop(bundle: Bundle) -> None:
        log(bundle, name).leaves.remove(leaf_of(bundle, name, header_pb2.KIND_KEY_SET))

    return drop


def _no_evidence(name: str, kind: header_pb2.Kind.ValueType) -> Callable[[Bundle], None]:
    def drop(bundle: Bundle) -> None:
        log(bundle, name).leaves.remove(leaf_of(bundle, name, kind))

    return drop


def _no_log(name: str) -> Callable[[Bundle], None]:
    return lambda bundle: bundle.logs.remove(log(bundle, name))


def _twice(bundle: Bundle) -> None:
    bundle.logs.append(log(bundle, "gamma"))


def _reversed(bundle: Bundle) -> None:
    here = log(bundle, "gamma")
    leaves = list(reversed(here.leaves))
    del here.leaves[:]
    here.leaves.extend(leaves)


def _unknown_log(bundle: Bundle) -> None:
    log(bundle, "gamma").origin = "delta.example/standstill"


def _fields(**changes: object) -> Callable[[Bundle], None]:
    def change(bundle: Bundle) -> None:
        for name, value in changes.items():
            setattr(bundle, name, value)

    return change


MUTATIONS: dict[str, tuple[Callable[[Bundle], object], str, Reason]] = {
    "a proof that nothing names": (lambda bundle: bundle.proofs.append(b"x"), "bound", Reason.BUNDLE_MALFORMED),
    "media type": (_fields(media_type="application/json"), "format", Reason.MEDIA_TYPE_UNKNOWN),
    "next version": (
        _fields(media_type="application/vnd.standstill.bundle.v2+protobuf"),
        "format",
        Reason.MEDIA_TYPE_UNKNOWN,
    ),
    "no media type": (_fields(media_type=""), "format", Reason.MEDIA_TYPE_UNKNOWN),
    "a log twice": (_twice, "format", Reason.NAME_TWICE),
    "no agreement": (_fields(agreement=b""), "trust root", Reason.TRUST_ROOT_MISMATCH),
    "other agreement": (_fields(agreement=agreement().data), "trust root", Reason.TRUST_ROOT_MISMATCH),
    "no lab": (_fields(lab=""), "terms", Reason.NAME_UNKNOWN),
    "a lab that is none": (_fields(lab="chipco"), "terms", Reason.NAME_UNKNOWN),
    "no verifier": (_fields(verifier=""), "trust root", Reason.NAME_UNKNOWN),
    "a verifier that is none": (_fields(verifier="alpha"), "trust root", Reason.NAME_UNKNOWN),
    "other lab": (_fields(lab="alpha"), "assessment", Reason.BUNDLE_INCOMPLETE),
    "other period": (_fields(period=4), "assessment", Reason.BUNDLE_INCOMPLETE),
    "no period": (_fields(period=0), "assessment", Reason.BUNDLE_INCOMPLETE),
    "no state": (_fields(state=b""), "record", Reason.STATE_MALFORMED),
    "state that is no text": (_fields(state=b"\xff\xfe"), "record", Reason.STATE_MALFORMED),
    "state altered": (_state_text, "record", Reason.STATE_DIFFERS),
    "a later state": (_later_state, "assessment", Reason.STATE_DIFFERS),
    "an earlier state": (_earlier_state, "assessment", Reason.STATE_DIFFERS),
    "no record period": (_fields(record_period=0), "record", Reason.BUNDLE_INCOMPLETE),
    "another record period": (_fields(record_period=6), "record", Reason.BUNDLE_INCOMPLETE),
    "no logs": (lambda bundle: bundle.ClearField("logs"), "heads", Reason.BUNDLE_INCOMPLETE),
    "no record log": (lambda bundle: bundle.logs.remove(record(bundle)), "signatures", Reason.BUNDLE_INCOMPLETE),
    "no closings": (lambda bundle: record(bundle).ClearField("leaves"), "record", Reason.BUNDLE_INCOMPLETE),
    "no first closing": (lambda bundle: record(bundle).leaves.pop(0), "record", Reason.CLOSING_NOT_NEXT),
    "no last closing": (lambda bundle: record(bundle).leaves.pop(), "record", Reason.BUNDLE_INCOMPLETE),
    "a closing left out": (lambda bundle: record(bundle).leaves.pop(1), "record", Reason.CLOSING_NOT_NEXT),
    "no verifier's log": (_no_log("vera"), "heads", Reason.BUNDLE_INCOMPLETE),
    "no verifier's keys": (_no_key_set("vera"), "heads", Reason.THRESHOLD_NOT_MET),
    "no assessment": (_no_assessment, "assessment", Reason.BUNDLE_INCOMPLETE),
    "other assessment": (_other_assessment, "assessment", Reason.ASSESSMENT_DIFFERS),
    "no log of the lab": (_no_log("gamma"), "assessment", Reason.ASSESSMENT_DIFFERS),
    "no keys of the lab": (_no_key_set("gamma"), "assessment", Reason.ASSESSMENT_DIFFERS),
    "no attestation": (
        _no_evidence("gamma", header_pb2.KIND_COMPUTE_ATTESTATION),
        "assessment",
        Reason.ASSESSMENT_DIFFERS,
    ),
    "no receipt": (_no_evidence("gamma", header_pb2.KIND_TRANSFER), "assessment", Reason.ASSESSMENT_DIFFERS),
    "no reading": (_no_evidence("gridco", header_pb2.KIND_METER_READING), "assessment", Reason.ASSESSMENT_DIFFERS),
    "no shipments": (_no_log("chipco"), "assessment", Reason.ASSESSMENT_DIFFERS),
    "unknown log": (_unknown_log, "terms", Reason.UNKNOWN_ORIGIN),
    "checkpoint of another log": (_checkpoint_of_another_log, "heads", Reason.NOTE_UNVERIFIED),
    "forged checkpoint": (_forged_checkpoint, "heads", Reason.THRESHOLD_NOT_MET),
    "no checkpoint": (lambda bundle: log(bundle, "gamma").ClearField("checkpoint"), "heads", Reason.NOTE_MALFORMED),
    "proof for another checkpoint": (_proof_of_another_checkpoint, "inclusion", Reason.PROOF_LENGTH),
    "envelopes swapped": (_swap_envelopes, "inclusion", Reason.ROOT_MISMATCH),
    "envelope of another log": (_another_logs_envelope, "inclusion", Reason.ROOT_MISMATCH),
    "no proof": (lambda bundle: log(bundle, "gamma").leaves[0].ClearField("proof"), "inclusion", Reason.PROOF_LENGTH),
    "no envelope": (
        lambda bundle: log(bundle, "gamma").leaves[0].leaf.ClearField("envelope"),
        "inclusion",
        Reason.ROOT_MISMATCH,
    ),
    "leaf of another index": (lambda bundle: _shift(log(bundle, "gamma")), "inclusion", Reason.ROOT_MISMATCH),
    "index beyond the head": (
        lambda bundle: setattr(log(bundle, "gamma").leaves[-1], "index", 2**40),
        "inclusion",
        Reason.INDEX_OUT_OF_RANGE,
    ),
    "no leaf salt": (
        lambda bundle: log(bundle, "gamma").leaves[0].leaf.ClearField("leaf_salt"),
        "inclusion",
        Reason.SALT_LENGTH,
    ),
    "no body": (
        lambda bundle: log(bundle, "gamma").leaves[-1].leaf.ClearField("body"),
        "signatures",
        Reason.COMMITMENT_MISMATCH,
    ),
    "no body salt": (
        lambda bundle: log(bundle, "gamma").leaves[-1].leaf.ClearField("body_salt"),
        "signatures",
        Reason.LEAF_WITHHELD,
    ),
    "another body": (_other_body, "signatures", Reason.COMMITMENT_MISMATCH),
    "leaves out of order": (_reversed, "signatures", Reason.ORDER_MISMATCH),
    "a shorter log than recorded": (_shorter_log, "record", Reason.STATE_DIFFERS),
    "the lab's log of another history": (_another_world("gamma"), "record", Reason.STATE_DIFFERS),
    "the record of another history": (
        lambda bundle: record(bundle).CopyFrom(record(opened("honored"))),
        "record",
        Reason.CLOSING_NOT_NEXT,
    ),
}
"""What is changed, the step that notices, and the reason that it gives."""


def _shift(here: bundle_pb2.BundledLog) -> None:
    here.leaves[0].index ^= 1


@pytest.mark.parametrize("name", MUTATIONS)
def test_refuses_a_bundle_that_was_tampered_with(name: str) -> None:
    mutate, step, reason = MUTATIONS[name]
    bundle = opened()
    assert confirmed(verify(bundle))

    mutate(bundle)

    assert failure(verify(bundle)) == (step, reason)


@pytest.mark.parametrize("name", MUTATIONS)
def test_tampering_is_refused_without_a_pin_as_well(name: str) -> None:
    mutate, _, reason = MUTATIONS[name]
    bundle = opened()
    mutate(bundle)
    found = verify_bundle(encode(bundle), None).failed()

    # Only what the pin alone would have noticed shows elsewhere.
    assert found is not None
    assert found.reason is reason or reason is Reason.TRUST_ROOT_MISMATCH


# Terms beside the state prove nothing, and this assessment states no bound that would need proofs.
MOOT = {"written_by", "terms", "proofs"}


@pytest.mark.parametrize("field", sorted({field.name for field in Bundle.DESCRIPTOR.fields} - MOOT))
def test_every_field_matters(field: str) -> None:
    bundle = opened()

    bundle.ClearField(field)  # type: ignore[arg-type]

    assert not confirmed(verify(bundle))


def test_the_program_that_wrote_it_does_not_matter() -> None:
    bundle = opened()
    bundle.written_by = "somebody else/1"

    assert confirmed(verify(bundle))


@pytest.mark.parametrize("lab", LABS[:2])
def test_a_verdict_on_one_lab_says_nothing_of_another(lab: str) -> None:
    bundle = opened()
    bundle.lab = lab

    assert failure(verify(bundle)) == ("assessment", Reason.BUNDLE_INCOMPLETE)


def test_refuses_more_than_a_bundle_may_have() -> None:
    report = verify_bundle(bytes(MAX_BUNDLE_BYTES + 1), OTHER)

    assert failure(report) == ("format", Reason.MESSAGE_TOO_LARGE)


def test_refuses_fields_that_no_version_has() -> None:
    data = bytes_of("breached")[0] + b"\x92\x06\x01x"

    assert failure(verify_bundle(data, bytes_of("breached")[1])) == ("format", Reason.MESSAGE_NOT_CANONICAL)


@pytest.mark.parametrize("part", [1, 2, 3, 7, 50])
def test_refuses_a_part_of_a_bundle(part: int) -> None:
    data, pinned = bytes_of("breached")

    assert not confirmed(verify_bundle(data[: -len(data) * part // 100], pinned))


@given(st.data())
@settings(max_examples=300)
def test_no_flipped_byte_gives_another_verdict(data: st.DataObject) -> None:
    verdict = data.draw(st.sampled_from(sorted(VERDICTS)))
    whole, pinned = bytes_of(verdict)
    places = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=3, unique=True))
    changed = bytearray(whole)
    for place in places:
        changed[place] ^= data.draw(st.integers(1, 255))

    report = verify_bundle(bytes(changed), pinned)

    # A change that is confirmed was one of what nobody signs, such as the name of the program.
    if confirmed(report):
        assert report.verdict == VERDICTS[verdict]
        assert _substance(Bundle.FromString(bytes(changed))) == _substance(Bundle.FromString(whole))


def _substance(bundle: Bundle) -> bytes:
    """What the verdict rests on: everything but the program's name, hints, and lines that nobody verifies."""
    bundle.written_by = ""
    for one in bundle.logs:
        one.checkpoint = one.checkpoint.partition(b"\n\n")[0]
    return wire.encode(bundle)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_report_and_no_exception(data: bytes) -> None:
    assert verify_bundle(data, OTHER).failed() is not None
