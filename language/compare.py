"""Which of two values of a key is stricter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from language.compare_rules import RELAXING, RESTRICTING, compare_rules, compare_uses
from language.direction import Direction
from language.keys import Key, Kind, Stricter
from language.satisfy import World, implies
from language.write_values import field_of
from protocol.cap_rules import as_tight
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

    from language.direction import Side

WHOLE: Final = 1_000_000
"""Parts per million."""
_ALWAYS: Final = condition_pb2.Condition(constant=condition_pb2.Condition.Constant(value=True))
_NONE_IS_NONE: Final = frozenset({("verification", "inspection_notice")})
"""Keys whose absence is zero, though less of them is stricter; of others it is no limit."""
_IN_PERIODS: Final = frozenset({Kind.SPAN, Kind.LONG_SPAN})


def compare(key: Key, old: Side, new: Side) -> Direction:
    """Direction of a change of a key's value."""
    if key.block == "rule":
        return compare_rules(key, old, new)
    if key.field in RESTRICTING | RELAXING:
        return compare_uses(key, old, new)
    if key.kind in _BY_KIND:
        return _BY_KIND[key.kind](old, new)
    return _BY_CHANGE[key.stricter](key, old, new)


def _numbers(key: Key, old: Side, new: Side) -> Direction:
    before, after = _number(key, old), _number(key, new)
    if before is None or after is None or before == after:
        return Direction.OTHER
    less = after < before
    return Direction.STRICTER if less == (key.stricter is Stricter.LESS) else Direction.LOOSER


def _number(key: Key, side: Side) -> float | None:
    """Value in units that both terms share; None for what is no number."""
    message, terms = side
    if key.kind is Kind.LIARS:
        return terms.lying_verifiers
    value = field_of(message, key.field)
    if not isinstance(value, int):
        return None
    limit = key.stricter is Stricter.LESS and not key.required and not key.default
    if limit and not _stated(key, message, value) and (key.block, key.name) not in _NONE_IS_NONE:
        return float("inf")
    return value * terms.period_seconds if key.kind in _IN_PERIODS else value


def _stated(key: Key, message: Message, value: int) -> bool:
    """Whether a limit is there: 0 stands for none, unless the field can be absent."""
    field = message.DESCRIPTOR.fields_by_name.get(key.field)
    return message.HasField(key.field) if field is not None and field.has_presence else bool(value)


def _items(key: Key, old: Side, new: Side) -> Direction:
    before, after = _set(key, old[0]), _set(key, new[0])
    if before < after:
        return Direction.STRICTER if key.stricter is Stricter.MORE_ITEMS else Direction.LOOSER
    if after < before:
        return Direction.LOOSER if key.stricter is Stricter.MORE_ITEMS else Direction.STRICTER
    return Direction.OTHER


def _set(key: Key, message: Message) -> frozenset[Any]:
    found: frozenset[Any] = frozenset(field_of(message, key.field))
    if isinstance(message, pb.Indicator) and key.kind is Kind.REPORTERS and message.by_subject:
        found |= {None}
    if isinstance(message, pb.BrakeTerms) and key.kind is Kind.BRAKERS:
        found |= set(message.parties)
    return found


def _conditions(key: Key, old: Side, new: Side) -> Direction:
    """By the records in which they hold; a condition that is absent always holds."""
    before, after = _condition(key, old[0]), _condition(key, new[0])
    if _measures(old[1]) != _measures(new[1]):
        return Direction.OTHER
    world = World(new[1])
    weaker, stronger = implies(world, before, after), implies(world, after, before)
    if weaker is None or weaker is stronger:
        return Direction.OTHER
    return Direction.STRICTER if bool(weaker) == (key.stricter is Stricter.IMPLIED) else Direction.LOOSER


def _condition(key: Key, message: Message) -> condition_pb2.Condition:
    if not message.HasField(key.field):
        return _ALWAYS
    found = getattr(message, key.field)
    return found if isinstance(found, condition_pb2.Condition) else _ALWAYS


def _ramps(old: Side, new: Side) -> Direction:
    """By the share that is allowed at every moment of the return."""
    (one, before), (other, after) = old, new
    if not isinstance(one, pb.Level) or not isinstance(other, pb.Level):
        return Direction.OTHER
    moments = {time for level, terms in ((one, before), (other, after)) for time in _moments(level, terms)}
    shares = [(_share(one, before, moment), _share(other, after, moment)) for moment in moments]
    if all(now <= then for then, now in shares) and any(now < then for then, now in shares):
        return Direction.STRICTER
    if all(now >= then for then, now in shares) and any(now > then for then, now in shares):
        return Direction.LOOSER
    return Direction.OTHER


def _moments(level: pb.Level, terms: pb.Agreement) -> list[int]:
    """Seconds after the lift at which the allowed share changes."""
    periods = [step.after_periods for step in level.ramp] or [level.ramp_periods]
    return [0, *(one * terms.period_seconds for one in periods)]


def _share(level: pb.Level, terms: pb.Agreement, moment: int) -> int:
    if not level.ramp:
        return WHOLE if moment >= level.ramp_periods * terms.period_seconds else 0
    reached = [step.share_ppm for step in level.ramp if step.after_periods * terms.period_seconds <= moment]
    return max(reached, default=0)


def _exempt(old: Side, new: Side) -> Direction:
    one, other = old[0], new[0]
    if not isinstance(one, pb.Exemption) or not isinstance(other, pb.Exemption):
        return Direction.OTHER
    caps = [exemption.cap if exemption.HasField("cap") else None for exemption in (one, other)]
    level = pb.Level(allowed={*one.labels, *other.labels})
    return compare_caps(caps[0], caps[1], level) if _measures(old[1]) == _measures(new[1]) else Direction.OTHER


def _measures(terms: pb.Agreement) -> tuple[object, ...]:
    """What conditions and caps are counted in and by: two agreements must share it to be compared there."""
    labs = sorted((party.name, party.owner) for party in terms.parties if pb.ROLE_LAB in party.roles)
    return terms.period_seconds, [level.name for level in terms.levels], labs


def compare_caps(old: pb.Cap | None, new: pb.Cap | None, level: pb.Level) -> Direction:
    """Direction of a change of a cap; None for a level without it. `level` allows what either level allows."""
    if old is None or new is None:
        return Direction.STRICTER if old is None else Direction.LOOSER
    tighter, looser = as_tight(new, old, level), as_tight(old, new, level)
    if tighter is looser:
        return Direction.OTHER
    return Direction.STRICTER if tighter else Direction.LOOSER


def _neither(key: Key, old: Side, new: Side) -> Direction:
    return Direction.OTHER


_BY_KIND: Final[Mapping[Kind, Callable[[Side, Side], Direction]]] = {
    Kind.RAMP: _ramps,
    Kind.EXEMPT_CAP: _exempt,
}
_BY_CHANGE: Final[Mapping[Stricter, Callable[[Key, Side, Side], Direction]]] = {
    Stricter.NEITHER: _neither,
    Stricter.LESS: _numbers,
    Stricter.MORE: _numbers,
    Stricter.FEWER_ITEMS: _items,
    Stricter.MORE_ITEMS: _items,
    Stricter.IMPLIED: _conditions,
    Stricter.IMPLIES: _conditions,
}
