"""Finds the objects of a row again, by the path that the scan gave it.

In Python, and so slowly, but independently of the scan.  Nothing of the program
is run: attributes are read only where no class has a descriptor of that name.
Only for the variables of what waits is the same asked as by the scan: by ``gi_frame``
CPython would make a frame object, which stays.
"""

import contextlib
import gc
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from memopt import _memopt
from memopt.advisor.heap import Root, Row, Step, first_step

# Where the code of each kind of generator is.
_CODE = {
    GeneratorType: "gi_code",
    CoroutineType: "cr_code",
    AsyncGeneratorType: "ag_code",
}


def _attribute(obj: object, name: str) -> Iterator[object]:
    if type(obj) in _CODE:
        variables = _memopt._variables(obj)
        if name in variables:
            yield variables[name]
    elif not any(name in vars(base) for base in type(obj).__mro__):
        with contextlib.suppress(AttributeError):  # another instance has it
            yield object.__getattribute__(obj, name)


def _items(obj: object) -> Iterable[object]:
    if isinstance(obj, list | tuple):
        return list.__iter__(obj) if isinstance(obj, list) else tuple.__iter__(obj)
    if isinstance(obj, dict):
        return list(dict.values(obj))
    return [found for found in gc.get_referents(obj) if found is not type(obj)]


def _below(objects: Iterable[object], step: str, label: object) -> Iterator[object]:
    for obj in objects:
        if step == "attribute":
            yield from _attribute(obj, str(label))
        elif step == "item":
            yield from _items(obj)
        elif isinstance(obj, dict) and step == "keys":
            yield from list(dict.keys(obj))
        elif isinstance(obj, dict) and label in dict.keys(obj):
            yield dict.__getitem__(obj, label)


def _waiting(name: str) -> list[object]:
    """The generators and coroutines of a function of this name."""
    return [
        obj
        for obj in gc.get_objects()
        if type(obj) in _CODE
        and object.__getattribute__(obj, _CODE[type(obj)]).co_qualname == name
    ]


def _in_hand(frames: list[FrameType], kind: object) -> list[object]:
    """The objects of this type that one of the frames is working on."""
    addresses = {address for frame in frames for address in _memopt._in_hand(frame)}
    return [o for o in gc.get_objects() if type(o) is kind and id(o) in addresses]


def _unnamed(roots: list[Root], kind: object) -> list[object]:
    """The objects of this type that no object known to the collector refers to.

    The scan comes to these without a name; and to others, as parts of such or of a
    ring: which, is not known, and better not measured than taken for others.
    """
    known = gc.get_objects()
    frames = [obj for _, obj, _ in roots if isinstance(obj, FrameType)]
    referred = {id(obj) for obj in _in_hand(frames, kind)}
    for i in range(0, len(known), 1000):
        below = gc.get_referents(*known[i : i + 1000])
        referred.update(id(obj) for obj in below if type(obj) is kind)
    return [obj for obj in known if type(obj) is kind and id(obj) not in referred]


def _start(roots: list[Root], steps: tuple[Step, ...]) -> tuple[Iterable[object], int]:
    """What the path begins with, and how many steps that is."""
    step, label = steps[0]
    if step == "unnamed":
        return _unnamed(roots, label), 1
    named = [root for root in roots if first_step(root) == steps[0]]
    found = [obj for _, obj, spaced in named if not spaced]
    if step == "call":
        found += _waiting(str(label))
    if len(steps) == 1:
        return found, 1
    step, label = steps[1]
    if step == "unnamed":
        return _in_hand([obj for obj in found if isinstance(obj, FrameType)], label), 2
    spaces = [obj for _, obj, spaced in named if spaced and isinstance(obj, dict)]
    variables = [space[label] for space in spaces if label in space]
    return [*variables, *_below(found, step, label)], 2


# What the scan compares, or counts as immutable for certain.
_PLAIN = (str, bytes, int, float, bool, type(None))


def _has_ints(found: Any) -> bool:
    return bool(found) and all(
        type(item) is int and -1 << 63 <= item < 1 << 63 for item in found
    )


def _has_floats(found: Any) -> bool:
    return bool(found) and all(type(item) is float for item in found)


def _is_progression(found: Any) -> bool:
    if len(found) < 2 or not _has_ints(found):
        return False
    step = found[1] - found[0]
    return step != 0 and all(b - a == step for a, b in itertools.pairwise(found))


def _is_matrix(found: Any) -> bool:
    return len(found) >= 2 and all(
        type(row) in (list, tuple) and len(row) == len(found[0]) and _has_floats(row)
        for row in found
    )


def _room(found: Any) -> int:
    """How many items it has room for, by its size."""
    room = sys.getsizeof(found) - sys.getsizeof(type(found)())
    if type(found) is list:
        return room // 8
    if type(found) is set:
        return room // 16 // 5 * 3
    # A slot takes 12 to 20 bytes with its share of the entries, as CPython lays a
    # dict out: the power of two is that of a slot of 11.
    return (2 << (room // 11).bit_length() - 1) // 3


def _goes_with_numbers(found: Any) -> bool:
    """Whether a list is told with its numbers, of which CPython has the small ones."""
    return bool(found) and (
        _has_floats(found)
        or _is_matrix(found)
        or (_has_ints(found) and not all(-5 <= item <= 256 for item in found))
    )


# Items beside which there is more room than growth leaves, as the scan says.
_SPARE: dict[type, Callable[[int], int]] = {
    list: lambda n: n // 2,
    dict: lambda n: 3 * n,
    set: lambda n: 7 * n,
}


def _has_slack(found: Any) -> bool:
    spare = _SPARE[type(found)](len(found))
    if _room(found) <= len(found) + spare + 8:
        return False
    return type(found) is not list or not _goes_with_numbers(found)


# What a row counts of the objects of its type at its path; all, of other kinds.
_COUNTED: dict[str, Callable[[Any], bool]] = {
    "tuples": lambda found: all(type(item) in _PLAIN for item in found),
    "floats": _has_floats,
    "ints": _has_ints,
    "progression": _is_progression,
    "matrix": _is_matrix,
    "slack": _has_slack,
    "empty": lambda found: not found,
}


def objects(row: Row, roots: list[Root]) -> list[object]:
    """The objects that a row counts, as far as its path leads to them."""
    if row.kind == "instances":
        return [obj for obj in gc.get_objects() if type(obj) is row.type]
    found, done = _start(roots, row.steps)
    for step, label in row.steps[done:]:
        found = _below(found, step, label)
    kind = list if row.kind == "matrix" else row.type
    counts = _COUNTED.get(row.kind, lambda found: True)
    unique = {id(obj): obj for obj in found if type(obj) is kind}
    return [obj for obj in unique.values() if counts(obj)][: row.count]
