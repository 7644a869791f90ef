"""InternPool against a plain-Python model, step by step, by Hypothesis.

Which string is evicted is the policy's business; the model learns it by
looking at what is still resident.  Everything else is predicted.
"""

import copy
import pickle
import sys

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


class PoolMachine(RuleBasedStateMachine):
    @initialize(
        max_entries=entries,
        max_bytes=limits,
        max_length=lengths,
        hash_bits=st.sampled_from([0, 1, 2, 5, 32]),
    )
    def begin(
        self,
        max_entries: int,
        max_bytes: int | None,
        max_length: int | None,
        hash_bits: int,
    ) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.max_length = max_length
        self.pool = InternPool(max_entries, max_bytes=max_bytes, max_length=max_length)
        self.pool._debug_hash_bits(hash_bits)
        self.residents: dict[str, str] = {}  # each to itself, the very object
        self.reset_counts()

    def reset_counts(self) -> None:
        self.hits = self.misses = self.bypassed = self.evictions = self.saved = 0

    def bytes(self) -> int:
        return sum(map(sys.getsizeof, self.residents))

    def fits(self, entries: int, size: int) -> bool:
        return entries <= self.max_entries and (
            self.max_bytes is None or size <= self.max_bytes
        )

    def stays_outside(self, string: str) -> bool:
        too_long = self.max_length is not None and len(string) > self.max_length
        too_large = (
            self.max_bytes is not None and sys.getsizeof(string) * 10 > self.max_bytes
        )
        return too_long or too_large

    def learn_evictions(self) -> int:
        """Drop from the model what is no longer resident; how many that were."""
        left = {string: string for string in self.pool}
        assert left.keys() <= self.residents.keys()
        gone = len(self.residents) - len(left)
        self.residents = {s: self.residents[s] for s in left}
        self.evictions += gone
        return gone

    @rule(string=strings, by_call=st.booleans())
    def intern(self, string: str, by_call: bool) -> None:
        argument = fresh(string)
        result = self.pool(argument) if by_call else self.pool.intern(argument)
        if argument in self.residents:
            self.hits += 1
            self.saved += sys.getsizeof(argument)
            assert result is self.residents[argument]
        elif len(argument) == 0 or (len(argument) == 1 and argument < "\u0100"):
            self.hits += 1
            assert result is argument
        elif self.stays_outside(argument):
            self.bypassed += 1
            assert result is argument
        else:
            self.misses += 1
            assert result is argument
            self.check_admission(argument)

    def check_admission(self, argument: str) -> None:
        count, size = len(self.residents) + 1, self.bytes() + sys.getsizeof(argument)
        self.residents[argument] = argument
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
        assert self.pool.discard(fresh(string)) is there

    @rule(everything=st.booleans())
    def clear(self, everything: bool) -> None:
        self.residents.clear()
        if everything:
            self.pool.cache_clear()
            self.reset_counts()
        else:
            self.pool.clear()

    @rule(max_entries=entries)
    def resize_entries(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self.pool.resize(max_entries)
        self.check_resize()

    @rule(max_bytes=limits)
    def resize_bytes(self, max_bytes: int | None) -> None:
        self.max_bytes = max_bytes
        self.pool.resize(max_bytes=max_bytes)
        self.check_resize()

    @rule(max_entries=entries, max_bytes=limits)
    def resize_both(self, max_entries: int, max_bytes: int | None) -> None:
        self.max_entries, self.max_bytes = max_entries, max_bytes
        self.pool.resize(max_entries, max_bytes)
        self.check_resize()

    def check_resize(self) -> None:
        count, size = len(self.residents), self.bytes()
        gone = self.learn_evictions()
        if self.fits(count, size):
            assert gone == 0
        if self.max_bytes is None:
            assert gone == max(0, count - self.max_entries)

    @rule()
    def copies_begin_empty(self) -> None:
        for copied in (copy.copy(self.pool), pickle.loads(pickle.dumps(self.pool))):
            assert len(copied) == 0
            bounds = copied.max_entries, copied.max_bytes, copied.max_length
            assert bounds == (self.max_entries, self.max_bytes, self.max_length)

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
