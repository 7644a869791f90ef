"""What memopt does with any bytes at all, beside what Python and NumPy do.

A target is a function of some bytes, of which it makes its input; it raises if
memopt disagrees.  tools/fuzz.py looks for such bytes, led by the coverage of the C;
test_fuzz_corpus.py runs every target on the bytes that were worth keeping.
"""

import io
import itertools
import json
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from floats import same
from native_oracle import any_length_is_native, exactly, one_by_one, past_errors
from reference import any_sum, decode_state, encode_state, fnv1a, round_units

import memopt
from memopt import ExactSum, FloatMatrix, InternPool, LazyMap, fsum

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}


def target(function: Target) -> Target:
    TARGETS[function.__name__] = function
    return function


class Choices:
    """Decisions taken from bytes; from zeros once these are used up."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def bytes(self, n: int) -> bytes:
        taken, self.data = self.data[:n], self.data[n:]
        return taken.ljust(n, b"\0")

    def rest(self) -> Any:
        return self.bytes(len(self.data))

    def below(self, n: int) -> int:
        return self.bytes(1)[0] % n

    def of(self, options: Sequence[Any]) -> Any:
        return options[self.below(len(options))]

    def signed(self, size: int = 1) -> int:
        return int.from_bytes(self.bytes(size), "little", signed=True)


def outcome(work: Callable[..., Any], *arguments: Any) -> Any:
    """What the call returns, or the type of the error and, of UTF-8, the place."""
    try:
        return exactly(work(*arguments))
    except UnicodeDecodeError as error:
        return UnicodeDecodeError, error.args
    except Exception as error:
        return type(error)


# --- InternPool -------------------------------------------------------------


@target
def utf8(data: bytes) -> None:
    """intern_utf8() gives what decode() does, when new and when resident."""
    choices = Choices(data)
    errors = choices.of(["strict", "replace", "ignore", "surrogatepass", "no such"])
    start, stop = choices.signed(), choices.signed()
    text = choices.rest()
    pool = InternPool(4, max_length=40)
    for i, j in (None, None), (start, stop), (start, None):
        expected = outcome(text[i:j].decode, "utf-8", errors)
        for _ in "new", "resident":
            found = outcome(pool.intern_utf8, text, i, j, errors)
            assert found == expected, (found, expected)
    pool._debug_validate()


@target
def split(data: bytes) -> None:
    """split() and split_lines() give what those of str do, of str and of UTF-8."""
    choices = Choices(data)
    maxsplit = choices.of([-1, 0, 1, 2, 3, -2])
    keepends = choices.below(2) == 1
    length = choices.below(4)
    sep = choices.bytes(length).decode("utf-8", "surrogateescape") if length else None
    raw = choices.rest()
    text = raw.decode("utf-8", "surrogateescape")
    pool = InternPool(8, max_length=20)
    assert pool.split(text, sep, maxsplit) == text.split(sep, maxsplit)
    assert pool.split_lines(text, keepends) == text.splitlines(keepends)
    if outcome(raw.decode) == exactly(text):
        assert pool.split(raw, sep, maxsplit) == text.split(sep, maxsplit)
        assert pool.split_lines(raw, keepends) == text.splitlines(keepends)
    else:
        for work in pool.split, pool.split_lines:
            assert outcome(work, raw)[0] is UnicodeDecodeError
    pool._debug_validate()


@target
def json_loads(data: bytes) -> None:
    """json_loads() gives, or raises, what that of the json module does."""
    pool = InternPool(16)
    for document in data, bytearray(data), data.decode("utf-8", "surrogateescape"):
        expected = outcome(json.loads, document)
        for _ in "new", "resident":
            found = outcome(pool.json_loads, document)
            assert found == expected, (found, expected)
    pool._debug_validate()


# --- exact sums --------------------------------------------------------------


@target
def exactsum_state(data: bytes) -> None:
    """A state is loaded as what it says, or refused and nothing changed."""
    if data[:1] == b"+":  # the rest with a checksum that is right
        data = data[1:] + fnv1a(data[1:]).to_bytes(8, "little")
    total = ExactSum([0.1, 0.2])
    before = total.__reduce__()
    try:
        total.__setstate__(data)
    except ValueError:
        assert total.__reduce__() == before
        return
    units, count, flags = decode_state(data)
    assert total.__reduce__()[1][0] == encode_state(units, count, flags) == data
    assert total.count == count
    assert flags or same(total.value, round_units(units))


@target
def floats(data: bytes) -> None:
    """fsum() of any doubles is the exact sum, whatever kernels there are."""
    values = np.frombuffer(data[: len(data) // 8 * 8])
    expected = any_sum(values.tolist())
    for isa in memopt._memopt._isas():
        previous = memopt._memopt._set_isa(isa)
        try:
            assert same(fsum(values), expected), isa
        finally:
            memopt._memopt._set_isa(previous)


# --- FloatMatrix --------------------------------------------------------------


def check_matrix(source: Any, array: Any) -> None:
    """FloatMatrix(source) holds what the array does, and sums it exactly."""
    if array.ndim != 2:  # a TypeError as for a number, if it has no dimension
        assert outcome(FloatMatrix, source) in (TypeError, ValueError)
        return
    matrix = FloatMatrix(source)
    rows = np.asarray(array, float).tolist()
    assert matrix.shape == array.shape
    assert exactly(matrix.tolist()) == exactly(rows)
    flat = [x for row in rows for x in row]
    assert same(matrix.sum(), any_sum(flat))


def any_dtype(choices: Choices) -> Any:
    order, kind = choices.of("<>=|"), choices.of("fiubcSUVMmO?")
    try:
        return np.dtype(f"{order}{kind}{choices.of(['', *'1248', '16', '3'])}")
    except TypeError:
        return np.dtype(float)


def any_array(choices: Choices, dtype: Any) -> Any:
    """An array of any layout over all that is left of the bytes; or None."""
    shape = [choices.below(5) for _ in range(choices.below(4))]
    steps = [choices.signed() for _ in shape]
    offset = choices.below(64)
    memory = choices.rest()
    try:
        return np.ndarray(shape, dtype, memory, offset, steps if any(steps) else None)
    except (TypeError, ValueError):
        return None


@target
def buffer(data: bytes) -> None:
    """Arrays of any type and layout become equal matrices, or a TypeError."""
    choices = Choices(data)
    array = any_array(choices, any_dtype(choices))
    if array is None:
        return
    if array.dtype.kind not in "fiub?" or array.dtype.itemsize > 8:
        assert outcome(FloatMatrix, array) is TypeError, array.dtype
    else:
        check_matrix(array, array)


class Interface:
    def __init__(self, interface: Any) -> None:
        self.__array_interface__ = interface


@target
def array_interface(data: bytes) -> None:
    """What memopt takes for an array is what NumPy takes for one."""
    choices = Choices(data)
    interface: dict[str, Any] = {"version": 3}
    interface["typestr"] = choices.bytes(3).decode("latin-1")
    odd = [0, 1, 2, 3, 2**31, 2**62, 2**63, -1, None, 1.5, "x", True]
    sizes = [choices.of(odd) for _ in range(choices.below(4))]
    interface["shape"] = choices.of([tuple, list])(sizes)
    for key in "strides", "offset", "mask", "descr":
        if choices.below(4) == 1:
            interface[key] = choices.of(["x", (), (8,), (8, 8), (-8, 2**62), 0, None])
    if interface.get("offset", 0) is None:
        del interface["offset"]  # which NumPy does not take for none, as of the others
    if choices.below(4) != 1:
        interface["data"] = choices.of([bytes, bytearray, memoryview])(choices.rest())
    source = Interface(interface)
    before = dict(interface)
    try:
        FloatMatrix(source)
    except (TypeError, ValueError, OverflowError, BufferError):
        return
    finally:
        assert interface == before
    array = np.asarray(source)
    if max(array.shape, default=0) < 10_000:  # 2**31 rows of nothing are possible
        check_matrix(source, array)


@target
def npy(data: bytes) -> None:
    """What NumPy reads from a .npy file, of any header, is summed exactly."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.lib.format.read_array(
                io.BytesIO(b"\x93NUMPY" + data), max_header_size=500
            )
    except Exception:  # whatever NumPy says of damaged files
        return
    if array.dtype.kind in "fiu" and array.dtype.itemsize <= 8 and array.size < 10_000:
        flat = array.astype(float).ravel().tolist()
        # Integers are summed as what they are, and not as floats.
        exact = float(sum(array.ravel().tolist())) if array.dtype.kind != "f" else None
        assert same(fsum(array), any_sum(flat) if exact is None else exact)
        check_matrix(array, array)


# --- native arithmetic --------------------------------------------------------

ARITHMETIC = ["+", "-", "*", "/", "//", "%", "&", "|", "^"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
UNARY = ["-", "+", "~", "abs", "round"]
NUMBERS: list[Any] = [0, 1, -1, 2, 3, 7, 2**31, 2**53, 2**62, -(2**63), 2**63, 10**30]
NUMBERS += [0.0, -0.0, 0.5, 1.5, 1e308, 1e-320, 2.0**53, math.inf, math.nan, True]


def any_number(choices: Choices) -> Any:
    kind = choices.below(4)
    if kind == 0:
        return choices.of(NUMBERS)
    if kind == 1:
        return choices.signed(9) >> choices.below(70)
    return float(np.frombuffer(choices.bytes(8))[0]) if kind == 2 else choices.signed()


def any_expression(choices: Choices, depth: int) -> str:
    kind = choices.below(6) if depth else choices.below(2)
    if kind == 0:
        return "x"
    if kind == 1:
        constant = any_number(choices)
        return f"({constant!r})" if math.isfinite(constant) else "2.5"
    operand = any_expression(choices, depth - 1)
    if kind == 2:
        return f"{choices.of(UNARY)}({operand})"
    if kind == 3:  # small on the right, or the numbers are large
        return f"(({operand}) {choices.of(['**', '<<', '>>'])} {choices.below(9)})"
    other = any_expression(choices, depth - 1)
    # Of constants, they would be bools when it is written with X.
    symbols = ARITHMETIC + COMPARISONS * ("x" in operand + other)
    return f"(({operand}) {choices.of(symbols)} {other})"


@target
def arithmetic(data: bytes) -> None:
    """A lambda, and the same written with X, give what the calls one by one do."""
    choices = Choices(data)
    text = any_expression(choices, 4)
    numbers = [any_number(choices) for _ in range(choices.below(12))]
    with warnings.catch_warnings():  # of "1 is 2"-like code, at compile time
        warnings.simplefilter("ignore")
        function = eval(f"lambda x: {text}")
        expression = outcome(eval, text, {"x": memopt.X}) if "True" not in text else 0
    expected = one_by_one(function, numbers)
    functions = [function]  # what has no x, or a bool in it, is no expression
    if isinstance(expression, tuple) and expression[0] is memopt.Expression:
        functions.append(eval(text, {"x": memopt.X}))
    with any_length_is_native():
        for f in functions:
            lazy = LazyMap(f, numbers)
            found = past_errors(iter(lazy), len(numbers))
            assert found == expected, (text, numbers, found, expected)
            assert [outcome(lazy.__getitem__, i) for i in range(len(numbers))] == [
                outcome(function, number) for number in numbers
            ]


@target
def tape(data: bytes) -> None:
    """A pickled expression of any contents is refused, or can be called."""
    choices = Choices(data)
    # Powers of powers would take for ever, and are in arithmetic().
    words = [w for w in memopt.expressions._OPERANDS if w not in ("**", "<<")]
    words += ["i0", "x9", "", None, 1, 2.5, b"x", 10**30]
    contents = tuple(choices.of(words) for _ in range(choices.below(12)))
    restore = memopt.X.__reduce__()[0]
    try:
        expression = restore(contents)
    except (TypeError, ValueError):
        return
    sources = list(itertools.repeat([3, 2.5, 0, -1, 2**70], expression._inputs))
    expected = one_by_one(expression, *sources)
    with any_length_is_native():
        assert past_errors(iter(LazyMap(expression, *sources)), 5) == expected
