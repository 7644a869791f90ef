"""Pickling and copying: what comes back is equal, or nothing comes back."""

import copy
import pickle
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lazymap_sources import (
    ITERABLE,
    ONE_SHOT,
    SEQUENCES,
    SIZED,
    OnlyIterable,
    UserSequence,
    identity,
    is_integer,
)

from memopt import LazyMap, LazyMapIterator, _memopt

EVERY_KIND = SEQUENCES | SIZED | ITERABLE | ONE_SHOT
UNPICKLABLE = {"memoryview", "ctypes", "generator", "dict keys", "dict values"}
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

restore = _memopt._restore_lazymap  # type: ignore[attr-defined]
restore_iterator = _memopt._restore_lazymap_iterator  # type: ignore[attr-defined]
MAP = (("map", abs),)


def double(x: Any) -> Any:
    return 2 * x


class Named(LazyMap[Any]):
    def __init__(self, *args: Any, name: str = "") -> None:
        self.name = name

    def __new__(cls, *args: Any, name: str = "") -> "Named":
        named: Named = super().__new__(cls, *args)
        return named


class Slotted(LazyMapIterator[Any]):
    __slots__ = ("tag",)
    tag: int


def derived(lazy: Any, generates: bool = False) -> list[Any]:
    """What can be made of a LazyMap, each as it is and after a first value."""
    made = [
        lazy.map(double),
        lazy.filter(is_integer),
        lazy.map(double).filter(None),
        lazy.batched(2),
        lazy.batched(2, strict=True),
        lazy.cached(),
    ]
    if type(lazy) is LazyMap and not generates:
        started = lazy.cached()
        assert next(iter(started)) is not None
        made.append(started)
        made.append(iter(lazy))
        next(made[-1])
        made.append(iter(lazy.filter(is_integer)))
        next(made[-1])
        made.append(iter(lazy.filter(is_integer).batched(3)))
    return made


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "name", sorted(EVERY_KIND.keys() - UNPICKLABLE - {"batched set"})
)
def test_round_trips(name: str, protocol: int) -> None:
    def make() -> Any:
        return LazyMap(double, EVERY_KIND[name]([0, 1, 2, 3]))

    # Iterators of these are generators, which nobody can pickle.
    generates = name in ("UserList", "UserSequence")
    for i in range(1 + len(derived(make(), generates))):
        original = [make(), *derived(make(), generates)][i]
        for again in (
            pickle.loads(pickle.dumps(original, protocol)),
            copy.deepcopy(original),
        ):
            assert type(again) is type(original)
            fresh = [make(), *derived(make(), generates)][i]
            assert as_values(again) == as_values(fresh)


def as_values(lazy: Any) -> list[Any]:
    """All values; batches, which are lazy themselves, as lists."""
    return [list(x) if isinstance(x, LazyMap) else x for x in lazy]


@pytest.mark.parametrize("name", sorted(UNPICKLABLE))
def test_unpicklable_sources_say_so(name: str) -> None:
    lazy = LazyMap(abs, EVERY_KIND[name]([1]))
    with pytest.raises((TypeError, pickle.PicklingError, ValueError)):
        pickle.dumps(lazy)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(LazyMap(lambda x: x, [1]))


def test_slices_take_along_only_what_they_show() -> None:
    for source in list(range(10**5)), tuple(range(10**5)), "x" * 10**5, b"x" * 10**5:
        view = LazyMap(identity, source)
        for part in view[500:510], view[510:500:-1], view[5000:6000:100]:
            pickled = pickle.dumps(part)
            assert len(pickled) < 300
            assert list(pickle.loads(pickled)) == list(part)
        both = LazyMap(max, source, source)[500:510]
        assert len(pickle.dumps(both)) < 300
        assert list(pickle.loads(pickle.dumps(both))) == list(both)
        batches = [pickle.dumps(batch) for batch in view.batched(1000)]
        assert sum(map(len, batches)) < 10**6


def test_slices_that_show_what_has_gone_still_do() -> None:
    source = [1, 2, 3, 4]
    part = LazyMap(identity, source)[1:]
    del source[2:]
    again = pickle.loads(pickle.dumps(part))
    assert len(again) == 3
    assert again[0] == 2
    with pytest.raises(IndexError):
        again[1]


def test_copies_share_their_sources() -> None:
    source = [1, 2, 3]
    for view in LazyMap(double, source), LazyMap(double, source)[1:]:
        assert copy.copy(view) is view, "as a tuple, it never changes"
    deep = copy.deepcopy(LazyMap(double, source))
    source.append(4)
    assert list(deep) == [2, 4, 6]
    once: Any = LazyMap(double, iter([1, 2, 3]))
    assert next(once) == 2
    other: Any = copy.copy(once)
    assert other is not once
    assert next(other) == 4, "the same iterator, as copies of map() have"
    assert next(once) == 6
    assert list(other) == list(once) == []
    for exhausted in other, once:
        with pytest.raises(RuntimeError, match="exhausted"):
            iter(exhausted)
        for again in (
            copy.copy(exhausted),
            copy.deepcopy(exhausted),
            pickle.loads(pickle.dumps(exhausted)),
        ):
            assert type(again) is LazyMapIterator
            assert next(again, None) is None
            with pytest.raises(RuntimeError, match="exhausted"):
                iter(again)


def test_copies_of_iterators_are_independent_where_sources_are() -> None:
    iterator = iter(LazyMap(double, [1, 2, 3]))
    assert next(iterator) == 2
    other = copy.copy(iterator)
    assert list(other) == [4, 6]
    assert list(iterator) == [4, 6]
    assert list(copy.copy(other)) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_subclasses(protocol: int) -> None:
    for source in [1, 2], {1, 2}, iter([1, 2]):
        named = Named(double, source, name="x")
        for again in (
            copy.copy(named),
            pickle.loads(pickle.dumps(named, protocol)),
            copy.deepcopy(named),
        ):
            assert type(again) is Named
            assert again is not named
            assert again.name == "x"
        assert list(again) == [2, 4]
    slotted = Slotted(double, [1, 2])
    slotted.tag = 5
    for again in (
        copy.copy(slotted),
        pickle.loads(pickle.dumps(slotted, max(protocol, 2))),
    ):
        assert type(again) is Slotted
        assert again.tag == 5
        assert list(again) == [2, 4]


def test_subclass_with_its_own_state() -> None:
    class Stateful(LazyMap[Any]):
        state: Any = None

        def __getstate__(self) -> Any:
            return "state"

        def __setstate__(self, state: Any) -> None:
            self.state = state

    assert copy.copy(Stateful(abs, [1])).state == "state"

    class BadReduce(LazyMap[Any]):
        def __reduce_ex__(self, protocol: Any) -> Any:
            return self.result

        result: Any = None

    bad = BadReduce(abs, [1])
    for bad.result in "name", (), (abs,), (abs, 1), (1, ()):
        with pytest.raises(TypeError):
            copy.copy(bad)
    bad.result = (list, ((1, 2),))
    assert copy.copy(bad) == [1, 2]  # type: ignore[comparison-overlap]


def test_copies_restore_attributes_as_the_copy_module_does() -> None:
    class Frozen(LazyMap[Any]):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(name)

    frozen = Frozen(abs, [1])
    vars(frozen)["name"] = "x"
    assert vars(copy.copy(frozen)) == {"name": "x"}

    class Stateful(LazyMap[Any]):
        def __setstate__(self, state: Any) -> None:
            raise AssertionError("there is no state")

    assert list(copy.copy(Stateful(abs, [-1]))) == [1]


def test_lazymap_within_its_own_source() -> None:
    source: list[Any] = [1]
    view = LazyMap(identity, source)
    source.append(view)
    again = pickle.loads(pickle.dumps(view))
    assert again[0] == 1
    assert type(again[1]) is LazyMap
    inner = again[1]
    assert inner[1][0] == 1


def test_cache_takes_its_values_along() -> None:
    calls = []

    class Note:
        def __call__(self, x: int) -> int:
            calls.append(x)
            return -x

        def __reduce__(self) -> str:
            return "note"

    globals()["note"] = note = Note()
    note.__class__.__qualname__ = "note"
    for source in [1, 2, 3], OnlyIterable([1, 2, 3]), iter([1, 2, 3]):
        calls.clear()
        cached = LazyMap(note, source).cached()
        assert cached[1] == -2
        before = list(calls)
        again = pickle.loads(pickle.dumps(cached))
        assert again[1] == -2
        assert calls == before
        assert list(again) == [-1, -2, -3]
        assert sorted(calls) == [1, 2, 3]
        assert list(cached) == [-1, -2, -3]
    source = [1, 2, 3]
    cached = LazyMap(note, source).cached()
    assert list(cached) == [-1, -2, -3]
    del source[1:]
    assert list(pickle.loads(pickle.dumps(cached))) == [-1]


# --- Hostile pickles -----------------------------------------------------------


def attempt(function: Any, *args: Any) -> None:
    """The call must raise; anything else, or a crash, is a failure."""
    with pytest.raises((TypeError, ValueError, OverflowError, IndexError)):
        function(*args)


@pytest.mark.parametrize(
    "args",
    [
        (),
        (LazyMap,),
        (int, MAP, ([1],), None, False),
        ("LazyMap", MAP, ([1],), None, False),
        (LazyMap, list(MAP), ([1],), None, False),
        (LazyMap, ("map",), ([1],), None, False),
        (LazyMap, (("map",),), ([1],), None, False),
        (LazyMap, (("map", 3),), ([1],), None, False),
        (LazyMap, (("map", None),), ([1],), None, False),
        (LazyMap, (("filter", 3),), ([1],), None, False),
        (LazyMap, (("reduce", abs),), ([1],), None, False),
        (LazyMap, ((b"map", abs),), ([1],), None, False),
        (LazyMap, (("map", abs, 1),), ([1],), None, False),
        (LazyMap, MAP, (), None, False),
        (LazyMap, MAP, [[1]], None, False),
        (LazyMap, MAP, (3,), None, False),
        (LazyMap, MAP, None, None, False),
        (Named, MAP, None, None, False),
        (LazyMap, (), ([1], [2]), None, False),
        (LazyMap, (("filter", None),), ([1], [2]), None, False),
        (LazyMap, MAP, ([1],), (0, 1), False),
        (LazyMap, MAP, ([1],), [0, 1, 1], False),
        (LazyMap, MAP, ([1],), (0, 0, 1), False),
        (LazyMap, MAP, ([1],), (-1, 1, 1), False),
        (LazyMap, MAP, ([1],), (0, 1, -1), False),
        (LazyMap, MAP, ([1],), (0, -1, 2), False),
        (LazyMap, MAP, ([1],), (5, -3, 3), False),
        (LazyMap, MAP, ([1],), (sys.maxsize, 1, 1), False),
        (LazyMap, MAP, ([1],), (sys.maxsize, -1, 2), False),
        (LazyMap, MAP, ([1],), (0, sys.maxsize, 3), False),
        (LazyMap, MAP, ([1],), (1, sys.maxsize, 2), False),
        (LazyMap, MAP, ([1],), (0, -sys.maxsize - 1, 2), False),
        (LazyMap, MAP, ([1],), (0, 1, 10**30), False),
        (LazyMap, MAP, ([1],), (0, 1, "1"), False),
        (LazyMap, MAP, ({1},), (0, 1, 1), False),
        (LazyMap, MAP, (iter([1]),), (0, 1, 1), False),
        (Named, MAP, ([1],), (0, 1, 1), False),
        (LazyMapIterator, MAP, ([1],), (0, 1, 1), False),
    ],
)
def test_restore_refuses(args: Any) -> None:
    attempt(restore, *args)


@pytest.mark.parametrize("source", [[1, 2], range(2), "ab"])
def test_empty_windows_show_nothing(source: Any) -> None:
    view = restore(LazyMap, (("map", identity),), (source,), (0, -1, 0), False)
    assert list(view) == []
    assert list(pickle.loads(pickle.dumps(view))) == []


@pytest.mark.parametrize(
    "args",
    [
        (),
        (MAP, (), None, 1),
        (MAP, [([1], 0, None, None)], False),
        (3, (([1], 0, None, None),), False),
        (MAP, (3,), False),
        (MAP, ((),), False),
        (MAP, ((3, 0, None, None),), False),
        (MAP, (([1], -1, None, None),), False),
        (MAP, (({1}, 1, None, None),), False),
        (MAP, ((range(5), 1, None, None),), False),
        (MAP, (([1], 0, 1, -1),), False),
        (MAP, (([1], 0, 0, 1),), False),
        (MAP, (([1], 0, None, 1),), False),
        (MAP, (([1], -1, 1, 1),), False),
        (MAP, (({1}, 0, 1, 1),), False),
        (MAP, ((iter([1]), 0, 1, 1),), False),
        (MAP, ((3, 0, 1, 1),), False),
        (MAP, (([1], 1, sys.maxsize, 3),), False),
        ((), (([1], 0, None, None), ([1], 0, None, None)), False),
    ],
)
def test_restore_iterator_refuses(args: Any) -> None:
    attempt(restore_iterator, *args)


def test_restore_iterator_with_what_only_looks_wrong() -> None:
    assert list(restore_iterator(MAP, (([-1], 7, None, None),), False)) == []
    assert list(restore_iterator(MAP, (([-1, -2], 1, None, None),), False)) == [2]
    late = restore_iterator(MAP, (([-1], 0, 1, 2),), False)
    assert next(late) == 1
    with pytest.raises(IndexError):
        next(late)
    assert list(late) == []


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("_LazyMapCache", ()),
        ("_LazyMapCache", (3, [])),
        ("_LazyMapCache", ([1], [])),
        ("_LazyMapCache", (None, {})),
        ("_LazyMapCache", (None, ())),
        ("_LazyMapCache", (iter([1]), {})),
        ("_LazyMapCache", (LazyMap(abs, [1]), [])),
        ("_LazyMapCache", (LazyMap(abs, {1}), {})),
        ("_LazyMapCache", (LazyMap(abs, [1]), {"a": 1})),
        ("_LazyMapCache", (LazyMap(abs, [1]), {-1: 1})),
        ("_LazyMapCache", (LazyMap(abs, [1]), {1: 1})),
        ("_LazyMapCache", (LazyMap(abs, [1]), {True: 1})),
        ("_LazyMapCache", (LazyMap(abs, [1]), {10**30: 1})),
        ("_LazyMapCache", (LazyMap(abs, range(10**30)), {10**30: 1})),
        ("_LazyMapSlices", ()),
        ("_LazyMapSlices", ([1], 1, False)),
        ("_LazyMapSlices", (LazyMap(abs, {1}), 1, False)),
        ("_LazyMapSlices", (LazyMap(abs, [1]), 0, False)),
        ("_LazyMapSlices", (LazyMap(abs, [1]), 2, True)),
        ("_LazyMapSlices", (LazyMap(abs, [1]), "1", True)),
        ("_LazyMapTuples", ()),
        ("_LazyMapTuples", ([1], 1, False)),
        ("_LazyMapTuples", (LazyMap(abs, {1}), -1, False)),
        ("_LazyMapTupleIterator", (3, 1, False)),
        ("_LazyMapTupleIterator", (iter([1]), 0, False)),
        ("_LazyMapTupleIterator", (iter([1]), 10**30, False)),
    ],
)
def test_private_types_refuse(kind: str, args: Any) -> None:
    attempt(getattr(_memopt, kind), *args)


def test_private_types_take_their_own_state() -> None:
    assert list(_memopt._LazyMapTupleIterator([1, 2, 3], 2, False)) == [(1, 2), (3,)]  # type: ignore[attr-defined]
    cache = _memopt._LazyMapCache(None, [1, 2])  # type: ignore[attr-defined]
    assert list(cache) == [1, 2]
    assert len(cache) == 2
    with pytest.raises(IndexError):
        cache[2]
    slices = _memopt._LazyMapSlices(LazyMap(abs, [1, 2, 3]), 2, False)  # type: ignore[attr-defined]
    assert [list(part) for part in slices] == [[1, 2], [3]]
    assert len(slices) == 2
    with pytest.raises(IndexError):
        slices[-4]
    with pytest.raises(IndexError):
        cache.__getitem__(-5)


@given(st.integers(), st.integers(), st.integers())
def test_no_window_reaches_outside(start: int, step: int, length: int) -> None:
    """A restored window raises at once, or shows indices that there are."""
    try:
        view = restore(LazyMap, MAP, (UserSequence([]),), (start, step, length), False)
    except (ValueError, OverflowError):
        last = start + (length - 1) * step
        assert (
            not 0 <= length <= sys.maxsize
            or not -sys.maxsize - 1 <= step <= sys.maxsize
            or step == 0
            or not 0 <= start < sys.maxsize
            or not 0 <= last < sys.maxsize
        )
    else:
        assert len(view) == length
        for key in slice(None), slice(None, None, -1), slice(None, None, 2):
            assert len(view[key]) == len(range(length)[key])
