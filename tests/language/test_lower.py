from __future__ import annotations

from typing import Any, Final

import pytest

from language.chips import PRESET_TABLE
from language.context import Materials
from language.lower import Compiled, compile_text
from language.parse import parse
from language.stand_in import with_stand_ins
from protocol import wire
from protocol.agreement_limits import MAX_PERIODS
from protocol.agreement_rules import problems as broken_rules
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q
from tests import terms
from tests.language.texts import FRONTIER, changed


def compiled(text: str, materials: Materials | None = None) -> Compiled:
    return compile_text(parse(text), materials or Materials())


def lowered(text: str) -> pb.Agreement:
    made = compiled(text)
    assert [problem.line("text") for problem in made.problems] == []
    return made.terms


def told(text: str) -> list[str]:
    """Place, code and sentence of each problem."""
    return [f"{one.span} {one.code}: {one.sentence}" for one in compiled(text).problems]


BASE: Final = lowered(FRONTIER)
ROWS: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("late = 2 h", "late = 121 min", {"freshness.late_periods": 3}),
    ("late = 2 h", "late = 3 periods", {"freshness.late_periods": 3}),
    ("start = 2027-01-03T00:00Z", "start = 2027-01-04", {"start": 1_799_020_800}),
    ("publish_within = 15 min", "publish_within = 30 s", {"freshness.publish_within_seconds": 30}),
    ("forming_end = 30 d", "forming_end = 1 d", {"forming_end_periods": 24}),
    ("baseline = 90 d", "baseline = 1 d", {"baseline_periods": 24}),
    ("pledge_notice = 2 d", "pledge_notice = 3 d", {"pledge_notice_periods": 72}),
    ("pledge_notice = 2 d", "pledge_notice = 2 d patience = 3 periods", {"patience_periods": 3}),
    ("novice = 7 d", "novice = 1 d", {"novice_periods": 24}),
    ("6 months", "1 year", {"withdrawal_notice_periods": 365 * 24}),
    ("dishonest_verifiers = 0", "dishonest_verifiers = 1", {"lying_verifiers": 1}),
    ("= 1e24 FLOP   counted", "= 2.5e24 FLOP   counted", {"verification.significant_quantity_teraflop": 25 * 10**11}),
    ("counted_in = bf16_dense", "counted_in = fp8_dense", {"verification.counted_in": q.NUMBER_FORMAT_FP8_DENSE}),
    ("detection = 90 %", "detection = 99.5 %", {"verification.detection_ppm": 995_000}),
    ("5 % per 90 d   dis", "0.1 %   dis", {"verification.false_alarm_ppm": 1_000}),
    ("clarification_answer = 5 d", "clarification_answer = 6 d", {"verification.clarification_answer_periods": 144}),
    ("clarification_answer = 5 d", "clarification_answer = 5 d no_answer = discrepant", {"verification.no_answer": 1}),
    (
        "clarification_answer = 5 d",
        "clarification_answer = 5 d no_assurance = power_off",
        {"verification.power_off": True},
    ),
    ("standing   {", "standing   { breached = 3", {"standing.breached": 3}),
    ("standing   {", "standing   { silence_out = 0 d", {"standing.silence_out_periods": 0}),
    ("standing   {", "standing   { release = on_vote", {"standing.release": pb.RELEASE_ON_VOTE}),
    ("equals = 989 TFLOP/s", "equals = 990 GFLOP/s", {"unit.gigaflop_per_second": 990, "parties": None}),
]


@pytest.mark.parametrize(("old", "new", "fields"), ROWS, ids=[row[1] for row in ROWS])
def test_a_key_sets_its_field_and_nothing_else(old: str, new: str, fields: dict[str, Any]) -> None:
    made = lowered(changed(FRONTIER, old, new))

    expected = pb.Agreement()
    expected.CopyFrom(BASE)
    for path, value in fields.items():
        if value is None:
            getattr(expected, path)[0].CopyFrom(getattr(made, path)[0])
            continue
        message: Any = expected
        *inner, name = path.split(".")
        for step in inner:
            message = getattr(message, step)
        assert getattr(message, name) != value
        setattr(message, name, value)
    assert made == expected


def test_what_is_not_said_is_compiled_as_its_default() -> None:
    text = FRONTIER
    for said in ("publish_within = 15 min", "late = 2 h   stale = 6 h   presumed_non_compliant = 24 h"):
        text = changed(text, said, "")
    for said in ("forming_end = 30 d", "pledge_notice = 2 d", "chip_table = preset"):
        text = changed(text, said, "")

    assert wire.encode(lowered(text)) == wire.encode(BASE)
    assert tuple(BASE.chips) == PRESET_TABLE
    assert (BASE.standing.breached, BASE.standing.of_last, BASE.standing.silence_out_periods) == (2, 3, 168)


def test_the_order_of_keys_in_a_block_means_nothing() -> None:
    assert lowered(changed(FRONTIER, "late = 2 h   stale = 6 h", "stale = 6 h   late = 2 h")) == BASE


def test_levels_are_lowered_whole() -> None:
    slowdown, pause = BASE.levels

    assert (slowdown.called_by, pause.called_by) == ("", "call_pause")
    assert [cap.name for cap in slowdown.caps] == ["training_run", "training_total", "cluster", "inventory_growth"]
    assert slowdown.caps[1] == pb.Cap(
        name="training_total",
        labels=[q.LABEL_TRAIN, q.LABEL_UNLABELLED, q.LABEL_UNACCOUNTED],
        baseline_ppm=500_000,
        window_periods=720,
    )
    assert [(step.after_periods, step.share_ppm) for step in slowdown.ramp] == [(0, 500_000), (336, 1_000_000)]
    assert (slowdown.ramp_periods, slowdown.mandate_periods) == (336, 360 * 24)
    assert (pause.ramp_periods, pause.mandate_periods, pause.snap_back, len(pause.caps)) == (504, MAX_PERIODS, True, 0)
    assert pause.exemptions[0].cap.teraflop == 10**12
    assert pause.brake == pb.BrakeTerms(
        roles=[pb.ROLE_LAB, pb.ROLE_VERIFIER],
        window_periods=72,
        cap_periods=216,
        rest_periods=720,
        ratified_by="call_pause",
    )


def test_classes_are_written_out_and_seats_are_named() -> None:
    call, lift = BASE.rules
    counts = pb.Need.Count

    assert [part.count for part in call.need.all.of] == [
        *(counts(k=2, voters=["alpha", "beta", "gamma"]), counts(k=2, seats="public"))
    ]
    assert [part.count for part in lift.need.all.of] == [counts(k=2, seats="lab_votes"), counts(k=2, seats="public")]
    assert call.recuse_subject
    held = BASE.parties[-1].seats[1].seats
    assert [(seat.held_by, seat.owner) for seat in held] == [
        *(("alpha", "Alpha Holding"), ("beta", "Beta Inc"), ("gamma", "Gamma KK"))
    ]


def test_votes_can_be_weighed_and_joined() -> None:
    said = "(60 of [30 of alpha, 40 of beta] ceiling 35 or 1 of [vera]) and 2 of labs and board"
    need = lowered(changed(FRONTIER, "2 of lab_seats and 2 of public ", said)).rules[0].need

    weighted = pb.Need.Weighted(
        of=[pb.VoterWeight(voter="alpha", weight=30), pb.VoterWeight(voter="beta", weight=40)], at_least=60, ceiling=35
    )
    either, labs, board = need.all.of
    assert [part.WhichOneof("need") for part in either.any.of] == ["weighted", "count"]
    assert either.any.of[0].weighted == weighted
    assert (labs.count.role, labs.count.k) == (pb.ROLE_LAB, 2)
    assert board.count.voters == ["board"]


def test_confirmation_needs_one_more_report() -> None:
    horizon, share = BASE.indicators[:2]

    assert (horizon.reports, horizon.confirmations) == (1, 0)
    assert (share.reports, share.confirmations, share.by_subject) == (2, 1, True)
    assert list(share.confirmed_by) == ["evalco"]


def test_a_source_is_cited_for_its_clause() -> None:
    text = changed(FRONTIER, "rule call_pause {", 'rule call_pause { cite = "ours; see annex"')

    assert [(one.clause, one.source) for one in lowered(text).citations] == [
        *(("", "ours"), ("rule call_pause", "ours; see annex"))
    ]


def test_a_field_is_placed_where_it_is_said() -> None:
    places = compiled(FRONTIER).places
    document = parse(FRONTIER)

    assert document.said(places["freshness.late_periods"]) == "2 h"
    assert document.said(places["levels.pause.trigger.any[1]"]).startswith("doubling of")
    assert document.said(places["levels.pause.brake.ratified_by"]) == "call_pause"
    assert document.said(places["parties.beta.owner"]) == '"Beta Inc"'


MISTAKES: Final = [
    ("late = 2 h", "latte = 2 h", "5:3 unknown-key", "has no key latte. Did you mean late?"),
    ("late = 2 h", "late = 2 h late = 3 h", "5:14 twice", "late is said twice"),
    ("founding = [alpha,", "founding = [alpha, alpha,", "6:22 twice", "founding lists alpha twice"),
    ("start = 2027", "start = 1927", "4:11 out-of-range", "times are counted from 1970 on"),
    (
        "rank = 1",
        "rank = 0",
        "31:27 out-of-range",
        "0 is the rank of no level; rank levels 1, 2, 3 from the mildest on",
    ),
    ("period = 1 h", "period = 0 h", "4:40 out-of-range", "a period has a length"),
    (
        "lift_pause { yes",
        "Lift_pause { yes",
        "51:8 name-malformed",
        "'Lift_pause' is no name: it stands in paths and file names",
    ),
    ("level pause {", "levle pause {", "40:3 unknown-key", "has no block levle. Did you mean level?"),
    ("level pause {", "seat pause {", "40:3 misplaced-block", "seat stands in seats, not in agreement"),
    ("rule lift_pause {", "rule call_pause {", "51:3 twice", "rule call_pause stands twice"),
    ("standing   {", "standing x {", "55:12 syntax", "standing has no name"),
    ("rule lift_pause {", "rule {", "51:3 missing-name", "rule needs a name"),
    ("period = 1 h", "", "2:1 missing-key", "agreement needs period: length of a period"),
    ("gamma, chipco", "gama, chipco", "6:28 unknown-name", "gama is no party. Did you mean gamma?"),
    ("called_by = call_pause", "called_by = cal_pause", "40:60 unknown-name", "Did you mean call_pause?"),
    ("role = lab  ", "role = labb ", "11:25 unknown-word", "not labb. Did you mean lab?"),
    ("snap_back = yes", "snap_back = yes drift = 3", "40:114 unknown-key", "level has no key drift"),
    ("20_000 chips", "20_000 H100e", "37:22 wrong-kind", "20_000 H100e is a rate of compute; write 20_000 chips"),
    ("baseline per 30 d", "baseline", "36:56 syntax", "a share is of something, per span"),
    ("[inference,", "[train, inference,", "47:29 contradiction", "is 0 and allow lists train; take it out of allow"),
    ("100 % after 14 d", "40 % after 14 d", "38:30 ramp-falls", "steps must rise to 100 %"),
    ("2 of public   open", "4 of [alpha]   open", "50:51 cannot-be-met", "4 of 1 voters"),
    ("5 % per 90 d   dis", "1 ppm per 90 d   dis", "58:38 no-such-rate", "no rate of the table is as low"),
    ("late = 2 h", "late = 2 months", "5:10 wrong-kind", "2 months is a time in calendar words; write 60 d"),
    ("late = 2 h", "late = 1e15 h", "5:10 out-of-range", "a number is larger than any term holds"),
    ("lab >= 24 h", "lab >= 1e30 h", "32:31 out-of-range", "a number is larger than any term holds"),
    ("2 of board.lab_votes", "1e20 of board.lab_votes", "51:27 out-of-range", "a number is larger than any term holds"),
    ("2 of board.lab_votes", "2 of evalco", "51:32 cannot-be-met", "2 of 1 voters"),
    ("2027-01-03T00:00Z", "2027-02-30", "4:11 wrong-kind", "there is no 2027-02-30"),
    ("= preset", '= "chips.csv"', "7:56 missing-table", "the table chips.csv was not given"),
    ("detection = 90 %", "verdict = 2", "58:5 retired", "the quorum follows from dishonest_verifiers"),
]


@pytest.mark.parametrize(("old", "new", "head", "words"), MISTAKES, ids=[row[1] for row in MISTAKES])
def test_a_mistake_is_told_where_it_stands_with_what_to_write(old: str, new: str, head: str, words: str) -> None:
    found = [one for one in told(changed(FRONTIER, old, new)) if one.startswith(f"{head}: ")]

    assert len(found) == 1, told(changed(FRONTIER, old, new))
    assert words in found[0]


def test_all_mistakes_are_told_at_once() -> None:
    text = changed(changed(FRONTIER, "late = 2 h", "late = 2 FLOP"), "unit = min", "unit = min max = 3")

    assert len(told(text)) == 2


def test_a_text_without_an_agreement_has_no_terms() -> None:
    assert told("party alpha { role = lab }") == ['1:1 missing-block: no agreement "NAME" { ... }']
    assert told("") == ['1:1 missing-block: no agreement "NAME" { ... }']
    assert told(FRONTIER + "late = 2 h") == ["61:1 misplaced-block: a text is one agreement { ... }"]


def test_pending_keys_come_from_descriptors() -> None:
    described = {name: party for party in terms.terms().parties if (name := party.name)}
    board = terms.party("board", pb.ROLE_COUNCIL)
    board.seats.add(name="public", seats=[pb.Seat(public_key=bytes([n] * 32)) for n in range(3)])
    extra = {"evalco": terms.party("evalco", pb.ROLE_EVALUATOR), "board": board}

    without = compiled(FRONTIER)
    made = compiled(FRONTIER, Materials(parties={**described, **extra}))

    assert without.pending == ("alpha", "beta", "gamma", "chipco", "gridco", "evalco", "vera", "board")
    assert made.pending == ()
    assert made.terms.parties[0].log_key == described["alpha"].log_key
    assert made.terms.parties[0].sites == described["alpha"].sites
    assert [seat.public_key[0] for seat in made.terms.parties[-1].seats[0].seats] == [0, 1, 2]


def test_stand_ins_make_a_draft_readable_and_leave_the_terms_alone() -> None:
    made = compiled(FRONTIER)
    before = wire.encode(made.terms)

    draft = with_stand_ins(made.terms, made.pending)

    fields = {problem.field for problem in broken_rules(draft)}
    assert not [field for field in fields if "root" in field or "log_key" in field or "sites" in field]
    assert wire.encode(made.terms) == before
    assert [problem for problem in broken_rules(made.terms) if "root" in problem.field]


def test_a_table_is_taken_from_what_is_given() -> None:
    text = changed(FRONTIER, "chip_table = preset", 'chip_table = "chips.csv"')

    made = compiled(text, Materials(tables={"chips.csv": PRESET_TABLE[:2]}))

    assert tuple(made.terms.chips) == PRESET_TABLE[:2]
    assert made.problems == ()
