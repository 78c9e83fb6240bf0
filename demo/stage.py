"""The play: one function per act. Each act ends with claims; the demo succeeds only if every one of them held."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from demo.claim import Claim
from demo.cluster import LOOK_SECONDS, Cluster, DemoFailed
from demo.figures import HIDDEN_CHIPS, Played
from demo.scenario import (
    CODE_LIMIT,
    CODE_SHARE,
    HORIZON,
    HORIZON_LIMIT,
    LABS,
    LEVEL,
    METER,
    PARTIES,
    PERIOD,
    SUPPLIER,
    VERIFIER,
    Timeline,
    pledge,
)
from protocol.wire import encode
from standstill.v1 import (
    audit_service_pb2,
    compute_pb2,
    condition_pb2,
    decision_pb2,
    evidence_pb2,
    header_pb2,
    node_admin_service_pb2,
)
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.message import Message

    from demo.view import View

CHEAT: Final = "gamma"
HONEST: Final = tuple(lab for lab in LABS if lab != CHEAT)
BEFORE: Final = {HORIZON: 870, CODE_SHARE: 800_000}
"""Indicator reports that cross nothing: 14.5 h tasks, 80 % of merged code."""
CROSSED: Final = {HORIZON: HORIZON_LIMIT + 120, CODE_SHARE: CODE_LIMIT + 10_000}
"""Reports of beta that cross both thresholds: 42 h tasks, 96 % of merged code."""

_LOOKS: Final = 12
"""Looks that the verifier is given to take in what was said; they fit into one period of injected time."""

_HONORED: Final = header_pb2.VERDICT_HONORED
_DISCREPANT: Final = header_pb2.VERDICT_DISCREPANT
_BREACHED: Final = header_pb2.VERDICT_BREACHED


@dataclass(slots=True)
class Stage:
    """The cluster on stage, what the players do, and what was claimed so far."""

    cluster: Cluster
    timeline: Timeline
    players: Mapping[str, Played]
    view: View
    claims: list[Claim] = field(default_factory=list)

    def claim(self, text: str, held: bool) -> None:
        """Note whether something came out."""
        self.claims.append(Claim(text, held))

    # -- moving time --------------------------------------------------------------------------------------------------

    def play(self, act: str, first: int, last: int) -> None:
        """Let the periods of an act pass, one by one."""
        for period in self.view.track(act, range(first, last + 1)):
            self.end_period(period)

    def end_period(self, period: int) -> None:
        """The period ends: it is closed; labs attest it and the meters are read; the verifier takes all of it in."""
        self.cluster.set_clock(self.cluster.agreement.end_of(period) + LOOK_SECONDS // 2)
        self.cluster.wait_for(f"the closing of period {period}", partial(self.closed, period))
        for name in (*LABS, METER):
            self.cluster.wait_for(f"{name} to speak of period {period}", partial(self._attested, name, period))
        self.say(SUPPLIER, (header_pb2.KIND_SHIPMENTS_COMPLETE, evidence_pb2.ShipmentsComplete(), period))
        self.settle()

    def settle(self) -> None:
        """Let the verifier look at every log until it holds all that was said."""
        sizes = {name: self._status(name).size for name in PARTIES if name != VERIFIER}
        for attempt in range(_LOOKS):
            # A look that failed is tried again after injected time, so time must go on for it.
            self.cluster.pass_time(LOOK_SECONDS + 1)
            if self.cluster.happens(lambda: self._holds(sizes), seconds=1 + attempt):
                return
        raise DemoFailed("the verifier did not take in every log; its journal says why")

    def _status(self, name: str) -> node_admin_service_pb2.GetStatusResponse:
        return self.cluster.admin(name).GetStatus(node_admin_service_pb2.GetStatusRequest())

    def _attested(self, name: str, period: int) -> bool:
        status = self._status(name)
        return status.HasField("attested") and status.attested >= period

    def state(self) -> audit_service_pb2.GetStateResponse:
        """What the verifier says."""
        return self.cluster.audit.GetState(audit_service_pb2.GetStateRequest())

    def closed(self, period: int) -> bool:
        """Whether the verifier has closed a period and assessed the one before it."""
        state = self.state()
        if not state.HasField("closed") or state.closed < period:
            return False
        owed = period - 1
        return owed < self.timeline.first or all(lab.newest.period >= owed for lab in state.labs)

    def _holds(self, sizes: Mapping[str, int]) -> bool:
        held = {log.party: log.size for log in self.state().logs}
        return all(held[name] >= size for name, size in sizes.items())

    # -- saying things ------------------------------------------------------------------------------------------------

    def say(self, name: str, *said: tuple[header_pb2.Kind.ValueType, Message, int | None]) -> None:
        """Publish statements through a party's node: kind, body, period."""
        drafts = [
            node_admin_service_pb2.Draft(kind=kind, body=encode(body), period=period) for kind, body, period in said
        ]
        self.cluster.admin(name).Publish(node_admin_service_pb2.PublishRequest(drafts=drafts))

    def verdicts(self, lab: str, first: int, last: int) -> dict[int, audit_service_pb2.AssessedPeriod]:
        """Newest assessments of a lab by period."""
        request = audit_service_pb2.ListAssessmentsRequest(lab=lab, from_period=first, to_period=last, limit=1_000)
        return {item.period: item for item in self.cluster.audit.ListAssessments(request).assessments}

    def all_honored(self, labs: Sequence[str], first: int, last: int) -> bool:
        """Whether every lab was honored in every period of a range."""
        wanted = range(first, last + 1)
        return all(
            (found := self.verdicts(lab, first, last)).keys() == set(wanted)
            and all(item.verdict == _HONORED for item in found.values())
            for lab in labs
        )


def found(stage: Stage) -> None:
    """Act 1: all parties accept the agreement by its digest; chips are delivered, pledges published."""
    stage.cluster.start()
    # What is witnessed before the end of period 0 stands in its closing.
    stage.settle()
    stage.end_period(0)
    in_force = stage.state().status == "in_force"
    stage.claim(f"the agreement is in force, founded by {len(PARTIES)} of {len(PARTIES)}", in_force)
    for lab, played in stage.players.items():
        shipment = evidence_pb2.ShipmentReport(
            id=f"{lab}-1", receiver=lab, chip_class=played.lab.chip_class, chips=_chips(played.lab.chips)
        )
        stage.say(SUPPLIER, (header_pb2.KIND_SHIPMENT_REPORT, shipment, 1))
        receipt = compute_pb2.Transfer(
            id=f"{lab}-1",
            direction=compute_pb2.DIRECTION_RECEIPT,
            counterparty=SUPPLIER,
            chip_class=played.lab.chip_class,
            chips=_chips(played.lab.chips),
        )
        reports = [_report(lab, name, value) for name, value in BEFORE.items()]
        stage.say(
            lab,
            (header_pb2.KIND_PLEDGE, pledge(lab), None),
            (header_pb2.KIND_TRANSFER, receipt, 1),
            *((header_pb2.KIND_INDICATOR_REPORT, report, 1) for report in reports),
        )
    stage.settle()
    stage.end_period(1)


def attest(stage: Stage) -> None:
    """Act 2: ordinary hours; every lab attests, everything agrees."""
    timeline = stage.timeline
    stage.play("attest", timeline.first, timeline.call - 1)


def call(stage: Stage) -> None:
    """Act 3: an indicator crosses its threshold, the council votes, the pause is called."""
    reports = [_report("beta", name, value) for name, value in CROSSED.items()]
    stage.say("beta", *((header_pb2.KIND_INDICATOR_REPORT, report, stage.timeline.call) for report in reports))
    ballot = decision_pb2.Ballot(motion=decision_pb2.MOTION_CALL, level=LEVEL, episode=1, yes=True)
    for lab in ("alpha", "beta"):
        stage.say(lab, (header_pb2.KIND_BALLOT, ballot, None))
    stage.settle()
    stage.play("call", stage.timeline.call, stage.timeline.call)
    level = stage.state().levels[0]
    stage.view.quote(level.why)
    stage.claim(
        "the pause is called: trigger true, 2 of 3 groups voted yes", level.phase == condition_pb2.PHASE_WINDING
    )
    stage.claim("all three labs are bound by their pledges", sorted(level.bound) == list(LABS))


def wind_down(stage: Stage) -> None:
    """Act 4: labs stop what the pause ends, and report what they halted."""
    timeline = stage.timeline
    stage.play("wind down", timeline.call + 1, timeline.paused - 2)
    for lab, played in stage.players.items():
        stage.say(lab, (header_pb2.KIND_HALT_REPORT, _halt(played, timeline), timeline.paused))
    stage.settle()
    stage.play("wind down", timeline.paused - 1, timeline.paused)
    honored = stage.all_honored(LABS, timeline.first, timeline.paused - 1)
    stage.claim(f"3 x {timeline.paused - timeline.first} periods honored before the pause was in force", honored)
    level = stage.state().levels[0]
    in_force = level.phase == condition_pb2.PHASE_IN_FORCE
    stage.claim(f"the pause is in force from period {timeline.paused}", in_force)
    stage.view.quote(level.why)
    # What is unknown never lifts; until the clocks have run, not even a vote does.
    later = level.HasField("earliest_lift") and level.earliest_lift > timeline.paused
    stage.claim(f"what would lift it is told, and no lift before P{level.earliest_lift}", later)


def in_force(stage: Stage) -> None:
    """Act 5: the pause is honored, period by period."""
    timeline = stage.timeline
    stage.play("in force", timeline.paused + 1, timeline.cheat_a - 1)


def cheat_a(stage: Stage) -> None:
    """Act 6: gamma trains in secret, under another label and with understated use."""
    timeline = stage.timeline
    stage.play("cheat A", timeline.cheat_a, timeline.cheat_a + 1)
    honored = stage.all_honored(LABS, timeline.paused, timeline.cheat_a - 1)
    stage.claim(f"3 x {timeline.in_force} periods of the pause honored", honored)
    caught = stage.verdicts(CHEAT, timeline.cheat_a, timeline.cheat_a)[timeline.cheat_a]
    codes = {finding.code for finding in caught.details.findings}
    stage.claim("cheat A: gamma is discrepant", caught.verdict == _DISCREPANT)
    stage.claim("cheat A: the meter contradicts gamma's energy", "meter-above-declared" in codes)
    honest = stage.all_honored(HONEST, timeline.cheat_a, timeline.cheat_a)
    stage.claim("cheat A: alpha and beta stay honored", honest)


def cheat_b(stage: Stage) -> None:
    """Act 7: gamma hides chips that the supplier shipped."""
    timeline = stage.timeline
    stage.play("cheat B", timeline.cheat_a + 2, timeline.cheat_b)
    cluster = stage.cluster
    end = cluster.agreement.end_of(timeline.cheat_b + 1)
    cluster.set_clock(end + 1)
    cluster.wait_for("the last closing", lambda: stage.closed(timeline.cheat_b + 1))
    between = stage.all_honored([CHEAT], timeline.cheat_a + 1, timeline.cheat_b - 1)
    stage.claim("gamma is honored again in the honest periods between", between)
    caught = stage.verdicts(CHEAT, timeline.cheat_b, timeline.cheat_b)[timeline.cheat_b]
    missing = [item for item in caught.details.findings if item.code == "shipped-not-declared"]
    stage.claim("cheat B: gamma is breached", caught.verdict == _BREACHED)
    figures = {figure.name: int(figure.value) for item in missing for figure in item.figures}
    hidden = figures.get("expected", 0) - figures.get("observed", 0)
    stage.claim(f"cheat B: {HIDDEN_CHIPS} chips are missing, to the last one", hidden == HIDDEN_CHIPS)
    honest = stage.all_honored(HONEST, timeline.first, timeline.cheat_b)
    stage.claim("alpha and beta were honored in every period", honest)


def _chips(number: int) -> q.Quantity:
    return q.Quantity(value=number, unit=q.UNIT_CHIP, basis=q.BASIS_MEASURED)


def _report(lab: str, indicator: str, value: int) -> evidence_pb2.IndicatorReport:
    return evidence_pb2.IndicatorReport(indicator=indicator, lab=lab, value=value)


def _halt(played: Played, timeline: Timeline) -> compute_pb2.HaltReport:
    """The runs that the lab stopped: one per label that trained before the call."""
    hour = played.done[timeline.winding - 1]
    report = compute_pb2.HaltReport(level=LEVEL, episode=1)
    for label, number in (("train", q.LABEL_TRAIN), ("post_train", q.LABEL_POST_TRAIN)):
        seconds = sum(past.held.get(label, 0) for past in played.done[: timeline.paused])
        if seconds:
            run = f"{played.lab.name}-{label}-1"
            report.runs.add(
                run=run,
                label=number,
                chips=_chips(hour.held.get(label, 0) // PERIOD),
                operations=q.Quantity(
                    value=seconds * 100, unit=q.UNIT_TERAFLOP, basis=q.BASIS_CALCULATED, systematic_ppm=300_000
                ),
                sealed_checkpoint=sha256(f"sealed checkpoint of {run}".encode()).digest(),
            )
    return report


ACTS: Final = (
    ("found", found),
    ("attest", attest),
    ("call", call),
    ("wind down", wind_down),
    ("in force", in_force),
    ("cheat A", cheat_a),
    ("cheat B", cheat_b),
)
"""The acts, in order."""
