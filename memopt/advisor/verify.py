"""Applies a finding's swap to a copy of what was found, and measures both.

What is measured is what Python's allocator and the C heap say is in use, so it
includes rounding, and what the swap itself needs, such as a pool.  Where they do
not tell, as from CPython 3.14 on, tracemalloc counts meanwhile.  Nothing is measured
while another thread runs, or may: what it allocates would be counted, and it would
find the collector off and tracemalloc on.  At a peak it is the main thread that
measures, see ``errand``, while the sampler waits: so the program stands still.
"""

import contextlib
import gc
import itertools
import sys
import tracemalloc
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from memopt import FloatMatrix, InternPool, _memopt, memory_info
from memopt.advisor.heap import Root, Row
from memopt.advisor.idle import others_asleep
from memopt.advisor.resolve import objects

# Why something was not measured: a word, which figures.py has a sentence for.
Unmeasured = str


@dataclass(frozen=True)
class Measured:
    """Bytes in use by a copy of ``objects`` of what was found, and by its swap."""

    objects: int
    bytes_now: int
    bytes_after: int

    @property
    def saving(self) -> int:
        """Bytes that the swap saved."""
        return self.bytes_now - self.bytes_after


@dataclass(frozen=True)
class _Elsewhere:
    """What the scan had met elsewhere.

    ``pooled`` are in the pool, or dict, of what was found as well, at its expense;
    ``known`` in that of others, which is counted there.
    """

    pooled: list[Any]
    known: dict[Any, Any]


def bytes_in_use() -> int | None:
    """What the allocators have handed out, or None if they do not tell."""
    small, large = _memopt._pymalloc_bytes(), _memopt._malloc_bytes()[1]
    return None if small is None or large is None else small[1] + large


# What sys.getrefcount, asked in this way, says of what has one reference.
_ONE = next(map(sys.getrefcount, [float("0.5")]))

# Of small ints, which are CPython's own, and of what the scan does not count.
_MANY = 1 << 16


def _references(values: Any) -> list[int]:
    """How many each item has."""
    return [count - _ONE + 1 for count in map(sys.getrefcount, values)]


def _equal(value: Any) -> Any:
    """An equal number that is another object; anything else as it is."""
    if type(value) is float:
        return value * 1.0
    return value + 1 - 1 if type(value) is int else value


class _Numbers:
    """Copies of numbers that go with some lists, the same one for the same one.

    Those that something else holds, too, stay; but for so many, of other lists that go
    as well: that many, at least, as the scan does not say which they are.
    """

    def __init__(self, lists: list[Any], elsewhere: int = 0):
        self._elsewhere = elsewhere
        self._copies: dict[int, Any] = {}
        self._here = Counter(
            id(value)
            for each in lists
            for value, references in zip(each, _references(each), strict=True)
            if references > 1
        )

    def _goes(self, value: Any, references: int) -> bool:
        if references == self._here[id(value)]:
            return True
        self._elsewhere -= references < _MANY
        return references < _MANY and self._elsewhere >= 0

    def copy(self, value: Any, references: int) -> Any:
        if references == 1:
            return _equal(value)
        if id(value) not in self._copies:
            goes = self._goes(value, references)
            self._copies[id(value)] = _equal(value) if goes else value
        return self._copies[id(value)]


def _with_copies(found: Any, numbers: _Numbers) -> Any:
    """A list or tuple of copies, with as much room as the one found has."""
    items = [*map(numbers.copy, found, _references(found))]
    if type(found) is tuple:
        return tuple(items)
    return _list_with_room(items, (sys.getsizeof(found) - sys.getsizeof([])) // 8)


def _number_lists(found: list[Any], row: Row) -> list[Any]:
    numbers = _Numbers(found, row.elsewhere)
    return [_with_copies(each, numbers) for each in found]


def _tuples(found: list[Any], row: Row) -> list[Any]:
    numbers = _Numbers(found)
    return [_with_copies(each, numbers) for each in found]


def _matrices(found: list[Any], row: Row) -> list[Any]:
    """Copies of those rows that nothing else holds; the others stay."""
    own = [[references == 1 for references in _references(each)] for each in found]
    rows = itertools.chain.from_iterable(map(itertools.compress, found, own))
    numbers = _Numbers([*rows], row.elsewhere)

    def copy(its_row: Any, is_own: bool) -> Any:
        return _with_copies(its_row, numbers) if is_own else its_row

    return [[*map(copy, *each)] for each in zip(found, own, strict=True)]


def _text(found: Any) -> Any:
    return found[:1] + found[1:]


def _with_attributes(kind: type, attributes: int) -> Any:
    made = kind()
    for i in range(attributes):
        setattr(made, f"a{i}", None)
    return made


def _plain(found: list[Any], row: Row) -> list[Any]:
    """As many instances of a class of no other base, with as many attributes.

    What the attributes are and are called makes no difference to the size, so
    the found ones are not asked: that could run code, and make them a __dict__.
    """
    kind = type("Plain", (), {})
    copies = [_with_attributes(kind, row.items) for _ in found]
    more = row.now - sum(map(_memopt._object_bytes, found))
    each = more / len(copies)
    for copy in copies:  # some of those found have a __dict__ of their own
        if more <= 0:
            break
        if _memopt._object_bytes(vars(copy)) < each:  # which shares no keys
            copy.__dict__ = dict(vars(copy))
        more -= _memopt._object_bytes(vars(copy))
    return copies


def _slotted(copies: list[Any], row: Row, _: _Elsewhere) -> list[Any]:
    slots = [f"a{i}" for i in range(row.items)]
    weak = ["__weakref__"] if row.elsewhere else []
    kind = type("Slotted", (), {"__slots__": slots + weak})
    return [_with_attributes(kind, row.items) for _ in copies]


def _list_with_room(items: list[Any], room: int) -> list[Any]:
    if 2 * len(items) < room <= 12:  # more than half: only ``split`` leaves that
        copy: list[Any] = ("x " * len(items)).split(maxsplit=room - 1)
        copy[:] = items
        return copy
    copy = items + [None] * (room - len(items))
    while len(copy) > len(items):
        copy.pop()
    return copy


def _others(n: int) -> list[str]:
    """Strings that are nowhere in a program."""
    return [f"\0 memopt {i}" for i in range(n)]


def _set_with_room(found: set[Any], size: int) -> set[Any]:
    slots = (size - sys.getsizeof(set())) // 16
    more = _others(slots // 2 - 1 - len(found))
    copy = set(found.union(more))  # twice as many slots as items
    for each in more:  # at once would make it smaller
        copy.discard(each)
    return copy


def _dict_with_room(found: dict[Any, Any], size: int) -> dict[Any, Any]:
    # Keys that are strings change nothing in how a dict of such lays them out.
    copy = dict(found)
    more: list[str] = []
    while sys.getsizeof(copy) < size:
        more.append(f"\0 memopt {len(more)}")
        copy[more[-1]] = None
    for each in more:
        del copy[each]
    return copy


def _with_slack(found: Any) -> Any:
    """A copy that has been as large as the found one must have been."""
    size = sys.getsizeof(found)
    if isinstance(found, list):
        return _list_with_room(found, (size - sys.getsizeof([])) // 8)
    make = _dict_with_room if isinstance(found, dict) else _set_with_room
    return make(found, size)


def _elsewhere(found: list[Any], row: Row) -> _Elsewhere:
    """That many, at least: the scan does not say which they are."""
    if row.kind not in ("strings", "bytes", "tuples"):
        return _Elsewhere([], {})
    borrowed = [*dict.fromkeys(found)][row.count - row.items :]
    pooled, known = borrowed[: row.elsewhere], borrowed[row.elsewhere :]
    pooled += _others(row.elsewhere - len(pooled))
    return _Elsewhere(pooled, {each: each for each in known})


def _pooled(copies: list[Any], row: Row, elsewhere: _Elsewhere) -> Any:
    entries = len(copies) + len(elsewhere.pooled)
    pool = InternPool(max_entries=max(16, entries), max_length=1 << 40)
    for text in elsewhere.pooled:
        pool.intern(text)
    known = elsewhere.known
    return [known[t] if t in known else pool.intern(t) for t in copies], pool


def _shared(copies: list[Any], row: Row, elsewhere: _Elsewhere) -> Any:
    seen: dict[Any, Any] = {each: each for each in elsewhere.pooled}
    known = elsewhere.known
    return [known[c] if c in known else seen.setdefault(c, c) for c in copies], seen


def _range(found: Any) -> range:
    step = found[1] - found[0]
    return range(found[0], found[-1] + step, step)


_Copy = Callable[[list[Any], Row], Any]
_Swap = Callable[[list[Any], Row, _Elsewhere], Any]


def _each(change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda found, *_: [change(each) for each in found]


# How to copy what was found, and what the swap makes of the copies.
_SWAPS: dict[str, tuple[_Copy, _Swap]] = {
    "strings": (_each(_text), _pooled),
    "bytes": (_each(_text), _shared),
    "tuples": (_tuples, _shared),
    "floats": (_number_lists, _each(lambda found: array("d", found))),
    "ints": (_number_lists, _each(lambda found: array("q", found))),
    "progression": (_number_lists, _each(_range)),
    "matrix": (_matrices, _each(FloatMatrix)),
    "instances": (_plain, _slotted),
    "slack": (_each(_with_slack), _each(lambda found: type(found)(found))),
    "empty": (_each(lambda found: type(found)()), _each(lambda found: None)),
}


def _rounded(size: int) -> int:
    """To CPython's blocks, or the C heap's, which have headers, as mo_rounded does."""
    return (size + (8 if size > 512 else 0) + 15) // 16 * 16


def _traced() -> int:
    """Bytes of the blocks that tracemalloc has seen, each rounded up."""
    traces = tracemalloc.take_snapshot().traces
    return sum(_rounded(trace.size) for trace in traces)


@contextlib.contextmanager
def _tracing() -> Iterator[None]:
    """With tracemalloc on; afterwards it is as it was."""
    if tracemalloc.is_tracing():
        yield
        return
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _counts_traces() -> bool:
    """Whether tracemalloc counts, as the allocators do not tell.

    Nor do they if the program has it on: their figures include what that needs for
    each block.
    """
    return bytes_in_use() is None or tracemalloc.is_tracing()


@contextlib.contextmanager
def _counting() -> Iterator[Callable[[], int]]:
    """What tells the bytes in use, of which only differences count.

    A snapshot has a tuple for each block; what is from before tracing was begun is not
    seen.
    """
    if _counts_traces():
        with _tracing():
            yield _traced
    else:
        yield lambda: bytes_in_use() or 0


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """What is garbage stays, and is not counted as freed by what is measured."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _has_room(row: Row) -> bool:
    """Whether copies take at most half of the memory that can be had.

    Tracing takes as much again for each block, and so does each of two snapshots.
    """
    lists = 3 * 8 * row.count  # what was found, the copies, and what is made of them
    needed = (row.now + row.after) * (4 if _counts_traces() else 1) + lists
    memory = memory_info()
    room = [memory.system_available]
    if memory.limit is not None and memory.private is not None:
        room.append(memory.limit - memory.private)
    return all(each is None or needed <= each / 2 for each in room)


def _spare_tuples(found: list[Any], row: Row) -> list[Any]:
    """As many as CPython keeps for later, of each length: in place of the copies."""
    if row.type is not tuple:
        return []
    tuples = itertools.chain.from_iterable(found) if row.kind == "matrix" else found
    lengths = {len(each) for each in tuples}
    return [tuple([None] * n) for n in lengths if n <= 20 for _ in range(2000)]


def _measured(found: list[Any], row: Row) -> Measured:
    """Copy and swap; the copies are gone before what is left of them is counted."""
    copy, swap = _SWAPS[row.kind]
    elsewhere, spare = _elsewhere(found, row), _spare_tuples(found, row)
    with _no_collector(), _counting() as in_use:
        before = in_use()
        copies = copy(found, row)
        now = in_use() - before
        holder = _memopt._object_bytes(copies)
        swapped = swap(copies, row, elsewhere)
        spare[:] = [None] * len(spare)  # in the same memory
        del copies
        after = in_use() - before
        del swapped
    return Measured(len(found), max(0, now - holder), max(0, after - holder))


def verify(row: Row, roots: list[Root]) -> Measured | Unmeasured:
    """Copy what a row found, swap the copy, and measure; or why that cannot be.

    The list that holds the copies counts for neither.
    """
    asleep = others_asleep()
    if asleep is None:
        return "threads"
    if not _has_room(row):
        return "memory"
    found = objects(row, roots)
    if 2 * len(found) < row.count:  # a few would prove nothing of the rest
        return "lost"
    try:
        measured = _measured(found, row)
    except MemoryError:
        return "memory"
    if others_asleep() != asleep:  # one began meanwhile, or woke up
        return "threads"
    return measured
