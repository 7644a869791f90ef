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


def bytes_in_use() -> int | None:
    """What the allocators have handed out, or None if they do not tell."""
    small, large = _memopt._pymalloc_bytes(), _memopt._malloc_bytes()[1]
    return None if small is None or large is None else small[1] + large


def _number(value: Any, seen: dict[int, Any]) -> Any:
    """An equal number that is another object, the same one for the same one."""
    copy = seen.get(id(value))
    if copy is None:
        copy = seen[id(value)] = value * 1.0 if type(value) is float else value + 1 - 1
    return copy


def _numbers(found: Any) -> Any:
    seen: dict[int, Any] = {}
    return type(found)([_number(value, seen) for value in found])


def _text(found: Any) -> Any:
    return found[:1] + found[1:]


def _tuple(found: Any) -> Any:
    return tuple(iter(found))


def _rows(found: Any) -> Any:
    return [_numbers(row) for row in found]


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
    for copy in copies:  # some of those found have a __dict__ of their own
        if more <= 0:
            break
        more -= _memopt._object_bytes(vars(copy))
    return copies


def _slotted(copies: list[Any], row: Row, found: list[Any]) -> list[Any]:
    slots = [f"a{i}" for i in range(row.items)]
    kind = type("Slotted", (), {"__slots__": slots})
    return [_with_attributes(kind, row.items) for _ in copies]


def _list_with_slack(items: list[Any], room: int) -> list[Any]:
    if 2 * len(items) < room <= 12:  # more than half: only ``split`` leaves that
        copy: list[Any] = ("x " * len(items)).split(maxsplit=room - 1)
        copy[:] = items
        return copy
    copy = items + [None] * (room - len(items))
    while len(copy) > len(items):
        copy.pop()
    return copy


def _with_slack(found: Any) -> Any:
    """A copy that has been as large as the found one must have been."""
    wanted = sys.getsizeof(found)
    if isinstance(found, list):
        return _list_with_slack(found, (wanted - sys.getsizeof([])) // 8)
    copy, more = type(found)(found), []
    while sys.getsizeof(copy) < wanted:
        more.append(object())
        copy |= {more[-1]: None} if isinstance(copy, dict) else {more[-1]}
    for each in more:
        copy.pop(each) if isinstance(copy, dict) else copy.remove(each)
    return copy


def _elsewhere(found: list[Any], row: Row) -> Iterator[Any]:
    """Those of which the scan had met an equal one elsewhere, which would be shared.

    That many, at least: it does not say which they are.
    """
    return itertools.islice(dict.fromkeys(found), row.count - row.items, None)


def _pooled(copies: list[Any], row: Row, found: list[Any]) -> Any:
    pool = InternPool(max_entries=max(16, len(copies)), max_length=1 << 40)
    for text in _elsewhere(found, row):
        pool.intern(text)
    return [pool.intern(text) for text in copies], pool


def _shared(copies: list[Any], row: Row, found: list[Any]) -> Any:
    seen: dict[Any, Any] = {each: each for each in _elsewhere(found, row)}
    return [seen.setdefault(each, each) for each in copies], seen


def _range(found: Any) -> range:
    step = found[1] - found[0]
    return range(found[0], found[-1] + step, step)


_Copy = Callable[[list[Any], Row], Any]
_Swap = Callable[[list[Any], Row, list[Any]], Any]


def _each(change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda found, *_: [change(each) for each in found]


# How to copy what was found, and what the swap makes of the copies.
_SWAPS: dict[str, tuple[_Copy, _Swap]] = {
    "strings": (_each(_text), _pooled),
    "bytes": (_each(_text), _shared),
    "tuples": (_each(_tuple), _shared),
    "floats": (_each(_numbers), _each(lambda found: array("d", found))),
    "ints": (_each(_numbers), _each(lambda found: array("q", found))),
    "progression": (_each(_numbers), _each(_range)),
    "matrix": (_each(_rows), _each(FloatMatrix)),
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


def _measured(found: list[Any], row: Row) -> Measured:
    """Copy and swap; the copies are gone before what is left of them is counted."""
    copy, swap = _SWAPS[row.kind]
    with _no_collector(), _counting() as in_use:
        before = in_use()
        copies = copy(found, row)
        now = in_use() - before
        holder = _memopt._object_bytes(copies)
        swapped = swap(copies, row, found)
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
