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
        return _load_with_options(pool, s, options)
    value = pool._scan_json(s)
    if value is not NotImplemented:
        return value
    held = [json.loads(s)]
    pool.dedup(held)
    return held[0]


def _load_with_options(
    pool: InternPool, s: str | bytes | bytearray, options: dict[str, Any]
) -> Any:
    """Interns what arrays and objects have, and then calls the hooks.

    What those of objects return belongs to the caller and is not searched.
    """
    theirs: dict[int, list[Any]] = {}  # lists that a hook has returned, by id
    of_dict: Any = options.get("object_hook")
    of_pairs = options.get("object_pairs_hook")
    intern = pool._intern_value

    def hook(pairs: list[tuple[str, Any]]) -> Any:
        pairs = [(intern(key, theirs), intern(value, theirs)) for key, value in pairs]
        value = of_pairs(pairs) if of_pairs is not None else of_dict(dict(pairs))
        if type(value) is list:
            theirs[id(value)] = value
        return value

    if options.get("cls") is None:  # which need not know of hooks
        has_hook = of_dict is not None or of_pairs is not None
        chosen = hook if has_hook else pool.object_pairs_hook
        options = options | {"object_pairs_hook": chosen}
    return intern(json.loads(s, **options), theirs)


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
        elif type(record.args) is dict:  # for "%(name)s"; it is the caller's
            args = record.args.copy()
            for name, value in args.items():
                args[name] = self.pool._intern_item(value)
            record.args = args
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
