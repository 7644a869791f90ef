"""LazyMap.to_list() and .to_array(): what list() and array.array() give."""

import array
import re
import sys
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lazymap_sources import (
    ITERABLE,
    ONE_SHOT,
    SEQUENCES,
    SIZED,
    identity,
)
from support import free_threaded

from memopt import LazyMap

TYPECODES = "bBhHiIlLqQfd"
EVERY_KIND = SEQUENCES | SIZED | ITERABLE | ONE_SHOT


@pytest.mark.parametrize("name", sorted(EVERY_KIND.keys() - {"batched set"}))
def test_every_kind(name: str) -> None:
    want = list(EVERY_KIND[name]([3, 1, 2]))
    got = LazyMap(identity, EVERY_KIND[name]([3, 1, 2])).to_list()
    assert type(got) is list
    assert got == want
    doubles = LazyMap(identity, EVERY_KIND[name]([3, 1, 2])).to_array()
    assert type(doubles) is array.array
    assert doubles == array.array("d", want)
    for typecode in TYPECODES:
        got_array = LazyMap(identity, EVERY_KIND[name]([3, 1, 2])).to_array(typecode)
        assert got_array == array.array(typecode, want)
        assert got_array.typecode == typecode


@given(
    st.lists(
        st.integers(-300, 300)
        | st.integers(-(2**65), 2**65)
        | st.floats()
        | st.sampled_from([None, "1", True, 1j, []]),
        max_size=6,
    ),
    st.sampled_from(TYPECODES),
)
def test_conversions_are_those_of_array(values: list[Any], typecode: str) -> None:
    try:
        want = array.array(typecode, values)
    except (TypeError, OverflowError) as error:
        for lazy in LazyMap(identity, values), LazyMap(identity, iter(values)):
            with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
                lazy.to_array(typecode)
    else:
        for lazy in LazyMap(identity, values), LazyMap(identity, iter(values)):
            assert lazy.to_array(typecode).tobytes() == want.tobytes()


def test_typecodes() -> None:
    view: Any = LazyMap(identity, ["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of "u", in 3.13
        assert view.to_array("u") == array.array("u", ["a", "b"])
    if sys.version_info >= (3, 13):
        assert view.to_array("w") == array.array("w", ["a", "b"])
    assert view.map(ord).to_array(typecode="B").tolist() == [97, 98]
    wrong: Any
    for wrong in "x", "", "dd", 3, None, b"d":
        with pytest.raises((TypeError, ValueError)) as of_array:
            array.array(wrong, [])
        for lazy in view, LazyMap(identity, iter("ab")):
            with pytest.raises(type(of_array.value)) as caught:
                lazy.to_array(wrong)
            assert str(caught.value) == str(of_array.value)
    with pytest.raises(TypeError):
        view.to_array("d", 1)


def test_errors_of_functions_pass() -> None:
    unsized: list[Any] = [1]
    for lazy in LazyMap(len, unsized), LazyMap(len, iter(unsized)):
        with pytest.raises(TypeError, match="has no len"):
            lazy.to_list()
    for lazy in LazyMap(len, unsized), LazyMap(len, iter(unsized)):
        with pytest.raises(TypeError, match="has no len"):
            lazy.to_array()


def test_long_arrays() -> None:
    """From 4 MB on they lie elsewhere; they may still grow and shrink."""
    n = 600_000
    values = LazyMap(lambda x: x + 0.5, range(n)).to_array()
    assert len(values) == n
    assert values == array.array("d", [x + 0.5 for x in range(n)])
    values.append(1.0)
    del values[1:-1]
    assert values.tolist() == [0.5, 1.0]


def test_final_size_is_allocated_at_once() -> None:
    for n in 0, 1, 5, 100, 1001:
        view = LazyMap(identity, range(n))
        assert sys.getsizeof(view.to_list()) <= sys.getsizeof(list(range(n)))
        zeros = array.array("d", bytes(8)) * n
        assert sys.getsizeof(view.to_array()) == sys.getsizeof(zeros)


def test_sizes_that_cannot_be() -> None:
    view = LazyMap(identity, range(sys.maxsize))
    # PyList_New() of 3.13t frees memory that it has not got.
    if not free_threaded or sys.version_info >= (3, 14):
        with pytest.raises(MemoryError):
            view.to_list()
    with pytest.raises(MemoryError):
        view.to_array()
    with pytest.raises(OverflowError):
        LazyMap(identity, range(10**30)).to_array()

    class BadLen(list[int]):
        def __len__(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        LazyMap(identity, BadLen()).to_array()
    with pytest.raises(ZeroDivisionError):
        LazyMap(identity, BadLen()).to_list()


def test_subclass_decides_how_it_is_read() -> None:
    class Twice(LazyMap[Any]):
        def __iter__(self) -> Any:
            for value in super().__iter__():
                yield value
                yield value

    assert Twice(identity, [1, 2]).to_list() == [1, 1, 2, 2]
    assert Twice(identity, [1, 2]).to_array("b").tolist() == [1, 1, 2, 2]
