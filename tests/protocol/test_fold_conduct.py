"""The fold: verdicts settle, and what they do to those who break their duty and to those who rely on them."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.agreement import Agreement
from protocol.conduct import BREACHED, DISCREPANT, HONORED, INCONCLUSIVE, Freshness
from protocol.duty import silence
from protocol.state import Stage, Standing
from standstill.v1 import agreement_pb2, decision_pb2, header_pb2
from tests.builders import (
    LABS,
    PAUSE,
    VERIFIERS,
    World,
    agreement,
    attestation,
    ballot,
    change,
    clause,
    indicator_report,
    keeps,
    level,
    misbehavior,
    pledge,
    restrictive,
    terms,
)

CALL = decision_pb2.MOTION_CALL
YES, UNSURE, ODD, BROKEN = (
    header_pb2.VERDICT_HONORED,
    header_pb2.VERDICT_INCONCLUSIVE,
    header_pb2.VERDICT_DISCREPANT,
    header_pb2.VERDICT_BREACHED,
)
FOUR = agreement(4, lying_verifiers=1)


def _attest(world: World, period: int, labs: tuple[str, ...] = LABS) -> None:
    for lab in labs:
        world[lab].say(attestation(world.agreement, period))


def _settled(said: dict[str, Any], terms_: Agreement = FOUR) -> str:
    """M of alpha for period 2, from what each verifier says of it."""
    world = World(terms_).found()
    for period in (1, 2, 3):
        world.close(period)
        _attest(world, period)
    for name, verdict in said.items():
        world.assess("alpha", 2, verdict, [name])
    world.close(4)
    (found,) = world.state.conduct["alpha"].settled
    return found


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([YES, YES, YES, YES], HONORED),
        ([YES, YES, YES, BROKEN], HONORED),
        ([YES, YES, YES], HONORED),
        ([YES, YES], INCONCLUSIVE),
        ([YES, YES, ODD, BROKEN], DISCREPANT),
        ([BROKEN, BROKEN, ODD], DISCREPANT),
        ([BROKEN, BROKEN, BROKEN, YES], BREACHED),
        ([UNSURE] * 4, INCONCLUSIVE),
        ([], INCONCLUSIVE),
    ],
    ids=range(9),
)
def test_counts_what_the_verifiers_say_together(verdicts: list[Any], expected: str) -> None:
    assert _settled(dict(zip(VERIFIERS, verdicts, strict=False))) == expected


def test_counts_a_group_of_verifiers_once_whoever_of_it_speaks() -> None:
    made = terms(5, lying_verifiers=1)
    made.parties[-1].owner = made.parties[-2].owner
    grouped = agreement(parties=list(made.parties), founding=list(made.founding), lying_verifiers=1)
    assert grouped.quorum == 3
    verifiers = VERIFIERS[:5]
    assert _settled(dict.fromkeys(verifiers[:3], YES), grouped) == HONORED
    for silent in verifiers[3:]:
        said = {name: YES for name in (*verifiers[1:3], *verifiers[3:]) if name != silent}
        assert _settled(said, grouped) == HONORED
    # Two of one group are not two.
    assert _settled(dict.fromkeys((verifiers[0], *verifiers[3:]), YES), grouped) == INCONCLUSIVE


def test_does_not_count_a_verifier_of_the_labs_own_group() -> None:
    made = terms(4, lying_verifiers=1)
    made.parties[0].owner = made.parties[-1].owner
    own = agreement(parties=list(made.parties), founding=list(made.founding), lying_verifiers=1)
    assert _settled(dict.fromkeys(VERIFIERS[:3], YES), own) == HONORED
    assert _settled(dict.fromkeys(VERIFIERS[1:4], YES), own) == INCONCLUSIVE


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [((YES, 1), (BROKEN, 2), BREACHED), ((YES, 2), (BROKEN, 1), HONORED), ((YES, 1), (BROKEN, 1), INCONCLUSIVE)],
    ids=["newer breached", "newer honored", "one number"],
)
def test_counts_the_newest_revision_of_a_group(first: Any, second: Any, expected: str) -> None:
    made = terms(2)
    made.parties[-1].owner = made.parties[-2].owner
    world = World(agreement(parties=list(made.parties), founding=list(made.founding))).found()
    world.close_until(2)
    _attest(world, 2)
    world.close()
    for name, (verdict, revision) in zip(VERIFIERS, (first, second), strict=False):
        world.assess("alpha", 2, verdict, [name], revision)
    world.close()
    assert world.state.conduct["alpha"].settled == (expected,)


def _assessed_by_one() -> World:
    """A world of one verifier, about to close period 3 with an assessment of period 2 to come."""
    world = World().found()
    for period in (1, 2):
        world.close(period)
        _attest(world, period)
    return world


def test_counts_the_newest_revision() -> None:
    world = _assessed_by_one()
    world.close()
    for revision, verdict in ((1, BROKEN), (3, YES), (2, ODD)):
        world.assess("alpha", 2, verdict, revision=revision)
    world.close()
    assert world.state.conduct["alpha"].settled == (HONORED,)
    assert not world.state.parties["vera"].convicted


@pytest.mark.parametrize("apart", [False, True], ids=["one record", "two records"])
def test_two_texts_of_one_revision_void_each_other_and_convict(apart: bool) -> None:
    world = _assessed_by_one()
    if not apart:
        world.close()
    world.assess("alpha", 2, YES)
    if apart:
        world.close()
    world.assess("alpha", 2, BROKEN)
    world.close()
    assert world.state.parties["vera"].convicted
    assert world.state.conduct["alpha"].settled[0] == INCONCLUSIVE
    # A convicted verifier counts no more.
    world.assess("alpha", 4, YES)
    world.close_until(6)
    assert HONORED not in world.state.conduct["alpha"].settled


def test_settles_with_the_closing_that_the_agreement_says() -> None:
    assert terms().standing.settle_periods == 2
    world = _assessed_by_one()
    world.assess("alpha", 2, BROKEN)
    world.close()
    assert not world.state.conduct["alpha"].settled
    world.close()
    assert world.state.conduct["alpha"].settled == (BREACHED,)


def test_a_word_after_a_period_has_settled_acts_forward_only() -> None:
    world = _assessed_by_one()
    world.assess("alpha", 2, YES)
    world.close_until(4)
    before = world.state.conduct["alpha"]
    assert (before.settled, before.honored) == ((HONORED,), 1)
    world.assess("alpha", 2, BROKEN, revision=2)
    world.close()
    after = world.state.conduct["alpha"]
    assert after.settled == (BREACHED, INCONCLUSIVE)
    assert (after.newest, after.honored) == (INCONCLUSIVE, 0)


@pytest.mark.parametrize(("closing", "counts"), [(6, True), (7, False)])
def test_hears_of_a_settled_period_while_standing_looks_at_it(closing: int, counts: bool) -> None:
    assert terms().standing.of_last == 3
    world = _assessed_by_one()
    world.close_until(closing - 1)
    world.assess("alpha", 2, BROKEN)
    world.close()
    assert (BREACHED in world.state.conduct["alpha"].settled) is counts
    assert bool([place for place in world.state.verdicts if "|2|" in place]) is counts
    world.close_until(7)
    assert not [place for place in world.state.verdicts if "|2|" in place]


def test_keeps_no_verdict_of_periods_that_it_does_not_govern() -> None:
    world = World().found()
    world.close()
    world.assess("alpha", 0, BROKEN)
    world.close_until(6)
    assert world.state.verdicts == {}
    assert BREACHED not in world.state.conduct["alpha"].settled


def test_settles_periods_that_were_dark_with_the_next_closing() -> None:
    world = _assessed_by_one()
    world.assess("alpha", 2, BROKEN)
    for period in (3, 4):
        _attest(world, period)
    world.close(period=6)
    assert world.state.conduct["alpha"].settled == (BREACHED, INCONCLUSIVE, INCONCLUSIVE)


def _paused(*, back_after: int = 2) -> World:
    """A pause in force: alpha always keeps it, beta if alpha does, gamma by itself; all attest."""
    standing = change(terms().standing, back_after_periods=back_after)
    made = agreement(levels=[level("slowdown", 1), level("pause", PAUSE, mandate_periods=60)], standing=standing)
    world = World(made).found()
    world["alpha"].say(pledge(clause(PAUSE, restrictive(PAUSE))))
    world["beta"].say(pledge(clause(PAUSE, restrictive(PAUSE), keeps(PAUSE, "alpha"))))
    world["gamma"].say(pledge(clause(PAUSE, restrictive(PAUSE))))
    for lab in LABS:
        world[lab].say(indicator_report(lab, 5_000))
    world.close()
    world.vote(CALL)
    world.close()
    world.close()
    assert world.state.levels[PAUSE].stage is Stage.IN_FORCE
    return world


def _go_on(world: World, verdict: Any, lab: str = "alpha") -> None:
    """Close one period in which all attest the last one and the verifier says `verdict` on the lab before it."""
    period = world.state.period
    assert period is not None
    _attest(world, period)
    for one in LABS:
        world.assess(one, period - 1, verdict if one == lab else YES)
    world.close()


def _standing(world: World, lab: str = "alpha") -> Standing:
    return world.state.conduct[lab].standing


def _kept(world: World) -> list[int]:
    return [world.state.pledges[lab].kept for lab in LABS]


def test_own_breach_frees_nobody_but_those_who_relied_on_the_lab() -> None:
    world = _paused()
    seen = []
    for _ in range(7):
        _go_on(world, BROKEN)
        seen.append((_standing(world), _kept(world), world.state.pledges["alpha"].floor))
    accused = [standing for standing, _, _ in seen].index(Standing.ACCUSED)
    out = [standing for standing, _, _ in seen].index(Standing.OUT)
    # The accused is still relied on until the notice of three closed periods is over: nobody is released before.
    assert out - accused == 3
    assert all(kept == [PAUSE] * 3 for _, kept, _ in seen[:out])
    # Then beta's clause fails; alpha itself stays bound by its floor, gamma by its own word.
    assert seen[out] == (Standing.OUT, [PAUSE, 0, PAUSE], PAUSE)
    binds = world.state.levels[PAUSE].binds
    assert (binds["alpha"].until, binds["gamma"].until) == (None, None)


def test_a_lab_out_of_standing_cannot_free_itself_by_another_pledge() -> None:
    world = _paused()
    while _standing(world) is not Standing.OUT:
        _go_on(world, BROKEN)
    world["alpha"].say(pledge(clause(1, restrictive(1))))
    for _ in range(6):
        _go_on(world, BROKEN)
    assert world.state.pledges["alpha"].kept == PAUSE


def test_standing_returns_by_honored_periods_and_binds_again() -> None:
    world = _paused()
    while _standing(world) is not Standing.OUT:
        _go_on(world, BROKEN)
    steps = 0
    while _standing(world) is Standing.OUT:
        _go_on(world, YES)
        steps += 1
    assert steps == 2
    assert _standing(world) is Standing.RELIED
    assert _kept(world) == [PAUSE] * 3
    assert world.state.pledges["alpha"].floor == 0
    assert world.state.conduct["alpha"].losses == 1


def _revise(world: World, periods: tuple[int, ...]) -> None:
    """The verifier finds that alpha had honored these periods."""
    for period in periods:
        world.assess("alpha", period, YES, revision=2)


def test_findings_vacated_within_the_notice_change_nothing() -> None:
    world = _paused()
    while _standing(world) is not Standing.ACCUSED:
        _go_on(world, BROKEN)
    cause = world.state.conduct["alpha"].cause
    assert len(cause) == 2
    _revise(world, cause[:1])
    _go_on(world, YES)
    assert _standing(world) is Standing.RELIED
    for _ in range(5):
        _go_on(world, YES)
        assert _kept(world) == [PAUSE] * 3
    assert world.state.conduct["alpha"].losses == 0


def test_findings_vacated_later_give_standing_back_at_once_and_the_loss_is_not_counted() -> None:
    world = _paused(back_after=50)
    while _standing(world) is not Standing.OUT:
        _go_on(world, BROKEN)
    assert _kept(world) == [PAUSE, 0, PAUSE]
    # The breaches of the notice are vacated with those that accused it.
    _revise(world, tuple(range(world.state.conduct["alpha"].cause[0], (world.state.period or 0) - 1)))
    _go_on(world, YES)
    assert (_standing(world), world.state.conduct["alpha"].losses) == (Standing.RELIED, 0)
    # The greatest fixed point binds all again.
    assert _kept(world) == [PAUSE] * 3


def test_keeps_the_verdicts_that_accused_a_lab_for_as_long_as_it_is_out() -> None:
    world = _paused(back_after=50)
    while _standing(world) is not Standing.OUT:
        _go_on(world, BROKEN)
    cause = world.state.conduct["alpha"].cause
    for _ in range(6):
        _go_on(world, YES)
    assert {int(place.split("|")[1]) for place in world.state.verdicts if place.startswith("alpha")} >= set(cause)
    settled = (world.state.period or 0) - 2
    assert all(int(place.split("|")[1]) > settled - 3 for place in world.state.verdicts if place.startswith("beta"))


def test_silence_accuses_and_being_heard_clears() -> None:
    standing = change(terms().standing, silence_out_periods=3)
    world = World(agreement(standing=standing)).found()
    seen = []
    for period in range(1, 6):
        world.close()
        _attest(world, period, ("beta", "gamma"))
        seen.append(_standing(world))
    assert Standing.ACCUSED in seen
    assert _standing(world, "beta") is Standing.RELIED
    for period in range(2, 6):
        _attest(world, period, ("alpha",))
    world.close()
    assert _standing(world) is Standing.RELIED
    assert world.state.conduct["alpha"].accusations == 1


def test_a_conviction_is_at_best_discrepant() -> None:
    world = World().found()
    world.close_until(2)
    world["vera"].say(misbehavior(world.agreement, "alpha"))
    for period in range(2, 5):
        _attest(world, period)
        for lab in LABS:
            world.assess(lab, period - 1, YES)
        world.close()
    assert world.state.conduct["alpha"].newest == DISCREPANT
    assert world.state.conduct["beta"].newest == HONORED


def test_the_floor_ends_with_the_level() -> None:
    world = _paused(back_after=50)
    while _standing(world) is not Standing.OUT:
        _go_on(world, BROKEN)
    while world.state.levels[PAUSE].stage is not Stage.OPEN:
        assert world.state.pledges["alpha"].floor == PAUSE
        world.vote(decision_pb2.MOTION_LIFT)
        _go_on(world, BROKEN)
    assert world.state.pledges["alpha"].floor == 0
    assert _kept(world) == [0, 0, 0]


@pytest.mark.parametrize("verdict", [ODD, UNSURE])
def test_doubt_neither_accuses_nor_lifts(verdict: Any) -> None:
    world = _paused()
    for _ in range(8):
        _go_on(world, verdict)
    assert _standing(world) is Standing.RELIED
    assert world.state.conduct["alpha"].honored == 0


def test_knows_what_each_lab_has_attested_and_how_long_it_is_silent() -> None:
    world = World().found()
    world.close()
    world.close()
    found = []
    for period in range(2, 7):
        _attest(world, period, ("alpha", "beta") if period < 4 else ("alpha",))
        world.close()
        found.append([silence(world.agreement, world.state, lab) for lab in LABS])
    assert [row[0] for row in found] == [Freshness.FRESH] * 5
    assert [row[1] for row in found] == [
        Freshness.FRESH,
        Freshness.FRESH,
        Freshness.LATE,
        Freshness.STALE,
        Freshness.PRESUMED,
    ]
    assert [row[2] for row in found] == [
        Freshness.LATE,
        Freshness.STALE,
        Freshness.PRESUMED,
        Freshness.PRESUMED,
        Freshness.PRESUMED,
    ]
    # Supplied later it takes effect later: beta is heard again.
    for period in range(4, 8):
        _attest(world, period, ("beta",))
    world.close()
    assert silence(world.agreement, world.state, "beta") is Freshness.FRESH


def test_presumed_non_compliant_is_at_best_discrepant() -> None:
    world = World().found()
    world.close_until(2)
    for period in range(2, 7):
        _attest(world, period, ("alpha",))
        world.assess("alpha", period - 1, YES)
        world.assess("beta", period - 1, YES)
        world.close()
    assert world.state.conduct["alpha"].settled == (HONORED,) * 3
    assert world.state.conduct["beta"].settled[-1] == DISCREPANT


def test_an_outage_brands_nobody_that_could_not_be_heard() -> None:
    world = World().found()
    world.close_until(2)
    world.close(period=30)
    assert {silence(world.agreement, world.state, lab) for lab in LABS} == {Freshness.LATE}
    world.close()
    assert {silence(world.agreement, world.state, lab) for lab in LABS} == {Freshness.STALE}


def test_lets_reports_and_ballots_live_closed_periods() -> None:
    world = World().found()
    for lab in LABS:
        world[lab].say(pledge())
        world[lab].say(indicator_report(lab, 5_000))
    world.vote(CALL, ["alpha"])
    world.close()
    world.vote(CALL, ["beta"])
    world.close(period=40)
    assert world.state.levels[PAUSE].stage is Stage.WINDING


HOLD, RELEASE = decision_pb2.MOTION_HOLD, decision_pb2.MOTION_RELEASE


def _accused(**changes: Any) -> World:
    """Alpha accused, with a rule to hold it and to release those who rely on it."""
    standing = change(terms().standing, hold_rule="council", release_rule="council", **changes)
    world = World(agreement(standing=standing)).found()
    world.close_until(2)
    while _standing(world) is not Standing.ACCUSED:
        _go_on(world, BROKEN)
    return world


def _vote_on_alpha(world: World, motion: Any, voters: tuple[str, ...], accusation: int = 1) -> None:
    for voter in voters:
        world[voter].say(ballot(motion, 0, accusation, about="alpha"))


def test_a_hold_recorded_with_the_end_of_the_notice_is_in_time() -> None:
    world = _accused()
    for _ in range(2):
        _go_on(world, YES)
    _vote_on_alpha(world, HOLD, ("beta", "gamma"))
    _go_on(world, YES)
    assert (_standing(world), world.state.conduct["alpha"].losses) == (Standing.RELIED, 0)
    late = _accused()
    for _ in range(3):
        _go_on(late, YES)
    assert _standing(late) is Standing.OUT


def test_the_accused_group_has_no_vote_on_itself() -> None:
    world = _accused()
    _vote_on_alpha(world, HOLD, ("alpha", "beta"))
    for _ in range(3):
        _go_on(world, YES)
    assert _standing(world) is Standing.OUT


def test_a_hold_of_one_accusation_does_not_hold_the_next() -> None:
    world = _accused()
    _vote_on_alpha(world, HOLD, ("beta", "gamma"))
    _go_on(world, BROKEN)
    assert _standing(world) is Standing.RELIED
    while _standing(world) is not Standing.ACCUSED:
        _go_on(world, BROKEN)
    assert world.state.conduct["alpha"].accusations == 2
    for _ in range(3):
        _go_on(world, YES)
    assert _standing(world) is Standing.OUT


@pytest.mark.parametrize("voters", [("beta", "gamma"), ("beta",)], ids=["carried", "not carried"])
def test_where_agreed_only_a_vote_releases(voters: tuple[str, ...]) -> None:
    world = _accused(release=agreement_pb2.RELEASE_ON_VOTE)
    for _ in range(6):
        _go_on(world, YES)
    assert _standing(world) is Standing.ACCUSED
    _vote_on_alpha(world, RELEASE, voters)
    _go_on(world, YES)
    assert _standing(world) is (Standing.OUT if len(voters) > 1 else Standing.ACCUSED)
