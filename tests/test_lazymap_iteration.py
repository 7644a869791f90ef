"""Iterators of LazyMaps: errors, ends, hints, and functions that interfere."""

import itertools
import operator
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
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
)
from support import run_in_fresh_process

from memopt import LazyMap

EVERY_KIND = SEQUENCES | SIZED | ITERABLE | ONE_SHOT


class Oops(Exception):  # noqa: N818
    pass


def read_all(iterator: Iterator[Any]) -> list[Any]:
    """All that next() gives, Oops standing for itself."""
    got: list[Any] = []
    while True:
        try:
            got.append(next(iterator))
        except Oops:
            got.append(Oops)
        except StopIteration:
            return got


# --- Errors ------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EVERY_KIND))
def test_errors_pass_and_iteration_goes_on(name: str) -> None:
    error = Oops()

    def fails_once(x: Any) -> Any:
        seen.append(x)
        if len(seen) == 2:
            raise error
        return x

    seen: list[Any] = []
    iterator = iter(LazyMap(fails_once, EVERY_KIND[name]([0, 1, 2])))
    first = next(iterator)
    with pytest.raises(Oops) as caught:
        next(iterator)
    assert caught.value is error
    assert error.__cause__ is error.__context__ is None
    rest = list(iterator)
    assert [first, seen[1], *rest] == seen
    assert list(seen) == list(EVERY_KIND[name]([0, 1, 2]))


@given(
    st.lists(st.integers(0, 9), max_size=8),
    st.sets(st.integers(0, 9)),
    st.sampled_from(["list", "UserSequence", "array", "cached LazyMap", "deque"]),
)
def test_each_error_costs_its_own_item(
    values: list[int], bad: set[int], name: str
) -> None:
    def check(x: int) -> int:
        if x in bad:
            raise Oops
        return x

    want: list[Any] = [Oops if x in bad else x for x in values]
    view = LazyMap(check, SEQUENCES[name](values))
    assert read_all(iter(view)) == want
    assert read_all(reversed(view)) == want[::-1]
    assert read_all(iter(view[1:])) == want[1:]
    assert read_all(iter(view.cached())) == want
    assert read_all(iter(view.map(identity).filter(lambda x: True))) == want
    assert read_all(iter(LazyMap(max, view, view))) == want
    assert read_all(LazyMap(check, iter(values))) == want
    for i, value in enumerate(want):
        if value is Oops:
            with pytest.raises(Oops):
                view[i]
        else:
            assert view[i] == value


def test_source_errors_pass() -> None:
    def generate() -> Iterator[int]:
        yield 1
        raise Oops

    lazy: Any = LazyMap(identity, generate())
    assert next(lazy) == 1
    with pytest.raises(Oops):
        next(lazy)
    assert list(lazy) == [], "the generator has ended"

    class Bad(UserSequence):
        def __getitem__(self, index: Any) -> Any:
            if index == 1:
                raise Oops
            return super().__getitem__(index)

    view = LazyMap(identity, Bad([0, 1, 2]))
    assert read_all(iter(view[:])) == [0, Oops, 2]
    assert read_all(iter(LazyMap(max, view[:], [5, 6, 7])[:])) == [5, Oops, 7]
    with pytest.raises(Oops):
        view[1]
    with pytest.raises(Oops):
        LazyMap(max, [1, 2], view)[1]


@pytest.mark.parametrize("name", sorted(EVERY_KIND))
def test_stop_iteration_of_a_function_is_an_error(name: str) -> None:
    def stop(x: Any) -> Any:
        raise StopIteration("mine")

    for lazy in (
        LazyMap(stop, EVERY_KIND[name]([1, 2])),
        LazyMap(identity, EVERY_KIND[name]([1, 2])).map(stop),
        LazyMap(identity, EVERY_KIND[name]([1, 2])).filter(stop),
    ):
        with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
            next(iter(lazy))
        cause = caught.value.__cause__
        assert isinstance(cause, StopIteration)
        assert cause.value == "mine"
        assert caught.value.__context__ is cause
        assert cause.__traceback__ is not None


def test_stop_iteration_through_an_index() -> None:
    def stop(*args: Any) -> Any:
        raise StopIteration

    class Falsy:
        def __bool__(self) -> bool:
            raise StopIteration

    for view in LazyMap(stop, [1]), LazyMap(stop, [1], [2]), LazyMap(stop, range(3)):
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            view[0]
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            list(view)
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            list(view[:1])
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(LazyMap(identity, [Falsy()]).filter(None))


@pytest.mark.parametrize(
    "make",
    [
        lambda f: LazyMap(f, [1]),
        lambda f: LazyMap(f, UserSequence([1])),
        lambda f: LazyMap(f, [1])[:],
        lambda f: LazyMap(f, [1]).cached(),
        lambda f: LazyMap(f, iter([1])).cached(),
        lambda f: LazyMap(f, iter([1])).cached().batched(1),
        lambda f: LazyMap(max, LazyMap(f, [1]), [1]),
    ],
)
def test_index_error_of_a_function_is_not_the_end(make: Any) -> None:
    def fail(x: Any) -> Any:
        raise IndexError("mine")

    with pytest.raises(IndexError, match=r"^mine$"):
        list(make(fail))
    with pytest.raises(IndexError, match=r"^mine$"):
        make(fail)[0]


# --- Ends ----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EVERY_KIND))
def test_an_exhausted_iterator_stays_so(name: str) -> None:
    source = EVERY_KIND[name]([1, 2])
    iterator = iter(LazyMap(identity, source))
    assert len(list(iterator)) == 2 or "batched" in name
    if hasattr(source, "append"):
        source.append(3)
    assert next(iterator, None) is None
    assert operator.length_hint(iterator, 7) == 0


class Value:
    """Something that can be waited for to die."""


def test_exhausted_iterators_let_go() -> None:
    def owner_of(make: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
        values = [Value()]
        refs: list[Any] = [weakref.ref(values[0])]
        lazy: Any = make(values)
        refs.append(weakref.ref(lazy))
        return iter(lazy), refs

    for make in (
        lambda values: LazyMap(id, values),
        lambda values: LazyMap(id, values)[:],
        lambda values: LazyMap(id, UserSequence(values)),
        lambda values: LazyMap(id, set(values)),
        lambda values: LazyMap(id, OnlyIterable(values)).filter(None),
        lambda values: LazyMap(lambda x, y: 1, values, values),
        lambda values: LazyMap(id, values).batched(1),
        lambda values: LazyMap(identity, values).cached().map(id),
    ):
        iterator, refs = owner_of(make)
        assert all(ref() is not None for ref in refs)
        for _ in iterator:
            pass
        del _
        assert all(ref() is None for ref in refs)

    values = [Value()]
    ref = weakref.ref(values[0])
    once: Any = LazyMap(id, iter(values))
    del values
    assert next(once)
    assert next(once, None) is None
    assert ref() is None


# --- Length hints --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", sorted((SEQUENCES | SIZED).keys() - {"cached iterator"})
)
def test_length_hint_is_exact(name: str) -> None:
    make = (SEQUENCES | SIZED)[name]
    view = LazyMap(identity, make([1, 2, 3, 4]))
    source = make([1, 2, 3, 4])
    for iterator, size in (
        (iter(view), 4),
        (iter(LazyMap(max, source, [1, 2, 3])), 3),
        (iter(LazyMap(max, [1, 2, 3], source)), 3),
    ):
        for left in range(size, 0, -1):
            assert operator.length_hint(iterator, -1) == left
            next(iterator)
        assert operator.length_hint(iterator, -1) == 0
        assert next(iterator, None) is None
        assert operator.length_hint(iterator, -1) == 0


def test_length_hint_follows_the_source() -> None:
    source = [1, 2, 3]
    iterator = iter(LazyMap(identity, source))
    next(iterator)
    source.append(4)
    assert operator.length_hint(iterator) == 3
    del source[1:]
    assert operator.length_hint(iterator) == 0
    frozen = iter(LazyMap(identity, [1, 2, 3])[1:])
    assert operator.length_hint(frozen) == 2


def test_length_hint_of_iterators() -> None:
    once: Any = LazyMap(identity, iter([1, 2, 3]))
    assert operator.length_hint(once, -1) == 3
    assert next(once) == 1
    assert operator.length_hint(once, -1) == 2
    assert list(once) == [2, 3]
    assert operator.length_hint(once, -1) == 0
    both: Any = LazyMap(max, iter([1, 2, 3]), range(2))
    assert operator.length_hint(both, -1) == 2
    assert next(both) == 1
    assert operator.length_hint(both, -1) == 1


def test_length_hint_where_there_is_none() -> None:
    def generate() -> Iterator[int]:
        yield from [1, 2, 3]

    for lazy in (
        LazyMap(identity, generate()),
        LazyMap(max, generate(), [1, 2, 3]),
        LazyMap(max, [1, 2, 3], generate()),
        LazyMap(identity, [1, 2, 3]).filter(None),
        LazyMap(identity, iter([1, 2, 3])).filter(None),
        LazyMap(identity, generate()).cached(),
        LazyMap(identity, {1, 2, 3}).batched(1),
    ):
        iterator: Any = iter(lazy)
        assert operator.length_hint(iterator, -1) == -1
        assert iterator.__length_hint__() is NotImplemented
        next(iterator)
        assert operator.length_hint(iterator, -1) == -1
        list(iterator)
        assert operator.length_hint(iterator, -1) == 0


def test_length_hint_errors() -> None:
    class BadLen(UserSequence):
        def __len__(self) -> int:
            raise Oops

    iterator = iter(LazyMap(identity, BadLen([1])))
    with pytest.raises(Oops):
        operator.length_hint(iterator)
    assert next(iterator) == 1

    class BadHint:
        def __iter__(self) -> "BadHint":
            return self

        def __next__(self) -> int:
            return 1

        def __length_hint__(self) -> int:
            raise Oops

    once: Any = LazyMap(identity, BadHint())
    for _ in range(2):
        with pytest.raises(Oops):
            operator.length_hint(once)
        assert next(once) == 1


# --- Interference -----------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda f: iter(LazyMap(f, range(6))),
        lambda f: iter(LazyMap(f, [0, 1, 2, 3, 4, 5])),
        lambda f: iter(LazyMap(f, UserSequence(range(6)))),
        lambda f: LazyMap(f, iter(range(6))),
        lambda f: iter(LazyMap(f, range(6)).filter(lambda x: True)),
        lambda f: iter(LazyMap(f, range(6))[:]),
    ],
)
def test_next_from_within_next(make: Any) -> None:
    nested: list[int] = []

    def steal(x: int) -> int:
        if x % 3 == 0:
            nested.append(next(iterator))
        return x

    iterator = make(steal)
    assert list(iterator) == [0, 2, 3, 5]
    assert nested == [1, 4]


@pytest.mark.parametrize(
    "make",
    [
        lambda f: iter(LazyMap(f, [0, 1, 2])),
        lambda f: iter(LazyMap(f, [0, 1, 2], [0, 1, 2])),
        lambda f: LazyMap(f, iter([0, 1, 2])),
        lambda f: iter(LazyMap(f, UserSequence([0, 1, 2]))),
        lambda f: iter(LazyMap(f, [0, 1, 2]).map(f)),
        lambda f: iter(LazyMap(f, [0, 1, 2]).cached()),
    ],
)
def test_exhausting_from_within_next(make: Any) -> None:
    rest: list[Any] = []

    def exhaust(x: int, y: int = 0) -> int:
        if x == 0 and not rest:
            rest.append("once")
            rest.extend(iterator)
        return x

    iterator = make(exhaust)
    assert next(iterator) == 0
    assert rest == ["once", 1, 2]
    assert next(iterator, None) is None


def test_interrupt_while_passing_over_an_item() -> None:
    def fail(x: int) -> int:
        raise Oops

    def interrupt(x: int) -> int:
        raise KeyboardInterrupt

    failing, interrupted = LazyMap(fail, [1, 2]), LazyMap(interrupt, [1, 2])
    with pytest.raises(KeyboardInterrupt):
        list(LazyMap(max, failing, interrupted))
    with pytest.raises(Oops):
        list(LazyMap(max, failing, failing))


def test_source_that_exhausts_its_reader() -> None:
    class Source:
        """Its next() reads on through the LazyMap that is reading it."""

        depth = 0

        def __iter__(self) -> "Source":
            return self

        def __next__(self) -> int:
            self.depth += 1
            if self.depth == 1:
                got.extend(lazy)
                return 99
            if self.depth < 4:
                return self.depth
            raise StopIteration

    for strict in False, True:
        got: list[Any] = []
        lazy: Any = LazyMap(lambda x, y: (x, y), Source(), iter("abc"), strict=strict)
        if strict:
            with pytest.raises(ValueError, match="argument 2 is longer"):
                next(lazy)
        else:
            assert next(lazy, None) is None
            assert got == [(2, "a"), (3, "b")]
        assert next(lazy, None) is None


def test_iter_that_starts_the_pass_itself() -> None:
    class Source:
        started = False

        def __iter__(self) -> Iterator[int]:
            if not self.started:
                self.started = True
                got.append(next(lazy))
            return iter([1, 2, 3])

    got: list[Any] = []
    lazy: Any = LazyMap(max, iter([0, 0, 0]), Source())
    assert list(lazy) == [2, 3]
    assert got == [1]


def test_function_that_drops_everything() -> None:
    class Drop:
        def __call__(self, x: Any, y: Any = None) -> Any:
            hold.clear()
            return x

    makers: list[Callable[[], Any]] = [
        lambda: LazyMap(Drop(), [Value()]),
        lambda: LazyMap(Drop(), [Value()]).map(Drop()).filter(Drop()),
        lambda: LazyMap(Drop(), iter([Value()])),
        lambda: LazyMap(Drop(), [Value()], [Value()]),
        lambda: LazyMap(Drop(), [Value()])[:],
        lambda: LazyMap(Drop(), [Value()]).cached(),
        lambda: LazyMap(Drop(), iter([Value()])).cached(),
    ]
    for make in makers:
        hold: dict[str, Any] = {"lazy": make()}
        hold["iterator"] = iter(hold["lazy"])
        assert isinstance(next(hold["iterator"]), Value)
    for index in range(-2, 2):
        hold = {"lazy": LazyMap(Drop(), [Value(), Value()], [1, 2])}
        assert isinstance(hold["lazy"][index], Value)
        hold = {"lazy": LazyMap(Drop(), [Value(), Value()])[::-1].cached()}
        assert isinstance(hold["lazy"][index], Value)


def test_function_that_shrinks_the_source() -> None:
    source = [0, 1, 2, 3, 4]

    def shrink(x: int) -> int:
        source.pop()
        return x

    assert list(LazyMap(shrink, source)) == [0, 1, 2]
    source[:] = [0, 1, 2, 3, 4]
    assert LazyMap(shrink, source).to_list() == [0, 1, 2]
    source[:] = [0, 1, 2, 3, 4]
    assert LazyMap(shrink, source).to_array("b").tolist() == [0, 1, 2]
    source[:] = [0, 1, 2, 3, 4]
    assert LazyMap(lambda x, y: shrink(x), source, source).to_list() == [0, 1, 2]
    source[:] = [0, 1, 2]
    with pytest.raises(IndexError):
        LazyMap(shrink, source)[:].to_list()


def test_function_that_grows_the_source() -> None:
    source = [0, 1]

    def grow(x: int) -> int:
        if len(source) < 6:
            source.append(len(source))
        return x

    assert list(LazyMap(grow, source)) == [0, 1, 2, 3, 4, 5]
    del source[2:]
    assert LazyMap(grow, source).to_list() == [0, 1, 2, 3, 4, 5]
    del source[2:]
    assert LazyMap(grow, source).to_array("b").tolist() == [0, 1, 2, 3, 4, 5]
    del source[2:]
    assert LazyMap(grow, source)[:].to_list() == [0, 1]


def test_arguments_of_many_sources() -> None:
    for n in range(2, 13):
        sources: list[Any] = [[i, i + 100] for i in range(n)]
        lazy: Any = LazyMap(lambda *args: args, *sources)
        assert list(lazy) == list(zip(*sources, strict=True))
        assert lazy[1] == tuple(range(100, 100 + n))
        assert list(lazy.filter(lambda args: args[0])) == [lazy[1]]
        with pytest.raises(TypeError):
            list(LazyMap(lambda: None, *sources))


def test_calls_use_any_calling_convention() -> None:
    class Adder:
        def __call__(self, *args: int) -> int:
            return sum(args)

        def method(self, *args: int) -> int:
            return sum(args)

    for function in (
        sum,
        operator.methodcaller("__len__"),
        operator.itemgetter(0),
    ):
        assert LazyMap(function, [(1,)]).to_list() == [function((1,))]
    for call in Adder(), Adder().method, max, lambda *args: sum(args):
        assert list(LazyMap(call, [1, 2], [3, 4], [-9, -9])) == [
            call(1, 3, -9),
            call(2, 4, -9),
        ]
    assert list(LazyMap(int.__add__, [1, 2], [3, 4])) == [4, 6]
    assert list(LazyMap(complex, [1, 2], [3, 4])) == [1 + 3j, 2 + 4j]


# --- Depth and threads --------------------------------------------------------


def test_long_chains() -> None:
    lazy = LazyMap(abs, [1, 2])
    for _ in range(5000):
        lazy = lazy.map(identity)
    assert list(lazy) == [1, 2]
    assert lazy[-1] == 2


def test_deep_nests() -> None:
    # From CPython 3.14 on the C stack is the limit, so it is a small one there;
    # a whole one takes nests so deep that caches in caches take minutes.
    depth, stack = (20_000, 0) if sys.version_info < (3, 14) else (5000, 1 << 18)
    run_in_fresh_process(
        """
import sys, threading
from memopt import LazyMap

DEPTH = int(sys.argv[1])

def first(*args):
    return args[0]

def nested(make, depth):
    lazy = make(None)
    for _ in range(depth):
        lazy = make(lazy)
    return lazy

def pulled(lazy):
    if lazy is None:
        return LazyMap(abs, iter([1, 2])).cached()
    return lazy.map(abs).filter(None).cached()

MAKERS = {
    "two": lambda l: LazyMap(first, [1, 2] if l is None else l, [1, 2]),
    "once": lambda l: LazyMap(abs, iter([1, 2]) if l is None else l),
    "cached": lambda l: LazyMap(abs, [1, 2] if l is None else l).cached(),
    "pulled": pulled,
    "batched": lambda l: LazyMap(abs, [1, 2]) if l is None else l.batched(1),
    "tuples": lambda l: LazyMap(abs, {1, 2}) if l is None else l.batched(1),
}
USES = [len, list, repr, lambda l: l[0], lambda l: next(iter(l)), bool,
        lambda l: l[::-1], lambda l: l.to_list(), lambda l: 3 in l,
        lambda l: l.cached()[0], lambda l: iter(l).__length_hint__()]
too_deep, done = 0, False

def use_all():
    global too_deep, done
    for make in MAKERS.values():
        for use in USES:
            lazy = nested(make, DEPTH)
            try:
                use(lazy)
            except TypeError:
                pass
            except RecursionError:
                too_deep += 1
            del lazy
    done = True

threading.stack_size(int(sys.argv[2]))
thread = threading.Thread(target=use_all)
thread.start()
thread.join()
assert done
assert too_deep > 20
shallow = nested(MAKERS["two"], 20)
assert list(shallow) == [1, 2]
""",
        str(depth),
        str(stack),
    )


@pytest.fixture
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_in_threads(work: Callable[[], Any], n: int = 6) -> list[Any]:
    """Call work() in n threads at once; their results or exceptions."""
    results: list[Any] = []
    barrier = threading.Barrier(n)

    def run() -> None:
        barrier.wait()
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == n
    return results


@pytest.mark.usefixtures("quick_switches")
def test_threads_share_a_view() -> None:
    view = LazyMap(lambda x, y: x + y, list(range(2000)), range(2000))
    want = [2 * n for n in range(2000)]

    def work() -> bool:
        return list(view) == want == view[::-1].to_list()[::-1] and 3998 in view

    assert run_in_threads(work) == [True] * 6


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize(
    "make",
    [
        lambda: LazyMap(lambda x: x + 1, iter(range(6000))),
        lambda: LazyMap(lambda x: x + 1, iter(range(6000))).map(identity),
        lambda: iter(LazyMap(lambda x: x + 1, list(range(6000)))),
        lambda: iter(LazyMap(lambda x: x + 1, range(6000)).filter(identity)),
    ],
)
def test_threads_share_an_iterator(make: Callable[[], Any]) -> None:
    iterator = make()
    got = run_in_threads(lambda: [*itertools.takewhile(bool, iterator)])
    values = [x for x in got if isinstance(x, list)]
    errors = [x for x in got if not isinstance(x, list)]
    assert sorted(itertools.chain(*values)) == list(range(1, 6001))
    assert all("exhausted" in str(error) for error in errors)


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize(
    "make", [list, iter, lambda numbers: (x for x in numbers), OnlyIterable]
)
def test_threads_share_a_cache(make: Callable[[Any], Any]) -> None:
    calls = []

    def slowly(x: int) -> int:
        calls.append(x)
        for _ in range(5):
            pass
        return x * 2

    cached = LazyMap(slowly, make(range(2000))).cached()
    got = run_in_threads(lambda: list(cached))
    assert got == [[2 * x for x in range(2000)]] * 6
    if make is not list:
        assert calls == list(range(2000)), "in order, and each once"
