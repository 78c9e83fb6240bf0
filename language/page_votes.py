"""Who must say yes, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from language.page_words import ROLE_WORDS, counted, listed, number, span

if TYPE_CHECKING:
    from standstill.v1 import agreement_pb2 as pb


def rule_words(terms: pb.Agreement, name: str) -> str:
    """A rule as part of a sentence: `2 of alpha, beta and gamma, and 1 of the 2 seats science`."""
    rule = next((one for one in terms.rules if one.name == name), None)
    if rule is None:
        return f"the vote {name}"
    if rule.HasField("need"):
        return need_words(terms, rule.need)
    return f"{rule.yes} of {listed(rule.voters)}"


def need_words(terms: pb.Agreement, need: pb.Need) -> str:
    """What a rule needs."""
    kind = need.WhichOneof("need")
    if kind == "count":
        return _count(terms, need.count)
    if kind == "weighted":
        return _weighted(need.weighted)
    if kind is None:
        return "nobody"
    parts = [need_words(terms, part) for part in getattr(need, kind).of]
    return listed(parts) if kind == "all" else f"either {listed(parts, 'or')}"


def rule_sentence(terms: pb.Agreement, rule: pb.Rule) -> str:
    """A rule with its clocks."""
    recused = " Who the motion is about has no vote; what is needed stays the same." if rule.recuse_subject else ""
    lasting = span(terms, rule.ballot_life_periods)
    return f"{rule.name}: {rule_words(terms, rule.name)}. A ballot counts for {lasting}.{recused}"


def _count(terms: pb.Agreement, count: pb.Need.Count) -> str:
    if count.role:
        return f"{count.k} of the {ROLE_WORDS.get(count.role, 'partie')}s"
    if count.seats:
        return f"{count.k} of the {_seats(terms, count.seats)}"
    if len(count.voters) == 1:
        return count.voters[0]
    return f"{count.k} of {listed(count.voters)}"


def _seats(terms: pb.Agreement, name: str) -> str:
    groups = (group for party in terms.parties for group in party.seats)
    total = next((len(group.seats) for group in groups if group.name == name), 0)
    return f"{counted(total, 'seat')} {name}" if total else f"seats {name}"


def _weighted(need: pb.Need.Weighted) -> str:
    weights = listed(f"{one.voter} with {number(one.weight)}" for one in need.of)
    ceiling = f", nobody counted for more than {number(need.ceiling)}" if need.ceiling else ""
    return f"a weight of {number(need.at_least)} ({weights}{ceiling})"
