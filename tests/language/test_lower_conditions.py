from __future__ import annotations

from typing import Final

import pytest

from language.context import NOTHING, Context
from language.lower_conditions import Scope, Use, lower
from language.names import of_terms
from language.parse import parse, parse_condition
from language.problem import Problem
from language.write_conditions import condition_text
from standstill.v1 import agreement_pb2
from standstill.v1 import condition_pb2 as pb
from tests.language import worlds

NAMED: Final = worlds.named()
SLOWDOWN: Final = 1
PAUSE: Final = 2


def read(text: str, use: Use = Use.TRIGGER, own_level: int = SLOWDOWN) -> tuple[pb.Condition, list[Problem]]:
    document = parse(f"a = {text}")
    made = agreement_pb2.Agreement()
    context = Context(document, of_terms(NAMED), {}, 3_600, NAMED.start, NOTHING, made, own_level=own_level)
    return lower(parse_condition(text), Scope(context, use), "here"), context.problems


def made(text: str, use: Use = Use.TRIGGER) -> pb.Condition:
    condition, problems = read(text, use)
    assert [problem.sentence for problem in problems] == []
    return condition


C = pb.Condition
AT_LEAST, BELOW = pb.COMPARISON_AT_LEAST, pb.COMPARISON_BELOW


def phase(level: int, value: pb.Phase.ValueType) -> pb.Condition:
    return C(level_phase=C.LevelPhase(level=level, phase=value))


def horizon(threshold: int, sign: pb.Comparison.ValueType = AT_LEAST, labs: int = 1) -> pb.Condition:
    return C(reading=C.Reading(indicator="horizon", labs=labs, comparison=sign, threshold=threshold))


TESTS: Final[list[tuple[str, Use, pb.Condition]]] = [
    ("horizon of any lab >= 24 h", Use.TRIGGER, horizon(1_440)),
    ("horizon of at least 2 labs < 90 min", Use.TRIGGER, horizon(90, BELOW, 2)),
    ("horizon of any lab > 90 min", Use.TRIGGER, horizon(91)),
    ("horizon of any lab <= 90 min", Use.TRIGGER, horizon(91, BELOW)),
    ("share of all labs >= 95 %", Use.TRIGGER,
     C(reading=C.Reading(indicator="share", all=True, comparison=AT_LEAST, threshold=950_000))),
    ("compute of alpha >= 1e25 FLOP", Use.TRIGGER,
     C(reading=C.Reading(indicator="compute", labs=1, of=["alpha"], comparison=AT_LEAST, threshold=10**13))),
    ('"9points" of all of { alpha, beta } >= 7', Use.TRIGGER,
     C(reading=C.Reading(indicator="9points", all=True, of=["alpha", "beta"], comparison=AT_LEAST, threshold=7))),
    ("doubling of horizon of any lab over 365 d <= 60 d", Use.TRIGGER,
     C(trend=C.Trend(indicator="horizon", labs=1, over_periods=8_760, doubling_periods=1_440, comparison=AT_LEAST))),
    ("speed of any lab overdue for 120 d", Use.TRIGGER,
     C(overdue=C.Overdue(indicator="speed", labs=1, periods=2_880))),
    ("not horizon of any lab >= 24 h", Use.TRIGGER, C(negation=horizon(1_440))),
    ("slowdown is in_force", Use.WHEN, phase(SLOWDOWN, pb.PHASE_IN_FORCE)),
    ("slowdown is dormant", Use.WHEN, phase(SLOWDOWN, pb.PHASE_CALLED)),
    ("slowdown is restrictive", Use.WHEN, C(any=C.Several(
        of=[phase(SLOWDOWN, pb.PHASE_WINDING), phase(SLOWDOWN, pb.PHASE_IN_FORCE)]))),
    ("any lab is breached", Use.TRIGGER, C(status=C.IsStatus(status=pb.PARTY_STATUS_BREACHED, k=1))),
    ("all labs are honored", Use.RESUME, C(status=C.IsStatus(status=pb.PARTY_STATUS_CONFIRMED))),
    ('alpha is bound by "pause"', Use.TRIGGER,
     C(status=C.IsStatus(status=pb.PARTY_STATUS_BOUND, level=PAUSE, of=["alpha"]))),
    ("all bound keep slowdown for 30 d", Use.RESUME, C(honored=C.Honored(level=SLOWDOWN, periods=720))),
    ("at least 2 of { alpha, beta } keep slowdown for 1 d", Use.RESUME,
     C(honored=C.Honored(level=SLOWDOWN, periods=24, k=2, of=["alpha", "beta"]))),
    ("alpha keeps slowdown", Use.PROVIDED, C(keeps=C.Keeps(level=SLOWDOWN, k=1, of=["alpha"]))),
    ("all of { alpha, beta } keep slowdown", Use.ENTRY, C(keeps=C.Keeps(level=SLOWDOWN, k=2, of=["alpha", "beta"]))),
    ("at least 30 of { 30 of alpha, 40 of beta } keep slowdown", Use.PROVIDED, C(weighs=C.Weighs(
        level=SLOWDOWN, at_least=30, of=[C.Weight(lab="alpha", weight=30), C.Weight(lab="beta", weight=40)]))),
    ("since winding >= 60 d", Use.RESUME, C(elapsed=C.Elapsed(level=SLOWDOWN, periods=1_440))),
    ("since in_force of pause > 1 h", Use.RESUME,
     C(elapsed=C.Elapsed(level=PAUSE, periods=2, since=pb.SINCE_IN_FORCE))),
    ("since entry < 1 d", Use.WHEN,
     C(negation=C(elapsed=C.Elapsed(periods=24, since=pb.SINCE_ENTRY)))),
    ("event review", Use.RESUME, C(event=C.EventSeen(event="review", level=SLOWDOWN))),
    ("event review", Use.TRIGGER, C(event=C.EventSeen(event="review"))),
    ("event review whenever reported by gridco for 2 h", Use.RESUME, C(event=C.EventSeen(event="review", periods=2))),
    (f'motion council on "sha256:{"07" * 32}" carried', Use.RESUME,
     C(carried=C.Carried(rule="council", level=SLOWDOWN, asked=b"\7" * 32))),
    ("always", Use.TRIGGER, C(constant=C.Constant(value=True))),
    ("at least 1 of [always, never]", Use.TRIGGER, C(at_least=C.AtLeast(k=1, of=[
        C(constant=C.Constant(value=True)), C(constant=C.Constant(value=False))]))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "use", "expected"), TESTS, ids=[f"{row[1].name}: {row[0]}" for row in TESTS])
def test_a_test_is_read_as_its_message_and_written_so_that_it_is_read_again(
    text: str, use: Use, expected: pb.Condition
) -> None:
    condition = made(text, use)

    assert condition == expected
    assert made(condition_text(condition, NAMED, SLOWDOWN, use), use) == expected


def test_a_call_is_called_until_it_is_lifted() -> None:
    condition = made("slowdown is called", Use.WHEN)

    phases = [part.level_phase.phase for part in condition.any.of]
    assert phases == [pb.PHASE_CALLED, pb.PHASE_WINDING, pb.PHASE_IN_FORCE, pb.PHASE_SUSPENDED]
    assert condition_text(condition, NAMED) == "slowdown is called"
    negated = made("not slowdown is called", Use.WHEN)
    assert [part.WhichOneof("test") for part in negated.all.of] == ["negation"] * 4


def test_a_threshold_falls_with_progress_or_rises() -> None:
    falling = made("horizon of any lab >= 40 h falling 10 % per 90 d to 24 h").reading
    rising = made("speed of any lab < 10 x rising 100 % per 1 h to 20 x").reading

    assert falling.ratchet == C.Ratchet(every_periods=2_160, factor_ppm=900_000, limit=1_440)
    assert rising.ratchet == C.Ratchet(every_periods=1, factor_ppm=2_000_000, limit=20)


REFUSED: Final = [
    (
        "horizon of any lab >= 24 FLOP",
        Use.TRIGGER,
        "wrong-kind",
        "horizon is a time (min), 24 FLOP is compute; write 24 h",
    ),
    ("horizon of any lab >= 24", Use.TRIGGER, "wrong-kind", "horizon is a time (min), 24 is a number; write 24 h"),
    ('"9points" of any lab >= 1 h', Use.TRIGGER, "wrong-kind", "9points is a number (points), 1 h is a time; write 1"),
    ("horizon of any lab >= 1 s", Use.TRIGGER, "not-whole", "1 s is no whole number of min"),
    ("horizn of any lab >= 1 h", Use.TRIGGER, "unknown-name", "horizn is no indicator. Did you mean horizon?"),
    ("horizon of gridco >= 1 h", Use.TRIGGER, "unknown-name", "gridco is no lab."),
    ("horizon of any verifier >= 1 h", Use.TRIGGER, "unknown-word", "verifier cannot be counted here"),
    ("horizon of at least 3 of { alpha, beta } >= 1 h", Use.TRIGGER, "cannot-be-met", "at least 3 of 2"),
    (
        "horizon of any lab >= 40 h falling 100 % per 1 d to 1 h",
        Use.TRIGGER,
        "out-of-range",
        "less than 100 %",
    ),
    ("doubling of horizon of any lab over 9 d < 60 d", Use.TRIGGER, "syntax", "doubling within a time is <="),
    ("at least 3 of [always, never]", Use.TRIGGER, "cannot-be-met", "at least 3 of 2 conditions"),
    ("alpha keeps slowdown", Use.TRIGGER, "misplaced-test", "write for how long, as in: for 30 d"),
    ("alpha keeps slowdown for 3 d", Use.PROVIDED, "misplaced-test", "not for how long"),
    ("at least 2 labs keep slowdown", Use.PROVIDED, "shares-of-members", "counts members that may join; name them"),
    ("horizon of any lab >= 1 h", Use.PROVIDED, "not-monotone", "does not ask what others keep. Write it in when."),
    ("not alpha keeps slowdown", Use.ENTRY, "not-monotone", 'wants another party to go on. Remove "not".'),
    ("at least 90 of { 30 of alpha } keep slowdown", Use.PROVIDED, "cannot-be-met", "at least 90 of 30"),
    ("pause is in_force", Use.WHEN, "ambiguous-name", "pause is a level and a party"),
    ("slowdown is paused", Use.WHEN, "unknown-word", "not paused."),
    ("alpha is good", Use.WHEN, "unknown-word", "not good."),
    ("alpha is honored by slowdown", Use.WHEN, "syntax", "honored by nothing; remove it"),
    ("since called >= 3 d", Use.RESUME, "unknown-word", "write winding, the start of the restriction"),
    ("motion vote carried", Use.RESUME, "unknown-name", "vote is no rule."),
    ('motion council on "x" carried', Use.RESUME, "wrong-kind", "what is asked is hexadecimal digits"),
    ("event nothing", Use.RESUME, "unknown-name", "declare it: event nothing"),
    ("event review reported by alpha", Use.RESUME, "contradiction", "declared as reported by gridco"),
    ("slowdown", Use.TRIGGER, "syntax", "slowdown alone is no condition; write always or never, or a test"),
    ("2 of [alpha]", Use.TRIGGER, "wrong-kind", "expected a condition"),
]


@pytest.mark.parametrize(("text", "use", "code", "words"), REFUSED, ids=[f"{row[1].name}: {row[0]}" for row in REFUSED])
def test_a_test_that_does_not_fit_is_refused_with_its_reason(text: str, use: Use, code: str, words: str) -> None:
    _, problems = read(text, use)

    assert [problem.code for problem in problems] == [code], problems
    assert words in problems[0].sentence


def test_all_of_some_labs_are_as_many_as_their_owners() -> None:
    terms = worlds.named()
    terms.parties[1].owner = terms.parties[0].owner
    document = parse("a = always")
    context = Context(document, of_terms(terms), {}, 3_600, terms.start, NOTHING, agreement_pb2.Agreement())
    text = 'all of { alpha, beta, "any" } keep slowdown'

    condition = lower(parse_condition(text), Scope(context, Use.ENTRY), "here")

    assert (condition.keeps.k, list(condition.keeps.of)) == (2, ["alpha", "beta", "any"])


def test_every_part_with_a_mistake_is_told() -> None:
    _, problems = read("all [horizon of any lab >= 1 x, speed of any lab >= 1 h, always]")

    assert [problem.code for problem in problems] == ["wrong-kind", "wrong-kind"]


def test_a_lab_that_is_no_party_yet_is_a_note_in_what_others_keep() -> None:
    condition, problems = read("at least 1 of { alpha, delta } keep slowdown", Use.PROVIDED)

    assert list(condition.keeps.of) == ["alpha", "delta"]
    assert [(problem.code, problem.severity) for problem in problems] == [("dormant-clause", "note")]
    assert [problem.code for problem in read("delta keeps slowdown", Use.ENTRY)[1]] == ["unknown-name"]
