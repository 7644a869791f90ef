"""The process's memory: figures against psutil's, release, limits, pressure."""

import copy
import gc
import pickle
import re
import sys
import weakref

import pytest
from support import (
    fail_each_allocation,
    free_threaded,
    not_with_asan,
    run_in_fresh_process,
)

import memopt
from memopt import _memopt

MB = 1 << 20

not_with_mimalloc = pytest.mark.skipif(
    free_threaded,
    reason="mimalloc, which a free-threaded CPython has, gives memory back later",
)

FIELDS = (
    *("resident", "peak_resident", "private", "private_resident"),
    *("peak_private", "page_faults"),
    *("system_total", "system_available", "limit"),
)


def known(figure: int | None) -> int:
    assert figure is not None
    return figure


def test_fields() -> None:
    info = memopt.memory_info()
    assert info.__match_args__ == FIELDS
    assert tuple(info) == tuple(getattr(info, name) for name in FIELDS)
    assert all(figure is None or figure > 0 for figure in info)
    assert pickle.loads(pickle.dumps(info)) == copy.copy(info) == info
    assert repr(info).startswith("memopt._memopt.MemoryInfo(resident=")


def test_figures_fit_each_other() -> None:
    info = memopt.memory_info()
    assert known(info.resident) <= known(info.peak_resident)
    assert known(info.system_available) < known(info.system_total)
    if sys.platform == "linux":
        assert known(info.private_resident) <= known(info.private)
        assert info.peak_private is None


def near(ours: int | None, theirs: int) -> bool:
    return known(ours) == pytest.approx(theirs, rel=0.01)


def test_process_figures_are_those_of_psutil() -> None:
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    ballast = b"x" * (200 * MB)  # small next to it: what the calls allocate
    info, peer = memopt.memory_info(), process.memory_full_info()
    assert near(info.resident, peer.rss)
    assert near(_memopt._resident(), peer.rss)
    if sys.platform == "win32":
        assert near(info.peak_resident, peer.peak_wset)
        assert near(info.private, peer.private)
        assert near(info.peak_private, peer.peak_pagefile)
        assert near(info.page_faults, peer.num_page_faults)
    if sys.platform == "linux":
        assert near(info.private_resident, peer.uss)
        assert near(info.private, peer.uss + peer.swap)
    if sys.platform == "darwin":
        assert near(info.page_faults, peer.pfaults)
    assert len(ballast) == 200 * MB


def test_system_figures_are_those_of_psutil() -> None:
    psutil = pytest.importorskip("psutil")
    info, peer = memopt.memory_info(), psutil.virtual_memory()
    assert info.system_total == peer.total
    assert known(info.system_available) == pytest.approx(peer.available, rel=0.05)


@not_with_asan
@not_with_mimalloc
def test_figures_follow_what_the_process_does() -> None:
    run_in_fresh_process(
        """
import memopt
MB = 1 << 20
before = memopt.memory_info()
ballast = b"x" * (100 * MB)
during = memopt.memory_info()
del ballast
after = memopt.memory_info()
assert 95 * MB < during.resident - before.resident < 120 * MB
assert after.resident < during.resident - 90 * MB
assert after.peak_resident > during.resident - MB
assert during.private - before.private > 95 * MB
"""
    )


def test_page_faults_are_counted() -> None:
    before = memopt.memory_info()
    ballast = b"x" * (100 * MB)
    after = memopt.memory_info()
    assert len(ballast) == 100 * MB
    assert known(after.page_faults) > known(before.page_faults)


def test_peak_is_not_inherited_from_the_parent() -> None:
    ballast = b"x" * (200 * MB)
    code = "import memopt; print(memopt.memory_info().peak_resident)"
    assert int(run_in_fresh_process(code)) < len(ballast) // 2


@not_with_asan
@not_with_mimalloc
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap is measured")
def test_release_gives_free_heap_back() -> None:
    run_in_fresh_process(
        """
import memopt
MB = 1 << 20
chunks = [bytes(5000) for _ in range(100 * MB // 5000)]
chunks = chunks[::100]
before, after = memopt.release()
assert before.private > 80 * MB, before
assert after.private < 40 * MB, after
"""
    )


def test_release_collects_garbage_even_if_the_collector_is_off() -> None:
    class Node:
        pass

    node = Node()
    node.itself = node  # type: ignore[attr-defined]
    gone = weakref.ref(node)
    gc.disable()
    try:
        del node
        before, after = memopt.release()
    finally:
        gc.enable()
    assert gone() is None
    assert known(before.private) > 0
    assert known(after.private) > 0


def test_trim_is_for_windows() -> None:
    if sys.platform == "win32":
        before, after = memopt.trim_working_set()
        assert known(before.private) > 0
        assert known(after.private) > 0
    else:
        with pytest.raises(NotImplementedError, match="is for Windows"):
            memopt.trim_working_set()


needs_limits = pytest.mark.skipif(
    sys.platform == "darwin", reason="macOS enforces no limit on a process"
)


@not_with_asan
@needs_limits
def test_limit_makes_allocations_fail_until_lifted() -> None:
    run_in_fresh_process(
        """
import mmap
import memopt
GB = 1 << 30
unlimited = memopt.memory_info().limit
class Size:
    def __index__(self):
        return 2 * GB
memopt.limit_memory(Size())
assert memopt.memory_info().limit == min(2 * GB, unlimited or 2 * GB)
try:
    mmap.mmap(-1, 3 * GB)
except OSError:
    pass
else:
    raise AssertionError("no OSError")
try:
    bytearray(3 * GB)
except MemoryError:
    pass
else:
    raise AssertionError("no MemoryError")
memopt.limit_memory(5 * GB)
mmap.mmap(-1, 3 * GB).close()
memopt.limit_memory(None)
assert memopt.memory_info().limit == unlimited
"""
    )


@needs_limits
def test_limit_below_what_is_in_use() -> None:
    with pytest.raises(ValueError, match=r"limit of 4096 bytes is below .* \d+ bytes$"):
        memopt.limit_memory(4096)


@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        (0, ValueError, "limit_memory() limit must be above 0, not 0"),
        (-1, ValueError, "limit_memory() limit must be above 0, not -1"),
        (1.5, TypeError, "'float' object cannot be interpreted as an integer"),
        ("1", TypeError, "'str' object cannot be interpreted as an integer"),
        (1 << 70, OverflowError, "too "),
    ],
)
def test_bad_limit(limit: object, error: type[Exception], message: str) -> None:
    before = memopt.memory_info().limit
    with pytest.raises(error, match=re.escape(message)):
        memopt.limit_memory(limit)  # type: ignore[arg-type]
    assert memopt.memory_info().limit == before


def test_pressure() -> None:
    pressure = memopt.memory_pressure()
    assert pressure is None or 0.0 <= pressure <= 1.0


def test_allocation_failures() -> None:
    assert fail_each_allocation(lambda: None, lambda _: memopt.memory_info()) >= 7
    assert fail_each_allocation(lambda: None, lambda _: memopt.memory_pressure()) <= 1


# CPython's collector cannot raise: it reports what fails in it as unraisable.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_allocation_failures_of_release() -> None:
    # As many as one MemoryInfo takes; the second may come after more of the
    # collector's own than fail_each_allocation waits for.
    assert fail_each_allocation(lambda: None, lambda _: memopt.release()) >= 8
