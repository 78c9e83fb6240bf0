"""What a daemon checks before it signs: its terms, its keys, its store, its clock, and what others saw of its log."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc

from daemon.author import Author, Seeds, open_author
from daemon.clock import Clock
from daemon.enrolment import PartySettings
from daemon.fsck import fsck
from daemon.journal import journal
from daemon.leaf import EMPTY
from daemon.log_store import LogStore
from daemon.rpc_errors import refused_by
from protocol.agreement import Agreement, pin
from protocol.checkpoint import Checkpoint, open_checkpoint
from protocol.commitment import ENTRY_TAG, commit
from protocol.errors import Reason, Refused, require
from protocol.keys import public_key
from protocol.leaf import Cursor
from protocol.merkle import Frontier, leaf_hash, verify_inclusion
from protocol.note import verifier_key
from protocol.tiles import tree_root
from standstill.v1 import agreement_pb2, log_service_pb2, log_service_pb2_grpc

ANSWER_SECONDS: Final = 3.0
"""How long a verifier may take to say what it saw last; more would hold up every start while it is down."""

_DIGEST_DIGITS: Final = 64


def pinned_agreement(settings: PartySettings, base: Path) -> Agreement:
    """The terms of a configuration in the directory `base`.

    Raises:
        Refused: NOT_FOUNDED before `found`; TRUST_ROOT_MISMATCH; what the terms themselves refuse.
    """
    founded = len(settings.digest) == _DIGEST_DIGITS and _is_hex(settings.digest)
    require(founded, Reason.NOT_FOUNDED, "digest", "expected 64 hexadecimal digits; run `found` with the agreement")
    path = base / settings.agreement
    try:
        data = path.read_bytes()
    except OSError as error:
        what = f"expected the agreement: {error.strerror}; copy it there, or run `found` again"
        raise Refused(Reason.NOT_FOUNDED, str(path), what) from error
    return pin(data, bytes.fromhex(settings.digest))


def open_own_log(
    agreement: Agreement, party: agreement_pb2.Party, store: LogStore, seeds: Seeds, clock: Clock, *, full: bool = False
) -> Author:
    """Continue a party's log after checking store, keys and clock.

    Args:
        agreement: the terms.
        party: whose log it is.
        store: holds the log.
        seeds: log and statement key; with root keys instead of a statement key, whoever names new ones.
        clock: the time that statements will claim.
        full: derive the whole log again from its leaves, not only its end.

    Raises:
        Refused: NOT_FOUNDED, STORE_DAMAGED, KEY_NOT_IN_FORCE, CLOCK_WENT_BACK.
    """
    known = party.origin in store.origins() and store.head(party.origin) != EMPTY
    require(known, Reason.NOT_FOUNDED, party.origin, "expected a log with its Founding; run `found` first")
    _require_sound(store, party.origin, full=full)
    author = open_author(agreement, store, seeds, clock, Cursor(party.origin, party.name))
    by_root = bool(seeds.root) and not seeds.statement
    in_force = by_root or public_key(seeds.statement) in author.keys.statement
    what = (
        f"expected the statement key of KeySet {author.keys.version}; restore it from a copy, or publish a new KeySet"
    )
    require(in_force, Reason.KEY_NOT_IN_FORCE, "keys/statement.key", what)
    now = clock.now()
    what = f"expected at least {author.last_time}, the time of the last statement, found {now}; set the clock right"
    require(now >= author.last_time, Reason.CLOCK_WENT_BACK, "clock", what)
    return author


def require_newest(author: Author, log_key: bytes, witnesses: Mapping[str, grpc.Channel]) -> None:
    """Refuse to go on where a verifier has seen more of this log than the store holds: it was restored (annex 6.3).

    Args:
        author: the log.
        log_key: its public key, 32 bytes.
        witnesses: verifiers by name; one that does not answer is a line in the journal.

    Raises:
        Refused: STORE_BEHIND; EQUIVOCATION where one has seen another root of the same size.
    """
    with ThreadPoolExecutor(max(len(witnesses), 1)) as pool:
        seen = pool.map(lambda item: _seen_by(item[0], item[1], author.origin, log_key), witnesses.items())
        heads = dict(zip(witnesses, seen, strict=True))
    own = author.head
    for name, head in heads.items():
        if head is None:
            continue
        what = f"{name} holds {head.size} statements of this log, the store {own.size}: restore the newest copy"
        require(head.size <= own.size, Reason.STORE_BEHIND, author.origin, what)
        same = head.size < own.size or head.root == own.root
        what = f"{name} holds another root at size {own.size}: this is another copy of the log; restore the right one"
        require(same, Reason.EQUIVOCATION, author.origin, what)


def _seen_by(name: str, channel: grpc.Channel, origin: str, log_key: bytes) -> Checkpoint | None:
    """The largest head of our log that a verifier holds; None if it holds none or does not answer."""
    request = log_service_pb2.GetCheckpointRequest(origin=origin)
    try:
        answer = log_service_pb2_grpc.LogServiceStub(channel).GetCheckpoint(request, timeout=ANSWER_SECONDS)
        # A note that is not ours says nothing of our log.
        return open_checkpoint(answer.note, origin, verifier_key(origin, log_key))
    except grpc.RpcError as error:
        refused = refused_by(error)
        if refused is None or refused.reason not in {Reason.UNKNOWN_ORIGIN, Reason.CHECKPOINT_ABSENT}:
            journal().warning("verifier not asked for our newest head", verifier=name, why=str(refused or error.code()))
    except Refused as refused:
        journal().warning("verifier shows a head that we did not sign", verifier=name, why=str(refused))
    return None


def _require_sound(store: LogStore, origin: str, *, full: bool) -> None:
    """The end of the log, or all of it, is what its leaves say."""
    advice = "nothing was changed; restore a copy of the store"
    if full:
        damage = fsck(store, origin)
        what = "; ".join(f"{found.where}: {found.what}" for found in damage[:3])
        require(not damage, Reason.STORE_DAMAGED, origin, f"{what}; {advice}")
        return
    head = store.head(origin)
    try:
        with store.database.reading() as connection:
            frontier = Frontier.from_bytes(store.log_row(connection, origin).frontier)
        last = store.leaf(origin, head.size - 1)
        again = leaf_hash(commit(ENTRY_TAG, last.leaf_salt, last.envelope))
        verify_inclusion(
            last.sequence, head.size, again, store.inclusion_path(origin, last.sequence, head.size), head.root
        )
        root = tree_root(head.size, lambda tile: store.tile(origin, tile))
    except Refused as refused:
        if refused.reason is Reason.STORE_UNAVAILABLE:
            raise
        raise Refused(Reason.STORE_DAMAGED, origin, f"the end of the log: {refused}; {advice}") from refused
    fits = frontier.size == head.size and frontier.root() == head.root == root
    require(fits, Reason.STORE_DAMAGED, origin, f"expected head, frontier and tiles to agree at {head.size}; {advice}")


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789abcdef" for digit in text)
