"""Objects that several threads share: races from a common start, on every type.

On a free-threaded CPython the threads run at once, and nothing here may crash, lose
or repeat an item; under the GIL they take turns at every opportunity.  InternPool has
tests of its own (test_internpool_concurrency.py), fsum's threads too.
"""

import contextlib
import copy
import functools
import itertools
import math
import os
import pickle
import random
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from support import free_threaded, run_in_fresh_process, run_threads

import memopt
from memopt import ExactSum, FloatMatrix, InternPool, LazyMap, X, _memopt, fsum

THREADS = 4

read_without_a_lock = pytest.mark.skipif(
    "TSAN_OPTIONS" in os.environ,
    reason="an item that is assigned while a sum or an export reads it is a race",
)


def drained(iterator: Iterator[Any]) -> list[list[Any]]:
    """What each of several threads gets from one iterator."""
    taken: list[list[Any]] = [[] for _ in range(THREADS)]
    end = object()

    def take(mine: list[Any]) -> Callable[[], None]:
        # Not by iter(), which a LazyMap that is exhausted refuses.
        return lambda: mine.extend(iter(lambda: next(iterator, end), end))

    run_threads(*map(take, taken))
    return taken


def repeated(action: Callable[[], Any], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            action()

    return run


def until(stop: threading.Event, action: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        while not stop.is_set():
            action()

    return run


def then_stop(stop: threading.Event, action: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        try:
            action()
        finally:
            stop.set()

    return run


class TestExactSum:
    def test_sums_and_counts_add_up(self) -> None:
        total, other = ExactSum(), ExactSum([0.25])
        numbers = [0.1, -1e300, 3, 2**70]

        def add() -> None:
            for _ in range(100):
                for number in numbers:
                    total.add(number)
                total.update(numbers)
                total.merge(other)
                in_place = total
                in_place += other

        run_threads(*[add] * THREADS)
        times = 100 * THREADS
        expected = ExactSum()
        for number in (*numbers, *numbers, 0.25, 0.25):
            expected.update([number] * times)
        assert total == expected
        assert total.count == 10 * times

    def test_merging_each_into_the_other(self) -> None:
        a, b = ExactSum([1.0]), ExactSum([1.0])
        run_threads(
            repeated(lambda: a.merge(b), 10),
            repeated(lambda: b.merge(a), 10),
            repeated(lambda: a - b, 100),
        )
        assert a.value == a.count
        assert b.value == b.count

    def test_reading_while_another_thread_writes(self) -> None:
        total, stop = ExactSum(), threading.Event()

        def read() -> None:
            assert total.value.is_integer()
            snapshot = pickle.loads(pickle.dumps(total))
            assert snapshot.value == snapshot.count
            assert repr(copy.copy(total)).startswith("<memopt.ExactSum")
            assert total - total is not None

        def write() -> None:
            for _ in range(300):
                total.add(1.0)
            total.__setstate__(ExactSum([1.0]).__reduce__()[1][0])

        run_threads(then_stop(stop, write), until(stop, read), until(stop, read))
        assert total.value == total.count == 1


class TestLists:
    """Lists that another thread makes longer and shorter, all of one number."""

    @pytest.mark.parametrize("item", [1.0, 3, 2**60, True, [1.0, 2.0]])
    def test_sums_of_a_list_that_changes(self, item: Any) -> None:
        shared: list[Any] = []
        stop = threading.Event()
        one = fsum([item])

        def change() -> None:
            for n in range(300):
                shared.extend([copy.copy(item) for _ in range(n % 70)])
                del shared[::2]
                if n % 5 == 0:
                    shared.clear()

        def read() -> None:
            total = fsum(shared)
            assert total == one * round(total / one)

        def map_and_sum() -> None:
            if not isinstance(item, list):
                with contextlib.suppress(IndexError):
                    total = LazyMap(lambda x: x + 0, shared).sum()
                    assert total == one * round(total / one)
                    LazyMap(X * 1, shared).to_list()

        def matrix() -> None:
            with contextlib.suppress(RuntimeError, ValueError):
                rows = shared if isinstance(item, list) else [shared]
                flat = itertools.chain.from_iterable(FloatMatrix(list(rows)))
                assert set(flat) <= {one, 1.0, 2.0}

        def nested() -> None:
            with contextlib.suppress(RuntimeError, ValueError, TypeError, IndexError):
                FloatMatrix([shared, shared])
            assert FloatMatrix([[one]]) != [shared, shared]

        actions = [read, map_and_sum, matrix, nested]
        run_threads(then_stop(stop, change), *(until(stop, a) for a in actions))


class TestFloatMatrix:
    def test_all_rows_arrive(self) -> None:
        matrix = FloatMatrix.zeros(0, 3)

        def add(thread: int) -> Callable[[], None]:
            def run() -> None:
                for i in range(200):
                    matrix.append([thread, i, 1.0])
                    matrix.extend([[thread, i, 2.0], (thread, i, 3.0)])

            return run

        run_threads(*(add(thread) for thread in range(THREADS)))
        expected = itertools.product(range(THREADS), range(200), (1, 2, 3))
        assert sorted(matrix.tolist()) == [list(map(float, row)) for row in expected]

    def test_extending_by_each_other(self) -> None:
        a, b = FloatMatrix([[1.0]]), FloatMatrix([[1.0]])
        run_threads(
            repeated(lambda: a.extend(b), 5),
            repeated(lambda: b.extend(a), 5),
            repeated(lambda: a == b, 200),
        )
        assert a.sum() == len(a) > 5
        assert b.sum() == len(b) > 5

    @pytest.mark.parametrize(
        "names",
        [
            ("read", "read", "export"),
            ("read", "read", "write"),
            pytest.param(("export", "write"), marks=read_without_a_lock),
        ],
        ids=" ".join,
    )
    def test_use_while_another_thread_appends(self, names: tuple[str, ...]) -> None:
        """Whoever reads sees whole rows; exports make append() raise BufferError."""
        matrix, stop = FloatMatrix([[1.0, 1.0]]), threading.Event()
        view, vector = matrix[:1], matrix[0]

        def grow() -> None:
            for _ in range(300):
                with contextlib.suppress(BufferError):
                    matrix.append((1.0, 1.0))

        def read() -> None:
            rows = len(matrix)
            assert matrix[rows - 1] == [1.0, 1.0]
            assert matrix[-1, 0] == matrix[-1][1] == view[0, 0] == vector[1] == 1.0
            assert set(itertools.chain.from_iterable(matrix)) == {1.0}
            assert matrix.tolist().count([1.0, 1.0]) >= rows
            assert matrix.shape[0] >= rows
            assert matrix.count((1.0, 1.0)) >= rows
            assert matrix == matrix.copy() or len(matrix) > rows
            assert repr(matrix)

        def export() -> None:
            exported = memoryview(matrix)
            assert exported.shape == matrix.shape
            assert exported[0, 0] == 1.0
            total, n = matrix.sum(), len(matrix)
            assert total == 2 * n
            exported.release()
            assert matrix.T.sum(axis=0) == [2.0] * n or len(matrix) > n
            assert pickle.loads(pickle.dumps(view)) == view

        def write() -> None:
            matrix[0, 0] = 1.0
            matrix[0] = [1.0, 1.0]
            vector[:] = (1.0, 1.0)

        actions = {"read": read, "export": export, "write": write}
        run_threads(then_stop(stop, grow), *(until(stop, actions[n]) for n in names))
        assert matrix.sum() == 2 * len(matrix)

    def test_numpy_while_another_thread_appends(self) -> None:
        numpy = pytest.importorskip("numpy")
        matrix, stop = FloatMatrix([[1.0, 1.0]]), threading.Event()

        def grow() -> None:
            for _ in range(200):
                with contextlib.suppress(BufferError):
                    matrix.append((1.0, 1.0))

        def read() -> None:
            array = numpy.asarray(matrix)
            assert array.sum() == array.size
            assert numpy.from_dlpack(matrix).min() == 1.0

        run_threads(then_stop(stop, grow), until(stop, read), until(stop, read))

    def test_one_iterator_gives_each_row_once(self) -> None:
        matrix = FloatMatrix([[float(i)] for i in range(2000)])
        taken = drained(iter(matrix))
        assert sorted(row[0] for part in taken for row in part) == list(range(2000))
        taken = drained(iter(matrix.T[0]))
        assert sorted(itertools.chain(*taken)) == list(range(2000))


SOURCES: dict[str, Callable[[int], Iterable[int]]] = {
    "range": range,
    "list": lambda n: list(range(n)),
    "tuple": lambda n: tuple(range(n)),
    "window": lambda n: LazyMap(abs, list(range(2 * n)))[::2].map(lambda x: x // 2),
    "bytes": lambda n: LazyMap(lambda b: b, bytes(256)).map(int)[:0] or range(n),
    "iterator": lambda n: iter(range(n)),
    "cached": lambda n: LazyMap(abs, iter(range(n))).cached(),
    "filtered": lambda n: LazyMap(abs, range(n)).filter(lambda x: True),
    "nested": lambda n: LazyMap(abs, LazyMap(str, range(n)).map(int)),
}
FUNCTIONS: dict[str, Callable[[int], int]] = {
    "called": lambda x: int(str(x)) + 1,
    "native": lambda x: x + 1,
    "builtin": lambda x: x.__add__(1),
}


class TestLazyMap:
    @pytest.mark.parametrize("function", FUNCTIONS)
    @pytest.mark.parametrize("source", SOURCES)
    def test_one_iterator_gives_each_item_once(
        self, source: str, function: str
    ) -> None:
        values = LazyMap(FUNCTIONS[function], SOURCES[source](3000))
        taken = drained(iter(values))
        assert sorted(itertools.chain(*taken)) == list(range(1, 3001))

    def test_numbers_of_a_list_that_another_thread_holds(self) -> None:
        """Who waits for the list is overtaken by those who need not."""
        n = 20_000
        ones, stop = [1] * n, threading.Event()
        iterator = iter(LazyMap(lambda a, b: a * b + b, range(n), ones))
        taken: list[list[int]] = [[] for _ in range(THREADS)]

        def take(mine: list[int]) -> Callable[[], None]:
            return lambda: mine.extend(iter(lambda: next(iterator, 0), 0))

        takers = (then_stop(stop, take(mine)) for mine in taken)
        run_threads(*takers, until(stop, ones.reverse), until(stop, ones.reverse))
        assert sorted(itertools.chain(*taken)) == list(range(1, n + 1))

    def test_several_sources_stay_aligned(self) -> None:
        n = 3000
        sources = [range(n), list(range(n)), tuple(range(n)), bytearray(n)]
        taken = drained(iter(LazyMap(lambda a, b, c, d: a * b - c * a, *sources)))
        assert list(itertools.chain(*taken)) == [0] * n
        taken = drained(iter(LazyMap(lambda *a: a[0] * a[1] - a[2] * a[0], *sources)))
        assert list(itertools.chain(*taken)) == [0] * n

    def test_functions_run_at_once(self) -> None:
        """A function may wait for another thread's call from the same iterator."""
        barrier = threading.Barrier(THREADS, timeout=60)
        iterator = iter(LazyMap(lambda x: (barrier.wait(), x)[1], range(THREADS)))
        taken = []
        run_threads(*[lambda: taken.append(next(iterator))] * THREADS)
        assert sorted(taken) == list(range(THREADS))

    def test_passes_over_one_lazymap(self) -> None:
        """Its functions are recognised once, by whichever thread comes first."""

        def check() -> None:
            values = LazyMap(lambda x: x * 3 + 1, list(range(500)))
            results: list[Any] = []
            run_threads(
                lambda: results.append(list(values)),
                lambda: results.append(values.to_list()),
                lambda: results.append(list(values.map(lambda x: x))),
                lambda: results.append([*reversed(values)][::-1]),
            )
            assert results == [[x * 3 + 1 for x in range(500)]] * 4
            assert values.native

        repeated(check, 20)()

    def test_many_functions_at_once(self) -> None:
        def work() -> None:
            for i in range(50):
                function = eval(f"lambda x: x * {i} + 1")
                assert LazyMap(function, range(200)).to_list() == [
                    x * i + 1 for x in range(200)
                ]
                assert LazyMap(math.sqrt, [4.0] * 200).sum() == 400.0
                assert LazyMap(X + i, range(300)).sum() == sum(range(300)) + 300 * i

        run_threads(*[work] * THREADS)

    def test_one_shot(self) -> None:
        def check(n: int) -> None:
            values = LazyMap(lambda x: x + 1, iter(range(n)))
            taken: list[int] = []
            hints: list[int] = []

            def take() -> None:
                taken.extend(iter(lambda: next(values, 0), 0))

            def look() -> None:
                hints.append(values.__length_hint__())
                assert repr(values)

            run_threads(take, take, look, take)
            assert sorted(taken) == list(range(1, n + 1))
            assert hints[0] <= n

        for n in range(0, 400, 20):
            check(n)

    @pytest.mark.parametrize("kind", ["sequence", "iterator"])
    def test_cached(self, kind: str) -> None:
        """One value for each index, whoever has computed it."""
        n = 3000
        source: Any = range(n) if kind == "sequence" else iter(range(n))
        cached = LazyMap(str, source).cached()
        got: list[list[tuple[int, str]]] = [[] for _ in range(THREADS)]

        def read(thread: int) -> Callable[[], None]:
            indices = [*range(0, n, 7), 0, n - 1]
            random.Random(thread).shuffle(indices)

            def run() -> None:
                got[thread].extend((i, cached[i]) for i in indices)
                assert len(cached) == n
                assert list(cached) == list(map(str, range(n)))
                assert repr(cached)
                assert sys.getsizeof(cached)
                assert list(pickle.loads(pickle.dumps(cached)))[5] == "5"

            return run

        run_threads(*map(read, range(THREADS)))
        for index, value in itertools.chain(*got):
            assert value == str(index)
            assert value is cached[index]

    def test_batches(self) -> None:
        values = LazyMap(lambda x: x, iter(range(3000)))
        taken = drained(iter(values.batched(7)))
        assert sorted(itertools.chain(*itertools.chain(*taken))) == list(range(3000))
        batches = LazyMap(lambda x: x + 1, list(range(3000))).batched(7)
        taken = drained(iter(batches))
        items = (item for part in taken for batch in part for item in batch)
        assert sorted(items) == list(range(1, 3001))

    def test_iterators_are_copied_while_they_are_read(self) -> None:
        values = LazyMap(lambda x: x + 1, list(range(2000)))
        iterator, stop = iter(values), threading.Event()

        def look() -> None:
            rest = list(copy.copy(iterator))
            assert rest == list(range(2001 - len(rest), 2001))
            assert iterator.__length_hint__() <= 2000

        taken: list[int] = []
        run_threads(then_stop(stop, lambda: taken.extend(iterator)), until(stop, look))
        assert taken == list(range(1, 2001))


class TestModule:
    def test_functions_of_the_module(self) -> None:
        numbers, best = [0.1] * 1000, _memopt._isas()[0]
        operations = _memopt._set_operations("baseline")
        short_pass = _memopt._set_short_pass(1)

        def work() -> None:
            for isa in _memopt._isas():
                _memopt._set_isa(isa)
                assert fsum(numbers) == 100.0
                assert sum(_memopt._sum_steps()) > 0
                _memopt._set_operations(random.choice(["baseline", operations]))
                _memopt._set_short_pass(len(isa))
                assert LazyMap(lambda x: x * 2, numbers).sum() == 200.0
            assert memopt.memory_info().resident > 0
            assert memopt.intern("a" * 20) is memopt.intern("a" * 20)

        try:
            run_threads(*[repeated(work, 20)] * THREADS)
        finally:
            _memopt._set_isa(best)
            _memopt._set_operations(operations)
            _memopt._set_short_pass(short_pass)

    def test_weak_references_come_and_go(self) -> None:
        def check(make: Callable[[], Any]) -> None:
            references: list[weakref.ref[Any]] = []
            objects = [make() for _ in range(200)]

            def refer() -> None:
                with contextlib.suppress(IndexError):
                    for i in itertools.count():
                        references[-1:] = [weakref.ref(objects[i])]

            run_threads(refer, refer, objects.clear)
            assert all(reference() is None for reference in references)

        for make in (
            InternPool,
            lambda: LazyMap(abs, []),
            lambda: LazyMap(abs, iter([])),
            lambda: FloatMatrix([[1.0]]),
        ):
            check(make)


def text(n: int) -> str:
    return "".join(["text ", str(n)])


class Record:
    def __init__(self, text: str) -> None:
        self.text = text


class Slotted:
    __slots__ = ("more", "text")

    def __init__(self, text: str) -> None:
        self.text = self.more = text


class FailureError(Exception):
    pass


def dedup_anew(shared: Any) -> InternPool:
    """dedup() by a pool that has strings of its own."""
    pool = InternPool()
    pool.intern_many(map(text, range(40)))
    pool.dedup([shared])
    return pool


class TestDedup:
    def test_of_what_others_change(self) -> None:
        """Every item stays one of those that were put there."""
        lists = [text(n % 9) for n in range(100)]
        sets = {text(n) for n in range(100)}
        dicts = {text(n): text(n) for n in range(100)}
        records = [kind(text(n % 9)) for n in range(20) for kind in (Record, Slotted)]
        shared = [lists, sets, dicts, records, {"dict": [dicts]}]
        stop = threading.Event()

        def change() -> None:
            for n in range(300):
                lists.append(text(n % 9))
                del lists[n % 50]
                lists[n % 50] = text(n % 9)
                sets.add(text(n % 200))
                sets.discard(text((n + 7) % 200))
                dicts[text(n % 200)] = text(n % 200)
                dicts.pop(text((n + 7) % 200), None)
                record = records[n % len(records)]
                record.text = record.more = text(n % 9)
                # Not .keys() <= ..., which CPython iterates over without a lock.
                assert set(vars(records[2 * (n % 20)])) <= {"text", "more"}
                if n % 50 == 0:
                    sets.clear()
                    dicts.clear()
                    vars(records[0]).clear()
                    records[0].text = text(0)

        one, other = InternPool(), InternPool(50)
        pools = [one, one, other]
        dedups = [until(stop, lambda pool=pool: pool.dedup(shared)) for pool in pools]
        run_threads(then_stop(stop, change), change, *dedups)
        texts = set(map(text, range(200)))
        assert set(lists) <= texts >= sets
        assert all(key == value for key, value in dicts.items())
        assert {record.text for record in records} <= texts
        one._debug_validate()
        other._debug_validate()

    def test_keys_are_replaced_while_others_look_them_up(self) -> None:
        keys = [text(n) for n in range(40)]
        shared = dict(zip(keys, range(40), strict=True))
        stop = threading.Event()

        def replace() -> None:
            for _ in range(50):
                pool = dedup_anew(shared)
                assert all(pool.intern(key) is key for key in shared)

        def look() -> None:
            for n in range(40):
                assert shared[text(n)] == n
            assert list(shared) == keys
            assert shared | {} == dict(shared) == shared
            assert sum(shared.values()) == sum(range(40))

        run_threads(then_stop(stop, replace), until(stop, look), until(stop, look))

    def test_frozensets_that_others_look_into(self) -> None:
        shared, stop = frozenset(map(text, range(40))), threading.Event()

        def replace() -> None:
            for _ in range(50):
                dedup_anew(shared)

        def look() -> None:
            assert all(text(n) in shared for n in range(40))
            assert shared == {*shared} == set(map(text, range(40)))
            assert len(shared | {text(50)}) == 41

        run_threads(then_stop(stop, replace), until(stop, look), until(stop, look))
        assert shared == set(map(text, range(40)))

    def test_of_what_others_read(self) -> None:
        """Dicts, sets, lists and instances keep their contents while walked."""
        shared: dict[Any, Any] = {
            "list": [text(n % 9) for n in range(50)],
            "dict": {text(n): text(n % 9) for n in range(50)},
            "set": {text(n) for n in range(50)},
            "tuple": (text(1), (text(1), text(2))),
            "record": [Record(text(n % 9)) for n in range(20)],
        }
        expected = copy.deepcopy({k: v for k, v in shared.items() if k != "record"})
        pool, stop = InternPool(), threading.Event()

        def read() -> None:
            for key, value in expected.items():
                assert shared[key] == value
            assert shared["dict"]["text 7"] == "text 7"
            assert "text 7" in shared["set"]
            assert [r.text for r in shared["record"]][:2] == ["text 0", "text 1"]

        def dedup() -> None:
            for _ in range(20):
                pool.dedup(shared)

        run_threads(then_stop(stop, dedup), dedup, until(stop, read), until(stop, read))

    def test_of_what_c_types_keep_to_themselves(self) -> None:
        """They write it without a lock that dedup() could take."""
        call, stop = functools.partial(print, "a"), threading.Event()
        failure = FailureError()

        @functools.lru_cache(maxsize=8)
        def cached(key: tuple[int, str]) -> list[str]:
            return [key[1] * 3]

        def change() -> None:
            for n in range(250_000):
                arguments = (str(n), [n])
                call.__setstate__((print, arguments, {"key": str(n)}, {"own": "a"}))

        def look() -> None:
            for n in range(500):
                cached((n % 40, text(n % 3)))
                failure.args = (text(n),)
                failure.__dict__ = {"own": text(n % 9)}

        pool, shared = InternPool(), (call, call, [cached, failure])
        dedups = [until(stop, lambda o=o: pool.dedup([o])) for o in shared]
        run_threads(then_stop(stop, change), until(stop, look), *dedups)
        assert call.args == ("249999", [249_999])
        assert failure.args == ("text 499",)


class TestLives:
    def test_objects_are_made_and_die_in_other_threads(self) -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            made = threads.map(
                lambda n: (
                    ExactSum([n]),
                    FloatMatrix([[n]])[0],
                    iter(LazyMap(abs, [n])),
                    LazyMap(str, iter([n])).cached(),
                    InternPool(n + 1),
                ),
                range(200),
            )
            for a, b, c, d, e in made:
                assert a.value == b[0] == next(c) == int(d[0]) == e.max_entries - 1


@pytest.mark.skipif(not free_threaded, reason="there is nothing but a GIL")
def test_importing_leaves_the_gil_off() -> None:
    code = """
import sys
assert not sys._is_gil_enabled()
import memopt, memopt._memopt, memopt.recognition, memopt.adapters
print(sys._is_gil_enabled())
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHON_GIL"}
    with mock.patch.dict(os.environ, environment, clear=True):
        assert run_in_fresh_process(code) == "False\n"


def test_the_heap_scan_refuses_a_free_threaded_cpython() -> None:
    if free_threaded:
        with pytest.raises(NotImplementedError, match="free-threaded"):
            memopt.advise()
        inner: list[Any] = [_memopt._object_bytes, _memopt._in_hand, _memopt._variables]
        for refuses in inner:
            with pytest.raises(NotImplementedError, match="free-threaded"):
                refuses(None)
    else:
        assert memopt.advise([1.0]) is not None
