"""What collecting yields: exact whole figures per site and period, and every row that could not be used.

Nothing here is measured or judged; these are the values that pass between the readers of a lab's records (one module
per kind of record) and the node that attests. Chip-seconds are whole chips times whole seconds, so they add up
exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from protocol.errors import Reason, Refused

MAX_QUANTITY: Final = 2**63 - 1
"""Largest signed quantity (quantity.proto): a figure above it is refused, never wrapped or clipped."""

LABELS: Final = (
    "train",
    "post_train",
    "rollout",
    "inference",
    "eval",
    "safety",
    "maintenance",
    "idle",
    "off",
    "unlabelled",
    "unaccounted",
)
"""What chips were held for: the closed list of the agreement language, in the order of quantity.proto."""


class EnergyBasis(StrEnum):
    """How a period's watt-hours were obtained; `NONE` where the records hold no energy."""

    MEASURED = "measured"
    CALCULATED = "calculated"
    ESTIMATED = "estimated"
    NONE = "none"


class Skip(StrEnum):
    """Why a well-formed record holds no chips: it is counted, but it is no fault of the input."""

    STEP = "job steps, counted with their job"
    NEVER_STARTED = "never started"
    NO_CHIPS = "held no accelerators"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """Chips of one class held for one span of time, as the scheduler or an occupancy table recorded it.

    Attributes:
        job: the record's own id; empty where it has none. One id may recur: requeued jobs, jobs on two chip classes.
        start: Unix seconds.
        end: Unix seconds, exclusive; not before `start`.
        suspended: seconds between start and end in which the work was stopped with its chips still allocated.
        chips: whole accelerators held throughout.
        chip_class: class in the agreement's chip table, as far as the mapping knows it.
        attributes: what mapping rules match on (partition, account, qos, ...), by field name.
        label: label that the record itself states; None leaves it to the mapping.
    """

    job: str
    start: int
    end: int
    chips: int
    chip_class: str
    suspended: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFigures:
    """What one site's records say about one period.

    Attributes:
        site: name of the site within the lab.
        start: Unix seconds; a multiple of `seconds`, unless the figures were moved in time.
        seconds: length of the period.
        chips: installed accelerators by chip class.
        chip_seconds: time held by (chip class, label); pairs with nothing held are absent.
        exempt: what of it was held under an exemption of the terms, by (chip class, label, exemption).
        watt_hours: energy of the accelerators with their nodes; None means not measured, which is not zero.
        energy_basis: how `watt_hours` was obtained.
    """

    site: str
    start: int
    seconds: int
    chips: Mapping[str, int]
    chip_seconds: Mapping[tuple[str, str], int]
    exempt: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    watt_hours: int | None = None
    energy_basis: EnergyBasis = EnergyBasis.NONE


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be used.

    Attributes:
        row: line in the file, from 1, header included; in JSON the record's number, from 1.
        column: as the file names it; empty where the row as a whole is at fault.
        value: the offending cell, shortened to 80 characters.
        reason: the named error.
        detail: what is wrong, for people.
    """

    row: int
    column: str
    value: str
    reason: Reason
    detail: str

    def text(self, name: str) -> str:
        """Return the message for people: `jobs.csv:418, column gpus: "8x" is no whole number`."""
        where = f", column {self.column}" if self.column else ""
        return f"{name}:{self.row}{where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class OverInventory:
    """A finding about the input: in this period its records hold more chip-seconds than the inventory has.

    The figures are passed on as they are. Clipping them would hide either a wrong inventory or a wrong record.

    Attributes:
        start: start of the period, Unix seconds.
        chip_class: the class concerned.
        held: chip-seconds in the records.
        limit: chips times seconds of the period.
    """

    start: int
    chip_class: str
    held: int
    limit: int


@dataclass(frozen=True, slots=True)
class NamedExemption:
    """Where an input or its mapping says that work counts under an exemption of the terms.

    Attributes:
        place: file and place in it, for people.
        label: of the work.
        exemption: name in the terms.
    """

    place: str
    label: str
    exemption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that was read from one input.

    Attributes:
        source: file name without its folder.
        form: name of the collector that read it.
        figures: per site and period, by start, then site.
        chip_classes: every class that occurs, sorted.
        kept: rows used.
        rejected: rows not used, in the order of the file.
        skipped: well-formed records that hold no chips, counted by why.
        notes: assumptions made and oddities met, each a sentence.
        over_inventory: periods in which the records exceed the inventory.
        mapping_digest: SHA-256 of the mapping file, 32 bytes; empty where there was none.
        by_rule: chip-seconds by the mapping rule that labelled them, counted from 1; 0 is the default.
        exemptions: every place of the input and its mapping that names one.
        estimated_ppm: share of chip-seconds labelled by rules on fields that users set, parts per million.
    """

    source: str
    form: str
    figures: Sequence[PeriodFigures]
    chip_classes: Sequence[str]
    kept: int
    rejected: Sequence[RejectedRow] = ()
    skipped: Mapping[Skip, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    over_inventory: Sequence[OverInventory] = ()
    mapping_digest: bytes = b""
    by_rule: Mapping[int, int] = field(default_factory=dict)
    exemptions: Sequence[NamedExemption] = ()
    estimated_ppm: int = 0

    def starting_at(self, start: int) -> Trace:
        """Return the same figures moved in time so that the first period begins at `start`, Unix seconds.

        For traces whose dates are unknown or past. The distances between periods stay.
        """
        shift = start - self.figures[0].start if self.figures else 0
        moved = tuple(replace(figures, start=figures.start + shift) for figures in self.figures)
        findings = tuple(replace(finding, start=finding.start + shift) for finding in self.over_inventory)
        return replace(self, figures=moved, over_inventory=findings)


class Tally:
    """The count kept while one input is read: rows used, rejected, skipped, and notes."""

    def __init__(self) -> None:
        self.kept = 0
        self.rejected: list[RejectedRow] = []
        self.skipped: dict[Skip, int] = {}
        self.notes: list[str] = []

    def reject(self, row: int, no: Refused, value: str) -> None:
        """List a row that cannot be used; `no.field` names its column."""
        self.rejected.append(RejectedRow(row, no.field, value[:80], no.reason, no.detail))

    def skip(self, why: Skip) -> None:
        """Count a record that holds no chips."""
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def note(self, sentence: str) -> None:
        """Keep an assumption or oddity, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)
