"""A level in words: when it begins, whom it binds, what it forbids, how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from language.page_conditions import condition_words
from language.page_votes import rule_words
from language.page_words import (
    MAX_PERIODS,
    ROLE_WORDS,
    chip_time,
    counted,
    flop,
    labels,
    listed,
    share,
    span,
)
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVERYTHING = frozenset(value for value in q.Label.values() if value != q.LABEL_UNSPECIFIED)
_COUNTED = {
    pb.CAP_SCOPE_RUN: " in any one run",
    pb.CAP_SCOPE_CLUSTER: " at once in any one run",
    pb.CAP_SCOPE_INVENTORY_GROWTH: " added to what the lab holds",
}
_OF_A_RUN = {pb.CAP_SCOPE_RUN, pb.CAP_SCOPE_CLUSTER}
_ALL = 1_000_000


def level_sentences(terms: pb.Agreement, level: pb.Level) -> Iterator[tuple[str, str]]:
    """Sentences with the field that each is about, in the order in which people ask."""
    yield "rank", f"Level {level.rank}. {_binds(level)}"
    yield "trigger", _beginning(terms, level)
    if level.HasField("entry"):
        waits = span(terms, level.dormancy_periods)
        yield "entry", f"Starts only if {condition_words(level.entry, terms)}; a call waits for that at most {waits}."
    else:
        yield "dormancy_periods", f"A call that cannot start waits at most {span(terms, level.dormancy_periods)}."
    yield "allowed", _allowed(level)
    for cap in level.caps:
        yield f"caps.{cap.name}", _cap(terms, cap)
    for exemption in level.exemptions:
        yield f"exemptions.{exemption.name}", _exemption(terms, exemption)
    yield from _stopping(terms, level)
    yield from _ending(terms, level)


def brake_sentence(terms: pb.Agreement, level: pb.Level) -> str:
    """Who may stop at once, and for how long."""
    brake = level.brake
    who = [f"any {ROLE_WORDS.get(role, 'party')}" for role in brake.roles] + list(brake.parties)
    return (
        f"{listed(who, 'or')} can put {level.name} on everybody that it binds for {span(terms, brake.window_periods)}, "
        f"by the calendar never longer than {span(terms, brake.cap_periods)}; it lapses unless the vote "
        f"{brake.ratified_by} ratifies it. Who used it, and who belongs to the same owner, waits "
        f"{span(terms, brake.rest_periods)}."
    )


def _binds(level: pb.Level) -> str:
    if level.binds == pb.BINDS_EVERYONE:
        return "Binds every lab."
    if level.binds == pb.BINDS_BY_PLEDGE:
        return "Binds each lab on the terms of its own pledge."
    return "Binds nobody."


def _beginning(terms: pb.Agreement, level: pb.Level) -> str:
    condition = condition_words(level.trigger, terms)
    if not level.called_by:
        return f"Begins by itself when, once it is armed, {condition}.{_arming(terms, level)}"
    votes = f"It also takes votes: {rule_words(terms, level.called_by)} ({level.called_by})."
    always = level.trigger.constant.value if level.trigger.WhichOneof("test") == "constant" else False
    may = "May be called at any time" if always else f"May be called when {condition}"
    return f"{may}. {votes}{_arming(terms, level)}"


def _arming(terms: pb.Agreement, level: pb.Level) -> str:
    if not level.armed_by:
        return ""
    by = f"{rule_words(terms, level.armed_by)} ({level.armed_by})"
    return f" After a lift it is armed again by {by}, or once that is false."


def _allowed(level: pb.Level) -> str:
    if set(level.allowed) >= _EVERYTHING:
        return "All kinds of work are allowed, within the limits that follow." if level.caps else "Forbids no work."
    return f"Allowed: {labels(level.allowed)}. Any other work is outside the level."


def _cap(terms: pb.Agreement, cap: pb.Cap) -> str:
    work = f" of {labels(cap.labels)}" if cap.labels else ""
    return f"At most {limits(cap)}{work}{_summed(terms, cap)} ({cap.name})."


def _summed(terms: pb.Agreement, cap: pb.Cap) -> str:
    """What a cap is summed over: a run has no window of its own."""
    scope = _COUNTED.get(cap.scope, "")
    if cap.scope in _OF_A_RUN and cap.window_periods == 1:
        return scope
    return f"{scope} in any {span(terms, cap.window_periods)}"


def limits(cap: pb.Cap) -> str:
    """What a cap limits, all of it."""
    found = []
    if cap.HasField("teraflop"):
        found.append(flop(cap.teraflop) if cap.teraflop else "no operations")
    if cap.HasField("chip_seconds"):
        found.append(chip_time(cap.chip_seconds))
    if cap.baseline_ppm:
        found.append(f"{share(cap.baseline_ppm)} of the lab's baseline")
    if cap.chips:
        found.append(counted(cap.chips, "chip"))
    if cap.growth_ppm or cap.scope == pb.CAP_SCOPE_INVENTORY_GROWTH:
        found.append(f"{share(cap.growth_ppm)} more chips")
    return listed(found, empty="no limit")


def _exemption(terms: pb.Agreement, exemption: pb.Exemption) -> str:
    cap = exemption.cap
    limit = ""
    if exemption.HasField("cap"):
        of = "" if list(cap.labels) == list(exemption.labels) else f" of {labels(cap.labels)}"
        limit = f", up to {limits(cap)}{of}{_summed(terms, cap)}"
    sampled = f"; verifiers look closely at {share(exemption.sampled_ppm)} of it" if exemption.sampled_ppm else ""
    granted = "; each use needs a grant" if exemption.on_request else ""
    name = exemption.name if cap.name in {"", exemption.name} else f"{exemption.name}, {cap.name}"
    return f"Exempt: {labels(exemption.labels)}{limit}{sampled}{granted} ({name})."


def _stopping(terms: pb.Agreement, level: pb.Level) -> Iterator[tuple[str, str]]:
    sealed = (
        f"; the last checkpoint of what is stopped is sealed within {span(terms, level.seal_periods)}"
        if level.seal_periods
        else ""
    )
    yield "wind_down_periods", f"{span(terms, level.wind_down_periods).capitalize()} to wind down{sealed}."
    if level.snap_back:
        yield (
            "snap_back",
            "When a lab that it binds loses its standing, it is suspended for the others, not for that lab.",
        )


def _ending(terms: pb.Agreement, level: pb.Level) -> Iterator[tuple[str, str]]:
    never = level.resume.WhichOneof("test") == "constant" and not level.resume.constant.value
    no_end = level.mandate_periods >= MAX_PERIODS
    renewed_by = level.renewed_by or level.called_by or level.lifted_by
    by = f"the vote {renewed_by}" if renewed_by else "a vote"
    until = "It has no other end." if no_end else (
        f"Else it stays, at most {span(terms, level.mandate_periods)} unless renewed by {by}."
    )  # fmt: skip
    lifting = f"{rule_words(terms, level.lifted_by)} agree ({level.lifted_by})"
    if never:
        yield "resume", f"Never ends by a vote to lift ({level.lifted_by}). {until}"
    else:
        steady = counted(level.steady_steps, "closed period")
        yield (
            "resume",
            (f"Ends only if, in {steady} in a row, {condition_words(level.resume, terms)}, AND {lifting}. {until}"),
        )
    yield "ramp_periods", _return(terms, level)


def _return(terms: pb.Agreement, level: pb.Level) -> str:
    end = f"all of it after {span(terms, level.ramp_periods)}"
    if not level.ramp:
        if not level.ramp_periods:
            return "Restart: at once."
        return f"Restart: {end}; until then the allowed labels still hold."
    steps = [f"{share(step.share_ppm)} of the baseline {_after(terms, step.after_periods)}" for step in level.ramp]
    last = level.ramp[-1]
    whole = (last.share_ppm, last.after_periods) == (_ALL, level.ramp_periods)
    return f"Restart: {', '.join(steps)}{'' if whole else f'; {end}'}."


def _after(terms: pb.Agreement, periods: int) -> str:
    return f"after {span(terms, periods)}" if periods else "at once"
