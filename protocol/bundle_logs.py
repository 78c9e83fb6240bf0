"""Logs of an evidence bundle: leaves proven in heads that their log signed and a quorum cosigned (transparency (c))."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from protocol.checkpoint import checkpoint_of
from protocol.commitment import ENTRY_TAG, commit
from protocol.cosignature import cosignature_verifier, cosignatures, witness_key
from protocol.errors import Reason, Refused, require
from protocol.leaf import KeyRing, read_leaves
from protocol.merkle import leaf_hash, verify_inclusion
from protocol.note import ed25519_verifier, open_note, verifier_key
from protocol.wire import MAX_UINT, parse
from standstill.v1 import bundle_pb2, membership_pb2, record_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    from protocol.agreement import Agreement
    from protocol.case import Case
    from protocol.checkpoint import Checkpoint
    from protocol.leaf import Cursor, ReadLeaf
    from protocol.state import State
    from standstill.v1 import agreement_pb2, assessment_pb2

    BoundCheck: TypeAlias = Callable[[Case, assessment_pb2.HiddenCompute, Mapping[bytes, bytes]], str]
    """Derives bound and floor of a case again, and says what it found; raises Refused where they differ."""

NO_RINGS: Final[Mapping[int, KeyRing]] = MappingProxyType({})


class Result(StrEnum):
    """Of one step."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(slots=True)
class View:
    """What the steps so far have established of a bundle.

    Attributes:
        data: the file.
        pinned: SHA-256 of the agreement, if the auditor knows it.
        bundle: the same, parsed.
        agreement: under the terms that everybody founded.
        terms: the agreement under the terms in force in the state.
        cosigners: cosignature keys by verifier.
        state: that the duty is read from.
        heads: of logs, by origin.
        leaves: of logs, read, by origin.
        closings: after the state, with their bytes.
        earlier: closings up to the state.
        stated: the assessment that the verifier signed.
        case: what it was derived from.
        check_bound: derives bound and floor from a case and their proofs; None where nobody can.
    """

    data: bytes
    pinned: bytes | None
    check_bound: BoundCheck | None = None
    bundle: bundle_pb2.Bundle = field(default_factory=bundle_pb2.Bundle)
    agreement: Agreement = field(init=False)
    terms: Agreement = field(init=False)
    cosigners: Mapping[str, list[bytes]] = field(default_factory=dict)
    state: State = field(init=False)
    heads: dict[str, Checkpoint] = field(default_factory=dict)
    leaves: dict[str, list[ReadLeaf]] = field(default_factory=dict)
    closings: list[tuple[bytes, record_pb2.Closing]] = field(default_factory=list)
    earlier: list[record_pb2.Closing] = field(default_factory=list)
    stated: ReadLeaf = field(init=False)
    case: Case = field(init=False)

    @property
    def record_origin(self) -> str:
        """Origin of the record log."""
        return self.agreement.record_origin(0)

    def founded(self) -> list[bundle_pb2.BundledLog]:
        """Logs of those who founded: their keys stand in the bytes that the auditor pinned."""
        known = {*self.agreement.logs, self.record_origin}
        return [log for log in self.bundle.logs if log.origin in known]

    def founder_of(self, origin: str) -> str:
        """Founder that keeps a log; a record log is its registrar's."""
        return self.agreement.verifiers[0] if origin == self.record_origin else self.agreement.logs[origin]

    def log(self, origin: str) -> bundle_pb2.BundledLog:
        """A log that every bundle needs.

        Raises:
            Refused: BUNDLE_INCOMPLETE.
        """
        found = next((log for log in self.bundle.logs if log.origin == origin), None)
        require(found is not None, Reason.BUNDLE_INCOMPLETE, "logs", f"{origin} is missing")
        assert found is not None  # noqa: S101 - the line before has refused it
        return found

    def body(self, origin: str, index: int) -> bytes:
        """Exact bytes of the body of a leaf that was read."""
        return next(proven.leaf.body for proven in self.log(origin).leaves if proven.index == index)


def check_head(view: View, log: bundle_pb2.BundledLog, party: agreement_pb2.Party) -> int:
    """A head is signed by the log of its party, and cosigned by a quorum of verifier operators.

    Returns:
        How many operators stand behind it.

    Raises:
        Refused: as a note or a checkpoint, or THRESHOLD_NOT_MET.
    """
    agreement = view.agreement
    log_key = verifier_key(log.origin, party.log_key)
    witnesses = [
        witness_key(agreement.witness_name(name), key) for name, keys in view.cosigners.items() for key in keys
    ]
    note = open_note(log.checkpoint, [ed25519_verifier(log_key), *map(cosignature_verifier, witnesses)])
    view.heads[log.origin] = checkpoint_of(note, log.origin, log_key)
    names = {agreement.witness_name(name): agreement.owner(name) for name in view.cosigners}
    operators = {names[cosignature.witness.name] for cosignature in cosignatures(note, witnesses)}
    # A verifier's own log counts as cosigned by its operator (annex 1.1, 3).
    if party.name in agreement.verifiers:
        operators.add(agreement.owner(party.name))
    enough = len(operators) >= agreement.quorum
    found = f"{len(operators)} of {agreement.quorum} operators"
    require(enough, Reason.THRESHOLD_NOT_MET, f"logs.{log.origin}.checkpoint", found)
    return len(operators)


def check_inclusion(view: View, log: bundle_pb2.BundledLog) -> int:
    """Every leaf of a log stands in its head, which was checked before.

    Returns:
        How many leaves there are.

    Raises:
        Refused: as :func:`protocol.merkle.verify_inclusion`.
    """
    head = view.heads[log.origin]
    for proven in log.leaves:
        entry = commit(ENTRY_TAG, proven.leaf.leaf_salt, proven.leaf.envelope)
        verify_inclusion(proven.index, head.size, leaf_hash(entry), proven.proof, head.root)
    return len(log.leaves)


def read_log(
    agreement: Agreement, log: bundle_pb2.BundledLog, cursor: Cursor, rings: Mapping[int, KeyRing] = NO_RINGS
) -> Iterator[ReadLeaf]:
    """Leaves of a bundled log in order; KeySets among them change the keys in force, or `rings` name them by leaf.

    Raises:
        Refused: ORDER_MISMATCH, or as :func:`protocol.leaf.read_leaves`.
    """
    for proven in log.leaves:
        rises = proven.index >= cursor.index
        require(rises, Reason.ORDER_MISMATCH, f"logs.{log.origin}.leaves", f"{proven.index} out of order")
        previous = cursor.previous if proven.index == cursor.index else None
        here = replace(cursor, index=proven.index, previous=previous, keys=rings.get(proven.index, cursor.keys))
        (leaf,), cursor = read_leaves(agreement, here, [proven.leaf])
        yield leaf


def closing_keys(record: bundle_pb2.BundledLog, own: Iterable[ReadLeaf]) -> dict[int, KeyRing]:
    """Keys that may sign each closing of a bundle, by leaf: those in force where it records the registrar's own log.

    A closing at which that log did not grow says nothing of it; the closings around it in the bundle do.

    Args:
        record: the record log.
        own: leaves of the registrar's own log, read.
    """
    own = list(own)
    sets = [(leaf.index, KeyRing().after(leaf.body)) for leaf in own if isinstance(leaf.body, membership_pb2.KeySet)]
    origin = next((leaf.origin for leaf in own), "")
    sizes = [_recorded_by(proven.leaf.body, origin) for proven in record.leaves]
    found = {}
    for number, proven in enumerate(record.leaves):
        least = max((size for size in sizes[: number + 1] if size is not None), default=0)
        most = next((size for size in sizes[number:] if size is not None), MAX_UINT)
        before = [ring.statement for index, ring in sets if index < least][-1:]
        within = [ring.statement for index, ring in sets if least <= index < most]
        found[proven.index] = KeyRing(statement=tuple(chain.from_iterable(before + within)))
    return found


def _recorded_by(body: bytes, origin: str) -> int | None:
    """Size of a log that a closing records; None where it does not grow, or is no closing, which its reader refuses."""
    with suppress(Refused):
        heads = parse(record_pb2.Closing, body, "closing").heads
        return next((head.size for head in heads if head.origin == origin), None)
    return None


def counted(leaves: Iterable[ReadLeaf]) -> str:
    """How many statements were read, and how many of them do not count."""
    refusals = [leaf.refusal is not None for leaf in leaves]
    refused = sum(refusals)
    return f"{len(refusals) - refused} statements" + (f", {refused} refused, as findings say" if refused else "")


def check_recorded(view: View, origin: str, terms: Agreement) -> None:
    """The head that the leaves are proven in is the one that counts at the record period.

    Raises:
        Refused: STATE_DIFFERS.
    """
    size, found = recorded_size(view, origin, terms), view.heads[origin]
    heads = [head for _, closing in view.closings for head in closing.heads if head.origin == origin]
    same = found.size == size and (not heads or heads[-1].root == found.root)
    require(same, Reason.STATE_DIFFERS, f"logs.{origin}.checkpoint", f"size {found.size}, recorded {size}")


def recorded_size(view: View, origin: str, terms: Agreement) -> int:
    """Leaves of a log of these terms that are recorded by the last closing."""
    sizes = [head.size for _, closing in view.closings for head in closing.heads if head.origin == origin]
    return sizes[-1] if sizes else view.state.parties[terms.logs[origin]].size
