"""Figures to attestations."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.attest import Claims, attestation
from node.collect import LABELS, EnergyBasis, PeriodFigures
from protocol.errors import Reason
from protocol.statements import KINDS
from protocol.statements.quantities import TRAINING
from standstill.v1 import compute_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests.protocol.refusals import refuses
from tests.terms import A100, H100, PERIOD, START, agreement, handle

TERMS = agreement()
SITE = handle("alpha")
FIGURES = PeriodFigures(
    site="g1",
    start=START + 3 * PERIOD,
    seconds=PERIOD,
    chips={H100: 4, A100: 2},
    chip_seconds={(H100, "train"): 7_200, (H100, "inference"): 3_600, (H100, "idle"): 3_600, (A100, "off"): 7_200},
    watt_hours=4_321,
    energy_basis=EnergyBasis.MEASURED,
)


def attest(figures: PeriodFigures = FIGURES, claims: Claims | None = None) -> compute_pb2.ComputeAttestation:
    """The body of an attestation that every reader takes."""
    draft = attestation(figures, TERMS, 3, SITE, claims or Claims())
    body = compute_pb2.ComputeAttestation.FromString(draft.body)
    header = header_pb2.Header(author="alpha", kind=draft.kind, period=3, site=SITE)
    KINDS[draft.kind].validate(body, header, TERMS)
    assert (draft.kind, draft.period, draft.site) == (header_pb2.KIND_COMPUTE_ATTESTATION, 3, SITE)
    return body


def test_says_exactly_what_was_collected() -> None:
    body = attest()

    held = {(row.chip_class, q.Label.Name(row.label)): row.held.value for row in body.use}
    assert (body.start, body.end) == (START + 3 * PERIOD, START + 4 * PERIOD)
    assert {row.chip_class: row.chips.value for row in body.inventory} == FIGURES.chips
    assert held == {(name, f"LABEL_{label.upper()}"): held for (name, label), held in FIGURES.chip_seconds.items()}
    assert (body.energy.value, body.energy.unit, body.energy.basis) == (4_321, q.UNIT_WATT_HOUR, q.BASIS_MEASURED)
    assert body.mapping == b""


def test_the_same_figures_give_the_same_bytes_whatever_their_order() -> None:
    turned = replace(
        FIGURES,
        chips=dict(reversed(list(FIGURES.chips.items()))),
        chip_seconds=dict(reversed(list(FIGURES.chip_seconds.items()))),
    )

    one, other = (attestation(figures, TERMS, 3, SITE, Claims()) for figures in (FIGURES, turned))
    assert one == other


def test_states_operations_for_labels_that_train_and_no_other() -> None:
    figures = replace(FIGURES, chip_seconds={(H100, label): 3_600 for label in LABELS})

    body = attest(figures)
    assert {row.label for row in body.use if row.HasField("operations")} == TRAINING
    assert {row.format for row in body.use if row.HasField("operations")} == {q.NUMBER_FORMAT_BF16_DENSE}


def test_operations_are_chip_seconds_times_peak_times_utilisation() -> None:
    claims = Claims(utilisation_ppm=400_000, operations_systematic_ppm=100_000)

    (row,) = (row for row in attest(claims=claims).use if row.HasField("operations"))
    assert row.operations == q.Quantity(
        value=2_848_320,  # 7,200 chip-seconds x 989 TFLOP/s x 0.4
        unit=q.UNIT_TERAFLOP,
        basis=q.BASIS_CALCULATED,
        systematic_ppm=100_000,
    )


def test_operations_may_be_counted_in_another_format() -> None:
    (row,) = (row for row in attest(claims=Claims(format=q.NUMBER_FORMAT_FP8_DENSE)).use if row.HasField("operations"))

    assert (row.format, row.operations.value) == (q.NUMBER_FORMAT_FP8_DENSE, 7_200 * 1_979)


def test_refuses_a_format_that_the_agreement_has_no_rate_for() -> None:
    figures = replace(FIGURES, chip_seconds={(A100, "train"): 7_200})
    with refuses(Reason.FORMAT_UNKNOWN, "NUMBER_FORMAT_FP8_DENSE"):
        attest(figures, Claims(format=q.NUMBER_FORMAT_FP8_DENSE))

    assert attest(figures).use[0].operations.value == 7_200 * 312


def test_refuses_a_chip_class_that_the_agreement_lacks() -> None:
    with refuses(Reason.CHIP_CLASS_UNKNOWN):
        attest(replace(FIGURES, chips={"V100": 1}, chip_seconds={("V100", "idle"): 3_600}))


@pytest.mark.parametrize(
    ("basis", "said"),
    [
        (EnergyBasis.MEASURED, q.BASIS_MEASURED),
        (EnergyBasis.CALCULATED, q.BASIS_CALCULATED),
        (EnergyBasis.ESTIMATED, q.BASIS_ESTIMATED),
    ],
)
def test_energy_keeps_the_basis_of_the_records(basis: EnergyBasis, said: q.Basis.ValueType) -> None:
    claims = Claims(energy_random_ppm=2_000, energy_systematic_ppm=5_000)

    energy = attest(replace(FIGURES, energy_basis=basis), claims).energy
    assert (energy.basis, energy.random_ppm, energy.systematic_ppm) == (said, 2_000, 5_000)


def test_energy_that_was_not_measured_is_absent_and_zero_is_zero() -> None:
    absent = attest(replace(FIGURES, watt_hours=None, energy_basis=EnergyBasis.NONE))
    zero = attest(replace(FIGURES, watt_hours=0))

    assert not absent.HasField("energy")
    assert zero.energy.HasField("value")
    assert zero.energy.value == 0


def test_labels_that_users_can_steer_are_estimated() -> None:
    certain, steered = attest(), attest(claims=Claims(estimated_ppm=1_500, mapping=bytes(range(32))))

    assert {row.held.basis for row in certain.use} == {q.BASIS_MEASURED}
    assert {(row.held.basis, row.held.systematic_ppm) for row in steered.use} == {(q.BASIS_ESTIMATED, 1_500)}
    assert steered.mapping == bytes(range(32))


@given(
    held=st.dictionaries(st.sampled_from(LABELS), st.integers(0, 10**9), min_size=1),
    share=st.integers(0, 1_000_000),
)
def test_no_figure_is_changed_and_no_operations_pass_the_peak(held: dict[str, int], share: int) -> None:
    figures = replace(FIGURES, chip_seconds={(H100, label): seconds for label, seconds in held.items()})

    body = attest(figures, Claims(utilisation_ppm=share))
    assert sum(row.held.value for row in body.use) == sum(held.values())
    for row in body.use:
        exact = row.held.value * 989_000 * share
        assert not row.HasField("operations") or row.operations.value <= row.held.value * 989
        assert not row.HasField("operations") or exact <= row.operations.value * 10**9 < exact + 10**9
