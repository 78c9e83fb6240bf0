"""Terms of every shape that text can say, for the laws of the language. Names are declared, numbers fit."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import Message
from hypothesis import strategies as st

from language.chips import PRESET_TABLE
from language.lower_conditions import Use
from language.words import PHASE_SETS
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2 as cond
from standstill.v1 import pledge_pb2
from standstill.v1 import quantity_pb2 as q

LABS: Final = ("alpha", "beta", "2nd-lab", "any", "pause")
"""Names of labs; some look like key words, numbers, or a level."""
OTHERS: Final = ("gridco", "verifier", "board", "keep", "subject", "h")
RULES: Final = ("council", "automatic", "lift", "not")
INDICATORS: Final = {
    "horizon": "min",
    "share": "ppm",
    "speed": "x",
    "compute": "teraFLOP",
    "9points": "points",
    "d": "d",
}
EVENTS: Final = ("review", "event", "all")
LEVELS: Final = ("slowdown", "pause", "1st")
SEATS: Final = ("public", "science")

periods = st.integers(1, 1_000_000)
some_periods = st.integers(0, 1_000_000)
u64 = st.one_of(st.integers(0, 200), st.integers(0, 2**63 - 1), st.integers(1, 40).map(lambda n: n * 10**12))
ppm = st.one_of(st.sampled_from([10_000, 950_000, 1_000_000, 5, 123_400]), st.integers(0, 1_000_000))
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
rules = st.sampled_from(RULES)
maybe_rule = st.sampled_from(("", *RULES))
labels = st.lists(st.sampled_from([v for v in q.Label.values() if v]), unique=True, max_size=5)


def of(names: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), unique=True, min_size=least, max_size=4)


@st.composite
def counted(draw: Any) -> dict[str, Any]:
    """The group of a reading."""
    names = draw(of(LABS))
    if draw(st.booleans()):
        return {"of": names, "all": True}
    return {"of": names, "labs": draw(st.integers(1, len(names) or 5))}


@st.composite
def of_k(draw: Any) -> dict[str, Any]:
    """The group of a status: k 0 is all."""
    names = draw(of(LABS))
    return {"of": names, "k": draw(st.integers(0, len(names) or 5))}


comparison = st.sampled_from([cond.COMPARISON_AT_LEAST, cond.COMPARISON_BELOW])
rank = st.integers(1, len(LEVELS))


@st.composite
def readings(draw: Any) -> cond.Condition:
    made = cond.Condition.Reading(
        indicator=draw(st.sampled_from(list(INDICATORS))),
        comparison=draw(comparison),
        threshold=draw(u64),
        **draw(counted()),
    )
    if draw(st.booleans()):
        factor = draw(st.integers(1, 2_000_000).filter(lambda n: n != 1_000_000))
        made.ratchet.CopyFrom(cond.Condition.Ratchet(every_periods=draw(periods), factor_ppm=factor, limit=draw(u64)))
    return cond.Condition(reading=made)


def atoms() -> st.SearchStrategy[cond.Condition]:
    indicator = st.sampled_from(list(INDICATORS))
    c = cond.Condition
    phase = st.builds(c.LevelPhase, level=rank, phase=st.sampled_from([v for v in cond.Phase.values() if v]))
    bound = st.builds(lambda g, n: c.IsStatus(status=cond.PARTY_STATUS_BOUND, level=n, **g), of_k(), rank)
    status = st.builds(
        lambda g, s: c.IsStatus(status=s, **g),
        of_k(),
        st.sampled_from([v for v in cond.PartyStatus.values() if v not in {0, cond.PARTY_STATUS_BOUND}]),
    )
    trend = st.builds(
        lambda i, g, over, d, s: c.Trend(indicator=i, over_periods=over, doubling_periods=d, comparison=s, **g),
        *(indicator, counted(), periods, periods, comparison),
    )
    return st.one_of(
        readings(),
        st.builds(lambda v: c(constant=c.Constant(value=v)), st.booleans()),
        st.builds(lambda one: c(level_phase=one), phase),
        st.builds(lambda one: c(status=one), st.one_of(bound, status)),
        st.builds(lambda one: c(trend=one), trend),
        st.builds(lambda g, n, p: c(honored=c.Honored(level=n, periods=p, **g)), of_k(), rank, periods),
        st.builds(lambda i, g, p: c(overdue=c.Overdue(indicator=i, periods=p, **g)), indicator, counted(), periods),
        st.builds(
            lambda n, p, s: c(elapsed=c.Elapsed(level=n, periods=p, since=s)),
            *(rank, periods, st.sampled_from(cond.Since.values())),
        ),
        st.builds(lambda p: c(elapsed=c.Elapsed(periods=p, since=cond.SINCE_ENTRY)), periods),
        st.builds(
            lambda e, n, p: c(event=c.EventSeen(event=e, level=n, periods=p)),
            *(st.sampled_from(EVENTS), st.integers(0, len(LEVELS)), st.integers(0, 50)),
        ),
        st.builds(
            lambda r, n, a: c(carried=c.Carried(rule=r, level=n, asked=a)),
            *(rules, rank, st.sampled_from([b"", bytes(range(32))])),
        ),
    )


def of_others() -> st.SearchStrategy[cond.Condition]:
    """Tests of what others keep."""
    c = cond.Condition
    weights = st.lists(st.sampled_from(LABS), unique=True, min_size=1).map(
        lambda names: [c.Weight(lab=name, weight=number) for number, name in enumerate(names, 1)]
    )
    return st.one_of(
        st.builds(lambda names, n: c(keeps=c.Keeps(level=n, k=len(names), of=names)), of(LABS, 1), rank),
        st.builds(lambda names, n: c(keeps=c.Keeps(level=n, k=1, of=names)), of(LABS, 1), rank),
        st.builds(lambda w, n: c(weighs=c.Weighs(level=n, of=w, at_least=1)), weights, rank),
        st.builds(lambda v: c(constant=c.Constant(value=v)), st.booleans()),
    )


def joined(tests: st.SearchStrategy[cond.Condition], *, negated: bool) -> st.SearchStrategy[cond.Condition]:
    c = cond.Condition

    def deeper(inner: st.SearchStrategy[cond.Condition]) -> st.SearchStrategy[cond.Condition]:
        parts = st.lists(inner, min_size=1, max_size=3)
        several = [
            parts.map(lambda p: c(all=c.Several(of=p))),
            parts.map(lambda p: c(any=c.Several(of=p))),
            parts.map(lambda p: c(at_least=c.AtLeast(k=len(p), of=p))),
        ]
        return st.one_of(*several, *([inner.map(lambda one: c(negation=one))] if negated else []))

    return st.recursive(st.one_of(tests, phase_sets()) if negated else tests, deeper, max_leaves=6)


def phase_sets() -> st.SearchStrategy[cond.Condition]:
    c = cond.Condition

    def made(level: int, word: str) -> cond.Condition:
        tests = [c(level_phase=c.LevelPhase(level=level, phase=phase)) for phase in PHASE_SETS[word]]
        return c(any=c.Several(of=tests))

    return st.builds(made, rank, st.sampled_from(list(PHASE_SETS)))


def conditions(use: Use) -> st.SearchStrategy[cond.Condition]:
    return joined(of_others(), negated=False) if use.of_others else joined(atoms(), negated=True)


def needs() -> st.SearchStrategy[pb.Need]:
    n = pb.Need
    voters = of((*LABS, *OTHERS, "board/one"), 1)
    weights = voters.map(lambda names: [pb.VoterWeight(voter=one, weight=len(one)) for one in names])
    roles = st.sampled_from([v for v in pb.Role.values() if v])
    counts = st.one_of(
        voters.map(lambda names: n(count=n.Count(k=len(names), voters=names))),
        st.builds(lambda r, k: n(count=n.Count(k=k, role=r)), roles, periods),
        st.builds(lambda s, k: n(count=n.Count(k=k, seats=s)), st.sampled_from(SEATS), periods),
        st.builds(lambda w, a, c: n(weighted=n.Weighted(of=w, at_least=a, ceiling=c)), weights, periods, some_periods),
    )

    def deeper(inner: st.SearchStrategy[pb.Need]) -> st.SearchStrategy[pb.Need]:
        parts = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(parts.map(lambda p: n(all=n.Several(of=p))), parts.map(lambda p: n(any=n.Several(of=p))))

    return st.recursive(counts, deeper, max_leaves=5)


def filled(message: type[Message], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(fields).map(lambda values: message(**values))


def changed(message: Any, fields: dict[str, Any]) -> Any:
    """A copy with these fields set."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.MergeFrom(type(message)(**fields))
    return copy


def caps(name: st.SearchStrategy[str]) -> st.SearchStrategy[pb.Cap]:
    made = filled(
        pb.Cap,
        name=name,
        labels=labels,
        window_periods=periods,
        scope=st.sampled_from(pb.CapScope.values()),
        baseline_ppm=ppm,
        chips=some_periods,
        growth_ppm=ppm,
    )
    limits = st.sampled_from(
        [{}, {"teraflop": 0}, {"teraflop": 3 * 10**13}, {"chip_seconds": 7_200}, {"chip_seconds": 5}]
    )
    return st.builds(lambda cap, limit: pb.Cap(**{**{f.name: v for f, v in cap.ListFields()}, **limit}), made, limits)


@st.composite
def short_caps(draw: Any, allowed: list[int]) -> list[pb.Cap]:
    """Caps that have a key of their own, with the labels that the level leaves them."""
    training = [v for v in (q.LABEL_TRAIN, q.LABEL_UNLABELLED, q.LABEL_UNACCOUNTED) if v in allowed]
    post = [v for v in (q.LABEL_POST_TRAIN, q.LABEL_ROLLOUT) if v in allowed]
    window = draw(periods)
    made = [
        pb.Cap(name="training_run", labels=training, teraflop=3 * 10**13, window_periods=1, scope=pb.CAP_SCOPE_RUN),
        pb.Cap(name="training_total", labels=training, baseline_ppm=500_000, window_periods=window),
        pb.Cap(name="post_training_total", labels=post, teraflop=draw(u64), window_periods=window),
        pb.Cap(name="cluster", labels=training, chips=20_000, window_periods=1, scope=pb.CAP_SCOPE_CLUSTER),
        pb.Cap(
            name="inventory_growth", growth_ppm=draw(ppm), window_periods=window, scope=pb.CAP_SCOPE_INVENTORY_GROWTH
        ),
    ]
    return [draw(caps(st.just(cap.name))) if draw(st.booleans()) else cap for cap in draw(st.permutations(made))[:3]]


@st.composite
def exemptions(draw: Any) -> pb.Exemption:
    name = draw(st.sampled_from(["safety", "eval"]))
    made = pb.Exemption(name=name, labels=draw(labels), sampled_ppm=draw(ppm), on_request=draw(st.booleans()))
    kind = draw(st.integers(0, 3))
    if kind == 1:
        made.cap.CopyFrom(pb.Cap(name=name, labels=made.labels, window_periods=draw(periods), teraflop=draw(u64)))
    elif kind == 2:
        made.cap.CopyFrom(pb.Cap(name=name, labels=made.labels, window_periods=draw(periods), chip_seconds=draw(u64)))
    elif kind == 3:
        made.cap.CopyFrom(draw(caps(st.just("other"))))
    return made


@st.composite
def ramps(draw: Any) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"ramp_periods": draw(some_periods)}
    after = sorted(draw(st.lists(some_periods, unique=True, min_size=1, max_size=3)))
    below = st.lists(st.integers(0, 999_999), unique=True, min_size=len(after) - 1, max_size=len(after) - 1)
    shares = [*sorted(draw(below)), 1_000_000]
    steps = [pb.RampStep(after_periods=a, share_ppm=s) for a, s in zip(after, shares, strict=True)]
    return {"ramp": steps, "ramp_periods": after[-1] + draw(st.sampled_from([0, 0, 5]))}


@st.composite
def levels(draw: Any, number: int) -> pb.Level:
    allowed = draw(labels)
    allowed = draw(st.sampled_from([allowed, [v for v in q.Label.values() if v]]))
    brake = filled(
        pb.BrakeTerms,
        roles=st.lists(st.sampled_from([v for v in pb.Role.values() if v]), unique=True, max_size=2),
        parties=of((*LABS, *OTHERS)),
        window_periods=periods,
        cap_periods=periods,
        rest_periods=periods,
        ratified_by=rules,
    )
    return pb.Level(
        name=LEVELS[number - 1],
        rank=number,
        binds=draw(st.sampled_from([pb.BINDS_EVERYONE, pb.BINDS_BY_PLEDGE])),
        trigger=draw(conditions(Use.TRIGGER)),
        resume=draw(conditions(Use.RESUME)),
        entry=draw(st.none() | conditions(Use.ENTRY)),
        called_by=draw(maybe_rule),
        lifted_by=draw(rules),
        allowed=allowed,
        caps=[*draw(short_caps(allowed)), *draw(st.lists(caps(st.just("training")), max_size=1))],
        wind_down_periods=draw(some_periods),
        mandate_periods=draw(periods),
        dormancy_periods=draw(some_periods),
        steady_steps=draw(some_periods),
        brake=draw(st.none() | brake),
        renewed_by=draw(maybe_rule),
        snap_back=draw(st.booleans()),
        armed_by=draw(maybe_rule),
        exemptions=draw(st.lists(exemptions(), max_size=2, unique_by=lambda one: one.name)),
        seal_periods=draw(some_periods),
        **draw(ramps()),
    )


def parties() -> st.SearchStrategy[list[pb.Party]]:
    key = st.binary(min_size=32, max_size=32)
    site = filled(
        pb.Site,
        handle=st.binary(min_size=16, max_size=16),
        metered_by=st.sampled_from(("", *OTHERS)),
        pue_low_milli=st.integers(1_000, 10_000),
        pue_high_milli=st.integers(1_000, 10_000),
    )
    seat = filled(
        pb.Seat,
        owner=words,
        public_key=st.one_of(st.just(b""), key),
        held_by=st.sampled_from(("", *LABS)),
    )
    seats = st.lists(seat, max_size=3).map(
        lambda found: [
            pb.Seat(**{**{f.name: v for f, v in one.ListFields()}, "name": f"s{n}"}) for n, one in enumerate(found)
        ]
    )

    def one(name: str) -> st.SearchStrategy[pb.Party]:
        lab = name in LABS
        roles = st.just([pb.ROLE_LAB]) if lab else st.just([pb.ROLE_COUNCIL, pb.ROLE_METER])
        classes = st.lists(seats, min_size=2, max_size=2).map(
            lambda groups: [pb.SeatClass(name=n, seats=group) for n, group in zip(SEATS, groups, strict=True)]
        )
        return filled(
            pb.Party,
            name=st.just(name),
            roles=roles,
            owner=words,
            origin=words,
            log_key=st.one_of(st.just(b""), key),
            root_keys=st.lists(key, max_size=2),
            root_threshold=st.integers(0, 3),
            sites=st.lists(site, max_size=2, unique_by=lambda s: s.handle),
            record_origin=words,
            seats=classes if name == "board" else st.just([]),
            counts_with=st.lists(words, max_size=2),
            capacity_gigaflop_per_second=u64,
        )

    return st.tuples(*(one(name) for name in (*LABS, *OTHERS))).map(list)


def chips() -> st.SearchStrategy[list[pb.ChipClass]]:
    power = filled(pb.PowerBound, labels=labels, low_milliwatt=some_periods, high_milliwatt=some_periods)
    peak = filled(
        pb.PeakRate, format=st.sampled_from([v for v in q.NumberFormat.values() if v]), gigaflop_per_second=u64
    )
    chip = filled(pb.ChipClass, peaks=st.lists(peak, max_size=2), power=st.lists(power, max_size=2))
    named = st.lists(chip, max_size=2).map(
        lambda found: [
            pb.ChipClass(name=f"{n}.Chip-X", peaks=one.peaks, power=one.power) for n, one in enumerate(found)
        ]
    )
    return st.one_of(named, st.just(list(PRESET_TABLE)))


@st.composite
def indicators(draw: Any, name: str) -> pb.Indicator:
    unit = INDICATORS[name]
    return pb.Indicator(
        name=name,
        unit=unit,
        reported_by=draw(of((*LABS, *OTHERS))),
        reports=draw(st.integers(1, 5)),
        max_age_periods=draw(some_periods),
        confirmed_by=draw(of((*LABS, *OTHERS))),
        confirmations=draw(st.integers(0, 3)),
        by_subject=draw(st.booleans()),
        compare=draw(st.sampled_from(pb.Compare.values())),
        plan_periods=draw(some_periods),
        means=draw(words),
    )


@st.composite
def citations(draw: Any) -> list[pb.Citation]:
    every = ["", *(f"party {name}" for name in LABS[:1]), "level slowdown", "rule council", "standing"]
    if draw(st.booleans()):
        return [pb.Citation(clause=clause, source=draw(words)) for clause in every if draw(st.booleans())]
    clauses = draw(st.lists(st.sampled_from([*every, "elsewhere"]), unique=True, max_size=3))
    return [pb.Citation(clause=clause, source=draw(words)) for clause in clauses]


@st.composite
def agreements(draw: Any) -> pb.Agreement:
    """Any terms that text can say."""
    rule = filled(pb.Rule, ballot_life_periods=periods, recuse_subject=st.booleans())
    made = pb.Agreement(
        version=1,
        name=draw(words),
        start=draw(st.one_of(st.integers(1, 2**33), st.integers(1, 2**40))),
        period_seconds=draw(st.sampled_from([3_600, 60, 61, 86_400, 90])),
        parties=draw(parties()),
        founding=draw(of((*LABS, *OTHERS))),
        forming_end_periods=draw(some_periods),
        lying_verifiers=draw(st.integers(0, 9)),
        chips=draw(chips()),
        indicators=[draw(indicators(name)) for name in INDICATORS],
        levels=[draw(levels(number)) for number in range(1, len(LEVELS) + 1)],
        withdrawal_notice_periods=draw(periods),
        pledge_notice_periods=draw(some_periods),
        events=[
            pb.Event(
                name=name,
                reported_by=draw(of(OTHERS)),
                reports=draw(st.integers(0, 3)),
                max_age_periods=draw(periods),
                means=draw(words),
            )
            for name in EVENTS
        ],
        admitted_by=draw(maybe_rule),
        amended_by=draw(maybe_rule),
        exempted_by=draw(maybe_rule),
        novice_periods=draw(some_periods),
        baseline_periods=draw(some_periods),
        not_encoded=draw(st.lists(words, max_size=2)),
        patience_periods=draw(some_periods),
        citations=draw(citations()),
        **draw(parts()),
    )
    for name in RULES:
        one = draw(rule)
        one.name = name
        if draw(st.booleans()):
            one.need.CopyFrom(draw(needs()))
        else:
            one.yes = draw(st.integers(1, 9))
            one.voters.extend(draw(of((*LABS, *OTHERS))))
        made.rules.append(one)
    return made


def parts() -> st.SearchStrategy[dict[str, Any]]:
    evidence = st.lists(st.sampled_from([v for v in pb.Evidence.values() if v]), unique=True, max_size=4)
    return st.fixed_dictionaries(
        {
            "freshness": filled(
                pb.Freshness,
                publish_within_seconds=some_periods,
                late_periods=some_periods,
                stale_periods=some_periods,
                presumed_non_compliant_periods=some_periods,
            ),
            "standing": filled(
                pb.Standing,
                breached=st.integers(0, 9),
                of_last=st.integers(0, 9),
                release_notice_periods=some_periods,
                back_after_periods=some_periods,
                settle_periods=some_periods,
                silence_out_periods=some_periods,
                hold_rule=maybe_rule,
                release=st.sampled_from(pb.Release.values()),
                release_rule=maybe_rule,
            ),
            "verification": filled(
                pb.Verification,
                significant_quantity_teraflop=u64,
                window_periods=some_periods,
                false_alarm_ppm=st.sampled_from([50_000, 10, 1, 1_000]),
                required=evidence,
                transit_periods=some_periods,
                clarification_answer_periods=some_periods,
                challenge_answer_periods=some_periods,
                no_answer=st.sampled_from(pb.NoAnswer.values()),
                counted_in=st.sampled_from(q.NumberFormat.values()),
                detection_ppm=ppm,
                dishonest_sources=st.integers(0, 3),
                useful=evidence,
                inspection_notice_periods=some_periods,
                power_off=st.booleans(),
            ),
            "unit": st.none()
            | filled(
                pb.UnitOfCompute,
                name=words,
                gigaflop_per_second=u64,
                format=st.sampled_from([v for v in q.NumberFormat.values() if v]),
            ),
            "prior_report": st.none()
            | filled(
                pb.PriorReport,
                above_teraflop=u64,
                up_to_teraflop=u64,
                contents=st.lists(words, max_size=2),
                answered_by=st.sampled_from(OTHERS),
                answer_periods=some_periods,
                silence_approves=st.booleans(),
                extendable=st.booleans(),
            ),
            "covered_cluster": st.none()
            | filled(pb.CoveredCluster, above_gigaflop_per_second=u64, registered_within_periods=some_periods),
        }
    )


def named() -> pb.Agreement:
    """Terms with the names of this module and little else, for what stands beside terms."""
    parties = [pb.Party(name=name, roles=[pb.ROLE_LAB], owner=name) for name in LABS]
    return pb.Agreement(
        version=1,
        name="named",
        start=1_798_934_400,
        period_seconds=3_600,
        parties=[*parties, *(pb.Party(name=name, roles=[pb.ROLE_METER], owner=name) for name in OTHERS)],
        indicators=[pb.Indicator(name=name, unit=unit) for name, unit in INDICATORS.items()],
        levels=[pb.Level(name=name, rank=number) for number, name in enumerate(LEVELS, 1)],
        rules=[pb.Rule(name=name) for name in RULES],
        events=[pb.Event(name=name, reported_by=["gridco"]) for name in EVENTS],
    )


@st.composite
def pledges(draw: Any) -> pledge_pb2.Pledge:
    ranks = draw(st.lists(rank, unique=True, max_size=3))
    return pledge_pb2.Pledge(
        clauses=[
            pledge_pb2.PledgeClause(
                level=number,
                when=draw(st.none() | conditions(Use.WHEN)),
                provided=draw(st.none() | conditions(Use.PROVIDED)),
                until_period=draw(st.none() | some_periods),
            )
            for number in ranks
        ]
    )
