"""What conditions read of a state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol import fold
from protocol.facts import PHASES, StateFacts
from protocol.state import (
    Binding,
    Conduct,
    LevelState,
    Membership,
    PartyState,
    ReportState,
    Stage,
    Standing,
    Status,
    key,
)
from protocol.truth import Truth
from standstill.v1 import condition_pb2 as pb
from tests.builders import LABS, PAUSE, agreement, terms

F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE
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


def test_a_lab_keeps_a_level_only_with_its_whole_group() -> None:
    made = terms()
    made.parties[1].owner = made.parties[0].owner
    grouped = agreement(parties=list(made.parties))

    def keeps(profile: dict[str, int], **beta: Any) -> bool:
        parties = dict(BASE.parties) | {"beta": PartyState(**({"membership": Membership.IN} | beta))}
        return StateFacts(grouped, replace(BASE, parties=parties), profile).keeps("alpha", 1)

    assert keeps({"alpha": 1, "beta": 1})
    assert not keeps({"alpha": 1})
    # Who takes no part keeps nothing from counting.
    assert keeps({"alpha": 1}, membership=Membership.OUT)


def test_a_stranger_keeps_nothing_and_belongs_to_nobody() -> None:
    facts = StateFacts(TERMS, BASE, {"delta": 2})
    assert not facts.keeps("delta", 1)
    assert facts.group("delta") not in {facts.group(lab) for lab in LABS}
    assert facts.status("delta", pb.PARTY_STATUS_RELIED, 0).value is Truth.FALSE


def test_knows_who_takes_part() -> None:
    parties = dict(BASE.parties) | {"beta": PartyState(membership=Membership.OUT)}
    assert StateFacts(TERMS, replace(BASE, parties=parties)).members() == ("alpha", "gamma")
    assert StateFacts(TERMS, replace(BASE, parties=parties)).labs() == LABS


@pytest.mark.parametrize("stage", Stage)
def test_a_clock_of_a_phase_runs_in_that_phase_alone(stage: Stage) -> None:
    level = LevelState(stage=stage, age=7, held=9)
    facts = StateFacts(TERMS, replace(BASE, levels={**BASE.levels, PAUSE: level}))
    assert facts.clock(PAUSE, pb.SINCE_IN_FORCE) == (7 if stage is Stage.IN_FORCE else 0)
    assert facts.clock(PAUSE, pb.SINCE_OPENED) == (7 if stage is Stage.OPEN else 0)
    assert facts.clock(PAUSE, pb.SINCE_UNSPECIFIED) == 9


def test_counts_since_entry_by_closings_or_by_the_calendar() -> None:
    entered = replace(BASE, status=Status.IN_FORCE, entered=4, since=5)
    assert StateFacts(TERMS, entered).clock(PAUSE, pb.SINCE_ENTRY) == 16
    assert StateFacts(TERMS, entered).periods_since_entry() == 25
    for early in (BASE, replace(BASE, since=31)):
        assert StateFacts(TERMS, early).periods_since_entry() == 0
    assert StateFacts(TERMS, replace(entered, status=Status.FORMING)).clock(PAUSE, pb.SINCE_ENTRY) == 0


VERDICTS: dict[pb.PartyStatus.ValueType, dict[str, Truth]] = {
    pb.PARTY_STATUS_CONFIRMED: {"honored": T, "inconclusive": U, "discrepant": F, "breached": F, "": U},
    pb.PARTY_STATUS_INCONCLUSIVE: {"honored": F, "inconclusive": T, "discrepant": F, "breached": F, "": U},
    pb.PARTY_STATUS_DISCREPANT: {"honored": F, "inconclusive": F, "discrepant": T, "breached": F, "": U},
    pb.PARTY_STATUS_BREACHED: {"honored": F, "inconclusive": F, "discrepant": F, "breached": T, "": U},
}


@pytest.mark.parametrize("status", VERDICTS)
def test_reads_the_newest_settled_verdict(status: pb.PartyStatus.ValueType) -> None:
    for verdict, expected in VERDICTS[status].items():
        settled = ("breached", verdict) if verdict else ()
        for conduct in (Conduct(newest=verdict), Conduct(settled=settled)):
            state = replace(BASE, conduct=dict(BASE.conduct) | {"alpha": conduct})
            found = StateFacts(TERMS, state).status("alpha", status, 0)
            assert found.value is expected
            assert bool(found.missing) is (expected is U)


@pytest.mark.parametrize(("silent", "stale", "presumed"), [(0, F, F), (1, F, F), (2, T, F), (3, T, T), (9, T, T)])
def test_silence_makes_a_lab_stale_and_then_presumed(silent: int, stale: Truth, presumed: Truth) -> None:
    facts = StateFacts(TERMS, replace(BASE, conduct=dict(BASE.conduct) | {"alpha": Conduct(silent=silent)}))
    assert facts.status("alpha", pb.PARTY_STATUS_STALE, 0).value is stale
    assert facts.status("alpha", pb.PARTY_STATUS_PRESUMED, 0).value is presumed


@pytest.mark.parametrize("standing", Standing)
def test_an_accused_lab_is_still_relied_on(standing: Standing) -> None:
    facts = StateFacts(TERMS, replace(BASE, conduct=dict(BASE.conduct) | {"alpha": Conduct(standing=standing)}))
    found = [facts.status("alpha", status, 0).value for status in (pb.PARTY_STATUS_RELIED, pb.PARTY_STATUS_ACCUSED)]
    accused = standing is Standing.ACCUSED
    assert found == [F if standing is Standing.OUT else T, T if accused else F]
    assert facts.status("alpha", pb.PARTY_STATUS_OUT, 0).value is (T if standing is Standing.OUT else F)


def test_a_lab_is_bound_until_its_ramp_begins() -> None:
    binds = {"alpha": Binding(since=3), "beta": Binding(since=3, until=9)}
    facts = StateFacts(TERMS, replace(BASE, levels={**BASE.levels, PAUSE: LevelState(binds=binds)}))
    found = {lab: facts.status(lab, pb.PARTY_STATUS_BOUND, PAUSE).value for lab in LABS}
    assert found == {"alpha": T, "beta": F, "gamma": F}


@pytest.mark.parametrize("membership", Membership)
def test_a_lab_takes_part_until_it_is_out(membership: Membership) -> None:
    parties = dict(BASE.parties) | {"alpha": PartyState(membership=membership)}
    found = StateFacts(TERMS, replace(BASE, parties=parties)).status("alpha", pb.PARTY_STATUS_TAKES_PART, 0)
    assert found.value is (T if membership in {Membership.IN, Membership.NOTICE} else F)
