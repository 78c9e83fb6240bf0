"""Appraising labs: one assessment per lab and period, and a new revision when late evidence changes it (design 6).

The period before the last closed one is appraised as soon as its closing is there; periods that could not be appraised
are looked at again at every closing until the agreement's last clock of silence has run out, and so is every period of
which new evidence was just recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from daemon.journal import journal
from protocol.appraisal import Appraisal, appraise
from protocol.authoring import Draft
from protocol.case import build_case, needs
from protocol.conduct import VERDICTS
from protocol.duty import GOVERNS_AFTER, duty
from protocol.fold import initial
from protocol.wire import encode
from standstill.v1 import agreement_pb2, assessment_pb2, header_pb2
from verifier.held import Held
from verifier.store import StoredVerdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from daemon.author import Author
    from protocol.agreement import Agreement
    from protocol.leaf import ReadLeaf
    from protocol.state import State
    from verifier.store import VerifierStore

_SOURCES: Final = frozenset({agreement_pb2.ROLE_LAB, agreement_pb2.ROLE_METER})
_OF_ONE_PERIOD: Final = (header_pb2.KIND_COMPUTE_ATTESTATION, header_pb2.KIND_METER_READING)


class Revision(NamedTuple):
    """An assessment that is to be published."""

    lab: str
    period: int
    appraisal: Appraisal
    before: StoredVerdict | None


class Assessor:
    """Appraises labs and publishes the verdicts in this verifier's own log."""

    def __init__(self, agreement: Agreement, store: VerifierStore, own: Author) -> None:
        """Publish through `own`."""
        self._agreement, self._store, self._own = agreement, store, own
        self._held = Held(agreement, store.logs)
        self._governing: dict[int, State] = {}

    def assess(self, record_period: int, state: State) -> list[Revision]:
        """Appraise what the closing of `record_period` makes due, and publish what is new.

        Args:
            record_period: period just closed.
            state: after that closing.
        """
        if state.since is None:
            return []
        self._governing.clear()
        previous = self._store.closing_back(record_period, 1)
        waiting = self._store.closing_back(record_period, self._patience)
        touched = self._touched(record_period)
        revisions = []
        for lab in self._agreement.labs:
            # What the closing before this one could not appraise yet: its own period, and those that stayed dark.
            due = set(range(previous, record_period)) | touched.get(lab, set())
            due |= {found.period for found in self._store.inconclusive(lab, waiting)}
            for period in sorted(due):
                revision = self._revise(lab, period, record_period) if state.since <= period < record_period else None
                if revision is not None:
                    revisions.append(revision)
        if revisions:
            self._publish(revisions)
        return revisions

    @property
    def _patience(self) -> int:
        """Closed periods after which silence has been judged for good, with one to spare (annex 1.7, clock rule)."""
        return self._agreement.terms.freshness.presumed_non_compliant_periods + 2

    def _touched(self, record_period: int) -> dict[str, set[int]]:
        """By lab, the periods of which this closing recorded evidence."""
        found: dict[str, set[int]] = {}
        for party in self._agreement.terms.parties:
            if _SOURCES.isdisjoint(party.roles):
                continue
            start = self._store.recorded_size(party.origin, record_period - 1)
            end = self._store.recorded_size(party.origin, record_period)
            for row in self._store.logs.leaves(party.origin, start, end):
                if row.kind in _OF_ONE_PERIOD and row.period is not None:
                    found.setdefault(self._agreement.sites[row.site][0], set()).add(row.period)
        return found

    def _revise(self, lab: str, period: int, record_period: int) -> Revision | None:
        """The appraisal of a lab and a period, if it says anything new."""
        before = self._store.verdict(lab, period)
        appraisal = self.appraise(lab, period, record_period)
        same = before is not None and (before.verdict, before.sketch) == (appraisal.verdict, sketch(appraisal))
        return None if same else Revision(lab, period, appraisal, before)

    def appraise(self, lab: str, period: int, record_period: int) -> Appraisal:
        """Appraise a lab in a period on what is recorded by a closing."""
        state = self._state_for(period)
        owed = duty(self._agreement, state, lab, period)
        sizes: dict[str, int] = {}
        leaves: list[ReadLeaf] = []
        for need in needs(self._agreement, owed, lab, period):
            if need.origin not in sizes:
                sizes[need.origin] = self._store.recorded_size(need.origin, record_period)
            leaves += self._held.needed(need, sizes[need.origin])
        closed = self._store.closed_after(period, record_period)
        case = build_case(self._agreement, owed, lab, period, record_period, leaves, self._recorded, closed)
        return appraise(case, state.digest())

    def _state_for(self, period: int) -> State:
        """The state that a period's duties are read from; all labs share it."""
        if period not in self._governing:
            found = self._store.state_after(period - GOVERNS_AFTER)
            self._governing[period] = initial(self._agreement) if found is None else found
        return self._governing[period]

    def _recorded(self, leaf: ReadLeaf) -> int:
        period = self._store.recorded_at(leaf.origin, leaf.index)
        assert period is not None  # noqa: S101 - only recorded leaves are handed to a case
        return period

    def _publish(self, revisions: list[Revision]) -> None:
        def keep(tx: Connection, reads: Sequence[ReadLeaf]) -> None:
            for revision, read in zip(revisions, reads, strict=True):
                self._store.put_verdict(tx, _row(revision, read.index), revision.before)

        self._own.publish([_draft(revision) for revision in revisions], also=keep)
        for revision in revisions:
            said = VERDICTS[revision.appraisal.verdict - 1]
            journal().info(
                "assessed", lab=revision.lab, period=revision.period, verdict=said, codes=revision.appraisal.codes
            )


def sketch(appraisal: Appraisal) -> str:
    """What an assessment says in short; two that have the same verdict and sketch say the same."""
    states = [
        f"{agreement_pb2.Evidence.Name(status.evidence)}={assessment_pb2.EvidenceState.Name(status.state)}"
        for status in appraisal.assessment.evidence
    ]
    return " ".join([*appraisal.codes, *states])


def _row(revision: Revision, index: int) -> StoredVerdict:
    return StoredVerdict(
        revision.lab,
        revision.period,
        revision.appraisal.verdict,
        _number(revision),
        index,
        len(revision.appraisal.assessment.findings),
        sketch(revision.appraisal),
    )


def _number(revision: Revision) -> int:
    return 1 if revision.before is None else revision.before.revision + 1


def _draft(revision: Revision) -> Draft:
    return Draft(
        kind=header_pb2.KIND_ASSESSMENT,
        body=encode(revision.appraisal.assessment),
        period=revision.period,
        summary=header_pb2.AssessmentSummary(
            lab=revision.lab,
            verdict=revision.appraisal.verdict,
            revision=_number(revision),
            codes=revision.appraisal.codes,
        ),
    )
