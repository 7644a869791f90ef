"""Equal bytes objects, beside shared and distinct ones."""

import sys

N = int(sys.argv[1])
SWAPPED = "swapped" in sys.argv
seen: dict[bytes, bytes] = {}


def blob(i: int) -> bytes:
    made = b"some header, number %d" % (i % 50)
    return seen.setdefault(made, made) if SWAPPED else made


blobs = [blob(i) for i in range(N)]

shared = [b"one object of them"] * 100
distinct = [b"number %d" % i for i in range(100)]
single = [bytes([i % 256]) for i in range(1000)]
