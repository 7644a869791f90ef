"""What a LazyMap is over each kind of source, and what it refuses."""

import collections.abc
import doctest
import gc
import inspect
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, get_origin

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

import memopt
from memopt import LazyMap, LazyMapIterator

VALUES = [3, 1, 2]
# What each call of a missing ability complains of.
REFUSALS: dict[str, Callable[[Any], Any]] = {
    "has no len()": len,
    "cannot be indexed": lambda lazy: lazy[0],
    "cannot be sliced": lambda lazy: lazy[1:],
    "cannot be reversed": reversed,
    "has no indices": lambda lazy: lazy.index(1),
}


def double(x: Any) -> Any:
    return x * 2


def refusal_of(what: str, lazy: Any) -> str:
    with pytest.raises(TypeError) as caught:
        REFUSALS[what](lazy)
    return str(caught.value)


# --- Construction ------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_sequences_make_sequences(name: str) -> None:
    view = LazyMap(double, SEQUENCES[name](VALUES))
    assert type(view) is LazyMap
    assert isinstance(view, collections.abc.Sequence)
    assert not isinstance(view, collections.abc.Iterator)
    assert len(view) == 3
    assert [view[0], view[1], view[-1]] == [6, 2, 4]
    assert list(view) == list(view) == [6, 2, 4]


@pytest.mark.parametrize("name", sorted(SIZED))
def test_sized_sources_make_sized_lazymaps(name: str) -> None:
    source = SIZED[name](VALUES)
    lazy = LazyMap(double, source)
    assert type(lazy) is LazyMap
    assert len(lazy) == 3
    assert list(lazy) == list(lazy) == [2 * x for x in source]
    why = f"LazyMap over '{type(source).__name__}', which is not a Sequence, "
    if isinstance(source, LazyMap):  # taken apart: only its source is left
        why = "LazyMap over 'dict', which is not a Sequence, "
    for what in REFUSALS.keys() - {"has no len()"}:
        assert refusal_of(what, lazy) == f"{why}{what}; use .cached()"


@pytest.mark.parametrize("name", sorted(ITERABLE))
def test_other_iterables_can_be_read_again(name: str) -> None:
    source = ITERABLE[name](VALUES)
    lazy = LazyMap(double, source)
    assert type(lazy) is LazyMap
    assert list(lazy) == list(lazy) == [2 * x for x in source]
    assert bool(lazy)
    for what in REFUSALS:
        message = refusal_of(what, lazy)
        assert message.endswith(f" {what}; use .cached()")
        assert message.startswith("LazyMap over '") or ".filter()" in message


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_iterators_make_iterators(name: str) -> None:
    lazy: Any = LazyMap(double, ONE_SHOT[name](VALUES))
    assert type(lazy) is LazyMapIterator
    assert isinstance(lazy, LazyMap)
    assert isinstance(lazy, collections.abc.Iterator)
    assert iter(lazy) is lazy
    assert bool(lazy)
    for what in REFUSALS:
        assert (
            refusal_of(what, lazy)
            == f"LazyMap over a one-shot iterator {what}; use .cached()"
        )
    assert next(lazy) == 6
    assert list(lazy) == [2, 4]
    assert next(lazy, None) is None
    with pytest.raises(RuntimeError, match=r"exhausted; use \.cached\(\)"):
        iter(lazy)


def test_abilities_are_those_of_the_least_source() -> None:
    def kind(*sources: Any) -> str:
        lazy = LazyMap(lambda *args: args, *sources)
        if type(lazy) is LazyMapIterator:
            return "one-shot"
        can = [what for what in REFUSALS if what != "has no indices"]
        for what in list(can):
            try:
                REFUSALS[what](lazy)
            except TypeError:
                can.remove(what)
        return {4: "sequence", 1: "sized", 0: "iterable"}[len(can)]

    assert kind([1], "ab", range(3)) == "sequence"
    assert kind([1], {1}, (2,)) == "sized"
    assert kind([1], {1}, OnlyIterable([1])) == "iterable"
    assert kind(iter([1]), {1}, OnlyIterable([1])) == "one-shot"
    assert kind([1], iter([1])) == "one-shot"
    assert kind(LazyMap(double, {1}), [1]) == "sized"
    assert kind(LazyMap(double, [1]).filter(None), [1]) == "iterable"
    assert kind(LazyMap(double, [1]), [1]) == "sequence"


def test_iter_is_not_called_before_it_is_needed() -> None:
    class Loader:
        """Starts work in __iter__, as a data loader does."""

        started = 0

        def __iter__(self) -> Iterator[int]:
            Loader.started += 1
            return iter([1, 2])

    lazy = LazyMap(double, Loader())
    mixed: Any = LazyMap(lambda x, y: x + y, Loader(), iter([3, 4]))
    for unread in lazy, mixed, lazy.map(str), mixed.map(str), mixed.filter(None):
        repr(unread)
        bool(unread)
    lazy.cached(), mixed.cached(), lazy.batched(2)
    assert Loader.started == 0
    assert list(lazy) == [2, 4]
    assert Loader.started == 1
    assert next(mixed) == 4
    assert Loader.started == 2


def test_func_is_not_called_before_it_is_needed() -> None:
    calls = []

    def note(x: int) -> int:
        calls.append(x)
        return x

    view = LazyMap(note, [3, 1, 2])
    for made in view[1:], view.map(double), view.filter(None), view.batched(2):
        repr(made)
        bool(made)
    len(view)
    view.cached()
    assert calls == []
    assert view[1] == 1
    assert calls == [1]
    assert 1 in view
    assert calls == [1, 3, 1]
    assert next(iter(view)) == 3
    assert calls == [1, 3, 1, 3]


class NextOnly:
    """A __next__ is not enough for iter()."""

    def __next__(self) -> int:
        raise StopIteration


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "takes a function and at least one iterable (0 arguments given)"),
        ((abs,), "takes a function and at least one iterable (1 argument given)"),
        ((abs, 3), "'int' object is not iterable"),
        ((abs, [], None), "'NoneType' object is not iterable"),
        ((abs, NextOnly()), "'NextOnly' object is not iterable"),
        ((3, []), "the function of a LazyMap must be callable, not int"),
        ((None, []), "the function of a LazyMap must be callable, not NoneType"),
    ],
)
def test_wrong_arguments(args: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        LazyMap(*args)
    assert str(caught.value).removeprefix("LazyMap() ") == message


def test_wrong_keywords() -> None:
    with pytest.raises(TypeError, match="'stict'"):
        LazyMap(abs, [], stict=True)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        LazyMap(func=abs, iterable=[])  # type: ignore[call-overload]

    class NoTruth:
        def __bool__(self) -> bool:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        LazyMap(abs, [], strict=NoTruth())  # type: ignore[call-overload]


def test_a_source_that_cannot_say_what_it_is() -> None:
    class Odd:
        def __iter__(self) -> Iterator[int]:
            return iter([1])

        @property
        def __class__(self) -> Any:
            raise ZeroDivisionError

        @__class__.setter
        def __class__(self, value: Any) -> None: ...

    with pytest.raises(ZeroDivisionError):
        LazyMap(abs, Odd())


def test_mappings_are_not_sequences() -> None:
    class Map(collections.abc.Mapping[int, int]):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, key: int) -> int:
            return {5: 0, 6: 1}[key]

        def __iter__(self) -> Iterator[int]:
            return iter([5, 6])

    for mapping in (
        Map(),
        {5: 0, 6: 1},
        collections.OrderedDict.fromkeys([5, 6]),
        collections.UserDict({5: 0, 6: 1}),
        types.MappingProxyType({5: 0, 6: 1}),
    ):
        lazy = LazyMap(double, mapping)
        assert len(lazy) == 2
        assert list(lazy) == [10, 12]
        with pytest.raises(TypeError, match="which is not a Sequence"):
            lazy[0]


def test_iterables_without_items_by_integer_are_not_sequences() -> None:
    class Labelled:
        """Items by label, as a pandas Series: __iter__ decides."""

        def __len__(self) -> int:
            return 2

        def __getitem__(self, label: str) -> int:
            return {"a": 1, "b": 2}[label]

        def __iter__(self) -> Iterator[int]:
            return iter([1, 2])

    lazy = LazyMap(double, Labelled())
    assert len(lazy) == 2
    assert list(lazy) == [2, 4]
    with pytest.raises(TypeError, match="over 'Labelled', which is not a Sequence"):
        lazy[0]


def test_arrays_without_dimensions() -> None:
    numpy = pytest.importorskip("numpy")
    lazy = LazyMap(double, numpy.array(5))
    with pytest.raises(TypeError):
        len(lazy)
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        list(lazy)
    rows = LazyMap(sum, numpy.arange(6).reshape(3, 2))
    assert len(rows) == 3
    assert [rows[1], rows[-1]] == [5, 9]
    assert list(rows[::-1]) == [9, 5, 1]


# --- What is made of one -------------------------------------------------------


@given(st.lists(st.integers(0, 9)), st.lists(st.booleans(), max_size=5))
def test_chains_of_map_and_filter(values: list[int], filters: list[bool]) -> None:
    want: list[Any] = list(values)
    lazy: Any = LazyMap(identity, values)
    once: Any = LazyMap(identity, iter(values))
    for step, filters_here in enumerate(filters):
        if filters_here:

            def keep(x: int, step: int = step) -> int:
                return (x + step) % 3

            want = [x for x in want if keep(x)]
            lazy, once = lazy.filter(keep), once.filter(keep)
        else:

            def change(x: int, step: int = step) -> int:
                return x * 2 + step

            want = [change(x) for x in want]
            lazy, once = lazy.map(change), once.map(change)
    assert list(lazy) == list(lazy) == want
    assert list(once) == want
    assert lazy.count(3) == want.count(3)
    assert (4 in lazy) is (4 in want)


def test_lazymap_of_a_lazymap_is_one_chain() -> None:
    inner = LazyMap(double, [1, 2, 3])
    outer = LazyMap(str, inner)
    assert repr(outer) == repr(inner.map(str))
    assert list(outer[1:]) == ["4", "6"]
    filtered = LazyMap(str, inner.filter(lambda x: x > 2))
    assert list(filtered) == ["4", "6"]
    assert gc.is_tracked(outer)
    assert inner not in gc.get_referents(outer), "not needed any more"


def test_filter_takes_none_for_truth_and_callables() -> None:
    lazy = LazyMap(identity, [0, 1, "", "a", None, [], [0]])
    assert list(lazy.filter(None)) == [1, "a", [0]]
    assert list(lazy.filter(is_integer)) == [0, 1]
    with pytest.raises(
        TypeError, match=r"predicate of LazyMap\.filter\(\) must be callable or None"
    ):
        lazy.filter(3)  # type: ignore[call-overload]
    with pytest.raises(
        TypeError, match="function of a LazyMap must be callable, not NoneType"
    ):
        lazy.map(None)  # type: ignore[arg-type]


def test_one_shot_chains_share_their_iterator() -> None:
    first: Any = LazyMap(double, iter(range(6)))
    second: Any = first.map(str)
    third: Any = second.filter(lambda s: s != "4")
    assert [type(x) for x in (first, second, third)] == [LazyMapIterator] * 3
    assert next(first) == 0
    assert next(second) == "2"
    assert next(third) == "6"
    assert next(first) == 8
    assert list(third) == ["10"]
    for exhausted in first, second, third:
        with pytest.raises(RuntimeError, match="exhausted"):
            iter(exhausted)


def test_what_is_made_of_an_exhausted_one() -> None:
    lazy: Any = LazyMap(double, iter([1]))
    assert list(lazy) == [2]
    for read in (
        lambda: list(lazy),
        lambda: lazy.to_list(),
        lambda: lazy.to_array(),
        lambda: 2 in lazy,
        lambda: lazy.count(2),
        lambda: lazy.cached(),
        lambda: lazy.batched(2),
        lambda: list(lazy.map(double)),
        lambda: list(lazy.filter(None)),
        lambda: list(LazyMap(double, lazy)),
    ):
        with pytest.raises(RuntimeError, match="exhausted"):
            read()
    assert list(lazy.__class__(double, [1])) == [2]


# --- Sequence-ness ---------------------------------------------------------------


def test_equality_and_hash_are_identity() -> None:
    a: Any = LazyMap(abs, [1])
    b = LazyMap(abs, [1])
    assert a == a
    assert a != b
    assert hash(a) == hash(a)
    assert {a: 1, b: 2}[a] == 1
    assert a != [1]
    with pytest.raises(TypeError):
        a < b  # noqa: B015


def test_search_prefers_identity_and_stops_early() -> None:
    nan = float("nan")
    view = LazyMap(identity, [nan, 1, nan])
    assert nan in view
    assert float("nan") not in view
    assert view.count(nan) == 2
    assert view.index(nan) == 0
    assert view.index(nan, 1) == 2

    def no_further(x: int) -> int:
        assert x < 3
        return x

    endless = LazyMap(no_further, range(10))
    assert 2 in endless
    assert endless.index(2) == 2
    assert endless.index(2, 1, 10) == 2
    with pytest.raises(ValueError, match="5 is not in LazyMap"):
        endless.index(5, 0, 3)
    with pytest.raises(AssertionError):
        endless.index(5, 0, 4)
    with pytest.raises(AssertionError):
        endless.count(2)
    for arguments in (), (1, 2, 3, 4):
        with pytest.raises(TypeError, match="index expected 1 to 3 arguments"):
            endless.index(*arguments)


def test_search_asks_the_value_not_the_wanted() -> None:
    asked = []

    class Value:
        def __eq__(self, other: object) -> bool:
            asked.append(other)
            return other == "yes"

        __hash__ = None  # type: ignore[assignment]

    view = LazyMap(identity, [Value(), Value()])
    assert "yes" in view
    assert "no" not in view
    assert view.count("yes") == 2
    assert asked == ["yes", "no", "no", "yes", "yes"]


def test_index_follows_a_source_that_shrinks_meanwhile() -> None:
    for start in 0, 1:
        source = [1, 2, 3, 4, 5]

        class Shrinking:
            def __init__(self, source: list[int]) -> None:
                self.source = source

            def __eq__(self, other: object) -> bool:
                del self.source[2:]
                return False

            __hash__ = None  # type: ignore[assignment]

        with pytest.raises(ValueError, match="is not in LazyMap"):
            LazyMap(identity, source).index(Shrinking(source), start)


def test_truth() -> None:
    source: list[int] = []
    view = LazyMap(identity, source)
    assert not view
    source.append(0)
    assert view
    assert not view[1:]
    assert LazyMap(identity, range(10**30))
    assert not LazyMap(identity, set())
    assert LazyMap(identity, []).filter(None), "no len(): true, as a generator"

    class BadLen(list[int]):
        def __len__(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bool(LazyMap(identity, BadLen()))

    class Hollow(LazyMap[int]):
        def __len__(self) -> int:
            return 0

    assert not Hollow(identity, [1])


# --- repr ------------------------------------------------------------------------


def test_repr() -> None:
    view = LazyMap(abs, range(1000))
    f = "<built-in function abs>"
    assert repr(view) == f"LazyMap({f}, range(0, 1000))"
    assert repr(view[10:20]) == f"LazyMap({f}, range(10, 20))"
    big = LazyMap(abs, [0] * 10**6)
    assert repr(big) == f"LazyMap({f}, <list of 1000000>)"
    assert repr(big[10:20]) == f"LazyMap({f}, <list of 1000000>)[10:20]"
    assert repr(big[::-1]) == f"LazyMap({f}, <list of 1000000>)[999999::-1]"
    assert repr(big[9:3:-2]) == f"LazyMap({f}, <list of 1000000>)[9:4:-2]"
    assert repr(big[1:10:3]) == f"LazyMap({f}, <list of 1000000>)[1:8:3]"
    assert repr(big[:0]) == f"LazyMap({f}, <list of 1000000>)[0:0]"
    assert (
        repr(big[:3].map(str).filter(None))
        == f"LazyMap({f}, <list of 1000000>)[0:3].map(<class 'str'>).filter(None)"
    )
    assert repr(big.cached()) == f"{big!r}.cached()"
    assert repr(big.batched(7)) == f"{big!r}.batched(7)"
    assert repr(big.batched(5, strict=True)) == f"{big!r}.batched(5, strict=True)"
    odd = big.filter(None)
    assert repr(odd.batched(2)) == f"{odd!r}.batched(2)"
    assert (
        repr(LazyMap(max, "ab", (1, 2), strict=True))
        == "LazyMap(<built-in function max>, <str of 2>, <tuple of 2>, strict=True)"
    )
    once: Any = LazyMap(abs, (x for x in [1]))
    assert repr(once) == f"LazyMap({f}, <generator>)"
    assert repr(once.batched(2)) == f"{once!r}.batched(2)"
    assert repr(once.map(str)) == f"LazyMap(<class 'str'>, {once!r})"
    assert repr(once.filter(None)) == f"{once!r}.filter(None)"
    cached, batched = once.cached(), once.batched(2)
    assert list(cached) == [1]
    assert repr(cached) == "<1 values>.cached()"
    assert repr(once) == "<exhausted LazyMap>"
    assert list(batched) == []
    assert repr(batched) == "<exhausted LazyMap>"


def test_repr_survives_its_sources() -> None:
    class BadLen(OnlyIterable):
        def __len__(self) -> int:
            raise ZeroDivisionError

    class Interrupted(OnlyIterable):
        def __len__(self) -> int:
            raise KeyboardInterrupt

    assert repr(LazyMap(abs, BadLen([]))).endswith("<BadLen>)")
    with pytest.raises(KeyboardInterrupt):
        repr(LazyMap(abs, Interrupted([])))

    class BadRepr:
        def __call__(self, x: int) -> int:
            return x

        def __repr__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        repr(LazyMap(BadRepr(), [1]))
    with pytest.raises(ZeroDivisionError):
        repr(LazyMap(abs, [1]).map(BadRepr()))


def test_repr_of_one_within_itself() -> None:
    class Holder:
        lazy: Any = None

        def __call__(self, x: int) -> int:
            return x

        def __repr__(self) -> str:
            return f"Holder({self.lazy!r})"

    holder = Holder()
    holder.lazy = LazyMap(holder, [1])
    assert repr(holder.lazy) == "LazyMap(Holder(LazyMap(...)), <list of 1>)"


# --- Subclasses, weak references, generic aliases -----------------------------------


class Named(LazyMap[Any]):
    name = "unnamed"


def test_subclasses() -> None:
    named = Named(double, [1, 2, 3])
    named.name = "x"
    assert type(named) is Named
    assert repr(named) == f"Named({double!r}, <list of 3>)"
    for plain in named[1:], named.map(str), named.filter(None), named.cached():
        assert type(plain) is LazyMap
    assert list(LazyMap(str, named)) == ["2", "4", "6"]
    assert list(LazyMap(max, named, named)[1:]) == [4, 6]
    assert list(Named(str, LazyMap(double, [1, 2]))[1:]) == ["4"]


def test_subclass_over_an_iterator() -> None:
    named: Any = Named(double, iter([1, 2, 3]))
    assert type(named) is Named
    assert not isinstance(named, collections.abc.Iterator)
    assert repr(named) == f"LazyMap({double!r}, <list_iterator>)"
    iterator = iter(named)
    assert type(iterator) is LazyMapIterator
    assert next(iterator) == 2
    assert iter(named) is iterator
    with pytest.raises(TypeError, match="over a one-shot iterator has no len"):
        len(named)
    mapped: Any = named.map(str)
    assert type(mapped) is LazyMapIterator
    assert next(mapped) == "4"
    assert list(named) == [6]
    for exhausted in named, iterator:
        with pytest.raises(RuntimeError, match="exhausted"):
            iter(exhausted)


def test_subclass_of_the_iterator() -> None:
    class Once(LazyMapIterator[Any]):
        extra: int

    once: Any = Once(double, [1, 2])
    assert type(once) is Once
    assert iter(once) is once
    assert next(once) == 2
    once.extra = 1
    assert list(once) == [4]
    with pytest.raises(RuntimeError, match="exhausted"):
        iter(once)
    assert list(LazyMapIterator(double, [1, 2])) == [2, 4]
    with pytest.raises(TypeError, match="over a one-shot iterator has no len"):
        len(LazyMapIterator(double, [1, 2]))


def test_subclass_finalizer_runs_once_for_each_instance() -> None:
    born = []
    died = []

    class Watched(LazyMap[Any]):
        def __init__(self, *args: Any) -> None:
            born.append(1)

        def __del__(self) -> None:
            died.append(1)

    for source in [1, 2], iter([1, 2]), {1, 2}:
        watched = Watched(double, source)
        list(watched)
        del watched
    gc.collect()
    assert len(born) == len(died) == 3


def test_weak_references() -> None:
    for source in [1], iter([1]):
        lazy = LazyMap(abs, source)
        gone: list[Any] = []
        ref = weakref.ref(lazy, gone.append)
        assert ref() is lazy
        assert weakref.getweakrefcount(lazy) == 1
        del lazy
        assert gone == [ref]


@pytest.mark.parametrize("kind", [LazyMap, LazyMapIterator])
def test_types_are_generic_and_immutable(kind: Any) -> None:
    alias = kind[int]
    assert isinstance(alias, types.GenericAlias)
    assert kind.__module__ == "memopt"
    with pytest.raises(TypeError):
        kind.extra = 1
    with pytest.raises(AttributeError):
        kind(abs, [1]).extra = 1
    assert isinstance(LazyMap[int](abs, [1]), LazyMap)
    assert get_origin(alias) is kind
    assert issubclass(LazyMapIterator, LazyMap)


class Node:
    """A function, and an item, that leads to what it is in."""

    lazy: Any = None

    def __call__(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize("role", ["function", "item"])
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda f, s: LazyMap(f, s),
        lambda f, s: LazyMap(f, s)[1:],
        lambda f, s: LazyMap(f, s).filter(f),
        lambda f, s: LazyMap(f, iter(s)),
        lambda f, s: iter(LazyMap(f, s)),
        lambda f, s: LazyMap(f, s).cached(),
        lambda f, s: LazyMap(f, iter(s)).cached(),
        lambda f, s: LazyMap(f, s).batched(2),
        lambda f, s: LazyMap(f, s).filter(None).batched(2),
        lambda f, s: LazyMap(f, iter(s)).batched(2),
    ],
)
def test_gc_finds_cycles(
    role: str, started: bool, make: Callable[[Any, Any], Any]
) -> None:
    node = Node()
    function: Any = node if role == "function" else identity
    lazy = make(function, UserSequence([1, 2, node, node]))
    node.lazy = iter(lazy) if started else lazy
    if started:
        next(node.lazy)
    ref = weakref.ref(node)
    del node, lazy, function
    gc.collect()
    assert ref() is None


# --- Documentation -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LazyMap, LazyMapIterator])
def test_docstrings(kind: type) -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner()
    tests = finder.find(kind, kind.__name__, module=False, globs={"memopt": memopt})
    assert any(test.examples for test in tests)
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_signatures() -> None:
    assert (
        str(inspect.signature(LazyMap))
        == "(func, iterable, /, *iterables, strict=False, native=True)"
    )
    want = {
        "map": "(self, func, /, *, native=True)",
        "filter": "(self, predicate, /)",
        "batched": "(self, /, n, strict=False)",
        "cached": "(self, /)",
        "to_list": "(self, /)",
        "to_array": "(self, /, typecode='d')",
        "count": "(self, value, /)",
        "sum": "(self, /, start=0)",
        "mean": "(self, /)",
        "min": "(self, /)",
        "max": "(self, /)",
    }
    for name, signature in want.items():
        assert str(inspect.signature(getattr(LazyMap, name))) == signature
    for name in (*want, "index", "__reversed__"):
        assert getattr(LazyMap, name).__doc__
