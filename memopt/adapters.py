"""InternPool for readers of the standard library and pandas.

Each function is the method of that name of InternPool, where it is documented;
what only adapts Python code is written in Python, and imports what it adapts
when it is called.
"""

import csv
import json
import logging
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

_builtin_map = map


def json_loads(pool: InternPool, s: str | bytes | bytearray, /, **options: Any) -> Any:
    if not options:
        value = pool._scan_json(s)
        if value is not NotImplemented:
            return value
    # Errors, hooks and rare documents are json's business.
    held = [json.loads(s, **options)]
    pool.dedup(held)
    return held[0]


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
    pool: InternPool, file: Iterable[str], /, **options: Any
) -> "csv.DictReader[Any]":
    rows = csv.DictReader(file, **options)
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
    return InternFilter(pool, name)


def map(pool: InternPool, iterable: Iterable[Any], /) -> Iterator[Any]:
    return _builtin_map(pool._intern_item, iterable)


def intern_series(pool: InternPool, series: Any, /) -> Any:
    if series.dtype != object:
        return series
    interned = type(series)(
        pool.intern_many(series), index=series.index, name=series.name, dtype=object
    )
    return interned.__finalize__(series)  # attrs, flags, a subclass's metadata
