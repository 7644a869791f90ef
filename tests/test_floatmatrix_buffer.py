"""The buffer protocol both ways, and __array_interface__, without NumPy."""

import array
import ctypes
import gc
import itertools
import mmap
import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memopt import FloatMatrix

# --- export: compared with memoryview, which checks every request -----------

FLAGS = {
    "WRITABLE": 0x1,
    "FORMAT": 0x4,
    "ND": 0x8,
    "STRIDES": 0x18,
    "C_CONTIGUOUS": 0x38,
    "F_CONTIGUOUS": 0x58,
    "ANY_CONTIGUOUS": 0x98,
    "INDIRECT": 0x118,
}


class PyBuffer(ctypes.Structure):
    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    )


def request(obj: Any, flags: int) -> Any:
    """What PyObject_GetBuffer() fills in for these flags, or its BufferError."""
    buffer = PyBuffer()
    get, release = (
        ctypes.pythonapi.PyObject_GetBuffer,
        ctypes.pythonapi.PyBuffer_Release,
    )
    try:
        get(ctypes.py_object(obj), ctypes.byref(buffer), flags)
    except BufferError:
        return BufferError

    def sizes(pointer: Any) -> list[int] | None:
        return pointer[: buffer.ndim] if pointer else None

    got = (
        buffer.buf,
        buffer.len,
        buffer.itemsize,
        buffer.readonly,
        buffer.ndim,
        buffer.format,
        sizes(buffer.shape),
        sizes(buffer.strides),
        bool(buffer.suboffsets),
    )
    release(ctypes.byref(buffer))
    return got


def exporters() -> list[Any]:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    readonly = FloatMatrix(memoryview(bytes(48)).cast("d", (2, 3)))
    return [
        m,
        m.T,
        m[::2, 1:],
        m[::-1],
        m[1:2],
        m[0:0],
        m[0],
        m[:, 1],
        m[0, ::-1],
        m[0, 1:2],
        m[0, 0:0],
        readonly,
        readonly.T,
        readonly[0],
        FloatMatrix(m, dtype="f"),
        FloatMatrix(m, dtype="f")[:, 0],
    ]


@pytest.mark.parametrize(
    "names",
    [c for n in range(4) for c in itertools.combinations(FLAGS, n)],
    ids="|".join,
)
def test_requests_are_met_as_memoryview_meets_them(names: tuple[str, ...]) -> None:
    flags = 0
    for name in names:
        flags |= FLAGS[name]
    for exporter in exporters():
        got = request(exporter, flags)
        assert got == request(memoryview(exporter), flags), exporter


def test_refusals_say_why() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    readonly = FloatMatrix(memoryview(bytes(8)).cast("d", (1, 1)))
    get = ctypes.pythonapi.PyObject_GetBuffer
    for obj, flags, message in (
        (readonly, 0x1, r"^FloatMatrix: underlying buffer is not writable$"),
        (m.T, 0x38, r"^FloatMatrix: underlying buffer is not C-contiguous$"),
        (m, 0x58, r"^FloatMatrix: underlying buffer is not Fortran contiguous$"),
        (m[:, ::2], 0x98, r"^FloatMatrix: underlying buffer is not contiguous$"),
        (m[:, 0], 0x8, r"^FloatVector: underlying buffer is not C-contiguous, so str"),
        (m, 0x4, r"^FloatMatrix: underlying buffer has no format without a shape$"),
    ):
        with pytest.raises(BufferError, match=message):
            get(ctypes.py_object(obj), ctypes.byref(PyBuffer()), flags)
    m.append([5, 6])  # a refused request leaves no export behind


def test_memoryview_of_matrices_and_vectors() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]])
    view: Any = memoryview(m)
    assert (view.format, view.shape, view.strides) == ("d", (2, 3), (24, 8))
    assert view.tolist() == m.tolist()
    view[1, 2] = 60.0
    assert m[1, 2] == 60.0
    column: Any = memoryview(m.T)
    assert column.tolist() == m.T.tolist()
    column = memoryview(m[:, 1])
    assert (column.format, column.shape, column.strides) == ("d", (2,), (24,))
    column[0] = 20.0
    assert m == [[1, 20, 3], [4, 5, 60]]
    single = memoryview(FloatMatrix(m, dtype="f"))
    assert (single.format, single.itemsize, single.nbytes) == ("f", 4, 24)
    assert bytes(m) == struct.pack("6d", 1, 20, 3, 4, 5, 60)


def test_own_memory_is_aligned_to_cache_lines() -> None:
    for m in (
        FloatMatrix([[1, 2, 3]]),
        FloatMatrix.zeros(100, 100),
        FloatMatrix.random(7, 7).T.copy(),
    ):
        assert request(m, 0)[0] % 64 == 0
    m = FloatMatrix()
    for i in range(3000):
        m.append([float(i)] * 7)
        if i % 50 == 0:
            assert request(m, 0)[0] % 64 == 0
    assert m == [[i] * 7 for i in range(3000)]


def test_exports_outlive_the_matrix() -> None:
    view: Any = memoryview(FloatMatrix([[1, 2]]))
    gc.collect()
    assert view.tolist() == [[1, 2]]


# --- import -----------------------------------------------------------------


def buffer_of(nested: list[list[Any]], code: Any) -> Any:
    """A two-dimensional memoryview of this struct code, for native codes."""
    rows, columns = len(nested), len(nested[0])
    flat = b"".join(struct.pack(f"@{columns}{code}", *row) for row in nested)
    return memoryview(bytearray(flat)).cast("B").cast(code, (rows, columns))


@pytest.mark.parametrize("code", "df")
def test_native_floats_are_shared(code: Any) -> None:
    view = buffer_of([[1, 2, 3], [4, 5, 6]], code)
    m = FloatMatrix(view)
    assert m.dtype == code
    assert m == [[1, 2, 3], [4, 5, 6]]
    view[0, 0] = 10.0
    m[1, 2] = 60.0
    assert m.tolist() == view.tolist() == [[10, 2, 3], [4, 5, 60]]
    assert FloatMatrix(view, copy=False)[0, 0] == 10.0
    copy = FloatMatrix(view, copy=True)
    assert copy.dtype == code
    copy[0, 0] = 0
    assert view[0, 0] == 10.0
    copy.append([7, 8, 9])


def test_shared_memory_stays_exported() -> None:
    flat = bytearray(16)
    m = FloatMatrix(memoryview(flat).cast("d", (1, 2)))
    row = m[0]
    del m
    with pytest.raises(BufferError):
        flat.append(0)
    del row
    gc.collect()
    flat.append(0)


def test_dtype_converts_shared_memory() -> None:
    doubles, floats = buffer_of([[1.1]], "d"), buffer_of([[1.1]], "f")
    single = struct.unpack("f", struct.pack("f", 1.1))[0]
    assert FloatMatrix(doubles, dtype="f") == [[single]]
    assert FloatMatrix(floats, dtype="d") == [[single]]
    assert FloatMatrix(floats, dtype="d").dtype == "d"
    dtype: Any
    for view, dtype in ((doubles, "f"), (floats, "d")):
        with pytest.raises(
            ValueError, match=r"^copy=False, but items of this type must be converted;"
        ):
            FloatMatrix(view, dtype=dtype, copy=False)


@pytest.mark.parametrize("code", "bBhHiIlLqQnN?")
def test_integers_of_every_code(code: str) -> None:
    size = struct.calcsize(code)
    top = 1 if code == "?" else 2 ** (8 * size - code.islower()) - 1
    low = -top - 1 if code.islower() and code != "?" else 0
    nested = [[low, 0, 1], [top, top // 2, top - 1]]
    m = FloatMatrix(buffer_of(nested, code))
    assert m.dtype == "d"
    assert m.tolist() == [[float(x) for x in row] for row in nested]
    assert FloatMatrix(buffer_of(nested, code), dtype="f") == FloatMatrix(
        [[float(x) for x in row] for row in nested], dtype="f"
    )
    with pytest.raises(ValueError, match="must be converted"):
        FloatMatrix(buffer_of(nested, code), copy=False)


@pytest.mark.parametrize("kind", ["d", "f", "h", "H", "i", "I", "q", "Q"])
@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders(kind: str, order: str) -> None:
    types: dict[str, Any] = {
        "d": ctypes.c_double,
        "f": ctypes.c_float,
        "h": ctypes.c_int16,
        "H": ctypes.c_uint16,
        "i": ctypes.c_int32,
        "I": ctypes.c_uint32,
        "q": ctypes.c_int64,
        "Q": ctypes.c_uint64,
    }
    ctype = types[kind]
    ordered = ctype.__ctype_le__ if order == "<" else ctype.__ctype_be__
    values = [[1, 2, 100], [77, 5, 2**15 - 1]]
    flat = struct.pack(f"{order}6{kind}", *values[0], *values[1])
    matrix = (ordered * 3 * 2).from_buffer(bytearray(flat))
    assert FloatMatrix(matrix) == values
    if kind in "df":
        native = order == ("<" if sys.byteorder == "little" else ">")
        shares = FloatMatrix(matrix)
        shares[0, 0] = 9
        assert (matrix[0][0] == 9) is native
        assert shares.dtype == kind if native else shares.dtype == "d"


def test_ctypes_arrays_share() -> None:
    kind: Any = ctypes.c_double * 2 * 3
    matrix = kind((1, 2), (3, 4), (5, 6))
    m = FloatMatrix(matrix)
    m[2, 1] = 60
    assert matrix[2][1] == 60
    assert m == [[1, 2], [3, 4], [5, 60]]


@given(st.data())
def test_any_strides(data: st.DataObject) -> None:
    base = FloatMatrix.from_iterable(5, 4, range(20))
    part = base[data.draw(st.slices(5)), data.draw(st.slices(4))]
    if data.draw(st.booleans()):
        part = part.T
    shares = FloatMatrix(memoryview(part))
    assert shares == part
    assert shares.shape == part.shape
    if part.shape[0] and part.shape[1]:
        shares[-1, -1] = 100
        assert part[-1, -1] == 100


def test_unaligned_items() -> None:
    raw = bytearray(1 + 48)
    view: Any = memoryview(raw)[1:].cast("d", (2, 3))
    m = FloatMatrix(view)
    m[:] = [[1, 2, 3], [4, 5, 6]]
    assert view.tolist() == m.tolist() == m.T.T.tolist()
    assert m.sum() == 21.0
    assert m.sum(axis=0) == [5, 7, 9]
    assert m == m.copy()


@pytest.mark.parametrize(
    ("obj", "ndim"),
    [
        (array.array("d", [1, 2]), 1),
        (b"ab", 1),
        (bytearray(b"ab"), 1),
        (FloatMatrix([[1, 2]])[0], 1),
        (memoryview(bytes(8)).cast("d", (1, 1, 1)), 3),
    ],
)
def test_other_dimensions_are_refused(obj: Any, ndim: int) -> None:
    with pytest.raises(ValueError, match=rf"^expected 2 dimensions, not {ndim}"):
        FloatMatrix(obj)
    if ndim == 1:
        with pytest.raises(
            ValueError, match=r"FloatMatrix.from_iterable\(rows, columns, data\)$"
        ):
            FloatMatrix(obj)
        assert len(FloatMatrix.from_iterable(1, len(obj), obj)) == 1


def test_zero_dimensions_are_a_scalar() -> None:
    with pytest.raises(TypeError, match="expected a sequence of rows, not c_double"):
        FloatMatrix(ctypes.c_double(1.0))
    with pytest.raises(
        TypeError, match=r"row 0 must be a sequence of .*, not c_double"
    ):
        FloatMatrix([ctypes.c_double(1.0)])


class Pair(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


@pytest.mark.parametrize(
    ("ctype", "code"), [(ctypes.c_char, "c"), (ctypes.py_object, "O"), (Pair, "T{")]
)
def test_formats_that_are_not_numbers(ctype: Any, code: str) -> None:
    matrix = (ctype * 2 * 2)()
    with pytest.raises(
        TypeError, match=r"^cannot read items of format '.*' as real numbers$"
    ) as caught:
        FloatMatrix(matrix)
    assert code in str(caught.value)
    with pytest.raises(TypeError, match=r"^cannot read items of format '"):
        FloatMatrix([matrix[0]])


def test_empty_buffers() -> None:
    for shape in ((0, 3), (3, 0)):
        matrix = (ctypes.c_double * shape[1] * shape[0])()
        m = FloatMatrix(matrix)
        assert m.shape == shape
        assert m.sum() == 0.0
        assert m.copy().shape == shape
        assert memoryview(m).shape == shape
        assert m.T.shape == shape[::-1]
        assert memoryview(m[:, 0] if shape[1] else m[0]).contiguous


@pytest.mark.parametrize("shape", [(2**40, 0), (0, 2**40)])
def test_strides_of_empty_buffers_mean_nothing(shape: Any) -> None:
    entries = {"typestr": NATIVE + "f8", "data": (0, False)}
    m = FloatMatrix(Interface(shape=shape, strides=(2**60, 2**60), **entries))
    last = m[-1] if shape[0] else m[:, -1]
    assert last == []
    assert memoryview(last).contiguous
    assert m[::2, ::2].shape == (shape[0] // 2, shape[1] // 2)
    assert m.copy() == m


def test_refusals_of_exporters_pass_unchanged() -> None:
    view = memoryview(bytes(8)).cast("d", (1, 1))
    view.release()
    closed = mmap.mmap(-1, 8)
    closed.close()
    for obj, reason in ((view, "released memoryview"), (closed, "mmap closed")):
        for use in (FloatMatrix, lambda obj: FloatMatrix([obj]), FloatMatrix().append):
            with pytest.raises(ValueError, match=reason):
                use(obj)


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="__release_buffer__ came with 3.12"
)
def test_buffers_are_released_as_they_were_lent() -> None:
    released: list[Any] = []

    class Watched(array.array):  # type: ignore[type-arg]
        def __release_buffer__(self, view: memoryview) -> None:
            released.append((view.shape, view.strides, view.tolist()))

    lent = ((3,), (8,), [1.0, 2.0, 3.0])
    row = Watched("d", lent[2])
    m = FloatMatrix.zeros(1, 3)
    m[0] = row
    m.append(row)
    m.extend([row])
    assert FloatMatrix([row, row]) == [lent[2]] * 2
    assert FloatMatrix([row], dtype="f") == [lent[2]]
    m.sum(axis=0, out=row)
    assert released == [lent] * 6 + [((3,), (8,), [3.0, 6.0, 9.0])]


def test_suboffsets_are_refused() -> None:
    testbuffer = pytest.importorskip("_testbuffer", reason="makes such buffers")
    pil = testbuffer.ndarray(
        [1.0, 2.0, 3.0, 4.0], shape=[2, 2], format="d", flags=testbuffer.ND_PIL
    )
    with pytest.raises(BufferError):
        FloatMatrix(pil)
    plain = testbuffer.ndarray([1.0, 2.0, 3.0, 4.0], shape=[2, 2], format="d")
    assert FloatMatrix(plain) == [[1, 2], [3, 4]]
    half = testbuffer.ndarray([1.5, 2.0], shape=[1, 2], format="e")
    assert FloatMatrix(half) == [[1.5, 2]]
    assert FloatMatrix(half).dtype == "d"


# --- __array_interface__ ----------------------------------------------------


class Interface:
    def __init__(self, keep: Any = None, **entries: Any) -> None:
        self.keep = keep
        self.__array_interface__ = {"version": 3, **entries}


def addressed(values: Any, shape: Any, typestr: str = "<f8", **more: Any) -> Interface:
    """An object that offers an array.array by its address."""
    address = values.buffer_info()[0]
    return Interface(
        values, shape=shape, typestr=typestr, data=(address, False), **more
    )


NATIVE = "<" if sys.byteorder == "little" else ">"
SWAPPED = ">" if NATIVE == "<" else "<"


def test_interface_by_address_is_shared() -> None:
    values = array.array("d", range(6))
    offered = addressed(values, (2, 3), NATIVE + "f8")
    m = FloatMatrix(offered)
    assert m == [[0, 1, 2], [3, 4, 5]]
    m[1, 2] = 50
    assert values[5] == 50
    kept = sys.getrefcount(offered)
    del m
    assert sys.getrefcount(offered) == kept - 1
    strided = addressed(values, (3, 2), NATIVE + "f8", strides=(8, 24))
    assert FloatMatrix(strided) == [[0, 3], [1, 4], [2, 50]]
    assert FloatMatrix(strided, dtype="f").dtype == "f"
    swapped = array.array("d", range(6))
    swapped.byteswap()
    assert FloatMatrix(addressed(swapped, (2, 3), SWAPPED + "f8")) == [
        [0, 1, 2],
        [3, 4, 5],
    ]
    assert FloatMatrix([addressed(values, (6,), NATIVE + "f8")])[0] == values.tolist()


def test_interface_by_bytes_is_shared() -> None:
    data = struct.pack("6f", *range(6))
    m = FloatMatrix(Interface(shape=(2, 3), typestr=NATIVE + "f4", data=data))
    assert m == [[0, 1, 2], [3, 4, 5]]
    assert m.dtype == "f"
    assert m.readonly
    image = Interface(shape=(1, 2), typestr="|u1", data=bytearray(b"\x00\xff"))
    assert FloatMatrix(image) == [[0, 255]]
    truth = Interface(shape=(1, 2), typestr="|b1", data=b"\x00\x01", strides=None)
    assert FloatMatrix(truth) == [[0, 1]]


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ({"shape": (1, 1)}, TypeError, "typestr None"),
        ({"shape": (1, 1), "typestr": 5}, TypeError, "typestr 5"),
        ({"shape": (1, 1), "typestr": "<c16"}, TypeError, "typestr '<c16'"),
        ({"shape": (1, 1), "typestr": "<M8"}, TypeError, "format '<M8'"),
        ({"shape": (1, 1), "typestr": "|b2"}, TypeError, "format '|b2'"),
        ({"shape": (1, 1), "typestr": "<f3"}, TypeError, "format '<f3'"),
        ({"shape": (1, 1), "typestr": "\ud800f8"}, UnicodeEncodeError, "surrogates"),
        ({"typestr": "<f8"}, ValueError, "must be tuples"),
        ({"shape": [1, 1], "typestr": "<f8"}, ValueError, "must be tuples"),
        ({"shape": (1, 1), "typestr": "<f8", "strides": 8}, ValueError, "be tuples"),
        ({"shape": (1, 1), "typestr": "<f8", "strides": (8,)}, ValueError, "as many"),
        ({"shape": (1, "1"), "typestr": "<f8"}, TypeError, "as an integer"),
        ({"shape": (1, 2**70), "typestr": "<f8"}, ValueError, "cannot fit"),
        ({"shape": (-1, 1), "typestr": "<f8"}, ValueError, "negative"),
        ({"shape": (1, 1, 1), "typestr": "<f8"}, ValueError, "expected 2 dimensions"),
        ({"shape": (1,), "typestr": "<f8"}, ValueError, "expected 2 dimensions, not 1"),
        ({"shape": (2**62, 2**62), "typestr": "<f8"}, MemoryError, None),
        ({"shape": (2, 1), "typestr": "<f8"}, ValueError, "too short"),
        ({"shape": (1, 1), "typestr": "<f8", "offset": 8}, ValueError, "neither"),
        ({"shape": (1, 1), "typestr": "<f8", "strides": (8, 8)}, ValueError, "neither"),
        ({"shape": (1, 1), "typestr": "<f8", "mask": b"1"}, ValueError, "no mask"),
        ({"shape": (1, 1), "typestr": "<f8", "data": None}, ValueError, "needs data"),
        ({"shape": (1, 1), "typestr": "<f8", "data": 5}, TypeError, "bytes-like"),
        ({"shape": (1, 1), "typestr": "<f8", "data": (1,)}, ValueError, "address, "),
        ({"shape": (1, 1), "typestr": "<f8", "data": (0, 0)}, ValueError, "address 0"),
        ({"shape": (1, 1), "typestr": "<f8", "data": ("1", 0)}, TypeError, "int"),
    ],
)
def test_bad_interfaces(entries: Any, error: Any, message: str | None) -> None:
    with pytest.raises(error, match=message):
        FloatMatrix(Interface(**{"data": bytes(8), **entries}))


def test_interface_is_not_read_on_after_an_error() -> None:
    asked = []

    class Flag:
        def __bool__(self) -> bool:
            asked.append(self)
            return False

    for address, error in (("1", TypeError), (2**70, OverflowError)):
        entries = {"shape": (1, 1), "typestr": "<f8", "data": (address, Flag())}
        with pytest.raises(error):
            FloatMatrix(Interface(**entries))
    assert not asked


def test_interface_that_is_no_dict_or_raises() -> None:
    class Bad:
        def __init__(self, value: Any) -> None:
            self.value = value

        @property
        def __array_interface__(self) -> Any:
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

    with pytest.raises(ValueError, match="__array_interface__: it must be a dict"):
        FloatMatrix(Bad(5))
    with pytest.raises(KeyError, match="mine"):
        FloatMatrix(Bad(KeyError("mine")))
    with pytest.raises(TypeError, match="expected a sequence of rows, not Bad"):
        FloatMatrix(Bad(AttributeError("none")))
    with pytest.raises(TypeError, match="expected a sequence of rows, not type"):
        FloatMatrix(Bad)  # type: ignore[arg-type]


def test_interface_emptied_while_it_is_read() -> None:
    entries: dict[str, Any] = {}

    class Size:
        def __index__(self) -> int:
            entries.clear()
            gc.collect()
            return 1

    class Offers:
        __array_interface__ = entries

    entries.update(shape=(Size(), Size()), typestr="".join(["<", "f8"]), data=bytes(8))
    assert FloatMatrix(Offers()) == [[0]]
