"""The one registry of what is measured: each operation, memopt's way and its peers'.

An operation makes its input anew for every run, outside the timed region,
and its results are checked before anything is timed.  ``benchmarks.compare``
and the ``test_bench_*`` files read it; nothing else defines a workload.
"""

import array
import collections
import functools
import importlib
import math
import random
import sys
from collections.abc import Callable, Iterable, Iterator
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


# InternPool


def _messages(n: int, distinct: int) -> list[str]:
    """n fresh strings, of which `distinct` differ, in random order."""
    draw = random.Random(n).randrange
    return [f"Processing item {draw(distinct)}" for _ in range(n)]


def _call_each(intern: Callable[[str], str], strings: Iterable[str]) -> list[str]:
    return [intern(s) for s in strings]


def _setdefault_each(
    setdefault: Callable[[str, str], str], strings: Iterable[str]
) -> list[str]:
    return [setdefault(s, s) for s in strings]


@dataclass(frozen=True)
class _Interner:
    """A way to intern: ``each(make(capacity), strings)`` is a list of them."""

    label: str
    make: Callable[[int], Any]
    each: Callable[[Any, Iterable[str]], list[str]] = _call_each
    needs: str | None = None

    def over(self, capacity: int, strings: Callable[[], Iterable[str]]) -> Contender:
        """Interns strings into a new table."""
        return Contender(
            self.label,
            lambda: (self.make(capacity), strings()),
            lambda pair: self.each(*pair),
            self.needs,
        )

    def filled(self, capacity: int, distinct: int, n: int) -> Contender:
        """Interns n strings that the table already has: every one is a hit."""

        def prepare() -> tuple[Any, list[str], list[str]]:
            intern = self.make(capacity)
            kept = self.each(intern, [f"Processing item {i}" for i in range(distinct)])
            # Without somebody to hold them, sys.intern would forget them.
            return intern, _messages(n, distinct), kept

        return Contender(
            self.label, prepare, lambda made: self.each(*made[:2]), self.needs
        )


def _pool_intern(capacity: int) -> Callable[[str], str]:
    return memopt.InternPool(capacity).intern


def _functools_intern(capacity: int) -> Callable[[str], str]:
    return functools.lru_cache(maxsize=capacity)(lambda s: s)


def _cache_intern(module: str, kind: str, capacity: int) -> Callable[[str], str]:
    """An interner made of a mapping type that evicts: lru-dict's, cachetools'."""
    cache = getattr(importlib.import_module(module), kind)(capacity)

    def intern(s: str) -> str:
        found: str | None = cache.get(s)
        if found is None:
            cache[s] = found = s
        return found

    return intern


_INTERNERS = (
    _Interner("InternPool", _pool_intern),
    _Interner("sys.intern", lambda capacity: sys.intern),
    _Interner("dict.setdefault", lambda capacity: {}.setdefault, _setdefault_each),
    _Interner("functools.lru_cache", _functools_intern),
    _Interner(
        "lru-dict",
        lambda capacity: _cache_intern("lru", "LRU", capacity),
        needs="lru",
    ),
    _Interner(
        "cachetools",
        lambda capacity: _cache_intern("cachetools", "LRUCache", capacity),
        needs="cachetools",
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
                tuple(
                    interner.filled(max(16_384, distinct), distinct, n)
                    for interner in _INTERNERS
                ),
                promises=promises,
            )


def _internpool_unique(n: int) -> Iterator[Operation]:
    def unique() -> list[str]:
        return [f"Processing item {i}" for i in range(n)]

    yield Operation(
        "InternPool: intern, no string twice, 4,096 entries",
        tuple(interner.over(4096, unique) for interner in _INTERNERS),
    )


def _internpool_list(n: int) -> Iterator[Operation]:
    def read() -> Iterator[str]:
        return (f"Processing item {i % 1000}" for i in range(n))

    yield Operation(
        "InternPool: a list of strings as they are read, 1,000 distinct",
        (
            *(interner.over(16_384, read) for interner in _INTERNERS),
            Contender("list", read, list),
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
        promises=(("polars", 1.0),),
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
                lambda n: memopt.FloatMatrix.random(n, n, seed=n),
            ),
            Contender("random.random()", lambda: side, _rows),
        ),
        same=lambda ours, theirs: bool(ours.tolist() == theirs),
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
        promises=(("math.fsum", 8.0),),
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
        promises=(("sum(sum(row))", 2.0),),
    )


# The kernels of the exact sums


def _with_kernel(name: str, act: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """act, summing with the kernel of this name alone."""
    set_isa = memopt._memopt._set_isa

    def run(argument: Any) -> Any:
        previous = set_isa(name)
        try:
            return act(argument)
        finally:
            set_isa(previous)

    return run


def _distributions(side: int) -> dict[str, Callable[[], Any]]:
    def generator() -> Any:
        return _numpy().random.default_rng(side)

    return {
        "uniform": lambda: generator().random((side, side)),
        "normal(0, 1)": lambda: generator().normal(size=(side, side)),
        "lognormal(0, 2)": lambda: generator().lognormal(0, 2, (side, side)),
    }


def _reading(make: Callable[[], Any]) -> Contender:
    """How fast an array can be read: no sum is faster."""
    return Contender("np.max", make, lambda a: a.max(), "numpy", result=_numpy_sum)


# Times faster than np.sum on one thread.
_KERNEL_PROMISES = {"avx512": 1.9, "avx2": 1.0, "baseline": 0.35}


def _kernel_sums(side: int) -> Iterator[Operation]:
    for isa in filter(_KERNEL_PROMISES.get, memopt._memopt._isas()):
        for name, make in _distributions(side).items():
            sum_alone = _with_kernel(isa, lambda a: memopt.fsum(a, threads=1))
            yield Operation(
                f"fsum: {side} x {side} {name}, one thread, {isa}",
                (
                    Contender("memopt.fsum", make, sum_alone, "numpy"),
                    Contender("np.sum", make, _numpy_sum, "numpy"),
                    _reading(make),
                ),
                same=_close,
                promises=(("np.sum", _KERNEL_PROMISES[isa]),),
                note="np.max shows how fast the array can be read.",
            )


def _random_array(seed: int, *shape: int) -> Any:
    return _numpy().random.default_rng(seed).random(shape)


def _random_matrix(seed: int, *shape: int) -> memopt.FloatMatrix:
    return memopt.FloatMatrix(_random_array(seed, *shape))


def _axis_sums(side: int, rows: int) -> Iterator[Operation]:
    def operation(shape: tuple[int, int], axis: int) -> Operation:
        return Operation(
            f"FloatMatrix: sum of {shape[0]} x {shape[1]}, axis={axis}",
            (
                Contender(
                    "FloatMatrix",
                    lambda: _random_matrix(1, *shape),
                    lambda m: m.sum(axis=axis, threads=1),
                    "numpy",
                ),
                Contender(
                    "np.sum",
                    lambda: _random_array(1, *shape),
                    lambda a: a.sum(axis=axis),
                    "numpy",
                ),
            ),
            same=lambda ours, theirs: bool(_numpy().allclose(ours, theirs)),
            promises=(("np.sum", 1.0),),
        )

    for shape in ((side, side), (rows, 4)):
        for axis in (0, 1):
            yield operation(shape, axis)


def _single_precision(side: int) -> Iterator[Operation]:
    def make() -> Any:
        return _numpy().random.default_rng(2).random((side, side), dtype="f4")

    yield Operation(
        f"fsum: {side} x {side} float32, one thread",
        (
            Contender(
                "memopt.fsum", make, lambda a: memopt.fsum(a, threads=1), "numpy"
            ),
            Contender("np.sum", make, _numpy_sum, "numpy"),
        ),
        same=lambda ours, theirs: math.isclose(ours, theirs, rel_tol=1e-5),
        promises=(("np.sum", 1.0),),
    )


def _a_thousand_times(act: Callable[[Any], float]) -> Callable[[Any], float]:
    def run(argument: Any) -> float:
        result = math.nan
        for _ in range(1000):
            result = act(argument)
        return result

    return run


def _small_sums() -> Iterator[Operation]:
    def operation(n: int, promise: float) -> Operation:
        return Operation(
            f"FloatMatrix: sum of {n} floats, a thousand calls",
            (
                Contender(
                    "FloatMatrix",
                    lambda: _random_matrix(n, 1, n),
                    _a_thousand_times(lambda m: float(m.sum())),
                    "numpy",
                ),
                Contender(
                    "np.sum",
                    lambda: _random_array(n, 1, n),
                    _a_thousand_times(lambda a: float(_numpy().sum(a))),
                    "numpy",
                ),
            ),
            same=_close,
            promises=(("np.sum", promise),),
        )

    for n, promise in ((8, 10.0), (64, 8.0), (1000, 4.0)):
        yield operation(n, promise)


def _hard_sums(n: int) -> Iterator[Operation]:
    draw = random.Random(n)
    spread = [math.ldexp(draw.random(), draw.randint(-300, 300)) for _ in range(n)]
    half = [math.ldexp(draw.random(), draw.randint(0, 40)) for _ in range(n // 2)]
    cancelling = [*half, *(-x for x in half), 1.0]
    draw.shuffle(cancelling)

    def operation(name: str, values: list[float]) -> Operation:
        return Operation(
            f"fsum: {n:,} floats, {name}",
            (
                Contender("memopt.fsum", lambda: array.array("d", values), memopt.fsum),
                Contender("math.fsum", lambda: values, math.fsum),
            ),
            promises=(("math.fsum", 10.0),),
        )

    yield operation("exponents spread over 600", spread)
    yield operation("all but one cancelling", cancelling)


def _large_sum(n: int) -> Iterator[Operation]:
    """Out of the caches: reading is all that takes time."""

    @functools.cache
    def make() -> Any:
        return _numpy().random.default_rng(3).random(n)

    yield Operation(
        f"fsum: {n:,} floats, one thread",
        (
            Contender(
                "memopt.fsum", make, lambda a: memopt.fsum(a, threads=1), "numpy"
            ),
            _reading(make),
            Contender("np.sum", make, _numpy_sum, "numpy"),
        ),
        same=_close,
        promises=(("np.max", 0.95),),
        note="np.max shows how fast the array can be read.",
    )


def operations(scale: float = 1.0) -> list[Operation]:
    """Every operation, for inputs of `scale` times the published size."""
    n = max(1_000, int(1_000_000 * scale))
    side = max(10, int(1000 * scale**0.5))
    return [
        *_lazymap_iteration(n),
        *_lazymap_lists(n),
        *_lazymap_sums(n),
        *_internpool_hits(n),
        *_internpool_unique(n),
        *_internpool_list(n),
        *_matrix_sum(side),
        *_matrix_construction(side),
        *_fsum_of_lists(side),
        *_kernel_sums(side),
        *_axis_sums(side, n),
        *_single_precision(side),
        *_small_sums(),
        *_hard_sums(n),
        *_large_sum(16 * n),
    ]
