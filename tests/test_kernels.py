"""Every kernel of this machine, on everything that is hard to sum.

A kernel proves each block that it sums; the tests hold it to exact integers.
"""

import itertools
import math
import platform
import random
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from floats import any_float, from_bits, near_float, same, summand
from hypothesis import given
from hypothesis import strategies as st
from reference import any_sum, float_units, round_units, special_sum
from summands import FAMILIES, Family, singles, spread, uniform

from memopt import ExactSum, FloatMatrix, _memopt, fsum

ISAS = _memopt._isas()
PORTABLE = "portable"  # integers alone, in the place of a kernel
KERNELS = [name for name in ISAS if name != PORTABLE]
BLOCK = 24576  # doubles that are summed at once
LEVELS = range(2, 6)


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    previous = _memopt._set_isa(request.param)
    yield request.param
    assert _memopt._set_isa(previous) == request.param


def rungs_used(before: tuple[int, ...]) -> set[int]:
    """Which steps have summed since: 0 for the accumulator, else levels."""
    after = _memopt._sum_steps()[:-1]
    return {i for i, n in enumerate(after) if n > before[i]}


# --- the choice of a kernel -------------------------------------------------


def usable_on_linux() -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((x for x in lines if x.startswith("flags")), "").split()
    names = [("avx512", {"avx512f", "avx512dq"}), ("avx2", {"avx2", "fma"})]
    found = [name for name, needed in names if needed <= set(flags)]
    baseline = platform.machine().lower() in ("x86_64", "amd64", "aarch64", "arm64")
    return found + ["baseline"] * baseline + [PORTABLE]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what the CPU can do")
def test_no_kernel_that_the_processor_can_use_is_missing() -> None:
    assert list(ISAS) == usable_on_linux()


def test_the_best_kernel_is_chosen_at_import() -> None:
    assert _memopt._set_isa(ISAS[0]) == ISAS[0]
    assert ISAS[-1] == PORTABLE
    assert len(set(ISAS)) == len(ISAS)


def test_other_kernels_are_refused() -> None:
    for name in ("", "AVX2", "sse9"):
        with pytest.raises(ValueError, match=r"^no kernel .* on this machine$"):
            _memopt._set_isa(name)
    with pytest.raises(TypeError):
        _memopt._set_isa(b"baseline")  # type: ignore[arg-type]
    assert _memopt._set_isa(ISAS[0]) == ISAS[0]


def test_bytes_ahead_are_an_int() -> None:
    with pytest.raises(TypeError):
        _memopt._set_ahead("2048")  # type: ignore[arg-type]


# --- whole sums -------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_length_up_to_300(isa: str, family: Family) -> None:
    draw = random.Random(1)
    values = array("d", family(draw, 300))
    memory = memoryview(values)
    doubled = array("d", [x for x in values for _ in "ab"])
    units = 0
    matrix = FloatMatrix([values])
    for n in range(301):
        special = special_sum(values[:n])
        expected = round_units(units) if special is None else special
        assert same(fsum(memory[:n]), expected), n
        assert same(matrix[:, :n].sum(), expected), n
        assert same(fsum(memoryview(doubled)[: 2 * n : 2]), expected), n
        if n < 300 and math.isfinite(values[n]):
            units += float_units(values[n])


@pytest.mark.parametrize("terms", [*itertools.permutations([2.0**53, 1.0, 2.0**-60])])
def test_a_tie_is_broken_in_any_order(isa: str, terms: tuple[float, ...]) -> None:
    assert FloatMatrix([terms]).sum() == fsum(array("d", terms)) == 2.0**53 + 2


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan, sys.float_info.max])
@pytest.mark.parametrize("at", range(3))
def test_few_that_are_not_all_finite(isa: str, odd: float, at: int) -> None:
    terms = [1.0, sys.float_info.max, 2.0**-60]
    terms[at] = odd
    expected = special_sum(terms)
    if expected is None:
        expected = round_units(sum(map(float_units, terms)))
    assert same(FloatMatrix([terms]).sum(), expected)


@pytest.fixture
def each_isa() -> Iterator[Iterator[str]]:
    """All of them in turn, where the expected sums take long."""
    yield (name for name in ISAS if _memopt._set_isa(name))
    _memopt._set_isa(ISAS[0])


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_around_the_edges_of_blocks(each_isa: Iterator[str], family: Family) -> None:
    draw = random.Random(2)
    values = array("d", family(draw, 2 * BLOCK + 9))
    parts = []
    for edge in (1024, 2048, 4096, BLOCK, 2 * BLOCK):
        for n in (edge - 1, edge, edge + 1):
            start = draw.randrange(len(values) - n + 1)
            part = values[start : start + n]
            parts.append((part, any_sum(part)))
    for _ in each_isa:
        for part, expected in parts:
            assert same(fsum(part, threads=1), expected), len(part)
        assert same(fsum(values[::-1]), fsum(values))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_alignment_and_sign_of_stride(isa: str, family: Family) -> None:
    values = array("d", family(random.Random(3), 201))
    expected = any_sum(values)
    for offset in range(65):
        raw = bytearray(offset) + values.tobytes()
        memory = memoryview(raw)[offset:].cast("d")
        assert same(fsum(memory), expected)
        assert same(fsum(memory[::-1]), expected)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_singles(isa: str, family: Family) -> None:
    draw = random.Random(4)
    for n in (0, 1, 7, 16, 17, 63, 64, 65, 1000, BLOCK + 3):
        values = singles(family(draw, n))
        raw = bytearray(3) + array("f", values).tobytes()
        assert same(fsum(array("f", values)), any_sum(values)), n
        assert same(fsum(memoryview(raw)[3:].cast("f")), any_sum(values)), n


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_lists_and_iterators(isa: str, family: Family) -> None:
    values = family(random.Random(5), 9001)
    expected = any_sum(values)
    assert same(fsum(values), expected)
    assert same(fsum(iter(values)), expected)
    assert same(fsum([values[:77], tuple(values[77:5000]), values[5000:]]), expected)
    assert same(ExactSum(values).value, expected)
    assert same(FloatMatrix([values]).sum(), expected)


@given(st.lists(any_float, max_size=120), st.integers(0, 15))
def test_any_bit_patterns(values: list[float], zeros: int) -> None:
    padded = values + [0.0] * zeros
    expected = any_sum(values)
    try:
        for name in ISAS:
            _memopt._set_isa(name)
            assert same(fsum(array("d", padded)), expected)
            assert same(fsum(padded), expected)
    finally:
        _memopt._set_isa(ISAS[0])


@given(st.lists(summand, min_size=1, max_size=60), st.integers(1, 80))
def test_order_and_repetition(values: list[float], times: int) -> None:
    many = array("d", values * times)
    expected = round_units(sum(map(float_units, values)) * times)
    reordered = array("d", sorted(many, key=lambda x: hash(x) % 1009))
    try:
        for name in ISAS:
            _memopt._set_isa(name)
            assert same(fsum(many), expected)
            assert same(fsum(reordered), expected)
    finally:
        _memopt._set_isa(ISAS[0])


# --- the steps of the ladder ------------------------------------------------


@pytest.mark.parametrize("name", ["uniform", "normal", "lognormal", "ramp"])
def test_two_levels_take_ordinary_data(isa: str, name: str) -> None:
    values = array("d", FAMILIES[name](random.Random(6), 2 * BLOCK))
    before = _memopt._sum_steps()
    assert fsum(values) == math.fsum(values)
    assert rungs_used(before) == ({0} if isa == PORTABLE else {2})


def test_one_level_takes_ordinary_singles(isa: str) -> None:
    values = array("f", uniform(random.Random(7), 2 * BLOCK))
    before = _memopt._sum_steps()
    assert fsum(values) == math.fsum(values)
    assert rungs_used(before) == ({0} if isa == PORTABLE else {1})


def test_each_step_is_taken_where_the_one_before_fails(isa: str) -> None:
    draw = random.Random(8)
    used = set()
    for bits in range(0, 201, 10):
        before = _memopt._sum_steps()
        values = array("d", spread(bits)(draw, 500))
        assert fsum(values) == math.fsum(values)
        used |= rungs_used(before)
    assert used == ({0} if isa == PORTABLE else {0, 2, 3, 4, 5})


def test_fewer_levels_are_tried_again(isa: str) -> None:
    draw = random.Random(9)
    hard, easy = spread(600)(draw, BLOCK), uniform(draw, BLOCK)
    values = array("d", hard + easy * 40)
    before = _memopt._sum_steps()
    assert fsum(values, threads=1) == math.fsum(values)
    after = _memopt._sum_steps()
    assert after[2] - before[2] > 20 or isa == PORTABLE


# --- one attempt ------------------------------------------------------------


def check_attempt(name: str, levels: int, top: int, values: list[float]) -> bool:
    """Whether the attempt was sure of its sum, which must be exact then."""
    result = _memopt._sum_attempt(name, levels, top, array("d", values))
    if result is None:
        return False
    assert all(map(math.isfinite, values))
    expected = ExactSum()
    for x in values:
        expected.add(x)
    assert result == expected
    return True


@given(
    st.lists(any_float | near_float, max_size=70),
    st.sampled_from(KERNELS),
    st.sampled_from(LEVELS),
    st.integers(-1074, 1024),
)
def test_an_attempt_is_exact_or_not_sure(
    values: list[float], name: str, levels: int, top: int
) -> None:
    check_attempt(name, levels, top, values)


@given(
    st.lists(st.integers(-(2**53), 2**53), max_size=90),
    st.lists(st.integers(-70, 30), min_size=1, max_size=90),
    st.sampled_from(KERNELS),
    st.sampled_from(LEVELS),
    st.integers(-1000, 1000),
    st.integers(-40, 40),
)
def test_an_attempt_around_its_window(
    mantissas: list[int],
    exponents: list[int],
    name: str,
    levels: int,
    scale: int,
    off: int,
) -> None:
    """Sums that nearly leave the window, or leave it and come back."""
    values = [
        math.ldexp(m, scale - 53 + exponents[i % len(exponents)])
        for i, m in enumerate(mantissas)
        if scale + exponents[i % len(exponents)] < 1023
    ]
    check_attempt(name, levels, max(-1074, min(1024, scale + off)), values)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("levels", LEVELS)
def test_attempts_that_must_not_be_sure(name: str, levels: int) -> None:
    plenty = [1.0] * 5000
    for bad in (
        [math.nan],
        [math.inf],
        [-math.inf],
        [math.inf, -math.inf],
        [from_bits(0x7FF0000000000001)],
        [*plenty, math.nan],
        [*plenty, math.inf, *plenty],
        [2.0**1023] * 4000,
        spread(600)(random.Random(11), 1000),
    ):
        assert not check_attempt(name, levels, 1, bad)
    for step in (1, 2, 4, 8, 16, 32):
        # Each lane leaves its window upwards or downwards, and comes back.
        away = [2.0**70] * step + [0.5] * step + [-(2.0**70)] * step
        check_attempt(name, levels, 1, away)
        check_attempt(name, levels, 1, [-x for x in away])
        check_attempt(name, levels, 1, away * 40)


@pytest.mark.parametrize("name", KERNELS)
def test_attempts_at_the_ends_of_the_range(name: str) -> None:
    draw = random.Random(10)
    for top in (-1074, -1073, -1060, -1030, -1022, -1000, 1000, 1012, 1020, 1024):
        sure = False
        for levels in LEVELS:
            values = [
                math.ldexp(draw.randint(-(2**53), 2**53), top - 53) for _ in range(300)
            ]
            values = [x for x in values if math.isfinite(x)]
            sure |= check_attempt(name, levels, top, values)
        assert sure or top > 1012


def test_attempts_that_there_are_not() -> None:
    with pytest.raises(ValueError, match=r"^no such attempt$"):
        _memopt._sum_attempt(PORTABLE, 2, 0, b"")
    for levels in (-1, 0, 1, 6):
        with pytest.raises(ValueError, match=r"^no such attempt$"):
            _memopt._sum_attempt(ISAS[0], levels, 0, b"")
    with pytest.raises(ValueError, match=r"^no such attempt$"):
        _memopt._sum_attempt(ISAS[0], 2, 0, bytes(8 * BLOCK + 8))
    with pytest.raises(ValueError, match=r"^no kernel"):
        _memopt._sum_attempt("none", 2, 0, b"")
