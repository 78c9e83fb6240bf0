"""Baselines, read from the attestations once and again only when a word on their periods is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from protocol.case import past
from protocol.case_needs import past_needs
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from protocol.agreement import Agreement
    from protocol.leaf import ReadLeaf
    from protocol.past_work import PastWork
    from verifier.held import Held
    from verifier.store import VerifierStore


class _Known(NamedTuple):
    """Sums, and what they were made from: a log only grows, so as many attestations are the same ones."""

    terms: Agreement
    attestations: int
    work: PastWork


class Baselines:
    """What each lab did in the periods of the baselines that it is measured by now. Kept in memory only."""

    def __init__(self, store: VerifierStore, held: Held, recorded: Callable[[ReadLeaf], int]) -> None:
        self._store, self._held, self._recorded = store, held, recorded
        self._known: dict[str, dict[range, _Known]] = {}

    def of(self, terms: Agreement, lab: str, wanted: Iterable[range], record_period: int) -> Mapping[range, PastWork]:
        """The baselines of a lab on what is recorded by a closing, each by its periods.

        Args:
            terms: that govern what is measured by them; statements are judged under them.
            lab: name of the lab.
            wanted: periods of each.
            record_period: period of the closing.
        """
        size = self._store.recorded_size(terms.parties[lab].origin, record_period)
        found = {over: self._one(terms, lab, over, size) for over in wanted}
        # Baselines of restrictions that are over are not kept.
        if found:
            self._known[lab] = found
        return {over: known.work for over, known in found.items()}

    def _one(self, terms: Agreement, lab: str, over: range, size: int) -> _Known:
        own, kind = terms.parties[lab].origin, header_pb2.KIND_COMPUTE_ATTESTATION
        attestations = self._store.number_said(own, kind, over, size)
        known = self._known.get(lab, {}).get(over)
        if known is not None and known.terms is terms and known.attestations == attestations:
            return known
        leaves = (leaf for need in past_needs(terms, lab, over) for leaf in self._held.needed(need, size))
        return _Known(terms, attestations, past(terms, lab, over, leaves, self._recorded))
