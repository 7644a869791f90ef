"""Turns the rows of a scan into advice: what to write instead, and its price."""

import dataclasses
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from memopt.advisor.heap import Heap, Row
from memopt.advisor.verify import Measured, Unmeasured, verify


@dataclass(frozen=True)
class Finding:
    """Something that could be swapped.

    ``bytes_now`` and ``bytes_after`` count the objects found, rounded as the
    allocator rounds.  ``count`` is how many there are, ``items`` how many
    numbers, attributes or duplicates are in them, as ``title`` says in words.
    ``measured`` is what applying the swap to a copy took, if that was asked for and
    could be; ``unmeasured``, if it could not be, why.
    """

    kind: str
    path: str
    title: str
    type: str
    count: int
    items: int
    bytes_now: int
    bytes_after: int
    swap: str
    caveat: str
    confidence: str
    example: str
    allocated_at: tuple[str, ...] = ()
    measured: Measured | None = None
    unmeasured: Unmeasured | None = None

    @property
    def saving(self) -> int:
        """Bytes that the swap saves."""
        return self.bytes_now - self.bytes_after


@dataclass(frozen=True)
class _Advice:
    title: str
    swap: str
    caveat: str
    confidence: str


def type_name(cls: type) -> str:
    """The name that a reader knows the class by."""
    if cls.__module__ in ("builtins", "__main__"):
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def _diff(before: str, *after: str) -> str:
    return "\n".join([f"- {before}", *(f"+ {line}" for line in after)])


def _variable(row: Row) -> str:
    return row.name if row.name.isidentifier() else "it"


def _pool(row: Row) -> str:
    # How many there are of those that only others elsewhere equal is not known.
    entries = row.count - row.items + row.elsewhere or row.count
    wanted = [str(entries)] if entries > 16384 else []
    if row.longest > 1024:
        wanted.append(f"max_length={row.longest}")
    return f"memopt.InternPool({', '.join(wanted)})"


def _copies(row: Row, what: str) -> str:
    distinct = row.count - row.items
    if distinct:
        return f"{row.count:,} {what}s, {distinct:,} distinct"
    if row.count == 1:
        return f"A {what} that equals another elsewhere"
    return f"{row.count:,} {what}s, all equal to others elsewhere"


def _and_elsewhere(row: Row, holder: str) -> str:
    """What has to be added if something is shared with other places."""
    if row.items == row.count or row.elsewhere:
        return f"; those elsewhere have to be looked up in the same `{holder}`"
    return (
        f"; some are in another finding, too: one `{holder}` for both" * row.is_shared
    )


def _strings(row: Row) -> _Advice:
    return _Advice(
        _copies(row, "string"),
        _diff("text = …", f"pool = {_pool(row)}", "text = pool.intern(…)"),
        "equal strings become one object, which only `is` and `id` can tell"
        + _and_elsewhere(row, "pool"),
        "high",
    )


def _bytes(row: Row) -> _Advice:
    return _Advice(
        _copies(row, "bytes object"),
        _diff("data = …", "seen = {}", "data = seen.setdefault(data, data)"),
        "`seen` keeps one of each alive until it is dropped"
        + _and_elsewhere(row, "seen"),
        "high",
    )


def _tuples(row: Row) -> _Advice:
    return _Advice(
        _copies(row, "tuple"),
        _diff("row = (…)", "seen = {}", "row = seen.setdefault(row, row)"),
        "`seen` keeps one of each alive until it is dropped; it takes (1,), (1.0,) "
        "and (True,) for equal; strings in them are findings of their own"
        + _and_elsewhere(row, "seen"),
        "medium",
    )


def _confidence(row: Row, otherwise: str = "medium") -> str:
    return "low" if row.elsewhere else otherwise


def _in_others(row: Row) -> str:
    """What has to be added if numbers go only if other lists do, too."""
    if not row.elsewhere:
        return ""
    return (
        f"; {row.elsewhere:,} of these numbers are objects that other lists hold, too, "
        "which have to be swapped as well"
    )


def _plural(row: Row) -> str:
    name = row.type.__name__
    return f"A {name}" if row.count == 1 else f"{row.count:,} {name}s"


def _floats(row: Row) -> _Advice:
    name = _variable(row)
    return _Advice(
        f"{_plural(row)} of {row.items:,} floats",
        _diff(f"{name} = […]", "from array import array", f'{name} = array("d", …)'),
        "an array holds only floats, is not equal to a list, and makes a new float "
        "at each access" + _in_others(row),
        _confidence(row),
    )


def _ints(row: Row) -> _Advice:
    name = _variable(row)
    return _Advice(
        f"{_plural(row)} of {row.items:,} ints",
        _diff(f"{name} = […]", "from array import array", f'{name} = array("q", …)'),
        "an array holds only ints of 64 bits, is not equal to a list, and makes a "
        "new int at each access" + _in_others(row),
        _confidence(row),
    )


def _range(row: Row) -> str:
    """The range that a progression is, as it was when it was counted.

    The program may have gone on since, and have made anything of it.
    """
    assert isinstance(row.example, list | tuple)
    start = row.example[:2]
    if [type(each) for each in start] != [int, int]:
        return "range(…)"
    first, step = start[0], start[1] - start[0]
    length = row.items if row.count == 1 else len(row.example)
    return f"range({first}, {first + step * length}, {step})"


def _progression(row: Row) -> _Advice:
    name = _variable(row)
    return _Advice(
        f"{_plural(row)} of {row.items:,} ints in even steps",
        _diff(
            f"{name} = [f(x) for x in …]",
            f"{name} = memopt.LazyMap(f, …)",
            f"# or, if the steps are always even: {_range(row)}",
        ),
        "only if the list is read and not changed: a LazyMap computes each item "
        "when asked, each time" + _in_others(row),
        _confidence(row),
    )


def _matrix(row: Row) -> _Advice:
    name = _variable(row)
    tuples = row.type is tuple
    rows = "tuples" if tuples else "lists"
    return _Advice(
        f"{'A list' if row.count == 1 else f'{row.count:,} lists'} of {rows} with "
        f"{row.items:,} floats in rows of equal length",
        _diff(f"{name} = [[…], …]", f"{name} = memopt.FloatMatrix([[…], …])"),
        "all items are floats, rows keep one length, m[i] is a view of the row"
        + (" that can be written to" if tuples else "")
        + _in_others(row),
        _confidence(row, "medium" if tuples else "high"),
    )


def _slots(row: Row) -> str:
    cls, is_weak = row.type, row.elsewhere > 0
    if dataclasses.is_dataclass(cls):
        more = ", weakref_slot=True" if is_weak else ""
        return _diff("@dataclass", f"@dataclass(slots=True{more})")
    names = '(…, "__weakref__")' if is_weak else "(…)"
    return _diff(
        f"class {cls.__name__}:",
        f"class {cls.__name__}:",
        f"    __slots__ = {names}  # the names of its attributes",
    )


def _instances(row: Row) -> _Advice:
    weak = "" if row.elsewhere else " and no weak references"
    return _Advice(
        f"{row.count:,} instances of {type_name(row.type)}, "
        f"up to {row.items:,} attributes",
        _slots(row),
        f"instances take no other attributes, have no __dict__{weak}; no class "
        "variable has the name of one; base classes need __slots__ too",
        "medium",
    )


def _slack(row: Row) -> _Advice:
    name, kind = _variable(row), row.type.__name__
    return _Advice(
        f"{_plural(row)} with room for far more than the {row.items:,} items left",
        _diff(f"# {name}, after its items are gone", f"{name} = {kind}({name})"),
        "no other variable may hold the old one; pays if it does not grow again",
        "medium",
    )


def _empty(row: Row) -> _Advice:
    name, kind = _variable(row), row.type.__name__
    return _Advice(
        f"{row.count:,} empty {kind}s",
        _diff(f"{name} = {kind}()", f"{name} = None  # until there is an item"),
        "code that adds an item has to make the container first",
        "low",
    )


_ADVICE: dict[str, Callable[[Row], _Advice]] = {
    "strings": _strings,
    "bytes": _bytes,
    "tuples": _tuples,
    "floats": _floats,
    "ints": _ints,
    "progression": _progression,
    "matrix": _matrix,
    "instances": _instances,
    "slack": _slack,
    "empty": _empty,
}


def _could_have_slots(cls: type) -> bool:
    """Whether it and its bases are the program's own, and need no ``__dict__``."""
    return all(
        "__dict__" in vars(base) or base.__base__ is not object
        for base in cls.__mro__[:-1]
    ) and not any(
        (
            base.__module__.partition(".")[0] in sys.stdlib_module_names
            and base.__module__ != "__main__"
        )
        or any(type(each) is cached_property for each in vars(base).values())
        for base in cls.__mro__[:-1]
    )


def _repr(example: object) -> str:
    """A short repr that runs no code of the program's."""
    if isinstance(example, str | bytes) and type(example) in (str, bytes):
        text = repr(example[:60])
        if len(text) > 80:  # of escapes
            return text[:80] + "…"
        return text if len(example) <= 60 else text + "…"
    return ""


def _allocated_at(example: object) -> tuple[str, ...]:
    """Where tracemalloc, if it is on, saw the example being made."""
    if not tracemalloc.is_tracing():
        return ()
    trace = tracemalloc.get_object_traceback(example)
    return tuple(f"{frame.filename}:{frame.lineno}" for frame in trace or ())


def _finding(row: Row, outcome: Measured | Unmeasured | None) -> Finding:
    advice = _ADVICE[row.kind](row)
    return Finding(
        kind=row.kind,
        path=row.path,
        title=advice.title,
        type=type_name(row.type),
        count=row.count,
        items=row.items,
        bytes_now=row.now,
        bytes_after=row.after,
        swap=advice.swap,
        caveat=advice.caveat,
        confidence=advice.confidence,
        example=_repr(row.example),
        allocated_at=_allocated_at(row.example),
        measured=outcome if isinstance(outcome, Measured) else None,
        unmeasured=None if isinstance(outcome, Measured) else outcome,
    )


# Swaps of which the same tuple can have one.
_OF_TUPLES = ("tuples", "floats", "ints", "progression")


def _place(row: Row) -> tuple[tuple[str, int], ...]:
    """Where it is: a step may be a class, whose metaclass says what equals it."""
    return tuple((step, id(label)) for step, label in row.steps)


def _told(heap: Heap) -> list[Row]:
    """The rows of swaps that can be made, and all be made; largest saving first."""
    told, swapped = [], set()
    for row in sorted(heap.rows, key=lambda row: row.after - row.now):
        if row.type is tuple and row.kind in _OF_TUPLES:
            if (place := _place(row)) in swapped:
                continue
            swapped.add(place)
        if row.kind != "instances" or _could_have_slots(row.type):
            told.append(row)
    return told


def findings(
    heap: Heap, measure: bool, unmeasured: Unmeasured | None = None
) -> list[Finding]:
    """The advice for all rows, largest saving first; or why none is measured."""
    return [
        _finding(row, verify(row, heap.roots) if measure else unmeasured)
        for row in _told(heap)
    ]
