"""Exact sums and means of FloatMatrix and FloatVector, by any axis and layout."""

import array
import math
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import exact_sum
from support import run_in_fresh_process

from memopt import FloatMatrix, FloatVector

INF, NAN = math.inf, math.nan


def exact_mean(values: list[float]) -> float:
    mean = sum(map(Fraction, values), Fraction(0)) / len(values)
    try:
        return float(mean)
    except OverflowError:
        return INF if mean > 0 else -INF


def special_sum(values: list[float]) -> float | None:
    """The sum of values that are not all finite, else None."""
    if any(map(math.isnan, values)) or {INF, -INF} <= set(values):
        return NAN
    return next((x for x in values if math.isinf(x)), None)


def expected_sum(values: Iterable[float]) -> float:
    values = list(values)
    special = special_sum(values)
    return exact_sum(values) if special is None else special


def expected_mean(values: Iterable[float]) -> float:
    values = list(values)
    special = special_sum(values)
    return exact_mean(values) if special is None else special


def same(a: float, b: float) -> bool:
    """The same bits, or both NaN."""
    return (math.isnan(a) and math.isnan(b)) or struct.pack("d", a) == struct.pack(
        "d", b
    )


def all_same(a: Iterable[float], b: Iterable[float]) -> bool:
    return all(same(x, y) for x, y in zip(a, b, strict=True))


# Raw bit patterns: every exponent is as likely as any other; and near ones,
# which cancel.
BITS64 = st.integers(0, 2**64 - 1).map(
    lambda n: struct.unpack("<d", n.to_bytes(8, "little"))[0]
)
NEAR = st.builds(math.ldexp, st.integers(-(2**53), 2**53), st.integers(-60, 0))
TINY, HUGE, HALF_ULP = 2.0**-1074, math.ldexp(2**53 - 1, 971), 2.0**-53
EDGE = st.one_of(
    st.sampled_from([0.0, 1.0, HALF_ULP, HALF_ULP / 2, TINY, 1e100, HUGE, INF, NAN]),
    st.sampled_from([-0.0, -1.0, -HALF_ULP, -TINY, -1e100, -HUGE, -INF]),
)
FLOATS = st.one_of(BITS64, NEAR, EDGE)


def rectangles(
    items: st.SearchStrategy[float], min_side: int = 0
) -> st.SearchStrategy[list[list[float]]]:
    return st.integers(min_side, 5).flatmap(
        lambda n: st.lists(
            st.lists(items, min_size=n, max_size=n), min_size=min_side, max_size=6
        )
    )


def layouts(m: FloatMatrix) -> list[FloatMatrix]:
    """Matrices equal to m whose items lie differently."""
    rows, columns = m.shape
    sparse = FloatMatrix.zeros(2 * rows, 3 * columns, m.dtype)[::2, ::3]
    sparse[:] = m
    raw = bytearray(m.nbytes + 1)
    result = [m, m.T.copy().T, m[::-1, ::-1].copy()[::-1, ::-1], sparse]
    if m.nbytes:
        unaligned = FloatMatrix(memoryview(raw)[1:].cast(m.dtype, m.shape))
        unaligned[:] = m
        result.append(unaligned)
    return result


@given(rectangles(FLOATS), st.sampled_from(["d", "f"]))
def test_sums_are_exact_in_every_layout(nested: list[list[float]], dtype: Any) -> None:
    m = FloatMatrix(nested, dtype=dtype)
    nested = m.tolist()
    columns = list(zip(*nested, strict=True)) or [()] * m.shape[1]
    total = expected_sum(x for row in nested for x in row)
    by_column = [expected_sum(column) for column in columns]
    by_row = [expected_sum(row) for row in nested]
    for view in layouts(m):
        assert same(view.sum(), total)
        for axis in (0, -2):
            assert all_same(view.sum(axis), by_column)
            assert all_same(view.T.sum(axis=axis), by_row)
        for axis in (1, -1):
            assert all_same(view.sum(axis), by_row)
            assert all_same(view.T.sum(axis=axis), by_column)
        for row, expected in zip(view, by_row, strict=True):
            assert same(row.sum(), expected)
        assert all_same((view[:, j].sum() for j in range(view.shape[1])), by_column)


@given(rectangles(FLOATS, 1), st.sampled_from(["d", "f"]))
def test_means_are_rounded_once(nested: list[list[float]], dtype: Any) -> None:
    m = FloatMatrix(nested, dtype=dtype)
    nested = m.tolist()
    total = expected_mean(x for row in nested for x in row)
    by_column = [expected_mean(column) for column in zip(*nested, strict=True)]
    by_row = [expected_mean(row) for row in nested]
    for view in layouts(m):
        assert same(view.mean(), total)
        assert all_same(view.mean(axis=0), by_column)
        assert all_same(view.mean(axis=1), by_row)
        assert same(view[0].mean(), by_row[0])


@pytest.mark.parametrize("shape", [(3, 255), (2, 256), (3, 257), (2, 1000), (700, 2)])
@pytest.mark.parametrize("dtype", ["d", "f"])
def test_tiles_of_columns(shape: tuple[int, int], dtype: Any) -> None:
    m = FloatMatrix(FloatMatrix.random(*shape, seed=1), dtype=dtype)
    for view in layouts(m):
        assert view.sum(axis=0) == [exact_sum(c) for c in zip(*m, strict=True)]
        assert view.sum(axis=1) == [exact_sum(row) for row in m]
        assert view.sum() == exact_sum(x for row in m for x in row)


def test_sums_that_others_get_wrong() -> None:
    assert FloatMatrix([[1e308, 1e308, -1e308]]).sum() == 1e308
    assert FloatMatrix([[1e308], [1e308]]).sum() == INF
    assert FloatMatrix([[-1e308], [-1e308]]).sum(axis=0) == [-INF]
    assert FloatMatrix([[1e308, 1e308]]).mean() == 1e308
    assert FloatMatrix([[1.0, 1e100, 1.0, -1e100]] * 10_000).sum() == 20_000.0
    assert FloatMatrix.full(2**12, 2**13, 1.0, "f").sum() == 2.0**25
    assert FloatMatrix([[0.1] * 10]).sum() == 1.0
    assert same(FloatMatrix([[-0.0]]).sum(), 0.0)


def test_sums_of_nothing() -> None:
    zeros = FloatMatrix.zeros
    assert same(FloatMatrix().sum(), 0.0)
    assert zeros(0, 3).sum(axis=0) == [0, 0, 0]
    assert zeros(0, 3).sum(axis=1) == []
    assert zeros(3, 0).sum(axis=0) == []
    assert zeros(3, 0).sum(axis=1) == [0, 0, 0]
    assert zeros(1, 0)[0].sum() == 0.0


def test_means_of_nothing() -> None:
    zeros = FloatMatrix.zeros
    for mean in (
        FloatMatrix().mean,
        zeros(0, 3).mean,
        zeros(3, 0).mean,
        lambda: zeros(0, 3).mean(axis=0),
        lambda: zeros(3, 0).mean(axis=1),
    ):
        with pytest.raises(ZeroDivisionError, match="mean of an empty FloatMatrix"):
            mean()
    with pytest.raises(ZeroDivisionError, match="mean of an empty FloatVector"):
        zeros(1, 0)[0].mean()
    assert zeros(0, 3).mean(axis=1) == []
    assert zeros(3, 0).mean(axis=0) == []


def test_results_have_the_type_and_shape_of_the_axes_left() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]], dtype="f")
    assert type(m.sum()) is float
    for axis, expected in ((0, [5, 7, 9]), (1, [6, 15])):
        result = m.sum(axis)
        assert type(result) is FloatVector
        assert result == expected
        assert result.dtype == "d"
        result[0] = 100  # its memory is its own
        assert m == [[1, 2, 3], [4, 5, 6]]
    assert m.sum(axis=0, keepdims=True) == FloatMatrix([[5, 7, 9]])
    assert m.sum(axis=1, keepdims=True) == FloatMatrix([[6], [15]])
    assert m.sum(keepdims=True) == FloatMatrix([[21]])
    assert m.mean(axis=-1, keepdims=True) == FloatMatrix([[2], [5]])
    row = m[0]
    assert row.sum() == row.sum(axis=0) == row.sum(axis=-1) == row.sum(None) == 6.0
    assert type(row.sum(axis=0)) is float
    assert row.sum(keepdims=True) == [6]
    assert type(row.sum(keepdims=True)) is FloatVector
    assert row.mean(axis=0, keepdims=True) == [2]


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_axes_in_a_tuple(name: str) -> None:
    m = FloatMatrix([[0.1, 0.2, 0.3], [1e16, 1.0, -1e16]])
    method = getattr(m, name)
    fraction = sum(Fraction(x) for row in m for x in row)
    expected = float(fraction if name == "sum" else fraction / 6)
    for axes in ((0, 1), (1, 0), (-1, 0), (-2, True)):
        assert method(axis=axes) == expected
        assert method(axes, keepdims=True) == FloatMatrix([[expected]])
        assert method(axes, where=[True, False, False], skipna=True) == method(
            where=[True, False, False]
        )
    for axis in (0, 1, -1, -2):
        assert method(axis=(axis,)) == method(axis=axis)
        assert method((axis,), keepdims=True) == method(axis, keepdims=True)
    row = getattr(m[0], name)
    assert row(axis=(0,)) == row(axis=(-1,)) == row()
    assert row(axis=(0,), keepdims=True) == [row()]
    with pytest.raises(ValueError, match=r"^duplicate value in 'axis'$"):
        row(axis=(0, 0))


def test_axes_in_a_tuple_as_numpy_has_them() -> None:
    numpy = pytest.importorskip("numpy")
    a = numpy.arange(12.0).reshape(3, 4)
    m = FloatMatrix(a)
    for function in (numpy.sum, numpy.mean):
        for axis in ((0, 1), (1, 0), (0,), (1,), (-1,), (-1, -2)):
            for keepdims in (False, True):
                ours = function(m, axis=axis, keepdims=keepdims)
                theirs = function(a, axis=axis, keepdims=keepdims)
                assert numpy.shape(ours) == theirs.shape
                assert numpy.array_equal(ours, theirs)
        for axis, error in (((0, 0), ValueError), ((2,), IndexError)):
            for x in (a, m):
                with pytest.raises(error):
                    function(x, axis=axis)


# --- arguments --------------------------------------------------------------

METHODS: list[Callable[..., Any]] = [
    FloatMatrix([[1, 2], [3, 4]]).sum,
    FloatMatrix([[1, 2], [3, 4]]).mean,
]


@pytest.mark.parametrize("method", METHODS)
def test_axes_out_of_range_or_of_another_type(method: Callable[..., Any]) -> None:
    for axis in (2, -3, 2**100, -(2**100)):
        with pytest.raises(
            IndexError, match=rf"^axis {axis} is out of bounds for array of dimension 2"
        ):
            method(axis=axis)
    for bad in (1.0, "0", [0], (0, 1.0), ((0,),), (None,)):
        with pytest.raises(
            TypeError,
            match=r"^axis must be None, an integer or a tuple of them, not "
            "(float|str|list|tuple|NoneType)$",
        ):
            method(axis=bad)
    for axis in ((2,), (0, -3), (2**100, 0)):
        with pytest.raises(IndexError, match="out of bounds for array of dimension 2"):
            method(axis=axis)
    for axis in ((0, 0), (1, -1), (0, 1, 0), (-2, -1, 0)):
        with pytest.raises(ValueError, match=r"^duplicate value in 'axis'$"):
            method(axis=axis)
    with pytest.raises(ValueError, match=r"^axis=\(\) names no axis"):
        method(axis=())
    row = FloatMatrix([[1, 2]])[0]
    with pytest.raises(
        IndexError, match=r"^axis 1 is out of bounds for array of dimension 1"
    ):
        row.sum(axis=1)


def test_axis_error_is_plain_without_numpy() -> None:
    code = """
import sys, memopt
try:
    memopt.FloatMatrix([[1.0]]).sum(axis=2)
except IndexError as error:
    assert type(error) is IndexError
assert "numpy" not in sys.modules
"""
    run_in_fresh_process(code)


@pytest.mark.parametrize("method", METHODS)
def test_other_arguments_are_checked(method: Callable[..., Any]) -> None:
    assert (
        method(dtype="d") == method(dtype=None) == method(dtype="float64") == method()
    )
    with pytest.raises(ValueError, match=r"^dtype must be 'd': sums are rounded once"):
        method(dtype="f")
    with pytest.raises(ValueError, match=r"^dtype must be 'd' \(float64\) or 'f' "):
        method(dtype="i")
    with pytest.raises(TypeError, match=rf"^{method.__name__}\(\) .*positional"):
        method(0, "d")
    with pytest.raises(TypeError, match=r"unexpected|invalid keyword"):
        method(ddof=1)


def test_out_is_filled_and_returned() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]])
    for out in (
        FloatMatrix.zeros(1, 3)[0],
        FloatMatrix.zeros(3, 2)[:, 1],
        array.array("d", [0, 0, 0]),
        memoryview(bytearray(24)).cast("d"),
    ):
        assert m.sum(axis=0, out=out) is out
        assert list(out) == [5, 7, 9]
    wide = FloatMatrix.zeros(1, 3)
    assert m.mean(axis=0, keepdims=True, out=wide) is wide
    assert wide == [[2.5, 3.5, 4.5]]
    tall = FloatMatrix.zeros(2, 1)
    assert m.sum(axis=1, keepdims=True, out=tall) == [[6], [15]]
    scalar = memoryview(bytearray(8)).cast("B").cast("d", ())
    m.sum(out=scalar)
    assert scalar[()] == 21.0
    m[0].sum(out=scalar)
    assert scalar[()] == 6.0
    m.sum(axis=0, out=m[0])
    assert m == [[5, 7, 9], [4, 5, 6]]


def test_bad_out() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]])
    message = r"^out must be writable float64 of shape \(3,\)$"
    bad: Any
    for bad in (
        FloatMatrix.zeros(1, 2)[0],
        FloatMatrix.zeros(1, 3),
        FloatMatrix.zeros(1, 3, "f")[0],
        array.array("i", [0, 0, 0]),
        memoryview(bytes(24)).cast("d"),
        bytes(24),
    ):
        with pytest.raises(ValueError, match=message):
            m.sum(axis=0, out=bad)
    with pytest.raises(ValueError, match=r"of shape \(1, 3\)$"):
        m.sum(axis=0, keepdims=True, out=FloatMatrix.zeros(3, 1))
    with pytest.raises(ValueError, match=r"of shape \(\)$"):
        m.sum(out=FloatMatrix.zeros(1, 1)[0])
    for bad in (5, [0, 0, 0], object()):
        with pytest.raises(
            TypeError, match=r"^out must be a FloatVector, a FloatMatrix"
        ):
            m.sum(axis=0, out=bad)
    with pytest.raises(ZeroDivisionError):
        FloatMatrix().mean(out=memoryview(bytearray(8)).cast("B").cast("d", ()))
