"""Who takes part, what is measured, and with which chips, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from language.page_words import counted, labels, listed, milli, number, number_format, rate, span
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROLES: Final = {
    pb.ROLE_LAB: "Labs",
    pb.ROLE_OPERATOR: "Sites are operated by",
    pb.ROLE_SUPPLIER: "Chips are reported by",
    pb.ROLE_METER: "Electricity is reported by",
    pb.ROLE_EVALUATOR: "Capability is reported by",
    pb.ROLE_VERIFIER: "Verifiers",
    pb.ROLE_INSPECTOR: "Visits are reported by",
    pb.ROLE_COUNCIL: "Council",
}
_ENDS: Final = {pb.COMPARE_LOWER: "the lower end", pb.COMPARE_UPPER: "the upper end"}


def who(terms: pb.Agreement) -> Iterator[tuple[str, str]]:
    """The parties by what they do; a party with two roles is described once and named again."""
    described: set[str] = set()
    for role, words in _ROLES.items():
        parties = [party for party in terms.parties if role in party.roles]
        if parties:
            said = "; ".join(party.name if party.name in described else _party(party) for party in parties)
            yield "parties", f"{words}{'' if words.endswith('by') else ':'} {said}."
            described |= {party.name for party in parties}
    for party in terms.parties:
        for group in party.seats:
            yield f"parties.{party.name}.seats.{group.name}", _seats(party, group)


def indicator_sentence(terms: pb.Agreement, indicator: pb.Indicator) -> str:
    """What an indicator measures, who may report it, and which reports count."""
    unit = f", in {indicator.unit}" if indicator.unit else ""
    means = f": {indicator.means}" if indicator.means else ""
    reporters = [*(["the lab itself"] if indicator.by_subject else []), *indicator.reported_by]
    confirmed = _confirmed(indicator)
    plan = f", under a plan committed {span(terms, indicator.plan_periods)} before" if indicator.plan_periods else ""
    end = f" {_ENDS[indicator.compare].capitalize()} of a stated interval counts." if indicator.compare in _ENDS else ""
    return (
        f"{indicator.name}{means}{unit}; reported by {listed(reporters)}. A reading needs "
        f"{counted(indicator.reports, 'independent report')}{confirmed}, none older than "
        f"{span(terms, indicator.max_age_periods)}{plan}.{end}"
    )


def _confirmed(indicator: pb.Indicator) -> str:
    if not indicator.confirmed_by and not indicator.confirmations:
        return ""
    return f", {number(indicator.confirmations)} of them by {listed(indicator.confirmed_by)}"


def event_sentence(terms: pb.Agreement, event: pb.Event) -> str:
    """What an outside event means, and who may say that it happened."""
    means = f": {event.means}" if event.means else ""
    return (
        f"Event {event.name}{means}; said by {listed(event.reported_by)}. It takes "
        f"{counted(event.reports, 'independent report')}, none older than {span(terms, event.max_age_periods)}."
    )


def chip_sentence(chip: pb.ChipClass) -> str:
    """A class of chips: peaks, and the power of one chip with its share of the node."""
    peaks = ", ".join(f"{rate(peak.gigaflop_per_second)} {number_format(peak.format)}" for peak in chip.peaks)
    power = ", ".join(
        f"{milli(bound.low_milliwatt)} to {milli(bound.high_milliwatt)} W ({labels(bound.labels)})"
        for bound in chip.power
    )
    return f"{chip.name}: at most {peaks}; draws {power}."


def _party(party: pb.Party) -> str:
    owner = f"{party.owner}, with {listed(party.counts_with)}" if party.counts_with else party.owner
    parts = [f"{party.name} ({owner})"]
    if party.sites:
        parts.append(_sites(party))
    if party.capacity_gigaflop_per_second:
        parts.append(f"held {rate(party.capacity_gigaflop_per_second)} when it signed")
    if party.root_keys:
        parts.append(f"root {party.root_threshold} of {len(party.root_keys)}")
    return ", ".join(parts)


def _sites(party: pb.Party) -> str:
    meters = sorted({site.metered_by for site in party.sites if site.metered_by})
    metered = f" metered by {listed(meters)}" if meters else ""
    ratios = sorted({(site.pue_low_milli, site.pue_high_milli) for site in party.sites})
    overhead = " and ".join(f"{milli(low)} to {milli(high)}" for low, high in ratios)
    return f"{counted(len(party.sites), 'site')}{metered} whose energy is {overhead} times that of the chips"


def _seats(party: pb.Party, group: pb.SeatClass) -> str:
    """Seats of a council; a seat that a party holds votes in that party's log, the others in the council's."""
    if all(_as_counted(group, place, seat) for place, seat in enumerate(group.seats, 1)):
        return f"{party.name} has {counted(len(group.seats), 'seat')} {group.name}, each with an owner of its own."
    seats = []
    for seat in group.seats:
        holder = f", held by {seat.held_by}" if seat.held_by else ""
        seats.append(f"{seat.name} ({seat.owner}{holder})" if seat.owner else f"{seat.name} ({holder[2:] or 'free'})")
    return f"{party.name} has {counted(len(group.seats), 'seat')} {group.name}: {listed(seats)}."


def _as_counted(group: pb.SeatClass, place: int, seat: pb.Seat) -> bool:
    """Whether a seat was made by counting alone, `public-2` of `public seat 2`."""
    named = (f"{group.name}-{place}", f"{group.name} seat {place}")
    return (seat.name, seat.owner) == named and not seat.held_by
