"""Has the main thread do something, between two instructions of the program's."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from memopt import _memopt

Result = TypeVar("Result")


@contextlib.contextmanager
def no_signals() -> Iterator[None]:
    """Signals wait meanwhile: the handlers, run by the main thread, are the program's.

    Asking for the mask, and setting it, run those that came before, which may raise.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows has only Ctrl-C
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        block_signals()
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Those of a thread's own faults, which faulthandler is to see: none can wait.
_FAULTS = ("SIGSEGV", "SIGFPE", "SIGILL", "SIGBUS")


def block_signals() -> None:
    """Leave signals to other threads, or for later."""
    if hasattr(signal, "pthread_sigmask"):
        faults = {getattr(signal, name) for name in _FAULTS}
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - faults)


class Errand(Generic[Result]):
    """Something that another thread has the main thread do, and waits for.

    That other one is blocked meanwhile.  ``result`` is None if it was not done, or
    raised; ``seconds`` is what it took.
    """

    def __init__(self, do: Callable[[], Result]) -> None:
        self.result: Result | None = None
        self.seconds = 0.0
        self._do = do
        self._process = os.getpid()  # a child of fork has the same to do
        self._claimed = threading.Lock()  # by who does it, or gives it up
        self._over = threading.Lock()
        self._over.acquire()

    def send(self, patience: float) -> bool:
        """Whether the main thread began with it within so many seconds; wait for it."""
        if not _memopt._ask_main_thread(self._run):
            return False
        if self._over.acquire(timeout=patience):
            return True
        if self._claimed.acquire(blocking=False):
            return False
        self._over.acquire()
        return True

    def cancel(self, caller: int) -> None:
        """Not to be waited for any longer, unless the main thread is doing it.

        That is not, if it is the thread ``caller``, for which this is called, but may
        have begun, and been interrupted before it was to say that it is over: an
        interrupt comes despite ``no_signals`` if a thread that Python does not know,
        or Windows, took the signal.
        """
        is_given_up = self._claimed.acquire(blocking=False)
        is_main = caller == threading.main_thread().ident
        if (is_given_up or is_main) and self._over.locked():
            self._over.release()

    def _run(self) -> None:
        if self._process != os.getpid():
            return
        with no_signals():  # or one between these lines would leave the other waiting
            if self._claimed.acquire(blocking=False):
                self._do_it()

    def _do_it(self) -> None:
        begin = time.perf_counter()
        try:
            with contextlib.suppress(Exception):
                self.result = self._do()
        finally:
            self.seconds = time.perf_counter() - begin
            self._over.release()
