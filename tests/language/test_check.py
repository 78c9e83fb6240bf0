"""All that is said of terms, texts and pledges, in one list with places."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language.check import check, check_pledge, check_terms, code_of, pledge_problems
from language.lint import CHECKS
from language.lint.finding import clause_of, place_of
from language.problem import Severity
from language.spans import Span
from language.write import write
from protocol import wire
from protocol.agreement import Agreement, read_agreement
from protocol.errors import Reason
from standstill.v1 import pledge_pb2
from tests.language.lint_terms import C, joined, with_level
from tests.terms import PAUSE, elapsed, keeps, reading, terms

ROOT = Path(__file__).parents[2]
TEXT = write(terms(4))


def agreement() -> Agreement:
    return read_agreement(wire.encode(terms(4)))


def test_terms_that_can_be_signed_have_no_errors() -> None:
    found = check_terms(terms(4))
    assert not [problem for problem in found if problem.severity is Severity.ERROR]
    assert {problem.code for problem in found} >= {"unused", "no-brake", "holds-together"}


def test_bytes_and_text_are_told_the_same() -> None:
    report = check(TEXT)
    assert report.ok
    assert {(one.code, one.clause, one.text) for one in report.problems} == {
        (one.code, one.clause, one.text) for one in check_terms(terms(4))
    }


def test_findings_stand_where_the_text_says_it() -> None:
    changed = write(with_level(PAUSE, trigger=joined("all", reading(50), reading(50, labs=3, below=True))))
    report = check(changed)
    [found] = [problem for problem in report.problems if problem.code == "contradiction"]
    assert found.span is not None
    line = changed.split("\n")[found.span.line - 1]
    assert line[found.span.column - 1 : found.span.end_column - 1] == "horizon of at least 3 labs < 50"
    assert [one.line for one in found.also] == [found.span.line]
    assert found.clause == "level pause.trigger"


def test_problems_are_in_the_order_of_the_text() -> None:
    spans = [problem.span for problem in check(TEXT).problems]
    placed = [span for span in spans if span is not None]
    assert placed == sorted(placed)
    assert spans == [*placed, *([None] * (len(spans) - len(placed)))]


def test_a_text_that_cannot_be_read_has_its_problems_only() -> None:
    report = check('agreement "x" {')
    assert report.compiled is None
    assert not report.ok
    assert report.problems[0].code == "unclosed"


def test_a_text_with_wrong_kinds_is_not_looked_at_further() -> None:
    report = check(TEXT.replace("wind_down = 1 h", "wind_down = 1e3 FLOP"))
    assert {problem.code for problem in report.errors} == {"wrong-kind"}
    assert not [problem for problem in report.problems if problem.code == "no-brake"]


def test_a_refusal_of_the_protocol_becomes_a_problem_with_a_place() -> None:
    report = check(TEXT.replace("stale = 2 h", "stale = 9 h"))
    [found] = report.errors
    assert (found.code, found.clause) == ("clocks-contradict", "freshness")
    assert code_of(Reason.LEVELS_DO_NOT_RISE) == "levels-do-not-rise"


def test_what_a_finding_says_in_full_is_not_said_twice() -> None:
    late = with_level(PAUSE, resume=joined("all", elapsed(PAUSE, 2), elapsed(PAUSE, 20)))
    errors = [problem for problem in check_terms(late) if problem.severity is Severity.ERROR]
    assert [(one.code, one.clause) for one in errors] == [("never-lifts", "level pause.resume")]


def test_a_finding_that_the_protocol_refuses_is_an_error() -> None:
    # Three verifiers of whom one may lie cannot both outvote it and do without it.
    [found] = [one for one in check_terms(terms(3, lying_verifiers=1)) if one.severity is Severity.ERROR]
    assert found.clause == "lying_verifiers"
    assert "split-quorum" in {one.code for one in check_terms(terms(3))}


def test_terms_that_are_not_well_formed_are_only_refused() -> None:
    assert {problem.code for problem in check_terms(terms(4, period_seconds=1))} == {"value-out-of-range"}


def test_a_draft_without_parties_is_checked_by_the_rules_that_need_none() -> None:
    draft = terms(4, parties=[], founding=[], rules=[], indicators=[])
    assert not [one for one in check_terms(draft) if one.severity is Severity.ERROR]
    draft.levels[1].mandate_periods = 1
    assert {one.code for one in check_terms(draft)} == {"clocks-contradict"}


def test_keys_that_are_pending_are_noted_and_read_with_stand_ins() -> None:
    blank = terms(4)
    for party in blank.parties:
        if party.name in {"alpha", "vera"}:
            for field in ("log_key", "root_keys", "root_threshold", "sites", "origin", "record_origin"):
                party.ClearField(field)
    [note] = [one for one in check_terms(blank, pending=("alpha", "vera")) if one.code == "keys-pending"]
    assert (note.severity, note.text) == (
        Severity.NOTE,
        "the keys of alpha and vera are not known: nobody can sign yet",
    )
    assert not [one for one in check_terms(blank, pending=("alpha", "vera")) if one.severity is Severity.ERROR]
    assert [one for one in check_terms(blank) if one.severity is Severity.ERROR]


def test_clauses_without_sources_are_told_when_asked() -> None:
    assert "uncited" in {problem.code for problem in check(TEXT, citations=True).problems}
    assert "uncited" not in {problem.code for problem in check(TEXT).problems}


PLEDGE = """pledge {
  by = alpha
  keep pause {
    provided = PROVIDED
  }
}
"""


def test_a_pledge_that_can_be_made_has_no_problems() -> None:
    report = check_pledge(PLEDGE.replace("PROVIDED", "at least 1 of { beta, gamma } keep pause"), agreement())
    assert report.ok
    assert report.problems == ()


def test_a_hollow_pledge_is_told_where_it_says_so() -> None:
    report = check_pledge(PLEDGE.replace("PROVIDED", "beta keeps pause and gamma keeps pause"), agreement())
    [found] = report.problems
    assert (found.code, found.clause) == ("hollow", "keep pause.provided")
    assert found.span == Span(4, 16, 4, 54)


def test_a_pledge_that_wants_others_to_go_on_is_told_once() -> None:
    report = check_pledge(PLEDGE.replace("PROVIDED", "beta keeps pause and not gamma keeps pause"), agreement())
    assert [problem.code for problem in report.errors] == ["not-monotone"]


def test_a_lab_to_come_is_told_once() -> None:
    report = check_pledge(PLEDGE.replace("PROVIDED", "any [beta keeps pause, delta keeps pause]"), agreement())
    assert [problem.code for problem in report.problems] == ["dormant-clause"]


def test_a_pledge_is_checked_beside_others() -> None:
    text = PLEDGE.replace("PROVIDED", "beta keeps pause")
    lone = pledge_pb2.Pledge(clauses=[pledge_pb2.PledgeClause(level=PAUSE, provided=keeps(PAUSE, "gamma"))])
    assert [one.code for one in check_pledge(text, agreement(), {"beta": lone}).problems] == ["unbacked"]
    assert (
        check_pledge(
            text, agreement(), {"beta": pledge_pb2.Pledge(clauses=[pledge_pb2.PledgeClause(level=PAUSE)])}
        ).problems
        == ()
    )


def test_a_pledge_as_bytes_is_checked_alike() -> None:
    made = pledge_pb2.Pledge(
        clauses=[pledge_pb2.PledgeClause(level=PAUSE, provided=keeps(PAUSE, "beta", "gamma", k=2))]
    )
    assert [one.code for one in pledge_problems(agreement(), "alpha", made)] == ["hollow"]
    lone = pledge_pb2.Pledge(clauses=[pledge_pb2.PledgeClause(level=PAUSE, provided=keeps(PAUSE, "beta"))])
    beside = {"gamma": lone}
    assert [one.code for one in pledge_problems(agreement(), "alpha", lone, beside=beside)] == ["unbacked"]
    assert pledge_problems(agreement(), "alpha", lone) == ()


def test_a_refusal_of_a_pledge_is_told() -> None:
    made = pledge_pb2.Pledge(clauses=[pledge_pb2.PledgeClause(level=9)])
    [found] = pledge_problems(agreement(), "alpha", made)
    assert (found.code, found.severity) == ("name-unknown", Severity.ERROR)


@pytest.mark.parametrize(
    ("path", "clause"),
    [
        ("levels.pause.trigger.all[0].reading", "level pause.trigger"),
        ("levels.pause.caps.training", "level pause.caps"),
        ("rules.council.yes", "rule council.yes"),
        ("parties.alpha", "party alpha"),
        ("verification.required", "verification.required"),
        ("clauses.pause.provided.any[1]", "keep pause.provided"),
        ("founding", "founding"),
    ],
)
def test_a_path_names_its_clause(path: str, clause: str) -> None:
    assert clause_of(path) == clause


def test_a_field_that_the_text_does_not_say_stands_with_its_block() -> None:
    block, key = Span(1, 1, 1, 5), Span(2, 1, 2, 5)
    places = {"levels.pause": block, "levels.pause.trigger.all[1]": key, "rules.council.need": key}
    assert place_of("levels.pause.trigger.all[1].reading.of", places) == key
    assert place_of("levels.pause.trigger.all[0]", places) == block
    assert place_of("rules.council.yes", places) == key
    assert place_of("standing", places) is None


def test_every_check_says_which_code_it_finds() -> None:
    assert [check_.__name__ for check_ in CHECKS if "`" not in (check_.__doc__ or "")] == []


ALL_TERMS = [
    with_level(PAUSE, trigger=joined("any", reading(9), C())),
    with_level(PAUSE, trigger=C(keeps=C.Keeps(level=9, k=7, of=["nobody"]))),
    terms(4, parties=terms().parties[:1]),
]


@pytest.mark.parametrize("number", range(len(ALL_TERMS)))
def test_terms_that_are_wrong_in_any_way_are_told_and_never_raise(number: int) -> None:
    assert check_terms(ALL_TERMS[number])


def test_the_guide_lists_every_finding() -> None:
    sources = [path.read_text() for path in (ROOT / "language" / "lint").glob("*.py")]
    sources += [(ROOT / "language" / name).read_text() for name in ("check.py", "characters.py")]
    made = {
        code
        for source in sources
        for code in re.findall(r'(?:\berror|\bwarning|\bnote|\bmake|\bProblem)\(\s*"([a-z-]+)"', source)
    }
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "findings.md").read_text(), re.MULTILINE))
    assert made == listed


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_text_with_bytes_changed_is_told_and_never_raises(seed: int) -> None:
    choose = random.Random(seed)
    letters = list(TEXT)
    for _ in range(choose.randint(1, 4)):
        letters[choose.randrange(len(letters))] = choose.choice('{}[]=,0123456789 abcdef"%<>')
    report = check("".join(letters))
    for problem in report.problems:
        assert problem.code
        assert problem.sentence


def told(old: str, new: str) -> list[tuple[str, str, str]]:
    """Errors and warnings of the text of these tests with a passage changed, with the place in words."""
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    found = [one for one in check(text).problems if one.severity is not Severity.NOTE]
    before = {(one.code, one.text) for one in check(TEXT).problems}
    lines = text.split("\n")
    return [
        (one.code, lines[one.span.line - 1].strip() if one.span else "", one.remedy)
        for one in found
        if (one.code, one.text) not in before
    ]


def test_owners_that_look_alike_are_told() -> None:
    [(code, line, remedy)] = told('owner = "beta group"', 'owner = "\u0410lpha Group"')
    assert (code, remedy) == ("owners-look-alike", "write them alike, or apart")
    assert 'owner = "\u0410lpha Group"' in line
    assert told('owner = "beta group"', 'owner = "Delta Group"') == []


def test_clocks_that_overtake_each_other_are_told_where_they_stand() -> None:
    made = terms(4)
    made.freshness.late_periods = made.freshness.stale_periods + 1
    [found] = [one for one in check(write(made)).problems if one.code == "clocks-contradict"]
    assert found.span is not None
    assert found.remedy == "let late come before stale, and stale before presumed"


def test_ranks_that_do_not_rise_are_told_where_they_stand() -> None:
    made = terms(4)
    made.levels[0].rank = 3
    [found] = [
        one for one in check_terms(made, {"levels.slowdown.rank": Span(4, 1, 4, 9)}) if one.clause == "level rank"
    ]
    assert (found.code, str(found.span)) == ("levels-do-not-rise", "4:1")
    assert found.remedy == "rank levels 1, 2, 3 from the mildest on"


def test_more_than_the_whole_cannot_be_asked_for() -> None:
    for share, codes in ((1_000_001, ["share-impossible"]), (1_000_000, [])):
        made = terms(4)
        made.verification.detection_ppm = share
        assert [one.code for one in check_terms(made) if one.code == "share-impossible"] == codes


def test_terms_without_a_level_are_told() -> None:
    made = terms(4)
    assert "no-level" not in {one.code for one in check_terms(made)}
    del made.levels[:]
    assert "no-level" in {one.code for one in check_terms(made)}
