"""A thread beside the program's own, which the program does not notice.

``threading`` does not know of it: a program may wait until it has no other thread.
And there is none while the program forks: CPython 3.12 warns of those, as what they
have locked stays so in the child.

What forks runs no Python code of ours meanwhile, but has another thread do so: a
handler of a signal, which may raise, would be called within it, and CPython only
prints what the functions that fork calls raise.  The collector does not run then: the
program's finalizers may want what locks the thread that forks holds.
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
from memopt.advisor.errand import block_signals

# CPython's own, whatever the program puts in its place.
_start_thread = _thread.start_new_thread

# How long what is to end may take until it is told again, in seconds.
_PATIENCE = 0.1

# How long a fork may take for it, in seconds: far more than a look takes, but that one
# may wait, in a finalizer, for a lock of the thread that forks.
_FORK_PATIENCE = 10.0


class Watch:
    """Has a thread call ``look`` every so many seconds.

    ``hurry`` is called, with the thread that waits for its end, if it is to end, as
    it may be waiting for something.
    """

    def __init__(
        self, look: Callable[[], None], interval: float, hurry: Callable[[int], None]
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
        self.end(threading.get_ident())

    def begin(self) -> None:
        """Start the thread, unless it runs."""
        self._ending.clear()
        self._begun.clear()
        _start_thread(self._run, ())
        self._begun.wait()

    def end(self, caller: int) -> None:
        """Have the thread end, and ``caller`` wait until it has."""
        if caller == self._ids[0]:  # the program's, run by the collector
            return
        while self._lives_on(caller):
            pass
        _memopt._wait_for_thread(self._ids[1])

    def _lives_on(self, caller: int) -> bool:
        """Whether it does, though told to end: another fork may have begun it."""
        self._ending.set()
        self._hurry(caller)
        has_ended = self._lives.acquire(timeout=_PATIENCE)
        if has_ended:
            self._lives.release()
        return not has_ended

    def _run(self) -> None:
        if not self._lives.acquire(blocking=False):
            self._begun.set()
            return
        try:
            block_signals()
            self._ids = threading.get_ident(), threading.get_native_id()
            self._begun.set()  # from here on the collector may run
            self._look_on()
        finally:
            self._ids = (0, self._ids[1])
            self._begun.set()
            self._lives.release()

    def _look_on(self) -> None:
        while not self._ending.wait(max(0.0, self._due - time.perf_counter())):
            self._look()
            self._due = time.perf_counter() + self._interval


# What is known to the functions that fork calls, which cannot be taken back.
running: list[Watch] = []
_forks: list[None] = []  # going on


def _end_all(watches: list[Watch], caller: int) -> None:
    for watch in tuple(watches):
        watch.end(caller)
    if not _forks:  # none has waited for it
        _begin_all(watches, caller)


def _begin_all(watches: list[Watch], caller: int) -> None:
    """Unless one forks: a child, until it forgets all, has what was asked before."""
    # There may be no more threads: what is missed then, the report says.
    with contextlib.suppress(RuntimeError):
        for watch in tuple(watches):
            if not _forks:
                watch.begin()
                if _forks or watch not in watches:  # by now
                    watch.end(caller)


_elsewhere = functools.partial(_memopt._elsewhere, _start_thread, _FORK_PATIENCE)

# Once os.fork() has returned: from CPython 3.13 on it counts threads at its very end.
_begin_soon = functools.partial(
    _memopt._ask_main_thread, functools.partial(_elsewhere, _begin_all, running)
)

if hasattr(os, "register_at_fork"):
    # None is a function in Python.  Of the first, the last is called first.
    os.register_at_fork(
        before=functools.partial(_elsewhere, _end_all, running),
        after_in_parent=functools.partial(_forks.__delitem__, slice(-1, None)),
        after_in_child=running.clear,
    )
    os.register_at_fork(
        before=functools.partial(_forks.append, None),
        after_in_parent=_begin_soon,
        after_in_child=_forks.clear,
    )
    os.register_at_fork(after_in_child=_memopt._forget_waiting)
