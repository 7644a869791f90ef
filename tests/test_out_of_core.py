"""Sums of more than memory holds, and the progress of long ones."""

import ctypes
import itertools
import math
import signal
import sys
import tracemalloc
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from support import not_with_asan, run_in_fresh_process

from memopt import ExactSum, FloatMatrix, fsum

STEP = 1 << 22  # numbers from one report to the next
Reports = list[tuple[int, int | None]]


@pytest.fixture
def reports() -> Reports:
    return []


def listen(reports: Reports) -> Callable[[int, int | None], None]:
    return lambda done, total: reports.append((done, total))


# --- memory -----------------------------------------------------------------

CAP = """
import resource, sys
import numpy as np
from memopt import ExactSum, fsum
fsum(np.zeros(200_000), threads=2)
grown = 64 << 20
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[5])
resource.setrlimit(resource.RLIMIT_DATA, [pages * 4096 + grown] * 2)
try:
    np.ones(2 * grown)
except MemoryError:
    pass
else:
    raise AssertionError("no limit")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_memory_map_larger_than_memory(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    path = tmp_path / "large.npy"
    code = (
        CAP
        + """
n = 1 << 25  # 256 MB, four times what may be allocated
a = np.lib.format.open_memmap(sys.argv[1], "w+", "<f8", (1 << 12, n >> 12))
a[0, 0], a[7, 9], a[-1, -1] = 1e100, 3.25, -1e100
del a
a = np.load(sys.argv[1], mmap_mode="r")
for view in (a, a.T, a[::-1], a[:, ::-1]):
    print(fsum(view), fsum(view, threads=2))
total = ExactSum()
total.update(a)
print(total.value, total.count)
"""
    )
    lines = run_in_fresh_process(code, str(path)).splitlines()
    assert lines == ["3.25 3.25"] * 4 + [f"3.25 {1 << 25}"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@not_with_asan
def test_an_iterable_of_chunks_larger_than_memory() -> None:
    pytest.importorskip("numpy")
    code = (
        CAP
        + """
def chunks(n):
    for i in range(n):
        yield np.full(1 << 20, i + 0.1)  # 8 MB
print(fsum(chunks(20)), fsum(chunk.tolist()[:1000] for chunk in chunks(20)))
"""
    )
    exact = sum((Fraction(i + 0.1) for i in range(20)), Fraction(0))
    sums = [float(x) for x in run_in_fresh_process(code).split()]
    assert sums == [float(exact * 2**20), float(exact * 1000)]


def test_chunks_take_constant_memory() -> None:
    def chunks(n: int) -> Iterator[Any]:
        for i in range(n):
            yield array("d", [i + 0.1]) * 10_000

    def peak(n: int) -> int:
        tracemalloc.start()
        try:
            total = fsum(chunks(n))
            assert total == math.fsum(x for i in range(n) for x in [i + 0.1] * 10_000)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20) < peak(5) + 10_000


def test_chunks_of_any_kind() -> None:
    chunks: list[Any] = [
        *([0.5, 1], (2.0,), array("d", [3.0]), array("f", [0.25]), array("b", [-1])),
        *(FloatMatrix([[4.0, 5.0]]), ExactSum([6.0]), range(3), iter([7.0]), 8),
    ]
    assert fsum(iter(chunks)) == 38.75
    assert fsum(chunk for chunk in [array("d", [1e308]), [1e308], (-1e308,)]) == 1e308


# --- progress ---------------------------------------------------------------


def test_progress_of_a_buffer(reports: Reports) -> None:
    n = 2 * STEP + 7
    assert fsum(bytes(n), progress=listen(reports)) == 0.0
    assert reports == [(STEP, n), (2 * STEP, n), (n, n)]
    reports.clear()
    small = array("d", [1.0, 2.0])
    assert fsum(small, progress=listen(reports), threads=2) == 3.0
    assert reports == [(2, 2)]
    reports.clear()
    assert fsum(array("d"), progress=listen(reports)) == 0.0
    assert reports == [(0, 0)]


def test_progress_of_an_iterable(reports: Reports) -> None:
    n = STEP + 5000
    assert fsum([0.5] * n, progress=listen(reports)) == n / 2
    done = [d for d, _ in reports]
    assert [t for _, t in reports] == [None] * len(reports)
    assert len(done) == 2
    assert STEP <= done[0] < STEP + 4096
    assert done[1] == n
    for obj in ([1.0, 2.0], iter([1.0, 2.0]), [[1.0], [2.0]], [array("d", [1.0, 2.0])]):
        reports.clear()
        assert fsum(obj, progress=listen(reports)) == 3.0
        assert reports == [(2, None)]


def test_progress_of_chunks(reports: Reports) -> None:
    chunk = bytes(STEP // 2 + 1)
    views = [memoryview(chunk)] * 5
    assert fsum(views, progress=listen(reports)) == 0.0
    size = len(chunk)
    assert reports == [(2 * size, None), (4 * size, None), (5 * size, None)]


def test_none_is_no_callback() -> None:
    assert fsum([1.0], progress=None) == 1.0


@pytest.mark.parametrize("bad", [1, "x", [print]])
def test_progress_must_be_callable(bad: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^progress must be callable or None, not (int|str|list)$"
    ):
        fsum([1.0], progress=bad)


class StopError(Exception):
    pass


def test_a_callback_that_raises_stops_the_sum() -> None:
    def stop(done: int, total: int | None) -> None:
        calls.append(done)
        raise StopError

    def count() -> Iterator[float]:
        for i in range(2 * STEP):
            read[0] = i + 1
            yield 0.5

    for make in (lambda: bytearray(3 * STEP), lambda: [0.5] * (2 * STEP)):
        calls: list[int] = []
        obj: Any = make()
        with pytest.raises(StopError):
            fsum(obj, progress=stop)
        assert len(calls) == 1
        assert calls[0] < 2 * STEP
        obj.append(0)  # nothing holds it
    calls, read = [], [0]
    with pytest.raises(StopError):
        fsum(count(), progress=stop)
    assert calls == [read[0]] == [STEP]
    with pytest.raises(StopError):
        fsum([], progress=stop)


def test_a_callback_may_do_anything() -> None:
    """Sum something else, shorten or drop the list that is being read."""
    values: list[Any] = [0.5] * (STEP + 100_000)

    def meddle(done: int, total: int | None) -> None:
        assert fsum([1.0] * 1000, progress=lambda *_: None) == 1000.0
        del values[:]
        sums.append(done)

    sums: list[int] = []
    assert fsum(values, progress=meddle) == sums[0] / 2
    assert sums[0] == sums[1]

    buffer = bytearray(2 * STEP)

    def resize(done: int, total: int | None) -> None:
        with pytest.raises(BufferError):
            buffer.append(1)

    assert fsum(memoryview(buffer), progress=resize) == 0.0


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a POSIX signal")
def test_an_interrupt_stops_a_long_sum() -> None:
    def interrupted(*_: Any) -> None:
        raise StopError

    before = signal.signal(signal.SIGALRM, interrupted)
    endless = (ctypes.c_double * (1 << 17))()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(StopError):
            fsum(itertools.repeat(endless))  # for ever, were it not for that
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
