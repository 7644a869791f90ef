"""LazyMap.cached(): each value computed once, when first asked for."""

import gc
import itertools
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from lazymap_sources import (
    ITERABLE,
    ONE_SHOT,
    SEQUENCES,
    SIZED,
    UserSequence,
    identity,
)

from memopt import LazyMap


class Counting:
    """The function x -> -x, which remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, x: int) -> int:
        self.calls.append(x)
        return -x


@pytest.mark.parametrize("name", sorted(SEQUENCES | SIZED | ITERABLE | ONE_SHOT))
def test_everything_becomes_a_sequence(name: str) -> None:
    make = (SEQUENCES | SIZED | ITERABLE | ONE_SHOT)[name]
    want = [identity(x) for x in make([4, 2, 1, 3])]
    cached = LazyMap(identity, make([4, 2, 1, 3])).cached()
    assert type(cached) is LazyMap
    assert cached[0] == want[0]
    assert len(cached) == len(want)
    assert list(cached) == list(cached) == want
    assert list(reversed(cached)) == want[::-1]
    assert cached[1:].to_list() == want[1:]
    assert cached.index(want[-1]) == len(want) - 1
    for outside in (len(want), -len(want) - 1, sys.maxsize):
        with pytest.raises(IndexError, match=r"^LazyMap index out of range$"):
            cached[outside]


class CachedView(RuleBasedStateMachine):
    """A cached view, against a list, reading at random."""

    def __init__(self) -> None:
        super().__init__()
        self.func = Counting()
        self.source = list(range(3000))
        self.cached = LazyMap(self.func, self.source).cached()
        self.asked: set[int] = set()

    @rule(index=st.integers(-3000, 2999))
    def read_an_item(self, index: int) -> None:
        assert self.cached[index] == -self.source[index]
        self.asked.add(index % 3000)

    @rule(start=st.integers(0, 3100), size=st.integers(0, 20), step=st.integers(1, 90))
    def read_a_slice(self, start: int, size: int, step: int) -> None:
        key = slice(start, start + size * step, step)
        assert self.cached[key].to_list() == [-x for x in self.source[key]]
        self.asked.update(range(3000)[key])

    @rule(n=st.integers(0, 40))
    def read_the_first(self, n: int) -> None:
        got = list(itertools.islice(self.cached, n))
        assert got == [-x for x in self.source[:n]]
        self.asked.update(range(n))

    @invariant()
    def only_what_was_asked_for_is_computed_and_once(self) -> None:
        assert len(self.cached) == 3000
        assert sorted(self.func.calls) == sorted(self.asked)


class CachedIterator(RuleBasedStateMachine):
    """A cached iterator, against the list of its items."""

    SIZE = 2500

    def __init__(self) -> None:
        super().__init__()
        self.func = Counting()
        self.cached = LazyMap(self.func, iter(range(self.SIZE))).cached()
        self.pulled = 0
        self.want = [-x for x in range(self.SIZE)]

    def reach(self, n: int) -> None:
        self.pulled = max(self.pulled, min(n, self.SIZE))

    @rule(index=st.integers(0, SIZE + 5))
    def read_an_item(self, index: int) -> None:
        if index < self.SIZE:
            assert self.cached[index] == -index
        else:
            with pytest.raises(IndexError):
                self.cached[index]
        self.reach(index + 1)

    @rule(start=st.integers(0, 50), size=st.integers(0, 50), step=st.integers(1, 9))
    def read_a_slice(self, start: int, size: int, step: int) -> None:
        key = slice(start, start + size, step)
        assert self.cached[key].to_list() == self.want[key]
        self.reach(start + size)

    @rule(start=st.integers(0, 50), stop=st.integers(0, 50), step=st.integers(-9, -1))
    def read_a_slice_backwards(self, start: int, stop: int, step: int) -> None:
        assert self.cached[start:stop:step].to_list() == self.want[start:stop:step]
        self.reach(start + 1)

    @rule(n=st.integers(0, 300))
    def read_the_first(self, n: int) -> None:
        assert list(itertools.islice(self.cached, n)) == self.want[:n]
        self.reach(n)

    @rule(n=st.integers(1, 40))
    def read_a_batch(self, n: int) -> None:
        batch = next(iter(self.cached.batched(n)))
        assert list(batch) == self.want[:n]
        self.reach(n)

    @rule()
    def test_for_emptiness(self) -> None:
        assert self.cached
        self.reach(1)

    @rule()
    def read_from_the_end(self) -> None:
        assert self.cached[-1] == self.want[-1]
        self.reach(self.SIZE)

    @invariant()
    def no_more_than_needed_is_read(self) -> None:
        assert self.func.calls == list(range(self.pulled))


TestCachedView = CachedView.TestCase
TestCachedIterator = CachedIterator.TestCase


def test_endless_iterators() -> None:
    cached: Any = LazyMap(lambda x: x * x, itertools.count()).cached()
    assert cached[:10].to_list() == [x * x for x in range(10)]
    assert cached[7:2:-2].to_list() == [49, 25, 9]
    assert cached[3::-1].to_list() == [9, 4, 1, 0]
    assert cached[5] == 25
    assert bool(cached)
    assert cached.index(81) == 9
    assert 10000 in cached
    assert cached.batched(3)[4].to_list() == [144, 169, 196]
    assert list(itertools.islice(cached.batched(2).map(sum), 3)) == [1, 13, 41]
    assert cached.map(str)[:3].to_list() == ["0", "1", "4"]
    assert list(zip(cached, "ab", strict=False)) == [(0, "a"), (1, "b")]
    assert list(LazyMap(max, cached, [0, 0, 5])) == [0, 1, 5]


def test_caching_again_is_the_same() -> None:
    cached = LazyMap(Counting(), [1, 2]).cached()
    assert cached.cached() is cached
    assert cached.map(identity).cached() is not cached
    func = Counting()
    part = LazyMap(func, range(9)).cached()[2:4]
    assert part.cached() is part
    assert list(part) == list(part) == [-2, -3]
    assert func.calls == [2, 3]


def test_cache_is_shared_by_what_is_made_of_it() -> None:
    func = Counting()
    cached = LazyMap(func, range(5)).cached()
    assert list(cached.map(str)) == ["0", "-1", "-2", "-3", "-4"]
    assert list(cached[::-1]) == [-4, -3, -2, -1, 0]
    assert list(cached.filter(lambda x: x % 2)) == [-1, -3]
    assert [list(batch) for batch in cached.batched(3)] == [[0, -1, -2], [-3, -4]]
    assert list(LazyMap(max, cached, cached)) == list(cached)
    assert func.calls == [0, 1, 2, 3, 4]


def test_cached_view_follows_its_source() -> None:
    func = Counting()
    source = [1, 2]
    cached = LazyMap(func, source).cached()
    assert list(cached) == [-1, -2]
    source.append(3)
    assert len(cached) == 3
    assert list(cached) == [-1, -2, -3]
    source[0] = 9
    assert cached[0] == -1, "computed once"
    del source[1:]
    assert list(cached) == [-1]
    with pytest.raises(IndexError):
        cached[1]
    assert func.calls == [1, 2, 3]


def test_failures_are_not_cached() -> None:
    fail = True

    def flaky(x: int) -> int:
        if fail:
            raise ZeroDivisionError
        return x

    cached = LazyMap(flaky, [1, 2]).cached()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cached[1]
    fail = False
    assert cached[1] == 2
    fail = True
    assert cached[1] == 2
    with pytest.raises(ZeroDivisionError):
        list(cached)


def test_failures_of_an_iterator_take_no_index() -> None:
    def check(x: int) -> int:
        if x % 2:
            raise ZeroDivisionError
        return x

    def read(iterator: Iterator[Any]) -> list[Any]:
        got: list[Any] = []
        while True:
            try:
                got.append(next(iterator))
            except ZeroDivisionError:
                got.append(None)
            except StopIteration:
                return got

    cached = LazyMap(check, iter([0, 1, 2, 3, 4])).cached()
    assert read(iter(cached)) == [0, None, 2, None, 4]
    assert list(cached) == [0, 2, 4]
    cached = LazyMap(check, iter([0, 1, 2, 3, 4])).cached()
    assert read(iter(cached.batched(2).map(list))) == [None, [0, 2], None, [4]]
    assert [list(batch) for batch in cached.batched(2)] == [[0, 2], [4]]


def test_function_that_uses_its_own_cache() -> None:
    def fibonacci(n: int) -> int:
        calls.append(n)
        return n if n < 2 else cached[n - 1] + cached[n - 2]

    calls: list[int] = []
    cached: Any = LazyMap(fibonacci, range(91)).cached()
    assert cached[90] == 2880067194370816120
    assert sorted(calls) == list(range(91))
    calls.clear()
    cached = LazyMap(fibonacci, iter(range(91))).cached()
    assert cached[90] == 2880067194370816120
    assert calls == list(range(91))


def test_value_that_needs_itself() -> None:
    def itself(n: int) -> Any:
        return cached[n]

    cached: Any = LazyMap(itself, iter(range(5))).cached()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="needs that value, or a later one"):
            cached[0]
    cached = LazyMap(lambda n: len(cached), iter(range(5))).cached()
    with pytest.raises(RuntimeError, match="needs that value, or a later one"):
        list(cached)
    cached = LazyMap(itself, range(5)).cached()
    with pytest.raises(RecursionError):
        cached[0]


def test_first_value_computed_stays() -> None:
    def nested(n: int) -> list[str]:
        if not depth:
            depth.append(n)
            seen.append(cached[n])
            return ["outer"]
        return ["inner"]

    depth: list[int] = []
    seen: list[Any] = []
    cached: Any = LazyMap(nested, [0]).cached()
    value = cached[0]
    assert value == ["inner"]
    assert value is cached[0] is seen[0]


def test_cache_lets_go_of_an_exhausted_source() -> None:
    class Source:
        def __iter__(self) -> Iterator[int]:
            return iter([1, 2])

    for once in False, True:
        source = Source()
        ref = weakref.ref(source)
        lazy: Any = LazyMap(identity, source).filter(None)
        if once:
            lazy = LazyMap(identity, (x for s in [source] for x in s))
        cached = lazy.cached()
        del lazy, source
        assert ref() is not None
        assert len(cached) == 2
        assert ref() is None
        assert list(cached) == [1, 2]


def test_cached_values_are_kept_and_freed() -> None:
    class Value:
        pass

    for source in UserSequence(range(3000)), iter(range(3000)):
        cached = LazyMap(lambda x: Value(), source).cached()
        ref = weakref.ref(cached[2999])
        assert ref() is cached[2999]
        del cached, source
        gc.collect()
        assert ref() is None


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_far_apart_items(indices: list[int]) -> None:
    func = Counting()
    cached = LazyMap(func, range(10**9 + 1)).cached()
    for index in indices:
        assert cached[index] == -index
        assert cached[index] == -index
    assert len(func.calls) == len(set(indices))
