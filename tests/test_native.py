"""Arithmetic without calls gives what the list comprehension gives."""

import math
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_oracle import (
    any_length_is_native,
    exactly,
    one_by_one,
    outcome,
    past_errors,
    read,
)

from memopt import LazyMap


@pytest.fixture(autouse=True, scope="module")
def _any_length() -> Any:
    with any_length_is_native():
        yield


class MyInt(int):
    pass


class MyFloat(float):
    pass


# --- Random functions ---------------------------------------------------------------

EDGES = [0, 1, 2, 3, 7, 53, 63, 64, 2**31, 2**32, 2**53, 2**62, 2**63, 2**64, 10**30]
INTEGERS = st.sampled_from([s * e + d for e in EDGES for s in (1, -1) for d in (-1, 0)])
INTEGERS |= st.integers(-20, 20) | st.integers(-(2**70), 2**70)
FLOATS = st.sampled_from(
    [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 1e308, -1e308, 1e-320, 2.0**53, 2.0**63]
    + [math.inf, -math.inf, math.nan, 0.1, -(2.0**63), 1e22]
)
FLOATS |= st.floats()
SMALL = st.integers(-3, 70)

BINARY = ["+", "-", "*", "/", "//", "%", "&", "|", "^", "<", "<=", "==", "!=", ">=", ">"]


def literal(value: float) -> str:
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        return {"inf": "1e999", "-inf": "(-1e999)", "nan": "(1e999-1e999)"}[text]
    return f"({text})" if text.startswith("-") else text


# Without much that is a TypeError, so that most functions compute something.
FLAVOURS = [
    (["+", "-", "*", "//", "%", "&", "|", "^", "<", "=="], ["-", "~", "+"], SMALL),
    (["+", "-", "*", "/", "//", "%", "<", ">="], ["-", "+", "not "], FLOATS),
    (["+", "-", "*", "/"], ["-"], SMALL | FLOATS),
    (BINARY, ["-", "+", "~", "not "], INTEGERS | FLOATS),
]


def expressions(names: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(FLAVOURS).flatmap(lambda way: in_flavour(names, *way))


def in_flavour(
    names: list[str], binary: list[str], unary: list[str], constants: Any
) -> st.SearchStrategy[str]:
    name = st.sampled_from(names)
    leaves = name | constants.map(literal) | name
    if "&" in binary:
        leaves |= st.builds(
            "({} {} {})".format,
            name,
            st.sampled_from(["**", "<<", ">>"]),
            SMALL.map(literal),
        )

    def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        two = st.builds("({} {} {})".format, inner, st.sampled_from(binary), inner)
        return two | two | st.builds("({}{})".format, st.sampled_from(unary), inner)

    return extend(st.recursive(leaves, extend, max_leaves=6))


def function(names: list[str]) -> st.SearchStrategy[Callable[..., Any]]:
    def compiled(text: str) -> Callable[..., Any]:
        f: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {text}")
        f.__qualname__ = text
        return f

    return expressions(names).map(compiled)


STRANGE = st.sampled_from(
    [True, False, MyInt(3), MyFloat(2.5), Fraction(1, 3), Decimal("1.5"), "text", None, 1j]
)
RANGES = st.builds(
    range,
    INTEGERS,
    INTEGERS,
    st.integers(-5, 5).filter(bool) | INTEGERS.filter(bool),
).map(lambda r: r[:60])
UNIFORM = st.lists(INTEGERS, max_size=60) | st.lists(FLOATS, max_size=60)
SMALL_LISTS = st.lists(st.integers(-9, 9), min_size=1, max_size=60)
MIXED = st.lists(INTEGERS | FLOATS | STRANGE, max_size=40)
# One stranger among many numbers: after whole blocks have gone through.
MOSTLY = st.builds(
    lambda numbers, i, x: numbers[:i] + [x] + numbers[i:],
    st.builds(lambda xs: xs * 40, SMALL_LISTS),
    st.integers(0, 1500),
    STRANGE | INTEGERS | FLOATS,
)
ORDINARY = st.builds(range, st.integers(-99, 99), st.integers(100, 300))
ORDINARY_FLOATS = st.lists(st.floats(-9, 9), min_size=1, max_size=60)
SOURCES = st.one_of(
    ORDINARY,
    ORDINARY_FLOATS,
    SMALL_LISTS,
    SMALL_LISTS.map(tuple),
    UNIFORM,
    RANGES,
    MIXED,
    MOSTLY,
)


# --- Every operation on every kind of edge ------------------------------------------------

EDGE_INTS = sorted(
    {s * e - d for e in (2, 2**31, 2**53, 2**63) for s in (1, -1) for d in (-1, 0, 1)}
    | {0, 7, -7, 64, 10**30}
)
EDGE_FLOATS = [0.0, 0.5, 1.5, 2.5, 3.0, 1e308, 1e-320, 2.0**53, 2.0**63, 0.1]
EDGE_FLOATS += [math.inf, 0.49999999999999994, 4503599627370497.5]
EDGE_FLOATS += [-x for x in EDGE_FLOATS] + [math.nan]
EDGE_NUMBERS: list[Any] = [*EDGE_INTS, *EDGE_FLOATS]


@pytest.mark.parametrize("symbol", BINARY)
def test_edges_of_two_operands(symbol: str) -> None:
    f = eval(f"lambda x, y: x {symbol} y")
    assert LazyMap(f, [1], [1]).native
    for a in EDGE_NUMBERS:
        for b in EDGE_NUMBERS:
            want = outcome(lambda a=a, b=b: [f(a, b)])
            assert outcome(LazyMap(f, [a], [b]).to_list) == want, (a, b)


@pytest.mark.parametrize("symbol", ["**", "<<", ">>"])
def test_edges_of_powers_and_shifts(symbol: str) -> None:
    f = eval(f"lambda x, y: x {symbol} y")
    assert LazyMap(f, [1], [1]).native
    for a in EDGE_NUMBERS:
        for b in [*range(-3, 70), 0.0, -1.0, 2.0, 0.5, math.inf, math.nan]:
            want = outcome(lambda a=a, b=b: [f(a, b)])
            assert outcome(LazyMap(f, [a], [b]).to_list) == want, (a, b)


UNARY = [
    *(eval(f"lambda x: {symbol} x") for symbol in ("-", "+", "~", "not")),
    *(abs, bool, float, int, round, math.ceil, math.fabs, math.floor, math.sqrt),
    *(math.trunc, operator.inv, operator.not_, (2).__add__, (2.5).__rsub__),
]


@pytest.mark.parametrize("f", UNARY)
def test_edges_of_one_operand(f: Any) -> None:
    assert LazyMap(f, [1]).native, LazyMap(f, [1]).native_reason
    for x in [*EDGE_NUMBERS, True, False]:
        assert outcome(LazyMap(f, [x]).to_list) == outcome(lambda x=x: [f(x)]), x


@pytest.mark.parametrize(
    "work",
    ["-2**31 - 1", "2**53 + 1", "-(2**53)", "2**62", "2**63 - 1", "-(2**63)", "2**63"],
)
def test_blocks_around_an_edge(work: str) -> None:
    edge = eval(work)
    source = [edge + d for d in range(-300, 300)]
    for f in (
        lambda x: x + 300,
        lambda x: x - 2**31,
        lambda x: x * 3,
        lambda x: x * -1,
        lambda x: x / 7,
        lambda x: x + 0.5,
        lambda x: x < 9007199254740992.0,
        lambda x: x << 1,
        lambda x: -x,
    ):
        for chosen in source, range(edge - 300, edge + 300), source[::-1]:
            lazy = LazyMap(f, chosen)
            assert lazy.native
            assert read(lazy) == read(f(x) for x in chosen)
            assert exactly(lazy.to_list()) == exactly([f(x) for x in chosen])


# --- Random functions on random sources ----------------------------------------------------


@given(function(["x"]), SOURCES)
def test_every_way_to_read(f: Callable[..., Any], source: Any) -> None:
    lazy = LazyMap(f, source)
    want = read(f(x) for x in source)
    assert read(lazy) == want
    assert outcome(lazy.to_list) == outcome(lambda: [f(x) for x in source])
    each = one_by_one(f, source)
    assert past_errors(iter(lazy), len(source)) == each
    assert past_errors(reversed(lazy), len(source)) == each[::-1]
    assert past_errors(iter(lazy[1::3]), len(source)) == each[1::3]
    assert read(lazy.map(lambda y: y)) == want
    assert outcome(lambda: sum(lazy)) == outcome(lambda: sum([f(x) for x in source]))


@given(function(["x", "y"]), SOURCES, SOURCES)
def test_two_sources(f: Callable[..., Any], a: Any, b: Any) -> None:
    lazy = LazyMap(f, a, b)
    want = read(f(x, y) for x, y in zip(a, b, strict=False))
    assert read(lazy) == want
    assert past_errors(iter(lazy), len(a)) == one_by_one(f, a, b)


@given(function(["x"]), function(["x"]), SOURCES)
def test_functions_in_a_row(f: Any, g: Any, source: Any) -> None:
    lazy = LazyMap(f, source).map(g)
    each = one_by_one(lambda x: g(f(x)), source)
    assert past_errors(iter(lazy), len(source)) == each
    assert past_errors(iter(lazy.map(str)), len(source)) == one_by_one(
        lambda x: str(g(f(x))), source
    )


@given(function(["x"]), SOURCES)
def test_extremes(f: Callable[..., Any], source: Any) -> None:
    values = outcome(lambda: [f(x) for x in source])
    if len(source) and type(values[0]) is type and values[0] is list:
        assert outcome(LazyMap(f, source).min) == outcome(
            lambda: min([f(x) for x in source])
        )
        assert outcome(LazyMap(f, source).max) == outcome(
            lambda: max([f(x) for x in source])
        )


def exact_sum(values: list[Any], start: Any = 0) -> Any:
    """The rule of .sum(), in the plainest words."""
    for value in [start, *values]:
        if type(value) not in (int, bool, float):
            return None
    if all(type(value) is not float for value in [start, *values]):
        return sum(values, start)
    if not all(math.isfinite(value) for value in [start, *values]):
        return sum([float(value) for value in [start, *values]])
    try:
        return float(sum(map(Fraction, [start, *values])))
    except OverflowError:
        return None


@given(function(["x"]), SOURCES, INTEGERS | FLOATS)
def test_sums_are_exact(f: Callable[..., Any], source: Any, start: Any) -> None:
    try:
        values = [f(x) for x in source]
    except Exception as error:
        assert outcome(LazyMap(f, source).sum) == (type(error), str(error))
        return
    want = exact_sum(values, start)
    if want is not None:
        assert outcome(lambda: LazyMap(f, source).sum(start)) == outcome(lambda: want)
    elif any(type(v) not in (int, bool, float) for v in values):
        if type(start) is int:
            got = outcome(lambda: LazyMap(f, source).sum(start))
            if not any(type(v) is float for v in values):
                assert got == outcome(lambda: sum(values, start))
