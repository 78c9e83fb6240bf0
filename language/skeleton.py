"""An agreement to begin from for parties of one's own: every key that such terms need, each with what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from language.keys import KEYS
from language.layout import fmt
from language.words import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NEEDED: Final = ("lab", "verifier")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A party that will take part.

    Attributes:
        name: in the agreement.
        role: word of the language.
        owner: control group.
    """

    name: str
    role: str
    owner: str


def lacking(parties: Sequence[Newcomer]) -> list[str]:
    """What keeps parties from making an agreement: roles that nobody has, words that are no roles."""
    roles = {party.role for party in parties}
    unknown = [f"{role or 'nothing'} is no role; known are {', '.join(ROLES)}" for role in sorted(roles - set(ROLES))]
    return unknown + [f"nobody is {role}" for role in _NEEDED if role not in roles]


def skeleton(name: str, start: str, parties: Sequence[Newcomer]) -> str:
    """The text of an agreement among parties, in the one layout.

    Args:
        name: of the agreement.
        start: of period 0, as the language writes it: `2027-01-03T00:00Z`.
        parties: with at least one lab and one verifier (:func:`lacking`), names distinct.
    """
    return fmt("\n".join(_lines(name, start, parties)))


def _lines(name: str, start: str, parties: Sequence[Newcomer]) -> Iterator[str]:
    labs = [party.name for party in parties if party.role == "lab"]
    owners = {party.owner for party in parties if party.role == "verifier"}
    yield "# A beginning: read every line, change what is not meant, and say with cite where each clause comes from."
    yield f'agreement "{name}" {{'
    yield from _keys("agreement", language="1", start=start, period="1 h", founding=_list(p.name for p in parties))
    yield from _keys("agreement", baseline="90 d")
    for party in parties:
        # Of a council only its seats vote.
        seats = "seats members { count = 3 keys = pending } " if party.role == "council" else ""
        yield f'party {party.name} {{ role = {party.role} owner = "{party.owner}" keys = pending {seats}}}'
    yield from _measured(parties)
    yield from _pause(parties, labs)
    yield "rule call_pause {"
    yield from _keys("rule", yes=f"{len(labs) // 2 + 1} of {_list(labs)}", open="72 h")
    yield "} rule lift_pause {"
    yield from _keys("rule", yes=f"{len(labs)} of {_list(labs)}", open="10 d")
    yield "} standing {"
    yield from _keys("standing", breached="2", of_last="3", release_notice="48 h", back_after="24 h", settle="4 h")
    yield "} membership {"
    yield from _keys("membership", withdrawal_notice="6 months")
    yield "} verification {"
    yield from _keys("verification", significant_quantity="1e24 FLOP", window="30 d", false_alarm="5 % per 90 d")
    # Three times as many and one more survive each liar.
    yield from _keys("verification", dishonest_verifiers=str((len(owners) - 1) // 3), required=_evidence(parties))
    yield "} }"


def _measured(parties: Sequence[Newcomer]) -> Iterator[str]:
    evaluators = [party.name for party in parties if party.role == "evaluator"]
    if evaluators:
        yield "indicator task_horizon {"
        means = '"length of software task, in human working time, done with 50 % success"'
        yield from _keys("indicator", means=means, unit="min", reported_by=_list(evaluators), max_age="90 d")
        yield "}"


def _pause(parties: Sequence[Newcomer], labs: Sequence[str]) -> Iterator[str]:
    measured = any(party.role == "evaluator" for party in parties)
    yield "level pause {"
    yield from _keys("level", binds="by_pledge", called_by="call_pause")
    yield from _keys("level", trigger="task_horizon of any lab >= 40 h" if measured else "always")
    yield from _keys("level", resume="all bound keep pause for 30 d", lifted_by="lift_pause")
    yield from _keys("level", allow="[inference, eval, safety, maintenance, idle, off]", wind_down="24 h")
    yield from _keys("level", ramp="[25 % after 0 d, 100 % after 21 d]", sunset="12 months")
    yield "brake {"
    # Whoever brakes in turn must not be able to hold everybody for ever.
    waits = 6 * len({party.owner for party in parties if party.role in _NEEDED})
    yield from _keys("brake", by="[lab, verifier]", lasts="72 h", ratified_by="call_pause")
    yield from _keys("brake", rest=f"{max(30, waits)} d", longest="9 d")
    yield "} }"


def _evidence(parties: Sequence[Newcomer]) -> str:
    roles = {party.role for party in parties}
    sources = [word for role, word in (("meter", "meter"), ("supplier", "shipments")) if role in roles]
    return _list(["attestation", "energy", *sources, "halt"])


def _keys(block: str, **values: str) -> Iterator[str]:
    """Keys of a block, each with its explanation from the key table."""
    for key, value in values.items():
        yield f"{key} = {value} # {KEYS[block, key].help}"


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"
