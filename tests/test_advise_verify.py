"""What ``--verify`` measures, and that it leaves the program as it was."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from support import not_with_asan

from memopt import _memopt
from memopt.advisor import report, verify
from memopt.advisor.heap import Row
from memopt.advisor.report import Report

COUNT = 20_000


@pytest.fixture
def texts() -> list[str]:
    return [f"some text {i % 10}" for i in range(COUNT)]


@pytest.fixture(params=[False, True], ids=["untraced", "traced"])
def traced(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the program has tracemalloc on."""
    if request.param:
        tracemalloc.start()
    yield request.param
    tracemalloc.stop()


@pytest.fixture(params=[False, True], ids=["told", "not told"])
def allocators(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are, and as where they do not tell what is in use."""
    if request.param:
        monkeypatch.setattr(verify, "bytes_in_use", lambda: None)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever threads the tests' runner has of its own."""
    monkeypatch.setattr(verify, "_is_alone", lambda: True)


def looked_at(*roots: object) -> Report:
    return report.make_report(roots, 100_000, "now", True)


@pytest.mark.skipif(
    _memopt._pymalloc_bytes() == (0, 0), reason="sizes are those of Python's allocator"
)
@not_with_asan
@pytest.mark.usefixtures("traced", "allocators")
def test_measured_is_what_is_predicted(texts: list[str]) -> None:
    (finding,) = looked_at(texts).findings
    assert finding.measured is not None
    assert finding.measured.objects == COUNT
    assert finding.measured.bytes_now == pytest.approx(finding.bytes_now, rel=0.01)
    assert finding.measured.bytes_after < 10_000


@pytest.mark.parametrize("collecting", [False, True])
@pytest.mark.parametrize("raises", [None, MemoryError, ZeroDivisionError])
@pytest.mark.usefixtures("allocators")
def test_program_is_left_as_it_was(
    texts: list[str],
    traced: bool,
    collecting: bool,
    raises: type[Exception] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy, swap = verify._SWAPS["strings"]
    seen = []

    def swap_or_raise(copies: list[str], row: Row) -> object:
        seen.append((tracemalloc.is_tracing(), gc.isenabled()))
        if raises is not None:
            raise raises
        return swap(copies, row)

    monkeypatch.setitem(verify._SWAPS, "strings", (copy, swap_or_raise))
    was_enabled = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        if raises is ZeroDivisionError:
            with pytest.raises(ZeroDivisionError):
                looked_at(texts)
        else:
            (finding,) = looked_at(texts).findings
            assert (finding.measured is None) == (raises is MemoryError)
        assert gc.isenabled() == collecting
    finally:
        (gc.enable if was_enabled else gc.disable)()
    assert tracemalloc.is_tracing() == traced
    tracing = traced or verify.bytes_in_use() is None
    assert seen == [(tracing, False)]


def test_a_finalizer_may_turn_the_collector_off(texts: list[str]) -> None:
    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            gc.disable()

    was_enabled = gc.isenabled()
    gc.enable()
    try:
        Garbage()
        looked_at(texts)
        assert not gc.isenabled()
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_nothing_is_measured_while_a_thread_runs(
    texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real _is_alone
    started, done = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        done.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    monkeypatch.setattr(verify, "objects", None)  # not even looked for
    try:
        assert not verify._is_alone()
        found = looked_at(texts)
    finally:
        done.set()
        thread.join()
    assert found.findings[0].measured is None
    for text in (str(found), found.to_html()):
        assert "not measured: " in text
    assert "proven" not in str(report.make_report((texts,), 100_000, "now"))


def test_rounding_is_that_of_the_scan() -> None:
    for length in range(2000):
        data = bytes(length)
        expected = _memopt._object_bytes(data)
        assert verify._rounded(sys.getsizeof(data)) == expected
