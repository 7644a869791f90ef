"""Extremes and places of a polynomial over a range, in O(1) or O(log n).

A polynomial in int of degree d is known from its values at d + 1 places of the
range (Newton's forward differences), whatever it is written like; so the
functions are only called, never taken apart.  Each function here returns
NotImplemented where it has no closed form.  (Sums are src/lazymap/closed.c's.)
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

Functions = tuple[Callable[[int], int], ...]


def length(numbers: range) -> int:
    """len(numbers), which can be more than sys.maxsize."""
    return (numbers[-1] - numbers[0]) // numbers.step + 1


def _differences(functions: Functions, numbers: range, degree: int) -> list[int]:
    """The first value, and the first of each order of differences."""
    row: list[int] = list(numbers[: degree + 1])
    for function in functions:
        row = [function(x) for x in row]
    first = []
    while row:
        first.append(row[0])
        row = [b - a for a, b in pairwise(row)]
    return first


class _Parabola:
    """The values of a polynomial of degree 2 at most, by index."""

    def __init__(self, functions: Functions, numbers: range, degree: int) -> None:
        first = _differences(functions, numbers, degree)
        self.value, self.slope, self.bend = (*first, 0, 0)[:3]
        self.last = length(numbers) - 1

    def __call__(self, i: int) -> int:
        return self.value + i * self.slope + i * (i - 1) // 2 * self.bend

    def turn(self) -> int:
        """Up to this index values go one way, and after it the other."""
        if self.bend == 0:
            return self.last
        return max(0, min(self.last, -(self.slope // self.bend)))

    def places(self, wanted: int) -> Iterator[int]:
        """All indices of a value, in order; not for a constant."""
        turn = self.turn()
        for low, high in ((0, turn), (turn + 1, self.last)):
            if low > high:
                continue
            place = self.search(low, high, wanted)
            if self(place) == wanted:
                yield place

    def search(self, low: int, high: int, wanted: int) -> int:
        """The only index that can have the value, on a piece that goes one way.

        (bisect takes no indices beyond sys.maxsize.)
        """
        rises = self(low) <= self(high)
        while low < high:
            middle = (low + high) // 2
            value = self(middle)
            if value < wanted if rises else value > wanted:
                low = middle + 1
            else:
                high = middle
        return low

    @property
    def is_constant(self) -> bool:
        return self.last == 0 or (self.slope == 0 and self.bend == 0)


def _extreme(choose: Any, functions: Functions, numbers: range, degree: int) -> Any:
    if degree > 2:
        return NotImplemented
    values = _Parabola(functions, numbers, degree)
    return choose(values(0), values(values.turn()), values(values.last))


def least(functions: Functions, numbers: range, degree: int, _: None) -> Any:
    return _extreme(min, functions, numbers, degree)


def greatest(functions: Functions, numbers: range, degree: int, _: None) -> Any:
    return _extreme(max, functions, numbers, degree)


def _whole(wanted: object) -> int | None:
    """The int that equals a number; None if there is none."""
    if type(wanted) is int or type(wanted) is bool:
        return int(wanted)
    if type(wanted) is float and wanted.is_integer():
        return int(wanted)
    return None


def _search(functions: Functions, numbers: range, degree: int, wanted: object) -> Any:
    """The indices of the value, as a range if all values are the same."""
    if degree > 2 or type(wanted) not in (int, bool, float):
        return NotImplemented
    number = _whole(wanted)
    if number is None:
        return []
    values = _Parabola(functions, numbers, degree)
    if values.is_constant:
        return range(values.last + 1) if values(0) == number else []
    return list(values.places(number))


def contains(functions: Functions, numbers: range, degree: int, wanted: object) -> Any:
    found = _search(functions, numbers, degree, wanted)
    return found if found is NotImplemented else bool(found)


def count(functions: Functions, numbers: range, degree: int, wanted: object) -> Any:
    found = _search(functions, numbers, degree, wanted)
    if isinstance(found, range):
        return length(found)
    return found if found is NotImplemented else len(found)


def index(functions: Functions, numbers: range, degree: int, wanted: object) -> Any:
    """The first index, or None."""
    found = _search(functions, numbers, degree, wanted)
    if found is NotImplemented:
        return found
    return found[0] if found else None
