"""A pytest plugin, `-p tools.refleaks`: a test that is repeated leaves nothing behind.

Each test is repeated in a debug build of CPython, which counts all references,
until there are as many references and blocks of memory as after the run before.
It fails if after twelve runs there never were, and each of the last eight left more:
caches fill up once, leaks go on.  (CPython's own regrtest -R judges alike.)

What was compiled for the usual build drops references uncounted, and so seems to
leak what it was given: the extensions that tests call must be of the debug build.
"""

import gc
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from _pytest.runner import runtestprotocol
from hypothesis.strategies._internal.utils import clear_strategy_cache

from memopt import LazyMap, X

# Records that are full go up and down: by chance, eight times up is rare.
RUNS = 12
MEASURED = 8

# Of these, by the beginning of their names, only blocks are judged.  NumPy 2.4 leaves
# a reference to a dtype for each zeros(n) or empty(n), and one that it counted twice
# for each transpose(matrix) and each array pickled by protocol 5; list.extend() of
# CPython 3.11 leaves one to a tuple for whose items it finds no memory.
OTHERS_LEAVE_REFERENCES = (
    "test_borrowed_tensors_are_returned",
    "test_filling_refuses",
    "test_no_warning_of_arrays_that_will_be_read_only",
    "test_np_sum_and_mean_are_the_exact_ones",
    "test_numpy_arrays_within_lists",
    "test_numpy_functions_and_operators",
    "test_numpy_memory_map",
    "test_numpy_objects_whose_buffer_misleads",
    "test_numpy_unaligned_and_fields",
    "test_reading_fails_cleanly",
    "test_round_trips[numpy",
    "test_where_of_numpy",
    "test_writing_happens_wholly_or_not_at_all",
)
SETTINGS = "_hypothesis_internal_use_settings"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(sys, "gettotalrefcount"):
        raise pytest.UsageError("references are counted by a debug build of CPython")


def _fill_record() -> None:
    """So that memopt's record of callables is full, and of long ones.

    It is of 64, in groups by the addresses of expressions and of functions' code.
    Expressions are all as large, and of a thousand some are in each group that any
    is in; the lengths of the functions put them into each group.
    """
    numbers = [" + ".join(map(str, range(300, 310 + i % 20))) for i in range(1000)]
    callables = [eval(f"lambda x: x + {number}") for number in numbers]
    callables += [eval(f"X + {number}", {"X": X}) for number in numbers]
    assert all(LazyMap(f, [1]).native for f in callables)


def pytest_collection_finish(session: pytest.Session) -> None:
    _fill_record()
    # gc.collect() after each run would take 0.2 s, for 140,000 objects of pytest.
    gc.collect()
    gc.freeze()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not pytest's, of which the session keeps something for each run."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    # Of an array, because the objects of a list would be counted themselves.
    references, blocks = (array("q", [0] * RUNS) for _ in "ab")
    leaks: list[str] = []
    for i in range(RUNS):
        if i == RUNS - MEASURED:
            _fill_record()  # other tests have put shorter ones there
        reports = _run(item)
        if not all(report.passed for report in reports):
            return _report_once(item, nextitem, i)
        clear_strategy_cache()  # of 1,024 of Hypothesis, filled in some forty runs
        gc.collect()
        sys._clear_type_cache()
        if not item.name.startswith(OTHERS_LEAVE_REFERENCES):
            references[i] = sys.gettotalrefcount()
        blocks[i] = sys.getallocatedblocks()
        if i and all(counts[i] == counts[i - 1] for counts in (references, blocks)):
            break
    else:
        leaks = _leaks("references", references) + _leaks("blocks", blocks)
    for report in reports[:-1]:
        if report.when == "call" and leaks:
            report.outcome = "failed"
            report.longrepr = "; ".join(leaks)
        item.ihook.pytest_runtest_logreport(report=report)
    item.session._setupstate.teardown_exact(nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run(item: pytest.Item) -> list[pytest.TestReport]:
    """Run it once; what the tests of its module share is not torn down."""
    function = getattr(item.obj, "__func__", item.obj)  # type: ignore[attr-defined]
    settings = getattr(function, SETTINGS, None)
    reports = runtestprotocol(item, nextitem=item.parent, log=False)  # type: ignore[arg-type]
    if settings is not None:
        # Each run of a test with parameters gives it new ones, made of these.
        setattr(function, SETTINGS, settings)
    return reports


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


def _leaks(kind: str, counts: Iterable[int]) -> list[str]:
    grown = [after - before for before, after in pairwise(counts)][-MEASURED:]
    return [f"{kind} left each time: {grown}"] if min(grown) > 0 else []
