"""LazyMap.batched(): slices of Sequences, tuples of the rest."""

import collections.abc
import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lazymap_sources import (
    ITERABLE,
    ONE_SHOT,
    SIZED,
    identity,
    sequences,
    slices,
)
from reference import batches_of

from memopt import LazyMap, LazyMapIterator


def as_lists(batches: Any) -> list[list[Any]]:
    return [list(batch) for batch in batches]


@given(sequences(), st.lists(slices, max_size=1), st.integers(1, 15))
def test_batches_of_sequences(
    drawn: tuple[Any, list[Any]], chain: list[slice], n: int
) -> None:
    source, want = drawn
    view: Any = LazyMap(identity, source)
    for key in chain:
        view, want = view[key], want[key]
    batches = view.batched(n)
    expected = batches_of(want, n)
    assert type(batches) is LazyMap
    assert isinstance(batches, collections.abc.Sequence)
    assert len(batches) == len(expected)
    assert as_lists(batches) == as_lists(batches) == expected
    assert as_lists(batches[::-1]) == expected[::-1]
    assert as_lists(reversed(batches)) == expected[::-1]
    assert batches.map(sum).to_list() == [sum(batch) for batch in expected]
    for i, batch in enumerate(expected):
        assert type(batches[i]) is LazyMap
        assert batches[i].to_list() == list(batches[i - len(expected)]) == batch
    for outside in len(expected), -len(expected) - 1, sys.maxsize:
        with pytest.raises(IndexError):
            batches[outside]
    nested = batches.batched(2)
    assert [as_lists(outer) for outer in nested] == batches_of(expected, 2)


@pytest.mark.parametrize("name", sorted(SIZED | ITERABLE))
def test_batches_of_other_iterables(name: str) -> None:
    source = (SIZED | ITERABLE)[name]([5, 1, 4, 2, 3])
    items = list(source)
    for n in range(1, 7):
        batches = LazyMap(identity, source).batched(n)
        assert type(batches) is LazyMap
        want = [tuple(batch) for batch in batches_of(items, n)]
        assert list(batches) == list(batches) == want
        assert list(batches.map(len)) == [len(batch) for batch in want]
        with pytest.raises(TypeError, match=r"has no len\(\); use \.cached\(\)"):
            len(batches)
        assert batches.cached()[-1] == want[-1]


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_batches_of_iterators(name: str) -> None:
    for n in range(1, 7):
        batches: Any = LazyMap(identity, ONE_SHOT[name]([5, 1, 4, 2, 3])).batched(n)
        assert type(batches) is LazyMapIterator
        want = [tuple(batch) for batch in batches_of([5, 1, 4, 2, 3], n)]
        assert next(batches) == want[0]
        assert list(batches) == want[1:]
        with pytest.raises(RuntimeError, match="exhausted"):
            iter(batches)


def test_filter_batch_map() -> None:
    lazy = LazyMap(identity, range(1000)).filter(lambda x: x % 2)
    odd = list(range(1, 1000, 2))
    want = [sum(batch) for batch in batches_of(odd, 100)]
    assert lazy.batched(100).map(sum).to_list() == want
    assert lazy.batched(100).map(sum).to_list() == want
    once: Any = LazyMap(identity, iter(range(1000))).filter(lambda x: x % 2)
    assert once.batched(100).map(sum).to_list() == want


def test_batches_are_lazy() -> None:
    calls: list[int] = []

    def note(x: int) -> int:
        calls.append(x)
        return x

    view = LazyMap(note, range(10))
    batches = view.batched(4)
    assert len(batches) == 3
    batch = batches[1]
    assert repr(batches[-1])
    assert calls == []
    assert batch[2] == 6
    assert calls == [6]


def test_batches_follow_the_source() -> None:
    source = [1, 2, 3]
    batches = LazyMap(identity, source).batched(2)
    last = batches[-1]
    source += [4, 5]
    assert len(batches) == 3
    assert as_lists(batches) == [[1, 2], [3, 4], [5]]
    assert list(last) == [3], "a slice keeps to its indices"


def test_strict() -> None:
    message = r"^LazyMap\.batched\(\): incomplete batch$"
    source = [1, 2, 3, 4]
    batches = LazyMap(identity, source).batched(2, strict=True)
    assert as_lists(batches) == [[1, 2], [3, 4]]
    source.append(5)
    assert as_lists(batches[:2]) == [[1, 2], [3, 4]]
    for read in (lambda: batches[2], lambda: batches[-1], lambda: list(batches)):
        with pytest.raises(ValueError, match=message):
            read()
    with pytest.raises(ValueError, match=message):
        LazyMap(identity, source).batched(2, True)
    makers: list[Callable[[], Any]] = [
        lambda: LazyMap(identity, iter(source)),
        lambda: LazyMap(identity, set(source)),
        lambda: LazyMap(identity, source).filter(None),
        lambda: LazyMap(identity, iter(source)).cached(),
    ]
    for make in makers:
        lazy: Any = iter(make().batched(2, strict=True))
        assert len(next(lazy)) == len(next(lazy)) == 2
        with pytest.raises(ValueError, match=message):
            next(lazy)
        assert len(list(make().batched(5, strict=True))) == 1
    assert list(LazyMap(identity, iter([])).batched(5, strict=True)) == []
    assert list(LazyMap(identity, []).batched(5, strict=True)) == []


@pytest.mark.skipif(sys.version_info < (3, 13), reason="batched(strict=) is of 3.13")
def test_tuples_are_those_of_itertools() -> None:
    for strict in False, True:
        for size in range(7):
            for n in range(1, 8):
                outcome: list[Any] = []
                for batches in (
                    itertools.batched(range(size), n, strict=strict),
                    LazyMap(identity, iter(range(size))).batched(n, strict),
                ):
                    try:
                        outcome.append(list(batches))
                    except ValueError:
                        outcome.append(ValueError)
                assert outcome[0] == outcome[1]


def test_bad_sizes() -> None:
    for lazy in LazyMap(abs, [1]), LazyMap(abs, {1}), LazyMap(abs, iter([1])):
        for n in 0, -1, -sys.maxsize:
            with pytest.raises(ValueError, match=r"^n must be at least one$"):
                lazy.batched(n)
        with pytest.raises(OverflowError):
            lazy.batched(10**30)
        for wrong in "2", 2.0, None:
            with pytest.raises(TypeError):
                lazy.batched(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            lazy.batched()  # type: ignore[call-arg]


def test_huge_sizes() -> None:
    for lazy in LazyMap(abs, [1, 2]), LazyMap(abs, {1, 2}), LazyMap(abs, iter([1, 2])):
        assert as_lists(lazy.batched(sys.maxsize)) == [[1, 2]]
    view: Any = LazyMap(identity, range(sys.maxsize))
    assert len(view.batched(1)) == sys.maxsize
    assert len(view.batched(2)) == sys.maxsize // 2 + 1
    assert view.batched(2)[-1].to_list() == [sys.maxsize - 1]
    assert len(view.batched(sys.maxsize)) == 1
    assert len(view.batched(sys.maxsize - 1)[-1]) == 1
    assert list(view.batched(sys.maxsize - 1)[1]) == [sys.maxsize - 1]
    beyond: Any = LazyMap(identity, range(10**30)).batched(3)
    assert beyond[5].to_list() == [15, 16, 17]
    with pytest.raises(OverflowError):
        len(beyond)


def test_errors_drop_the_batch_only() -> None:
    def check(x: int) -> int:
        if x == 2:
            raise ZeroDivisionError
        return x

    once: Any = LazyMap(check, iter(range(7))).batched(2)
    assert next(once) == (0, 1)
    with pytest.raises(ZeroDivisionError):
        next(once)
    assert list(once) == [(3, 4), (5, 6)]


def test_next_from_within_a_batch() -> None:
    def steal(x: int) -> int:
        if x == 1:
            stolen.append(next(batches))
        return x

    stolen: list[Any] = []
    batches: Any = LazyMap(steal, iter(range(7))).batched(3)
    assert list(batches) == [(0, 1, 5), (6,)]
    assert stolen == [(2, 3, 4)]
