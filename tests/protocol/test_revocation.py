"""Keys that were taken back: what they signed counts neither in the fold nor in a case nor in a bundle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.bundle import verify_bundle
from protocol.case import Case, build_case
from protocol.case_needs import needs
from protocol.errors import Reason
from protocol.leaf import KeyRing, ReadLeaf
from protocol.wire import encode
from standstill.v1 import agreement_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders, bundles
from tests.builders import World, key_set
from tests.bundles import assess, chronicle, recorded
from tests.protocol.bundle_parts import confirmed, failure
from tests.protocol.window import slowdown
from tests.scenes import LAB, NOW, SLOWED, Scene, honest, worst
from tests.terms import LABS, agreement


def refusals(case: Case) -> list[tuple[int, Reason]]:
    return [(leaf.index, leaf.refusal.reason) for leaf in case.refused if leaf.refusal is not None]


def revoke(scene: Scene, name: str, first: int, at: int = NOW + 1) -> ReadLeaf:
    """A KeySet that takes back what was signed from a leaf on, recorded in period `at`."""
    return scene.say(name, key_set(name, 2, revoked_from=first), recorded=at)


# -- in a case ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "counts"), [(NOW + 1, False), (NOW + 2, True)], ids=["with it", "before it"])
def test_an_attestation_by_a_revoked_key_counts_only_if_it_was_recorded_before(at: int, counts: bool) -> None:
    scene = honest(without=["attestation"])
    stolen = scene.attest(recorded=NOW + 1)
    revoke(scene, LAB, stolen.index, at)

    case = scene.case()

    assert bool(case.attestations) is counts
    assert refusals(case) == ([] if counts else [(stolen.index, Reason.KEY_REVOKED)])
    assert scene.codes() == ([] if counts else ["attestation-missing", "statement-refused"])


def test_what_was_signed_before_the_first_leaf_taken_back_counts() -> None:
    scene = honest(without=["attestation"])
    own = scene.attest(recorded=NOW + 1)
    revoke(scene, LAB, own.index + 1)

    assert scene.codes() == []


def test_the_labs_word_under_its_next_key_takes_the_place_of_the_thiefs() -> None:
    scene = honest(without=["attestation"])
    stolen = scene.attest(watt_hours=1)
    revoke(scene, LAB, stolen.index)
    scene.attest(watt_hours=700)

    case = scene.case()

    assert [said.body.energy.value for said in case.attestations.values()] == [700]
    assert not case.repeated
    # A theft costs no verdict, and nothing is hidden: what was taken back is counted.
    appraisal = scene.appraise()
    assert (appraisal.verdict, appraisal.codes) == (header_pb2.VERDICT_HONORED, [])
    spots = appraisal.assessment.assurance.blind_spots
    assert any(spot.startswith("1 statements on this period by revoked keys") for spot in spots)


def test_a_stolen_word_that_nobody_says_anew_leaves_its_period_inconclusive() -> None:
    scene = honest(without=["attestation"])
    stolen = scene.attest(watt_hours=1)
    revoke(scene, LAB, stolen.index)

    assert scene.codes() == ["attestation-missing", "statement-refused"]
    assert worst(scene) == header_pb2.VERDICT_INCONCLUSIVE


def test_a_word_in_bad_form_that_is_said_anew_stays_a_finding() -> None:
    scene = honest(without=["attestation"])
    scene.say(LAB, builders.attestation(scene.agreement, NOW, start=1), period=NOW)
    scene.attest()

    assert scene.codes() == ["statement-refused"]


def test_a_reading_by_a_revoked_key_is_no_reading() -> None:
    scene = honest(without=["meter"])
    stolen = scene.read_meter(2_000)
    assert "meter-above-declared" in scene.codes()

    revoke(scene, "gridco", stolen.index)

    assert not scene.case().readings
    assert refusals(scene.case()) == [(stolen.index, Reason.KEY_REVOKED)]


def test_what_one_party_takes_back_leaves_the_others_alone() -> None:
    scene = honest()
    revoke(scene, "gridco", 0, at=1)
    revoke(scene, "beta", 1)

    assert scene.codes() == []


def test_a_word_on_an_earlier_period_leaves_the_window_of_a_cap() -> None:
    scene = slowdown(silent=[NOW - 1])
    stolen = scene.attest(NOW - 1, recorded=NOW)
    assert scene.codes() == []

    revoke(scene, LAB, stolen.index, at=NOW)

    assert scene.codes() == ["cap-window-incomplete"]


@pytest.mark.parametrize("apart", [False, True], ids=["one record", "two records"])
@pytest.mark.parametrize("first", range(1, 7))
def test_a_case_counts_the_attestations_that_the_fold_counts(first: int, apart: bool) -> None:
    world = World(bundles.strict_agreement()).found()
    world.close_until(NOW)
    alpha = world["alpha"]
    for period in range(NOW - 3, NOW - 1):
        alpha.say(builders.attestation(world.agreement, period))
    refused = world.close().refusals if apart else {}
    for period in range(NOW - 1, NOW + 1):
        alpha.say(builders.attestation(world.agreement, period))
    alpha.say(key_set("alpha", 2, revoked_from=first))
    refused |= world.close().refusals

    wanted = needs(world.agreement, SLOWED, "alpha", NOW)
    leaves = [leaf for one in world.parties.values() for leaf in one.read if any(need.covers(leaf) for need in wanted)]
    case = build_case(world.agreement, SLOWED, "alpha", NOW, NOW + 2, leaves, lambda leaf: recorded(world, leaf))

    counted = {said.leaf.index for said in (*case.attestations.values(), *case.window)}
    assert counted == {2, 3, 4, 5} - {index for _, index in refused}
    assert {refusal.reason for refusal in refused.values()} <= {Reason.KEY_REVOKED}
    assert bool(refused) is (first <= 5)


# -- in a bundle --------------------------------------------------------------------------------------------------


def test_a_verdict_without_the_thiefs_attestation_derives_again() -> None:
    made = chronicle(6, lambda world, period: bundles.honest(world, period, LABS if period != 5 else LABS[:2]))
    gamma = made["gamma"]
    stolen = gamma.say(builders.attestation(made.agreement, 5))
    gamma.say(key_set("gamma", 2, revoked_from=stolen.index))
    made.close(7)
    appraisal = assess(made, "gamma", 5)

    report = verify_bundle(encode(bundles.bundle(made, "gamma", 5)), made.agreement.digest)

    assert {"attestation-missing", "statement-refused"} <= set(appraisal.codes)
    assert report.verdict == header_pb2.VERDICT_INCONCLUSIVE
    assert confirmed(report)


def capped_and_robbed() -> World:
    """A thief attests period 10 for gamma, which takes back all from its own word on period 9 on."""
    cap = agreement_pb2.Cap(name="training", labels=[q.LABEL_TRAIN], chip_seconds=10_000, window_periods=6)
    usual = bundles.strict_agreement().terms
    slow = builders.change(
        usual.levels[0],
        binds=agreement_pb2.BINDS_EVERYONE,
        trigger=builders.ALWAYS,
        called_by="",
        mandate_periods=100,
        caps=[cap],
    )

    def tell(world: World, period: int) -> None:
        gamma = world["gamma"]
        first = len(gamma.read) - 1
        if period == 10:
            theft = [builders.used(q.LABEL_TRAIN, 20_000, teraflop=1)]
            gamma.say(builders.attestation(world.agreement, period, use=theft))
            gamma.say(key_set("gamma", 2, revoked_from=first))
        bundles.honest(world, period)

    made = chronicle(14, tell, agreement(levels=[slow, usual.levels[1]], verification=usual.verification))
    made.close(15)
    return made


def test_what_was_recorded_before_the_revocation_counts_in_a_bundle_that_shows_it() -> None:
    made = capped_and_robbed()
    appraisal = assess(made, "gamma", 13)
    assert not {"cap-exceeded", "cap-window-incomplete"} & set(appraisal.codes)

    # The attestation of period 9 is recorded with period 10, the KeySet with period 11; the state is that of period 11.
    shown = bundles.bundle(made, "gamma", 13, earlier=[10])
    report = verify_bundle(encode(shown), made.agreement.digest)
    assert confirmed(report)

    # Without the closing between them nothing shows that the first came before.
    hidden = verify_bundle(encode(bundles.bundle(made, "gamma", 13)), made.agreement.digest)
    assert failure(hidden) == ("assessment", Reason.ASSESSMENT_DIFFERS)


# -- of the registrar -------------------------------------------------------------------------------------------------


def ring(version: int) -> KeyRing:
    return KeyRing().after(key_set(bundles.VERA, version))


@pytest.mark.parametrize(
    ("signed_by", "holds"),
    [((1, 1, 2, 2), True), ((1, 2, 2, 2), False), ((1, 1, 1, 2), False), ((1, 1, 2, 1), False)],
    ids=["as recorded", "too early", "too late", "once more"],
)
def test_a_closing_is_signed_under_the_keys_that_it_records(signed_by: tuple[int, ...], holds: bool) -> None:
    world = chronicle(5)
    for version, period in zip(signed_by, (6, 7, 8, 9), strict=True):
        bundles.honest(world, period - 1)
        # The registrar's own log grows in every period, so that each closing says where it stands.
        bundles.assess(world, "beta", period - 2)
        if period == 8:
            world[bundles.VERA].say(key_set(bundles.VERA, 2))
        world.registrar.cursor = replace(world.registrar.cursor, keys=ring(version))
        world.close(period)
    bundles.assess(world, LAB, 6)

    report = verify_bundle(encode(bundles.bundle(world, LAB, 6)), world.agreement.digest)

    assert confirmed(report) is holds
    assert holds or failure(report) == ("record", Reason.CLOSING_NOT_NEXT)
