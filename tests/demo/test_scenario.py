"""The demo's agreement can be agreed to, and its timeline is what the agreement makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import pytest

from daemon.enrolment import Newcomer, enrol
from demo.scenario import (
    COUNCIL,
    DAY,
    EXEMPT,
    LABS,
    METER,
    PARTIES,
    PAUSE,
    PERIOD,
    PLANNED,
    PRESET,
    ROLES,
    SEATS,
    SLOWDOWN,
    SLOWED,
    STOPPED,
    Timeline,
    changes,
    draft,
    group_of,
    limits,
    pledge,
    power,
    seat_classes,
    terms_of,
    terms_text,
)
from language.check import check
from language.difference import differences
from language.presets import PRESETS
from node.collect import LABELS
from protocol import agreement_rules
from protocol.agreement import Agreement, read_agreement
from protocol.duty import GOVERNS_AFTER
from protocol.keys import public_key
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import agreement_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q

Parties = dict[str, agreement_pb2.Party]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    home = tmp_path_factory.mktemp("parties")
    newcomers = [
        Newcomer(
            name=name,
            roles=[role],
            owner=name,
            sites=["main"] if name in LABS else [],
            metered_by=METER if name in LABS else "",
        )
        for name, role in ROLES.items()
    ]
    found = {newcomer.name: enrol(newcomer, home / newcomer.name).party for newcomer in newcomers}
    found[COUNCIL].seats.extend(seat_classes(lambda seat: public_key(sha256(seat.encode()).digest())))
    return found


def compiled(parties: Parties) -> Agreement:
    return read_agreement(encode(draft(Timeline(), parties)))


def level(rank: int, most: Mapping[str, int] | None = None) -> agreement_pb2.Level:
    return terms_of(terms_text(Timeline(), most or {})).levels[rank - 1]


def test_the_agreement_of_the_demo_can_be_agreed_to(described: Parties) -> None:
    agreement = compiled(described)

    assert agreement_rules.problems(agreement.terms) == []
    assert list(agreement.terms.founding) == list(PARTIES)
    assert {name: party.roles[0] for name, party in agreement.parties.items()} == dict(ROLES)
    assert {seats.name: [seat.name for seat in seats.seats] for seats in agreement.parties[COUNCIL].seats} == {
        name: list(seats) for name, seats in SEATS.items()
    }


@pytest.mark.parametrize("missing", [METER, COUNCIL, LABS[0]])
def test_without_the_keys_of_a_party_it_cannot(described: Parties, missing: str) -> None:
    terms = draft(Timeline(), {name: party for name, party in described.items() if name != missing})

    assert agreement_rules.problems(terms) != []


def test_nobody_has_errors_to_find_in_it() -> None:
    report = check(terms_text(Timeline(), {}))

    assert report.errors == ()
    assert report.problems


def test_it_is_the_preset_but_for_what_the_table_says() -> None:
    found = {(one.clause, one.key) for one in differences(terms_of(PRESET.text), draft(Timeline()))}

    assert found == {
        ("", "founding"),
        *((f"indicator {name}", "plan_committed") for name in PLANNED),
        ("level slowdown", "wind_down"),
        ("level slowdown.caps", "training_total"),
        *((f"level pause.exempt {name}", "cap") for name in EXEMPT),
        ("verification", "dishonest_verifiers"),
        *((f"party {name}", "") for name in ("otto", "iris", "cora")),
        ("party vera", "cite"),
    }


def test_the_table_names_what_the_preset_says_and_nothing_else() -> None:
    assert [old for old, _ in changes(Timeline(), {}) if old not in PRESET.text] == []


def test_refuses_to_change_what_the_preset_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.scenario.PRESET", PRESETS["miri-2025"])

    with pytest.raises(LookupError, match="the preset miri-2025 does not say: "):
        terms_text(Timeline(), {})


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_can_pledge_to_keep_both_levels(lab: str, described: Parties) -> None:
    promised = pledge(lab)

    KINDS[header_pb2.KIND_PLEDGE].validate(promised, header_pb2.Header(author=lab), compiled(described))
    assert [clause.level for clause in promised.clauses] == [SLOWDOWN, PAUSE]


def test_the_acts_follow_each_other() -> None:
    line = Timeline()

    order = [line.first, line.measured, line.slow, line.slowing, line.slowed, line.call, line.winding, line.paused]
    order += [line.cheat_a, line.cheat_b]
    assert order == sorted(set(order))
    assert line.measured - 1 >= line.plans
    for called, bound, full, rank in (
        (line.slow, line.slowing, line.slowed, SLOWDOWN),
        (line.call, line.winding, line.paused, PAUSE),
    ):
        assert bound == called + GOVERNS_AFTER
        assert full - bound == level(rank).wind_down_periods
    assert line.cheat_b == line.last


def test_the_pause_ends_exactly_the_labels_that_it_neither_allows_nor_exempts() -> None:
    allowed = set(level(PAUSE).allowed) | {label for one in level(PAUSE).exemptions for label in one.labels}

    stopped = {label for label in LABELS if q.Label.Value(f"LABEL_{label.upper()}") not in allowed}
    assert stopped == set(STOPPED)
    assert [one.name for one in level(PAUSE).exemptions] == ["safety", "eval"]
    for one in level(PAUSE).exemptions:
        assert list(one.labels) == [q.Label.Value(f"LABEL_{one.name.upper()}")]


def test_labs_slow_down_what_the_slowdown_caps() -> None:
    [cap] = [cap for cap in level(SLOWDOWN).caps if cap.name == "training_total"]

    assert {q.Label.Name(label).removeprefix("LABEL_").lower() for label in cap.labels} == set(SLOWED)
    assert (cap.baseline_ppm, cap.window_periods) == (500_000, DAY)


@pytest.mark.parametrize("name", EXEMPT)
def test_a_lab_that_does_much_exempt_work_has_its_ceiling_raised_and_no_other(name: str) -> None:
    def ceilings(most: int) -> dict[str, int]:
        return {one.name: one.cap.chip_seconds for one in level(PAUSE, {name: most}).exemptions}

    usual = ceilings(0)
    assert ceilings(usual[name]) == usual
    assert ceilings(usual[name] + 1) == usual | {name: usual[name] + PERIOD}
    assert {one.cap.window_periods for one in level(PAUSE).exemptions} == {DAY}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("chip_class", sorted(power()))
def test_limits_are_those_of_the_agreement(label: str, chip_class: str) -> None:
    chip = next(chip for chip in draft(Timeline()).chips if chip.name == chip_class)
    value = q.Label.Value(f"LABEL_{label.upper()}")
    [bound] = [bound for bound in chip.power if value in bound.labels]

    low, high = limits(label, power()[chip_class])

    assert (low * 1_000, high * 1_000) == (bound.low_milliwatt, bound.high_milliwatt)
    assert low <= power()[chip_class][group_of(label)].mean <= high
