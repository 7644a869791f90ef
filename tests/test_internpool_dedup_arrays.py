"""InternPool.dedup of NumPy arrays of objects, and of pandas objects with them."""

import gc
import sys
import types
import warnings
from typing import Any

import pytest
from support import free_threaded

from memopt import InternPool

np = pytest.importorskip("numpy", reason="there are no other such arrays")


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


def pool_with(*strings: str) -> InternPool:
    pool = InternPool()
    for string in strings:
        pool.pin(fresh(string))
    return pool


@pytest.mark.usefixtures("without_pandas")
class TestBuffers:
    def test_no_warning_of_arrays_that_will_be_read_only(self) -> None:
        array = np.array([fresh("north")], dtype=object)
        wide, _ = np.broadcast_arrays(array, np.zeros(3))
        before = wide[0]
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            pool_with("north").dedup([wide])
        assert not warned
        assert wide[0] is before

    @pytest.mark.skipif(
        sys.version_info < (3, 12) or free_threaded, reason="no __buffer__ is asked"
    )
    def test_exceptions_of_a_subclass_are_raised(self) -> None:
        class Lent(np.ndarray):  # type: ignore[type-arg]
            error: type[BaseException]

            def __buffer__(self, flags: int) -> memoryview:
                raise self.error("mine")

        array = np.array([1], dtype=object).view(Lent)
        for error in (KeyboardInterrupt, ZeroDivisionError):
            Lent.error = error
            with pytest.raises(error, match="mine"):
                InternPool().dedup([array])
        Lent.error = BufferError
        assert InternPool().dedup([array]).containers == 2

    def test_subclasses(self) -> None:
        class Own(np.ndarray):  # type: ignore[type-arg]
            pass

        pool = pool_with("north")
        array = np.array([fresh("north")], dtype=object).view(Own)
        pool.dedup([array])
        assert (array[0] is pool.get("north")) == (not free_threaded)

    def test_a_class_that_has_but_the_name_is_none(self) -> None:
        ctypes = pytest.importorskip("ctypes")
        fake = type("numpy.ndarray", (ctypes.py_object * 2,), {})
        value = fresh("north by northwest")
        array = fake(value, value)
        before = sys.getrefcount(value)
        pool_with("north by northwest").dedup([array])
        assert sys.getrefcount(value) == before
        assert list(array) == [value, value]

    def test_objects_in_packed_records_stay(self) -> None:
        records = np.empty(3, dtype=[("letter", "i1"), ("name", "O")])
        aligned = np.empty(3, dtype=[("number", "i8"), ("name", "O")])
        pool = pool_with("north")
        for array, replaced in ((records, 0), (aligned, 0 if free_threaded else 3)):
            array["name"] = [fresh("north") for _ in range(3)]
            assert pool.dedup([array["name"]]).replaced == replaced
            assert array["name"].tolist() == ["north"] * 3


@pytest.mark.usefixtures("without_pandas")
class TestMemoryOfOthers:
    """What owns the references there is not known, or need not be an array."""

    def test_of_ctypes_stays(self) -> None:
        ctypes = pytest.importorskip("ctypes")
        value = fresh("north by northwest")
        kept = (ctypes.py_object * 2)(value, value)
        array = np.asarray(kept)
        before = sys.getrefcount(value)
        for lent in (array, array[:1], array.view(np.ma.MaskedArray)):
            assert pool_with(value).dedup([lent]).replaced == 0
        assert sys.getrefcount(value) == before
        assert all(item is value for item in array)

    def test_views_of_arrays_are_walked(self) -> None:
        pool = pool_with("north")
        for view in (
            lambda array: array[::2],
            lambda array: array.reshape(2, 2).T,
            lambda array: array.view(np.ma.MaskedArray),
            lambda array: np.ma.array(array),
            lambda array: np.asarray(memoryview(array).obj),
            np.ravel,
        ):
            array = np.array([fresh("north") for _ in range(4)], dtype=object)
            pool.dedup([view(array)])
            assert (array[0] is pool.get("north")) == (not free_threaded)

    def test_a_numpy_without_such_an_attribute(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for base in (property(lambda self: 1 / 0), None):
            fake = types.ModuleType("numpy")
            fake.ndarray = type("ndarray", (np.ndarray,), {"base": base})  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, "numpy", fake)
            array = np.array([fresh("north")], dtype=object).view(fake.ndarray)
            before = array[0]
            pool_with("north").dedup([array])
            assert array[0] is before


def hash_table_of(keys: list[Any] | None) -> types.ModuleType:
    """Like pandas' module, whose tables put keys there or keep none."""

    class PyObjectHashTable:
        def set_item(self, key: Any, value: int) -> None:
            if keys is not None:
                keys.append(key)

    module = types.ModuleType("pandas._libs.hashtable")
    module.PyObjectHashTable = PyObjectHashTable  # type: ignore[attr-defined]
    return module


class TestHashTablesThatBorrowTheirKeys:
    """Those of pandas before 3.1: only the array keeps the labels alive."""

    @pytest.mark.parametrize("borrowed", [True, False])
    def test_arrays_stay_if_there_may_be_one(
        self, monkeypatch: pytest.MonkeyPatch, borrowed: bool
    ) -> None:
        name, keys = "pandas._libs.hashtable", None if borrowed else []
        monkeypatch.setitem(sys.modules, name, hash_table_of(keys))
        pool = pool_with("north")
        array = np.array([fresh("north"), (fresh("north"),)], dtype=object)
        before = array.tolist()
        rows = [array, fresh("north")]
        pool.dedup(rows)
        stays = borrowed or free_threaded
        assert (array[0] is before[0]) == (array[1] is before[1]) == stays
        assert rows[1] is pool.get("north")

    def test_errors_of_the_module_are_raised(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if free_threaded:
            pytest.skip("arrays stay anyway")
        module = types.ModuleType("pandas._libs.hashtable")
        module.PyObjectHashTable = lambda: 1 / 0  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        with pytest.raises(ZeroDivisionError):
            InternPool().dedup([])


class TestPandas:
    """What was looked up before is found afterwards, whatever was replaced."""

    def setup_method(self) -> None:
        self.pd = pytest.importorskip("pandas", reason="the extras lane has it")
        self.names = [f"label number {i}" for i in range(500)]
        self.pool = pool_with(*self.names)

    def column(self) -> list[str]:
        return [fresh(name) for name in self.names]

    def labels_are_found(self, index: Any) -> None:
        gc.collect()
        junk = [b"\xff" * 30 + bytes([i % 256]) for i in range(20_000)]
        assert [index.get_loc(fresh(name)) for name in self.names] == list(range(500))
        del junk

    def test_labels_of_rows(self) -> None:
        index = self.pd.Index(self.column(), dtype=object)
        frame = self.pd.DataFrame({"v": range(500)}, index=index)
        assert frame.loc["label number 7"].v == 7
        self.pool.dedup(frame)
        self.labels_are_found(frame.index)

    def test_labels_of_columns(self) -> None:
        frame = self.pd.DataFrame({name: [fresh("north")] for name in self.column()})
        assert "label number 7" in frame.columns
        self.pool.dedup([frame])
        self.labels_are_found(frame.columns)

    @pytest.mark.parametrize("drop", [True, False])
    def test_labels_that_share_the_memory_of_a_column(self, drop: bool) -> None:
        frame = self.pd.DataFrame({"c": self.pd.Series(self.column(), dtype=object)})
        index = self.pd.Index(frame["c"])
        other = frame.set_index("c", drop=drop)
        assert index.get_loc("label number 7") == other.index.get_loc("label number 7")
        for held in (frame, {"values": frame["c"].values}, [other]):
            self.pool.dedup(held)
        self.labels_are_found(index)
        self.labels_are_found(other.index)

    def test_columns_of_objects_are_walked_where_that_is_safe(self) -> None:
        column = self.pd.Series(self.column(), dtype=object)
        frame = self.pd.DataFrame({"c": column})
        before = frame["c"].tolist()
        self.pool.dedup(frame)
        after = frame["c"].tolist()
        assert after == before
        version = tuple(map(int, self.pd.__version__.split(".")[:2]))
        replaced = version >= (3, 1) and not free_threaded
        assert (after[3] is self.pool.get(after[3])) == replaced
