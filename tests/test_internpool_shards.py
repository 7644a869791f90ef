"""InternPool in shards: without a GIL a pool that is made large has several, which
stay as many when its bounds become small.  What holds for all of it, bounds, pins
and counts, holds whatever shards its strings are in; with a GIL there is one."""

import pickle
import random
import sys
import threading
from collections.abc import Callable

import pytest
from support import run_threads

from memopt import InternPool

LARGE = 5000  # entries; pools of fewer than 4096 are not divided
WORDS = [f"word {i}" for i in range(300)]


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


def divided(
    max_entries: int = LARGE, max_bytes: int | None = None, policy: str = "s3fifo"
) -> InternPool:
    """A pool of so many entries or bytes, in shards, to which all are admitted."""
    pool = InternPool(LARGE, policy=policy, adaptive=False)
    pool.resize(max_entries, max_bytes)
    return pool


def check(pool: InternPool) -> None:
    """What cache_info() says of the residents, and the bounds."""
    pool._debug_validate()
    info, residents = pool.cache_info(), list(pool)
    assert info.currsize == len(pool) == len(residents) == len(set(residents))
    assert info.currsize <= info.maxsize == pool.max_entries
    assert info.bytes == sum(map(sys.getsizeof, residents))
    assert info.max_bytes is None or info.bytes <= info.max_bytes


class TestBounds:
    def test_all_entries_are_used_before_any_leaves(self) -> None:
        pool = divided()
        for i in range(LARGE):
            pool.intern(f"item {i}")
            assert len(pool) == i + 1
        assert pool.cache_info().evictions == 0
        for i in range(LARGE, LARGE + 1000):
            pool.intern(f"item {i}")
            assert len(pool) == LARGE
        assert pool.cache_info().evictions == 1000
        check(pool)

    @pytest.mark.parametrize("policy", ["s3fifo", "lru"])
    @pytest.mark.parametrize("entries", [1, 2, 3, 7, 16, 40])
    def test_few_entries(self, entries: int, policy: str) -> None:
        pool = divided(entries, policy=policy)
        for i, word in enumerate(WORDS):
            assert pool.intern(word) is word
            assert pool.intern(fresh(word)) is word
            assert len(pool) == min(i + 1, entries)
            check(pool)
        info = pool.cache_info()
        assert (info.hits, info.misses) == (len(WORDS), len(WORDS))
        assert info.evictions == len(WORDS) - entries

    @pytest.mark.parametrize("max_bytes", [1000, 1500, 5000])
    def test_few_bytes(self, max_bytes: int) -> None:
        pool = divided(max_bytes=max_bytes)
        numbers = random.Random(max_bytes)
        for i in range(500):
            string = f"{i}:".ljust(numbers.randrange(5, 50), "x")
            kept = sys.getsizeof(string) <= max_bytes // 10
            assert pool.intern(string) is string
            assert (string in pool) == kept
            check(pool)
        assert pool.cache_info().bytes > max_bytes - 100

    @pytest.mark.parametrize("bound", [1, 5, 100, 1000])
    def test_bounds_that_shrink(self, bound: int) -> None:
        pool = divided()
        held = [pool.intern(f"item {i}") for i in range(2000)]
        pool.resize(bound)
        assert len(pool) == bound
        check(pool)
        pool.resize(LARGE, 300)
        check(pool)
        assert set(pool) <= set(held)

    def test_bulk_calls(self) -> None:
        for entries in (1, 5, 30, 200):
            pool = divided(entries)
            words = list(map(fresh, WORDS * 3))
            assert pool.intern_list(words) <= 2 * len(WORDS)
            assert words == WORDS * 3
            assert len(pool) == entries
            check(pool)
            rows = [[fresh(word), {fresh(word)}, (fresh(word),)] for word in WORDS]
            pool.dedup(rows)
            assert rows == [[word, {word}, (word,)] for word in WORDS]
            assert pool.split(",".join(WORDS), ",") == WORDS
            check(pool)


class TestResidents:
    def test_equal_strings_are_one_object(self) -> None:
        pool = divided()
        kept = [pool.intern(word) for word in WORDS]
        copies = list(map(fresh, WORDS))
        pool.intern_list(copies)
        rows = [[fresh(word)] for word in WORDS]
        pool.dedup(rows)
        lines = pool.split_lines("\n".join(WORDS).encode())
        for several in zip(kept, copies, [row[0] for row in rows], lines, strict=True):
            assert len(set(map(id, several))) == 1
        assert sorted(pool) == sorted(WORDS)
        check(pool)

    def test_trim_and_clear(self) -> None:
        pool = divided()
        held = [pool.intern(fresh(word)) for word in WORDS]
        size = sys.getsizeof(pool)
        del held[100:]
        assert pool.trim(unused_only=True) == 200
        assert sorted(pool) == sorted(held)
        check(pool)
        most = pool.cache_info().bytes // 3
        pool.trim(max_bytes=most)
        assert most - 100 < pool.cache_info().bytes <= most
        check(pool)
        pool.clear()
        assert list(pool) == []
        assert pool.cache_info().bytes == 0
        assert sys.getsizeof(pool) < size
        check(pool)

    def test_live_saved(self) -> None:
        pool = divided()
        held = [[pool.intern(fresh(word)) for _ in range(3)] for word in WORDS]
        assert pool.live_saved() == 2 * sum(map(sys.getsizeof, WORDS))
        assert len(held) == len(WORDS)

    def test_copies_have_the_residents_and_pins(self) -> None:
        pool = divided()
        pool.pickle_contents = True
        pool.intern_many(WORDS[:200])
        for word in WORDS[200:]:
            pool.pin(word)
        copy = pickle.loads(pickle.dumps(pool))
        assert sorted(copy) == sorted(WORDS)
        check(copy)
        copy.trim(max_bytes=0)
        assert sorted(copy) == sorted(WORDS[200:])


class TestPins:
    def test_entries(self) -> None:
        pool = divided(20)
        pool.intern_many(WORDS)
        pinned = [pool.pin(fresh(word)) for word in WORDS[:20]]
        for word in WORDS[20:]:
            assert pool.intern(word) is word
            with pytest.raises(ValueError, match="no room"):
                pool.pin(word)
        assert sorted(pool) == sorted(pinned)
        with pytest.raises(ValueError, match="unpin some"):
            pool.resize(19)
        check(pool)
        for i, string in enumerate(pinned):
            assert pool.unpin(string)
            assert pool.pin(WORDS[20 + i]) is WORDS[20 + i]
            check(pool)
        assert sorted(pool) == sorted(WORDS[20:40])

    def test_bytes(self) -> None:
        pool = divided(max_bytes=20 * sys.getsizeof("word 100"))
        pool.intern_many(WORDS)
        pinned = [pool.pin(word) for word in WORDS[100:120]]
        with pytest.raises(ValueError, match="no room"):
            pool.pin("word 200")
        assert pool.intern("word 200") == "word 200"
        assert sorted(pool) == sorted(pinned)
        assert pool.trim(max_bytes=0) == 0
        assert pool.discard(pinned[0])
        assert pool.pin("word 200") == "word 200"
        check(pool)


class TestThreads:
    """They start at once; what holds after each call holds at the end."""

    @pytest.mark.parametrize(
        ("entries", "max_bytes"), [(3, None), (50, None), (LARGE, 3000), (200, 9000)]
    )
    def test_bounds_hold(self, entries: int, max_bytes: int | None) -> None:
        pool = divided(entries, max_bytes)

        def interning(seed: int) -> Callable[[], None]:
            def run() -> None:
                numbers = random.Random(seed)
                for _ in range(3000):
                    word = numbers.choice(WORDS)
                    assert pool.intern(fresh(word)) == word
                    if numbers.random() < 0.1:
                        assert len(pool) <= entries
                for _ in range(20):
                    words = list(map(fresh, WORDS))
                    pool.intern_list(words)
                    assert words == WORDS

            return run

        run_threads(*map(interning, range(4)))
        check(pool)
        info = pool.cache_info()
        assert info.hits + info.misses + info.bypassed == 4 * (3000 + 20 * len(WORDS))
        assert info.misses == info.evictions + info.currsize

    def test_one_object_of_equal_strings(self) -> None:
        pool = divided()
        found: list[list[str]] = [[] for _ in range(4)]

        def interning(n: int) -> Callable[[], None]:
            def run() -> None:
                words = list(map(fresh, WORDS))
                if n % 2 == 0:
                    words = list(map(pool.intern, words))
                else:
                    pool.intern_list(words)
                found[n] = words

            return run

        run_threads(*map(interning, range(4)))
        for several in zip(*found, strict=True):
            assert len(set(map(id, several))) == 1
        check(pool)

    def test_pins(self) -> None:
        pool = divided(40)
        refused: list[str] = []

        def pinning(n: int) -> Callable[[], None]:
            def run() -> None:
                for word in WORDS[n * 15 : n * 15 + 15]:
                    try:
                        pool.pin(word)
                    except ValueError:
                        refused.append(word)
                    pool.intern_many(map(fresh, WORDS))

            return run

        run_threads(*map(pinning, range(4)))
        assert len(refused) == 20
        assert set(pool) == set(WORDS[:60]) - set(refused)
        check(pool)

    def test_pins_bounds_and_clear(self) -> None:
        pool = divided(100)
        stop = threading.Event()

        def interning() -> None:
            while not stop.is_set():
                for word in WORDS:
                    assert pool.intern(fresh(word)) == word
                assert len(list(pool)) <= 100

        def changing() -> None:
            try:
                for i in range(60):
                    kept = pool.pin(fresh(f"word {i}"))
                    pool.resize(1 + i % 20)
                    assert pool.get(fresh(kept)) is kept
                    pool.trim(max_bytes=500)
                    assert pool.unpin(kept)
                    pool.resize(100)
                    pool._debug_validate()
                    pool.clear()
            finally:
                stop.set()

        run_threads(interning, interning, changing)
        check(pool)
