"""What a verdict must be worth, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from language.page_words import counted, flop, listed, number_format, share, span
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVIDENCE: Final = {
    pb.EVIDENCE_ATTESTATION: "the lab's attestation of every site",
    pb.EVIDENCE_ENERGY: "its own energy figure",
    pb.EVIDENCE_METER: "an independent reading of every meter",
    pb.EVIDENCE_SHIPMENTS: "the suppliers' shipment reports",
    pb.EVIDENCE_HALT: "a halt report where a level stops work",
    pb.EVIDENCE_INSPECTION: "reports of inspections",
    pb.EVIDENCE_TENANCY: "statements of who rents the chips",
    pb.EVIDENCE_NETWORK: "records of the network between chips",
    pb.EVIDENCE_HARDWARE: "attestations by the hardware",
}


_CHANNELS: Final = {
    pb.CHANNEL_FALSE_HOURS: "declared chips that do something else",
    pb.CHANNEL_AWAY: "declared chips that are elsewhere",
    pb.CHANNEL_UNDECLARED: "undeclared chips",
    pb.CHANNEL_RENTED: "rented chips",
}


def worth(terms: pb.Agreement) -> Iterator[tuple[str, str]]:
    """Amount, probabilities and evidence, each with the field that it is about."""
    agreed = terms.verification
    counted_in = f", counted in {number_format(agreed.counted_in)}" if agreed.counted_in else ""
    yield (
        "verification.significant_quantity_teraflop",
        (
            f"One significant quantity is {flop(agreed.significant_quantity_teraflop)} of covert training in "
            f"{span(terms, agreed.window_periods)}{counted_in}."
        ),
    )
    if agreed.detection_ppm:
        yield "verification.detection_ppm", f"Verifiers aim to see it with {share(agreed.detection_ppm)}."
    yield (
        "verification.false_alarm_ppm",
        f"A statistical test accuses wrongly {agreed.false_alarm_ppm:,} times in a million at most.",
    )
    if agreed.dishonest_sources:
        lie = "lies" if agreed.dishonest_sources == 1 else "lie"
        yield (
            "verification.dishonest_sources",
            f"It holds even if {counted(agreed.dishonest_sources, 'source')} of evidence {lie}.",
        )
    yield (
        "verification.required",
        f"No verdict is honored without {listed(_EVIDENCE.get(kind, 'nothing') for kind in agreed.required)}.",
    )
    if agreed.useful:
        yield "verification.useful", f"What helps: {listed(_EVIDENCE.get(kind, 'nothing') for kind in agreed.useful)}."
    yield from _bounds(terms)
    yield from _answers(terms)


def _bounds(terms: pb.Agreement) -> Iterator[tuple[str, str]]:
    agreed = terms.verification
    if not agreed.bound_every_periods:
        return
    every, risk = span(terms, agreed.bound_every_periods), share(agreed.bound_risk_ppm)
    yield "verification.bound_every_periods", f"Every {every} verifiers say how much could be hidden at most."
    yield "verification.bound_risk_ppm", f"Errors of honest instruments make that false with {risk} at most."
    if agreed.left_open:
        ways = listed(_CHANNELS.get(channel, "nothing") for channel in agreed.left_open)
        yield "verification.left_open", f"It leaves out {ways}."
    if agreed.HasField("legacy_ppm"):
        older = f"Chips older than the suppliers' reports are at most {share(agreed.legacy_ppm)} of those reported."
        yield "verification.legacy_ppm", older


def _answers(terms: pb.Agreement) -> Iterator[tuple[str, str]]:
    agreed = terms.verification
    yield "verification.transit_periods", f"Chips may be in transit for {span(terms, agreed.transit_periods)}."
    if agreed.challenge_answer_periods:
        yield (
            "verification.challenge_answer_periods",
            f"Challenges are answered within {span(terms, agreed.challenge_answer_periods)}.",
        )
    if agreed.clarification_answer_periods:
        yield (
            "verification.clarification_answer_periods",
            f"Questions are answered within {span(terms, agreed.clarification_answer_periods)}.",
        )
    if agreed.challenge_answer_periods or agreed.clarification_answer_periods or agreed.no_answer:
        best = "discrepant" if agreed.no_answer == pb.NO_ANSWER_DISCREPANT else "inconclusive"
        yield "verification.no_answer", f"Who owes an answer for longer is {best} at best."
    if agreed.inspection_notice_periods:
        yield (
            "verification.inspection_notice_periods",
            f"Inspections follow a notice of {span(terms, agreed.inspection_notice_periods)}.",
        )
    if agreed.power_off:
        yield "verification.power_off", "Chips on which nothing can be verified are switched off."
