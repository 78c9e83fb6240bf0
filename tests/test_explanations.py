"""What the check of every closing's explanations lets through, and what it finds."""

from __future__ import annotations

import pytest

from protocol.truth import Explained, Ref, Truth
from standstill.v1 import decision_pb2
from tests.builders import ALWAYS, PAUSE, World, agreement, level
from tests.explanations import refs, require_grounded, ungrounded

SAID = Ref("alpha.example/standstill", 3, bytes(32))


def _because(*parts: Explained) -> Explained:
    return Explained(Truth.TRUE, "call", parts)


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (Explained(Truth.TRUE, "alpha: 5000", evidence=(SAID,)), []),
        (Explained(Truth.TRUE, "level 2 for 3 periods, so far 3"), []),
        (Explained(Truth.TRUE, "level 1 is PHASE_OPEN, found PHASE_OPEN"), []),
        (Explained(Truth.TRUE, "alpha: 0 of 1 report in 9 periods, assumed", assumed=True), []),
        (Explained(Truth.FALSE, "alpha at level 2"), []),
        (Explained(Truth.UNKNOWN, "alpha: 0 of 1 report", missing="a report"), []),
        (Explained(Truth.TRUE, "alpha: 5000"), ["alpha: 5000"]),
        (Explained(Truth.TRUE, "alpha at level 2"), ["alpha at level 2"]),
        (Explained(Truth.UNKNOWN, "alpha: 0 of 1 report"), ["alpha: 0 of 1 report"]),
    ],
)
def test_finds_what_claims_something_and_ends_in_nothing(part: Explained, found: list[str]) -> None:
    assert [one.text for one in ungrounded(_because(Explained(Truth.TRUE, "any of", (part,))))] == found


@pytest.mark.parametrize("stands", [True, False])
def test_requires_that_what_is_cited_stands_in_its_log(stands: bool) -> None:
    why = _because(Explained(Truth.TRUE, "alpha: 5000", evidence=(SAID,)))
    if stands:
        require_grounded(why, lambda ref: ref == SAID)
    else:
        with pytest.raises(AssertionError):
            require_grounded(why, lambda _: False)


def test_a_statement_is_found_only_in_its_own_place() -> None:
    world = World(agreement(levels=[level("slowdown", 1), level("pause", PAUSE, trigger=ALWAYS)])).found()
    world.vote(decision_pb2.MOTION_CALL)
    (moved,) = world.close().transitions
    cited = list(refs(moved.why))
    assert len(cited) == 2
    assert all(map(world.stands, cited))
    assert not world.stands(Ref(cited[0].origin, cited[0].index + 9, cited[0].identity))
    assert not world.stands(Ref(cited[1].origin, cited[0].index, cited[0].identity))
