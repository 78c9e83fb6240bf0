"""Every rule of an agreement: what breaks it, and that the same terms without the change hold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import pytest

from protocol import agreement_limits, agreement_rules
from protocol.errors import Reason
from protocol.keys import public_key
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q
from tests.builders import LABS, NEVER, level, party, seed, terms
from tests.protocol.refusals import refuses

Edit = Callable[[pb.Agreement], object]


def _set(path: str, value: object) -> Edit:
    """An edit that sets the field at a dotted path; numbers choose from lists."""

    def edit(made: pb.Agreement) -> None:
        *parents, name = path.split(".")
        place = made
        for parent in parents:
            place = place[int(parent)] if parent.isdigit() else getattr(place, parent)  # type: ignore[index]
        if isinstance(value, (list, tuple)):
            del getattr(place, name)[:]
            getattr(place, name).extend(value)
        else:
            setattr(place, name, value)

    return edit


def _both(first: Edit, second: Edit) -> Edit:
    """Two edits, neither of which breaks the rule alone."""

    def edit(made: pb.Agreement) -> None:
        first(made)
        assert agreement_rules.problems(made) == []
        second(made)

    return edit


def _meters_itself(made: pb.Agreement) -> None:
    made.parties[0].roles.append(pb.ROLE_METER)
    made.parties[0].sites[0].metered_by = "alpha"


OUT_OF_RANGE = [
    ("start", 0),
    ("period_seconds", 59),
    ("period_seconds", 86_400 * 7 + 1),
    ("forming_end_periods", 0),
    ("withdrawal_notice_periods", 0),
    ("pledge_notice_periods", 1_000_001),
    ("freshness.publish_within_seconds", 3_601),
    ("standing.breached", 0),
    ("standing.breached", 4),
    ("standing.of_last", 101),
    ("standing.release_notice_periods", 0),
    ("standing.back_after_periods", 0),
    ("standing.settle_periods", 0),
    ("verification.significant_quantity_teraflop", 0),
    ("verification.significant_quantity_teraflop", 2**63),
    ("verification.window_periods", 0),
    ("verification.transit_periods", 1_000_001),
    ("verification.false_alarm_ppm", 2_000),
    ("parties.0.sites.0.pue_low_milli", 999),
    ("parties.0.sites.0.pue_low_milli", 1_501),
    ("parties.0.sites.0.pue_high_milli", 10_001),
    ("chips.0.peaks.0.gigaflop_per_second", 0),
    ("chips.0.power.0.low_milliwatt", 1_300_001),
    ("rules.0.ballot_life_periods", 0),
    ("indicators.0.max_age_periods", 0),
    ("levels.0.steady_steps", 0),
    ("levels.0.dormancy_periods", 0),
    ("levels.0.wind_down_periods", 1_000_001),
    ("levels.0.ramp_periods", 1_000_001),
    ("levels.0.caps.0.window_periods", 0),
]

BROKEN: list[tuple[str, Edit, Reason]] = [
    ("version 0", _set("version", 0), Reason.VERSION_UNKNOWN),
    ("version 2", _set("version", 2), Reason.VERSION_UNKNOWN),
    ("name with a slash", _set("parties.0.name", "al/pha"), Reason.NAME_MALFORMED),
    ("name with the separator of keys", _set("indicators.0.name", "hor|izon"), Reason.NAME_MALFORMED),
    ("name with a line feed", _set("parties.0.name", "alpha\n"), Reason.NAME_MALFORMED),
    ("origin with a scheme", _set("parties.0.origin", "https://alpha.example"), Reason.NAME_MALFORMED),
    ("class with a space", _set("chips.0.name", "H100 SXM"), Reason.NAME_MALFORMED),
    ("level without a name", _set("levels.0.name", ""), Reason.NAME_MALFORMED),
    ("rule in capitals", _set("rules.0.name", "Council"), Reason.NAME_MALFORMED),
    ("cap without a name", _set("levels.0.caps.0.name", ""), Reason.NAME_MALFORMED),
    ("two parties of one name", _set("parties.1.name", "alpha"), Reason.NAME_TWICE),
    ("two logs of one origin", _set("parties.1.origin", "alpha.example/standstill"), Reason.NAME_TWICE),
    (
        "a record log with a log's origin",
        _set("parties.5.record_origin", "alpha.example/standstill"),
        Reason.NAME_TWICE,
    ),
    ("two classes of one name", _set("chips.1.name", "H100-SXM"), Reason.NAME_TWICE),
    ("two indicators of one name", _set("indicators.1.name", "horizon"), Reason.NAME_TWICE),
    ("two levels of one name", _set("levels.1.name", "slowdown"), Reason.NAME_TWICE),
    ("two sites of one handle", lambda t: t.parties[0].sites.append(t.parties[0].sites[0]), Reason.NAME_TWICE),
    ("no role", _set("parties.0.roles", []), Reason.ROLE_MISSING),
    ("an unspecified role", _set("parties.3.roles", [0]), Reason.ROLE_MISSING),
    ("a role twice", _set("parties.3.roles", [pb.ROLE_SUPPLIER] * 2), Reason.ROLE_MISSING),
    ("no owner", _set("parties.0.owner", ""), Reason.FIELD_ABSENT),
    ("an owner in two lines", _set("parties.0.owner", "alpha\ngroup"), Reason.FIELD_ABSENT),
    ("no root threshold", _set("parties.0.root_threshold", 0), Reason.QUORUM_CANNOT_BE_MET),
    ("more root signatures than keys", _set("parties.0.root_threshold", 3), Reason.QUORUM_CANNOT_BE_MET),
    ("a verifier without record log", _set("parties.5.record_origin", ""), Reason.FIELD_ABSENT),
    ("a lab with record log", _set("parties.0.record_origin", "alpha.example/record"), Reason.FIELD_ABSENT),
    ("a record log with a scheme", _set("parties.5.record_origin", "http://vera"), Reason.NAME_MALFORMED),
    ("a short key", _set("parties.0.log_key", bytes(31)), Reason.KEY_LENGTH),
    ("a key of small order", _set("parties.0.log_key", b"\1" + bytes(31)), Reason.KEY_SMALL_ORDER),
    ("a key that is not canonical", _set("parties.0.log_key", b"\xff" * 32), Reason.KEY_NOT_CANONICAL),
    ("one key for two uses", _set("parties.0.log_key", public_key(seed("alpha", "root 1"))), Reason.KEY_TWICE),
    ("one key for two parties", _set("parties.0.log_key", public_key(seed("beta", "log"))), Reason.KEY_TWICE),
    ("a root key twice", _set("parties.0.root_keys", [public_key(seed("alpha", "root 1"))] * 2), Reason.KEY_TWICE),
    ("a lab without site", _set("parties.0.sites", []), Reason.FIELD_ABSENT),
    ("a supplier with site", lambda t: t.parties[3].sites.add(handle=bytes(16)), Reason.FIELD_ABSENT),
    ("a handle of 15 bytes", _set("parties.0.sites.0.handle", bytes(15)), Reason.SITE_UNKNOWN),
    ("a class without peaks", _set("chips.0.peaks", []), Reason.FORMAT_UNKNOWN),
    ("an unspecified format", _set("chips.0.peaks.0.format", 0), Reason.FORMAT_UNKNOWN),
    ("a format twice", _set("chips.0.peaks.0.format", q.NUMBER_FORMAT_FP8_DENSE), Reason.FORMAT_UNKNOWN),
    ("a label in two power intervals", lambda t: t.chips[0].power[1].labels.append(q.LABEL_OFF), Reason.LABEL_TWICE),
    ("a label in no power interval", lambda t: t.chips[0].power[1].labels.pop(), Reason.LABEL_MISSING),
    ("an unknown founder", lambda t: t.founding.append("delta"), Reason.NAME_UNKNOWN),
    ("a lab that does not found", lambda t: t.founding.remove("alpha"), Reason.NAME_UNKNOWN),
    ("a verifier that does not found", lambda t: t.founding.remove("vera"), Reason.NAME_UNKNOWN),
    ("a site metered by nobody known", _set("parties.0.sites.0.metered_by", "delta"), Reason.NAME_UNKNOWN),
    ("a site metered by a supplier", _set("parties.0.sites.0.metered_by", "chipco"), Reason.NAME_UNKNOWN),
    ("an unknown reporter", lambda t: t.indicators[0].reported_by.append("delta"), Reason.NAME_UNKNOWN),
    ("an unknown voter", lambda t: t.rules[0].voters.append("delta"), Reason.NAME_UNKNOWN),
    ("an unknown rule to lift", _set("levels.0.lifted_by", "nobody"), Reason.NAME_UNKNOWN),
    ("no rule to lift", _set("levels.0.lifted_by", ""), Reason.NAME_UNKNOWN),
    ("an unknown rule to call", _set("levels.0.called_by", "nobody"), Reason.NAME_UNKNOWN),
    ("a rule for nothing", _set("rules.0.yes", 0), Reason.QUORUM_CANNOT_BE_MET),
    ("more votes than voters", _set("rules.0.yes", 4), Reason.QUORUM_CANNOT_BE_MET),
    (
        "more votes than control groups",
        _both(_set("rules.0.yes", 3), _set("parties.1.owner", "gamma group")),
        Reason.QUORUM_CANNOT_BE_MET,
    ),
    ("more reports than reporters", _set("indicators.0.reports", 5), Reason.QUORUM_CANNOT_BE_MET),
    ("a reading of no report", _set("indicators.0.reports", 0), Reason.QUORUM_CANNOT_BE_MET),
    ("more liars than one verifier survives", _set("lying_verifiers", 1), Reason.QUORUM_CANNOT_BE_MET),
    ("callers and lifters apart", _set("rules.0.yes", 1), Reason.RULES_CONTRADICT),
    ("stale before late", _set("freshness.stale_periods", 1), Reason.CLOCKS_CONTRADICT),
    ("presumed as soon as stale", _set("freshness.presumed_non_compliant_periods", 2), Reason.CLOCKS_CONTRADICT),
    ("late at once", _set("freshness.late_periods", 0), Reason.CLOCKS_CONTRADICT),
    ("released before it is settled", _set("standing.settle_periods", 4), Reason.CLOCKS_CONTRADICT),
    ("a mandate over in the wind-down", _set("levels.0.mandate_periods", 3), Reason.CLOCKS_CONTRADICT),
    ("ranks with a gap", _set("levels.1.rank", 3), Reason.LEVELS_DO_NOT_RISE),
    ("ranks falling", lambda t: t.levels.reverse(), Reason.LEVELS_DO_NOT_RISE),
    ("a level that binds nobody known", _set("levels.0.binds", 0), Reason.FIELD_ABSENT),
    ("an unknown label", _set("levels.0.allowed", [77]), Reason.LABEL_UNKNOWN),
    ("a label allowed twice", lambda t: t.levels[0].allowed.append(q.LABEL_EVAL), Reason.LABEL_TWICE),
    ("a cap on a label twice", lambda t: t.levels[0].caps[0].labels.append(q.LABEL_TRAIN), Reason.LABEL_TWICE),
    ("a cap on forbidden work", _set("levels.0.allowed", [q.LABEL_IDLE]), Reason.LEVELS_DO_NOT_RISE),
    (
        "work allowed above and not below",
        lambda t: t.levels[1].allowed.append(q.LABEL_UNACCOUNTED),
        Reason.LEVELS_DO_NOT_RISE,
    ),
    ("work capped below and not above", lambda t: t.levels[1].allowed.append(q.LABEL_TRAIN), Reason.LEVELS_DO_NOT_RISE),
    ("a trigger that is never true", lambda t: t.levels[0].trigger.CopyFrom(NEVER), Reason.CONDITION_NEVER_TRUE),
    ("no trigger", lambda t: t.levels[0].ClearField("trigger"), Reason.FIELD_ABSENT),
    ("no resume condition", lambda t: t.levels[0].ClearField("resume"), Reason.FIELD_ABSENT),
    ("a lab that meters itself", _meters_itself, Reason.SOURCE_NOT_INDEPENDENT),
    ("a meter of the lab's owner", _set("parties.4.owner", "alpha group"), Reason.SOURCE_NOT_INDEPENDENT),
    ("a lab of the meter's owner", _set("parties.0.owner", "gridco group"), Reason.SOURCE_NOT_INDEPENDENT),
    ("a supplier of a lab's owner", _set("parties.3.owner", "beta group"), Reason.SOURCE_NOT_INDEPENDENT),
    ("a lab that supplies", lambda t: t.parties[0].roles.append(pb.ROLE_SUPPLIER), Reason.SOURCE_NOT_INDEPENDENT),
    ("required evidence unspecified", _set("verification.required", [0]), Reason.FIELD_ABSENT),
    (
        "meters required, a site without",
        _both(_set("verification.required", [pb.EVIDENCE_METER]), _set("parties.0.sites.0.metered_by", "")),
        Reason.EVIDENCE_HAS_NO_SOURCE,
    ),
]


def test_admits_the_terms_that_tests_start_from() -> None:
    assert agreement_rules.problems(terms()) == []
    assert agreement_rules.problems(terms(4, lying_verifiers=1)) == []


@pytest.mark.parametrize(("path", "value"), OUT_OF_RANGE)
def test_refuses_a_number_out_of_range(path: str, value: int) -> None:
    made = terms()
    _set(path, value)(made)
    found = agreement_rules.problems(made)
    assert found
    assert found[0].reason is Reason.VALUE_OUT_OF_RANGE


@pytest.mark.parametrize(("name", "edit", "reason"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_refuses(name: str, edit: Edit, reason: Reason) -> None:
    made = terms()
    assert agreement_rules.problems(made) == []
    edit(made)
    reasons = [problem.reason for problem in agreement_rules.problems(made)]
    assert reason in reasons, reasons


def test_refuses_shipments_required_from_nobody() -> None:
    made = terms()
    made.verification.required.append(pb.EVIDENCE_SHIPMENTS)
    assert agreement_rules.problems(made) == []
    made.parties[3].roles[:] = [pb.ROLE_EVALUATOR]
    with refuses(Reason.EVIDENCE_HAS_NO_SOURCE, "verification.required"):
        raise agreement_rules.problems(made)[0]


def test_lets_a_meter_of_one_labs_owner_read_the_sites_of_others() -> None:
    made = terms()
    made.parties.add().CopyFrom(party("betagrid", pb.ROLE_METER, owner="beta group"))
    made.parties[0].sites[0].metered_by = "betagrid"
    assert agreement_rules.problems(made) == []
    made.parties[1].sites[0].metered_by = "betagrid"
    with refuses(Reason.SOURCE_NOT_INDEPENDENT, "parties.beta.sites.metered_by"):
        raise agreement_rules.problems(made)[0]


def test_lets_a_meter_and_a_supplier_share_an_owner_that_has_no_lab() -> None:
    made = terms()
    made.parties[4].owner = made.parties[3].owner
    assert agreement_rules.problems(made) == []
    made.parties[2].owner = made.parties[3].owner
    found = [(problem.reason, problem.field) for problem in agreement_rules.problems(made)]
    assert found == [
        (Reason.SOURCE_NOT_INDEPENDENT, "parties.gamma.sites.metered_by"),
        (Reason.SOURCE_NOT_INDEPENDENT, "parties.chipco.owner"),
    ]


def test_names_every_mistake_at_once() -> None:
    made = terms(version=2, period_seconds=0)
    made.parties[0].roles.pop()
    assert {problem.field for problem in agreement_rules.problems(made)} >= {
        "version",
        "period_seconds",
        "parties.alpha.roles",
    }


@pytest.mark.parametrize("operators", range(1, 11))
@pytest.mark.parametrize("liars", range(4))
def test_admits_as_many_liars_as_the_table_of_the_annex(operators: int, liars: int) -> None:
    names = [f"v{number}" for number in range(operators)]
    made = terms(lying_verifiers=liars)
    del made.parties[-1]
    made.parties.extend(party(name, pb.ROLE_VERIFIER) for name in names)
    made.founding[:] = [*LABS, *names]
    made.indicators[0].reported_by.remove("vera")
    # Liars and absences survived must both reach f: n of at least 3f+1 does it (annex 2, 1).
    assert (agreement_rules.problems(made) == []) is (operators > 3 * liars)


def test_counts_verifiers_of_one_group_once() -> None:
    made = terms(4, lying_verifiers=1)
    assert agreement_rules.problems(made) == []
    made.parties[-1].owner = made.parties[-2].owner
    assert agreement_limits.quorum(made) == 3
    with refuses(Reason.QUORUM_CANNOT_BE_MET, "lying_verifiers"):
        raise agreement_rules.problems(made)[0]


@pytest.mark.parametrize(
    ("callers", "to_call", "lifters", "to_lift"),
    list(product(["ab", "abc"], [1, 2], ["ab", "bc", "abc"], [1, 2, 3])),
)
def test_refuses_exactly_the_rules_that_disjoint_groups_can_carry(
    callers: str, to_call: int, lifters: str, to_lift: int
) -> None:
    if to_lift > len(lifters):
        return
    names = dict(zip("abc", LABS, strict=True))
    rules = [
        pb.Rule(name="callers", yes=to_call, voters=[names[one] for one in callers], ballot_life_periods=2),
        pb.Rule(name="lifters", yes=to_lift, voters=[names[one] for one in lifters], ballot_life_periods=2),
    ]
    made = terms(levels=[level("pause", 1, called_by="callers", lifted_by="lifters")], rules=rules)
    apart = any(
        not set(left) & set(right)
        for left in combinations(callers, to_call)
        for right in combinations(lifters, to_lift)
    )
    reasons = [problem.reason for problem in agreement_rules.problems(made)]
    assert reasons == ([Reason.RULES_CONTRADICT] if apart else [])


def test_lets_a_trigger_call_alone_whoever_lifts() -> None:
    rules = [pb.Rule(name="council", yes=1, voters=LABS, ballot_life_periods=2)]
    assert agreement_rules.problems(terms(levels=[level("pause", 1, called_by="")], rules=rules)) == []


CAPPED = [
    ("the same cap", {}, True),
    ("a lower cap", {"teraflop": 10}, True),
    ("a longer window", {"window_periods": 5}, True),
    ("more labels under it", {"labels": [q.LABEL_TRAIN, q.LABEL_POST_TRAIN, q.LABEL_EVAL]}, True),
    ("a higher cap", {"teraflop": 10**9 + 1}, False),
    ("a shorter window", {"window_periods": 3}, False),
    ("fewer labels under it", {"labels": [q.LABEL_TRAIN]}, False),
    ("chip-seconds not capped", {"chip_seconds": None}, False),
]


@pytest.mark.parametrize(("name", "changes", "falls"), CAPPED, ids=[name for name, _, _ in CAPPED])
def test_lets_caps_fall_only(name: str, changes: dict[str, object], falls: bool) -> None:
    labels = [q.LABEL_TRAIN, q.LABEL_POST_TRAIN]
    caps = [
        pb.Cap(name="training", labels=labels, teraflop=10**9, chip_seconds=10**9, window_periods=4) for _ in range(2)
    ]
    for field, value in changes.items():
        caps[1].ClearField(field)  # type: ignore[arg-type]
        if value is not None:
            caps[1].MergeFrom(pb.Cap(**{field: value}))  # type: ignore[arg-type]
    levels = [level(f"level-{rank}", rank, allowed=[*labels, q.LABEL_EVAL], caps=[caps[rank - 1]]) for rank in (1, 2)]
    reasons = [problem.reason for problem in agreement_rules.problems(terms(levels=levels))]
    assert reasons == ([] if falls else [Reason.LEVELS_DO_NOT_RISE])
