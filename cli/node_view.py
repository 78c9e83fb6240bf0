"""What a node knows of terms and state, and the ballots, reports and questions that follow from a few words.

Whoever votes names a level or a lab; the episode, the number of an accusation or the digest of what is asked stand in
the state. Nothing here reads files or calls anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from protocol.agreement import read_agreement
from protocol.condition_tree import atoms
from protocol.decisions import OF_LEVEL, asked_by, out_of_turn, voters
from protocol.errors import Reason, Refused, require
from protocol.in_force import in_force
from protocol.state import read_state
from standstill.v1 import agreement_pb2, decision_pb2

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.state import State
    from standstill.v1 import node_admin_service_pb2

_NEXT_EPISODE: Final = frozenset({decision_pb2.MOTION_CALL, decision_pb2.MOTION_RATIFY, decision_pb2.MOTION_ARM})
_ACCUSED: Final = frozenset({decision_pb2.MOTION_HOLD, decision_pb2.MOTION_RELEASE})


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a node knows.

    Attributes:
        terms: the agreement under the terms in force, as far as the node knows them.
        party: that the node speaks for.
        state: the newest that it computed; None where it does not follow the record.
        serials: highest serial in its log of each of its seats.
        period: now running; None before the agreement starts.
    """

    terms: Agreement
    party: str
    state: State | None = None
    serials: Mapping[str, int] = field(default_factory=dict)
    period: int | None = None

    def known_state(self, instead: str) -> State:
        """The state; `instead` names the option that does without.

        Raises:
            Refused: FIELD_ABSENT.
        """
        if self.state is None:
            what = (
                "the node does not follow the record and cannot tell; give this, or a verifier's address in node.toml"
            )
            raise Refused(Reason.FIELD_ABSENT, instead, what)
        return self.state

    def rank(self, level: str) -> int:
        """Rank of a level by its name, or as a number; refused with NAME_UNKNOWN."""
        ranks = {one.name: rank for rank, one in self.terms.levels.items()}
        ranks |= {str(rank): rank for rank in self.terms.levels}
        return ranks[chosen("LEVEL", level, ranks, [one.name for one in self.terms.levels.values()])]

    def running(self, period: int | None) -> int:
        """The period that is meant: the one that is given, or the one now running."""
        if period is not None:
            return period
        require(self.period is not None, Reason.PERIOD_NOT_ENDED, "--period", "the agreement has not started")
        return self.period or 0


def chosen(what: str, name: str, known: Mapping[str, object], shown: list[str] | None = None) -> str:
    """A name that is known; refused with NAME_UNKNOWN and the names that are."""
    names = ", ".join(sorted(known) if shown is None else shown) or "none"
    require(name in known, Reason.NAME_UNKNOWN, what, f"expected one of: {names}; found {name!r}")
    return name


def read_view(found: node_admin_service_pb2.GetOwnStateResponse) -> View:
    """What a node answered."""
    first = read_agreement(found.agreement)
    state = read_state(found.state) if found.state else None
    return View(
        terms=in_force(first, state) if state is not None else first,
        party=found.party,
        state=state,
        serials=dict(found.serials),
        period=found.period if found.HasField("period") else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What somebody votes, in words.

    Attributes:
        motion: `call`, `lift` and so on.
        subject: level, lab, party, or beginning of a digest.
        yes: or no.
        episode: of the level, or number of the accusation; None: by the state.
        asked: to resolve, beginning of the digest of what is to be found; empty where only one thing can be.
        rule: to resolve, the rule that is to carry it; empty where only one can.
    """

    motion: str
    subject: str
    yes: bool
    episode: int | None = None
    asked: str = ""
    rule: str = ""


def ballot_of(vote: Vote, view: View, seat: str = "", serial: int | None = None) -> decision_pb2.Ballot:
    """The ballot of a vote, of a seat where one is named; its signature is the seat's to add.

    Raises:
        Refused: NAME_UNKNOWN, FIELD_ABSENT; NO_AUTHORITY where the voter has no vote in it; what the state refuses now.
    """
    motion = decision_pb2.Motion.Value(f"MOTION_{vote.motion.upper()}")
    ballot = decision_pb2.Ballot(motion=motion, yes=vote.yes)
    if motion == decision_pb2.MOTION_EXEMPT:
        _exempt(ballot, vote, view)
    elif motion in OF_LEVEL:
        ballot.level = view.rank(vote.subject)
        if motion == decision_pb2.MOTION_RESOLVE:
            ballot.rule, ballot.asked = _finding(vote, view, ballot.level)
    elif motion in _ACCUSED:
        ballot.about = chosen("LAB", vote.subject, dict.fromkeys(view.terms.labs))
    else:
        ballot.asked = _digest_of(vote, view)
    ballot.episode = _episode(ballot, vote, view)
    if seat:
        ballot.seat, ballot.serial = seat, serial or view.serials.get(seat, 0) + 1
    _require_turn(ballot, vote, view)
    return ballot


def _require_turn(ballot: decision_pb2.Ballot, vote: Vote, view: View) -> None:
    """What is known to count for nothing is not signed: by whom, and, unless the episode was given, when."""
    voter = f"{view.party}/{ballot.seat}" if ballot.seat else view.party
    entitled = {one.ballots for one in voters(view.terms, asked_by(ballot)).values()}
    who = ", ".join(sorted(entitled)) or "nobody"
    require(voter in entitled, Reason.NO_AUTHORITY, "--seat", f"{voter} has no vote in this; {who} may vote")
    refused = out_of_turn(view.state, ballot, view.party) if view.state is not None and vote.episode is None else None
    if refused is not None:
        raise refused


def _episode(ballot: decision_pb2.Ballot, vote: Vote, view: View) -> int:
    """The present episode, the next one, or the number of the accusation."""
    if vote.episode is not None or not (ballot.motion in OF_LEVEL or ballot.motion in _ACCUSED):
        return vote.episode or 0
    if ballot.motion == decision_pb2.MOTION_EXEMPT:
        return 0
    state = view.known_state("--episode")
    if ballot.motion in _ACCUSED:
        return state.conduct[ballot.about].accusations
    return state.levels[ballot.level].episode + (ballot.motion in _NEXT_EPISODE)


def _exempt(ballot: decision_pb2.Ballot, vote: Vote, view: View) -> None:
    """Grant what a lab asks for."""
    waiting = view.known_state("LAB").requests
    data = waiting[chosen("LAB", vote.subject, waiting)]
    ballot.about, ballot.asked = vote.subject, sha256(data).digest()
    ballot.level = decision_pb2.ExemptionRequest.FromString(data).level


def _finding(vote: Vote, view: View, rank: int) -> tuple[str, bytes]:
    """Rule and digest of what is to be found: one that a condition of the terms asks for, or it would not count."""
    conditions = (one for level in view.terms.levels.values() for one in (level.trigger, level.resume, level.entry))
    tests = [atom.carried for condition in conditions for atom in atoms(condition) if atom.HasField("carried")]
    found = sorted({(test.rule, test.asked) for test in tests if test.level == rank})
    fitting = [
        (rule, asked) for rule, asked in found if vote.rule in ("", rule) and asked.hex().startswith(vote.asked.lower())
    ]
    known = ", ".join(f"--rule {rule} --asked {asked.hex()}" for rule, asked in found) or "none"
    require(len(fitting) == 1, Reason.NAME_UNKNOWN, "--asked", f"expected one that the terms ask for: {known}")
    return fitting[0]


def _digest_of(vote: Vote, view: View) -> bytes:
    """Digest of the party that is offered, or of the terms that are proposed."""
    state = view.known_state("SUBJECT")
    if vote.motion == "admit":
        offers = {agreement_pb2.Party.FromString(data).name: data for data in state.offers.values()}
        return sha256(offers[chosen("PARTY", vote.subject, offers)]).digest()
    complete = sorted({one.digest for one in state.proposals.values() if one.seen == one.parts})
    fitting = [digest for digest in complete if vote.subject and digest.startswith(vote.subject.lower())]
    what = f"expected the beginning of one of: {', '.join(complete) or 'none'}; found {vote.subject!r}"
    require(len(fitting) == 1, Reason.NAME_UNKNOWN, "DIGEST", what)
    return bytes.fromhex(fitting[0])


def question_of(view: View, beginning: str) -> bytes:
    """The question to the party that waits for its answer; the only one, where no beginning of its identity is given.

    Raises:
        Refused: INQUIRY_UNKNOWN with those that wait.
    """
    waiting = sorted(name for name, one in view.known_state("--to").inquiries.items() if one.lab == view.party)
    fitting = [name for name in waiting if name.startswith(beginning.lower())]
    what = f"expected the beginning of one of: {', '.join(waiting) or 'none'}; found {beginning!r}"
    require(len(fitting) == 1, Reason.INQUIRY_UNKNOWN, "--to", what)
    return bytes.fromhex(fitting[0])
