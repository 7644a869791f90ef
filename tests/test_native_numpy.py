"""Native arithmetic over NumPy's arrays gives what their scalars give."""

import array
import warnings
from typing import Any

import pytest
from native_oracle import any_length_is_native, exactly, outcome, past_errors

import memopt
from memopt import FloatMatrix, LazyMap, _memopt

np = pytest.importorskip("numpy")

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u1", "?", "c16", "O"]
FUNCTIONS: list[Any] = [
    lambda x: x * 2,
    lambda x: x * 0.5 + 1.0,
    lambda x: x * x - 3,
    lambda x: -x,
    lambda x: 1 / x,
    lambda x: x / 3,
    lambda x: x * 1e200 * 1e200,
    lambda x: x * 2**62,
    lambda x: x // 2,
    lambda x: x % 3,
    lambda x: x**2,
    lambda x: x > 2,
    lambda x: (x > 2) + (x > 3),
    lambda x: x & 3,
    lambda x: ~x,
    lambda x: not x,
    abs,
    float,
    int,
    round,
]


@pytest.fixture(autouse=True, scope="module")
def _any_length() -> Any:
    with any_length_is_native():
        yield


def values_of(f: Any, source: Any) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = outcome(lambda: [f(x) for x in source])
    return got, sorted({str(w.message) for w in caught})


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype: str) -> None:
    numbers = np.array([1, 2, 3, 4, 0, 1, 100] * 3).astype(dtype)
    for source in numbers, numbers[::-2], numbers[:5], numbers.reshape(3, 7):
        for f in FUNCTIONS:
            want, warned = values_of(f, source)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                lazy = LazyMap(f, source)
                assert outcome(lazy.to_list) == want
                assert sorted({str(w.message) for w in caught}) == warned
                assert outcome(lambda v=lazy: list(v)) == want
                arrays = [
                    outcome(lambda v=v: array_of(v).tobytes())
                    for v in (lazy, LazyMap(f, source, native=False))
                ]
                assert arrays[0] == arrays[1]
                sums = [
                    outcome(v.sum) for v in (lazy, LazyMap(f, source, native=False))
                ]
                assert sums[0] == sums[1]
                least = outcome(lazy.min)
                assert least == outcome(LazyMap(f, source, native=False).min)


def array_of(lazy: Any) -> Any:
    return lazy.to_array("d")


@pytest.mark.parametrize("dtype", ["f8", "i8"])
def test_warnings_of_the_scalars_are_kept(dtype: str) -> None:
    source = np.array([1, 2, 2**40, 0] * 200).astype(dtype)
    for f in FUNCTIONS[:8]:
        _, warned = values_of(f, source)
        for use in (lambda v: v.sum(), lambda v: v.to_array()):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                outcome(lambda f=f, use=use: use(LazyMap(f, source)))
            assert sorted({str(w.message) for w in caught}) == warned


def test_sums_and_arrays() -> None:
    source = np.arange(5000.0)
    lazy = LazyMap(lambda x: x * 0.5 + 1.0, source)
    assert lazy.native
    assert exactly(lazy.sum()) == exactly(float((source * 0.5 + 1.0).sum()))
    assert np.array_equal(np.frombuffer(lazy.to_array()), source * 0.5 + 1.0)
    assert exactly(lazy.mean()) == exactly(float((source * 0.5 + 1.0).mean()))
    assert 2.0 in lazy
    assert lazy.index(3.0) == 4
    integers = LazyMap(lambda x: x * 3, np.arange(5000))
    assert exactly(integers.sum()) == exactly(3 * sum(range(5000)))


def test_unusual_arrays() -> None:
    numbers = np.arange(40.0)
    swapped = numbers.astype(">f8")
    unaligned = np.zeros(40, dtype=[("a", "i1"), ("b", "f8")])["b"]
    unaligned[:] = numbers
    readonly = numbers.copy()
    readonly.flags.writeable = False
    for source in swapped, unaligned, readonly, numbers.astype("M8[s]"):
        f = FUNCTIONS[1]
        assert outcome(LazyMap(f, source).to_list) == values_of(f, source)[0]
        assert outcome(LazyMap(f, source).sum) == outcome(
            LazyMap(f, source, native=False).sum
        )
    with pytest.raises(TypeError, match=r"0-d|not iterable|unsized"):
        list(LazyMap(abs, np.array(3)))


def test_matrices() -> None:
    m = FloatMatrix([[1.0, 2.0], [3.0, 4.0]] * 100)
    row = LazyMap(lambda x: x * 2, m[1])
    assert row.native
    assert row.to_list() == [6.0, 8.0]
    columns = LazyMap(lambda x: x * 2, m[:, 1])
    assert columns.sum() == 1200.0
    products = LazyMap(lambda x, y: x * y, m[:, 0], m[:, 1])
    assert products.native
    assert products.sum() == 1400.0
    got = past_errors(iter(products), 3)
    assert got == [exactly(2.0), exactly(12.0), exactly(2.0)]
    every = LazyMap(lambda x: x * x, m.flat)
    assert every.native
    assert every.sum() == 3000.0
    assert every[:5].to_list() == [1.0, 4.0, 9.0, 16.0, 1.0]


def test_arrays() -> None:
    """__array__ is what NumPy makes of the list, by blocks or not."""
    sources: list[Any] = [
        range(1000),
        [0.5, 2.0] * 400,
        [1, 2.5] * 400,
        [*range(700), 2.5],
        [*range(700), 2**70],
        [0.5] * 700 + [3],
        [True, False, 1],
        [2**62, 5] * 300,
        array.array("h", range(600)),
        np.arange(600.0),
        np.arange(600),
        [],
        range(0),
        FloatMatrix([[1.0, 2.0]] * 300).flat,
    ]
    functions: list[Any] = [lambda x: x * 2, lambda x: x > 7, lambda x: x * 0.5, float]
    for source in sources:
        for f in functions:
            values = [f(x) for x in source]
            for dtype in (None, "f8", "i8", "?", "f4", object):
                lazy = LazyMap(f, source)
                got = outcome_of_array(lambda a=lazy, d=dtype: np.array(a, d))
                assert got == outcome_of_array(lambda v=values, d=dtype: np.array(v, d))


def outcome_of_array(work: Any) -> Any:
    try:
        a = work()
    except Exception as error:
        return type(error), str(error)
    return a.dtype, a.shape, a.tobytes() if a.dtype != object else a.tolist()


def test_arrays_of_other_lazymaps() -> None:
    assert np.asarray(LazyMap(abs, iter([-1, 2]))).tolist() == [1, 2]
    assert np.asarray(LazyMap(abs, {-3})).tolist() == [3]
    assert np.asarray(LazyMap(str, range(2))).tolist() == ["0", "1"]
    assert np.asarray(LazyMap(lambda x: (x, x), range(2))).shape == (2, 2)
    with pytest.raises(ZeroDivisionError):
        np.asarray(LazyMap(lambda x: 1 / x, range(3)))
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        LazyMap(abs, [1]).__array__(copy=False)
    assert LazyMap(abs, [-1]).__array__("f4", copy=True).dtype == "f4"


def test_filling_refuses() -> None:
    for values in [1, 2**70], [1, 0.5], [1, "a"], [1, 2, 3], [1]:
        lazy: Any = LazyMap(abs if "a" not in values else str, values)
        assert not _memopt._fill_lazymap(lazy, np.empty(2, int))
    with pytest.raises(BufferError, match="not writable"):
        _memopt._fill_lazymap(LazyMap(abs, [1]), bytes(8))
    with pytest.raises(TypeError):
        _memopt._fill_lazymap([1], np.empty(1))  # type: ignore[arg-type]


def test_memopt_sum() -> None:
    m = FloatMatrix([[1.0, 2.0], [3.0, 4.0]])
    assert exactly(memopt.sum(m)) == exactly(10.0)
    assert exactly(memopt.sum(m[0], 1)) == exactly(4.0)
    assert exactly(memopt.sum(LazyMap(abs, range(-9, 9)))) == exactly(81)
    assert exactly(memopt.sum([1, 2], 3)) == exactly(6)
    assert exactly(memopt.sum([1, 2], start=3)) == exactly(6)
    assert exactly(memopt.sum(iter([0.5]))) == exactly(0.5)
    with pytest.raises(TypeError, match="not iterable"):
        memopt.sum(3)
