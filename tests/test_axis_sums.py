"""Sums of rows and columns: every kernel, layout and shape; where and skipna."""

import math
import random
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from floats import same
from hypothesis import given
from hypothesis import strategies as st
from reference import any_sum, float_units, round_fraction, round_units, special_sum
from summands import FAMILIES, Family, one_special, singles, spread, uniform

from memopt import FloatMatrix, FloatVector, _memopt

ISAS = _memopt._isas()


@pytest.fixture
def each_isa() -> Iterator[Iterator[str]]:
    """All of them in turn, where the expected sums take long."""
    yield (name for name in ISAS if _memopt._set_isa(name))
    _memopt._set_isa(ISAS[0])


@pytest.fixture(params=[0, 2048])
def ahead(request: pytest.FixtureRequest) -> Iterator[int]:
    """What processors want to be fetched ahead: which ways a kernel reads in."""
    before = _memopt._set_ahead(request.param)
    yield request.param
    assert _memopt._set_ahead(before) == request.param


def any_mean(values: Sequence[float]) -> float:
    special = special_sum(values)
    if special is not None:
        return special
    units = sum(map(float_units, values))
    return round_fraction(Fraction(units, len(values) << 1074))


def matrix_of(rows: list[list[float]], columns: int, dtype: Any) -> FloatMatrix:
    """With columns even if there are no rows."""
    flat = [x for row in rows for x in row]
    return FloatMatrix.from_iterable(len(rows), columns, flat, dtype=dtype)


def layouts(m: FloatMatrix) -> list[FloatMatrix]:
    """Matrices equal to m whose items lie differently."""
    rows, columns = m.shape
    sparse = FloatMatrix.zeros(2 * rows, 3 * columns, m.dtype)[::2, ::3]
    sparse[:] = m
    unaligned = FloatMatrix(
        memoryview(bytearray(m.nbytes + 1))[1:].cast(m.dtype, m.shape)
    )
    unaligned[:] = m
    padded = FloatMatrix.zeros(rows, columns + 1, m.dtype)[:, 1:]
    padded[:] = m
    return [
        *(m, m.T.copy().T, sparse, unaligned, padded),
        m[::-1, ::-1].copy()[::-1, ::-1],
        m.T[::-1].copy()[::-1].T,
    ]


def assert_all_same(actual: Any, expected: Sequence[float]) -> None:
    values = list(actual)
    assert len(values) == len(expected)
    for i, (a, b) in enumerate(zip(values, expected, strict=True)):
        assert same(a, b), i


# Shapes at the edges of vectors, tiles, strips and bands, and of the choice
# between the ways to sum.
SMALL = [(1, 1), (1, 7), (7, 1), (3, 8), (8, 3), (5, 31), (5, 32), (33, 33), (65, 17)]
LARGE = [(129, 9), (3, 1024), (2, 1033), (300, 24), (1025, 2), (2, 5000), (4100, 3)]


def check_shapes(
    isas: Iterator[str], family: Family, dtype: Any, shapes: list[tuple[int, int]]
) -> None:
    draw = random.Random(1)
    cases = []
    for rows, columns in shapes:
        flat = family(draw, rows * columns)
        flat = flat if dtype == "d" else singles(flat)
        m = FloatMatrix.from_iterable(rows, columns, flat, dtype=dtype)
        by_row = [any_sum(flat[i * columns : (i + 1) * columns]) for i in range(rows)]
        by_column = [any_sum(flat[j::columns]) for j in range(columns)]
        cases.append((layouts(m), by_row, by_column, any_sum(flat)))
    for _ in isas:
        for views, by_row, by_column, total in cases:
            for view in views:
                assert_all_same(view.sum(axis=0), by_column)
                assert_all_same(view.sum(axis=1), by_row)
                assert same(view.sum(), total)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("dtype", ["d", "f"])
def test_every_family_and_layout(
    each_isa: Iterator[str], family: Family, dtype: Any
) -> None:
    check_shapes(each_isa, family, dtype, SMALL)


@pytest.mark.parametrize("name", ["uniform", "spread over 150", "one special"])
@pytest.mark.parametrize("dtype", ["d", "f"])
def test_every_way_to_sum(each_isa: Iterator[str], name: str, dtype: Any) -> None:
    check_shapes(each_isa, FAMILIES[name], dtype, LARGE)


@pytest.mark.parametrize("shape", [(2, 17000), (17000, 2), (70, 300), (20, 2100)])
@pytest.mark.parametrize("family", [uniform, spread(60), spread(150), one_special])
def test_long_lines(
    each_isa: Iterator[str], shape: tuple[int, int], family: Family
) -> None:
    rows, columns = shape
    flat = family(random.Random(2), rows * columns)
    m = FloatMatrix.from_iterable(rows, columns, flat)
    by_row = [any_sum(flat[i * columns : (i + 1) * columns]) for i in range(rows)]
    by_column = [any_sum(flat[j::columns]) for j in range(columns)]
    for _ in each_isa:
        for view in (m, m.T.copy().T):
            for threads in (1, 2, 5):
                assert_all_same(view.sum(axis=0, threads=threads), by_column)
                assert_all_same(view.sum(axis=1, threads=threads), by_row)


@pytest.mark.parametrize("name", ["uniform", "spread over 150"])
@pytest.mark.parametrize("dtype", ["d", "f"])
def test_either_way_to_read(
    each_isa: Iterator[str], ahead: int, name: str, dtype: Any
) -> None:
    shapes = [(3, n) for n in (15, 16, 17, 32, 63, 64, 65, 129, 500, 2500)]
    check_shapes(each_isa, FAMILIES[name], dtype, shapes)


def test_a_bad_line_costs_no_other_its_sum(each_isa: Iterator[str]) -> None:
    """One line of NaN, infinities or wild exponents among ordinary ones."""
    draw = random.Random(3)
    for bad in ([math.nan] * 200, [math.inf, -1.0] * 100, spread(900)(draw, 200)):
        for position in (0, 7, 8, 99):
            rows = [uniform(draw, 200) for _ in range(100)]
            rows[position] = bad
            m, expected = FloatMatrix(rows), [any_sum(row) for row in rows]
            assert_all_same(m.sum(axis=1), expected)
            assert_all_same(m.T.copy().sum(axis=0), expected)
    for _ in each_isa:
        assert_all_same(m.sum(axis=1), expected)
        assert_all_same(m.T.copy().sum(axis=0), expected)


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(0, 2**64 - 1), min_size=n, max_size=n),
            min_size=1,
            max_size=12,
        )
    )
)
def test_any_bit_patterns(bits: list[list[int]]) -> None:
    rows = [[struct.unpack("d", struct.pack("Q", b))[0] for b in row] for row in bits]
    m = FloatMatrix(rows)
    try:
        for name in ISAS:
            _memopt._set_isa(name)
            for view in layouts(m):
                assert_all_same(view.sum(axis=1), [any_sum(row) for row in rows])
                assert_all_same(
                    view.sum(axis=0), [any_sum(c) for c in zip(*rows, strict=True)]
                )
    finally:
        _memopt._set_isa(ISAS[0])


# --- initial ----------------------------------------------------------------


def test_initial_is_one_more_term() -> None:
    m = FloatMatrix([[1.0, 2.0**-53], [1e308, 1e308]])
    assert m[:1].sum(initial=2.0**-60) == 1.0 + 2.0**-52
    assert_all_same(m.sum(axis=1, initial=-1e308), [-1e308, 1e308])
    assert_all_same(m.sum(axis=0, initial=-1e308), [1.0, 2.0**-53])
    assert m[1].sum(initial=-1e308) == 1e308
    assert FloatMatrix().sum(initial=3) == 3.0
    assert_all_same(FloatMatrix.zeros(0, 2).sum(axis=0, initial=0.5), [0.5, 0.5])
    assert math.isnan(m.sum(initial=math.nan))
    assert math.isnan(FloatMatrix([[math.inf]]).sum(axis=0, initial=-math.inf)[0])
    assert same(FloatMatrix([[-0.0]]).sum(initial=-0.0), 0.0)
    with pytest.raises(TypeError, match=r"^initial must be a real number, not str$"):
        m.sum(initial="1")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"invalid keyword|unexpected keyword"):
        m.mean(initial=1.0)  # type: ignore[call-overload]


# --- where and skipna -------------------------------------------------------


def check_filtered(
    m: FloatMatrix,
    flags: Callable[[int, int], bool],
    **arguments: Any,
) -> None:
    """Sums and means of the items for which flags(i, j) is true."""
    rows, columns = m.shape
    kept = [[m[i, j] for j in range(columns) if flags(i, j)] for i in range(rows)]
    by_column = [[m[i, j] for i in range(rows) if flags(i, j)] for j in range(columns)]
    flat = [x for row in kept for x in row]

    def mean(values: list[float]) -> float:
        return any_mean(values) if values else math.nan

    assert same(m.sum(**arguments), any_sum(flat))
    assert_all_same(m.sum(axis=0, **arguments), [any_sum(c) for c in by_column])
    assert_all_same(m.sum(axis=1, **arguments), [any_sum(r) for r in kept])
    assert same(m.mean(**arguments), mean(flat))
    assert_all_same(m.mean(axis=0, **arguments), [mean(c) for c in by_column])
    assert_all_same(m.mean(axis=1, **arguments), [mean(r) for r in kept])


def is_number(m: FloatMatrix, i: int, j: int) -> bool:
    return not math.isnan(m[i, j])


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("dtype", ["d", "f"])
def test_where_and_skipna(family: Family, dtype: Any) -> None:
    draw = random.Random(4)
    for rows, columns in ((1, 5), (6, 1), (9, 40), (40, 9), (3, 70)):
        flat = family(draw, rows * columns)
        flat = [math.nan if draw.random() < 0.1 else x for x in flat]
        flat = flat if dtype == "d" else singles(flat)
        m = FloatMatrix.from_iterable(rows, columns, flat, dtype=dtype)
        mask = [[draw.random() < 0.6 for _ in range(columns)] for _ in range(rows)]
        for view in layouts(m):
            for skip in (False, True):

                def counts(
                    i: int,
                    j: int,
                    m: FloatMatrix = m,
                    mask: list[list[bool]] = mask,
                    skip: bool = skip,
                ) -> bool:
                    return mask[i][j] and not (skip and math.isnan(m[i, j]))

                check_filtered(view, counts, where=mask, skipna=skip)
        check_filtered(m, partial(is_number, m), skipna=True)


def test_where_broadcasts() -> None:
    m = FloatMatrix.random(6, 5, seed=1)
    by_column, by_row = [True, False, True, True, False], [[True], [False]] * 3
    raw = memoryview(bytes(30)).cast("?", (6, 5))
    check_filtered(m, lambda i, j: by_column[j], where=by_column)
    check_filtered(m, lambda i, j: by_column[j], where=[by_column])
    check_filtered(m, lambda i, j: by_column[j], where=tuple(by_column))
    check_filtered(m, lambda i, j: i % 2 == 0, where=by_row)
    check_filtered(m, lambda i, j: False, where=raw)
    check_filtered(m, lambda i, j: False, where=False)
    check_filtered(m, lambda i, j: False, where=[[False]])
    for everything in (True, [True], [[True]]):
        check_filtered(m, lambda i, j: True, where=everything)
    row = m[2]
    assert row.sum(where=by_column) == any_sum([row[0], row[2], row[3]])
    assert row.mean(where=[False] * 4 + [True]) == row[4]
    assert row.sum(where=[True]) == row.sum()


def test_where_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    a = numpy.random.default_rng(1).integers(-9, 9, (37, 23)).astype(float)
    m, mask = FloatMatrix(a), a > 0
    for where in (mask, mask[::-1], numpy.asfortranarray(mask), mask[:1], mask[:, :1]):
        for axis in (None, 0, 1):
            expected = numpy.sum(a, axis=axis, where=where)
            assert numpy.array_equal(numpy.sum(m, axis=axis, where=where), expected)
            given = m.sum(axis=axis, where=where, keepdims=True, initial=5)
            assert numpy.array_equal(
                given, numpy.sum(a, axis=axis, where=where, keepdims=True, initial=5)
            )
    assert m.sum(where=numpy.True_) == m.sum()
    assert m.sum(where=numpy.False_) == 0.0
    assert m.sum(where=[list(row) for row in mask]) == a[mask].sum()
    out = numpy.empty(23)
    assert m.sum(axis=0, where=mask, out=out) is out
    assert numpy.array_equal(out, a.sum(axis=0, where=mask))
    a[3, 4] = math.nan
    assert FloatMatrix(a).sum(skipna=True) == numpy.nansum(a)
    assert numpy.array_equal(
        FloatMatrix(a).mean(axis=1, skipna=True),
        [any_mean([x for x in row if x == x]) for row in a.tolist()],
    )


def test_filtered_sums_in_threads(each_isa: Iterator[str]) -> None:
    draw = random.Random(5)
    m = FloatMatrix.from_iterable(400, 600, FAMILIES["spread over 60"](draw, 240_000))
    flags = [draw.random() < 0.5 for _ in range(600)]
    kept = [list(row) for row in m[:, 0:600]]
    by_row = [any_sum([x for x, f in zip(r, flags, strict=True) if f]) for r in kept]
    total = round_units(
        sum(float_units(x) for r in kept for x, f in zip(r, flags, strict=True) if f)
    )
    for _ in each_isa:
        for threads in (1, 2, 4):
            assert m.sum(where=flags, threads=threads) == total
            assert_all_same(m.sum(axis=1, where=flags, threads=threads), by_row)


def test_means_of_what_is_left_of_nothing() -> None:
    m = FloatMatrix([[math.nan, 1.0], [math.nan, 3.0]])
    assert_all_same(m.mean(axis=0, skipna=True), [math.nan, 2.0])
    assert math.isnan(m.mean(where=False))
    assert math.isnan(m[:, :1].mean(skipna=True))
    with pytest.raises(ZeroDivisionError, match="mean of an empty FloatMatrix"):
        FloatMatrix().mean(skipna=True)


class _Unreadable:
    def __bool__(self) -> bool:
        raise AssertionError("never asked")


@pytest.mark.parametrize("method", ["sum", "mean"])
def test_bad_where(method: str) -> None:
    act = getattr(FloatMatrix([[1, 2, 3], [4, 5, 6]]), method)
    bad: Any
    for bad in (1, 0.5, "x", [1, 0, 1], [[True, 1, False]], [_Unreadable()] * 3, [[]]):
        with pytest.raises((TypeError, ValueError), match=r"^(row \d of )?where "):
            act(where=bad)
    for bad in (array("b", [1, 1, 1]), b"abc", FloatMatrix([[1, 1, 1]])):
        with pytest.raises(TypeError, match=r"^where must hold bools; the buffer of"):
            act(where=bad)
    for bad in ([True] * 2, [[True] * 3] * 3, [], [[True] * 2] * 2, [[True]] * 3):
        with pytest.raises(ValueError, match=r"^where has a shape that does not"):
            act(where=bad)
    with pytest.raises(ValueError, match=r"^row 1 of where has 2 items, but row 0 has"):
        act(where=[[True] * 3, [True] * 2])
    with pytest.raises(TypeError, match=r"^row 1 of where must be a list or tuple"):
        act(where=[[True] * 3, True])
    with pytest.raises(ValueError, match=r"of the FloatVector, 1 x 2$"):
        FloatMatrix([[1, 2]])[0].sum(where=[[True, True]])


def test_where_is_let_go() -> None:
    memory = bytearray(b"\1\0\1")
    m = FloatMatrix([[1, 2, 3]])
    assert m.sum(where=memoryview(memory).cast("?")) == 4.0
    with pytest.raises(ValueError, match="does not broadcast"):
        m.sum(where=memoryview(memory).cast("?")[:2])
    with pytest.raises(ValueError, match="out must be"):
        m.sum(axis=0, where=memoryview(memory).cast("?"), out=FloatMatrix([[1]]))
    memory.append(1)  # no export is left
    assert type(m.sum(axis=0, where=[True])) is FloatVector
