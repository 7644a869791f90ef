"""FloatMatrix and NumPy: import, export, np.sum; and DLPack both ways."""

import ctypes
import gc
import re
import sys
import weakref
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import run_in_fresh_process

from memopt import FloatMatrix

np = pytest.importorskip("numpy", reason="what these tests are about")

needs_numpy_2_1 = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0",
    reason="NumPy 2.1 brought DLPack 1.0 and from_dlpack(copy=)",
)


def test_importing_memopt_does_not_import_numpy() -> None:
    run_in_fresh_process(
        """
import sys
import memopt
m = memopt.FloatMatrix([[1, 2], [3, 4]])
m.sum(axis=0), m[0], m.copy(), m.tolist(), repr(m)
assert not [name for name in sys.modules if name.startswith("numpy")]
array = m.__array__()
assert "numpy" in sys.modules
assert array.tolist() == [[1, 2], [3, 4]]
"""
    )


def test_without_numpy_array_says_so() -> None:
    run_in_fresh_process(
        """
import sys
import memopt
sys.modules["numpy"] = None
m = memopt.FloatMatrix([[1, 2]])
for _ in range(2):
    try:
        m.__array__()
    except ImportError as error:
        assert "numpy" in str(error)
    else:
        raise AssertionError
m.append([3, 4])
"""
    )


# --- __array__ --------------------------------------------------------------


@given(st.data(), st.sampled_from(["d", "f"]))
def test_arrays_share_memory(data: st.DataObject, dtype: Any) -> None:
    base = FloatMatrix.from_iterable(4, 5, range(20), dtype)
    part = base[data.draw(st.slices(4)), data.draw(st.slices(5))]
    for view in (part, part.T):
        for array in (view.__array__(), np.asarray(view), np.array(view, copy=False)):
            assert array.dtype == np.dtype(dtype)
            assert array.shape == view.shape
            assert array.flags.writeable
            assert not array.flags.owndata
            assert array.tolist() == view.tolist()
            if array.size:
                array[-1, 0] += 0.5
                assert array.tolist() == view.tolist()
                assert np.shares_memory(array, np.asarray(base))


def test_arrays_of_vectors() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]])
    for vector in (m[0], m[:, 1], m[1, ::-1]):
        array = vector.__array__()
        assert array.shape == (len(vector),)
        assert array.tolist() == np.asarray(vector).tolist() == vector.tolist()
    m[:, 1].__array__()[:] = 0
    assert m == [[1, 0, 3], [4, 0, 6]]


def test_arrays_pin_the_memory_and_outlive_the_matrix() -> None:
    m = FloatMatrix([[1, 2]])
    arrays = [m.__array__(), np.asarray(m), m[0].__array__(), m.T.__array__().T]
    while arrays:
        with pytest.raises(BufferError, match="Existing exports of data"):
            m.append([3, 4])
        arrays.pop()
    m.append([3, 4])
    array = m.__array__()
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None
    assert array.tolist() == [[1, 2], [3, 4]]


def test_the_base_of_an_array_cannot_be_released_by_others() -> None:
    m = FloatMatrix([[1, 2]])
    array = m.__array__()
    assert not hasattr(array.base, "release")
    assert "memopt.storage" in repr(array.base)
    with pytest.raises(BufferError):
        m.append([3, 4])
    assert array[0, 0] == 1


def test_read_only_memory_gives_read_only_arrays() -> None:
    readonly = np.arange(6.0).reshape(2, 3)
    readonly.flags.writeable = False
    m = FloatMatrix(readonly)
    assert m.readonly
    for array in (m.__array__(), np.asarray(m), m[0].__array__()):
        assert not array.flags.writeable
    assert m.__array__(copy=True).flags.writeable
    with pytest.raises(TypeError, match="read-only"):
        m[0, 0] = 1


@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize("dtype", [None, "d", float, np.float64, ">f8", "f", int, "D"])
def test_dtype_and_copy_mean_what_they_mean_for_ndarray(dtype: Any, copy: Any) -> None:
    m = FloatMatrix([[1.5, 2], [3, 4]])
    peer = np.array(m)
    try:
        expected = peer.__array__(dtype, copy=copy)
    except ValueError:
        with pytest.raises(ValueError, match="Unable to avoid copy"):
            m.__array__(dtype, copy)
        m.append([5, 6])
        return
    got = m.__array__(dtype, copy=copy)
    assert got.dtype == expected.dtype
    assert got.tolist() == expected.tolist()
    shares = np.shares_memory(got, np.asarray(m))
    assert shares == np.shares_memory(expected, peer)
    assert np.array(m, dtype=dtype).tolist() == expected.tolist()


def test_array_checks_its_arguments() -> None:
    m = FloatMatrix([[1]])
    with pytest.raises(TypeError):
        m.__array__(dtype="no such type")
    with pytest.raises(TypeError):
        m.__array__(None, None, None)  # type: ignore[call-arg]
    m.append([2])


def test_unaligned_and_strange_strides() -> None:
    raw = bytearray(49)
    m = FloatMatrix(memoryview(raw)[1:].cast("d", (2, 3)))
    array = m.__array__()
    assert not array.flags.aligned
    array[1, 2] = 7
    assert m[1, 2] == 7
    twice = np.broadcast_to(np.arange(3.0), (4, 3))
    assert FloatMatrix(twice) == twice.tolist()
    assert FloatMatrix(twice).sum() == 12.0
    assert FloatMatrix(twice).copy() == twice.tolist()


# --- import -----------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize(
    "kind", ["f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
)
def test_arrays_of_every_real_type(kind: str, byteorder: str, order: Any) -> None:
    dtype = np.dtype(byteorder + kind)
    array = np.array([[0, 1, 2], [3, 100, 5]]).astype(dtype, order=order)
    for part in (array, array[::-1, ::2], array.T, array[:, 1:2], array[0:0]):
        m = FloatMatrix(part)
        assert m == part.tolist()
        assert m.shape == part.shape
        native = part.dtype.isnative and part.dtype.char in "df"
        assert np.shares_memory(np.asarray(m), part) == (native and part.size > 0)
        assert m.dtype == (part.dtype.char if native else "d")
        assert FloatMatrix(part, dtype="f") == part.astype("f").tolist()
    assert FloatMatrix(list(array)) == array.tolist()
    assert FloatMatrix(array, copy=True).tolist() == array.tolist()


def test_extreme_integers_round_as_float_does() -> None:
    values = [2**63 - 1, -(2**63), 2**53 + 1, -(2**53) - 1, 2**62 + 2**9 + 1]
    assert FloatMatrix(np.array([values])) == [[float(x) for x in values]]
    unsigned = [2**64 - 1, 2**63, 2**53 + 1]
    assert FloatMatrix(np.array([unsigned], dtype="u8")) == [
        [float(x) for x in unsigned]
    ]


@pytest.mark.parametrize(
    "dtype", ["D", "F", "O", "S3", "U3", "M8[s]", "m8[ns]", "g", [("x", "f8")]]
)
def test_other_types_are_refused_by_name(dtype: Any) -> None:
    array = np.zeros((2, 2), dtype)
    message = f"cannot read items of dtype {array.dtype} as real numbers"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        FloatMatrix(array)
    with pytest.raises(TypeError, match=f"^{re.escape(message)}\nwhile reading row 0$"):
        FloatMatrix([array[0]])


def test_buffers_that_mislead_are_refused() -> None:
    masked = np.ma.array([[1.0, 2.0]], mask=[[False, True]])
    date, time = np.datetime64("2020-01-01"), np.timedelta64(5, "s")
    m = FloatMatrix.zeros(1, 8)
    for obj in (masked, [masked[0]], [date], [time]):
        with pytest.raises(TypeError, match="whose buffer is not what it means"):
            FloatMatrix(obj)
    for row in (masked[0], date, time):
        with pytest.raises(TypeError, match="whose buffer is not what it means"):
            m.append(row)
    assert FloatMatrix(masked.filled(0)) == [[1, 0]]


def test_numpy_scalars_and_dtypes() -> None:
    row = [np.float64(1.5), np.float32(2.5), np.int8(3), np.bool_(True)]
    assert FloatMatrix([row]) == [[1.5, 2.5, 3, 1]]
    assert FloatMatrix([[1]], dtype=np.float32).dtype == "f"
    assert FloatMatrix([[1]], dtype=np.dtype("f4")).dtype == "f"
    assert FloatMatrix([[1]], dtype=np.float64).dtype == "d"
    for other in (np.dtype(">f8"), np.dtype("i4"), np.int64):
        if not (sys.byteorder == "big" and other == np.dtype(">f8")):
            with pytest.raises(ValueError, match="dtype must be 'd'"):
                FloatMatrix([[1]], dtype=other)
    m = FloatMatrix([[1, 2], [3, 4]])
    assert m[np.int64(1), np.uint8(0)] == 3.0
    with pytest.raises(
        TypeError, match="row 0 must be a sequence of numbers, not nump"
    ):
        FloatMatrix([np.float64(1)])
    with pytest.raises(ValueError, match="expected 2 dimensions, not 1"):
        FloatMatrix(np.arange(3.0))


def test_memory_mapped_arrays_are_shared(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(3, 4))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    m = FloatMatrix(mapped)
    assert m.readonly
    assert m.sum() == 66.0
    del m, mapped
    gc.collect()


# --- what NumPy's functions make of a matrix --------------------------------


def test_np_sum_and_mean_are_the_exact_ones() -> None:
    m = FloatMatrix([[1e100, 1.0], [-1e100, 1.0]])
    assert np.sum(m) == 2.0
    assert np.sum(m, axis=0) == [0, 2]
    assert np.sum(m, axis=0, keepdims=True) == FloatMatrix([[0, 2]])
    assert np.sum(m, axis=1, dtype=np.float64) == [1e100, -1e100]
    assert np.mean(m) == 0.5
    assert np.mean(m, axis=0) == [0, 1]
    assert np.sum(m[0]) == 1e100
    assert np.mean(m[:, 1]) == 1.0
    out = np.zeros(2)
    assert np.sum(m, axis=0, out=out) is out
    assert out.tolist() == [0, 2]
    scalar = np.zeros(())
    assert np.sum(m, out=scalar) is scalar
    assert scalar == 2
    assert np.sum(m, axis=1, keepdims=True, out=np.zeros((2, 1))).shape == (2, 1)
    strided = np.zeros((2, 2), order="F")
    np.sum(m, axis=0, out=strided[1])
    assert strided.tolist() == [[0, 0], [0, 2]]


def test_axis_errors_are_those_of_numpy() -> None:
    m = FloatMatrix([[1, 2]])
    for obj, axis in ((m, 2), (m, -3), (m[0], 1)):
        with pytest.raises(np.exceptions.AxisError) as caught:
            obj.sum(axis=axis)
        with pytest.raises(np.exceptions.AxisError) as expected:
            np.asarray(obj).sum(axis=axis)
        assert str(caught.value) == str(expected.value)
        assert (caught.value.axis, caught.value.ndim) == (
            expected.value.axis,
            expected.value.ndim,
        )


def test_numpy_functions_and_operators() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    array = np.asarray(m)
    assert (np.dot(m, m) == array @ array).all()
    assert (array + m == 2 * array).all()
    assert (m == array).all()
    assert (array == m).all()
    assert np.shape(m) == (2, 2)
    assert np.transpose(m).tolist() == m.T.tolist()


# --- DLPack -----------------------------------------------------------------


class Tensor:
    """Another library's tensor: nothing but DLPack, of either generation."""

    def __init__(self, source: Any, versioned: bool = True) -> None:
        self.source = source
        self.versioned = versioned
        self.calls: list[dict[str, Any]] = []

    def __dlpack__(self, **kwargs: Any) -> Any:
        self.calls.append(kwargs)
        if not self.versioned and kwargs:
            raise TypeError("__dlpack__() got an unexpected keyword argument")
        return self.source.__dlpack__(**kwargs)


@given(st.data(), st.sampled_from(["d", "f"]))
def test_numpy_reads_our_tensors(data: st.DataObject, dtype: Any) -> None:
    base = FloatMatrix.from_iterable(4, 5, range(20), dtype)
    part = base[data.draw(st.slices(4)), data.draw(st.slices(5))]
    for view in (part, part.T):
        array = np.from_dlpack(view)
        assert array.dtype == np.dtype(dtype)
        assert array.tolist() == view.tolist()
        assert np.shares_memory(array, np.asarray(base)) == (array.size > 0)


@needs_numpy_2_1
@given(st.data(), st.sampled_from(["d", "f"]))
def test_numpy_copies_our_tensors(data: st.DataObject, dtype: Any) -> None:
    base = FloatMatrix.from_iterable(4, 5, range(20), dtype)
    part = base[data.draw(st.slices(4)), data.draw(st.slices(5))]
    for view in (part, part.T):
        copied = np.from_dlpack(view, copy=True)
        assert copied.tolist() == view.tolist()
        assert not np.shares_memory(copied, np.asarray(base))


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i1", "i8", "u4", "?"])
def test_we_read_others_tensors(dtype: str, versioned: bool) -> None:
    array = np.array([[0, 1, 2], [3, 100, 5]]).astype(dtype)
    for part in (array, array.T, array[::-1, ::2]):
        tensor = Tensor(part, versioned)
        m = FloatMatrix(tensor)
        assert m == part.tolist()
        shares = dtype in ("f8", "f4")
        assert np.shares_memory(np.asarray(m), array) == shares
        assert tensor.calls[0] == {"max_version": (1, 0)}
        assert FloatMatrix([Tensor(row, versioned) for row in part]) == m
        assert FloatMatrix(tensor, copy=True, dtype="f").dtype == "f"


def test_borrowed_tensors_are_returned() -> None:
    array = np.zeros((2, 3))
    before = sys.getrefcount(array)
    m = FloatMatrix(Tensor(array))
    row = m[0]
    assert sys.getrefcount(array) > before
    del m
    assert sys.getrefcount(array) > before
    row[0] = 5
    assert array[0, 0] == 5
    del row
    gc.collect()
    assert sys.getrefcount(array) == before
    for versioned in (True, False):
        with pytest.raises(ValueError, match="expected 2 dimensions, not 1"):
            FloatMatrix(Tensor(array[0], versioned))
        with pytest.raises(ValueError, match="expected 2 dimensions, not 3"):
            FloatMatrix(Tensor(array[None], versioned))
        with pytest.raises(
            TypeError, match=r"^cannot read items of format 'DLPack 5:128'"
        ):
            FloatMatrix(Tensor(array.astype(complex), versioned))
        with pytest.raises(ValueError, match="must be converted"):
            FloatMatrix(Tensor(array.astype(int), versioned), copy=False)
    gc.collect()
    assert sys.getrefcount(array) == before


def test_consumers_of_the_older_generation_delete_tensors() -> None:
    m = FloatMatrix([[1, 2]])
    array = np.from_dlpack(Tensor(m, versioned=False))
    assert array.tolist() == [[1, 2]]
    with pytest.raises(BufferError):
        m.append([3, 4])
    del array
    m.append([3, 4])


def test_tensors_pin_the_memory_until_they_are_deleted() -> None:
    m = FloatMatrix([[1, 2]])
    for versions in ({}, {"max_version": (1, 0)}):
        capsule = m.__dlpack__(**versions)  # type: ignore[arg-type]
        with pytest.raises(BufferError):
            m.append([3, 4])
        del capsule
        m.append([3, 4])
        array = np.from_dlpack(m)
        with pytest.raises(BufferError):
            m.append([3, 4])
        del array
        m.append([5, 6])


@needs_numpy_2_1
def test_dlpack_of_read_only_memory() -> None:
    readonly = np.arange(4.0).reshape(2, 2)
    readonly.flags.writeable = False
    m = FloatMatrix(readonly)
    with pytest.raises(BufferError, match="read-only"):
        m.__dlpack__()
    with pytest.raises(BufferError, match="read-only"):
        m.__dlpack__(max_version=(0, 8))
    assert not np.from_dlpack(m).flags.writeable
    assert FloatMatrix(Tensor(m)).readonly
    assert not FloatMatrix(Tensor(FloatMatrix([[1]]))).readonly
    assert np.from_dlpack(m, copy=True).flags.writeable
    assert "dltensor" in repr(m.__dlpack__(copy=True))


def test_dlpack_arguments() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    assert m.__dlpack_device__() == (1, 0)
    assert m[0].__dlpack_device__() == (1, 0)
    assert '"dltensor"' in repr(m.__dlpack__(max_version=(0, 5)))
    assert '"dltensor_versioned"' in repr(m.__dlpack__(max_version=(1, 1)))
    assert '"dltensor_versioned"' in repr(m[0].__dlpack__(max_version=(2, 0)))
    m.__dlpack__(dl_device=(1, 0), copy=False)
    bad: Any
    for bad in ((2, 0), (1, 1)):
        with pytest.raises(BufferError, match=r"dl_device must be \(1, 0\)"):
            m.__dlpack__(dl_device=bad)
    for bad in (1, [1, 0]):
        with pytest.raises(TypeError, match="dl_device must be a tuple or None"):
            m.__dlpack__(dl_device=bad)
        with pytest.raises(TypeError, match="max_version must be a tuple or None"):
            m.__dlpack__(max_version=bad)
    for bad in ((1,), ("1", 0), (1, 0, 0)):
        with pytest.raises(TypeError):
            m.__dlpack__(dl_device=bad)
        with pytest.raises(TypeError):
            m.__dlpack__(max_version=bad)
    with pytest.raises(ValueError, match="stream must be None"):
        m.__dlpack__(stream=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        m.__dlpack__(None)  # type: ignore[call-arg]
    uneven = FloatMatrix(np.ndarray((2, 2), "f8", bytearray(40), strides=(12, 8)))
    with pytest.raises(BufferError, match="strides of whole items"):
        uneven.__dlpack__()
    assert uneven.__dlpack__(copy=True) is not None
    m.append([5, 6])


def test_consumed_and_foreign_capsules_are_refused() -> None:
    m = FloatMatrix([[1, 2]])
    capsule = m.__dlpack__(max_version=(1, 0))

    class Again:
        def __dlpack__(self, **kwargs: Any) -> Any:
            return capsule

    assert FloatMatrix(Again()) == m
    with pytest.raises(TypeError, match="must return a fresh DLPack capsule"):
        FloatMatrix(Again())

    class Other:
        def __init__(self, value: Any) -> None:
            self.value = value

        def __dlpack__(self, **kwargs: Any) -> Any:
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

    for bad in (
        None,
        5,
        sys.modules["_socket"].CAPI if "_socket" in sys.modules else (),
    ):
        with pytest.raises(TypeError, match="must return a fresh DLPack capsule"):
            FloatMatrix(Other(bad))
    for error in (KeyError("mine"), TypeError("mine"), BufferError("mine")):
        with pytest.raises(type(error), match="mine"):
            FloatMatrix(Other(error))
    with pytest.raises(TypeError, match="expected a sequence of rows, not type"):
        FloatMatrix(Other)  # type: ignore[arg-type]


class DLTensor(ctypes.Structure):
    """As in dlpack.h 1.0."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class DLManagedTensorVersioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    )


class Handmade:
    """A tensor laid out by hand, with no deleter: so none may ever go."""

    all: ClassVar[list["Handmade"]] = []

    def __init__(self, **fields: Any) -> None:
        self.all.append(self)
        self.values = (ctypes.c_double * 6)(0, 1, 2, 3, 4, 5)
        self.shape = (ctypes.c_int64 * 3)(*fields.pop("shape", (2, 3)))
        self.managed = DLManagedTensorVersioned(major=fields.pop("major", 1))
        tensor = self.managed.tensor
        tensor.data = ctypes.addressof(self.values)
        tensor.device_type, tensor.ndim, tensor.lanes = 1, 2, 1
        tensor.code, tensor.bits, tensor.shape = 2, 64, self.shape
        for name, value in fields.items():
            setattr(tensor, name, value)

    def __dlpack__(self, **kwargs: Any) -> Any:
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(ctypes.addressof(self.managed), b"dltensor_versioned", None)


def test_handmade_tensors() -> None:
    plain = Handmade()
    assert FloatMatrix(plain) == [[0, 1, 2], [3, 4, 5]]
    assert FloatMatrix(Handmade(shape=(1, 3), byte_offset=16)) == [[2, 3, 4]]
    assert FloatMatrix(Handmade(device_type=3)) == FloatMatrix(plain)
    for fields, error, message in (
        ({"major": 2}, BufferError, "cannot read DLPack version 2"),
        ({"device_type": 2}, BufferError, "cannot read memory of DLPack device type 2"),
        ({"bits": 63}, TypeError, "format 'DLPack 2:63'"),
        ({"bits": 16, "code": 4}, TypeError, "format 'DLPack 4:16'"),
        ({"lanes": 2}, TypeError, "format 'DLPack 2:64'"),
        ({"ndim": 3}, ValueError, "expected 2 dimensions, not 3"),
        ({"ndim": -1}, ValueError, "expected 2 dimensions, not -1"),
        ({"shape": (-1, 3)}, ValueError, "a dimension is negative"),
        ({"shape": (2**62, 2**62)}, MemoryError, None),
    ):
        with pytest.raises(error, match=message):
            FloatMatrix(Handmade(**fields))
