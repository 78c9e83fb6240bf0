"""From a case to evidence: what the record says of a lab and a window, in the units of the program (annex: bound, 2).

Nothing is taken to be better than the record shows: a site with a gap in its readings has no meter, a class of which
nobody knows what is older than the reports has no stock.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from bound.columns import AWAY
from bound.evidence import ChipTable, Evidence, Group, Meter, Mode, Rented, Site, Stock, Way, Window, Work
from protocol.checks.power import MILLIWATT_SECONDS
from protocol.hidden_compute import window
from protocol.statistics import PPM
from standstill.v1 import agreement_pb2, compute_pb2
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bound.evidence import Integers
    from protocol.case import Case

WAYS: Final = {
    agreement_pb2.CHANNEL_FALSE_HOURS: Way.FALSE_HOURS,
    agreement_pb2.CHANNEL_AWAY: Way.AWAY,
    agreement_pb2.CHANNEL_UNDECLARED: Way.UNDECLARED,
    agreement_pb2.CHANNEL_RENTED: Way.RENTED,
}
_TRAINS: Final = frozenset({q.LABEL_TRAIN, q.LABEL_POST_TRAIN, q.LABEL_UNLABELLED, q.LABEL_UNACCOUNTED})
"""Labels that declare training, or count as it: what they hold is not covert."""

MOST: Final = 1 << 60
"""Greatest sum of a block in any unit: four times it fits the machine's integers. Energy may be so much in a window."""

HANDLE_DIGITS: Final = 8
"""Digits by which a site is called, as everywhere that people read."""


class Gap(Exception):
    """The record does not say enough for a bound; in words."""


def evidence_of(case: Case) -> Evidence:
    """The evidence on the lab of a case, in the window that ends with its period.

    Raises:
        Gap: a site was not attested for a period of the window, or figures are too large to be added up.
    """
    periods = window(case.agreement, case.duty, case.period)
    terms = case.agreement.terms
    attested = _attested(case, periods)
    _require_small(case, attested.values())
    tables = {name: _table(case, name) for name in _classes(case, attested.values())}
    seconds = np.full(len(periods), terms.period_seconds, np.int64)
    left_open = frozenset(WAYS[channel] for channel in terms.verification.left_open)
    return Evidence(
        window=Window(seconds, _starts(case, periods, attested)),
        classes=tables,
        sites=tuple(
            _site(case, site, number, periods, attested, tables) for number, site in enumerate(case.sites, start=1)
        ),
        stock=tuple(_stock(case, periods, attested, tables)),
        rented=tuple(Rented(name, frozenset(), 0) for name in tables) if Way.RENTED in left_open else (),
        challenges=(),
        risk_ppb=terms.verification.bound_risk_ppm * 1_000,
        left_open=left_open,
    )


def _attested(case: Case, periods: range) -> dict[tuple[bytes, int], compute_pb2.ComputeAttestation]:
    """The first attestation of each site and period of the window."""
    found: dict[tuple[bytes, int], compute_pb2.ComputeAttestation] = {}
    for cited in (*case.window, *case.attestations.values()):
        found.setdefault((cited.header.site, cited.header.period), cited.body)
    missing = [period for site in case.sites for period in periods if (site.handle, period) not in found]
    if missing:
        raise Gap(f"{case.lab} did not attest every site for period {missing[0]}, and {len(missing) - 1} more")
    return found


def _classes(case: Case, attestations: Iterable[compute_pb2.ComputeAttestation]) -> list[str]:
    """Classes that the lab declares or was sent, in the order of the chip table."""
    held = {row.chip_class for body in attestations for row in body.inventory}
    held |= {report.body.chip_class for report in case.shipments}
    return [name for name in case.agreement.chips if name in held]


def _require_small(case: Case, attestations: Iterable[compute_pb2.ComputeAttestation]) -> None:
    """Whoever states absurd figures gets no bound, and crashes nobody: sums fit the machine's integers four times."""
    terms = case.agreement.terms
    power = max(bound.high_milliwatt for chip in case.agreement.chips.values() for bound in chip.power)
    longest = terms.verification.bound_every_periods
    held = max(sum(_chip_seconds(body, terms.period_seconds)) for body in attestations) * longest * power
    read: Counter[tuple[bytes, int]] = Counter()
    for one in (*case.past_readings, *chain.from_iterable(case.readings.values())):
        read[one.header.site, one.header.period] += one.body.energy.value * MILLIWATT_SECONDS
    energy = max(read.values(), default=0) * longest
    moved = sum(one.body.chips.value for one in case.shipments) + sum(one.body.chips.value for one in case.transfers)
    stock = moved * terms.period_seconds * terms.verification.window_periods
    if max(held, stock, energy, read.total() // 4) > MOST:
        raise Gap("some figures are too large to be added up")


def _chip_seconds(body: compute_pb2.ComputeAttestation, seconds: int) -> Iterator[int]:
    """What an attestation says was installed, and what was used."""
    yield from (row.chips.value * seconds for row in body.inventory)
    yield from (use.held.value for use in body.use)


def _groups(chip: agreement_pb2.ChipClass) -> list[tuple[list[q.Label.ValueType], agreement_pb2.PowerBound, bool]]:
    """Labels that draw alike, those that count as training apart: with their power, and whether they train."""
    found = []
    for bound in chip.power:
        for trains in (False, True):
            labels = [label for label in bound.labels if (label in _TRAINS) == trains]
            if labels:
                found.append((labels, bound, trains))
    return found


def _table(case: Case, name: str) -> ChipTable:
    """Label groups and modes of a class."""
    chip = case.agreement.chips[name]
    groups = []
    for labels, bound, trains in _groups(chip):
        words = ", ".join(q.Label.Name(label).removeprefix("LABEL_").lower() for label in labels)
        groups.append(Group(words, bound.low_milliwatt, bound.high_milliwatt, trains=trains))
    training = next(bound for bound in chip.power if q.LABEL_TRAIN in bound.labels)
    counted = case.agreement.terms.verification.counted_in or q.NUMBER_FORMAT_BF16_DENSE
    rates = {peak.format: peak.gigaflop_per_second for peak in chip.peaks}
    peak = rates.get(counted, max(rates.values()))
    most = max(bound.high_milliwatt for bound in chip.power)
    modes = (
        Mode("off", 0, 0),
        Mode("full", training.low_milliwatt, peak),
        Mode("hot", training.high_milliwatt, peak),
        Mode("burn", most, 0),
        Mode(AWAY, 0, peak),
    )
    return ChipTable(name, modes, tuple(groups))


def _group_of(case: Case, name: str) -> dict[int, int]:
    """Number of the group of each label, in the order of :func:`_table`."""
    groups = _groups(case.agreement.chips[name])
    return {label: number for number, (labels, _, _) in enumerate(groups) for label in labels}


def _starts(
    case: Case, periods: range, attested: Mapping[tuple[bytes, int], compute_pb2.ComputeAttestation]
) -> Integers:
    """First periods of the blocks: where a reckoning ends, and wherever an inventory changes (annex: bound, 9.2)."""
    every = case.agreement.terms.verification.bound_every_periods
    stocks = [_inventories(case, period, attested) for period in periods]
    cuts = [
        number
        for number, period in enumerate(periods)
        if number == 0 or period % every == 0 or stocks[number] != stocks[number - 1]
    ]
    return np.array(cuts, np.int64)


def _inventories(
    case: Case, period: int, attested: Mapping[tuple[bytes, int], compute_pb2.ComputeAttestation]
) -> list[tuple[str, int]]:
    bodies = (attested[site.handle, period] for site in case.sites)
    return [(row.chip_class, row.chips.value) for body in bodies for row in body.inventory]


def _site(
    case: Case,
    site: agreement_pb2.Site,
    number: int,
    periods: range,
    attested: Mapping[tuple[bytes, int], compute_pb2.ComputeAttestation],
    tables: Mapping[str, ChipTable],
) -> Site:
    bodies = [attested[site.handle, period] for period in periods]
    return Site(
        name=site.handle.hex()[:HANDLE_DIGITS],
        work=tuple(
            Work(name, _declared(case, name, bodies, len(table.groups)))
            for name, table in tables.items()
            if any(row.chip_class == name for body in bodies for row in body.inventory)
        ),
        meter=_meter(case, site, number, periods),
        pue_low_milli=site.pue_low_milli,
        pue_high_milli=site.pue_high_milli,
        located=False,
        visible_chips={},
    )


def _declared(case: Case, name: str, bodies: list[compute_pb2.ComputeAttestation], groups: int) -> Integers:
    """Chip-seconds by period and group; installed time that no row holds is unaccounted for."""
    numbers, seconds = _group_of(case, name), case.agreement.terms.period_seconds
    found = np.zeros((len(bodies), groups), np.int64)
    for place, body in enumerate(bodies):
        for use in body.use:
            if use.chip_class == name:
                found[place, numbers[use.label]] += use.held.value
        installed = sum(row.chips.value for row in body.inventory if row.chip_class == name) * seconds
        found[place, numbers[q.LABEL_UNACCOUNTED]] += max(0, installed - int(found[place].sum()))
    return found


def _meter(case: Case, site: agreement_pb2.Site, number: int, periods: range) -> Meter | None:
    """The meters of a site together; None if one of them was not read for a period of the window."""
    read: dict[int, dict[str, q.Quantity]] = {}
    for cited in (*case.past_readings, *case.readings.get(site.handle, ())):
        if cited.header.site == site.handle:
            # The first word of each meter counts.
            read.setdefault(cited.header.period, {}).setdefault(cited.body.meter, cited.body.energy)
    meters = {name for found in read.values() for name in found}
    # Of a sum of meters with a gap the rest would show less than the site drew.
    if not meters or any(read.get(period, {}).keys() != meters for period in periods):
        return None
    energies = [list(read[period].values()) for period in periods]
    return Meter(
        owner=case.agreement.owner(site.metered_by),
        number=number,
        energy=np.array([sum(e.value for e in found) * MILLIWATT_SECONDS for found in energies], np.int64),
        random_ppm=max(energy.random_ppm for found in energies for energy in found),
        systematic_ppm=max(energy.systematic_ppm for found in energies for energy in found),
    )


def _stock(
    case: Case,
    periods: range,
    attested: Mapping[tuple[bytes, int], compute_pb2.ComputeAttestation],
    tables: Mapping[str, ChipTable],
) -> Iterator[Stock]:
    """What was delivered and is not declared, and what may be older than the suppliers' reports.

    Nothing is known of it where a supplier does not say that it reported everything. What the lab sent away is not
    taken off, so that no word of two parties hides it.
    """
    terms = case.agreement.terms
    if not (terms.verification.HasField("legacy_ppm") and case.all_reported):
        return
    owners = frozenset(party.owner for party in terms.parties if agreement_pb2.ROLE_SUPPLIER in party.roles)
    for name in tables:
        chips = []
        for period in periods:
            shipped = _delivered(case, name, period)
            declared = sum(count for held, count in _inventories(case, period, attested) if held == name)
            older = -(-shipped * terms.verification.legacy_ppm // PPM)
            chips.append(max(0, shipped - declared) + older)
        yield Stock(name, owners, np.array(chips, np.int64))


def _delivered(case: Case, name: str, period: int) -> int:
    """Chips that came to the lab up to a period: of each delivery what the side says that says more."""
    sides: dict[tuple[str, str], list[int]] = {}
    for report in case.shipments:
        if report.body.chip_class == name and report.header.period <= period:
            sides.setdefault((report.header.author, report.body.id), [0, 0, 0])[0] += report.body.chips.value
    for move in case.transfers:
        if move.body.chip_class != name or move.header.period > period:
            continue
        own = move.header.author == case.lab
        if own and move.body.direction == compute_pb2.DIRECTION_RECEIPT:
            sides.setdefault((move.body.counterparty, move.body.id), [0, 0, 0])[1] += move.body.chips.value
        elif not own and move.body.direction == compute_pb2.DIRECTION_DISPATCH and move.body.counterparty == case.lab:
            sides.setdefault((move.header.author, move.body.id), [0, 0, 0])[2] += move.body.chips.value
    return sum(map(max, sides.values()))
