"""The one registry of what is measured: each operation, memopt's way and its peers'.

An operation makes its input anew for every run, outside the timed region,
and its results are checked before anything is timed.  ``benchmarks.compare``
and the ``test_bench_*`` files read it; nothing else defines a workload.
"""

import collections
import functools
import importlib
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import memopt


@dataclass(frozen=True)
class Contender:
    """One way to do an operation.

    ``prepare`` makes the argument of ``run``, untimed, for every single run;
    ``needs`` names the module that the contender belongs to, if not Python's.
    """

    label: str
    prepare: Callable[[], Any]
    run: Callable[[Any], Any]
    needs: str | None = None
    # What `check` compares, where `run` throws its items away.
    result: Callable[[Any], Any] | None = None

    def outcome(self) -> Any:
        return (self.result or self.run)(self.prepare())

    @property
    def available(self) -> bool:
        if self.needs is None:
            return True
        try:
            importlib.import_module(self.needs)
        except ImportError:
            return False
        return True


@dataclass(frozen=True)
class Operation:
    """A piece of work; the first contender is memopt's."""

    name: str
    contenders: tuple[Contender, ...]
    same: Callable[[Any, Any], bool] = lambda ours, theirs: bool(ours == theirs)
    # What is promised: peer's label -> (peer's time) / (our time), at least.
    promises: tuple[tuple[str, float], ...] = ()
    # What keeps a promise from being met, with the measurement that shows it.
    note: str = ""

    @property
    def ours(self) -> Contender:
        return self.contenders[0]

    @property
    def peers(self) -> tuple[Contender, ...]:
        return self.contenders[1:]

    def check(self) -> None:
        """Raise AssertionError unless every contender gives our result."""
        ours = self.ours.outcome()
        for peer in self.peers:
            if peer.available:
                same = self.same(ours, peer.outcome())
                assert same, f"{self.name}: {peer.label} differs"


def _close(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=1e-9)


def _drain(iterable: Any) -> None:
    collections.deque(iterable, maxlen=0)


# LazyMap


def _double(x: int) -> int:
    return x * 2 if x else 0  # a branch: never turned into native arithmetic


def _iterated(label: str, make: Callable[[], Any]) -> Contender:
    return Contender(label, make, _drain, result=list)


def _lazymap_iteration(n: int) -> Iterator[Operation]:
    source = list(range(n))

    def operation(kind: str, f: Callable[[int], int]) -> Operation:
        return Operation(
            f"LazyMap: iterate {kind} over a list",
            (
                _iterated("LazyMap", lambda: memopt.LazyMap(f, source)),
                _iterated("map", lambda: map(f, source)),
                _iterated("generator", lambda: (f(x) for x in source)),
            ),
            promises=(("map", 1 / 1.1),),
        )

    yield operation("a Python function", _double)
    yield operation("a C function", abs)


def _lazymap_lists(n: int) -> Iterator[Operation]:
    source = list(range(n))
    yield Operation(
        "LazyMap: to_list of a Python function over a list",
        (
            Contender(
                "LazyMap",
                lambda: memopt.LazyMap(_double, source),
                lambda lazy: lazy.to_list(),
            ),
            Contender("list(map)", lambda: map(_double, source), list),
            Contender(
                "list comprehension", lambda: source, lambda s: [_double(x) for x in s]
            ),
        ),
    )


def _lazymap_sums(n: int) -> Iterator[Operation]:
    numbers = range(n)
    yield Operation(
        "LazyMap: sum(x * 2) over a range",
        (
            Contender(
                "LazyMap", lambda: numbers, lambda r: sum(memopt.LazyMap(_double, r))
            ),
            Contender("map", lambda: numbers, lambda r: sum(map(_double, r))),
            Contender(
                "generator", lambda: numbers, lambda r: sum(_double(x) for x in r)
            ),
            Contender("list", lambda: numbers, lambda r: sum([_double(x) for x in r])),
        ),
    )


def _lazymap_native(n: int) -> Iterator[Operation]:
    """Functions that are plain arithmetic, for which none is called."""
    numbers = range(n)
    floats = [float(x) for x in numbers]

    def double(x: int) -> int:
        return x * 2

    def lazy() -> Any:
        return memopt.LazyMap(double, numbers)

    def generator() -> Any:
        return (x * 2 for x in numbers)

    yield Operation(
        "LazyMap: iterate x * 2 over a range, natively",
        (
            _iterated("LazyMap", lazy),
            _iterated("generator", generator),
            _iterated("map", lambda: map(double, numbers)),
        ),
        promises=(("generator", 2.5),),
        note="half of the time makes and frees the ints, which the peer does too",
    )
    yield Operation(
        "LazyMap: .sum() of x % 1000 over a range, natively",
        (
            Contender(
                "LazyMap",
                lambda: memopt.LazyMap(lambda x: x % 1000, numbers),
                lambda m: m.sum(),
            ),
            Contender("generator", lambda: (x % 1000 for x in numbers), sum),
            Contender("list", lambda: numbers, lambda r: sum([x % 1000 for x in r])),
        ),
    )
    yield Operation(
        "LazyMap: .sum() of x * 2 over a range, in closed form",
        (
            Contender("LazyMap", lazy, lambda m: m.sum()),
            Contender("generator", generator, sum),
        ),
        promises=(("generator", 10_000.0),),
    )
    yield Operation(
        "LazyMap: .sum() of x * 2 over a tuple, natively",
        (
            Contender(
                "LazyMap",
                lambda: memopt.LazyMap(double, tuple(numbers)),
                lambda m: m.sum(),
            ),
            Contender("generator", generator, sum),
        ),
    )
    yield Operation(
        "LazyMap: .to_list() of x * 2 over a range, natively",
        (
            Contender("LazyMap", lazy, lambda m: m.to_list()),
            Contender(
                "list comprehension", lambda: numbers, lambda r: [x * 2 for x in r]
            ),
        ),
        promises=(("list comprehension", 3.0),),
        note="the ints of the list take most of the time, here and there",
    )
    yield Operation(
        "LazyMap: .sum() of x * 1.5 over a list of floats, natively",
        (
            Contender(
                "LazyMap",
                lambda: memopt.LazyMap(lambda x: x * 1.5, floats),
                lambda m: m.sum(),
            ),
            Contender("generator", lambda: (x * 1.5 for x in floats), sum),
        ),
        same=_close,
        promises=(("generator", 10.0),),
        note="the accumulator that adds up the block takes most of the time",
    )


def _lazymap_buffers(n: int) -> Iterator[Operation]:
    def source() -> Any:
        return _numpy().arange(float(n))

    def numexpr(expression: str) -> Callable[[Any], Any]:
        module = importlib.import_module("numexpr")
        return lambda a: module.evaluate(expression, {"a": a})

    yield Operation(
        "LazyMap: .to_array() of x * 0.5 + 1.0 over a float64 array, natively",
        (
            Contender(
                "LazyMap",
                source,
                lambda a: memopt.LazyMap(lambda x: x * 0.5 + 1.0, a).to_array(),
                needs="numpy",
            ),
            Contender("NumPy", source, lambda a: a * 0.5 + 1.0, "numpy"),
            Contender(
                "numexpr", source, lambda a: numexpr("a * 0.5 + 1.0")(a), "numexpr"
            ),
        ),
        same=lambda ours, theirs: list(ours) == list(theirs),
        promises=(("NumPy", 1.0),),
        note="results are copied from the block into the array",
    )
    yield Operation(
        "LazyMap: .sum() of x * x + 1.0 over a float64 array, natively",
        (
            Contender(
                "LazyMap",
                source,
                lambda a: memopt.LazyMap(lambda x: x * x + 1.0, a).sum(),
                needs="numpy",
            ),
            Contender("NumPy", source, lambda a: float((a * a + 1.0).sum()), "numpy"),
            Contender(
                "numexpr",
                source,
                lambda a: float(numexpr("sum(a * a + 1.0)")(a)),
                "numexpr",
            ),
        ),
        same=_close,
        promises=(("NumPy", 2.0), ("numexpr", 1.0)),
        note="the accumulator that adds up the block takes most of the time",
    )


# InternPool


def _messages(n: int, distinct: int) -> list[str]:
    """n fresh strings, of which `distinct` differ, in random order."""
    draw = random.Random(n).randrange
    return [f"Processing item {draw(distinct)}" for _ in range(n)]


def _call_each(intern: Callable[[str], str], strings: list[str]) -> list[str]:
    return [intern(s) for s in strings]


def _interner(
    label: str,
    make: Callable[[], Callable[[str], str]],
    n: int,
    distinct: int,
    needs: str | None = None,
) -> Contender:
    """A contender whose table is filled already: every timed call is a hit."""

    def prepare() -> tuple[Callable[[str], str], list[str]]:
        intern = make()
        _call_each(intern, [f"Processing item {i}" for i in range(distinct)])
        return intern, _messages(n, distinct)

    return Contender(label, prepare, lambda pair: _call_each(*pair), needs)


def _pool_intern(capacity: int) -> Callable[[str], str]:
    return memopt.InternPool(capacity).intern


def _dict_intern(capacity: int) -> Callable[[str], str]:
    seen: dict[str, str] = {}
    setdefault = seen.setdefault
    return lambda s: setdefault(s, s)


def _functools_intern(capacity: int) -> Callable[[str], str]:
    return functools.lru_cache(maxsize=capacity)(lambda s: s)


def _cache_intern(module: str, kind: str, capacity: int) -> Callable[[str], str]:
    """An interner made of a mapping type that evicts: lru-dict's, cachetools'."""
    cache = getattr(importlib.import_module(module), kind)(capacity)

    def intern(s: str) -> str:
        found = cache.get(s)
        if found is None:
            cache[s] = found = s
        return found

    return intern


def _interners(n: int, distinct: int, capacity: int) -> tuple[Contender, ...]:
    def contender(label: str, make: Any, needs: str | None = None) -> Contender:
        return _interner(label, make, n, distinct, needs)

    return (
        contender("InternPool", lambda: _pool_intern(capacity)),
        contender("sys.intern", lambda: sys.intern),
        contender("dict.setdefault", lambda: _dict_intern(capacity)),
        contender("functools.lru_cache", lambda: _functools_intern(capacity)),
        contender("lru-dict", lambda: _cache_intern("lru", "LRU", capacity), "lru"),
        contender(
            "cachetools",
            lambda: _cache_intern("cachetools", "LRUCache", capacity),
            "cachetools",
        ),
    )


def _internpool_hits(n: int) -> Iterator[Operation]:
    for distinct, promises in (
        (1_000, (("sys.intern", 1.5), ("dict.setdefault", 1.0))),
        (20_000, (("sys.intern", 1.0),)),
        (200_000, (("sys.intern", 1.0),)),
    ):
        if distinct <= n:
            yield Operation(
                f"InternPool: intern, {distinct:,} distinct strings",
                _interners(n, distinct, max(16_384, distinct)),
                promises=promises,
            )


def _internpool_unique(n: int) -> Iterator[Operation]:
    def unique() -> list[str]:
        return [f"Processing item {i}" for i in range(n)]

    def stream(label: str, make: Any, needs: str | None = None) -> Contender:
        return Contender(
            label, lambda: (make(), unique()), lambda pair: _call_each(*pair), needs
        )

    capacity = 4096
    yield Operation(
        "InternPool: intern, no string twice, 4,096 entries",
        (
            stream("InternPool", lambda: _pool_intern(capacity)),
            stream("sys.intern", lambda: sys.intern),
            stream("dict.setdefault", lambda: _dict_intern(capacity)),
            stream("functools.lru_cache", lambda: _functools_intern(capacity)),
            stream("lru-dict", lambda: _cache_intern("lru", "LRU", capacity), "lru"),
            stream(
                "cachetools",
                lambda: _cache_intern("cachetools", "LRUCache", capacity),
                "cachetools",
            ),
        ),
    )


# FloatMatrix and fsum


def _numpy() -> Any:
    return importlib.import_module("numpy")


def _rows(side: int) -> list[list[float]]:
    draw = random.Random(side).random
    return [[draw() for _ in range(side)] for _ in range(side)]


def _flat(side: int) -> list[float]:
    return [item for row in _rows(side) for item in row]


def _numpy_sum(a: Any) -> float:
    return float(a.sum())


def _bottleneck_sum(a: Any) -> float:
    return float(importlib.import_module("bottleneck").nansum(a))


def _numexpr_sum(a: Any) -> float:
    numexpr = importlib.import_module("numexpr")
    return float(numexpr.evaluate("sum(a)", {"a": a}))


def _pyarrow_sum(array: Any) -> float:
    return float(importlib.import_module("pyarrow.compute").sum(array).as_py())


def _matrix_sum(side: int) -> Iterator[Operation]:
    nested = _rows(side)

    def flat_array() -> Any:
        return _numpy().array(nested).ravel()

    def arrow() -> Any:
        return importlib.import_module("pyarrow").array(flat_array())

    def polars() -> Any:
        return importlib.import_module("polars").Series(flat_array())

    yield Operation(
        f"FloatMatrix: sum of {side} x {side}",
        (
            Contender(
                "FloatMatrix", lambda: memopt.FloatMatrix(nested), lambda m: m.sum()
            ),
            Contender(
                "sum(sum(row))", lambda: nested, lambda m: sum(sum(row) for row in m)
            ),
            Contender("math.fsum", lambda: _flat(side), math.fsum),
            Contender("np.sum", lambda: _numpy().array(nested), _numpy_sum, "numpy"),
            Contender("bottleneck", flat_array, _bottleneck_sum, "bottleneck"),
            Contender("numexpr", flat_array, _numexpr_sum, "numexpr"),
            Contender("pyarrow", arrow, _pyarrow_sum, "pyarrow"),
            Contender("polars", polars, lambda s: float(s.sum()), "polars"),
        ),
        same=_close,
    )


def _matrix_construction(side: int) -> Iterator[Operation]:
    nested = _rows(side)
    yield Operation(
        f"FloatMatrix: from nested lists, {side} x {side}",
        (
            Contender("FloatMatrix", lambda: nested, memopt.FloatMatrix),
            Contender("np.array", lambda: nested, lambda m: _numpy().array(m), "numpy"),
        ),
        same=lambda ours, theirs: ours.tolist() == theirs.tolist(),
        promises=(("np.array", 5.0),),
    )
    yield Operation(
        f"FloatMatrix: random {side} x {side}",
        (
            Contender(
                "FloatMatrix.random",
                lambda: side,
                lambda n: memopt.FloatMatrix.random(n, n, seed=n).tolist(),
            ),
            Contender("random.random()", lambda: side, _rows),
        ),
    )


def _fsum_of_lists(side: int) -> Iterator[Operation]:
    flat = _flat(side)
    nested = _rows(side)
    yield Operation(
        f"fsum: a list of {side * side:,} floats",
        (
            Contender("memopt.fsum", lambda: flat, memopt.fsum),
            Contender("math.fsum", lambda: flat, math.fsum),
            Contender("sum", lambda: flat, sum),
        ),
        same=_close,
    )
    yield Operation(
        f"fsum: nested lists, {side} x {side}",
        (
            Contender("memopt.fsum", lambda: nested, memopt.fsum),
            Contender(
                "sum(sum(row))", lambda: nested, lambda m: sum(sum(row) for row in m)
            ),
            Contender(
                "math.fsum(chain)",
                lambda: nested,
                lambda m: math.fsum(item for row in m for item in row),
            ),
        ),
        same=_close,
    )


def operations(scale: float = 1.0) -> list[Operation]:
    """Every operation, for inputs of `scale` times the published size."""
    n = max(1_000, int(1_000_000 * scale))
    side = max(10, int(1000 * scale**0.5))
    return [
        *_lazymap_iteration(n),
        *_lazymap_lists(n),
        *_lazymap_sums(n),
        *_lazymap_native(n),
        *_lazymap_buffers(n),
        *_internpool_hits(n),
        *_internpool_unique(n),
        *_matrix_sum(side),
        *_matrix_construction(side),
        *_fsum_of_lists(side),
    ]
