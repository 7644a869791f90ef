"""The thread beside a program, which is not there while that forks."""

from __future__ import annotations

import _thread
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support import free_threaded, not_with_asan, run_in_fresh_process

from memopt import _memopt
from memopt.advisor.watch import Watch, _elsewhere, running

SOON = 60.0  # seconds, however slow the machine is

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


# What programs of their own begin with: none hangs for ever.
WAITS = """
import faulthandler, time
faulthandler.dump_traceback_later(120, exit=True)
def wait_for_a_look(looks):
    count = len(looks)
    while len(looks) == count:
        time.sleep(0.001)
"""


class Looks:
    """Counts the looks of a watch."""

    def __init__(self, interval: float = 0.001) -> None:
        self.count = 0
        self.threads: set[int] = set()
        self.watch = Watch(self.look, interval, lambda caller: None)

    def look(self) -> None:
        self.count += 1
        self.threads.add(threading.get_ident())

    def wait(self) -> None:
        before, begin = self.count, time.monotonic()
        while self.count == before:
            assert time.monotonic() < begin + SOON
            time.sleep(0.001)


def test_looks_again_and_again_until_stopped() -> None:
    looks = Looks()
    threads = threading.enumerate()
    looks.watch.start()
    assert running == [looks.watch]
    looks.wait()
    looks.wait()
    assert threading.enumerate() == threads
    assert threading.get_ident() not in looks.threads
    looks.watch.stop()
    looks.watch.stop()
    assert running == []
    count = looks.count
    time.sleep(0.01)
    assert looks.count == count


def test_a_second_thread_ends_at_once() -> None:
    looks = Looks()
    looks.watch.start()
    looks.watch.begin()
    looks.wait()
    looks.watch.stop()
    assert len(looks.threads) == 1


def test_a_thread_that_raises_has_ended() -> None:
    said = run_in_fresh_process(
        """
import sys, time
from memopt.advisor.watch import Watch
told = []
sys.unraisablehook = lambda what: told.append(what.exc_type)
watch = Watch(lambda: 1 / 0, 0.001, lambda caller: None)
watch.start()
while not told:
    time.sleep(0.001)
watch.stop()
print(told == [ZeroDivisionError])
"""
    )
    assert said == "True\n"


COUNTS = """
import os, sys, time
threads = []
if sys.platform == "linux":
    # The last of those that are called: it was registered first.
    count = lambda: threads.append(len(os.listdir("/proc/self/task")))
    os.register_at_fork(before=count)
from memopt.advisor.watch import Watch

def fork():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
"""


@needs_fork
def test_no_thread_during_a_fork_and_one_after_it() -> None:
    said = run_in_fresh_process(
        COUNTS
        + """
looks = []
watch = Watch(lambda: looks.append(1), 0.001, lambda caller: None)
watch.start()
for i in range(50):
    fork()
    while len(looks) <= i:
        time.sleep(0.001)
for _ in range(50):  # in the time that the thread takes to begin
    fork()
watch.stop()
fork()
count = len(looks)
time.sleep(0.01)
print(set(threads) <= {1}, len(looks) == count)
"""
    )
    assert said == "True True\n"


@needs_fork
def test_looks_however_often_the_program_forks() -> None:
    said = run_in_fresh_process(
        COUNTS
        + """
looks = []
watch = Watch(lambda: looks.append(1), 0.05, lambda caller: None)
watch.start()
while len(looks) < 3:
    fork()
print("looked")
"""
    )
    assert said == "looked\n"


@needs_fork
def test_python_does_not_warn_of_threads(tmp_path: Path) -> None:
    said = run_in_fresh_process(
        COUNTS
        + """
import warnings
warned = []
warnings.simplefilter("always")
warnings.showwarning = lambda message, *where, **how: warned.append(str(message))
looks = []
watch = Watch(lambda: looks.append(1), 0.001, lambda caller: None)
watch.start()
for i in range(50):
    fork()
    while len(looks) <= i:
        time.sleep(0.001)
watch.stop()
print(warned)
"""
    )
    assert said == "[]\n"


@needs_fork
def test_what_a_handler_raises_during_a_fork_is_raised_after_it() -> None:
    said = run_in_fresh_process(
        """
import os, signal, threading, time
from memopt.advisor.watch import Watch
class Alarm(Exception):
    pass
def handle(number, frame):
    raise Alarm
signal.signal(signal.SIGUSR1, handle)
looking = threading.Event()
def look():
    looking.set()
    time.sleep(0.1)
hurried = []
def hurry(caller):  # while that is within os.fork()
    hurried.append(1)
    if len(hurried) == 1:
        signal.pthread_kill(caller, signal.SIGUSR1)
watch = Watch(look, 0.001, hurry)
watch.start()
looking.wait()
main = os.getpid()
try:
    pid = os.fork()
    if os.getpid() != main:
        os._exit(0)
    print("not raised")
except Alarm:
    os.write(1, b"raised\\n" if os.getpid() == main else b"raised in the child\\n")
looking.clear()
looking.wait()
os.wait()
"""
    )
    assert said == "raised\n"


TRIPS = """
import ctypes, functools, os, signal, sys, threading
main = threading.main_thread().ident
told, handled = [], []
sys.unraisablehook = told.append
class Alarm(Exception):
    pass
def handle(number, frame):
    handled.append(frame.f_code.co_name)
    raise Alarm
signal.signal(signal.SIGUSR1, handle)
# As if the signal came, but unlike os.kill() and others without a call of its handler.
come = functools.partial(ctypes.pythonapi.PyErr_SetInterruptEx, signal.SIGUSR1)
"""

FORKS = """
def fork():
    pid = os.fork()
    if not pid:
        try:
            {in_child}
        finally:
            os._exit(0)
    return pid

def fork_often():
    raised = 0
    for _ in range(20):
        try:
            fork()
        except Alarm:
            raised += 1
        status = os.wait()[1]
        assert status == 0, status
    return raised
"""


@needs_fork
@pytest.mark.parametrize("when", ["before", "after_in_parent"])
def test_no_handler_is_called_within_what_forks(when: str) -> None:
    """A signal that came as what fork calls of ours begins: its handler waits."""
    said = run_in_fresh_process(
        TRIPS
        + """
when = sys.argv[1]
if when == "after_in_parent":  # the first is called first
    os.register_at_fork(after_in_parent=come)
from memopt.advisor.watch import Watch
if when == "before":  # the last is
    os.register_at_fork(before=come)
"""
        + FORKS.format(in_child="pass")
        + """
watch = Watch(lambda: None, 0.001, lambda caller: None)
watch.start()
print(fork_often(), len(handled), set(handled), told)
watch.stop()
""",
        when,
    )
    assert said == "20 20 {'fork'} []\n"


@needs_fork
def test_no_handler_is_called_within_what_forks_in_the_child() -> None:
    said = run_in_fresh_process(
        TRIPS
        + """
os.register_at_fork(after_in_child=come)
from memopt.advisor.watch import Watch, running
"""
        + FORKS.format(in_child="os._exit(1)")
        + """
watch = Watch(lambda: None, 0.001, lambda caller: None)
watch.start()
for _ in range(20):
    try:
        child = 0
        child = fork()
    except Alarm:
        os._exit(2 + bool(told or running or handled != ["fork"]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
watch.stop()
print(told, handled)
"""
    )
    assert said == "[] []\n"


@needs_fork
def test_a_script_gets_what_its_handlers_raise_as_it_forks(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        TRIPS
        + "os.register_at_fork(before=come)\n"
        + FORKS.format(in_child="pass")
        + "print(fork_often(), len(handled), set(handled), told)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "memopt", "advise", script],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "20 20 {'fork'} []\n"
    assert "ignored" not in done.stderr
    assert done.returncode == 0


@needs_fork
@not_with_asan  # whose locks stay held in a child of several threads
def test_threads_that_fork_at_once() -> None:
    said = run_in_fresh_process(
        WAITS
        + """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from memopt.advisor.watch import Watch
looks = []
watch = Watch(lambda: looks.append(1), 0.0001, lambda caller: None)
sys.setswitchinterval(1e-6)

def forks():
    for _ in range(100):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)

watch.start()
threads = [threading.Thread(target=forks) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
wait_for_a_look(looks)
watch.stop()
print(watch._lives.locked())
"""
    )
    assert said == "False\n"


@needs_fork
def test_a_child_does_not_begin_what_its_parent_was_asked_to() -> None:
    """What was asked before it forked the child does first, in threading's hook."""
    said = run_in_fresh_process(
        """
import operator, os
from memopt.advisor import watch as module
watch = module.Watch(lambda: None, 0.001, lambda caller: None)
watch.start()
did = []
def noted(act):
    def note(*arguments):
        did.append(os.getpid())
        return act(*arguments)
    return note
watch.begin, watch.end = noted(watch.begin), noted(watch.end)
# Within one call, so that nothing is done between these.
pid = list(map(operator.call, [module._begin_soon, os.fork]))[1]
if not pid:
    os._exit(os.getpid() in did or len(module.running))
assert did
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
watch.stop()
"""
    )
    assert said == "0\n"


@needs_fork
def test_one_that_is_stopped_while_another_thread_forks() -> None:
    """It has ended, though what follows a fork began it once more."""
    said = run_in_fresh_process(
        """
from memopt.advisor import watch as module
watch = module.Watch(lambda: None, 0.001, lambda caller: None)
begin = watch.begin
watch.start()
def begin_late():
    module.running.remove(watch)
    watch.end(0)
    begin()
watch.begin = begin_late
module._begin_all(module.running, 0)
print(watch._lives.locked(), watch.is_ending)
"""
    )
    assert said == "False True\n"


@needs_fork
def test_finalizers_that_want_a_lock_of_who_forks(tmp_path: Path) -> None:
    """The collector runs none of them in a thread that the fork waits for."""
    script = tmp_path / "script.py"
    script.write_text(
        """
import faulthandler, gc, os, threading
faulthandler.dump_traceback_later(120, exit=True)
lock = threading.RLock()

class Cycle:
    def __init__(self):
        self.cycle = self
    def __del__(self):
        with lock:
            gone.append(1)

gone = []
for i in range(100):
    with lock:
        for _ in range(i):
            Cycle()
        pid = os.fork()
        if not pid:
            os._exit(not gc.isenabled())
        assert os.waitpid(pid, 0)[1] == 0
gc.collect()
print(len(gone), gc.isenabled())
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "memopt", "advise", script],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("4950 True\n", 0), done.stderr


@needs_fork
def test_a_fork_does_not_wait_for_ever() -> None:
    """Nor does what it did not wait for end what was begun after it."""
    said = run_in_fresh_process(
        WAITS
        + """
import threading
from memopt import _memopt
from memopt.advisor import watch as module
looks, lock, looking = [], threading.Lock(), threading.Event()
def look():
    looking.set()
    with lock:  # as a finalizer might
        looks.append(1)
watch = module.Watch(look, 0.001, lambda caller: None)
with lock:
    watch.start()
    looking.wait()
    start = module._start_thread
    module._forks.append(None)
    print(_memopt._elsewhere(start, 0.2, module._end_all, module.running))
    module._forks.pop()
    module._begin_soon()
while watch.is_ending:  # the one that was told to
    time.sleep(0.001)
for _ in range(3):
    wait_for_a_look(looks)
watch.stop()
print(watch._lives.locked())
"""
    )
    assert said == "False\nFalse\n"


class TestElsewhere:
    """``_memopt._elsewhere``: a call in a thread of its own."""

    def test_who_calls_and_who_is_called(self) -> None:
        items = [1, 2]
        seen: list[tuple[Any, ...]] = []
        did = _elsewhere(
            lambda *called: seen.append((*called, threading.get_ident())), items
        )
        assert did is True
        ((got, caller, callee),) = seen
        assert got is items
        assert caller == threading.get_ident() != callee

    def test_nothing_to_do(self) -> None:
        assert _elsewhere(lambda *called: 1 / 0, [])

    def test_nobody_to_forget(self) -> None:
        for act in (gc.disable, gc.enable):
            act()
            _memopt._forget_waiting()
            assert gc.isenabled() == (act is gc.enable)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells its threads")
    def test_thread_is_gone(self) -> None:
        ids: list[int] = []
        for _ in range(200):
            _elsewhere(lambda *_: ids.append(threading.get_native_id()), [1])
            assert not os.path.exists(f"/proc/self/task/{ids[-1]}")

    def test_what_it_raises_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told = []
        monkeypatch.setattr(
            sys, "unraisablehook", lambda what: told.append(what.exc_type)
        )
        _elsewhere(lambda *called: 1 / 0, [1])
        assert told == [ZeroDivisionError]

    @pytest.mark.parametrize("enabled", [True, False])
    def test_collector_is_off_meanwhile(self, enabled: bool) -> None:
        seen: list[bool] = []

        def again(items: list[int], caller: int) -> None:
            seen.append(gc.isenabled())
            _elsewhere(lambda *called: None, items)
            seen.append(gc.isenabled())

        before = gc.isenabled()
        (gc.enable if enabled else gc.disable)()
        try:
            _elsewhere(again, [1])
            assert seen == [False, False]
            assert gc.isenabled() == enabled
        finally:
            (gc.enable if before else gc.disable)()

    @needs_fork
    def test_collector_is_on_in_a_child_that_another_forks(self) -> None:
        said = run_in_fresh_process(
            """
import gc, os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from memopt.advisor.watch import _elsewhere
def fork(items, caller):
    pid = os.fork()
    if not pid:
        os._exit(not gc.isenabled())
    items[0] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
items = [None]
_elsewhere(fork, items)
print(items)
"""
        )
        assert said == "[0]\n"

    def test_not_longer_than_that(self) -> None:
        go, gone = threading.Event(), threading.Event()

        def wait(items: list[int], caller: int) -> None:
            go.wait(SOON)
            gone.set()

        start = _thread.start_new_thread
        assert not _memopt._elsewhere(start, 0.01, wait, [1])
        assert not gone.is_set()
        go.set()
        assert gone.wait(SOON)

    @pytest.mark.skipif(sys.platform != "linux", reason="others refuse the size itself")
    def test_no_more_threads(self) -> None:
        """As many bytes of stack as no machine has."""
        size = threading.stack_size(1 << 46)
        try:
            assert not _elsewhere(lambda *called: 1 / 0, [1])
        finally:
            threading.stack_size(size)

    def test_no_memory(self) -> None:
        """That is told, or the thread could not start."""
        pytest.importorskip("_testcapi", reason="needs CPython's allocation hooks")
        if free_threaded:
            pytest.skip("free-threaded CPython 3.13 itself crashes without memory")
        said = run_in_fresh_process(
            """
import sys
import _testcapi
from memopt.advisor.watch import _elsewhere
told, called, answers = [], [], []
sys.unraisablehook = lambda what: told.append(what.exc_type)
act = lambda items, caller: called.append(1)
for nth in range(60):
    told.clear(), called.clear(), answers.clear()
    try:
        _testcapi.set_nomemory(nth, nth + 1)
        answers.append(_elsewhere(act, [1]))
    except MemoryError:
        answers.append(None)  # not from it: for its arguments
    finally:
        _testcapi.remove_mem_hooks()
    assert bool(called) or told or answers != [True], (nth, told, called, answers)
print(called, told)
"""
        )
        assert said == "[1] []\n"

    def test_wrong_arguments(self) -> None:
        with pytest.raises(TypeError):
            _elsewhere(print, (1,))  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            _memopt._wait_for_thread("1")  # type: ignore[arg-type]
        with pytest.raises(OverflowError):
            _memopt._wait_for_thread(-1)


@needs_fork
def test_no_more_threads_after_a_fork() -> None:
    said = run_in_fresh_process(
        COUNTS
        + """
from memopt.advisor import watch as module
watch = Watch(lambda: None, 0.001, lambda caller: None)
watch.start()
def refuse(*arguments):
    raise RuntimeError("can't start new thread")
start, module._start_thread = module._start_thread, refuse
fork()
module._start_thread = start
fork()
print(watch._lives.locked())
"""
    )
    assert said == "True\n"


def test_one_that_is_not_stopped_ends_with_python() -> None:
    said = run_in_fresh_process(
        """
import atexit
from memopt.advisor.watch import Watch, running
atexit.register(lambda: print(running, watch._lives.locked()))
watch = Watch(lambda: None, 0.001, lambda caller: None)
watch.start()
"""
    )
    assert said == "[] False\n"
