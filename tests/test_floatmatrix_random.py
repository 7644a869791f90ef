"""FloatMatrix.random: the numbers of random.Random, and its test vectors."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import run_in_fresh_process

from memopt import FloatMatrix

SEEDS = st.one_of(
    st.integers(),
    st.booleans(),
    st.integers(0, 4).map(lambda k: 2 ** (32 * k)),
    st.integers(0, 4).map(lambda k: 2 ** (32 * k) - 1),
)


@given(SEEDS, st.integers(0, 5), st.integers(0, 5))
def test_gives_the_numbers_of_random_in_rows(
    seed: int, rows: int, columns: int
) -> None:
    generator = random.Random(seed)
    nested = [[generator.random() for _ in range(columns)] for _ in range(rows)]
    assert FloatMatrix.random(rows, columns, seed).tolist() == nested


@pytest.mark.parametrize("seed", [0, 1, -1, 10**10_000, 1 << 32 * 700], ids=range(5))
def test_gives_the_same_over_many_rounds_of_the_generator(seed: int) -> None:
    generator = random.Random(seed)
    m = FloatMatrix.random(3, 1000, seed=seed)
    assert m == [[generator.random() for _ in range(1000)] for _ in range(3)]


def test_published_vector() -> None:
    """mt19937ar.out of Matsumoto and Nishimura: key {0x123, 0x234, 0x345, 0x456}."""
    seed = 0x123 + (0x234 << 32) + (0x345 << 64) + (0x456 << 96)
    words = [1067595299, 955945823, 477289528, 4107218783, 4228976476]
    words += [3344332714, 3355579695, 227628506, 810200273, 2591290167]
    expected = [
        ((a >> 5) * 2**26 + (b >> 6)) / 2**53
        for a, b in zip(words[::2], words[1::2], strict=True)
    ]
    assert FloatMatrix.random(1, 5, seed=seed)[0] == expected


def test_subclasses_of_int_seed_by_their_value() -> None:
    class Seed(int):
        def __abs__(self) -> int:
            return 12345

        def bit_length(self) -> int:
            return 1

        def to_bytes(self, *args: Any, **kwargs: Any) -> bytes:
            return b"xxxx"

    assert FloatMatrix.random(1, 3, Seed(-7)) == FloatMatrix.random(1, 3, 7)


def test_without_a_seed_it_differs() -> None:
    a, b = FloatMatrix.random(2, 3), FloatMatrix.random(2, 3, seed=None)
    assert a != b
    assert all(0.0 <= x < 1.0 for m in (a, b) for row in m for x in row)


def test_global_generator_is_left_alone() -> None:
    random.seed(5)
    FloatMatrix.random(2, 2)
    FloatMatrix.random(2, 2, seed=5)
    assert random.random() == random.Random(5).random()


@pytest.mark.parametrize("seed", ["1", 1.0, b"1", (1,), object()])
def test_other_seeds_are_refused(seed: Any) -> None:
    name = type(seed).__name__
    with pytest.raises(
        TypeError, match=rf"^seed must be an integer or None, not {name}$"
    ):
        FloatMatrix.random(1, 1, seed)


def test_failing_sources_of_randomness() -> None:
    run_in_fresh_process(
        """
import os
from memopt import FloatMatrix

def fail(n):
    raise NotImplementedError("no randomness")

os.urandom = fail
try:
    FloatMatrix.random(1, 1)
except NotImplementedError as error:
    assert str(error) == "no randomness"
else:
    raise AssertionError
os.urandom = lambda n: "text"
try:
    FloatMatrix.random(1, 1)
except TypeError as error:
    assert "did not return the bytes" in str(error)
else:
    raise AssertionError
os.urandom = lambda n: b""
try:
    FloatMatrix.random(1, 1)
except TypeError:
    pass
else:
    raise AssertionError
"""
    )
