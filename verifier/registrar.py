"""Closing periods: the record log, and the state that follows from it (annex 1.1, 1.2 and 3).

With one verifier its closings are final when they are durable and signed (annex 1.5). The heads of a closing are those
cosigned before the period's end, of logs whose leaves are all held; closing, state and heads are one transaction.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.journal import journal
from protocol.authoring import Draft
from protocol.checkpoint import Checkpoint, open_checkpoint
from protocol.closing import Record, next_closing
from protocol.fold import initial, step
from protocol.in_force import in_force
from protocol.note import verifier_key
from protocol.state import Stage, State, read_state
from protocol.wire import encode
from standstill.v1 import header_pb2
from verifier.held import Held
from verifier.store import StoredClosing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from daemon.author import Author
    from protocol.agreement import Agreement
    from protocol.fold.work import Outcome
    from protocol.leaf import ReadLeaf
    from standstill.v1 import agreement_pb2
    from verifier.store import VerifierStore

MAX_WHY_CHARACTERS: Final = 4_000
"""Of one reason: pledges have thousands of parts, and every closing keeps all reasons."""

_SHORTENED: Final = "... (shortened)"


@dataclass(frozen=True, slots=True)
class Closed:
    """A period that was closed, with what came of it."""

    period: int
    outcome: Outcome


class Registrar:
    """Keeps the record log of term 0."""

    def __init__(self, agreement: Agreement, store: VerifierStore, own: Author, record: Author) -> None:
        """Close periods in the log that `record` writes; `own` writes this verifier's other log."""
        self._agreement, self._store, self._own, self._record = agreement, store, own, record
        self._held = Held(agreement, store.logs)
        self._lock = threading.Lock()
        newest = store.closing_at()
        self._state = initial(agreement) if newest is None else read_state(newest.state)
        self._why = {} if newest is None else json.loads(newest.why)

    @property
    def state(self) -> State:
        """The state after the last closing."""
        return self._state

    @property
    def why(self) -> dict[str, str]:
        """Why each level and lab is where it is, as indented text, by rank or name."""
        return self._why

    def due(self, now: int) -> int | None:
        """The period to be closed at a moment: the last one that ended, unless it is closed.

        Periods in between that nobody closed stay dark; what they held falls into this closing (annex 1.1, 7).
        """
        running = self._agreement.period_at(now)
        if running is None or running == 0:
            return None
        last = self._state.period
        return running - 1 if last is None or running - 1 > last else None

    def close(self, period: int) -> Closed:
        """Close a period: what was witnessed before its end, and nothing else."""
        with self._lock:
            closing = next_closing(self._state, period, self._heads(period))
            sizes = {party.origin: self._state.parties[party.name].size for party in self._parties}
            leaves = {
                head.origin: self._held.leaves(head.origin, sizes[head.origin], head.size) for head in closing.heads
            }
            data = encode(closing)
            outcome = step(self._agreement, self._state, Record(data, closing, leaves))
            why = _reasons(outcome, self._why)

            def keep(tx: Connection, reads: Sequence[ReadLeaf]) -> None:
                stored = StoredClosing(period, reads[0].index, data, outcome.state.text(), json.dumps(why))
                self._store.add_closing(tx, stored, closing.heads, outcome.refusals)

            self._record.publish([Draft(kind=header_pb2.KIND_CLOSING, body=data, period=period)], also=keep)
            self._state, self._why = outcome.state, why
        for transition in outcome.transitions:
            journal().info("level", rank=transition.level, before=transition.before, after=transition.after)
        journal().info("closed", period=period, heads=len(closing.heads), refused=len(outcome.refusals))
        return Closed(period, outcome)

    @property
    def _parties(self) -> Iterable[agreement_pb2.Party]:
        """The parties whose logs the next closing may cover: newcomers from the step after they were listed."""
        return in_force(self._agreement, self._state).terms.parties

    def _heads(self, period: int) -> list[Checkpoint]:
        """Heads that grew, witnessed before D(p); for its own log the log's signature counts (annex 1.1, 3)."""
        heads = []
        for party in self._parties:
            recorded = self._state.parties[party.name].size
            if party.origin == self._own.origin:
                note = self._own.note
            else:
                found = self._store.cosigned_before(party.origin, self._agreement.end_of(period))
                if found is None:
                    continue
                note = found[1]
            head = open_checkpoint(note, party.origin, verifier_key(party.origin, party.log_key))
            if head.size > recorded:
                heads.append(head)
        return heads


def called_key(rank: int) -> str:
    """Under which a level's reasons say why its present restriction was called."""
    return f"{rank} called"


def _reasons(outcome: Outcome, before: Mapping[str, str]) -> dict[str, str]:
    """Explanations as indented text, by rank or name; what a person asks first when a level moves."""
    reasons = {str(name): _short("\n".join(why.lines())) for name, why in outcome.reasons.items()}
    for rank, level in outcome.state.levels.items():
        # What called a restriction stays askable for as long as it lasts.
        if level.stage not in {Stage.OPEN, Stage.CALLED} and called_key(rank) in before:
            reasons[called_key(rank)] = before[called_key(rank)]
    for transition in outcome.transitions:
        reasons[f"{transition.level} moved"] = f"{transition.before} -> {transition.after}"
        if transition.after is Stage.WINDING:
            reasons[called_key(transition.level)] = _short("\n".join(transition.why.lines()))
    return reasons


def _short(text: str) -> str:
    return text if len(text) <= MAX_WHY_CHARACTERS else text[: MAX_WHY_CHARACTERS - len(_SHORTENED)] + _SHORTENED
