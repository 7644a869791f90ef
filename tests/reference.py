"""What memopt must agree with, in plain Python: slow, obvious, independent."""

from collections.abc import Iterable
from fractions import Fraction


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
