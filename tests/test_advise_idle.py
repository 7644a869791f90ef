"""Whether threads slept, as far as the system tells."""

from __future__ import annotations

import _thread
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from memopt.advisor import idle

if_told = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/proc/self/schedstat").exists(),
    reason="only Linux tells",
)


class Sleeper:
    """A thread that waits until it is woken up, twice, and does nothing else."""

    def __init__(self, start: Callable[[Callable[[], None]], object]) -> None:
        self.ident = 0
        self._wake, self._awake = threading.Lock(), threading.Lock()
        self._wake.acquire()
        self._awake.acquire()
        start(self._run)
        self._awake.acquire()

    def _run(self) -> None:
        self.ident = threading.get_ident()
        for _ in range(2):
            self._awake.release()
            self._wake.acquire()
        self._awake.release()

    def wake(self) -> None:
        self._wake.release()
        self._awake.acquire()


@pytest.fixture(autouse=True)
def runners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that the tests' runner has are not looked at."""
    before = set(sys._current_frames())
    others = idle._others

    def new(main: int | None) -> list[int]:
        return [each for each in others(main) if each not in before]

    monkeypatch.setattr(idle, "_others", new)


def once_asleep() -> idle.Turns:
    """Not while one waits for the GIL: it has that, or is woken up, meanwhile."""
    turns = None
    while turns is None or turns != idle.others_asleep():
        turns = idle.others_asleep()
        time.sleep(0.001)
    return turns


def test_no_others() -> None:
    assert idle.others_asleep() == {}


def test_variables_of_callers_do_not_stay() -> None:
    class Variable:
        pass

    def caller() -> weakref.ref[Variable]:
        variable = Variable()
        idle.others_asleep()
        return weakref.ref(variable)

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        assert caller()() is None
    finally:
        (gc.enable if was_enabled else gc.disable)()


@if_told
def test_one_that_sleeps() -> None:
    sleeper = Sleeper(lambda run: threading.Thread(target=run).start())
    before = once_asleep()
    again = idle.others_asleep()
    but_for_it = idle.others_asleep(sleeper.ident)
    sleeper.wake()
    after = once_asleep()
    sleeper.wake()
    assert list(before) == list(after) == [sleeper.ident]
    assert again == before != after
    assert but_for_it == {}


def test_one_that_threading_does_not_know() -> None:
    sleeper = Sleeper(lambda run: _thread.start_new_thread(run, ()))
    time.sleep(0.01)
    asleep = idle.others_asleep()
    sleeper.wake()
    sleeper.wake()
    assert asleep is None


def test_one_that_runs() -> None:
    """It has had its turn, or will have, and does not sleep."""
    assert idle._turns(threading.get_native_id()) is None


STAT = "7 (a) S name) {} 1 7 7 0 -1 4194304"


@pytest.mark.parametrize(
    ("schedstat", "stat", "turns"),
    [
        ("1266 186 23\n", STAT.format("S"), b"23"),
        ("1266 186 23\n", STAT.format("R"), None),
        ("1266 186 23\n", STAT.format("D"), None),
        ("0 0 0\n", STAT.format("S"), None),
        ("", STAT.format("S"), None),
        ("1266 186 23\n", "", None),
        (None, STAT.format("S"), None),
        ("1266 186 23\n", None, None),
    ],
)
def test_what_the_system_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    schedstat: str | None,
    stat: str | None,
    turns: bytes | None,
) -> None:
    monkeypatch.setattr(idle, "_TASKS", tmp_path)
    (tmp_path / "7").mkdir()
    for name, text in (("schedstat", schedstat), ("stat", stat)):
        if text is not None:
            (tmp_path / "7" / name).write_text(text)
    assert idle._turns(7) == turns
