"""memopt.fsum of buffers: every format, byte order and layout."""

import array
import ctypes
import gc
import math
import random
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest
from floats import TINY, any_float, finite_float, identical, same
from hypothesis import given
from hypothesis import strategies as st
from reference import exact_sum
from support import fail_each_allocation

from memopt import ExactSum, fsum

FLOAT_CODES = "efd"
SIGNED_CODES = "bhilq"
UNSIGNED_CODES = "BHILQ"
NATIVE_ONLY_CODES = "nN"
BYTE_ORDERS = ["", "@", "=", "<", ">", "!"]


def extreme_values(code: str, size: int) -> list[Any]:
    """Numbers of a format: its ends, its neighbours of zero, some between."""
    rng = random.Random(code)
    if code == "?":
        return [True, False, True, True]
    if code in SIGNED_CODES + "n":
        low, high = -(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1
    elif code in UNSIGNED_CODES + "N":
        low, high = 0, 2 ** (8 * size) - 1
    else:
        greatest = {"e": 65504.0, "f": 3.4028234663852886e38, "d": sys.float_info.max}
        least = {"e": 2.0**-24, "f": 2.0**-149, "d": TINY}
        some = [rng.uniform(-1, 1) for _ in range(20)]
        values = [*some, least[code], -3 * least[code], greatest[code], 1.0]
        return list(struct.unpack(f"{len(values)}{code}", pack("", code, values)))
    return [low, high, low + 1, high - 1, 1, *(rng.randint(low, high) for _ in "12345")]


def pack(order: str, code: str, values: list[Any]) -> bytes:
    return struct.pack(f"{order}{len(values)}{code}", *values)


class Exporter:
    """Makes buffers of any format, strides and suboffsets (CPython's own tool)."""

    def __init__(self) -> None:
        self.tool = pytest.importorskip(
            "_testbuffer", reason="needs CPython's buffer test tool (_testbuffer)"
        )

    def __call__(self, items: list[Any], format_: str, **layout: Any) -> Any:
        layout.setdefault("shape", [len(items)])
        return self.tool.ndarray(items, format=format_, **layout)


@pytest.fixture(scope="module")
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture(scope="module")
def np() -> Any:
    return pytest.importorskip("numpy")


ALL_FORMATS = [
    order + code
    for order in BYTE_ORDERS
    for code in FLOAT_CODES + SIGNED_CODES + UNSIGNED_CODES + "?"
] + [order + code for order in ("", "@") for code in NATIVE_ONLY_CODES]


@pytest.mark.parametrize("format_", ALL_FORMATS)
def test_every_format_in_every_byte_order(exporter: Exporter, format_: str) -> None:
    size = struct.calcsize(format_)
    values = extreme_values(format_[-1], size)
    buffer = exporter(values, format_)
    assert memoryview(buffer).format == format_
    assert identical(fsum(buffer), exact_sum(values))
    assert identical(fsum(memoryview(buffer)[::-2]), exact_sum(values[::-2]))
    total = ExactSum(buffer)
    assert total == ExactSum(values)
    assert total.count == len(values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 1000])
def test_lengths_around_the_swap_block(
    exporter: Exporter, order: str, length: int
) -> None:
    rng = random.Random(length)
    values = [rng.gauss(0, 1) for _ in range(length)]
    if not length:
        assert fsum(memoryview(b"")) == 0.0
        return
    assert identical(fsum(exporter(values, order + "d")), exact_sum(values))


EVERY_HALF = list(range(2**16))
SOME_SINGLES = [
    exponent << 23 | mantissa
    for exponent in range(512)  # the sign is the highest bit of it
    for mantissa in (0, 1, 0x12345, 2**22, 2**23 - 1)
]


def check_each_item(patterns: list[int], data: bytes, code: str, view: Any) -> None:
    """Single items keep the payload of a NaN, which a Python float may not."""
    for i, x in enumerate(struct.unpack(f"{len(patterns)}{code}", data)):
        assert same(fsum(view[i : i + 1]), x + 0.0), hex(patterns[i])


def test_singles_are_widened_exactly() -> None:
    data = array.array("I", SOME_SINGLES).tobytes()
    check_each_item(SOME_SINGLES, data, "f", memoryview(data).cast("f"))


def test_halves_are_widened_exactly(np: Any) -> None:
    data = array.array("H", EVERY_HALF).tobytes()
    check_each_item(EVERY_HALF, data, "e", np.frombuffer(data, "e"))


@pytest.mark.parametrize(
    ("code", "patterns"),
    [("e", array.array("H", EVERY_HALF)), ("f", array.array("I", SOME_SINGLES))],
    ids=["halves", "singles"],
)
def test_narrow_floats_in_every_byte_order(
    exporter: Exporter, code: str, patterns: "array.array[int]"
) -> None:
    values = struct.unpack(f"{len(patterns)}{code}", patterns.tobytes())
    finite = [x for x in values if math.isfinite(x)]
    for order in BYTE_ORDERS:
        assert identical(fsum(exporter(finite, order + code)), exact_sum(finite))
        for x in (math.inf, -math.inf, math.nan):
            assert same(fsum(exporter([1.0, x], order + code)), x)


@given(st.lists(any_float, max_size=30))
def test_array_of_any_bit_patterns(values: list[float]) -> None:
    assert same(fsum(array.array("d", values)), fsum(values))


@pytest.mark.parametrize("code", "bBhHiIlLqQfd")
def test_array_array(code: str) -> None:
    values = extreme_values(code, array.array(code).itemsize)
    buffer = array.array(code, values)
    assert identical(fsum(buffer), exact_sum(values))
    assert identical(fsum([buffer, [buffer]]), exact_sum(values * 2))


def test_bytes_like() -> None:
    data = bytes(range(256)) * 20
    for obj in (data, bytearray(data), memoryview(data), memoryview(data).toreadonly()):
        assert fsum(obj) == math.fsum(data) == 20 * 255 * 128
    assert fsum(memoryview(data).cast("b")) == -20 * 128


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ctypes.c_double, [0.1, 0.2, -1e300]),
        (ctypes.c_float, [0.5, 2.0**-149]),
        (ctypes.c_bool, [True, False, True]),
        (ctypes.c_int8, [-128, 127]),
        (ctypes.c_uint16, [65535, 1]),
        (ctypes.c_long, [-(2**31), 2**31 - 1]),
        (ctypes.c_ulong, [2**32 - 1]),
        (ctypes.c_longlong, [-(2**63), 1]),
        (ctypes.c_size_t, [2**32 - 1, 5]),
    ],
)
def test_ctypes_arrays(kind: Any, values: list[Any]) -> None:
    n = len(values)
    assert identical(fsum((kind * n)(*values)), exact_sum(values))
    # No strides at all are exported for these.
    grid = ((kind * n) * 3)(*[(kind * n)(*values)] * 3)
    assert identical(fsum(grid), exact_sum(values * 3))
    for order in ("__ctype_be__", "__ctype_le__"):
        if (swapped := getattr(kind, order, None)) is not None:
            assert identical(fsum((swapped * n)(*values)), exact_sum(values))
    assert identical(fsum([kind(values[0]), 0.0]), float(values[0]))


# Layouts --------------------------------------------------------------------


@pytest.mark.parametrize("order", ["", ">"])
def test_layouts_of_the_exporter(exporter: Exporter, order: str) -> None:
    rng = random.Random(3)
    values = [rng.gauss(0, 10) for _ in range(24)]
    tool = exporter.tool
    flat = exporter(values, order + "d")
    assert identical(fsum(flat[::-1]), exact_sum(values))
    assert identical(fsum(flat[3::5]), exact_sum(values[3::5]))
    for flags in (0, tool.ND_FORTRAN, tool.ND_PIL):
        for shape in ([24], [4, 6], [1, 24, 1], [2, 2, 2, 3]):
            grid = exporter(values, order + "d", shape=shape, flags=flags)
            assert (memoryview(grid).suboffsets != ()) == (flags == tool.ND_PIL)
            assert identical(fsum(grid), exact_sum(values))
        part = exporter(values, order + "d", shape=[2, 3, 4], flags=flags)[:, ::-2, ::3]
        items = [x for plane in part.tolist() for row in plane for x in row]
        assert len(items) == 8
        assert identical(fsum(part), exact_sum(items))


def test_zero_strides_and_dimensions(exporter: Exporter) -> None:
    broadcast = exporter([0.1], "d", shape=[3, 5], strides=[0, 0])
    assert identical(fsum(broadcast), exact_sum([0.1] * 15))
    assert ExactSum(broadcast).count == 15
    scalar = exporter([0.1], "d", shape=[])
    assert memoryview(scalar).ndim == 0
    assert identical(fsum(scalar), 0.1)
    total = ExactSum()
    total.add(scalar)
    assert (total.value, total.count) == (0.1, 1)


# NumPy ----------------------------------------------------------------------

NUMPY_KINDS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


@pytest.mark.parametrize("kind", NUMPY_KINDS)
@pytest.mark.parametrize("order", "<>")
def test_numpy_layouts(np: Any, kind: str, order: str) -> None:
    rng = np.random.default_rng(7)
    base = rng.integers(0, 256, size=(6, 8, 10, 8), dtype="u1")
    cube = np.ascontiguousarray(base).view(order + kind.replace("?", "b1"))
    if kind == "?":
        cube = (base > 128).astype("?")
    cube = np.nan_to_num(cube, posinf=1.0, neginf=2.0) if kind[0] == "f" else cube
    cube = cube.astype(order + kind if kind != "?" else "?")
    for view in (
        cube,
        cube.T,
        np.asfortranarray(cube),
        cube[::-1],
        cube[::2, ::-3, 1:9:4],
        cube.transpose(2, 0, 1, 3)[::-1, 1],
        cube[:, :0],
        cube[0, 0, 0, 0],
        np.broadcast_to(cube[0, 0], (3, *cube[0, 0].shape)),
        np.lib.stride_tricks.sliding_window_view(cube.ravel()[:30], 7),
    ):
        assert identical(fsum(view), exact_sum(np.ravel(view).tolist()))
        assert ExactSum(view).count == np.size(view)


def test_numpy_unaligned_and_fields(np: Any) -> None:
    raw = np.zeros(8 * 9 + 1, "u1")
    unaligned = raw[1:].view("f8")
    unaligned[:] = np.linspace(0, 1, 9)
    assert not unaligned.flags.aligned
    assert identical(fsum(unaligned), exact_sum(unaligned.tolist()))
    records = np.zeros(5, [("a", "i1"), ("b", "f8"), ("c", ">i4")])
    records["b"], records["c"] = 0.1, -7
    assert identical(fsum(records["b"]), exact_sum([0.1] * 5))
    assert fsum(records["c"]) == -35.0


def test_numpy_scalars(np: Any) -> None:
    values = [
        np.float64(0.1),
        np.float32(0.1),
        np.float16(0.1),
        np.int64(2**53 + 1),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.int8(-128),
    ]
    expected = exact_sum([v.item() for v in values])
    assert identical(fsum(values), expected)
    total = ExactSum()
    for v in values:
        total.add(v)
        assert fsum(v) == v.item() or isinstance(v, np.integer)
    assert identical(total.value, expected)
    assert total == ExactSum([v.item() for v in values])
    assert fsum([np.int64(2**53 + 1), -(2.0**53)]) == 1.0


def test_numpy_arrays_within_lists(np: Any) -> None:
    rows = [np.linspace(0, 1, 7), [0.5, np.eye(3)], np.array(0.1)]
    expected = exact_sum([*rows[0].tolist(), 0.5, 1.0, 1.0, 1.0, 0.1])
    assert identical(fsum(rows), expected)


def test_numpy_memory_map(np: Any, tmp_path: Any) -> None:
    values = np.random.default_rng(1).normal(size=(50, 20))
    np.save(tmp_path / "values.npy", values)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    assert identical(fsum(mapped), exact_sum(values.ravel().tolist()))
    assert identical(fsum(mapped[::3].T), exact_sum(values[::3].ravel().tolist()))
    del mapped
    gc.collect()


@given(st.lists(finite_float, min_size=6, max_size=6))
def test_transposing_never_matters(values: list[float]) -> None:
    np = pytest.importorskip("numpy")
    grid = np.array(values).reshape(2, 3)
    results = {fsum(grid), fsum(grid.T), fsum(grid[::-1]), fsum(grid.tolist())}
    assert len(results) == 1


# What is refused ------------------------------------------------------------

DTYPES = ["c8", "c16", "g", "G", "O", "S3", "U3", "V4", "M8[s]", "m8[s]", "i4,f8"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_dtypes_that_are_not_real_numbers(np: Any, dtype: str) -> None:
    obj = np.zeros(3, dtype)
    message = "cannot sum items of dtype .+: real numbers of at most 64 bits are needed"
    for shape in (obj, obj[::2], np.zeros((), dtype), np.zeros(0, dtype)):
        with pytest.raises(TypeError, match=message) as caught:
            fsum(shape)
        assert f"dtype {obj.dtype}:" in str(caught.value)
    with pytest.raises(TypeError):
        fsum([1.0, obj])
    if dtype not in ("O", "S3", "U3"):
        with pytest.raises(TypeError):
            fsum([1.0, obj[0]])


def test_numpy_objects_whose_buffer_misleads(np: Any) -> None:
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    mixed = type("Mixed", (type("Base", (np.ndarray,), {}), np.ma.MaskedArray), {})
    for obj in (
        masked,
        [masked],
        [np.datetime64("2020-01-01")],
        [np.timedelta64(5, "s")],
        [np.ma.masked],
        [type("Date", (np.datetime64,), {})("2020-01-01")],
        np.zeros(2).view(mixed),
    ):
        with pytest.raises(TypeError, match="whose buffer is not what it means"):
            fsum(obj)
    assert fsum(masked.compressed()) == 1.0


@pytest.mark.parametrize(
    ("format_", "items"),
    [
        ("c", [b"a", b"b"]),
        ("s", [b"a", b"b"]),
        ("3s", [b"abc"]),
        ("P", [1, 2]),
        ("x", [(), ()]),
        ("2d", [(1.0, 2.0)]),
        ("dd", [(1.0, 2.0)]),
        ("=di", [(1.0, 2)]),
    ],
)
def test_formats_that_are_not_real_numbers(
    exporter: Exporter, format_: str, items: list[Any]
) -> None:
    message = f"^cannot sum buffer items of format '{format_}': real numbers"
    for obj in (exporter(items, format_), memoryview(exporter(items, format_))):
        with pytest.raises(TypeError, match=message):
            fsum(obj)


def test_released_and_failing_buffers() -> None:
    view = memoryview(b"abc")
    view.release()
    for use in (fsum, lambda v: fsum([v]), ExactSum, ExactSum().update):
        with pytest.raises(ValueError, match="released memoryview"):
            use(view)


def test_buffer_is_released_again() -> None:
    data = bytearray(b"\1\2\3")
    assert fsum(data) == 6.0
    with pytest.raises(TypeError):
        fsum([memoryview(data).cast("c")])
    with pytest.raises(TypeError):
        ExactSum().add(memoryview(data))  # type: ignore[arg-type]
    gc.collect()
    data.append(4)  # BufferError if still exported
    assert fsum(data) == 10.0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with 3.12")
def test_buffers_made_in_python() -> None:
    events: list[str] = []

    class Exports:
        def __init__(self, data: Any) -> None:
            self.data = data

        def __buffer__(self, flags: int) -> memoryview:
            events.append("get")
            if isinstance(self.data, Exception):
                raise self.data
            return memoryview(self.data)

        def __release_buffer__(self, view: memoryview) -> None:
            events.append("release")
            view.release()

    assert fsum([Exports(array.array("d", [1.5])), Exports(b"\1")]) == 2.5
    assert events == ["get", "release"] * 2
    with pytest.raises(TypeError, match="format 'c'"):
        fsum(Exports(memoryview(b"a").cast("c")))
    assert events == ["get", "release"] * 3
    for error in (KeyError("x"), BufferError("busy"), ValueError("no")):
        with pytest.raises(type(error)) as caught:
            fsum([Exports(error)])
        assert caught.value is error


@pytest.mark.parametrize(
    "make",
    [lambda: array.array("d", [0.1] * 300), lambda: memoryview(b"ab").cast("c")],
)
def test_allocation_failures(make: Callable[[], Any]) -> None:
    outcomes: set[Any] = set()

    def act(obj: Any) -> None:
        try:
            outcomes.add(fsum([obj]))
        except TypeError:
            outcomes.add("TypeError")

    fail_each_allocation(make, act)
    assert outcomes in ({exact_sum([0.1] * 300)}, {"TypeError"})
