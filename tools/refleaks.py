"""A pytest plugin, `-p tools.refleaks`: a test that is repeated leaves nothing behind.

Each test runs six times in a debug build of CPython, which counts all references.
It fails if, each of the last three times, references or blocks of memory became
more: caches fill up once, leaks go on.  (CPython's own regrtest -R judges alike.)
"""

import gc
import sys
from array import array
from collections.abc import Iterable
from itertools import pairwise

import pytest
from _pytest.runner import runtestprotocol

WARM_UP = 3
MEASURED = 3


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(sys, "gettotalrefcount"):
        raise pytest.UsageError("references are counted by a debug build of CPython")


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    # Of an array, because the objects of a list would be counted themselves.
    references, blocks = (array("q", [0] * (WARM_UP + MEASURED)) for _ in "ab")
    for i in range(WARM_UP + MEASURED):
        if not _passes(item):
            return _report_once(item, nextitem, i)
        gc.collect()
        sys._clear_type_cache()
        references[i] = sys.gettotalrefcount()  # type: ignore[attr-defined]
        blocks[i] = sys.getallocatedblocks()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    leaks = _leaks("references", references) + _leaks("blocks", blocks)
    for report in reports:
        if report.when == "call" and report.passed and leaks:
            report.outcome = "failed"
            report.longrepr = "; ".join(leaks)
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _report_once(item: pytest.Item, nextitem: pytest.Item | None, passed: int) -> bool:
    """Of a test that failed, after so many times that it did not."""
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        if report.when == "call" and report.failed and passed:
            where = (str(item.path), item.location[1] or 0)
            report.outcome = "skipped"  # an iterator among its parameters, say
            report.longrepr = (*where, "Skipped: it cannot be repeated")
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _passes(item: pytest.Item) -> bool:
    """Run it once; what the tests of its module share is not torn down."""
    reports = runtestprotocol(item, nextitem=item.parent, log=False)  # type: ignore[arg-type]
    return all(report.passed for report in reports)


def _leaks(kind: str, counts: Iterable[int]) -> list[str]:
    grown = [after - before for before, after in pairwise(counts)][-MEASURED:]
    return [f"{kind} left each time: {grown}"] if min(grown) > 0 else []
