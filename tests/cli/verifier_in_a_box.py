"""A verifier that answers auditors over real mutual TLS, with answers that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from daemon.server import Server
from daemon.tls import load_certificate, make_certificate, server_credentials
from protocol.errors import Refused
from standstill.v1 import agreement_pb2, assessment_pb2, audit_service_pb2, audit_service_pb2_grpc, condition_pb2
from standstill.v1 import header_pb2 as h
from tests.terms import PERIOD, START

PINNED = bytes.fromhex("7f3c91ab" * 8)
SITE = bytes(range(16))
_EVIDENCE = [kind for kind in agreement_pb2.Evidence.values()[1:] if kind <= agreement_pb2.EVIDENCE_HALT]


@dataclass
class Answers:
    """What the verifier says; with `confused` it answers whatever lab is asked for with what it has."""

    state: audit_service_pb2.GetStateResponse
    assessments: list[audit_service_pb2.AssessedPeriod] = field(default_factory=list)
    findings: list[audit_service_pb2.PlacedFinding] = field(default_factory=list)
    bundle: bytes = b""
    chunk: int = 1_000
    changes: list[audit_service_pb2.WatchResponse] = field(default_factory=list)
    refusal: Refused | None = None
    confused: bool = False
    asked: list[Any] = field(default_factory=list)


class Box(audit_service_pb2_grpc.AuditServiceServicer):
    """Answers as it is told."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def GetState(
        self, request: audit_service_pb2.GetStateRequest, context: grpc.ServicerContext
    ) -> audit_service_pb2.GetStateResponse:
        return self._answers.state

    def ListAssessments(
        self, request: audit_service_pb2.ListAssessmentsRequest, context: grpc.ServicerContext
    ) -> audit_service_pb2.ListAssessmentsResponse:
        self._take(request)
        last = request.to_period if request.HasField("to_period") else 2**62
        known = [item for item in self._answers.assessments if item.lab == request.lab or self._answers.confused]
        found = [item for item in known if item.period <= last]
        return audit_service_pb2.ListAssessmentsResponse(assessments=found[: request.limit])

    def ListFindings(
        self, request: audit_service_pb2.ListFindingsRequest, context: grpc.ServicerContext
    ) -> audit_service_pb2.ListFindingsResponse:
        self._take(request)
        return audit_service_pb2.ListFindingsResponse(findings=self._answers.findings[: request.limit])

    def GetBundle(
        self, request: audit_service_pb2.GetBundleRequest, context: grpc.ServicerContext
    ) -> Iterator[audit_service_pb2.GetBundleResponse]:
        data, size = self._answers.bundle, self._answers.chunk
        for start in range(0, len(data), size):
            yield audit_service_pb2.GetBundleResponse(chunk=data[start : start + size])
        # Refused after some of it was sent: what came is not the bundle.
        self._take(request)

    def Watch(
        self, request: audit_service_pb2.WatchRequest, context: grpc.ServicerContext
    ) -> Iterator[audit_service_pb2.WatchResponse]:
        self._take(request)
        yield from self._answers.changes

    def _take(self, request: object) -> None:
        self._answers.asked.append(request)
        if self._answers.refusal is not None:
            raise self._answers.refusal


@contextmanager
def serving(answers: Answers, home: Path) -> Iterator[Path]:
    """Serve until the end of the block; gives the directory of an auditor's complete profile."""
    own, profile = home / "vera", home / "profile"
    for directory, name in ((own, "vera"), (profile, "auditor")):
        directory.mkdir()
        make_certificate(name, directory)
    server = Server(workers=4)
    servicer = Box(answers)
    name = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name
    server.add(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, servicer, name)
    credentials = server_credentials(load_certificate(own), [(profile / "tls.crt").read_bytes()])
    port = server.listen_tls("127.0.0.1:0", credentials)
    server.start()
    (profile / "verifier.crt").write_bytes((own / "tls.crt").read_bytes())
    (profile / "verifier.toml").write_text(f'address = "127.0.0.1:{port}"\n')
    (profile / "trust").write_text(PINNED.hex() + "\n")
    try:
        yield profile
    finally:
        server.stop(grace=0)


def finding(
    code: str = "shipped-not-declared", severity: h.Verdict.ValueType = h.VERDICT_BREACHED
) -> assessment_pb2.Finding:
    """Hidden chips, with a deviation that no count has, to see it shown."""
    figures = [
        assessment_pb2.Figure(name="observed", value="1448", unit="chips"),
        assessment_pb2.Figure(name="expected", value="1512", unit="chips"),
        assessment_pb2.Figure(name="deviation", value="58", unit="tenths of sigma"),
    ]
    refs = [
        assessment_pb2.StatementRef(origin="chipco.example/log", index=17, identity=bytes(32)),
        assessment_pb2.StatementRef(origin="gamma.example/log", index=122, identity=bytes(32)),
    ]
    text = "gamma received 1512 H100-SXM and declares 1448: 64 are missing."
    return assessment_pb2.Finding(code=code, severity=severity, site=SITE, figures=figures, statements=refs, text=text)


def assessed(
    lab: str, verdict: h.Verdict.ValueType = h.VERDICT_HONORED, period: int = 122, **changes: Any
) -> audit_service_pb2.AssessedPeriod:
    """An assessment; what is not honored lacks the meter or has a finding."""
    states = dict.fromkeys(_EVIDENCE, assessment_pb2.EVIDENCE_STATE_PRESENT)
    if verdict == h.VERDICT_INCONCLUSIVE:
        states[agreement_pb2.EVIDENCE_METER] = assessment_pb2.EVIDENCE_STATE_MISSING
    details = assessment_pb2.Assessment(
        findings=[finding(severity=verdict)] if verdict >= h.VERDICT_DISCREPANT else [],
        evidence=[assessment_pb2.EvidenceStatus(evidence=kind, state=state) for kind, state in states.items()],
        assurance=assessment_pb2.Assurance(
            bound_absent_because="not computed by this version", false_alarm_ppm=1_000, blind_spots=["Other chips."]
        ),
        state=bytes(32),
        record_period=period + 1,
        duty_level=2,
    )
    made = audit_service_pb2.AssessedPeriod(
        lab=lab,
        period=period,
        verdict=verdict,
        revision=1,
        statement=assessment_pb2.StatementRef(origin="vera.example/log", index=9, identity=bytes(32)),
        details=details,
    )
    made.MergeFrom(audit_service_pb2.AssessedPeriod(**changes))
    return made


def lab_status(
    lab: str, verdict: h.Verdict.ValueType = h.VERDICT_HONORED, **changes: Any
) -> audit_service_pb2.LabStatus:
    """A lab in a pause, assessed to P122."""
    made = audit_service_pb2.LabStatus(
        lab=lab, level=2, standing="relied", freshness="fresh", counts=[1_117, 0, 0, 5 * (verdict > 2)]
    )
    if verdict:
        made.newest.CopyFrom(assessed(lab, verdict))
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def pause(phase: condition_pb2.Phase.ValueType = condition_pb2.PHASE_IN_FORCE) -> audit_service_pb2.LevelStatus:
    """The pause, in some phase."""
    return audit_service_pb2.LevelStatus(
        name="pause", rank=2, phase=phase, episode=1, start=73, end=8_833, bound=["alpha", "gamma"], why="true called"
    )


def state(*labs: audit_service_pb2.LabStatus) -> audit_service_pb2.GetStateResponse:
    """Where things stand: P123 closed, 21 minutes ago."""
    return audit_service_pb2.GetStateResponse(
        agreement=PINNED,
        name="frontier-pause",
        verifier="vera",
        now=START + 124 * PERIOD + 21 * 60,
        closed=123,
        state=bytes(32),
        status="in_force",
        levels=[pause()],
        labs=labs or [lab_status("alpha"), lab_status("gamma")],
        logs=[
            audit_service_pb2.LogStatus(party="gamma", origin="gamma.example/log", size=1_204, seen=START, state="ok")
        ],
        period_seconds=PERIOD,
        start=START,
    )
