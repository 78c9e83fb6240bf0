"""Conditions that contradict themselves or each other, or that say nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from language.lint.finding import Finding, error, note, warning
from language.lint.view import named, parts, span
from language.lint.words import said
from language.satisfy import World, can_fail, can_hold, implies
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from language.lint.view import View
    from standstill.v1 import agreement_pb2


COMPARED: Final = 32
"""Most parts of a condition that are compared with each other."""


def contradictions(view: View) -> Iterator[Finding]:
    """`contradiction`: parts of a condition that cannot hold together, in any record."""
    for where, condition in view.conditions():
        for path, part in parts(condition, where):
            yield from _contradiction(view, path, part)


def _contradiction(view: View, path: str, condition: pb.Condition) -> Iterator[Finding]:
    """The innermost condition that cannot hold, with the least of its parts that exclude each other."""
    kind = condition.WhichOneof("test")
    if kind in {None, "constant"} or can_hold(view.world, condition) is not False:
        return
    inner = list(condition.all.of) if kind == "all" else []
    if kind in {"any", "at_least"} or any(can_hold(view.world, one) is False for one in inner):
        # Said at the part that cannot hold, or on purpose by `never`.
        return
    clash = least_conflict(view.world, inner)
    if len(clash) > 1:
        found = " and ".join(said(inner[number], view.terms, path) for number in clash)
        last = f"{path}.all[{clash[-1]}]"
        yield error("contradiction", last, f"{found} cannot hold together", also=(f"{path}.all[{clash[0]}]",))
    elif not inner:
        yield error("contradiction", path, f"{said(condition, view.terms, path)} cannot hold, whatever the record says")


def least_conflict(world: World, conditions: Sequence[pb.Condition]) -> tuple[int, ...]:
    """Numbers of some conditions that cannot hold together, of which none can be left out; empty if they can."""
    if can_hold(world, *conditions) is not False:
        return ()
    kept = list(range(len(conditions)))
    for number in range(len(conditions)):
        fewer = [one for one in kept if one != number]
        if can_hold(world, *(conditions[one] for one in fewer)) is False:
            kept = fewer
    return tuple(kept)


def never_true(view: View) -> Iterator[Finding]:
    """`never-true`: a trigger that nothing can make true, unless `never` is written."""
    for level in view.terms.levels:
        if not _is(level.trigger, False) and can_hold(view.world, level.trigger) is False:
            text = "no record can make this true: the level can never be called"
            yield error("never-true", f"levels.{level.name}.trigger", text, "remove the level, or change what calls it")


def never_lifts(view: View) -> Iterator[Finding]:
    """`never-lifts`: a resume condition that nothing can make true while the level restricts."""
    for level in view.terms.levels:
        where = f"levels.{level.name}.resume"
        world = view.restrictive(level)
        if _is(level.resume, False) or can_hold(world, level.resume) is not False:
            continue
        late = _too_late(level, where)
        if late:
            path, clock = late
            text = f"{said(clock, view.terms, path)} is after the {span(level.mandate_periods, view.terms)} sunset"
            yield error("never-lifts", path, text, also=(f"levels.{level.name}.mandate_periods",))
        else:
            text = "no record can make this true while the level restricts: it ends at its sunset only"
            yield error("never-lifts", where, text, "write never if that is meant")


def _too_late(level: agreement_pb2.Level, where: str) -> tuple[str, pb.Condition] | None:
    """A clock of the level that its sunset stops."""
    for path, part in parts(level.resume, where):
        clock = part.elapsed
        runs = clock.since in {pb.SINCE_UNSPECIFIED, pb.SINCE_IN_FORCE} and clock.level == level.rank
        if part.WhichOneof("test") == "elapsed" and runs and clock.periods >= level.mandate_periods:
            return path, part
    return None


def never_false(view: View) -> Iterator[Finding]:
    """`never-false`: a trigger or resume condition that holds whatever happens, unless `always` is written."""
    for level in view.terms.levels:
        for name, world in (("trigger", view.world), ("resume", view.restrictive(level))):
            condition = getattr(level, name)
            if not _is(condition, True) and can_fail(world, condition) is False:
                where = f"levels.{level.name}.{name}"
                yield warning("never-false", where, "holds whatever happens", "write always if that is meant")


def dead_branches(view: View) -> Iterator[Finding]:
    """`dead-branch`: a part of `any` or `all` that changes nothing. `counted-twice`: one that counts with another."""
    for level in view.terms.levels:
        for name in ("trigger", "entry", "resume"):
            world = view.restrictive(level) if name == "resume" else view.world
            if level.HasField(name):
                for path, part in parts(getattr(level, name), f"levels.{level.name}.{name}"):
                    yield from _dead(view, world, path, part)


def _dead(view: View, world: World, path: str, condition: pb.Condition) -> Iterator[Finding]:
    kind = condition.WhichOneof("test")
    if kind not in {"any", "all", "at_least"}:
        return
    of = list(getattr(condition, kind).of)
    for number, part in enumerate(of) if len(of) <= COMPARED else ():
        others = [(one, other) for one, other in enumerate(of) if one != number]
        cover = next((other for one, other in others if _covers(world, kind, (number, part), (one, other))), None)
        if cover is None:
            continue
        where = f"{path}.{kind}[{number}]"
        if kind == "at_least":
            text = f"whenever {said(part, view.terms, path)}, {said(cover, view.terms, path)} counts too"
            yield warning("counted-twice", where, text, "give each part evidence of its own")
        elif kind == "any":
            text = f"adds nothing: {said(cover, view.terms, path)} holds whenever {said(part, view.terms, path)} does"
            yield warning("dead-branch", where, text)
        else:
            text = f"adds nothing: {said(part, view.terms, path)} holds whenever {said(cover, view.terms, path)} does"
            yield warning("dead-branch", where, text)


def _covers(world: World, kind: str, part: tuple[int, pb.Condition], other: tuple[int, pb.Condition]) -> bool:
    """Whether the other makes the part needless; of two that say the same the later is needless."""
    one, two = (part[1], other[1]) if kind != "all" else (other[1], part[1])
    if any(condition.WhichOneof("test") == "constant" for condition in (one, two)):
        return False
    # What cannot hold, or cannot fail, is told as such.
    if not can_hold(world, one) or not can_fail(world, two) or implies(world, one, two) is not True:
        return False
    return part[0] > other[0] or implies(world, two, one) is not True


def trigger_and_resume(view: View) -> Iterator[Finding]:
    """`holds-together`: what lifts a level also calls it."""
    for level in view.terms.levels:
        # What is written as always or never is meant, and a vote stands before the call.
        if _is(level.resume, False) or _is(level.trigger, False) or (_is(level.trigger, True) and level.called_by):
            continue
        world = view.restrictive(level)
        if not can_hold(world, level.resume) or not can_hold(world, level.trigger, level.resume):
            continue
        where, also = f"levels.{level.name}.resume", (f"levels.{level.name}.trigger",)
        always = implies(world, level.resume, level.trigger) is True
        text = f"{'always holds' if always else 'can hold'} together with the trigger"
        if always and not level.called_by:
            text += ", which calls the level by itself"
            yield error("holds-together", where, text, "let the resume condition exclude the trigger", also)
        elif always or not level.called_by:
            yield warning("holds-together", where, text, "say in resume what must have changed", also)
        else:
            yield note("holds-together", where, f"{text}; calling again takes a vote", also=also)


def levels_inverted(view: View) -> Iterator[Finding]:
    """`levels-inverted`: a level that can be called while the one below it cannot."""
    for low, high in pairwise(view.terms.levels):
        constant = any(level.trigger.WhichOneof("test") == "constant" for level in (low, high))
        if constant or not can_hold(view.world, high.trigger):
            continue
        if implies(view.world, high.trigger, low.trigger) is False:
            text = f"can be called while {low.name} cannot: its trigger does not imply that of {low.name}"
            make = note if high.called_by else warning
            also = (f"levels.{low.name}.trigger",)
            yield make("levels-inverted", f"levels.{high.name}.trigger", text, also=also)


def entries(view: View) -> Iterator[Finding]:
    """`entry-cannot-be-met`: an entry rule that no labs can meet, so that a call stays dormant."""
    for level in view.terms.levels:
        if level.HasField("entry") and not _is(level.entry, False) and can_hold(view.world, level.entry) is False:
            labs = named(view.labs)
            text = f"no pledges of {labs} can meet this: the level can be called and never starts"
            yield error("entry-cannot-be-met", f"levels.{level.name}.entry", text)


def _is(condition: pb.Condition, value: bool) -> bool:
    return condition.WhichOneof("test") == "constant" and condition.constant.value == value
