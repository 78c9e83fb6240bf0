"""B5: one statement signed, logged and durable, against one such row committed by SQLite alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench.bare import BareStore
from bench.measure import Aim, Measurement, Run, Target, middle, per_second
from bench.parties import LAB, Parties
from bench.statements import attestation
from daemon.clock import SYSTEM
from daemon.memory import prepare_for_long_run

if TYPE_CHECKING:
    from daemon.author import Author
    from daemon.leaf import StoredLeaf
    from daemon.log_store import LogStore
    from protocol.authoring import Draft

STATEMENTS: Final = 1_000
QUICK_STATEMENTS: Final = 50


def publish(run: Run) -> list[Measurement]:
    """B5. Both stores are files in the same directory; rounds alternate, so that both meet the same disk."""
    # As a node does before it publishes.
    prepare_for_long_run()
    # Founded long ago: from then on the author's clock is the system's, as in earnest.
    parties = Parties(run.home / "publish", sites=1, now=1)
    parties.found_node(LAB)
    site = parties.enrolled[LAB].party.sites[0].handle
    count = run.size(STATEMENTS, QUICK_STATEMENTS)
    taken = []
    bare = BareStore(parties.home / "bare.db")
    with parties.author_of(LAB, clock=SYSTEM) as (author, store):
        for number in range(run.rounds):
            periods = range(number * count, (number + 1) * count)
            drafts = [attestation(parties.agreement, period, site) for period in periods]
            ours = _publish(author, drafts)
            rows = _last(author, store, count)
            taken.append((ours / count, bare.commit_rate(rows).wall / count))
    bare.close()
    return [
        Measurement(
            name="B5",
            what="publish one attestation: signed, logged, head moved and signed, durable",
            numerator=per_second(1, middle([ours for ours, _ in taken])),
            denominator=per_second(1, middle([alone for _, alone in taken])) + " bare commits",
            rounds=[alone / ours for ours, alone in taken],
            target=Target(Aim.AT_LEAST, 0.40),
            note="in process, SQLite, synchronous=FULL on both sides",
        )
    ]


def _publish(author: Author, drafts: list[Draft]) -> float:
    """Seconds to publish each by itself."""
    start = time.perf_counter()
    for draft in drafts:
        author.publish([draft])
    return time.perf_counter() - start


def _last(author: Author, store: LogStore, count: int) -> list[StoredLeaf]:
    """The rows just published, for the bare store to write again."""
    size = author.head.size
    return list(store.leaves(author.origin, size - count, size))
