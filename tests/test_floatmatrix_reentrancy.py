"""Python code that runs in the middle of an operation and changes its operands."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memopt import FloatMatrix


class Runs:
    """A number that runs code when it is converted, compared or used as an index."""

    def __init__(self, action: Callable[[], Any], value: float = 0.5) -> None:
        self.action = action
        self.value = value

    def __float__(self) -> float:
        self.action()
        return self.value

    def __index__(self) -> int:
        self.action()
        return int(self.value)

    def __eq__(self, other: object) -> bool:
        self.action()
        return other == self.value

    __hash__ = None  # type: ignore[assignment]


class Row:
    """A row that runs code when it is iterated over."""

    def __init__(self, action: Callable[[], Any], *items: float) -> None:
        self.action = action
        self.items = items

    def __iter__(self) -> Iterator[float]:
        self.action()
        return iter(self.items)


def drop(*containers: list[Any]) -> None:
    for container in containers:
        container.clear()
    gc.collect()


def grow(m: FloatMatrix, rows: int = 1000) -> Callable[[], None]:
    """Moves the memory of m for sure."""
    return lambda: m.extend(FloatMatrix.zeros(rows, m.shape[1]))


# --- while lists are read ---------------------------------------------------


def test_row_that_shrinks_or_grows_while_it_is_read() -> None:
    for change in (list.clear, lambda row: row.append(1.0), list.pop):
        row: list[Any] = []
        row += [1.0, Runs(lambda row=row, change=change: change(row)), 3.0]  # type: ignore[misc]
        with pytest.raises(
            RuntimeError, match="row 1 changed its size while it was read"
        ):
            FloatMatrix([[1, 2, 3], row])
        row[:] = [1.0, Runs(lambda row=row, change=change: change(row)), 3.0]  # type: ignore[misc]
        m = FloatMatrix([[1, 2, 3]])
        with pytest.raises(
            RuntimeError, match="a row changed its size while it was re"
        ):
            m.append(row)
        assert m == [[1, 2, 3]]


def test_items_replaced_while_they_are_read() -> None:
    row: list[Any] = [1.0, None, 3.0, 4.0]

    def replace() -> None:
        row[:] = [float(100 + i) for i in range(4)]
        gc.collect()

    row[1] = Runs(replace)
    assert FloatMatrix([row]) == [[1, 0.5, 102, 103]]


def test_list_of_rows_changed_while_it_is_read() -> None:
    rows: list[Any] = []
    rows += [[1.0, Runs(rows.clear)], [3.0, 4.0]]
    assert FloatMatrix(rows) == [[1, 0.5]]

    def add() -> None:
        if len(rows) < 100:
            rows.append([5.0, Runs(add)])

    rows[:] = [[1.0, Runs(add)]]
    m = FloatMatrix(rows)
    assert m.shape == (100, 2)
    assert m[-1] == [5, 0.5]
    m.append([0, 0])


def test_flat_list_changed_while_it_is_read() -> None:
    flat: list[Any] = []
    flat += [1.0, Runs(flat.clear), 3.0, 4.0]
    with pytest.raises(ValueError, match="expected 4 items, but 0 came"):
        FloatMatrix.from_iterable(2, 2, flat)
    flat += [1.0, Runs(lambda: flat.append(1.0)), 3.0, 4.0]
    with pytest.raises(ValueError, match="expected 4 items, but 5 came"):
        FloatMatrix.from_iterable(2, 2, flat)


def test_row_dropped_while_it_is_read() -> None:
    rows: list[Any] = []
    rows.append([1.0, Runs(lambda: drop(rows)), 3.0])
    assert FloatMatrix(rows) == [[1, 0.5, 3]]


def test_constructor_called_again_by_an_item() -> None:
    inner: list[FloatMatrix] = []
    item = Runs(lambda: inner.append(FloatMatrix([[1, 2]] * 50)))
    assert FloatMatrix([[1.0, item], [item, 4.0]]) == [[1, 0.5], [0.5, 4]]
    assert len(inner) == 2


# --- while a matrix is written ----------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ((1, 1), lambda run: run),
        (1, lambda run: [9, run]),
        (1, lambda run: (9, run)),
        (1, lambda run: iter([9, run])),
        ((slice(None, 2), 1), lambda run: [9, run]),
        (slice(0, 2), lambda run: [[9, 9], [9, run]]),
        ((slice(0, 2), slice(1, 2)), lambda run: [[9], [run]]),
    ],
)
def test_matrix_moved_while_it_is_assigned_to(key: Any, value: Any) -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    part = m[:2]
    m[key] = value(Runs(grow(m)))
    assert len(m) == 1002
    assert m[1, 1] == 0.5
    assert part[1, 1] == 0.5
    row = m[0]
    row[1] = Runs(grow(m))
    assert row[1] == m[0, 1] == 0.5
    row[:] = [7, Runs(grow(m))]
    assert m[0] == [7, 0.5]
    assert len(m) == 3002


def test_matrix_moved_while_it_is_subscripted() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    assert m[Runs(grow(m), -1)] == [0, 0]
    assert len(m) == 1002
    assert m[0, Runs(grow(m), 1)] == 2.0
    assert m[0][Runs(grow(m), 1)] == 2.0
    assert m[Runs(grow(m), 1) : 3] == [[3, 4], [0, 0]]
    assert len(m[Runs(grow(m), 2000) :]) == 3002
    m[Runs(grow(m), -1)] = [5, 6]
    assert m[6001] == [5, 6]
    m[0, Runs(grow(m), 0)] = Runs(grow(m))
    assert m[0] == [0.5, 2]


def test_matrix_grown_while_it_grows() -> None:
    m = FloatMatrix([[1, 2]])
    m.append([9, Runs(grow(m, 2))])
    assert m == [[1, 2], [0, 0], [0, 0], [9, 0.5]]
    m.extend([[8, 8], Row(grow(m, 2), 7, 7)])
    assert m[4:] == [[0, 0], [0, 0], [8, 8], [7, 7]]


def test_width_settled_while_the_first_row_is_read() -> None:
    m = FloatMatrix()
    with pytest.raises(ValueError, match="expected rows of 3 items, not 2"):
        m.append([1, Runs(lambda: m.append([1, 2, 3]))])
    assert m == [[1, 2, 3]]


def test_matrix_exported_while_a_row_is_read() -> None:
    m = FloatMatrix([[1, 2]])
    views: list[Any] = []
    with pytest.raises(BufferError):
        m.append([1, Runs(lambda: views.append(memoryview(m)))])
    assert m == [[1, 2]]
    assert views[0].tolist() == [[1, 2]]


def test_matrix_extended_by_its_own_iterator_ends() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    m.extend(iter(m))
    assert m == [[1, 2], [3, 4]] * 2
    m.extend(row[::-1] for row in m[:1])
    assert m[-1] == [2, 1]


def test_last_reference_dropped_by_an_item() -> None:
    holder = [FloatMatrix([[1, 2], [3, 4]])]
    holder[0][1] = [9, Runs(holder.clear)]
    holder = [FloatMatrix([[1, 2], [3, 4]])]
    holder[0].append([9, Runs(holder.clear)])
    holder = [FloatMatrix([[1, 2], [3, 4]])]
    rows = [holder[0][0]]
    rows[0][0] = Runs(lambda: drop(rows, holder))


def test_failing_items_leave_the_matrix_as_it_was() -> None:
    def fail() -> None:
        raise KeyError("mine")

    m = FloatMatrix([[1, 2], [3, 4]])
    run: Any = Runs(fail)
    attempts: list[Callable[[], Any]] = [
        lambda: m.append([9, run]),
        lambda: m.extend([[9, 9], [9, run]]),
        lambda: m.extend(Row(fail, 1, 2) for _ in range(3)),
        lambda: m.__setitem__(0, [9, run]),
        lambda: m.__setitem__(slice(None), [[9, 9], [9, run]]),
        lambda: m.__setitem__((0, 0), run),
        lambda: m[0].__setitem__(slice(None), [9, run]),
        lambda: m.__getitem__(run),
        lambda: m == [[1, 2], [3, run]],
        lambda: [3, run] in m,
        lambda: run in m[1],
        lambda: m[0].index(run),
        lambda: m.count([1, run]),
        lambda: FloatMatrix([[1, run]]),
        lambda: FloatMatrix.from_iterable(1, 1, [run]),
        lambda: FloatMatrix.full(1, 1, run),
        lambda: FloatMatrix.zeros(run, 1),
        lambda: m.sum(axis=run),
    ]
    for attempt in attempts:
        with pytest.raises(KeyError, match="mine"):
            attempt()
        assert m.tolist() == [[1, 2], [3, 4]]
        assert m.shape == (2, 2)


# --- while matrices are compared --------------------------------------------


def test_matrix_moved_while_it_is_compared() -> None:
    m = FloatMatrix([[1, 2], [0.5, 4]])
    other = [[1, 2], [Runs(grow(m)), 4]]
    assert m == other
    assert len(m) == 1002
    assert [Runs(grow(m)), 4] in m
    assert m.index([Runs(grow(m)), 4]) == 1
    assert Runs(grow(m)) in m[1]


def test_list_changed_while_it_is_compared() -> None:
    m = FloatMatrix([[1, 0.5], [3, 4]])
    rows: list[Any] = []
    rows += [[1, Runs(rows.clear)], [3, 4]]
    assert m != rows
    row: list[Any] = []
    row += [1, Runs(row.clear)]
    assert m != [row, [3, 4]]
    row += [1, Runs(lambda: row.append(1))]
    assert m != [row, [3, 4]]
    row[:] = [Runs(lambda: drop(row), 1), 0.5]
    assert row != m[0]


def test_searches_end_in_a_growing_matrix_as_in_a_list() -> None:
    m = FloatMatrix([[0, 0]])

    def add() -> None:
        if len(m) < 50:
            m.append([0, 0])

    assert m.count([Runs(add, 1), 0]) == 0
    assert len(m) == 50
