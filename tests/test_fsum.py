"""memopt.fsum: the correctly rounded sum of numbers in Python objects."""

import collections
import contextlib
import doctest
import gc
import inspect
import itertools
import math
import operator
import random
import re
import sys
import tracemalloc
import types
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import pytest
from floats import (
    DBL_MAX,
    TINY,
    any_float,
    cancelling_floats,
    finite_float,
    float_lists,
    identical,
    same,
)
from hypothesis import example, given
from hypothesis import strategies as st
from reference import exact_sum, round_fraction
from support import fail_each_allocation

from memopt import ExactSum, fsum

INF, NAN = math.inf, math.nan


# The value ------------------------------------------------------------------


@given(float_lists)
def test_is_the_exact_sum_rounded_once(values: list[float]) -> None:
    assert identical(fsum(values), exact_sum(values))


@given(st.lists(finite_float, max_size=60))
def test_of_any_finite_bit_patterns(values: list[float]) -> None:
    assert identical(fsum(values), exact_sum(values))


@given(st.lists(any_float | st.sampled_from([INF, -INF, NAN]), max_size=20))
def test_of_any_bit_patterns(values: list[float]) -> None:
    # Of NaN and infinities, plain addition gives the right answer.
    if all(map(math.isfinite, values)):
        expected = exact_sum(values)
    else:
        expected = sum(x for x in values if not math.isfinite(x))
    assert same(fsum(values), expected)


@given(cancelling_floats(), st.randoms(use_true_random=False))
def test_order_never_matters(values: list[float], rng: random.Random) -> None:
    shuffled = values[:]
    rng.shuffle(shuffled)
    assert identical(fsum(values), fsum(shuffled))


@pytest.mark.parametrize("size", [*range(9), 255, 256, 257, 511, 512, 513, 5000])
def test_lengths_around_the_blocks(size: int) -> None:
    rng = random.Random(size)
    values = [rng.lognormvariate(0, 30) * rng.choice((-1, 1)) for _ in range(size)]
    expected = exact_sum(values)
    for shape in (values, tuple(values), iter(values), dict.fromkeys(values)):
        assert identical(fsum(shape), expected)


# The vectors of CPython's own test of math.fsum: Lib/test/test_math.py,
# testFsum, by Mark Dickinson and others (PSF licence).
CPYTHON_VECTORS = [
    ([], 0.0),
    ([0.0], 0.0),
    ([1e100, 1.0, -1e100, 1e-100, 1e50, -1.0, -1e50], 1e-100),
    ([2.0**53, -0.5, -(2.0**-54)], 2.0**53 - 1.0),
    ([2.0**53, 1.0, 2.0**-100], 2.0**53 + 2.0),
    ([2.0**53 + 10.0, 1.0, 2.0**-100], 2.0**53 + 12.0),
    ([2.0**53 - 4.0, 0.5, 2.0**-54], 2.0**53 - 3.0),
    ([1.0 / n for n in range(1, 1001)], float.fromhex("0x1.df11f45f4e61ap+2")),
    (
        [(-1.0) ** n / n for n in range(1, 1001)],
        float.fromhex("-0x1.62a2af1bd3624p-1"),
    ),
    ([1e16, 1.0, 1e-16], 10000000000000002.0),
    ([1e16 - 2.0, 1.0 - 2.0**-53, -(1e16 - 2.0), -(1.0 - 2.0**-53)], 0.0),
    (
        [2.0**n - 2.0 ** (n + 50) + 2.0 ** (n + 52) for n in range(-1074, 972, 2)]
        + [-(2.0**1022)],
        float.fromhex("0x1.5555555555555p+970"),
    ),
    # A telescoping sum with exact differences (Sterbenz).
    (
        [1.7 ** (i + 1) - 1.7**i for i in range(1000)] + [-(1.7**1000)],
        -1.0,
    ),
]


@pytest.mark.parametrize(("values", "expected"), CPYTHON_VECTORS)
def test_cpython_vectors(values: list[float], expected: float) -> None:
    for special in ("propagate", "raise"):
        assert identical(fsum(values, special=special), expected)


def test_cpython_random_cancellations() -> None:
    # After the same test: sums that keep returning to nearly zero.
    rng = random.Random(12345)
    for _ in range(100):
        values = [7, 1e100, -7, -1e100, -9e-20, 8e-20] * 10
        running = 0.0
        for _ in range(200):
            x = rng.gauss(0, rng.random()) ** 7 - running
            running += x
            values.append(x)
        rng.shuffle(values)
        assert identical(fsum(values), exact_sum(values))
        assert identical(fsum(values), math.fsum(values))


@pytest.mark.parametrize(
    "values",
    [
        [1e308, 1e308, -1e308],
        [DBL_MAX] * 1000 + [-DBL_MAX] * 999,
        [-DBL_MAX, -DBL_MAX, 1.0, DBL_MAX],
        [2.0**1023, 2.0**1023, -(2.0**970), -(2.0**1023)],
    ],
)
def test_sums_on_the_way_cannot_overflow(values: list[float]) -> None:
    assert math.isfinite(exact_sum(values))
    for special in ("propagate", "raise"):
        assert identical(fsum(values, special=special), exact_sum(values))


def test_zeros_and_empty_sums_are_plus_zero() -> None:
    values: list[Any]
    for values in ([], [-0.0], [-0.0, -0.0], [1.0, -1.0], [-TINY, TINY], [[], ()]):
        assert identical(fsum(values), 0.0)


# Special values -------------------------------------------------------------

SPECIALS: list[tuple[list[float], float, Any]] = [
    ([NAN, 1.0], NAN, NAN),
    ([INF, 1e308, 1e308], INF, INF),
    ([-INF, 1e308], -INF, -INF),
    ([INF, NAN], NAN, NAN),
    ([INF, -INF], NAN, ValueError("-inf + inf in fsum")),
    # As in math.fsum, a NaN does not hide two infinities.
    ([NAN, INF, -INF], NAN, ValueError("-inf + inf in fsum")),
    ([1e308, 1e308], INF, OverflowError("intermediate overflow in fsum")),
    ([-DBL_MAX, -(2.0**970)], -INF, OverflowError("intermediate overflow in fsum")),
]


@pytest.mark.parametrize(("values", "propagated", "raised"), SPECIALS)
def test_special_values(values: list[float], propagated: float, raised: Any) -> None:
    assert same(fsum(values), propagated)
    assert same(fsum(values, special="propagate"), propagated)
    if isinstance(raised, Exception):
        with pytest.raises(type(raised), match=rf"^{re.escape(str(raised))}$"):
            fsum(values, special="raise")
        with pytest.raises(type(raised), match=rf"^{re.escape(str(raised))}$"):
            math.fsum(values)
    else:
        assert same(fsum(values, special="raise"), raised)


@pytest.mark.parametrize(
    "special", ["", "Raise", "raise\0", "ignore", None, 1, b"raise"]
)
def test_special_must_be_known(special: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^special must be 'propagate' or 'raise', not .+$"
    ) as caught:
        fsum([1.0], special=special)
    assert repr(special) in str(caught.value)


# Arguments ------------------------------------------------------------------


def test_wrong_arguments() -> None:
    call: Callable[..., float] = fsum
    with pytest.raises(TypeError, match=r"exactly 1 positional argument \(0 given\)"):
        call()
    with pytest.raises(TypeError, match=r"exactly 1 positional argument \(2 given\)"):
        call([], [])
    with pytest.raises(TypeError, match="exactly 1 positional argument"):
        call(obj=[])
    with pytest.raises(TypeError, match="unexpected keyword argument 'start'"):
        call([], start=1)
    with pytest.raises(TypeError, match="'float' object is not iterable"):
        call(1.0)
    with pytest.raises(TypeError, match="'int' object is not iterable"):
        call(1)
    with pytest.raises(TypeError, match="'NoneType' object is not iterable"):
        call(None)
    with pytest.raises(TypeError, match="cannot sum a str"):
        call("1 2 3")


def test_signature_and_documentation() -> None:
    assert str(inspect.signature(fsum)) == (
        "(obj, /, *, special='propagate', threads=None, progress=None)"
    )
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    import memopt

    names = {"memopt": memopt}
    examples = [fsum, ExactSum, ExactSum.add, ExactSum.update, ExactSum.merge]
    for thing in examples:
        text = thing.__doc__ or ""
        assert ">>>" in text
        runner.run(parser.get_doctest(text, names, str(thing), None, 0))
    assert runner.failures == 0


# Shapes ---------------------------------------------------------------------


class Row(list[float]):
    """A list subclass that reads as something else."""

    def __iter__(self) -> Iterator[float]:
        return iter([1.0, 2.0])


class OldSequence:
    """A sequence by __getitem__ alone."""

    def __getitem__(self, index: int) -> float:
        return [1.0, 2.0, 4.0][index]


@pytest.mark.parametrize(
    "obj",
    [
        [[1.0, 2.0], [4.0]],
        ((1.0, (2.0, (4.0,))),),
        iter([1.0, iter([2.0]), [4.0]]),
        (x for x in (1.0, 2.0, 4.0)),
        {1.0, 2.0, 4.0},
        {1.0: "one", 2.0: "two", 4: "four"},
        {"a": 1.0, "b": 6.0}.values(),
        [range(1, 4), 1.0],
        collections.deque([3, [4.0]]),
        [Row([100.0]), 4.0],
        OldSequence(),
        [OldSequence()],
        map(float, ["1", "2", "4"]),
        b"\x01\x02\x04",
        bytearray(b"\x01\x02\x04"),
        memoryview(b"\x01\x02\x04"),
        [memoryview(b"\x01\x02\x04")],
        ExactSum([1.0, 6.0]),
        [ExactSum([1.0, 2.0]), 4.0],
        itertools.chain([1.0], [[2.0]], [[[4.0]]]),
        [[], [[]], [[[7.0]]], ()],
    ],
    ids=str,
)
def test_any_shape_sums_alike(obj: Any) -> None:
    assert identical(fsum(obj), 7.0)


@given(
    st.recursive(
        float_lists,
        lambda inner: (
            st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
        ),
        max_leaves=8,
    )
)
def test_nesting_never_matters(nested: Any) -> None:
    def flatten(obj: Any) -> Iterator[float]:
        for item in obj:
            if isinstance(item, float):
                yield item
            else:
                yield from flatten(item)

    assert identical(fsum(nested), exact_sum(flatten(nested)))


@given(
    st.integers(1, 24),
    st.sampled_from([0, 1, 3, 63, 64, 65, 200, 1000, 1024, 1025, 1500]),
    st.randoms(use_true_random=True),
    st.lists(st.sampled_from(["int", "big", "tuple", "short", "long", "nested"])),
)
@example(24, 63, random.Random(1), [])  # a block ends within rows, and with them
@example(24, 64, random.Random(1), [])
@example(24, 63, random.Random(1), ["int"])
def test_rows_of_equal_length(
    count: int, length: int, chance: random.Random, odd: list[str]
) -> None:
    """Read several at once, unless something is odd about one of them."""
    rows: list[Any] = [
        [chance.uniform(-1, 1) * 10.0 ** chance.randint(-20, 20) for _ in range(length)]
        for _ in range(count)
    ]
    for change in odd:
        i = chance.randrange(count)
        row = list(rows[i])
        if change == "tuple":
            rows[i] = tuple(row)
        elif change == "short":
            rows[i] = row[:-1]
        elif change == "long":
            rows[i] = [*row, 0.5]
        elif row:
            item = {"int": 7, "big": 10**30, "nested": [0.25]}[change]
            row[chance.randrange(len(row))] = item
            rows[i] = row
    flat = [x for row in rows for y in row for x in (y if type(y) is list else [y])]
    assert identical(fsum(rows), exact_sum(flat))


def test_partial_sums_are_merged_exactly() -> None:
    parts: list[Any] = [ExactSum([1e100, 1.0]), ExactSum([-1e100]), 1e-30]
    assert identical(fsum(parts), exact_sum([1e100, 1.0, -1e100, 1e-30]))


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x,), lambda x: iter([x])])
def test_too_deep_nesting(wrap: Callable[[Any], Any]) -> None:
    nested: Any = [1.0]
    # From CPython 3.14 on the C stack is the limit, which lasts for 100,000 iterators.
    for _ in range(500_000):
        nested = wrap(nested)
    with pytest.raises(RecursionError, match="while summing nested numbers"):
        fsum(nested)
    while isinstance(nested, list | tuple):  # iterators are used up already
        (nested,) = nested if isinstance(nested[0], list | tuple) else (None,)


def test_moderate_nesting() -> None:
    nested: Any = [1.0]
    for _ in range(100):
        nested = [nested, (1.0,)]
    assert fsum(nested) == 101.0


def test_endless_nesting() -> None:
    cycle: list[Any] = [1.0]
    cycle.append(cycle)
    with pytest.raises(RecursionError):
        fsum(cycle)
    cycle.clear()

    class Ouroboros:
        def __iter__(self) -> "Iterator[Ouroboros]":
            return iter([self])

    with pytest.raises(RecursionError):
        fsum(Ouroboros())


def test_memory_is_constant() -> None:
    tracemalloc.start()
    try:
        fsum(float(i) for i in range(10))
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for n in (50_000, 100_000):
            assert fsum(float(i) for i in range(n)) == n * (n - 1) / 2
            # One block of 4096 floats, and the generator.
            assert tracemalloc.get_traced_memory()[1] - before < 35_000
    finally:
        tracemalloc.stop()


# Items ----------------------------------------------------------------------


class FloatLike:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __float__(self) -> float:
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value  # type: ignore[no-any-return]


class IndexLike:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class SubFloat(float):
    def __float__(self) -> float:
        raise AssertionError("its value is what counts")


class SubInt(int):
    def __float__(self) -> float:
        raise AssertionError("its value is what counts")

    __index__ = __int__ = __sub__ = __rsub__ = __float__  # type: ignore[assignment]


@given(st.lists(st.integers(-(2**1023), 2**1023) | st.integers(-(2**70), 2**70)))
def test_ints_of_any_size_are_exact(values: list[int]) -> None:
    expected = round_fraction(Fraction(sum(values)))
    assert identical(fsum(values), expected)
    assert identical(fsum(map(SubInt, values)), expected)
    assert identical(fsum(map(IndexLike, values)), expected)


@pytest.mark.parametrize("bits", [1, 31, 52, 53, 54, 62, 63, 64, 65, 100, 1023])
def test_ints_around_their_sizes(bits: int) -> None:
    for near in (-1, 0, 1):
        for sign in (1, -1):
            value = sign * (2**bits + near)
            rest = fsum([value, -sign * 2.0**bits])
            assert identical(rest, float(sign * near))


GREATEST_INT = 2**1024 - 2**970 - 1  # the last that float() takes


def test_ints_too_large_for_a_float() -> None:
    assert fsum([GREATEST_INT]) == DBL_MAX
    assert fsum([GREATEST_INT, -GREATEST_INT, 1]) == 1.0
    for value in (GREATEST_INT + 1, -GREATEST_INT - 1, 10**400):
        for item in (value, SubInt(value), IndexLike(value)):
            with pytest.raises(
                OverflowError, match=r"^int too large to convert to float\n"
            ):
                fsum([1.0, item])


@pytest.mark.parametrize(
    "item",
    [
        2.5,
        SubFloat(2.5),
        FloatLike(2.5),
        Decimal("2.5"),
        Fraction(5, 2),
        [1, 1.5],
    ],
)
def test_items_that_are_numbers(item: Any) -> None:
    assert identical(fsum([item, 0.5]), 3.0)
    assert identical(fsum((item, 0.5)), 3.0)
    assert identical(fsum(iter([item, 0.5])), 3.0)


def test_bool_and_subclassed_ints() -> None:
    assert fsum([True, False, SubInt(3), SubInt(2**80), -(2**80)]) == 4.0


@pytest.mark.parametrize(
    "item", ["1.0", "", b"1", bytearray(b"1"), 1j, None, object(), ..., int]
)
def test_items_that_are_not_numbers(item: Any) -> None:
    name = type(item).__name__
    for obj in ([item], (1.0, item), iter([item]), [[item]]):
        with pytest.raises(TypeError, match=f"^must be real number, not {name}"):
            fsum(obj)


def notes_of(obj: Any) -> list[str]:
    with pytest.raises((TypeError, OverflowError)) as caught:
        fsum(obj)
    return getattr(caught.value, "__notes__", [])


def test_errors_name_the_position() -> None:
    assert notes_of([1.0, 2.0, "3"]) == ["while summing item [2]"]
    rows = [[1.0] * 300 for _ in range(5)]
    assert notes_of([*rows, (1.0, [None])]) == ["while summing item [5][1][0]"]
    assert notes_of(iter([1.0, iter([2, 10**400])])) == ["while summing item [1][1]"]
    assert notes_of([memoryview(b"").cast("c")]) == ["while summing item [0]"]
    assert notes_of(memoryview(b"").cast("c")) == []
    deep: Any = "x"
    for _ in range(9):
        deep = [0, deep]
    assert notes_of(deep) == [f"while summing item {'[1]' * 8}..."]


def test_nan_and_infinity_from_conversions() -> None:
    assert math.isnan(fsum([Decimal("nan"), 1]))
    assert fsum([Decimal("Infinity"), 1]) == INF
    with pytest.raises(ValueError, match="signaling NaN"):
        fsum([Decimal("sNaN")])


def test_number_without_dimensions_that_has_iter() -> None:
    class Scalar:  # like a torch.Tensor or xarray.DataArray of no dimensions
        def __iter__(self) -> Iterator[float]:
            raise TypeError("iteration over a 0-d array")

        def __float__(self) -> float:
            return 2.5

    assert fsum([Scalar(), 1.0]) == 3.5
    assert ExactSum(Scalar()).value == 2.5
    with pytest.raises(TypeError, match="0-d array"):
        fsum(Scalar())

    class Indexed:  # items by __getitem__ alone do not make it a collection
        def __getitem__(self, index: int) -> float:
            raise AssertionError("not a collection")

        def __float__(self) -> float:
            return 2.5

    assert fsum([Indexed(), 1.0]) == 3.5

    class Broken(Scalar):
        def __float__(self) -> float:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fsum([Broken()])

    class Closed(Scalar):
        def __iter__(self) -> Iterator[float]:
            raise BoomError

    with pytest.raises(BoomError):
        fsum([Closed()])


# Python code that runs during a sum -----------------------------------------


class BoomError(Exception):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: [1.0, FloatLike(BoomError()), 2.0],
        lambda: iter([1.0, FloatLike(BoomError())]),
        lambda: (1 / x for x in (1.0, 0.0)),
        lambda: [[1.0], (math.log(x) for x in [0.0])],
        lambda: [Decimal("sNaN")],
    ],
)
def test_an_exception_passes_unchanged(make: Callable[[], Any]) -> None:
    kinds = (BoomError, ZeroDivisionError, ValueError, InvalidOperation)
    with pytest.raises(kinds) as caught:
        fsum(make())
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize(
    ("convert", "wrong"), [(float, FloatLike("1")), (operator.index, IndexLike(1.5))]
)
def test_wrong_float_methods(convert: Callable[[Any], Any], wrong: Any) -> None:
    with pytest.raises(TypeError) as own:  # in words that differ by version
        convert(wrong)
    with pytest.raises(TypeError, match=re.escape(str(own.value))):
        fsum([wrong])


@pytest.mark.parametrize("change", ["clear", "pop", "append", "insert", "del"])
@pytest.mark.parametrize("at", [0, 3, 6])
def test_list_changed_by_its_items(change: str, at: int) -> None:
    class Meddler:
        target: list[Any]

        def __float__(self) -> float:
            if change == "clear":
                self.target.clear()
            elif change == "pop":
                self.target.pop()
            elif change == "append" and len(self.target) < 1000:
                self.target.extend([8.0, 16.0] * 400)
            elif change == "insert" and len(self.target) < 20:
                self.target.insert(0, 32.0)
            elif change == "del":
                del self.target[:2]
            return 1.0

    def meddling_list() -> list[Any]:
        meddler = Meddler()
        meddler.target = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
        meddler.target.insert(at, meddler)
        return meddler.target

    # A list iterator sees the same changes.
    assert fsum(meddling_list()) == math.fsum(meddling_list())


def test_item_dropped_while_it_is_read() -> None:
    class Fickle:
        def __float__(self) -> float:
            items.clear()  # now only fsum holds self
            return float(len(vars(self)["payload"]))

        def __init__(self) -> None:
            self.payload = "payload"

    items: list[Any] = [Fickle(), 1.0]
    assert fsum(items) == 7.0


def test_nested_list_dropped_while_it_is_read() -> None:
    class Dropper:
        def __float__(self) -> float:
            outer.clear()  # now only fsum holds the list that self is in
            gc.collect()
            self.reuse = [[7.0] * 500 for _ in range(50)]
            return 1.0

    outer: list[Any] = [[Dropper(), *[2.0] * 499], 4.0]
    assert fsum(outer) == 999.0
    outer.append((Dropper(), *[2.0] * 499))
    assert fsum(iter(outer)) == 999.0


def test_finalizer_that_changes_the_list() -> None:
    class Finalizer:
        """Runs when fsum lets go of the item, the last to hold it."""

        def __init__(self, target: list[Any]) -> None:
            self.target = target

        def __float__(self) -> float:
            self.target[0] = 100.0
            return 1.0

        def __del__(self) -> None:
            self.target[:] = [100.0, 2.0, 4.0]

    items: list[Any] = []
    items.extend([Finalizer(items), 8.0])
    assert fsum(items) == 7.0
    items[:] = [Finalizer(items), 8.0]
    assert fsum(iter(items)) == 7.0


def test_sum_within_a_sum() -> None:
    class Nested:
        def __float__(self) -> float:
            return fsum([1e100, 1.0, -1e100])

    assert fsum([Nested(), Nested(), 0.5]) == 2.5


def test_generator_closed_after_an_error() -> None:
    closed = []

    def numbers() -> Iterator[Any]:
        try:
            yield 1.0
            yield "two"
        finally:
            closed.append(True)

    with pytest.raises(TypeError):
        fsum(numbers())
    assert closed == [True]


def test_references_are_given_back() -> None:
    class Number:
        def __float__(self) -> float:
            return 1.0

    item, text = Number(), "text" * 3
    obj: Any
    for obj in ([item] * 3, (item,) * 3, [[item], [item, text]]):
        before = sys.getrefcount(item), sys.getrefcount(text)
        for _ in range(10):
            for shape in (obj, iter(obj)):
                with contextlib.suppress(TypeError):
                    fsum(shape)
                del shape
        assert (sys.getrefcount(item), sys.getrefcount(text)) == before


def test_allocation_failures() -> None:
    big = 2**200 + 2**100 + 1

    def prepare() -> list[Any]:
        inner = iter([3.0, IndexLike(big), -big])
        return [[1.0, 2, big, -big], inner, memoryview(b"\1\2"), ExactSum(2)]

    results = []

    def act(obj: list[Any]) -> None:
        results.append(fsum(obj))

    assert fail_each_allocation(prepare, act) > 3
    assert set(results) == {11.0}


def test_allocation_failures_while_reporting_errors() -> None:
    seen = set()

    def act(obj: list[Any]) -> None:
        try:
            fsum(obj)
        except TypeError as error:
            seen.add(str(error))
        else:
            raise AssertionError("an error was lost")

    fail_each_allocation(lambda: [[1.0], [2.0, None]], act)
    # The first releases of CPython 3.11 raise exceptions without their message
    # when there is no memory for it.
    assert seen - {""} == {"must be real number, not NoneType"}


def test_is_a_builtin_function() -> None:
    assert isinstance(fsum, types.BuiltinFunctionType)
