"""An agreement in words: the page that people read before they sign. Every field that runs has its sentence here."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from protocol.agreement import Agreement
from protocol.truth import counted
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2
from standstill.v1 import quantity_pb2 as q

WIDTH: Final = 96
_MARGIN: Final = 12

_ROLES: Final = {
    pb.ROLE_LAB: "Labs",
    pb.ROLE_SUPPLIER: "Chips are reported by",
    pb.ROLE_METER: "Electricity is reported by",
    pb.ROLE_EVALUATOR: "Capability is reported by",
    pb.ROLE_VERIFIER: "Verifiers",
}
_EVIDENCE: Final = {
    pb.EVIDENCE_ATTESTATION: "the lab's attestation of every site",
    pb.EVIDENCE_ENERGY: "its own energy figure",
    pb.EVIDENCE_METER: "an independent reading of every meter",
    pb.EVIDENCE_SHIPMENTS: "the suppliers' shipment reports",
    pb.EVIDENCE_HALT: "a halt report where a level stops work",
}
_PHASES: Final = {
    condition_pb2.PHASE_OPEN: "open",
    condition_pb2.PHASE_CALLED: "called",
    condition_pb2.PHASE_WINDING: "winding down",
    condition_pb2.PHASE_IN_FORCE: "in force",
    condition_pb2.PHASE_RAMPING: "ramping up again",
}


def page(agreement: Agreement) -> str:
    """The whole page, wrapped."""
    terms = agreement.terms
    lines = [f"{terms.name.upper()}   digest {agreement.digest.hex()}   times UTC", ""]
    for heading, sentences in _sections(agreement):
        text = " ".join(sentences)
        indent = " " * _MARGIN
        first = f"{heading:<{_MARGIN}}"
        if len(heading) >= _MARGIN:
            lines.append(heading)
            first = indent
        lines += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent, break_long_words=False)
    return "\n".join(lines) + "\n"


def _sections(agreement: Agreement) -> Iterator[tuple[str, list[str]]]:
    terms = agreement.terms
    yield "WHO", list(_who(agreement))
    yield "EVERY", list(_every(terms))
    yield "CHIPS", [_chip(chip) for chip in terms.chips]
    if terms.indicators:
        yield "MEASURED", [_indicator(terms, indicator) for indicator in terms.indicators]
    for level in terms.levels:
        yield level.name.upper(), list(_level(terms, level))
    if terms.rules:
        yield "VOTES", [_rule(terms, rule) for rule in terms.rules]
    yield "A BREACH", list(_breach(terms))
    yield "LEAVING", list(_leaving(terms))
    yield "MISSING", ["evidence counts neither way: what is unknown calls nothing and lifts nothing."]
    yield "WORTH", list(_worth(terms))


def _who(agreement: Agreement) -> Iterator[str]:
    terms = agreement.terms
    for role, words in _ROLES.items():
        names = [_party(party) for party in terms.parties if role in party.roles]
        if names:
            yield f"{words}{'' if words.endswith('by') else ':'} {'; '.join(names)}."
    liars = terms.lying_verifiers
    yield (
        f"{agreement.quorum} of {len(agreement.verifiers)} verifiers must agree; {liars} of them may lie or be broken."
    )
    yield (
        f"In force once {_list(terms.founding)} have signed; void if that takes longer than "
        f"{_span(terms, terms.forming_end_periods)}."
    )


def _party(party: pb.Party) -> str:
    parts = [f"{party.name} ({party.owner})"]
    if party.sites:
        meters = sorted({site.metered_by for site in party.sites if site.metered_by})
        metered = f" metered by {_list(meters)}" if meters else ""
        parts.append(f"{counted(len(party.sites), 'site')}{metered}")
    parts.append(f"root {party.root_threshold} of {len(party.root_keys)}")
    return ", ".join(parts)


def _every(terms: pb.Agreement) -> Iterator[str]:
    clocks = terms.freshness
    start = dt.datetime.fromtimestamp(terms.start, dt.UTC)
    yield f"{_time(terms.period_seconds)} from {start:%Y-%m-%d %H:%M}Z on each lab states what each site did,"
    yield f"within {_time(clocks.publish_within_seconds)} (whole periods are what is judged)."
    yield (
        f"Late after {_span(terms, clocks.late_periods)}, stale after {_span(terms, clocks.stale_periods)}, presumed "
        f"not to comply after {_span(terms, clocks.presumed_non_compliant_periods)} of silence."
    )


def _chip(chip: pb.ChipClass) -> str:
    peaks = ", ".join(
        f"{_number(peak.gigaflop_per_second)} GFLOP/s {_label(q.NumberFormat, peak.format, 'NUMBER_FORMAT_')}"
        for peak in chip.peaks
    )
    power = "; ".join(
        f"{bound.low_milliwatt / 1000:g} to {bound.high_milliwatt / 1000:g} W for {_labels(bound.labels)}"
        for bound in chip.power
    )
    return f"{chip.name}: at most {peaks}; with its share of the node {power}."


def _indicator(terms: pb.Agreement, indicator: pb.Indicator) -> str:
    unit = f" ({indicator.unit})" if indicator.unit else ""
    return (
        f"{indicator.name}{unit}: reported by {_list(indicator.reported_by)}; a reading needs "
        f"{counted(indicator.reports, 'independent report')}, none older than "
        f"{_span(terms, indicator.max_age_periods)}."
    )


def _level(terms: pb.Agreement, level: pb.Level) -> Iterator[str]:
    whom = "every lab" if level.binds == pb.BINDS_EVERYONE else "each lab on the terms of its own pledge"
    yield f"Level {level.rank}. Binds {whom}."
    by = f"It also takes the vote {level.called_by}." if level.called_by else "No vote is needed, once it is armed."
    yield f"May be called when {condition_words(level.trigger, terms)}. {by}"
    if level.HasField("entry"):
        yield (
            f"Starts only if {condition_words(level.entry, terms)}; a call waits for that at most "
            f"{_span(terms, level.dormancy_periods)}."
        )
    yield f"Allowed: {_labels(level.allowed) or 'nothing'}. Any other work is outside the level."
    for cap in level.caps:
        limits = []
        if cap.HasField("teraflop"):
            limits.append(f"{_number(cap.teraflop)} teraFLOP")
        if cap.HasField("chip_seconds"):
            limits.append(f"{_number(cap.chip_seconds)} chip-seconds")
        yield (
            f"At most {' and '.join(limits) or 'no limit'} of {_labels(cap.labels)} in any "
            f"{_span(terms, cap.window_periods)} ({cap.name})."
        )
    yield f"{_span(terms, level.wind_down_periods)} to wind down."
    yield (
        f"Ends when, in {counted(level.steady_steps, 'closed period')} in a row, "
        f"{condition_words(level.resume, terms)}, AND the vote {level.lifted_by} carries. Else it stays, at most "
        f"{_span(terms, level.mandate_periods)} unless renewed."
    )
    yield f"Return: {_span(terms, level.ramp_periods)}, during which the allowed labels still hold."


def _rule(terms: pb.Agreement, rule: pb.Rule) -> str:
    return (
        f"{rule.name}: {rule.yes} of {_list(rule.voters)}, counted by owner; a ballot counts for "
        f"{_span(terms, rule.ballot_life_periods)}."
    )


def _breach(terms: pb.Agreement) -> Iterator[str]:
    standing = terms.standing
    yield (
        f"in {standing.breached} of the last {counted(standing.of_last, 'settled period')} makes a lab accused; "
        f"{_span(terms, standing.release_notice_periods)} later others are released from what they promised on its "
        f"account. It stays bound itself, and is relied on again after "
        f"{counted(standing.back_after_periods, 'honored period')} in a row, twice as many after each further loss."
    )
    yield f"A verdict is settled after {_span(terms, standing.settle_periods)}."


def _leaving(terms: pb.Agreement) -> Iterator[str]:
    yield f"{_span(terms, terms.withdrawal_notice_periods)} of notice, and no exit while a level is called or in force."
    yield f"A pledge that is replaced runs on for {_span(terms, terms.pledge_notice_periods)}."


def _worth(terms: pb.Agreement) -> Iterator[str]:
    worth = terms.verification
    yield (
        f"One significant quantity is {_number(worth.significant_quantity_teraflop)} teraFLOP of covert training in "
        f"{_span(terms, worth.window_periods)}."
    )
    yield f"Statistical tests accuse wrongly in {_number(worth.false_alarm_ppm)} of 1,000,000 periods."
    yield f"No verdict is honored without {_list([_EVIDENCE[kind] for kind in worth.required])}."
    yield f"Chips may be in transit for {_span(terms, worth.transit_periods)}."


def condition_words(condition: condition_pb2.Condition, terms: pb.Agreement) -> str:
    """A condition as a clause of a sentence."""
    test = str(condition.WhichOneof("test"))
    return _CONDITIONS[test](getattr(condition, test), terms)


def _joined(word: str) -> Callable[[Any, pb.Agreement], str]:
    def words(several: Any, terms: pb.Agreement) -> str:
        parts = [condition_words(part, terms) for part in several.of]
        return parts[0] if len(parts) == 1 else f"({f' {word} '.join(parts)})"

    return words


def _at_least(test: Any, terms: pb.Agreement) -> str:
    return f"at least {test.k} of ({'; '.join(condition_words(part, terms) for part in test.of)})"


def _reading(test: condition_pb2.Condition.Reading, terms: pb.Agreement) -> str:
    unit = next((one.unit for one in terms.indicators if one.name == test.indicator), "")
    sign = "at least" if test.comparison == condition_pb2.COMPARISON_AT_LEAST else "below"
    among = f"of {_list(test.of)}" if test.of else "of all labs"
    return f"{test.indicator} of at least {test.labs} {among} is {sign} {_number(test.threshold)} {unit}".rstrip()


def _level_phase(test: condition_pb2.Condition.LevelPhase, terms: pb.Agreement) -> str:
    return f"{_level_name(terms, test.level)} is {_PHASES[test.phase]}"


def _keeps(test: condition_pb2.Condition.Keeps, terms: pb.Agreement) -> str:
    keep = "keeps" if test.k == 1 else "keep"
    return f"at least {test.k} of {_list(test.of)} {keep} {_level_name(terms, test.level)}"


def _honored(test: condition_pb2.Condition.Honored, terms: pb.Agreement) -> str:
    return f"all bound by {_level_name(terms, test.level)} kept it for {_span(terms, test.periods)}"


def _elapsed(test: condition_pb2.Condition.Elapsed, terms: pb.Agreement) -> str:
    return f"{_span(terms, test.periods)} have passed since {_level_name(terms, test.level)} began"


def _constant(test: condition_pb2.Condition.Constant, terms: pb.Agreement) -> str:
    return "always" if test.value else "never"


_CONDITIONS: Final[Mapping[str, Callable[[Any, pb.Agreement], str]]] = {
    "all": _joined("and"),
    "any": _joined("or"),
    "at_least": _at_least,
    "reading": _reading,
    "level_phase": _level_phase,
    "keeps": _keeps,
    "honored": _honored,
    "elapsed": _elapsed,
    "constant": _constant,
}


def _level_name(terms: pb.Agreement, rank: int) -> str:
    return next((level.name for level in terms.levels if level.rank == rank), f"level {rank}")


def _span(terms: pb.Agreement, periods: int) -> str:
    """Periods as people say them."""
    return "no time" if periods == 0 else _time(periods * terms.period_seconds)


def _time(seconds: int) -> str:
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{_number(seconds // unit)} {name}"
    return f"{_number(seconds)} s"


def _number(value: int) -> str:
    return f"{value:,}"


def _list(names: Iterable[str] | Sequence[str]) -> str:
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}" if listed else "nobody"


def _labels(labels: Iterable[int]) -> str:
    return ", ".join(_label(q.Label, label, "LABEL_") for label in labels)


def _label(enum: Any, value: int, prefix: str) -> str:
    name: str = enum.Name(value)
    return name.removeprefix(prefix).lower()
