"""What terms must satisfy to be an agreement (spec: agreement). One function per rule, in the order of the text.

Each function yields the refusals of its rule; :func:`problems` lists them all, so that an author sees every mistake at
once. Later rules may rely on earlier ones, so a group is only run when the groups before it found nothing.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from protocol import condition_rules
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
NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
CLASS_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
ORIGIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(?:/[a-z0-9._-]+)*")
LABELS: Final = tuple(value for value in q.Label.values() if value != q.LABEL_UNSPECIFIED)
MAX_PERIODS: Final = 1_000_000
"""Longest duration, periods: over a century of hours. Keeps every sum of periods far from overflow."""


def quorum(terms: pb.Agreement) -> int:
    """floor((n+f)/2) + 1 over verifier operators counted by control group (annex 1.1, 2)."""
    operators = {party.owner for party in terms.parties if pb.ROLE_VERIFIER in party.roles}
    return (len(operators) + terms.lying_verifiers) // 2 + 1


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
    yield from _within("start", terms.start, 1, 1 << 40)
    yield from _within("period_seconds", terms.period_seconds, 60, 86_400 * 7)
    yield from _within("forming_end_periods", terms.forming_end_periods, 1, MAX_PERIODS)
    yield from _within("withdrawal_notice_periods", terms.withdrawal_notice_periods, 1, MAX_PERIODS)
    yield from _within("pledge_notice_periods", terms.pledge_notice_periods, 0, MAX_PERIODS)
    clocks, standing, worth = terms.freshness, terms.standing, terms.verification
    yield from _within("freshness.publish_within_seconds", clocks.publish_within_seconds, 1, terms.period_seconds)
    yield from _within("standing.breached", standing.breached, 1, standing.of_last)
    yield from _within("standing.of_last", standing.of_last, 1, 100)
    yield from _within("standing.release_notice_periods", standing.release_notice_periods, 1, MAX_PERIODS)
    yield from _within("standing.back_after_periods", standing.back_after_periods, 1, MAX_PERIODS)
    yield from _within("standing.settle_periods", standing.settle_periods, 1, 1_000)
    quantity = "verification.significant_quantity_teraflop"
    yield from _within(quantity, worth.significant_quantity_teraflop, 1, 2**63 - 1)
    yield from _within("verification.window_periods", worth.window_periods, 1, MAX_PERIODS)
    yield from _within("verification.transit_periods", worth.transit_periods, 0, MAX_PERIODS)


def false_alarm_has_a_quantile(terms: pb.Agreement) -> Iterator[Refused]:
    """The false-alarm share is one whose normal quantile stands in the protocol's table: decisions use no floats."""
    share = terms.verification.false_alarm_ppm
    if share not in Z_MILLI:
        known = ", ".join(map(str, Z_MILLI))
        yield Refused(Reason.VALUE_OUT_OF_RANGE, "verification.false_alarm_ppm", f"{share}, not one of {known}")


def names_are_well_formed(terms: pb.Agreement) -> Iterator[Refused]:
    """Names can stand in paths, file names and tables without quoting, and are unique in their list."""
    yield from _names("parties", NAME, [party.name for party in terms.parties])
    yield from _names("parties.origin", ORIGIN, [party.origin for party in terms.parties])
    yield from _names("chips", CLASS_NAME, [chip.name for chip in terms.chips])
    yield from _names("indicators", NAME, [indicator.name for indicator in terms.indicators])
    yield from _names("levels", NAME, [level.name for level in terms.levels])
    yield from _names("rules", NAME, [rule.name for rule in terms.rules])
    for level in terms.levels:
        yield from _names(f"levels.{level.name}.caps", NAME, [cap.name for cap in level.caps])


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
        for field, key in (("log_key", party.log_key), *(("root_keys", root) for root in party.root_keys)):
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
            yield from _within(f"{where}.peaks", peak.gigaflop_per_second, 1, 10**9)
        labels = [label for bound in chip.power for label in bound.labels]
        if len(set(labels)) != len(labels):
            yield Refused(Reason.LABEL_TWICE, f"{where}.power", "a label has one power interval")
        if missing := set(LABELS) - set(labels):
            yield Refused(Reason.LABEL_MISSING, f"{where}.power", ", ".join(q.Label.Name(m) for m in sorted(missing)))
        for bound in chip.power:
            if bound.low_milliwatt > bound.high_milliwatt:
                found = f"{bound.low_milliwatt} to {bound.high_milliwatt}"
                yield Refused(Reason.VALUE_OUT_OF_RANGE, f"{where}.power", found)


def references_resolve(terms: pb.Agreement) -> Iterator[Refused]:
    """Every name that is used is declared, with the role that its place needs."""
    roles = {party.name: set(party.roles) for party in terms.parties}
    yield from _known("founding", terms.founding, roles)
    for name in set(roles) - set(terms.founding):
        if roles[name] & {pb.ROLE_LAB, pb.ROLE_VERIFIER}:
            yield Refused(Reason.NAME_UNKNOWN, "founding", f"{name} is a lab or verifier and must found")
    for party in terms.parties:
        for site in party.sites:
            if site.metered_by and pb.ROLE_METER not in roles.get(site.metered_by, ()):
                yield Refused(Reason.NAME_UNKNOWN, f"parties.{party.name}.sites.metered_by", site.metered_by)
    for indicator in terms.indicators:
        yield from _known(f"indicators.{indicator.name}.reported_by", indicator.reported_by, roles)
    for rule in terms.rules:
        yield from _known(f"rules.{rule.name}.voters", rule.voters, roles)
    rules = {rule.name for rule in terms.rules}
    for level in terms.levels:
        yield from _known(f"levels.{level.name}.lifted_by", [level.lifted_by], rules)
        if level.called_by:
            yield from _known(f"levels.{level.name}.called_by", [level.called_by], rules)


def quorums_can_be_met(terms: pb.Agreement) -> Iterator[Refused]:
    """Enough distinct control groups stand behind every rule, report count and the verifiers' quorum (annex 2, 1)."""
    owners = {party.name: party.owner for party in terms.parties}
    for rule in terms.rules:
        groups = len({owners[name] for name in rule.voters})
        if not 1 <= rule.yes <= groups:
            yield Refused(Reason.QUORUM_CANNOT_BE_MET, f"rules.{rule.name}.yes", f"{rule.yes} of {groups}")
        yield from _within(f"rules.{rule.name}.ballot_life_periods", rule.ballot_life_periods, 1, MAX_PERIODS)
    for indicator in terms.indicators:
        groups = len({owners[name] for name in indicator.reported_by})
        if not 1 <= indicator.reports <= groups:
            found = f"{indicator.reports} of {groups}"
            yield Refused(Reason.QUORUM_CANNOT_BE_MET, f"indicators.{indicator.name}.reports", found)
        yield from _within(f"indicators.{indicator.name}.max_age_periods", indicator.max_age_periods, 1, MAX_PERIODS)
    operators = len({party.owner for party in terms.parties if pb.ROLE_VERIFIER in party.roles})
    q_, f = quorum(terms), terms.lying_verifiers
    # Liars survived are 2q-n-1, absences survived n-q; both must reach f.
    if operators < 1 or 2 * q_ - operators - 1 < f or operators - q_ < f:
        found = f"{operators} verifier operators, {f} may lie, quorum {q_}"
        yield Refused(Reason.QUORUM_CANNOT_BE_MET, "lying_verifiers", found)


def clocks_agree(terms: pb.Agreement) -> Iterator[Refused]:
    """Clocks that follow each other do not overtake each other."""
    clocks = terms.freshness
    stages = (clocks.late_periods, clocks.stale_periods, clocks.presumed_non_compliant_periods)
    if not 1 <= stages[0] < stages[1] < stages[2] <= MAX_PERIODS:
        yield Refused(Reason.CLOCKS_CONTRADICT, "freshness", f"late, stale, presumed at {stages}: must rise from 1")
    if terms.standing.release_notice_periods < terms.standing.settle_periods:
        yield Refused(Reason.CLOCKS_CONTRADICT, "standing.release_notice_periods", "shorter than settle_periods")
    for level in terms.levels:
        where = f"levels.{level.name}"
        yield from _within(f"{where}.steady_steps", level.steady_steps, 1, MAX_PERIODS)
        yield from _within(f"{where}.dormancy_periods", level.dormancy_periods, 1, MAX_PERIODS)
        yield from _within(f"{where}.wind_down_periods", level.wind_down_periods, 0, MAX_PERIODS)
        yield from _within(f"{where}.ramp_periods", level.ramp_periods, 0, MAX_PERIODS)
        if not level.wind_down_periods + level.steady_steps < level.mandate_periods <= MAX_PERIODS:
            yield Refused(Reason.CLOCKS_CONTRADICT, f"{where}.mandate_periods", "must outlast wind-down and steady")


def levels_rise(terms: pb.Agreement) -> Iterator[Refused]:
    """Ranks rise from 1 without gaps; allowed labels shrink and caps fall, so that keeping one keeps all below it."""
    if [level.rank for level in terms.levels] != list(range(1, len(terms.levels) + 1)):
        yield Refused(Reason.LEVELS_DO_NOT_RISE, "levels.rank", "1, 2, 3, ... in this order")
    for level in terms.levels:
        where = f"levels.{level.name}"
        if level.binds == pb.BINDS_UNSPECIFIED:
            yield Refused(Reason.FIELD_ABSENT, f"{where}.binds", "everyone or by pledge")
        yield from _labels(f"{where}.allowed", level.allowed)
        for cap in level.caps:
            yield from _labels(f"{where}.caps.{cap.name}.labels", cap.labels)
            yield from _within(f"{where}.caps.{cap.name}.window_periods", cap.window_periods, 1, MAX_PERIODS)
            if not set(cap.labels) <= set(level.allowed):
                found = "a cap on work that the level forbids anyway"
                yield Refused(Reason.LEVELS_DO_NOT_RISE, f"{where}.caps.{cap.name}", found)
    for low, high in pairwise(terms.levels):
        if not set(high.allowed) <= set(low.allowed):
            found = f"allows work that {low.name} forbids"
            yield Refused(Reason.LEVELS_DO_NOT_RISE, f"levels.{high.name}.allowed", found)
        for cap in low.caps:
            if set(cap.labels) & set(high.allowed) and not any(_implies(own, cap, high) for own in high.caps):
                found = f"work that {cap.name} of {low.name} caps is not capped as tightly"
                yield Refused(Reason.LEVELS_DO_NOT_RISE, f"levels.{high.name}.caps", found)


def _implies(tight: pb.Cap, loose: pb.Cap, level: pb.Level) -> bool:
    """Whether work that a level allows and one cap admits is admitted by another: no label, window or limit escapes."""
    covers = set(loose.labels) & set(level.allowed) <= set(tight.labels)
    limits = all(
        tight.HasField(unit) and getattr(tight, unit) <= getattr(loose, unit)
        for unit in ("teraflop", "chip_seconds")
        if loose.HasField(unit)
    )
    return covers and limits and tight.window_periods >= loose.window_periods


def callers_and_lifters_overlap(terms: pb.Agreement) -> Iterator[Refused]:
    """No group of voters can call a level while another, without a member in common, lifts it (annex 5.3, 5)."""
    owners = {party.name: party.owner for party in terms.parties}
    rules = {rule.name: (rule.yes, {owners[name] for name in rule.voters}) for rule in terms.rules}
    for level in terms.levels:
        if not level.called_by:
            continue
        (to_call, callers), (to_lift, lifters) = rules[level.called_by], rules[level.lifted_by]
        shared = max(to_lift - len(lifters - callers), 0)
        if to_call + shared <= len(callers):
            found = f"{to_call} of {len(callers)} call, {to_lift} others of {len(lifters)} lift: for ever, in turn"
            yield Refused(Reason.RULES_CONTRADICT, f"levels.{level.name}.lifted_by", found)


def conditions_make_sense(terms: pb.Agreement) -> Iterator[Refused]:
    """Triggers and resume conditions are well formed, satisfiable, and do not contradict each other."""
    for level in terms.levels:
        yield from condition_rules.problems_of_level(terms, level)


def sources_are_independent(terms: pb.Agreement) -> Iterator[Refused]:
    """Nobody's owner vouches for its own lab: what confirms is agreement between owners (design section 1)."""
    owners = {party.name: party.owner for party in terms.parties}
    labs = {party.owner for party in terms.parties if pb.ROLE_LAB in party.roles}
    for party in terms.parties:
        for site in party.sites:
            if site.metered_by and owners[site.metered_by] == party.owner:
                found = f"{site.metered_by} belongs to {party.owner}, as the lab does"
                yield Refused(Reason.SOURCE_NOT_INDEPENDENT, f"parties.{party.name}.sites.metered_by", found)
        if pb.ROLE_SUPPLIER in party.roles and party.owner in labs:
            yield Refused(Reason.SOURCE_NOT_INDEPENDENT, f"parties.{party.name}.owner", f"{party.owner} owns a lab")


def required_evidence_has_a_source(terms: pb.Agreement) -> Iterator[Refused]:
    """Evidence that a verdict requires can come from somebody."""
    required = set(terms.verification.required)
    sites = [site for party in terms.parties for site in party.sites]
    if pb.EVIDENCE_UNSPECIFIED in required:
        yield Refused(Reason.FIELD_ABSENT, "verification.required", "names kinds of evidence")
    if pb.EVIDENCE_METER in required and not all(site.metered_by for site in sites):
        yield Refused(Reason.EVIDENCE_HAS_NO_SOURCE, "verification.required", "a site without a meter operator")
    if pb.EVIDENCE_SHIPMENTS in required and not any(pb.ROLE_SUPPLIER in party.roles for party in terms.parties):
        yield Refused(Reason.EVIDENCE_HAS_NO_SOURCE, "verification.required", "shipments, but no supplier")


_FORM: _Rules = (
    version_is_known,
    numbers_are_in_range,
    false_alarm_has_a_quantile,
    names_are_well_formed,
    parties_are_complete,
    keys_are_admissible,
    sites_are_distinct,
    chip_classes_are_complete,
)
_NAMES: _Rules = (references_resolve,)
_OF_DRAFTS: _Rules = (clocks_agree, levels_rise)
_MEANING: _Rules = (
    quorums_can_be_met,
    callers_and_lifters_overlap,
    clocks_agree,
    levels_rise,
    conditions_make_sense,
    sources_are_independent,
    required_evidence_has_a_source,
)


def _within(field: str, value: int, low: int, high: int) -> Iterator[Refused]:
    if not low <= value <= high:
        yield Refused(Reason.VALUE_OUT_OF_RANGE, field, f"{value}, not {low} to {high}")


def _names(field: str, pattern: re.Pattern[str], names: list[str]) -> Iterator[Refused]:
    for name in names:
        if not pattern.fullmatch(name):
            yield Refused(Reason.NAME_MALFORMED, field, repr(name))
        if names.count(name) > 1:
            yield Refused(Reason.NAME_TWICE, field, repr(name))


def _known(field: str, names: Iterable[str], known: Iterable[str]) -> Iterator[Refused]:
    for name in names:
        if name not in known:
            yield Refused(Reason.NAME_UNKNOWN, field, repr(name))


def _labels(field: str, labels: Iterable[int]) -> Iterator[Refused]:
    listed = list(labels)
    if not set(listed) <= set(LABELS):
        yield Refused(Reason.LABEL_UNKNOWN, field, str(sorted(set(listed) - set(LABELS))))
    if len(set(listed)) != len(listed):
        yield Refused(Reason.LABEL_TWICE, field, "each label once")
