"""A list of repeated strings, beside strings that repeat nothing."""

import sys

import memopt

N = int(sys.argv[1])
SWAPPED = "swapped" in sys.argv
keep = memopt.InternPool().intern if SWAPPED else str

repeated = [keep(f"Processing item {i % 100}") for i in range(N)]

once = "only one of it: " + str(N)
shared = [once] * N
second_way_to_it = [once, shared, repeated]
interned = [sys.intern(f"name {i % 100}") for i in range(N)]
single_letters = [chr(i % 200) for i in range(N)]
distinct = [f"distinct {i}" for i in range(1000)]
