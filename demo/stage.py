"""The play: one function per act. Each act ends with claims; the demo succeeds only if every one of them held."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from demo.claim import Claim
from demo.cluster import LOOK_SECONDS, Cluster, DemoFailed
from demo.figures import HIDDEN_CHIPS, Played
from demo.scenario import (
    CODE_SHARE,
    COUNCIL,
    EVALUATOR,
    HORIZON,
    JUDGEMENT,
    LABS,
    METER,
    PARTIES,
    PAUSE,
    PERIOD,
    PLANNED,
    SLOWDOWN,
    SPEEDUP,
    SUPPLIER,
    VERIFIER,
    Timeline,
    pledge,
)
from protocol.seats import sign_ballot
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
    from collections.abc import Callable, Mapping, Sequence

    from google.protobuf.message import Message

    from demo.view import View

CHEAT: Final = "gamma"
HONEST: Final = tuple(lab for lab in LABS if lab != CHEAT)
MEASURED: Final[Mapping[str, Mapping[str, int]]] = {
    "alpha": {HORIZON: 640, SPEEDUP: 40, JUDGEMENT: 600_000, CODE_SHARE: 780_000},
    "beta": {HORIZON: 870, SPEEDUP: 52, JUDGEMENT: 640_000, CODE_SHARE: 800_000},
    "gamma": {HORIZON: 610, SPEEDUP: 35, JUDGEMENT: 580_000, CODE_SHARE: 760_000},
}
"""First readings by lab: minutes, times, parts per million twice. They cross nothing."""
FASTER: Final = {HORIZON: 1_500, SPEEDUP: 110}
"""Readings of beta that call the slowdown: tasks of 25 h, training code sped up 110-fold."""
CROSSED: Final = {HORIZON: 2_520, CODE_SHARE: 960_000}
"""Readings of beta that cross the pause's thresholds: tasks of 42 h, 96 % of merged code."""
VOTES: Final = ("alpha", "gamma", "board/public-1", "board/public-3", "board/science-1")
"""Who votes to pause: two labs and three seats of the council. Beta's readings are the cause, so beta has no vote."""

_CITED: Final = re.compile(r"([a-z]+)(?:/\S+)? log \d+")
"""A statement at the end of an explanation: in whose log, which leaf."""
_LOOKS: Final = 12
"""Looks that the verifier is given to take in what was said; they fit into one period of injected time."""

_HONORED: Final = header_pb2.VERDICT_HONORED
_DISCREPANT: Final = header_pb2.VERDICT_DISCREPANT
_BREACHED: Final = header_pb2.VERDICT_BREACHED


@dataclass(slots=True)
class Stage:
    """The cluster on stage, what the players do, and what was claimed so far.

    Attributes:
        ask: shows what an auditor is answered to a question in the words of `standstill audit`.
    """

    cluster: Cluster
    timeline: Timeline
    players: Mapping[str, Played]
    view: View
    ask: Callable[..., None]
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

    def level(self, rank: int) -> audit_service_pb2.LevelStatus:
        """What the verifier says of a level."""
        return next(level for level in self.state().levels if level.rank == rank)

    # -- saying things ------------------------------------------------------------------------------------------------

    def say(self, name: str, *said: tuple[header_pb2.Kind.ValueType, Message, int | None]) -> None:
        """Publish statements through a party's node: kind, body, period."""
        drafts = [
            node_admin_service_pb2.Draft(kind=kind, body=encode(body), period=period) for kind, body, period in said
        ]
        self.cluster.admin(name).Publish(node_admin_service_pb2.PublishRequest(drafts=drafts))

    def vote(self, voter: str) -> None:
        """A yes to the call of the pause: a lab's in its own log, a seat's signed by it and carried by its council."""
        party, _, seat = voter.partition("/")
        ballot = decision_pb2.Ballot(motion=decision_pb2.MOTION_CALL, level=PAUSE, episode=1, yes=True)
        if seat:
            ballot.seat, ballot.serial = seat, 1
            ballot = sign_ballot(self.cluster.agreement.digest, ballot, self.cluster.seats[seat])
        self.say(party, (header_pb2.KIND_BALLOT, ballot, None))

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
    """Act 1: all accept the agreement by its digest; chips are delivered, pledges published, plans committed."""
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
        stage.say(lab, (header_pb2.KIND_PLEDGE, pledge(lab), None), (header_pb2.KIND_TRANSFER, receipt, 1))
    plans = [evidence_pb2.EvaluationPlan(indicator=name, plan=_plan(name)) for name in PLANNED]
    stage.say(EVALUATOR, *((header_pb2.KIND_EVALUATION_PLAN, plan, None) for plan in plans))
    stage.settle()
    stage.end_period(1)


def attest(stage: Stage) -> None:
    """Act 2: ordinary hours; every lab attests, everything agrees. The evaluator measures; nothing is crossed."""
    timeline = stage.timeline
    stage.play("attest", timeline.first, timeline.measured - 1)
    for lab, readings in MEASURED.items():
        _report(stage, lab, readings, timeline.measured)
    stage.play("attest", timeline.measured, timeline.slow - 1)
    called = [level.name for level in stage.state().levels if level.phase != condition_pb2.PHASE_OPEN]
    stage.claim("first readings of all three labs: nothing is called", not called)


def slow_down(stage: Stage) -> None:
    """Act 3: readings cross the slowdown's trigger, and it calls itself; labs train at less than half their pace."""
    timeline = stage.timeline
    _report(stage, "beta", FASTER, timeline.slow)
    stage.play("slow down", timeline.slow, timeline.slow)
    level = stage.level(SLOWDOWN)
    alone = level.phase == condition_pb2.PHASE_WINDING and set(_CITED.findall(level.called)) == {EVALUATOR, *LABS}
    stage.claim("the slowdown called itself: readings, and no vote", alone and "vote" not in level.called)
    stage.play("slow down", timeline.slow + 1, timeline.slowed - 2)
    for lab in LABS:
        # Nothing has to stop, and that is said too.
        nothing = compute_pb2.HaltReport(level=SLOWDOWN, episode=1)
        stage.say(lab, (header_pb2.KIND_HALT_REPORT, nothing, timeline.slowed))
    stage.settle()
    stage.play("slow down", timeline.slowed - 1, timeline.call - 1)
    honored = stage.all_honored(LABS, timeline.first, timeline.call - 2)
    stage.claim(f"3 x {timeline.call - 1 - timeline.first} periods honored before the call", honored)


def call(stage: Stage) -> None:
    """Act 4: readings cross the pause's thresholds, labs and seats of the council vote, the pause is called."""
    _report(stage, "beta", CROSSED, stage.timeline.call)
    for voter in VOTES:
        stage.vote(voter)
    stage.settle()
    stage.play("call", stage.timeline.call, stage.timeline.call)
    level = stage.level(PAUSE)
    called = level.phase == condition_pb2.PHASE_WINDING
    stage.claim("the pause is called: trigger true, and the vote carried it", called)
    said = _CITED.findall(level.called)
    seats = sum(voter.startswith(COUNCIL) for voter in VOTES)
    stage.claim(f"{seats} seats of the board were counted, by class", said.count(COUNCIL) == seats)
    grounds = {EVALUATOR, "beta", *(voter.partition("/")[0] for voter in VOTES)}
    stage.claim("why it was called ends in statements: log and leaf of each", grounds <= set(said))
    stage.claim("all three labs are bound by their pledges", sorted(level.bound) == list(LABS))
    # From the next closing on it is asked what lifts it.
    stage.play("call", stage.timeline.call + 1, stage.timeline.call + 1)
    stage.ask("why", level.name)
    # What is unknown never lifts; until the clocks have run, not even a vote does.
    lift = stage.level(PAUSE).earliest_lift
    stage.claim(f"what would lift it is told, and no lift before P{lift}", lift > stage.timeline.paused)


def wind_down(stage: Stage) -> None:
    """Act 5: labs stop what the pause ends, and report what they halted."""
    timeline = stage.timeline
    stage.play("wind down", timeline.call + 2, timeline.paused - 2)
    for lab, played in stage.players.items():
        stage.say(lab, (header_pb2.KIND_HALT_REPORT, _halt(played, timeline), timeline.paused))
    stage.settle()
    stage.play("wind down", timeline.paused - 1, timeline.paused)
    honored = stage.all_honored(LABS, timeline.slowed, timeline.paused - 1)
    stage.claim(f"3 x {timeline.paused - timeline.slowed} periods of the slowdown honored", honored)
    in_force = stage.level(PAUSE).phase == condition_pb2.PHASE_IN_FORCE
    stage.claim(f"the pause is in force from period {timeline.paused}", in_force)


def in_force(stage: Stage) -> None:
    """Act 6: the pause is honored, period by period."""
    timeline = stage.timeline
    stage.play("in force", timeline.paused + 1, timeline.cheat_a - 1)


def cheat_a(stage: Stage) -> None:
    """Act 7: gamma trains in secret, under another label and with understated use."""
    timeline = stage.timeline
    stage.play("cheat A", timeline.cheat_a, timeline.cheat_a + 1)
    honored = stage.all_honored(LABS, timeline.paused, timeline.cheat_a - 1)
    stage.claim(f"3 x {timeline.in_force} periods of the pause honored", honored)
    _bounded(stage)
    caught = stage.verdicts(CHEAT, timeline.cheat_a, timeline.cheat_a)[timeline.cheat_a]
    codes = {finding.code for finding in caught.details.findings}
    stage.claim("cheat A: gamma is discrepant", caught.verdict == _DISCREPANT)
    stage.claim("cheat A: the meter contradicts gamma's energy", "meter-above-declared" in codes)
    honest = stage.all_honored(HONEST, timeline.cheat_a, timeline.cheat_a)
    stage.claim("cheat A: alpha and beta stay honored", honest)


def _bounded(stage: Stage) -> None:
    """The verdicts of the last day say how much could be hidden, and it is less than what matters."""
    period = stage.timeline.bounded
    matters = stage.cluster.agreement.terms.verification.significant_quantity_teraflop
    hidden = [stage.verdicts(lab, period, period)[period].details.assurance.hidden_compute for lab in LABS]
    most = max(one.bound.value for one in hidden)
    less = all(one.HasField("bound") and one.bound.value < matters and not one.floor.value for one in hidden)
    stage.claim(f"no lab can have hidden more than {most:,} TFLOP by P{period}; {matters:,} matter", less)


def cheat_b(stage: Stage) -> None:
    """Act 8: gamma hides chips that the supplier shipped."""
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


def _plan(indicator: str) -> bytes:
    """Digest of the evaluator's plan to measure an indicator, 32 bytes."""
    return sha256(f"plan to measure {indicator}".encode()).digest()


def _report(stage: Stage, lab: str, readings: Mapping[str, int], period: int) -> None:
    """The evaluator reports on a lab, under the plan committed before; the lab itself says its share of code too."""
    for name, value in readings.items():
        plan = _plan(name) if name in PLANNED else b""
        report = evidence_pb2.IndicatorReport(indicator=name, lab=lab, value=value, plan=plan)
        for author in (EVALUATOR, *((lab,) if name == CODE_SHARE else ())):
            stage.say(author, (header_pb2.KIND_INDICATOR_REPORT, report, period))
    stage.settle()


def _halt(played: Played, timeline: Timeline) -> compute_pb2.HaltReport:
    """The runs that the lab stopped: one per label that trained before the call."""
    hour = played.done[timeline.winding - 1]
    report = compute_pb2.HaltReport(level=PAUSE, episode=1)
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
    ("slow down", slow_down),
    ("call", call),
    ("wind down", wind_down),
    ("in force", in_force),
    ("cheat A", cheat_a),
    ("cheat B", cheat_b),
)
"""The acts, in order."""
