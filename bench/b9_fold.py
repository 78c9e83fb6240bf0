"""B9: what a closing costs after years of closings, with a hundred labs. It must not depend on how many went before.

The fold is the project's own and so is everything that it reads; statements are made without signatures, which the
fold never checks. Every lab attests a site every period, and is assessed for the period before.
"""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bench import history
from bench.measure import Aim, Measurement, Run, Target, middle
from demo.scenario import COUNCIL, LABS, METER, ROLES, VERIFIER, Timeline, draft, seat_classes
from demo.scenario import pledge as promise
from protocol import fold
from protocol.agreement import Agreement, read_agreement
from protocol.checkpoint import Checkpoint
from protocol.closing import Record, next_closing
from protocol.keys import public_key
from protocol.leaf import ReadLeaf
from protocol.state import Membership, Status
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import agreement_pb2, header_pb2

if TYPE_CHECKING:
    from protocol.state import State

PERIODS: Final = 5 * 365 * 24
"""Five years of hours."""
QUICK_PERIODS: Final = 30
PARTIES: Final = 100
QUICK_PARTIES: Final = 5

MOVED: Final = 25
"""Periods with deliveries that are measured together; those of the first settle after 26."""
QUICK_MOVED: Final = 2

_YEARS: Final = 5
_HASH: Final = sha256(b"a statement").digest()


def growing(run: Run) -> list[Measurement]:
    """B9: what a closing costs and, as B9a, an assessment while deliveries go on."""
    return [closings(run), assessments(run)]


def assessments(run: Run) -> Measurement:
    """B9a: milliseconds of CPU for an assessment after many periods with deliveries, by those after few."""
    part = run.size(MOVED, QUICK_MOVED)
    with (
        history.opened(run.home / "young", sites=1, moving=True) as young,
        history.opened(run.home / "old", sites=1, moving=True) as old,
    ):
        young.live(2 * part)
        old.live(16 * part)
        # By turns, so that both have the machine alike.
        taken = [(_each(old, part), _each(young, part)) for _ in range(run.rounds)]
    return Measurement(
        name="B9a",
        what=f"assessing a lab and period after {16 * part} periods with deliveries of every lab, by after {2 * part}",
        numerator=f"{middle([late for late, _ in taken]):.1f} ms",
        denominator=f"{middle([early for _, early in taken]):.1f} ms",
        rounds=[late / early for late, early in taken],
        target=Target(Aim.AT_MOST, 1.1),
        note="CPU; chips reach each of three labs in every period and leave it again, said by both sides",
    )


def _each(past: history.History, periods: int) -> float:
    """Milliseconds of CPU for an assessment in the next periods."""
    taken, count = past.assessing, past.assessed
    past.live(periods)
    return (past.assessing - taken) / (past.assessed - count) * 1e3


def closings(run: Run) -> Measurement:
    """B9: milliseconds of CPU for a closing in the last year, by those in the first; and the state's size."""
    labs, periods = run.size(PARTIES, QUICK_PARTIES), run.size(PERIODS, QUICK_PERIODS)
    agreement = _agreement(labs)
    state, year = _founded(agreement), periods // _YEARS
    taken: list[float] = []
    sizes: list[int] = []
    for period in range(1, periods + 1):
        record = _record(agreement, state, period)
        before = time.process_time()
        outcome = fold.step(agreement, state, record)
        outcome.state.digest()  # what the next closing states
        taken.append(time.process_time() - before)
        if outcome.refusals:
            raise RuntimeError(f"{next(iter(outcome.refusals.values()))}")
        state = outcome.state
        if period in {year, periods}:
            sizes.append(len(state.text()))
    # Each round is every so-manieth closing of both years, so that one noisy minute spoils no round alone.
    first = [middle(taken[start : year : run.rounds]) for start in range(run.rounds)]
    last = [middle(taken[len(taken) - year + start :: run.rounds]) for start in range(run.rounds)]
    return Measurement(
        name="B9",
        what=f"one closing with {labs} labs, in the last of five years of {periods:,} closings, by the first",
        numerator=f"{middle(last) * 1e3:.1f} ms",
        denominator=f"{middle(first) * 1e3:.1f} ms in the first",
        rounds=[late / early for late, early in zip(last, first, strict=True)],
        target=Target(Aim.AT_MOST, 1.1),
        note=f"CPU; the state's text: {sizes[-1]:,} bytes after the last, {sizes[0]:,} after the first year",
    )


def _agreement(labs: int) -> Agreement:
    """The demo's terms with many labs."""
    described = {name: _party(name, role) for name, role in ROLES.items()}
    described[COUNCIL].seats.extend(seat_classes(lambda seat: public_key(_seed(seat))))
    terms = draft(Timeline(), described)
    more = [f"lab{number}" for number in range(len(LABS), labs)]
    terms.parties.extend(_party(name, agreement_pb2.ROLE_LAB) for name in more)
    terms.founding.extend(more)
    for level in terms.levels:
        if level.HasField("brake"):
            # So many groups could else brake in turn, for ever.
            level.brake.rest_periods *= len(terms.parties)
    return read_agreement(encode(terms))


def _party(name: str, role: agreement_pb2.Role.ValueType) -> agreement_pb2.Party:
    lab, verifier = role == agreement_pb2.ROLE_LAB, role == agreement_pb2.ROLE_VERIFIER
    site = agreement_pb2.Site(handle=_seed(f"{name} site")[:16], metered_by=METER, pue_low_milli=1_080)
    site.pue_high_milli = 1_120
    return agreement_pb2.Party(
        name=name,
        roles=[role],
        owner=name,
        origin=f"{name}.example/standstill",
        log_key=public_key(_seed(f"{name} log")),
        root_keys=[public_key(_seed(f"{name} root"))],
        root_threshold=1,
        sites=[site] if lab else [],
        record_origin=f"{name}.example/record" if verifier else "",
    )


def _seed(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _founded(agreement: Agreement) -> State:
    """In force since period 1, with everybody in and every lab bound by what the demo's labs pledge."""
    state = fold.initial(agreement)
    parties = {
        name: replace(party, membership=Membership.IN, founded=True, keys_version=1)
        for name, party in state.parties.items()
    }
    pledged = {lab: replace(held, current=encode(promise(LABS[0]))) for lab, held in state.pledges.items()}
    return replace(state, status=Status.IN_FORCE, since=1, period=0, closings=1, parties=parties, pledges=pledged)


def _record(agreement: Agreement, state: State, period: int) -> Record:
    """What everybody said in a period."""
    leaves: dict[str, list[ReadLeaf]] = {}
    for lab in agreement.labs:
        header = _header(agreement, lab, header_pb2.KIND_COMPUTE_ATTESTATION, period - 1)
        header.site = agreement.parties[lab].sites[0].handle
        _append(leaves, state, header)
        if period > 1:
            found = _header(agreement, VERIFIER, header_pb2.KIND_ASSESSMENT, period - 1)
            found.assessment.lab, found.assessment.revision = lab, 1
            found.assessment.verdict = header_pb2.VERDICT_HONORED
            _append(leaves, state, found)
    heads = [Checkpoint(origin, found[-1].index + 1, _HASH) for origin, found in leaves.items()]
    closing = next_closing(state, period, heads)
    return Record(encode(closing), closing, leaves)


def _header(agreement: Agreement, author: str, kind: header_pb2.Kind.ValueType, period: int) -> header_pb2.Header:
    origin = agreement.parties[author].origin
    header = header_pb2.Header(agreement=agreement.digest, author=author, kind=kind, origin=origin, period=period)
    header.audience = KINDS[kind].audience
    return header


def _append(leaves: dict[str, list[ReadLeaf]], state: State, header: header_pb2.Header) -> None:
    log = leaves.setdefault(header.origin, [])
    header.sequence = state.parties[header.author].size + len(log)
    # Nobody but verifiers may read these bodies, and the fold reads none of them.
    log.append(ReadLeaf(header.origin, header.sequence, _HASH, _HASH, header, None, None))
