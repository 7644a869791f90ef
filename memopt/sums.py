"""memopt.sum: the builtin's name for what memopt adds up faster, and exactly."""

from __future__ import annotations

import builtins

from memopt._memopt import FloatMatrix, FloatVector, LazyMap

TYPE_CHECKING = False  # typing is slow to import
if TYPE_CHECKING:
    from typing import Any


def sum(iterable: Any, /, start: Any = 0) -> Any:
    """``iterable.sum(start)`` if it is a LazyMap; else what sum() returns.

    To replace the builtin by: values and types are those of sum(), but that
    floats in a LazyMap, FloatVector or FloatMatrix are added without error and
    rounded once; a FloatMatrix has one sum, of all its numbers.

    >>> from memopt import LazyMap
    >>> memopt.sum(LazyMap(lambda x: x * 2, range(1_000_000)))
    999999000000
    >>> memopt.sum([1, 2, 3], 10)
    16
    """
    if isinstance(iterable, LazyMap):
        return iterable.sum(start)
    if type(iterable) in (FloatMatrix, FloatVector):
        return start + iterable.sum()
    return builtins.sum(iterable, start)


sum.__module__ = "memopt"
