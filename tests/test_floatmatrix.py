"""FloatMatrix as the list of lists it replaces: a model run beside it."""

import copy
import gc
import inspect
import itertools
import math
import operator
import pickle
import random
import struct
import sys
import weakref
from collections.abc import Hashable, MutableSequence, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

import memopt
from memopt import FloatMatrix, FloatVector

COLUMNS = 3

Nested = list[list[float]]

# Both types of item hold these exactly, and sums of a few small ones.
ITEM = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 0.5, 2.25, -3.75, 100.0, 2.0**-149, -(2.0**127), math.inf]
)
ROW = st.lists(ITEM, min_size=COLUMNS, max_size=COLUMNS)
ANY = st.integers(0, 1000)


def bits(nested: Any) -> list[list[bytes]]:
    """Items as bytes: unlike ==, tells -0.0 from 0.0 and one NaN from another."""
    return [[struct.pack("d", x) for x in row] for row in nested]


class NestedListModel(RuleBasedStateMachine):
    """The same reads and writes on a FloatMatrix and on nested lists.

    Views are remembered with the rows and columns they show, and must go on
    showing them while the matrix grows.
    """

    dtype = "d"
    model: Nested
    matrix: FloatMatrix
    views: Bundle[Any] = Bundle("views")

    @initialize(rows=st.lists(ROW, max_size=3))
    def start(self, rows: Nested) -> None:
        self.model = rows
        empty = FloatMatrix.zeros(0, COLUMNS)
        self.matrix = FloatMatrix(rows or empty, dtype=self.dtype, copy=True)  # type: ignore[arg-type]

    @rule(row=ROW, kind=st.sampled_from([list, tuple, iter]))
    def append(self, row: list[float], kind: Any) -> None:
        self.matrix.append(kind(row))
        self.model.append(row)

    @rule(rows=st.lists(ROW, max_size=4))
    def extend(self, rows: Nested) -> None:
        self.matrix.extend(rows)
        self.model.extend(rows)

    @rule()
    def extend_with_itself(self) -> None:
        if len(self.model) < 20:
            self.model.extend([list(row) for row in self.model])
            self.matrix.extend(self.matrix)

    @rule(i=ANY)
    def append_own_row(self, i: int) -> None:
        if self.model:
            i %= len(self.model)
            self.model.append(list(self.model[i]))
            self.matrix.append(self.matrix[i])

    @rule(i=ANY, row=ROW)
    def assign_row(self, i: int, row: list[float]) -> None:
        if self.model:
            i = i % len(self.model) - i % 2 * len(self.model)
            self.model[i][:] = row
            self.matrix[i] = row

    @rule(j=st.integers(-COLUMNS, COLUMNS - 1), x=ITEM)
    def assign_column(self, j: int, x: float) -> None:
        column = [x + i for i in range(len(self.model))]
        for row, y in zip(self.model, column, strict=True):
            row[j] = y
        self.matrix[:, j] = column

    @rule(data=st.data())
    def assign_shifted(self, data: st.DataObject) -> None:
        if self.model:
            shifted = [list(row) for row in self.model[:-1]]
            for row, new in zip(self.model[1:], shifted, strict=True):
                row[:] = new
            self.matrix[1:] = self.matrix[:-1]

    @rule(target=views, data=st.data())
    def take_view(self, data: st.DataObject) -> Any:
        if not self.model:
            return multiple()
        rows = data.draw(st.slices(len(self.model)))
        columns = data.draw(st.slices(COLUMNS))
        return (
            self.matrix[rows, columns],
            range(len(self.model))[rows],
            range(COLUMNS)[columns],
        )

    @rule(target=views, view=views)
    def transpose(self, view: Any) -> Any:
        matrix, rows, columns = view
        return memopt.FloatMatrix(matrix.T).T, rows, columns

    @rule(view=views)
    def read_view(self, view: Any) -> None:
        matrix, rows, columns = view
        expected = [[self.model[i][j] for j in columns] for i in rows]
        assert bits(matrix.tolist()) == bits(expected)
        assert matrix == expected
        assert [list(row) for row in matrix] == expected
        transposed = [list(c) for c in zip(*expected, strict=True)]
        if expected and expected[0]:
            assert matrix.T.tolist() == transposed

    @rule(view=views, i=ANY, j=ANY, x=ITEM)
    def write_view(self, view: Any, i: int, j: int, x: float) -> None:
        matrix, rows, columns = view
        if rows and columns:
            i, j = i % len(rows), j % len(columns)
            self.model[rows[i]][columns[j]] = x
            if x > 0:
                matrix[i, j] = x
            else:
                matrix[i - len(rows)][j - len(columns)] = x

    @invariant()
    def same(self) -> None:
        model, matrix = self.model, self.matrix
        assert bits(matrix.tolist()) == bits(model)
        assert matrix == model
        assert len(matrix) == len(model)
        assert bits(reversed(matrix)) == bits(reversed(model))
        for row in model[:2]:
            assert row in matrix
            assert matrix.index(row) == model.index(row)
            assert matrix.count(row) == model.count(row)


class NestedListModelFloat32(NestedListModel):
    dtype = "f"


TestNestedListModel = NestedListModel.TestCase
TestNestedListModelFloat32 = NestedListModelFloat32.TestCase
TestNestedListModel.settings = settings(stateful_step_count=25)
TestNestedListModelFloat32.settings = settings(stateful_step_count=25)


# --- a sequence of rows -----------------------------------------------------


def test_is_a_sequence_but_not_a_mutable_one_nor_hashable() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    for obj in (m, m[0]):
        assert isinstance(obj, Sequence)
        assert not isinstance(obj, MutableSequence)
        assert not isinstance(obj, Hashable)
        with pytest.raises(TypeError, match="unhashable type"):
            hash(obj)


def test_matches_sequence_patterns() -> None:
    match FloatMatrix([[1, 2], [3, 4]]):
        case [[a, b], [c, d]]:
            assert (a, b, c, d) == (1.0, 2.0, 3.0, 4.0)
        case other:
            pytest.fail(f"no match: {other!r}")


def test_works_with_what_takes_sequences() -> None:
    m = FloatMatrix([[1, 2], [3, 4], [5, 6]])
    first, *rest = m
    assert first == [1, 2]
    assert [list(r) for r in rest] == [[3, 4], [5, 6]]
    assert list(zip(*m, strict=True)) == [(1, 3, 5), (2, 4, 6)]
    assert random.Random(1).choice(m) in m
    assert max(m[:, 1]) == 6.0
    assert sorted(m[::-1, 0]) == [1.0, 3.0, 5.0]
    assert operator.length_hint(iter(m)) == 3
    assert list(itertools.chain.from_iterable(m)) == [1, 2, 3, 4, 5, 6]
    assert sum(sum(row) for row in m) == 21.0


def test_iteration_sees_rows_appended_meanwhile_as_for_a_list() -> None:
    m = FloatMatrix([[1]])
    seen = []
    for row in m:
        seen.append(row[0])
        if len(m) < 5:
            m.append([len(m) + 1])
    assert seen == [1, 2, 3, 4, 5]


def test_iterators_behave_as_those_of_lists() -> None:
    nested = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    m = FloatMatrix(nested)
    for sequence, peer in ((m, nested), (m[:, 1], [2.0, 4.0, 6.0])):
        for taken in range(5):
            mine, theirs = iter(sequence), iter(peer)
            for _ in range(taken):
                assert next(mine, None) == next(theirs, None)
            assert operator.length_hint(mine) == operator.length_hint(theirs)
            for again in (
                copy.copy(mine),
                copy.deepcopy(mine),
                pickle.loads(pickle.dumps(mine)),
                iter(mine),
            ):
                assert list(again) == peer[taken:]
                assert list(again) == []
                assert operator.length_hint(again) == 0


def test_iterators_stay_at_their_end_and_take_any_state() -> None:
    m = FloatMatrix([[1], [2]])
    iterator: Any = iter(m)
    iterator.__setstate__(-5)
    assert list(iterator) == [[1], [2]]
    m.append([3])
    assert list(iterator) == []
    iterator.__setstate__(0)
    assert list(iterator) == []
    iterator = iter(m)
    iterator.__setstate__(2**62)
    assert operator.length_hint(iterator) == 0
    assert list(iterator) == []
    with pytest.raises(TypeError):
        iterator.__setstate__("1")
    with pytest.raises(TypeError, match="cannot create"):
        type(iterator)()


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=2), max_size=6),
    st.lists(st.integers(0, 2), min_size=2, max_size=2),
    st.integers(-8, 8),
    st.integers(-8, 8),
)
def test_index_takes_bounds_as_list_does(
    nested: list[list[int]], row: list[int], start: int, stop: int
) -> None:
    m = FloatMatrix(nested)
    try:
        expected = nested.index(row, start, stop)
    except ValueError:
        with pytest.raises(ValueError, match="is not in FloatMatrix"):
            m.index(row, start, stop)
    else:
        assert m.index(row, start, stop) == expected


def test_searches_and_their_errors() -> None:
    m = FloatMatrix([[1, 2], [3, 4], [1, 2]])
    assert (1, 2) in m
    assert m[0] in m
    assert [2, 1] not in m
    assert "12" not in m
    assert None not in m
    assert m.count([1, 2]) == 2
    assert m.count(m[1]) == 1
    assert m.index([1, 2], 1) == 2
    assert m.index([1, 2], -(10**30), 10**30) == 0
    with pytest.raises(ValueError, match=r"^\[9\] is not in FloatMatrix$"):
        m.index([9])
    with pytest.raises(TypeError, match=r"index\(\) bounds must be integers"):
        m.index([1, 2], 1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        m.index()  # type: ignore[call-arg]


# --- == ---------------------------------------------------------------------


def test_equals_what_the_nested_list_would_equal() -> None:
    nested = [[1.0, 2.0], [3.0, 4.0]]
    m = FloatMatrix(nested)
    assert m == nested
    assert nested == m
    assert m == [[1, 2], [3, 4]]
    assert m == ((1, 2), (3, 4))
    assert m == [m[0], (3.0, 4.0)]
    assert m == FloatMatrix(nested, dtype="f")
    assert m == m.T.T
    assert operator.ne(m, nested) is False
    for other in (
        [[1, 2], [3, 5]],
        [[1, 2]],
        [[1, 2], [3, 4], [5, 6]],
        [[1], [3, 4]],
        [[1, 2, 3], [3, 4]],
        [1, 2],
        [[1, 2], None],
        [[1, 2], "34"],
        [],
        [[1, 2], [3, "4"]],
        m.T,
        m[0],
        None,
        7,
        "m",
    ):
        assert m != other
        assert operator.eq(m, other) is False
    assert FloatMatrix([[2.0**53]]) != [[2**53 + 1]]


def test_nan_equals_nothing() -> None:
    nan = math.nan
    m = FloatMatrix([[nan]])
    assert m != m
    assert m != [[nan]]
    assert m[0] != [nan]
    assert nan not in m[0]
    assert m[0].count(nan) == 0
    assert FloatMatrix([[0.0]]) == FloatMatrix([[-0.0]])


def test_empty_matrices_compare_by_shape() -> None:
    zeros = FloatMatrix.zeros
    assert zeros(0, 3) == zeros(0, 3)
    assert zeros(0, 3) != zeros(0, 2)
    assert zeros(0, 3) == []
    assert zeros(2, 0) == [[], []]
    assert zeros(2, 0) != []


@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.gt, operator.ge])
def test_has_no_order(op: Any) -> None:
    m = FloatMatrix([[1]])
    with pytest.raises(TypeError, match="not supported between"):
        op(m, m)
    with pytest.raises(TypeError, match="not supported between"):
        op(m[0], m[0])


# --- repr -------------------------------------------------------------------


@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from(["d", "f"]),
    st.integers(),
)
def test_repr_evaluates_or_is_short(
    rows: int, columns: int, dtype: Any, seed: int
) -> None:
    m = FloatMatrix(FloatMatrix.random(rows, columns, seed=seed), dtype=dtype)
    if rows * columns > 100:
        assert repr(m) == (
            f"<FloatMatrix of {rows} rows, {columns} columns, dtype '{dtype}'>"
        )
    else:
        again = eval(repr(m), {"FloatMatrix": FloatMatrix})
        assert again == m
        assert again.shape == m.shape
        assert again.dtype == m.dtype


def test_reprs() -> None:
    assert repr(FloatMatrix()) == "FloatMatrix([])"
    assert repr(FloatMatrix.zeros(0, 2, "f")) == "FloatMatrix.zeros(0, 2, dtype='f')"
    assert repr(FloatMatrix([[0.5]], dtype="f")) == "FloatMatrix([[0.5]], dtype='f')"
    assert repr(FloatMatrix([[0.5]])[0]) == "FloatVector([0.5])"
    huge = FloatMatrix.zeros(10**9, 0)
    assert repr(huge) == "<FloatMatrix of 1000000000 rows, 0 columns, dtype 'd'>"
    long = FloatMatrix.zeros(1, 101)[0]
    assert repr(long) == "<FloatVector of 101 items, dtype 'd'>"


# --- growing ----------------------------------------------------------------


def test_empty_matrix_takes_its_width_from_its_first_row() -> None:
    m = FloatMatrix()
    assert m.shape == (0, 0)
    m.extend([])
    m.append([1, 2, 3])
    assert m.shape == (1, 3)
    m.extend(FloatMatrix([[4, 5, 6]]))
    assert m == [[1, 2, 3], [4, 5, 6]]
    m = FloatMatrix()
    m.extend([[1], [2]])
    assert m == [[1], [2]]
    m = FloatMatrix()
    m.append([])
    m.append([])
    assert m.shape == (2, 0)


def test_rows_of_another_length_are_refused() -> None:
    m = FloatMatrix([[1, 2, 3]])
    for row in ([], [1, 2], [1, 2, 3, 4]):
        with pytest.raises(ValueError, match=rf"expected rows of 3 .* not {len(row)}$"):
            m.append(row)
        with pytest.raises(ValueError, match=rf"expected rows of 3 .* not {len(row)}$"):
            m.extend([row])
    with pytest.raises(ValueError, match="row 1 has 2 items, but row 0 has 3"):
        m.extend([[1, 2, 3], [4, 5]])
    assert m == [[1, 2, 3]]
    with pytest.raises(ValueError, match="expected rows of 3 items, not 1"):
        FloatMatrix.zeros(0, 3).append([1])


def test_what_is_not_a_row_is_refused() -> None:
    m = FloatMatrix([[1, 2]])
    for bad in (None, 5, 1.5, "12", object()):
        with pytest.raises(TypeError, match="expected a sequence of numbers, not"):
            m.append(bad)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"expected a sequence of rows|row 0 must"):
            m.extend(bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^item 1 must be a real number, not str$"):
        m.append([1, "2"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"^row 1, item 0 must be a real .* not None"):
        m.extend([[1, 2], [None, 3]])  # type: ignore[list-item]
    assert m == [[1, 2]]


def test_only_a_whole_matrix_with_its_own_memory_grows() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    shared = FloatMatrix(memoryview(m))
    for view in (m[:], m[:1], m.T, m[:, :1], FloatMatrix(m), shared):
        before = view.tolist()
        with pytest.raises(TypeError, match=r"a view or shares memory.*copy\(\)$"):
            view.append([5, 6])
        with pytest.raises(TypeError, match=r"a view or shares memory.*copy\(\)$"):
            view.extend([[5, 6]])
        assert view == before
        grown = view.copy()
        grown.append([0.0] * grown.shape[1])
        assert len(grown) == len(view) + 1
    for whole in (m.T.copy(), m.sum(axis=0, keepdims=True), FloatMatrix(m, copy=True)):
        whole.append([5, 6])
        assert whole[-1] == [5, 6]


def test_exports_refuse_growth_until_they_are_released() -> None:
    m = FloatMatrix([[1, 2]])
    message = "^Existing exports of data: object cannot be re-sized$"
    with memoryview(m), pytest.raises(BufferError, match=message):
        m.append([3, 4])
    with memoryview(m[0]), pytest.raises(BufferError, match=message):
        m.extend([[3, 4]])
    with memoryview(m):
        m.extend([])  # changes nothing, so that nothing speaks against it
    m.append([3, 4])
    assert m == [[1, 2], [3, 4]]


def test_capacity_grows_geometrically_and_is_counted() -> None:
    m = FloatMatrix.zeros(0, 10)
    sizes = set()
    for i in range(2000):
        m.append([float(i)] * 10)
        sizes.add(sys.getsizeof(m))
    assert len(sizes) < 80
    used = 2000 * 80
    assert used < sys.getsizeof(m) < used * 1.15 + 1000
    assert m[:, 3] == list(range(2000))


def test_only_the_owner_counts_the_memory() -> None:
    m = FloatMatrix.zeros(100, 100)
    assert 80_000 < sys.getsizeof(m) < 81_000
    for view in (m[:], m.T, m[0], m[:, 0], FloatMatrix(m)):
        assert sys.getsizeof(view) < 300
    assert sys.getsizeof(m.sum(axis=0)) > 800


# --- copying, life ----------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda m: m.copy()])
@pytest.mark.parametrize("dtype", ["d", "f"])
def test_copies_are_independent(duplicate: Any, dtype: Any) -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]], dtype=dtype)
    originals: list[Any] = [m, m.T, m[::-1, ::2], m[0], m[:, 1]]
    for original in originals:
        values = original.tolist()
        twin: Any = duplicate(original)
        assert type(twin) is type(original)
        assert twin == original
        assert twin.dtype == dtype
        twin[0] = twin.tolist()[-1]
        assert original == values
        assert memoryview(twin).c_contiguous


def test_attributes() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]], dtype="f")
    assert (m.shape, m.dtype, m.itemsize, m.nbytes) == ((2, 3), "f", 4, 24)
    assert (m[0].shape, m[0].dtype, m[0].itemsize, m[0].nbytes) == ((3,), "f", 4, 12)
    assert m.readonly is False
    assert m[0] == m[0].T
    for name in ("shape", "dtype", "itemsize", "nbytes", "readonly", "T", "flat"):
        with pytest.raises(AttributeError):
            setattr(m, name, 1)
    with pytest.raises(AttributeError):
        m.other = 1  # type: ignore[attr-defined]


def test_flat() -> None:
    """All items as a vector that shares the memory, or a ValueError."""
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]])
    for view in (m, m[::-1, ::-1], m[:, 1:2], m[1:], m[:0], m[:, :0], m.T[:, :1]):
        want = [x for row in view for x in row]
        assert view.flat.tolist() == want
        assert view.flat.shape == (len(want),)
    m.flat[4] = 50
    assert m[1, 1] == 50
    assert m[0].flat == m[0]
    assert m.T.copy().flat.tolist() == [1, 4, 2, 50, 3, 6]
    for strided in m.T, m[:, :2], m[::-1]:
        with pytest.raises(ValueError, match=r"use m\.copy\(\)\.flat"):
            _ = strided.flat


def test_views_keep_the_storage_alive() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    row, column, part = m[0], m[:, 1], m[1:]
    gone = weakref.ref(m)
    del m
    assert gone() is None
    row[1] = 20
    assert column == [20, 4]
    assert part == [[3, 4]]


def test_cycles_through_shared_memory_are_collected() -> None:
    class Buffer(bytearray):
        matrix: FloatMatrix

    buffer = Buffer(16)
    buffer.matrix = FloatMatrix(memoryview(buffer).cast("d", (1, 2)))
    gone = weakref.ref(buffer.matrix)
    assert gc.is_tracked(buffer.matrix)
    del buffer
    gc.collect()
    assert gone() is None


def test_long_chains_of_sharers_are_freed_without_recursion() -> None:
    m = FloatMatrix([[1, 2]])
    for _ in range(100_000):
        m = FloatMatrix(memoryview(m))
    assert m == [[1, 2]]
    del m


def test_types_are_final_and_only_matrices_are_made_by_calling() -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Sub", (FloatMatrix,), {})
    with pytest.raises(
        TypeError, match=r"cannot create 'memopt.FloatVector' instances"
    ):
        FloatVector()
    with pytest.raises(TypeError, match="immutable type"):
        FloatMatrix.extra = 1  # type: ignore[attr-defined]


def test_constructor_shows_its_signature() -> None:
    signature = str(inspect.signature(FloatMatrix))
    assert signature == "(obj=(), /, *, dtype=None, copy=None)"
