"""InternPool from bytes: intern_utf8, split and split_lines against str itself."""

import mmap
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import fail_each_allocation

from memopt import InternPool

# Every width of UTF-8 and of PEP 393, separators, spaces and ends of lines.
LETTERS = (
    "ab,; \t\n\r\0\x0b\x0c\x1c\x1f\x7f\x80\x85\xa0\xe9\u0416\u1680\u2028\u2029"
    "\u3000\ufeff\uffff\U0001f600\U0010ffff"
)
texts = st.text(LETTERS, max_size=40) | st.text(max_size=40)
long_texts = st.builds(lambda text, n: text * n, texts, st.integers(0, 400))
separators = st.text(LETTERS, min_size=1, max_size=3)
invalid = [
    b"\x80",
    b"\xbf x",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc2",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xe2\x82",
    b"ab\xe2\x82,c",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff",
    b"a" * 300 + b"\xff" + b"b" * 300,
    "\xe9".encode() * 200 + b"\xe2",
]


class Str(str):
    __slots__ = ()


def same_error(ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    with pytest.raises(UnicodeDecodeError) as wanted:
        theirs()
    with pytest.raises(UnicodeDecodeError) as got:
        ours()
    assert got.value.args == wanted.value.args


def buffers(data: bytes) -> list[Any]:
    return [data, bytearray(data), memoryview(data), array("B", data)]


class TestInternUtf8:
    @given(long_texts)
    @example("x" * 1025)
    @example("\xe9" * 128)
    @example("\xe9" * 129)
    @example("\U0001f600" * 64)
    @example("\U0001f600" * 65)
    def test_gives_what_decode_gives(self, text: str) -> None:
        pool = InternPool()
        data = text.encode()
        first = pool.intern_utf8(data)
        assert first == text
        assert type(first) is str
        assert first.isascii() == text.isascii()
        assert sys.getsizeof(first) == sys.getsizeof(data.decode())
        pool._debug_validate()
        for buffer in buffers(data):
            again = pool.intern_utf8(buffer)
            assert again == text
            if len(text) <= 1024:
                assert again is first
                assert pool.intern(data.decode()) is first

    @given(long_texts)
    def test_finds_what_intern_made_resident(self, text: str) -> None:
        pool = InternPool(max_length=None)
        first = pool.intern(text)
        assert pool.intern_utf8(text.encode()) is first
        assert pool.cache_info().misses <= 1

    @given(texts, st.integers(-50, 50), st.integers(-50, 50) | st.none())
    def test_slices_as_bytes_do(self, text: str, start: int, stop: int | None) -> None:
        data = text.encode()
        pool = InternPool()
        try:
            expected = data[start:stop].decode()
        except UnicodeDecodeError:
            same_error(
                lambda: pool.intern_utf8(data, start, stop),
                lambda: data[start:stop].decode(),
            )
        else:
            assert pool.intern_utf8(data, start, stop) == expected
            assert pool.intern_utf8(data, stop=stop, start=start) == expected

    @pytest.mark.parametrize("data", invalid)
    def test_invalid_utf_8_raises_as_decode_does(self, data: bytes) -> None:
        pool = InternPool()
        same_error(lambda: pool.intern_utf8(data), data.decode)
        assert list(pool) == []
        assert pool.cache_info()[:2] == (0, 0)

    @given(st.binary(max_size=30))
    def test_any_bytes(self, data: bytes) -> None:
        pool = InternPool()
        try:
            expected = data.decode()
        except UnicodeDecodeError:
            same_error(lambda: pool.intern_utf8(data), data.decode)
        else:
            assert pool.intern_utf8(data) == expected

    @pytest.mark.parametrize("data", invalid)
    @pytest.mark.parametrize(
        "errors", ["replace", "ignore", "surrogateescape", "backslashreplace"]
    )
    def test_error_handlers(self, data: bytes, errors: str) -> None:
        pool = InternPool()
        expected = data.decode("utf-8", errors)
        first = pool.intern_utf8(data, errors=errors)
        assert first == expected
        assert pool.intern_utf8(data, 0, None, errors) is pool.intern(first)

    def test_counts_are_those_of_intern(self) -> None:
        pool = InternPool(max_length=10)
        for data in (b"status", b"status", b"x", b"x", b"", b"y" * 11, b"y" * 11):
            pool.intern_utf8(data)
        info = pool.cache_info()
        assert (info.hits, info.misses, info.bypassed) == (4, 1, 2)
        assert info.bytes_saved == sys.getsizeof("status")

    def test_singletons(self) -> None:
        pool = InternPool()
        for i in range(256):
            assert pool.intern_utf8(chr(i).encode()) is chr(i)
        assert len(pool) == 0

    def test_memory_maps(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        path.write_bytes(b"GET /index.html\nGET /index.html\n")
        pool = InternPool()
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            assert pool.intern_utf8(view, 0, 15) is pool.intern_utf8(view, 16, 31)
            lines = pool.split_lines(view)
            assert lines == ["GET /index.html"] * 2
            assert lines[0] is lines[1] is pool.get("GET /index.html")

    def test_numpy_arrays(self) -> None:
        np = pytest.importorskip("numpy")
        pool = InternPool()
        data = np.frombuffer(b"a field,a field", np.uint8)
        assert pool.intern_utf8(data[:7]) is pool.intern_utf8(data[8:])
        with pytest.raises((BufferError, ValueError), match="contiguous"):
            pool.intern_utf8(data[::2])
        with pytest.raises((BufferError, ValueError), match="contiguous"):
            pool.split(data[::2])

    def test_no_str_is_made_on_a_hit(self) -> None:
        pool = InternPool()
        for text in ("a status of 20 bytes", "\u0441\u0442\u0430\u0442\u0443\u0441"):
            resident = pool.intern(text)
            met = fail_each_allocation(
                text.encode, lambda data: pool.intern_utf8(data), lambda _: None
            )
            assert met == 0
            assert pool.get(text) is resident

    def test_arguments(self) -> None:
        pool: Any = InternPool()
        for call, message in (
            (lambda: pool.intern_utf8(), "missing required argument 'buffer'"),
            (lambda: pool.intern_utf8(b"", 1, 2, "strict", 5), "at most 4 arguments"),
            (lambda: pool.intern_utf8(b"", buffer=b""), "multiple values"),
            (lambda: pool.intern_utf8(b"", begin=1), "unexpected keyword"),
            (lambda: pool.intern_utf8("text"), "bytes-like object is required"),
            (lambda: pool.intern_utf8(None), "bytes-like object is required"),
            (lambda: pool.intern_utf8(b"", "1"), "must be integers or None"),
            (lambda: pool.intern_utf8(b"", 0, 1.5), "must be integers or None"),
            (lambda: pool.intern_utf8(b"", errors=1), "'errors' must be str, not int"),
            (lambda: pool.intern_utf8(b"", errors=None), "must be str, not NoneType"),
        ):
            with pytest.raises(TypeError, match=message):
                call()
        with pytest.raises(LookupError, match="unknown error handler"):
            pool.intern_utf8(b"\xff", errors="no such")
        with pytest.raises(ValueError, match="embedded null character"):
            pool.intern_utf8(b"\xff", errors="ignore\0")
        assert pool.intern_utf8(b"abc", None, None) == "abc"
        assert pool.intern_utf8(b"abc", -(2**100), 2**100) == "abc"

    def test_slice_index_that_drops_the_buffer(self) -> None:
        pool = InternPool()
        data = bytearray(b"a status of 20 bytes")

        class Index:
            def __index__(self) -> int:
                data.clear()
                pool.clear()
                return 2

        assert pool.intern_utf8(data, Index()) == ""


class TestSplit:
    @given(long_texts, separators | st.none(), st.integers(-1, 5))
    @example("a,b", ",", -1)
    @example("", ",", -1)
    @example("", None, -1)
    @example("\u0416, \xe9,\U0001f600" * 200, ", ", -1)
    @example("\U0001f600" + "ab" * 400, "\U0001f600", 1)
    @example("\u0416" + "ab" * 400, "\U0001f600", 1)
    @example("abc", "abcd", -1)
    def test_splits_as_str_does(self, text: str, sep: str | None, most: int) -> None:
        pool = InternPool()
        expected = text.split(sep, most)
        assert pool.split(text, sep, most) == expected
        assert pool.split(Str(text), sep, maxsplit=most) == expected
        data = text.encode()
        ways = [sep] if sep is None else [sep, sep.encode(), bytearray(sep.encode())]
        for buffer in buffers(data):
            for way in ways:
                fields = pool.split(buffer, way, most)
                assert fields == expected
                assert all(type(field) is str for field in fields)
        pool._debug_validate()

    @given(long_texts, st.booleans())
    @example("a\r\nb\r\r\nc\n\r", True)
    @example("a\r\nb\r\r\nc\n\r", False)
    @example("\r", False)
    def test_splits_lines_as_str_does(self, text: str, keepends: bool) -> None:
        pool = InternPool()
        expected = text.splitlines(keepends)
        assert pool.split_lines(text, keepends) == expected
        for buffer in buffers(text.encode()):
            assert pool.split_lines(buffer, keepends=keepends) == expected

    def test_every_character_that_str_splits_at(self) -> None:
        pool = InternPool(max_entries=10)
        for i in range(sys.maxunicode + 1):
            if 0xD800 <= i < 0xE000 or (i > 0x3100 and i % 257):
                continue
            text = f"a{chr(i)}b"
            data = text.encode()
            assert pool.split(text) == pool.split(data) == text.split(), i
            assert pool.split_lines(text) == text.splitlines(), i
            assert pool.split_lines(data) == text.splitlines(), i

    @given(st.lists(st.sampled_from(["a field", "\xe9t\xe9", "\u0416", "", "x"])))
    def test_fields_are_interned(self, fields: list[str]) -> None:
        pool = InternPool()
        text = ",".join(fields)
        for given_text in (text, text.encode()):
            for field in pool.split(given_text, ","):
                assert field is pool.intern(field)
        for line in pool.split_lines(text.replace(",", "\n")):
            assert line is pool.intern(line)

    @pytest.mark.parametrize("text", ["a,\ud800,b", "\ud800", "\udfff,,"])
    def test_lone_surrogates(self, text: str) -> None:
        pool = InternPool()
        for sep in (",", "\ud800", ",\ud800,", None):
            assert pool.split(text, sep) == text.split(sep)
        assert pool.split_lines(text) == text.splitlines()
        assert pool.split("caf\xe9".encode(), "\ud800") == ["caf\xe9"]

    @pytest.mark.parametrize("data", invalid)
    @pytest.mark.parametrize("before", [b"", b"a, b\n", "\u0416,".encode()])
    def test_invalid_utf_8_raises_as_decode_does(
        self, before: bytes, data: bytes
    ) -> None:
        pool = InternPool()
        whole = before + data + b", b"
        for call in (
            lambda: pool.split(whole, b","),
            lambda: pool.split(whole, ",", 1),
            lambda: pool.split(whole),
            lambda: pool.split(whole, maxsplit=0),
            lambda: pool.split_lines(whole),
        ):
            same_error(call, whole.decode)
        same_error(lambda: pool.split(b"a", data), data.decode)

    @given(st.binary(max_size=30), separators)
    def test_any_bytes(self, data: bytes, sep: str) -> None:
        pool = InternPool()
        for split, theirs in (
            (lambda: pool.split(data, sep), lambda: data.decode().split(sep)),
            (lambda: pool.split(data), lambda: data.decode().split()),
            (lambda: pool.split_lines(data), lambda: data.decode().splitlines()),
        ):
            try:
                expected = theirs()
            except UnicodeDecodeError:
                same_error(split, theirs)
            else:
                assert split() == expected

    def test_arguments(self) -> None:
        pool: Any = InternPool()
        for call, message in (
            (lambda: pool.split(), "missing required argument 'text'"),
            (lambda: pool.split(b"", None, 1, 2), "at most 3 arguments"),
            (lambda: pool.split(1), "'text' must be str or a bytes-like object"),
            (lambda: pool.split("a", 1), "'sep' must be str, a bytes-like object"),
            (lambda: pool.split("a", None, None), "NoneType"),
            (lambda: pool.split("a", None, 1.0), "float"),
            (lambda: pool.split_lines(), "missing required argument 'text'"),
            (lambda: pool.split_lines([]), "'text' must be str or a bytes-like object"),
            (lambda: pool.split_lines("", 1, 2), "at most 2 arguments"),
        ):
            with pytest.raises(TypeError, match=message):
                call()
        for empty in ("", b"", bytearray()):
            with pytest.raises(ValueError, match=r"^empty separator$"):
                pool.split("a", empty)
        with pytest.raises(OverflowError):
            pool.split("a", None, 2**64)
        with pytest.raises(ZeroDivisionError):
            pool.split_lines("a", Truthless())
        assert len(pool) == 0

    @pytest.mark.parametrize(
        ("text", "sep"),
        [
            ("alpha,beta,gamma", ","),
            (b"alpha,beta,gamma", b","),
            ("\u0416\u0416,alpha," + "\u0416" * 300, ","),
            ("\u0416\u0416,alpha".encode() * 70, ","),
            ("alpha beta", None),
        ],
    )
    def test_failing_allocations(self, text: Any, sep: Any) -> None:
        def check(pool: InternPool) -> None:
            pool._debug_validate()
            assert pool.split(text, sep) == pool.split(text, sep)

        assert fail_each_allocation(InternPool, lambda p: p.split(text, sep), check) > 1
        assert fail_each_allocation(InternPool, lambda p: p.split_lines(text)) > 1


class Truthless:
    def __bool__(self) -> bool:
        raise ZeroDivisionError
