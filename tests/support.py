"""Tools that several test files need: fresh processes, failing allocations, threads."""

import contextlib
import gc
import itertools
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

not_with_asan = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="AddressSanitizer has an allocator of its own",
)

free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def run_in_fresh_process(code: str, *arguments: str) -> str:
    """Run `code` in a new interpreter; its stdout, or a failure with its stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fail_each_allocation(
    prepare: Callable[[], Any],
    act: Callable[[Any], Any],
    check: Callable[[Any], Any] = lambda subject: None,
    *,
    and_all_later: bool = False,
) -> int:
    """Call act(prepare()) with its 1st, then its 2nd, ... allocation failing.

    With `and_all_later` there is no more memory from then on.
    After each call `check(subject)` says whether the subject is still sound.
    Ends when ten calls in a row meet no MemoryError, which means that there
    are no more allocations to fail, and returns how many calls met one.
    """
    if free_threaded:
        # repr([[1.0, 2.0]]) is enough: lists' memory is freed by another allocator.
        pytest.skip("free-threaded CPython 3.13 itself crashes when allocations fail")
    testcapi = pytest.importorskip(
        "_testcapi", reason="needs CPython's allocation hooks (_testcapi)"
    )
    failures = calm = 0
    for nth in itertools.count(1):
        subject = prepare()
        gc.collect(0)
        # All that CPython's free list of ints has, from 3.14 on: up to 100.
        ints = list(range(10**6, 10**6 + 100))
        raised = False
        testcapi.set_nomemory(nth - 1, 0 if and_all_later else nth)
        try:
            act(subject)
        except MemoryError:
            raised = True
        finally:
            testcapi.remove_mem_hooks()
            del ints
        check(subject)
        failures += raised
        calm = 0 if raised else calm + 1
        if calm == 10:
            return failures
    raise AssertionError("unreachable")


@contextlib.contextmanager
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def run_threads(*targets: Callable[[], None]) -> None:
    """Start all at once; the first exception of any is raised here.

    Under the GIL they take turns as often as CPython can.
    """
    barrier = threading.Barrier(len(targets))
    errors: list[BaseException] = []

    def run(target: Callable[[], None]) -> None:
        try:
            barrier.wait()
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(target,)) for target in targets]
    with switching_often():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
