"""Packing evidence: the bytes that an assessment was derived from, each proven in a signed head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.amendments import changed_identity
from protocol.bundle import MEDIA_TYPE
from protocol.bundle_terms import PROPOSING, proposals
from protocol.case import concerns
from protocol.case_needs import needs
from protocol.duty import GOVERNS_AFTER, duty
from protocol.errors import Reason, Refused
from protocol.fold import initial
from protocol.in_force import in_force
from protocol.judgement import judged
from protocol.revocation import revoked
from standstill.v1 import assessment_pb2, bundle_pb2, envelope_pb2, header_pb2
from verifier.held import Held

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from daemon.author import Author
    from daemon.leaf import StoredLeaf
    from protocol.agreement import Agreement
    from protocol.state import State
    from standstill.v1.agreement_pb2 import Party
    from verifier.store import VerifierStore


def _proofs_named(details: assessment_pb2.Assessment) -> list[bytes]:
    hidden = details.assurance.hidden_compute
    return [digest for digest in (hidden.bound_proof, hidden.floor_proof) if digest]


class Bundler:
    """Makes bundles of this verifier's assessments."""

    def __init__(self, agreement: Agreement, store: VerifierStore, own: Author, record: Author, program: str) -> None:
        """Pack from `store`; `own` and `record` hold the newest heads of this verifier's two logs."""
        self._agreement, self._store, self._own, self._record = agreement, store, own, record
        self._held = Held(agreement, store.logs)
        self._program = program

    def pack(self, lab: str, period: int | None) -> bundle_pb2.Bundle:
        """The bundle of the newest revision on a lab and a period; of its newest assessed period if None.

        Raises:
            Refused: NOT_ASSESSED.
        """
        verdict = self._store.verdict(lab, period)
        if verdict is None or verdict.leaf >= self._own.head.size:
            raise Refused(Reason.NOT_ASSESSED, "period", f"{lab}, period {period}: no assessment by this verifier")
        row = self._store.logs.leaf(self._own.origin, verdict.leaf)
        details = assessment_pb2.Assessment.FromString(row.body or b"")
        found = self._store.state_after(verdict.period - GOVERNS_AFTER)
        state = initial(self._agreement) if found is None else found
        wanted = self._evidence(lab, verdict.period, state, details.record_period)
        wanted.setdefault(self._own.origin, {})[row.sequence] = row
        for origin, proposed in self._proposals(in_force(self._agreement, state), wanted):
            wanted.setdefault(origin, {})[proposed.sequence] = proposed
        logs = [self._closings(state.period, details.record_period, wanted)]
        for origin, rows in sorted(wanted.items()):
            logs.append(self._log(origin, rows, details.record_period))
        return bundle_pb2.Bundle(
            media_type=MEDIA_TYPE,
            agreement=self._agreement.data,
            lab=lab,
            period=verdict.period,
            verifier=self._agreement.logs[self._own.origin],
            state=state.text(),
            record_period=details.record_period,
            logs=logs,
            written_by=self._program,
            proofs=self._store.proofs(_proofs_named(details)),
        )

    def _evidence(self, lab: str, period: int, state: State, record_period: int) -> dict[str, dict[int, StoredLeaf]]:
        """Statements that the case rests on, by log and leaf."""
        found: dict[str, dict[int, StoredLeaf]] = {}
        terms = in_force(self._agreement, state)
        for need in needs(terms, duty(terms, state, lab, period), lab, period):
            size = self._store.recorded_size(need.origin, record_period)
            # A log of which nothing is recorded may not be known here.
            for row in self._store.logs.by_kind(need.origin, need.kind, need.first, need.last) if size else ():
                read = judged(self._held.read(need.origin, row), terms)
                # What was refused and speaks of another period is nothing that the case looks at.
                moot = read.refusal is not None and row.period != period
                if row.sequence < size and not moot and concerns(terms, lab, read):
                    found.setdefault(need.origin, {})[row.sequence] = row
        return found

    def _proposals(self, terms: Agreement, origins: Iterable[str]) -> Iterator[tuple[str, StoredLeaf]]:
        """Statements, each with its log, that proposed the parties of these logs who did not found."""
        waiting = {terms.logs[origin] for origin in origins} - self._agreement.parties.keys()
        done = set(self._agreement.parties)
        while waiting:
            name = waiting.pop()
            done.add(name)
            proposer, rows = self._first_proposal(terms, terms.parties[name])
            yield from ((terms.parties[proposer].origin, row) for row in rows)
            waiting |= {proposer} - done

    def _first_proposal(self, terms: Agreement, party: Party) -> tuple[str, list[StoredLeaf]]:
        """Who proposed a party first, and in which statements: later ones may be by those who joined after it."""
        found: list[tuple[int, str, list[StoredLeaf]]] = []
        for name, one in terms.parties.items():
            kept = sorted((row for kind in PROPOSING for row in self._store.logs.by_kind(one.origin, kind)), key=_place)
            rows = {row.sequence: row for row in kept}
            for proposed, parts in proposals(self._held.read(one.origin, row) for row in kept):
                at = self._store.recorded_at(one.origin, parts[-1].index)
                if at is not None and proposed.name == party.name and not changed_identity(party, proposed):
                    found.append((at, name, [rows[part.index] for part in parts]))
                    break
        _, name, chosen = min(found, key=lambda one: one[:2])
        return name, chosen

    def _closings(self, after: int | None, last: int, origins: Iterable[str]) -> bundle_pb2.BundledLog:
        """The closings from the state to the record period, and those before it that tell what a KeySet took back."""
        chosen = {closing.leaf for closing in self._store.closings_between(after, last)}
        if after is not None:
            chosen |= {leaf for origin in origins for leaf in self._before_key_sets(origin, after)}
        head, note = self._record.signed
        rows = [self._store.logs.leaf(self._record.origin, leaf) for leaf in sorted(chosen)]
        return self._proven(self._record.origin, note, head.size, rows)

    def _before_key_sets(self, origin: str, last: int) -> Iterator[int]:
        """Leaves of the closings that show what was recorded before a KeySet, itself recorded by `last`, revoked it."""
        for row in self._store.logs.by_kind(origin, header_pb2.KIND_KEY_SET):
            at = self._store.recorded_at(origin, row.sequence)
            if at is None or at > last:
                continue
            size = self._store.recorded_size(origin, at - 1)
            if any(indices.start < size for indices in revoked([self._held.read(origin, row)])):
                before = self._store.closing_at(self._store.recorded_at(origin, size - 1))
                assert before is not None  # noqa: S101 - what is recorded was recorded by a closing
                yield before.leaf

    def _log(self, origin: str, rows: Mapping[int, StoredLeaf], record_period: int) -> bundle_pb2.BundledLog:
        """Leaves of a log with the KeySets they were signed under, in the head that the record has of it."""
        by_index = dict(rows)
        if origin == self._own.origin:
            head, note = self._own.signed
            size = head.size
        else:
            size = self._store.recorded_size(origin, record_period)
            note = self._store.cosigned_note(origin, size) or b""
        for row in self._store.logs.by_kind(origin, header_pb2.KIND_KEY_SET):
            if row.sequence < size:
                by_index[row.sequence] = row
        return self._proven(origin, note, size, [by_index[index] for index in sorted(by_index)])

    def _proven(self, origin: str, note: bytes, size: int, rows: Iterable[StoredLeaf]) -> bundle_pb2.BundledLog:
        log = bundle_pb2.BundledLog(origin=origin, checkpoint=note)
        for row in rows:
            log.leaves.add(
                index=row.sequence,
                leaf=envelope_pb2.Leaf(
                    leaf_salt=row.leaf_salt, envelope=row.envelope, body_salt=row.body_salt or b"", body=row.body or b""
                ),
                proof=self._store.logs.inclusion_path(origin, row.sequence, size),
            )
        return log


def _place(row: StoredLeaf) -> int:
    return row.sequence
