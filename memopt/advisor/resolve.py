"""Finds the objects of a row again, by the path that the scan gave it.

In Python, and so slowly, but independently of the scan.  Nothing of the program
is run: attributes are read only where no class has a descriptor of that name.
"""

import contextlib
import gc
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from memopt.advisor.heap import Root, Row, Step


def _attribute(obj: object, name: str) -> Iterator[object]:
    if not any(name in vars(base) for base in type(obj).__mro__):
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


def _start(roots: list[Root], steps: tuple[Step, ...]) -> tuple[Iterable[object], int]:
    """What the path begins with, and how many steps that is."""
    step, label = steps[0]
    if step != "root":
        return [obj for obj in gc.get_objects() if type(obj) is label], 1
    found = [(obj, spaced) for name, obj, spaced in roots if name == label]
    if len(steps) == 1 or not found or not found[0][1]:
        return [obj for obj, _ in found], 1
    name = steps[1][1]
    spaces = [obj for obj, _ in found if isinstance(obj, dict) and name in obj]
    return [space[name] for space in spaces], 2


# What the scan compares, or counts as immutable for certain.
_PLAIN = (str, bytes, int, float, bool, type(None))


def _has_ints(found: Any) -> bool:
    return all(type(item) is int and -1 << 63 <= item < 1 << 63 for item in found)


def _has_floats(found: Any) -> bool:
    return all(type(item) is float for item in found)


def _is_progression(found: Any) -> bool:
    if len(found) < 2 or not _has_ints(found):
        return False
    step = found[1] - found[0]
    return step != 0 and all(b - a == step for a, b in itertools.pairwise(found))


def _is_matrix(found: Any) -> bool:
    return all(
        type(row) in (list, tuple) and len(row) == len(found[0]) and _has_floats(row)
        for row in found
    )


# What a row counts of the objects of its type at its path; all, of other kinds.
_COUNTED: dict[str, Callable[[Any], bool]] = {
    "tuples": lambda found: all(type(item) in _PLAIN for item in found),
    "floats": _has_floats,
    "ints": _has_ints,
    "progression": _is_progression,
    "matrix": _is_matrix,
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
