"""Deliveries of every lab, read once as they are recorded; those that are settled are kept as what they left.

A case could read every word on a delivery that was ever said, and would then cost more with every delivery. It reads
those of late and those that are still open; the others are chips by class (:mod:`protocol.deliveries`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from protocol.case import Case, Cited, Settled, concerns
from protocol.case_needs import Need, delivery_needs
from protocol.deliveries import Delivery, counted, delivery, settled, together
from protocol.judgement import judged
from standstill.v1 import compute_pb2, evidence_pb2, header_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from protocol.agreement import Agreement
    from protocol.leaf import ReadLeaf
    from verifier.held import Held
    from verifier.store import VerifierStore

_KINDS: Final = frozenset({header_pb2.KIND_TRANSFER, header_pb2.KIND_SHIPMENT_REPORT})


@dataclass(slots=True)
class _Account:
    """A lab's deliveries: the open ones in full, of the settled ones what they left and where they stand."""

    open: dict[Delivery, list[Cited[Any]]] = field(default_factory=dict)
    refused: list[ReadLeaf] = field(default_factory=list)
    closed: dict[Delivery, tuple[Settled, tuple[tuple[str, int], ...]]] = field(default_factory=dict)
    total: Settled = field(default_factory=Settled)

    def reopened(self, about: Delivery) -> tuple[tuple[str, int], ...]:
        """Where the words on a delivery stand that are to be read again, because more is said of it."""
        if about not in self.closed:
            return ()
        _, places = self.closed.pop(about)
        self.total = together(one for one, _ in self.closed.values())
        return places

    def settle(self, lab: str, before: int) -> None:
        """Settle what has only words of periods before this one."""
        self.refused = [leaf for leaf in self.refused if leaf.header is not None and leaf.header.period >= before]
        for about, said in list(self.open.items()):
            old = all(one.header.period < before for one in said)
            if old and (left := settled(lab, said)) is not None:
                del self.open[about]
                self.closed[about] = left, tuple((one.leaf.origin, one.leaf.index) for one in said)
                self.total = together([self.total, left])


class Deliveries:
    """The deliveries on record by the newest closing. Kept in memory only: made again after a restart."""

    def __init__(self, store: VerifierStore, held: Held, recorded: Callable[[ReadLeaf], int]) -> None:
        self._store, self._held, self._recorded = store, held, recorded
        self._terms: Agreement | None = None
        self._accounts: dict[str, _Account] = {}
        self._sizes: dict[str, int] = {}
        self._record_period = self._before = 0

    def advance(self, terms: Agreement, record_period: int, before: int) -> None:
        """Take in what closings up to one recorded.

        Args:
            terms: that govern the period assessed next; statements are judged under them.
            record_period: period of the closing.
            before: period before which deliveries settle; no earlier period is assessed from here.
        """
        if self._terms is not terms:
            self._accounts, self._sizes = {lab: _Account() for lab in terms.labs}, {}
        # Should reading break off, everything is read again.
        self._terms = None
        fresh: dict[str, list[ReadLeaf]] = {}
        for origin in dict.fromkeys(need.origin for need in delivery_needs(terms, None)):
            size = self._store.recorded_size(origin, record_period)
            for leaf in self._new(terms, origin, size):
                for lab in _labs(terms, leaf):
                    fresh.setdefault(lab, []).append(leaf)
            self._sizes[origin] = size
        for lab, leaves in fresh.items():
            self._enter(terms, lab, leaves)
        for lab, account in self._accounts.items():
            account.settle(lab, before)
        self._terms, self._record_period, self._before = terms, record_period, before

    def _new(self, terms: Agreement, origin: str, size: int) -> Iterator[ReadLeaf]:
        """Words on deliveries in a log that were not taken in yet."""
        begin = self._sizes.get(origin, 0)
        if begin == 0:
            needs = [need for need in delivery_needs(terms, None) if need.origin == origin]
            yield from (leaf for need in needs for leaf in self._held.needed(need, size))
            return
        for row in self._store.logs.leaves(origin, begin, size):
            if row.kind in _KINDS:
                yield self._held.read(origin, row)

    def _enter(self, terms: Agreement, lab: str, leaves: list[ReadLeaf]) -> None:
        """Enter words on deliveries of a lab, with those before them on deliveries that had been settled."""
        account = self._accounts[lab]
        cited, refused = self._counted(terms, lab, leaves)
        account.refused += refused
        places = [place for about in {delivery(lab, one) for one in cited} for place in account.reopened(about)]
        before = [self._held.read(origin, self._store.logs.leaf(origin, index)) for origin, index in places]
        earlier, _ = self._counted(terms, lab, before)
        for one in (*earlier, *cited):
            account.open.setdefault(delivery(lab, one), []).append(one)

    def _counted(self, terms: Agreement, lab: str, leaves: list[ReadLeaf]) -> tuple[list[Cited[Any]], list[ReadLeaf]]:
        key_sets = [
            leaf
            for origin in sorted({leaf.origin for leaf in leaves})
            for leaf in self._held.needed(Need(origin, header_pb2.KIND_KEY_SET, None, None), self._sizes[origin])
        ]
        return counted(terms, lab, [*leaves, *key_sets], self._recorded)

    def know(self, terms: Agreement, period: int, record_period: int) -> bool:
        """Whether a case of a period on what a closing records can do without reading deliveries."""
        return self._terms is terms and self._record_period == record_period and self._before <= period

    def put_in(self, case: Case) -> Case:
        """A case that was built without deliveries, with those of its lab: open ones in full, settled ones as chips."""
        account = self._accounts[case.lab]
        said = [one for found in account.open.values() for one in found if one.header.period <= case.period]
        about = [leaf for leaf in account.refused if leaf.header is not None and leaf.header.period == case.period]
        return replace(
            case,
            transfers=_of(said, compute_pb2.Transfer),
            shipments=_of(said, evidence_pb2.ShipmentReport),
            refused=tuple(sorted((*case.refused, *about), key=_place)),
            settled=account.total,
        )


def _labs(terms: Agreement, leaf: ReadLeaf) -> list[str]:
    """Labs that a word on a delivery concerns."""
    read = judged(leaf, terms)
    named = {terms.logs[leaf.origin], getattr(read.body, "counterparty", ""), getattr(read.body, "receiver", "")}
    return [lab for lab in sorted(named.intersection(terms.labs)) if concerns(terms, lab, read)]


def _place(leaf: ReadLeaf) -> tuple[str, int]:
    return leaf.origin, leaf.index


def _of(said: Iterable[Cited[Any]], kind: type[Any]) -> tuple[Cited[Any], ...]:
    return tuple(sorted((one for one in said if isinstance(one.body, kind)), key=lambda one: _place(one.leaf)))
