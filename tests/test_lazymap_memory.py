"""What a LazyMap takes: next to nothing, whatever the length; and what it
does when there is nothing left to take."""

import copy
import gc
import sys
import tracemalloc
from array import array
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from lazymap_sources import OnlyIterable, identity
from native_oracle import any_length_is_native
from support import fail_each_allocation

from memopt import LazyMap


def peak_of(work: Callable[[], Any]) -> int:
    """The most bytes that were allocated at once during the second call."""
    work()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        _, peak = tracemalloc.get_traced_memory()
        return peak - before
    finally:
        tracemalloc.stop()
        gc.enable()


def consume(lazy: Any) -> None:
    for _ in lazy:
        pass


FEW = range(2000)
MANY = range(200_000)
NATIVE = 30_000  # bytes of the blocks that arithmetic without calls goes through
AS_LIST = list(MANY)
AS_BYTES = bytes(200_000)


def add(x: int, y: int = 0) -> int:
    return x + y


@pytest.mark.parametrize(
    "work",
    [
        lambda: LazyMap(abs, range(10**9))[-1],
        lambda: LazyMap(abs, range(10**9))[10**8 : 10**9 : 7][-1],
        lambda: len(LazyMap(abs, range(10**9)).map(identity)[::-1]),
        lambda: LazyMap(add, range(10**9), range(10**9))[-1],
        lambda: next(iter(LazyMap(abs, range(10**9)))),
        lambda: next(reversed(LazyMap(abs, range(10**9)))),
        lambda: LazyMap(abs, range(10**9)).batched(1000)[-1][-1],
        lambda: 1000 in LazyMap(abs, range(10**9)),
        lambda: LazyMap(abs, range(10**9)).index(1000),
        lambda: consume(LazyMap(abs, MANY)),
        lambda: consume(LazyMap(lambda x: x * 2, MANY)),
        lambda: consume(LazyMap(abs, AS_LIST)),
        lambda: consume(LazyMap(abs, AS_LIST)[::-1]),
        lambda: consume(LazyMap(abs, AS_BYTES).filter(None)),
        lambda: consume(LazyMap(abs, iter(AS_LIST))),
        lambda: sum(LazyMap(abs, MANY)),
        lambda: LazyMap(abs, AS_LIST).count(5),
    ],
)
def test_memory_does_not_depend_on_the_length(work: Callable[[], Any]) -> None:
    assert peak_of(work) < 1000 + NATIVE


def test_several_sources_and_batches_take_little_more() -> None:
    assert peak_of(lambda: consume(LazyMap(add, MANY, AS_LIST))) < 1700
    batched = LazyMap(abs, MANY).batched(100)
    assert peak_of(lambda: consume(batched.map(sum))) < 2500 + NATIVE
    filtered = LazyMap(abs, MANY).filter(None)
    assert peak_of(lambda: consume(filtered.batched(10).map(sum))) < 2500 + NATIVE


def test_objects_are_small() -> None:
    for lazy in LazyMap(abs, AS_LIST), LazyMap(abs, AS_LIST)[1:], LazyMap(abs, FEW):
        assert sys.getsizeof(lazy) < 200


def test_a_cache_takes_eight_bytes_a_value() -> None:
    def cache_all() -> None:
        held.append(LazyMap(lambda x: None, AS_BYTES).cached())
        consume(held[-1])

    held: list[Any] = []
    assert peak_of(cache_all) < 8.1 * 200_000 + 5000
    assert list(held[-1]) == [None] * 200_000


def test_a_cache_counts_its_table() -> None:
    view = LazyMap(identity, range(5000)).cached()
    (sources,) = (held for held in gc.get_referents(view) if type(held) is tuple)
    (cache,) = sources
    empty = sys.getsizeof(cache)
    assert view[4500] == 4500
    assert empty + 8 * 1024 <= sys.getsizeof(cache) < empty + 9 * 1024
    consume(view)
    assert empty + 8 * 5000 <= sys.getsizeof(cache) < empty + 8 * 5120 + 200


def test_arrays_are_filled_without_a_list() -> None:
    size = 8 * len(MANY)
    assert peak_of(lambda: LazyMap(float, MANY).to_array()) < size + 2000 + NATIVE
    assert peak_of(lambda: LazyMap(lambda x: None, MANY).to_list()) < size + 2000


# --- Allocations that fail --------------------------------------------------------


SOURCE = [1, 2, 3]

# CPython does not survive every failing allocation in Python code, such as that
# of a lambda in 3.12 and 3.13, which frees its code once too often, or that which
# recognises: these are known before.
TIMES_ONE = (1).__mul__


def half_of_twice(x: int) -> int:
    return x * 2 // 2


def less_three(x: int) -> int:
    return x - 3


def halve(x: float) -> float:
    return x * 0.5


MAKERS: dict[str, Callable[[], Any]] = {
    "view": lambda: LazyMap(add, SOURCE),
    "slice": lambda: LazyMap(add, SOURCE)[::-1][::-1],
    "range": lambda: LazyMap(add, range(1, 4)),
    "several": lambda: LazyMap(max, SOURCE, SOURCE, SOURCE, SOURCE, SOURCE, SOURCE),
    "chain": lambda: LazyMap(add, SOURCE).map(add).map(abs),
    "deque": lambda: LazyMap(add, deque(SOURCE)),
    "filtered": lambda: LazyMap(add, SOURCE).filter(add),
    "set": lambda: LazyMap(add, {1, 2, 3}),
    "iterable": lambda: LazyMap(add, OnlyIterable(SOURCE)),
    "cached view": lambda: LazyMap(add, SOURCE).cached(),
    "cached iterator": lambda: LazyMap(add, iter(SOURCE)).cached(),
    "cached set": lambda: LazyMap(add, {1, 2, 3}).cached(),
    "strict": lambda: LazyMap(max, SOURCE, SOURCE, strict=True),
    "native list": lambda: LazyMap(lambda x: x * 1, SOURCE),
    "native tuple": lambda: LazyMap(lambda x: x * 1, (1, 2, 3)),
    "native range": lambda: LazyMap(half_of_twice, range(1, 4)),
    "native buffer": lambda: LazyMap(TIMES_ONE, array("q", SOURCE)),
    "native slice": lambda: LazyMap(lambda x: x * 1, [*SOURCE, 4])[:3],
    "native fused": lambda: LazyMap(lambda x: x + 1, SOURCE).map(lambda x: x - 1),
    "native then called": lambda: LazyMap(lambda x: x + 0, SOURCE).map(add),
    "native two": lambda: LazyMap(lambda x, y: x + y - x, SOURCE, SOURCE),
    "native then not": lambda: LazyMap(lambda x: x << 0, [1, 2, True + 2]),
    "many lanes": lambda: LazyMap(
        lambda x: x * (1 + (2 + (3 + (4 + x - x) - 4) - 3) - 2), SOURCE
    ),
}


@pytest.fixture(autouse=True)
def _any_length() -> Any:
    with any_length_is_native():
        yield


USES: dict[str, Callable[[Any], Any]] = {
    "list": lambda lazy: list(lazy),
    "to_list": lambda lazy: lazy.to_list(),
    "to_array": lambda lazy: lazy.to_array("q"),
    "sum": lambda lazy: lazy.sum(),
    "sum of floats": lambda lazy: lazy.sum(0.5),
    "mean": lambda lazy: lazy.mean(),
    "min": lambda lazy: lazy.min(),
    "any": lambda lazy: lazy.any(),
    "all": lambda lazy: lazy.all(),
    "in": lambda lazy: 7 in lazy,
    "native_reason": lambda lazy: lazy.native_reason,
    "array of floats": lambda lazy: lazy.map(halve).to_array(),
    "count": lambda lazy: lazy.count(2),
    "repr": lambda lazy: repr(lazy),
    "map": lambda lazy: list(lazy.map(abs)),
    "filter": lambda lazy: list(lazy.filter(None)),
    "batched": lambda lazy: [list(batch) for batch in lazy.batched(2)],
    "cached": lambda lazy: list(lazy.cached()),
    "copy": lambda lazy: copy.copy(lazy),
    "reduce": lambda lazy: lazy.__reduce__(),
    "restore": lambda lazy: lazy.__reduce__()[0](*lazy.__reduce__()[1]),
    "reduce iterator": lambda lazy: iter(lazy).__reduce__(),
    "restore iterator": lambda lazy: iter(lazy).__reduce__()[0](
        *iter(lazy).__reduce__()[1]
    ),
    "construct": lambda lazy: LazyMap(max, lazy, SOURCE),
    "length_hint": lambda lazy: iter(lazy).__length_hint__(),
    "bool": lambda lazy: bool(lazy),
    "index": lambda lazy: lazy[1],
    "last": lambda lazy: lazy[-1],
    "slices": lambda lazy: list(lazy[::2][::-1]),
    "reversed": lambda lazy: list(reversed(lazy)),
    "find": lambda lazy: lazy.index(3, 1, 5),
    "len": lambda lazy: len(lazy),
}


@pytest.mark.parametrize("use", sorted(USES))
def test_failing_allocations_leave_lazymaps_sound(use: str) -> None:
    for make in MAKERS.values():
        try:
            USES[use](make())
        except TypeError:
            continue  # not for this kind

        def check(lazy: Any) -> None:
            assert list(lazy) == [1, 2, 3]
            assert SOURCE == [1, 2, 3]

        fail_each_allocation(make, USES[use], check)


def test_failing_allocations_of_iterators() -> None:
    def read(lazy: Any) -> list[Any]:
        return list(lazy)

    for make in (
        lambda: LazyMap(add, iter(SOURCE)),
        lambda: LazyMap(add, iter(SOURCE)).map(add),
        lambda: LazyMap(max, iter(SOURCE), SOURCE),
        lambda: LazyMap(add, iter(SOURCE)).batched(2),
        lambda: iter(LazyMap(add, SOURCE)),
    ):
        assert fail_each_allocation(make, read) > 0
    for construct in (
        lambda _: LazyMap(add, SOURCE),
        lambda _: LazyMap(add, SOURCE, SOURCE, strict=True),
        lambda _: LazyMap(add, iter(SOURCE)).cached(),
        lambda _: LazyMap(add, LazyMap(add, SOURCE)),
        lambda _: Sub(add, iter(SOURCE)),
    ):
        assert fail_each_allocation(lambda: None, construct) > 0


class Sub(LazyMap[Any]):
    pass
