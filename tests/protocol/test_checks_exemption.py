"""Work under an exemption: its own ledger, its own cap, its grant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.checks import run_all
from protocol.duty import Duty
from protocol.errors import Reason
from protocol.state_entries import GrantState
from standstill.v1 import header_pb2 as h
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import PAUSE, SLOWDOWN
from tests.bundles import strict_agreement
from tests.protocol.exempt import LIMIT, OTHER, USUAL, agreed, exempted, exemption, rows
from tests.protocol.window import WINDOW
from tests.scenes import NOW, PAUSED, REPORTING, SLOWED, honest


def granted(start: int = WINDOW[0], until: int = NOW + 1, chip_seconds: int | None = 1_000) -> Duty:
    grant = GrantState(chip_seconds=chip_seconds, start=start, until=until)
    return replace(PAUSED, grants=(("trial", grant),))


def test_work_under_an_exemption_is_let_through_up_to_its_cap() -> None:
    assert exempted(LIMIT).codes() == []
    assert exempted(LIMIT + 1).codes() == ["exemption-exceeded"]
    # The same work without the exemption is forbidden.
    assert exempted(LIMIT, "").codes() == ["label-not-allowed"]


def test_the_finding_shows_the_ledger() -> None:
    scene = exempted(LIMIT, agreement=agreed(exemption()))
    scene.attest(NOW - 1, use=rows(5))
    (found,) = run_all(scene.case())
    assert [(one.name, one.value, one.unit) for one in found.figures] == [
        ("observed", str(LIMIT + 5), "chip-seconds"),
        ("expected", str(LIMIT), "chip-seconds"),
        ("tolerance", "0", "chip-seconds"),
        ("window", "4", "periods"),
    ]
    assert (found.code, found.severity) == ("exemption-exceeded", h.VERDICT_BREACHED)
    assert found.text == f"alpha exceeded its cap of audit of pause: {LIMIT + 5} chip-seconds in 4 periods."


def test_a_ledger_counts_the_largest_of_several_words_on_a_period_once() -> None:
    for most, codes in ((LIMIT - 1, []), (LIMIT, ["exemption-exceeded"])):
        scene = exempted(1)
        for held in (LIMIT - 2, most, LIMIT - 3):
            scene.attest(NOW - 1, use=rows(held))
        assert scene.codes() == codes


def test_a_period_that_adds_nothing_exceeds_nothing() -> None:
    scene = exempted(0)
    scene.attest(NOW - 1, use=rows(LIMIT + 1))
    assert scene.codes() == []


def test_two_exemptions_have_two_ledgers() -> None:
    both = agreed(exemption(), exemption("trial"))
    scene = honest(PAUSED, both, without=["attestation"])
    for period in WINDOW:
        scene.attest(period, use=rows(0))
    used = [rows(LIMIT // 2 + 1)[0], rows(LIMIT // 2 + 1, "trial")[0]]
    rest = builders.PERIOD - LIMIT - 2
    scene.attest(use=[*used, builders.used(q.LABEL_INFERENCE, rest), builders.used(q.LABEL_IDLE)])
    assert scene.codes() == []


def test_a_ledger_that_misses_a_period_could_not_be_summed() -> None:
    scene = exempted(1, silent=WINDOW[:1])
    assert scene.codes() == ["exemption-ledger-incomplete"]
    scene.attest(WINDOW[0], use=rows(0))
    assert scene.codes() == []


def test_a_cap_on_operations_needs_them_stated() -> None:
    operations = agreed(exemption(cap=exemption().cap))
    operations.levels[PAUSE].exemptions[0].cap.teraflop = 7
    scene = exempted(1, agreement=operations)
    assert scene.codes() == ["exemption-ledger-incomplete"]
    stated = exempted(1, agreement=operations)
    assert exempted(0, agreement=operations).codes() == []
    (found,) = run_all(stated.case())
    assert found.severity == h.VERDICT_INCONCLUSIVE


@pytest.mark.parametrize(("name", "label"), [("trial", q.LABEL_ROLLOUT), ("audit", q.LABEL_POST_TRAIN)])
def test_an_exemption_that_the_level_does_not_have_for_the_work_lets_nothing_through(
    name: str, label: q.Label.ValueType
) -> None:
    # A name that no level has is refused with the statement.
    scene = honest(PAUSED, OTHER if name == "trial" else USUAL, without=["attestation"])
    used = rows(1, name, label)
    if label == q.LABEL_POST_TRAIN:
        used[0].operations.CopyFrom(builders.used(label, 1, 1).operations)
        used[0].format = q.NUMBER_FORMAT_BF16_DENSE
    scene.attest(use=used)
    assert [code for code in scene.codes() if code != "use-after-halt"] == ["exemption-unknown", "label-not-allowed"]


def test_one_class_and_label_may_stand_under_several_exemptions_and_under_none() -> None:
    scene = exempted(0)
    used = [rows(1)[0], rows(1, "trial")[0], builders.used(q.LABEL_ROLLOUT, 0)]
    rest = [builders.used(q.LABEL_INFERENCE, builders.PERIOD - 2), builders.used(q.LABEL_IDLE)]
    twice = honest(PAUSED, USUAL, without=["attestation"])
    refused = twice.attest(use=[*used, rows(1)[0], *rest]).refusal
    assert refused is not None
    assert refused.reason is Reason.ROW_TWICE
    assert scene.attest(NOW - 1, use=[*used, *rest]).refusal is None


def test_allowed_work_that_names_an_exemption_of_another_level_counts_as_any_other() -> None:
    cap = strict_agreement().levels[SLOWDOWN].caps[0]
    assert q.LABEL_ROLLOUT in cap.labels
    scene = exempted(1, duty=REPORTING)
    assert scene.codes() == []
    slow = exempted(1, duty=replace(SLOWED, since=NOW))
    # It counts in the cap of the level, which wants its operations stated.
    assert slow.codes() == ["operations-not-stated"]


def test_exempted_work_is_outside_the_caps_of_the_level() -> None:
    terms = agreed()
    terms.levels[SLOWDOWN].exemptions.append(exemption())
    duty = replace(SLOWED, since=NOW)
    assert exempted(1, duty=duty, agreement=terms).codes() == []
    assert exempted(1, "", duty=duty, agreement=terms).codes() == ["operations-not-stated"]


def test_an_exemption_on_request_needs_a_grant_that_runs() -> None:
    assert exempted(1, "trial").codes() == ["exemption-not-granted"]
    assert exempted(1, "trial", granted()).codes() == []
    assert exempted(0, "trial").codes() == []


def test_a_grant_is_a_ledger_beside_the_cap() -> None:
    assert exempted(1_000, "trial", granted()).codes() == []
    assert exempted(1_001, "trial", granted()).codes() == ["exemption-exceeded"]
    # The cap of the exemption holds under a grant without limits of its own.
    assert exempted(LIMIT, "trial", granted(chip_seconds=None)).codes() == []
    assert exempted(LIMIT + 1, "trial", granted(chip_seconds=None)).codes() == ["exemption-exceeded"]


@pytest.mark.parametrize(("start", "codes"), [(NOW - 1, ["exemption-exceeded"]), (NOW, [])])
def test_a_grant_counts_what_was_done_since_it_runs(start: int, codes: list[str]) -> None:
    scene = exempted(600, "trial", granted(start))
    scene.attest(NOW - 1, use=rows(600, "trial"))
    assert scene.codes() == codes


def test_a_case_reaches_back_to_the_start_of_a_grant() -> None:
    long = granted(PAUSED.since, NOW + 9)
    assert PAUSED.since < WINDOW[0]
    scene = honest(long, agreed(exemption("trial", on_request=True)), without=["attestation"])
    for period in range(PAUSED.since, NOW):
        scene.attest(period, use=rows(600 if period == PAUSED.since else 0, "trial"))
    scene.attest(use=rows(600, "trial"))
    assert scene.codes() == ["exemption-exceeded"]
    scene.duty = replace(long, since=PAUSED.since + 1)
    assert scene.codes() == []


def test_every_verdict_says_what_it_cannot_see_of_an_exemption() -> None:
    terms = agreed(exemption(sampled_ppm=100_000))
    spots = exempted(1, agreement=terms).appraise().assessment.assurance.blind_spots
    assert sum("audit" in spot for spot in spots) == 2
    assert not any(
        "audit" in spot for spot in exempted(0, "", REPORTING, terms).appraise().assessment.assurance.blind_spots
    )
