"""The caller's floating-point environment changes no sum, and is left alone.

Rounding mode, flush-to-zero and denormals-are-zero are set for the thread, as
other libraries do behind their users' backs, while memopt sums.
"""

import ctypes
import ctypes.util
import math
import platform
import random
import sys
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from floats import DBL_MAX, TINY, identical
from reference import any_sum, encode_state, exact_sum
from summands import FAMILIES

from memopt import ExactSum, FloatMatrix, _memopt, fsum

X86_64 = platform.machine().lower() in ("x86_64", "amd64")

# Bits of MXCSR, the control and status register of SSE arithmetic.
FTZ, DAZ, ROUND_SHIFT, STATUS = 0x8000, 0x0040, 13, 0x3F
DEFAULT_ROUNDING, DOWN, UP, TOWARDS_ZERO = range(4)

MODES = {
    "down": DOWN << ROUND_SHIFT,
    "up": UP << ROUND_SHIFT,
    "towards zero": TOWARDS_ZERO << ROUND_SHIFT,
    "flush to zero": FTZ,
    "denormals are zero": DAZ,
    "all at once": UP << ROUND_SHIFT | FTZ | DAZ,
}


class GlibcEnvironment:
    """MXCSR through fegetenv and fesetenv: the last word of glibc's fenv_t."""

    def __init__(self) -> None:
        self.libm = ctypes.CDLL(ctypes.util.find_library("m"))

    def get(self) -> int:
        environment = (ctypes.c_uint32 * 8)()
        assert self.libm.fegetenv(environment) == 0
        return int(environment[7])

    def set(self, mxcsr: int) -> None:
        environment = (ctypes.c_uint32 * 8)()
        assert self.libm.fegetenv(environment) == 0
        environment[7] = mxcsr
        assert self.libm.fesetenv(environment) == 0


class WindowsEnvironment:
    """The same bits through _controlfp, which has names of its own for them."""

    MCW_DN, MCW_RC, DN_FLUSH = 0x03000000, 0x00000300, 0x01000000

    def __init__(self) -> None:
        self.controlfp: Any = ctypes.CDLL("ucrtbase")._controlfp
        self.controlfp.restype = ctypes.c_uint

    def get(self) -> int:
        word = self.controlfp(0, 0)
        flush = FTZ | DAZ if word & self.MCW_DN == self.DN_FLUSH else 0
        return int((word & self.MCW_RC) >> 8 << ROUND_SHIFT | flush)

    def set(self, mxcsr: int) -> None:
        word = (mxcsr >> ROUND_SHIFT & 3) << 8
        if mxcsr & (FTZ | DAZ):
            word |= self.DN_FLUSH
        self.controlfp(word, self.MCW_RC | self.MCW_DN)


@pytest.fixture
def environment() -> Iterator[Any]:
    if not X86_64:
        pytest.skip("knows only how to set the x86-64 control register")
    if sys.platform == "win32":
        registers: Any = WindowsEnvironment()
    elif platform.libc_ver()[0] == "glibc":
        registers = GlibcEnvironment()
    else:
        pytest.skip("knows only the fenv_t of glibc and _controlfp of Windows")
    before = registers.get()
    yield registers
    registers.set(before)


def in_mode(environment: Any, mode: str, act: Callable[[], Any]) -> Any:
    """act() with the mode set, which must be the same afterwards."""
    before = environment.get()
    environment.set(before | MODES[mode])
    try:
        changed = environment.get()
        result = act()
        after = environment.get()
    finally:
        environment.set(before)
    assert changed & ~STATUS != before & ~STATUS, "the mode was not set"
    assert after & ~STATUS == changed & ~STATUS
    return result


# One that every rounding mode gets differently, one of subnormals only.
SUMS = {
    "inexact": [0.1, 0.2, 0.3, 1e16, -7e-17],
    "negative": [-0.1, -0.2, -0.3, -1e16],
    "tie": [1.0, 2.0**-53],
    "subnormal": [TINY, 3 * TINY, -TINY, sys.float_info.min, TINY * 2**40],
    "greatest": [DBL_MAX, 2.0**969, 2.0**968],
    "overflow": [DBL_MAX, 2.0**970],
    "just below overflow": [DBL_MAX, 2.0**970, -TINY],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SUMS)
def test_mode_changes_no_sum(environment: Any, name: str, mode: str) -> None:
    values = SUMS[name]
    singles = array("f", [2.0**-149, 2.0**-126, -(2.0**-140), 1.5])
    big_endian: Any = ctypes.c_double.__ctype_be__
    foreign = (big_endian * len(values))(*values)
    integers = [2**53 + 1, -(2**70), 2**200 + 1, 3]
    expected = exact_sum(values)

    def act() -> list[Any]:
        total = ExactSum()
        for x in values:
            total.add(x)
        merged = ExactSum(values[:2]) + ExactSum(values[2:])
        return [
            *(fsum(values), fsum(array("d", values)), fsum([values]), fsum(foreign)),
            *(total.value, merged.value, merged.mean, float(total)),
            *(fsum(singles), fsum(integers), fsum(map(float, range(5)))),
            total == merged,
        ]

    results = in_mode(environment, mode, act)
    mean = ExactSum(values).mean
    assert all(identical(x, expected) for x in results[:6])
    assert identical(results[6], mean)
    assert identical(results[7], expected)
    assert identical(results[8], exact_sum(singles))
    assert identical(results[9], exact_sum(integers))
    assert results[10:] == [10.0, True]


@pytest.fixture(scope="module")
def inputs() -> list[tuple[Any, float]]:
    """Arrays and their sums: long enough for each way to sum, and for threads."""
    draw = random.Random(1)
    families = [FAMILIES[name] for name in ("normal", "subnormals", "spread over 150")]
    arrays = [array("d", family(draw, 3 * 49152)) for family in families]
    singles = array("f", [x * 2.0**-126 for x in FAMILIES["uniform"](draw, 5000)])
    return [(values, any_sum(values)) for values in (*arrays, singles)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("isa", _memopt._isas())
def test_mode_changes_no_kernel(
    environment: Any, inputs: list[tuple[Any, float]], isa: str, mode: str
) -> None:
    arrays = [values for values, _ in inputs[:-1]]
    rows = [FloatMatrix([values[:700].tolist()] * 9) for values in arrays]
    previous = _memopt._set_isa(isa)

    def act() -> list[float]:
        sums = [fsum(values) for values, _ in inputs]
        # Threads inherit the mode.
        sums += [fsum(values, threads=3) for values in arrays]
        for m in rows:
            sums += [*m.sum(axis=0), *m.sum(axis=1), *m.T.sum(axis=0), m.mean()]
            sums += [*m.sum(axis=0, skipna=True), m.sum(where=[[True]], initial=0.1)]
        return [*sums, fsum(arrays[0].tolist())]

    expected = act()
    results = in_mode(environment, mode, act)
    _memopt._set_isa(previous)
    assert all(map(identical, results, expected))
    sums = [total for _, total in inputs]
    assert all(map(identical, expected, [*sums, *sums[:-1]]))


@pytest.mark.parametrize("mode", MODES)
def test_mode_changes_no_mean(environment: Any, mode: str) -> None:
    thirds = [ExactSum(), ExactSum(), ExactSum()]
    for total, units in zip(thirds, (1, -5, 2**1074), strict=True):
        total.__setstate__(encode_state(units, 3))
    expected = [0.0, -2 * TINY, 1 / 3]
    results = in_mode(environment, mode, lambda: [total.mean for total in thirds])
    assert all(map(identical, results, expected))


def test_the_modes_do_what_they_say(environment: Any) -> None:
    one, tiny, least = 1.0, 2.0**-60, sys.float_info.min
    assert in_mode(environment, "up", lambda: one + tiny) > 1.0
    assert in_mode(environment, "down", lambda: one - tiny) < 1.0
    assert in_mode(environment, "towards zero", lambda: one - tiny) < 1.0
    assert in_mode(environment, "flush to zero", lambda: least * 0.5) == 0.0
    assert in_mode(environment, "denormals are zero", lambda: TINY * 2.0**100) == 0.0
    assert math.isclose(least * 0.5, 2.0**-1023)
