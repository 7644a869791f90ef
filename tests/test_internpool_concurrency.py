"""InternPool while other code runs: callbacks, the collector, signals, threads."""

import contextlib
import copy
import gc
import itertools
import json
import random
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from support import run_threads

from memopt import InternPool

WORDS = [f"word {i}" for i in range(300)]


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


def disturb(pool: InternPool) -> None:
    """Use and change the pool in every way."""
    pool.intern(fresh("disturbing"))
    pool.discard("word 1")
    pool.resize(5)
    pool.clear()
    pool.resize(100, None)
    for word in WORDS:
        pool.intern(word)
    assert len(list(pool)) == 100


class TestReentrancy:
    def test_index_of_a_bound_changes_the_pool(self) -> None:
        pool = InternPool(50)

        class Bound:
            def __index__(self) -> int:
                disturb(pool)
                return 7

        for _ in range(3):
            pool.resize(Bound())
            assert len(pool) == pool.max_entries == 7
            pool.resize(max_bytes=Bound())
            assert pool.max_bytes == 7
            pool._debug_validate()

    def test_index_of_a_bound_drops_the_last_reference(self) -> None:
        pools = [InternPool(50)]

        class Bound:
            def __index__(self) -> int:
                pools.clear()
                return 7

        pools[0].resize(Bound())
        assert not pools

    def test_collector_changes_the_pool_while_it_is_inspected(self) -> None:
        """On 3.11 the collector runs inside the allocation of a container."""
        pool = InternPool(100)
        calls = itertools.count()

        class Cycle:
            def __init__(self) -> None:
                self.me = self

            def __del__(self) -> None:
                if next(calls) % 3 == 0:
                    disturb(pool)
                else:
                    pool.discard(f"word {next(calls) % 300}")

        before = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for i in range(100):
                Cycle()
                listed = list(pool)
                assert len(listed) == len(set(listed)) <= 100
                Cycle()
                assert pool.cache_info().currsize <= 100
                Cycle()
                pool.intern(f"item {i}")
        finally:
            gc.set_threshold(*before)
            gc.collect()
        assert next(calls) > 100
        pool._debug_validate()

    def test_collections_change_the_number_of_residents(self) -> None:
        pool = InternPool()
        for word in WORDS:
            pool.intern(word)
        words = itertools.cycle(WORDS)
        containers: list[list[object]] = []

        def collecting(phase: str, info: dict[str, int]) -> None:
            word = next(words)
            if not pool.discard(word):
                pool.intern(word)

        before = gc.get_threshold()
        gc.callbacks.append(collecting)
        gc.set_threshold(1)
        try:
            for i in range(300):
                containers += [[] for _ in range(i % 5)]
                listed = list(iter(pool))
                assert len(listed) == len(set(listed)) <= len(WORDS)
        finally:
            gc.set_threshold(*before)
            gc.callbacks.remove(collecting)
        pool._debug_validate()

    def test_weak_reference_callback_interns_elsewhere(self) -> None:
        other = InternPool()
        pool = InternPool()
        pool.intern("north")
        reference = weakref.ref(pool, lambda _: disturb(other))
        del pool
        assert reference() is None
        other._debug_validate()

    def test_default_of_get_may_be_anything(self) -> None:
        class Default:
            def __eq__(self, other: object) -> bool:
                raise AssertionError("compared")

            __hash__ = None  # type: ignore[assignment]

        default = Default()
        assert InternPool().get("north", default) is default

    @pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer")
    def test_signal_handlers_change_the_pool(self) -> None:
        pool = InternPool(100)
        calls: list[int] = []

        def handler(*_: Any) -> None:
            calls.append(len(list(pool)))
            disturb(pool)

        before = signal.signal(signal.SIGALRM, handler)
        try:
            for i in range(50):
                signal.setitimer(signal.ITIMER_REAL, 0.001)
                while len(calls) == i:
                    for word in WORDS:
                        assert pool.intern(fresh(word)) == word
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert len(calls) == 50
        pool._debug_validate()


class TestThreads:
    def test_all_threads_get_the_same_object(self) -> None:
        pool = InternPool()
        results: list[list[str]] = [[] for _ in range(8)]

        def worker(n: int) -> None:
            words = [fresh(word) for word in WORDS]
            random.Random(n).shuffle(words)
            results[n] = sorted(map(pool.intern, words))

        run_threads(*(lambda n=n: worker(n) for n in range(8)))
        for other in results[1:]:
            assert all(a is b for a, b in zip(results[0], other, strict=True))
        info = pool.cache_info()
        assert (info.hits, info.misses) == (7 * len(WORDS), len(WORDS))
        pool._debug_validate()

    def test_counts_add_up_under_eviction(self) -> None:
        pool = InternPool(50, max_bytes=4_000, adaptive=False)
        rounds = 20

        def worker() -> None:
            for _ in range(rounds):
                for word in WORDS:
                    assert pool(fresh(word)) == word

        run_threads(*[worker] * 6)
        info = pool.cache_info()
        assert info.hits + info.misses == 6 * rounds * len(WORDS)
        assert info.misses == info.evictions + info.currsize
        assert info.currsize <= 50
        assert info.bytes == sum(map(sys.getsizeof, pool)) <= 4_000
        pool._debug_validate()

    def test_every_call_at_once(self) -> None:
        pool = InternPool(100)
        stop = threading.Event()

        def interning() -> None:
            try:
                for _ in range(30):
                    for word in WORDS:
                        assert pool.intern(fresh(word)) == word
            finally:
                stop.set()

        def looking() -> None:
            while not stop.is_set():
                for word in WORDS:
                    found = pool.get(word)
                    assert found is None or found == word
                listed = list(pool)
                assert len(listed) == len(set(listed)) <= 100

        def discarding() -> None:
            while not stop.is_set():
                for word in WORDS[::7]:
                    pool.discard(word)

        def resizing() -> None:
            while not stop.is_set():
                pool.resize(20, 3_000)
                assert pool.cache_info().currsize <= 100
                pool.resize(100, None)
                pool.clear()

        def validating() -> None:
            while not stop.is_set():
                pool._debug_validate()

        run_threads(interning, interning, looking, discarding, resizing, validating)
        pool._debug_validate()
        assert set(pool) <= set(WORDS)

    def test_bulk_calls_at_once(self) -> None:
        pool = InternPool(100)
        stop = threading.Event()
        text = ",".join(WORDS)
        document = json.dumps([{word: word for word in WORDS[:20]}] * 5)

        def until_stopped(action: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                while not stop.is_set():
                    action()

            return run

        def listing() -> None:
            words = list(map(fresh, WORDS))
            pool.intern_list(words)
            assert words == WORDS
            assert pool.intern_many(map(fresh, WORDS)) == WORDS

        def splitting() -> None:
            assert pool.split(text, ",") == WORDS
            assert pool.split(text.encode(), b",") == WORDS
            assert pool.split_lines(text.replace(",", "\n")) == WORDS
            for word in WORDS:
                assert pool.intern_utf8(word.encode()) == word

        def loading() -> None:
            loaded = pool.json_loads(document)
            assert loaded == json.loads(document)
            pool.dedup(json.loads(document))

        def disturbing() -> None:
            try:
                for _ in range(40):
                    with contextlib.suppress(ValueError):
                        pool.pin(fresh("word 5"))
                    pool.trim(max_bytes=1000)
                    pool.resize(50, 5000)
                    pool.unpin("word 5")
                    pool.resize(100, None)
                    pool._debug_validate()
            finally:
                stop.set()

        run_threads(*map(until_stopped, [listing, splitting, loading]), disturbing)
        pool._debug_validate()

    def test_a_pickle_holds_no_more_than_its_bounds(self) -> None:
        pool, stop = InternPool(5000), threading.Event()
        pool.pickle_contents = True
        words = [f"word {i}" for i in range(3)]

        def resizing() -> None:
            try:
                for _ in range(200_000):
                    pool.resize(100)
                    for word in words:
                        pool.pin(word)
                    for word in words:
                        pool.unpin(word)
                    pool.resize(1)
            finally:
                stop.set()

        def copying() -> None:
            while not stop.is_set():
                copied = copy.copy(pool)
                assert len(copied) <= copied.max_entries

        run_threads(resizing, copying, copying)

    def test_a_list_that_another_thread_changes(self) -> None:
        pool = InternPool()
        shared: list[str] = []
        stop = threading.Event()

        def changing() -> None:
            try:
                for _ in range(200):
                    shared.extend(map(fresh, WORDS))
                    del shared[::2]
                    shared.clear()
            finally:
                stop.set()

        def interning() -> None:
            while not stop.is_set():
                pool.intern_list(shared)
                pool.dedup([shared])

        run_threads(changing, interning, interning)
        assert set(pool) <= set(WORDS)
        pool._debug_validate()
