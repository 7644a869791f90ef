"""CPython's own tests of sequences, run on LazyMap."""

from collections.abc import Iterable
from typing import Any

import pytest

from memopt import LazyMap

seq_tests = pytest.importorskip(
    "test.seq_tests", reason="this CPython was installed without its tests"
)


def identity(x: Any) -> Any:
    return x


class AsSequence(LazyMap[Any]):
    """A LazyMap with list's == and constructor, which the tests lean on."""

    def __new__(cls, values: Iterable[Any] = ()) -> "AsSequence":
        return super().__new__(cls, identity, list(values))

    def __getitem__(self, key: Any) -> Any:
        got = super().__getitem__(key)
        return AsSequence(got) if isinstance(key, slice) else got

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyMap) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class TestSequence(seq_tests.CommonTest):  # type: ignore[misc, name-defined]
    type2test = AsSequence

    # Concatenation and repetition would not be lazy: as range, LazyMap has
    # neither, nor an order.
    test_addmul = test_add = test_mul = None  # the latter two from 3.14 on
    test_cmp = None
    test_iadd = None
    test_imul = None
    test_repeat = None
    test_bigrepeat = None

    def test_no_concatenation_or_repetition(self) -> None:
        u = AsSequence([0])
        with pytest.raises(TypeError):
            u + u  # type: ignore[operator]
        with pytest.raises(TypeError):
            u * 2  # type: ignore[operator]

    def test_count(self) -> None:
        """CommonTest's, but for the `* 3` that it makes its values with."""

        class Tripled(AsSequence):
            def __mul__(self, n: int) -> AsSequence:
                return AsSequence(list(self) * n)

        self.type2test = Tripled
        try:
            super().test_count()
        finally:
            del self.type2test


class TestDirectly(seq_tests.CommonTest):  # type: ignore[misc, name-defined]
    """The same with the sources as they are, where == is not needed."""

    type2test: Any = None

    class Lazy(LazyMap[Any]):
        def __new__(cls, values: Iterable[Any] = ()) -> "TestDirectly.Lazy":
            return super().__new__(cls, identity, values)

    def setUp(self) -> None:
        self.type2test = self.Lazy

    test_addmul = test_add = test_mul = test_cmp = None
    test_iadd = None
    test_imul = None
    test_repeat = None
    test_bigrepeat = None
    test_count = None
    # These compare with ==, or construct from one-shot iterators.
    test_constructors = None
    test_getslice = None
    test_subscript = None
    test_pickle = None
