"""Attesting period by period: what is owed, what is missing, nothing twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.author import Author, Seeds, open_author
from daemon.clock import FileClock, SystemClock
from daemon.files import write_whole
from daemon.log_store import LogStore, open_store
from node.collectors import OK, Collector, MeterCollector, TraceCollector, open_collectors
from node.config import MeterSettings, NodeSettings, SiteSettings
from node.loop import Attester
from node.publisher import Publisher
from protocol.agreement import Agreement
from protocol.authoring import Draft
from protocol.errors import Reason, Refused
from protocol.leaf import Cursor
from protocol.wire import encode
from standstill.v1 import compute_pb2, header_pb2
from tests import bodies
from tests.cluster import until
from tests.protocol.refusals import refuses
from tests.terms import H100, PERIOD, START, agreement, handle, seed

TERMS = agreement()
SITE = handle("alpha")
NEVER = threading.Event()


@dataclass
class World:
    """A lab's log, its collectors' files, and its clock."""

    home: Path
    store: LogStore
    clock: FileClock
    author: Author
    terms: Agreement = TERMS

    def tell(self, now: int) -> None:
        write_whole(self.home / "clock", str(now).encode())

    def write(self, *hours: int, name: str = "figures.csv", site: str = "g1", first: int = START) -> Path:
        """A table of figures for these hours, in place of the one before."""
        rows = ["hour,site,chip_class,chips,label,chip_seconds,watt_hours"]
        rows += [f"{first + hour * PERIOD},{site},{H100},2,inference,{PERIOD + hour},700" for hour in hours]
        path = self.home / name
        fresh = path.with_suffix(".new")
        fresh.write_text("\n".join(rows) + "\n")
        fresh.replace(path)
        return path

    def collector(self, **settings: Any) -> TraceCollector:
        wanted = {"handle": SITE.hex(), "trace": "figures.csv"} | settings
        return TraceCollector(self.terms, self.clock, "g1", SiteSettings(**wanted), self.home)

    def publisher(self) -> Publisher:
        return Publisher(self.terms, self.store, self.author, self.clock)

    def attester(self, *collectors: Collector, **options: int) -> Attester:
        return Attester(self.terms, self.publisher(), collectors or [self.collector()], self.clock, **options)

    def said(self) -> list[int]:
        """Periods attested, in the order of the log."""
        leaves = self.store.leaves(self.author.origin, 0, self.author.head.size)
        return [leaf.period for leaf in leaves if leaf.kind in (5, 9) and leaf.period is not None]


def author_of(name: str, store: LogStore, clock: FileClock) -> Author:
    root = tuple(seed(name, f"root {number}") for number in (1, 2))
    seeds = Seeds(log=seed(name, "log"), statement=seed(name, "statement 1"), root=root)
    author = open_author(TERMS, store, seeds, clock, Cursor(TERMS.parties[name].origin, name))
    if author.head.size == 0:
        author.publish(
            [
                Draft(kind=header_pb2.KIND_FOUNDING, body=encode(bodies.founding(TERMS))),
                Draft(kind=header_pb2.KIND_KEY_SET, body=encode(bodies.key_set(name))),
            ]
        )
    return author


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "clock").write_text(str(START))
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", create=True)
    clock = FileClock(tmp_path / "clock")
    yield World(tmp_path, store, clock, author_of("alpha", store, clock))
    store.close()


# -- owed -------------------------------------------------------------------------------------------------------------


def test_a_period_is_owed_once_it_has_ended(world: World) -> None:
    world.write(0, 1)
    attester = world.attester()

    assert attester.owed(START - 1) == []
    assert attester.owed(START + PERIOD - 1) == []
    assert attester.owed(START + PERIOD) == [0]
    assert attester.owed(START + 3 * PERIOD) == [0, 1, 2]


def test_a_period_is_owed_only_after_the_time_for_the_export(world: World) -> None:
    attester = world.attester(after=120)

    assert attester.owed(START + PERIOD + 119) == []
    assert attester.owed(START + PERIOD + 120) == [0]


def test_nothing_is_owed_before_the_first_period_or_without_collectors(world: World) -> None:
    assert world.attester(first=2).owed(START + 4 * PERIOD) == [2, 3]
    none = Attester(TERMS, world.publisher(), [], world.clock)
    assert (none.owed(START + 4 * PERIOD), none.attested(START + 4 * PERIOD)) == ([], None)


# -- rounds -----------------------------------------------------------------------------------------------------------


def run_round(world: World, attester: Attester, period: int) -> bool:
    """One round at the moment at which a period has ended; whether something is missing."""
    now = START + (period + 1) * PERIOD
    world.tell(now)
    return attester.round(now, NEVER)


def test_attests_every_owed_period_in_order_once(world: World) -> None:
    world.write(0, 1, 2, 3, 4)
    attester = world.attester()

    assert run_round(world, attester, 2) is False
    assert run_round(world, attester, 2) is False
    assert world.said() == [0, 1, 2]
    assert run_round(world, attester, 4) is False
    assert world.said() == [0, 1, 2, 3, 4]
    assert attester.attested(START + 5 * PERIOD) == 4
    assert attester.owed(START + 5 * PERIOD) == []


def test_a_restart_attests_nothing_twice(world: World) -> None:
    world.write(0, 1, 2, 3)
    run_round(world, world.attester(), 1)

    assert run_round(world, world.attester(), 3) is False
    assert world.said() == [0, 1, 2, 3]


def test_a_hole_in_the_records_holds_up_no_other_period(world: World) -> None:
    world.write(0, 2)
    attester = world.attester()

    assert run_round(world, attester, 2) is True
    assert world.said() == [0, 2]
    assert attester.owed(START + 3 * PERIOD) == [1]
    assert "no figures for period 1" in attester.states["g1"]
    world.write(0, 1, 2)
    assert run_round(world, attester, 2) is False
    assert world.said() == [0, 2, 1]
    assert attester.states == {"g1": OK}


def test_a_source_that_cannot_be_read_is_waited_for(world: World) -> None:
    attester = world.attester()

    assert run_round(world, attester, 0) is True
    assert "TRACE_UNREADABLE" in attester.states["g1"]
    world.write(0)
    assert run_round(world, attester, 0) is False
    assert world.said() == [0]


def test_figures_that_no_reader_would_take_hold_up_no_other_site(world: World) -> None:
    world.write(0)
    world.write(0, name="more.csv", site="g2")
    settings = SiteSettings(handle=handle("beta").hex(), trace=Path("more.csv"))
    wrong = TraceCollector(TERMS, world.clock, "g2", settings, world.home)
    attester = world.attester(wrong, world.collector())

    assert run_round(world, attester, 0) is True
    assert world.said() == [0]
    assert attester.states["g1"] == OK
    assert "SITE_UNKNOWN" in attester.states["g2"]


def test_a_clock_that_went_back_stops_the_round_and_loses_nothing(world: World) -> None:
    world.write(0, 1)
    attester = world.attester()
    run_round(world, attester, 0)
    world.tell(START)
    with refuses(Reason.CLOCK_WENT_BACK):
        attester.round(START + 2 * PERIOD, NEVER)

    assert run_round(world, attester, 1) is False
    assert world.said() == [0, 1]


def test_bad_rows_are_left_out_listed_and_complained_of(world: World) -> None:
    path = world.write(0)
    path.write_text(path.read_text() + f"{START},g1,{H100},2,no such label,1,1\n")
    attester = world.attester()
    run_round(world, attester, 0)

    assert world.said() == [0]
    assert "1 rows left out, see figures.rejected.csv" in attester.states["g1"]
    assert "no such label" in (world.home / "figures.rejected.csv").read_text()


# -- told to attest ---------------------------------------------------------------------------------------------------


def test_refuses_to_attest_twice_too_early_or_without_figures(world: World) -> None:
    world.write(0, 1)
    world.tell(START + 3 * PERIOD)
    attester = world.attester()
    attester.attest(0)
    with refuses(Reason.PERIOD_OVERLAP, "period"):
        attester.attest(0)
    with refuses(Reason.PERIOD_NOT_ENDED, "period"):
        attester.attest(3)
    with refuses(Reason.PERIOD_NOT_COLLECTED, "site.g1"):
        attester.attest(2)
    with refuses(Reason.PERIOD_NOT_COLLECTED, "site"):
        Attester(TERMS, world.publisher(), [], world.clock).attest(0)

    attester.attest(1)
    assert world.said() == [0, 1]


def test_what_is_shown_is_what_is_said(world: World) -> None:
    world.write(0)
    world.tell(START + PERIOD)
    attester = world.attester()
    shown = attester.drafts(0)
    said, published = attester.attest(0)

    assert shown == said
    assert published.index == 2
    assert compute_pb2.ComputeAttestation.FromString(shown[0].body).start == START


# -- publisher --------------------------------------------------------------------------------------------------------


def attested(period: int, **changes: Any) -> Draft:
    body = encode(bodies.attestation(TERMS, period, **changes))
    return Draft(kind=header_pb2.KIND_COMPUTE_ATTESTATION, body=body, period=period, site=SITE)


def test_the_publisher_refuses_a_second_attestation_of_a_period_and_site(world: World) -> None:
    world.tell(START + 3 * PERIOD)
    publisher = world.publisher()
    publisher.publish([attested(0)])
    for again in (publisher, world.publisher()):
        with refuses(Reason.PERIOD_OVERLAP, "drafts[1].period"):
            again.publish([attested(1), attested(0, watt_hours=1)])
        with refuses(Reason.PERIOD_OVERLAP, "drafts[1].period"):
            again.publish([attested(1), attested(1, watt_hours=1)])

    publisher.publish([attested(1)])
    assert world.said() == [0, 1]


def test_a_refused_attestation_may_be_said_again_once_it_is_right(world: World) -> None:
    world.tell(START + PERIOD)
    publisher = world.publisher()
    with refuses(Reason.PERIOD_MISMATCH):
        publisher.publish([attested(0, start=START + 1)])

    assert publisher.publish([attested(0)]).index == 2


def test_the_publisher_refuses_a_period_that_has_not_ended(world: World) -> None:
    world.tell(START + PERIOD - 1)
    with refuses(Reason.PERIOD_NOT_ENDED, "drafts[0].period"):
        world.publisher().publish([attested(0)])

    world.tell(START + PERIOD)
    world.publisher().publish([attested(0)])
    assert world.said() == [0]


def test_two_meters_of_one_site_each_have_their_say(world: World, tmp_path: Path) -> None:
    world.tell(START + PERIOD)
    with_meter = open_store(f"sqlite:///{tmp_path / 'gridco.db'}", create=True)
    publisher = Publisher(TERMS, with_meter, author_of("gridco", with_meter, world.clock), world.clock)

    def reading(meter: str) -> Draft:
        body = encode(bodies.meter_reading(TERMS, 0, meter=meter))
        return Draft(kind=header_pb2.KIND_METER_READING, body=body, period=0, site=SITE)

    publisher.publish([reading("one"), reading("two")])
    with refuses(Reason.PERIOD_OVERLAP, "drafts[0].period"):
        publisher.publish([reading("two")])
    assert publisher.author.head.size == 4
    with_meter.close()


# -- collectors -------------------------------------------------------------------------------------------------------


def test_a_replay_begins_with_period_0(world: World) -> None:
    world.write(0, 1, first=START - 1_000 * PERIOD)
    moved, unmoved = world.collector(shift="start"), world.collector()

    assert compute_pb2.ComputeAttestation.FromString(moved.draft(1).body).start == START + PERIOD
    with refuses(Reason.PERIOD_NOT_COLLECTED, "site.g1"):
        unmoved.draft(1)


def test_an_export_older_than_the_end_of_a_period_says_nothing_of_it(world: World) -> None:
    path = world.write(0, 1)
    settings = SiteSettings(handle=SITE.hex(), trace=path)
    collector = TraceCollector(TERMS, SystemClock(), "g1", settings, world.home)
    os.utime(path, (START + PERIOD, START + PERIOD))

    assert collector.draft(0).period == 0
    with refuses(Reason.PERIOD_NOT_COLLECTED, "site.g1"):
        collector.draft(1)


def test_a_table_of_another_site_is_refused_unless_it_is_named(world: World) -> None:
    world.write(0, site="north")
    with refuses(Reason.TRACE_OPTION, "site.g1.trace_site"):
        world.collector().draft(0)

    assert world.collector(trace_site="north").draft(0).period == 0


def test_refuses_periods_that_begin_between_the_hours_of_the_records(world: World) -> None:
    world.write(0)
    world.terms = agreement(start=START + 60)
    with refuses(Reason.TRACE_OPTION, "site.g1.shift"):
        world.collector().draft(0)

    assert world.collector(shift="start").draft(0).period == 0


def test_a_source_is_read_again_when_it_changes_and_only_then(world: World) -> None:
    world.write(0)
    collector = world.collector()
    before = collector.version()
    collector.draft(0)
    with refuses(Reason.PERIOD_NOT_COLLECTED):
        collector.draft(1)
    assert collector.version() == before

    world.write(0, 1)
    assert collector.version() != before
    assert collector.draft(1).period == 1


def test_a_table_that_changes_while_it_is_read_is_not_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.write(0)
    collector = world.collector()
    real: Callable[..., object] = collector._read

    def grows(*paths: Path) -> object:
        found = real(*paths)
        if len(path.read_text().splitlines()) == 2:
            path.write_text(f"{path.read_text()}{START + PERIOD},g1,{H100},2,inference,{PERIOD},700\n")
        return found

    monkeypatch.setattr(collector, "_read", grows)
    with refuses(Reason.TRACE_UNREADABLE, "figures.csv"):
        collector.draft(0)

    assert collector.draft(1).period == 1


def test_a_mapping_that_changes_counts_as_a_change(world: World) -> None:
    world.write(0)
    mapping = world.home / "mapping.toml"
    mapping.write_text("version = 1\n")
    collector = world.collector(mapping="mapping.toml")
    first = compute_pb2.ComputeAttestation.FromString(collector.draft(0).body).mapping
    mapping.write_text("version = 2  # changed\n")

    second = compute_pb2.ComputeAttestation.FromString(collector.draft(0).body).mapping
    assert len(first) == len(second) == 32
    assert first != second


def test_a_meter_lacks_what_its_table_lacks(world: World) -> None:
    (world.home / "meter.csv").write_text("period,watt_hours\n0,900\nx,1\n")
    settings = MeterSettings(handle=SITE.hex(), file=Path("meter.csv"))
    collector = MeterCollector(TERMS, world.clock, "main", settings, world.home)

    assert collector.draft(0).site == SITE
    assert "1 rows left out" in collector.complaint
    with refuses(Reason.PERIOD_NOT_COLLECTED, "meter.main"):
        collector.draft(1)


@pytest.mark.parametrize(
    ("tables", "field"),
    [
        ({"site": {"g1": SiteSettings(handle="00" * 16, trace=Path("t"))}}, "site.g1.handle"),
        ({"site": {"g1": SiteSettings(handle=handle("beta").hex(), trace=Path("t"))}}, "site.g1.handle"),
        ({"meter": {"m": MeterSettings(handle="00" * 16, file=Path("t"))}}, "meter.m.handle"),
    ],
)
def test_refuses_sites_that_the_agreement_does_not_know_as_ours(
    world: World, tables: dict[str, Any], field: str
) -> None:
    with refuses(Reason.SITE_UNKNOWN, field):
        open_collectors(TERMS, world.clock, NodeSettings(party="alpha", **tables), world.home)


def test_sites_without_a_trace_are_left_to_their_owner(world: World) -> None:
    with_trace, without = SiteSettings(handle=SITE.hex(), trace=Path("t")), SiteSettings(handle=SITE.hex())
    settings = NodeSettings(party="alpha", site={"g1": with_trace, "g2": without})

    assert [one.site for one in open_collectors(TERMS, world.clock, settings, world.home)] == ["g1"]


# -- the loop ---------------------------------------------------------------------------------------------------------


def test_the_loop_follows_the_clock_and_the_sources(world: World) -> None:
    world.write(0, 1)
    attester, stop = world.attester(), threading.Event()
    loop = threading.Thread(target=attester.run, args=(stop,))
    loop.start()
    try:
        world.tell(START + PERIOD)
        until(lambda: world.said() == [0])
        world.tell(START + 3 * PERIOD)
        until(lambda: world.said() == [0, 1] and attester.states["g1"] != OK)
        world.write(0, 1, 2)
        until(lambda: world.said() == [0, 1, 2] and attester.states["g1"] == OK)
    finally:
        stop.set()
        loop.join()


def test_the_loop_goes_on_by_itself_after_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write(0)
    monkeypatch.setattr("node.loop.TROUBLE_SECONDS", 0.01)
    attester, stop = world.attester(), threading.Event()
    failures = [Refused(Reason.STORE_UNAVAILABLE, "store", "no space")] * 3
    real = attester._publisher.publish

    def publish(drafts: list[Draft]) -> object:
        if failures:
            raise failures.pop()
        return real(drafts)

    monkeypatch.setattr(attester._publisher, "publish", publish)
    world.tell(START + PERIOD)
    loop = threading.Thread(target=attester.run, args=(stop,))
    loop.start()
    try:
        until(lambda: world.said() == [0])
    finally:
        stop.set()
        loop.join()

    assert failures == []
