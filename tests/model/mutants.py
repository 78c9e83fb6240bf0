"""The code broken on purpose: one edit of the real source each, which a named invariant must find.

The earlier versions of the table that small models refuted (annex 5.4) are among them. An edit replaces a piece of text
that stands in its module exactly once, and the functions that it changes are given their new code where they are, so
that whoever has imported them runs the broken version. A new rule of the fold is a new row here.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit.

    Attributes:
        name: what is broken, in words.
        module: of the code.
        old: text as it is.
        new: text that takes its place.
        lens: that finds it.
        invariant: that it breaks.
    """

    name: str
    module: str
    old: str
    new: str
    lens: str
    invariant: str


@contextlib.contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """The code with an edit, for as long as the context lasts.

    Raises:
        LookupError: the text does not stand in the module exactly once: the code has moved on, and the row must follow.
    """
    module = import_module(mutant.module)
    source = inspect.getsource(module)
    if source.count(mutant.old) != 1:
        raise LookupError(f"{mutant.name}: {mutant.old!r} stands {source.count(mutant.old)} times in {mutant.module}")
    edited = ModuleType(mutant.module)
    edited.__file__ = module.__file__
    exec(compile(source.replace(mutant.old, mutant.new), str(module.__file__), "exec"), edited.__dict__)
    undo: list[tuple[Any, str, Any]] = []
    for name, function in list(_functions(module)):
        other = dict(_functions(edited))[name]
        undo.append((function, "__code__", function.__code__))
        function.__code__ = other.__code__
    for name, value in list(vars(module).items()):
        if name.isupper() and isinstance(value, dict):
            undo.append((module, name, value))
            setattr(module, name, getattr(edited, name))
    _forget()
    try:
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)
        _forget()


def _forget() -> None:
    """Empty every cache of the core: what it holds was computed by other code."""
    for name, module in list(sys.modules.items()):
        if name.startswith("protocol."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Functions and methods that a module defines."""
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield name, value
        elif inspect.isclass(value) and value.__module__ == module.__name__ and not issubclass(value, str):
            for inner, found in vars(value).items():
                method = found.__func__ if isinstance(found, classmethod) else found
                if isinstance(method, FunctionType) and not inner.startswith("__"):
                    yield f"{name}.{inner}", method


_LEVELS: Final = "protocol.levels"
_PHASES: Final = "protocol.fold.phases"
_BIND: Final = "protocol.fold.bind"
_DECISIONS: Final = "protocol.decisions"
_PLEDGES: Final = "protocol.pledge_problem"
_CONDUCT: Final = "protocol.conduct"
_STANDING: Final = "protocol.fold.standing"

MUTANTS: Final[tuple[Mutant, ...]] = (
    Mutant(
        "resume that is not false suffices",
        _PHASES,
        "lifted = all_of([resume.value, lift.value]) is Truth.TRUE",
        "lifted = all_of([resume.value, lift.value]) is not Truth.FALSE",
        "votes",
        "a_restriction_is_never_lifted_on_unknown",
    ),
    Mutant(
        "a trigger that is not false calls",
        _PHASES,
        "called = truth_of(all_of([trigger.value, vote.value]) is Truth.TRUE)",
        "called = truth_of(all_of([trigger.value, vote.value]) is not Truth.FALSE)",
        "votes",
        "a_call_needs_its_trigger_and_its_votes",
    ),
    Mutant(
        "lift ballots are kept with the level",
        _DECISIONS,
        "ballot is None or ballot.episode != asked.episode or",
        "ballot is None or (ballot.episode != asked.episode and asked.motion != pb.MOTION_LIFT) or",
        "ballots",
        "a_restriction_ends_only_by_lift_or_sunset",
    ),
    Mutant(
        "readiness is not reset",
        _PHASES,
        "ready=level.ready + 1 if lifted else 0",
        "ready=level.ready + 1 if lifted else level.ready",
        "votes",
        "readiness_is_a_row_of_true_and_voted_steps",
    ),
    Mutant(
        "one step of readiness suffices",
        _PHASES,
        "truth_of(level.ready >= terms.steady_steps)",
        "truth_of(level.ready >= 1)",
        "votes",
        "a_restriction_ends_only_by_lift_or_sunset",
    ),
    Mutant(
        "sunset before renewal",
        _PHASES,
        "clocks = levels.clock_events(level, terms,",
        "clocks = levels.clock_events(work.new.levels[rank], terms,",
        "renewals",
        "a_renewal_recorded_in_time_is_never_lost",
    ),
    Mutant(
        "ballots that renewed a mandate renew it again",
        _PHASES,
        "work.new = replace(work.new, ballots=spend(work.new.ballots, asked))",
        "work.new = replace(work.new, ballots=dict(work.new.ballots))",
        "renewals",
        "a_renewal_needs_fresh_votes",
    ),
    Mutant(
        "the mandate begins with the dormant call",
        _LEVELS,
        "end=governed + terms.mandate_periods)",
        "end=governed + terms.mandate_periods - (not fresh))",
        "pledges",
        "a_restriction_begins_with_its_whole_mandate",
    ),
    Mutant(
        "sunset to open",
        _LEVELS,
        "    Row((Event.EXPIRED,), Stage.RAMPING),",
        "    Row((Event.EXPIRED,), Stage.OPEN),",
        "votes",
        "nobody_skips_the_ramp",
    ),
    Mutant(
        "a call in the ramp lies dormant",
        _LEVELS,
        "Row((Event.CALL, Event.ENTRY), Stage.WINDING),\n        Row((Event.RAMPED,)",
        "Row((Event.CALL, Event.ENTRY), Stage.CALLED),\n        Row((Event.RAMPED,)",
        "votes",
        "a_call_carried_is_never_lost",
    ),
    Mutant(
        "a level's ramp is left early",
        _LEVELS,
        "level.age + 1 >= terms.ramp_periods",
        "level.age + 2 >= terms.ramp_periods",
        "leaving",
        "nobody_skips_the_ramp",
    ),
    Mutant(
        "a lab's ramp runs by the calendar",
        _BIND,
        "else binding.until + work.dark",
        "else binding.until",
        "leaving",
        "a_ramp_counts_closed_periods",
    ),
    Mutant(
        "the mandate runs by closed periods",
        _LEVELS,
        "level.stage in LIFTABLE and governed >= (level.end or 0)",
        "level.stage in LIFTABLE and level.held + 1 >= terms.mandate_periods",
        "renewals",
        "every_restriction_has_an_end",
    ),
    Mutant(
        "the trigger calls by itself, again and again",
        _PHASES,
        "vote = Explained(truth_of(level.armed),",
        "vote = Explained(Truth.TRUE,",
        "votes",
        "a_call_needs_its_trigger_and_its_votes",
    ),
    Mutant(
        "voters count, not groups",
        "protocol.needs",
        "Voter(party.name, party.owner, party.name, party.name)",
        "Voter(party.name, party.name, party.name, party.name)",
        "ballots",
        "a_call_needs_its_trigger_and_its_votes",
    ),
    Mutant(
        "who has left still decides",
        _DECISIONS,
        "return member and not party.convicted",
        "return not party.convicted",
        "leaving",
        "a_call_needs_its_trigger_and_its_votes",
    ),
    Mutant(
        "an unknown clause binds",
        _PLEDGES,
        "(found == Truth.UNKNOWN and before >= clause.level)",
        "found == Truth.UNKNOWN",
        "pledges",
        "nobody_is_bound_by_a_clause_that_does_not_hold",
    ),
    Mutant(
        "an unknown clause releases",
        _PLEDGES,
        "if found == Truth.TRUE or (",
        "if found == Truth.TRUE or False and (",
        "pledges",
        "nobody_is_released_on_unknown",
    ),
    Mutant(
        "who lost standing is still relied on",
        _PLEDGES,
        "lab in state.conduct and state.conduct[lab].standing is not Standing.OUT for lab in labs",
        "lab in state.conduct for lab in labs",
        "standing",
        "nobody_is_bound_by_a_clause_that_does_not_hold",
    ),
    Mutant(
        "who loses standing keeps nothing",
        _STANDING,
        "floor=held[lab].kept)",
        "floor=0)",
        "standing",
        "own_breach_frees_nobody_of_its_own_duty",
    ),
    Mutant(
        "two of four verifiers suffice for a breach",
        _CONDUCT,
        "verdicts.count(BREACHED) >= quorum",
        "verdicts.count(BREACHED) >= 2",
        "standing",
        "breach_is_what_a_quorum_says",
    ),
    Mutant(
        "two of four verifiers suffice for honored",
        _CONDUCT,
        "verdicts.count(HONORED) >= quorum",
        "verdicts.count(HONORED) >= 2",
        "standing",
        "breach_is_what_a_quorum_says",
    ),
    Mutant(
        "a convicted verifier still counts",
        _STANDING,
        "verdict is not None and not work.new.parties[name].convicted and",
        "verdict is not None and",
        "standing",
        "breach_is_what_a_quorum_says",
    ),
    Mutant(
        "an accusation releases at once",
        _CONDUCT,
        "conduct.timer < terms.release_notice_periods or",
        "conduct.timer < 1 or",
        "standing",
        "nobody_is_released_without_notice",
    ),
    Mutant(
        "every loss of standing costs the same",
        _CONDUCT,
        "terms.back_after_periods * 2**doublings",
        "terms.back_after_periods",
        "standing",
        "standing_returns_only_for_conduct",
    ),
    Mutant(
        "a replaced pledge ends at once",
        "protocol.fold.schedule",
        "older=before.current,",
        'older=b"",',
        "leaving",
        "a_replaced_pledge_runs_on",
    ),
    Mutant(
        "who is leaving may lift",
        _DECISIONS,
        "membership is Membership.NOTICE and ballot.motion not in TIGHTENING",
        "membership is Membership.FORMING and ballot.motion not in TIGHTENING",
        "leaving",
        "who_is_leaving_relaxes_nothing",
    ),
    Mutant(
        "exit while a level is restricted",
        "protocol.fold.boundary",
        "gone = left == 0 and quiet",
        "gone = left == 0",
        "leaving",
        "exit_comes_only_when_every_level_is_open",
    ),
    Mutant(
        "who has left is heard",
        "protocol.fold.intake",
        "if membership not in {Membership.IN, Membership.NOTICE}:",
        "if membership is Membership.FORMING:",
        "leaving",
        "who_has_left_says_nothing",
    ),
    Mutant(
        "a brake lapses before it is ratified",
        _PHASES,
        "    if level.brake_left:\n        why[Event.RATIFIED]",
        "    if level.brake_left > 1:\n        why[Event.RATIFIED]",
        "brake",
        "a_ratification_recorded_in_time_is_never_lost",
    ),
    Mutant(
        "sunset before ratification",
        _LEVELS,
        "    Row((Event.EXPIRED, Event.RATIFIED), Stage.WINDING),\n    Row((Event.EXPIRED,), Stage.RAMPING),",
        "    Row((Event.EXPIRED,), Stage.RAMPING),\n    Row((Event.EXPIRED, Event.RATIFIED), Stage.WINDING),",
        "brake",
        "a_ratification_recorded_in_time_is_never_lost",
    ),
    Mutant(
        "a brake acts a step late",
        _LEVELS,
        "    if used:\n        return replace(level, brake_left=terms.brake.window_periods,",
        "    if used:\n        return replace(level, brake_left=terms.brake.window_periods - 1,",
        "brake",
        "a_brake_acts_in_its_own_step",
    ),
    Mutant(
        "a brake never ends",
        _LEVELS,
        "left = max(level.brake_left - 1, 0)",
        "left = level.brake_left",
        "brake",
        "a_brake_ends_by_itself",
    ),
    Mutant(
        "a brake during the ramp skips it",
        _LEVELS,
        "level.stage is Stage.RAMPING and not level.brake_left and level.age + 1 >=",
        "level.stage is Stage.RAMPING and level.age + 1 + 9 * bool(level.brake_left) >=",
        "brake",
        "nobody_skips_the_ramp",
    ),
    Mutant(
        "whoever brakes need not rest",
        "protocol.fold.ballots",
        "if left := rests.get(place, 0):",
        "if left := rests.get(place, 0) * 0:",
        "brake",
        "who_used_a_brake_rests",
    ),
    Mutant(
        "exit while a brake runs",
        "protocol.fold.boundary",
        "level.stage is Stage.OPEN and not level.brake_left for",
        "level.stage is Stage.OPEN for",
        "brake",
        "exit_comes_only_when_every_level_is_open",
    ),
)
"""Every edit, in the order of the stages that they break."""
