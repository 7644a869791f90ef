"""Containers that were large once, beside ones that just grew."""

import sys

N = int(sys.argv[1])


def is_swapped(name: str) -> bool:
    return "swapped" in sys.argv or name in sys.argv


emptied_list = [None] * N
while len(emptied_list) > N // 2 + 1:
    emptied_list.pop()
emptied_dict = dict.fromkeys(range(N))
for i in range(100, N):
    del emptied_dict[i]
emptied_set = set(range(N))
for i in range(100, N):
    emptied_set.discard(i)
if is_swapped("emptied_list"):
    emptied_list = list(emptied_list)
if is_swapped("emptied_dict"):
    emptied_dict = dict(emptied_dict)
if is_swapped("emptied_set"):
    emptied_set = set(emptied_set)

grown: list[int] = []
grown_dict: dict[int, int] = {}
grown_set: set[int] = set()
for i in range(1000):
    grown.append(i * i % 7)
    grown_dict[i] = grown[-1]
    grown_set.add(i)
