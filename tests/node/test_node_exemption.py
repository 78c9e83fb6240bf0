"""Work under an exemption, from the mapping of a lab to what the checks say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.clock import FileClock
from node.collectors import TraceCollector
from node.config import SiteSettings
from protocol.agreement import Agreement
from protocol.errors import Reason
from standstill.v1 import compute_pb2
from standstill.v1 import quantity_pb2 as q
from tests.protocol.exempt import LIMIT, USUAL, agreed, exemption, rows
from tests.protocol.refusals import refuses
from tests.protocol.window import WINDOW
from tests.scenes import NOW, PAUSED, honest
from tests.terms import H100, PERIOD, handle

RULE = '{{ label = "{label}", account = "safety-*", exemption = "{name}" }}'


class Lab:
    """A site whose scheduler ran jobs in the period assessed: one of a safety team, one that serves users."""

    def __init__(self, home: Path) -> None:
        self.home, self.terms = home, USUAL
        (home / "clock").write_text(str(USUAL.end_of(NOW)))

    def run(self, seconds: int) -> None:
        """The safety team holds an accelerator for so long; users have it for the rest, and another all the time."""
        start, end = USUAL.start_of(NOW), USUAL.end_of(NOW)
        jobs = [f"{start},{start + seconds},safety-1", f"{start + seconds},{end},serve", f"{start},{end},serve"]
        lines = [f"{job},1" for job in jobs if not job.startswith(f"{end},")]
        (self.home / "jobs.csv").write_text("\n".join(["start_time,end_time,account,gpu_num", *lines]) + "\n")

    def map(self, label: str = "rollout", name: str = "audit") -> None:
        rules = f'{RULE.format(label=label, name=name)}, {{ label = "inference", account = "*" }}'
        (self.home / "mapping.toml").write_text(f"version = 1\nrule = [{rules}]\n")

    def collector(self) -> TraceCollector:
        settings = SiteSettings(
            handle=handle("alpha").hex(),
            trace=Path("jobs.csv"),
            mapping=Path("mapping.toml"),
            chip_class=H100,
            chips=2,
        )
        clock = FileClock(self.home / "clock")
        return TraceCollector(USUAL, clock, "g1", settings, self.home, lambda: self.terms)

    def attests(self) -> compute_pb2.ComputeAttestation:
        return compute_pb2.ComputeAttestation.FromString(self.collector().draft(NOW).body)

    def findings(self) -> list[str]:
        """What the checks say of this period under a pause."""
        scene = honest(PAUSED, USUAL, without=["attestation"])
        for period in WINDOW:
            scene.attest(period, use=rows(0))
        scene.attest(use=list(self.attests().use))
        return scene.codes()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.run(LIMIT)
    made.map()
    return made


def use_of(body: compute_pb2.ComputeAttestation) -> dict[tuple[int, str], int]:
    return {(row.label, row.exemption): row.held.value for row in body.use}


def test_work_of_a_rule_with_an_exemption_is_attested_under_it(lab: Lab) -> None:
    assert use_of(lab.attests()) == {
        (q.LABEL_ROLLOUT, "audit"): LIMIT,
        (q.LABEL_INFERENCE, ""): 2 * PERIOD - LIMIT,
    }


def test_the_same_label_stands_apart_under_an_exemption_and_under_none(lab: Lab) -> None:
    text = (lab.home / "mapping.toml").read_text()
    (lab.home / "mapping.toml").write_text(text.replace('"inference"', '"rollout"'))

    assert use_of(lab.attests()) == {
        (q.LABEL_ROLLOUT, "audit"): LIMIT,
        (q.LABEL_ROLLOUT, ""): 2 * PERIOD - LIMIT,
    }


def test_a_table_of_figures_names_exemptions_in_a_column(lab: Lab) -> None:
    start = USUAL.start_of(NOW)
    lines = [
        "hour,site,chip_class,chips,label,chip_seconds,watt_hours,exemption",
        f"{start},g1,{H100},2,rollout,{LIMIT},100,audit",
        f"{start},g1,{H100},2,rollout,5,100,",
    ]
    (lab.home / "jobs.csv").write_text("\n".join(lines) + "\n")

    assert use_of(lab.attests()) == {
        (q.LABEL_ROLLOUT, "audit"): LIMIT,
        (q.LABEL_ROLLOUT, ""): 5,
        (q.LABEL_UNACCOUNTED, ""): 2 * PERIOD - LIMIT - 5,
    }
    (lab.home / "jobs.csv").write_text("\n".join([*lines, lines[1].replace("audit", "audits")]) + "\n")
    with refuses(Reason.NAME_UNKNOWN, "jobs.csv: column exemption"):
        lab.attests()


@pytest.mark.parametrize(("label", "name"), [("rollout", "audits"), ("train", "audit")], ids=["name", "label"])
def test_refuses_a_rule_whose_exemption_the_terms_do_not_have_for_its_work(lab: Lab, label: str, name: str) -> None:
    lab.map(label, name)
    with refuses(Reason.NAME_UNKNOWN, "mapping.toml: rule 1: exemption"):
        lab.attests()

    lab.map()
    assert lab.attests().use


def _without(name: str) -> Agreement:
    return agreed(exemption(name))


def test_the_terms_in_force_count_and_not_the_first(lab: Lab) -> None:
    lab.terms = _without("trial")
    with refuses(Reason.NAME_UNKNOWN, "mapping.toml: rule 1: exemption"):
        lab.attests()

    lab.terms = _without("audit")
    assert lab.attests().use


def test_an_honest_lab_may_use_its_exemption_up_to_its_cap(lab: Lab) -> None:
    assert lab.findings() == []

    lab.run(LIMIT + 1)
    assert lab.findings() == ["exemption-exceeded"]


def test_the_same_work_is_forbidden_where_the_mapping_names_no_exemption(lab: Lab) -> None:
    lab.map(name="")

    assert lab.findings() == ["label-not-allowed"]
