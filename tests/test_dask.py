"""memopt.dask: the bits of memopt.fsum, whatever the chunks, tree and workers."""

import doctest
import itertools
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from floats import DBL_MAX, TINY
from hypothesis import given
from hypothesis import strategies as st
from reference import round_fraction
from support import run_in_fresh_process

import memopt
from memopt import ExactSum

WHY = "the tests of memopt.dask need memopt[dask]"
dask = pytest.importorskip("dask", reason=WHY)
distributed = pytest.importorskip("distributed", reason=WHY)
np = pytest.importorskip("numpy", reason=WHY)
pd = pytest.importorskip("pandas", reason=WHY)
da = pytest.importorskip("dask.array", reason=WHY)
db = pytest.importorskip("dask.bag", reason=WHY)
dd = pytest.importorskip("dask.dataframe", reason=WHY)

import memopt.dask as md  # noqa: E402  only with all of these

NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def _in_this_thread() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield


def exact_mean(values: list[float]) -> float:
    """Of finite floats, rounded once."""
    if not values:
        return NAN
    return round_fraction(sum(map(Fraction, values), Fraction(0)) / len(values))


def bits(values: Any) -> Any:
    """For comparisons that tell zeros apart and take nan for itself."""
    array = np.asarray(values)
    assert array.dtype == np.float64
    return np.where(np.isnan(array), NAN, array).view(np.int64).tolist()


def expected(x: Any, axis: Any, keepdims: bool, of_line: Any) -> Any:
    """of_line of each line of x, a list of Python numbers, in numpy's shape."""
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    axes = [int(a) % x.ndim for a in axes]
    kept = [a for a in range(x.ndim) if a not in axes]
    length = math.prod(x.shape[a] for a in axes)
    lines = x.transpose(kept + axes).reshape(-1, length) if x.size else []
    shape = np.sum(np.zeros(x.shape), axis=axis, keepdims=keepdims).shape
    if not x.size:
        return np.full(shape, of_line([]))
    return np.array([of_line(line.tolist()) for line in lines]).reshape(shape)


def hard(shape: tuple[int, ...], seed: int = 1) -> Any:
    """Floats that no ordinary sum adds up alike in two orders."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * 10.0 ** rng.integers(-18, 19, size=shape)


# Arrays -----------------------------------------------------------------------

AXES = [None, 0, 1, 2, -1, -3, (0,), (0, 1), (2, 0), (1, -1), (0, 1, 2), (-1, -2, -3)]
# 29: longer lines than are kept as they are; the second has all shapes of tree.
CHUNKS = [(29, 20, 5), (5, 3, 2), (29, 2, 1), (1, 20, 5), ((20, 1, 8), (0, 20), 5)]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("chunks", CHUNKS)
def test_every_axis(chunks: Any, axis: Any, keepdims: bool) -> None:
    x = hard((29, 20, 5))
    for func, of_line in ((md.fsum, math.fsum), (md.mean, exact_mean)):
        lazy = func(da.from_array(x, chunks=chunks), axis=axis, keepdims=keepdims)
        assert isinstance(lazy, da.Array)
        result = lazy.compute()
        want = expected(x, axis, keepdims, of_line)
        assert lazy.shape == np.shape(result) == want.shape
        assert lazy.dtype == np.float64
        assert isinstance(result, np.ndarray if want.shape else np.float64)
        assert bits(result) == bits(want)


@pytest.mark.parametrize("split_every", [2, 3, 100, {0: 2, 1: 4}])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_every_tree(axis: Any, split_every: Any) -> None:
    x = hard((90, 18), 2)
    d = da.from_array(x, chunks=(2, 3))
    for func, of_line in ((md.fsum, math.fsum), (md.mean, exact_mean)):
        result = func(d, axis=axis, split_every=split_every).compute()
        assert bits(result) == bits(expected(x, axis, False, of_line))


def test_arrays_are_reduced_when_computed_only() -> None:
    def never(block: Any) -> Any:
        raise AssertionError("computed")

    x = da.ones((6, 4), chunks=2).map_blocks(never, dtype=float, meta=np.ones((0, 0)))
    lazy = [md.fsum(x), md.mean(x, axis=0), md.fsum(x, axis=(0, 1), skipna=True)]
    with pytest.raises(AssertionError, match="computed"):
        dask.compute(*lazy)


def test_same_question_has_the_same_name() -> None:
    x = da.ones((6, 4), chunks=2)
    assert md.fsum(x, axis=0).name == md.fsum(x, axis=0).name
    names = {
        md.fsum(x, axis=0).name,
        md.fsum(x, axis=1).name,
        md.fsum(x, axis=0, skipna=True).name,
        md.mean(x, axis=0).name,
    }
    assert len(names) == 4


def test_empty_arrays_and_no_dimensions() -> None:
    for shape in [(0,), (0, 3), (3, 0), (0, 0)]:
        x = np.zeros(shape)
        for axis in [None, *range(len(shape))]:
            d = da.from_array(x, chunks=2)
            assert bits(md.fsum(d, axis).compute()) == bits(np.sum(x, axis))
            want = np.full(np.sum(x, axis).shape, NAN)
            assert bits(md.mean(d, axis).compute()) == bits(want)
    d = da.from_array(np.array(0.1), chunks=())
    assert md.fsum(d).compute() == md.mean(d).compute() == 0.1
    assert bits(md.fsum(da.from_array([-0.0, -0.0], chunks=1)).compute()) == 0


def test_unknown_chunks() -> None:
    x = hard((40, 3))
    d = da.from_array(x, chunks=(7, 2))
    d = d[d[:, 0] > 0]
    kept = x[x[:, 0] > 0]
    assert md.fsum(d).compute() == math.fsum(kept.ravel())
    want = [exact_mean(column.tolist()) for column in kept.T]
    assert md.mean(d, axis=0).compute().tolist() == want


@pytest.mark.parametrize("dtype", [*"?bBhHiIlLqQefd", ">f8", ">i8", "<f4"])
def test_every_real_dtype(dtype: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2**63, size=(40, 6), dtype=np.uint64)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        x = (x % 1000).astype(kind) / kind.type(7)
    else:
        # The greatest that any 64-bit integers have: float64 would lose bits.
        x = (x * np.uint64(2)).astype(kind)
    x = x.astype(kind)
    for chunks, axis in itertools.product([(40, 6), (7, 4), (18, 1)], [None, 0, 1]):
        d = da.from_array(x, chunks=chunks)
        want = expected(x, axis, False, lambda v: float(sum(map(Fraction, v))))
        assert bits(md.fsum(d, axis).compute()) == bits(want)
        want = expected(x, axis, False, exact_mean)
        assert bits(md.mean(d, axis).compute()) == bits(want)


SPECIAL = [
    ([INF, 1.0, NAN, 2.0], NAN),
    ([INF, 1.0, -INF, 2.0], NAN),
    ([INF, DBL_MAX, INF, -1.0], INF),
    ([-1.0, -INF, DBL_MAX, DBL_MAX], -INF),
    ([DBL_MAX, DBL_MAX, -DBL_MAX, -DBL_MAX], 0.0),
    ([DBL_MAX, DBL_MAX, -DBL_MAX, TINY], DBL_MAX),
    ([DBL_MAX, DBL_MAX, DBL_MAX, -1.0], INF),
    ([-DBL_MAX, -DBL_MAX, 1.0, 1.0], -INF),
    ([TINY, TINY, -TINY, 2.0**-1070], 2.0**-1070 + TINY),
    ([1.0, 2.0**-53, TINY, 0.0], math.nextafter(1.0, 2.0)),
    ([1.0, 2.0**-53, -TINY, 0.0], 1.0),
]


@pytest.mark.parametrize("repeat", [1, 10])  # short lines and long ones
@pytest.mark.parametrize("size", [1, 2, 4])
def test_special_values_and_sums_that_overflow_in_between(
    size: int, repeat: int
) -> None:
    lines, sums = zip(*SPECIAL, strict=True)
    # Zeros make a line long, but change no sum.
    x = np.array([line + [0.0] * 4 * (repeat - 1) for line in lines])
    d = da.from_array(x, chunks=(3, size * repeat))
    assert bits(md.fsum(d, axis=1, split_every=2).compute()) == bits(sums)
    assert bits(md.fsum(d.T, axis=0, split_every=2).compute()) == bits(sums)
    for line, want in zip(x, sums, strict=True):
        one = da.from_array(line, chunks=size * repeat)
        assert bits(md.fsum(one, split_every=2).compute()) == bits(want)
    means = md.mean(d, axis=1, split_every=2).compute()
    for mean, line, want in zip(means, x, sums, strict=True):
        finite = np.isfinite(line).all()
        assert bits(mean) == bits(exact_mean(line.tolist()) if finite else want)


patterns = st.integers(0, 2**64 - 1).map(
    lambda n: float(np.array(n, np.uint64).view(np.float64))
)
any_floats = st.one_of(
    st.floats(), patterns, st.sampled_from([DBL_MAX, -DBL_MAX, TINY, 1.0, 2.0**-53])
)


@st.composite
def chunkings(draw: st.DrawFn, length: int) -> tuple[int, ...]:
    cuts = draw(st.lists(st.integers(0, length), max_size=6).map(sorted))
    edges = [0, *cuts, length]
    return tuple(b - a for a, b in itertools.pairwise(edges))


@given(st.data())
def test_no_chunking_changes_a_bit(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(0, 24), st.integers(0, 4)))
    size = math.prod(shape)
    values = data.draw(st.lists(any_floats, min_size=size, max_size=size))
    x = np.array(values, np.float64).reshape(shape)
    chunks = tuple(data.draw(chunkings(n)) for n in shape)
    split_every = data.draw(st.sampled_from([None, 2, 4]))
    skipna = data.draw(st.booleans())
    axis = data.draw(st.sampled_from([None, 0, 1]))
    d = da.from_array(x, chunks=chunks)

    def left(line: list[float]) -> list[float]:
        return [v for v in line if not (skipna and math.isnan(v))]

    def mean_of(line: list[float]) -> float:
        # ExactSum is tested against fractions where nan and infinities are not.
        return ExactSum(left(line)).mean if left(line) else NAN

    for func, of_line in (
        (md.fsum, lambda line: memopt.fsum(left(line))),
        (md.mean, mean_of),
    ):
        got = func(d, axis, skipna=skipna, split_every=split_every).compute()
        assert bits(got) == bits(expected(x, axis, False, of_line))


def test_arrays_are_left_as_they_were() -> None:
    x = hard((30, 4))
    x[3, 2] = NAN
    before = x.copy()
    d = da.from_array(x, chunks=(20, 2))
    parts = md.fsum(d, axis=0, skipna=True).persist()
    assert bits(parts.compute()) == bits(parts.compute())
    assert bits(x) == bits(before)


def test_partial_results_are_small() -> None:
    part = md._array_chunk(
        hard((1000, 10)), axis=(0,), keepdims=True, skipna=False, alone=False
    )
    assert part.terms.dtype == np.float64
    # 37 decades of doubles take four terms or five.
    assert part.terms.shape[0] == 10
    assert part.terms.shape[1] <= 6


# Bags -------------------------------------------------------------------------


@given(st.data())
def test_bags(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
    parts = data.draw(chunkings(len(values)))
    items = iter(values)
    graph = {("b", i): list(itertools.islice(items, n)) for i, n in enumerate(parts)}
    bag = db.Bag(graph, "b", len(parts))
    assert bits(md.fsum(bag, split_every=2).compute()) == bits(memopt.fsum(values))
    assert bits(md.mean(bag).compute()) == bits(exact_mean(values))


def test_bags_are_lazy_and_take_what_fsum_takes() -> None:
    bag = db.from_sequence([1, 0.5, [0.25, 2], np.array([1e16, -1e16])], npartitions=3)
    lazy = md.fsum(bag)
    assert isinstance(lazy, db.Item)
    assert lazy.compute() == 3.75
    assert md.mean(bag).compute() == 3.75 / 6
    assert md.fsum(bag.filter(lambda item: False)).compute() == 0.0
    assert math.isnan(md.mean(bag.filter(lambda item: False)).compute())


def test_bags_and_nan() -> None:
    bag = db.from_sequence([1.0, NAN, np.float32("nan"), 3], npartitions=2)
    assert math.isnan(md.fsum(bag).compute())
    assert md.fsum(bag, skipna=True).compute() == 4.0
    assert md.mean(bag, skipna=True).compute() == 2.0
    with pytest.raises(TypeError, match="must be real number, not str"):
        md.fsum(db.from_sequence(["1"]), skipna=True).compute()
    with pytest.raises(TypeError, match="str"):
        md.fsum(db.from_sequence(["1"])).compute()


# Series and DataFrames ----------------------------------------------------------


def frame() -> Any:
    x = hard((60, 2), 5)
    x[[3, 17], 1] = NAN
    integers = [2**62 + i if i % 7 else None for i in range(60)]
    return pd.DataFrame(
        {
            "a": x[:, 0],
            "b": x[:, 1],
            "exact": np.arange(60) + 2**61,
            "Int64": pd.array(integers, dtype="Int64"),
            "Float32": pd.array([0.1] * 59 + [None], dtype="Float32"),
            "arrow": pd.array([None, *[0.1] * 59], dtype="double[pyarrow]"),
            "bool": [True, False] * 30,
        },
        index=range(100, 160),
    )


def numbers(column: Any) -> list[float]:
    """Those that are there; integers stay integers."""
    return [v for v in column.tolist() if v is not pd.NA and v is not None and v == v]


def exact(values: list[float]) -> float:
    return round_fraction(sum(map(Fraction, values), Fraction(0)))


@pytest.mark.parametrize("partitions", [1, 7])
@pytest.mark.parametrize(("func", "of"), [(md.fsum, exact), (md.mean, exact_mean)])
def test_columns_rows_and_everything(func: Any, of: Any, partitions: int) -> None:
    whole = frame()
    d = dd.from_pandas(whole, npartitions=partitions)
    columns = func(d, axis=0, split_every=2)
    assert isinstance(columns, dd.Series)
    got = columns.compute()
    assert got.index.tolist() == whole.columns.tolist()
    assert bits(got) == bits([of(numbers(whole[c])) for c in whole])
    for axis in (1, "columns"):
        got = func(d, axis=axis).compute()
        assert got.index.tolist() == whole.index.tolist()
        want = [
            of([v for c in whole for v in numbers(whole[c].iloc[i : i + 1])])
            for i in range(60)
        ]
        assert bits(got) == bits(want)
    everything = func(d).compute()
    assert bits(everything) == bits(of([v for c in whole for v in numbers(whole[c])]))
    for name in whole:
        for axis in (None, "index"):
            got = func(d[name], axis, split_every=2).compute()
            assert bits(got) == bits(of(numbers(whole[name])))


def test_missing_values_that_are_not_left_out() -> None:
    whole = frame()
    d = dd.from_pandas(whole, npartitions=4)
    missing = [bool(whole[c].isna().any()) for c in whole]
    assert any(missing)
    assert not all(missing)
    for func in (md.fsum, md.mean):
        got = func(d, axis=0, skipna=False).compute()
        assert np.isnan(got).tolist() == missing
        got = func(d, axis=1, skipna=False).compute()
        assert np.isnan(got).tolist() == whole.isna().any(axis=1).tolist()
        assert math.isnan(func(d, skipna=False).compute())


def test_series_of_nothing_and_columns_of_one_name() -> None:
    d = dd.from_pandas(pd.DataFrame({"a": [NAN, NAN], "b": [1.0, 2.0]}), npartitions=2)
    assert md.fsum(d.a).compute() == 0.0
    assert math.isnan(md.mean(d.a).compute())
    assert md.fsum(d[d.b > 5], axis=0).compute().tolist() == [0.0, 0.0]
    assert md.fsum(d[d.b > 5], axis=1).compute().tolist() == []
    assert md.fsum(d.index).compute() == 1.0
    d.columns = ["same", "same"]
    assert md.fsum(d, axis=0).compute().tolist() == [0.0, 3.0]


# What cannot be summed ----------------------------------------------------------


@pytest.mark.parametrize("func", [md.fsum, md.mean])
@pytest.mark.parametrize(
    "obj", [[1.0], 1.0, None, "text", np.ones(3), dask.delayed(1.0), {"x": da.ones(3)}]
)
def test_other_objects(func: Any, obj: Any) -> None:
    with pytest.raises(
        TypeError,
        match=rf"^{func.__name__}\(\) takes a Dask array, Bag, Series or DataFrame, "
        rf"not {type(obj).__name__}$",
    ):
        func(obj)


@pytest.mark.parametrize("dtype", ["c16", "M8[s]", "m8[s]", "O", "U3", "S3", "g"])
def test_arrays_of_other_items(dtype: str) -> None:
    x = np.zeros(3, dtype)
    if x.dtype == np.float64:
        pytest.skip("long double is double here")
    with pytest.raises(TypeError) as caught:
        md.fsum(da.from_array(x, chunks=2))
    assert str(caught.value) == (
        f"cannot sum an array of dtype {x.dtype}: real numbers of at most 64 bits "
        "are needed"
    )


def test_chunks_that_are_not_what_the_array_says() -> None:
    x = da.ones(4, chunks=2)
    for function, problem in (
        (lambda b: b.astype(complex), "dtype complex128"),
        (np.ma.masked_array, "type MaskedArray"),
        (lambda b: b.tolist(), "type list"),
    ):
        liar = x.map_blocks(function, dtype=float, meta=np.ones(0))
        with pytest.raises(TypeError, match=problem):
            md.fsum(liar).compute()
    masked = da.from_array(np.ma.masked_array([1.0, 2.0], [True, False]), chunks=1)
    with pytest.raises(TypeError, match="chunks of type MaskedArray"):
        md.fsum(masked)


@pytest.mark.parametrize("values", [["a"], [1j], pd.to_datetime(["2020"])])
@pytest.mark.parametrize("dtype", [None, "category"])
def test_columns_of_other_items(values: Any, dtype: Any) -> None:
    whole = pd.DataFrame({"fine": [1.0], "odd": pd.Series(values, dtype=dtype)})
    d = dd.from_pandas(whole, npartitions=1)
    for obj in (d, d.odd):
        with pytest.raises(TypeError, match=r"^cannot sum column 'odd' of dtype "):
            md.fsum(obj)
    assert md.fsum(d[["fine"]]).compute() == 1.0


def test_wrong_axes() -> None:
    x = da.ones((2, 2), chunks=1)
    for axis in (2, -3, (0, 5)):
        with pytest.raises(np.exceptions.AxisError):
            md.fsum(x, axis=axis)
    for axis in ((0, 0), (1, -1)):
        with pytest.raises(ValueError, match="axis"):
            md.fsum(x, axis=axis)
    with pytest.raises(TypeError):
        md.fsum(x, axis="rows")
    d = dd.from_pandas(pd.DataFrame({"a": [1.0]}), npartitions=1)
    for obj, axis, message in (
        (d, 2, "no axis 2 of a DataFrame"),
        (d, "rows", "no axis 'rows' of a DataFrame"),
        (d.a, 1, "no axis 1 of a Series"),
        (d.a, (0,), r"no axis \(0,\) of a Series"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            md.fsum(obj, axis=axis)
    with pytest.raises(TypeError, match=r"^mean\(\) has no axis for a Bag"):
        md.mean(db.from_sequence([1.0]), axis=0)


def test_wrong_arguments() -> None:
    d = dd.from_pandas(pd.DataFrame({"a": [1.0]}), npartitions=1)
    for obj, kind in ((d, "DataFrame"), (d.a, "Series"), (db.range(3, 1), "Bag")):
        with pytest.raises(TypeError, match=rf"keepdims for arrays, not for a {kind}$"):
            md.fsum(obj, keepdims=True)
    with pytest.raises(TypeError, match="argument 'skipna' must be True, False or"):
        md.fsum(d, skipna="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="split_every"):
        md.fsum(da.ones(3), split_every="x")  # type: ignore[arg-type]


# A cluster --------------------------------------------------------------------


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_cluster_gives_the_same_bits(client: Any) -> None:
    x = hard((400, 30), 7)
    whole = pd.DataFrame(x[:, :3], columns=list("abc"))
    for chunks in ((400, 30), (90, 11), (40, 30)):
        d = da.from_array(x, chunks=chunks)
        for axis in (None, 0, 1):
            lazy = md.fsum(d, axis, split_every=2), md.mean(d, axis)
            got = client.gather(client.compute(lazy))
            assert bits(got[0]) == bits(expected(x, axis, False, math.fsum))
            assert bits(got[1]) == bits(expected(x, axis, False, exact_mean))
    for parts in (1, 9):
        d = dd.from_pandas(whole, npartitions=parts)
        got = client.compute(md.fsum(d, axis=0)).result()
        assert bits(got) == bits([math.fsum(column) for column in x[:, :3].T])
        bag = db.from_sequence(x.ravel().tolist(), npartitions=parts)
        got = client.compute(md.fsum(bag)).result()
        assert bits(got) == bits(math.fsum(x.ravel()))


def test_sums_that_overflow_travel(client: Any) -> None:
    d = da.from_array(np.array([[DBL_MAX] * 40, [-DBL_MAX] * 40]).T, chunks=(20, 1))
    got = client.compute(md.fsum(d, split_every=2)).result()
    assert bits(got) == bits(0.0)
    assert client.compute(md.fsum(d, axis=0)).result().tolist() == [INF, -INF]


def intern_there(text: str) -> tuple[str, int, int]:
    pool = md.worker_pool()
    first, second = pool.intern(text + "!"), pool.intern(text + "!")
    assert first is second
    return distributed.get_worker().address, id(pool), pool.max_entries


def test_each_worker_has_one_pool(client: Any) -> None:
    with pytest.raises(RuntimeError, match=r"has no pool: client\.register_plugin"):
        client.submit(intern_there, "before", pure=False).result()
    for size in (100, 200):  # registering again replaces
        client.register_plugin(md.InternPoolPlugin(size, max_bytes=10_000))
        workers = client.scheduler_info()["workers"]
        futures = [
            client.submit(intern_there, f"text {i}", workers=[worker], pure=False)
            for worker in workers
            for i in range(10)
        ]
        seen = set(client.gather(futures))
        assert {address for address, _, _ in seen} == set(workers)
        assert len(seen) == len(workers) == 2
        assert {entries for _, _, entries in seen} == {size}


def test_plugin_is_checked_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="max_entries"):
        md.InternPoolPlugin(-1)
    with pytest.raises(TypeError):
        md.InternPoolPlugin(colour="red")
    plugin = md.InternPoolPlugin(5, max_bytes=1000, max_length=10)
    plugin.pool.intern("text")
    loaded = pickle.loads(pickle.dumps(plugin))
    assert isinstance(loaded, distributed.WorkerPlugin)
    settings = loaded.pool.max_entries, loaded.pool.max_bytes, loaded.pool.max_length
    assert settings == (5, 1000, 10)
    assert len(loaded.pool) == 0


def test_no_pool_outside_of_a_worker() -> None:
    run_in_fresh_process(
        "import memopt.dask\n"
        "try:\n"
        "    memopt.dask.worker_pool()\n"
        "except RuntimeError as error:\n"
        "    assert 'is for tasks that run on a worker' in str(error), error\n"
        "else:\n"
        "    raise AssertionError\n"
    )


# The module -------------------------------------------------------------------


def test_memopt_does_not_import_dask() -> None:
    run_in_fresh_process(
        "import sys, memopt\n"
        "assert not {'dask', 'distributed', 'memopt.dask'} & set(sys.modules)\n"
        "import memopt.dask\n"
        "assert not {'dask.dataframe', 'pandas'} & set(sys.modules)\n"
    )


@pytest.mark.parametrize("missing", ["dask", "distributed", "numpy"])
def test_without_dask_the_error_names_the_extra(missing: str) -> None:
    run_in_fresh_process(
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "try:\n"
        "    import memopt.dask\n"
        "except ImportError as error:\n"
        f"    assert error.name == {missing!r}, error.name\n"
        "    assert 'pip install memopt[dask]' in str(error), error\n"
        "else:\n"
        "    raise AssertionError\n"
    )


@pytest.mark.parametrize("func", [md.fsum, md.mean])
def test_examples_run(func: Any) -> None:
    finder = doctest.DocTestFinder(recurse=False)
    (examples,) = finder.find(func, globs={})
    assert doctest.DocTestRunner().run(examples).failed == 0


DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "dask.md"


@pytest.mark.skipif(not DOCUMENT.exists(), reason="docs/ is not beside these tests")
def test_document_runs_as_written(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    assert len(blocks) >= 2
    here = str(Path(memopt.__file__).parent.parent)  # in a checkout, not installed
    for number, block in enumerate(blocks):
        script = tmp_path / f"example_{number}.py"
        script.write_text(block, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": here},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed = [
            line.split("# ")[-1] for line in block.splitlines() if "print(" in line
        ]
        assert done.stdout.splitlines() == printed
