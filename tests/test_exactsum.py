"""memopt.ExactSum: an exact sum that grows, merges, subtracts and compares."""

import copy
import gc
import inspect
import itertools
import math
import operator
import random
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from floats import DBL_MAX, float_lists, identical, same
from hypothesis import given
from hypothesis import strategies as st
from reference import encode_state, exact_sum, round_fraction
from support import fail_each_allocation

import memopt
from memopt import ExactSum, fsum

INF, NAN = math.inf, math.nan
GREATEST_COUNT = 2**63 - 1


def state_of(total: ExactSum) -> Any:
    return total.__reduce__()[1][0]


def with_count(count: int, units: int = 0) -> ExactSum:
    total = ExactSum()
    total.__setstate__(encode_state(units, count))
    return total


# Making and growing ----------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "value", "count"),
    [
        ((), 0.0, 0),
        (([],), 0.0, 0),
        ((1.5,), 1.5, 1),
        ((-3,), -3.0, 1),
        ((True,), 1.0, 1),
        ((Decimal("2.5"),), 2.5, 1),
        (([1.5, [2, (3.0,)]],), 6.5, 3),
        ((iter([1.5, 2.5]),), 4.0, 2),
        ((b"\1\2",), 3.0, 2),
        ((bytearray(b"\1\2"),), 3.0, 2),
        ((ExactSum([1.5, 2.5]),), 4.0, 2),
        (([ExactSum([1.5, 2.5]), 1],), 5.0, 3),
    ],
    ids=str,
)
def test_construction(arguments: Any, value: float, count: int) -> None:
    total = ExactSum(*arguments)
    assert identical(total.value, value)
    assert total.count == count


def test_wrong_construction() -> None:
    make: Any = ExactSum
    with pytest.raises(TypeError, match="must be real number, not str"):
        make("1")
    with pytest.raises(TypeError, match="must be real number, not bytes"):
        make([b"1"])
    with pytest.raises(TypeError, match="must be real number, not complex"):
        make(1j)
    with pytest.raises(TypeError, match="at most 1 argument, got 2"):
        make(1.0, 2.0)
    with pytest.raises(TypeError, match="takes no keyword arguments"):
        make(terms=[1.0])


@given(float_lists)
def test_add_and_update_agree_with_fsum(values: list[float]) -> None:
    one_by_one = ExactSum()
    for x in values:
        one_by_one.add(x)
    at_once = ExactSum()
    at_once.update(values)
    assert one_by_one == at_once == ExactSum(values)
    assert identical(one_by_one.value, fsum(values))
    assert identical(float(at_once), fsum(values))
    assert one_by_one.count == len(values)


def test_add_takes_any_one_number() -> None:
    class Index:
        def __index__(self) -> int:
            return 2**53 + 1

    total = ExactSum()
    terms: list[Any] = [0.1, 2**70 + 1, True, Fraction(1, 4), Decimal("0.5"), Index()]
    for x in [*terms, ExactSum([-(2.0**70), 3.0])]:
        total.add(x)
    exact = Fraction(0.1) + 1 + 1 + Fraction(3, 4) + 2**53 + 1 + 3
    assert identical(total.value, round_fraction(exact))
    assert total.count == 8


@pytest.mark.parametrize(
    "x", ["1", b"1", [1.0], (1.0,), {1.0}, None, 1j, iter([1.0]), memoryview(b"1")]
)
def test_add_takes_nothing_else(x: Any) -> None:
    total = ExactSum([0.5])
    with pytest.raises(TypeError, match=f"must be real number, not {type(x).__name__}"):
        total.add(x)
    assert total == ExactSum([0.5])


def test_update_takes_no_number() -> None:
    update: Any = ExactSum().update
    with pytest.raises(TypeError, match="'float' object is not iterable"):
        update(1.0)


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ([1.0] * 1000 + ["x"], TypeError),
        ([1.0, INF, NAN, 10**400], OverflowError),
        (map(lambda x: 1 / x, [1.0, 0.0]), ZeroDivisionError),  # noqa: C417
        ([[1.0, 2.0], [memoryview(b"a").cast("c")]], TypeError),
        ([2**80, [[[None]]]], TypeError),
    ],
)
def test_update_is_all_or_nothing(terms: Any, error: type[Exception]) -> None:
    total = ExactSum([0.1, 0.2])
    before = state_of(total)
    with pytest.raises(error):
        total.update(terms)
    assert state_of(total) == before


def test_count_is_64_bits_wide() -> None:
    message = "the number of terms does not fit in 64 bits"
    total = with_count(GREATEST_COUNT, 7)
    unchanged = state_of(total)
    one = ExactSum([1.0])
    for grow in (
        lambda: total.add(1.0),
        lambda: total.add(1),
        lambda: total.update([1.0]),
        lambda: total.merge(one),
        lambda: total + one,
        lambda: total.__iadd__(one),
        lambda: ExactSum([total, 1.0]),
        lambda: ExactSum([1.0, total]),
        lambda: fsum([total, 1.0]),
        lambda: total - with_count(-1),
        lambda: total - with_count(-(2**63)),
        lambda: with_count(-(2**63)) - one,
        lambda: with_count(-2) - with_count(GREATEST_COUNT),
    ):
        with pytest.raises(OverflowError, match=message):
            grow()
        assert state_of(total) == unchanged
    total.update([])
    assert (total - one).count == GREATEST_COUNT - 1
    assert (total - total).count == 0
    assert (with_count(-(2**63)) - with_count(-(2**63))).count == 0
    assert (with_count(-1) - with_count(GREATEST_COUNT)).count == -(2**63)


@pytest.mark.parametrize("end", [GREATEST_COUNT, -GREATEST_COUNT - 1])
def test_count_reaches_its_ends(end: int) -> None:
    step = 1 if end > 0 else -1
    before = with_count(end - step)
    assert (before + with_count(step)).count == end
    assert (before - with_count(-step)).count == end
    assert (with_count(0) + with_count(end)).count == end
    assert (with_count(end) - with_count(0)).count == end
    if end > 0:
        before.add(1.0)
        assert before.count == end


# Merging and subtracting -----------------------------------------------------


@given(float_lists, st.data())
def test_merging_in_any_order_gives_the_same_bits(
    values: list[float], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(values))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=6)))
    edges = [0, *cuts, len(values)]
    parts = [ExactSum(order[a:b]) for a, b in itertools.pairwise(edges)]
    while len(parts) > 1:  # in any grouping
        i = data.draw(st.integers(0, len(parts) - 2))
        parts[i].merge(parts.pop(i + 1))
    assert state_of(parts[0]) == state_of(ExactSum(values))


@given(float_lists, float_lists)
def test_operators(a: list[float], b: list[float]) -> None:
    left, right = ExactSum(a), ExactSum(b)
    assert state_of(left + right) == state_of(ExactSum(a + b))
    difference = left - right
    assert identical(difference.value, exact_sum([*a, *(-x for x in b)]))
    assert difference.count == len(a) - len(b)
    assert state_of(difference + right) == state_of(left)
    same_object = left
    left += right
    assert left is same_object
    assert state_of(left) == state_of(ExactSum(a + b))
    left -= right
    assert left is same_object
    assert left == ExactSum(a)
    assert right == ExactSum(b)


def test_operations_with_itself() -> None:
    total = ExactSum([0.1, DBL_MAX])
    total.merge(total)
    assert total == ExactSum([0.1, DBL_MAX] * 2)
    total += total
    assert total == ExactSum([0.1, DBL_MAX] * 4)
    total.update([total])
    assert total == ExactSum([0.1, DBL_MAX] * 8)
    total.add(total)
    assert total == total + ExactSum()
    total -= total
    assert total == ExactSum()


def test_partial_sums_add_up_with_sum() -> None:
    parts = [ExactSum([1e100]), ExactSum([1.0]), ExactSum([-1e100])]
    assert sum(parts, ExactSum()).value == 1.0
    # 0 + part would have to count 0 as a term or not: it is neither.
    with pytest.raises(TypeError, match="unsupported operand"):
        sum(parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [0, 1.0, [1.0], None, "x"])
def test_operators_take_no_numbers(other: Any) -> None:
    total: Any = ExactSum([1.0])
    for operation in (operator.add, operator.sub, operator.iadd, operator.isub):
        for operands in ((total, other), (other, total)):
            if isinstance(other, list) and operands[0] is other:
                continue  # list.__iadd__ takes any iterable
            with pytest.raises(TypeError):
                operation(*operands)
    with pytest.raises(
        TypeError, match=r"must be ExactSum, not .+; use update\(\) for numbers"
    ):
        total.merge(other)
    assert total == ExactSum([1.0])


# Reading ---------------------------------------------------------------------


@given(float_lists.filter(len))
def test_mean_is_rounded_once(values: list[float]) -> None:
    exact = sum(map(Fraction, values), Fraction(0)) / len(values)
    assert identical(ExactSum(values).mean, round_fraction(exact))


def test_mean_of_no_terms() -> None:
    one = ExactSum([1.0])
    for total in (ExactSum(), one - one, ExactSum() - one, with_count(-(2**63))):
        with pytest.raises(ValueError, match="the mean requires at least one term"):
            _ = total.mean


def test_mean_does_not_overflow() -> None:
    assert ExactSum([DBL_MAX] * 3).mean == DBL_MAX
    assert ExactSum([DBL_MAX] * 3).value == INF
    lopsided = ExactSum([DBL_MAX, DBL_MAX]) - ExactSum([0.0])
    assert (lopsided.mean, lopsided.count) == (INF, 1)


@pytest.mark.parametrize(
    ("terms", "value"),
    [
        ([INF, 1.0], INF),
        ([-INF, 1.0], -INF),
        ([INF, -INF], NAN),
        ([NAN], NAN),
        ([INF, NAN], NAN),
        ([DBL_MAX, DBL_MAX], INF),
        ([-DBL_MAX, -DBL_MAX], -INF),
    ],
)
def test_special_values(terms: list[float], value: float) -> None:
    total = ExactSum(terms)
    assert same(total.value, value)
    assert same(float(total), value)
    merged = ExactSum()
    for x in terms:
        merged += ExactSum([x])
    assert merged == total
    if not math.isfinite(sum(terms[:1])):
        assert same(total.mean, value)


def test_subtracting_does_not_forget_special_values() -> None:
    for x in (INF, -INF, NAN):
        total = ExactSum([1.0, x])
        total -= ExactSum([x])
        assert math.isnan(total.value)
        total -= ExactSum([1.0])
        assert math.isnan(total.value)
        assert total.count == 0
    assert (ExactSum([1.0]) - ExactSum([INF])).value == -INF
    assert (ExactSum([1.0]) - ExactSum([-INF])).value == INF
    total = ExactSum([INF])
    total -= total
    assert math.isnan(total.value)


def test_overflow_is_not_remembered() -> None:
    total = ExactSum([DBL_MAX, DBL_MAX])
    assert total.value == INF
    total.add(-DBL_MAX)
    assert total.value == DBL_MAX


def test_equality() -> None:
    assert ExactSum([0.1, 0.2]) == ExactSum([0.2, 0.1])
    assert ExactSum([2.0**60] * 3000) == ExactSum(
        [2.0**60] * 1500 + [2.0**61] * 750
    ) + (ExactSum([0.0] * 750))
    assert ExactSum([0.1, 0.2]) != ExactSum([0.1, math.nextafter(0.2, 1)])
    assert ExactSum([1.0]) != ExactSum([1.0, 0.0])  # the count differs
    assert ExactSum([NAN]) == ExactSum([-NAN])
    assert ExactSum([NAN]) != ExactSum([INF])
    assert ExactSum([INF]) != ExactSum([-INF])
    assert ExactSum([INF, -INF]) != ExactSum([-INF, -INF])
    assert ExactSum([INF, -INF]) != ExactSum([INF, INF])
    assert ExactSum([INF, NAN]) != ExactSum([INF, 0.0])
    assert ExactSum([1.0]) != 1.0
    assert ExactSum([1.0]).__eq__(1.0) is NotImplemented
    assert not ExactSum([1.0]) == ExactSum([2.0])  # noqa: SIM201
    assert not ExactSum([1.0]) != ExactSum([1.0])  # noqa: SIM202
    assert (ExactSum([0.1, 0.2]) - ExactSum([0.2, 0.1, 0.0])).value == 0.0


def test_neither_ordered_nor_hashable() -> None:
    a: Any = ExactSum()
    with pytest.raises(TypeError, match="'<' not supported"):
        _ = a < ExactSum()
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_attributes_are_read_only() -> None:
    total: Any = ExactSum([1.0])
    for name in ("value", "mean", "count", "other"):
        with pytest.raises(AttributeError):
            setattr(total, name, 1)
    with pytest.raises(TypeError):
        ExactSum.value = 1  # type: ignore[assignment]


def test_repr() -> None:
    assert repr(ExactSum()) == "<memopt.ExactSum value=0.0 count=0>"
    assert repr(ExactSum([0.1, 0.2])) == (
        "<memopt.ExactSum value=0.30000000000000004 count=2>"
    )
    assert repr(ExactSum(NAN) - ExactSum([1, 1])) == (
        "<memopt.ExactSum value=nan count=-1>"
    )


def test_type() -> None:
    assert ExactSum.__module__ == "memopt"
    assert memopt.ExactSum is ExactSum
    assert str(inspect.signature(ExactSum)) == "(terms=(), /)"
    for method, parameters in (
        (ExactSum.add, "(self, x, /)"),
        (ExactSum.update, "(self, obj, /, *, threads=None)"),
        (ExactSum.merge, "(self, other, /)"),
    ):
        assert str(inspect.signature(method)) == parameters
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Sub", (ExactSum,), {})


def test_size_is_that_of_the_struct_whatever_it_holds() -> None:
    small, large = ExactSum(), ExactSum([DBL_MAX, 1e-300] * 5000)
    assert sys.getsizeof(small) == sys.getsizeof(large)
    # 67 chunks of 8 bytes, 8 of headroom and flags, the count, the header.
    assert small.__sizeof__() == 67 * 8 + 8 + 8 + object().__sizeof__()


def test_copies_are_independent() -> None:
    total = ExactSum([0.1, INF])
    for duplicate in (copy.copy(total), copy.deepcopy(total), ExactSum(total)):
        assert duplicate == total
        assert duplicate is not total
        duplicate.add(1.0)
        assert duplicate != total


def test_garbage_collection() -> None:
    total = ExactSum([1.0])
    assert gc.is_tracked(total)
    assert gc.get_referents(total) == [ExactSum]


# Python code that runs during an update --------------------------------------


class Reentrant:
    """A number whose __float__ does something to the sum it is added to."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action

    def __float__(self) -> float:
        self.action()
        return 2.0


def test_float_that_adds_to_the_same_sum() -> None:
    total = ExactSum([1.0])
    total.add(Reentrant(lambda: total.add(10.0)))
    assert total == ExactSum([1.0, 10.0, 2.0])
    total.update([0.5, Reentrant(lambda: total.update([100.0] * 3)), 0.25])
    assert total == ExactSum([1.0, 10.0, 2.0, 0.5, 100.0, 100.0, 100.0, 2.0, 0.25])


def test_float_that_reads_or_resets_the_same_sum() -> None:
    total = ExactSum([1.0])
    seen = []
    total.update([5.0, Reentrant(lambda: seen.append((total.value, total.count)))])
    assert seen == [(1.0, 1)]
    assert total == ExactSum([1.0, 5.0, 2.0])
    total.update([5.0, Reentrant(lambda: total.__isub__(total))])
    assert total == ExactSum([5.0, 2.0])


def test_float_that_fails_after_changing_the_sum() -> None:
    total = ExactSum([1.0])

    def act() -> None:
        total.add(10.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        total.update([5.0, Reentrant(act)])
    # What act() did stays; nothing of the failed update does.
    assert total == ExactSum([1.0, 10.0])


def test_iterator_over_the_sum_it_feeds() -> None:
    total = ExactSum([1.0])

    def numbers() -> Iterator[Any]:
        for _ in range(3):
            yield total
            total.add(1.0)

    total.update(numbers())
    assert total == ExactSum([1.0] * 4 + [1.0, 2.0, 3.0, 0.0, 0.0, 0.0])


def test_allocation_failures() -> None:
    big = 2**200 + 1

    def check(total: ExactSum) -> None:
        assert total in allowed

    start = ExactSum([1.0, 2.0])
    allowed = [start, ExactSum([1.0, 2.0, big, -big, 4.0])]

    def update(total: ExactSum) -> None:
        total.update([iter([big, -big]), 4.0])

    assert fail_each_allocation(lambda: copy.copy(start), update, check) > 0

    changed = with_count(1, 1)
    allowed = [start, changed]
    new_state = state_of(changed)
    for act in (
        lambda total: total + total,
        lambda total: total - total,
        lambda total: ExactSum([4.0, total]),
        lambda total: (total.value, total.mean, total.count),
        lambda total: total.__setstate__(new_state),
        repr,
        copy.copy,
    ):
        fail_each_allocation(lambda: copy.copy(start), act, check)


def test_threads_under_the_gil_lose_nothing() -> None:
    total = ExactSum()
    rng = random.Random(2)
    chunks = [[rng.gauss(0, 1e10) for _ in range(2000)] for _ in range(8)]

    def work(chunk: list[float]) -> None:
        for x in chunk[:1000]:
            total.add(x)
        total.update(chunk[1000:])

    workers = [threading.Thread(target=work, args=(chunk,)) for chunk in chunks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert total == ExactSum(chunks)
