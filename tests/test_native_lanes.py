"""The loops for every instruction set give what Python gives, in whole blocks."""

import array
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from native_oracle import (
    BINARY,
    OF_SMALL,
    any_length_is_native,
    exactly,
    outcome,
)

from memopt import LazyMap, _memopt


def usable(name: str) -> bool:
    try:
        old = _memopt._set_operations(name)
    except ValueError:
        return False
    _memopt._set_operations(old)
    return True


ISAS = [name for name in ("avx512", "avx2", "baseline") if usable(name)]
UNARY = ["-x", "+x", "~x", "not x", "abs(x)"]

INTS = [s * e + d for e in (0, 3, 2**31, 2**53, 2**62) for s in (1, -1) for d in (0, 1)]
INTS += [-(2**63), 2**63 - 1]
FLOATS = [0.0, 0.5, 1.5, 2.5, 0.1, 1e308, 1e-320, 2.0**53, math.inf, -math.inf, -2.5]
FLOATS += [-0.0, math.nan, 0.49999999999999994, 2.0**63, -(2.0**63)]
SMALL = [0, 1, 2, 5, 62, 63]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    previous = _memopt._set_operations(request.param)
    with any_length_is_native():
        yield request.param
    assert _memopt._set_operations(previous) == request.param


def compiled(text: str) -> Callable[..., Any]:
    """A function of its own each time, whose program is of this instruction set."""
    f: Callable[..., Any] = eval(text)
    return f


def results(f: Callable[..., Any], *sources: Any) -> None:
    """Compared one item at a time, and by blocks that begin anywhere."""
    length = len(sources[0])
    want = [
        outcome(lambda items=items: f(*items)) for items in zip(*sources, strict=True)
    ]
    good = [i for i in range(length) if want[i][0] not in FAILURES]
    for chosen in (good, good[1:], [i for i in good if is_tame(sources, i)] * 3):
        picked = [[source[i] for i in chosen] for source in sources]
        got = LazyMap(f, *picked).to_list()
        assert [exactly(value) for value in got] == [want[i] for i in chosen]


FAILURES = (TypeError, ValueError, OverflowError, ZeroDivisionError)


def is_tame(sources: Any, i: int) -> bool:
    """That no operation on these needs more than 64 bits, or a call."""
    return all(-(2**31) < source[i] < 2**31 for source in sources)


@pytest.mark.parametrize("symbol", [*BINARY, *OF_SMALL])
def test_two_operands(isa: str, symbol: str) -> None:
    rights = [SMALL] if symbol in OF_SMALL else [INTS, FLOATS]
    for left, right in itertools.product([INTS, FLOATS], rights):
        pairs = list(itertools.product(left, right))
        f = compiled(f"lambda x, y: x {symbol} y")
        results(f, [a for a, _ in pairs], [b for _, b in pairs])


@pytest.mark.parametrize("text", UNARY)
def test_one_operand(isa: str, text: str) -> None:
    for source in INTS, FLOATS:
        results(abs if "abs" in text else compiled(f"lambda x: {text}"), source * 5)


def test_products_up_to_64_bits(isa: str) -> None:
    f = compiled("lambda x, y: x * y")
    for bits in range(64):
        a = [s * 2**bits + d for s in (1, -1) for d in (-1, 0, 1)]
        for other in range(63 - bits, 65 - bits):
            b = [s * 2 ** max(0, other) for s in (1, -1)]
            pairs = list(itertools.product(a, b)) * 5
            got = LazyMap(f, [x for x, _ in pairs], [y for _, y in pairs]).to_list()
            assert got == [x * y for x, y in pairs]


def test_results_are_the_same_bits(isa: str) -> None:
    """As the baseline's, where they are rounded, fused or not."""
    numbers = array.array("d", [(i * 0.1 - 70) ** 3 / 7 for i in range(1500)])
    text = "lambda x: (x * x + 1.1) * x / (x - 0.3) - x * 3.3 + 2 // 1"
    here = LazyMap(compiled(text), numbers)
    assert here.native
    assert (
        here.to_array().tobytes()
        == array.array("d", [here[i] for i in range(len(numbers))]).tobytes()
    )


@pytest.mark.parametrize("step", [1, -3, 2**40, -(2**58)])
def test_ranges_and_sums(isa: str, step: int) -> None:
    for length in (1, 7, 8, 9, 31, 511, 512, 513, 1100):
        for start in (0, 5 - 2**63 if step > 0 else 2**63 - 5):
            numbers = range(start, start + length * step, step)
            fitting = sum(-(2**63) <= x < 2**63 - abs(step) for x in numbers)
            numbers = numbers[:fitting]
            lazy = LazyMap(compiled("lambda x: x ^ 1"), numbers)
            assert lazy.to_list() == [x ^ 1 for x in numbers]
            assert lazy.sum() == sum(x ^ 1 for x in numbers)


def test_names() -> None:
    assert _memopt._set_operations("baseline") == ISAS[0]
    assert _memopt._set_operations(ISAS[0]) == "baseline"
    with pytest.raises(ValueError, match="no operations 'mmx' on this machine"):
        _memopt._set_operations("mmx")
    with pytest.raises(TypeError):
        _memopt._set_operations(b"baseline")  # type: ignore[arg-type]
