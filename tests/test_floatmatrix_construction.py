"""FloatMatrix from nested sequences, iterables, shapes and flat data."""

import array
import collections
import decimal
import fractions
import math
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memopt import FloatMatrix

NUMBERS = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.fractions(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
)


def rectangles(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Any]]]:
    return st.integers(0, 5).flatmap(
        lambda n: st.lists(st.lists(items, min_size=n, max_size=n), max_size=5)
    )


class Floats:
    """Only what float() needs."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value


class Index:
    def __index__(self) -> int:
        return 7


class OldSequence:
    """Iterable only by __getitem__, as before there were iterators."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __getitem__(self, i: int) -> Any:
        return self.items[i]


class Float(float):
    pass


class List(list[Any]):
    """A list by type, whose items are those of its iterator."""

    def __iter__(self) -> Iterator[Any]:
        return (2 * x for x in super().__iter__())


# --- nested sequences -------------------------------------------------------


@given(rectangles(NUMBERS))
def test_items_are_those_of_float(nested: list[list[Any]]) -> None:
    expected = [[float(x) for x in row] for row in nested]
    m = FloatMatrix(nested)
    assert m.tolist() == expected
    assert m.shape == (len(nested), len(nested[0]) if nested else 0)
    assert m.dtype == "d"


@given(rectangles(st.floats()))
def test_bits_survive(nested: list[list[float]]) -> None:
    def bits(rows: Any) -> list[list[bytes]]:
        return [[struct.pack("d", x) for x in row] for row in rows]

    assert bits(FloatMatrix(nested).tolist()) == bits(nested)
    assert bits(FloatMatrix(tuple(map(tuple, nested))).tolist()) == bits(nested)


@given(rectangles(st.floats()))
def test_float32_rounds_as_array_does(nested: list[list[float]]) -> None:
    m = FloatMatrix(nested, dtype="f")
    expected = [array.array("f", row) for row in nested]
    assert [struct.pack(f"{len(r)}f", *r) for r in m.tolist()] == [
        struct.pack(f"{len(r)}f", *r) for r in expected
    ]


OUTER: list[Callable[[Any], Any]] = [list, tuple, iter, collections.deque, OldSequence]


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize(
    "inner",
    [
        *OUTER,
        lambda row: (x for x in row),
        lambda row: dict.fromkeys(row),
        lambda row: array.array("d", row),
        lambda row: array.array("f", row),
        lambda row: array.array("b", row),
        lambda row: array.array("Q", row),
        lambda row: memoryview(array.array("h", row))[::1],
        lambda row: bytes(row),
        lambda row: range(row[0], row[-1] + 1),
        lambda row: FloatMatrix([row])[0],
        lambda row: FloatMatrix([row], dtype="f")[0],
        lambda row: FloatMatrix([[x] for x in row])[:, 0],
    ],
)
@pytest.mark.parametrize("dtype", ["d", "f"])
def test_rows_of_every_kind(
    outer: Callable[[Any], Any], inner: Callable[[Any], Any], dtype: Any
) -> None:
    m = FloatMatrix(outer([inner([1, 2, 3]), inner([4, 5, 6])]), dtype=dtype)
    assert m == [[1, 2, 3], [4, 5, 6]]
    assert m.dtype == dtype
    m.append([7, 8, 9])


def test_rows_of_different_kinds_together() -> None:
    m = FloatMatrix(
        [[1, 2.5], (True, Float(4)), array.array("i", [5, 6]), iter([7, 8])]
    )
    assert m == [[1, 2.5], [1, 4], [5, 6], [7, 8]]


def test_items_of_every_kind() -> None:
    row: list[Any] = [
        1.5,
        2,
        True,
        Float(2.5),
        Floats(3.5),
        Index(),
        fractions.Fraction(1, 4),
    ]
    assert FloatMatrix([[*row, decimal.Decimal("0.125")]]) == [
        [1.5, 2, 1, 2.5, 3.5, 7, 0.25, 0.125]
    ]


def test_subclasses_of_list_are_read_through_their_own_methods() -> None:
    assert FloatMatrix(List([[1, 2]])) == [[1, 2, 1, 2]]
    assert FloatMatrix([List([1, 2])]) == [[2, 4]]


def test_empty_ones() -> None:
    empties: list[Any] = [(), [], iter(()), {}]
    for empty in empties:
        assert FloatMatrix(empty).shape == (0, 0)
    assert FloatMatrix().shape == (0, 0)
    assert FloatMatrix([[], []]).shape == (2, 0)
    assert FloatMatrix([(), iter(()), b""]).shape == (3, 0)


def test_what_is_shared_is_independent_of_the_lists() -> None:
    nested = [[1.0, 2.0]]
    m = FloatMatrix(nested)
    nested[0][0] = 9.0
    m[0, 1] = 8.0
    assert nested == [[9.0, 2.0]]
    assert m == [[1.0, 8.0]]


# --- what is refused --------------------------------------------------------


@given(st.lists(st.integers(0, 3), min_size=2, max_size=6), st.sampled_from(OUTER))
def test_ragged_rows_are_named(lengths: list[int], inner: Callable[[Any], Any]) -> None:
    rows = [inner([0.5] * n) for n in lengths]
    bad = next((i for i, n in enumerate(lengths) if n != lengths[0]), None)
    if bad is None:
        assert FloatMatrix(rows).shape == (len(lengths), lengths[0])
        return
    message = f"^row {bad} has {lengths[bad]} items, but row 0 has {lengths[0]}$"
    with pytest.raises(ValueError, match=message):
        FloatMatrix(rows)


@pytest.mark.parametrize("bad", [1, 2.5, None, "12", object()])
def test_rows_that_are_not_sequences_are_named(bad: Any) -> None:
    name = type(bad).__name__
    with pytest.raises(
        TypeError, match=rf"^row 1 must be a sequence of numbers, not {name}$"
    ):
        FloatMatrix([[1, 2], bad])
    with pytest.raises(
        TypeError, match=rf"^row 0 must be a sequence of numbers, not {name}$"
    ):
        FloatMatrix(iter([bad]))


@pytest.mark.parametrize("bad", ["x", None, 1j, [1], b"1", object()])
def test_items_that_are_not_numbers_are_named(bad: Any) -> None:
    name = type(bad).__name__
    message = f"^row 1, item 2 must be a real number, not {name}$"
    for row in ([1.0, 2, bad], (1.0, 2, bad), iter([1.0, 2, bad])):
        with pytest.raises(TypeError, match=message):
            FloatMatrix([[1, 2, 3], row])


@pytest.mark.parametrize("bad", [1, 2.5, None, object()])
def test_what_is_no_sequence_of_rows(bad: Any) -> None:
    name = type(bad).__name__
    with pytest.raises(TypeError, match=rf"^expected a sequence of rows, not {name}$"):
        FloatMatrix(bad)


def test_strings_are_no_rows() -> None:
    with pytest.raises(TypeError, match="expected a sequence of rows, not str"):
        FloatMatrix("12")  # type: ignore[arg-type]


def test_integers_beyond_doubles_overflow_as_in_float() -> None:
    with pytest.raises(OverflowError, match="int too large to convert to float"):
        FloatMatrix([[10**400]])
    assert FloatMatrix([[2**53 + 1, -(2**1023)]]) == [[2.0**53, -(2.0**1023)]]


def test_exceptions_of_items_and_rows_are_noted_with_their_place() -> None:
    rows: Any
    cube = memoryview(bytes(8)).cast("d", (1, 1))
    for rows, note in (
        ([[1, 2], [3, 10**400]], "row 1, item 1"),
        ([[1], iter([Raises(KeyError("k"))])], "row 1, item 0"),
        ([[1], cube], "row 1"),
        ([memoryview(b"a").cast("c")], "row 0"),
    ):
        with pytest.raises((OverflowError, KeyError, ValueError, TypeError)) as caught:
            FloatMatrix(rows)
        assert caught.value.__notes__ == [f"while reading {note}"]
    for use in (FloatMatrix().append, lambda row: FloatMatrix.from_iterable(1, 2, row)):
        with pytest.raises(OverflowError) as caught:
            use([1, 10**400])
        assert caught.value.__notes__ == ["while reading item 1"]


class Raises:
    """Fails as an item, and as an iterable after one item."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __float__(self) -> float:
        raise self.error

    def __iter__(self) -> Iterator[Any]:
        yield [1.0]
        raise self.error


class RaisesAtOnce(Raises):
    def __iter__(self) -> Iterator[Any]:
        raise self.error


@pytest.mark.parametrize("kind", [KeyError, TypeError, ValueError])
def test_exceptions_of_items_and_iterators_pass_unchanged(
    kind: type[Exception],
) -> None:
    error = kind("mine")
    raises, raises_at_once = Raises(error), RaisesAtOnce(error)

    def generator() -> Iterator[float]:
        yield 1.0
        raise error

    for rows in (
        raises,
        raises_at_once,
        [[1.0, raises]],
        [(raises,)],
        [[1.0], generator()],
        [raises_at_once],
        iter([[1.0], [raises]]),
    ):
        with pytest.raises(kind) as caught:
            FloatMatrix(rows)  # type: ignore[arg-type]
        assert caught.value is error


# --- dtype and copy ---------------------------------------------------------


@pytest.mark.parametrize("spelling", ["d", "float64", float, None])
def test_spellings_of_float64(spelling: Any) -> None:
    assert FloatMatrix([[1]], dtype=spelling).dtype == "d"
    assert FloatMatrix.zeros(1, 1, spelling).dtype == "d"
    assert FloatMatrix.full(1, 1, 0, dtype=spelling).dtype == "d"
    assert FloatMatrix.from_iterable(1, 1, [0], dtype=spelling).dtype == "d"


@pytest.mark.parametrize("spelling", ["f", "float32"])
def test_spellings_of_float32(spelling: Any) -> None:
    assert FloatMatrix([[1]], dtype=spelling).dtype == "f"
    assert FloatMatrix(dtype=spelling).dtype == "f"
    assert FloatMatrix.zeros(1, 1, spelling).dtype == "f"
    assert FloatMatrix.full(1, 1, 0, spelling).dtype == "f"
    assert FloatMatrix.from_iterable(1, 1, [0], spelling).dtype == "f"


@pytest.mark.parametrize("bad", ["i", "D", "", "float16", "é", "\ud800", int, complex])
def test_other_dtypes_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"^dtype must be 'd' \(float64\) or 'f'"):
        FloatMatrix([[1]], dtype=bad)
    with pytest.raises(ValueError, match=r"^dtype must be 'd' \(float64\) or 'f'"):
        FloatMatrix.zeros(1, 1, bad)


@pytest.mark.parametrize("bad", [1, b"d", ["d"], object()])
def test_dtypes_of_another_kind_are_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"^dtype must be 'd', 'f' or None, not "):
        FloatMatrix([[1]], dtype=bad)


def test_copy_of_python_objects() -> None:
    assert FloatMatrix([[1]], copy=True) == [[1]]
    assert FloatMatrix([[1]], copy=None) == [[1]]
    with pytest.raises(ValueError, match="rows of Python objects must be copied"):
        FloatMatrix([[1]], copy=False)


def test_copy_of_matrices() -> None:
    m = FloatMatrix([[1, 2]])
    for shares in (
        FloatMatrix(m),
        FloatMatrix(m, copy=False),
        FloatMatrix(m, dtype="d"),
    ):
        shares[0, 0] += 1
    assert m == [[4, 2]]
    for copies in (FloatMatrix(m, copy=True), FloatMatrix(m, dtype="f")):
        copies[0, 0] = 0
    assert m == [[4, 2]]
    assert FloatMatrix(m, dtype="f").dtype == "f"
    assert FloatMatrix(m.T, copy=True) == [[4], [2]]
    with pytest.raises(ValueError, match="copy=False, but dtype is not that of the"):
        FloatMatrix(m, dtype="f", copy=False)


def test_arguments_are_checked() -> None:
    with pytest.raises(TypeError, match="at most 1 positional"):
        FloatMatrix([[1]], "d")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"'typecode' is an invalid keyword|unexpected"):
        FloatMatrix([[1]], typecode="d")  # type: ignore[call-arg]

    class NoTruth:
        def __bool__(self) -> bool:
            raise KeyError("truth")

    with pytest.raises(KeyError, match="truth"):
        FloatMatrix([[1]], copy=NoTruth())  # type: ignore[arg-type]


# --- shapes -----------------------------------------------------------------


@given(st.integers(0, 6), st.integers(0, 6), st.floats(), st.sampled_from(["d", "f"]))
def test_zeros_and_full(rows: int, columns: int, value: float, dtype: Any) -> None:
    zeros = FloatMatrix.zeros(rows, columns, dtype)
    assert zeros.shape == (rows, columns)
    assert zeros == [[0] * columns] * rows
    full = FloatMatrix.full(rows, columns, value, dtype)
    assert full.shape == (rows, columns)
    expected = array.array(dtype, [value] * columns).tobytes()
    assert all(memoryview(row).tobytes() == expected for row in full)


def test_shapes_by_index_and_keyword() -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    assert FloatMatrix.zeros(columns=Two(), rows=True).shape == (1, 2)
    assert FloatMatrix.full(rows=1, columns=1, value=Floats(2.5)) == [[2.5]]
    assert FloatMatrix.zeros(10**12, 0).shape == (10**12, 0)
    assert FloatMatrix.zeros(0, 10**12).shape == (0, 10**12)


@pytest.mark.parametrize("bad", ["1", None, 1j, [1]])
def test_full_of_what_is_no_number(bad: Any) -> None:
    kind = type(bad).__name__
    with pytest.raises(TypeError, match=rf"^value must be a real number, not {kind}$"):
        FloatMatrix.full(1, 1, bad)


MAKERS: list[Callable[[Any, Any], FloatMatrix]] = [
    FloatMatrix.zeros,
    FloatMatrix.random,
    lambda r, c: FloatMatrix.full(r, c, 1.0),
    lambda r, c: FloatMatrix.from_iterable(r, c, ()),
]


@pytest.mark.parametrize("make", MAKERS)
def test_bad_shapes(make: Callable[[Any, Any], FloatMatrix]) -> None:
    with pytest.raises(ValueError, match=r"^rows must be >= 0, not -1$"):
        make(-1, 2)
    with pytest.raises(ValueError, match=r"^columns must be >= 0, not -3$"):
        make(2, -3)
    with pytest.raises(
        ValueError, match=r"^rows must be >= 0, not -1000000000000000000"
    ):
        make(-(10**30), 0)
    for bad in (1.0, "1", None, [1]):
        kind = f"must be an integer, not {type(bad).__name__}$"
        with pytest.raises(TypeError, match=f"^rows {kind}"):
            make(bad, 1)
        with pytest.raises(TypeError, match=f"^columns {kind}"):
            make(1, bad)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "shape",
    [
        (2**62, 2**62),
        (2**32, 2**32),
        (sys.maxsize, 1),
        (1, sys.maxsize),
        (sys.maxsize // 8, 1),
        (1, sys.maxsize // 8),
        (10**30, 0),
        (0, 10**30),
        (10**30, 10**30),
    ],
)
def test_shapes_beyond_memory(
    make: Callable[[Any, Any], FloatMatrix], shape: tuple[int, int]
) -> None:
    with pytest.raises(MemoryError):
        make(*shape)


# --- flat data --------------------------------------------------------------


@given(st.integers(0, 5), st.integers(0, 5), st.sampled_from([*OUTER, set]))
def test_from_iterable(rows: int, columns: int, kind: Callable[[Any], Any]) -> None:
    n = rows * columns
    expected = [[float(i * columns + j) for j in range(columns)] for i in range(rows)]
    m = FloatMatrix.from_iterable(rows, columns, kind(list(range(n))))
    assert m.shape == (rows, columns)
    assert m.tolist() == expected


def test_from_iterable_takes_exactly_enough() -> None:
    make: Callable[[int, int, Any], FloatMatrix] = FloatMatrix.from_iterable
    assert make(1, 2, array.array("f", [0.5, 1.5])) == [[0.5, 1.5]]
    assert make(2, 1, b"ab") == [[97], [98]]
    for few in ([1, 2, 3], iter([1, 2, 3])):
        with pytest.raises(ValueError, match=r"^expected 4 items, but 3 came$"):
            make(2, 2, few)
    with pytest.raises(ValueError, match=r"^expected 4 items, but 6 came$"):
        make(2, 2, list(range(6)))
    endless = iter(int, 1)
    with pytest.raises(ValueError, match=r"^expected 4 items, but more than 4 came$"):
        make(2, 2, endless)
    with pytest.raises(ValueError, match=r"^expected 0 items, but more than 0 came$"):
        make(0, 2, endless)
    with pytest.raises(TypeError, match=r"^item 1 must be a real number, not str$"):
        make(1, 2, [1, "2"])
    with pytest.raises(TypeError, match=r"^item 1 must be a real number, not str$"):
        make(1, 2, iter([1, "2"]))
    with pytest.raises(TypeError, match="not iterable"):
        make(1, 2, 3)
    with pytest.raises(KeyError):
        make(1, 1, [Raises(KeyError("k"))])


def test_infinities_and_nan() -> None:
    m = FloatMatrix([[math.inf, -math.inf, math.nan]])
    assert m[0, 0] == math.inf
    assert m[0, 1] == -math.inf
    assert math.isnan(m[0, 2])
    assert FloatMatrix([[1e300, -1e300]], dtype="f") == [[math.inf, -math.inf]]
