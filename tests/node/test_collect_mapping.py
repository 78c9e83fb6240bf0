"""mapping.toml and the sums over jobs: rules, and exactness as properties."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.collect import JobRecord, Mapping, PeriodFigures, read_mapping, read_trace
from node.collect.aggregate import account, add_up, held_end, peak_use, spread
from node.collect.mapping import parse_mapping
from protocol.errors import Reason, Refused

FIXTURE = Path(__file__).parent / "fixtures" / "mapping.toml"


def job(**attributes: str) -> JobRecord:
    return JobRecord(job="1", start=0, end=1, chips=1, chip_class="H", attributes=attributes)


jobs = st.builds(
    lambda start, span, stopped, chips, chip_class, partition: JobRecord(
        job="",
        start=start,
        end=start + span,
        suspended=min(span, stopped),
        chips=chips,
        chip_class=chip_class,
        attributes={"partition": partition},
    ),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
    st.integers(0, 64),
    st.sampled_from(["H", "A"]),
    st.sampled_from(["train", "serve", "other"]),
)
policies = st.sampled_from(["elapsed + suspended", "elapsed"])


# the file


def test_the_first_rule_that_matches_wins() -> None:
    mapping = read_mapping(FIXTURE)

    assert mapping.label(job(partition="train", account="safety-core", qos="safety")) == ("safety", 1)
    assert mapping.label(job(partition="train", account="safety-core", qos="normal")) == ("train", 6)
    assert mapping.label(job(partition="train", account="rlhf")) == ("post_train", 3)
    assert mapping.label(job(partition="cpu", account="rlhf")) == ("unlabelled", 0)
    assert mapping.label(job(account="rlhf")) == ("unlabelled", 0)


def test_the_digest_is_that_of_the_files_bytes() -> None:
    assert read_mapping(FIXTURE).digest == hashlib.sha256(FIXTURE.read_bytes()).digest()


def test_a_pattern_for_everything_does_not_match_an_absent_field() -> None:
    mapping = parse_mapping(b'version = 1\nrule = [{ label = "train", account = "*" }]')

    assert mapping.label(job(account="")) == ("train", 1)
    assert mapping.label(job(partition="p")) == ("unlabelled", 0)


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("", Reason.MAPPING_VALUE, "version"),
        ("version = 0", Reason.MAPPING_VALUE, "version"),
        ("version = true", Reason.MAPPING_VALUE, "version"),
        ("version = 1\nversion = 2", Reason.MAPPING_MALFORMED, "mapping.toml"),
        ("version = 1\nrules = []", Reason.MAPPING_KEY_UNKNOWN, "did you mean rule?"),
        ('version = 1\nrule = [{ label = "train", partion = "x" }]', Reason.MAPPING_KEY_UNKNOWN, "mean partition?"),
        ('version = 1\nrule = [{ label = "training", qos = "x" }]', Reason.TRACE_LABEL_UNKNOWN, 'mean "train"?'),
        ('version = 1\nrule = [{ qos = "x" }]', Reason.TRACE_LABEL_UNKNOWN, "rule 1"),
        ('version = 1\nrule = [{ label = "train" }]', Reason.MAPPING_VALUE, "default"),
        ('version = 1\nrule = [{ label = "train", qos = [] }]', Reason.MAPPING_VALUE, "qos"),
        ('version = 1\nrule = [{ label = "train", qos = 3 }]', Reason.MAPPING_VALUE, "qos"),
        ('version = 1\nrule = [{ label = "train", qos = "x", exemption = 1 }]', Reason.MAPPING_VALUE, "exemption"),
        ('version = 1\nrule = "train"', Reason.MAPPING_VALUE, "rule"),
        ('version = 1\ndefault = "work"', Reason.TRACE_LABEL_UNKNOWN, "default"),
        ('version = 1\nheld = "suspended"', Reason.MAPPING_VALUE, "held"),
        ('version = 1\nchips = ["H100"]', Reason.MAPPING_VALUE, "chips"),
        ("version = 1\nchips = { gpu = 8 }", Reason.MAPPING_VALUE, "chips"),
        ('version = 1\noutside = [{ label = "idle" }]', Reason.MAPPING_VALUE, "nodes"),
        ('version = 1\noutside = [{ nodes = "n1", label = "idle", chips = -1 }]', Reason.MAPPING_VALUE, "chips"),
        ('version = 1\noutside = [{ nodes = "n1", label = "idle", chips = 8 }]', Reason.MAPPING_VALUE, "chip_class"),
        ('version = 1\noutside = [{ node = "n1", label = "idle" }]', Reason.MAPPING_KEY_UNKNOWN, "did you mean nodes?"),
    ],
)  # fmt: skip
def test_refuses_a_mapping_that_says_nothing_clear(text: str, reason: Reason, words: str) -> None:
    with pytest.raises(Refused) as no:
        parse_mapping(text.encode())

    assert no.value.reason is reason
    assert words in str(no.value)


def test_refuses_a_mapping_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Refused) as no:
        read_mapping(tmp_path / "mapping.toml")

    assert no.value.reason is Reason.MAPPING_UNREADABLE
    assert read_mapping(FIXTURE).version == 3


# what it leads to


def test_a_share_labelled_by_what_users_set_is_estimated(tmp_path: Path) -> None:
    path = tmp_path / "jobs.txt"
    path.write_text(
        "JobID|JobName|Partition|Start|End|AllocTRES\n1|eval-x|y|0|60|gres/gpu=1\n2|x|train|0|120|gres/gpu=1\n"
    )
    trace = read_trace(path, mapping=FIXTURE)

    assert trace.by_rule == {5: 60, 6: 120}
    assert trace.estimated_ppm == 333_334  # rounded up: never less than it is
    assert trace.mapping_digest == read_mapping(FIXTURE).digest
    assert any("rule 4" in note and "reservation" in note for note in trace.notes)


def test_chips_outside_the_scheduler_count(tmp_path: Path) -> None:
    path, mapping = tmp_path / "jobs.csv", tmp_path / "mapping.toml"
    path.write_text("gpus,start,end\n8,0,3600\n")
    mapping.write_text(
        'version = 1\noutside = [{ nodes = "d1", label = "unlabelled", chips = 4, chip_class = "gpu" }]\n'
    )
    (figures,) = read_trace(path, mapping=mapping).figures

    assert figures.chips == {"gpu": 12}
    assert figures.chip_seconds == {("gpu", "unlabelled"): 12 * 3600}


def test_use_above_the_inventory_is_reported_and_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("gpus,start,end\n8,0,3600\n8,1800,5400\n")
    trace = read_trace(path, chips=10)
    first, second = trace.figures
    (finding,) = trace.over_inventory

    assert (finding.start, finding.held, finding.limit) == (0, 12 * 3600, 10 * 3600)
    assert first.chip_seconds == {("gpu", "unlabelled"): 12 * 3600}
    assert second.chip_seconds == {("gpu", "unlabelled"): 4 * 3600, ("gpu", "unaccounted"): 6 * 3600}
    assert "up to 16 gpu were held at once, the inventory is 10" in trace.notes
    assert read_trace(path, chips=16).over_inventory == ()


def test_without_an_inventory_the_peak_is_taken_and_said(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("gpus,start,end\n8,0,60\n4,30,90\n8,90,100\n")
    trace = read_trace(path)

    assert trace.figures[0].chips == {"gpu": 12}
    assert "no inventory stated: taken as the peak of concurrent use, 12 gpu" in trace.notes


# exactness


@given(st.lists(jobs, max_size=20), st.integers(1, 5_000), policies)
def test_what_a_job_held_summed_over_its_periods_is_chips_times_seconds(
    records: list[JobRecord], period: int, held: str
) -> None:
    mapping = Mapping(held=held)
    totals = add_up(records, mapping, period)
    expected = sum(record.chips * (held_end(record, mapping) - record.start) for record in records)

    assert sum(amount for by_pair in totals.held.values() for amount in by_pair.values()) == expected
    assert sum(totals.by_rule.values()) == expected


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 4_000))
def test_each_period_gets_the_seconds_that_lie_in_it(start: int, span: int, chips: int, period: int) -> None:
    found = dict(spread(start, start + span, chips, period))

    assert all(at % period == 0 for at in found)
    for at, amount in found.items():
        assert amount == chips * sum(1 for second in range(at, at + period) if start <= second < start + span)


@given(st.lists(jobs, max_size=15))
def test_the_peak_is_the_most_held_in_any_second(records: list[JobRecord]) -> None:
    mapping = Mapping()
    moments = {record.start for record in records}

    def at(moment: int, chip_class: str) -> int:
        return sum(
            record.chips
            for record in records
            if record.chip_class == chip_class and record.start <= moment < held_end(record, mapping)
        )

    for chip_class, most in peak_use(records, mapping).items():
        assert most == max((at(moment, chip_class) for moment in moments), default=0)


@given(st.integers(0, 10), st.integers(0, 40_000), st.integers(0, 10_000))
def test_every_chip_second_of_the_inventory_is_accounted_for(chips: int, train: int, idle: int) -> None:
    pairs = {("H", "train"): train, ("H", "idle"): idle}
    figures, over = account(PeriodFigures(site="s", start=0, seconds=3600, chips={"H": chips}, chip_seconds=pairs))
    total = sum(figures.chip_seconds.values())

    assert total == max(chips * 3600, train + idle)
    assert bool(over) == (train + idle > chips * 3600)
    assert figures.chip_seconds["H", "train"] == train
