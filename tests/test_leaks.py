"""No exported type leaks: each is made and dropped often, in a fresh process."""

import pytest
from support import run_in_fresh_process

from memopt import _memopt

# How to make one instance of each exported type, and use what it offers.
FACTORIES: dict[str, str] = {
    "DedupReport": """
from collections import deque
from types import SimpleNamespace
pair = ("a pair " + str(100), 1)
rows = [{"key " + str(100): "value " + str(100), pair: [pair]} for _ in range(3)]
rows += [deque([pair]), {pair}, SimpleNamespace(name="value " + str(100)), [rows]]
report = memopt.InternPool().dedup(rows)
repr(report), report.containers, report[:2]
rows.clear()
""",
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
    "InternPool": r"""
import copy
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
copy.copy(pool), pool.__reduce__(), pool.cache_info()
texts = [f"item {i % 7}" for i in range(50)]
pool.intern_list(texts), pool.intern_many(iter(texts)), pool.pin(texts[0])
pool.pickle_contents = True
copy.copy(pool), pool.unpin(texts[0]), pool.live_saved()
pool.intern_utf8(b"item 1"), pool.intern_utf8("\u0416".encode() * 400, 0, 6)
pool.split(b"a field,item 1", ","), pool.split("item\u04161", None, 5)
pool.split_lines(bytes([97, 98, 10, 0xD0, 0x96, 10]), keepends=True)
for call in (
    lambda: pool.intern_utf8(b"\xff"), lambda: pool.split(b"a,\xff", ","),
    lambda: pool.split("a", ""), lambda: pool.split("a", b"\xff"),
    lambda: pool.trim(max_bytes=-1), lambda: pool.pin("x" * 2000),
    lambda: pool.intern_list(()), lambda: pool.intern_many([iter([])] and 5),
    lambda: memopt.InternPool(policy="x"),
):
    try: call()
    except (TypeError, ValueError): pass
with pool: pool.trim(unused_only=True)
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
native = memopt.LazyMap(lambda x: x * 3, range(700))
list(native), native.sum(), native.sum(1 << 80), native.any(), native.all()
native.to_array(), next(iter(native)), [x for x in native.map(lambda x: x * 0.5)]
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

# CPython's method cache holds a reference to each name that was looked up.
if sys.version_info >= (3, 13):
    clear_caches = sys._clear_internal_caches
else:
    clear_caches = sys._clear_type_cache

def make():
    {factory}

def blocks_and_bytes_after(rounds):
    for _ in range(rounds):
        make()
    gc.collect()
    clear_caches()
    return sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]

kind = getattr(_memopt, {name!r})
blocks_and_bytes_after(200)
references = sys.getrefcount(kind)
tracemalloc.start()
blocks, size = blocks_and_bytes_after(200)
assert sys.getrefcount(kind) == references, (sys.getrefcount(kind), references)
more_blocks, larger_size = blocks_and_bytes_after(1000)
# A block a round is a leak; CPython's free lists hold some hundred of floats.
grown = more_blocks - blocks
assert abs(grown) < 500, f"{{grown}} blocks more after 1000 rounds"
# Large blocks, such as a matrix's storage, are none of pymalloc's.
grown = larger_size - size
assert abs(grown) < 16_000, f"{{grown}} bytes more after 1000 rounds"
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


def test_nothing_keeps_a_module_that_was_used() -> None:
    """Whatever it remembers, such as programs, is no more than the collector sees."""
    use = "\n".join(FACTORIES[name] for name in sorted(FACTORIES))
    forget = """
import gc, weakref
gone = weakref.ref(_memopt)
kept = {*globals()} - {"gc", "gone", "sys", "weakref"}
for name in [name for name in kept if not name.startswith("__")]:
    del globals()[name]
for name in [name for name in sys.modules if name.startswith("memopt")]:
    del sys.modules[name]
del name, kept
gc.collect()
assert gone() is None
"""
    native = "memopt.LazyMap(memopt.X * 2, range(1000)).to_list()"
    start = "import sys, memopt\nfrom memopt import _memopt"
    run_in_fresh_process("\n".join((start, use, native, forget)))
