"""Exact sums and means of Dask collections, and one InternPool a worker.

What travels between the tasks is exact, so chunks, workers and the shape of the
tree change no bit of a result.  Of bags and columns it is an ExactSum.  Of arrays
it is, for each item of the result, a few floats whose infinitely precise sum is
the sum so far: found with an ExactSum, but 24 bytes instead of its 584.

Never imported by memopt itself.  Tasks are pure: none changes what it was given.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias

from memopt import ExactSum, FloatMatrix, InternPool

try:
    import dask
    import distributed
    import numpy as np
except ImportError as _error:
    raise ImportError(
        f"memopt.dask needs {_error.name}: python -m pip install memopt[dask]",
        name=_error.name,
    ) from _error

__all__ = ["InternPoolPlugin", "fsum", "mean", "worker_pool"]

# Dask's own types are not exported with annotations.
_Collection: TypeAlias = Any
_Axis: TypeAlias = int | tuple[int, ...] | str | None

# Up to so many items a line (the items that make one item of the result) are kept
# as they are: an ExactSum takes 1.5 us a line, as long as 400 items take to sum.
_SHORT_LINE = 16


def fsum(
    obj: _Collection,
    axis: _Axis = None,
    keepdims: bool = False,
    skipna: bool | None = None,
    split_every: int | dict[int, int] | None = None,
) -> _Collection:
    """The correctly rounded sum of a Dask collection, lazily.

    obj is a Dask array, Bag, Series or DataFrame of real numbers of at most 64
    bits.  Everything is summed with axis=None; otherwise arrays take numpy's axes
    and keepdims, and a DataFrame axis=0 for a sum of each column or 1 of each row.
    skipna leaves out nan and missing values; by default, as in NumPy and pandas, it
    does of a Series or DataFrame and not of an array or Bag.  split_every is
    Dask's: how many partial results one task merges.

    Returns the collection that Dask's own sum would, of float64 (of a Bag, an
    Item): compute() gives the bits that memopt.fsum gives for the same numbers,
    however they are split into chunks and whatever computes them.

    TypeError if obj is something else or holds something else, numpy's AxisError
    if there is no such axis of an array, ValueError of a Series or DataFrame.

    >>> import dask.array as da, memopt.dask
    >>> x = da.from_array([[1e16, 1.0, -1e16], [0.1, 0.2, 0.3]], chunks=2)
    >>> float(memopt.dask.fsum(x))
    1.6
    >>> memopt.dask.fsum(x, axis=1).compute()
    array([1. , 0.6])
    """
    return _reduce("fsum", obj, axis, keepdims, skipna, split_every)


def mean(
    obj: _Collection,
    axis: _Axis = None,
    keepdims: bool = False,
    skipna: bool | None = None,
    split_every: int | dict[int, int] | None = None,
) -> _Collection:
    """The correctly rounded mean of a Dask collection, lazily.

    The exact sum divided by how many numbers there are, rounded once; nan if there
    are none.  Arguments, result and errors are those of fsum.

    >>> import dask.bag as db, memopt.dask
    >>> memopt.dask.mean(db.from_sequence([1e16, 1.0, -1e16, 1.0])).compute()
    0.5
    """
    return _reduce("mean", obj, axis, keepdims, skipna, split_every)


def _reduce(
    name: str,
    obj: _Collection,
    axis: _Axis,
    keepdims: bool,
    skipna: bool | None,
    split_every: int | dict[int, int] | None,
) -> _Collection:
    if skipna is not None and not isinstance(skipna, (bool, np.bool_)):
        raise TypeError(
            f"{name}() argument 'skipna' must be True, False or None, "
            f"not {type(skipna).__name__}"
        )
    kind = _kind_of(obj)
    averages = name == "mean"
    if kind == "array":
        return _reduce_array(obj, axis, keepdims, bool(skipna), averages, split_every)
    if keepdims:
        raise TypeError(f"{name}() has keepdims for arrays, not for a {kind}")
    if kind == "Bag":
        if axis is not None:
            raise TypeError(f"{name}() has no axis for a Bag, whose axis must be None")
        return _reduce_bag(obj, bool(skipna), averages, split_every)
    if kind is None:
        raise TypeError(
            f"{name}() takes a Dask array, Bag, Series or DataFrame, "
            f"not {type(obj).__name__}"
        )
    skipna = True if skipna is None else bool(skipna)
    return _reduce_frame(obj, kind, axis, skipna, averages, split_every)


def _kind_of(obj: object) -> str | None:
    """Which Dask collection obj is, without importing any that it is not."""
    if dask.is_dask_collection(obj):
        for base in type(obj).__mro__:
            if base.__module__.startswith("dask."):
                if base.__name__ == "Array":
                    return "array"
                if base.__name__ in ("Bag", "Series", "DataFrame"):
                    return base.__name__
    return None


def _check_dtype(dtype: Any, what: str) -> None:
    if (
        not isinstance(dtype, np.dtype)
        or dtype.kind not in "biuf"
        or dtype.itemsize > 8
    ):
        raise TypeError(
            f"cannot sum {what} of dtype {dtype}: real numbers of at most 64 bits "
            f"are needed"
        )


# Terms: what an exact sum is made of ------------------------------------------


class _Part(NamedTuple):
    """What is known of an array after some of its chunks."""

    # Of shape (*items of the result, terms): the exact sum along the last axis is
    # the sum so far.  Of float64, or of objects if some sum is no sum of a few
    # floats (it is infinite, or too great for one): ExactSums stand for those.
    terms: Any
    counts: Any  # how many numbers that is: an int, or an array of them


def _terms_of(total: ExactSum) -> list[Any]:
    """Floats, each the rest rounded, or the ExactSum if it is not finite.

    They end: an exact sum is a multiple of the least subnormal, and rounds to zero
    only if it is zero.
    """
    if math.isinf(total.value):
        return [total]
    terms: list[Any] = []
    while top := total.value:
        terms.append(top)
        if math.isnan(top):
            break
        total.add(-top)
    return terms


def _sum_of_line(line: Any) -> ExactSum:
    return ExactSum(line.tolist() if line.dtype == object else line)


def _distilled(lines: Iterable[Any]) -> Any:
    """The terms of each line, as few as there can be, as rows of one array."""
    found = [_terms_of(_sum_of_line(line)) for line in lines]
    inexact = any(isinstance(term, ExactSum) for terms in found for term in terms[:1])
    columns = list(zip_longest(*found, fillvalue=0.0))
    dtype = object if inexact else np.float64
    return np.array(columns, dtype).reshape(len(columns), len(found)).T


def _as_floats(lines: Any) -> Any:
    """Float64 lines of the same sums: integers of 64 bits become two terms."""
    if lines.dtype.kind in "iu" and lines.dtype.itemsize == 8:
        high = (lines >> 32).astype(np.float64) * 2.0**32
        low = (lines & 0xFFFFFFFF).astype(np.float64)
        return np.concatenate([high, low], axis=-1)
    return lines.astype(np.float64, copy=False)


def _shortened(terms: Any) -> Any:
    """The same sums of fewer terms, if that is worth it."""
    if terms.shape[-1] <= _SHORT_LINE:
        return terms
    shape = terms.shape[:-1]
    lines = terms.reshape(math.prod(shape), terms.shape[-1])
    return (short := _distilled(lines)).reshape(*shape, short.shape[-1])


def _rounded_sums(lines: Any) -> Any:
    if lines.dtype == object:
        return np.array([_sum_of_line(line).value for line in lines], np.float64)
    return np.asarray(FloatMatrix(lines).sum(axis=1), np.float64)


def _rounded_means(lines: Any, counts: Any) -> Any:
    """Each exact sum over its count, rounded once; nan of nothing."""
    if lines.size and lines.dtype != object and np.all(counts == lines.shape[1]):
        # As many terms as numbers: their mean is the mean.
        return np.asarray(FloatMatrix(lines).mean(axis=1), np.float64)
    zeros: dict[int, ExactSum] = {}
    means = []
    for line, count in zip(lines, np.broadcast_to(counts, len(lines)), strict=True):
        total = _sum_of_line(line)
        # Zeros make its count, of terms so far, that of the numbers.
        missing = int(count) - total.count
        if missing not in zeros:
            zeros[missing] = _zeros(missing)
        total += zeros[missing]
        means.append(_rounded(total, True))
    return np.array(means, np.float64)


def _zeros(count: int) -> ExactSum:
    """The sum of so many zeros, by doubling; of a negative number, what undoes it."""
    total, power, left = ExactSum(), ExactSum([0.0]), abs(count)
    while left:
        if left & 1:
            total += power
        left >>= 1
        if left:
            power += power
    return total if count >= 0 else ExactSum() - total


def _rounded(total: ExactSum, averages: bool) -> float:
    if not averages:
        return total.value
    return total.mean if total.count else math.nan


# Arrays -----------------------------------------------------------------------


def _reduce_array(
    x: Any, axis: Any, keepdims: bool, skipna: bool, averages: bool, split_every: Any
) -> Any:
    from dask.array import reduction
    from dask.array.utils import validate_axis

    _check_block(x._meta)
    axes = validate_axis(tuple(range(x.ndim)) if axis is None else axis, x.ndim)
    axes = axes if isinstance(axes, tuple) else (axes,)
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    # Of one chunk along the axes nothing is merged: its items are the best terms.
    alone = all(x.numblocks[a] == 1 for a in axes) and len(axes) < x.ndim
    return reduction(
        x,
        partial(_array_chunk, skipna=skipna, alone=alone),
        partial(_array_result, averages=averages),
        combine=_array_combine,
        axis=axes,
        keepdims=keepdims,
        dtype=np.dtype(np.float64),
        split_every=split_every,
        name="memopt-mean" if averages else "memopt-fsum",
        concatenate=False,
    )


def _check_block(block: Any) -> None:
    """ExactSum refuses most of these too, but not before anything is computed."""
    if not isinstance(block, np.ndarray) or isinstance(block, np.ma.MaskedArray):
        raise TypeError(
            f"cannot sum chunks of type {type(block).__name__}: NumPy arrays without "
            f"a mask are needed"
        )
    _check_dtype(block.dtype, "an array")


def _array_chunk(
    block: Any, axis: tuple[int, ...], keepdims: bool, *, skipna: bool, alone: bool
) -> _Part:
    block = np.asarray(block) if isinstance(block, np.generic) else block
    _check_block(block)
    length = math.prod(block.shape[a] for a in axis)
    counts: Any = length
    if skipna and block.dtype.kind == "f":
        missing = np.isnan(block)
        counts = length - missing.sum(axis=axis)
        block = np.where(missing, block.dtype.type(0), block)
    if len(axis) == block.ndim:
        return _Part(_distilled([block])[0], counts)
    kept = [n for a, n in enumerate(block.shape) if a not in axis]
    last = range(-len(axis), 0)
    lines = np.moveaxis(block, axis, last).reshape(*kept, length)
    if alone or length <= _SHORT_LINE:
        return _Part(_as_floats(lines), counts)
    return _Part(_shortened(lines), counts)


def _merged(parts: Any) -> _Part:
    """parts is what a task gets of its reduced chunks: a part, or lists of lists."""
    if isinstance(parts, _Part):
        return parts
    flat = list(dask.core.flatten(parts, container=list))
    terms = np.concatenate([part.terms for part in flat], axis=-1)
    return _Part(terms, sum(part.counts for part in flat))


def _array_combine(parts: Any, axis: tuple[int, ...], keepdims: bool) -> _Part:
    merged = _merged(parts)
    return merged._replace(terms=_shortened(merged.terms))


def _array_result(
    parts: Any, axis: tuple[int, ...], keepdims: bool, *, averages: bool
) -> Any:
    terms, counts = _merged(parts)
    shape = terms.shape[:-1]
    lines = terms.reshape(math.prod(shape), terms.shape[-1])
    if averages:
        result = _rounded_means(lines, np.ravel(counts))
    else:
        result = _rounded_sums(lines)
    result = result.reshape(shape)[()]  # a scalar of no dimensions, as NumPy has it
    return np.expand_dims(result, axis) if keepdims else result


# Bags -------------------------------------------------------------------------


def _reduce_bag(bag: Any, skipna: bool, averages: bool, split_every: Any) -> Any:
    totals = bag.reduction(
        partial(_bag_chunk, skipna=skipna), _total, split_every=split_every
    )
    return totals.apply(partial(_rounded, averages=averages))


def _bag_chunk(items: Iterable[Any], *, skipna: bool) -> ExactSum:
    if skipna:  # math.isnan's TypeError says what is no number
        items = (item for item in items if not math.isnan(item))
    return ExactSum(items)


def _total(totals: Iterable[ExactSum]) -> ExactSum:
    total = ExactSum()
    for part in totals:
        total += part
    return total


# Series and DataFrames --------------------------------------------------------


def _reduce_frame(
    frame: Any, kind: str, axis: Any, skipna: bool, averages: bool, split_every: Any
) -> Any:
    import pandas as pd

    if kind == "DataFrame":
        for column, dtype in frame.dtypes.items():
            _check_column(dtype, column)
    else:
        _check_column(frame.dtype, frame.name)
    number = {None: None, 0: 0, "index": 0, 1: 1, "columns": 1}.get(axis, axis)
    if number not in (None, 0, 1) or (number == 1 and kind == "Series"):
        raise ValueError(f"no axis {axis!r} of a {kind}")
    if number == 1:
        rows = partial(_row_results, skipna=skipna, averages=averages)
        return frame.map_partitions(rows, meta=pd.Series(dtype=np.float64))
    by_column = kind == "DataFrame" and number == 0
    return frame.reduction(
        partial(_column_totals if by_column else _frame_total, skipna=skipna),
        aggregate=partial(_columns_result if by_column else _result, averages=averages),
        combine=_columns_total if by_column else _total,
        meta=pd.Series(0.0, index=frame.columns) if by_column else 0.0,
        split_every=split_every,
    )


def _check_column(dtype: Any, name: object) -> None:
    _check_dtype(_numpy_dtype(dtype), f"column {name!r}")


def _numpy_dtype(dtype: Any) -> Any:
    """What pandas' nullable and Arrow types hold where nothing is missing."""
    return getattr(dtype, "numpy_dtype", dtype)


def _numbers(column: Any) -> tuple[Any, Any]:
    """The column's numbers, with something at the missing, and which those are."""
    dtype = _numpy_dtype(column.dtype)
    _check_dtype(dtype, f"column {column.name!r}")
    missing = np.asarray(column.isna(), dtype=bool)  # an Index gives an array
    if dtype == column.dtype:
        return column.to_numpy(), missing
    numbers = column.to_numpy(dtype=dtype, na_value=dtype.type(0))
    if dtype.kind == "f":
        missing = missing | np.isnan(numbers)
    return numbers, missing


def _column_total(column: Any, *, skipna: bool) -> ExactSum:
    numbers, missing = _numbers(column)
    if not missing.any():
        return ExactSum(numbers)
    total = ExactSum(numbers[~missing])
    return total if skipna else total + ExactSum([math.nan])


def _columns_of(frame: Any) -> list[Any]:
    """By position: names may occur twice."""
    if frame.ndim == 1:
        return [frame]
    return [frame.iloc[:, i] for i in range(frame.shape[1])]


def _frame_total(frame: Any, *, skipna: bool) -> ExactSum:
    return _total(_column_total(c, skipna=skipna) for c in _columns_of(frame))


def _column_totals(frame: Any, *, skipna: bool) -> Any:
    import pandas as pd

    totals = [_column_total(c, skipna=skipna) for c in _columns_of(frame)]
    return pd.Series(totals, index=frame.columns, dtype=object)


def _columns_total(totals: Any) -> Any:
    return totals.apply(_total)


def _result(totals: Iterable[ExactSum], *, averages: bool) -> float:
    return _rounded(_total(totals), averages)


def _columns_result(totals: Any, *, averages: bool) -> Any:
    rounded: Callable[[Any], float] = partial(_result, averages=averages)
    return totals.apply(rounded).astype(np.float64)


def _row_results(frame: Any, *, skipna: bool, averages: bool) -> Any:
    import pandas as pd

    terms, counts = [np.zeros((len(frame), 0))], np.zeros(len(frame), np.int64)
    for column in _columns_of(frame):
        numbers, missing = _numbers(column)
        floats = _as_floats(numbers[:, np.newaxis])
        if missing.any():
            instead = 0.0 if skipna else math.nan
            floats = np.where(missing[:, np.newaxis], instead, floats)
        terms.append(floats)
        counts += ~missing if skipna else 1
    lines = np.concatenate(terms, axis=1)
    results = _rounded_means(lines, counts) if averages else _rounded_sums(lines)
    return pd.Series(results, index=frame.index)


# Workers ----------------------------------------------------------------------

_PLUGIN_NAME = "memopt-intern-pool"


class InternPoolPlugin(distributed.WorkerPlugin):  # type: ignore[misc]
    """Gives each worker of a cluster one InternPool, which worker_pool() returns.

    The arguments are InternPool's, and so are the errors.  Registering another
    replaces every worker's pool by a new one.

        client.register_plugin(InternPoolPlugin(max_bytes=50_000_000))
    """

    name = _PLUGIN_NAME

    def __init__(self, max_entries: int = 16384, **options: Any) -> None:
        # Pickled without its strings: each worker that loads it has a pool of its own.
        self.pool = InternPool(max_entries, **options)


def worker_pool() -> InternPool:
    """The InternPool of the worker that runs the calling task.

    RuntimeError outside of a task, or if the cluster has no InternPoolPlugin.
    """
    try:
        plugin = distributed.get_worker().plugins.get(_PLUGIN_NAME)
    except ValueError:
        raise RuntimeError(
            "worker_pool() is for tasks that run on a worker of dask.distributed"
        ) from None
    if plugin is None:
        raise RuntimeError(
            "this worker has no pool: client.register_plugin("
            "memopt.dask.InternPoolPlugin()) gives it one"
        )
    pool: InternPool = plugin.pool
    return pool
