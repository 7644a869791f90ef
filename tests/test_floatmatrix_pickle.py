"""Pickles of FloatMatrix and FloatVector, in and out of band, and bad ones."""

import copyreg
import pickle
import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memopt import FloatMatrix, FloatVector, _memopt

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
NATIVE = "<" if sys.byteorder == "little" else ">"
SWAPPED = ">" if NATIVE == "<" else "<"


def bits(obj: Any) -> bytes:
    return memoryview(obj).tobytes()


@given(st.data(), st.sampled_from(["d", "f"]), st.sampled_from(PROTOCOLS))
def test_round_trip(data: st.DataObject, dtype: Any, protocol: int) -> None:
    base = FloatMatrix.from_iterable(4, 5, range(20), dtype)
    part = base[data.draw(st.slices(4)), data.draw(st.slices(5))]
    for view in (part, part.T, *part, *part.T):
        again = pickle.loads(pickle.dumps(view, protocol))
        assert type(again) is type(view)
        assert (again.shape, again.dtype) == (view.shape, dtype)
        assert bits(again) == bits(view)
        assert not again.readonly
        if isinstance(again, FloatMatrix):
            again.append([1.5] * again.shape[1])
            assert len(again) == len(view) + 1


def test_bits_of_special_values_survive() -> None:
    raw = struct.pack("4Q", 0x7FF8000000000123, 0xFFF0000000000000, 1 << 63, 1)
    m = FloatMatrix(memoryview(raw).cast("d", (2, 2)))
    for protocol in PROTOCOLS:
        assert bits(pickle.loads(pickle.dumps(m, protocol))) == raw


@pytest.mark.parametrize("protocol", PROTOCOLS[3:])  # before, bytes are text
def test_size_of_a_pickle_is_that_of_the_data(protocol: int) -> None:
    m = FloatMatrix.zeros(100, 100)
    assert 80_000 < len(pickle.dumps(m, protocol)) < 80_200


def test_protocol_5_moves_no_bytes_out_of_band() -> None:
    m = FloatMatrix([[1, 2, 3], [4, 5, 6]])
    for view in (m, m[1:], m[0]):
        buffers: list[pickle.PickleBuffer] = []
        stream = pickle.dumps(view, 5, buffer_callback=buffers.append)
        assert len(buffers) == 1
        assert len(stream) < 200
        again = pickle.loads(stream, buffers=buffers)
        assert again == view
        again[0] = again[-1]
        assert again == view  # it is the same memory
        with pytest.raises(BufferError):
            m.append([7, 8, 9])
        del again
        buffers[0].release()
    m.append([7, 8, 9])


def test_out_of_band_copies_and_read_only_memory() -> None:
    m = FloatMatrix([[1, 2], [3, 4]])
    buffers: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(m.T, 5, buffer_callback=buffers.append)
    again = pickle.loads(stream, buffers=buffers)
    assert again == [[1, 3], [2, 4]]
    again[0, 0] = 10
    assert m[0, 0] == 1  # no C order, so that a copy was pickled
    data = buffers[0].raw().tobytes()
    shares = pickle.loads(stream, buffers=[memoryview(data)])
    assert shares.readonly
    owns = pickle.loads(stream, buffers=[data])
    assert not owns.readonly
    owns.append([5, 6])


def test_rows_are_pickled_with_their_own_items_only() -> None:
    m = FloatMatrix.zeros(1000, 10)
    assert len(pickle.dumps(m[0])) < 400
    assert len(pickle.dumps(m[:, 0])) < 8400


# --- loading what nobody should have sent ------------------------------------


def restore(*arguments: Any) -> Any:
    return _memopt._restore_matrix(*arguments)  # type: ignore[attr-defined]


def test_other_machines_byte_order() -> None:
    for order in "<>":
        for code in "df":
            data = struct.pack(f"{order}6{code}", *range(6))
            m = restore(2, 3, order + code, data)
            assert m == [[0, 1, 2], [3, 4, 5]]
            assert m.dtype == code
            m.append([6, 7, 8])
    swapped = bytearray(struct.pack(SWAPPED + "2d", 1, 2))
    assert restore(1, 2, SWAPPED + "d", memoryview(swapped)) == [[1, 2]]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1, 2, "<d", bytes(15)), ValueError, "bad data in pickle: 15 bytes, not 16"),
        ((1, 2, "<d", bytes(24)), ValueError, "bad data in pickle: 24 bytes, not 16"),
        ((0, 0, "<d", b"x"), ValueError, "bad data in pickle: 1 bytes, not 0"),
        ((-1, 2, "<d", b""), ValueError, r"bad shape in pickle: \(-1, 2\)"),
        ((2, -1, "<d", b""), ValueError, r"bad shape in pickle: \(2, -1\)"),
        ((-1, -1, "<d", bytes(8)), ValueError, r"bad shape in pickle: \(-1, -1\)"),
        ((1, 1, "d", bytes(8)), ValueError, "bad format in pickle: 'd'"),
        ((1, 1, "<i", bytes(4)), ValueError, "bad format in pickle: '<i'"),
        ((1, 1, "<dd", bytes(8)), ValueError, "bad format in pickle: '<dd'"),
        ((1, 1, "", bytes(8)), ValueError, "bad format in pickle: ''"),
        ((1, 1, "=d", bytes(8)), ValueError, "bad format in pickle: '=d'"),
        ((2**62, 2**62, "<d", b""), MemoryError, None),
        ((2**61, 1, "<d", b""), MemoryError, None),
        ((2**63, 1, "<d", b""), OverflowError, None),
        ((1, 1, "<d", "text"), TypeError, "bytes-like"),
        ((1, 1, "<d", None), TypeError, "bytes-like"),
        ((1, 1, b"<d", bytes(8)), TypeError, None),
        ((1, 1.0, "<d", bytes(8)), TypeError, None),
        ((1, 1, "<d"), TypeError, "4 arguments"),
    ],
)
def test_hostile_states(arguments: Any, error: Any, message: str | None) -> None:
    with pytest.raises(error, match=message):
        restore(*arguments)


def test_data_that_is_not_contiguous() -> None:
    with pytest.raises(BufferError):
        restore(1, 2, NATIVE + "d", memoryview(bytes(32))[::2])


def test_vectors_are_row_0_of_a_matrix() -> None:
    row = FloatMatrix([[1, 2]])[0]
    function, (matrix, index) = row.__reduce_ex__(4)
    assert (function.__name__, index) == ("getitem", 0)
    assert matrix == [[1, 2]]
    assert type(function(matrix, index)) is FloatVector


def test_protocol_must_be_an_integer() -> None:
    with pytest.raises(TypeError):
        FloatMatrix().__reduce_ex__("4")  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        FloatMatrix().__reduce_ex__(2**100)
    assert FloatMatrix not in copyreg.dispatch_table
