"""memopt.X: expressions are the functions that they read as."""

import copy
import math
import operator
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_oracle import any_length_is_native, outcome

from memopt import Expression, LazyMap, X, Y, Z, where

NAMES = {"X": X, "Y": Y, "Z": Z, "where": where}
SYMBOLS = ["+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
CONSTANTS = st.sampled_from([0, 1, 2, -3, 0.5, -1.5, 1e22])


def texts() -> st.SearchStrategy[str]:
    leaves = st.just("X") | st.just("X") | CONSTANTS.map(repr)

    def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        symbols = st.sampled_from(SYMBOLS + COMPARISONS)
        return st.one_of(
            st.builds("({} {} {})".format, inner, symbols, inner),
            st.builds("({}{})".format, st.sampled_from("+-~"), inner),
            st.builds("{}({})".format, st.sampled_from(["abs", "round"]), inner),
            st.builds("where({}, {}, {})".format, inner, inner, inner),
        )

    return st.recursive(leaves, extend, max_leaves=6).map(lambda t: f"(X + {t})")


def plain(text: str) -> Callable[[Any], Any]:
    """The text as a function of numbers."""

    def choose(condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b

    function: Callable[[Any], Any] = eval(f"lambda X: {text}", {"where": choose})
    return function


@given(texts(), st.sampled_from([0, 1, 5, -2, 1.5, -0.5]))
def test_expressions_are_the_functions_they_read_as(text: str, x: Any) -> None:
    try:
        expression = eval(text, dict(NAMES))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, MemoryError):
        return  # where() of constants, or a constant part that fails
    if type(expression) is not Expression or "**" in text or "<<" in text:
        return
    want = outcome(lambda: plain(text)(x))
    if want[0] is not ZeroDivisionError and "where" not in text:
        assert outcome(lambda: expression(x)) == want
    again = eval(repr(expression), dict(NAMES))
    assert repr(again) == repr(expression)
    assert outcome(lambda: again(x)) == outcome(lambda: expression(x))
    loaded = pickle.loads(pickle.dumps(expression))
    assert outcome(lambda: loaded(x)) == outcome(lambda: expression(x))
    with any_length_is_native():
        lazy = LazyMap(expression, [x])
        assert outcome(lazy.to_list) == outcome(lambda: [expression(x)])


@pytest.mark.parametrize("symbol", [*SYMBOLS, *COMPARISONS])
def test_operators_both_ways(symbol: str) -> None:
    for text in f"X {symbol} 3", f"3 {symbol} X", f"X {symbol} Y":
        expression = eval(text, dict(NAMES))
        inputs = 2 if "Y" in text else 1
        function = eval(f"lambda X, Y=None: {text}")
        assert expression(*(7, 2)[:inputs]) == function(*(7, 2)[:inputs])


def test_reprs() -> None:
    for text in (
        "X",
        "X * 2 + 1",
        "(X + 1) * 2",
        "X - (Y - Z)",
        "X - Y - Z",
        "(-X) ** 2",
        "-X ** 2",
        "X ** (Y ** 2)",
        "2 ** X",
        "(X ** Y) ** 2",
        "X ** -1",
        "~X & 3 | Y ^ 1",
        "(X < 3) == (Y >= 2)",
        "abs(X - 1)",
        "round(X / 2)",
        "where(X < 0, -X, X * 10)",
        "(X + 1).sqrt()",
        "X.float() / 2",
        "X.floor() + Y.ceil()",
    ):
        names = {**NAMES}
        expression = eval(text.replace(".floor()", "").replace(".ceil()", ""), names)
        if "floor" not in text:
            same = repr(expression).replace("(", "").replace(")", "")
            assert same == text.replace("(", "").replace(")", "")
            assert repr(eval(repr(expression), names)) == repr(expression)
    assert repr(math.floor(X) + math.ceil(Y)) == "X.floor() + Y.ceil()"
    assert repr(X * 2 + 1) == "X * 2 + 1"
    assert f"{X + 1}" == "X + 1"


def test_functions() -> None:
    for expression, function in (
        (abs(X), abs),
        (round(X), round),
        (math.floor(X), math.floor),
        (math.ceil(X), math.ceil),
        (math.trunc(X), math.trunc),
        (X.float(), float),
        (X.int(), int),
        (X.bool(), bool),
        (X.fabs(), math.fabs),
    ):
        for x in -2.5, 0.0, 3, 2.5:
            assert outcome(lambda e=expression, x=x: e(x)) == outcome(
                lambda f=function, x=x: f(x)
            )
    assert X.sqrt()(16) == 4.0
    assert where(X > 2, 1 / X, 0)(0) == 0, "only the chosen value is computed"


def test_several_inputs() -> None:
    assert (X * Y - Z)(2, 3, 4) == 2
    assert LazyMap(X * Y, [1, 2], [3, 4]).to_list() == [3, 8]
    with pytest.raises(TypeError):
        (X * Y)(1)
    with pytest.raises(TypeError):
        LazyMap(X + 1, [1], [2]).to_list()


@pytest.mark.parametrize(
    ("misuse", "advice"),
    [
        (lambda: bool(X > 0), "memopt.where"),
        (lambda: 1 < X < 5, r"\(1 < X\) & \(X < 5\)"),
        (lambda: X and Y, "memopt.where"),
        (lambda: not X, "memopt.where"),
        (lambda: X in [1], "memopt.where"),
        (lambda: list(X), "X is a function, and no iterable"),
        (lambda: 1 in X, "X is a function, and no container"),
        (lambda: f"{X:.2f}", "X has no value yet that could be formatted"),
        (lambda: math.sin(X), r"X\.float\(\) or X\.sqrt\(\)"),
        (lambda: int(X), r"X\.int\(\)"),
        (lambda: [1][X], "cannot be an index"),
        (lambda: round(X, 2), r"round\(X\)"),
        (lambda: X + "1", "unsupported operand"),
        (lambda: X * Fraction(1, 2), "unsupported operand"),
        (lambda: True + X, "unsupported operand"),
        (lambda: where(1, 2, 3), "where"),
        (lambda: where(X, "a", 3), "where"),
        (lambda: Expression(), "made of memopt.X"),
    ],
)
def test_misuse_is_answered_with_advice(misuse: Callable[[], Any], advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        misuse()


def test_identity() -> None:
    one, other = X + 1, X + 1
    assert hash(one) != hash(other) or one is not other
    assert len({one, other, one}) == 2
    assert copy.copy(one) is one
    assert copy.deepcopy(one) is one
    assert operator.is_(copy.copy(X), X)


def test_pickles_that_are_none() -> None:
    restore, _ = (X + 1).__reduce__()
    for tape, error in (
        ((), ValueError),
        (("x0", "+"), ValueError),
        (("x0", 1), ValueError),
        (("x0", "__import__('os')"), ValueError),
        (("x0", None, "+"), TypeError),
        (("x0", True, "+"), TypeError),
    ):
        with pytest.raises(error):
            restore(tape)
