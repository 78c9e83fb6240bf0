"""What well-formed terms must mean together (spec: agreement). One function per rule, in the order of the text.

:mod:`protocol.agreement_rules` says which of them rely on which.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from protocol import cap_rules, condition_rules
from protocol.agreement_limits import MAX_PERIODS, known, labels, quorum, within
from protocol.errors import Reason, Refused
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator


def references_resolve(terms: pb.Agreement) -> Iterator[Refused]:
    """Every name that is used is declared, with the role that its place needs."""
    roles = {party.name: set(party.roles) for party in terms.parties}
    yield from known("founding", terms.founding, roles)
    for name in set(roles) - set(terms.founding):
        if roles[name] & {pb.ROLE_LAB, pb.ROLE_VERIFIER}:
            yield Refused(Reason.NAME_UNKNOWN, "founding", f"{name} is a lab or verifier and must found")
    for party in terms.parties:
        for site in party.sites:
            if site.metered_by and pb.ROLE_METER not in roles.get(site.metered_by, ()):
                yield Refused(Reason.NAME_UNKNOWN, f"parties.{party.name}.sites.metered_by", site.metered_by)


def quorums_can_be_met(terms: pb.Agreement) -> Iterator[Refused]:
    """Enough distinct control groups stand behind the verifiers' quorum (annex 2, 1)."""
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
        yield from within(f"{where}.steady_steps", level.steady_steps, 1, MAX_PERIODS)
        yield from within(f"{where}.dormancy_periods", level.dormancy_periods, 1, MAX_PERIODS)
        yield from within(f"{where}.wind_down_periods", level.wind_down_periods, 0, MAX_PERIODS)
        yield from within(f"{where}.ramp_periods", level.ramp_periods, 0, MAX_PERIODS)
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
        yield from labels(f"{where}.allowed", level.allowed)
        for cap in level.caps:
            yield from labels(f"{where}.caps.{cap.name}.labels", cap.labels)
            yield from within(f"{where}.caps.{cap.name}.window_periods", cap.window_periods, 1, MAX_PERIODS)
            if not set(cap.labels) <= set(level.allowed):
                found = "a cap on work that the level forbids anyway"
                yield Refused(Reason.LEVELS_DO_NOT_RISE, f"{where}.caps.{cap.name}", found)
    for low, high in pairwise(terms.levels):
        if not set(high.allowed) <= set(low.allowed):
            found = f"allows work that {low.name} forbids"
            yield Refused(Reason.LEVELS_DO_NOT_RISE, f"levels.{high.name}.allowed", found)
        for cap in low.caps:
            if cap_rules.still_counts(cap, high) and not any(cap_rules.as_tight(own, cap, high) for own in high.caps):
                found = f"work that {cap.name} of {low.name} caps is not capped as tightly"
                yield Refused(Reason.LEVELS_DO_NOT_RISE, f"levels.{high.name}.caps", found)


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


_NOT_READ: Final = frozenset({pb.EVIDENCE_INSPECTION, pb.EVIDENCE_TENANCY, pb.EVIDENCE_NETWORK, pb.EVIDENCE_HARDWARE})
"""Kinds of evidence that no statement carries, so that nothing could ever be honored."""


def required_evidence_has_a_source(terms: pb.Agreement) -> Iterator[Refused]:
    """Evidence that a verdict requires can come from somebody."""
    required = set(terms.verification.required)
    sites = [site for party in terms.parties for site in party.sites]
    if pb.EVIDENCE_UNSPECIFIED in required:
        yield Refused(Reason.FIELD_ABSENT, "verification.required", "names kinds of evidence")
    if pb.EVIDENCE_METER in required and not all(site.metered_by for site in sites):
        yield Refused(Reason.EVIDENCE_HAS_NO_SOURCE, "verification.required", "a site without a meter operator")
    if unread := required & _NOT_READ:
        found = ", ".join(pb.Evidence.Name(kind) for kind in sorted(unread))
        yield Refused(Reason.EVIDENCE_HAS_NO_SOURCE, "verification.required", f"{found}: no statement carries it")
    if pb.EVIDENCE_SHIPMENTS in required and not any(pb.ROLE_SUPPLIER in party.roles for party in terms.parties):
        yield Refused(Reason.EVIDENCE_HAS_NO_SOURCE, "verification.required", "shipments, but no supplier")
