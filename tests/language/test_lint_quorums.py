"""Findings on quorums and decision rules: each has a twin without it."""

from __future__ import annotations

import pytest

from language.lint.view import View
from language.lint.votes import Poll
from language.problem import Severity
from standstill.v1 import agreement_pb2 as pb
from tests.language.lint_terms import found, only, with_rule
from tests.terms import LABS, party, terms


def count(k: int, *voters: str, role: pb.Role.ValueType = pb.ROLE_UNSPECIFIED, seats: str = "") -> pb.Need:
    return pb.Need(count=pb.Need.Count(k=k, voters=voters, role=role, seats=seats))


def both(*needs: pb.Need) -> pb.Need:
    return pb.Need(all=pb.Need.Several(of=needs))


def either(*needs: pb.Need) -> pb.Need:
    return pb.Need(any=pb.Need.Several(of=needs))


def weighed(least: int, ceiling: int = 0, **weights: int) -> pb.Need:
    of = [pb.VoterWeight(voter=name, weight=weight) for name, weight in weights.items()]
    return pb.Need(weighted=pb.Need.Weighted(of=of, at_least=least, ceiling=ceiling))


def rule(need: pb.Need, name: str = "special", *, recused: bool = False) -> pb.Rule:
    return pb.Rule(name=name, need=need, ballot_life_periods=6, recuse_subject=recused)


def board(**owners: str) -> pb.Party:
    """A council with seats of one class."""
    seats = [pb.Seat(name=name, owner=owner) for name, owner in owners.items()]
    made = party("board", pb.ROLE_COUNCIL)
    made.seats.append(pb.SeatClass(name="public", seats=seats))
    return made


# Operators n, liars f declared, quorum q = floor((n + f) / 2) + 1; liars survived are 2q - n - 1 (annex 2).
@pytest.mark.parametrize(
    ("operators", "lying", "told"),
    [
        (1, 0, True),
        (2, 0, False),
        (3, 0, True),
        (3, 1, False),
        (4, 0, False),
        (4, 1, False),
        (5, 0, True),
        (5, 1, False),
        (6, 0, False),
        (7, 0, True),
        (7, 2, False),
    ],
)
def test_a_quorum_that_one_liar_splits_is_told(operators: int, lying: int, told: bool) -> None:
    agreement = terms(operators, lying_verifiers=lying)
    quorum = (operators + lying) // 2 + 1
    assert (2 * quorum - operators - 1 < 1) is told
    assert bool(found(agreement, "split-quorum")) is told


def test_a_split_quorum_says_what_to_write() -> None:
    finding = only(terms(3), "split-quorum")
    assert finding.text == "2 of 3 verifiers agree: 1 liar splits the record"
    assert finding.remedy == "four independent verifiers are the least"
    assert only(terms(5), "split-quorum").remedy == "write dishonest_verifiers = 1"
    assert only(terms(1), "split-quorum").text.startswith("one verifier alone is believed")


def test_verifiers_that_must_all_be_up_are_told() -> None:
    assert [one.path for one in found(terms(2), "absence-quorum")] == ["lying_verifiers"]
    assert not found(terms(4), "absence-quorum")


def test_a_voter_without_whom_nothing_is_carried_is_told() -> None:
    needs_alpha = rule(both(count(1, "alpha"), count(2, *LABS)))
    finding = only(with_rule(needs_alpha), "absence-quorum")
    assert finding.text == "nothing is carried without alpha group: the absence of one is a veto"
    assert finding.severity is Severity.NOTE
    assert not found(with_rule(rule(count(2, *LABS))), "absence-quorum")


def test_verifiers_of_one_owner_are_told() -> None:
    agreement = terms(4)
    assert not found(agreement, "operators-related")
    for one in agreement.parties:
        if one.name in {"vera", "vito"}:
            one.owner = "one university"
    assert only(agreement, "operators-related").text == "verifiers vera and vito have one owner and count once"


def test_a_verifier_of_a_labs_group_is_told() -> None:
    agreement = terms(4)
    next(one for one in agreement.parties if one.name == "vera").owner = "alpha group"
    assert only(agreement, "operators-related").text == "verifier vera belongs to alpha group, as alpha does"


@pytest.mark.parametrize(
    ("need", "told"),
    {
        "more than there are": (count(4, *LABS), True),
        "all": (count(3, *LABS), False),
        "too heavy": (weighed(9, alpha=4, beta=4), True),
        "not too heavy": (weighed(8, alpha=4, beta=4), False),
        "too heavy under a ceiling": (weighed(8, 3, alpha=4, beta=4), True),
        "a role": (count(4, role=pb.ROLE_VERIFIER), False),
        "a role with too few": (count(5, role=pb.ROLE_VERIFIER), True),
        "one of two": (either(count(9, "alpha"), count(1, "beta")), False),
        "both of two": (both(count(9, "alpha"), count(1, "beta")), True),
    }.values(),
    ids=str,
)
def test_a_rule_that_cannot_be_carried_is_an_error(need: pb.Need, told: bool) -> None:
    assert bool(found(with_rule(rule(need)), "quorum-cannot-be-met")) is told


def test_seats_count_by_owner() -> None:
    agreement = with_rule(rule(count(3, seats="public")))
    agreement.parties.append(board(one="a", two="b", three="c"))
    assert not found(agreement, "quorum-cannot-be-met")
    agreement.parties[-1].CopyFrom(board(one="a", two="b", three="b"))
    assert only(agreement, "quorum-cannot-be-met").path == "rules.special.need"


def test_a_rule_that_fails_once_its_subject_has_no_vote_is_an_error() -> None:
    texts = [one.text for one in found(with_rule(rule(count(3, *LABS), recused=True)), "quorum-cannot-be-met")]
    assert len(texts) == 3
    assert "the motion is about alpha group" in texts[0]
    assert not found(with_rule(rule(count(2, *LABS), recused=True)), "quorum-cannot-be-met")


def test_a_minority_that_relaxes_is_told() -> None:
    four = [*LABS, "gridco"]
    finding = only(with_rule(rule(count(2, *four)), lifting=True), "minority-relaxes")
    assert finding.path == "levels.pause.lifted_by"
    assert "takes 2 of 4 control groups" in finding.text
    assert not found(with_rule(rule(count(3, *four)), lifting=True), "minority-relaxes")
    assert not found(with_rule(rule(count(2, *four))), "minority-relaxes")


def test_a_minority_that_amends_is_told() -> None:
    few = rule(count(1, "alpha", "beta"), "amending")
    assert only(with_rule(few, amended_by="amending"), "minority-relaxes").path == "amended_by"


def test_one_group_that_decides_alone_is_told() -> None:
    assert only(with_rule(rule(weighed(5, alpha=5, beta=1))), "one-decides").text.startswith("alpha group can")
    assert not found(with_rule(rule(weighed(6, alpha=5, beta=1))), "one-decides")


def test_a_lift_that_takes_less_than_the_call_is_noted() -> None:
    assert only(with_rule(rule(count(3, *LABS))), "lift-easier-than-call").path == "levels.pause.lifted_by"
    assert not found(with_rule(rule(count(3, *LABS)), lifting=True), "lift-easier-than-call")


def test_a_poll_finds_the_least_coalition() -> None:
    view = View(terms(4))
    assert Poll(view, rule(both(count(2, *LABS), count(3, role=pb.ROLE_VERIFIER)))).least() == 5
    assert Poll(view, rule(either(count(2, *LABS), count(1, "vera")))).least() == 1
    assert Poll(view, rule(count(9, *LABS))).least() is None


def test_a_call_that_fails_once_two_labs_have_no_vote_is_told() -> None:
    recusing = rule(count(2, *LABS), recused=True)
    finding = only(with_rule(recusing), "recusal-lock")
    assert (finding.path, finding.severity) == ("levels.pause.called_by", Severity.WARNING)
    assert "once alpha group and beta group meet the trigger or are accused" in finding.text
    assert finding.also == ("rules.special.need",)
    outside = rule(either(count(2, *LABS), count(1, "evalco")), recused=True)
    assert not found(with_rule(outside), "recusal-lock")
    assert not found(with_rule(rule(count(2, *LABS))), "recusal-lock")


def test_a_lift_that_fails_once_two_labs_have_no_vote_is_noted() -> None:
    finding = only(with_rule(rule(count(2, *LABS), recused=True), lifting=True), "recusal-lock")
    assert (finding.path, finding.severity) == ("levels.pause.lifted_by", Severity.NOTE)


def test_a_vote_on_a_lab_that_needs_its_own_vote_is_told() -> None:
    """Nobody votes on holding or releasing its own lab, whatever the rule says."""
    agreement = with_rule(rule(count(3, *LABS)))
    agreement.standing.hold_rule = "special"
    finding = only(agreement, "recusal-lock")
    assert finding.path == "standing.hold_rule"
    assert "is not carried when it is about alpha group" in finding.text
    agreement.rules[-1].CopyFrom(rule(count(2, *LABS)))
    assert not found(agreement, "recusal-lock")
