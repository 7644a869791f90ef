"""Instances of a plain class, beside classes that __slots__ would not help."""

import sys
from enum import Enum

N = int(sys.argv[1])
SWAPPED = "swapped" in sys.argv


class Plain:
    if SWAPPED:
        __slots__ = ("x", "y", "z")

    def __init__(self, i: int) -> None:
        self.x, self.y, self.z = None, True, i % 100


class Slotted:
    __slots__ = ("x",)

    def __init__(self, i: int) -> None:
        self.x = None


class PlainError(Exception):
    pass


class Color(Enum):
    RED = 1


plain = [Plain(i) for i in range(N)]
slotted = [Slotted(i) for i in range(100)]
errors = [PlainError() for i in range(100)]
