"""Sources of every kind, with the plain list of what is in them."""

import array
import collections
import ctypes
import importlib.util
import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex

from hypothesis import strategies as st

from memopt import LazyMap


def identity(x: Any) -> Any:
    return x


def is_integer(x: Any) -> bool:
    return isinstance(x, numbers.Integral)


class UserSequence(Sequence[Any]):
    """A Sequence by inheritance, in Python."""

    def __init__(self, values: Any) -> None:
        self.values = list(values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]


class OldSequence:
    """Len and items by integer are all it has, as a map-style dataset."""

    def __init__(self, values: Any) -> None:
        self.values = list(values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: SupportsIndex) -> Any:
        return self.values[index]


class ListSubclass(list[Any]):
    pass


class OnlyIterable:
    """Any number of passes, but no length."""

    def __init__(self, values: Any) -> None:
        self.values = list(values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)


def ctypes_array(values: Any) -> Any:
    return (ctypes.c_int64 * len(values))(*values)


def decrement(x: int) -> int:
    return x - 1


def shifted(values: Any) -> LazyMap[int]:
    """A LazyMap of those values."""
    return LazyMap(decrement, [x + 1 for x in values])


# Each makes a Sequence of small integers, given as a list.
SEQUENCES: dict[str, Callable[[list[int]], Any]] = {
    "list": list,
    "tuple": tuple,
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": lambda values: memoryview(bytes(values)),
    "array": lambda values: array.array("q", values),
    "ctypes": ctypes_array,
    "deque": collections.deque,
    "UserList": collections.UserList,
    "list subclass": ListSubclass,
    "UserSequence": UserSequence,
    "OldSequence": OldSequence,
    "LazyMap": shifted,
    "slice of a LazyMap": lambda values: shifted([9, *values, 9])[1:-1],
    "LazyMap over two": lambda values: LazyMap(max, values, bytes(len(values))),
    "cached LazyMap": lambda values: shifted(values).cached(),
    "cached iterator": lambda values: LazyMap(identity, iter(values)).cached(),
}
if importlib.util.find_spec("numpy"):
    import numpy

    SEQUENCES["numpy"] = numpy.array
    SEQUENCES["numpy, every second"] = lambda values: numpy.array(values).repeat(2)[::2]

SIZED: dict[str, Callable[[list[int]], Any]] = {
    "dict": dict.fromkeys,
    "dict keys": lambda values: dict.fromkeys(values).keys(),
    "dict values": lambda values: dict(enumerate(values)).values(),
    "set": lambda values: set(range(len(values))),
    "LazyMap over dict": lambda values: LazyMap(identity, dict.fromkeys(values)),
}

ITERABLE: dict[str, Callable[[list[int]], Any]] = {
    "OnlyIterable": OnlyIterable,
    "filtered LazyMap": lambda values: shifted(values).filter(is_integer),
    "batched set": lambda values: LazyMap(identity, set(values)).batched(2),
}

ONE_SHOT: dict[str, Callable[[list[int]], Any]] = {
    "generator": lambda values: (x for x in values),
    "list iterator": iter,
    "map": lambda values: map(identity, values),
    "LazyMapIterator": lambda values: LazyMap(identity, iter(values)),
    "LazyMap's iterator": lambda values: iter(shifted(values)),
}

small_integers = st.lists(st.integers(0, 100), max_size=12)

ranges = st.builds(
    lambda start, step, length: range(start, start + step * length, step),
    st.integers(-(2**65), 2**65) | st.integers(-50, 50),
    (st.integers(-(2**62), 2**62) | st.integers(-5, 5)).filter(bool),
    st.integers(0, 12),
)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """A Sequence, and the list of its items."""
    if draw(st.integers(0, 3)) == 0:
        drawn = draw(ranges)
        return drawn, list(drawn)
    make = SEQUENCES[draw(st.sampled_from(sorted(SEQUENCES)))]
    values = draw(small_integers)
    return make(values), values


indices = st.none() | st.integers(-20, 20) | st.integers(-(2**70), 2**70)
slices = st.builds(slice, indices, indices, indices.filter(lambda i: i != 0))
