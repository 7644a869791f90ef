"""No exported type leaks: each is made and dropped often, in a fresh process."""

import pytest
from support import run_in_fresh_process

from memopt import _memopt

# How to make one instance of each exported type, and use what it offers.  (Not
# pickle.loads: CPython's method cache keeps many of the names it looks up.)
FACTORIES: dict[str, str] = {
    "ExactSum": """
import copy, pickle
total = memopt.ExactSum([0.1, [2**100, b"ab"[0]], memopt.ExactSum(1.0)])
total.update(iter([1.0, 2.0]))
total.add(3)
other = pickle.loads(pickle.dumps(total)) - copy.copy(total)
other += total
assert other == total and other != total + total
repr(total), float(total), total.value, total.mean, total.count
memopt.fsum([total, 1.0], special="raise")
for wrong in ([1.0, "x"], [[None]], [10**400], [memoryview(b"a").cast("c")]):
    try:
        total.update(wrong)
    except (TypeError, OverflowError):
        continue
    raise AssertionError(wrong)
try:
    total.__setstate__(b"x")
except ValueError:
    pass
""",
    "FloatMatrix": """
m = memopt.FloatMatrix([[1, 2.5], iter([3, 4])])
m.append((5, 6)); m.extend(m); m[0] = [7, 8]; m[1:] = m[:-1]
m.T.copy(), m == m.tolist(), m.sum(axis=0), memopt.FloatMatrix(memoryview(m))
""",
    "FloatVector": """
m = memopt.FloatMatrix([[1, 2, 3], [4, 5, 6]])
row = m[0]; row[1] = 7; row[1:] = row[:-1]; row[:] = [1, 2, 3]
list(row), row == [1, 2, 3], m[:, 1].copy(), row.sum(), memoryview(row)
""",
    "InternPool": """
import copy, pickle
pool = memopt.InternPool(20, max_bytes=3000)
for i in range(60):
    pool.intern(f"item {i}")
    pool(f"item {i}")
    pool.get(f"item {i}"), f"item {i}" in pool
pool.intern("x" * 2000), pool.intern("a")
for bad in (1, None, b""):
    for call in (pool, pool.intern, pool.get, pool.discard, memopt.InternPool):
        try: call(bad)
        except (TypeError, ValueError): pass
list(pool), len(pool), repr(pool), sys.getsizeof(pool)
pool.discard("item 59"), pool.resize(10), pool.resize(30, None)
copy.copy(pool), pickle.dumps(pool), pool.cache_info()
if len(pool) % 2: pool.clear()
""",
    "InternPoolInfo": """
import pickle
info = memopt.InternPool(20, max_bytes=3000).cache_info()
repr(info), info.hits, info[:4], pickle.dumps(info)
""",
    "LazyMap": """
lazy = memopt.LazyMap(lambda x: x + 1, [1, 2, 3])
both = memopt.LazyMap(lambda x, y: x + y, lazy, range(3), strict=True)
for view in lazy, both, lazy.map(str)[::-2], lazy.filter(None), lazy.batched(2):
    list(view), repr(view), view.to_list(), 5 in view, bool(view)
lazy[0], lazy[-1], lazy.index(3), lazy.count(3), lazy.to_array("i"), len(both)
""",
    "LazyMapIterator": """
lazy = memopt.LazyMap(abs, iter([1, 2, 3]))
next(lazy.map(str)), repr(lazy), next(lazy), list(lazy.filter(None))
""",
    "MemoryInfo": """
import copy, pickle
info = memopt.memory_info()
repr(info), info.private, pickle.dumps(info), copy.copy(info)
for wrong in "", 1.5, 0, -1, 1 << 80, 4096:
    try:
        memopt.limit_memory(wrong)
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        pass
_memopt._resident(), memopt.memory_pressure()
""",
    "_LazyMapCache": """
for source in [1, 2, 3], iter([1, 2, 3]), {1, 2, 3}:
    cached = memopt.LazyMap(abs, source).cached()
    cached[1], repr(cached), list(cached), len(cached), cached[::-1].to_list()
""",
    "_LazyMapSlices": """
for batch in memopt.LazyMap(abs, [1, 2, 3]).batched(2):
    list(batch)
""",
    "_LazyMapTuples": """
for batch in memopt.LazyMap(abs, {1, 2, 3}).batched(2):
    list(batch)
""",
    "_LazyMapTupleIterator": """
next(memopt.LazyMap(abs, iter([1, 2, 3])).batched(2))
""",
}

EXPORTED = {name for name, value in vars(_memopt).items() if isinstance(value, type)}

PROGRAM = """
import gc, sys, tracemalloc
import memopt
from memopt import _memopt

def make():
    {factory}

def blocks_after(rounds):
    for _ in range(rounds):
        make()
    gc.collect()
    return sys.getallocatedblocks()

kind = getattr(_memopt, {name!r})
blocks_after(200)
references = sys.getrefcount(kind)
blocks = blocks_after(200)
assert sys.getrefcount(kind) == references, (sys.getrefcount(kind), references)
grown = blocks_after(1000) - blocks
# A block a round is a leak; CPython's free lists hold some hundred of floats.
assert abs(grown) < 500, f"{{grown}} blocks more after 1000 rounds"
assert sys.getrefcount(kind) == references, (sys.getrefcount(kind), references)
"""


def test_every_exported_type_has_a_factory() -> None:
    assert FACTORIES.keys() == EXPORTED


@pytest.mark.parametrize("name", sorted(FACTORIES))
def test_type_does_not_leak(name: str) -> None:
    factory = "\n    ".join(FACTORIES[name].strip().splitlines())
    run_in_fresh_process(PROGRAM.format(factory=factory, name=name))


def test_module_is_freed_with_its_last_reference() -> None:
    run_in_fresh_process(
        """
import gc, importlib.util, sys, weakref
import memopt._memopt as first
spec = importlib.util.find_spec("memopt._memopt")
second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)
assert second is not first
gone = weakref.ref(second)
del second
gc.collect()
assert gone() is None
"""
    )
