"""Many empty lists and sets."""

import sys

N = int(sys.argv[1])


def is_swapped(name: str) -> bool:
    return "swapped" in sys.argv or name in sys.argv


lists = [None if is_swapped("lists") else [] for _ in range(N)]
sets = [None if is_swapped("sets") else set() for _ in range(N)]

one_empty_list: list[int] = []
one_empty_dict: dict[int, int] = {}
