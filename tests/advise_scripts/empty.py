"""Many empty lists and sets."""

import sys

N = int(sys.argv[1])
SWAPPED = "swapped" in sys.argv

lists = [None if SWAPPED else [] for _ in range(N)]
sets = [None if SWAPPED else set() for _ in range(N)]

one_empty_list: list[int] = []
one_empty_dict: dict[int, int] = {}
