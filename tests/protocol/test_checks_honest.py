"""No honest record is ever accused: whatever a lab does, if its figures are true there is no finding."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.checks.power import declared_range
from protocol.statements.quantities import MAX_ENERGY_UNCERTAINTY_PPM
from standstill.v1 import compute_pb2
from standstill.v1 import header_pb2 as h
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import A100, H100, PERIOD, quantity
from tests.scenes import LAB, NOW, Scene, worst

LABELS = sorted(set(q.Label.values()) - {q.LABEL_UNSPECIFIED})
CLASSES = {H100: (989, 1_979), A100: (312, None)}
"""Peaks in teraFLOP a second: BF16, FP8."""
LOSSES = (1_100, 1_500)
"""Of the site, thousandths."""


@st.composite
def split(draw: st.DrawFn, total: int) -> dict[int, int]:
    """Chip-seconds over labels, to the last one."""
    labels = draw(st.lists(st.sampled_from(LABELS), min_size=1, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=len(labels) - 1, max_size=len(labels) - 1)))
    return dict(zip(labels, (b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)), strict=True))


@st.composite
def rows(draw: st.DrawFn, chip_class: str, chips: int) -> list[compute_pb2.Use]:
    """Use of all chips of a class, with operations that they could do."""
    found = []
    for label, held in draw(split(chips * PERIOD)).items():
        bf16, fp8 = CLASSES[chip_class]
        fast = fp8 is not None and draw(st.booleans())
        done = draw(st.integers(0, held * (fp8 if fast and fp8 else bf16)))
        row = builders.used(q.Label.ValueType(label), held, done, chip_class)
        row.format = q.NUMBER_FORMAT_FP8_DENSE if fast else q.NUMBER_FORMAT_BF16_DENSE
        if label not in {q.LABEL_TRAIN, q.LABEL_POST_TRAIN} and draw(st.booleans()):
            row.ClearField("operations")
            row.ClearField("format")
        found.append(row)
    return found


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A lab that received chips, says what they did, how much energy that took, and a meter that saw it."""
    scene = Scene()
    chips = {name: draw(st.integers(0, 5_000)) for name in draw(st.lists(st.sampled_from([H100, A100]), unique=True))}
    for name, count in chips.items():
        first = draw(st.integers(0, count))
        for number, part in enumerate(part for part in (first, count - first) if part):
            period = draw(st.integers(1, NOW - 1))
            scene.deliver(part, period=period, name=f"{name}-{number}", chip_class=name)
    use = [row for name, count in chips.items() for row in draw(rows(name, count))]
    body = builders.attestation(scene.agreement, NOW, chips=chips or {H100: 0}, use=use)
    low, high = declared_range(scene.agreement, body)
    ppm = st.integers(0, MAX_ENERGY_UNCERTAINTY_PPM)
    drawn = draw(st.integers(low, high))
    energy = quantity(drawn, q.UNIT_WATT_HOUR, random_ppm=draw(ppm), systematic_ppm=draw(ppm))
    scene.say(LAB, builders.change(body, energy=energy))
    least, most = -(-drawn * LOSSES[0] // 1_000), drawn * LOSSES[1] // 1_000
    seen = draw(st.integers(min(least, most), most))
    scene.read_meter(seen, energy=quantity(seen, q.UNIT_WATT_HOUR, random_ppm=draw(ppm)))
    return scene


@given(scenes())
@settings(max_examples=60)
def test_true_figures_have_no_findings(scene: Scene) -> None:
    assert scene.codes() == []


@given(scenes(), st.booleans())
@settings(max_examples=20)
def test_true_figures_are_honored_once_the_supplier_says_that_all_is_reported(scene: Scene, said: bool) -> None:
    if said:
        scene.supplied()

    assert worst(scene) == (h.VERDICT_HONORED if said else h.VERDICT_INCONCLUSIVE)


@given(scenes(), st.integers(1, 5_000))
@settings(max_examples=30)
def test_hidden_chips_are_always_found(scene: Scene, hidden: int) -> None:
    scene.deliver(hidden, period=NOW - 1, name="hidden")

    assert "shipped-not-declared" in scene.codes()
    assert worst(scene) == h.VERDICT_BREACHED
