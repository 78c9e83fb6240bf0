"""Clocks."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from daemon.clock import ClockWentBack, FileClock, SystemClock, open_clock
from protocol.errors import Reason
from tests.protocol.refusals import refuses


def set_clock(path: Path, text: str) -> None:
    """Replace the file as the demo does: whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clock"
    set_clock(path, "1000\n")
    return path


def test_the_system_clock_tells_whole_unix_seconds() -> None:
    before = int(time.time())
    now = open_clock("system").now()

    assert before <= now <= int(time.time())


def test_the_system_clock_does_not_wait_for_the_past() -> None:
    assert SystemClock().wait_until(1, threading.Event())


def test_the_system_clock_returns_not_before_the_time_that_was_asked_for() -> None:
    clock = SystemClock()
    moment = clock.now() + 1

    assert clock.wait_until(moment, threading.Event())
    assert clock.now() >= moment


@pytest.mark.parametrize("name", ["system", "file"])
def test_waiting_ends_when_it_is_stopped(name: str, file: Path) -> None:
    clock = open_clock("system" if name == "system" else f"file:{file}")
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()

    assert not clock.wait_until(clock.now() + 1_000_000, stop)


def test_the_file_clock_tells_what_the_file_says(file: Path) -> None:
    clock = open_clock(f"file:{file}")

    assert clock.now() == 1000
    set_clock(file, "4600")
    assert clock.now() == 4600


def test_the_file_clock_waits_until_somebody_advances_the_file(file: Path) -> None:
    clock = FileClock(file)
    threading.Timer(0.05, set_clock, (file, "2000")).start()

    assert clock.wait_until(2000, threading.Event())
    assert clock.now() == 2000


def test_refuses_a_clock_that_went_back(file: Path) -> None:
    clock = FileClock(file)
    clock.now()
    set_clock(file, "999")

    with pytest.raises(ClockWentBack) as caught:
        clock.now()
    assert caught.value.reason is Reason.CLOCK_WENT_BACK
    assert "1000" in caught.value.detail
    set_clock(file, "1000")
    assert clock.now() == 1000


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "1 2", "9" * 19, "\N{ARABIC-INDIC DIGIT FIVE}"])
def test_refuses_a_clock_file_without_decimal_seconds(file: Path, text: str) -> None:
    set_clock(file, text)

    with refuses(Reason.CLOCK_UNREADABLE, str(file)):
        FileClock(file).now()


def test_refuses_a_clock_file_that_is_not_there(tmp_path: Path) -> None:
    with refuses(Reason.CLOCK_UNREADABLE):
        open_clock(f"file:{tmp_path / 'absent'}")


def test_refuses_a_clock_of_unknown_name() -> None:
    with refuses(Reason.CLOCK_UNREADABLE, "clock"):
        open_clock("sundial")
