"""Subscripts of FloatMatrix and FloatVector, read and written."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memopt import FloatMatrix, FloatVector

Nested = list[list[float]]

BOUND = st.none() | st.integers(-7, 7) | st.sampled_from([2**100, -(2**100)])
STEP = st.none() | st.integers(-4, 4).filter(bool) | st.sampled_from([2**62, -(2**100)])
SLICE = st.builds(slice, BOUND, BOUND, STEP)


@st.composite
def matrices(draw: st.DrawFn, min_side: int = 0) -> tuple[FloatMatrix, Nested]:
    """A matrix with distinct items, of any layout, and the equal nested list."""
    rows, columns = draw(st.integers(min_side, 5)), draw(st.integers(min_side, 5))
    nested = [[float(10 * i + j) for j in range(columns)] for i in range(rows)]
    m = FloatMatrix(nested or FloatMatrix.zeros(0, columns), copy=True)
    layout = draw(st.sampled_from(["C", "F", "reversed", "sparse", "float32"]))
    if layout == "F":
        m = m.T.copy().T
    elif layout == "reversed":
        m = m[::-1, ::-1].copy()[::-1, ::-1]
    elif layout == "sparse":
        sparse = FloatMatrix.zeros(2 * rows, 3 * columns)
        part = sparse[1::2, 2::3]
        part[:] = m
        m = part
    elif layout == "float32":
        m = FloatMatrix(m, dtype="f")
    return m, nested


def tolist(nested: Nested, rows: slice, columns: slice) -> Nested:
    return [row[columns] for row in nested[rows]]


# --- reading ----------------------------------------------------------------


@given(matrices(), SLICE, SLICE)
def test_slices_are_those_of_lists(
    pair: tuple[FloatMatrix, Nested], rows: slice, columns: slice
) -> None:
    m, nested = pair
    part = m[rows, columns]
    assert type(part) is FloatMatrix
    assert part.tolist() == tolist(nested, rows, columns)
    assert part.shape == (
        len(range(m.shape[0])[rows]),
        len(range(m.shape[1])[columns]),
    )
    assert m[rows].tolist() == m[rows,].tolist() == nested[rows]
    assert m[()].tolist() == nested


@given(matrices(), SLICE, SLICE, SLICE, SLICE)
def test_slices_compose(
    pair: tuple[FloatMatrix, Nested], a: slice, b: slice, c: slice, d: slice
) -> None:
    m, nested = pair
    assert m[a, b][c, d].tolist() == tolist(tolist(nested, a, b), c, d)
    turned = [list(column) for column in zip(*nested, strict=True)]
    if turned:
        assert m.T[a, b][c, d].tolist() == tolist(tolist(turned, a, b), c, d)


@given(matrices(1), st.integers(-9, 9), st.integers(-9, 9), SLICE)
def test_indices_are_those_of_lists(
    pair: tuple[FloatMatrix, Nested], i: int, j: int, part: slice
) -> None:
    m, nested = pair
    rows, columns = m.shape
    if -rows <= i < rows:
        row = m[i]
        assert type(row) is FloatVector
        assert row.tolist() == m[i,].tolist() == nested[i]
        assert m[i, part].tolist() == m[i][part].tolist() == nested[i][part]
    else:
        message = rf"^index {i} is out of bounds for axis 0 with size {rows}$"
        key: Any
        for key in (i, (i,), (i, 0), (i, part)):
            with pytest.raises(IndexError, match=message):
                m[key]
            with pytest.raises(IndexError, match=message):
                m[key] = 0
    if -columns <= j < columns:
        assert m[:, j].tolist() == [row[j] for row in nested]
        assert m[part, j].tolist() == [row[j] for row in nested[part]]
        assert m[0, j] == m[0][j] == nested[0][j]
        assert type(m[0, j]) is float
    else:
        message = rf"^index {j} is out of bounds for axis 1 with size {columns}$"
        for key in ((0, j), (part, j)):
            with pytest.raises(IndexError, match=message):
                m[key]
        with pytest.raises(IndexError, match=message.replace("axis 1", "axis 0")):
            m[0][j]


def test_any_integer_is_an_index() -> None:
    class One:
        def __index__(self) -> int:
            return 1

    m: Any = FloatMatrix([[1, 2], [3, 4]])
    assert m[One()] == m[True] == [3, 4]
    assert m[One(), False] == 3.0
    assert m[One() :, : One()] == [[3]]
    assert m[0][One()] == 2.0


BAD_KEYS: list[Any] = [
    1.0,
    "1",
    None,
    ...,
    [0],
    (0, 1.0),
    (None, 0),
    (..., 0),
    ([0], 0),
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_other_keys_are_refused(key: Any) -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    message = r"^FloatMatrix indices must be integers or slices or a pair of them, not "
    with pytest.raises(TypeError, match=message):
        m[key]
    with pytest.raises(TypeError, match=message):
        m[key] = 0
    if type(key) is not tuple:
        with pytest.raises(
            TypeError, match=r"^FloatVector indices must be integers or slices, not "
        ):
            m[0][key]


def test_too_many_indices() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    with pytest.raises(
        IndexError,
        match=r"^too many indices: FloatMatrix has 2 dimensions, but 3 were given$",
    ):
        m[0, 0, 0]  # type: ignore[index]
    with pytest.raises(
        IndexError,
        match=r"^too many indices: FloatVector has 1 dimension, but 2 were given$",
    ):
        m[0][0, 0]  # type: ignore[index]


def test_huge_and_zero_steps() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        m[::0]
    for key in (2**63, -(2**63) - 1, 2**200):
        with pytest.raises(IndexError, match="cannot fit 'int' into an index-sized"):
            m[key]
    assert m[:: 2**63 - 1] == [[1, 2]]
    assert m[:: -(2**63)] == [[3, 4]]


def test_exceptions_of_index_pass() -> None:
    class Bad:
        def __index__(self) -> int:
            raise KeyError("index")

    m: Any = FloatMatrix([[1, 2]])
    for key in (Bad(), (0, Bad()), slice(Bad()), (slice(None), slice(None, Bad()))):
        with pytest.raises(KeyError, match="index"):
            m[key]
        with pytest.raises(KeyError, match="index"):
            m[key] = 0


# --- writing ----------------------------------------------------------------


@given(matrices(), SLICE, SLICE, st.sampled_from(["list", "matrix", "buffer", "iter"]))
def test_assignment_to_slices(
    pair: tuple[FloatMatrix, Nested], rows: slice, columns: slice, kind: str
) -> None:
    m, nested = pair
    m_rows = range(m.shape[0])[rows]
    m_columns = range(m.shape[1])[columns]
    new = [[100.0 + 10 * i + j for j in m_columns] for i in m_rows]
    value: Any = FloatMatrix(new or FloatMatrix.zeros(0, len(m_columns)))
    if kind == "list":
        value = new if new else value
    elif kind == "buffer":
        value = memoryview(value)
    elif kind == "iter" and new:
        value = (iter(row) for row in new)
    m[rows, columns] = value
    for i, row in zip(m_rows, new, strict=True):
        for j, x in zip(m_columns, row, strict=True):
            nested[i][j] = x
    assert m.tolist() == nested


@given(matrices(1), st.data())
def test_assignment_to_rows_columns_and_items(
    pair: tuple[FloatMatrix, Nested], data: st.DataObject
) -> None:
    m, nested = pair
    rows, columns = m.shape
    i = data.draw(st.integers(-rows, rows - 1))
    j = data.draw(st.integers(-columns, columns - 1))
    part = data.draw(st.slices(columns))
    m[i] = nested[i] = [float(-k) for k in range(columns)]
    assert m.tolist() == nested
    m[:, j] = (float(k) for k in range(rows))
    for k in range(rows):
        nested[k][j] = float(k)
    assert m.tolist() == nested
    m[i, part] = [0.5] * len(range(columns)[part])
    for k in range(columns)[part]:
        nested[i][k] = 0.5
    assert m.tolist() == nested
    m[i, j] = 1.25
    m[i][j] += 1
    nested[i][j] = 2.25
    assert m.tolist() == nested


@given(matrices(), SLICE, SLICE, SLICE, SLICE, st.booleans())
def test_assignment_between_overlapping_views(
    pair: tuple[FloatMatrix, Nested],
    a: slice,
    b: slice,
    c: slice,
    d: slice,
    through_buffer: bool,
) -> None:
    m, nested = pair
    source, target = m[a, b], m[c, d]
    height, width = map(min, source.shape, target.shape)
    source, target = source[:height, :width], target[:height, :width]
    before = source.tolist()
    rows, columns = range(m.shape[0])[c][:height], range(m.shape[1])[d][:width]
    for i, row in zip(rows, before, strict=True):
        for j, x in zip(columns, row, strict=True):
            nested[i][j] = x
    # Two storages on one memory overlap as well.
    target[:, :] = FloatMatrix(memoryview(source)) if through_buffer else source
    assert m.tolist() == nested


def test_overlapping_rows_and_transposes() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    m[:] = m.T
    assert m == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    m[1:] = m[:-1]
    assert m == [[1, 4, 7], [1, 4, 7], [2, 5, 8]]
    m[0, 1:] = m[0, :-1]
    assert m[0] == [1, 1, 4]
    m[:, 0] = m[2]
    assert m[:, 0] == [2, 5, 8]
    m[1][::-1] = m[1]
    assert m[1] == [7, 4, 5]


def test_no_rows_fit_no_rows() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    m[5:] = []
    m[0:0] = iter(())
    m[:, 0:0] = [[], []]
    m[0][2:] = ()
    with pytest.raises(ValueError, match=r"shape \(0, 0\) to shape \(2, 0\)$"):
        m[:, 0:0] = []
    assert m == [[1, 2], [3, 4]]


def test_wrong_shapes_are_refused_and_change_nothing() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    before = m.tolist()
    value: Any
    for value in ([1], [1, 2, 3], [], m.T[:, :1].T[0][:1]):
        message = rf"^cannot assign {len(value)} items to 2$"
        with pytest.raises(ValueError, match=message):
            m[0] = value
        with pytest.raises(ValueError, match=message):
            m[:, 1] = value
        with pytest.raises(ValueError, match=message):
            m[1][:] = value
    for value in ([[1, 2]], [[1], [2]], [], FloatMatrix.zeros(2, 3)):
        with pytest.raises(
            ValueError, match=r"^cannot assign shape \(\d, \d\) to shape \(2, 2\)$"
        ):
            m[:] = value
    with pytest.raises(ValueError, match="row 1 has 1 items, but row 0 has 2"):
        m[:] = [[1, 2], [3]]
    assert m.tolist() == before


def test_wrong_values_are_refused_and_change_nothing() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    bad: Any
    for bad in ("x", None, 1j, [1]):
        for key in ((0, 0), (-1, 1)):
            with pytest.raises(TypeError):
                m[key] = bad
        with pytest.raises(TypeError):
            m[0][1] = bad
        with pytest.raises(TypeError, match=r"^item 1 must be a real number, not "):
            m[0] = [9, bad]
        with pytest.raises(TypeError, match=r"^item 1 must be a real number, not "):
            m[0][:] = (9, bad)
        with pytest.raises(TypeError, match=r"^row 1, item 0 must be a real number, "):
            m[:] = [[9, 9], [bad, 9]]
    for bad in (5, None, 2.5):
        with pytest.raises(TypeError, match=r"^expected a sequence of numbers, not "):
            m[0] = bad
        with pytest.raises(TypeError, match=r"^expected a sequence of rows, not "):
            m[:] = bad
    with pytest.raises(OverflowError):
        m[0] = [9, 10**400]
    with pytest.raises(ValueError, match="expected 1 dimension, not 2"):
        m[0] = m
    with pytest.raises(ValueError, match="expected 2 dimensions, not 1"):
        m[:] = m[0]
    assert m == [[1, 2], [3, 4]]


def test_nothing_can_be_deleted() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    for key in (0, slice(None), (0, 0)):
        with pytest.raises(
            TypeError, match=r"^'FloatMatrix' object doesn't support item deletion$"
        ):
            del m[key]
    with pytest.raises(
        TypeError, match=r"^'FloatVector' object doesn't support item deletion$"
    ):
        del m[0][0]
    assert m == [[1, 2], [3, 4]]


def test_read_only_memory_is_not_written() -> None:
    m = FloatMatrix(memoryview(bytes(32)).cast("d", (2, 2)))
    assert m.readonly is True
    for obj in (m, m.T, m[1:], m[0], m[:, 0]):
        assert obj.readonly is True
        name = type(obj).__name__
        with pytest.raises(
            TypeError, match=rf"^this {name} shares read-only memory; assign to a copy"
        ):
            obj[0] = obj[0]  # type: ignore[assignment]
    assert m == [[0, 0], [0, 0]]
    twin = m.copy()
    twin[0, 0] = 1
    assert twin.readonly is False


# --- vectors ----------------------------------------------------------------


@given(st.lists(st.integers(0, 3), max_size=8), st.integers(-10, 10), SLICE)
def test_a_vector_is_the_list_of_its_items(
    items: list[int], i: int, part: slice
) -> None:
    for vector in (
        FloatMatrix([items])[0],
        FloatMatrix([[x] for x in items] or FloatMatrix.zeros(0, 1))[:, 0],
        FloatMatrix([items[::-1]], dtype="f")[0, ::-1],
    ):
        assert isinstance(vector, Sequence)
        assert len(vector) == len(items)
        assert vector == items
        assert vector == tuple(items)
        assert vector != [*items, 1]
        assert vector != items[:-1] or not items
        assert vector.tolist() == list(vector) == items
        assert all(type(x) is float for x in vector.tolist() + list(vector))
        assert list(reversed(vector)) == items[::-1]
        assert vector[part] == items[part]
        for value in range(5):
            assert (value in vector) is (value in items)
            assert vector.count(value) == items.count(value)
            try:
                expected = items.index(value, i)
            except ValueError:
                with pytest.raises(
                    ValueError, match=rf"^{value} is not in FloatVector"
                ):
                    vector.index(value, i)
            else:
                assert vector.index(value, i) == expected
        try:
            expected = items[i]
        except IndexError:
            with pytest.raises(IndexError):
                vector[i]
        else:
            assert vector[i] == expected


def test_vectors_compare_with_vectors_by_items() -> None:
    m = FloatMatrix([[1, 2], [2, 1]])
    assert m[0] == m[:, 0]
    assert m[0] == m[1, ::-1]
    assert m[0] != m[1]
    assert m[0] != m
    assert m[0] == FloatMatrix(m, dtype="f")[0]
    assert m[0] != (1, 2, 3)
    assert m[0] != "12"
    assert m[0] != {1, 2}


def test_huge_integers_are_found_exactly() -> None:
    row = FloatMatrix([[2.0**53, 2.0**60]])[0]
    assert 2**53 in row
    assert 2**53 + 1 not in row
    assert 2**60 + 1 not in row
    assert row.index(2**60) == 1


def test_swapping_rows_takes_a_copy_of_one() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    m[0], m[1] = m[1].copy(), m[0].copy()
    assert m == [[3, 4], [1, 2]]
