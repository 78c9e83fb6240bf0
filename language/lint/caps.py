"""Caps that never bind, that are shares of nothing, or that loosen as levels rise."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from language.lint.finding import Finding, error, note, warning
from language.lint.view import named, span, tests
from language.units import show_share
from language.words import LABELS
from protocol.cap_rules import as_tight
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.lint.view import View

_DEFINE: Final = "write baseline = 90 d"
WHOLE: Final = 1_000_000
"""Parts per million."""
_SHARE: Final = "ppm"
_LABEL: Final = {value: word for word, value in LABELS.items()}


def _caps(view: View) -> Iterator[tuple[str, pb.Level, pb.Cap]]:
    """Caps of levels and of their exemptions, with paths."""
    for level in view.terms.levels:
        for cap in level.caps:
            yield f"levels.{level.name}.caps.{cap.name}", level, cap
        for exemption in level.exemptions:
            if exemption.HasField("cap"):
                yield f"levels.{level.name}.exemptions.{exemption.name}.cap", level, exemption.cap


def capacity(view: View) -> Iterator[Finding]:
    """`cap-above-capacity`: a cap that no lab can reach. `capacity-unknown`: that cannot be told."""
    held = {party.name: party.capacity_gigaflop_per_second for party in view.terms.parties if party.name in view.labs}
    known = {lab: rate for lab, rate in held.items() if rate}
    if not known:
        if any(_limited(cap) for _, _, cap in _caps(view)):
            yield note("capacity-unknown", "parties", "no lab states its capacity: whether a cap binds cannot be told")
        return
    for path, level, cap in _caps(view):
        if not _limited(cap):
            continue
        if all(_unreached(view, level, cap, rate) for rate in known.values()):
            text = f"never binds: no lab that states its capacity ({named(known)}) can do as much"
            yield warning("cap-above-capacity", path, text)


def _limited(cap: pb.Cap) -> bool:
    """Whether a cap is a number of operations or chips."""
    return cap.HasField("teraflop") or bool(cap.chips)


def _unreached(view: View, level: pb.Level, cap: pb.Cap, rate: int) -> bool:
    """Whether a lab with this rate (10^9 operations a second) stays below a cap with all that it has.

    A lab that has the slowest class of accelerators only has the most of them.
    """
    if cap.chips:
        peaks = [peak.gigaflop_per_second for chip in view.terms.chips for peak in chip.peaks]
        return bool(peaks) and cap.chips * min(peaks) >= rate
    # One run has until the level's end.
    periods = level.mandate_periods if cap.scope == pb.CAP_SCOPE_RUN else cap.window_periods
    return cap.teraflop * 1_000 >= rate * periods * view.terms.period_seconds


def runs(view: View) -> Iterator[Finding]:
    """`cap-above-total`: one run may be larger than all of the same work together."""
    for level in view.terms.levels:
        totals = [cap for cap in level.caps if cap.scope == pb.CAP_SCOPE_UNSPECIFIED and cap.HasField("teraflop")]
        for run in (cap for cap in level.caps if cap.scope == pb.CAP_SCOPE_RUN and cap.HasField("teraflop")):
            total = next((one for one in totals if set(run.labels) <= set(one.labels)), None)
            if total is not None and run.teraflop > total.teraflop and total.window_periods >= level.mandate_periods:
                where = f"levels.{level.name}.caps.{run.name}"
                also = (f"levels.{level.name}.caps.{total.name}",)
                yield warning("cap-above-total", where, "never binds: all runs together may do less", also=also)


def quantities(view: View) -> Iterator[Finding]:
    """`cap-above-sq`: what is exempt is worth more than a significant quantity. `uncapped`: it has no ceiling.

    `exempt-anyway`: nothing needs the exemption.
    """
    worth = view.terms.verification
    for level in view.terms.levels:
        for exemption in level.exemptions:
            path = f"levels.{level.name}.exemptions.{exemption.name}"
            if set(exemption.labels) <= set(level.allowed):
                yield warning("exempt-anyway", path, f"lets through what {level.name} allows anyway", "remove it")
            if not exemption.HasField("cap"):
                yield warning("uncapped", path, f"{exemption.name} goes on without a ceiling", "give it a cap")
                continue
            cap = exemption.cap
            if not cap.HasField("teraflop") or not cap.window_periods or not worth.significant_quantity_teraflop:
                continue
            done = cap.teraflop * worth.window_periods // cap.window_periods
            if done > worth.significant_quantity_teraflop:
                times = done // worth.significant_quantity_teraflop
                within = span(worth.window_periods, view.terms)
                text = f"{exemption.name} may do more than {times} significant quantities in {within}"
                yield note("cap-above-sq", f"{path}.cap", text, also=("verification.significant_quantity_teraflop",))


def shares(view: View) -> Iterator[Finding]:
    """`share-impossible`, `above-whole`: a probability, part or share that is more than the whole."""
    found = [("verification.detection_ppm", view.terms.verification.detection_ppm)]
    for level in view.terms.levels:
        parts = ((f"levels.{level.name}.exemptions.{one.name}.sampled_ppm", one) for one in level.exemptions)
        found += [(path, one.sampled_ppm) for path, one in parts]
    for path, condition in view.conditions():
        for place, part in tests(condition, path):
            indicator = view.indicators.get(part.reading.indicator)
            if indicator is not None and indicator.unit == _SHARE and part.reading.threshold > WHOLE:
                text = f"{show_share(part.reading.threshold)} of {indicator.name}: a share is never as much"
                yield note("above-whole", place, text, "write 100 % at most, unless it is no share of a whole")
    for path, share in found:
        if share > WHOLE:
            yield error("share-impossible", path, f"{show_share(share)} is more than all of it", "write 100 % at most")


def baselines(view: View) -> Iterator[Finding]:
    """`baseline-missing`: a share of a baseline that the terms do not define."""
    if view.terms.baseline_periods:
        return
    for path, _, cap in _caps(view):
        if cap.baseline_ppm:
            yield error(
                "baseline-missing", path, "a share of a baseline, which nothing defines", "write baseline = 90 d"
            )
    for level in view.terms.levels:
        if any(step.share_ppm < WHOLE for step in level.ramp):
            text = "steps are shares of a baseline, which nothing defines"
            yield error("baseline-missing", f"levels.{level.name}.ramp", text, _DEFINE)


def rising(view: View) -> Iterator[Finding]:
    """`levels-do-not-rise`: a higher level leaves open what a lower one caps, or exempts what it forbids."""
    for low, high in pairwise(view.terms.levels):
        for cap in low.caps:
            special = cap.scope != pb.CAP_SCOPE_UNSPECIFIED or cap.baseline_ppm
            still = set(cap.labels) & set(high.allowed) or not cap.labels
            if special and still and not any(as_tight(own, cap, high) for own in high.caps):
                text = f"{cap.name} of {low.name} is not capped as tightly"
                also = (f"levels.{low.name}.caps.{cap.name}",)
                yield error(
                    "levels-do-not-rise", f"levels.{high.name}.caps", text, "keep the cap of the lower level", also
                )
        for exemption in high.exemptions:
            let = {label for one in low.exemptions for label in one.labels} | set(low.allowed)
            beyond = [_LABEL.get(label, str(label)) for label in exemption.labels if label not in let]
            if beyond:
                text = f"lets through {named(beyond)}, which {low.name} forbids"
                yield error("levels-do-not-rise", f"levels.{high.name}.exemptions.{exemption.name}", text)
