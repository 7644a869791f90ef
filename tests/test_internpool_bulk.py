"""InternPool's bulk calls: the same as one call for each, in place or not."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import fail_each_allocation

from memopt import InternPool

WORDS = [f"{prefix} {i}" for prefix in ("w", "\xe9", "\u0416", "\0") for i in range(15)]


class Str(str):
    __slots__ = ()


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


items = st.one_of(
    st.sampled_from(WORDS).map(fresh),
    st.sampled_from(["", "a", "\xe9", "x" * 50]).map(fresh),
    st.sampled_from([None, 1, b"w 1", Str("w 1"), ("w 1",)]),
)


def one_by_one(pool: InternPool, values: list[Any]) -> list[Any]:
    return [pool.intern(v) if type(v) is str else v for v in values]


class TestSameAsOneByOne:
    @given(
        st.lists(st.lists(items, max_size=200), max_size=4),
        st.integers(1, 40),
        st.none() | st.integers(300, 3000),
        st.sampled_from(["s3fifo", "lru"]),
    )
    def test_in_all(
        self,
        batches: list[list[Any]],
        capacity: int,
        max_bytes: int | None,
        policy: Literal["s3fifo", "lru"],
    ) -> None:
        pools = [
            InternPool(capacity, max_bytes=max_bytes, max_length=40, policy=policy)
            for _ in range(3)
        ]
        for batch in batches:
            expected = one_by_one(pools[0], batch)
            listed = list(batch)
            replaced = pools[1].intern_list(listed)
            changed = [a is not b for a, b in zip(batch, expected, strict=True)]
            assert replaced == sum(changed)
            many = pools[2].intern_many(iter(batch))
            for result in (listed, many):
                assert len(result) == len(expected)
                assert all(a is b for a, b in zip(expected, result, strict=True))
            for pool in pools:
                pool._debug_validate()
                assert pool.cache_info() == pools[0].cache_info()
                assert {id(s) for s in pool} == {id(s) for s in pools[0]}

    @pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 63, 64, 65, 1000])
    @pytest.mark.parametrize(
        "make", [list, tuple, iter, deque, lambda x: (s for s in x)]
    )
    def test_of_any_length_and_source(
        self, n: int, make: Callable[[list[str]], Any]
    ) -> None:
        pool = InternPool()
        strings = [f"item {i % 7}" for i in range(n)]
        result = pool.intern_many(make(strings))
        assert type(result) is list
        assert result == strings
        assert len({id(s) for s in result}) == min(n, 7)

    def test_of_many(self) -> None:
        pool = InternPool(max_entries=20_000)
        strings = [f"item {i % 20_000}" for i in range(100_000)]
        expected = list(strings)
        assert pool.intern_list(strings) == 80_000
        assert strings == expected
        assert len({id(s) for s in strings}) == 20_000
        assert pool.intern_list(strings) == 0
        pool._debug_validate()

    def test_a_subclass_of_list_is_replaced_in_place(self) -> None:
        class Rows(list[str]):
            def __getitem__(self, index: Any) -> Any:
                raise AssertionError

            __setitem__ = __iter__ = __len__ = __getitem__  # type: ignore[assignment]

        pool = InternPool()
        rows = Rows([fresh("north"), fresh("north")])
        assert pool.intern_list(rows) == 1
        assert pool.cache_info()[:2] == (1, 1)

    def test_references_of_what_was_replaced(self) -> None:
        pool = InternPool()
        resident, other = fresh("north"), fresh("north")
        foreign = object()
        pool.intern(resident)
        before = [sys.getrefcount(x) for x in (resident, other, foreign)]
        strings: list[Any] = [other, other, foreign]
        pool.intern_list(strings)
        many = pool.intern_many([other, foreign])
        after = [sys.getrefcount(x) for x in (resident, other, foreign)]
        assert after == [before[0] + 3, before[1], before[2] + 2]
        del strings, many
        assert [sys.getrefcount(x) for x in (resident, other, foreign)] == before


class TestErrors:
    @pytest.mark.parametrize("value", [(), "ab", {}, None, iter([]), deque()])
    def test_intern_list_wants_a_list(self, value: Any) -> None:
        with pytest.raises(TypeError, match=r"must be list, not [\w.]+; intern_many"):
            InternPool().intern_list(value)

    def test_intern_many_wants_an_iterable(self) -> None:
        pool: Any = InternPool()
        for value in (None, 1, len):
            with pytest.raises(TypeError, match="not iterable"):
                pool.intern_many(value)

    def test_errors_of_the_iterator_pass_through(self) -> None:
        def broken(n: int) -> Iterator[str]:
            for i in range(n):
                yield f"item {i}"
            raise ZeroDivisionError("mine")

        for n in (0, 5, 32, 100):
            pool = InternPool()
            with pytest.raises(ZeroDivisionError, match="mine"):
                pool.intern_many(broken(n))
            assert len(pool) in (n, n // 32 * 32)
            pool._debug_validate()

    def test_an_iterator_that_changes_the_pool(self) -> None:
        pool = InternPool(50)

        def hostile() -> Iterator[str]:
            for i in range(300):
                if i % 20 == 0:
                    pool.clear()
                    pool.resize(10 + i)
                    pool.intern_many(WORDS)
                yield f"item {i}"

        assert pool.intern_many(hostile()) == [f"item {i}" for i in range(300)]
        pool._debug_validate()

    def test_failing_allocations(self) -> None:
        strings = [f"item {i % 60}" for i in range(100)]

        def prepare() -> tuple[InternPool, list[str]]:
            return InternPool(40), [fresh(s) for s in strings]

        def check(subject: tuple[InternPool, list[str]]) -> None:
            subject[0]._debug_validate()
            assert subject[1] == strings

        met = [
            fail_each_allocation(prepare, lambda s: s[0].intern_list(s[1]), check),
            fail_each_allocation(prepare, lambda s: s[0].intern_many(s[1]), check),
            fail_each_allocation(
                prepare, lambda s: s[0].intern_many(iter(s[1])), check
            ),
        ]
        assert min(met) > 5

    def test_a_failure_keeps_what_was_done(self) -> None:
        testcapi = pytest.importorskip("_testcapi")
        pool = InternPool()
        strings = [f"item {i % 100}" for i in range(200)]
        expected = list(strings)
        testcapi.set_nomemory(6, 7)
        try:
            pool.intern_list(strings)
            failed = False
        except MemoryError:
            failed = True
        finally:
            testcapi.remove_mem_hooks()
        assert failed
        assert strings == expected
        before = {id(s) for s in strings}
        assert {id(s) for s in pool} <= before
        assert pool.intern_list(strings) == 100
        pool._debug_validate()
