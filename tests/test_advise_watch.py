"""The thread beside a program, which is not there while that forks."""

from __future__ import annotations

import os
import threading
import time

import pytest
from support import run_in_fresh_process

from memopt.advisor.watch import Watch, running

SOON = 60.0  # seconds, however slow the machine is

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Looks:
    """Counts the looks of a watch."""

    def __init__(self, interval: float = 0.001) -> None:
        self.count = 0
        self.threads: set[int] = set()
        self.watch = Watch(self.look, interval, lambda: None)

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
watch = Watch(lambda: 1 / 0, 0.001, lambda: None)
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
watch = Watch(lambda: looks.append(1), 0.001, lambda: None)
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
watch = Watch(lambda: looks.append(1), 0.05, lambda: None)
watch.start()
while len(looks) < 3:
    fork()
print("looked")
"""
    )
    assert said == "looked\n"


@needs_fork
def test_what_a_handler_raises_during_a_fork_is_raised_after_it() -> None:
    said = run_in_fresh_process(
        COUNTS
        + """
import signal, threading
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
def hurry():  # in the main thread, within os.fork()
    hurried.append(1)
    if len(hurried) == 1:
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
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
print(set(threads) <= {1})
"""
    )
    assert said == "raised\nTrue\n"


@needs_fork
def test_no_more_threads_after_a_fork() -> None:
    said = run_in_fresh_process(
        COUNTS
        + """
import _thread
watch = Watch(lambda: None, 0.001, lambda: None)
watch.start()
def refuse(*arguments):
    raise RuntimeError("can't start new thread")
start, _thread.start_new_thread = _thread.start_new_thread, refuse
fork()
_thread.start_new_thread = start
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
watch = Watch(lambda: None, 0.001, lambda: None)
watch.start()
"""
    )
    assert said == "[] False\n"
