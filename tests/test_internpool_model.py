"""InternPool against a plain-Python model, step by step, by Hypothesis.

Which string is evicted is the policy's business; the model learns it by
looking at what is still resident.  Everything else is predicted.
"""

import copy
import pickle
import sys
from typing import Literal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from reference import S3Fifo

from memopt import InternPool

# Letters of every width, lone surrogates, a NUL, singletons and others.
LETTERS = "ab\0\x7f\x80\xe9\u0416\ud800\udc80\U0001f600"
# Few enough that strings come back while they are resident, or were lately.
WORDS = [
    f"{prefix}{i}"
    for prefix in ("w", "\xe9", "\u0416", "\U0001f600", "\0", "\ud800")
    for i in range(6)
]

strings = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(["", *LETTERS]),
    st.text(LETTERS, max_size=4),
    st.builds(lambda word, n: word * n, st.sampled_from(WORDS), st.integers(2, 700)),
)
entries = st.integers(1, 12) | st.integers(1, 40)
limits = st.none() | st.integers(1, 12_000)
lengths = st.none() | st.integers(1, 30)


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


def size_of(string: str) -> int:
    """sys.getsizeof, even if the string has been encoded since it was made."""
    return sys.getsizeof(fresh(string))


class PoolMachine(RuleBasedStateMachine):
    @initialize(
        max_entries=entries,
        max_bytes=limits,
        max_length=lengths,
        policy=st.sampled_from(["s3fifo", "lru"]),
        hash_bits=st.sampled_from([0, 1, 2, 5, 32]),
    )
    def begin(
        self,
        max_entries: int,
        max_bytes: int | None,
        max_length: int | None,
        policy: Literal["s3fifo", "lru"],
        hash_bits: int,
    ) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.max_length = max_length
        self.policy = policy
        self.pool = InternPool(
            max_entries, max_bytes=max_bytes, max_length=max_length, policy=policy
        )
        self.pool._debug_hash_bits(hash_bits)
        self.residents: dict[str, str] = {}  # each to itself, the very object
        self.pinned: set[str] = set()
        self.reset_counts()

    def reset_counts(self) -> None:
        self.hits = self.misses = self.bypassed = self.evictions = self.saved = 0

    def bytes(self) -> int:
        return sum(map(size_of, self.residents))

    def fits(self, entries: int, size: int) -> bool:
        return entries <= self.max_entries and (
            self.max_bytes is None or size <= self.max_bytes
        )

    def stays_outside(self, string: str) -> bool:
        too_long = self.max_length is not None and len(string) > self.max_length
        too_large = self.max_bytes is not None and size_of(string) * 10 > self.max_bytes
        return too_long or too_large or not self.can_be_pinned(string)

    def can_be_pinned(self, string: str) -> bool:
        if self.max_length is not None and len(string) > self.max_length:
            return False
        size = sum(map(size_of, self.pinned))
        return self.fits(len(self.pinned) + 1, size + size_of(string))

    def learn_evictions(self) -> int:
        """Drop from the model what is no longer resident; how many that were."""
        left = {string: string for string in self.pool}
        assert left.keys() <= self.residents.keys()
        gone = len(self.residents) - len(left)
        assert self.pinned <= left.keys()
        self.residents = {s: self.residents[s] for s in left}
        self.evictions += gone
        return gone

    def is_singleton(self, string: str) -> bool:
        return len(string) == 0 or (len(string) == 1 and string < "\u0100")

    @rule(string=strings, way=st.sampled_from(["method", "call", "list", "utf-8"]))
    def intern(self, string: str, way: str) -> None:
        argument = fresh(string)
        if way == "utf-8" and not argument.isprintable():
            return  # might not be encodable
        if way == "method":
            result = self.pool.intern(argument)
        elif way == "call":
            result = self.pool(argument)
        elif way == "list":
            (result,) = self.pool.intern_many([argument])
        else:
            result = self.pool.intern_utf8(argument.encode())
        self.check_result(argument, result, result is argument or way == "utf-8")

    def check_result(self, argument: str, result: str, is_argument: bool) -> None:
        assert result == argument
        if argument in self.residents:
            self.hits += 1
            self.saved += size_of(argument)
            assert result is self.residents[argument]
        elif self.is_singleton(argument):
            self.hits += 1
            assert result is argument
        elif self.stays_outside(argument):
            self.bypassed += 1
            assert is_argument
        else:
            self.misses += 1
            assert is_argument
            self.check_admission(argument, result)

    @rule(string=strings)
    def pin(self, string: str) -> None:
        argument = fresh(string)
        there = argument in self.residents
        if not (there or self.is_singleton(string) or self.can_be_pinned(string)):
            with pytest.raises(ValueError, match="cannot pin"):
                self.pool.pin(argument)
            return
        result = self.pool.pin(argument)
        assert result == argument
        self.hits += there or self.is_singleton(argument)
        if self.is_singleton(argument):
            return
        if there:
            assert result is self.residents[argument]
        else:
            self.misses += 1
            self.check_admission(argument, result)
        self.pinned.add(argument)

    @rule(string=strings)
    def unpin(self, string: str) -> None:
        assert self.pool.unpin(fresh(string)) is (string in self.pinned)
        self.pinned.discard(string)

    @rule(unused_only=st.booleans(), max_bytes=st.none() | st.integers(0, 12_000))
    def trim(self, unused_only: bool, max_bytes: int | None) -> None:
        before = len(self.residents)
        removed = self.pool.trim(unused_only=unused_only, max_bytes=max_bytes)
        evictions = self.evictions
        assert removed == self.learn_evictions()
        self.evictions = evictions
        if unused_only or max_bytes is None:
            assert len(self.residents) == before  # the model holds them all
        else:
            evictable = self.residents.keys() - self.pinned
            assert self.bytes() <= max_bytes or not evictable

    def check_admission(self, argument: str, result: str) -> None:
        count, size = len(self.residents) + 1, self.bytes() + size_of(argument)
        self.residents[result] = result
        gone = self.learn_evictions()
        assert argument in self.residents
        if self.fits(count, size):
            assert gone == 0
        elif self.max_bytes is None:
            assert gone == 1

    @precondition(lambda self: self.residents)
    @rule(data=st.data())
    def intern_the_resident_itself(self, data: st.DataObject) -> None:
        string = self.residents[data.draw(st.sampled_from(sorted(self.residents)))]
        assert self.pool.intern(string) is string
        self.hits += 1

    @rule(string=strings)
    def look_up(self, string: str) -> None:
        argument = fresh(string)
        marker = object()
        assert (argument in self.pool) == (argument in self.residents)
        expected = self.residents.get(argument, marker)
        assert self.pool.get(argument, marker) is expected

    @rule(string=strings)
    def discard(self, string: str) -> None:
        there = self.residents.pop(string, None) is not None
        self.pinned.discard(string)
        assert self.pool.discard(fresh(string)) is there

    @rule(everything=st.booleans())
    def clear(self, everything: bool) -> None:
        self.residents.clear()
        self.pinned.clear()
        if everything:
            self.pool.cache_clear()
            self.reset_counts()
        else:
            self.pool.clear()

    @rule(max_entries=entries)
    def resize_entries(self, max_entries: int) -> None:
        self.resize(max_entries, self.max_bytes)

    @rule(max_bytes=limits)
    def resize_bytes(self, max_bytes: int | None) -> None:
        self.resize(self.max_entries, max_bytes)

    @rule(max_entries=entries, max_bytes=limits)
    def resize(self, max_entries: int, max_bytes: int | None) -> None:
        before = self.max_entries, self.max_bytes
        self.max_entries, self.max_bytes = max_entries, max_bytes
        bounds: dict[str, int | None] = {}
        if max_entries != before[0]:
            bounds["max_entries"] = max_entries
        if max_bytes != before[1]:
            bounds["max_bytes"] = max_bytes
        if not self.fits(len(self.pinned), sum(map(size_of, self.pinned))):
            with pytest.raises(ValueError, match="pinned strings exceed"):
                self.pool.resize(**bounds)  # type: ignore[arg-type]
            self.max_entries, self.max_bytes = before
            return
        self.pool.resize(**bounds)  # type: ignore[arg-type]
        self.check_resize()

    def check_resize(self) -> None:
        count, size = len(self.residents), self.bytes()
        gone = self.learn_evictions()
        if self.fits(count, size):
            assert gone == 0
        if self.max_bytes is None:
            assert gone == max(0, count - self.max_entries)

    @rule(contents=st.booleans())
    def copy(self, contents: bool) -> None:
        self.pool.pickle_contents = contents
        for copied in (copy.copy(self.pool), pickle.loads(pickle.dumps(self.pool))):
            assert copied.pickle_contents is contents
            expected = set()
            if contents:
                too_large = set(filter(self.stays_outside, self.residents))
                expected = self.residents.keys() - (too_large - self.pinned)
            assert set(copied) == expected
            bounds = copied.max_entries, copied.max_bytes, copied.max_length
            assert bounds == (self.max_entries, self.max_bytes, self.max_length)
            assert (copied.policy, copied.adaptive) == (self.policy, True)
            copied._debug_validate()
            for string in expected:
                assert copied.unpin(string) is (string in self.pinned)

    @invariant()
    def structure_is_sound(self) -> None:
        self.pool._debug_validate()

    @invariant()
    def residents_are_as_predicted(self) -> None:
        listed = list(self.pool)
        assert len(listed) == len(self.pool) == len(self.residents)
        assert all(self.residents[string] is string for string in listed)

    @invariant()
    def counts_are_as_predicted_and_bounds_hold(self) -> None:
        assert self.pool.cache_info() == (
            self.hits,
            self.misses,
            self.max_entries,
            len(self.residents),
            self.bytes(),
            self.max_bytes,
            self.evictions,
            self.bypassed,
            self.saved,
        )
        assert self.fits(len(self.residents), self.bytes())


TestPoolMachine = PoolMachine.TestCase


class PolicyMachine(RuleBasedStateMachine):
    """S3-FIFO, eviction by eviction, with the ghost made to forget each time.

    Its fingerprints agree by chance once in 65536 times: see
    test_internpool_eviction.py for what it is worth.
    """

    @initialize(capacity=st.integers(1, 30))
    def begin(self, capacity: int) -> None:
        self.pool = InternPool(capacity)
        self.oracle: S3Fifo[str] = S3Fifo(capacity)
        self.made = 0

    @rule(n=st.integers(1, 15))
    def intern_new(self, n: int) -> None:
        for _ in range(n):
            string = f"string {self.made}"
            self.made += 1
            self.pool.resize()
            self.pool.intern(string)
            assert not self.oracle.request(string)

    @precondition(lambda self: len(self.pool) > 0)
    @rule(data=st.data(), times=st.integers(1, 5))
    def intern_again(self, data: st.DataObject, times: int) -> None:
        string = data.draw(st.sampled_from(sorted(self.oracle.visits)))
        for _ in range(times):
            self.pool.intern(string)
            assert self.oracle.request(string)

    @precondition(lambda self: len(self.pool) > 0)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        string = data.draw(st.sampled_from(sorted(self.oracle.visits)))
        assert self.pool.discard(string)
        self.oracle.discard(string)

    @rule(capacity=st.integers(1, 30))
    def resize(self, capacity: int) -> None:
        self.pool.resize(capacity)
        self.oracle.resize(capacity)

    @invariant()
    def same_residents(self) -> None:
        assert set(self.pool) == self.oracle.visits.keys()


TestPolicyMachine = PolicyMachine.TestCase
