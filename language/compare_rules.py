"""Which of two decision rules takes more, and whether that is stricter: it depends on what the rule is used for.

A call that takes more votes comes later: looser. A lift that takes more comes later, too: stricter. A rule that does
both, or that holds labs together, is neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from language.direction import Direction
from language.lint.view import View
from language.lint.votes import Poll
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from language.direction import Side
    from language.keys import Key

RESTRICTING: Final = frozenset({"called_by", "armed_by", "renewed_by", "ratified_by"})
"""Fields that name a rule by which terms come to bind, or go on to."""
RELAXING: Final = frozenset({"lifted_by", "exempted_by", "amended_by", "release_rule"})
"""Fields that name a rule by which they cease to, or by which anything may be changed."""


def compare_rules(key: Key, old: Side, new: Side) -> Direction:
    """Direction of a change of a key within a rule, by all that the rule is used for in either terms."""
    (before, earlier), (after, later) = old, new
    if not isinstance(before, pb.Rule) or not isinstance(after, pb.Rule):
        return Direction.OTHER
    more: int | None
    if key.field == "ballot_life_periods":
        more = _more(_seconds(after, later), _seconds(before, earlier))
    elif key.field == "recuse_subject":
        more = _more(before.recuse_subject, after.recuse_subject)
    else:
        more = _needs_more((before, earlier), (after, later))
    return _direction(more, {*_uses(earlier, before.name), *_uses(later, after.name)})


def compare_uses(key: Key, old: Side, new: Side) -> Direction:
    """Direction of a change of the rule that a key names; no rule where a level is called is a call by itself."""
    before, after = _named(key, old), _named(key, new)
    if before is None or after is None:
        return _direction(_more(before is not None, after is not None), {key.field} & {"called_by"})
    found = {
        _needs_more((before, old[1]), (after, new[1])),
        _more(_seconds(after, new[1]), _seconds(before, old[1])),
        _more(before.recuse_subject, after.recuse_subject),
    }
    changes = found - {0}
    return _direction(changes.pop() if len(changes) == 1 else None, {key.field})


def _named(key: Key, side: Side) -> pb.Rule | None:
    message, terms = side
    return next((rule for rule in terms.rules if rule.name == getattr(message, key.field)), None)


def _direction(more: int | None, uses: Iterable[str]) -> Direction:
    """What more votes (1), fewer (-1), or what cannot be told (None) means for some uses."""
    fields = frozenset(uses)
    if not more or not fields or not (fields <= RESTRICTING or fields <= RELAXING):
        return Direction.OTHER
    return Direction.STRICTER if (more > 0) == (fields <= RELAXING) else Direction.LOOSER


def _uses(terms: pb.Agreement, name: str) -> Iterable[str]:
    return (path.rpartition(".")[2] for rule, path, _ in View(terms).rule_uses() if rule == name)


def _needs_more(old: tuple[pb.Rule, pb.Agreement], new: tuple[pb.Rule, pb.Agreement]) -> int | None:
    """1 if some voters carry the old rule and not the new one, and none the other way round; -1 if turned, 0 if alike.

    None if each is carried where the other is not, if who votes has changed, or if there are too many to look at.
    """
    if _electorate(old[1]) != _electorate(new[1]):
        return None
    poll = Poll(View(new[1]), old[0], new[0])
    every = poll.votes()
    if every is None:
        return None
    outcomes = {(poll.carried(votes, 0), poll.carried(votes, 1)) for votes in every}
    lost, gained = (True, False) in outcomes, (False, True) in outcomes
    return None if lost and gained else lost - gained


def _electorate(terms: pb.Agreement) -> list[tuple[str, str, list[int], list[str]]]:
    """Whoever could have a vote, as far as rules count them."""
    return sorted((party.name, party.owner, sorted(party.roles), list(_seats(party))) for party in terms.parties)


def _seats(party: pb.Party) -> Iterable[str]:
    for group in party.seats:
        yield from (f"{group.name}/{seat.name}/{seat.owner}/{seat.held_by}" for seat in group.seats)


def _seconds(rule: pb.Rule, terms: pb.Agreement) -> int:
    return rule.ballot_life_periods * terms.period_seconds


def _more(old: int, new: int) -> int:
    return (new > old) - (new < old)
