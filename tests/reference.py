"""What memopt must agree with, in plain Python: slow, obvious, independent."""

from collections.abc import Iterable
from fractions import Fraction


def exact_sum(values: Iterable[float]) -> float:
    """The infinitely precise sum of finite floats, rounded once.

    An overflow gives an infinity: unlike float(Fraction), which raises.
    """
    total = sum(map(Fraction, values), Fraction(0))
    try:
        return float(total)
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")
