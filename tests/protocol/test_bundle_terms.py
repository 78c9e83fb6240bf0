"""Bundles under terms that are not the first ones: amended, or with parties that joined later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest

from protocol.bundle import Report, verify_bundle
from protocol.bundle_terms import proposals
from protocol.errors import Reason
from protocol.state import read_state
from protocol.wire import encode
from standstill.v1 import agreement_pb2, header_pb2, membership_pb2, record_pb2
from tests import builders, bundles
from tests.builders import World
from tests.protocol.bundle_parts import Bundle, confirmed, failure, header_of, log
from tests.protocol.changing import ADMIT, amend, changeable, join, newcomer, offer, propose, text, vote
from tests.terms import change, terms

PERIOD = 8
DELTA = "delta"
WITH_DELTA = {"parties": [*terms().parties, newcomer()], "founding": [*terms().founding, DELTA]}
CALM = text(withdrawal_notice_periods=5, **WITH_DELTA)


def lived_on(world: World, until: int = PERIOD + 1) -> World:
    """What a world with delta says from now on, and the verdicts on two labs."""
    while (world.state.period or 0) < until:
        bundles.honest(world, world.state.period or 0)
        world[DELTA].say(builders.attestation(world[DELTA].agreement, world.state.period or 0, chips={}, use=()))
        world.close()
    for lab in (DELTA, "alpha"):
        bundles.assess(world, lab, PERIOD)
    return world


def admitted() -> World:
    world = changeable()
    offer(world, newcomer())
    join(world)
    world.close()
    return lived_on(world)


def amended() -> World:
    world = changeable()
    amend(world, CALM)
    join(world)
    world.close()
    return lived_on(world)


def verify(world: World, bundle: Bundle) -> Report:
    return verify_bundle(encode(bundle), world.agreement.digest)


@pytest.mark.parametrize("made", [admitted, amended])
@pytest.mark.parametrize("lab", [DELTA, "alpha"])
def test_a_verdict_on_whom_the_first_terms_do_not_know_follows_from_them(made: Callable[[], World], lab: str) -> None:
    world = made()

    report = verify(world, bundles.bundle(world, lab, PERIOD))

    assert confirmed(report), report.failed()
    assert (report.lab, report.period) == (lab, PERIOD)
    assert report.verdict is not None


def unproposed(bundle: Bundle) -> None:
    """Nobody has proposed delta: its keys are the verifier's word."""
    for part in bundle.logs:
        kept = [leaf for leaf in part.leaves if header_of(leaf).kind != header_pb2.KIND_ADMISSION]
        del part.leaves[:]
        part.leaves.extend(kept)


def silent(bundle: Bundle) -> None:
    log(bundle, DELTA).leaves.pop()


def forged_head(bundle: Bundle) -> None:
    log(bundle, DELTA).checkpoint = log(bundle, "alpha").checkpoint


def moved(bundle: Bundle) -> None:
    log(bundle, DELTA).leaves[0].index ^= 1


def foreign(bundle: Bundle) -> None:
    log(bundle, DELTA).origin = "epsilon.example/standstill"


@pytest.mark.parametrize(
    ("spoil", "step", "reason"),
    [
        (unproposed, "terms", Reason.BUNDLE_INCOMPLETE),
        (forged_head, "terms", Reason.NOTE_UNVERIFIED),
        (moved, "terms", Reason.ROOT_MISMATCH),
        (foreign, "terms", Reason.UNKNOWN_ORIGIN),
        (silent, "assessment", Reason.ASSESSMENT_DIFFERS),
    ],
)
def test_refuses_a_later_partys_log_that_does_not_hold(
    spoil: Callable[[Bundle], None], step: str, reason: Reason
) -> None:
    world = admitted()
    bundle = bundles.bundle(world, DELTA, PERIOD)
    assert confirmed(verify(world, bundle))

    spoil(bundle)

    assert failure(verify(world, bundle)) == (step, reason)


def told_by_the_verifier(world: World, bundle: Bundle, state: bytes) -> None:
    """The registrar writes closings over a state that it made up: with one verifier, nobody else speaks against it."""
    registrar = builders.Party(world.agreement, world.agreement.verifiers[0], record=True)
    first = read_state(bundle.state).closings
    previous = None
    for read in world.registrar.read:
        closing = record_pb2.Closing()
        closing.CopyFrom(read.body)  # type: ignore[arg-type]
        if read.index == first:
            closing.state = sha256(state).digest()
        if previous is not None and read.index > first:
            closing.previous = sha256(previous).digest()
        previous = encode(closing)
        registrar.say(closing)
    chosen = range(first, len(registrar.read))
    record = next(one for one in bundle.logs if "/record/" in one.origin)
    record.CopyFrom(bundles.proven(world, registrar, len(registrar.read), chosen))
    bundle.state = state


OTHER_KEY = builders.party("epsilon", agreement_pb2.ROLE_LAB)


def test_a_verifier_alone_cannot_give_a_party_other_keys() -> None:
    world = admitted()
    bundle = bundles.bundle(world, DELTA, PERIOD)
    state = read_state(bundle.state)
    delta = agreement_pb2.Party.FromString(state.admitted[DELTA])
    other = change(delta, log_key=OTHER_KEY.log_key, root_keys=OTHER_KEY.root_keys)

    # The twin: the same closings over the true state are as good as the old ones, but for what the verdict names.
    told_by_the_verifier(world, bundle, state.text())
    assert verify(world, bundle).failed() is None
    told_by_the_verifier(world, bundle, replace(state, admitted={DELTA: encode(other)}).text())

    assert failure(verify(world, bundle)) == ("terms", Reason.BUNDLE_INCOMPLETE)


def _founder(world: World) -> bytes:
    """Terms that give alpha other keys."""
    parties = [
        change(party, log_key=OTHER_KEY.log_key) if party.name == "alpha" else party
        for party in world.agreement.terms.parties
    ]
    return text(**WITH_DELTA | {"parties": [*parties, newcomer()]})


def test_a_verifier_alone_cannot_give_a_founder_other_keys() -> None:
    world = amended()
    bundle = bundles.bundle(world, "alpha", PERIOD)
    state, forged = read_state(bundle.state), _founder(world)
    digest = sha256(forged).digest()

    told_by_the_verifier(world, bundle, replace(state, terms=digest, texts={digest.hex(): forged}).text())

    assert failure(verify(world, bundle)) == ("terms", Reason.AMENDMENT_CHANGES_IDENTITY)


@pytest.mark.parametrize("text_", [b"", b"no agreement", text(withdrawal_notice_periods=6)])
def test_refuses_a_state_whose_text_is_not_the_one_that_it_names(text_: bytes) -> None:
    world = amended()
    bundle = bundles.bundle(world, "alpha", PERIOD)
    state = read_state(bundle.state)

    told_by_the_verifier(world, bundle, replace(state, texts={state.terms.hex(): text_}).text())

    assert failure(verify(world, bundle)) == ("terms", Reason.STATE_MALFORMED)


def test_refuses_one_log_of_two_parties() -> None:
    world = admitted()
    bundle = bundles.bundle(world, DELTA, PERIOD)
    state = read_state(bundle.state)
    twin = change(agreement_pb2.Party.FromString(state.admitted[DELTA]), name="epsilon")

    told_by_the_verifier(world, bundle, replace(state, admitted={**state.admitted, "epsilon": encode(twin)}).text())

    assert failure(verify(world, bundle)) == ("terms", Reason.STATE_MALFORMED)


def test_who_joined_later_may_have_proposed_others() -> None:
    world = changeable()
    offer(world, newcomer())
    delta = join(world)
    world.close()
    data = encode(newcomer("epsilon"))
    delta.say(membership_pb2.Admission(party=data))
    vote(world, ADMIT, sha256(data).digest())
    world.close()
    join(world, "epsilon")
    world.close()
    while (world.state.period or 0) < PERIOD + 2:
        period = world.state.period or 0
        bundles.honest(world, period)
        for name in (DELTA, "epsilon"):
            world[name].say(builders.attestation(world[name].agreement, period, chips={}, use=()))
        world.close()
    bundles.assess(world, "epsilon", PERIOD)
    bundle = bundles.bundle(world, "epsilon", PERIOD)
    assert confirmed(verify(world, bundle))

    # Without the log of who proposed it nobody vouches for its keys.
    bundle.logs.remove(log(bundle, DELTA))

    assert failure(verify(world, bundle)) == ("terms", Reason.BUNDLE_INCOMPLETE)


def test_what_proposes_nobody_is_passed_over() -> None:
    world = changeable()
    alpha = world["alpha"]
    alpha.say(builders.key_set("alpha", 2))
    alpha.say(membership_pb2.Admission(party=b"no party"))
    alpha.say(membership_pb2.Admission(party=encode(newcomer())))
    propose(world, CALM, size=2_000)
    alpha.say(membership_pb2.Amendment(digest=bytes(32), parts=1, data=b"another text"))

    found = [(party.name, len(leaves)) for party, leaves in proposals(alpha.read)]

    size = -(-len(CALM) // 2_000)
    assert found == [(DELTA, 1), *((party.name, size) for party in (*terms().parties, newcomer()))]
