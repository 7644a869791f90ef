"""What memopt must agree with, in plain Python: slow, obvious, independent."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T")


def exact_sum(values: Iterable[float]) -> float:
    """The infinitely precise sum of finite floats, rounded once.

    An overflow gives an infinity: unlike float(Fraction), which raises.
    """
    total = sum(map(Fraction, values), Fraction(0))
    try:
        return float(total)
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")


def batches_of(values: Sequence[T], n: int) -> list[list[T]]:
    """The values in lists of n, the last of which may be shorter."""
    return [list(values[i : i + n]) for i in range(0, len(values), n)]
