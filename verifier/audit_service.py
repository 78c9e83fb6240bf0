"""Answers to auditors. Conveniences all of them: what counts is what is signed, and a bundle derives it again."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import grpc

from daemon.rows import identity_of
from protocol.audience import Reader
from protocol.duty import GOVERNS_AFTER, duty, silence
from protocol.errors import Reason, Refused, require
from protocol.explain import earliest_lift
from protocol.facts import PHASES
from protocol.in_force import in_force
from standstill.v1 import assessment_pb2, audit_service_pb2, audit_service_pb2_grpc, header_pb2
from verifier.registrar import called_key
from verifier.store import StoredVerdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.author import Author
    from daemon.clock import Clock
    from protocol.agreement import Agreement
    from protocol.state import LevelState, State
    from verifier.bundler import Bundler
    from verifier.changes import Changes
    from verifier.follower import Following
    from verifier.registrar import Registrar
    from verifier.store import VerifierStore

SERVICE: Final = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
CHUNK_BYTES: Final = 1 << 20
_WAKE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of the daemon that answers come from.

    Attributes:
        agreement: the terms.
        store: what is kept beside the logs.
        registrar: holds the state.
        bundler: packs evidence.
        changes: hands out what happens.
        own: writes this verifier's log.
        clock: the time.
        following: how far each log is followed.
        reader_of: what a caller may read.
    """

    agreement: Agreement
    store: VerifierStore
    registrar: Registrar
    bundler: Bundler
    changes: Changes
    own: Author
    clock: Clock
    following: Callable[[], list[Following]]
    reader_of: Callable[[grpc.ServicerContext], Reader]


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Answers AuditService; every refusal is left to the server's interceptors."""

    def __init__(self, parts: Parts) -> None:
        """Answer from these parts of the daemon."""
        self._agreement, self._store, self._registrar = parts.agreement, parts.store, parts.registrar
        self._bundler, self._changes, self._own = parts.bundler, parts.changes, parts.own
        self._clock, self._following, self._reader_of = parts.clock, parts.following, parts.reader_of

    def GetState(
        self, request: audit_service_pb2.GetStateRequest, context: grpc.ServicerContext
    ) -> audit_service_pb2.GetStateResponse:
        """Where things stand; refuses with AUDIENCE_TOO_LOW."""
        reader = self._require(context, Reader.PARTY)
        state, agreement = self._registrar.state, self._agreement
        return audit_service_pb2.GetStateResponse(
            agreement=agreement.digest,
            name=agreement.terms.name,
            verifier=agreement.logs[self._own.origin],
            now=self._clock.now(),
            closed=state.period,
            state=state.digest(),
            status=str(state.status),
            levels=[self.level_status(rank, level) for rank, level in state.levels.items()],
            labs=[self._lab_status(lab, state, reader) for lab in self._labs],
            logs=[
                audit_service_pb2.LogStatus(
                    party=log.party, origin=log.origin, size=log.size, seen=log.seen, state=log.state
                )
                for log in self._following()
            ],
            period_seconds=agreement.terms.period_seconds,
            start=agreement.terms.start,
            state_text=state.text() if request.whole else b"",
            terms=agreement.data if request.whole else b"",
        )

    def ListAssessments(
        self, request: audit_service_pb2.ListAssessmentsRequest, context: grpc.ServicerContext
    ) -> audit_service_pb2.ListAssessmentsResponse:
        """Verdicts on a lab; refuses with AUDIENCE_TOO_LOW, NAME_UNKNOWN, VALUE_OUT_OF_RANGE."""
        reader = self._require(context, Reader.PARTY)
        self._require_lab(request.lab)
        last = request.to_period if request.HasField("to_period") else 2**62
        found = self._store.verdicts(request.lab, request.from_period, last, _limit(request.limit))
        return audit_service_pb2.ListAssessmentsResponse(assessments=[self.assessed(item, reader) for item in found])

    def ListFindings(
        self, request: audit_service_pb2.ListFindingsRequest, context: grpc.ServicerContext
    ) -> audit_service_pb2.ListFindingsResponse:
        """Findings; refuses with AUDIENCE_TOO_LOW, NAME_UNKNOWN, VALUE_OUT_OF_RANGE."""
        self._require(context, Reader.VERIFIER)
        if request.lab:
            self._require_lab(request.lab)
        labs = [request.lab] if request.lab else list(self._labs)
        limit = _limit(request.limit)
        # Details are read one by one, until there are enough findings.
        placed = (
            audit_service_pb2.PlacedFinding(lab=verdict.lab, period=verdict.period, finding=finding)
            for verdict in self._store.with_findings(labs, request.from_period, limit)
            for finding in self._details(verdict).findings
        )
        return audit_service_pb2.ListFindingsResponse(findings=islice(placed, limit))

    def GetBundle(
        self, request: audit_service_pb2.GetBundleRequest, context: grpc.ServicerContext
    ) -> Iterator[audit_service_pb2.GetBundleResponse]:
        """A bundle in chunks of at most 1 MiB; refuses with AUDIENCE_TOO_LOW, NAME_UNKNOWN, NOT_ASSESSED."""
        self._require(context, Reader.VERIFIER)
        self._require_lab(request.lab)
        period = request.period if request.HasField("period") else None
        data = self._bundler.pack(request.lab, period).SerializeToString()
        for start in range(0, len(data), CHUNK_BYTES):
            yield audit_service_pb2.GetBundleResponse(chunk=data[start : start + CHUNK_BYTES])

    def Watch(
        self, request: audit_service_pb2.WatchRequest, context: grpc.ServicerContext
    ) -> Iterator[audit_service_pb2.WatchResponse]:
        """Changes until one side ends; refuses with AUDIENCE_TOO_LOW, TOO_MANY_WATCHERS, WATCHER_TOO_SLOW."""
        self._require(context, Reader.PARTY)
        with self._changes.watching() as watcher:
            if watcher is None:
                raise Refused(Reason.TOO_MANY_WATCHERS, "watch", "try again later, or poll GetState")
            while context.is_active():
                kept = self._changes.still_watching(watcher)
                require(kept, Reason.WATCHER_TOO_SLOW, "watch", "changes were lost; ask GetState, then watch again")
                try:
                    change = watcher.get(timeout=_WAKE_SECONDS)
                except queue.Empty:
                    continue
                if change is None:
                    return
                yield change

    def level_status(self, rank: int, level: LevelState) -> audit_service_pb2.LevelStatus:
        """A level as auditors see it."""
        return audit_service_pb2.LevelStatus(
            name=in_force(self._agreement, self._registrar.state).levels[rank].name,
            rank=rank,
            phase=PHASES[level.stage],
            episode=level.episode,
            start=level.start,
            end=level.end,
            bound=[lab for lab, binding in level.binds.items() if binding.until is None],
            why=self._registrar.why.get(str(rank), ""),
            called=self._registrar.why.get(called_key(rank), ""),
            earliest_lift=earliest_lift(self._agreement, self._registrar.state, rank),
        )

    def assessed(self, verdict: StoredVerdict, reader: Reader) -> audit_service_pb2.AssessedPeriod:
        """An assessment, with its details for those who may see them."""
        row = self._store.logs.leaf(self._own.origin, verdict.leaf)
        return audit_service_pb2.AssessedPeriod(
            lab=verdict.lab,
            period=verdict.period,
            verdict=header_pb2.Verdict.Name(verdict.verdict),  # type: ignore[arg-type]
            revision=verdict.revision,
            statement=assessment_pb2.StatementRef(
                origin=self._own.origin, index=verdict.leaf, identity=identity_of(row)
            ),
            details=assessment_pb2.Assessment.FromString(row.body or b"") if reader >= Reader.VERIFIER else None,
        )

    def _lab_status(self, lab: str, state: State, reader: Reader) -> audit_service_pb2.LabStatus:
        newest, counts = self._store.verdict(lab), self._store.counts(lab)
        governed = 0 if state.period is None else state.period + GOVERNS_AFTER
        terms = in_force(self._agreement, state)
        return audit_service_pb2.LabStatus(
            lab=lab,
            level=duty(terms, state, lab, governed).level,
            standing=str(state.conduct[lab].standing),
            freshness=str(silence(terms, state, lab)),
            newest=None if newest is None else self.assessed(newest, reader),
            counts=[counts.get(verdict, 0) for verdict in range(1, 5)],
        )

    def _details(self, verdict: StoredVerdict) -> assessment_pb2.Assessment:
        row = self._store.logs.leaf(self._own.origin, verdict.leaf)
        return assessment_pb2.Assessment.FromString(row.body or b"")

    def _require(self, context: grpc.ServicerContext, least: Reader) -> Reader:
        reader = self._reader_of(context)
        require(reader >= least, Reason.AUDIENCE_TOO_LOW, "certificate", f"expected {least.name}, found {reader.name}")
        return reader

    def _require_lab(self, lab: str) -> None:
        require(lab in self._labs, Reason.NAME_UNKNOWN, "lab", f"{lab!r}; the labs are {', '.join(self._labs)}")

    @property
    def _labs(self) -> tuple[str, ...]:
        """Labs under the terms in force."""
        return in_force(self._agreement, self._registrar.state).labs


def _limit(asked: int) -> int:
    require(asked <= MAX_LIMIT, Reason.VALUE_OUT_OF_RANGE, "limit", f"{asked}, at most {MAX_LIMIT}")
    return asked or DEFAULT_LIMIT
