"""What exemptions in terms must satisfy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol import agreement_rules
from protocol.errors import Reason
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q
from tests.builders import PAUSE, SLOWDOWN
from tests.protocol.exempt import exempting, exemption
from tests.terms import change

Edit = Callable[[pb.Exemption], object]

CASES: list[tuple[str, Edit, Reason | None]] = [
    ("as it should be", lambda _: None, None),
    ("without a cap", lambda one: one.ClearField("cap"), None),
    ("without labels", lambda one: one.ClearField("labels"), Reason.LABEL_MISSING),
    ("a label twice", lambda one: one.labels.append(q.LABEL_ROLLOUT), Reason.LABEL_TWICE),
    ("an unknown label", lambda one: one.MergeFromString(b"\x12\x01\x63"), Reason.LABEL_UNKNOWN),
    ("work that its cap leaves out", lambda one: one.labels.append(q.LABEL_EVAL), Reason.LABEL_MISSING),
    ("a cap without a limit", lambda one: one.cap.ClearField("chip_seconds"), Reason.FIELD_ABSENT),
    ("a cap over no time", lambda one: one.cap.ClearField("window_periods"), Reason.VALUE_OUT_OF_RANGE),
    ("more than all is sampled", lambda one: setattr(one, "sampled_ppm", 1_000_001), Reason.VALUE_OUT_OF_RANGE),
    ("all is sampled", lambda one: setattr(one, "sampled_ppm", 1_000_000), None),
    ("a name that is none", lambda one: setattr(one, "name", "no name"), Reason.NAME_MALFORMED),
]


def _reasons(terms: pb.Agreement) -> list[Reason]:
    return [found.reason for found in agreement_rules.problems(terms)]


@pytest.mark.parametrize(("name", "edit", "reason"), CASES, ids=[case[0] for case in CASES])
def test_refuses_an_exemption_that_cannot_be_counted(name: str, edit: Edit, reason: Reason | None) -> None:
    del name
    one = exemption()
    edit(one)
    found = _reasons(exempting(one))
    assert reason in found if reason else found == []


def test_names_each_exemption_of_a_level_once() -> None:
    assert set(_reasons(exempting(exemption(), exemption()))) == {Reason.NAME_TWICE}
    assert _reasons(exempting(exemption(), exemption("trial"))) == []


def test_an_exemption_on_request_needs_a_rule_that_grants() -> None:
    one = exemption(on_request=True)
    assert _reasons(exempting(one, exempted_by=None)) == [Reason.FIELD_ABSENT]
    assert _reasons(exempting(one, exempted_by="nobody")) == [Reason.NAME_UNKNOWN]
    assert _reasons(exempting(one)) == []


def test_a_higher_level_lets_through_only_what_the_lower_does() -> None:
    terms = exempting(exemption())
    low = terms.levels[SLOWDOWN - 1]
    low.allowed.remove(q.LABEL_ROLLOUT)
    low.caps[0].labels.remove(q.LABEL_ROLLOUT)
    assert _reasons(terms) == [Reason.LEVELS_DO_NOT_RISE]
    low.exemptions.append(exemption())
    assert _reasons(terms) == []


LOOSER: list[tuple[str, Edit, bool]] = [
    ("as tight", lambda _: None, False),
    ("tighter", lambda one: setattr(one.cap, "chip_seconds", 1), False),
    ("more", lambda one: setattr(one.cap, "chip_seconds", 5_000), True),
    ("in less time", lambda one: setattr(one.cap, "window_periods", 3), True),
    ("without a cap", lambda one: one.ClearField("cap"), True),
    ("without a grant", lambda one: setattr(one, "on_request", False), True),
]


@pytest.mark.parametrize(("name", "edit", "told"), LOOSER, ids=[case[0] for case in LOOSER])
def test_an_exemption_of_a_higher_level_is_as_tight_as_its_namesake(name: str, edit: Edit, told: bool) -> None:
    del name
    high = exemption(on_request=True)
    edit(high)
    terms = exempting(high)
    terms.levels[SLOWDOWN - 1].exemptions.append(exemption(on_request=True))
    assert (_reasons(terms) == [Reason.LEVELS_DO_NOT_RISE]) is told
    assert change(terms).levels[PAUSE - 1].exemptions[0].name == "audit"
