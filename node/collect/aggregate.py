"""Job records to figures per period, exactly: what a job held, summed over its periods, is its chips times its seconds.

Labels come from the mapping. What the records leave of inventory x time is `unaccounted`: `idle` is only what
telemetry saw idle, so it must stand in the input. Records above the inventory are a finding about the input and are
never clipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from node.collect.figures import MAX_QUANTITY, JobRecord, OverInventory, PeriodFigures, Tally
from node.collect.mapping import Mapping as WorkMapping
from node.collect.source import Options, Reading, require_span
from protocol.errors import Reason, Refused, require

_PPM = 1_000_000


@dataclass(slots=True)
class Totals:
    """Sums over job records.

    Attributes:
        held: chip-seconds by start of the period and (chip class, label).
        exempt: those of them under an exemption, by start of the period and (chip class, label, exemption).
        by_rule: chip-seconds by number of the rule that labelled them.
    """

    held: dict[int, dict[tuple[str, str], int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    exempt: dict[int, dict[tuple[str, str, str], int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    by_rule: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def held_end(job: JobRecord, mapping: WorkMapping) -> int:
    """Return until when the job held its chips under the mapping's `held` policy, Unix seconds.

    When within its span a job was suspended is not recorded: where suspended time is not to count, it is taken off
    the end.
    """
    return job.end if mapping.held == "elapsed + suspended" else job.end - job.suspended


def spread(start: int, end: int, chips: int, period: int) -> Iterator[tuple[int, int]]:
    """Yield (start of period, chip-seconds) for each period that the span from `start` to `end` touches."""
    at = start - start % period
    while at < end:
        yield at, chips * (min(end, at + period) - max(start, at))
        at += period


def add_up(jobs: Sequence[JobRecord], mapping: WorkMapping, period: int) -> Totals:
    """Label every record and add up what it held, by period of `period` seconds."""
    totals = Totals()
    for job in jobs:
        label, rule = mapping.label(job)
        exemption = mapping.exemption(rule)
        end = held_end(job, mapping)
        totals.by_rule[rule] += job.chips * (end - job.start)
        for at, chip_seconds in spread(job.start, end, job.chips, period):
            totals.held[at][job.chip_class, label] += chip_seconds
            if exemption and chip_seconds:
                totals.exempt[at][job.chip_class, label, exemption] += chip_seconds
    return totals


def peak_use(jobs: Sequence[JobRecord], mapping: WorkMapping) -> dict[str, int]:
    """Return the most chips held at one moment, by class. A job that ends when another starts frees its chips first."""
    changes: list[tuple[int, int, str]] = []
    for job in jobs:
        end = held_end(job, mapping)
        if end > job.start:
            changes += ((job.start, job.chips, job.chip_class), (end, -job.chips, job.chip_class))
    current: dict[str, int] = defaultdict(int)
    peak = {job.chip_class: 0 for job in jobs}
    for _, change, chip_class in sorted(changes):
        current[chip_class] += change
        peak[chip_class] = max(peak[chip_class], current[chip_class])
    return peak


def job_figures(reading: Reading, options: Options, tally: Tally, name: str) -> tuple[list[PeriodFigures], Totals]:
    """Add up a reading's job records to one figure for every period from the first to the last.

    Raises:
        Refused: TRACE_SPAN, TRACE_OVERFLOW, TRACE_OPTION for an inventory that leaves out a class.
    """
    jobs, period = reading.jobs, options.period
    if not jobs:
        return [], Totals()
    first, last = min(job.start for job in jobs), max(job.end for job in jobs)
    require_span(first, last, period, name)
    _note_mapping(jobs, options.mapping, tally)
    totals = add_up(jobs, options.mapping, period)
    constant = {} if reading.inventory is not None else _inventory(jobs, options, tally)
    figures = []
    for at in range(first - first % period, max(last, first + 1), period):
        chips = reading.inventory[at] if reading.inventory is not None else constant
        made = _period(at, chips, totals.held.get(at, {}), options, name)
        figures.append(replace(made, exempt=dict(totals.exempt.get(at, {}))))
    return figures, totals


def _inventory(jobs: Sequence[JobRecord], options: Options, tally: Tally) -> dict[str, int]:
    """Return the stated inventory, or the peak of concurrent use where none is stated."""
    peak = peak_use(jobs, options.mapping)
    if not options.chips:
        sizes = ", ".join(f"{count} {chip_class}" for chip_class, count in sorted(peak.items()))
        tally.note(f"no inventory stated: taken as the peak of concurrent use, {sizes}")
        for outside in options.mapping.outside:
            if outside.chips:
                peak[outside.chip_class] = peak.get(outside.chip_class, 0) + outside.chips
        return peak
    for chip_class, most in sorted(peak.items()):
        stated = options.chips.get(chip_class)
        if stated is None:
            have = ", ".join(options.chips)
            raise Refused(Reason.TRACE_OPTION, "chips", f'the records hold "{chip_class}", chips are stated for {have}')
        if most > stated:
            tally.note(f"up to {most} {chip_class} were held at once, the inventory is {stated}")
    return dict(options.chips)


def _period(
    at: int, chips: Mapping[str, int], held: Mapping[tuple[str, str], int], options: Options, name: str
) -> PeriodFigures:
    """Close a period: add the chips that the scheduler does not see, bound every figure."""
    chip_seconds = {pair: amount for pair, amount in held.items() if amount}
    for outside in options.mapping.outside:
        if outside.chips:
            pair = (outside.chip_class, outside.label)
            chip_seconds[pair] = chip_seconds.get(pair, 0) + outside.chips * options.period
    most = max(chip_seconds.values(), default=0)
    capacity = max(chips.values(), default=0) * options.period
    require(max(most, capacity) <= MAX_QUANTITY, Reason.TRACE_OVERFLOW, name, f"a period at {at} exceeds 2^63-1")
    return PeriodFigures(
        site=options.site, start=at, seconds=options.period, chips=dict(chips), chip_seconds=chip_seconds
    )


def account(figures: PeriodFigures) -> tuple[PeriodFigures, list[OverInventory]]:
    """Put what the records leave of inventory x time under `unaccounted`; report classes held above inventory."""
    chip_seconds, over = dict(figures.chip_seconds), []
    for chip_class, chips in figures.chips.items():
        limit = chips * figures.seconds
        held = sum(amount for (name, _), amount in chip_seconds.items() if name == chip_class)
        if held > limit:
            over.append(OverInventory(figures.start, chip_class, held, limit))
        elif held < limit:
            pair = (chip_class, "unaccounted")
            chip_seconds[pair] = chip_seconds.get(pair, 0) + limit - held
    return replace(figures, chip_seconds=chip_seconds), over


def estimated_ppm(by_rule: Mapping[int, int], mapping: WorkMapping) -> int:
    """Return the share of chip-seconds labelled by rules that users can steer, in parts per million, rounded up."""
    steered = sum(
        amount for number, amount in by_rule.items() if number and mapping.rules[number - 1].is_user_steerable
    )
    total = sum(by_rule.values())
    return -(-steered * _PPM // total) if total else 0


def _note_mapping(jobs: Sequence[JobRecord], mapping: WorkMapping, tally: Tally) -> None:
    """Note rules that can never match because the input lacks their field, and chips whose number is not stated."""
    has = {name for job in jobs for name in job.attributes}
    for number, rule in enumerate(mapping.rules, start=1):
        for name in (name for name in rule.patterns if name not in has):
            tally.note(f"rule {number} of the mapping looks at {name}, which the input does not have: it never matches")
    for outside in mapping.outside:
        if not outside.chips:
            tally.note(f"the mapping states no number of chips for {outside.nodes}: they are not in the figures")
