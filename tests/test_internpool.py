"""InternPool: every call, what it returns, and what it refuses."""

import copy
import functools
import gc
import inspect
import pickle
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import memopt
from memopt import InternPool

LATIN_1 = [chr(i) for i in range(256)]

# Strings of every kind that PEP 393 knows, none of them a singleton.
KINDS = {
    "ascii": "status=ok",
    "latin-1": "caf\xe9 au lait",
    "one ucs-2": "\u0416",
    "ucs-2": "\u0416\u0443\u043a",
    "ucs-4": "\U0001f600 smile",
    "surrogate": "\ud800",
    "surrogates": "\udc80\ud800x",
    "nul": "a\0b",
    "only nul": "\0\0",
    "long": "x" * 1000,
    "long ucs-4": "\U0001f600" * 500,
}


def fresh(string: str) -> str:
    """An equal string that is another object, unless CPython has only one."""
    copied = (string + "\U0001f600")[:-1]
    assert copied == string
    return copied


class Str(str):
    __slots__ = ()


class Index:
    """An int by __index__ only."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.fixture(params=["method", "call"])
def intern(request: pytest.FixtureRequest) -> Callable[[InternPool, Any], str]:
    """The two ways to intern."""
    if request.param == "method":
        return lambda pool, string: pool.intern(string)
    return lambda pool, string: pool(string)


@pytest.mark.parametrize("string", KINDS.values(), ids=KINDS)
def test_equal_strings_become_one_object(
    intern: Callable[[InternPool, str], str], string: str
) -> None:
    pool = InternPool()
    first, second = fresh(string), fresh(string)
    assert first is not second
    assert intern(pool, first) is first
    assert intern(pool, second) is first
    assert intern(pool, first) is first
    assert list(pool) == [string]
    pool._debug_validate()


def test_similar_strings_stay_apart() -> None:
    pool = InternPool()
    # Equal bytes in another width, prefixes, and text after a NUL.
    similar = ["ab", "a\0b\0", "\u6261", "a\0", "a\0b", "a\0c", "aa", "aaa", "a" * 64]
    for string in similar:
        assert pool.intern(string) == string
    assert sorted(pool) == sorted(similar)
    assert pool.cache_info().misses == len(similar)


@pytest.mark.parametrize("length", [*range(2, 40), 255, 256, 257, 258, 1023, 1024])
def test_strings_of_every_length_that_differ_in_one_place(length: int) -> None:
    pool = InternPool(max_entries=2000)
    base = "x" * length
    strings = {base} | {base[:i] + "y" + base[i + 1 :] for i in range(length)}
    for string in strings:
        pool.intern(string)
    assert set(pool) == strings
    for string in strings:
        assert pool.get(fresh(string)) == string
    pool._debug_validate()


@pytest.mark.parametrize("string", ["", *LATIN_1])
def test_singletons_of_cpython_are_returned_and_not_stored(string: str) -> None:
    pool = InternPool()
    assert pool.intern(string) is string
    assert pool.intern(fresh(string)) is string
    assert len(pool) == 0
    assert string not in pool
    assert pool.get(string) is None
    assert pool.cache_info()[:4] == (2, 0, 16384, 0)


def test_singletons_replace_copies_made_by_c_code() -> None:
    ctypes = pytest.importorskip("ctypes")
    new = ctypes.pythonapi.PyUnicode_New
    new.restype = ctypes.py_object
    new.argtypes = ctypes.c_ssize_t, ctypes.c_uint32
    for character in ("a", "\xe9"):
        copied = new(1, ord(character))
        text_begins = sys.getsizeof(copied) - len(copied) - 1
        ctypes.memset(id(copied) + text_begins, ord(character), 1)
        assert copied == character
        assert copied is not chr(ord(character))
        pool = InternPool()
        assert pool.intern(copied) is chr(ord(character))
        assert len(pool) == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 has no such strings")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("text", ["legacy", "\u0416\u0443\u043a", "\U0001f600 smile"])
def test_legacy_strings_are_made_ready(text: str) -> None:
    testcapi = pytest.importorskip("_testcapi")
    pool = InternPool()
    legacy = testcapi.unicode_legacy_string(text)
    assert pool.intern(legacy) is legacy
    assert pool.intern(fresh(text)) is legacy
    pool._debug_validate()
    for look_up in (pool.get, pool.__contains__, pool.discard):
        assert look_up(testcapi.unicode_legacy_string(text))
    longer = testcapi.unicode_legacy_string(text)
    assert InternPool(max_length=5).intern(longer) is longer


def test_max_length_counts_characters() -> None:
    pool = InternPool(max_length=5)
    for string in ("12345", "\U0001f600" * 5):
        assert pool.intern(string) is string
        assert string in pool
    for string in ("123456", "\U0001f600" * 6):
        assert pool.intern(string) is string
        assert string not in pool
        assert pool.get(string) is None
        assert not pool.discard(string)
        copied = fresh(string)
        assert pool.intern(copied) is copied
    info = pool.cache_info()
    assert (info.hits, info.misses, info.bypassed) == (0, 2, 4)


def test_default_max_length_is_1024() -> None:
    pool = InternPool()
    pool.intern("x" * 1024)
    pool.intern("y" * 1025)
    assert [len(s) for s in pool] == [1024]


def test_max_length_none_is_no_limit() -> None:
    pool = InternPool(max_length=None)
    huge = "x" * 10_000_000
    assert pool.intern(huge) is huge
    assert pool.intern(fresh(huge)) is huge
    assert pool.max_length is None


def test_strings_above_a_tenth_of_max_bytes_are_bypassed() -> None:
    size = sys.getsizeof("x" * 100)
    for max_bytes, stored in ((size * 10, 1), (size * 10 - 1, 0)):
        pool = InternPool(max_bytes=max_bytes)
        string = fresh("x" * 100)
        assert pool.intern(string) is string
        assert len(pool) == stored
        assert pool.cache_info().bypassed == 1 - stored


def test_get_returns_the_resident_or_the_default() -> None:
    pool = InternPool()
    resident = pool.intern(fresh("north"))
    marker = object()
    assert pool.get(fresh("north")) is resident
    assert pool.get(fresh("north"), marker) is resident
    assert pool.get("south") is None
    assert pool.get("south", marker) is marker


def test_lookups_change_nothing() -> None:
    pool = InternPool(max_entries=2)
    pool.intern("first")
    pool.intern("second")
    before = pool.cache_info()
    for _ in range(10):
        assert pool.get("first") == "first"
        assert "first" in pool
        assert "third" not in pool
        assert pool.get("third") is None
    assert pool.cache_info() == before
    pool.intern("third")  # evicts the oldest, which lookups did not promote
    assert sorted(pool) == ["second", "third"]


def test_contains_len_and_bool() -> None:
    pool = InternPool()
    assert len(pool) == 0
    assert not pool
    pool.intern("north")
    assert len(pool) == 1
    assert pool
    assert fresh("north") in pool
    assert "nort" not in pool
    assert "north\0" not in pool


def test_iteration_is_over_a_snapshot() -> None:
    pool = InternPool()
    strings = {f"item {i}" for i in range(100)}
    for string in strings:
        pool.intern(string)
    seen = []
    for string in pool:
        seen.append(string)
        pool.discard(string)
        pool.intern("other " + string)
    assert set(seen) == strings
    assert len(seen) == 100
    assert set(pool) == {"other " + s for s in strings}


def test_iteration_gives_the_resident_objects() -> None:
    pool = InternPool()
    residents = [pool.intern(f"item {i}") for i in range(10)]
    assert {id(s) for s in pool} == {id(s) for s in residents}


def test_discard_tells_whether_there_was_one() -> None:
    pool = InternPool()
    first = pool.intern(fresh("north"))
    pool.intern("south")
    assert pool.discard(fresh("north")) is True
    assert pool.discard("north") is False
    assert list(pool) == ["south"]
    again = fresh("north")
    assert pool.intern(again) is again
    assert again is not first
    assert pool.cache_info().evictions == 0


@pytest.mark.parametrize("count", [12, 13, 24, 25, 48, 49])
def test_discard_where_the_table_ends(count: int) -> None:
    """Tables that are full, or have just grown: hashes place some past the end."""
    for seed in range(16):
        pool = InternPool(count, adaptive=False)
        strings = [f"item {seed} {i}" for i in range(count)]
        pool.intern_many(strings)
        for string in strings:
            assert pool.discard(string)
            pool._debug_validate()
            assert string not in pool


def test_discard_every_other_of_many() -> None:
    pool = InternPool(max_entries=10_000)
    strings = [pool.intern(f"item {i}") for i in range(10_000)]
    for string in strings[::2]:
        assert pool.discard(string)
    pool._debug_validate()
    assert set(pool) == set(strings[1::2])
    for string in strings[::2]:
        pool.intern(string)
    pool._debug_validate()
    assert set(pool) == set(strings)


def test_clear_keeps_counts_and_cache_clear_resets_them() -> None:
    pool = InternPool(max_entries=3)
    for i in range(5):
        pool.intern(fresh(f"item {i}"))
    pool.intern("x" * 2000)
    pool.intern(fresh("item 4"))
    before = pool.cache_info()
    pool.clear()
    assert list(pool) == []
    assert pool.cache_info() == before.__class__(
        (*before[:3], 0, 0, before.max_bytes, *before[6:])
    )
    pool._debug_validate()
    pool.intern("item 1")
    pool.cache_clear()
    assert list(pool) == []
    assert pool.cache_info() == (0, 0, 3, 0, 0, None, 0, 0, 0)
    pool._debug_validate()
    assert pool.intern("item 1") == "item 1"


def test_resize_down_evicts_and_up_keeps() -> None:
    pool = InternPool(max_entries=100)
    strings = [pool.intern(f"item {i}") for i in range(100)]
    pool.resize(10)
    pool._debug_validate()
    assert len(pool) == pool.max_entries == 10
    assert set(pool) < set(strings)
    assert pool.cache_info().evictions == 90
    kept = set(pool)
    pool.resize(max_entries=1000)
    assert set(pool) == kept
    for string in strings:
        pool.intern(string)
    assert set(pool) == set(strings)
    assert pool.max_bytes is None
    pool._debug_validate()


def test_resize_by_bytes() -> None:
    pool = InternPool()
    for i in range(1000):
        pool.intern(f"item {i:04}")
    each = sys.getsizeof("item 0000")
    pool.resize(max_bytes=each * 20 + 1)
    assert (pool.max_entries, pool.max_bytes) == (16384, each * 20 + 1)
    assert len(pool) == 20
    pool._debug_validate()
    pool.intern("item 5000")
    assert len(pool) == 20
    pool.resize(max_bytes=None)
    pool.intern("item 5001")
    assert len(pool) == 21
    assert pool.max_bytes is None


def test_resize_of_both_or_neither() -> None:
    pool = InternPool(50, max_bytes=5000)
    pool.resize()
    pool.resize(..., ...)
    assert (pool.max_entries, pool.max_bytes) == (50, 5000)
    pool.resize(20, 3000)
    assert (pool.max_entries, pool.max_bytes) == (20, 3000)
    pool.resize(max_bytes=..., max_entries=Index(7))
    assert (pool.max_entries, pool.max_bytes) == (7, 3000)


def test_resize_keeps_what_is_larger_than_a_tenth_of_the_new_bound() -> None:
    pool = InternPool()
    large = pool.intern("x" * 500)
    pool.resize(max_bytes=1000)
    assert pool.intern(fresh("x" * 500)) is large
    pool.resize(max_bytes=500)
    assert list(pool) == []
    pool._debug_validate()


def test_cache_info_has_the_fields_of_lru_cache_first() -> None:
    pool = InternPool(max_entries=2, max_bytes=10_000)
    a = pool.intern(fresh("item a"))
    pool.intern(fresh("item a"))
    pool.intern(a)
    for string in ("item b", "item c", "x" * 1025, "x"):
        pool.intern(string)
    info: Any = pool.cache_info()
    lru_info = functools.lru_cache(maxsize=2)(len).cache_info()
    assert [getattr(info, name) for name in lru_info._fields] == list(info[:4])
    each = sys.getsizeof("item a")
    assert info == (3, 3, 2, 2, each * 2, 10_000, 1, 1, each)
    assert info.hits == 3
    assert info.misses == 3
    assert info.maxsize == 2
    assert info.currsize == 2
    assert info.bytes == each * 2
    assert info.max_bytes == 10_000
    assert info.evictions == 1
    assert info.bypassed == 1
    assert info.bytes_saved == each
    assert pickle.loads(pickle.dumps(info)) == info
    assert "hits=3, misses=3, maxsize=2, currsize=2" in repr(info)


@pytest.mark.parametrize("string", KINDS.values(), ids=KINDS)
def test_bytes_saved_adds_the_sizes_of_redundant_arguments(string: str) -> None:
    pool = InternPool()
    resident = pool.intern(fresh(string))
    assert pool.cache_info().bytes_saved == 0
    pool.intern(resident)
    assert pool.cache_info().bytes_saved == 0
    size = sys.getsizeof(fresh(string))
    for n in range(1, 4):
        pool.intern(fresh(string))
        assert pool.cache_info().bytes_saved == n * size


class TestBadInput:
    @pytest.mark.parametrize("value", [1, b"x", None, ["x"], object(), 1.5])
    def test_intern_refuses_other_types_as_sys_intern_does(
        self, intern: Callable[[InternPool, Any], str], value: Any
    ) -> None:
        with pytest.raises(TypeError) as wanted:
            sys.intern(value)
        with pytest.raises(TypeError) as got:
            intern(InternPool(), value)
        assert str(got.value) == str(wanted.value)

    def test_intern_refuses_subclasses_as_sys_intern_does(
        self, intern: Callable[[InternPool, Any], str]
    ) -> None:
        pool = InternPool()
        with pytest.raises(TypeError, match=r"^can't intern Str$"):
            sys.intern(Str("north"))
        with pytest.raises(TypeError, match=r"^can't intern Str$"):
            intern(pool, Str("north"))
        assert list(pool) == []
        assert pool.cache_info()[:2] == (0, 0)

    @pytest.mark.parametrize("value", [1, b"x", None, Str("north")])
    @pytest.mark.parametrize("name", ["get", "discard", "__contains__"])
    def test_lookups_refuse_other_types(self, name: str, value: Any) -> None:
        pool = InternPool()
        pool.intern("north")
        message = (
            f"^InternPool holds exact str objects only, not {type(value).__name__}$"
        )
        with pytest.raises(TypeError, match=message):
            getattr(pool, name)(value)
        assert list(pool) == ["north"]

    def test_wrong_number_of_arguments(self) -> None:
        pool: Any = InternPool()
        for call in (
            lambda: pool(),
            lambda: pool("a", "b"),
            lambda: pool(string="a"),
            lambda: pool("a", other="b"),
            lambda: pool.intern(),
            lambda: pool.intern("a", "b"),
            lambda: pool.intern(string="a"),
            lambda: pool.get(),
            lambda: pool.get("a", "b", "c"),
            lambda: pool.get("a", default=1),
            lambda: pool.resize(1, 2, 3),
            lambda: pool.resize(entries=1),
            lambda: InternPool(1, 2),  # type: ignore[call-arg]
            lambda: InternPool(size=1),  # type: ignore[call-arg]
        ):
            with pytest.raises(TypeError):
                call()
        with pytest.raises(TypeError, match=r"__call__\(\) takes exactly one argument"):
            pool()
        with pytest.raises(TypeError, match=r"__call__\(\) takes no keyword arguments"):
            pool(string="a")

    @pytest.mark.parametrize("name", ["max_entries", "max_bytes", "max_length"])
    @pytest.mark.parametrize("value", [1.0, "1", b"1", [], object(), 1j])
    def test_bounds_must_be_int(self, name: str, value: Any) -> None:
        wanted = "an int" if name == "max_entries" else "an int or None"
        message = f"^{name} must be {wanted}, not {type(value).__name__}$"
        with pytest.raises(TypeError, match=message):
            InternPool(**{name: value})

    @pytest.mark.parametrize("name", ["max_entries", "max_bytes", "max_length"])
    @pytest.mark.parametrize("value", [0, -1, False, -(2**31), -(2**63), -(10**100)])
    def test_bounds_must_be_positive(self, name: str, value: int) -> None:
        with pytest.raises(ValueError, match=f"^{name} must be at least 1$"):
            InternPool(**{name: value})

    @pytest.mark.parametrize(
        ("name", "most"),
        [
            ("max_entries", 2**30 - 1),
            ("max_bytes", sys.maxsize),
            ("max_length", sys.maxsize),
        ],
    )
    def test_bounds_must_not_be_too_large(self, name: str, most: int) -> None:
        assert getattr(InternPool(**{name: most}), name) == most
        for value in (most + 1, 2**64, 10**100):
            with pytest.raises(OverflowError, match=f"^{name} must be at most {most}$"):
                InternPool(**{name: value})

    def test_max_entries_may_not_be_none(self) -> None:
        message = "^max_entries must be an int, not NoneType$"
        with pytest.raises(TypeError, match=message):
            InternPool(None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=message):
            InternPool().resize(None)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("bounds", "error"),
        [
            ((0,), ValueError),
            ((-1,), ValueError),
            (("10",), TypeError),
            ((2**30,), OverflowError),
            ((1, 0), ValueError),
            ((1, -5), ValueError),
            ((1, 1.5), TypeError),
            ((1, 2**80), OverflowError),
        ],
    )
    def test_resize_refuses_before_anything_changes(
        self, bounds: tuple[Any, ...], error: type[Exception]
    ) -> None:
        pool = InternPool(10, max_bytes=1000)
        for i in range(20):
            pool.intern(f"item {i}")
        before = pool.cache_info(), set(pool)
        with pytest.raises(error):
            pool.resize(*bounds)
        assert (pool.cache_info(), set(pool)) == before
        pool._debug_validate()

    def test_errors_of_index_pass_through(self) -> None:
        class Bad:
            def __index__(self) -> int:
                raise ZeroDivisionError("mine")

        with pytest.raises(ZeroDivisionError, match="mine"):
            InternPool(Bad())
        with pytest.raises(ZeroDivisionError, match="mine"):
            InternPool().resize(max_bytes=Bad())

    def test_bounds_are_read_only(self) -> None:
        pool: Any = InternPool()
        for name in ("max_entries", "max_bytes", "max_length", "policy", "adaptive"):
            with pytest.raises(AttributeError):
                setattr(pool, name, 5)
        with pytest.raises(AttributeError):
            pool.other = 5

    @pytest.mark.parametrize("bits", [-1, 33, 2**40])
    def test_debug_hash_bits(self, bits: int) -> None:
        with pytest.raises(ValueError, match="0 to 32"):
            InternPool()._debug_hash_bits(bits)
        pool = InternPool()
        pool.intern("north")
        with pytest.raises(ValueError, match="empty"):
            pool._debug_hash_bits(3)


class TestObject:
    def test_bounds_are_shown(self) -> None:
        pool = InternPool()
        assert (pool.max_entries, pool.max_bytes, pool.max_length) == (
            16384,
            None,
            1024,
        )
        pool = InternPool(Index(5), max_bytes=Index(6), max_length=Index(7))
        assert (pool.max_entries, pool.max_bytes, pool.max_length) == (5, 6, 7)
        assert InternPool(True).max_entries == 1

    def test_repr_is_short(self) -> None:
        pool = InternPool(10)
        pool.intern("north")
        size = sys.getsizeof("north")
        assert repr(pool) == f"<InternPool: 1 of 10 strings, {size} bytes>"

    def test_equality_and_hash_are_by_identity(self) -> None:
        a, b = InternPool(), InternPool()
        assert a == a
        assert a != b
        assert len({a, b, a}) == 2

    def test_weak_references(self) -> None:
        pool = InternPool()
        pool.intern("north")
        seen: list[object] = []
        reference = weakref.ref(pool, seen.append)
        assert reference() is pool
        del pool
        assert reference() is None
        assert seen == [reference]

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle_takes_the_bounds(self, protocol: int) -> None:
        pool = InternPool(5, max_bytes=None, max_length=None)
        pool.intern("north")
        for bounds in ((5, None, None), (6, 7000, 80)):
            pool = InternPool(bounds[0], max_bytes=bounds[1], max_length=bounds[2])
            pool.intern("north")
            loaded = pickle.loads(pickle.dumps(pool, protocol))
            assert type(loaded) is InternPool
            assert (loaded.max_entries, loaded.max_bytes, loaded.max_length) == bounds
            assert list(loaded) == []
            assert loaded.cache_info()[:2] == (0, 0)

    @pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
    def test_copies_begin_empty(
        self, copier: Callable[[InternPool], InternPool]
    ) -> None:
        pool = InternPool(5, max_bytes=6000, max_length=70)
        pool.intern("north")
        copied = copier(pool)
        assert copied is not pool
        assert (copied.max_entries, copied.max_bytes, copied.max_length) == (
            5,
            6000,
            70,
        )
        assert list(copied) == []
        assert list(pool) == ["north"]

    def test_pools_are_independent(self) -> None:
        a, b = InternPool(), InternPool()
        first, second = fresh("north"), fresh("north")
        assert a.intern(first) is first
        assert b.intern(second) is second

    def test_type_is_immutable_and_lives_in_memopt(self) -> None:
        assert InternPool.__module__ == "memopt"
        assert InternPool.__qualname__ == "InternPool"
        assert memopt.InternPool is InternPool
        assert "InternPool" in memopt.__all__
        with pytest.raises(TypeError, match="immutable"):
            InternPool.intern = None  # type: ignore[method-assign,assignment]

    def test_signatures(self) -> None:
        assert str(inspect.signature(InternPool)) == (
            "(max_entries=16384, *, max_bytes=None, max_length=1024, "
            "policy='s3fifo', adaptive=True)"
        )
        for name, signature in (
            ("intern", "(self, string, /)"),
            ("get", "(self, string, default=None, /)"),
            ("discard", "(self, string, /)"),
            ("clear", "(self, /)"),
            ("cache_clear", "(self, /)"),
            ("cache_info", "(self, /)"),
            ("resize", "(self, /, max_entries=Ellipsis, max_bytes=Ellipsis)"),
            ("trim", "(self, /, *, unused_only=False, max_bytes=None)"),
            ("pin", "(self, string, /)"),
            ("unpin", "(self, string, /)"),
            ("intern_many", "(self, iterable, /)"),
            ("intern_list", "(self, list, /)"),
            (
                "intern_utf8",
                "(self, /, buffer, start=0, stop=None, errors='strict')",
            ),
            ("split", "(self, /, text, sep=None, maxsplit=-1)"),
            ("split_lines", "(self, /, text, keepends=False)"),
            ("__call__", "(self, string, /)"),
        ):
            assert str(inspect.signature(getattr(InternPool, name))) == signature

    def test_everything_public_has_a_docstring(self) -> None:
        for name in dir(InternPool):
            if not name.startswith("_"):
                assert getattr(InternPool, name).__doc__, name


class TestSubclass:
    class Named(InternPool):
        name: str

        def __new__(cls, name: str = "", **bounds: Any) -> "TestSubclass.Named":
            self = super().__new__(cls, **bounds)
            self.name = name
            return self

    class Upper(InternPool):
        def __call__(self, string: str, /) -> str:
            return super().__call__(string.upper())

    def test_attributes(self) -> None:
        pool = self.Named("places", max_entries=3)
        assert (pool.name, pool.max_entries) == ("places", 3)
        assert pool.intern(fresh("north")) is pool("north")

    def test_call_can_be_overridden(self) -> None:
        pool = self.Upper()
        assert pool("north") is pool("North")
        assert list(pool) == ["NORTH"]
        assert pool.intern("north") == "north"

    def test_copy_keeps_attributes(self) -> None:
        pool = self.Upper(7)
        pool.extra = [1]  # type: ignore[attr-defined]
        copied = copy.copy(pool)
        assert type(copied) is self.Upper
        assert copied.max_entries == 7
        assert copied.extra is pool.extra  # type: ignore[attr-defined]

    def test_cycle_through_an_attribute_is_collected(self) -> None:
        pool = self.Named("cycle")
        pool.me = pool  # type: ignore[attr-defined]
        pool.intern("north")
        reference = weakref.ref(pool)
        del pool
        gc.collect()
        assert reference() is None
