from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from demo import scenario
from language.layout import fmt
from language.lower import compile_text
from language.lower_pledge import compile_pledge
from language.parse import parse, tokens
from language.problem import Unreadable
from language.write import write, write_pledge
from protocol import wire
from protocol.agreement import Agreement
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import pledge_pb2
from tests import terms
from tests.language import worlds
from tests.language.texts import FRONTIER

# No shrinking: the first failing terms are told apart by their difference, and shrinking them takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
LAWS = settings(max_examples=24, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)


def read(text: str) -> pb.Agreement:
    compiled = compile_text(parse(text))
    assert [problem.sentence for problem in compiled.problems] == []
    return compiled.terms


@LAWS
@given(worlds.agreements())
def test_terms_written_and_compiled_again_are_the_same_bytes(made: pb.Agreement) -> None:
    text = write(made)

    again = read(text)

    assert again == made
    assert wire.encode(again) == wire.encode(made)


@LAWS
@given(worlds.agreements())
def test_what_is_written_is_already_laid_out_and_written_alike_again(made: pb.Agreement) -> None:
    text = write(made)

    assert fmt(text) == text
    assert write(read(text)) == text


@LAWS
@given(worlds.pledges())
def test_a_pledge_written_and_compiled_again_is_the_same_bytes(pledge: pledge_pb2.Pledge) -> None:
    made = worlds.named()
    agreement = Agreement(wire.encode(made), made)

    compiled = compile_pledge(parse(write_pledge(pledge, agreement, "alpha")), agreement)

    assert [problem.sentence for problem in compiled.problems] == []
    assert compiled.by == "alpha"
    assert wire.encode(compiled.pledge) == wire.encode(pledge)


WORDS: Final = tokens(FRONTIER)
LIKE: Final = {word.type: sorted({str(one) for one in WORDS if one.type == word.type}) for word in WORDS}
LIKE["NUMBER"] += ["0", "7", "1.5", "1e30"]


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(st.data())
def test_a_text_with_words_exchanged_is_told_off_or_obeys_the_laws(data: st.DataObject) -> None:
    words = [str(word) for word in WORDS]
    for at in data.draw(st.lists(st.integers(0, len(words) - 1), min_size=1, max_size=4)):
        words[at] = data.draw(st.sampled_from(LIKE[WORDS[at].type]))
    try:
        document = parse(" ".join(words))
    except Unreadable:
        return

    compiled = compile_text(document)

    assert compile_text(parse(fmt(document.text))).terms == compiled.terms
    if not compiled.problems:
        assert wire.encode(read(write(compiled.terms))) == compiled.data


def test_the_terms_of_the_tests_survive_being_text() -> None:
    made = terms.terms(4)

    assert wire.encode(read(write(made))) == wire.encode(made)


def test_the_terms_of_the_demo_survive_being_text_once_they_have_parties() -> None:
    made = scenario.draft(scenario.Timeline(), {party.name: party for party in terms.terms().parties})

    assert wire.encode(read(write(made))) == wire.encode(made)
