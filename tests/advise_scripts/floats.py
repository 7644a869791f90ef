"""A list and a tuple of floats, beside lists of few distinct ones."""

import sys
from array import array

N = int(sys.argv[1])


def is_swapped(name: str) -> bool:
    return "swapped" in sys.argv or name in sys.argv


def floats(start: float) -> object:
    values = (start + i for i in range(N))
    return array("d", values) if is_swapped("values") else list(values)


values = floats(0.5)
fixed: object = None
if is_swapped("fixed"):
    fixed = array("d", (i * 0.25 for i in range(N)))
else:
    fixed = tuple(i * 0.25 for i in range(N))

zeros = [0.0] * 10
few = [1.5, 2.5, 3.5]
mixed = [1.5, "text", None] * 10
