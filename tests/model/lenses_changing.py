"""Lenses on what changes beside the phases: terms, parties, exemptions, standing that suspends, calls that wait."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from protocol.agreement import read_agreement
from protocol.state import Membership, Standing, State
from protocol.wire import encode
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests import bodies
from tests.model.changing import an_accession_changes_nothing_for_the_others
from tests.model.lens import Choice, Lens, one_of
from tests.model.normal import Limits
from tests.model.parts import (
    ALPHA,
    BETA,
    CALL,
    FIRST,
    GAMMA,
    HIGH,
    LOW,
    RATIFY,
    SCOUT,
    SECOND,
    alpha_reads,
    clause,
    next_motion,
    promised,
    reachable,
    short_terms,
    short_text,
)
from tests.model.twins import a_refused_statement_changes_nothing
from tests.model.world import (
    Act,
    World,
    accede,
    ask,
    assess,
    brake,
    decide,
    key_set,
    leave,
    offer,
    promise,
    propose,
    report,
    vote,
)
from tests.terms import ALWAYS, LABS, VERIFIERS, brake_terms, keeps, level, party

AMEND, ADMIT, EXEMPT = decision_pb2.MOTION_AMEND, decision_pb2.MOTION_ADMIT, decision_pb2.MOTION_EXEMPT
DELTA: Final = "delta"
VERA: Final = VERIFIERS[0]
_FEW: Final = {"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}


# Terms


def _texts() -> dict[str, bytes]:
    """Strict terms and loose ones, by their words: the loose ones forbid, wait and bind less."""
    clocks = {"wind_down_periods": 0, "dormancy_periods": 1, "trigger": ALWAYS}
    cap = pb.Cap(name="runs", labels=[q.LABEL_EVAL], chip_seconds=1_000, window_periods=2)
    strict: dict[str, Any] = clocks | {"resume": alpha_reads(1_000, below=True), "steady_steps": 1, "ramp_periods": 2}
    strict |= {"mandate_periods": 3, "binds": pb.BINDS_EVERYONE, "caps": [cap], "lifted_by": "both"}
    loose: dict[str, Any] = clocks | {"resume": ALWAYS, "steady_steps": 1, "ramp_periods": 1}
    loose |= {"mandate_periods": 4, "binds": pb.BINDS_BY_PLEDGE}
    loose["allowed"] = [*level("pause", FIRST).allowed, q.LABEL_TRAIN]
    found = {"the strict terms": [level("pause", FIRST, **strict)], "the loose terms": [level("pause", FIRST, **loose)]}
    rules = [
        pb.Rule(name="council", yes=2, voters=LABS, ballot_life_periods=1),
        pb.Rule(name="both", yes=2, voters=LABS[:2], ballot_life_periods=1),
    ]
    return {words: short_text(levels, age=1, amended_by="council", rules=rules) for words, levels in found.items()}


def amending(*, full: bool) -> Lens:
    """Terms that take over from each other while a level is called, lifted by the old, the new or both, and expires."""
    texts = _texts()
    made = read_agreement(texts["the strict terms"])

    def choices(state: State) -> list[list[Choice]]:
        others = {words: data for words, data in texts.items() if sha256(data).digest() != state.terms}
        proposed: list[Choice] = [
            (propose(ALPHA, data, words), decide(ALPHA, AMEND, data, words)) for words, data in others.items()
        ]
        agreed = [decide(BETA, AMEND, data, words) for words, data in others.items()]
        asked = {lab: vote(lab, *next_motion(state, FIRST)) for lab in LABS}
        low = report(SCOUT, ALPHA, LOW)
        # With beta alone gamma lifts by the loose terms and not by the strict ones.
        third: list[Choice] = [(), (low,), (asked[GAMMA], low), *([(asked[GAMMA],)] if full else [])]
        return [[*one_of(asked[ALPHA]), *proposed], [(), (asked[BETA], *agreed)], third]

    def start(world: World) -> Iterator[State]:
        founded = world.founded()
        paused = world.step(founded, Act((vote(ALPHA, CALL, FIRST, 1), vote(BETA, CALL, FIRST, 1)))).state
        loose = texts["the loose terms"]
        yes = (decide(lab, AMEND, loose, "the loose terms") for lab in (ALPHA, BETA))
        carried = world.step(paused, Act((propose(ALPHA, loose, "the loose terms"), *yes))).state
        amended = world.step(carried, Act()).state
        lifts = (vote(lab, *next_motion(amended, FIRST)) for lab in (ALPHA, BETA))
        return iter((founded, amended, world.step(amended, Act((*lifts, report(SCOUT, ALPHA, LOW)))).state))

    return Lens(
        name="amending",
        looks_at="terms that take over from each other in every phase, and what a level keeps of the older ones",
        agreement=made,
        limits=Limits(reach=9, counters=_FEW),
        start=start,
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        reachable=reachable(FIRST),
        twins=(a_refused_statement_changes_nothing,),
        begins=(
            "the strict terms, everybody has founded",
            "the loose terms took over in the pause",
            "and it was lifted",
        ),
    )


# Parties


def admitting(*, full: bool) -> Lens:
    """A lab of gamma's group that is proposed, admitted and joins while a pause is called, pledged and lifted."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1, "mandate_periods": 3}
    levels = [level("pause", FIRST, trigger=ALWAYS, resume=ALWAYS, **clocks)]
    if full:
        levels.append(level("stop", SECOND, trigger=ALWAYS, resume=ALWAYS, binds=pb.BINDS_EVERYONE, **clocks))
    every = pb.Need(count=pb.Need.Count(k=2, role=pb.ROLE_LAB))
    council = pb.Rule(name="council", need=every, ballot_life_periods=1)
    made = short_terms(levels, rules=[council], admitted_by="council", novice_periods=2, withdrawal_notice_periods=1)
    data = encode(party(DELTA, pb.ROLE_LAB, owner=f"{GAMMA} group"))
    pause = promised(clause(FIRST))
    digest = made.digest

    def start(world: World) -> Iterator[State]:
        hangs = promise(ALPHA, promised(clause(FIRST, keeps(FIRST, GAMMA))), "the pause if gamma keeps it")
        said = (hangs, promise(GAMMA, pause, "the pause"))
        yield world.step(world.founded(), Act(said)).state

    def newcomer(state: State) -> list[Choice]:
        if DELTA not in state.parties or state.parties[DELTA].membership is Membership.OUT:
            return [()]
        joins = (accede(DELTA, digest, digest), key_set(DELTA))
        if state.parties[DELTA].membership is Membership.FORMING:
            return [(), joins, (promise(DELTA, pause, "the pause"),), *([joins[:1], joins[1:]] if full else [])]
        asked = [vote(DELTA, *next_motion(state, rank)) for rank in state.levels]
        words = [promise(DELTA, pause, "the pause")] if not state.pledges[DELTA].current else []
        return one_of(*asked, *words, *([leave(DELTA)] if full else []))

    def choices(state: State) -> list[list[Choice]]:
        listed = DELTA in state.parties
        asked = {lab: [vote(lab, *next_motion(state, rank)) for rank in made.levels] for lab in LABS}
        yes = {lab: decide(lab, ADMIT, data, DELTA) for lab in LABS}
        offered: list[Choice] = [] if listed else [(offer(ALPHA, data, DELTA), yes[ALPHA])]
        second = one_of(*asked[BETA], *([] if listed else [yes[BETA]]))
        return [[*one_of(*asked[ALPHA]), *offered], second, newcomer(state)]

    return Lens(
        name="admitting",
        looks_at="a lab that is proposed, admitted and joins, in every phase, in a group that is there already",
        agreement=made,
        limits=Limits(reach=9, counters=_FEW),
        start=start,
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        reachable=reachable(FIRST),
        twins=(a_refused_statement_changes_nothing, an_accession_changes_nothing_for_the_others),
        begins=("alpha keeps the pause if gamma does, gamma keeps it, beta pledges nothing",),
    )


# Exemptions


def exempting(*, full: bool) -> Lens:
    """An exemption that alpha asks for; alpha has no vote on it, nor on a level that what is reported of it calls."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1, "mandate_periods": 3}
    work = [q.LABEL_ROLLOUT]
    cap = pb.Cap(name="trial", labels=work, chip_seconds=3_000, window_periods=4)
    trial = pb.Exemption(name="trial", labels=work, cap=cap, on_request=True)
    shared: dict[str, Any] = clocks | {"trigger": alpha_reads(1_000), "resume": ALWAYS, "binds": pb.BINDS_EVERYONE}
    council = pb.Rule(name="council", yes=2, voters=LABS, ballot_life_periods=1, recuse_subject=True)
    pause = level("pause", FIRST, exemptions=[trial], **shared)
    made = short_terms([pause], age=1, rules=[council], exempted_by="council")
    request = encode(bodies.exemption_request(FIRST, exemption="trial", periods=2))

    def choices(state: State) -> list[list[Choice]]:
        yes = {lab: decide(lab, EXEMPT, request, "the trial", rank=FIRST, about=ALPHA) for lab in LABS}
        asked = {lab: vote(lab, *next_motion(state, FIRST)) for lab in LABS}
        own: list[Choice] = [(), (ask(ALPHA, request, "the trial"), yes[ALPHA], asked[ALPHA])]
        first: list[Choice] = [(), (yes[BETA], asked[BETA])]
        second: list[Choice] = [(), (yes[GAMMA], asked[GAMMA]), *([(asked[GAMMA],), (yes[GAMMA],)] if full else [])]
        return [
            own,
            first,
            second,
            one_of(*(report(SCOUT, ALPHA, value) for value in ((HIGH, LOW) if full else (HIGH,)))),
        ]

    return Lens(
        name="exempting",
        looks_at="exemptions asked for, granted by the others and over, and votes of which their subject is recused",
        agreement=made,
        limits=Limits(reach=9, counters=_FEW),
        start=lambda world: [world.founded()],
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        reachable=reachable(FIRST),
        twins=(a_refused_statement_changes_nothing,),
    )


# Calls that wait


def dormant(*, full: bool) -> Lens:
    """A call that waits for pledges, and a brake used, ratified or not, while it does."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 2, "steady_steps": 1, "mandate_periods": 2}
    stop = brake_terms(roles=None, parties=[ALPHA], window_periods=2, cap_periods=3, rest_periods=4)
    shared: dict[str, Any] = clocks | {"trigger": ALWAYS, "resume": ALWAYS, "brake": stop}
    made = short_terms([level("pause", FIRST, entry=keeps(FIRST, *LABS, k=2), **shared)], pledge_notice_periods=1)
    minds = {"the pause": promised(clause(FIRST)), "nothing": promised()}

    def choices(state: State) -> list[list[Choice]]:
        asked = {lab: vote(lab, *next_motion(state, FIRST)) for lab in LABS}
        ratify = {lab: vote(lab, RATIFY, FIRST, state.levels[FIRST].episode + 1) for lab in LABS}
        changes = [promise(BETA, data, words) for words, data in minds.items() if data != state.pledges[BETA].current]
        # In the small size beta changes its mind and ratifies at once.
        second: list[Choice] = [(), (*changes[:1], ratify[BETA]), *([(ratify[BETA],)] if full else [])]
        return [one_of(asked[ALPHA], brake(ALPHA, FIRST)), second, [(), (asked[GAMMA], ratify[GAMMA])]]

    def start(world: World) -> Iterator[State]:
        yield world.step(world.founded(), Act((promise(ALPHA, minds["the pause"], "the pause"),))).state

    return Lens(
        name="dormant",
        looks_at="calls that wait for labs to keep them, and brakes used while they do",
        agreement=made,
        limits=Limits(reach=9, counters=_FEW),
        start=start,
        choices=choices,
        darks=(0, 1),
        quiet_darks=True,
        reachable=reachable(FIRST),
        begins=("alpha pledges the pause",),
    )


# All of it, twice


def rounds(*, full: bool) -> Lens:
    """Two levels that are called and lifted together, round after round, by pledges and verdicts that come and go."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 2, "steady_steps": 1}
    shared: dict[str, Any] = clocks | {"trigger": ALWAYS, "resume": ALWAYS, "snap_back": True, "mandate_periods": 3}
    shared |= {"called_by": "one", "lifted_by": "one"}
    ranks = {FIRST: "slowdown", SECOND: "pause"}
    levels = [level(name, rank, entry=keeps(rank, ALPHA, BETA), **shared) for rank, name in ranks.items()]
    standing = pb.Standing(breached=1, of_last=1, release_notice_periods=1, back_after_periods=1, settle_periods=1)
    made = short_terms(levels, standing=standing, pledge_notice_periods=1)
    all_of_it = promised(*(clause(rank) for rank in ranks))
    minds = {"both levels": all_of_it, "nothing": promised()}

    def start(world: World) -> Iterator[State]:
        first = world.step(world.founded(), Act((promise(ALPHA, all_of_it, "both levels"),))).state
        yield first
        found = world.step(first, Act((promise(BETA, all_of_it, "both levels"),))).state
        for _ in range(2):
            found = world.step(found, Act(tuple(vote(SCOUT, *next_motion(found, rank)) for rank in made.levels))).state
        yield found

    def choices(state: State) -> list[list[Choice]]:
        other = "nothing" if state.pledges[BETA].current == all_of_it else "both levels"
        relied = state.conduct[ALPHA].standing is Standing.RELIED
        verdict = assess(VERA, ALPHA, header_pb2.VERDICT_BREACHED if relied else header_pb2.VERDICT_HONORED)
        asked = tuple(vote(SCOUT, *next_motion(state, rank)) for rank in made.levels)
        return [[(), asked], [(), (promise(BETA, minds[other], other),)], [(), (verdict,)]]

    return Lens(
        name="rounds",
        looks_at="both levels through every phase of their machine, round after round",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 2, "honored": 2, "losses": 1}),
        start=start,
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        reachable=reachable(FIRST, SECOND),
        begins=("alpha pledges both levels", "alpha and beta do, and both were called and lifted once"),
    )
