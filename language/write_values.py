"""Values of keys as text, by kind: the inverse of `lower_values`, `lower_special`, `lower_caps` and `lower_rules`.

A writer gives None for what is not said: an absent field whose key has no default.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from language.chips import PRESET_TABLE
from language.keys import KEYS, Key, Kind
from language.lower_caps import EVERYTHING, labels_of
from language.lower_conditions import Use
from language.names import COMPUTE_UNIT
from language.units import (
    show_chip_time,
    show_decimal,
    show_flop,
    show_number,
    show_power,
    show_rate,
    show_seconds,
    show_share,
)
from language.words import LABELS, ROLES, word_of
from language.write_conditions import Terms, condition_text, name_text, quoted
from protocol.agreement_limits import MAX_PERIODS
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from google.protobuf.message import Message

    Writer = Callable[["Terms", Key, Any], str | None]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DATE: Final = 253_402_300_799
"""Last second of the year 9999, the last that dates can say."""


def field_of(message: Message, path: str) -> Any:
    """Value of a field by its dotted path below a message."""
    found: Any = message
    for step in path.split("."):
        found = getattr(found, step)
    return found


def said(key: Key, value: object) -> bool:
    """Whether a value must be written: where leaving it out would mean another."""
    return bool(value) or key.required or bool(key.default)


def listed(items: Iterable[str]) -> str:
    """`[a, b]`."""
    return f"[{', '.join(items)}]"


def time_text(seconds: int) -> str:
    """A moment in UTC; beyond the year 9999, seconds since 1970."""
    if seconds > _LAST_DATE:
        return f"{show_number(seconds)} s"
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if seconds % 60 else "%Y-%m-%dT%H:%MZ").rjust(16, "0")


def need_text(need: pb.Need, terms: pb.Agreement) -> str:
    """Who must say yes, as it is written in a rule."""
    which = need.WhichOneof("need")
    if which in {"all", "any"}:
        parts = getattr(need, which).of
        inner = [need_text(part, terms) for part in parts]
        flat = len(parts) > 1 and all(part.WhichOneof("need") not in {"all", "any"} for part in parts)
        return (" and " if which == "all" else " or ").join(inner) if flat else f"{which} {listed(inner)}"
    return _weighted(need.weighted) if which == "weighted" else _count(need.count, terms)


def _count(count: pb.Need.Count, terms: pb.Agreement) -> str:
    k = show_number(count.k)
    if count.seats:
        council = next((p.name for p in terms.parties if any(s.name == count.seats for s in p.seats)), "")
        return f"{k} of {name_text(f'{council}.{count.seats}')}"
    if count.role:
        return f"{k} of {word_of(ROLES, count.role)}"
    return f"{k} of {listed(map(name_text, count.voters))}"


def _weighted(weighted: pb.Need.Weighted) -> str:
    of = listed(f"{show_number(one.weight)} of {name_text(one.voter)}" for one in weighted.of)
    ceiling = f" ceiling {show_number(weighted.ceiling)}" if weighted.ceiling else ""
    return f"{show_number(weighted.at_least)} of {of}{ceiling}"


def _shown(show: Callable[[int], str]) -> Writer:
    def write(around: Terms, key: Key, message: Message) -> str | None:
        value = field_of(message, key.field)
        return show(value) if said(key, value) else None

    return write


def _present(show: Callable[[int], str]) -> Writer:
    def write(around: Terms, key: Key, message: Message) -> str | None:
        return show(field_of(message, key.field)) if message.HasField(key.field) else None

    return write


def _span(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return around.span(value) if said(key, value) else None


def _long_span(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return "never" if value == MAX_PERIODS else around.span(value)


def _period(around: Terms, key: Key, message: Message) -> str | None:
    if not message.HasField(key.field):
        return None
    period = field_of(message, key.field)
    start = around.terms.start + period * around.terms.period_seconds
    return time_text(start) if start <= _LAST_DATE else f"{show_number(period)} periods"


def _string(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return quoted(value) if said(key, value) else None


def _strings(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return listed(map(quoted, value)) if said(key, value) else None


def _name(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return name_text(value) if said(key, value) else None


def _caller(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return name_text(value) if value else "automatic"


def _names(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return listed(map(name_text, value)) if said(key, value) else None


def _word(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return word_of(key.words, int(value)) if said(key, value) else None


def _words(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    if key.name == "role" and len(value) == 1:
        return word_of(key.words, value[0])
    return listed(word_of(key.words, one) for one in value) if said(key, value) else None


def _allow(around: Terms, key: Key, message: pb.Level) -> str | None:
    if tuple(message.allowed) == EVERYTHING:
        return "everything"
    return listed(word_of(LABELS, label) for label in message.allowed)


def _hex(around: Terms, key: Key, message: Message) -> str | None:
    value = field_of(message, key.field)
    return quoted(value.hex()) if value else None


def _root(around: Terms, key: Key, message: pb.Party) -> str | None:
    if not message.root_keys and not message.root_threshold:
        return None
    return f"{show_number(message.root_threshold)} of {listed(quoted(one.hex()) for one in message.root_keys)}"


def _unit(around: Terms, key: Key, message: pb.Indicator) -> str | None:
    if message.unit == COMPUTE_UNIT:
        return "FLOP"
    return quoted(message.unit) if message.unit == "FLOP" else name_text(message.unit)


def _reporters(around: Terms, key: Key, message: pb.Indicator) -> str | None:
    return listed([*(["subject"] if message.by_subject else []), *map(name_text, message.reported_by)])


def _brakers(around: Terms, key: Key, message: pb.BrakeTerms) -> str | None:
    parties = [quoted(name) if name.removesuffix("s") in ROLES else name_text(name) for name in message.parties]
    return listed([*(word_of(ROLES, role) for role in message.roles), *parties])


def _peaks(around: Terms, key: Key, message: pb.ChipClass) -> str | None:
    return listed(
        f"{show_rate(peak.gigaflop_per_second)} of {word_of(key.words, peak.format)}" for peak in message.peaks
    )


def _chip_table(around: Terms, key: Key, message: pb.Agreement) -> str | None:
    if not message.chips:
        return "none"
    return "preset" if tuple(message.chips) == PRESET_TABLE else None


def _condition(around: Terms, key: Key, message: Message) -> str | None:
    if not message.HasField(key.field):
        return None
    return condition_text(field_of(message, key.field), around.terms, around.own_level, Use[key.of.upper()])


def _need(around: Terms, key: Key, message: pb.Rule) -> str | None:
    return need_text(message.need, around.terms) if message.HasField("need") else show_number(message.yes)


def _liars(around: Terms, key: Key, message: Message) -> str | None:
    return show_number(around.terms.lying_verifiers)


def _ramp(around: Terms, key: Key, message: pb.Level) -> str | None:
    if not message.ramp:
        return around.span(message.ramp_periods)
    return listed(f"{show_share(step.share_ppm)} after {around.span(step.after_periods)}" for step in message.ramp)


def _ramp_end(around: Terms, key: Key, message: pb.Level) -> str | None:
    if not message.ramp or message.ramp[-1].after_periods == message.ramp_periods:
        return None
    return around.span(message.ramp_periods)


def _confirmations(around: Terms, key: Key, message: pb.Indicator) -> str | None:
    return show_number(message.confirmations) if message.confirmations or message.confirmed_by else None


def exempt_cap(around: Terms, key: Key, message: pb.Exemption) -> str | None:
    """The short form of an exemption's cap; None if it has none, or must be written out."""
    cap = message.cap
    made = pb.Cap(name=message.name, labels=message.labels, window_periods=cap.window_periods)
    if cap.HasField("teraflop"):
        made.teraflop = cap.teraflop
    else:
        made.chip_seconds = cap.chip_seconds
    if not message.HasField("cap") or cap != made:
        return None
    amount = show_flop(cap.teraflop) if cap.HasField("teraflop") else show_chip_time(cap.chip_seconds)
    return f"{amount} per {around.span(cap.window_periods)}"


def cap_text(around: Terms, cap: pb.Cap, level: pb.Level) -> str | None:
    """The short form of a level's cap, `training_run = 3e25 FLOP`; None if it must be written out."""
    key = KEYS.get(("caps", cap.name))
    if key is None or (key.of and not cap.labels) or cap.labels != labels_of(key, level):
        return None
    made = pb.Cap(name=cap.name, labels=cap.labels, window_periods=cap.window_periods)
    limit = _LIMITS[key.kind](made, cap)
    if limit is None or made != cap:
        return None
    always = key.kind in {Kind.TOTAL_CAP, Kind.GROWTH_CAP}
    per = f" per {around.span(cap.window_periods)}" if always or cap.window_periods != 1 else ""
    return f"{cap.name} = {limit}{per}"


def _run_limit(made: pb.Cap, cap: pb.Cap) -> str | None:
    made.scope, made.teraflop = pb.CAP_SCOPE_RUN, cap.teraflop
    return show_flop(cap.teraflop) if cap.teraflop else None


def _total_limit(made: pb.Cap, cap: pb.Cap) -> str | None:
    if cap.HasField("teraflop"):
        made.teraflop = cap.teraflop
        return show_flop(cap.teraflop) if cap.teraflop else None
    made.baseline_ppm = cap.baseline_ppm
    return f"{show_share(cap.baseline_ppm)} of baseline"


def _cluster_limit(made: pb.Cap, cap: pb.Cap) -> str | None:
    made.scope, made.chips = pb.CAP_SCOPE_CLUSTER, cap.chips
    return f"{show_number(cap.chips)} chips"


def _growth_limit(made: pb.Cap, cap: pb.Cap) -> str | None:
    made.scope, made.growth_ppm = pb.CAP_SCOPE_INVENTORY_GROWTH, cap.growth_ppm
    return show_share(cap.growth_ppm)


_LIMITS: Final[Mapping[Kind, Callable[[pb.Cap, pb.Cap], str | None]]] = {
    Kind.RUN_CAP: _run_limit,
    Kind.TOTAL_CAP: _total_limit,
    Kind.CLUSTER_CAP: _cluster_limit,
    Kind.GROWTH_CAP: _growth_limit,
}


def _unwritten(around: Terms, key: Key, message: Message) -> str | None:
    """Said by other keys or blocks."""
    return None


WRITERS: Final[Mapping[Kind, Writer]] = {
    Kind.ALLOW: _allow,
    Kind.BRAKERS: _brakers,
    Kind.CALLER: _caller,
    Kind.CHIPS: _shown(lambda value: f"{show_number(value)} chips"),
    Kind.CHIP_TABLE: _chip_table,
    Kind.CHIP_TIME: _present(show_chip_time),
    Kind.CONDITION: _condition,
    Kind.EXEMPT_CAP: exempt_cap,
    Kind.FALSE_ALARM: _shown(show_share),
    Kind.FLOP: _shown(show_flop),
    Kind.FLOP_LIMIT: _present(show_flop),
    Kind.HEX: _hex,
    Kind.HOLDERS: _unwritten,
    Kind.LIARS: _liars,
    Kind.LONG_SPAN: _long_span,
    Kind.MILLI: _shown(lambda value: show_decimal(value, 1_000)),
    Kind.NAME: _name,
    Kind.NAMES: _names,
    Kind.NEED: _need,
    Kind.PEAKS: _peaks,
    Kind.PENDING: _unwritten,
    Kind.PERIOD: _period,
    Kind.POWER: _shown(show_power),
    Kind.RAMP: _ramp,
    Kind.RATE: _shown(show_rate),
    Kind.REPORTERS: _reporters,
    Kind.ROOT: _root,
    Kind.SEAT_COUNT: _unwritten,
    Kind.SECONDS: _shown(show_seconds),
    Kind.SHARE: _shown(show_share),
    Kind.SPAN: _span,
    Kind.STRING: _string,
    Kind.STRINGS: _strings,
    Kind.TIME: _shown(time_text),
    Kind.UNIT: _unit,
    Kind.WHOLE: _shown(show_number),
    Kind.WORD: _word,
    Kind.WORDS: _words,
}
OWN_WRITERS: Final[Mapping[tuple[str, str], Writer]] = {
    ("level", "ramp_end"): _ramp_end,
    ("indicator", "confirmations"): _confirmations,
}
"""Keys that are not written like others of their kind."""
