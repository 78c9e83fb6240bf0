"""The state that pledges are computed from: handed out by a verifier, checked against the pinned agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import click

from cli.audit.asking import Asked, Options, asking
from cli.audit.words import safe
from protocol.agreement import Agreement, pin
from protocol.errors import Reason, require
from protocol.in_force import in_force
from protocol.pledge_problem import Problem, compile_problem
from protocol.pledge_unmet import Atom, Unmet
from protocol.state import Stage, State, read_state
from protocol.truth import Truth
from standstill.v1 import agreement_pb2
from standstill.v1 import audit_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Known:
    """A state and the terms that hold under it.

    Attributes:
        asked: the verifier's other answers.
        agreement: terms in force.
        state: of the last closing.
        called: ranks of the levels that are taken as called.
    """

    asked: Asked
    agreement: Agreement
    state: State
    called: tuple[int, ...] = ()

    @property
    def assumed(self) -> dict[int, Stage]:
        """Stages to assume instead of those of the state."""
        return dict.fromkeys(self.called, Stage.WINDING)

    def problem(self, *called: int) -> Problem:
        """The pledges as a problem; `called` are further levels taken as called."""
        return compile_problem(self.agreement, self.state, self.assumed | dict.fromkeys(called, Stage.WINDING))

    def level(self, rank: int) -> str:
        """Name of a level; `no level` for 0."""
        return safe(self.agreement.levels[rank].name) if rank in self.agreement.levels else "no level"

    def by_pledge(self) -> list[int]:
        """Ranks of the levels that bind each lab on the terms of its own pledge."""
        levels = self.agreement.levels.items()
        return [rank for rank, level in levels if level.binds == agreement_pb2.BINDS_BY_PLEDGE]

    def heading(self) -> str:
        """What every answer says first."""
        assumed = "".join(f"   as if {self.level(rank)} were called" for rank in self.called)
        return self.asked.heading() + assumed

    def basis(self) -> dict[str, Any]:
        """The same for JSON."""
        named = {str(rank): self.agreement.levels[rank].name for rank in self.agreement.levels}
        return self.asked.basis() | {
            "state": self.asked.state.state,
            "levels": named,
            "as_if_called": [self.agreement.levels[rank].name for rank in self.called],
        }


def level_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--level`, as argument `level`."""
    told = "Answer as if this level were called.  [default: as things stand]"
    return click.option("--level", metavar="NAME", help=told)(command)


@contextmanager
def known(options: Options, level: str | None) -> Iterator[Known]:
    """Ask a verifier for the state and the terms.

    Raises:
        Refused: TRUST_ROOT_MISMATCH if the terms are not those pinned; STATE_DIFFERS if the state has another digest
            than stated or is of another agreement; STATE_MALFORMED if it is none; FIELD_ABSENT if none was sent.
        click.BadParameter: if the agreement has no level of that name.
    """
    with asking(options) as asked:
        whole = asked.stub.GetState(pb.GetStateRequest(whole=True))
        require(
            bool(whole.terms), Reason.FIELD_ABSENT, "terms", "this verifier does not hand out the state; ask another"
        )
        agreement = pin(whole.terms, asked.state.agreement)
        same = sha256(whole.state_text).digest() == whole.state
        require(same, Reason.STATE_DIFFERS, "state_text", "not the state whose digest was stated")
        state = read_state(whole.state_text)
        require(state.agreement == agreement.digest, Reason.STATE_DIFFERS, "state.agreement", "of another agreement")
        holds = in_force(agreement, state)
        _require_whole(holds, state)
        yield Known(Asked(asked.stub, whole), holds, state, _called(holds, level))


def _require_whole(agreement: Agreement, state: State) -> None:
    """A state without a party or level of its agreement is none, whatever its digest is."""
    for what, wanted, found in (
        ("parties", agreement.parties, state.parties),
        ("levels", agreement.levels, state.levels),
        ("conduct", agreement.labs, state.conduct),
        ("pledges", agreement.labs, state.pledges),
    ):
        lacking = sorted(map(str, set(wanted) - set(found)))
        require(not lacking, Reason.STATE_MALFORMED, f"state.{what}", f"lacks {', '.join(lacking)}")


def _called(agreement: Agreement, level: str | None) -> tuple[int, ...]:
    if level is None:
        return ()
    ranks = tuple(rank for rank, terms in agreement.levels.items() if terms.name == level)
    if not ranks:
        names = ", ".join(terms.name for terms in agreement.levels.values())
        raise click.BadParameter(f"no level {level!r}; the agreement has {names}", param_hint="--level")
    return ranks


def listed(names: Sequence[str]) -> str:
    """Names in one phrase; a dash for none."""
    return ", ".join(map(safe, names)) or "-"


def unmet_data(unmet: Unmet) -> dict[str, Any]:
    """What a clause lacks, for JSON."""
    return {
        "rank": unmet.level,
        "possible": unmet.possible,
        "exact": unmet.exact,
        "tests": [
            {"labs": list(atom.labs), "rank": atom.level, "value": atom.value.name.lower(), "text": atom.text}
            for atom in unmet.atoms
        ],
    }


def unmet_words(found: Known, unmet: Unmet) -> str:
    """The same for people, with the names of levels."""
    if not unmet.possible:
        return "has no clause that could hold"
    phrases = [_atom(found, atom) for atom in unmet.atoms]
    return " and ".join(phrases) + ("" if unmet.exact else " (fewer may do)")


def _atom(found: Known, atom: Atom) -> str:
    if not atom.labs:
        return safe(atom.text) + (" (unknown)" if atom.value is Truth.UNKNOWN else "")
    keep = "keeps" if len(atom.labs) == 1 else "keep"
    return f"{' and '.join(map(safe, atom.labs))} {keep} {found.level(atom.level)}"
