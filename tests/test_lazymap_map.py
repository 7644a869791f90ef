"""CPython's tests of map(), from Lib/test/test_builtin.py, on LazyMap."""

import math
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from memopt import LazyMap


def identity(x: Any) -> Any:
    return x


def pack(*args: Any) -> Any:
    return args


def plus(*v: int) -> int:
    return sum(v)


class BadSeq:
    def __iter__(self) -> Iterator[Any]:
        raise ValueError("bad sequence")


class Squares:
    """Items by index, and no __len__."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __getitem__(self, i: int) -> int:
        if not 0 <= i < self.size:
            raise IndexError
        return i * i


class Countdown:
    """An iterator that fails where others end."""

    class Error(Exception):
        pass

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> "Countdown":
        return self

    def __next__(self) -> int:
        self.size -= 1
        if self.size < 0:
            raise self.Error
        return self.size


def test_map() -> None:
    assert list(LazyMap(lambda x: x * x, range(1, 4))) == [1, 4, 9]
    rows = [[16, 4], [81, 9]]
    roots = [[4.0, 2.0], [9.0, 3.0]]
    assert list(LazyMap(lambda x: list(map(math.sqrt, x)), rows)) == roots
    assert list(LazyMap(lambda x, y: x + y, [1, 3, 2], [9, 1, 4])) == [10, 4, 6]
    assert list(LazyMap(plus, [1, 3, 7])) == [1, 3, 7]
    assert list(LazyMap(plus, [1, 3, 7], [4, 9, 2])) == [5, 12, 9]
    assert list(LazyMap(plus, [1, 3, 7], [4, 9, 2], [1, 1, 0])) == [6, 13, 9]
    squares: Any = Squares(10)
    assert list(LazyMap(int, squares)) == [x * x for x in range(10)]
    assert list(LazyMap(max, squares, Squares(2))) == [0, 1]  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="bad sequence"):
        list(LazyMap(identity, BadSeq()))
    with pytest.raises(ZeroDivisionError):
        list(LazyMap(lambda x: x // 0, range(5)))


def test_map_pickle() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        view = LazyMap(identity, "Is this the real life?")
        again = pickle.loads(pickle.dumps(view, protocol))
        assert list(again) == list(view)
        iterator = iter(view)
        assert next(iterator) == "I"
        rest = pickle.loads(pickle.dumps(iterator, protocol))
        assert list(rest) == list(iterator)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (((1, 2, 3), "ab"), "argument 2 is shorter than argument 1"),
        (((1, 2), "abc"), "argument 2 is longer than argument 1"),
        (((1, 2), (1, 2), "a"), "argument 3 is shorter than arguments 1-2"),
        (((1, 2), (1, 2), "abc"), "argument 3 is longer than arguments 1-2"),
        (((1, 2), (1,), "abc"), "argument 2 is shorter than argument 1"),
        (((1,), (1, 2), "abc"), "argument 2 is longer than argument 1"),
        (((), (), "", "a"), "argument 4 is longer than arguments 1-3"),
    ],
)
def test_map_strict(sources: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^LazyMap\(\) {message}$"):
        LazyMap(pack, *sources, strict=True)
    by_iterating: Any = LazyMap(pack, *map(iter, sources), strict=True)
    with pytest.raises(ValueError, match=rf"^LazyMap\(\) {message}$"):
        list(by_iterating)
    with pytest.raises(ValueError, match="zip") as of_zip:
        list(zip(*sources, strict=True))
    assert str(of_zip.value) == f"zip() {message}"
    sets: Any = [set(range(len(source))) for source in sources]
    with pytest.raises(ValueError, match=message):
        LazyMap(pack, *sets, strict=True)


def test_map_strict_equal_lengths() -> None:
    want = [(1, "a"), (2, "b"), (3, "c")]
    assert list(LazyMap(pack, (1, 2, 3), "abc", strict=True)) == want
    assert list(LazyMap(pack, iter((1, 2, 3)), "abc", strict=True)) == want
    assert list(LazyMap(pack, iter("abc"), strict=True)) == [("a",), ("b",), ("c",)]


def test_map_strict_of_ranges_without_len() -> None:
    huge = range(2**70)
    assert LazyMap(pack, huge, strict=True)[2**69] == (2**69,)
    assert LazyMap(pack, huge, huge, strict=True)[2] == (2, 2)
    assert next(iter(LazyMap(pack, huge, huge, strict=True))) == (0, 0)
    with pytest.raises(ValueError, match="argument 2 is shorter than argument 1"):
        LazyMap(pack, huge, [1, 2], strict=True)
    with pytest.raises(ValueError, match="argument 2 is longer than argument 1"):
        LazyMap(pack, [1, 2], huge, strict=True)


def test_map_strict_does_not_measure_a_single_source() -> None:
    class Unmeasured:
        def __len__(self) -> int:
            raise AssertionError("nothing to compare it with")

        def __getitem__(self, index: int) -> int:
            return [7, 8][index]

    unmeasured: Any = Unmeasured()
    assert next(iter(LazyMap(identity, unmeasured, strict=True))) == 7


def test_map_strict_reads_no_further_than_zip() -> None:
    numbers = iter(range(5))
    with pytest.raises(ValueError, match="argument 2 is shorter than argument 1"):
        list(LazyMap(pack, numbers, (0,), strict=True))
    assert next(numbers) == 2
    numbers = iter(range(5))
    with pytest.raises(ValueError, match="argument 2 is longer than argument 1"):
        list(LazyMap(pack, (0,), numbers, strict=True))
    assert next(numbers) == 2


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: LazyMap(pack, "AB", Countdown(1), strict=True), Countdown.Error),
        (lambda: LazyMap(pack, "AB", Countdown(2), "A", strict=True), ValueError),
        (
            lambda: LazyMap(pack, "AB", Countdown(2), "ABC", strict=True),
            Countdown.Error,
        ),
        (lambda: LazyMap(pack, "AB", Countdown(3), strict=True), ValueError),
        (lambda: LazyMap(pack, Countdown(1), "AB", strict=True), Countdown.Error),
        (lambda: LazyMap(pack, Countdown(2), "A", strict=True), ValueError),
        (lambda: LazyMap(pack, Countdown(2), "ABC", strict=True), Countdown.Error),
        (lambda: LazyMap(pack, Countdown(3), "AB", strict=True), ValueError),
    ],
)
def test_map_strict_error_handling(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(make())


def test_strict_lengths_are_checked_again_while_iterating() -> None:
    source = [1, 2]
    view = LazyMap(pack, source, "ab", strict=True)
    source.append(3)
    assert len(view) == 2, "the shortest"
    with pytest.raises(ValueError, match="argument 2 is shorter than argument 1"):
        list(view)
    assert list(view[:]) == [(1, "a"), (2, "b")], "a slice has one length"
    del source[1:]
    with pytest.raises(ValueError, match="argument 2 is longer than argument 1"):
        list(view)


def test_strict_does_not_read_iterators_ahead() -> None:
    cached = LazyMap(identity, iter("abc")).cached()
    view = LazyMap(pack, cached, [1, 2], strict=True)
    assert (
        repr(cached) == "LazyMap(" + repr(identity) + ", <str_ascii_iterator>).cached()"
    )
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        list(view)
