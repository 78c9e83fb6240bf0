"""Bundles: what was signed follows from the bytes, and nothing is said that was not checked."""

from __future__ import annotations

import pytest

from protocol.agreement import Agreement
from protocol.bundle import BEYOND, STEPS, Result, verify_bundle
from protocol.errors import Reason
from protocol.wire import encode
from standstill.v1 import agreement_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders, bundles
from tests.builders import VERIFIERS, World
from tests.bundles import assess, bytes_of, chronicle, proven
from tests.protocol.bundle_parts import OTHER, VERDICTS, confirmed, failure, log, opened, verify, world
from tests.terms import LABS, agreement, handle


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_was_signed_follows_from_the_bytes(verdict: str) -> None:
    data, pinned = bytes_of(verdict)

    report = verify_bundle(data, pinned)

    assert confirmed(report)
    assert (report.lab, report.period, report.verdict) == ("gamma", 5, VERDICTS[verdict])
    assert report.assessment is not None
    assert report.revision == 1
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
    for revision in (1, 2):
        assess(made, "gamma", 5, revision=revision)
        report = verify_bundle(encode(bundles.bundle(made, "gamma", 5)), made.agreement.digest)
        assert confirmed(report)
        assert report.revision == revision
    # A later revision that says something else does not follow.
    said = builders.summary("gamma", header_pb2.VERDICT_HONORED, 3)
    made["vera"].say(builders.assessment(), period=5, summary=said)

    report = verify_bundle(encode(bundles.bundle(made, "gamma", 5)), made.agreement.digest)

    assert failure(report) == ("assessment", Reason.ASSESSMENT_DIFFERS)
    assert report.revision == 3


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
