"""InternPool's options and life: policies, the gate, pins, trim, with, figures."""

import itertools
import pickle
import random
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import fail_each_allocation

from memopt import InternPool


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


def feed(pool: InternPool, strings: Iterable[str]) -> None:
    for string in strings:
        pool.intern(string)


class TestPolicy:
    @given(
        st.integers(1, 12),
        st.lists(st.tuples(st.sampled_from("idpu"), st.integers(0, 20)), max_size=200),
    )
    def test_lru_against_an_ordered_dict(
        self, capacity: int, steps: list[tuple[str, int]]
    ) -> None:
        pool = InternPool(capacity, policy="lru")
        model: OrderedDict[str, bool] = OrderedDict()  # whether pinned, oldest first
        for what, i in steps:
            string = f"item {i}"
            there = string in model
            if what == "d":
                assert pool.discard(string) is there
                model.pop(string, None)
            elif what == "u":
                assert pool.unpin(string) is model.get(string, False)
                if model.get(string):
                    model[string] = False
                    model.move_to_end(string)
            elif there or not all(model.values()) or len(model) < capacity:
                (pool.intern if what == "i" else pool.pin)(string)
                if not there and len(model) == capacity:
                    del model[next(s for s, pinned in model.items() if not pinned)]
                model[string] = model.get(string, False) or what == "p"
                model.move_to_end(string)
            assert set(pool) == model.keys()
            pool._debug_validate()

    def test_options_are_shown_and_read_only(self) -> None:
        pool: Any = InternPool(policy="lru", adaptive=False)
        assert (pool.policy, pool.adaptive) == ("lru", False)
        assert (InternPool().policy, InternPool().adaptive) == ("s3fifo", True)
        for name in ("policy", "adaptive"):
            with pytest.raises(AttributeError):
                setattr(pool, name, getattr(pool, name))

    @pytest.mark.parametrize("value", ["", "LRU", "fifo", "lru\0", "\ud800"])
    def test_unknown_policy(self, value: Any) -> None:
        with pytest.raises(ValueError, match="policy must be 's3fifo' or 'lru', not "):
            InternPool(policy=value)

    @pytest.mark.parametrize("value", [None, 1, b"lru"])
    def test_policy_must_be_str(self, value: Any) -> None:
        name = type(value).__name__
        with pytest.raises(TypeError, match=f"^policy must be a str, not {name}$"):
            InternPool(policy=value)


class TestAdaptive:
    """A full pool lets nothing in that comes once, while that is nearly all."""

    @pytest.mark.parametrize("policy", ["s3fifo", "lru"])
    def test_unique_data_is_kept_out_once_full(
        self, policy: Literal["s3fifo", "lru"]
    ) -> None:
        pool = InternPool(100, policy=policy)
        feed(pool, (f"item {i}" for i in range(50_000)))
        info = pool.cache_info()
        assert info.hits == 0
        assert info.bypassed > 40_000
        assert info.misses + info.bypassed == 50_000
        assert info.misses == info.evictions + info.currsize
        pool._debug_validate()

    def test_not_if_adaptive_is_false(self) -> None:
        pool = InternPool(100, adaptive=False)
        feed(pool, (f"item {i}" for i in range(50_000)))
        assert pool.cache_info().bypassed == 0

    def test_not_while_there_is_room(self) -> None:
        pool = InternPool(50_000)
        feed(pool, (f"item {i}" for i in range(50_000)))
        assert pool.cache_info().misses == 50_000

    def test_one_call_in_20_for_something_known_keeps_it_open(self) -> None:
        for every, closed in ((15, False), (25, True)):
            pool = InternPool(100)
            hot = fresh("hot")
            for i in range(50_000):
                pool.intern(hot if i % every == 0 else f"item {i}")
            assert (pool.cache_info().bypassed > 0) is closed

    def test_strings_that_come_twice_get_in_while_it_is_closed(self) -> None:
        pool = InternPool(1000)
        feed(pool, (f"item {i}" for i in range(20_000)))
        before = pool.cache_info().bypassed
        pool.intern("back again")
        assert "back again" not in pool
        assert pool.cache_info().bypassed == before + 1
        pool.intern("back again")
        assert "back again" in pool
        assert pool.cache_info().bypassed == before + 1

    def test_it_opens_when_data_repeats(self) -> None:
        pool = InternPool(1000)
        feed(pool, (f"item {i}" for i in range(20_000)))
        draw = random.Random(1).randrange
        repeating = [f"repeating {draw(500)}" for _ in range(20_000)]
        feed(pool, repeating)
        before = pool.cache_info()
        feed(pool, map(fresh, repeating))
        assert pool.cache_info().hits - before.hits > 19_900

    def test_singletons_say_nothing_about_the_data(self) -> None:
        pool = InternPool(100)
        for i in range(50_000):
            pool.intern(f"item {i}")
            pool.intern("a")
        assert pool.cache_info().bypassed > 40_000

    def test_cache_clear_opens_it(self) -> None:
        pool = InternPool(100)
        feed(pool, (f"item {i}" for i in range(20_000)))
        pool.cache_clear()
        feed(pool, (f"other {i}" for i in range(200)))
        assert pool.cache_info().bypassed == 0
        assert pool.cache_info().misses == 200


class TestPins:
    def test_pinned_strings_stay(self) -> None:
        for policy in ("s3fifo", "lru"):
            pool = InternPool(10, policy=policy)  # type: ignore[arg-type]
            pinned = [pool.pin(fresh(f"pinned {i}")) for i in range(5)]
            feed(pool, (f"item {i}" for i in range(1000)))
            assert all(pool.get(s) is s for s in pinned)
            assert len(pool) == 10
            assert pool.trim(max_bytes=0) == 5
            assert sorted(pool) == pinned
            pool._debug_validate()

    def test_pin_is_intern_and_idempotent(self) -> None:
        pool = InternPool()
        resident = pool.intern(fresh("north"))
        before = sys.getrefcount(resident)
        assert pool.pin(fresh("north")) is resident
        assert pool.pin(fresh("north")) is resident
        assert sys.getrefcount(resident) == before
        assert pool.cache_info()[:2] == (2, 1)
        assert pool.unpin(fresh("north")) is True
        assert pool.unpin("north") is False
        assert pool.unpin("x" * 2000) is False
        assert "north" in pool

    def test_a_pool_full_of_pinned_strings_lets_others_pass(self) -> None:
        pool = InternPool(3)
        for i in range(3):
            pool.pin(f"pinned {i}")
        other = fresh("other")
        assert pool.intern(other) is other
        assert pool.cache_info().bypassed == 1
        with pytest.raises(ValueError, match="no room beside what is pinned"):
            pool.pin("other")
        with pytest.raises(ValueError, match=r"^pinned strings exceed"):
            pool.resize(2)
        assert pool.max_entries == 3
        assert pool.discard("pinned 1") is True
        assert pool.pin("other") is not None
        pool.clear()
        assert len(pool) == 0
        assert pool.intern(other) is other
        assert len(pool) == 1
        pool._debug_validate()

    def test_pins_and_bytes(self) -> None:
        size = sys.getsizeof("x" * 100)
        pool = InternPool(max_bytes=3 * size)
        first = pool.pin("1" * 100)  # more than a tenth, which is asked for
        pool.pin("2" * 100)
        pool.pin("3" * 100)
        with pytest.raises(ValueError, match="no room beside what is pinned"):
            pool.pin("4" * 100)
        with pytest.raises(ValueError, match="no room beside what is pinned"):
            pool.pin("5" * 500)
        assert len(pool) == 3
        assert pool.unpin(first)
        pool.pin("4" * 100)
        assert first not in pool
        pool._debug_validate()

    def test_what_cannot_be_pinned(self) -> None:
        pool: Any = InternPool(max_length=10)
        with pytest.raises(ValueError, match="longer than max_length, 10 characters"):
            pool.pin("x" * 11)
        for value, message in (
            (1, r"^pin\(\) argument must be str, not int"),
            (None, r"^pin\(\) argument must be str, not None"),
            (type("S", (str,), {})("north"), "can't intern S"),
        ):
            with pytest.raises(TypeError, match=message):
                pool.pin(value)
        with pytest.raises(TypeError, match="exact str objects only, not int"):
            pool.unpin(1)
        assert pool.pin("a") == "a"
        assert pool.unpin("a") is False
        assert len(pool) == 0

    def test_failing_allocations(self) -> None:
        def check(pool: InternPool) -> None:
            pool._debug_validate()
            assert pool.pin("north") in pool

        for n in (0, 8, 12, 18):

            def prepare(n: int = n) -> InternPool:
                pool = InternPool(30)
                feed(pool, (f"item {i}" for i in range(n)))
                return pool

            assert fail_each_allocation(prepare, lambda p: p.pin("north"), check) > 0


class TestTrim:
    def test_unused_strings(self) -> None:
        pool = InternPool()
        held = [pool.intern(fresh(f"item {i}")) for i in range(100)]
        del held[::2]
        pool.pin(fresh("pinned"))
        assert pool.trim(unused_only=True) == 50
        assert set(pool) == {*held, "pinned"}
        assert pool.trim(unused_only=True) == 0
        assert pool.cache_info().evictions == 0
        assert all(pool.intern(fresh(s)) is s for s in held)
        pool._debug_validate()

    def test_up_to_a_number_of_bytes(self) -> None:
        pool = InternPool()
        feed(pool, (f"item {i:04}" for i in range(1000)))
        size = sys.getsizeof("item 0000")
        assert pool.trim(max_bytes=None) == 0
        assert pool.trim() == 0
        assert pool.trim(max_bytes=10**9) == 0
        assert pool.trim(max_bytes=100 * size) == 900
        assert pool.cache_info()[3:6] == (100, 100 * size, None)
        assert pool.trim(max_bytes=100 * size - 1, unused_only=True) == 1
        assert pool.trim(max_bytes=0) == 99
        assert len(pool) == 0
        pool._debug_validate()

    def test_in_the_order_of_eviction(self) -> None:
        pool = InternPool(100, policy="lru")
        feed(pool, (f"item {i}" for i in range(10)))
        pool.intern("item 0")
        pool.trim(max_bytes=2 * sys.getsizeof("item 0"))
        assert sorted(pool) == ["item 0", "item 9"]

    def test_gives_memory_back(self) -> None:
        pool = InternPool(10**6)
        empty = sys.getsizeof(pool)
        feed(pool, (f"item {i}" for i in range(50_000)))
        large = sys.getsizeof(pool)
        pool.trim(max_bytes=0)
        assert sys.getsizeof(pool) == empty < large

    def test_arguments(self) -> None:
        pool: Any = InternPool()
        for value, error in (
            (-1, ValueError),
            ("1", TypeError),
            (2**70, OverflowError),
        ):
            with pytest.raises(error, match="max_bytes must be"):
                pool.trim(max_bytes=value)
        with pytest.raises(TypeError):
            pool.trim(True)

    def test_needs_no_memory_of_its_own(self) -> None:
        def prepare() -> InternPool:
            pool = InternPool()
            feed(pool, (f"item {i}" for i in range(100)))
            return pool

        def check(pool: InternPool) -> None:
            pool._debug_validate()
            assert len(pool) in (0, 100)  # the call may fail before it begins

        def trim(pool: InternPool) -> None:
            pool.trim(unused_only=True)
            assert len(pool) == 0

        assert fail_each_allocation(prepare, trim, check) <= 1


class TestLiveSaved:
    def test_counts_references_beyond_the_first(self) -> None:
        pool = InternPool()
        size = sys.getsizeof("status 200")
        assert pool.live_saved() == 0
        rows = [pool.intern(fresh("status 200")) for _ in range(10)]
        other = pool.intern(fresh("other status"))
        assert pool.live_saved() == 9 * size
        del rows[4:]
        assert pool.live_saved() == 3 * size
        rows.clear()
        assert pool.live_saved() == 0
        assert pool.cache_info().bytes_saved == 9 * size
        assert other in pool

    def test_immortal_strings_do_not_count(self) -> None:
        pool = InternPool()
        for name in ("__init__", "__module__", "__doc__"):
            pool.intern(name)
        assert pool.live_saved() < 10**7


class TestWith:
    def test_clears_at_the_end(self) -> None:
        with InternPool() as pool:
            first = pool.intern(fresh("north"))
            pool.pin("south")
            assert len(pool) == 2
        assert len(pool) == 0
        assert pool.cache_info().misses == 2
        assert pool.intern(fresh("north")) is not first

    def test_lets_exceptions_pass(self) -> None:
        def fail(pool: InternPool) -> None:
            with pool as entered:
                assert entered is pool
                pool.intern("north")
                raise ZeroDivisionError

        pool = InternPool()
        with pytest.raises(ZeroDivisionError):
            fail(pool)
        assert len(pool) == 0

    def test_exit_takes_three_arguments(self) -> None:
        pool: Any = InternPool()
        with pytest.raises(TypeError, match="exactly 3 arguments"):
            pool.__exit__()


class TestPickleOfContents:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_only_on_request(self, protocol: int) -> None:
        pool = InternPool(100, policy="lru", adaptive=False)
        feed(pool, (f"item {i}" for i in range(50)))
        pool.pin("pinned")
        assert list(pickle.loads(pickle.dumps(pool, protocol))) == []
        pool.pickle_contents = True
        loaded = pickle.loads(pickle.dumps(pool, protocol))
        assert set(loaded) == set(pool)
        assert (loaded.policy, loaded.adaptive) == ("lru", False)
        assert loaded.pickle_contents is True
        assert loaded.unpin("pinned") is True
        assert not any(loaded.unpin(f"item {i}") for i in range(50))
        loaded._debug_validate()

    def test_pickle_contents_is_a_bool(self) -> None:
        pool: Any = InternPool()
        assert pool.pickle_contents is False
        with pytest.raises(TypeError, match="pickle_contents must be a bool, not int"):
            pool.pickle_contents = 1
        with pytest.raises(TypeError, match=r"pickle_contents .* cannot be deleted"):
            del pool.pickle_contents
        assert pool.pickle_contents is False

    def test_pickles_that_were_tampered_with(self) -> None:
        restore: Any = InternPool().__reduce__()[0]
        bad: list[tuple[Any, ...]] = [
            (),
            (int, (5,), {}, None),
            (InternPool, (0,), {}, None),
            (InternPool, [], {}, None),
            (InternPool, (5,), {}, 1),
            (InternPool, (5,), {}, ([1], 0)),
            (InternPool, (5,), {}, (("a",), 0)),
            (InternPool, (1,), {}, (["one", "two"], 2)),
            (InternPool, (5,), {}, (["one", "two"], -1)),
            (InternPool, (5,), {}, (["one", "two"], -sys.maxsize - 1)),
        ]
        for arguments in bad:
            with pytest.raises((TypeError, ValueError)):
                restore(*arguments)
        for pinned in (0, 1, 99):
            pool = restore(InternPool, (5,), {}, (["one", "two"], pinned))
            pool._debug_validate()
            assert len(pool) == 2


def test_soak() -> None:
    """Every operation in random order: bounds, structure and memory hold."""
    draw = random.Random(3).randrange
    pool = InternPool(200, max_bytes=20_000)
    numbers = itertools.count()
    for _ in range(20_000):
        what = draw(40)
        string = f"item {next(numbers) if what < 20 else draw(400)}"
        if what < 36:
            pool.intern(string)
        elif what == 36:
            pool.discard(string)
        elif what == 37 and draw(2):
            pool.unpin(string)
        elif what == 38 and sum(pool.unpin(s) for s in list(pool)) < 50:
            pool.pin(string)
        elif what == 39:
            pool.trim(max_bytes=draw(20_000), unused_only=draw(2) == 0)
    pool._debug_validate()
    assert pool.cache_info().bytes == sum(map(sys.getsizeof, pool)) <= 20_000


@pytest.mark.parametrize("options", [{}, {"policy": "lru"}, {"adaptive": False}])
def test_memory_stays_flat(options: dict[str, Any]) -> None:
    """A stream of new strings, some of which come back, leaves nothing behind."""
    pool = InternPool(500, max_bytes=50_000, **options)

    def stream(start: int) -> None:
        for i in range(start, start + 5000):
            pool.intern(f"Processing item {i if i % 3 else i % 600}")

    tracemalloc.start()
    try:
        stream(0)
        stream(5000)
        before, tables = tracemalloc.get_traced_memory()[0], sys.getsizeof(pool)
        stream(10_000)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    pool._debug_validate()
    assert sys.getsizeof(pool) == tables
    # Strings of other lengths are resident now, within the same bound.
    assert after - before < 5000
