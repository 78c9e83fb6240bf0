"""What a party says with its root keys after its founding: new keys, keys taken back, its withdrawal (annex 3.3, 3.4).

The daemon does not run meanwhile: the store has one writer, and the keys are made for a machine that holds no root key.

    rotate    statement.next.key -> KeySet, signed by the root -> statement.next.key becomes statement.key
              repeated after a crash, each step is done that was not
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.author import Seeds
from daemon.config import load_config
from daemon.enrolment import STATEMENT_KEY, log_seed, party_of, root_seeds, store_url
from daemon.files import sync_directory
from daemon.journal import open_journal
from daemon.keyfiles import SEED_BYTES, read_seed, write_seed
from daemon.log_store import open_store
from daemon.startup import open_own_log, pinned_agreement
from node.config import NodeSettings
from node.daemon import ask_verifiers, clock_of
from protocol.authoring import Draft
from protocol.errors import Reason, require
from protocol.keys import public_key
from protocol.wire import encode
from standstill.v1 import header_pb2, membership_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.author import Author

NEXT_KEY: Final = "statement.next.key"
"""The key that will sign, from when it is made until the log names it."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key that signs from now on.

    Attributes:
        party: whose key.
        version: of the KeySet that names it.
        public_key: 32 bytes.
        size: leaves in the log.
    """

    party: str
    version: int
    public_key: bytes
    size: int


def rotate(config: Path, root_keys: Path, revoked_from: int = 0) -> Rotated:
    """Make a new statement key, and name it alone as the party's from the next statement on.

    Args:
        config: `node.toml`.
        root_keys: directory of the root keys.
        revoked_from: index of the first statement that counts for nothing unless it is on the record already, as a key
            that was stolen may have signed it; 0: nothing is taken back.

    Raises:
        Refused: STORE_IN_USE while the node runs; SECRET_ABSENT; VALUE_OUT_OF_RANGE for a place beyond the log;
            what a start of the node refuses.
    """
    with _root_author(config, root_keys) as (author, keys):
        what = f"expected an index below {author.head.size}, the size of the log; found {revoked_from}"
        require(revoked_from < author.head.size, Reason.VALUE_OUT_OF_RANGE, "revoked_from", what)
        fresh = keys / NEXT_KEY
        if not fresh.exists():
            write_seed(fresh, secrets.token_bytes(SEED_BYTES))
        new = public_key(read_seed(fresh))
        if new not in author.keys.statement:
            author.publish([_key_set(author, new, revoked_from)])
        fresh.replace(keys / STATEMENT_KEY)
        sync_directory(keys)
        return Rotated(author.party, author.keys.version, new, author.head.size)


def withdraw(config: Path, root_keys: Path, reason: str = "") -> int:
    """Give notice of leaving; all duties go on until the exit.

    Args:
        config: `node.toml`.
        root_keys: directory of the root keys.
        reason: for people, at most 1,000 characters.

    Returns:
        index of the statement.

    Raises:
        Refused: as :func:`rotate`.
    """
    body = encode(membership_pb2.Withdrawal(reason=reason))
    with _root_author(config, root_keys) as (author, _):
        return author.publish([Draft(kind=header_pb2.KIND_WITHDRAWAL, body=body)]).index


def _key_set(author: Author, statement: bytes, revoked_from: int) -> Draft:
    uses = [(statement, membership_pb2.KEY_USE_STATEMENT)]
    uses += [(key, membership_pb2.KEY_USE_COSIGNATURE) for key in author.keys.cosignature]
    keys = [membership_pb2.OperationalKey(public_key=key, use=use) for key, use in uses]
    body = membership_pb2.KeySet(version=author.keys.version + 1, keys=keys, revoked_from=revoked_from)
    return Draft(kind=header_pb2.KIND_KEY_SET, body=encode(body))


@contextlib.contextmanager
def _root_author(config: Path, root_keys: Path) -> Iterator[tuple[Author, Path]]:
    """The party's log, checked as at a start of its node, to be written by the root; and its directory of keys."""
    settings = load_config(config, NodeSettings)
    base = config.resolve().parent
    open_journal(f"node {settings.party}")
    agreement = pinned_agreement(settings, base)
    party = party_of(agreement, settings.party)
    seeds = Seeds(log=log_seed(base, party, settings.keys), root=root_seeds(party, root_keys))
    with contextlib.closing(open_store(store_url(settings.store, base))) as store:
        author = open_own_log(agreement, party, store, seeds, clock_of(settings, base))
        ask_verifiers(settings, base, author, party)
        yield author, base / settings.keys
