"""What terms must satisfy to be an agreement (spec: agreement). One function per rule, in the order of the text.

Each function yields the refusals of its rule; :func:`problems` lists them all, so that an author sees every mistake at
once. Later rules may rely on earlier ones, so a group is only run when the groups before it found nothing. The rules
here are of form; those of :mod:`protocol.agreement_meaning` are of sense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import agreement_meaning as meaning
from protocol import agreement_standing as standing
from protocol import cap_rules, decision_rules, exemption_rules, source_rules
from protocol.agreement_limits import CLASS_NAME, LABELS, MAX_PERIODS, NAME, ORIGIN, names, within
from protocol.errors import Reason, Refused
from protocol.keys import admit_public_key
from protocol.statistics import Z_MILLI
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    _Rules = tuple[Callable[[pb.Agreement], Iterator[Refused]], ...]

VERSION: Final = 1
HANDLE_LENGTH: Final = 16
MOST_RISK_PPM: Final = 500_000
"""A bound that is as likely false as true says nothing."""


def problems(terms: pb.Agreement) -> list[Refused]:
    """Every broken rule; empty for terms that can be agreed to."""
    return _first_problems(terms, (_FORM, _NAMES, _MEANING))


def problems_of_draft(terms: pb.Agreement) -> list[Refused]:
    """Every broken rule of terms whose parties are still to come, by the rules that need none."""
    return _first_problems(terms, (_FORM, _OF_DRAFTS))


def _first_problems(terms: pb.Agreement, groups: Iterable[_Rules]) -> list[Refused]:
    for group in groups:
        found = [problem for rule in group for problem in rule(terms)]
        if found:
            return found
    return []


def version_is_known(terms: pb.Agreement) -> Iterator[Refused]:
    """Version is 1."""
    if terms.version != VERSION:
        yield Refused(Reason.VERSION_UNKNOWN, "version", f"{terms.version}, this reader knows {VERSION}")


def numbers_are_in_range(terms: pb.Agreement) -> Iterator[Refused]:
    """Every duration, count and threshold is stated and small enough to add up safely."""
    yield from within("start", terms.start, 1, 1 << 40)
    yield from within("period_seconds", terms.period_seconds, 60, 86_400 * 7)
    yield from within("forming_end_periods", terms.forming_end_periods, 1, MAX_PERIODS)
    yield from within("withdrawal_notice_periods", terms.withdrawal_notice_periods, 1, MAX_PERIODS)
    yield from within("pledge_notice_periods", terms.pledge_notice_periods, 0, MAX_PERIODS)
    clocks, worth, conduct = terms.freshness, terms.verification, terms.standing
    yield from within("freshness.publish_within_seconds", clocks.publish_within_seconds, 1, terms.period_seconds)
    yield from within("standing.breached", conduct.breached, 1, conduct.of_last)
    yield from within("standing.of_last", conduct.of_last, 1, 100)
    yield from within("standing.release_notice_periods", conduct.release_notice_periods, 1, MAX_PERIODS)
    yield from within("standing.back_after_periods", conduct.back_after_periods, 1, MAX_PERIODS)
    yield from within("standing.settle_periods", conduct.settle_periods, 1, 1_000)
    quantity = "verification.significant_quantity_teraflop"
    yield from within(quantity, worth.significant_quantity_teraflop, 1, 2**63 - 1)
    yield from within("verification.window_periods", worth.window_periods, 1, MAX_PERIODS)
    yield from within("verification.transit_periods", worth.transit_periods, 0, MAX_PERIODS)


def bounds_are_timed(terms: pb.Agreement) -> Iterator[Refused]:
    """A bound falls due within its window, at a stated risk; terms that ask for none say nothing about it."""
    worth = terms.verification
    if worth.bound_every_periods:
        yield from within("verification.bound_every_periods", worth.bound_every_periods, 1, worth.window_periods)
        yield from within("verification.bound_risk_ppm", worth.bound_risk_ppm, 1, MOST_RISK_PPM)
        yield from within("verification.legacy_ppm", worth.legacy_ppm, 0, 1_000_000)
    elif worth.bound_risk_ppm or worth.left_open or worth.HasField("legacy_ppm"):
        yield Refused(Reason.FIELD_ABSENT, "verification.bound_every_periods", "how often a bound falls due")
    if pb.CHANNEL_UNSPECIFIED in worth.left_open or len(set(worth.left_open)) != len(worth.left_open):
        yield Refused(Reason.FIELD_ABSENT, "verification.left_open", "known ways, each once")


def false_alarm_has_a_quantile(terms: pb.Agreement) -> Iterator[Refused]:
    """The false-alarm share is one whose normal quantile stands in the protocol's table: decisions use no floats."""
    share = terms.verification.false_alarm_ppm
    if share not in Z_MILLI:
        known = ", ".join(map(str, Z_MILLI))
        yield Refused(Reason.VALUE_OUT_OF_RANGE, "verification.false_alarm_ppm", f"{share}, not one of {known}")


def names_are_well_formed(terms: pb.Agreement) -> Iterator[Refused]:
    """Names can stand in paths, file names and tables without quoting, and are unique in their list."""
    yield from names("parties", NAME, [party.name for party in terms.parties])
    yield from names("parties.origin", ORIGIN, [party.origin for party in terms.parties])
    yield from names("chips", CLASS_NAME, [chip.name for chip in terms.chips])
    yield from names("indicators", NAME, [indicator.name for indicator in terms.indicators])
    yield from names("levels", NAME, [level.name for level in terms.levels])
    yield from names("rules", NAME, [rule.name for rule in terms.rules])
    for level in terms.levels:
        yield from names(f"levels.{level.name}.caps", NAME, [cap.name for cap in level.caps])
        yield from names(f"levels.{level.name}.exemptions", NAME, [one.name for one in level.exemptions])


def parties_are_complete(terms: pb.Agreement) -> Iterator[Refused]:
    """A party has a role, an owner, and a root threshold that its distinct keys can meet."""
    for party in terms.parties:
        where = f"parties.{party.name}"
        if not party.roles or pb.ROLE_UNSPECIFIED in party.roles or len(set(party.roles)) != len(party.roles):
            yield Refused(Reason.ROLE_MISSING, f"{where}.roles", "at least one, each once")
        if not party.owner or not party.owner.isprintable():
            yield Refused(Reason.FIELD_ABSENT, f"{where}.owner", "the control group it belongs to")
        if not 1 <= party.root_threshold <= len(party.root_keys):
            found = f"{party.root_threshold} of {len(party.root_keys)}"
            yield Refused(Reason.QUORUM_CANNOT_BE_MET, f"{where}.root_threshold", found)
        if (pb.ROLE_VERIFIER in party.roles) != bool(party.record_origin):
            yield Refused(Reason.FIELD_ABSENT, f"{where}.record_origin", "stated by verifiers, and only by them")
        if party.record_origin and not ORIGIN.fullmatch(party.record_origin):
            yield Refused(Reason.NAME_MALFORMED, f"{where}.record_origin", party.record_origin)
    origins = [party.origin for party in terms.parties] + [p.record_origin for p in terms.parties if p.record_origin]
    if len(set(origins)) != len(origins):
        yield Refused(Reason.NAME_TWICE, "parties.record_origin", "an origin names one log")


def keys_are_admissible(terms: pb.Agreement) -> Iterator[Refused]:
    """Keys satisfy the Ed25519 profile, and one key has one purpose in the whole agreement."""
    seen: set[bytes] = set()
    for party in terms.parties:
        seats = [seat for listed in party.seats for seat in listed.seats if seat.public_key]
        keys = [("log_key", party.log_key), *(("root_keys", root) for root in party.root_keys)]
        for field, key in (*keys, *((f"seats.{seat.name}", seat.public_key) for seat in seats)):
            where = f"parties.{party.name}.{field}"
            try:
                admit_public_key(key, where)
            except Refused as refused:
                yield refused
            if key in seen:
                yield Refused(Reason.KEY_TWICE, where, key.hex())
            seen.add(key)


def sites_are_distinct(terms: pb.Agreement) -> Iterator[Refused]:
    """Handles are 16 bytes, unique, held by labs; the overhead interval is one."""
    seen: set[bytes] = set()
    for party in terms.parties:
        where = f"parties.{party.name}.sites"
        if bool(party.sites) != (pb.ROLE_LAB in party.roles):
            yield Refused(Reason.FIELD_ABSENT, where, "stated by labs, and only by them")
        for site in party.sites:
            if len(site.handle) != HANDLE_LENGTH:
                yield Refused(Reason.SITE_UNKNOWN, f"{where}.handle", f"{len(site.handle)} bytes, not {HANDLE_LENGTH}")
            if site.handle in seen:
                yield Refused(Reason.NAME_TWICE, f"{where}.handle", site.handle.hex())
            seen.add(site.handle)
            if not 1000 <= site.pue_low_milli <= site.pue_high_milli <= 10_000:
                found = f"{site.pue_low_milli} to {site.pue_high_milli}"
                yield Refused(Reason.VALUE_OUT_OF_RANGE, f"{where}.pue_low_milli", found)


def chip_classes_are_complete(terms: pb.Agreement) -> Iterator[Refused]:
    """A class has a rate ceiling per format, and one power interval for every label."""
    for chip in terms.chips:
        where = f"chips.{chip.name}"
        formats = [peak.format for peak in chip.peaks]
        if not formats or q.NUMBER_FORMAT_UNSPECIFIED in formats or len(set(formats)) != len(formats):
            yield Refused(Reason.FORMAT_UNKNOWN, f"{where}.peaks", "at least one format, each once")
        for peak in chip.peaks:
            yield from within(f"{where}.peaks", peak.gigaflop_per_second, 1, 10**9)
        labels = [label for bound in chip.power for label in bound.labels]
        if len(set(labels)) != len(labels):
            yield Refused(Reason.LABEL_TWICE, f"{where}.power", "a label has one power interval")
        if missing := set(LABELS) - set(labels):
            yield Refused(Reason.LABEL_MISSING, f"{where}.power", ", ".join(q.Label.Name(m) for m in sorted(missing)))
        for bound in chip.power:
            if bound.low_milliwatt > bound.high_milliwatt:
                found = f"{bound.low_milliwatt} to {bound.high_milliwatt}"
                yield Refused(Reason.VALUE_OUT_OF_RANGE, f"{where}.power", found)


_FORM: _Rules = (
    version_is_known,
    numbers_are_in_range,
    bounds_are_timed,
    false_alarm_has_a_quantile,
    names_are_well_formed,
    parties_are_complete,
    decision_rules.seats_are_complete,
    keys_are_admissible,
    sites_are_distinct,
    chip_classes_are_complete,
)
_NAMES: _Rules = (
    meaning.references_resolve,
    source_rules.reporters_are_known,
    decision_rules.seats_are_held_by_parties,
    decision_rules.rules_are_named,
    decision_rules.needs_are_well_formed,
)
_OF_LEVELS: _Rules = (
    meaning.clocks_agree,
    decision_rules.brakes_are_timed,
    cap_rules.caps_limit_what_they_sum,
    cap_rules.shares_have_a_baseline,
    cap_rules.ramps_rise,
    cap_rules.seals_are_timed,
    meaning.levels_rise,
    exemption_rules.exemptions_are_counted,
    exemption_rules.exemptions_rise,
)
_OF_DRAFTS: _Rules = _OF_LEVELS
_MEANING: _Rules = (
    meaning.quorums_can_be_met,
    source_rules.enough_may_report,
    decision_rules.rules_can_be_met,
    decision_rules.callers_and_lifters_overlap,
    decision_rules.brakes_cannot_be_chained,
    *_OF_LEVELS,
    meaning.conditions_make_sense,
    meaning.sources_are_independent,
    meaning.required_evidence_has_a_source,
    standing.silence_releases_last,
    standing.answers_have_a_clock,
)
