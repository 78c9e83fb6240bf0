"""Conditions to their messages (annex 4 and 5). One function a test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from language import syntax as ast
from language.errors import meant
from language.lower_values import hexadecimal
from language.names import known
from language.problem import Problem, Severity, Unfit, error, too_large
from language.units import Dimension, exact, measure, unit_of, whole, wrong_kind
from language.words import CLOCKS, PHASE_SETS, PHASES, STATUS
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from language.context import Context

MILLION: Final = 1_000_000
SHA256_BYTES: Final = 32


class Use(Enum):
    """Where a condition stands, which says what may be in it."""

    TRIGGER = auto()
    RESUME = auto()
    ENTRY = auto()
    WHEN = auto()
    PROVIDED = auto()

    @property
    def of_others(self) -> bool:
        """Whether it asks what others keep, and nothing else (annex 4.1, 4)."""
        return self in {Use.ENTRY, Use.PROVIDED}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition is read in.

    Attributes:
        context: the compilation.
        use: what the condition is for.
    """

    context: Context
    use: Use

    def level(self, name: ast.Name | None) -> int:
        """Rank of the level named, or of the one around."""
        if name is None:
            return self.context.own_level
        return self.context.names.levels[known(name, self.context.names.levels, "level")]

    def whole(self, quantity: ast.Quantity, subject: str) -> int:
        """A number without a unit."""
        return measure(quantity, Dimension.COUNT, subject, self.context.units)

    def names(self, names: tuple[ast.Name, ...]) -> list[str]:
        """Labs by name. In what others keep, a lab that is no party yet is a clause not yet met."""
        labs = self.context.names.labs
        if self.use is not Use.PROVIDED:
            return [known(name, labs, "lab") for name in names]
        for name in names:
            if name.text not in self.context.names.parties:
                text = f"{name.text} is not a party; the clause counts as unmet until it accedes."
                self.context.report(Problem("dormant-clause", Severity.NOTE, "", text, "", name.span))
        return [name.text for name in names]


@dataclass(frozen=True, slots=True)
class _Counted:
    """A group as conditions count it: `k` of `of`; `k` 0 is every one, `of` empty is the whole role."""

    k: int
    of: list[str]


def lower(condition: ast.Value, scope: Scope, path: str) -> pb.Condition:
    """The message of a condition. Problems go to the context; a part that has one is left empty.

    Args:
        condition: as written.
        scope: what it is read in.
        path: dotted path of its field, under which places are noted.
    """
    scope.context.places[path] = condition.span
    try:
        return _test(condition, scope, path)
    except Unfit as unfit:
        scope.context.report(unfit.problem)
    except ValueError:
        scope.context.report(too_large(condition.span))
    return pb.Condition()


def _test(condition: ast.Value, scope: Scope, path: str) -> pb.Condition:
    handler = _TESTS.get(type(condition))
    if handler is None:
        raise Unfit(error("wrong-kind", "", "expected a condition", condition.span))
    if scope.use.of_others and not isinstance(condition, _OF_OTHERS):
        raise _not_monotone(scope, condition)
    return handler(condition, scope, path)


def _not_monotone(scope: Scope, condition: ast.Value) -> Unfit:
    said = scope.context.document.said(condition.span)
    if isinstance(condition, ast.Not):
        text = f'"{said}" wants another party to go on.'
        return Unfit(error("not-monotone", "", text, condition.span, 'Remove "not".'))
    text = f'"{said}" does not ask what others keep.'
    remedy = "Write it in when." if scope.use is Use.PROVIDED else "Write it in trigger."
    return Unfit(error("not-monotone", "", text, condition.span, remedy))


def _several(parts: tuple[ast.Condition, ...], scope: Scope, path: str) -> list[pb.Condition]:
    return [lower(part, scope, f"{path}[{number}]") for number, part in enumerate(parts)]


def _all(condition: ast.All, scope: Scope, path: str) -> pb.Condition:
    return pb.Condition(all=pb.Condition.Several(of=_several(condition.parts, scope, f"{path}.all")))


def _any(condition: ast.Any, scope: Scope, path: str) -> pb.Condition:
    return pb.Condition(any=pb.Condition.Several(of=_several(condition.parts, scope, f"{path}.any")))


def _at_least(condition: ast.AtLeast, scope: Scope, path: str) -> pb.Condition:
    k = scope.whole(condition.k, "at least")
    if not 1 <= k <= len(condition.parts):
        text = f"at least {k} of {len(condition.parts)} conditions"
        raise Unfit(error("cannot-be-met", "", text, condition.k.span))
    parts = _several(condition.parts, scope, f"{path}.at_least")
    return pb.Condition(at_least=pb.Condition.AtLeast(k=k, of=parts))


def _not(condition: ast.Not, scope: Scope, path: str) -> pb.Condition:
    part = lower(condition.part, scope, path)
    if part.WhichOneof("test") == "any" and isinstance(condition.part, ast.Is):
        # A set of phases: not (a or b) is said as (not a) and (not b), since `not` stands before single tests only.
        return pb.Condition(all=pb.Condition.Several(of=[pb.Condition(negation=one) for one in part.any.of]))
    return pb.Condition(negation=part)


def _constant(condition: ast.Constant, scope: Scope, path: str) -> pb.Condition:
    return pb.Condition(constant=pb.Condition.Constant(value=condition.value))


def _word(condition: ast.Word, scope: Scope, path: str) -> pb.Condition:
    text = f"{condition.text} alone is no condition"
    raise Unfit(error("syntax", "", text, condition.span, "write always or never, or a test"))


def _counted(group: ast.Group, role: str, scope: Scope) -> _Counted:
    if isinstance(group, ast.One):
        return _Counted(1, scope.names((group.name,)))
    if group.role is not None:
        if group.role.text.removesuffix("s") != role:
            text = f"{group.role.text} cannot be counted here"
            raise Unfit(error("unknown-word", "", text, group.role.span, f"write {role}, or names"))
        of: list[str] = []
    else:
        of = scope.names(group.names)
    if isinstance(group, ast.Every):
        return _Counted(0, of)
    k = 1 if group.k is None else scope.whole(group.k, "at least")
    if k < 1 or (of and k > len(of)):
        raise Unfit(error("cannot-be-met", "", f"at least {k} of {len(of) or 'them'}", group.span))
    return _Counted(k, of)


def indicator_dimension(unit: str) -> tuple[Dimension, int]:
    """What an indicator's unit counts, and how many base units it is."""
    known_units = {
        "s": (Dimension.TIME, 1),
        "min": (Dimension.TIME, 60),
        "h": (Dimension.TIME, 3_600),
        "d": (Dimension.TIME, 86_400),
        "ppm": (Dimension.SHARE, 1),
        "x": (Dimension.FACTOR, 1),
        "teraFLOP": (Dimension.COMPUTE, 1),
    }
    return known_units.get(unit, (Dimension.COUNT, 1))


def _threshold(quantity: ast.Quantity, name: str, scope: Scope) -> int:
    unit = scope.context.names.indicators[name]
    wanted, base = indicator_dimension(unit)
    found = unit_of(quantity, scope.context.units)
    if found.dimension is not wanted:
        raise wrong_kind(f"{name} is {wanted} ({unit})", wanted, quantity, found.dimension)
    return whole(quantity, exact(quantity.number, quantity.span) * found.per / base, unit)


def _indicator(name: ast.Name, scope: Scope) -> str:
    return known(name, scope.context.names.indicators, "indicator")


def _reading(condition: ast.Reading, scope: Scope, path: str) -> pb.Condition:
    name = _indicator(condition.indicator, scope)
    group = _counted(condition.group, "lab", scope)
    limit = _threshold(condition.threshold, name, scope)
    # Readings are whole: above t is at least t + 1, at most t is below t + 1.
    limit += condition.sign in {">", "<="}
    sign = pb.COMPARISON_AT_LEAST if condition.sign in {">", ">="} else pb.COMPARISON_BELOW
    made = pb.Condition.Reading(
        indicator=name, labs=group.k, of=group.of, comparison=sign, threshold=limit, all=group.k == 0
    )
    if condition.moves is not None:
        made.ratchet.CopyFrom(_ratchet(condition.moves, name, scope))
    return pb.Condition(reading=made)


def _ratchet(moves: ast.Moves, name: str, scope: Scope) -> pb.Condition.Ratchet:
    share = measure(moves.share, Dimension.SHARE, "a move", scope.context.units)
    factor = MILLION - share if moves.falling else MILLION + share
    if not 1 <= factor <= 2 * MILLION or factor == MILLION:
        raise Unfit(
            error("out-of-range", "", "a threshold moves by less than 100 %, and by something", moves.share.span)
        )
    every = scope.context.periods(moves.every, "a move")
    return pb.Condition.Ratchet(every_periods=every, factor_ppm=factor, limit=_threshold(moves.limit, name, scope))


def _trend(condition: ast.Trend, scope: Scope, path: str) -> pb.Condition:
    if condition.sign not in {"<=", ">"}:
        text = f"doubling within a time is <=, more slowly is >, not {condition.sign}"
        raise Unfit(error("syntax", "", text, condition.span))
    group = _counted(condition.group, "lab", scope)
    trend = pb.Condition.Trend(
        indicator=_indicator(condition.indicator, scope),
        labs=group.k,
        all=group.k == 0,
        of=group.of,
        over_periods=scope.context.periods(condition.over, "over"),
        doubling_periods=scope.context.periods(condition.limit, "doubling"),
        comparison=pb.COMPARISON_AT_LEAST if condition.sign == "<=" else pb.COMPARISON_BELOW,
    )
    return pb.Condition(trend=trend)


def _overdue(condition: ast.Overdue, scope: Scope, path: str) -> pb.Condition:
    group = _counted(condition.group, "lab", scope)
    name = _indicator(condition.indicator, scope)
    periods = scope.context.periods(condition.lasting, "overdue")
    return pb.Condition(
        overdue=pb.Condition.Overdue(indicator=name, labs=group.k, all=group.k == 0, of=group.of, periods=periods)
    )


def _keeps(condition: ast.Keeps, scope: Scope, path: str) -> pb.Condition:
    level = scope.level(condition.level)
    if condition.lasting is not None:
        return _honored(condition, level, condition.lasting, scope)
    if not scope.use.of_others:
        text = "who keeps a level is asked in pledges and entry rules"
        raise Unfit(error("misplaced-test", "", text, condition.span, "write for how long, as in: for 30 d"))
    if isinstance(condition.group, ast.Weighted):
        return pb.Condition(weighs=_weighs(condition.group, level, scope))
    if not isinstance(condition.group, ast.One) and condition.group.role is not None:
        text = f'"{scope.context.document.said(condition.group.span)}" counts members that may join'
        raise Unfit(error("shares-of-members", "", text, condition.group.span, "name them: at least 2 of { ... }"))
    group = _counted(condition.group, "lab", scope)
    # Labs of one owner count once, so all of them are as many as their owners.
    owners = {scope.context.names.owners.get(lab, lab) for lab in group.of}
    return pb.Condition(keeps=pb.Condition.Keeps(level=level, k=group.k or len(owners), of=group.of))


def _honored(condition: ast.Keeps, level: int, lasting: ast.Quantity, scope: Scope) -> pb.Condition:
    if scope.use.of_others:
        text = "a pledge asks who keeps a level, not for how long"
        raise Unfit(error("misplaced-test", "", text, lasting.span, "remove it, or ask it in when or resume"))
    if isinstance(condition.group, ast.Weighted):
        raise Unfit(error("misplaced-test", "", "weights are asked in pledges and entry rules", condition.span))
    group = _counted(condition.group, "bound", scope)
    k = 0 if isinstance(condition.group, ast.One) else group.k
    periods = scope.context.periods(lasting, "keep")
    return pb.Condition(honored=pb.Condition.Honored(level=level, periods=periods, k=k, of=group.of))


def _weighs(group: ast.Weighted, level: int, scope: Scope) -> pb.Condition.Weighs:
    labs = scope.names(tuple(name for _, name in group.weights))
    weights = [scope.whole(weight, "a weight") for weight, _ in group.weights]
    at_least = scope.whole(group.at_least, "at least")
    if not 1 <= at_least <= sum(weights):
        raise Unfit(error("cannot-be-met", "", f"at least {at_least} of {sum(weights)}", group.at_least.span))
    of = [pb.Condition.Weight(lab=lab, weight=weight) for lab, weight in zip(labs, weights, strict=True)]
    return pb.Condition.Weighs(level=level, of=of, at_least=at_least)


def _is(condition: ast.Is, scope: Scope, path: str) -> pb.Condition:
    names = scope.context.names
    if isinstance(condition.group, ast.One):
        name = condition.group.name
        if name.text in names.levels and name.text in names.parties and isinstance(name, ast.Word):
            text = f"{name.text} is a level and a party"
            remedy = f'write "{name.text}" for the level, all of {{ {name.text} }} for the party'
            raise Unfit(error("ambiguous-name", "", text, name.span, remedy))
        if name.text in names.levels or name.text not in names.parties:
            return _phase(scope.level(name), condition)
    return pb.Condition(status=_status(condition, scope))


def _phase(level: int, condition: ast.Is) -> pb.Condition:
    said = condition.status
    if said.text not in PHASES and said.text not in PHASE_SETS:
        words = (*PHASES, *PHASE_SETS)
        text = f"a level is {' or '.join(words)}, not {said.text}."
        raise Unfit(error("unknown-word", "", text, said.span, meant(said.text, words)))
    phases = PHASE_SETS.get(said.text) or (PHASES[said.text],)
    tests = [pb.Condition(level_phase=pb.Condition.LevelPhase(level=level, phase=one)) for one in phases]
    return tests[0] if said.text in PHASES else pb.Condition(any=pb.Condition.Several(of=tests))


def _status(condition: ast.Is, scope: Scope) -> pb.Condition.IsStatus:
    said = condition.status
    if said.text not in STATUS:
        text = f"a lab is {' or '.join(STATUS)}, not {said.text}."
        raise Unfit(error("unknown-word", "", text, said.span, meant(said.text, STATUS)))
    group = _counted(condition.group, "lab", scope)
    bound = STATUS[said.text] == pb.PARTY_STATUS_BOUND
    if condition.level is not None and not bound:
        raise Unfit(error("syntax", "", f"{said.text} by nothing", condition.level.span, "remove it"))
    return pb.Condition.IsStatus(
        status=STATUS[said.text],
        level=scope.level(condition.level) if bound else 0,
        k=0 if isinstance(condition.group, ast.One) else group.k,
        of=group.of,
    )


def _since(condition: ast.Since, scope: Scope, path: str) -> pb.Condition:
    said = condition.clock
    if said.text not in CLOCKS:
        remedy = "write winding, the start of the restriction" if said.text == "called" else meant(said.text, CLOCKS)
        text = f"a clock is since {' or '.join(CLOCKS)}, not {said.text}."
        raise Unfit(error("unknown-word", "", text, said.span, remedy))
    periods = scope.context.periods(condition.lasting, "a clock")
    # Clocks are whole: above p is at least p + 1, below p is not yet p.
    periods += condition.sign in {">", "<="}
    # The clock of the agreement is that of no level.
    level = 0 if said.text == "entry" and condition.level is None else scope.level(condition.level)
    clock = pb.Condition.Elapsed(level=level, periods=periods, since=CLOCKS[said.text])
    made = pb.Condition(elapsed=clock)
    return made if condition.sign in {">", ">="} else pb.Condition(negation=made)


def _motion(condition: ast.Motion, scope: Scope, path: str) -> pb.Condition:
    asked = b""
    if condition.asked is not None:
        digest = ast.Text(condition.asked.text.removeprefix("sha256:"), condition.asked.span)
        asked = hexadecimal("what is asked", digest)
    rule = known(condition.rule, scope.context.names.rules, "rule")
    return pb.Condition(carried=pb.Condition.Carried(rule=rule, level=scope.level(condition.level), asked=asked))


def _event(condition: ast.Event, scope: Scope, path: str) -> pb.Condition:
    events = scope.context.names.events
    if condition.name.text not in events:
        remedy = f"declare it: event {condition.name.text} {{ reported_by = [...]   max_age = 90 d }}"
        raise Unfit(error("unknown-name", "", f"{condition.name.text} is no event", condition.name.span, remedy))
    by = condition.reported_by
    if by is not None and (not isinstance(by, ast.One) or events[condition.name.text] != (by.name.text,)):
        text = f"{condition.name.text} is declared as reported by {', '.join(events[condition.name.text])}"
        raise Unfit(error("contradiction", "", text, by.span, "remove it here"))
    level = scope.level(condition.level) if condition.level or scope.use is Use.RESUME else 0
    made = pb.Condition.EventSeen(event=condition.name.text, level=0 if condition.whenever else level)
    if condition.lasting is not None:
        made.periods = scope.context.periods(condition.lasting, "an event")
    return pb.Condition(event=made)


_OF_OTHERS: Final = (ast.All, ast.Any, ast.AtLeast, ast.Keeps, ast.Is, ast.Constant, ast.Word)
_TESTS: Final[Mapping[type, Callable[..., pb.Condition]]] = {
    ast.All: _all,
    ast.Any: _any,
    ast.AtLeast: _at_least,
    ast.Not: _not,
    ast.Reading: _reading,
    ast.Trend: _trend,
    ast.Overdue: _overdue,
    ast.Keeps: _keeps,
    ast.Is: _is,
    ast.Since: _since,
    ast.Motion: _motion,
    ast.Event: _event,
    ast.Constant: _constant,
    ast.Word: _word,
}
