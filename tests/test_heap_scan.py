"""The heap scan in C: sizes, completeness, and that it changes nothing."""

import builtins
import collections
import gc
import itertools
import os
import pickle
import random
import sys
import threading
import time
import types
import weakref
from array import array
from typing import Any

import pytest
from support import fail_each_allocation, not_with_asan, run_in_fresh_process

import memopt
from memopt import _memopt


def rounded(size: int) -> int:
    return -(-(size + (8 if size > 512 else 0)) // 16) * 16


def scan(*roots: object) -> list[tuple[Any, ...]]:
    named = tuple((f"root{i}", root, False) for i, root in enumerate(roots))
    return _memopt._scan_heap(named, False)[0]


def counted(*roots: object) -> dict[type, tuple[int, int]]:
    """Objects and bytes of each type."""
    return {row[2]: (row[4], row[6]) for row in scan(*roots) if row[0] == "type"}


def rows(kind: str, *roots: object) -> list[tuple[int, int]]:
    return [(row[4], row[5]) for row in scan(*roots) if row[0] == kind]


class Plain:
    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


# Objects that are one block of memory: sys.getsizeof says how long.
ONE_BLOCK = [
    *("", "a", "abc" * 20, "ä" * 7, "Ω" * 7, "😀" * 7, "x" * 5000, b"", b"x" * 600),
    *(0, 1, -1, 2**29, 2**30, 2**59, 2**60, -(2**60), 2**63, 2**90, -(2**1000)),
    *(1.5, 2j, None, True, (), (1,), tuple(range(100)), range(3), slice(1)),
    *(frozenset(), object(), print, len, memoryview(b"abc")),
]


@pytest.mark.parametrize("obj", ONE_BLOCK, ids=lambda obj: repr(obj)[:20])
def test_size_of_one_block(obj: object) -> None:
    # CPython 3.12 and later count one digit for 0, which has room for it anyway.
    assert _memopt._object_bytes(obj) == rounded(max(sys.getsizeof(obj), 16))


def two_blocks(obj: object) -> int:
    """A container's header of `empty` bytes, then the rest."""
    empty = sys.getsizeof(type(obj)())
    table = sys.getsizeof(obj) - empty
    return rounded(empty) + (rounded(table) if table else 0)


@pytest.mark.parametrize("n", [0, 1, 3, 5, 6, 10, 11, 100, 171, 1000, 70_000])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: list(range(n)),
        lambda n: [0] * n,
        lambda n: dict.fromkeys(range(n)),
        lambda n: {str(i): i for i in range(n)},
        lambda n: set(range(n)),
        lambda n: frozenset(range(n)),
        lambda n: bytearray(n),
    ],
)
def test_size_of_two_blocks(make: Any, n: int) -> None:
    assert _memopt._object_bytes(make(n)) == two_blocks(make(n))


def test_size_of_an_instance_includes_its_attributes() -> None:
    run_in_fresh_process(
        """
import tracemalloc
from memopt import _memopt
class Plain:
    def __init__(self):
        self.a = self.b = self.c = None
for _ in range(100):
    Plain()
kept = [None] * 1000
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
for i in range(1000):
    kept[i] = Plain()
each = (tracemalloc.get_traced_memory()[0] - before) / 1000
assert each - 1 <= _memopt._object_bytes(kept[0]) < each + 32, each
"""
    )


@pytest.mark.parametrize("slots", ["__slots__ = ()", "pass"])
def test_size_of_instances_of_subclasses(slots: str) -> None:
    run_in_fresh_process(
        f"""
import sys, tracemalloc
from memopt import _memopt
def rounded(size):
    return -(-(size + (8 if size > 512 else 0)) // 16) * 16
def traced(make):
    kept = [None] * 1000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(1000):
        kept[i] = make()
    each = (tracemalloc.get_traced_memory()[0] - before) // 1000
    tracemalloc.stop()
    return each
def check(make):
    # CPython, too, allocates something now and then.
    each = min(traced(make) for _ in range(3))
    assert _memopt._object_bytes(make()) == rounded(each), (make(), each)
def subclass(base):
    class Sub(base):
        {slots}
    return Sub
values = [
    *(tuple([None] * n) for n in range(6)),
    *(b"x" * n for n in (0, 1, 6, 7, 8, 14, 15, 16, 600)),
    *(0, 1, -1, 2**30, -(2**60), 2**90, 2**120, 1.5, 2j),
]
for value in values:
    make = subclass(type(value))
    check(lambda: make(value))
"""
    )


def test_size_of_a_subclass_of_str_includes_its_characters() -> None:
    class Sub(str):
        __slots__ = ()

    empty = _memopt._object_bytes(Sub())
    for text in ("", "a", "abc" * 20, "ä" * 7, "Ω" * 7, "😀" * 7, "x" * 5000):
        width = 1 if text <= "\xff" or not text else 4 if text >= "😀" else 2
        more = rounded((len(text) + 1) * width) - rounded(1)
        assert _memopt._object_bytes(Sub(text)) == empty + more


def test_each_object_is_counted_once() -> None:
    shared, text = [1.5], "a text of its own"[:10]
    root = [shared, shared, (shared, text), {"key": text, "other": shared}]
    found = counted(root)
    assert found[list][0] == 2
    assert found[tuple][0] == found[dict][0] == found[float][0] == 1
    assert found[str][0] == 3
    assert found[list][1] == sum(map(_memopt._object_bytes, (root, shared)))


def test_attributes_with_and_without_dict() -> None:
    fresh, opened = Plain(), Plain()
    fresh.__init__(a=1.25)  # type: ignore[misc]
    opened.b = 2.25  # type: ignore[attr-defined]
    assert opened.__dict__ == {"b": 2.25}
    assert counted([fresh, opened])[float][0] == 2


@pytest.mark.parametrize(
    "record",
    [os.stat("."), time.localtime(), os.times(), sys.flags, memopt.memory_info()],
    ids=lambda record: type(record).__name__,
)
def test_struct_sequences_have_fields_beside_items(record: Any) -> None:
    # A collector's header is before it.
    size = 16 + tuple.__basicsize__ + type(record).n_fields * tuple.__itemsize__
    assert _memopt._object_bytes(record) == rounded(size)


frozendict = getattr(builtins, "frozendict", None)


@pytest.mark.skipif(frozendict is None, reason="3.15 brings frozendict")
@pytest.mark.parametrize("n", [0, 1, 5, 6, 100, 70_000])
def test_frozen_dicts(n: int) -> None:
    """Their keys are seen, strings too, and their size is that of a dict."""
    assert frozendict is not None
    for keys in (range(n), map(str, range(n))):
        frozen = frozendict.fromkeys(keys, 1.5)
        assert _memopt._object_bytes(frozen) == two_blocks(frozen)
        found = counted(frozen)
        (key_type,) = {type(key) for key in frozen} or {str}
        assert found.get(key_type, (0, 0))[0] == n
        assert found.get(float, (0, 0))[0] == min(n, 1)


def test_names_that_instances_share_are_counted_once() -> None:
    class Shared:
        def __init__(self) -> None:
            self.a_name_of_several = 1.5

    instances = [Shared(), Shared()]
    for instance in instances:
        assert instance.__dict__
    assert counted(instances)[str][0] == 1


def test_ints_of_any_length() -> None:
    for digits in range(1, 6):
        for number in (2 ** (30 * digits - 1), 2 ** (30 * digits) - 1):
            assert _memopt._object_bytes(number) == rounded(sys.getsizeof(number))
            assert _memopt._object_bytes(-number) == rounded(sys.getsizeof(-number))


@pytest.mark.parametrize("least", [2**64 - 1, 2**63])
def test_least_that_nothing_saves(least: int) -> None:
    roots = (("rows", [[i / 7 for i in range(100)] for _ in range(100)], False),)
    found, some = (_memopt._scan_heap(roots, False, n)[0] for n in (least, 0))
    assert {row[0] for row in found} == {"type"} < {row[0] for row in some}


WAITING = """
import sys, tracemalloc, warnings
from memopt import _memopt
warnings.simplefilter("ignore", RuntimeWarning)  # never awaited

def function(kind, variables, depth):
    names = " = ".join(f"v{i}" for i in range(variables)) or "v"
    worked_on = ", ".join("0" for _ in range(depth))
    header = "async def" if kind != "generator" else "def"
    last = "v = 1" if kind == "coroutine" else f"yield print({worked_on})"
    namespace = {}
    exec(f"{header} make():\\n    {names} = 1\\n    {last}\\n", namespace)
    return namespace["make"]

def allocated(make):
    first = make()  # whatever only the first one needs
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = make()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return made, taken

for kind in "generator", "coroutine", "async_generator":
    for variables in 0, 1, 2, 7, 40:
        for depth in 1, 2, 9:
            made, taken = allocated(function(kind, variables, depth))
            assert type(made).__name__ == kind
            rounded = -(-(taken + 8 * (taken > 512)) // 16) * 16
            assert _memopt._object_bytes(made) == rounded, (kind, variables, depth)
            assert sys.getsizeof(made) == taken
print("as many")
"""


def test_size_of_what_waits_is_what_the_allocator_gave() -> None:
    assert run_in_fresh_process(WAITING) == "as many\n"


@pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="does not tell the code of what has ended"
)
def test_size_of_what_runs_or_has_ended() -> None:
    def counts() -> Any:
        a = b = c = 1
        sizes.append(_memopt._object_bytes(generator))
        yield a, b, lambda: c

    sizes: list[int] = []
    generator = counts()
    list(generator)
    sizes.append(_memopt._object_bytes(generator))
    assert sizes == [rounded(sys.getsizeof(counts()))] * 2


@pytest.mark.parametrize(
    "container",
    [
        collections.OrderedDict(a=[1.5, None], b=2.5),
        collections.deque([[1.5, None], 2.5]),
        collections.defaultdict(float, {1.5: 2.5}),
        types.SimpleNamespace(a=1.5, b=2.5),
        types.MappingProxyType({1.5: 2.5}),
        type("List", (list,), {})([None, 1.5, 2.5]),
        type("Tuple", (tuple,), {"__slots__": ()})([None, 1.5, 2.5]),
        {1.5, 2.5},
        frozenset([1.5, 2.5]),
        (x for x in [1.5, 2.5]),
        [1.5, [[[(2.5,)]]]],
    ],
    ids=lambda c: type(c).__name__,
)
def test_reaches_what_containers_hold(container: object) -> None:
    assert counted(container)[float][0] == 2


def test_code_is_not_owned_by_roots() -> None:
    found = counted([scan, Plain, sys, Plain()])
    assert found.keys() <= {list, dict, Plain}


def test_everything_reaches_what_no_module_names() -> None:
    class Marker:
        pass

    marker = [Marker()]
    found = _memopt._scan_heap((), True)[0]
    assert any(row[2] is Marker and row[0] == "type" for row in found)
    assert marker


def test_roots_of_equal_names_are_one() -> None:
    names = ["".join(["ro", "ot"]) for _ in range(2)]
    assert {names[0]: 1}  # which hashes one of them, and not the other
    texts = [[f"text {i % 2}" for i in range(10)] for _ in names]
    roots = tuple(
        (name, [each], False) for name, each in zip(names, texts, strict=True)
    )
    found, _, _ = _memopt._scan_heap(roots, False)
    paths = [row[1] for row in found if row[0] == "strings"]
    assert paths == [(("root", "root"), ("item", None), ("item", None))]


def test_empty_containers_in_one_place_are_counted_by_type() -> None:
    root = [make() for _ in range(50) for make in (dict, set, list)]
    found = {row[2]: row[4] for row in scan(root) if row[0] == "empty"}
    assert found == {dict: 50, set: 50, list: 50}


class Link:
    """Found by nobody but the collector, which knows it before what it refers to."""

    def __init__(self, number: int) -> None:
        self.own = self
        self.text = f"link {number}"


@pytest.mark.parametrize("n", [1, 2, 3, 2000])
def test_what_only_the_collector_knows_is_walked_in_its_order(n: int) -> None:
    def make_garbage() -> None:
        for i in range(n):
            link = Link(2 * i)
            link.next = Link(2 * i + 1)  # type: ignore[attr-defined]

    gc.collect()
    gc.disable()
    try:
        make_garbage()
        rows, _, _ = _memopt._scan_heap((), True)
    finally:
        gc.enable()
    unnamed = ("unnamed", Link)
    found = {row[1]: row[4] for row in rows if row[1] and row[1][0] == unnamed}
    text, following = ("attribute", "text"), ("attribute", "next")
    assert found[unnamed, text] == found[unnamed, following, text] == n
    gc.collect()


def test_everything_is_found_within_a_collection() -> None:
    found: list[int] = []

    class Scans:
        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            rows, _, _ = _memopt._scan_heap((), True)
            found.extend(row[4] for row in rows if row[2] is Plain and not row[1])

    kept = [Plain(i=i) for i in range(100)]
    Scans()
    gc.collect()
    assert found == [len(kept)]


def test_everything_is_found_beside_what_came_back_to_life() -> None:
    """Which the collector notes in the very pointers that its lists have."""
    back: list[Any] = []

    class Returns:
        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            back.append(self)

    for _ in range(100):
        Returns()
    gc.collect()
    rows, _, _ = _memopt._scan_heap((), True)
    found = [row[4] for row in rows if row[0] == "type" and row[2] is Returns]
    assert found == [len(back)] == [100]
    for each in back:
        del each.own


def test_everything_is_what_the_collector_tracks() -> None:
    run_in_fresh_process(
        """
import gc
from memopt import _memopt
class Marker:
    pass
def found():
    rows = _memopt._scan_heap((), True)[0]
    return sum(row[4] for row in rows if row[2] is Marker and row[0] == "type")
def main():
    assert found() == 0
    old = Marker()  # a variable, which no object that is tracked refers to
    gc.collect()
    younger = Marker()
    gc.collect(0)
    new = Marker()
    assert found() == 3
    new.itself = new
    del new
    assert found() == 3
    gc.freeze()
    newest = Marker()
    assert found() == 4
gc.disable()
main()
"""
    )


def test_deep_nesting_and_cycles() -> None:
    deep: list[Any] = [1.5]
    deep.append(deep)
    for _ in range(100_000):
        deep = [deep, None]
    assert counted(deep)[list][0] == 100_001
    while type(deep[0]) is list:  # not by recursion
        deep = deep[0]
    deep.clear()


def test_what_the_stack_takes_does_not_grow_with_a_list() -> None:
    # Some items have many items of their own, in the middle of a batch.
    data = [tuple([] for _ in range(64)) if i % 64 < 7 else [] for i in range(16_000)]
    plain = [part for item in data if item for part in item]

    def scratch(root: list[Any]) -> int:
        return _memopt._scan_heap((("root", root, False),), False)[2]

    # What grows, does so by doubling; 112,000 lists on the stack would take 4 MB.
    assert scratch(data) < 2 * scratch(plain) + 1_000_000


@not_with_asan  # whose addresses go up and down, and are sorted
def test_what_contents_take() -> None:
    """A word for each slot, of which 5/8 are used at most."""
    texts = [f"text {i}" for i in range(300_000)]
    _, _, scratch = _memopt._scan_heap((("root", texts, False),), False)
    assert scratch == pytest.approx(8 * 2**19, abs=1_000_000)


def scattered(n: int) -> list[Any]:
    """Lists that do not lie in memory as they do here, of a float each, and None."""
    items: list[Any] = [[i + 0.5, None] for i in range(n)]
    random.Random(n).shuffle(items)
    return items


@pytest.mark.parametrize("n", [4095, 4096, 4100, 50_000])
@pytest.mark.parametrize("make", [list, tuple, type("List", (list,), {})])
def test_long_sequences_in_random_order(make: Any, n: int) -> None:
    items = scattered(n)
    root = make([0.25, *items, *items[: n // 2]])
    found = counted(root)
    assert found[list][0] == n + (make is list)
    assert found[float] == (n + 1, 32 * (n + 1))
    assert rows("floats", root) == []


def test_what_order_takes_is_one_pointer_for_each_item() -> None:
    items = scattered(300_000)
    ordered, as_they_come = (
        _memopt._scan_heap((("root", root, False),), False)[2]
        for root in (items, sorted(items, key=id))
    )
    assert ordered == as_they_come + 300_000 * 8


def test_long_sequences_in_random_order_within_each_other() -> None:
    inner = [scattered(5000) for _ in range(3)]
    outer = [*scattered(9000), *inner, *scattered(7000)]
    for within in inner:
        within[2500] = outer
    assert counted(outer)[float][0] == 9000 + 3 * 4999 + 7000
    assert counted(outer, inner)[list][0] == 9000 + 3 * 4999 + 7000 + 5


def test_more_items_in_random_order_than_are_sorted_at_a_time() -> None:
    items = scattered(30_000)
    root = [item for i in range(80) for item in random.Random(i).sample(items, 15_000)]
    assert len(root) > 2**20
    reached = {id(item) for item in root}
    assert counted(root)[list][0] == counted(root)[float][0] + 1 == len(reached) + 1


def test_paths_end_where_they_only_repeat() -> None:
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep, None]
    nodes = _memopt._scan_heap((("root", deep, False),), False)[1]
    assert nodes < 20


def test_paths_are_kept_apart() -> None:
    table = {f"key {i}": {"name": [str(i)]} for i in range(60)}
    nodes = _memopt._scan_heap((("root", table, False),), False)[1]
    # Nowhere, the root, its keys; each value, its list, its item.  The keys of
    # the values are interned, so there is nothing to tell of them.
    assert nodes == 3 + 3 * 60


def test_many_different_keys_are_items() -> None:
    table = {f"key {i}": [1.5] for i in range(1000)}
    nodes = _memopt._scan_heap((("root", table, False),), False)[1]
    assert nodes < 200
    assert counted(table)[float][0] <= 1000


def test_changes_nothing() -> None:
    run_in_fresh_process(
        """
import gc, sys
from memopt import _memopt
class Plain:
    def __init__(self):
        self.a = "text %d" % id(self)
plain = [Plain() for _ in range(1000)]
words = ["word %d" % i for i in range(1000)]
def state():
    sizes = [_memopt._object_bytes(p) for p in plain]
    counts = [sys.getrefcount(obj) for obj in [p.a for p in plain] + words]
    return sizes, counts
before = state()
_memopt._scan_heap((("roots", [plain, words], False),), True)
blocks = sys.getallocatedblocks()
for _ in range(5):
    _memopt._scan_heap((("roots", [plain, words], False),), True)
assert abs(sys.getallocatedblocks() - blocks) < 50
assert state() == before
def dicts():
    rows = _memopt._scan_heap((("plain", plain, False),), False)[0]
    return [row[4] for row in rows if row[0] == "type" and row[2] is dict]
assert dicts() == []
for p in plain[:10]:
    p.__dict__
assert dicts() == [10], "the scan would see a dict that it made"
"""
    )


def test_duplicates() -> None:
    words = [f"word {i % 7}" for i in range(100)]
    blobs = [b"blob %d" % (i % 7) for i in range(100)]
    interned = [sys.intern(w) for w in (f"name{i % 7}" for i in range(100))]
    assert rows("strings", words, interned) == [(100, 93)]
    assert rows("bytes", blobs) == [(100, 93)]
    assert rows("strings", words, list(words)) == [(100, 93)]
    assert rows("strings", {w + "!": 1 for w in words}) == [(7, 0)]


@pytest.mark.parametrize("n", [*range(9), *range(30, 34), *range(62, 100), 1000])
def test_contents_that_differ_at_one_place_are_no_duplicates(n: int) -> None:
    different = ["x" * i + "y" + "x" * (n - i - 1) for i in range(n)]
    root = [*different, *(text.encode() for text in different)]
    blobs = [each for each in root if isinstance(each, bytes)]
    # So many that a dict of them, and of those in root, would be worth it.
    again = [bytes(bytearray(each)) for each in blobs for _ in range(20)]
    distinct = len(set(root))
    found = [row for row in scan(root, again) if row[0] in ("strings", "bytes")]
    count, repeated = sum(row[4] for row in found), sum(row[5] for row in found)
    if n >= 2:  # bytes and ASCII characters alone are CPython's own
        assert count == distinct + len(again)
        assert repeated == len(again)
    else:
        assert count == repeated == 0


def test_contents_that_differ_in_three_characters_are_no_duplicates() -> None:
    """What differs in the last characters of a word may not come out in the next."""
    some = "0123456789:;<=>?@ABCDEFG"
    texts = [
        f"xxxxxxx{a}xxx{b}xxx{c}{rest}"
        for a, b, c, rest in itertools.product(some, some, some, ("", "y" * 21))
    ]
    assert rows("strings", texts) == [(len(set(texts)), 0)]


def test_equal_contents_of_different_types_are_no_duplicates() -> None:
    texts = [f"text {i}" for i in range(2)]
    things = [*texts, *(text.encode() for text in texts)]
    assert rows("strings", things) == [(2, 0)]
    assert rows("bytes", things) == [(2, 0)]
    numbers = [(1, x) for x in (1, 1.0, True, None)]
    assert rows("tuples", numbers) == [(4, 0)]
    assert rows("tuples", [(x, None) for x in (0.0, -0.0)]) == [(2, 0)]


def its_own(numbers: object) -> Any:
    """Equal numbers that no code refers to, in equal lists."""
    return pickle.loads(pickle.dumps(numbers))


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ([0.5, 1.5], "floats"),
        ((0.5, 1.5), "floats"),
        ([5000, 6000], "ints"),
        (list(range(8)), "progression"),
        (list(range(0, -800, -100)), "progression"),
        ([2**62 * (i % 2) for i in range(8)], "ints"),
        ([5000] * 8, "ints"),
        ([0] * 8, None),
        ([2**63 - 1, -(2**63)] * 4, "ints"),
        ([2**63], None),
        ([0.5, 1], None),
        ([1, True], None),
        ([], None),
    ],
)
def test_number_lists(numbers: object, kind: str | None) -> None:
    kinds = {"floats", "ints", "progression"}
    found = {row[0] for row in scan(its_own(numbers))}
    assert found & kinds == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("matrix", "found"),
    [
        ([[0.5, 1.5], [2.5, 3.5]], [(1, 4)]),
        ([(0.5, 1.5), (2.5, 3.5)], [(1, 4)]),
        ([[[0.5], [0.5]], [[1.5], [2.5]]], [(2, 4)]),
        ([[0.5, 1.5]] * 9, []),
        ([[0.5, 1.5]], []),
        ([[0.5, 1.5], [2.5]], []),
        ([[0.5, 1.5], (2.5, 3.5)], []),
        ([[0.5, 1.5], [2.5, 3]], []),
        ([[], []], []),
        (([0.5], [1.5]), []),
    ],
)
def test_matrices(matrix: object, found: list[tuple[int, int]]) -> None:
    assert rows("matrix", its_own(matrix)) == found


def now_and_after(kind: str, *roots: object) -> list[tuple[int, int]]:
    return [(row[6], row[7]) for row in scan(*roots) if row[0] == kind]


def in_others(kind: str, *roots: object) -> list[int]:
    """What rows need of others elsewhere."""
    return [row[8] for row in scan(*roots) if row[0] == kind]


def size(*objects: object) -> int:
    return sum(map(_memopt._object_bytes, objects))


def emptied(kind: str, n: int) -> Any:
    """A container with n items left of 10 000, or of as few as leave room for more."""
    if kind == "list":
        items = [None] * (2 * n - 1)
        del items[n:]
        return items
    if kind == "set":
        left = set(range(10_000))
        for i in range(n, 10_000):
            left.discard(i)
        return left
    keys = [f"name {i}" if kind == "names" else i for i in range(10_000)]
    record = dict.fromkeys(keys)
    for key in keys[n:]:
        del record[key]
    return record


@pytest.mark.parametrize("kind", ["list", "set", "dict", "names"])
@pytest.mark.parametrize("n", [*range(20, 400, 7), 600, 700])
def test_less_room_is_that_of_a_copy(kind: str, n: int) -> None:
    found = emptied(kind, n)
    copy = type(found)(found)
    assert now_and_after("slack", found) == [(size(found), size(copy))]


def test_numbers_that_something_else_holds_stay() -> None:
    own, held = ([i + 1000.5 for i in range(1000)] for _ in "ab")
    values = own + held + held
    expected = size(values, *held)  # `own` itself holds the others
    del held
    after = rounded(sys.getsizeof(array("d"))) + rounded(8 * len(values))
    assert now_and_after("floats", values) == [(expected, after)]


def test_numbers_of_several_lists_are_counted_once() -> None:
    first = [i * i + 5000 for i in range(1000)]  # 3.15 has one of each up to 1024
    second = [*first[:700], *first[:700]]
    expected = size(first, *first[700:])  # as `second` holds the others
    assert now_and_after("ints", first)[0][0] == expected
    assert in_others("ints", first, second) == [700]
    assert now_and_after("ints", first, second)[0][0] == size(first, *first)
    kept = dict.fromkeys(first[:100])
    assert in_others("ints", first, second) == [600]
    assert now_and_after("ints", first, second)[0][0] == size(first, *first[100:])
    del kept


def test_rows_that_something_else_holds_stay() -> None:
    matrix = [[i + j + 0.5 for j in range(9)] for i in range(100)]
    own = [(row, *row) for row in matrix[40:]]
    expected = size(matrix) + sum(size(*each) for each in own)
    del own
    kept = matrix[:40]
    ((now, after),) = now_and_after("matrix", matrix)
    assert now == expected
    assert after == pytest.approx(size(memopt.FloatMatrix(matrix)) + 8 * 900, rel=0.05)
    kept = matrix[:50]
    assert now_and_after("matrix", matrix) == []
    del kept


@pytest.mark.parametrize(
    "make",
    [
        lambda row: [row] * 1_000_000,
        lambda row: [[row, row] for _ in range(200_000)],
        lambda row: [[row, [0.5], [0.5]] for _ in range(200_000)],
    ],
    ids=["one list", "many lists", "many lists with rows of their own"],
)
def test_a_row_that_many_refer_to_is_not_read_for_each(make: Any) -> None:
    # 200,000 million floats or more, which would take minutes.
    row = [0.5] * 1_000_000
    matrix = make(row)
    assert rows("matrix", matrix) == []
    assert counted(matrix)[float] == (1, 32)


@pytest.mark.parametrize("text", [b"x", "x"], ids=["bytes", "str"])
def test_a_long_text_is_not_read_for_each_tuple_that_has_it(text: Any) -> None:
    # 10**13 bytes, which would take many minutes.
    texts = text * 20_000_000, text * 20_000_000
    assert rows("tuples", [(texts[i % 2], i // 2) for i in range(500_000)]) == [
        (500_000, 250_000)
    ]


def test_numbers_go_with_tuples() -> None:
    points = [(i % 10 + 5000, i % 10 * 0.25, "a", None) for i in range(1000)]
    numbers = [number for point in points for number in point[:2]]
    expected = size(*points, *numbers)
    del numbers
    ((now, _),) = now_and_after("tuples", points)
    assert now == expected


@pytest.mark.parametrize("n", range(1, 12))
@pytest.mark.parametrize("referred", [False, True])
def test_slots_take_what_is_predicted(n: int, referred: bool) -> None:
    names = [f"a{i}" for i in range(n)]
    weak = ["__weakref__"] if referred else []
    made: list[Any] = []
    for slots in ({}, {"__slots__": names + weak}):
        kind = type("Some", (), slots)
        made.append([kind() for _ in range(100)])
        for each in made[-1]:
            for name in names:
                setattr(each, name, None)
    plain, slotted = made
    kept = [weakref.ref(each) for each in plain[::3]] if referred else []
    ((_, after),) = now_and_after("instances", plain)
    assert after == size(*slotted)
    del kept


WORDS = 1000


def words(numbers: Any, width: int = 40) -> list[str]:
    return [f"{i:0{width}}" for i in numbers]


# What the swap needs beside the strings that stay: 32 bytes for each.
@pytest.mark.parametrize(
    ("others", "found", "entries", "stay"),
    [
        ([range(WORDS)], range(WORDS), WORDS, 0),
        ([range(10 * WORDS)], [*range(WORDS)] * 4, WORDS, WORDS),  # apart
        ([[*range(WORDS)] * 9], [*range(WORDS)] * 2, 0, 0),  # in the pool of those
        ([], [*range(WORDS)] * 2, WORDS, WORDS),
        ([range(WORDS)], [*range(500, 1500)] * 3, 1500, 500),
        ([range(WORDS), range(WORDS)], [*range(WORDS)] * 2, 0, 0),
    ],
)
def test_a_pool_has_what_has_to_be_looked_up(
    others: list[Any], found: Any, entries: int, stay: int
) -> None:
    roots = [*map(words, others), words(found)]
    rows = [row for row in scan(*roots) if row[0] == "strings"]
    row = rows[-1]
    text = size(roots[-1][0])
    assert row[1] == (("root", f"root{len(roots) - 1}"), ("item", None))
    assert row[4] - row[5] == stay
    assert (row[6], row[7]) == (text * len(roots[-1]), text * stay + 32 * entries)


def test_one_of_two_pays_for_what_both_share_with_a_third() -> None:
    """All that this has goes into the pool with the first, and with it the rest."""
    owner = [f"{'text' * 9} {i}" for i in range(100)]
    first, second = (
        ["".join(text) for text in part for _ in range(5)]
        for part in (owner[:50], owner[50:])
    )
    assert in_others("strings", owner, first, second) == [0, 100, 0]


def test_owners_of_more_places_than_there_are_notes_for() -> None:
    """What a later one owns is told like what the first do."""
    places = 70_000
    owners = [[text] for text in words(range(places))]
    borrowers = [words([*some] * 3) for some in (range(10), range(places - 10, places))]
    named = ((f"r{i}", each, False) for i, each in enumerate(owners + borrowers))
    found, _, _ = _memopt._scan_heap(tuple(named), False, 1)
    first, later = (row for row in found if row[0] == "strings")
    assert [row[4:6] for row in (first, later)] == [(30, 30)] * 2
    assert [row[7:9] for row in (first, later)] == [(32 * 10, 10)] * 2


def test_what_one_of_very_many_places_owns_is_not_said_to_go() -> None:
    """To share it, all that the owner has would have to be in the pool."""
    owners = [
        *([text] for text in words(range(70_000))),
        words(range(10**5, 2 * 10**5)),
    ]
    roots = [*owners, words(range(10**5, 10**5 + WORDS))]
    named = ((f"r{i}", each, False) for i, each in enumerate(roots))
    found, _, _ = _memopt._scan_heap(tuple(named), False, 1)
    assert not [row for row in found if row[0] == "strings"]


def test_the_longest_string_is_known() -> None:
    texts = [word for n in (40, 5000, 70) for word in words([1, 1], n)]
    assert [row[9] for row in scan(texts) if row[0] == "strings"] == [5000]


def test_scan_while_threads_mutate() -> None:
    ended = threading.Event()

    def mutate() -> None:
        held: list[Any] = []
        while not ended.is_set():
            held.append({"a": [float(len(held))], "b": (str(len(held)),)})
            held.append(Plain(x=held[-1]))
            if len(held) > 200:
                del held[::2]
                held[0].__class__ and gc.collect(0)

    threads = [threading.Thread(target=mutate) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    for thread in threads:
        thread.start()
    try:
        roots = (("root", threads, False),)
        for i in range(1000):
            found, nodes, _ = _memopt._scan_heap(roots, i % 200 == 0)
            assert found
            assert nodes
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        for thread in threads:
            thread.join()


def test_rows_that_save_too_little_are_left_out() -> None:
    root = [[0.5 + i for i in range(n)] for n in (10, 1000)]
    roots = (("root", root, False),)
    every, _, _ = _memopt._scan_heap(roots, False)
    saving = {row[0]: row[6] - row[7] for row in every}
    least = saving["floats"]
    kept = [row for row in every if row[6] - row[7] >= least or row[0] == "type"]
    assert _memopt._scan_heap(roots, False, least)[0] == kept
    rest, _, _ = _memopt._scan_heap(roots, False, least + 1)
    assert {row[0] for row in rest} == {"type"}


def test_bad_roots() -> None:
    for roots in [(1,), (("a", 1),), ((1, [], False),), (("a", [], True),)]:
        with pytest.raises(TypeError, match="roots must be tuples"):
            _memopt._scan_heap(roots, False)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _memopt._scan_heap([], False)  # type: ignore[arg-type]


def test_allocation_failures() -> None:
    root = [[{"k": [1.5, 2.5]}, "text" * i, (1, 2, str(i))] for i in range(500)]
    roots, expected = (("root0", root, False),), scan(root)

    def check(_: object) -> None:
        assert scan(root) == expected

    failures = fail_each_allocation(
        lambda: None, lambda _: _memopt._scan_heap(roots, False), check
    )
    assert failures > 20


def test_allocation_failures_with_all_that_the_collector_knows() -> None:
    testcapi = pytest.importorskip("_testcapi", reason="needs set_nomemory")
    # More than there is room for at first.
    kept: list[list[list[object]]] = [[[]] for _ in range(2000)]
    failures = 0
    for nth in range(50):
        testcapi.set_nomemory(nth, nth + 1)
        try:
            _memopt._scan_heap((), True, 1 << 62)
        except MemoryError:
            failures += 1
        finally:
            testcapi.remove_mem_hooks()
    assert failures > 20
    assert kept == [[[]]] * 2000


@pytest.mark.parametrize("before", [[], [1.5]], ids=["odd", "even"])
def test_no_memory_for_a_row_of_a_type(before: list[float]) -> None:
    """Nor for that of its instances, which is asked for all the same."""
    # An odd or even number of rows is before the two of each class.
    root = before + [type(f"C{i}", (), {})() for i in range(100)]
    roots, expected = (("root0", root, False),), scan(root)

    def check(_: object) -> None:
        assert scan(root) == expected

    failures = fail_each_allocation(
        lambda: None,
        lambda _: _memopt._scan_heap(roots, False),
        check,
        and_all_later=True,
    )
    assert failures > 5


MAKE: dict[str, Any] = {
    "strings": lambda i, j: f"text {i} {j}",
    "floats": lambda i, j: [i + 0.5, j + 0.5, i * 0.5],
    "matrix": lambda i, j: [[i + 0.5], [j + 0.5]],
    "shared": lambda i, j: [*SOME, i + 0.5],
}
SOME = [i + 0.25 for i in range(300)]


@pytest.mark.parametrize("kind", MAKE)
def test_no_memory_for_a_row_of_a_place(kind: str) -> None:
    """Of the rows that there is no more room for, one is of this kind."""
    root = {f"a{i}": {f"b{j}": MAKE[kind](i, j) for j in range(10)} for i in range(20)}
    roots, expected = (("root0", root, False),), scan(root)

    def check(_: object) -> None:
        assert scan(root) == expected

    act = _memopt._scan_heap
    assert fail_each_allocation(lambda: None, lambda _: act(roots, False), check) > 5


def test_allocation_failures_in_random_order() -> None:
    """Without memory to put them in order items are walked as they come."""
    root = scattered(5000)
    roots, expected = (("root0", root, False),), scan(root)
    done: list[bool] = []

    def act(_: object) -> None:
        found, _, _ = _memopt._scan_heap(roots, False)
        done[-1] = True
        assert found == expected

    failures = fail_each_allocation(lambda: done.append(False), act)
    assert failures > 5
    assert True in done[:failures]
