"""InternPool's adapters: csv, sqlite3, logging, map, pandas; memopt.intern."""

import collections
import csv
import inspect
import io
import itertools
import logging
import logging.handlers
import queue
import sqlite3
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from support import run_in_fresh_process

import memopt
from memopt import InternPool, adapters

ROWS = ["id,city,note", *(f'{i},Oslo,"a, b"' for i in range(5))]


class TestCsv:
    def test_rows_are_those_of_csv_and_interned(self) -> None:
        pool = InternPool()
        rows = list(pool.csv_reader(ROWS))
        assert rows == list(csv.reader(ROWS))
        assert len({id(row[1]) for row in rows[1:]}) == 1
        assert rows[1][1] is pool.get("Oslo")

    def test_reader_has_what_csv_readers_have(self) -> None:
        reader = InternPool().csv_reader(io.StringIO("a;b\n1;2\n"), delimiter=";")
        assert iter(reader) is reader
        assert next(reader) == ["a", "b"]
        assert reader.line_num == 1
        assert reader.dialect.delimiter == ";"
        assert next(reader) == ["1", "2"]
        with pytest.raises(StopIteration):
            next(reader)

    def test_format_arguments(self) -> None:
        pool = InternPool()
        assert list(pool.csv_reader(["a\tb"], "excel-tab")) == [["a", "b"]]
        rows = pool.csv_reader(['"a",1.5'], quoting=csv.QUOTE_NONNUMERIC)
        assert list(rows) == [["a", 1.5]]
        with pytest.raises(TypeError):
            pool.csv_reader(["a"], no_such=1)
        with pytest.raises(csv.Error):
            list(pool.csv_reader(['"a'], strict=True))

    def test_dict_rows(self) -> None:
        pool = InternPool()
        rows = list(pool.csv_dict_reader(ROWS))
        assert rows == list(csv.DictReader(ROWS))
        assert len({id(row["city"]) for row in rows}) == 1
        assert all(key is pool.intern(key) for key in rows[0])
        reader = pool.csv_dict_reader(["1,2,3"], fieldnames=["a", "b"], restkey="rest")
        assert next(reader) == {"a": "1", "b": "2", "rest": ["3"]}
        assert reader.line_num == 1
        assert next(pool.csv_dict_reader(["1"], ["a"])) == {"a": "1"}
        with pytest.raises(TypeError):
            pool.csv_dict_reader(["1"], no_such=1)


def test_sqlite3_text_factory() -> None:
    pool = InternPool()
    connection = sqlite3.connect(":memory:")
    connection.text_factory = pool.intern_utf8
    connection.execute("create table t (city text)")
    connection.executemany("insert into t values (?)", [("Troms\xf8",)] * 5)
    cities = [city for (city,) in connection.execute("select city from t")]
    connection.close()
    assert cities == ["Troms\xf8"] * 5
    assert len({id(city) for city in cities}) == 1


class TestLogging:
    def test_records_are_interned(self) -> None:
        pool = InternPool()
        records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()

        class Keeping(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                records.put(record)

        handler = Keeping()
        handler.addFilter(pool.logging_filter())
        logger = logging.Logger("some.logger")
        logger.addHandler(handler)
        for i in range(3):
            logger.warning("".join(["north ", "%s", " %d"]), "-".join("ab"), i)
        kept = [records.get() for _ in range(3)]
        assert [r.getMessage() for r in kept] == [f"north a-b {i}" for i in range(3)]
        for name in ("msg", "name", "pathname", "levelname", "threadName"):
            assert len({id(getattr(record, name)) for record in kept}) == 1
            assert getattr(kept[0], name) is pool.intern(getattr(kept[0], name))
        assert all(record.args[0] is pool.get("a-b") for record in kept)  # type: ignore[index]

    def test_it_filters_by_name(self) -> None:
        intern = InternPool().logging_filter("some")
        assert isinstance(intern, logging.Filter)
        assert isinstance(intern, adapters.InternFilter)
        for name, passes in (("some", True), ("some.logger", True), ("other", False)):
            record = logging.LogRecord(name, 10, "p", 1, "text", None, None)
            assert bool(intern.filter(record)) is passes

    def test_name_is_a_str(self) -> None:
        pool: Any = InternPool()
        with pytest.raises(TypeError, match="argument 'name' must be str, not int"):
            pool.logging_filter(5)

    def test_mapping_arguments(self) -> None:
        pool = InternPool()
        given = {"a": " ".join("bc"), "n": 5}
        record = logging.LogRecord("n", 10, "p", 1, "%(a)s %(n)d", (given,), None)
        before = given["a"]
        kept = pool.intern(" ".join("bc"))
        assert pool.logging_filter().filter(record)
        assert record.getMessage() == "b c 5"
        assert isinstance(record.args, dict)
        assert record.args == given
        assert record.args["a"] is kept
        assert given["a"] is before  # the caller's own

    def test_other_mappings_stay(self) -> None:
        given = collections.ChainMap({"a": "b c"})
        record = logging.LogRecord("n", 10, "p", 1, "%(a)s", (given,), None)
        assert InternPool().logging_filter().filter(record)
        assert record.args is given  # type: ignore[comparison-overlap]


class TestMap:
    def test_is_lazy(self) -> None:
        pool = InternPool()
        stream = pool.map(f"item {i // 2}" for i in itertools.count())
        a, b, c = itertools.islice(stream, 3)
        assert a is b
        assert c == "item 1"

    def test_leaves_other_objects(self) -> None:
        items = [None, 1, b"x", ["x"]]
        mapped = list(InternPool().map(items))
        assert all(a is b for a, b in zip(items, mapped, strict=True))

    def test_errors_pass_through(self) -> None:
        def broken() -> Iterator[str]:
            yield "item"
            raise ZeroDivisionError

        stream = InternPool().map(broken())
        assert next(stream) == "item"
        with pytest.raises(ZeroDivisionError):
            next(stream)
        with pytest.raises(TypeError):
            InternPool().map(5)  # type: ignore[arg-type]


class TestPandas:
    def test_series(self) -> None:
        pd = pytest.importorskip("pandas")
        pool = InternPool()
        values = ["".join(["no", "rth"]) for _ in range(4)] + [None, 5]
        series = pd.Series(values, index=list("abcdef"), name="city", dtype=object)
        interned = pool.intern_series(series)
        pd.testing.assert_series_equal(interned, series)
        assert len({id(s) for s in interned[:4]}) == 1
        assert interned.index is series.index
        numbers = pd.Series([1, 2])
        assert pool.intern_series(numbers) is numbers

    @pytest.mark.parametrize("other", [5, ["north"], "north", None])
    def test_other_than_series_are_refused(self, other: Any) -> None:
        kind = type(other).__name__
        with pytest.raises(TypeError, match=f"a pandas.Series, not {kind}; dedup"):
            InternPool().intern_series(other)

    def test_data_frames_and_indexes_are_no_series(self) -> None:
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame({"city": ["north"]}, dtype=object)
        for other in (frame, frame.index):
            with pytest.raises(TypeError, match=r"pandas\.Series, not"):
                InternPool().intern_series(other)

    def test_series_keep_what_is_known_of_them(self) -> None:
        pd = pytest.importorskip("pandas")

        class Measured(pd.Series):  # type: ignore[misc]
            _metadata: ClassVar[list[str]] = ["unit"]

        series = Measured(["north", "south"], dtype=object)
        series.unit = "degree"
        series.attrs["source"] = {"file": "cities.csv"}
        series.flags.allows_duplicate_labels = False
        interned = InternPool().intern_series(series)
        assert type(interned) is Measured
        assert interned.unit == "degree"
        assert interned.attrs == series.attrs
        assert interned.flags == series.flags

    def test_data_frames_are_walked_by_dedup(self) -> None:
        pd = pytest.importorskip("pandas")
        values = ["".join(["no", "rth"]) for _ in range(4)]
        frame = pd.DataFrame({"n": range(4)})
        frame["city"] = pd.Series(values, dtype=object)
        before = frame.copy(deep=True)
        InternPool().dedup(frame)
        pd.testing.assert_frame_equal(frame, before)
        # Older ones borrow labels from arrays, which dedup() therefore leaves alone.
        borrows = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
        assert len({id(s) for s in frame["city"]}) == (4 if borrows else 1)


ADAPTERS = [name for name in adapters.__all__ if name[0].islower()]


@pytest.mark.parametrize("name", ADAPTERS)
def test_signatures_are_those_of_the_functions(name: str) -> None:
    ours = inspect.signature(getattr(InternPool, name))
    theirs = inspect.signature(getattr(adapters, name))
    assert list(ours.parameters.values())[1:] == [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in list(theirs.parameters.values())[1:]
    ]


@pytest.mark.parametrize("name", ADAPTERS)
def test_arguments_are_passed_on(name: str) -> None:
    pool: Any = InternPool()
    with pytest.raises(TypeError):
        getattr(pool, name)(1, 2, 3, 4, 5)


def test_the_pool_of_the_process() -> None:
    assert type(memopt.intern) is InternPool
    a, b = (memopt.intern("memopt " + str(5)) for _ in range(2))
    assert a is b
    assert memopt.intern.discard(a)


def test_import_needs_no_adapter() -> None:
    run_in_fresh_process(
        """
import sys
import memopt
for name in ("csv", "json", "logging", "sqlite3", "pandas", "numpy"):
    assert name not in sys.modules, name
assert memopt.InternPool().json_loads("[1]") == [1]
"""
    )
