"""The one registry of what is measured: each operation, memopt's way and its peers'.

An operation makes its input anew for every run, outside the timed region,
and its results are checked before anything is timed.  ``benchmarks.measure``,
``benchmarks.compare`` and the ``test_bench_*`` files read it; nothing else
defines a workload.
"""

import array
import collections
import functools
import gc
import importlib
import json
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
    # Runs of what takes microseconds that are timed together, each on an
    # argument of its own; their mean counts.
    repeat: int = 1

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
    # Whether it looks at all that is in the process, and so wants one of its own.
    apart: bool = False
    # Fewer than asked for, where a round takes many seconds.
    most_rounds: int = sys.maxsize

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


def _loop(iterable: Any) -> None:
    for _ in iterable:
        pass


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
    few = source[:10]
    yield Operation(
        "LazyMap: created over 10 items and read, a thousand calls",
        (
            Contender(
                "LazyMap",
                lambda: few,
                _a_thousand_times(lambda items: max(memopt.LazyMap(_double, items))),
            ),
            Contender(
                "map",
                lambda: few,
                _a_thousand_times(lambda items: max(map(_double, items))),
            ),
        ),
        note="wanted: less than 3 us more for each call, so 3 ms here, recognition "
        "being cached",
    )


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
    )
    for name, run in (("a for loop", _loop), ("the builtin sum()", sum)):
        yield Operation(
            f"LazyMap: {name} on x * 2 over a range, natively",
            (
                Contender("LazyMap", lazy, run, result=list),
                Contender("generator", generator, run, result=list),
            ),
            promises=(("generator", 2.5),),
        )
    yield Operation(
        "LazyMap: .sum() of x ^ 1 over a range, natively",
        (
            Contender(
                "LazyMap",
                lambda: memopt.LazyMap(lambda x: x ^ 1, numbers),
                lambda m: m.sum(),
            ),
            Contender("generator", lambda: (x ^ 1 for x in numbers), sum),
        ),
        promises=(("generator", 60.0),),
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
            Contender("LazyMap", lazy, lambda m: m.sum(), repeat=100),
            Contender("generator", generator, sum),
        ),
        promises=(("generator", 10_000.0),),
        note="the first call after a collection, with cold caches, takes 20 us",
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
            Contender("list(range)", lambda: range(0, 2 * n, 2), list),
        ),
        promises=(("list comprehension", 3.0),),
        note="making and freeing the ints of the list is what takes the time: "
        "list(range), which does nothing else, takes 30.5 of our 30.8 ms, 8 to 15 of "
        "them for 7,560 page faults; a list of Nones takes 1 (Sapphire Rapids Xeon)",
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
        note="12 x where the list and its floats, 40 MB, are in the third-level cache "
        "(1.9 ms, of which unboxing them takes 1.4), and 5.4 to 9.7 x after a "
        "collection, which goes through all other objects (Sapphire Rapids Xeon)",
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
        note="both are as fast as 8 MB are read and 8 MB written: 0.87 to 1.10 x from "
        "run to run, 1.49 x for 64 MB (Zen 3); 1.00 to 1.23 x (Sapphire Rapids Xeon)",
    )

    def long_source() -> Any:
        return _numpy().arange(16.0 * n)  # more than the caches hold

    yield Operation(
        "LazyMap: .sum() of x * x + 1.0 over a long float64 array, natively",
        (
            Contender(
                "LazyMap",
                long_source,
                lambda a: memopt.LazyMap(lambda x: x * x + 1.0, a).sum(),
                needs="numpy",
            ),
            Contender(
                "NumPy", long_source, lambda a: float((a * a + 1.0).sum()), "numpy"
            ),
            Contender(
                "numexpr",
                long_source,
                lambda a: float(numexpr("sum(a * a + 1.0)")(a)),
                "numexpr",
            ),
        ),
        same=_close,
        promises=(("NumPy", 2.0), ("numexpr", 1.0)),
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


_HITS_NOTE = (
    "Of 200,000 strings, 14 MB, 51 ns each to 84 of sys.intern, 1.65 times; id(), which"
    " does nothing with them, takes 44. Of 1,000,000, 1.3 to 1.4 times, as both wait"
    " for the strings to be read from memory. Of 1,000, 1.46 to 1.50 times in all runs"
    " on an EPYC: 33 ns to 48; a loop that calls len() takes 21, and with a tenth fewer"
    " instructions for the other 12 it was no faster."
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
                note=_HITS_NOTE if distinct == 1_000 else "",
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


def _intern_in_place(strings: list[str]) -> list[str]:
    for i, s in enumerate(strings):
        strings[i] = sys.intern(s)
    return strings


def _internpool_lists(n: int) -> Iterator[Operation]:
    for distinct, promised in ((20_000, 2.0), (200_000, 4.0)):
        if distinct > n:
            continue
        resident = [f"Processing item {i}" for i in range(distinct)]
        pool = memopt.InternPool(distinct)
        pool.intern_list(resident)
        kept = [sys.intern(s) for s in resident]

        def in_place(
            strings: list[str], pool: Any = pool, kept: Any = kept
        ) -> list[str]:
            pool.intern_list(strings)
            return strings

        def messages(distinct: int = distinct) -> list[str]:
            return _messages(n, distinct)

        yield Operation(
            f"InternPool: intern_list, {distinct:,} distinct strings",
            (
                Contender("InternPool", messages, in_place),
                Contender("loop of sys.intern", messages, _intern_in_place),
            ),
            promises=(("loop of sys.intern", promised),),
        )


def _internpool_bytes(n: int) -> Iterator[Operation]:
    pool = memopt.InternPool()
    texts = [f"Processing item {i:04}" for i in range(1000)]
    fields = [texts[i % 1000].encode() for i in range(n)]
    draw = random.Random(3).randrange
    lines = [
        ",".join(f"field {draw(300 if i % 3 == 0 else 10)}" for i in range(12)).encode()
        for _ in range(n // 20)
    ]
    for line in lines:
        pool.split(line, b",")
    kept = [*map(sys.intern, texts), *(sys.intern(f"field {i}") for i in range(300))]

    yield Operation(
        "InternPool: intern_utf8 of 20 bytes that are resident",
        (
            Contender(
                "InternPool",
                lambda: pool.intern_many(texts) and fields,
                lambda fields: [pool.intern_utf8(b) for b in fields],
            ),
            Contender(
                "sys.intern(decode)",
                lambda: fields,
                lambda fields, kept=kept: [sys.intern(b.decode()) for b in fields],
            ),
            Contender("decode", lambda: fields, lambda f: [b.decode() for b in f]),
        ),
        promises=(("sys.intern(decode)", 2.0),),
    )
    yield Operation(
        "InternPool: split into 12 fields",
        (
            Contender(
                "InternPool",
                lambda: lines,
                lambda lines: [pool.split(line, b",") for line in lines],
            ),
            Contender(
                "sys.intern",
                lambda: lines,
                lambda lines: [
                    [sys.intern(f) for f in line.decode().split(",")] for line in lines
                ],
            ),
            Contender(
                "decode, split",
                lambda: lines,
                lambda lines: [line.decode().split(",") for line in lines],
            ),
        ),
        promises=(("sys.intern", 2.0),),
    )


def _records(n: int) -> str:
    """A JSON document of n repetitive records, about 330 bytes each."""
    draw = random.Random(5).randrange
    return json.dumps(
        [
            {
                "id": i,
                "timestamp": f"2024-03-{1 + i // 5000 % 28:02}T{i // 200 % 24:02}:00",
                "level": ("DEBUG", "INFO", "WARNING", "ERROR")[draw(4)],
                "service": f"service-{draw(40):03}",
                "host": f"host-{draw(200)}.example.org",
                "message": f"Processing item {draw(2000)} finished",
                "latency": draw(10**6) / 1000,
                "user": {
                    "city": f"City number {draw(500)}",
                    "country": f"C {draw(50)}",
                },
                "tags": [f"service-{draw(40):03}" for _ in range(3)],
            }
            for i in range(n)
        ]
    )


def _walk(value: Any) -> None:
    """Interns by hand what dedup() interns."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                value[key] = sys.intern(item)
            else:
                _walk(item)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if isinstance(item, str):
                value[i] = sys.intern(item)
            else:
                _walk(item)


def _internpool_documents(n: int) -> Iterator[Operation]:
    document = _records(n * 3 // 20)

    def walked(value: Any) -> Any:
        _walk(value)
        return value

    def deduplicated(value: Any) -> Any:
        memopt.InternPool().dedup(value)
        return value

    yield Operation(
        f"InternPool: json_loads of {len(document) / 1e6:.0f} MB",
        (
            Contender(
                "json_loads",
                lambda: document,
                lambda d: memopt.InternPool().json_loads(d),
            ),
            Contender("json.loads", lambda: document, json.loads),
        ),
        promises=(("json.loads", 1 / 1.15),),
    )
    yield Operation(
        "InternPool: dedup of that document, loaded",
        (
            Contender("dedup", lambda: json.loads(document), deduplicated),
            Contender("recursive sys.intern", lambda: json.loads(document), walked),
        ),
        promises=(("recursive sys.intern", 10.0),),
        note="With None in place of each string and nothing looked up: 5.6 x (EPYC). A"
        " loop in C that does only that, by PyDict_Next() and PyDict_SetItem(): 7.4 x;"
        " one that only reads: 10.3 x (Xeon). It waits for instructions, not memory:"
        " 440 ns a record in the cache, 500 outside, so that to fetch values ahead"
        " gains nothing; two fifths are CPython's reading, assigning and freeing, a"
        " third is to hash, find and compare.",
    )


def _internpool_new_strings(n: int) -> Iterator[Operation]:
    yield Operation(
        "InternPool: a list of new strings, each passed through 4,096 entries",
        (
            Contender(
                "InternPool",
                lambda: memopt.InternPool(4096).intern,
                lambda intern: [intern(f"Processing item {i}") for i in range(n)],
            ),
            Contender(
                "strings alone",
                lambda: None,
                lambda _: [f"Processing item {i}" for i in range(n)],
            ),
        ),
        promises=(("strings alone", 1 / 1.35),),
        note="1.23 to 1.46 times in all runs, most where strings are made in memory"
        " that is in the cache. A C function that does nothing takes 1.04 to 1.07.",
    )


def _internpool_lru(n: int) -> Iterator[Operation]:
    """One stream through bounded LRU caches that hold half of its strings."""
    capacity = 10_000
    ours = _Interner(
        "InternPool", lambda capacity: memopt.InternPool(capacity, policy="lru").intern
    )
    bounded = [
        i for i in _INTERNERS if i.label not in ("sys.intern", "dict.setdefault")
    ]

    def messages() -> list[str]:
        return _messages(n, 2 * capacity)

    yield Operation(
        "InternPool: policy lru, half of the strings resident",
        tuple(i.over(capacity, messages) for i in (ours, *bounded[1:])),
        promises=(
            ("functools.lru_cache", 1.0),
            ("lru-dict", 1.0),
            ("cachetools", 1.0),
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


_BOXED = (
    "The list and its floats are 40 MB in memory. One core of a Zen 3 reads them at 8 "
    "to 9 GB/s, one of a Sapphire Rapids Xeon at 16 to 18, or 29 where they are in the "
    "third-level cache: 1.5 to 2.2 ms, of 1.8 to 2.2 in all, in four streams side by "
    "side and fetched ahead; 2.3 to 2.8 in one, 3.2 in eight, and 2.4 to 3.2 by "
    "gathering eight at once. Unboxing what is in the first-level cache takes 0.7 ms, "
    "adding up 0.1."
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
        note=_BOXED,
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
        note=_BOXED,
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

_READ_LIMIT = (
    "np.max shows how fast the array can be read. A core of a Sapphire Rapids Xeon "
    "reads 8 MB, from the third-level cache, at 29 GB/s and no faster in 1, 2, 4 or 8 "
    "streams, fetched 0.5 to 32 kB ahead or not, into the first or the second level, "
    "in huge pages or not; np.sum takes 26. What the arithmetic alone makes of it "
    "shows in the second-level cache."
)


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
                note=_READ_LIMIT,
            )


def _cached_sums(n: int) -> Iterator[Operation]:
    """Again and again the same array, which the second-level cache keeps."""

    @functools.cache
    def make() -> Any:
        return _random_array(4, n)

    def contender(label: str, act: Callable[[Any], Any]) -> Contender:
        return Contender(label, make, act, "numpy", _numpy_sum, repeat=100)

    for isa in filter(_KERNEL_PROMISES.get, memopt._memopt._isas()):
        sum_alone = _with_kernel(isa, lambda a: memopt.fsum(a, threads=1))
        yield Operation(
            f"fsum: {n:,} floats in the second-level cache, one thread, {isa}",
            (
                Contender("memopt.fsum", make, sum_alone, "numpy", repeat=100),
                contender("np.sum", _numpy_sum),
                contender("np.max", lambda a: a.max()),
            ),
            same=_close,
        )


def _random_array(seed: int, *shape: int, dtype: str = "f8") -> Any:
    return _numpy().random.default_rng(seed).random(shape, dtype=dtype)


def _random_matrix(seed: int, *shape: int, dtype: str = "f8") -> memopt.FloatMatrix:
    return memopt.FloatMatrix(_random_array(seed, *shape, dtype=dtype))


def _axis_sums(side: int, rows: int) -> Iterator[Operation]:
    def operation(
        shape: tuple[int, int], axis: int, dtype: str, isa: str, note: str = ""
    ) -> Operation:
        kind = {"f8": "", "f4": " float32"}[dtype]
        tolerance = {"f8": 1e-9, "f4": 1e-3}[dtype]
        return Operation(
            f"FloatMatrix: sum of {shape[0]} x {shape[1]}{kind}, axis={axis}, {isa}",
            (
                Contender(
                    "FloatMatrix",
                    lambda: _random_matrix(1, *shape, dtype=dtype),
                    _with_kernel(isa, lambda m: m.sum(axis=axis, threads=1)),
                    "numpy",
                ),
                Contender(
                    "np.sum",
                    lambda: _random_array(1, *shape, dtype=dtype),
                    lambda a: a.sum(axis=axis),
                    "numpy",
                ),
            ),
            same=lambda ours, theirs: bool(
                _numpy().allclose(ours, theirs, rtol=tolerance)
            ),
            # Of two lanes nothing is promised: an exact sum takes 13 operations.
            promises=(("np.sum", 1.0),) if isa != "baseline" else (),
            note=note,
        )

    widening = (
        "A vector of singles is widened to two of doubles, at one a cycle on a Zen 3, "
        "where np.sum adds it as it is: 0.5 ns for four from the second-level cache, "
        "0.35 for a plain loop of single additions."
    )
    streams = (
        "Eight rows at a time are eight streams of 8 kB, each of which a Zen 4 has to "
        "begin to fetch: 458 ns a row, where rows read one after the other take 275. "
        "Added so, they are no faster, as 16 kB of sums are read and written for each; "
        "nor in strips of 4 kB."
    )
    for isa in filter(_KERNEL_PROMISES.get, memopt._memopt._isas()):
        for shape in ((side, side), (rows, 4)):
            wide = shape[1] > 4
            yield operation(shape, 0, "f8", isa, streams if wide else "")
            yield operation(shape, 0, "f4", isa, widening)
            for kind in ("f8", "f4"):
                yield operation(shape, 1, kind, isa)


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


# The heap scan behind memopt.advise


class _Record:
    def __init__(self, i: int) -> None:
        self.name, self.number, self.share = f"name {i}", 1000 + i, i * 0.5


def _plain_heap(n: int) -> list[Any]:
    """Repeated strings, ints, and rows of floats: each list in one place."""
    side = math.isqrt(n)
    return [
        [f"Processing item {i % 1000}" for i in range(n // 2)],
        [x * 2 for x in range(n)],
        [[i + j + 0.5 for j in range(side)] for i in range(side)],
    ]


def _scattered_heap(n: int) -> list[Any]:
    """Instances and dicts that lie in memory in another order than in the list."""
    heap: list[Any] = [_Record(i) for i in range(n)]
    heap += [
        {"id": 1000 + i, "city": f"city {i % 1000}", "share": i * 0.5, "text": str(i)}
        for i in range(n)
    ]
    random.Random(1).shuffle(heap)
    return heap


def _found_by_advise(heap: Any) -> dict[str, int]:
    gc.collect()  # as guppy3 does
    return {
        total.type.rpartition(".")[2]: total.count for total in memopt.advise().types
    }


def _found_by_guppy(heap: Any) -> dict[str, int]:
    guppy = importlib.import_module("guppy")
    rows = guppy.hpy().heap().bytype.partition.get_rows()
    return {row.name.rpartition(".")[2]: row.count for row in rows}


def _same_counts(ours: dict[str, int], theirs: dict[str, int]) -> bool:
    """Objects of a type that only the heap has, or has most of.

    The rest of the process is not the same for both: guppy leaves itself out,
    500 to 2,000 ints and floats after all other benchmarks.
    """
    names = {"_Record"} & ours.keys() or {"int", "float"}
    return all(
        math.isclose(ours[name], theirs[name], rel_tol=0.01, abs_tol=2000)
        for name in names
    )


# What is compared, and what limits it.
APART_NOTE = (
    "Both look at the whole process: the heap, and some 38,000 objects of Python's,"
    " guppy3's, memopt's and of this benchmark's.  guppy3 begins with a gc.collect()"
    " of its own, a tenth to a fifth of its time, and lists the objects; to count"
    " them by type takes it as long again, to add up their bytes a sixth, which is"
    " not in its time.  memopt.advise does all of that, looks for what could be"
    " swapped, names it by its path and reads the figures of the process"
    " (smaps_rollup: 1 to 3 ms).  Each run has a heap of its own, as guppy3 gives"
    " each instance that it looks at a dict, which would be 50,000 more objects.  A"
    " record of four or five objects takes 1,200 instructions, a string of the list"
    " 250, a number 32: two thirds of those for strings, ints and floats go to the"
    " contents of strings, which guppy3 does not look at."
)
ELSE_NOTE = (
    "All else in the process is what the benchmarks import: 54,000 objects with"
    " NumPy, 114,000 with Polars, pyarrow and the others, such as functions, code and"
    " documentation.  They take memopt.advise 170 ns each, where those of a record"
    " take 30, as every third is a path of its own and they lie anywhere on some"
    " thousand pages, and guppy3 only four to seven times as long as that: the more"
    " of a process is modules, the less is left of the ten times that it takes for"
    " data.  This promises nothing; what is promised is measured in a process that"
    " has only the heap and the two."
)


def _guppy_heap(heap: Any) -> Any:
    return importlib.import_module("guppy").hpy().heap()


def _whole_process(
    name: str, make: Callable[[], list[Any]], **options: Any
) -> Operation:
    """Both look at all there is in the process, of which the heap is a part."""
    return Operation(
        name,
        (
            Contender(
                "memopt.advise", make, lambda h: memopt.advise(), None, _found_by_advise
            ),
            Contender("guppy3 heap()", make, _guppy_heap, "guppy", _found_by_guppy),
        ),
        same=_same_counts,
        **options,
    )


def apart_operations(scale: float = 1.0) -> Iterator[Operation]:
    """Those that are measured in a process with nothing else, made for themselves."""
    n = _size(scale)
    heaps: tuple[tuple[str, Callable[[], list[Any]], int], ...] = (
        ("strings, ints and floats", lambda: _plain_heap(n), 7),
        (f"{9 * (n // 20):,} scattered objects", lambda: _scattered_heap(n // 20), 7),
        (f"{9 * (n // 2):,} scattered objects", lambda: _scattered_heap(n // 2), 3),
    )
    for name, make, rounds in heaps:
        yield _whole_process(
            f"advise: {name}, in a process that has only these",
            make,
            promises=(("guppy3 heap()", 10.0),),
            note=APART_NOTE,
            apart=True,
            most_rounds=rounds,
        )


def _heap_scans(n: int) -> Iterator[Operation]:
    def one_object(name: str, make: Callable[[], list[Any]]) -> Operation:
        return Operation(
            f"advise: {name}, alone",
            (
                Contender(
                    "memopt.advise", make, lambda h: memopt.advise(h).python_bytes
                ),
                Contender(
                    "pympler asizeof",
                    make,
                    lambda h: importlib.import_module("pympler.asizeof").asizeof(h),
                    "pympler",
                ),
            ),
            # pympler rounds to 8 bytes and leaves out the collector's header.
            same=lambda ours, theirs: math.isclose(ours, theirs, rel_tol=0.25),
            promises=(("pympler asizeof", 10.0),),
            most_rounds=3,
        )

    heaps: tuple[tuple[str, Callable[[], list[Any]]], ...] = (
        ("strings, ints and floats", lambda: _plain_heap(n)),
        ("scattered records", lambda: _scattered_heap(n // 20)),
    )
    for name, make in heaps:
        yield _whole_process(
            f"advise: {name}, and all else in the process", make, note=ELSE_NOTE
        )
        yield one_object(name, make)


def _size(scale: float) -> int:
    return max(1_000, int(1_000_000 * scale))


def operations(scale: float = 1.0) -> list[Operation]:
    """Every operation, for inputs of `scale` times the published size."""
    n = _size(scale)
    side = max(10, int(1000 * scale**0.5))
    return [
        *_lazymap_iteration(n),
        *_lazymap_lists(n),
        *_lazymap_sums(n),
        *_lazymap_native(n),
        *_lazymap_buffers(n),
        *_internpool_hits(n),
        *_internpool_unique(n),
        *_internpool_new_strings(n),
        *_internpool_lists(n),
        *_internpool_bytes(n),
        *_internpool_documents(n),
        *_internpool_lru(n),
        *_internpool_list(n),
        *_matrix_sum(side),
        *_matrix_construction(side),
        *_fsum_of_lists(side),
        *_kernel_sums(side),
        *_cached_sums(n // 8),
        *_axis_sums(side, n),
        *_single_precision(side),
        *_small_sums(),
        *_hard_sums(n),
        *_large_sum(16 * n),
        *_large_sum(64 * n),
        *apart_operations(scale),
        *_heap_scans(n),
    ]
