"""Equal tuples, beside shared and mutable ones."""

import sys

N = int(sys.argv[1])
SWAPPED = "swapped" in sys.argv
seen: dict[object, object] = {}


def point(i: int) -> tuple[object, ...]:
    made = (i % 100, True, None)
    return seen.setdefault(made, made) if SWAPPED else made  # type: ignore[return-value]


points = [point(i) for i in range(N)]

shared = [("one", "tuple")] * 100
with_lists = [([i % 3],) for i in range(10)]
distinct = [(i, None) for i in range(100)]
