"""The demo's agreement can be agreed to, and its timeline is what the agreement makes of it."""

from __future__ import annotations

import pytest

from daemon.enrolment import Newcomer, enrol
from demo.scenario import (
    DAY,
    LABS,
    METER,
    PARTIES,
    STOPPED,
    SUPPLIER,
    VERIFIER,
    Timeline,
    draft,
    group_of,
    limits,
    pledge,
    power,
)
from node.collect import LABELS
from protocol import agreement_rules
from protocol.agreement import Agreement, read_agreement
from protocol.errors import Reason
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import agreement_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q

ROLES = {
    SUPPLIER: agreement_pb2.ROLE_SUPPLIER,
    METER: agreement_pb2.ROLE_METER,
    VERIFIER: agreement_pb2.ROLE_VERIFIER,
}


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> list[agreement_pb2.Party]:
    home = tmp_path_factory.mktemp("parties")
    newcomers = [
        Newcomer(
            name=name,
            roles=[ROLES.get(name, agreement_pb2.ROLE_LAB)],
            owner=name,
            sites=["main"] if name in LABS else [],
            metered_by=METER if name in LABS else "",
        )
        for name in PARTIES
    ]
    return [enrol(newcomer, home / newcomer.name).party for newcomer in newcomers]


def compiled(parties: list[agreement_pb2.Party], timeline: Timeline, most_eval: int = 0) -> Agreement:
    terms = draft(timeline, most_eval)
    terms.parties.extend(parties)
    return read_agreement(encode(terms))


def test_the_agreement_of_the_demo_can_be_agreed_to(descriptors: list[agreement_pb2.Party]) -> None:
    agreement = compiled(descriptors, Timeline())

    assert agreement_rules.problems(agreement.terms) == []
    assert list(agreement.terms.founding) == list(PARTIES)


def test_without_its_meter_operator_it_cannot(descriptors: list[agreement_pb2.Party]) -> None:
    terms = draft(Timeline())
    terms.parties.extend(party for party in descriptors if party.name != METER)

    assert Reason.NAME_UNKNOWN in {problem.reason for problem in agreement_rules.problems(terms)}


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_can_pledge_to_keep_the_pause(lab: str, descriptors: list[agreement_pb2.Party]) -> None:
    KINDS[header_pb2.KIND_PLEDGE].validate(
        pledge(lab), header_pb2.Header(author=lab), compiled(descriptors, Timeline())
    )


def test_the_acts_follow_each_other() -> None:
    line = Timeline()

    order = [line.first, line.call, line.winding, line.paused, line.cheat_a, line.cheat_b]
    assert order == sorted(set(order))
    assert line.winding == line.call + 2
    assert line.paused - line.winding == draft(line).levels[0].wind_down_periods
    assert line.cheat_b == line.last


def test_the_pause_ends_exactly_the_labels_that_it_does_not_allow() -> None:
    allowed = set(draft(Timeline()).levels[0].allowed)

    stopped = {label for label in LABELS if q.Label.Value(f"LABEL_{label.upper()}") not in allowed}
    assert stopped == set(STOPPED)


def test_a_lab_that_measures_much_has_its_ceiling_raised_and_no_other() -> None:
    usual = draft(Timeline()).levels[0].caps[0].chip_seconds

    assert draft(Timeline(), usual - 1).levels[0].caps[0].chip_seconds == usual
    assert draft(Timeline(), usual + 1).levels[0].caps[0].chip_seconds == usual + 1
    assert draft(Timeline()).levels[0].caps[0].window_periods == DAY


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("chip_class", sorted(power()))
def test_limits_are_those_of_the_agreement(label: str, chip_class: str) -> None:
    chip = next(chip for chip in draft(Timeline()).chips if chip.name == chip_class)
    value = q.Label.Value(f"LABEL_{label.upper()}")
    [bound] = [bound for bound in chip.power if value in bound.labels]

    low, high = limits(label, power()[chip_class])

    assert (low * 1_000, high * 1_000) == (bound.low_milliwatt, bound.high_milliwatt)
    assert low <= power()[chip_class][group_of(label)].mean <= high
