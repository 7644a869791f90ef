"""The exact accumulator: each bit of it, its carries, its rounding, its limits.

It is looked into through the state that ExactSum pickles, which holds the whole
fixed-point number, and set to any number through the same door.
"""

import math
import random
import sys
from fractions import Fraction

import pytest
from floats import DBL_MAX, TINY, float_lists, from_bits, identical
from hypothesis import given
from hypothesis import strategies as st
from reference import UNIT, decode_state, encode_state, round_fraction, units_of

from memopt import ExactSum

# A sum is in [-LIMIT, LIMIT): 61 bits of the top chunk, and 66 chunks below.
LIMIT = 2 ** (66 * 32 + 61)
DBL_MAX_UNITS = units_of([DBL_MAX])


def state_of(total: ExactSum) -> bytes:
    state = total.__reduce__()[1][0]
    assert isinstance(state, bytes)
    return state


def units_in(total: ExactSum) -> int:
    return decode_state(state_of(total))[0]


def holding(units: int, count: int = 1) -> ExactSum:
    """An ExactSum set to units * 2**-1074."""
    total = ExactSum()
    total.__setstate__(encode_state(units, count))
    return total


@given(float_lists)
def test_holds_the_exact_sum(values: list[float]) -> None:
    total = ExactSum(values)
    assert units_in(total) == units_of(values)
    for x in values:
        total.add(x)
    assert units_in(total) == 2 * units_of(values)


def test_every_power_of_two_has_its_place() -> None:
    for position in range(2098):
        x = math.ldexp(1.0, position - 1074)
        assert units_in(ExactSum([x])) == 1 << position
        assert units_in(ExactSum([-x])) == -1 << position


@pytest.mark.parametrize("sign", [1, -1])
def test_carries_are_propagated_before_they_overflow(sign: int) -> None:
    # All mantissa bits set: the most that one addition can put into a chunk,
    # often enough to use up the headroom of 2046 additions twice.
    for exponent in [*range(1, 66), *range(2000, 2047)]:
        x = from_bits(exponent << 52 | (1 << 52) - 1) * sign
        one_by_one = ExactSum()
        for _ in range(4100):
            one_by_one.add(x)
        at_once = ExactSum([x] * 4100)
        assert units_in(at_once) == units_in(one_by_one) == 4100 * units_of([x])


def test_integers_carry_too() -> None:
    for x in (2**64 - 1, -(2**63), 2**63 - 1, -1):
        total = ExactSum([x] * 5000)
        assert units_in(total) == 5000 * x * 2**1074


def test_alternating_signs_leave_one_representation() -> None:
    values = [DBL_MAX, -1.0, TINY, -DBL_MAX, 1.0] * 2000
    random.Random(1).shuffle(values)
    assert state_of(ExactSum(values)) == encode_state(2000, 10_000)


# Sums at and around the places where rounding is decided: a 53-bit mantissa
# at any height, followed by nothing, one bit, a tie, or nearly one.
@st.composite
def units_near_ties(draw: st.DrawFn) -> int:
    mantissa = draw(st.integers(2**52, 2**53 - 1) | st.just(2**53 - 1))
    shift = draw(st.integers(0, 2111))
    half = 1 << shift >> 1
    tail = draw(
        st.sampled_from([0, 1, half - 1, half, half + 1, 2 * half - 1])
        | st.integers(0, max(0, 2 * half - 1))
    )
    return draw(st.sampled_from([1, -1])) * ((mantissa << shift) + tail)


any_units = st.integers(-LIMIT, LIMIT - 1) | units_near_ties()


@given(any_units)
def test_rounds_any_number_to_the_nearest_even(units: int) -> None:
    assert identical(holding(units).value, round_fraction(units * UNIT))


@pytest.mark.parametrize("mantissa", [2**52, 2**52 + 1, 2**53 - 2, 2**53 - 1])
def test_ties_and_their_neighbours(mantissa: int) -> None:
    for position in range(0, 2110, 3):
        for below in (-1, 0, 1):
            units = (2 * mantissa + 1 << position) + below
            for signed in (units, -units):
                expected = round_fraction(signed * UNIT)
                assert identical(holding(signed).value, expected)


@pytest.mark.parametrize(
    ("units", "value"),
    [
        (0, 0.0),
        (1, TINY),
        (-1, -TINY),
        (2**52 - 1, math.nextafter(sys.float_info.min, 0)),
        (2**52, sys.float_info.min),
        (DBL_MAX_UNITS, DBL_MAX),
        # Half an ulp above the greatest float is where infinity begins.
        (DBL_MAX_UNITS + (1 << 1074 + 970) - 1, DBL_MAX),
        (DBL_MAX_UNITS + (1 << 1074 + 970), math.inf),
        (-DBL_MAX_UNITS - (1 << 1074 + 970) + 1, -DBL_MAX),
        (-DBL_MAX_UNITS - (1 << 1074 + 970), -math.inf),
        (LIMIT - 1, math.inf),
        (-LIMIT, -math.inf),
    ],
    ids=lambda parameter: "" if isinstance(parameter, int) else str(parameter),
)
def test_rounding_at_the_ends(units: int, value: float) -> None:
    assert identical(holding(units).value, value)


# Divisors of one digit, of two, of all 63 bits, and about the places between.
counts = st.integers(1, 2**63 - 1) | st.sampled_from(
    [1, 2, 3, 10, 2**32 - 1, 2**32, 2**32 + 1, 2**53, 2**62, 2**63 - 1]
)


@given(any_units, counts)
def test_mean_of_any_number_is_rounded_once(units: int, count: int) -> None:
    expected = round_fraction(Fraction(units, count) * UNIT)
    assert identical(holding(units, count).mean, expected)


@given(st.integers(-(2**70), 2**70), counts)
def test_subnormal_means(units: int, count: int) -> None:
    expected = round_fraction(Fraction(units, count) * UNIT)
    assert identical(holding(units, count).mean, expected)


@given(units_near_ties().filter(lambda u: abs(u) < 2**2030), counts)
def test_means_that_are_nearly_ties(quotient: int, count: int) -> None:
    # (quotient * count + nudge) / count lies within 1 / count of the tie.
    for nudge in (-1, 0, 1):
        units = quotient * count + nudge
        expected = round_fraction(Fraction(units, count) * UNIT)
        assert identical(holding(units, count).mean, expected)


@pytest.mark.parametrize("count", [2, 3, 2**32 - 1, 2**32, 2**32 + 2, 2**63 - 2])
def test_subnormal_means_beside_ties(count: int) -> None:
    # Where only the last digits of the quotient tell which side it is on.
    for odd in (1, 3, 2**20 + 1, 2**53 - 1):
        tie = odd * count // 2  # units, half way between odd//2 and odd//2 + 1
        for units in (tie - 1, tie, tie + 1):
            for signed in (units, -units):
                expected = round_fraction(Fraction(signed, count) * UNIT)
                assert identical(holding(signed, count).mean, expected)


@pytest.mark.parametrize("count", [2, 3, 2**32 - 1, 2**32, 2**63 - 1])
def test_mean_of_the_least_number_keeps_its_sign(count: int) -> None:
    assert identical(holding(1, count).mean, 0.0)
    assert identical(holding(-1, count).mean, -0.0)
    assert identical(holding(0, count).mean, 0.0)


def test_mean_of_large_counts_made_by_merging() -> None:
    total = ExactSum([0.1, 1e300, -1e300])
    for _ in range(40):
        total += total
    assert total.count == 3 * 2**40
    assert identical(total.mean, float(Fraction(0.1) / 3))


@given(any_units, any_units)
def test_adds_and_subtracts_like_integers(a: int, b: int) -> None:
    for operation in ("__add__", "__sub__"):
        expected = getattr(a, operation)(b)
        left, right = holding(a), holding(b)
        if -LIMIT <= expected < LIMIT:
            assert units_in(getattr(left, operation)(right)) == expected
        else:
            with pytest.raises(OverflowError, match=r"2\*\*75 times"):
                getattr(left, operation)(right)
        assert (units_in(left), units_in(right)) == (a, b)


def test_doubling_stops_before_the_top_overflows() -> None:
    # Counts cancel, so only the bound on the sum can end this.
    total = ExactSum([DBL_MAX]) - ExactSum([-DBL_MAX])
    for _ in range(74):
        total += total
    with pytest.raises(
        OverflowError, match=r"exact sum exceeds 2\*\*75 times the greatest float"
    ):
        total += total
    assert units_in(total) == DBL_MAX_UNITS << 75
    total -= total
    assert total == ExactSum()


def test_adding_at_the_limit_stays_exact() -> None:
    total = holding(LIMIT - 1)
    total.update([DBL_MAX] * 3 + [-DBL_MAX] * 3)
    with pytest.raises(OverflowError):
        total.update([DBL_MAX] * 100)
    total.update([-DBL_MAX] * 100)
    assert units_in(total) == LIMIT - 1 - 100 * DBL_MAX_UNITS
