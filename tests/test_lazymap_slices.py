"""Views against the lists they replace: any source, any slice of a slice."""

import bisect
import ctypes
import itertools
import operator
import pickle
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lazymap_sources import (
    SEQUENCES,
    UserSequence,
    identity,
    indices,
    ranges,
    sequences,
    slices,
)

from memopt import LazyMap, LazyMapIterator


def triple(x: int) -> int:
    return 3 * x + 1


def indexable(view: Any, size: int) -> list[Any]:
    """All items, read by index from both ends."""
    forward = [view[i] for i in range(size)]
    assert [view[i - size] for i in range(size)] == forward
    for outside in (size, -size - 1, sys.maxsize, -sys.maxsize - 1, 10**30):
        with pytest.raises(IndexError):
            view[outside]
    return forward


# Every way to read all of a Sequence of a known size.
ACCESS_PATHS: dict[str, Callable[[Any, int], list[Any]]] = {
    "list": lambda view, size: list(view),
    "second pass": lambda view, size: list(view) and list(view),
    "star": lambda view, size: [*view],
    "for": lambda view, size: [x for x in view],  # noqa: C416
    "to_list": lambda view, size: view.to_list(),
    "index": indexable,
    "reversed": lambda view, size: list(reversed(view))[::-1],
    "backwards slice": lambda view, size: list(view[::-1])[::-1],
    "whole slice": lambda view, size: list(view[:]),
    "old iteration": lambda view, size: list(map(view.__getitem__, range(size))),
    "map": lambda view, size: list(view.map(identity)),
    "true": lambda view, size: list(view.filter(lambda x: True)),
    "batched": lambda view, size: list(itertools.chain(*view.batched(3))),
    "cached": lambda view, size: list(view.cached()),
    "cached by index": lambda view, size: indexable(view.cached(), size),
    "twice": lambda view, size: [x for x, y in zip(view, iter(view), strict=True)],
    "two sources": lambda view, size: list(LazyMap(max, view, view, strict=True)),
}


@given(sequences(), st.lists(slices, max_size=3))
def test_slices_of_slices_are_those_of_a_list(
    drawn: tuple[Any, list[Any]], chain: list[slice]
) -> None:
    source, items = drawn
    view: Any = LazyMap(triple, source)
    want = [triple(x) for x in items]
    for key in chain:
        view, want = view[key], want[key]
        assert type(view) is LazyMap
    assert len(view) == operator.length_hint(iter(view)) == len(want)
    assert bool(view) is bool(want)
    for name, read in ACCESS_PATHS.items():
        assert read(view, len(want)) == want, name


@given(sequences(), slices)
def test_slice_is_made_before_or_after_the_map(
    drawn: tuple[Any, list[Any]], key: slice
) -> None:
    source, items = drawn
    want = [str(triple(x)) for x in items][key]
    assert LazyMap(triple, source)[key].map(str).to_list() == want
    assert LazyMap(triple, source).map(str)[key].to_list() == want
    assert LazyMap(str, LazyMap(triple, source)[key]).to_list() == want


@given(st.lists(sequences(), min_size=2, max_size=7), st.lists(slices, max_size=2))
def test_several_sources_end_with_the_shortest(
    drawn: list[tuple[Any, list[Any]]], chain: list[slice]
) -> None:
    view: Any = LazyMap(lambda *args: args, *(source for source, _ in drawn))
    want: Any = list(zip(*(items for _, items in drawn), strict=False))
    for key in chain:
        view, want = view[key], want[key]
    assert len(view) == len(want)
    for name, read in ACCESS_PATHS.items():
        assert read(view, len(want)) == want, name


@given(sequences(), st.lists(slices, max_size=2), st.data())
def test_searching_is_that_of_a_list(
    drawn: tuple[Any, list[Any]], chain: list[slice], data: st.DataObject
) -> None:
    source, items = drawn
    view: Any = LazyMap(identity, source)
    want: Any = items
    for key in chain:
        view, want = view[key], want[key]
    value = data.draw(st.sampled_from([*items, -1]))
    assert (value in view) is (value in want)
    assert view.count(value) == want.count(value)
    bounds = [b for b in data.draw(st.tuples(indices, indices)) if b is not None]
    try:
        position = want.index(value, *bounds)
    except ValueError:
        with pytest.raises(ValueError, match=rf"^{value} is not in LazyMap$"):
            view.index(value, *bounds)
    else:
        assert view.index(value, *bounds) == position


@given(sequences(), st.lists(slices, max_size=2), st.integers(0, 5))
def test_pickled_slices_show_the_same(
    drawn: tuple[Any, list[Any]], chain: list[slice], protocol: int
) -> None:
    source, items = drawn
    assume(not isinstance(source, (memoryview, ctypes.Array)))  # they do not pickle
    view: Any = LazyMap(triple, source)
    want: Any = [triple(x) for x in items]
    for key in chain:
        view, want = view[key], want[key]
    again = pickle.loads(pickle.dumps(view, protocol))
    assert type(again) is LazyMap
    assert len(again) == len(want)
    assert list(again) == list(again) == want


@given(ranges)
def test_ranges_of_any_integers(source: range) -> None:
    view = LazyMap(identity, source)
    assert list(view) == list(source)
    assert list(view[::-1]) == list(source[::-1])
    assert list(LazyMap(max, view, view)[1:]) == list(source[1:])
    assert list(LazyMap(max, source, source)[::-2]) == list(source[::-2])


@pytest.mark.parametrize(
    "source",
    [
        range(10**30),
        range(-(10**30), 10**30, 7),
        range(10**30, -(10**30), -(10**20)),
        range(2**63 - 3, 2**63 + 3),
        range(-(2**63) + 2, -(2**63) - 3, -1),
        range(2**63 - 1, -(2**63), -1),
        range(0, 2**63 - 1, 2**62),
        range(-(2**63), 2**63 - 1, 2**63 - 1),
    ],
)
def test_huge_ranges_are_indexed_and_sliced(source: range) -> None:
    view = LazyMap(identity, source)
    assert view[0] == source[0]
    assert view[-1] == source[-1]
    assert view[-2] == source[-2]
    assert list(view[:5]) == list(source[:5])
    assert list(view[-3:]) == list(source[-3:])
    assert list(view[::-1][:3]) == list(source[::-1][:3])
    assert list(itertools.islice(view, 4)) == list(source[:4])
    assert list(itertools.islice(reversed(view), 4)) == list(source[::-1][:4])
    assert bool(view)
    try:
        size = len(source)
    except OverflowError:
        with pytest.raises(OverflowError):
            len(view)
        assert view[2**63 + 1] == source[2**63 + 1]
        both = LazyMap(max, source, source)
        assert bool(both)
        assert list(both[:3]) == list(source[:3])
    else:
        assert len(view) == size


def test_a_huge_range_beside_a_short_source() -> None:
    huge = range(2**70)
    for view, want in (
        (LazyMap(max, huge, [3, 4, 5]), [3, 4, 5]),
        (LazyMap(max, [3, 4, 5], huge), [3, 4, 5]),
        (LazyMap(max, huge, LazyMap(identity, iter("ab")).cached().map(len)), [1, 1]),
        (LazyMap(max, LazyMap(identity, huge), huge, b""), []),
    ):
        assert list(view) == view.to_list() == want
        assert list(iter(view)) == want
        assert operator.length_hint(iter(view), len(want)) == len(view) == len(want)
        assert list(reversed(view)) == list(view[::-1]) == want[::-1]
    both = LazyMap(max, huge, huge)
    for size in len, reversed, operator.itemgetter(-1), LazyMap.to_list:
        with pytest.raises(OverflowError):
            size(both)


def test_windows_reach_both_ends_of_the_index_range() -> None:
    class Endless:
        """An item at each index, as many as there can be."""

        def __len__(self) -> int:
            return sys.maxsize

        def __getitem__(self, index: int) -> int:
            return index

    endless: Any = Endless()
    view = LazyMap(identity, endless)
    assert len(view) == sys.maxsize
    assert view[-1] == sys.maxsize - 1
    assert view[::-1][0] == sys.maxsize - 1
    assert view[::-1][-1] == 0
    assert len(view[::-1]) == sys.maxsize
    assert len(view[1::2]) == sys.maxsize // 2
    assert view[1::2][-1] == sys.maxsize - 2
    assert list(view[:: sys.maxsize - 1]) == [0, sys.maxsize - 1]
    assert list(view[:: -sys.maxsize]) == [sys.maxsize - 1]
    assert list(view[:: sys.maxsize - 1][::-1]) == [sys.maxsize - 1, 0]
    assert list(view[sys.maxsize - 2 :]) == [sys.maxsize - 2, sys.maxsize - 1]
    assert view[::3][::5][::7][2] == 210
    assert view[3::-1][2:][::-1].to_list() == [0, 1]
    with pytest.raises(IndexError):
        view[:-1][sys.maxsize - 1]


@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_a_sequence_serves_what_takes_sequences(name: str) -> None:
    values = [5, 7, 7, 9, 20]
    view = LazyMap(triple, SEQUENCES[name](values))
    want = [triple(x) for x in values]
    assert bisect.bisect_left(view, triple(7)) == 1
    assert bisect.bisect(view, triple(7)) == 3
    for seed in range(5):
        assert random.Random(seed).sample(view, 4) == random.Random(seed).sample(
            want, 4
        )
        assert random.Random(seed).choice(view) == random.Random(seed).choice(want)
    match view:
        case [first, *rest]:
            assert [first, *rest] == want
        case _:
            pytest.fail("not matched as a sequence")
    match view:
        case [_, _]:
            pytest.fail("five values are not two")
        case [_, _, x, _, last]:
            assert [x, last] == [want[2], want[4]]


def test_items_through_the_sequence_protocol_of_c() -> None:
    get_item = ctypes.pythonapi.PySequence_GetItem
    get_item.argtypes = [ctypes.py_object, ctypes.c_ssize_t]
    get_item.restype = ctypes.py_object
    for view in LazyMap(triple, [1, 2, 3]), LazyMap(triple, range(1, 4)):
        assert [get_item(view, i) for i in range(-3, 3)] == [4, 7, 10] * 2
        for outside in 3, -4, -7, -sys.maxsize, sys.maxsize:
            with pytest.raises(IndexError):
                get_item(view, outside)
    with pytest.raises(TypeError, match=r"has no len\(\); use \.cached\(\)"):
        get_item(LazyMap(triple, [1]).filter(None), -1)
    with pytest.raises(TypeError, match=r"cannot be indexed; use \.cached\(\)"):
        get_item(LazyMap(triple, [1]).filter(None), 0)


def test_view_follows_a_list_that_changes() -> None:
    source = [1, 2, 3]
    view = LazyMap(triple, source)
    iterator = iter(view)
    part = view[1:]
    source.append(4)
    assert len(view) == 4
    assert view[-1] == triple(4)
    assert list(view) == [triple(x) for x in source]
    assert list(iterator) == [triple(x) for x in source]
    assert list(part) == [triple(2), triple(3)]
    source[1] = 9
    assert part[0] == triple(9)


def test_slice_is_frozen_and_what_has_gone_is_an_index_error() -> None:
    for make in list, UserSequence:
        source: Any = make([1, 2, 3, 4])
        part = LazyMap(triple, source)[1:]
        iterator = iter(part)
        (source if make is list else source.values).__delitem__(slice(2, None))
        assert len(part) == 3
        assert part[0] == triple(2)
        for i in 1, 2, -1:
            with pytest.raises(IndexError):
                part[i]
        assert next(iterator) == triple(2)
        with pytest.raises(IndexError):
            next(iterator)
        with pytest.raises(IndexError):
            list(part)
        (source if make is list else source.values).extend([30, 40])
        assert next(iterator) == triple(40), "an error is not the end"
        assert list(iterator) == []


def test_bad_keys() -> None:
    view: Any = LazyMap(triple, [1, 2, 3])
    for key in "a", 1.0, None, (1, 2), [0]:
        with pytest.raises(
            TypeError,
            match=f"^LazyMap indices must be integers or slices, "
            f"not {type(key).__name__}$",
        ):
            view[key]
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        view[::0]
    with pytest.raises(TypeError, match="slice indices must be integers"):
        view["a":]
    with pytest.raises(IndexError, match="cannot fit 'int' into an index-sized"):
        view[10**30]

    class BadIndex:
        def __index__(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        view[BadIndex()]
    with pytest.raises(ZeroDivisionError):
        view[BadIndex() :]
    with pytest.raises(ZeroDivisionError):
        view.index(1, BadIndex())
    for wrong in ("x",), (None,), (0, "x"):
        with pytest.raises(TypeError, match="slice indices must be integers"):
            view.index(1, *wrong)
    assert not isinstance(view[:], LazyMapIterator)
