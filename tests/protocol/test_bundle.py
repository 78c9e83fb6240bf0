"""Bundles: what was signed follows from the bytes or it does not, and nothing is said that was not checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import wire
from protocol.agreement import Agreement
from protocol.bundle import BEYOND, MAX_BUNDLE_BYTES, STEPS, Report, Result, verify_bundle
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.errors import Reason
from protocol.wire import encode
from standstill.v1 import agreement_pb2, bundle_pb2, envelope_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders, bundles
from tests.builders import VERIFIERS, World
from tests.bundles import assess, bytes_of, chronicle, proven
from tests.terms import LABS, agreement, handle, seed

VERDICTS = {
    "honored": header_pb2.VERDICT_HONORED,
    "inconclusive": header_pb2.VERDICT_INCONCLUSIVE,
    "breached": header_pb2.VERDICT_BREACHED,
}
OTHER = bytes(32)
Bundle = bundle_pb2.Bundle


def opened(verdict: str = "breached") -> Bundle:
    return Bundle.FromString(bytes_of(verdict)[0])


def verify(changed: Bundle, verdict: str = "breached") -> Report:
    return verify_bundle(encode(changed), bytes_of(verdict)[1])


def failure(report: Report) -> tuple[str, Reason | None]:
    failed = report.failed()
    assert failed is not None, [f"{step.name} {step.result} {step.detail}" for step in report.steps]
    return failed.name, failed.reason


def confirmed(report: Report) -> bool:
    """Whether everything was checked and held that a bundle can show."""
    expected = [Result.NOT_CHECKED if name in BEYOND else Result.PASSED for name, _ in STEPS]
    return [step.result for step in report.steps] == expected


def log(bundle: Bundle, name: str) -> bundle_pb2.BundledLog:
    return next(log for log in bundle.logs if log.origin.startswith(f"{name}.example/standstill"))


def record(bundle: Bundle) -> bundle_pb2.BundledLog:
    return next(log for log in bundle.logs if "/record/" in log.origin)


def leaf_of(bundle: Bundle, name: str, kind: header_pb2.Kind.ValueType) -> bundle_pb2.ProvenLeaf:
    return next(leaf for leaf in log(bundle, name).leaves if header_of(leaf).kind == kind)


def header_of(leaf: bundle_pb2.ProvenLeaf) -> header_pb2.Header:
    return header_pb2.Header.FromString(envelope_pb2.Envelope.FromString(leaf.leaf.envelope).payload)


@cache
def world(name: str = "cheat") -> World:
    """The world behind a bundle, or one like it that says something else; not to be changed."""
    made = chronicle(6, bundles.cheat if name == "cheat" else bundles.honest)
    made.close(7)
    assess(made, "gamma", 5)
    return made


# -- what holds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_was_signed_follows_from_the_bytes(verdict: str) -> None:
    data, pinned = bytes_of(verdict)

    report = verify_bundle(data, pinned)

    assert confirmed(report)
    assert (report.lab, report.period, report.verdict) == ("gamma", 5, VERDICTS[verdict])
    assert report.assessment is not None
    assert report.failed() is None


def test_the_steps_are_reported_in_their_order() -> None:
    assert [step.name for step in verify(opened()).steps] == [name for name, _ in STEPS]


def test_without_a_pin_the_trust_root_is_not_checked_and_all_else_is() -> None:
    report = verify_bundle(bytes_of("breached")[0], None)

    unchecked = {step.name for step in report.steps if step.result is Result.NOT_CHECKED}
    assert unchecked == {"trust root", *BEYOND}
    assert bytes_of("breached")[1].hex() in report.steps[1].detail
    assert report.failed() is None


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_only_the_logs_themselves_show_is_never_said_to_be_checked(verdict: str) -> None:
    report = verify_bundle(*bytes_of(verdict))

    said = {step.name: (step.result, step.detail) for step in report.steps if step.name in BEYOND}
    assert said.keys() == {"earlier record", "newer revision", "completeness"}
    assert {result for result, _ in said.values()} == {Result.NOT_CHECKED}
    assert said["earlier record"][1] == "that the state of period 3 follows from the closings before it"
    assert said["newer revision"][1] == "whether vera has revised revision 1: ask, or read its log"


def test_a_step_behind_a_failure_is_not_checked_and_never_passed() -> None:
    report = verify_bundle(bytes_of("breached")[0], OTHER)

    assert failure(report) == ("trust root", Reason.TRUST_ROOT_MISMATCH)
    assert {step.result for step in report.steps[2:]} == {Result.NOT_CHECKED}
    assert report.verdict is None


def test_the_newest_revision_in_the_bundle_is_the_one_that_is_derived() -> None:
    made = chronicle(6, bundles.cheat)
    made.close(7)
    assess(made, "gamma", 5, revision=1)
    bundle = bundles.bundle(made, "gamma", 5)
    assert confirmed(verify_bundle(encode(bundle), made.agreement.digest))
    # A later revision that says something else does not follow.
    said = builders.summary("gamma", header_pb2.VERDICT_HONORED, 2)
    made["vera"].say(builders.assessment(), period=5, summary=said)

    report = verify_bundle(encode(bundles.bundle(made, "gamma", 5)), made.agreement.digest)

    assert failure(report) == ("assessment", Reason.ASSESSMENT_DIFFERS)


def test_early_periods_rest_on_the_state_before_the_first_closing() -> None:
    made = chronicle(3)
    assess(made, "gamma", 1)

    assert confirmed(verify_bundle(encode(bundles.bundle(made, "gamma", 1)), made.agreement.digest))


def test_what_the_verifier_logged_behind_the_record_changes_nothing() -> None:
    made = chronicle(6, bundles.cheat)
    made.close(7)
    made["vera"].say(builders.misbehavior(made.agreement, "gamma"))
    assess(made, "gamma", 5)

    assert confirmed(verify_bundle(encode(bundles.bundle(made, "gamma", 5)), made.agreement.digest))


def test_statements_of_other_periods_in_the_bundle_change_nothing() -> None:
    made = world()
    bundle = bundles.bundle(made, "gamma", 5)
    for name in ("gamma", "gridco"):
        here, size = log(bundle, name), made.state.parties[name].size
        here.CopyFrom(proven(made, made[name], size, range(size)))

    assert confirmed(verify_bundle(encode(bundle), made.agreement.digest))


def slowed_down() -> Agreement:
    """Everybody owes a slowdown from the start; in six periods gamma may train for 10,000 chip-seconds."""
    cap = agreement_pb2.Cap(name="training", labels=[q.LABEL_TRAIN], chip_seconds=10_000, window_periods=6)
    slowdown = builders.change(
        builders.terms().levels[0],
        binds=agreement_pb2.BINDS_EVERYONE,
        trigger=builders.ALWAYS,
        called_by="",
        mandate_periods=100,
        caps=[cap],
    )
    usual = bundles.strict_agreement().terms
    levels = [slowdown, usual.levels[1]]
    return agreement(levels=levels, verification=usual.verification)


@pytest.mark.parametrize("early", [False, True])
def test_a_word_on_a_period_before_it_ended_derives_again_where_a_cap_counts_it(early: bool) -> None:
    half = [builders.used(q.LABEL_TRAIN, teraflop=1), builders.used(q.LABEL_INFERENCE)]

    def tell(world: World, period: int) -> None:
        bundles.honest(world, period, LABS[:2])
        if early and period == 5:
            world["gamma"].say(builders.attestation(world.agreement, 9))
        world["gamma"].say(builders.attestation(world.agreement, period, use=half))
        world["gridco"].say(builders.meter_reading(world.agreement, period), period=period, site=handle("gamma"))

    made = chronicle(14, tell, slowed_down())
    made.close(15)
    appraisal = assess(made, "gamma", 13)

    report = verify_bundle(encode(bundles.bundle(made, "gamma", 13)), made.agreement.digest)

    assert "cap-exceeded" in appraisal.codes
    assert confirmed(report)
    assert report.verdict == header_pb2.VERDICT_BREACHED


@pytest.mark.parametrize(("verifiers", "others"), [(4, 2), (4, 1), (4, 0)])
def test_every_head_needs_a_quorum_of_operators(verifiers: int, others: int) -> None:
    strict = agreement(verifiers, lying_verifiers=1, verification=bundles.strict_agreement().terms.verification)
    made = chronicle(6, bundles.cheat, strict)
    made.close(7)
    assess(made, "gamma", 5)
    bundle = bundles.bundle(made, "gamma", 5)
    names = [f"{name}.example" for name in VERIFIERS[1 : 1 + others]]
    own = log(bundle, "vera")
    kept = [line for line in own.checkpoint.splitlines(keepends=True) if line[:4] != "— ".encode()]
    lines = [line for line in own.checkpoint.splitlines(keepends=True) if line[:4] == "— ".encode()]
    mine = [line for line in lines if b"/witness" not in line]
    cosigned = [line for line in lines if any(name.encode() in line for name in names) and b"/witness" in line]
    own.checkpoint = b"".join([*kept, *mine, *cosigned])

    report = verify_bundle(encode(bundle), strict.digest)

    assert strict.quorum == 3
    if others + 1 >= strict.quorum:
        assert confirmed(report)
    else:
        assert failure(report) == ("heads", Reason.THRESHOLD_NOT_MET)


# -- what is refused ----------------------------------------------------------------------------------------------


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
    "no lab": (_fields(lab=""), "trust root", Reason.NAME_UNKNOWN),
    "a lab that is none": (_fields(lab="chipco"), "trust root", Reason.NAME_UNKNOWN),
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
    "unknown log": (_unknown_log, "heads", Reason.UNKNOWN_ORIGIN),
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


@pytest.mark.parametrize("field", [field.name for field in Bundle.DESCRIPTOR.fields if field.name != "written_by"])
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
    for log in bundle.logs:
        log.checkpoint = log.checkpoint.partition(b"\n\n")[0]
    return wire.encode(bundle)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_report_and_no_exception(data: bytes) -> None:
    assert verify_bundle(data, OTHER).failed() is not None
