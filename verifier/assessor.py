"""Appraising labs: one assessment per lab and period, and a new revision when late evidence changes it (design 6).

The period before the last closed one is appraised as soon as its closing is there; periods that could not be appraised
are looked at again at every closing until the agreement's last clock of silence has run out, and so is every period
that evidence just recorded may change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from daemon.journal import journal
from daemon.rows import header_of
from protocol import exemptions, hidden_compute
from protocol.appraisal import Appraisal, appraise
from protocol.authoring import Draft
from protocol.case import build_case, concerns
from protocol.case_needs import baselines, duties, needs, reach
from protocol.checks.chip_items import CITING_ALL
from protocol.conduct import VERDICTS
from protocol.duty import GOVERNS_AFTER, duty
from protocol.errors import Refused
from protocol.fold import initial
from protocol.in_force import in_force
from protocol.state import Membership
from protocol.wire import encode
from standstill.v1 import agreement_pb2, assessment_pb2, header_pb2
from verifier.baselines import Baselines
from verifier.deliveries import Deliveries
from verifier.held import Held
from verifier.store import StoredVerdict
from verifier.trouble import OF_THIS_MACHINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from daemon.author import Author
    from daemon.leaf import StoredLeaf
    from protocol.agreement import Agreement
    from protocol.case import Case
    from protocol.leaf import ReadLeaf
    from protocol.state import State
    from verifier.store import VerifierStore

_SOURCES: Final = frozenset({agreement_pb2.ROLE_LAB, agreement_pb2.ROLE_METER, agreement_pb2.ROLE_SUPPLIER})
_NOBODY: Final = ""
"""In place of a lab, for what is said of a site that no lab has."""
_OF_DELIVERIES: Final = (header_pb2.KIND_TRANSFER, header_pb2.KIND_SHIPMENT_REPORT)


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
        self._baselines = Baselines(store, self._held, self._recorded)
        self._deliveries = Deliveries(store, self._held, self._recorded)
        self._terms = agreement
        self._governing: dict[int, State] = {}
        self._failed: set[tuple[str, int]] = set()

    def assess(self, record_period: int, state: State) -> list[Revision]:
        """Appraise what the closing of `record_period` makes due, and publish what is new.

        Args:
            record_period: period just closed.
            state: after that closing.
        """
        if state.since is None:
            return []
        self._governing.clear()
        self._terms = in_force(self._agreement, state)
        self._deliver(record_period)
        revisions = []
        for lab, due in self._due(record_period).items():
            for period in sorted(due):
                if state.since <= period < record_period and self._owes(lab, period):
                    revision = self._settle(lab, period, record_period)
                    revisions += [] if revision is None else [revision]
        return revisions

    def _deliver(self, record_period: int) -> None:
        """Take in the deliveries that a closing recorded; they settle once no period of theirs is looked at again."""
        terms = in_force(self._agreement, self._state_for(record_period - 1))
        waiting = self._store.closing_back(record_period, self._patience)
        self._deliveries.advance(terms, record_period, waiting)

    def _owes(self, lab: str, period: int) -> bool:
        """Whether anything is owed by a lab for a period: nothing before it joined, or once it has left."""
        party = self._state_for(period).parties.get(lab)
        return party is not None and party.membership not in {Membership.FORMING, Membership.OUT}

    def _due(self, record_period: int) -> dict[str, set[int]]:
        """By lab, the periods that a closing makes due."""
        previous = self._store.closing_back(record_period, 1)
        waiting = self._store.closing_back(record_period, self._patience)
        due, young = self._touched(record_period), range(waiting, record_period)
        for lab in due:
            # What the closing before this one could not appraise yet: its own period, and those that stayed dark.
            due[lab] |= set(range(previous, record_period))
            due[lab] |= {found.period for found in self._store.inconclusive(lab, waiting)}
            due[lab] |= {period for failed, period in self._failed if failed == lab}
            # What failed before a restart has no verdict.
            assessed = self._store.verdicts(lab, young.start, young.stop, len(young))
            due[lab] |= set(young) - {found.period for found in assessed}
        return due

    def _settle(self, lab: str, period: int, record_period: int) -> Revision | None:
        """Appraise a lab in a period and publish what is new; trouble with one leaves the others as they are."""
        try:
            revision = self._revise(lab, period, record_period)
            if revision is not None:
                self._publish(revision)
        except Exception as error:
            # Also a mistake of ours: told with its traceback, it must not cost other labs their verdicts.
            if isinstance(error, Refused) and error.reason in OF_THIS_MACHINE:
                raise
            self._failed.add((lab, period))
            journal().error("not assessed, tried again at the next closing", lab=lab, period=period, exc_info=error)
            return None
        self._failed.discard((lab, period))
        return revision

    @property
    def _patience(self) -> int:
        """Closed periods after which silence has been judged for good, with one to spare (annex 1.7, clock rule)."""
        return self._agreement.terms.freshness.presumed_non_compliant_periods + 2

    def _touched(self, record_period: int) -> dict[str, set[int]]:
        """By lab, the periods whose verdict may change by the evidence that this closing recorded."""
        labs = self._terms.labs
        found: dict[str, set[int]] = {lab: set() for lab in (*labs, _NOBODY)}
        newest = {lab: verdict.period for lab in labs if (verdict := self._store.verdict(lab)) is not None}
        attested: set[tuple[str, int]] = set()
        for party in self._terms.terms.parties:
            start = self._store.recorded_size(party.origin, record_period - 1)
            end = self._store.recorded_size(party.origin, record_period)
            if _SOURCES.isdisjoint(party.roles) or start == end:
                continue
            for row in self._store.logs.leaves(party.origin, start, end):
                if row.period is None:
                    continue
                if row.kind == header_pb2.KIND_COMPUTE_ATTESTATION and party.name in labs:
                    attested.add((party.name, row.period))
                elif row.kind == header_pb2.KIND_METER_READING:
                    found[self._lab_at(header_of(row).site)].add(row.period)
                elif row.kind in _OF_DELIVERIES:
                    for lab in self._moved(party.origin, row, newest):
                        found[lab].add(newest[lab])
        for lab, period in attested:
            found[lab] |= {period, *self._windows(lab, period, newest.get(lab, period))}
        return {lab: found[lab].union(self._reckonings(found[lab], newest.get(lab, 0))) for lab in labs}

    def _reckonings(self, touched: set[int], newest: int) -> Iterator[int]:
        """Later periods up to the newest assessed that carry a bound on a window in which one of these lies."""
        reach = self._terms.terms.verification.window_periods
        first, last = min(touched, default=newest) + 1, min(newest, max(touched, default=0) + reach - 1)
        return (period for period in range(first, last + 1) if hidden_compute.due(self._terms, period))

    def _lab_at(self, site: bytes) -> str:
        """Lab whose site this is; nobody for a site that no terms list, of which anybody may have spoken."""
        lab, _ = self._terms.sites.get(site, (_NOBODY, None))
        return lab

    def _windows(self, lab: str, period: int, newest: int) -> Iterator[int]:
        """Later periods up to the newest assessed in which a cap of the lab's level counts what it did in this one."""
        for later in range(period + 1, newest + 1):
            state = self._state_for(later)
            terms = in_force(self._agreement, state)
            memory = max(one.terms.baseline_periods for one in (terms, self._terms))
            longest = max(memory, _longest_window(terms), _longest_window(self._terms))
            if later > period + longest and not _remembered(state, lab, period, memory):
                return
            owed = duty(self._agreement, state, lab, later)
            kept = [(one, terms.levels[one.level]) for one in duties(owed) if one.level]
            far = max((max(reach(level), exemptions.reach(level, one, later)) for one, level in kept), default=0)
            if later - far < period or any(period in before for before in baselines(terms, owed)):
                yield later

    def _moved(self, origin: str, row: StoredLeaf, newest: Mapping[str, int]) -> Iterator[str]:
        """Labs of a delivery that is said late: they are assessed already for a period that counts it."""
        read = self._held.read(origin, row)
        for lab, assessed in newest.items():
            if row.period is not None and row.period <= assessed and concerns(self._terms, lab, read):
                yield lab

    def _revise(self, lab: str, period: int, record_period: int) -> Revision | None:
        """The appraisal of a lab and a period, if it says anything new."""
        before = self._store.verdict(lab, period)
        appraisal = self.appraise(lab, period, record_period)
        same = before is not None and (before.verdict, before.sketch) == (appraisal.verdict, sketch(appraisal))
        return None if same else Revision(lab, period, appraisal, before)

    def appraise(self, lab: str, period: int, record_period: int) -> Appraisal:
        """Appraise a lab in a period on what is recorded by a closing."""
        state = self._state_for(period)
        terms = in_force(self._agreement, state)
        if hidden_compute.due(terms, period):
            from bound.reckoning import reckon  # noqa: PLC0415 - a solver is loaded where terms ask for bounds

            case = self._case(lab, period, record_period, delivered=False)
            hidden, proofs = reckon(case)
            return appraise(replace(case, hidden=hidden), state.digest())._replace(proofs=tuple(proofs))
        delivered = self._deliveries.know(terms, period, record_period)
        found = appraise(self._case(lab, period, record_period, delivered=delivered), state.digest())
        if delivered and not CITING_ALL.isdisjoint(found.codes):
            return appraise(self._case(lab, period, record_period, delivered=False), state.digest())
        return found

    def _case(self, lab: str, period: int, record_period: int, *, delivered: bool) -> Case:
        """What is recorded by a closing about a lab in a period; every delivery, or only those that are not settled."""
        state = self._state_for(period)
        terms = in_force(self._agreement, state)
        owed = duty(terms, state, lab, period)
        known = self._baselines.of(terms, lab, baselines(terms, owed), record_period)
        sizes: dict[str, int] = {}
        leaves: list[ReadLeaf] = []
        for need in needs(terms, owed, lab, period, known, delivered=delivered):
            if need.origin not in sizes:
                sizes[need.origin] = self._store.recorded_size(need.origin, record_period)
            leaves += self._held.needed(need, sizes[need.origin])
        closed = self._store.closed_after(period, record_period)
        case = build_case(terms, owed, lab, period, record_period, leaves, self._recorded, closed)
        case = replace(case, past=known)
        return self._deliveries.put_in(case) if delivered else case

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

    def _publish(self, revision: Revision) -> None:
        def keep(tx: Connection, reads: Sequence[ReadLeaf]) -> None:
            self._store.put_verdict(tx, _row(revision, reads[0].index), revision.before)
            self._store.put_proofs(tx, revision.appraisal.proofs)

        self._own.publish([_draft(revision)], also=keep, terms=self._terms)
        said = VERDICTS[revision.appraisal.verdict - 1]
        journal().info(
            "assessed", lab=revision.lab, period=revision.period, verdict=said, codes=revision.appraisal.codes
        )


def _longest_window(terms: Agreement) -> int:
    """Periods that the widest cap of any level or exemption counts together."""
    windows = (one.cap.window_periods for level in terms.levels.values() for one in level.exemptions)
    return max([1, *map(reach, terms.levels.values()), *windows])


def _remembered(state: State, lab: str, period: int, memory: int) -> bool:
    """Whether a lab is measured by a baseline that may hold a period, or has a grant that ran in it already.

    Either is counted for as long as it lasts; one that begins later counts nothing of the period.
    """
    bindings = [level.binds[lab] for level in state.levels.values() if lab in level.binds]
    measured = any(period < binding.since <= period + memory for binding in bindings)
    return measured or any(
        place.split("|")[0] == lab and grant.start <= period for place, grant in state.grants.items()
    )


def sketch(appraisal: Appraisal) -> str:
    """What an assessment says in short; two that have the same verdict and sketch say the same."""
    states = [
        f"{agreement_pb2.Evidence.Name(status.evidence)}={assessment_pb2.EvidenceState.Name(status.state)}"
        for status in appraisal.assessment.evidence
    ]
    hidden = appraisal.assessment.assurance.hidden_compute
    numbers = [f"bound={hidden.bound.value}", f"floor={hidden.floor.value}"] if hidden.ByteSize() else []
    return " ".join([*appraisal.codes, *states, *numbers])


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
