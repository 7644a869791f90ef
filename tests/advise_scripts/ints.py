"""A list of ints and one in even steps, beside what needs a list."""

import sys
from array import array

N = int(sys.argv[1])


def is_swapped(name: str) -> bool:
    return "swapped" in sys.argv or name in sys.argv


if is_swapped("values"):
    values = array("q", (i * 7919 % 1_000_003 * 1000 for i in range(N)))
else:
    values = [i * 7919 % 1_000_003 * 1000 for i in range(N)]
steps = range(0, 2 * N, 2) if is_swapped("steps") else [i * 2 for i in range(N)]

few = [1, 2, 3]
huge = [2**70 + i * i for i in range(10)]
constant = [7] * 10
truths = [True, False] * 10
