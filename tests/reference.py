"""What memopt must agree with, in plain Python: slow, obvious, independent."""

import itertools
from collections.abc import Hashable, Iterable, Sequence
from fractions import Fraction
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


def exact_sum(values: Iterable[float]) -> float:
    """The infinitely precise sum of finite floats, rounded once.

    An overflow gives an infinity: unlike float(Fraction), which raises.
    """
    return round_fraction(sum(map(Fraction, values), Fraction(0)))


def round_fraction(number: Fraction) -> float:
    """The nearest float, ties to even; an infinity if that overflows."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


# The state that an ExactSum pickles, as src/exactsum/serial.h lays it out.
# The sum is an int here, in units of the least subnormal, 2**-1074.
STATE_VERSION = 1
STATE_SIZE = 290
STATE_NAN, STATE_PLUS_INF, STATE_MINUS_INF = 1, 2, 4
UNIT = Fraction(1, 2**1074)


def fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a hash of Fowler, Noll and Vo."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def encode_state(units: int, count: int = 0, flags: int = 0) -> bytes:
    """The state of an ExactSum that holds units * 2**-1074."""
    head = bytes([STATE_VERSION, flags]) + count.to_bytes(8, "little", signed=True)
    # 66 chunks of 32 bits and a signed top one: one two's complement integer.
    body = head + units.to_bytes(66 * 4 + 8, "little", signed=True)
    return body + fnv1a(body).to_bytes(8, "little")


def decode_state(state: bytes) -> tuple[int, int, int]:
    """(units, count, flags) of the state of an ExactSum."""
    body, check = state[:-8], state[-8:]
    assert len(state) == STATE_SIZE
    assert state[0] == STATE_VERSION
    assert fnv1a(body) == int.from_bytes(check, "little")
    count = int.from_bytes(state[2:10], "little", signed=True)
    units = int.from_bytes(body[10:], "little", signed=True)
    return units, count, state[1]


def units_of(values: Iterable[float]) -> int:
    """The exact sum of finite floats in units of 2**-1074."""
    total = sum(map(Fraction, values), Fraction(0)) / UNIT
    assert total.denominator == 1
    return total.numerator


class S3Fifo(Generic[Key]):
    """The S3-FIFO eviction policy (Yang et al., SOSP 2023) with an exact ghost."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.probation: list[Key] = []  # oldest first
        self.main: list[Key] = []
        self.visits: dict[Key, int] = {}  # of the residents, 0 to 3
        self.ghost: dict[Key, None] = {}  # lately evicted, oldest first

    def request(self, key: Key) -> bool:
        """Whether the key was resident; it is afterwards."""
        if key in self.visits:
            self.visits[key] = min(3, self.visits[key] + 1)
            return True
        queue = self.main if key in self.ghost else self.probation
        self.ghost.pop(key, None)
        while len(self.visits) >= self.capacity:
            self.evict()
        queue.append(key)
        self.visits[key] = 0
        return False

    def evict(self) -> None:
        for rotation in itertools.count():
            # One in ten residents, rounded up, is probation's share.
            on_probation = 10 * len(self.probation) >= len(self.visits)
            key = (self.probation if on_probation else self.main).pop(0)
            if self.visits[key] == 0 or rotation == 64:
                break
            self.visits[key] -= 1
            self.main.append(key)
        del self.visits[key]
        if on_probation:
            self.ghost[key] = None
            if len(self.ghost) > self.capacity:
                del self.ghost[next(iter(self.ghost))]

    def discard(self, key: Key) -> None:
        del self.visits[key]
        (self.probation if key in self.probation else self.main).remove(key)

    def resize(self, capacity: int) -> None:
        self.capacity = capacity
        self.ghost.clear()
        while len(self.visits) > capacity:
            self.evict()


def batches_of(values: Sequence[T], n: int) -> list[list[T]]:
    """The values in lists of n, the last of which may be shorter."""
    return [list(values[i : i + n]) for i in range(0, len(values), n)]


def float_units(x: float) -> int:
    """A finite float as an int, in units of the least subnormal."""
    numerator, denominator = x.as_integer_ratio()
    return numerator << (1075 - denominator.bit_length())


def round_units(units: int) -> float:
    return round_fraction(units * UNIT)


def special_sum(values: Iterable[float]) -> float | None:
    """The sum of floats that are not all finite; None if they are."""
    special = {repr(x) for x in values if x - x != 0.0}
    if not special:
        return None
    return float(special.pop()) if len(special) == 1 else float("nan")


def any_sum(values: Sequence[float]) -> float:
    """The sum of any floats as memopt defines it; for many of them, too."""
    special = special_sum(values)
    return round_units(sum(map(float_units, values))) if special is None else special
