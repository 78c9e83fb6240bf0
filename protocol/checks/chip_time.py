"""Chip-seconds fill the inventory exactly: every chip works, or is idle, off or unaccounted (spec: checks, 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import DISCREPANT, figure, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "chip-seconds-above-inventory": "More chip-seconds are declared than the inventory has.",
    "chip-seconds-below-inventory": "Chip-seconds of declared chips are missing from the declared use.",
}


def check(case: Case) -> Iterator[Finding]:
    """Sum over labels of held = chips x seconds, per class and site; whole numbers, tolerance zero (research D3)."""
    seconds = case.agreement.terms.period_seconds
    for site, attestation in case.attestations.items():
        for row in attestation.body.inventory:
            held = sum(use.held.value for use in attestation.body.use if use.chip_class == row.chip_class)
            expected = row.chips.value * seconds
            if held != expected:
                side = "above" if held > expected else "below"
                text = (
                    f"{case.lab} declares {held} chip-seconds of {row.chip_class} where its inventory has {expected}."
                )
                yield finding(
                    f"chip-seconds-{side}-inventory",
                    DISCREPANT,
                    text,
                    figures=[
                        figure("observed", held, "chip-seconds"),
                        figure("expected", expected, "chip-seconds"),
                        figure("tolerance", 0, "chip-seconds"),
                    ],
                    statements=[attestation.ref],
                    site=site,
                )
