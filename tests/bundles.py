"""A record with verdicts, and bundles of them, put together by the rules of the format and nothing of the verifier.

chronicle   a world in which labs attest, meters and suppliers report, and every period closes
assess      what a verifier concludes from it, said in its log
bundle      everything that a reader needs to conclude it again
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from protocol import fold, merkle, wire
from protocol.agreement import Agreement
from protocol.appraisal import Appraisal, appraise
from protocol.bundle import MEDIA_TYPE
from protocol.bundle_terms import PROPOSING
from protocol.case import build_case, concerns
from protocol.case_needs import needs
from protocol.cosignature import cosign
from protocol.duty import duty
from protocol.in_force import in_force
from protocol.judgement import judged
from protocol.leaf import ReadLeaf
from protocol.note import add_signatures
from protocol.state import State
from standstill.v1 import agreement_pb2, bundle_pb2, header_pb2, record_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.bodies import shipments_complete
from tests.builders import LABS, Party, World
from tests.terms import agreement, handle, seed, terms

VERA = "vera"
ALL_EVIDENCE = (
    agreement_pb2.EVIDENCE_ATTESTATION,
    agreement_pb2.EVIDENCE_ENERGY,
    agreement_pb2.EVIDENCE_METER,
    agreement_pb2.EVIDENCE_SHIPMENTS,
    agreement_pb2.EVIDENCE_HALT,
)


def strict_agreement(verifiers: int = 1) -> Agreement:
    """The usual terms, under which every kind of evidence is required."""
    verification = builders.change(terms().verification, required=ALL_EVIDENCE)
    return agreement(verifiers, verification=verification)


def chronicle(
    last: int,
    tell: Callable[[World, int], None] | None = None,
    agreement_: Agreement | None = None,
) -> World:
    """A world closed up to period `last`; `tell` says what is said of a period, after it ended."""
    world = World(agreement_ or strict_agreement()).found()
    for period in range(1, last + 1):
        world.close(period)
        (tell or honest)(world, period)
        if period == 1:
            deliveries(world)
    return world


def deliveries(world: World) -> None:
    """Two accelerators to every lab, said by both sides."""
    for number, lab in enumerate(LABS):
        name = f"shipment-{number}"
        world["chipco"].say(builders.shipment_report(id=name, receiver=lab), period=1)
        world[lab].say(builders.transfer(id=name), period=1)


def honest(world: World, period: int, labs: Iterable[str] = LABS) -> None:
    """Every lab attests a period, the meters agree, and the supplier has reported everything."""
    if "alpha" in labs:
        world["chipco"].say(shipments_complete(), period=period)
    for lab in labs:
        world[lab].say(builders.attestation(world.agreement, period))
        world["gridco"].say(builders.meter_reading(world.agreement, period), period=period, site=handle(lab))


def cheat(world: World, period: int) -> None:
    """The same, but gamma hides one of its two accelerators."""
    honest(world, period, ("alpha", "beta"))
    hidden = builders.attestation(
        world.agreement, period, chips={builders.H100: 1}, use=[builders.used(q.LABEL_INFERENCE)]
    )
    world["gamma"].say(hidden)
    world["gridco"].say(builders.meter_reading(world.agreement, period), period=period, site=handle("gamma"))


def governing(world: World, period: int) -> State:
    """The state that duties in a period are read from (annex 1.7)."""
    known = [at for at in world.states if at + 2 <= period]
    return world.states[max(known)] if known else fold.initial(world.agreement)


def conclude(world: World, lab: str, period: int) -> Appraisal:
    """What follows from the record as it stands."""
    state = governing(world, period)
    terms_ = in_force(world.agreement, state)
    owed = duty(terms_, state, lab, period)
    wanted = needs(terms_, owed, lab, period)
    read = [leaf for one in world.parties.values() for leaf in one.read[: world.state.parties[one.name].size]]
    leaves = [leaf for leaf in read if any(need.covers(leaf) for need in wanted)]
    record_period = world.state.period or 0
    case = build_case(terms_, owed, lab, period, record_period, leaves, lambda leaf: recorded(world, leaf))
    return appraise(case, state.digest())


def recorded(world: World, leaf: ReadLeaf) -> int:
    """Period of the first closing that covers a leaf."""
    for read in world.registrar.read:
        closing = read.body
        assert isinstance(closing, record_pb2.Closing)
        if any(head.origin == leaf.origin and leaf.index < head.size for head in closing.heads):
            return closing.period
    raise LookupError(f"{leaf.origin}[{leaf.index}] is not recorded")


def assess(world: World, lab: str, period: int, revision: int = 1) -> Appraisal:
    """Conclude, and say so in the verifier's log."""
    appraisal = conclude(world, lab, period)
    said = builders.summary(lab, appraisal.verdict, revision, appraisal.codes)
    vera = world[VERA]
    vera.say(appraisal.assessment, period=period, summary=said)
    read = judged(vera.read[-1], in_force(world.agreement, world.state))
    assert read.refusal is None, read.refusal
    return appraisal


def bundle(world: World, lab: str, period: int, *, earlier: Iterable[int] = ()) -> bundle_pb2.Bundle:
    """The bundle of the newest assessment of a lab and a period; with `earlier` closings, by leaf, if they matter."""
    state = governing(world, period)
    terms_ = in_force(world.agreement, state)
    record_period = world.state.period or 0
    owed = duty(terms_, state, lab, period)
    wanted = needs(terms_, owed, lab, period)
    logs = [_closings(world, state, earlier)]
    for one in world.parties.values():
        own = one.name in world.agreement.verifiers
        size = len(one.read) if one.name == VERA else world.state.parties[one.name].size
        needed = [leaf for leaf in one.read[:size] if any(need.covers(leaf) for need in wanted)]
        chosen = [leaf for leaf in needed if concerns(terms_, lab, leaf)]
        if terms_.parties.keys() - world.agreement.parties:
            chosen += [leaf for leaf in one.read[:size] if any(_is(leaf, kind) for kind in PROPOSING)]
        if chosen or own:
            chosen += [leaf for leaf in one.read[:size] if _is(leaf, header_pb2.KIND_KEY_SET)]
            chosen += [leaf for leaf in one.read[:size] if one.name == VERA and _states(leaf, lab, period)]
            logs.append(proven(world, one, size, {leaf.index for leaf in chosen}))
    return bundle_pb2.Bundle(
        media_type=MEDIA_TYPE,
        agreement=world.agreement.data,
        lab=lab,
        period=period,
        verifier=VERA,
        state=state.text(),
        record_period=record_period,
        logs=sorted(logs, key=lambda log: log.origin),
        written_by="tests",
    )


def proven(world: World, one: Party, size: int, indices: Iterable[int]) -> bundle_pb2.BundledLog:
    """Leaves of a log, each with its proof in the head of that size."""
    hashes = [leaf.leaf_hash for leaf in one.read[:size]]
    log = bundle_pb2.BundledLog(origin=one.cursor.origin, checkpoint=cosigned(world, one, size))
    for index in sorted(indices):
        proof = merkle.prove_inclusion(index, size, merkle.subtree_hashes(hashes))
        log.leaves.add(index=index, leaf=one.leaves[index], proof=proof)
    return log


def cosigned(world: World, one: Party, size: int) -> bytes:
    """The log's signed head with the cosignatures of all verifiers but its author."""
    note = one.note(size)
    text = note.partition(b"\n\n")[0] + b"\n"
    witnesses = [name for name in world.agreement.verifiers if name != one.name]
    signatures = [
        cosign(text, world.agreement.witness_name(name), seed(name, "cosignature 1"), builders.START + size)
        for name in witnesses
    ]
    return add_signatures(note, signatures) if signatures else note


@cache
def bytes_of(verdict: str) -> tuple[bytes, bytes]:
    """A bundle and the digest to pin: of an honored, an inconclusive or a breached period of gamma."""
    tell = {"honored": honest, "breached": cheat}.get(verdict, honest)
    world = chronicle(6, tell)
    if verdict == "inconclusive":
        world = chronicle(6, lambda world, period: honest(world, period, LABS if period < 5 else LABS[:2]))
    world.close(7)
    assess(world, "gamma", 5)
    return wire.encode(bundle(world, "gamma", 5)), world.agreement.digest


def _closings(world: World, state: State, earlier: Iterable[int]) -> bundle_pb2.BundledLog:
    """The record log from the closing after the state, and chosen ones before it."""
    size = len(world.registrar.read)
    return proven(world, world.registrar, size, {*earlier, *range(state.closings, size)})


def _is(leaf: ReadLeaf, kind: header_pb2.Kind.ValueType) -> bool:
    return leaf.header is not None and leaf.header.kind == kind


def _states(leaf: ReadLeaf, lab: str, period: int) -> bool:
    """Whether a leaf is an assessment of this lab and period."""
    header = leaf.header
    return header is not None and (header.assessment.lab, header.period) == (lab, period)
