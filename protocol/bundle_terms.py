"""The terms that a bundle is read by, where they are not the first ones (annex 3.5, 3 and 4).

Amended terms, and whoever was admitted, stand in the state, whose digest the record holds. Whose word a log carries
must not rest on the verifiers alone: founders keep the keys that they founded with, and of everybody else a party that
is known has proposed the very descriptor, in its own log. Those proposals travel in the bundle.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from protocol.agreement import read_agreement
from protocol.amendments import changed_identity
from protocol.bundle_logs import Result, check_head, check_inclusion, check_recorded, counted, read_log
from protocol.errors import Reason, Refused, require
from protocol.in_force import in_force
from protocol.leaf import Cursor
from protocol.wire import parse
from standstill.v1 import agreement_pb2, header_pb2, membership_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from protocol.agreement import Agreement
    from protocol.bundle_logs import View
    from protocol.leaf import ReadLeaf
    from protocol.state import State

PROPOSING: Final = (header_pb2.KIND_ADMISSION, header_pb2.KIND_AMENDMENT)
"""Kinds by which parties are proposed: alone, or in the full text of new terms."""


def proposals(leaves: Iterable[ReadLeaf]) -> Iterator[tuple[agreement_pb2.Party, list[ReadLeaf]]]:
    """Parties that statements propose, each with the statements that it takes; what proposes nobody is passed over.

    Args:
        leaves: of one log, in order.
    """
    texts: dict[bytes, list[ReadLeaf]] = {}
    for leaf in leaves:
        found: list[agreement_pb2.Party] = []
        parts = [leaf]
        if isinstance(leaf.body, membership_pb2.Amendment):
            # A text may be proposed more than once; its newest parts count, as in the fold.
            parts = [*(texts.get(leaf.body.digest, ()) if leaf.body.part else ()), leaf]
            texts[leaf.body.digest] = parts
        with suppress(Refused):
            found = _proposed(leaf, parts)
        yield from ((party, parts) for party in found)


def _proposed(leaf: ReadLeaf, parts: list[ReadLeaf]) -> list[agreement_pb2.Party]:
    """Parties that an Admission proposes, or a text once its parts give what their digest says."""
    if isinstance(leaf.body, membership_pb2.Admission):
        return [_party(leaf.body.party)]
    if isinstance(leaf.body, membership_pb2.Amendment):
        data = b"".join(part.body.data for part in parts)  # type: ignore[union-attr]
        if sha256(data).digest() == leaf.body.digest:
            return list(read_agreement(data).terms.parties)
    return []


def _party(data: bytes) -> agreement_pb2.Party:
    return parse(agreement_pb2.Party, data, "party")


def check_terms(view: View) -> tuple[Result, str]:
    """The terms in force, and every log of a party that joined later, proven like those of founders."""
    view.terms = _in_force(view.agreement, view.state)
    for name in view.agreement.parties.keys() & view.terms.parties.keys():
        changed = changed_identity(view.agreement.parties[name], view.terms.parties[name])
        require(not changed, Reason.AMENDMENT_CHANGES_IDENTITY, f"parties.{name}", ", ".join(changed))
    lab = view.bundle.lab
    require(lab in view.terms.labs, Reason.NAME_UNKNOWN, "bundle.lab", repr(lab))
    founded = set(view.leaves)
    waiting = {log.origin for log in view.bundle.logs} - founded
    for origin in sorted(waiting):
        require(origin in view.terms.logs, Reason.UNKNOWN_ORIGIN, "logs.origin", repr(origin))
    # Who joined later may have proposed others.
    while waiting:
        known = _known(view)
        named = {origin for origin in waiting if view.terms.logs[origin] in known}
        found = f"nobody known has proposed {', '.join(sorted(view.terms.logs[origin] for origin in waiting))}"
        require(bool(named), Reason.BUNDLE_INCOMPLETE, "logs", found)
        for origin in sorted(named):
            _read_later(view, origin)
        waiting -= named
    said = "the first terms" if view.state.terms == view.agreement.digest else f"terms {view.state.terms.hex()[:16]}"
    later = [leaf for origin in view.leaves.keys() - founded for leaf in view.leaves[origin]]
    return Result.PASSED, said + (f", {counted(later)} of parties that joined later" if later else "")


def _in_force(agreement: Agreement, state: State) -> Agreement:
    """The terms of a state that may be anything: the texts are those that their digests name, and agreements."""
    named = {state.terms.hex(), *(digest for level in state.levels.values() for digest in level.terms)}
    for digest in sorted(named - {agreement.digest.hex()}):
        text = state.texts.get(digest, b"")
        require(sha256(text).hexdigest() == digest, Reason.STATE_MALFORMED, f"state.texts.{digest}", "another text")
        ranks = {level.rank for level in read_agreement(text).terms.levels}
        kept = {rank for rank, level in state.levels.items() if digest in level.terms}
        require(kept <= ranks, Reason.STATE_MALFORMED, f"state.texts.{digest}", "lacks a level that keeps it")
    for name, data in state.admitted.items():
        require(_party(data).name == name, Reason.STATE_MALFORMED, f"state.admitted.{name}", "another party")
    terms = in_force(agreement, state)
    once = len(terms.logs) == len(terms.parties) == len(terms.terms.parties)
    require(once, Reason.STATE_MALFORMED, "state.admitted", "a name or a log of two parties")
    return terms


def _known(view: View) -> set[str]:
    """Parties whose keys nobody can have made up: founders, and whom they or those known have proposed as they are."""
    found = set[str]()
    for leaves in view.leaves.values():
        for party, _ in proposals(leaves):
            listed = view.terms.parties.get(party.name)
            if listed is not None and not changed_identity(listed, party):
                found.add(party.name)
    return found


def _read_later(view: View, origin: str) -> None:
    """One log of a party that joined later: its head, its leaves in it, its statements, its place in the record."""
    log, name = view.log(origin), view.terms.logs[origin]
    check_head(view, log, view.terms.parties[name])
    check_inclusion(view, log)
    view.leaves[origin] = list(read_log(view.terms, log, Cursor(origin, name)))
    check_recorded(view, origin, view.terms)
