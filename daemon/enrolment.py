"""How a party joins an agreement: keys and a public descriptor first, then the founding of its log (annex 3.5).

    enrol    keys/*.key (0600), tls.key, tls.crt, party.txtpb        before the agreement is compiled
    found    agreement pinned by its digest -> store -> Founding and KeySet 1, signed by the root

Both daemons join in this way. Each step of `found` can be repeated: after a crash it goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from google.protobuf import text_format

from daemon.author import Seeds, open_author
from daemon.clock import Clock
from daemon.config import Settings, explain
from daemon.database import open_database
from daemon.files import alone_in, sync_directory, write_whole
from daemon.keyfiles import SEED_BYTES, read_seed, write_seed
from daemon.leaf import EMPTY, Head
from daemon.log_store import LogStore, open_store
from daemon.rows import store_leaf
from daemon.tls import CERTIFICATE_FILE, KEY_FILE, make_certificate
from protocol import agreement_rules
from protocol.agreement import Agreement, pin
from protocol.authoring import Draft
from protocol.errors import Reason, Refused, require
from protocol.keys import public_key
from protocol.leaf import Cursor, read_leaves
from protocol.signing import Signing, founding
from protocol.wire import encode
from standstill.v1 import agreement_pb2, envelope_pb2, header_pb2, membership_pb2

KEYS: Final = "keys"
LOG_KEY: Final = "log.key"
STATEMENT_KEY: Final = "statement.key"
COSIGNATURE_KEY: Final = "cosignature.key"
DESCRIPTOR: Final = "party.txtpb"

_DIGEST_LINE: Final = re.compile(r"^#? ?digest *=.*$", re.MULTILINE)
_SQLITE: Final = "sqlite:///"
_ABOUT: Final = """\
# Public descriptor of {name}: what the agreement says of it. Give this file to whoever compiles the agreement.
# proto-file: standstill/v1/agreement.proto
# proto-message: standstill.v1.Party
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A party that is about to join.

    Attributes:
        name: in the agreement.
        roles: at least one.
        owner: control group.
        sites: names of a lab's sites; they stay on this machine.
        metered_by: party that reads the sites' energy; empty where nobody does.
        pue_milli: least and greatest ratio of site energy to accelerator energy, thousandths.
        root_keys: how many root keys to make.
        root_threshold: how many of them must sign.
    """

    name: str
    roles: Sequence[agreement_pb2.Role.ValueType]
    owner: str
    sites: Sequence[str] = ()
    metered_by: str = ""
    pue_milli: tuple[int, int] = (1_000, 2_000)
    root_keys: int = 1
    root_threshold: int = 1


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What enrolling made.

    Attributes:
        party: the public descriptor.
        handles: site handle by site name, in the order of the sites.
        files: what was written, in the party's directory.
    """

    party: agreement_pb2.Party
    handles: Mapping[str, bytes] = field(default_factory=dict)
    files: Sequence[str] = ()


class PartySettings(Protocol):
    """The keys of a configuration that say where a party's log is; both daemons have them."""

    @property
    def party(self) -> str:
        """Name in the agreement."""

    @property
    def agreement(self) -> Path:
        """File with the agreement's bytes."""

    @property
    def digest(self) -> str:
        """SHA-256 of the agreement, hexadecimal; empty before the founding."""

    @property
    def store(self) -> str:
        """Where the store is."""


def enrol(newcomer: Newcomer, directory: Path) -> Enrolled:
    """Make a party's keys, certificate and descriptor; nothing is written if anything is wrong or already there.

    Raises:
        Refused: SECRET_EXISTS; what the agreement's rules say of a party (:mod:`protocol.agreement_rules`).
    """
    uses = [f"root-{number}.key" for number in range(1, newcomer.root_keys + 1)] + [LOG_KEY, STATEMENT_KEY]
    if agreement_pb2.ROLE_VERIFIER in newcomer.roles:
        uses.append(COSIGNATURE_KEY)
    seeds = {f"{KEYS}/{use}": secrets.token_bytes(SEED_BYTES) for use in uses}
    handles = {site: secrets.token_bytes(agreement_rules.HANDLE_LENGTH) for site in newcomer.sites}
    party = _descriptor(newcomer, list(seeds.values()), list(handles.values()))
    _require_form(party)
    files = (*seeds, KEY_FILE, CERTIFICATE_FILE, DESCRIPTOR)
    for name in files:
        free = not (directory / name).exists()
        require(free, Reason.SECRET_EXISTS, str(directory / name), "expected a new directory; nothing was written")
    (directory / KEYS).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, seed in seeds.items():
        write_seed(directory / name, seed)
    make_certificate(newcomer.name, directory)
    text = _ABOUT.format(name=newcomer.name) + text_format.MessageToString(party)
    write_whole(directory / DESCRIPTOR, text.encode())
    return Enrolled(party, handles, files)


def write_config(path: Path, settings: Settings) -> None:
    """Write a configuration with every key explained.

    Raises:
        Refused: SECRET_EXISTS; a configuration is never overwritten.
    """
    require(not path.exists(), Reason.SECRET_EXISTS, str(path), "expected no file; move the old one away first")
    write_whole(path, explain(settings).encode())


def store_url(store: str, base: Path) -> str:
    """The database that a configuration in the directory `base` names: a URL, a path, or nothing for `store.db`."""
    if "://" in store:
        return store
    return f"{_SQLITE}{(base / (store or 'store.db')).resolve()}"


def found(
    config: Path,
    settings: PartySettings,
    data: bytes,
    digest: bytes,
    clock: Clock,
    *,
    root_keys: Path | None = None,
    signed: Signing | None = None,
) -> Head:
    """Accept an agreement and begin the log: Founding and KeySet 1, never twice.

    Args:
        config: configuration file, whose key `digest` is set here; its directory is the party's.
        settings: what stands in it.
        data: the agreement's exact bytes.
        digest: SHA-256 that the party was told by a way that it trusts, 32 bytes.
        clock: the time that the statements claim.
        root_keys: directory of the root keys; `keys/` if absent. Not needed again once the log is founded.
        signed: acceptances collected before; the party's Founding is taken from it as it was signed. The root keys
            then sign KeySet 1 alone, which names the keys of this machine.

    Returns:
        the head of the log.

    Raises:
        Refused: TRUST_ROOT_MISMATCH if these are other terms than the digest names, or others were accepted before;
            NAME_UNKNOWN, KEY_NOT_AGREED, SECRET_ABSENT, STORE_IN_USE, and what the terms or the store refuse;
            THRESHOLD_NOT_MET if the signatures of the party are not complete in `signed`.
    """
    base = config.parent
    agreement = pin(data, digest)
    _require_first(settings, digest)
    party = party_of(agreement, settings.party)
    accepted = _accepted(signed, agreement, party)
    with alone_in(base):
        log = log_seed(base, party)
        drafts = _founding(agreement, party, base)
        write_whole(base / settings.agreement, data)
        _pin_in(config, digest)
        url = store_url(settings.store, base)
        _make_store(url)
        with contextlib.closing(open_store(url)) as store:
            if accepted is not None:
                _log_founding(agreement, party, store, accepted)
            size = store.head(party.origin).size if party.origin in store.origins() else 0
            # Root keys may be far away by the time that this is repeated.
            roots = root_seeds(party, root_keys or base / KEYS) if size < len(drafts) else ()
            author = open_author(agreement, store, Seeds(log=log, root=roots), clock, Cursor(party.origin, party.name))
            if drafts[size:]:
                author.publish(drafts[size:])
            return author.head


def party_of(agreement: Agreement, name: str) -> agreement_pb2.Party:
    """The party of this name.

    Raises:
        Refused: NAME_UNKNOWN.
    """
    if name not in agreement.parties:
        known = ", ".join(agreement.parties)
        raise Refused(Reason.NAME_UNKNOWN, "party", f"expected one of {known}, found {name}; compile it in first")
    return agreement.parties[name]


def log_seed(base: Path, party: agreement_pb2.Party, keys: Path = Path(KEYS)) -> bytes:
    """The seed that signs this party's checkpoints, 32 bytes.

    Raises:
        Refused: KEY_NOT_AGREED; SECRET_ABSENT, SECRET_EXPOSED, SECRET_MALFORMED.
    """
    path = base / keys / LOG_KEY
    seed = read_seed(path)
    agreed = public_key(seed) == party.log_key
    what = (
        f"expected the log key that the agreement names for {party.name}; use the directory whose {DESCRIPTOR} it has"
    )
    require(agreed, Reason.KEY_NOT_AGREED, str(path), what)
    return seed


def _descriptor(newcomer: Newcomer, seeds: Sequence[bytes], handles: Sequence[bytes]) -> agreement_pb2.Party:
    """What the agreement will say of the party; the seeds begin with those of the root, then the log's."""
    low, high = newcomer.pue_milli
    is_verifier = agreement_pb2.ROLE_VERIFIER in newcomer.roles
    return agreement_pb2.Party(
        name=newcomer.name,
        roles=newcomer.roles,
        owner=newcomer.owner,
        origin=f"standstill.example/{newcomer.name}",
        log_key=public_key(seeds[newcomer.root_keys]),
        root_keys=[public_key(seed) for seed in seeds[: newcomer.root_keys]],
        root_threshold=newcomer.root_threshold,
        sites=[
            agreement_pb2.Site(handle=handle, metered_by=newcomer.metered_by, pue_low_milli=low, pue_high_milli=high)
            for handle in handles
        ],
        record_origin=f"standstill.example/{newcomer.name}/record" if is_verifier else "",
    )


def _require_form(party: agreement_pb2.Party) -> None:
    alone = agreement_pb2.Agreement(parties=[party])
    rules = (
        agreement_rules.names_are_well_formed,
        agreement_rules.parties_are_complete,
        agreement_rules.keys_are_admissible,
        agreement_rules.sites_are_distinct,
    )
    for rule in rules:
        for problem in rule(alone):
            raise problem


def _require_first(settings: PartySettings, digest: bytes) -> None:
    """A party founds one agreement; another wants another directory, as its log and keys are new."""
    same = settings.digest in ("", digest.hex())
    what = (
        f"this directory has accepted {settings.digest}, not {digest.hex()}; found the other terms in a new directory"
    )
    require(same, Reason.TRUST_ROOT_MISMATCH, "digest", what)


def _pin_in(config: Path, digest: bytes) -> None:
    """Set the key `digest` of a configuration, and leave everything else as its owner wrote it."""
    text = config.read_text("utf-8")
    line = f'digest = "{digest.hex()}"'
    pinned, count = _DIGEST_LINE.subn(line, text, count=1)
    # Before the first table: below its header the key would belong to the table.
    after = pinned if count else f"{line}\n{text}"
    if after != text:
        write_whole(config, after.encode())


def _make_store(url: str) -> None:
    """Make the store unless it is there. A crash in between leaves a file of another name, never half a store."""
    if not url.startswith("sqlite:"):
        try:
            open_database(url, create=True).close()
        except Refused as refused:
            if refused.reason is not Reason.STORE_EXISTS:
                raise
        return
    path = Path(url.removeprefix(_SQLITE))
    if path.exists():
        return
    unfinished = path.with_name(f"{path.name}.unfinished")
    leftovers = [unfinished.with_name(unfinished.name + end) for end in ("", "-wal", "-shm", ".lock")]
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    open_database(f"{_SQLITE}{unfinished}", create=True).close()
    unfinished.rename(path)
    sync_directory(path.parent)
    leftovers[-1].unlink(missing_ok=True)


def _founding(agreement: Agreement, party: agreement_pb2.Party, base: Path) -> list[Draft]:
    """The first two statements of a log."""
    uses = [(STATEMENT_KEY, membership_pb2.KEY_USE_STATEMENT)]
    if agreement_pb2.ROLE_VERIFIER in party.roles:
        uses.append((COSIGNATURE_KEY, membership_pb2.KEY_USE_COSIGNATURE))
    keys = [
        membership_pb2.OperationalKey(public_key=public_key(read_seed(base / KEYS / name)), use=use)
        for name, use in uses
    ]
    return [
        Draft(kind=header_pb2.KIND_FOUNDING, body=encode(membership_pb2.Founding(agreement=agreement.digest))),
        Draft(kind=header_pb2.KIND_KEY_SET, body=encode(membership_pb2.KeySet(version=1, keys=keys))),
    ]


def _accepted(signed: Signing | None, agreement: Agreement, party: agreement_pb2.Party) -> envelope_pb2.Leaf | None:
    """The party's Founding as it was signed before."""
    if signed is None:
        return None
    same = signed.agreement.digest == agreement.digest
    what = f"expected signatures of {agreement.digest.hex()}, found those of {signed.agreement.digest.hex()}"
    require(same, Reason.TRUST_ROOT_MISMATCH, "signed", what)
    return founding(signed, party.name)


def _log_founding(agreement: Agreement, party: agreement_pb2.Party, store: LogStore, leaf: envelope_pb2.Leaf) -> None:
    """Make a Founding that was signed before the first leaf of the log, unless the log has one."""
    with store.transaction() as tx:
        store.add_log(tx, party.origin)
        if store.head(party.origin, tx=tx) == EMPTY:
            (read,), _ = read_leaves(agreement, Cursor(party.origin, party.name), [leaf])
            if read.refusal is not None:
                raise read.refusal
            store.append(tx, party.origin, EMPTY, [store_leaf(leaf, read)])


def root_seeds(party: agreement_pb2.Party, directory: Path) -> tuple[bytes, ...]:
    """As many root seeds of the party as must sign, 32 bytes each.

    Raises:
        Refused: SECRET_ABSENT where the directory has fewer.
    """
    seeds = [read_seed(path) for path in sorted(directory.glob("root-*.key"))]
    own = [seed for seed in seeds if public_key(seed) in party.root_keys][: party.root_threshold]
    what = f"expected {party.root_threshold} root keys of {party.name}, found {len(own)}; name their directory"
    require(len(own) == party.root_threshold, Reason.SECRET_ABSENT, str(directory), what)
    return tuple(own)
