"""Sums in several threads: the same bits for every number, and no harm done."""

import math
import os
import random
import sys
import threading
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from floats import same
from reference import any_sum
from summands import FAMILIES, Family, uniform
from support import fail_each_allocation, run_in_fresh_process

from memopt import ExactSum, FloatMatrix, _memopt, fsum

CHUNK = 2 * 24576  # items that a thread takes at once
SHARE = 16 * CHUNK  # items of a thread that pays
THREADS = (1, 2, 3, 7, 64, 1000, None)


def threads_used(act: Callable[[], Any]) -> int:
    before = _memopt._sum_steps()[-1]
    act()
    return _memopt._sum_steps()[-1] - before


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_any_number_of_threads_gives_the_same_bits(family: Family) -> None:
    values = array("d", family(random.Random(1), 2 * CHUNK + 5))
    expected = any_sum(values)
    for isa in _memopt._isas():
        previous = _memopt._set_isa(isa)
        for threads in THREADS:
            assert same(fsum(values, threads=threads), expected), threads
        total = ExactSum()
        total.update(values, threads=3)
        assert same(total.value, expected)
        _memopt._set_isa(previous)


def test_as_many_threads_run_as_are_asked_for() -> None:
    values = array("d", bytes(8 * 5 * CHUNK))
    matrix = FloatMatrix(memoryview(values).cast("B").cast("d", (5 * 64, CHUNK // 64)))
    acts: list[Callable[[int], Any]] = [
        lambda n: fsum(values, threads=n),
        lambda n: matrix.sum(threads=n),
        lambda n: matrix.sum(axis=1, threads=n),
        lambda n: matrix.mean(threads=n),
    ]
    for act in acts:
        for threads in (1, 2, 3, 5):
            assert threads_used(partial(act, threads)) == threads
    # No more than there are chunks, and no more than 64.
    assert threads_used(lambda: fsum(values, threads=100)) == 5
    many = array("d", bytes(8 * 70 * CHUNK))
    assert threads_used(lambda: fsum(many, threads=10**30)) == 64


def test_none_takes_the_processors_that_there_are_for_large_input_only() -> None:
    small, large = array("d", bytes(8 * CHUNK)), array("d", bytes(8 * 5 * SHARE))
    assert threads_used(lambda: fsum(small)) == 1
    assert threads_used(lambda: fsum(large[: 2 * SHARE - 1])) == 1
    if sys.platform == "linux":
        available = min(5, len(os.sched_getaffinity(0)))
        assert threads_used(lambda: fsum(large)) == available
        assert threads_used(lambda: fsum(large, threads=None)) == available


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_none_heeds_the_affinity_of_the_process() -> None:
    code = """
import os, array
from memopt import _memopt, fsum
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
before = _memopt._sum_steps()[-1]
fsum(array.array("d", bytes(8 << 22)))
print(_memopt._sum_steps()[-1] - before)
"""
    assert run_in_fresh_process(code).split() == ["1"]


@pytest.mark.parametrize("bad", [0, -1, -(10**30)])
def test_too_few_threads(bad: int) -> None:
    for act in (fsum, ExactSum().update, lambda x, **k: FloatMatrix([x]).sum(**k)):
        with pytest.raises(
            ValueError, match=rf"^threads must be at least 1, or None, not {bad}$"
        ):
            act([1.0], threads=bad)


@pytest.mark.parametrize("bad", [1.0, "2", [1]])
def test_threads_of_another_type(bad: Any) -> None:
    for act in (fsum, ExactSum().update, lambda x, **k: FloatMatrix([x]).mean(**k)):
        with pytest.raises(
            TypeError, match=r"^threads must be None or an int, not (float|str|list)$"
        ):
            act([1.0], threads=bad)


def test_other_threads_run_meanwhile() -> None:
    """The main thread counts while a sum of a second or so takes place."""
    numpy = pytest.importorskip("numpy")
    large = numpy.broadcast_to(numpy.float64(0.5), (1 << 14, 1 << 14))
    started, results, counted = threading.Event(), [], 0

    def work() -> None:
        started.set()
        results.append(fsum(large))

    worker = threading.Thread(target=work)
    worker.start()
    started.wait()
    while worker.is_alive():
        counted += 1
    worker.join()
    assert results == [0.5 * large.size]
    assert counted > 1000


def test_many_python_threads_at_once() -> None:
    values = array("d", uniform(random.Random(2), 3 * CHUNK))
    matrix = FloatMatrix(memoryview(values).cast("B").cast("d", (3 * 64, CHUNK // 64)))
    expected, rows = math.fsum(values), matrix.sum(axis=1).tolist()
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(10):
            if fsum(values, threads=2) != expected or matrix.sum(threads=3) != expected:
                wrong.append("sum")
            if matrix.sum(axis=1, threads=2) != rows:
                wrong.append("rows")

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_matrix_does_not_move_while_it_is_summed() -> None:
    """append() from another thread waits for nobody: it is refused, or done."""
    matrix = FloatMatrix.full(300, 1000, 1.0)
    outcomes: list[str] = []
    stop = threading.Event()

    def append() -> None:
        while not stop.is_set() and len(outcomes) < 2000:
            try:
                matrix.append([1.0] * 1000)
                outcomes.append("done")
            except BufferError:
                outcomes.append("refused")

    worker = threading.Thread(target=append)
    worker.start()
    for _ in range(200):
        total = matrix.sum(threads=2)
        assert total % 1000 == 0
        assert 300_000 <= total <= 2_300_000
    stop.set()
    worker.join()
    assert matrix.sum() == 1000.0 * len(matrix)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_sums_too() -> None:
    values = array("d", uniform(random.Random(3), 3 * CHUNK))
    expected = fsum(values, threads=3)
    child = os.fork()
    if child == 0:
        os._exit(0 if fsum(values, threads=3) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_without_memory_for_more_one_thread_does_it() -> None:
    values = array("d", uniform(random.Random(4), 3 * CHUNK))
    expected = math.fsum(values)

    def act(_: None) -> None:
        assert fsum(values, threads=3) == expected

    # The buffer and the result are all that may fail.
    assert fail_each_allocation(lambda: None, act) <= 3
