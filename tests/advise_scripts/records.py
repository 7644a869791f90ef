"""Records of one shape, as a JSON reader makes them: keys and values repeat."""

import sys

import memopt

N = int(sys.argv[1])
SWAPPED = "swapped" in sys.argv
keep = memopt.InternPool().intern if SWAPPED else (lambda text: text)


def record(i: int) -> dict[str, object]:
    city, size = (keep(name.decode()) for name in (b"key city", b"key size"))
    return {city: keep(f"city number {i % 10}"), size: i + 1000}


records = [record(i) for i in range(N)]
del record

settings = {"host": "localhost", "port": 8080, "name": "the only one"}
