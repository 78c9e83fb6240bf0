"""Old terms beside new ones (annex 3.5, 4): a level that is not at rest keeps the terms of its episode until it is.

Of everything that limits work the stricter of both holds, of everything that returns from a level both are needed, and
so of what releases those who rely on a lab: no amendment opens a gap. What calls the level, and who may brake, is the
new terms' alone: that tightens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Older: TypeAlias = Mapping[int, Sequence[tuple[str, pb.Agreement]]]

SUFFIX_DIGITS = 8
"""Digits of a digest by which findings tell the caps of older terms apart."""


def overlapped(current: pb.Agreement, older: Older) -> pb.Agreement:
    """The terms that hold while levels keep older terms.

    Args:
        current: the newest terms.
        older: for each rank that keeps older terms, these by digest in hex, oldest first.

    Returns:
        New terms; rules that lift by both terms are added to them.
    """
    terms = pb.Agreement()
    terms.CopyFrom(current)
    for level in terms.levels:
        for digest, old in _limiting(older, level.rank):
            _limit(level, old, digest[:SUFFIX_DIGITS])
        kept = older.get(level.rank, ())
        for digest, text in kept:
            _return_by_both(terms, level, text, digest[:SUFFIX_DIGITS])
        for _, text in kept[:1]:
            # Nobody is bound retroactively: who winds down has the time that it was given when the episode began.
            level.wind_down_periods = text.levels[level.rank - 1].wind_down_periods
    for digest, text in {digest: text for rank in sorted(older) for digest, text in older[rank]}.items():
        _release_by_both(terms, text, digest[:SUFFIX_DIGITS])
    return terms


def _limiting(older: Older, rank: int) -> list[tuple[str, pb.Level]]:
    """What older terms say of the highest level up to this rank that still keeps them.

    Who keeps a level keeps those below it, so what still limits a lower level limits a higher one too.
    """
    found: dict[str, pb.Level] = {}
    for kept in sorted(rank_ for rank_ in older if rank_ <= rank):
        for digest, terms in older[kept]:
            found[digest] = terms.levels[kept - 1]
    return list(found.items())


def _limit(level: pb.Level, old: pb.Level, suffix: str) -> None:
    """Work that both allow, under the caps of both; let through only what both let through."""
    both = [label for label in level.allowed if label in old.allowed]
    level.allowed[:] = both
    for cap in old.caps:
        added = level.caps.add()
        added.CopyFrom(cap)
        added.name = f"{cap.name}@{suffix}"
    exemptions = {exemption.name: exemption for exemption in old.exemptions}
    kept = [_exemption(new, exemptions[new.name]) for new in level.exemptions if new.name in exemptions]
    del level.exemptions[:]
    level.exemptions.extend(found for found in kept if found is not None)


def _exemption(new: pb.Exemption, old: pb.Exemption) -> pb.Exemption | None:
    """What both exemptions let through; None where one cap is not smaller than the other, so that neither is."""
    merged = pb.Exemption()
    merged.CopyFrom(new)
    merged.labels[:] = [label for label in new.labels if label in old.labels]
    merged.sampled_ppm = max(new.sampled_ppm, old.sampled_ppm)
    merged.on_request = new.on_request or old.on_request
    if new.HasField("cap") and old.HasField("cap"):
        like = (new.cap.scope, new.cap.window_periods, sorted(new.cap.labels))
        if like != (old.cap.scope, old.cap.window_periods, sorted(old.cap.labels)):
            return None
        _lower(merged.cap, old.cap)
    elif old.HasField("cap"):
        merged.cap.CopyFrom(old.cap)
    return merged


def _lower(cap: pb.Cap, other: pb.Cap) -> None:
    """A cap on the same work over the same window: of each limit the lower, and those that only one states."""
    for unit in ("teraflop", "chip_seconds"):
        stated = [getattr(one, unit) for one in (cap, other) if one.HasField(unit)]
        if stated:
            setattr(cap, unit, min(stated))
    for share in ("baseline_ppm", "chips", "growth_ppm"):
        # 0 is no limit here.
        limits = [getattr(one, share) for one in (cap, other) if getattr(one, share)]
        setattr(cap, share, min(limits, default=0))


def _slow(level: pb.Level, old: pb.Level) -> None:
    """Everything on the way back from a level: both resume conditions, the longer waits, the lower shares."""
    both = condition_pb2.Condition(all=condition_pb2.Condition.Several(of=[old.resume, level.resume]))
    level.resume.CopyFrom(both)
    level.steady_steps = max(level.steady_steps, old.steady_steps)
    steps = _lower_ramp(level, old)
    level.ramp_periods = max(level.ramp_periods, old.ramp_periods)
    del level.ramp[:]
    level.ramp.extend(steps)
    level.mandate_periods = min(level.mandate_periods, old.mandate_periods)
    level.dormancy_periods = min(level.dormancy_periods, old.dormancy_periods)
    # That others go free when one breaks its duty relaxes; that everybody is bound does not.
    level.snap_back = level.snap_back and old.snap_back
    if old.binds == pb.BINDS_EVERYONE:
        level.binds = pb.BINDS_EVERYONE
    seals = [one.seal_periods for one in (level, old) if one.seal_periods]
    level.seal_periods = min(seals, default=0)


_WHOLE = 1_000_000


def _lower_ramp(new: pb.Level, old: pb.Level) -> list[pb.RampStep]:
    """At every moment of the return the lower of both shares."""
    if not new.ramp and not old.ramp:
        return []
    moments = sorted(
        {step.after_periods for one in (new, old) for step in one.ramp} | {new.ramp_periods, old.ramp_periods}
    )
    steps: list[pb.RampStep] = []
    for moment in moments:
        share = min(_share(new, moment), _share(old, moment))
        if share and (not steps or share > steps[-1].share_ppm):
            steps.append(pb.RampStep(after_periods=moment, share_ppm=share))
    return steps


def _share(level: pb.Level, after: int) -> int:
    """Share of the baseline that a level allows so many periods after the lift, parts per million."""
    if after >= level.ramp_periods:
        return _WHOLE
    return max((step.share_ppm for step in level.ramp if step.after_periods <= after), default=0)


def _return_by_both(terms: pb.Agreement, level: pb.Level, older: pb.Agreement, suffix: str) -> None:
    """A level's way back under its older terms too, and a rule that lifts it by both."""
    old = older.levels[level.rank - 1]
    _slow(level, old)
    level.lifted_by = _joined(terms, older, (level.lifted_by, old.lifted_by), suffix)


def _release_by_both(terms: pb.Agreement, older: pb.Agreement, suffix: str) -> None:
    """What releases those who rely on a lab, as in both terms: it too leads back from a level (annex 4.4)."""
    now, old = terms.standing, older.standing
    now.breached = max(now.breached, old.breached)
    # Enough breaches in the shorter window are enough in the longer one.
    now.of_last = max(now.breached, min(now.of_last, old.of_last))
    now.release_notice_periods = max(now.release_notice_periods, old.release_notice_periods)
    now.back_after_periods = min(now.back_after_periods, old.back_after_periods)
    # 0: silence never accuses.
    by_silence = now.silence_out_periods and old.silence_out_periods
    now.silence_out_periods = max(now.silence_out_periods, old.silence_out_periods) if by_silence else 0
    now.hold_rule = _joined(terms, older, (now.hold_rule, old.hold_rule), suffix, either=True)
    if old.release == pb.RELEASE_ON_VOTE:
        ours = now.release_rule if now.release == old.release else ""
        now.release_rule = _joined(terms, older, (ours, old.release_rule), suffix)
        now.release = old.release


def _joined(
    terms: pb.Agreement, older: pb.Agreement, named: tuple[str, str], suffix: str, *, either: bool = False
) -> str:
    """Name of a rule that decides as both rules of these names do, or as either; as the older, if it is alone."""
    ours = next((rule for rule in terms.rules if rule.name == named[0]), None)
    theirs = next((rule for rule in older.rules if rule.name == named[1]), None)
    if theirs is None or ours == theirs:
        return named[0]
    # No name of an agreement holds an "@", so these are free.
    name = f"{('~' if either else '+').join(filter(None, named))}@{suffix}"
    if all(rule.name != name for rule in terms.rules):
        join = either_rule if either else merged_rule
        terms.rules.append(theirs if ours is None else join(ours, theirs, name))
        terms.rules[-1].name = name
    return name


def merged_rule(ours: pb.Rule, theirs: pb.Rule, name: str) -> pb.Rule:
    """A rule that is carried only by what carries both; ballots live as long as in the one that forgets first."""
    return pb.Rule(
        name=name,
        need=pb.Need(all=pb.Need.Several(of=[_need(ours), _need(theirs)])),
        ballot_life_periods=min(ours.ballot_life_periods, theirs.ballot_life_periods),
        recuse_subject=ours.recuse_subject or theirs.recuse_subject,
    )


def either_rule(ours: pb.Rule, theirs: pb.Rule, name: str) -> pb.Rule:
    """A rule that is carried by what carries one of them."""
    return pb.Rule(
        name=name,
        need=pb.Need(any=pb.Need.Several(of=[_need(ours), _need(theirs)])),
        ballot_life_periods=max(ours.ballot_life_periods, theirs.ballot_life_periods),
        recuse_subject=ours.recuse_subject or theirs.recuse_subject,
    )


def _need(rule: pb.Rule) -> pb.Need:
    if rule.HasField("need"):
        return rule.need
    return pb.Need(count=pb.Need.Count(k=rule.yes, voters=rule.voters))
