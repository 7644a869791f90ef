"""What the main thread is asked to do between two instructions of a program's."""

from __future__ import annotations

import operator
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support import run_in_fresh_process

from memopt import _memopt
from memopt.advisor.errand import Errand, block_signals

SOON = 60.0  # seconds, however slow the machine is


class Sender(threading.Thread):
    """Sends one, and says whether it was done."""

    def __init__(self, do: Callable[[], Any], patience: float = SOON) -> None:
        super().__init__()
        self.errand = Errand(do)
        self.patience = patience
        self.done: bool | None = None

    def run(self) -> None:
        block_signals()
        self.done = self.errand.send(self.patience)


def run_until_over(sender: Sender) -> None:
    """A program: the main thread has something else to do."""
    sender.start()
    while sender.is_alive():
        sum(range(100))


def test_main_thread_does_it() -> None:
    sender = Sender(lambda: (threading.get_ident(), time.sleep(0.01)))
    run_until_over(sender)
    assert sender.done
    assert sender.errand.result == (threading.get_ident(), None)
    assert sender.errand.seconds >= 0.01


def test_what_it_raises_is_not_the_programs() -> None:
    sender = Sender(lambda: 1 / 0)
    run_until_over(sender)
    assert sender.done
    assert sender.errand.result is None


def test_an_interrupt_is() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    sender = Sender(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_until_over(sender)
    sender.join()
    assert sender.done


def test_within_a_long_call_it_is_given_up() -> None:
    did: list[int] = []
    begin, over = threading.Lock(), threading.Lock()
    errand = Errand(lambda: did.append(1))
    answers: list[bool] = []

    def send() -> None:
        begin.acquire()
        answers.append(errand.send(0.01))
        over.release()

    begin.acquire()
    over.acquire()
    thread = threading.Thread(target=send)
    thread.start()
    # All of them in one call, that of list.
    list(map(operator.call, [begin.release, over.acquire]))
    thread.join()
    assert answers == [False]
    assert did == []


@pytest.mark.parametrize("patience", [SOON, -1])
def test_at_the_end_it_is_not_waited_for(patience: float) -> None:
    did: list[int] = []
    sender = Sender(lambda: did.append(1), patience)
    sender.errand.cancel(threading.get_ident())
    run_until_over(sender)
    sum(range(100))
    assert did == []
    assert sender.errand.result is None


@pytest.mark.parametrize("patience", [0.01, -1])
def test_at_the_end_one_that_was_interrupted_is_not_waited_for(
    patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between having begun and being able to say that it is over."""
    sender = Sender(lambda: 1, patience)
    begun, ask = threading.Lock(), _memopt._ask_main_thread
    begun.acquire()

    def interrupt() -> None:
        begun.release()
        raise KeyboardInterrupt

    def ask_patiently(run: Callable[[], object]) -> bool:
        return ask(run) and begun.acquire(timeout=SOON)

    sender.errand._do_it = interrupt  # type: ignore[method-assign]
    monkeypatch.setattr(_memopt, "_ask_main_thread", ask_patiently)
    with pytest.raises(KeyboardInterrupt):
        run_until_over(sender)
    sender.errand.cancel(threading.get_ident())
    sender.join(SOON)
    assert not sender.is_alive()
    assert sender.errand.result is None


def test_another_thread_does_not_cancel_what_is_done_just_now() -> None:
    """Who forks, say; one that is not begun it does cancel."""

    def cancel() -> int:
        cancel = sender.errand.cancel
        thread = threading.Thread(target=lambda: cancel(threading.get_ident()))
        thread.start()
        thread.join()
        return 1

    sender = Sender(cancel)
    run_until_over(sender)
    assert sender.done
    assert sender.errand.result == 1
    sender = Sender(lambda: 1)
    cancel()
    run_until_over(sender)
    assert sender.errand.result is None


def test_cancelling_what_is_over() -> None:
    sender = Sender(lambda: 1)
    run_until_over(sender)
    sender.errand.cancel(threading.get_ident())
    sender.errand.cancel(threading.get_ident())
    assert sender.errand.result == 1


def test_a_child_of_fork_does_not_do_it() -> None:
    did = []
    sender = Sender(lambda: did.append(1), 0.01)
    sender.errand._process = -1
    run_until_over(sender)
    assert not sender.done
    assert did == []


def test_too_much_is_asked() -> None:
    """What is asked within one call is done after it, and there is an end to it."""
    did: list[int] = []
    asked = list(map(_memopt._ask_main_thread, [lambda: did.append(1)] * 10_000))
    sum(range(100))
    assert len(did) == asked.count(True)
    assert asked.count(False) > 0


def test_when_nothing_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        _ask_main_thread = staticmethod(lambda do: False)

    monkeypatch.setattr("memopt.advisor.errand._memopt", Full)
    assert not Errand(lambda: 1).send(SOON)


@pytest.mark.parametrize("how", ["settrace", "setprofile"])
def test_no_tracer_sees_it(how: str) -> None:
    run_in_fresh_process(
        """
import sys, threading
from memopt.advisor.errand import Errand
seen = []
def see(frame, event, argument):
    if event == "call":
        seen.append(frame.f_code.co_name)
def do():
    return program()
def program():
    return 1
errand = Errand(do)
sender = threading.Thread(target=errand.send, args=(60.0,))
set_it = getattr(sys, sys.argv[1])
set_it(see)
sender.start()
while sender.is_alive():
    pass
program()
set_it(None)
assert errand.result == 1
assert "do" not in seen
assert seen.count("program") == 1
assert "is_alive" in seen
""",
        how,
    )


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="Windows has no signals but of Ctrl-C"
)
def test_signals_wait() -> None:
    # Not here: a thread of a library's own, which blocks none, would take them.
    run_in_fresh_process(
        """
import signal, threading, time
from memopt.advisor.errand import Errand, block_signals
came, during = [], []
def do():
    came.append("errand")
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    deadline = time.perf_counter() + 0.05
    while time.perf_counter() < deadline:
        during.append(len(came))
errand = Errand(do)
def send():
    block_signals()
    errand.send(60.0)
signal.signal(signal.SIGALRM, lambda *_: came.append("handler"))
mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
sender = threading.Thread(target=send)
sender.start()
while sender.is_alive():
    sum(range(100))
assert came == ["errand", "handler"], came
assert set(during) == {1}
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
"""
    )


@pytest.mark.skipif(
    not hasattr(signal, "pthread_sigmask"), reason="Windows has no masks of signals"
)
def test_signals_wait_but_for_faults() -> None:
    sender = Sender(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    run_until_over(sender)
    blocked = sender.errand.result or set()
    assert signal.SIGINT in blocked
    assert signal.SIGALRM in blocked
    assert signal.SIGSEGV not in blocked
