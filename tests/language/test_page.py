"""The page: every field that counts has a sentence, and the sentences read as people speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from language.page import WIDTH, PageView, page, sections
from language.page_conditions import condition_words
from language.problem import Problem, Severity
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2
from standstill.v1 import quantity_pb2 as q
from tests.terms import agreement, keeps, terms

Condition = condition_pb2.Condition

# What nobody can read: keys, the names of logs, handles of sites. The digest on the page covers them.
UNREADABLE: Final = {
    "Site.handle",
    "Seat.public_key",
    "Party.origin",
    "Party.log_key",
    "Party.root_keys",
    "Party.record_origin",
    # The version of the format, not of the agreement.
    "Agreement.version",
}
COUNT: Final = 7


def filled(kind: Any, without: frozenset[str], depth: int = 0) -> Any:
    """A message with every field set, fields of `without` apart; conditions and needs hold one test of every kind."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        name = f"{_short(kind.DESCRIPTOR)}.{field.name}"
        if name in without or (field.containing_oneof is not None and not _optional(field)):
            continue
        if field.message_type is None:
            _set(message, field, [_value(field)])
        elif field.is_repeated:
            getattr(message, field.name).extend(_several(field.message_type, without, depth))
        else:
            getattr(message, field.name).CopyFrom(_several(field.message_type, without, depth)[0])
    return message


def _several(kind: Any, without: frozenset[str], depth: int) -> list[Any]:
    made: Any = GetMessageClass(kind)
    tests = [field for field in kind.fields if field.containing_oneof is not None and not _optional(field)]
    if not tests:
        return [filled(made, without, depth)]
    if depth:
        return [_test(made, next(one for one in tests if one.name in {"count", "constant"}), without)]
    # One that holds all the others, so that one field of this kind shows everything.
    joined = made()
    joined.all.of.extend(_test(made, test, without) for test in tests)
    return [joined]


def _test(kind: Any, test: Any, without: frozenset[str]) -> Any:
    message = kind()
    inner = getattr(message, test.name)
    if test.message_type is kind.DESCRIPTOR:
        inner.CopyFrom(_test(kind, kind.DESCRIPTOR.fields_by_name["constant"], without))
    else:
        inner.CopyFrom(filled(GetMessageClass(test.message_type), without, 1))
    return message


def _optional(field: Any) -> bool:
    """Whether the field's oneof only says that it may be absent."""
    oneof = field.containing_oneof
    return oneof is not None and bool(oneof.name == f"_{field.name}")


def _short(kind: Any) -> str:
    name: str = kind.full_name
    return name.removeprefix("standstill.v1.")


def _value(field: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"{field.name}-word"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\7" * 16
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    return 1 if field.type == FieldDescriptor.TYPE_ENUM else COUNT


def _set(message: Message, field: Any, values: list[Any]) -> None:
    if field.is_repeated:
        del getattr(message, field.name)[:]
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, values[0])


def changes(message: Message) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """Every single value in a message: its field, a change of it, and the way back."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from changes(part)
        else:
            yield _change(message, field, list(value) if field.is_repeated else [value])


def _change(message: Message, field: Any, old: list[Any]) -> tuple[str, Callable[[], None], Callable[[], None]]:
    new = [_other(field, old[0]), *old[1:]]
    name = f"{_short(message.DESCRIPTOR)}.{field.name}"
    return name, lambda: _set(message, field, new), lambda: _set(message, field, old)


def _other(field: Any, old: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return False
    if field.type == FieldDescriptor.TYPE_ENUM:
        return 2 if field.enum_type.values_by_number.get(2) else 0
    return old + (1 if isinstance(old, int) else "x" if isinstance(old, str) else b"\1")


def shown(made: pb.Agreement) -> set[str]:
    """Fields whose change changes the page."""
    before, found = page(PageView(terms=made)), set()
    for name, change, back in changes(made):
        change()
        if page(PageView(terms=made)) != before:
            found.add(name)
        back()
    return found


def reachable(kind: Any, seen: set[str]) -> Iterator[str]:
    """Every field of a message, and of those in it, that holds a value itself."""
    if kind.full_name in seen:
        return
    seen.add(kind.full_name)
    for field in kind.fields:
        if field.message_type is not None:
            yield from reachable(field.message_type, seen)
        else:
            yield f"{_short(kind)}.{field.name}"


VARIANTS: Final = [
    frozenset[str](),
    frozenset(
        {"Rule.need", "Need.Count.role", "Condition.Reading.all", "Condition.Trend.all", "Condition.Overdue.all"}
    ),
    frozenset({"Need.Count.role", "Standing.release"}),
    frozenset({"Need.Count.role", "Need.Count.seats"}),
]


def test_every_field_that_counts_has_its_sentence() -> None:
    found: set[str] = set()
    for without in VARIANTS:
        found |= shown(filled(pb.Agreement, without))

    assert set(reachable(pb.Agreement.DESCRIPTOR, set())) - found == UNREADABLE


def test_the_page_fits_into_80_columns_and_keeps_numbers_with_their_units() -> None:
    text = page(PageView(terms=agreement().terms, digest=agreement().digest))

    assert max(map(len, text.splitlines())) <= WIDTH == 80
    assert not any(line.strip().split(" ")[0] in {"h", "d", "FLOP", "%"} for line in text.splitlines())
    assert agreement().digest.hex() in text


def test_a_draft_has_no_digest_yet_and_a_compiled_one_says_who_has_signed() -> None:
    made = agreement()
    assert page(PageView(terms=made.terms)).startswith("TEST AGREEMENT   draft, keys to come   times UTC\n")
    signed = {"alpha": True, "beta": False}
    said = page(PageView(terms=made.terms, digest=made.digest, signed=signed))
    assert said.startswith("TEST AGREEMENT   1 of 4 founders have signed   times UTC\nDIGEST ")


def test_findings_and_places_stand_on_the_page() -> None:
    problem = Problem("single-source", Severity.WARNING, "indicators.horizon", "evalco alone decides this", "add one")
    view = PageView(terms=terms(), problems=[problem], places={"levels.pause": "x.agreement:7"})

    (check,) = [section for section in sections(view) if section.heading == "CHECK"]
    assert [one.text for one in check.sentences] == [
        "warning single-source, indicators.horizon: evalco alone decides this; add one."
    ]
    said = " ".join(page(view).split())
    assert "Level 2. Binds each lab on the terms of its own pledge. [x.agreement:7]" in said
    assert "Level 1. Binds each lab on the terms of its own pledge. May be" in said


def read(indicator: str = "horizon", **changed: Any) -> condition_pb2.Condition:
    values = {"labs": 1, "comparison": condition_pb2.COMPARISON_AT_LEAST, "threshold": 1440, **changed}
    return Condition(reading=Condition.Reading(indicator=indicator, **values))


def phases(*found: condition_pb2.Phase.ValueType) -> condition_pb2.Condition:
    tests = [Condition(level_phase=Condition.LevelPhase(level=2, phase=one)) for one in found]
    return Condition(any=Condition.Several(of=tests))


ABC: Final = ["alpha", "beta", "gamma"]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (read(), "horizon of any lab is 24 h or more"),
        (read(labs=2), "horizon of at least 2 labs is 24 h or more"),
        (read(labs=0, all=True), "horizon of all labs is 24 h or more"),
        (read(of=["beta"]), "horizon of beta is 24 h or more"),
        (read(of=["alpha", "beta"]), "horizon of alpha or beta is 24 h or more"),
        (read(of=ABC, labs=2), "horizon of at least 2 of alpha, beta and gamma is 24 h or more"),
        (read(comparison=condition_pb2.COMPARISON_BELOW), "horizon of any lab is below 24 h"),
        (read("share", threshold=905_000), "share of any lab is 90.5 % or more"),
        (read("speed", threshold=100), "speed of any lab is 100 x or more"),
        (read("compute", threshold=10**13), "compute of any lab is 1e25 FLOP or more"),
        (
            read(ratchet=Condition.Ratchet(every_periods=48, factor_ppm=900_000, limit=720)),
            (
                "horizon of any lab is 24 h or more "
                "(a threshold that becomes 90 % of itself every 2 d, until it reaches 12 h)"
            ),
        ),
        (
            Condition(
                trend=Condition.Trend(
                    indicator="horizon",
                    labs=1,
                    over_periods=8_760,
                    doubling_periods=1_440,
                    comparison=condition_pb2.COMPARISON_AT_LEAST,
                )
            ),
            "horizon of any lab doubles within 60 d, judged by reports at least 365 d apart",
        ),
        (
            Condition(overdue=Condition.Overdue(indicator="horizon", labs=1, periods=2_880)),
            "reports of horizon on any lab have been missing for 120 d (assumed)",
        ),
        (phases(condition_pb2.PHASE_WINDING, condition_pb2.PHASE_IN_FORCE), "pause is winding down or in force"),
        (
            phases(
                condition_pb2.PHASE_SUSPENDED,
                condition_pb2.PHASE_CALLED,
                condition_pb2.PHASE_WINDING,
                condition_pb2.PHASE_IN_FORCE,
            ),
            "pause is called",
        ),
        (phases(condition_pb2.PHASE_OPEN, condition_pb2.PHASE_RAMPING), "pause is open, or pause is ramping up again"),
        (keeps(2, "alpha"), "alpha keeps pause"),
        (keeps(2, "alpha", "beta"), "alpha and beta keep pause"),
        (keeps(2, *ABC, k=1), "at least 1 of alpha, beta and gamma keeps pause"),
        (
            Condition(weighs=Condition.Weighs(level=2, of=[Condition.Weight(lab="alpha", weight=60)], at_least=50)),
            "labs that weigh at least 50 keep pause (alpha with 60)",
        ),
        (
            Condition(honored=Condition.Honored(level=2, periods=720)),
            "all labs that it binds have kept pause for 30 d, as verified",
        ),
        (
            Condition(honored=Condition.Honored(level=2, periods=720, k=1)),
            "at least 1 lab has kept pause for 30 d, as verified",
        ),
        (
            Condition(elapsed=Condition.Elapsed(level=2, periods=2_160, since=condition_pb2.SINCE_IN_FORCE)),
            "90 d have passed since pause came into force",
        ),
        (
            Condition(event=Condition.EventSeen(event="review", level=2, periods=240)),
            "the event review is reported since pause began, and has stood for 10 d",
        ),
        (
            Condition(carried=Condition.Carried(rule="council", level=2)),
            "the vote council has carried while pause is called",
        ),
        (
            Condition(status=Condition.IsStatus(status=condition_pb2.PARTY_STATUS_BOUND, level=2, k=1, of=["beta"])),
            "beta is bound by pause",
        ),
        (Condition(constant=Condition.Constant(value=True)), "always"),
        (Condition(negation=read()), "it is not so that horizon of any lab is 24 h or more"),
        (
            Condition(at_least=Condition.AtLeast(k=2, of=[read(), keeps(2, "alpha"), keeps(1, "beta")])),
            (
                "at least 2 of these 3 hold: (1) horizon of any lab is 24 h or more; (2) alpha keeps pause; "
                "(3) beta keeps slowdown"
            ),
        ),
        (
            Condition(
                all=Condition.Several(
                    of=[
                        keeps(1, "beta"),
                        Condition(any=Condition.Several(of=[keeps(2, one) for one in ABC])),
                        read(),
                    ]
                )
            ),
            (
                "all of these hold: (1) beta keeps slowdown; (2) [one of these holds: (1) alpha keeps pause; "
                "(2) beta keeps pause; (3) gamma keeps pause]; (3) horizon of any lab is 24 h or more"
            ),
        ),
    ],
)
def test_conditions_read_as_people_speak(condition: condition_pb2.Condition, words: str) -> None:
    units = {"horizon": "min", "share": "ppm", "speed": "x", "compute": "FLOP"}
    made = terms(indicators=[pb.Indicator(name=name, unit=unit) for name, unit in units.items()])

    assert condition_words(condition, made) == words


def said(made: pb.Agreement) -> str:
    return " ".join(page(PageView(terms=made)).split())


def test_a_level_that_never_ends_says_so() -> None:
    made = terms()
    level = made.levels[1]
    level.resume.CopyFrom(Condition(constant=Condition.Constant(value=False)))
    level.mandate_periods = 1_000_000
    assert "Never ends by a vote to lift (council). It has no other end." in said(made)
    assert "no other end" not in said(terms())


def test_a_level_that_forbids_nothing_says_so() -> None:
    everything = [label for label in q.Label.values() if label != q.LABEL_UNSPECIFIED]
    made = terms()
    made.levels[0].allowed[:] = everything
    assert "All kinds of work are allowed, within the limits that follow." in said(made)
    del made.levels[0].caps[:]
    assert "Forbids no work." in said(made)
    assert "Forbids no work." not in said(terms())


def test_votes_name_seats_roles_weights_and_recusal() -> None:
    made = terms()
    seats = pb.SeatClass(name="public", seats=[pb.Seat()] * 3)
    made.parties.add(name="board", roles=[pb.ROLE_COUNCIL], owner="all", seats=[seats])
    weighted = pb.Need.Weighted(of=[pb.VoterWeight(voter="alpha", weight=60)], at_least=50, ceiling=55)
    parts = [
        pb.Need(count=pb.Need.Count(k=2, voters=ABC)),
        pb.Need(count=pb.Need.Count(k=2, seats="public")),
        pb.Need(count=pb.Need.Count(k=1, role=pb.ROLE_VERIFIER)),
        pb.Need(weighted=weighted),
    ]
    need = pb.Need(all=pb.Need.Several(of=parts))
    made.rules[0].CopyFrom(pb.Rule(name="council", need=need, ballot_life_periods=72, recuse_subject=True))
    assert (
        "council: 2 of alpha, beta and gamma, 2 of the 3 seats public, 1 of the verifiers and a weight of 50 "
        "(alpha with 60, nobody counted for more than 55). A ballot counts for 3 d. Who the motion is about has no vote"
    ) in said(made)
