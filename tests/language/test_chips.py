from __future__ import annotations

import pytest

from language.chips import COLUMNS, PRESET_TABLE, read_chip_table
from language.problem import Unreadable
from protocol.agreement_limits import LABELS
from protocol.agreement_rules import problems
from standstill.v1 import quantity_pb2 as q
from tests import terms

HEADER = ",".join(COLUMNS)
ROW = "X1,100,,10,20,5,15,1,2,1,made up"


def test_every_class_of_the_shipped_table_is_accepted_by_the_rules() -> None:
    made = terms.terms(chips=list(PRESET_TABLE))

    assert [str(problem) for problem in problems(made) if "chips" in problem.field] == []
    assert len({chip.name for chip in PRESET_TABLE}) == len(PRESET_TABLE) == 9


def test_every_label_draws_power_within_one_interval() -> None:
    for chip in PRESET_TABLE:
        labels = [label for bound in chip.power for label in bound.labels]
        assert sorted(labels) == sorted(LABELS)
        assert all(bound.low_milliwatt <= bound.high_milliwatt for bound in chip.power)


def test_a_table_is_read_in_its_units() -> None:
    (chip,) = read_chip_table(f"{HEADER}\n{ROW}\n")

    assert [(peak.format, peak.gigaflop_per_second) for peak in chip.peaks] == [(q.NUMBER_FORMAT_BF16_DENSE, 100_000)]
    assert (chip.power[0].low_milliwatt, chip.power[0].high_milliwatt) == (10_000, 20_000)
    assert (chip.power[-1].low_milliwatt, chip.power[-1].high_milliwatt) == (0, 20_000)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("chip_class,watts\n", 1),
        (f"{HEADER}\n{ROW}\n{ROW.replace('100', 'fast')}\n", 3),
        (f"{HEADER}\nX1,100\n", 2),
    ],
    ids=["empty", "other columns", "no number", "short row"],
)
def test_a_table_that_is_none_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(Unreadable) as refused:
        read_chip_table(text)

    (problem,) = refused.value.problems
    assert problem.code == "bad-table"
    assert problem.span is not None
    assert problem.span.line == line
