"""What a lab did in the periods of a baseline, against the sum over its attestations one by one."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from protocol.past_work import past_work
from protocol.statements.quantities import TRAINING
from standstill.v1 import assessment_pb2, compute_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests.builders import used

LABELS = [q.LABEL_TRAIN, q.LABEL_POST_TRAIN, q.LABEL_INFERENCE, q.LABEL_IDLE]
OVER = range(2, 5)

Said = tuple[header_pb2.Header, compute_pb2.ComputeAttestation, assessment_pb2.StatementRef]


@st.composite
def _statements(draw: st.DrawFn) -> list[Said]:
    """Attestations of two sites for a few periods in and about the baseline, some of them said more than once."""
    uses = st.builds(used, st.sampled_from(LABELS), st.integers(0, 9), st.none() | st.integers(0, 9))
    places = st.tuples(st.integers(0, 6), st.sampled_from([b"a", b"b"]))
    said = draw(st.lists(st.tuples(places, st.lists(uses, max_size=4)), max_size=12))
    return [
        (
            header_pb2.Header(period=period, site=site),
            compute_pb2.ComputeAttestation(use=use),
            assessment_pb2.StatementRef(index=index),
        )
        for index, ((period, site), use) in enumerate(said)
    ]


def _least(said: list[Said], labels: Collection[int], quantity: str) -> int:
    """The model: for each site and period the least that any statement says."""
    sums: dict[tuple[int, bytes], list[int]] = {}
    for header, body, _ in said:
        if header.period in OVER:
            amount = sum(getattr(use, quantity).value for use in body.use if use.label in labels)
            sums.setdefault((header.period, header.site), []).append(amount)
    return sum(map(min, sums.values()))


@given(_statements(), st.sets(st.sampled_from(LABELS)))
def test_counts_of_each_site_and_period_the_least_that_was_said(said: list[Said], labels: set[int]) -> None:
    found = past_work(OVER, said)

    assert found.held(labels) == _least(said, labels, "held")
    assert found.trained(labels) == _least(said, labels & TRAINING, "operations")
    assert [ref.index for ref in found.refs] == [index for index, one in enumerate(said) if one[0].period in OVER]


def test_a_share_is_of_all_periods_of_the_baseline_whether_attested_or_not() -> None:
    said = (header_pb2.Header(period=2), compute_pb2.ComputeAttestation(use=[used(q.LABEL_IDLE, 90)]))
    found = past_work(OVER, [(*said, assessment_pb2.StatementRef())])

    assert found.share(found.held([q.LABEL_IDLE]), 2, 500_000) == 30
