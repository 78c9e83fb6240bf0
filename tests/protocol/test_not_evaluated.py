"""Terms that say what nothing evaluates are refused by the name of the field."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from protocol import agreement_rules, not_evaluated
from protocol.errors import Reason
from protocol.not_evaluated import NOT_EVALUATED
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import pledge_pb2
from tests.builders import agreement, change

TERMS = agreement().terms


def _messages(descriptor: Descriptor) -> dict[str, Descriptor]:
    """The message types that a type contains, itself included, by the names that the table uses."""
    found: dict[str, Descriptor] = {}
    waiting = [descriptor]
    while waiting:
        one = waiting.pop()
        name = one.full_name.removeprefix("standstill.v1.")
        if name not in found:
            found[name] = one
            waiting += [field.message_type for field in one.fields if field.message_type is not None]
    return found


REACHED = _messages(pb.Agreement.DESCRIPTOR) | _messages(pledge_pb2.Pledge.DESCRIPTOR)


@pytest.mark.parametrize("name", sorted(NOT_EVALUATED))
def test_names_fields_that_an_agreement_or_pledge_can_state(name: str) -> None:
    message, _, field = name.rpartition(".")
    assert field in REACHED[message].fields_by_name


def _refused(terms: Message) -> list[tuple[Reason, str]]:
    return [(found.reason, found.field) for found in not_evaluated.problems(terms)]


def test_says_nothing_of_terms_without_such_fields() -> None:
    assert _refused(TERMS) == []


def test_refuses_a_field_at_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(not_evaluated, "NOT_EVALUATED", frozenset({"Agreement.amended_by"}))
    stated = change(TERMS, amended_by="pausing")
    assert _refused(stated) == [(Reason.VERSION_UNKNOWN, "amended_by")]
    assert [found.field for found in agreement_rules.problems(stated)] == ["amended_by"]
    assert not agreement_rules.problems(TERMS)


def test_finds_a_field_however_deep_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(not_evaluated, "NOT_EVALUATED", frozenset({"Condition.negation"}))
    stated = change(TERMS)
    stated.levels[1].trigger.any.of.add().all.of.add().negation.constant.value = True
    where = f"levels.{stated.levels[1].name}.trigger.any.of.0.all.of.0.negation"
    assert _refused(stated) == [(Reason.VERSION_UNKNOWN, where)]


@pytest.mark.parametrize("name", ["citations", "not_encoded", "unit", "prior_report", "covered_cluster"])
def test_accepts_what_is_only_for_people(name: str) -> None:
    stated = change(TERMS)
    if name == "not_encoded":
        stated.not_encoded.append("what happens to profits")
    elif name == "citations":
        stated.citations.add(clause="level pause", source="a treaty")
    else:
        getattr(stated, name).SetInParent()
    assert stated != TERMS
    assert not agreement_rules.problems(stated)
