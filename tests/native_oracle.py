"""What native arithmetic is compared with: the list comprehension."""

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from memopt import _memopt

# Operators of two numbers; those of ints with a small second one.
BINARY = ["+", "-", "*", "/", "//", "%", "&", "|", "^"]
BINARY += ["<", "<=", "==", "!=", ">=", ">"]
OF_SMALL = ["**", "<<", ">>"]


@contextmanager
def any_length_is_native() -> Iterator[None]:
    """However short a pass is, it is tried without calls."""
    old = _memopt._set_short_pass(1)
    try:
        yield
    finally:
        _memopt._set_short_pass(old)


def exactly(value: Any) -> Any:
    """Equal for values that are the same to the last bit and in type."""
    if type(value) is float:
        return "nan" if value != value else struct.pack("<d", value)
    if type(value) is list or type(value) is tuple:
        return type(value), [exactly(item) for item in value]
    return type(value), repr(value)


def outcome(work: Callable[[], Any]) -> Any:
    """What the call returns, or the type and text of what it raises."""
    try:
        return exactly(work())
    except Exception as error:
        return type(error), str(error)


def read(values: Iterable[Any]) -> Any:
    """All values up to the exception, and that."""
    seen = []
    try:
        for value in values:
            seen.append(exactly(value))  # noqa: PERF401 - what came before counts
    except Exception as error:
        return seen, type(error), str(error)
    return seen


def past_errors(iterator: Iterator[Any], most: int) -> list[Any]:
    """Each value, or the exception in its place, of at most so many."""
    seen: list[Any] = []
    for _ in range(most):
        try:
            seen.append(exactly(next(iterator)))
        except StopIteration:
            break
        except Exception as error:
            seen.append((type(error), str(error)))
    return seen


def one_by_one(function: Callable[..., Any], *sources: Any) -> list[Any]:
    """The same, of the plain calls."""
    seen: list[Any] = []
    for items in zip(*sources, strict=False):
        try:
            seen.append(exactly(function(*items)))
        except Exception as error:
            seen.append((type(error), str(error)))
    return seen
