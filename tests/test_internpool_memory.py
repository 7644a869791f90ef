"""InternPool's memory: sizes counted, references held, bounds, failures."""

import gc
import itertools
import sys
import tracemalloc
from collections import deque
from collections.abc import Callable

import pytest
from support import fail_each_allocation, free_threaded

from memopt import InternPool

SAMPLES = [
    "status=ok",
    "caf\xe9 au lait",
    "\u0416",
    "\u0416\u0443\u043a",
    "\U0001f600 smile",
    "\ud800",
    "\0\0",
    "x" * 1000,
    "\xe9" * 1000,
    "\u0416" * 1000,
    "\U0001f600" * 1000,
]


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


def fill(pool: InternPool, n: int, prefix: str = "item") -> None:
    for i in range(n):
        pool.intern(f"{prefix} {i}")


class TestSizes:
    @pytest.mark.parametrize("string", SAMPLES)
    def test_bytes_are_what_getsizeof_says(self, string: str) -> None:
        pool = InternPool()
        for n in range(1, 20):
            pool.intern(string * n)
            assert pool.cache_info().bytes == sum(map(sys.getsizeof, pool))
        pool.discard(string)
        assert pool.cache_info().bytes == sum(map(sys.getsizeof, pool))

    def test_a_cached_utf_8_form_is_not_counted(self) -> None:
        ctypes = pytest.importorskip("ctypes")
        as_utf8 = ctypes.pythonapi.PyUnicode_AsUTF8
        as_utf8.restype = ctypes.c_void_p
        as_utf8.argtypes = (ctypes.py_object,)
        pool = InternPool()
        string = fresh("\u0416\u0443\u043a")
        before = sys.getsizeof(string)
        pool.intern(string)
        assert as_utf8(string)
        assert sys.getsizeof(string) > before
        assert pool.cache_info().bytes == before
        pool._debug_validate()

    def test_a_pool_takes_no_memory_before_it_is_used(self) -> None:
        shards = 16 * 400 if free_threaded else 0
        for pool in (
            InternPool(),
            InternPool(10**9),
            InternPool(2**30 - 1, max_bytes=sys.maxsize, max_length=None),
        ):
            assert sys.getsizeof(pool) < 400 + shards
            pool.intern("north")
            pool.intern("north")
            assert sys.getsizeof(pool) < 700 + shards

    @pytest.mark.parametrize("capacity", [1000, 6554, 13_108, 16_384, 20_000, 52_430])
    def test_at_most_43_bytes_an_entry(self, capacity: int) -> None:
        growing = InternPool(10**9)
        full = InternPool(capacity)
        fill(growing, capacity)
        fill(full, capacity + capacity // 10)
        fixed = sys.getsizeof(InternPool())
        for pool in (growing, full):
            assert len(pool) == capacity
            assert sys.getsizeof(pool) - fixed <= 43 * capacity + 300

    def test_sizeof_tells_what_was_allocated(self) -> None:
        pool = InternPool(max_entries=3000)
        strings = [f"item {i}" for i in range(5000)]
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            empty = sys.getsizeof(pool)
            for string in strings:
                pool.intern(string)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert abs(grown - (sys.getsizeof(pool) - empty)) < 500

    def test_clear_and_resize_give_memory_back(self) -> None:
        pool = InternPool(100_000)
        empty = sys.getsizeof(pool)
        fill(pool, 100_000)
        large = sys.getsizeof(pool)
        pool.resize(1000)
        assert sys.getsizeof(pool) < large / 50
        pool._debug_validate()
        pool.clear()
        assert sys.getsizeof(pool) == empty
        pool.resize(100_000)
        fill(pool, 50_000)
        for string in list(pool)[:49_000]:
            pool.discard(string)
        pool.resize()
        assert sys.getsizeof(pool) < large / 50
        pool._debug_validate()

    def test_discards_and_insertions_do_not_grow_it(self) -> None:
        pool = InternPool(1000)
        fill(pool, 100)
        size = sys.getsizeof(pool)
        for i in range(20_000):
            pool.discard(f"item {i}")
            pool.intern(f"item {i + 100}")
        assert len(pool) == 100
        assert sys.getsizeof(pool) == size
        pool._debug_validate()


class TestBounds:
    @pytest.mark.parametrize(
        "pool",
        [
            InternPool(1000),
            InternPool(max_bytes=100_000),
            InternPool(1500, max_bytes=100_000),
        ],
        ids=["entries", "bytes", "both"],
    )
    def test_memory_stays_flat_over_a_million_distinct_strings(
        self, pool: InternPool
    ) -> None:
        numbers = itertools.count()

        def run(n: int) -> int:
            for i in itertools.islice(numbers, n):
                pool.intern(f"Processing item {i}")
            gc.collect()
            return sys.getallocatedblocks()

        run(10_000)
        blocks, size = run(10_000), sys.getsizeof(pool)
        assert abs(run(1_000_000) - blocks) < 100
        assert abs(sys.getsizeof(pool) - size) <= size // 2
        assert len(pool) <= pool.max_entries
        assert pool.cache_info().bytes <= (pool.max_bytes or 2**60)

    def test_traced_memory_stays_under_the_bound(self) -> None:
        pool = InternPool(max_bytes=200_000)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for i in range(100_000):
                pool.intern(f"{i} " + "x" * (i % 300))
                if i % 1000 == 0:
                    grown = tracemalloc.get_traced_memory()[0] - before
                    assert grown < 200_000 + sys.getsizeof(pool) + 5_000
        finally:
            tracemalloc.stop()

    def test_both_bounds_hold_after_every_call(self) -> None:
        pool = InternPool(50, max_bytes=8_000)
        for i in range(3_000):
            pool.intern(f"{i} " + "\xe9\u0416"[i % 2] * (i * 7 % 400))
            info = pool.cache_info()
            assert info.currsize == len(pool) <= 50
            assert info.bytes == sum(map(sys.getsizeof, pool)) <= 8_000
        assert info.bypassed > 0
        assert info.evictions > 0


class TestReferences:
    def test_residents_have_one_reference_more(self) -> None:
        pool = InternPool(2)
        string = fresh("north by northwest")
        before = sys.getrefcount(string)
        pool.intern(string)
        assert sys.getrefcount(string) == before + 1
        for _ in range(100):
            pool.intern(string)
            pool(string)
            assert string in pool
            pool.get(string)
            pool.get("other", string)
            pool.cache_info()
            for _ in pool:
                pass
        del _
        assert sys.getrefcount(string) == before + 1
        pool.discard(string)
        assert sys.getrefcount(string) == before

    def test_arguments_of_hits_are_not_kept(self) -> None:
        pool = InternPool()
        resident, argument = fresh("north"), fresh("north")
        pool.intern(resident)
        before = sys.getrefcount(argument)
        for _ in range(100):
            pool.intern(argument)
            pool.get(argument)
            assert argument in pool
        assert sys.getrefcount(argument) == before

    @pytest.mark.parametrize("string", ["x" * 2000, "", "a"])
    def test_bypassed_strings_and_singletons_are_not_kept(self, string: str) -> None:
        pool = InternPool()
        before = sys.getrefcount(string)
        for _ in range(100):
            pool.intern(string)
            pool(string)
        assert sys.getrefcount(string) == before

    @pytest.mark.parametrize(
        "drop",
        [
            lambda pool: fill(pool, 1000, "other"),
            lambda pool: pool.resize(1),
            lambda pool: pool.resize(max_bytes=60),
            InternPool.clear,
            InternPool.cache_clear,
            lambda pool: [pool.discard(string) for string in list(pool)],
        ],
        ids=["evict", "entries", "bytes", "clear", "cache_clear", "discard"],
    )
    def test_dropped_strings_lose_it(
        self, drop: Callable[[InternPool], object]
    ) -> None:
        pool = InternPool(100)
        strings = [f"item {i}" for i in range(100)]
        before = [sys.getrefcount(string) for string in strings]
        deque(map(pool.intern, strings), maxlen=0)
        assert [sys.getrefcount(s) for s in strings] == [n + 1 for n in before]
        drop(pool)
        gone = [string not in pool for string in strings]
        assert sum(gone) >= 99
        expected = [n + (not g) for n, g in zip(before, gone, strict=True)]
        assert [sys.getrefcount(string) for string in strings] == expected

    def test_a_dropped_pool_drops_its_strings(self) -> None:
        pool = InternPool()
        string = pool.intern(fresh("north"))
        before = sys.getrefcount(string)
        del pool
        assert sys.getrefcount(string) == before - 1

    def test_iterators_hold_the_strings_not_the_pool(self) -> None:
        pool = InternPool()
        pool.intern(fresh("north"))
        before = sys.getrefcount(pool)
        iterator = iter(pool)
        assert sys.getrefcount(pool) == before
        del pool
        assert list(iterator) == ["north"]

    def test_defaults_are_returned_with_a_reference_of_their_own(self) -> None:
        pool = InternPool()
        default = object()
        before = sys.getrefcount(default)
        for _ in range(100):
            pool.get("north", default)
        assert sys.getrefcount(default) == before


class Prepared:
    """A pool, what it held, and whether an allocation failed in between."""

    def __init__(self, pool: InternPool, n: int) -> None:
        self.pool = pool
        fill(pool, n)
        self.next = fresh("next item")
        self.residents = sorted(pool)
        self.info = pool.cache_info()
        self.failed = False


def attempt(action: Callable[[Prepared], object]) -> Callable[[Prepared], None]:
    def act(prepared: Prepared) -> None:
        try:
            action(prepared)
        except MemoryError:
            prepared.failed = True
            raise

    return act


def unchanged_if_failed(prepared: Prepared) -> None:
    prepared.pool._debug_validate()
    if prepared.failed:
        assert prepared.pool.cache_info() == prepared.info
        assert sorted(prepared.pool) == prepared.residents
    prepared.pool.intern(prepared.next)
    assert prepared.next in prepared.pool
    fill(prepared.pool, 50, "afterwards")
    prepared.pool._debug_validate()


class TestFailingAllocations:
    @pytest.mark.parametrize(
        ("make", "n", "failures"),
        [
            (InternPool, 0, 2),  # slots and entries
            (InternPool, 8, 1),  # more entries
            (InternPool, 12, 1),  # more slots
            (InternPool, 18, 1),  # more entries
            (lambda: InternPool(20), 20, 1),  # the ghost
            (lambda: InternPool(max_bytes=10 * sys.getsizeof("next item")), 10, 1),
            (lambda: InternPool(20), 25, 0),
        ],
    )
    def test_intern(
        self, make: Callable[[], InternPool], n: int, failures: int
    ) -> None:
        met = fail_each_allocation(
            lambda: Prepared(make(), n),
            attempt(lambda prepared: prepared.pool.intern(prepared.next)),
            unchanged_if_failed,
        )
        assert met == failures

    @pytest.mark.parametrize(
        "action",
        [
            lambda prepared: iter(prepared.pool),
            lambda prepared: prepared.pool.cache_info(),
            lambda prepared: repr(prepared.pool),
            lambda prepared: prepared.pool.__reduce__(),
            lambda prepared: prepared.pool.__sizeof__(),
        ],
        ids=["iter", "cache_info", "repr", "reduce", "sizeof"],
    )
    def test_inspection(self, action: Callable[[Prepared], object]) -> None:
        # Counts so large that each is an int object of its own.
        def prepare() -> Prepared:
            return Prepared(InternPool(400, max_bytes=100_000), 1000)

        assert fail_each_allocation(prepare, attempt(action), unchanged_if_failed) > 0

    def test_pickling_with_contents(self) -> None:
        def prepare() -> Prepared:
            prepared = Prepared(InternPool(400, max_bytes=100_000), 1000)
            prepared.pool.pickle_contents = True
            return prepared

        def reduce(prepared: Prepared) -> None:
            prepared.pool.__reduce__()

        assert fail_each_allocation(prepare, attempt(reduce), unchanged_if_failed) > 0

    def test_unpickling(self) -> None:
        pool = InternPool()
        fill(pool, 100)
        pool.pickle_contents = True
        restore, arguments, _ = pool.__reduce__()

        def again(_: None) -> None:
            assert restore(*arguments) is not pool

        def check(_: None) -> None:
            assert sorted(restore(*arguments)) == sorted(pool)

        assert fail_each_allocation(lambda: None, again, check) > 0

    def test_construction(self) -> None:
        assert fail_each_allocation(lambda: None, lambda _: InternPool(500)) > 0

    def test_clear_cannot_fail(self) -> None:
        def clear(prepared: Prepared) -> None:
            prepared.pool.clear()
            prepared.pool.cache_clear()

        met = fail_each_allocation(
            lambda: Prepared(InternPool(), 100), clear, unchanged_if_failed
        )
        assert met == 0

    def test_shrinking_needs_no_memory(self) -> None:
        def check(prepared: Prepared) -> None:
            prepared.pool._debug_validate()
            assert len(prepared.pool) == 100
            assert prepared.pool.max_entries == 100
            unchanged_if_failed(prepared)

        def shrink(prepared: Prepared) -> None:
            prepared.pool.resize(100)  # the call needs no more than its arguments

        met = fail_each_allocation(lambda: Prepared(InternPool(), 1000), shrink, check)
        assert met == 0


@pytest.mark.parametrize("policy", ["s3fifo", "lru"])
@pytest.mark.parametrize("entries", [1_000, 4_096, 5_000, 20_000, 131_073])
def test_an_entry_takes_48_bytes_at_most(entries: int, policy: str) -> None:
    """Beside its string; at all sizes, as the table's is a power of two."""
    strings = [f"item {i}" for i in range(entries)]
    already = tracemalloc.is_tracing()
    if not already:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    pool = InternPool(entries, policy=policy)
    for string in strings:
        pool.intern(string)
    taken = tracemalloc.get_traced_memory()[0] - before
    if not already:
        tracemalloc.stop()
    assert len(pool) == entries
    assert taken <= 48 * entries
    assert pool.__sizeof__() == pytest.approx(taken, rel=0.01)
