"""Families of floats that are summed, as lists: what comes up, and what is hard."""

import math
import random
import struct
from collections.abc import Callable

from floats import DBL_MAX, TINY, from_bits

Family = Callable[[random.Random, int], list[float]]


def _scaled(draw: random.Random, low: int, high: int) -> float:
    """Full mantissas, any sign, any exponent in low..high."""
    return math.ldexp(draw.uniform(-1.0, 1.0), draw.randint(low, high))


def uniform(draw: random.Random, n: int) -> list[float]:
    return [draw.random() for _ in range(n)]


def normal(draw: random.Random, n: int) -> list[float]:
    return [draw.gauss(0.0, 1.0) for _ in range(n)]


def lognormal(draw: random.Random, n: int) -> list[float]:
    return [draw.lognormvariate(0.0, 2.0) for _ in range(n)]


def ramp(draw: random.Random, n: int) -> list[float]:
    return [(i - 3) * 0.1 for i in range(n)]


def integers(draw: random.Random, n: int) -> list[float]:
    return [float(draw.randint(-(2**53), 2**53)) for _ in range(n)]


def subnormals(draw: random.Random, n: int) -> list[float]:
    return [draw.randint(-(2**52), 2**52) * TINY for _ in range(n)]


def greatest(draw: random.Random, n: int) -> list[float]:
    """Near DBL_MAX: the sum overflows on the way, and may come back."""
    return [draw.choice((DBL_MAX, -DBL_MAX, 2.0**1023, -1e308)) for _ in range(n)]


def cancelling(draw: random.Random, n: int) -> list[float]:
    """Nothing is left but one tiny term, in no order."""
    half = [_scaled(draw, -40, 40) for _ in range(n // 2)]
    values = half + [-x for x in half] + [2.0**-60] * (n % 2)
    draw.shuffle(values)
    return values


def ties(draw: random.Random, n: int) -> list[float]:
    """Halfway between two floats, or the least bit beside it."""
    values = [1.0, 2.0**-53, draw.choice((0.0, TINY, -TINY))][:n]
    values += [0.0] * (n - len(values))
    draw.shuffle(values)
    return values


def spread(bits: int) -> Family:
    """Exponents spread over so many powers of two."""

    def values(draw: random.Random, n: int) -> list[float]:
        return [_scaled(draw, -bits // 2, bits // 2) for _ in range(n)]

    return values


def drifting(draw: random.Random, n: int) -> list[float]:
    """Small ones first, of which a window is guessed, then ever larger ones."""
    return [math.ldexp(draw.random() + 0.5, i // 8 % 1000) for i in range(n)]


def excursion(draw: random.Random, n: int) -> list[float]:
    """Far out of any window and back at once."""
    values = uniform(draw, n)
    for i in range(16, n - 16, 61):
        values[i], values[i + 16] = 2.0**60, -(2.0**60)
    return values


def bit_patterns(draw: random.Random, n: int) -> list[float]:
    """Any finite double."""
    values = (from_bits(draw.getrandbits(64)) for _ in range(2 * n + 100))
    return [x for x in values if math.isfinite(x)][:n]


def zeros(draw: random.Random, n: int) -> list[float]:
    return [draw.choice((0.0, -0.0)) for _ in range(n)]


def one_special(draw: random.Random, n: int) -> list[float]:
    """Infinities or NaNs with payloads among ordinary numbers."""
    values = normal(draw, n)
    signalling, payload = from_bits(0x7FF0000000000001), from_bits(0xFFF8DEADBEEF0001)
    kinds = ([math.inf], [-math.inf], [math.nan], [signalling], [payload])
    kind = draw.choice([*kinds, [math.inf, -math.inf]])
    for i, x in zip(draw.sample(range(n), min(n, len(kind))), kind, strict=False):
        values[i] = x
    return values


FAMILIES: dict[str, Family] = {
    "uniform": uniform,
    "normal": normal,
    "lognormal": lognormal,
    "ramp": ramp,
    "integers": integers,
    "subnormals": subnormals,
    "greatest": greatest,
    "cancelling": cancelling,
    "ties": ties,
    "spread over 60": spread(60),
    "spread over 150": spread(150),
    "spread over 600": spread(600),
    "drifting": drifting,
    "excursion": excursion,
    "bit patterns": bit_patterns,
    "zeros": zeros,
    "one special": one_special,
}


def singles(values: list[float]) -> list[float]:
    """Each as a float32 holds it; infinite if too large."""

    def single(x: float) -> float:
        try:
            return float(struct.unpack("f", struct.pack("f", x))[0])
        except OverflowError:
            return math.copysign(math.inf, x)

    return [single(x) for x in values]
