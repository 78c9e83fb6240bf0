"""Old terms beside new ones: the stricter of both limits, both are needed to return."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.overlap import merged_rule, overlapped
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q
from tests.terms import LABS, PAUSE, SLOWDOWN, change, level, terms

LABELS = [q.LABEL_TRAIN, q.LABEL_ROLLOUT, q.LABEL_EVAL, q.LABEL_INFERENCE]
OLD = "0" * 64


def _merged(new: pb.Level, old: pb.Level) -> pb.Level:
    """A level under new terms, with older ones kept beside them."""
    current, before = terms(), terms()
    current.levels[new.rank - 1].CopyFrom(new)
    before.levels[old.rank - 1].CopyFrom(old)
    return overlapped(current, {new.rank: [(OLD, before)]}).levels[new.rank - 1]


def _levels() -> st.SearchStrategy[pb.Level]:
    limit = st.none() | st.integers(0, 5)
    cap = st.builds(
        lambda labels, ops, held: pb.Cap(labels=labels, teraflop=ops, chip_seconds=held),
        st.lists(st.sampled_from(LABELS), unique=True),
        limit,
        limit,
    )
    return st.builds(
        lambda allowed, caps: level(
            "slowdown", 1, allowed=allowed, caps=[change(one, name=f"c{n}") for n, one in enumerate(caps)]
        ),
        st.lists(st.sampled_from(LABELS), unique=True),
        st.lists(cap, max_size=3),
    )


def _admits(terms_: pb.Level, use: dict[q.Label.ValueType, tuple[int, int]]) -> bool:
    """Whether a use, as operations and chip-seconds by label, keeps a level."""
    if any(figures != (0, 0) and label not in terms_.allowed for label, figures in use.items()):
        return False
    for cap in terms_.caps:
        operations, held = (sum(use.get(label, (0, 0))[place] for label in cap.labels) for place in (0, 1))
        if cap.HasField("teraflop") and operations > cap.teraflop:
            return False
        if cap.HasField("chip_seconds") and held > cap.chip_seconds:
            return False
    return True


@given(_levels(), _levels(), st.dictionaries(st.sampled_from(LABELS), st.tuples(st.integers(0, 6), st.integers(0, 6))))
def test_allows_exactly_what_both_allow(new: pb.Level, old: pb.Level, use: Any) -> None:
    both = _merged(new, old)
    assert _admits(both, use) is (_admits(new, use) and _admits(old, use))


def _both(new: dict[str, Any], old: dict[str, Any]) -> pb.Level:
    return _merged(level("pause", PAUSE, **new), level("pause", PAUSE, **old))


@pytest.mark.parametrize(
    ("field", "new", "old", "expected"),
    [
        ("steady_steps", 2, 5, 5),
        ("steady_steps", 5, 2, 5),
        ("ramp_periods", 9, 4, 9),
        ("ramp_periods", 4, 9, 9),
        ("mandate_periods", 20, 12, 12),
        ("dormancy_periods", 3, 1, 1),
        ("wind_down_periods", 1, 3, 3),
        ("wind_down_periods", 3, 1, 1),
        ("snap_back", True, False, False),
        ("snap_back", True, True, True),
        ("binds", pb.BINDS_BY_PLEDGE, pb.BINDS_EVERYONE, pb.BINDS_EVERYONE),
        ("binds", pb.BINDS_EVERYONE, pb.BINDS_BY_PLEDGE, pb.BINDS_EVERYONE),
        ("seal_periods", 0, 4, 4),
        ("seal_periods", 3, 4, 3),
        ("called_by", "", "council", ""),
    ],
)
def test_returns_as_slowly_as_both(field: str, new: Any, old: Any, expected: Any) -> None:
    assert getattr(_both({field: new}, {field: old}), field) == expected


def test_resumes_when_both_would() -> None:
    new, old = level("pause", PAUSE), level("pause", PAUSE, resume=terms().levels[0].resume)
    both = _merged(new, old)
    assert list(both.resume.all.of) == [old.resume, new.resume]
    assert both.trigger == new.trigger


def _steps(*steps: tuple[int, int]) -> list[pb.RampStep]:
    return [pb.RampStep(after_periods=after, share_ppm=share) for after, share in steps]


def test_allows_at_each_moment_of_the_return_the_lower_share() -> None:
    new = {"ramp_periods": 4, "ramp": _steps((1, 500_000), (4, 1_000_000))}
    old = {"ramp_periods": 6, "ramp": _steps((2, 300_000), (3, 800_000), (6, 1_000_000))}
    both = _both(new, old)
    assert both.ramp_periods == 6
    assert list(both.ramp) == _steps((2, 300_000), (3, 500_000), (4, 800_000), (6, 1_000_000))


def test_keeps_only_exemptions_of_both_with_the_lower_limits() -> None:
    cap = pb.Cap(name="x", labels=[q.LABEL_EVAL], teraflop=5, window_periods=4)
    one = pb.Exemption(name="safety", labels=[q.LABEL_EVAL, q.LABEL_TRAIN], cap=cap, sampled_ppm=10)
    lower = change(one, cap=change(cap, teraflop=3, chip_seconds=7), on_request=True, labels=[q.LABEL_EVAL])
    alone = change(one, name="medicine")
    other = change(one, cap=change(cap, window_periods=9))
    (kept,) = _both({"exemptions": [one, alone]}, {"exemptions": [lower]}).exemptions
    assert (kept.name, kept.cap.teraflop, kept.cap.chip_seconds, kept.on_request) == ("safety", 3, 7, True)
    assert list(kept.labels) == [q.LABEL_EVAL]
    # Of caps over different windows neither is the smaller.
    assert not _both({"exemptions": [one]}, {"exemptions": [other]}).exemptions


def _beside(*ranks: int, **old: Any) -> pb.Agreement:
    before = terms(**old)
    return overlapped(terms(), {rank: [(OLD, before)] for rank in ranks})


def test_lifts_a_level_by_the_old_rule_and_the_new_one() -> None:
    strict = [change(terms().rules[0], yes=3, ballot_life_periods=4)]
    merged = _beside(PAUSE, rules=strict)
    names = {rule.name: rule for rule in merged.rules}
    rule = names[merged.levels[1].lifted_by]
    assert [part.count.k for part in rule.need.all.of] == [2, 3]
    assert rule.ballot_life_periods == 4
    assert merged.levels[0].lifted_by == "council"


def test_lifts_by_the_one_rule_where_both_terms_have_the_same() -> None:
    merged = _beside(PAUSE)
    assert merged.levels[1].lifted_by == "council"
    assert list(merged.rules) == list(terms().rules)


def test_a_rule_of_both_recuses_whom_either_recuses() -> None:
    ours, theirs = terms().rules[0], change(terms().rules[0], recuse_subject=True)
    assert merged_rule(ours, theirs, "both").recuse_subject
    assert not merged_rule(ours, ours, "both").recuse_subject


def test_a_lower_level_that_keeps_older_terms_limits_the_higher_ones_too() -> None:
    tight = list(terms().levels)
    tight[0] = change(tight[0], allowed=[q.LABEL_IDLE, q.LABEL_OFF], caps=None)
    tight[1] = change(tight[1], allowed=[q.LABEL_IDLE])
    low = _beside(SLOWDOWN, levels=tight)
    assert set(low.levels[1].allowed) == {q.LABEL_IDLE, q.LABEL_OFF} & set(terms().levels[1].allowed)
    assert low.levels[1].steady_steps == terms().levels[1].steady_steps
    both = _beside(SLOWDOWN, PAUSE, levels=tight)
    assert list(both.levels[1].allowed) == [q.LABEL_IDLE]


def test_names_the_caps_of_older_terms_apart() -> None:
    merged = _beside(SLOWDOWN)
    assert [cap.name for cap in merged.levels[0].caps] == ["training", "training@00000000"]


def test_takes_several_older_terms_together() -> None:
    texts = [("1" * 64, terms(rules=[change(terms().rules[0], yes=1, voters=[lab])])) for lab in LABS[:2]]
    merged = overlapped(terms(), {PAUSE: [(f"{number}" * 64, text) for number, (_, text) in enumerate(texts)]})
    rule = {one.name: one for one in merged.rules}[merged.levels[1].lifted_by]
    first, last = rule.need.all.of
    assert [list(part.count.voters) for part in (*first.all.of, last)] == [list(LABS), ["alpha"], ["beta"]]


def _standing(new: dict[str, Any], old: dict[str, Any]) -> pb.Agreement:
    """Terms with another standing than the older ones that the pause keeps; a council of one beside the usual one."""
    rules = [terms().rules[0], change(terms().rules[0], name="one", yes=1)]
    now, before = (terms(rules=rules, standing=change(terms().standing, **one)) for one in (new, old))
    return overlapped(now, {PAUSE: [(OLD, before)]})


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ({"breached": 1, "of_last": 5}, {"breached": 2, "of_last": 3}, {"breached": 2, "of_last": 3}),
        ({"breached": 1, "of_last": 1}, {"breached": 3, "of_last": 9}, {"breached": 3, "of_last": 3}),
        ({"release_notice_periods": 1}, {"release_notice_periods": 4}, {"release_notice_periods": 4}),
        ({"release_notice_periods": 6}, {"release_notice_periods": 4}, {"release_notice_periods": 6}),
        ({"back_after_periods": 9}, {"back_after_periods": 2}, {"back_after_periods": 2}),
        ({"silence_out_periods": 5}, {"silence_out_periods": 8}, {"silence_out_periods": 8}),
        ({"silence_out_periods": 5}, {"silence_out_periods": 0}, {"silence_out_periods": 0}),
        ({"silence_out_periods": 0}, {"silence_out_periods": 5}, {"silence_out_periods": 0}),
    ],
)
def test_releases_as_slowly_as_both(new: dict[str, int], old: dict[str, int], expected: dict[str, int]) -> None:
    found = _standing(new, old).standing
    assert {name: getattr(found, name) for name in expected} == expected


@given(st.integers(1, 5), st.integers(0, 5), st.integers(1, 5), st.integers(0, 5), st.lists(st.booleans(), max_size=12))
def test_who_is_accused_under_both_terms_would_be_under_each(
    one: int, more: int, other: int, further: int, settled: list[bool]
) -> None:
    windows = [(one, one + more), (other, other + further)]
    new, old = ({"breached": breached, "of_last": of_last} for breached, of_last in windows)
    found = _standing(new, old).standing
    accused = [sum(settled[-of_last:]) >= breached for breached, of_last in windows]
    assert all(accused) >= (sum(settled[-found.of_last :]) >= found.breached)


def _need(merged: pb.Agreement, name: str) -> pb.Need:
    return {rule.name: rule.need for rule in merged.rules}[name]


def test_releases_by_the_votes_of_both_and_holds_by_those_of_either() -> None:
    by_vote = {"release": pb.RELEASE_ON_VOTE, "release_rule": "council", "hold_rule": "council"}
    merged = _standing(by_vote | {"release_rule": "one", "hold_rule": "one"}, by_vote)
    assert [part.count.k for part in _need(merged, merged.standing.release_rule).all.of] == [1, 2]
    assert [part.count.k for part in _need(merged, merged.standing.hold_rule).any.of] == [1, 2]


def test_where_a_vote_released_no_clock_releases_while_both_terms_hold() -> None:
    by_vote = {"release": pb.RELEASE_ON_VOTE, "release_rule": "council", "hold_rule": "council"}
    merged = _standing({}, by_vote)
    assert merged.standing.release == pb.RELEASE_ON_VOTE
    kept = {rule.name: rule for rule in merged.rules}
    for name in (merged.standing.release_rule, merged.standing.hold_rule):
        assert change(kept[name], name="council") == terms().rules[0]


def test_the_same_standing_under_both_terms_is_that_standing() -> None:
    by_vote = {"release": pb.RELEASE_ON_VOTE, "release_rule": "council", "hold_rule": "council"}
    merged = _standing(by_vote, by_vote)
    assert merged.standing == change(terms().standing, **by_vote)
    assert [rule.name for rule in merged.rules] == ["council", "one"]
