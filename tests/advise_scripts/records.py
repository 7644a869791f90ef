"""Records of one shape, as a JSON reader makes them: keys and values repeat."""

import sys

import memopt

N = int(sys.argv[1])
pool = memopt.InternPool()


def keep(text: str, name: str) -> str:
    return pool.intern(text) if "swapped" in sys.argv or name in sys.argv else text


def record(i: int) -> dict[str, object]:
    city, size = (keep(key.decode(), "keys") for key in (b"key city", b"key size"))
    return {city: keep(f"city number {i % 10}", "city"), size: i + 1000}


records = [record(i) for i in range(N)]
del record

settings = {"host": "localhost", "port": 8080, "name": "the only one"}
