"""What a FloatMatrix takes of memory, and what it does when there is none."""

import ctypes
import gc
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from support import fail_each_allocation, run_in_fresh_process

from memopt import FloatMatrix


def traced(make: Callable[[], Any]) -> tuple[int, int]:
    """Bytes held by what make() returns, and the peak while it ran."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        kept = make()
        after, peak = tracemalloc.get_traced_memory()
        del kept
        return after - before, peak - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "itemsize"),
    [
        (lambda: FloatMatrix.zeros(300, 300), 8),
        (lambda: FloatMatrix.zeros(300, 300, "f"), 4),
        (lambda: FloatMatrix.random(300, 300), 8),
        (lambda: FloatMatrix([[0.5] * 300] * 300), 8),
        (lambda: FloatMatrix(iter([[0.5] * 300] * 300)), 8),
        (lambda: FloatMatrix([iter([0.5] * 300)] + [[0.5] * 300] * 299), 8),
        (lambda: FloatMatrix.from_iterable(300, 300, (0.5 for _ in range(90_000))), 8),
    ],
)
def test_tracemalloc_sees_the_items_and_little_else(
    make: Callable[[], Any], itemsize: int
) -> None:
    held, peak = traced(make)
    items = 90_000 * itemsize
    assert items <= held < items + 2_000
    assert peak < 1.3 * items + 10_000


def test_takes_less_than_the_nested_list() -> None:
    def nested() -> list[list[float]]:
        return FloatMatrix.random(300, 300, seed=1).tolist()

    list_held, _ = traced(nested)
    held, _ = traced(lambda: FloatMatrix.random(300, 300, seed=1))
    assert list_held > 3.5 * held


def test_views_take_next_to_nothing() -> None:
    m = FloatMatrix.zeros(300, 300)
    for view in (lambda: m[::2], lambda: m.T, lambda: m[:, 0], lambda: FloatMatrix(m)):
        held, peak = traced(view)
        assert held < 500
        assert peak < 2_000


def test_memory_is_given_back() -> None:
    def churn() -> None:
        m = FloatMatrix()
        for _ in range(200):
            m.append([1.0] * 50)
        m.extend(m)
        m[1:] = m[:-1]
        m.sum(axis=0)

    churn()
    held, _ = traced(churn)
    assert held < 1_000


def test_nothing_is_left_behind() -> None:
    run_in_fresh_process(
        """
import copy, gc, pickle, sys
import memopt
from memopt import FloatMatrix

BAD = [[[1], [2, 3]], [["x"]], [1], 5, memoryview(b"abc"), [b"ab", 7]]

def use():
    m = FloatMatrix([[1, 2.5], iter([3, 4]), bytes(2)])
    m[:, 1] = m[:, 0]
    m[::2].T.copy(), list(m), repr(m), [7, 8] in m, m[0].index(1), m.count(m[0])
    m.mean(axis=1, keepdims=True), m.sum(axis=0, out=m[0])
    FloatMatrix(m, dtype="f"), FloatMatrix(memoryview(m).cast("B").cast("q", (3, 2)))
    FloatMatrix.random(2, 2, seed=2**70), FloatMatrix.from_iterable(1, 2, [1, 2])
    for obj in (m, m[1]):
        copy.deepcopy(obj), pickle.loads(pickle.dumps(obj, 5)), obj.__dlpack__()
        pickle.loads(pickle.dumps(obj, 2)), obj.__dlpack__(max_version=(1, 0))
    attempts = [lambda: m[9], lambda: m["x"], lambda: m.sum(axis=7), lambda: hash(m)]
    attempts += [lambda bad=bad: FloatMatrix(bad) for bad in BAD]
    attempts += [lambda bad=bad: m.extend(bad) for bad in BAD]
    attempts += [lambda bad=bad: m.__setitem__(slice(None), bad) for bad in BAD]
    for attempt in attempts:
        try:
            attempt()
        except (IndexError, TypeError, ValueError):
            pass
        else:
            raise AssertionError

def blocks_after(rounds):
    for _ in range(rounds):
        use()
    gc.collect()
    return sys.getallocatedblocks()

counts = [blocks_after(500)]
references = sys.getrefcount(FloatMatrix), sys.getrefcount(memopt.FloatVector)
counts += [blocks_after(500) for _ in range(3)]
# A leak is a block a round or more; CPython's own caches fill more slowly.
assert min(b - a for a, b in zip(counts, counts[1:])) < 250, counts
assert references == (
    sys.getrefcount(FloatMatrix), sys.getrefcount(memopt.FloatVector)
)
"""
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs the resource module")
def test_zeros_take_memory_only_when_written() -> None:
    run_in_fresh_process(
        """
import resource, sys
from memopt import FloatMatrix

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

before = peak()
m = FloatMatrix.zeros(2**13, 2**13)
m[-1, -1] = 1.5
assert m[-1, -1] == 1.5 and m[0, 0] == 0.0
assert m.nbytes == 2**29
assert peak() - before < 2**26
"""
    )


# --- every allocation failing in turn ----------------------------------------

NESTED = [[1.0, 2, True], [4.0, 5.0, 6.0]]


def sound(m: Any) -> None:
    """Whole, and still of use."""
    assert m.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert m.shape == (2, 3)
    assert m.sum() == 21.0


def whole() -> FloatMatrix:
    return FloatMatrix([[1, 2, 3], [4, 5, 6]])


MAKING: list[Callable[[], Any]] = [
    lambda: FloatMatrix(NESTED),
    lambda: FloatMatrix(iter(NESTED)),
    lambda: FloatMatrix([iter(row) for row in NESTED]),
    lambda: FloatMatrix(memoryview(bytes(48)).cast("d", (2, 3))),
    lambda: FloatMatrix(memoryview(bytes(48)).cast("q", (2, 3))),
    lambda: FloatMatrix.zeros(2, 3),
    lambda: FloatMatrix.full(2, 3, 1.0),
    lambda: FloatMatrix.random(2, 3, seed=2**100),
    lambda: FloatMatrix.random(2, 3),
    lambda: FloatMatrix.from_iterable(2, 3, range(6)),
]


@pytest.mark.parametrize("make", MAKING)
def test_making_fails_cleanly(make: Callable[[], Any]) -> None:
    assert fail_each_allocation(lambda: None, lambda _: make()) > 0


def through_pickle(obj: Any, protocol: int) -> Any:
    buffers: list[pickle.PickleBuffer] = []
    callback = buffers.append if protocol == 5 else None
    try:
        stream = pickle.dumps(obj, protocol, buffer_callback=callback)
    except pickle.PicklingError:  # says that an import failed, but not why
        raise MemoryError from None
    return pickle.loads(stream, buffers=buffers)


READING: list[Callable[[FloatMatrix], Any]] = [
    lambda m: m[0],
    lambda m: m[:, 1:],
    lambda m: m.T,
    lambda m: m.copy(),
    lambda m: m.tolist(),
    lambda m: repr(m),
    lambda m: m == [[1, 2, 3], [4, 5, 6]],
    lambda m: [4, 5, 6] in m,
    lambda m: m.index(m[1]),
    lambda m: [list(row) for row in m],
    lambda m: m.sum(axis=0),
    lambda m: m.sum(axis=1, keepdims=True),
    lambda m: m.mean(axis=0),
    lambda m: m.sum(axis=0, out=FloatMatrix.zeros(1, 3)[0]),
    lambda m: memoryview(m),
    lambda m: m.__dlpack__(),
    lambda m: m.__dlpack__(max_version=(1, 0), copy=True),
    lambda m: through_pickle(m, 4),
    lambda m: through_pickle(m, 5),
    lambda m: through_pickle(m.T[0], 5),
]


@pytest.mark.parametrize("read", READING)
def test_reading_fails_cleanly(read: Callable[[FloatMatrix], Any]) -> None:
    assert fail_each_allocation(whole, read, sound) > 0


WRITING: list[Callable[[FloatMatrix], Any]] = [
    lambda m: m.append([7.0, 8.0, 9.0]),
    lambda m: m.append(iter([7, 8, 9])),
    lambda m: m.extend([[7.0, 8.0, 9.0]] * 100),
    lambda m: m.extend(m),
    lambda m: m.__setitem__(0, [7.0, 8.0, 9.0]),
    lambda m: m.__setitem__(slice(None), [[7, 8, 9], [7, 8, 9]]),
    lambda m: m.__setitem__(slice(1, None), m[:1]),
    lambda m: m[:, 0].__setitem__(slice(None), [7, 8]),
    lambda m: m[0].__setitem__(slice(1, None), m[0, :2]),
]


@pytest.mark.parametrize("write", WRITING)
def test_writing_happens_wholly_or_not_at_all(
    write: Callable[[FloatMatrix], Any],
) -> None:
    done = whole()
    write(done)
    outcomes = (whole(), done)

    def unchanged_or_done(m: FloatMatrix) -> None:
        assert m in outcomes
        assert m == m.T.copy().T

    assert fail_each_allocation(whole, write, unchanged_or_done) > 0


def test_iterators_lose_no_row_to_a_failure() -> None:
    def take(subject: list[Any]) -> None:
        subject[1] = next(subject[0])

    def all_are_there(subject: list[Any]) -> None:
        rest = list(subject[0])
        assert (rest if subject[1] is None else [subject[1], *rest]) == whole().tolist()

    assert fail_each_allocation(lambda: [iter(whole()), None], take, all_are_there) > 0


def test_numpy_arrays_fail_cleanly() -> None:
    np = pytest.importorskip("numpy", reason="what this test is about")
    array = np.array([[1.0, 2, 3], [4, 5, 6]])
    whole().__array__()
    for act in (
        lambda m: m.__array__(),
        lambda m: m.__array__(dtype="f"),
        lambda m: m.__array__(copy=True),
        lambda m: FloatMatrix(array),
        lambda m: FloatMatrix(list(array)),
    ):
        assert fail_each_allocation(whole, act, sound) > 0


@pytest.mark.parametrize("shape", [(2**62, 0), (0, 2**62)])
def test_rows_without_columns_take_neither_memory_nor_time(shape: Any) -> None:
    rows, columns = shape
    m = FloatMatrix.zeros(rows, columns)
    integers: Any = ctypes.c_int64 * 0
    integers = (integers * rows)() if rows else (integers * 0)()
    for other in (
        m.copy(),
        m.T.copy().T,
        FloatMatrix(m, dtype="f"),
        FloatMatrix(memoryview(m)),
        FloatMatrix(memoryview(m), dtype="f"),
        pickle.loads(pickle.dumps(m)),
        pickle.loads(pickle.dumps(m.T)).T,
        FloatMatrix.full(rows, columns, 1.0),
        FloatMatrix.from_iterable(rows, columns, ()),
        FloatMatrix.random(rows, columns),
    ):
        assert other.shape == shape
        assert other == m
        assert other.sum() == 0.0
        assert other.nbytes == 0
    m[:] = m[::-1]
    assert FloatMatrix(integers).shape == (rows, 0)
    assert m.sum(axis=0 if rows else 1) == []
    with pytest.raises(MemoryError):
        m.sum(axis=1 if rows else 0)
    one = m[2**61] if rows else m[:, 2**61]
    assert one == []
    assert m[2**61 :, 2**61 :].shape == (rows and 2**61, columns and 2**61)
    assert m[:: -(2**61), :: -(2**61)].shape == (rows and 2, columns and 2)


def test_growth_beyond_memory_leaves_the_matrix_as_it_was() -> None:
    m = FloatMatrix.zeros(sys.maxsize // 2, 0)
    other = FloatMatrix.zeros(sys.maxsize // 2, 0)
    m.extend(other)
    with pytest.raises(MemoryError):
        m.extend(other)
    assert len(m) == sys.maxsize // 2 * 2
    m.append([])
    with pytest.raises(MemoryError):
        m.append([])
    assert len(m) == sys.maxsize
