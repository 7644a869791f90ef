"""What ``--verify`` measures, and that it leaves the program as it was."""

from __future__ import annotations

import gc
import json
import pickle
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

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
    monkeypatch.setattr(verify, "others_asleep", dict)


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


MANY = {
    "strings": [f"some text {i // 2}" for i in range(COUNT)],
    "bytes": [b"some text %d" % (i // 2) for i in range(COUNT)],
    "tuples": [(i // 2, 0.5, None) for i in range(COUNT)],
}


@pytest.mark.skipif(
    _memopt._pymalloc_bytes() == (0, 0), reason="sizes are those of Python's allocator"
)
@not_with_asan
@pytest.mark.usefixtures("traced", "allocators")
@pytest.mark.parametrize("kind", MANY)
def test_one_of_each_stays(kind: str) -> None:
    found = looked_at(MANY[kind]).findings
    (finding,) = [each for each in found if each.kind == kind]
    measured = finding.measured
    assert measured is not None
    # Tuples and floats that CPython keeps for later, counted as in use.
    unused = 2000 * -(-sys.getsizeof((1, 2, 3)) // 16) * 16 + 100 * 32
    assert measured.bytes_now == pytest.approx(finding.bytes_now, abs=unused)
    assert measured.bytes_after >= finding.bytes_now / 2 - unused
    # So is the pool, or dict, that they are in.
    off = unused if kind == "tuples" else 0.05 * finding.bytes_now
    assert measured.bytes_after == pytest.approx(finding.bytes_after, abs=off)


@not_with_asan
@pytest.mark.usefixtures("allocators")
@pytest.mark.parametrize("kind", MANY)
def test_what_is_elsewhere_too_need_not_stay(kind: str) -> None:
    """The first list keeps one of each, so that the second, of equal ones, need not."""
    first = [*dict.fromkeys(MANY[kind])][:1000]
    second = [each for _ in range(20) for each in pickle.loads(pickle.dumps(first))]
    (finding,) = [f for f in looked_at(first, second).findings if f.kind == kind]
    assert finding.path == "roots[1][…]"
    assert finding.measured is not None
    assert finding.measured.objects == finding.count == finding.items == COUNT
    # The pool or dict has them, too, which is not counted there as nothing is saved.
    assert finding.measured.saving == pytest.approx(finding.saving, rel=0.15)


@not_with_asan
@pytest.mark.usefixtures("allocators")
def test_lists_that_had_room_for_more() -> None:
    """Of those at one path, some had: by ``split``, more than half is free there."""
    text, lists = "a b", []
    for _ in range(5000):
        lists += [text.split(maxsplit=11), ["a", "b"], [None] * 40, list(range(9))]
        while len(lists[-2]) > 21:
            lists[-2].pop()
    (finding,) = [f for f in looked_at(lists).findings if f.kind == "slack"]
    assert finding.measured is not None
    assert finding.measured.objects == finding.count == 10_000
    assert finding.measured.saving == pytest.approx(finding.saving, rel=0.05)


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

    def swap_or_raise(copies: list[str], row: Row, found: list[str]) -> object:
        seen.append((tracemalloc.is_tracing(), gc.isenabled()))
        if raises is not None:
            raise raises
        return swap(copies, row, found)

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


@pytest.mark.usefixtures("allocators")
def test_programs_garbage_is_left(texts: list[str]) -> None:
    class Garbage:
        def __init__(self) -> None:
            self.itself = self

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        garbage = weakref.ref(Garbage())
        (finding,) = looked_at(texts).findings
        assert finding.measured is not None
        assert garbage() is not None
    finally:
        (gc.enable if was_enabled else gc.disable)()


class Memory:
    """What ``memory_info`` says, of as much as the test has to know."""

    def __init__(self, available: int | None, limit: int | None, private: int | None):
        self.system_available, self.limit, self.private = available, limit, private


# Copies of the texts take 1.3 MB, and less than 2 MB with all that is needed.
@pytest.mark.parametrize(
    ("memory", "enough"),
    [
        (Memory(2_000_000, None, None), False),
        (Memory(4_000_000, None, None), True),
        (Memory(1 << 40, 9_000_000, 7_000_000), False),
        (Memory(1 << 40, 9_000_000, 5_000_000), True),
        (Memory(1 << 40, 9_000_000, None), True),
        (Memory(None, None, None), True),
    ],
)
def test_memory_that_is_short(
    texts: list[str], monkeypatch: pytest.MonkeyPatch, memory: Memory, enough: bool
) -> None:
    monkeypatch.setattr(verify, "bytes_in_use", lambda: 0)
    monkeypatch.setattr(verify, "memory_info", lambda: memory)
    (finding,) = looked_at(texts).findings
    assert finding.unmeasured == (None if enough else "memory")
    assert (finding.measured is not None) == enough


@pytest.mark.parametrize("reached", [0, 11, COUNT // 2 - 1])
def test_what_cannot_be_reached(
    texts: list[str], monkeypatch: pytest.MonkeyPatch, reached: int
) -> None:
    monkeypatch.setattr(verify, "objects", lambda row, roots: texts[:reached])
    (finding,) = looked_at(texts).findings
    assert (finding.measured, finding.unmeasured) == (None, "lost")


def test_half_of_it_is_enough(
    texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "objects", lambda row, roots: texts[: COUNT // 2])
    (finding,) = looked_at(texts).findings
    assert finding.measured is not None
    assert finding.measured.objects == COUNT // 2


@pytest.mark.parametrize(
    "answers",
    [[{}, None], [{}, {5: b"1"}], [{5: b"1"}, {5: b"2"}], [{5: b"1"}, {}]],
    ids=["begins", "begins and sleeps", "wakes up", "ends"],
)
def test_a_thread_that_runs_meanwhile(
    texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    answers: list[dict[int, bytes] | None],
) -> None:
    monkeypatch.setattr(verify, "others_asleep", lambda: answers.pop(0))
    (finding,) = looked_at(texts).findings
    assert (finding.measured, finding.unmeasured) == (None, "threads")
    assert answers == []


class Hostile:
    """What must not be asked for its hash, or be counted with."""

    def __hash__(self) -> int:
        raise AssertionError

    __add__ = __radd__ = __sub__ = __mul__ = __eq__ = __hash__  # type: ignore


# At each path some that the scan counts, and others of the same type.
MIXED: dict[str, list[Any]] = {
    "tuples": [*((i % 9, "a", 0.5) for i in range(9000)), ({},), (Hostile(),)],
    "floats": [*([i + j + 0.5 for i in range(1000)] for j in range(9)), [], ["a"]],
    "ints": [*([*range(i, 1000, 2), 5] for i in range(50)), [1 << 64] * 1000, [None]],
    "progression": [[*range(5000)], [*range(3, 9000)], ["a"], [5], [Hostile()] * 9000],
    "matrix": [[[0.5, i + 0.5] * 99 for _ in "many"] for i in range(3)]
    + [[["a"]], [Hostile()]],
}


@pytest.mark.parametrize("kind", MIXED)
def test_only_what_the_scan_counts_is_copied(kind: str) -> None:
    found = report.make_report((MIXED[kind],), 1000, "now", True).findings
    (finding,) = [each for each in found if each.kind == kind]
    assert finding.unmeasured is None
    assert finding.measured is not None
    assert finding.measured.objects <= finding.count


REASONS = {
    "lost": "its path does not lead to most of it",
    "threads": "other threads may have run",
    "memory": "memory is short",
    "busy": "the script was within a call that took long",
    "time": "measuring had taken as long as the script itself",
    "tracing": "the script had tracemalloc on",
}


@pytest.mark.parametrize("reason", REASONS)
def test_why_not_is_said(texts: list[str], reason: Any) -> None:
    found = report.make_report((texts,), 100_000, "peak", unmeasured=reason)
    (finding,) = json.loads(found.to_json())["findings"]
    assert (finding["measured"], finding["unmeasured"]) == (None, reason)
    for text in (str(found), found.to_html()):
        assert f"not measured: {REASONS[reason]}" in text


def test_nothing_is_measured_while_a_thread_runs(
    texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real others_asleep
    started, done = threading.Event(), threading.Event()

    def run() -> None:
        started.set()
        while not done.is_set():
            pass

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    monkeypatch.setattr(verify, "objects", None)  # not even looked for
    try:
        found = looked_at(texts)
    finally:
        done.set()
        thread.join()
    assert found.findings[0].unmeasured == "threads"
    assert "proven" not in str(report.make_report((texts,), 100_000, "now"))


def test_what_another_report_measured(texts: list[str]) -> None:
    """Is taken over if nothing else is different."""
    others = [f"some other text {i % 10}" for i in range(COUNT)]
    before = looked_at(texts, others)
    others.pop()
    after = report.make_report((texts, others), 100_000, "now", unmeasured="time")
    found = report.with_measures(after, before).findings
    measured = {f.path: (f.measured is not None, f.unmeasured) for f in found}
    assert measured == {
        "roots[0][…]": (True, None),
        "roots[1][…]": (False, "time"),
    }


def test_rounding_is_that_of_the_scan() -> None:
    for length in range(2000):
        data = bytes(length)
        expected = _memopt._object_bytes(data)
        assert verify._rounded(sys.getsizeof(data)) == expected
