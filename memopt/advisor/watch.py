"""A thread beside the program's own, which the program does not notice.

``threading`` does not know of it: a program may wait until it has no other thread.
And there is none while the program forks: CPython 3.12 warns of those, as what they
have locked stays so in the child.
"""

import _thread
import atexit
import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable

from memopt import _memopt
from memopt.advisor.errand import block_signals, no_signals

# A folder for each thread of the process, on Linux.
_TASKS = "/proc/self/task"


class Watch:
    """Has a thread call ``look`` every so many seconds.

    ``hurry`` is called if it is to end, as it may be waiting for something.
    """

    def __init__(
        self, look: Callable[[], None], interval: float, hurry: Callable[[], None]
    ) -> None:
        self._look = look
        self._interval = interval
        self._hurry = hurry
        self._due = 0.0  # when to look next, however often the program forks
        self._ending = threading.Event()
        self._begun = threading.Event()
        self._lives = threading.Lock()  # held by the thread
        self._ids = (0, 0)  # its own, for Python and for the system

    @property
    def is_ending(self) -> bool:
        """Whether the thread is to end now; after a fork it begins again."""
        return self._ending.is_set()

    def start(self) -> None:
        self._due = time.perf_counter() + self._interval
        self.begin()
        running.append(self)
        atexit.register(self.stop)  # or the interpreter would end it anywhere

    def stop(self) -> None:
        """Wait for the thread, which may have ended before."""
        atexit.unregister(self.stop)
        if self in running:
            running.remove(self)
        self.end()

    def begin(self) -> None:
        """Start the thread, unless it runs."""
        self._ending.clear()
        self._begun.clear()
        _thread.start_new_thread(self._run, ())
        self._begun.wait()

    def end(self) -> None:
        """Have the thread end, and wait until it has."""
        self._ending.set()
        ident, native_id = self._ids
        if threading.get_ident() == ident:  # the program's, run by the collector
            return
        self._hurry()
        with self._lives:
            pass
        _wait_for_system(native_id)

    def _run(self) -> None:
        is_alone = self._lives.acquire(blocking=False)
        if is_alone:
            self._ids = threading.get_ident(), threading.get_native_id()
        self._begun.set()
        if is_alone:
            try:
                self._look_on()
            finally:
                self._ids = (0, self._ids[1])
                self._lives.release()

    def _look_on(self) -> None:
        block_signals()
        while not self._ending.wait(max(0.0, self._due - time.perf_counter())):
            self._look()
            self._due = time.perf_counter() + self._interval


def _wait_for_system(native_id: int) -> None:
    """Until it has no such thread either: those it has are what CPython counts.

    That takes microseconds; not much longer, if the number is another's by now.
    """
    for _ in range(1000):
        if not os.path.exists(f"{_TASKS}/{native_id}"):
            break
        time.sleep(1e-4)


# What is known to the functions that fork calls, which cannot be taken back.
running: list[Watch] = []
_forks = 0  # going on
_raised: list[BaseException] = []
_TRIES = 100  # as many signals as may come meanwhile


def _undisturbed(act: Callable[[Watch], None]) -> None:
    """Do it with all; what handlers of the program's signals raise is for later.

    CPython would only print what the functions that fork calls raise.
    """
    for watch in tuple(running):
        for _ in range(_TRIES):
            try:
                with no_signals():
                    act(watch)
                break
            except BaseException as error:
                _raised.append(error)


def _begin(watch: Watch) -> None:
    # There may be no more threads: what is missed then, the report says.
    with contextlib.suppress(RuntimeError):
        watch.begin()


def _before_fork() -> None:
    global _forks
    _forks += 1
    _undisturbed(Watch.end)


def _after_in_parent() -> None:
    global _forks
    _forks = max(0, _forks - 1)
    if not _forks:
        _undisturbed(_begin)


def _after_in_child() -> None:
    global _forks
    _forks = 0
    running.clear()
    _raised.clear()


def _raise() -> None:
    """What has been raised, now that the program is between two instructions again."""
    if _raised:
        raise _raised.pop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_child,
    )
    # The last of ours, and no function in Python, within which it would be raised.
    os.register_at_fork(
        after_in_parent=functools.partial(_memopt._ask_main_thread, _raise)
    )
