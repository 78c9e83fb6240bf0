"""What must hold of changes: of terms, of parties, of exemptions, and of what a lost standing does to others.

Each is a sentence, as in :mod:`tests.model.invariants`, and judged of every move by counting anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Final

from protocol.conduct import BREACHED
from protocol.duty import duty
from protocol.state import RESTRICTIVE, LevelState, Membership, Stage, Standing, State, key
from protocol.state_entries import GrantState
from protocol.wire import encode
from standstill.v1 import agreement_pb2, decision_pb2, header_pb2
from tests.model.move import Move

HOLD, RELEASE = decision_pb2.MOTION_HOLD, decision_pb2.MOTION_RELEASE
AMEND, ADMIT, EXEMPT = decision_pb2.MOTION_AMEND, decision_pb2.MOTION_ADMIT, decision_pb2.MOTION_EXEMPT
Invariant = Callable[[Move], str | None]


# Terms


def terms_change_only_by_vote(move: Move) -> str | None:
    """Terms take over with the closing after the one that carried them: whole proposals that are voted for."""
    before, after = move.before, move.after
    if after.terms.hex() != (before.amendment or before.terms.hex()):
        return f"the terms are {after.terms.hex()[:8]}; to take over were {before.amendment[:8] or 'none'}"
    said = {one.body.digest.hex() for one in move.accepted(header_pb2.KIND_AMENDMENT)}  # type: ignore[attr-defined]
    proposed = {one.digest for one in before.proposals.values() if one.seen == one.parts} | said
    digest = after.amendment
    if digest and not (digest in proposed and move.yes(AMEND, asked=bytes.fromhex(digest))):
        return f"{digest[:8]} takes over without its votes"
    return None


def a_level_keeps_its_terms_until_it_is_at_rest(move: Move) -> str | None:
    """All terms that held for a level hold on until it is open, without a brake, and nobody on a ramp."""
    for rank, _, before, after in move.levels():
        kept = {move.after.terms.hex(), *after.terms}
        held = {move.before.terms.hex(), *before.terms}
        ramping = any(binding.until is not None for binding in before.binds.values())
        if before.stage is Stage.OPEN and not before.brake_left and not ramping:
            if after.terms:
                return f"level {rank} was at rest and keeps {len(after.terms)} older terms"
        elif not held <= kept:
            return f"level {rank} is {before.stage} and lost the terms {min(held - kept)[:8]}"
    return None


def an_amendment_opens_no_gap(move: Move) -> str | None:
    """Of a level that keeps older terms each limit is as strict as in every one of them, and so is its way back."""
    for rank, found, _, after in move.levels():
        for text in move.texts(rank) if after.terms else ():
            stated = text.levels[rank - 1]
            if not set(found.allowed) <= set(stated.allowed):
                return f"level {rank} allows what one of its terms forbids"
            if any(not _as_tight(cap, found) for cap in stated.caps):
                return f"level {rank} lost a cap"
            waits = ("steady_steps", "ramp_periods")
            if any(getattr(found, wait) < getattr(stated, wait) for wait in waits):
                return f"level {rank} is left sooner than one of its terms says"
            if found.mandate_periods > stated.mandate_periods:
                return f"level {rank} has a longer mandate than one of its terms says"
    return None


def _as_tight(cap: agreement_pb2.Cap, level: agreement_pb2.Level) -> bool:
    """Whether a level has a cap on the same work that is as low."""
    return any(
        list(one.labels) == list(cap.labels)
        and (one.window_periods, one.scope) == (cap.window_periods, cap.scope)
        and (not cap.HasField("teraflop") or (one.HasField("teraflop") and one.teraflop <= cap.teraflop))
        and (
            not cap.HasField("chip_seconds") or (one.HasField("chip_seconds") and one.chip_seconds <= cap.chip_seconds)
        )
        for one in level.caps
    )


def an_amendment_frees_nobody(move: Move) -> str | None:
    """Whom a level bound when terms took over, it binds on, as long as it restricts."""
    if move.after.terms == move.before.terms:
        return None
    for rank, _, before, after in move.levels():
        if before.stage in RESTRICTIVE and after.stage in RESTRICTIVE and before.episode == after.episode:
            freed = _bound(before) - _bound(after) - _gone(move)
            if freed:
                return f"level {rank} stopped binding {min(freed)} with an amendment"
    return None


def _bound(level: LevelState) -> set[str]:
    return {lab for lab, binding in level.binds.items() if binding.until is None}


def _gone(move: Move) -> set[str]:
    return {name for name, party in move.after.parties.items() if party.membership is Membership.OUT}


# Parties


def a_level_binds_every_member(move: Move) -> str | None:
    """A level that binds everybody, while it restricts, binds every lab that takes part, however late it joined."""
    for rank, terms, _, after in move.levels():
        if terms.binds == agreement_pb2.BINDS_EVERYONE and after.stage in RESTRICTIVE:
            members = set(move.members())
            if members != _bound(after) & members:
                return f"level {rank} is {after.stage} and does not bind {min(members - _bound(after))}"
    return None


def parties_are_admitted_only_by_vote(move: Move) -> str | None:
    """A party that is new was proposed by one that takes part, and voted for."""
    for name in move.after.parties.keys() - move.before.parties.keys():
        data = move.after.admitted.get(name, b"")
        if data:
            said = {one.body.party for one in move.accepted(header_pb2.KIND_ADMISSION)}  # type: ignore[attr-defined]
            offered = data in said | set(move.before.offers.values())
            if not (offered and move.yes(ADMIT, asked=sha256(data).digest())):
                return f"{name} was admitted without its votes"
    return None


def who_has_not_acceded_says_nothing(move: Move) -> str | None:
    """Of a party that was admitted nothing counts before its accession, but that and its keys."""
    joining = {header_pb2.KIND_ACCESSION, header_pb2.KIND_KEY_SET}
    for said in move.act.said:
        waits = move.was(said.author).membership is Membership.FORMING
        if waits and said.kind not in joining and said not in move.refused:
            return f"{said} was accepted"
    return None


def who_joins_owes_nothing_for_the_past(move: Move) -> str | None:
    """A lab that joins owes attestations from the period on that the closing governs, and joins with its keys."""
    for name, after in move.after.parties.items():
        if after.membership is not Membership.IN or move.was(name).membership is not Membership.FORMING:
            continue
        if not (after.founded and after.keys_version):
            return f"{name} joined without a word of its own"
        if after.joined and set(move.after.conduct[name].attested.values()) != {move.governed - 1}:
            return f"{name} owes attestations for periods before it joined"
    return None


def an_accession_changes_nothing_for_the_others(move: Move) -> str | None:
    """A closing in which somebody accedes leaves all others as bound as it would without that."""
    joining = {said.author for said in move.accepted(header_pb2.KIND_ACCESSION)}
    if not joining:
        return None
    said = tuple(one for one in move.act.said if one.author not in joining)
    other = move.world.step(move.before, replace(move.act, said=said)).state
    return None if _keeping(other, joining) == _keeping(move.after, joining) else "an accession changed who is bound"


def _keeping(state: State, but: set[str]) -> object:
    kept = {lab: pledge.kept for lab, pledge in state.pledges.items() if lab not in but}
    binds = [{lab: one for lab, one in level.binds.items() if lab not in but} for level in state.levels.values()]
    return kept, binds, [level.stage for level in state.levels.values()]


# Exemptions


def exemptions_are_granted_only_by_the_others(move: Move) -> str | None:
    """A grant is what its lab asked for, from the next state on, carried by votes of which the lab's do not count."""
    for place, grant in move.after.grants.items():
        if grant == move.before.grants.get(place):
            continue
        lab, rank, name = place.split("|")
        for data in _requests(move, lab):
            body = decision_pb2.ExemptionRequest.FromString(data)
            held = body.chip_seconds if body.HasField("chip_seconds") else None
            operations = body.teraflop if body.HasField("teraflop") else None
            same = (body.level, body.exemption) == (int(rank), name)
            until = move.governed + body.periods
            whole = GrantState(teraflop=operations, chip_seconds=held, start=move.governed, until=until)
            voted = move.yes(EXEMPT, int(rank), about=lab, asked=sha256(data).digest())
            if same and grant == whole and voted and move.after.parties[lab].membership is Membership.IN:
                break
        else:
            return f"{place} was granted without its votes"
    return None


def _requests(move: Move, lab: str) -> Iterator[bytes]:
    for said in move.accepted(header_pb2.KIND_EXEMPTION_REQUEST):
        if said.author == lab:
            yield encode(said.body)
    if lab in move.before.requests:
        yield move.before.requests[lab]


def a_grant_ends_by_the_calendar(move: Move) -> str | None:
    """A grant runs until its period, or until its lab is gone, whatever was dark before; then it is no more."""
    for place, grant in move.before.grants.items():
        runs = grant.until > move.governed
        gone = move.after.parties[place.split("|")[0]].membership is Membership.OUT
        if runs and not gone and place not in move.after.grants:
            return f"{place} ended before period {grant.until}"
    over = [place for place, grant in move.after.grants.items() if grant.until <= move.governed]
    return f"{over[0]} is over and still stands" if over else None


def a_grant_counts_only_in_its_time(move: Move) -> str | None:
    """A lab's duty names a grant of the level that it must keep in the periods of the grant, and in no other."""
    if not move.after.grants:
        return None
    for lab in move.members():
        for period in range(move.governed, move.governed + 4):
            found = duty(move.world.agreement, move.after, lab, period)
            running = {
                place
                for place, grant in move.after.grants.items()
                if place.startswith(key(lab, found.level, "")) and grant.start <= period < grant.until
            }
            if {key(lab, found.level, name) for name, _ in found.grants} != running:
                return f"{lab} has {found.grants} in period {period}, not {sorted(running)}"
    return None


# Standing and what hangs on it


def findings_taken_back_count_no_longer(move: Move) -> str | None:
    """Who was accused, or lost standing, for findings of which too few are left is relied on again at once."""
    terms = move.agreement.terms.standing
    for lab, after in move.after.conduct.items():
        before = move.conducted(lab)
        if before.standing is Standing.RELIED or not before.cause:
            continue
        left = [period for period in before.cause if move.said_of(lab, period) == BREACHED]
        if len(left) >= terms.breached:
            continue
        lost = before.losses - (before.standing is Standing.OUT)
        if after.standing is not Standing.RELIED or after.losses != lost:
            return f"{lab} is {after.standing} with {after.losses} losses although its findings were taken back"
    return None


def who_is_held_is_not_released(move: Move) -> str | None:
    """A lab that the others vote to hold, by the closing that ends its notice, goes on being relied on."""
    for lab, after in move.after.conduct.items():
        before = move.conducted(lab)
        if before.standing is Standing.ACCUSED:
            held = move.yes(HOLD, episode=before.accusations, about=lab, surely=True)
            if held and after.standing is not Standing.RELIED:
                return f"{lab} is {after.standing} although it was held"
    return None


def an_accusation_ends_by_what_ends_it(move: Move) -> str | None:
    """An accusation ends by a hold, by findings taken back, or by its notice: at once, where no vote must release."""
    terms = move.agreement.terms.standing
    for lab, after in move.after.conduct.items():
        before = move.conducted(lab)
        if before.standing is not Standing.ACCUSED:
            continue
        held = move.yes(HOLD, episode=before.accusations, about=lab)
        left = [period for period in before.cause if move.said_of(lab, period) == BREACHED]
        vacated = bool(before.cause) and len(left) < terms.breached
        by_vote = terms.release == agreement_pb2.RELEASE_ON_VOTE
        voted = not by_vote or move.yes(RELEASE, episode=before.accusations, about=lab)
        due = before.timer + 1 >= terms.release_notice_periods and voted
        expected = Standing.RELIED if held or vacated else Standing.OUT if due else Standing.ACCUSED
        if after.standing is not expected:
            return f"{lab} is {after.standing}, not {expected}"
    return None


def a_level_snaps_back_only_for_a_loss(move: Move) -> str | None:
    """A level is suspended where that is agreed, by exactly the labs it bound that lost standing in this episode."""
    for rank, terms, before, after in move.levels():
        lost = _lost(move, rank, before) if terms.snap_back else set()
        snaps = before.stage in RESTRICTIVE and after.stage is Stage.SUSPENDED
        if snaps and (not lost or set(after.suspended_by) != lost):
            return f"level {rank} was suspended by {after.suspended_by}, and {sorted(lost)} lost their standing"
        stays = before.stage in RESTRICTIVE and after.stage in RESTRICTIVE and after.episode == before.episode
        if stays and lost:
            return f"level {rank} restricts on although {min(lost)} lost its standing"
        if after.stage is Stage.SUSPENDED and before.stage not in {*RESTRICTIVE, Stage.SUSPENDED}:
            return f"level {rank} went from {before.stage} to {after.stage}"
    return None


def _lost(move: Move, rank: int, level: LevelState) -> set[str]:
    """Labs that carry a restriction and lost their standing since it began."""
    everyone = move.agreement.levels[rank].binds == agreement_pb2.BINDS_EVERYONE
    carry = {lab for lab in _bound(level) if everyone or move.pledged(lab).kept >= rank}
    out = {lab for lab, one in move.after.conduct.items() if one.standing is Standing.OUT}
    return {lab for lab in carry & out if (move.after.conduct[lab].out_since or 0) + 2 > (level.start or 0)}


def who_caused_a_suspension_stays_bound(move: Move) -> str | None:
    """A suspended level binds the labs that caused it, and nobody else, unless a brake or a floor does."""
    for rank, terms, _, after in move.levels():
        if after.stage is not Stage.SUSPENDED or after.brake_left:
            continue
        cause = {lab for lab in after.suspended_by if lab in move.members()}
        if terms.binds == agreement_pb2.BINDS_EVERYONE and _bound(after) != cause:
            return f"level {rank} is suspended and binds {sorted(_bound(after))}, not {sorted(cause)}"
    return None


def a_suspended_level_comes_back_with_its_cause(move: Move) -> str | None:
    """It restricts again, in the same episode to the same end, when all who caused it are relied on; not before."""
    for rank, _, before, after in move.levels():
        if before.stage is not Stage.SUSPENDED or after.episode != before.episode:
            continue
        cured = all(move.after.conduct[lab].standing is not Standing.OUT for lab in before.suspended_by)
        if after.stage in RESTRICTIVE and not (cured and after.end == before.end):
            return f"level {rank} came back, cured: {cured}, to its end {after.end} after {before.end}"
        if after.stage is Stage.SUSPENDED and cured:
            return f"level {rank} is suspended although {before.suspended_by} are relied on"
    return None


# Calls that wait, and brakes


def a_dormant_call_waits_for_its_time(move: Move) -> str | None:
    """A call waits until enough labs would keep the level, and ends only when its time is over, whoever brakes."""
    for rank, terms, before, after in move.levels():
        if before.stage is Stage.CALLED and after.stage not in {Stage.CALLED, *RESTRICTIVE}:
            over = (before.start or 0) + terms.dormancy_periods
            if after.stage is not Stage.OPEN or move.governed < over:
                return f"level {rank} went from a call to {after.stage} before period {over}"
    return None


def a_brake_counts_closed_periods(move: Move) -> str | None:
    """Each closing takes one period from a brake's window, however long the dark before it, until its cap."""
    used = {said.body.level for said in move.accepted(header_pb2.KIND_BRAKE)}  # type: ignore[attr-defined]
    for rank, _, before, after in move.levels():
        begun = after.stage is Stage.WINDING and after.episode != before.episode
        dormant = before.stage is Stage.CALLED and after.stage is Stage.WINDING
        if rank in used or begun or dormant or move.governed >= (before.brake_cap or 0):
            continue
        if before.brake_left > 1 and after.brake_left != before.brake_left - 1:
            return f"the brake of level {rank} has {after.brake_left} periods left after {before.brake_left}"
    return None


CHANGING: Final[tuple[Invariant, ...]] = (
    terms_change_only_by_vote,
    a_level_keeps_its_terms_until_it_is_at_rest,
    an_amendment_opens_no_gap,
    an_amendment_frees_nobody,
    a_level_binds_every_member,
    parties_are_admitted_only_by_vote,
    who_has_not_acceded_says_nothing,
    who_joins_owes_nothing_for_the_past,
    exemptions_are_granted_only_by_the_others,
    a_grant_ends_by_the_calendar,
    a_grant_counts_only_in_its_time,
    findings_taken_back_count_no_longer,
    who_is_held_is_not_released,
    an_accusation_ends_by_what_ends_it,
    a_level_snaps_back_only_for_a_loss,
    who_caused_a_suspension_stays_bound,
    a_suspended_level_comes_back_with_its_cause,
    a_dormant_call_waits_for_its_time,
    a_brake_counts_closed_periods,
)
"""Judged of every move."""
