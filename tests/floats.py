"""Floats for Hypothesis that are hard to sum, and ways to look at their bits."""

import math
import struct
import sys

from hypothesis import strategies as st

DBL_MAX = sys.float_info.max
TINY = 5e-324  # the least subnormal


def from_bits(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def to_bits(x: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", x))[0])


def same(a: float, b: float) -> bool:
    """Equal in every bit, but that all NaNs are alike."""
    return math.isnan(a) and math.isnan(b) if a != a or b != b else identical(a, b)


def identical(a: float, b: float) -> bool:
    return to_bits(a) == to_bits(b)


# Every bit pattern: NaNs with payloads, infinities and subnormals included.
any_float = st.integers(0, 2**64 - 1).map(from_bits)

finite_float = any_float.filter(math.isfinite)

# Few exponents, so that terms overlap, cancel and carry.
near_float = st.builds(
    math.ldexp, st.integers(-(2**53), 2**53).map(float), st.integers(-60, 60)
)

edge_float = st.sampled_from(
    [0.0, 1.0, TINY, sys.float_info.min, DBL_MAX, 2.0**1023, 2.0**970, 2.0**53]
).flatmap(lambda x: st.sampled_from([x, -x, math.nextafter(x, 0)]))

summand = finite_float | near_float | edge_float


@st.composite
def cancelling_floats(draw: st.DrawFn) -> list[float]:
    """Lists most of whose terms cancel, in any order."""
    terms = draw(st.lists(summand, max_size=12))
    kept = draw(st.integers(0, len(terms)))
    return draw(st.permutations(terms + [-x for x in terms[:kept]]))


float_lists = st.lists(summand, max_size=40) | cancelling_floats()
