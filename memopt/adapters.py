"""InternPool for readers of the standard library and pandas.

Each function is the method of that name of InternPool, where it is documented;
what only adapts Python code is written in Python, and imports what it adapts
when it is called.
"""

import builtins
import csv
import json
import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from memopt._memopt import InternPool

__all__ = [
    "InternFilter",
    "InternedRows",
    "csv_dict_reader",
    "csv_reader",
    "intern_series",
    "json_loads",
    "logging_filter",
    "map",
]


def json_loads(pool: InternPool, s: str | bytes | bytearray, /, **options: Any) -> Any:
    # Errors, hooks and rare documents are json's business.
    if options:
        return _interned(pool, json.loads(s, **_with_interned_pairs(pool, options)))
    value = pool._scan_json(s)
    if value is not NotImplemented:
        return value
    held = [json.loads(s)]
    pool.dedup(held)
    return held[0]


def _with_interned_pairs(pool: InternPool, options: dict[str, Any]) -> dict[str, Any]:
    """The options, with a hook that interns what objects have, then calls theirs.

    What hooks return belongs to the caller, and is not walked as dedup() would.
    """
    if options.get("cls") is not None:
        return options  # need not know of hooks
    of_dict, of_pairs = options.get("object_hook"), options.get("object_pairs_hook")

    def hook(pairs: list[tuple[str, Any]]) -> Any:
        pairs = [(pool.intern(key), _interned(pool, value)) for key, value in pairs]
        if of_pairs is not None:
            return of_pairs(pairs)
        return dict(pairs) if of_dict is None else of_dict(dict(pairs))

    return options | {"object_pairs_hook": hook}


def _interned(pool: InternPool, value: Any) -> Any:
    """`value`, a str as intern() gives it, or a list with those in it so, in place."""
    if type(value) is str:
        return pool.intern(value)
    lists = [value] if type(value) is list else []
    seen = set(builtins.map(id, lists))  # a hook's list may hold itself
    for items in lists:
        pool.intern_list(items)
        inner = [item for item in items if type(item) is list and id(item) not in seen]
        seen.update(builtins.map(id, inner))
        lists += inner
    return value


class InternedRows:
    """A csv.reader whose fields are interned."""

    def __init__(self, pool: InternPool, reader: Any) -> None:
        self._intern_list = pool.intern_list
        self._reader = reader

    def __iter__(self) -> Iterator[list[Any]]:
        return self

    def __next__(self) -> list[Any]:
        row: list[Any] = next(self._reader)
        self._intern_list(row)
        return row

    @property
    def dialect(self) -> Any:
        return self._reader.dialect

    @property
    def line_num(self) -> int:
        line_num: int = self._reader.line_num
        return line_num


def csv_reader(
    pool: InternPool, file: Iterable[str], /, dialect: Any = "excel", **format: Any
) -> InternedRows:
    return InternedRows(pool, csv.reader(file, dialect, **format))


def csv_dict_reader(
    pool: InternPool, file: Iterable[str], /, *args: Any, **options: Any
) -> "csv.DictReader[Any]":
    rows = csv.DictReader(file, *args, **options)
    rows.reader = InternedRows(pool, rows.reader)  # type: ignore[assignment]
    return rows


class InternFilter(logging.Filter):
    """Interns what a log record says of itself; passes what logging.Filter does."""

    def __init__(self, pool: InternPool, name: str = "") -> None:
        super().__init__(name)
        self.pool = pool

    def filter(self, record: logging.LogRecord) -> Any:
        attributes = vars(record)
        for name, value in attributes.items():
            if type(value) is str:
                attributes[name] = self.pool.intern(value)
        if type(record.args) is tuple:
            record.args = tuple(self.pool.intern_many(record.args))
        return super().filter(record)


def logging_filter(pool: InternPool, /, name: str = "") -> InternFilter:
    if not isinstance(name, str):
        raise TypeError(
            f"logging_filter() argument 'name' must be str, not {type(name).__name__}"
        )
    return InternFilter(pool, name)


def map(pool: InternPool, iterable: Iterable[Any], /) -> Iterator[Any]:
    return builtins.map(pool._intern_item, iterable)


def intern_series(pool: InternPool, series: Any, /) -> Any:
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(series, pandas.Series):
        raise TypeError(
            "intern_series() argument must be a pandas.Series, not "
            f"{type(series).__name__}; dedup() takes anything"
        )
    if series.dtype != object:
        return series
    interned = type(series)(
        pool.intern_many(series), index=series.index, name=series.name, dtype=object
    )
    return interned.__finalize__(series)  # attrs, flags, a subclass's metadata
