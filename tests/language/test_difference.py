"""What changes between two agreements, and which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from language.compare import compare
from language.difference import Change, differences
from language.direction import Direction
from language.keys import BLOCKS, KEYS, Kind, Stricter
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2
from standstill.v1 import quantity_pb2 as q
from tests.language.lint_terms import joined, with_level
from tests.terms import LABS, PAUSE, SLOWDOWN, change, elapsed, keeps, reading, terms

if TYPE_CHECKING:
    from google.protobuf.message import Message

STRICTER, LOOSER, OTHER = Direction.STRICTER, Direction.LOOSER, Direction.OTHER


def only(old: pb.Agreement, new: pb.Agreement) -> Change:
    [found] = differences(old, new)
    return found


def altered(path: str, value: Any) -> pb.Agreement:
    """The terms of tests with one field set."""
    made = terms()
    *steps, last = path.split(".")
    message: Any = made
    for step in steps:
        message = message[int(step)] if step.isdigit() else getattr(message, step)
    if isinstance(value, list):
        message.ClearField(last)
        getattr(message, last).extend(value)
    else:
        setattr(message, last, value)
    return made


def test_the_same_terms_do_not_differ() -> None:
    assert differences(terms(), terms()) == []


# Field, a looser value and a stricter one, clause and key.
NUMBERS = {
    "freshness.stale_periods": (9, 3, "", "stale"),
    "pledge_notice_periods": (1, 9, "", "pledge_notice"),
    "indicators.0.reports": (1, 2, "indicator horizon", "reports"),
    "indicators.0.max_age_periods": (9, 3, "indicator horizon", "max_age"),
    "levels.1.wind_down_periods": (4, 0, "level pause", "wind_down"),
    "levels.1.mandate_periods": (9, 20, "level pause", "sunset"),
    "levels.1.steady_steps": (1, 9, "level pause", "steady"),
    "levels.1.ramp_periods": (1, 9, "level pause", "ramp"),
    "levels.1.seal_periods": (9, 2, "level pause", "seal_checkpoints"),
    "standing.breached": (2, 1, "standing", "breached"),
    "standing.silence_out_periods": (9, 2, "standing", "silence_out"),
    "withdrawal_notice_periods": (1, 9, "membership", "withdrawal_notice"),
    "lying_verifiers": (0, 1, "verification", "dishonest_verifiers"),
    "verification.significant_quantity_teraflop": (10**12, 10**6, "verification", "significant_quantity"),
    "verification.challenge_answer_periods": (9, 2, "verification", "challenge_answer"),
    "verification.inspection_notice_periods": (9, 0, "verification", "inspection_notice"),
}


@pytest.mark.parametrize(("path", "row"), NUMBERS.items(), ids=list(NUMBERS))
def test_a_number_that_moves_the_strict_way_is_stricter(path: str, row: tuple[int, int, str, str]) -> None:
    loose, strict, clause, key = row
    found = only(altered(path, loose), altered(path, strict))
    assert (found.clause, found.key, found.direction) == (clause, key, STRICTER)
    assert found.old != found.new
    assert only(altered(path, strict), altered(path, loose)).direction is LOOSER


def test_a_limit_that_is_dropped_is_looser() -> None:
    found = only(altered("verification.challenge_answer_periods", 9), terms())
    assert (found.key, found.new, found.direction) == ("challenge_answer", "", LOOSER)


LISTS: dict[str, tuple[list[Any], list[Any], str]] = {
    "founding": ([*LABS], [*LABS, "vera"], "founding"),
    "indicators.0.reported_by": ([*LABS, "vera"], ["vera"], "reported_by"),
    "levels.1.allowed": ([q.LABEL_OFF, q.LABEL_EVAL], [q.LABEL_OFF], "allow"),
    "verification.required": ([1], [1, 3], "required"),
}


@pytest.mark.parametrize(("path", "row"), LISTS.items(), ids=list(LISTS))
def test_a_list_that_moves_the_strict_way_is_stricter(path: str, row: tuple[list[Any], list[Any], str]) -> None:
    loose, strict, key = row
    found = only(altered(path, loose), altered(path, strict))
    assert (found.key, found.direction) == (key, STRICTER)
    assert only(altered(path, strict), altered(path, loose)).direction is LOOSER


def test_a_list_with_other_items_is_neither() -> None:
    assert only(altered("founding", ["alpha"]), altered("founding", ["beta"])).direction is OTHER


CONDITIONS = {
    "a trigger that is met sooner": ("trigger", reading(50), reading(40)),
    "a trigger with another way": ("trigger", reading(50), joined("any", reading(50), reading(9, indicator="uplift"))),
    "a resume that waits longer": ("resume", elapsed(PAUSE, 2), elapsed(PAUSE, 3)),
    "a resume that asks more": ("resume", elapsed(PAUSE, 2), joined("all", elapsed(PAUSE, 2), reading(9, below=True))),
    "an entry that fewer meet": ("entry", keeps(PAUSE, *LABS, k=2), keeps(PAUSE, *LABS, k=1)),
}


@pytest.mark.parametrize(("key", "loose", "strict"), CONDITIONS.values(), ids=list(CONDITIONS))
def test_conditions_are_compared_by_what_they_mean(
    key: str, loose: condition_pb2.Condition, strict: condition_pb2.Condition
) -> None:
    changes: list[dict[str, Any]] = [{key: loose}, {key: strict}]
    old, new = (with_level(PAUSE, **one) for one in changes)
    assert [(one.key, one.direction) for one in differences(old, new)] == [(key, STRICTER)]
    assert [(one.key, one.direction) for one in differences(new, old)] == [(key, LOOSER)]


def test_conditions_that_mean_the_same_or_differ_are_neither() -> None:
    two = joined("any", reading(50), reading(60))
    assert only(with_level(PAUSE, trigger=reading(50)), with_level(PAUSE, trigger=two)).direction is OTHER
    other = reading(9, indicator="uplift")
    assert only(with_level(PAUSE, trigger=reading(50)), with_level(PAUSE, trigger=other)).direction is OTHER


def test_an_entry_rule_that_falls_away_is_stricter() -> None:
    found = only(with_level(PAUSE, entry=keeps(PAUSE, "alpha")), with_level(PAUSE))
    assert (found.key, found.new, found.direction) == ("entry", "", STRICTER)


def test_a_return_that_is_slower_at_every_moment_is_stricter() -> None:
    def returning(*steps: tuple[int, int]) -> pb.Agreement:
        ramp = [pb.RampStep(after_periods=after, share_ppm=share) for after, share in steps]
        return with_level(PAUSE, ramp=ramp, ramp_periods=steps[-1][0])

    quick, slow = returning((0, 500_000), (4, 1_000_000)), returning((0, 250_000), (4, 1_000_000))
    assert only(quick, slow).direction is STRICTER
    assert only(slow, quick).direction is LOOSER
    assert [one.direction for one in differences(quick, returning((0, 250_000), (3, 1_000_000)))] == [OTHER]


def capped(**changes: Any) -> pb.Agreement:
    made = terms()
    cap = made.levels[SLOWDOWN - 1].caps[0]
    cap.CopyFrom(change(cap, **changes))
    return made


@pytest.mark.parametrize(
    "changes",
    [{"teraflop": 10**8}, {"window_periods": 9}, {"chip_seconds": 10**8}],
    ids=["less", "longer", "less time"],
)
def test_a_cap_that_admits_less_is_stricter(changes: dict[str, int]) -> None:
    found = only(terms(), capped(**changes))
    assert (found.clause, found.key, found.direction) == ("level slowdown.caps", "training", STRICTER)
    assert only(capped(**changes), terms()).direction is LOOSER


def test_a_cap_that_admits_less_and_more_is_neither() -> None:
    assert only(terms(), capped(teraflop=10**8, window_periods=2)).direction is OTHER


def test_a_cap_that_comes_or_goes_is_told() -> None:
    without = with_level(SLOWDOWN, caps=[], verifiers=1)
    assert only(terms(), without).direction is LOOSER
    assert only(without, terms()).direction is STRICTER


def added(level: str, part: Message) -> pb.Agreement:
    made = terms()
    target: Any = next(one for one in made.levels if one.name == level)
    if isinstance(part, pb.Exemption):
        target.exemptions.append(part)
    else:
        target.brake.CopyFrom(part)
    return made


def test_a_brake_is_stricter_and_an_exemption_looser() -> None:
    brake = pb.BrakeTerms(roles=[pb.ROLE_LAB], window_periods=9, cap_periods=20, rest_periods=99, ratified_by="council")
    found = only(terms(), added("pause", brake))
    assert (found.clause, found.key, found.direction) == ("level pause.brake", "", STRICTER)
    exempt = pb.Exemption(name="evals", labels=[q.LABEL_EVAL])
    found = only(terms(), added("pause", exempt))
    assert (found.clause, found.direction) == ("level pause.exempt evals", LOOSER)
    assert only(added("pause", exempt), terms()).direction is STRICTER


def test_an_exemption_with_a_smaller_cap_is_stricter() -> None:
    def exempt(teraflop: int) -> pb.Agreement:
        cap = pb.Cap(name="evals", labels=[q.LABEL_EVAL], teraflop=teraflop, window_periods=9)
        return added("pause", pb.Exemption(name="evals", labels=[q.LABEL_EVAL], cap=cap))

    found = only(exempt(10**9), exempt(10**8))
    assert (found.clause, found.key, found.direction) == ("level pause.exempt evals", "cap", STRICTER)


def test_a_party_or_rule_that_comes_is_neither() -> None:
    more = terms()
    more.rules.add(name="spare", yes=2, voters=LABS, ballot_life_periods=6)
    text = "rule spare { yes = 2   voters = [alpha, beta, gamma]   open = 6 h }"
    assert only(terms(), more) == Change("rule spare", "", "", text, OTHER)
    assert only(more, terms()) == Change("rule spare", "", text, "", OTHER)


def test_a_source_is_told_beside_its_clause_and_not_when_the_clause_is_new() -> None:
    old, new = terms(pledge_notice_periods=1), terms(pledge_notice_periods=2)
    new.rules.add(name="spare", yes=2, voters=LABS, ballot_life_periods=6)
    for clause in ("rule spare", "level pause", ""):
        new.citations.add(clause=clause, source="there")
    found = [(one.clause, one.key) for one in differences(old, new)]
    assert found == [("", "pledge_notice"), ("", "cite"), ("rule spare", ""), ("level pause", "cite")]


def test_clocks_are_compared_in_seconds() -> None:
    halved = terms(period_seconds=1_800)
    found = {one.key: one.direction for one in differences(terms(), halved) if one.clause == "level pause"}
    # As many periods of half the length: half the time to wind down, half the time in force.
    assert found["wind_down"] is STRICTER
    assert found["sunset"] is LOOSER
    assert found["resume"] is OTHER


def test_names_and_sources_that_change_are_told() -> None:
    cited = terms(name="another", citations=[pb.Citation(clause="level pause", source="ours")])
    assert differences(terms(), cited) == [
        Change("", "name", "test agreement", "another", OTHER),
        Change("level pause", "cite", "", "ours", OTHER),
    ]


NUMERIC = {
    f"{key.block}.{key.name}": key
    for key in KEYS.values()
    if key.stricter in {Stricter.LESS, Stricter.MORE}
    and key.kind not in {Kind.RAMP, Kind.EXEMPT_CAP, Kind.PEAKS, Kind.LIARS}
    and BLOCKS[key.block].message is not None
}


@pytest.mark.parametrize("name", NUMERIC)
def test_every_number_of_the_key_table_has_its_direction(name: str) -> None:
    key = NUMERIC[name]
    kind = BLOCKS[key.block].message
    assert kind is not None

    def having(value: int) -> Message:
        made = kind()
        target: Any = made
        *steps, last = key.field.split(".")
        for step in steps:
            target = getattr(target, step)
        setattr(target, last, value)
        return made

    small, large = (having(value) for value in (2, 5))
    more = STRICTER if key.stricter is Stricter.MORE else LOOSER
    assert compare(key, (small, terms()), (large, terms())) is more
    assert compare(key, (large, terms()), (small, terms())) is more.turned
    assert compare(key, (small, terms()), (having(2), terms())) is OTHER


def need(k: int, *voters: str) -> pb.Need:
    return pb.Need(count=pb.Need.Count(k=k, voters=voters or LABS))


def ruled(use: str, now: pb.Need, **changes: Any) -> pb.Agreement:
    """The terms of tests with one more rule, used for one thing."""
    made = terms(4)
    made.rules.append(change(pb.Rule(name="special", need=now, ballot_life_periods=6), **changes))
    field, _, inner = use.partition(".")
    setattr(getattr(made, field) if inner else made.levels[1] if hasattr(pb.Level(), field) else made,
            inner or field, "special")  # fmt: skip
    return made


@pytest.mark.parametrize(
    ("use", "direction"),
    [
        ("called_by", LOOSER),
        ("renewed_by", LOOSER),
        ("armed_by", LOOSER),
        ("lifted_by", STRICTER),
        ("exempted_by", STRICTER),
        ("amended_by", STRICTER),
        ("standing.release_rule", STRICTER),
        ("standing.hold_rule", OTHER),
        ("admitted_by", OTHER),
    ],
)
def test_a_rule_that_takes_more_is_stricter_or_looser_by_its_use(use: str, direction: Direction) -> None:
    for fewer, more in ((need(2), need(3)), (need(2), pb.Need(all=pb.Need.Several(of=[need(2), need(1, "alpha")])))):
        there, back = only(ruled(use, fewer), ruled(use, more)), only(ruled(use, more), ruled(use, fewer))
        assert (there.clause, there.key) == ("rule special", "yes")
        assert (there.direction, back.direction) == (direction, direction.turned)
    recused = {"recuse_subject": True}
    assert only(ruled(use, need(2)), ruled(use, need(2), **recused)).direction is direction
    assert only(ruled(use, need(2)), ruled(use, need(2), ballot_life_periods=3)).direction is direction


def test_a_rule_that_others_carry_is_neither() -> None:
    for other in (need(1, "chipco"), need(2, "alpha", "beta", "chipco")):
        assert only(ruled("lifted_by", need(2)), ruled("lifted_by", other)).direction is OTHER


def test_a_rule_that_calls_and_lifts_is_neither() -> None:
    old, new = ruled("lifted_by", need(2)), ruled("lifted_by", need(3))
    for made in (old, new):
        made.levels[1].called_by = "special"
    assert only(old, new).direction is OTHER


def test_rules_of_other_voters_are_not_compared() -> None:
    new = ruled("lifted_by", need(3))
    new.parties[0].owner = "somebody else"
    [found] = [one for one in differences(ruled("lifted_by", need(2)), new) if one.key == "yes"]
    assert found.direction is OTHER


def test_another_rule_is_stricter_if_a_lift_by_it_takes_more() -> None:
    def lifted(by: str) -> pb.Agreement:
        made = ruled("armed_by", need(3))
        made.rules.append(pb.Rule(name="easier", need=need(2), ballot_life_periods=6))
        made.levels[1].lifted_by = by
        return made

    assert only(lifted("easier"), lifted("special")).direction is STRICTER
    assert only(lifted("special"), lifted("easier")).direction is LOOSER


def test_a_level_that_is_no_longer_called_by_itself_is_looser() -> None:
    voted = ruled("called_by", need(2))
    alone = pb.Agreement()
    alone.CopyFrom(voted)
    alone.levels[1].called_by = ""
    [found] = differences(alone, voted)
    assert (found.key, found.old, found.direction) == ("called_by", "automatic", LOOSER)
