"""What conditions read of a state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import fold
from protocol.facts import PHASES, StateFacts
from protocol.state import Binding, Conduct, LevelState, Membership, PartyState, ReportState, Stage, Standing, key
from standstill.v1 import condition_pb2 as pb
from tests.builders import LABS, PAUSE, agreement, terms

TERMS = agreement()
BASE = replace(
    fold.initial(TERMS),
    period=30,
    closings=20,
    parties={name: PartyState(membership=Membership.IN) for name in TERMS.parties},
)


def _report(value: int, closing: int = 20, index: int = 5) -> ReportState:
    return ReportState(value=value, period=closing + 10, closing=closing, index=index)


def _readings(indicator: str = "uplift", **reports: ReportState) -> tuple[tuple[int, ...], str]:
    stored = {key(indicator, "alpha", reporter): report for reporter, report in reports.items()}
    found = StateFacts(TERMS, replace(BASE, reports=stored)).readings(indicator, "alpha")
    return found.values, found.found


def test_reads_as_many_independent_reports_as_the_agreement_wants() -> None:
    assert _readings() == ((), "0 of 2 reports")
    assert _readings(chipco=_report(5)) == ((), "1 of 2 reports")
    assert _readings(chipco=_report(5), gridco=_report(7)) == ((5, 7), "5 (chipco log 5), 7 (gridco log 5)")


def test_reads_reports_up_to_their_age_in_closings() -> None:
    assert terms().indicators[1].max_age_periods == 6
    assert _readings(chipco=_report(5, 14), gridco=_report(7))[0] == (5, 7)
    assert _readings(chipco=_report(5, 13), gridco=_report(7))[0] == ()


def test_counts_reporters_of_one_group_once_by_the_newest() -> None:
    made = terms()
    made.parties[3].owner = made.parties[4].owner
    made.parties[0].owner = "another group"
    grouped = agreement(parties=list(made.parties))
    for chipco, gridco, newest in ((18, 19, 7), (19, 18, 5)):
        stored = {
            key("uplift", "alpha", "chipco"): _report(5, chipco),
            key("uplift", "alpha", "gridco"): _report(7, gridco),
            key("uplift", "alpha", "alpha"): _report(6),
        }
        found = StateFacts(grouped, replace(BASE, reports=stored)).readings("uplift", "alpha")
        assert sorted(found.values) == sorted((newest, 6))


@pytest.mark.parametrize("membership", Membership)
@pytest.mark.parametrize("standing", Standing)
def test_relies_on_members_in_standing_alone(membership: Membership, standing: Standing) -> None:
    state = replace(
        BASE,
        parties=dict(BASE.parties) | {"alpha": PartyState(membership=membership)},
        conduct=dict(BASE.conduct) | {"alpha": Conduct(standing=standing)},
    )
    relied = membership in {Membership.IN, Membership.NOTICE} and standing is not Standing.OUT
    facts = StateFacts(TERMS, state, {"alpha": 1})
    assert facts.keeps("alpha", 1) is relied
    assert not facts.keeps("alpha", 2)
    assert not facts.keeps("beta", 1)


@pytest.mark.parametrize("stage", Stage)
def test_reads_the_stage_as_a_phase_or_the_one_assumed(stage: Stage) -> None:
    state = replace(BASE, levels={**BASE.levels, PAUSE: LevelState(stage=stage)})
    assert StateFacts(TERMS, state).phase(PAUSE) == PHASES[stage]
    assert StateFacts(TERMS, state, assumed={PAUSE: Stage.WINDING}).phase(PAUSE) == pb.PHASE_WINDING


def test_knows_whom_a_level_binds_now() -> None:
    binds = {"alpha": Binding(since=3), "beta": Binding(since=3, until=9)}
    state = replace(BASE, levels={**BASE.levels, PAUSE: LevelState(stage=Stage.IN_FORCE, binds=binds)})
    assert StateFacts(TERMS, state).bound(PAUSE) == ("alpha",)


@pytest.mark.parametrize(
    ("start", "honored", "expected"),
    [(None, 9, 0), (29, 9, 0), (28, 9, 1), (24, 9, 5), (24, 3, 3), (0, 9, 9), (31, 9, 0)],
)
def test_counts_honored_periods_of_the_restriction_alone(start: int | None, honored: int, expected: int) -> None:
    # Two closings after a period its verdict is settled: at period 30 that is period 28.
    state = replace(
        BASE,
        levels={**BASE.levels, PAUSE: LevelState(stage=Stage.IN_FORCE, start=start, held=9)},
        conduct={lab: Conduct(honored=honored) for lab in LABS},
    )
    assert StateFacts(TERMS, state).honored_in_a_row("alpha", PAUSE) == expected


def test_knows_groups_labs_and_time() -> None:
    state = replace(BASE, levels={**BASE.levels, PAUSE: LevelState(held=4)})
    facts = StateFacts(TERMS, state)
    assert facts.labs() == LABS
    assert facts.group("beta") == "beta group"
    assert facts.clock(PAUSE, pb.SINCE_UNSPECIFIED) == 4
