"""What the advisor finds in scripts with planted waste and planted innocents."""

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support import run_in_fresh_process

from memopt import _memopt
from memopt.advisor.findings import Finding, findings
from memopt.advisor.heap import Heap, Row

SCRIPTS = Path(__file__).parent / "advise_scripts"
N = 1000

# Stays below what the scripts plant, and above what stands in the modules that
# are within reach of theirs.
MIN = 2000


# How large each script is made for its bytes to be measured: what it plants then
# takes a megabyte and more, beside which the rest of a script does not matter.
SIZES = {
    "strings.py": 20_000,
    "records.py": 10_000,
    "matrix.py": 200,
    "floats.py": 30_000,
    "ints.py": 40_000,
    "instances.py": 20_000,
    "slack.py": 60_000,
    "empty.py": 10_000,
    "tuples.py": 30_000,
    "blobs.py": 20_000,
    "innocents.py": 0,
}

# What makes a script swap one of its findings, by the path of that.
PARTS = {
    "strings.py": {"__main__.repeated[…]": "swapped"},
    "records.py": {
        "__main__.records[…].keys()": "keys",
        "__main__.records[…]['key city']": "city",
    },
    "matrix.py": {"__main__.matrix": "swapped"},
    "floats.py": {"__main__.values": "values", "__main__.fixed": "fixed"},
    "ints.py": {"__main__.values": "values", "__main__.steps": "steps"},
    "instances.py": {"__main__.plain[…]": "swapped"},
    "slack.py": {
        "__main__.emptied_list": "emptied_list",
        "__main__.emptied_dict": "emptied_dict",
        "__main__.emptied_set": "emptied_set",
    },
    "empty.py": {"__main__.lists[…]": "lists", "__main__.sets[…]": "sets"},
    "tuples.py": {"__main__.points[…]": "swapped"},
    "blobs.py": {"__main__.blobs[…]": "swapped"},
    "innocents.py": {},
}

# One process for all: it runs each script as `advise` does, some times.
RUN_ALL = """
import gc, json, pathlib, sys, tracemalloc
from memopt.advisor import report, target, verify

def bytes_in_use():
    return verify.bytes_in_use() or 0  # not told: see needs_an_answer

def rounded(size):
    return -(-(size + (8 if size > 512 else 0)) // 16) * 16

def ran(path, size, *arguments):
    code, module = target.load_script(str(path), [str(size), *arguments])
    assert target.run(code, module) == 0
    gc.collect()
    return module

def traced(path, size, *arguments):
    # CPython's table of names may happen to grow: not if those that the script
    # interns are kept by a run before.
    kept = ran(path, size, *arguments)
    gc.collect()
    tracemalloc.start()
    module = ran(path, size, *arguments)
    traces = tracemalloc.take_snapshot().traces
    tracemalloc.stop()
    sys.modules["__main__"] = OWN
    # Not what compiling it takes.
    own = [each for each in traces if each.traceback[0].filename == str(path)]
    return sum(rounded(trace.size) for trace in own)

def run(path, size, *arguments, measure=False):
    gc.collect()
    before = bytes_in_use()
    module = ran(path, size, *arguments)
    used = bytes_in_use() - before
    least = 200_000 if measure else MIN
    found = json.loads(report.make_report(None, least, "exit", measure).to_json())
    sys.modules["__main__"] = OWN
    return {"findings": found["findings"], "bytes": used}

OWN = sys.modules["__main__"]
MIN, SMALL = int(sys.argv[2]), int(sys.argv[3])
sizes, parts = json.loads(sys.argv[4])
folder = pathlib.Path(sys.argv[1])
def all_results():  # so that what it holds is not a part of __main__
    return {
        name: {
            "plain": run(folder / name, SMALL),
            "swapped": run(folder / name, SMALL, "swapped"),
            "large": run(folder / name, size, measure=True),
            "large swapped": run(folder / name, size, "swapped"),
            "traced": traced(folder / name, size),
            "traced swapped": {
                path: traced(folder / name, size, part)
                for path, part in parts[name].items()
            },
        }
        for name, size in sizes.items()
    }

print("RESULTS" + json.dumps(all_results()))
"""


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """What each script gives, by how it is run."""
    arguments = (str(SCRIPTS), str(MIN), str(N), json.dumps((SIZES, PARTS)))
    printed = run_in_fresh_process(RUN_ALL, *arguments)
    found: dict[str, Any] = json.loads(printed.partition("RESULTS")[2])
    return found


def planted(report: dict[str, Any]) -> set[tuple[str, str, str, int, int]]:
    """The findings in the script itself."""
    return {
        (f["kind"], f["path"], f["type"], f["count"], f["items"])
        for f in report["findings"]
        if f["path"].startswith("__main__.")
    }


# The kind, where, the type, how many, and how many items or duplicates.
EXPECTED = {
    "strings.py": {("strings", "__main__.repeated[…]", "str", N, N - 100)},
    "records.py": {
        ("strings", "__main__.records[…].keys()", "str", 2 * N, 2 * N - 2),
        ("strings", "__main__.records[…]['key city']", "str", N, N - 10),
    },
    "matrix.py": {("matrix", "__main__.matrix", "list", 1, N * N)},
    "floats.py": {
        ("floats", "__main__.values", "list", 1, N),
        ("floats", "__main__.fixed", "tuple", 1, N),
    },
    "ints.py": {
        ("ints", "__main__.values", "list", 1, N),
        ("progression", "__main__.steps", "list", 1, N),
    },
    "instances.py": {("instances", "__main__.plain[…]", "Plain", N, 3)},
    "slack.py": {
        ("slack", "__main__.emptied_list", "list", 1, N // 2 + 1),
        ("slack", "__main__.emptied_dict", "dict", 1, 100),
        ("slack", "__main__.emptied_set", "set", 1, 100),
    },
    "empty.py": {
        ("empty", "__main__.lists[…]", "list", N, 0),
        ("empty", "__main__.sets[…]", "set", N, 0),
    },
    "tuples.py": {("tuples", "__main__.points[…]", "tuple", N, N - 100)},
    "blobs.py": {("bytes", "__main__.blobs[…]", "bytes", N, N - 50)},
    "innocents.py": set(),
}


def test_every_script_is_expected() -> None:
    assert {path.name for path in SCRIPTS.glob("*.py")} == EXPECTED.keys()


@pytest.mark.parametrize("script", sorted(EXPECTED))
def test_findings_are_the_planted_ones(script: str, results: dict[str, Any]) -> None:
    assert planted(results[script]["plain"]) == EXPECTED[script]


@pytest.mark.parametrize("script", sorted(EXPECTED))
def test_nothing_is_found_after_the_swap(script: str, results: dict[str, Any]) -> None:
    assert planted(results[script]["swapped"]) == set()


WASTEFUL = sorted(EXPECTED.keys() - {"innocents.py"})

needs_pymalloc = pytest.mark.skipif(
    _memopt._pymalloc_bytes() == (0, 0) or "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="sizes are those that CPython's own allocator rounds to",
)
needs_an_answer = pytest.mark.skipif(
    _memopt._pymalloc_bytes() is None or None in _memopt._malloc_bytes(),
    reason="CPython's allocator, from 3.14 on, or the C heap does not tell",
)


def own_findings(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [f for f in result["findings"] if f["path"].startswith("__main__.")]


@needs_an_answer
@needs_pymalloc
@pytest.mark.parametrize("script", WASTEFUL)
def test_savings_are_as_predicted(script: str, results: dict[str, Any]) -> None:
    ran, swapped = results[script]["large"], results[script]["large swapped"]
    predicted = sum(f["saving"] for f in own_findings(ran))
    assert predicted > 500_000
    assert predicted == pytest.approx(ran["bytes"] - swapped["bytes"], rel=0.15)


@needs_pymalloc
@pytest.mark.parametrize("script", WASTEFUL)
def test_each_saving_is_that_of_its_swap(script: str, results: dict[str, Any]) -> None:
    """The script's own bytes with and without it, as tracemalloc counts them."""
    result = results[script]
    found = {f["path"]: f["saving"] for f in own_findings(result["large"])}
    assert found.keys() == PARTS[script].keys()
    for path, saving in found.items():
        saved = result["traced"] - result["traced swapped"][path]
        assert saving == pytest.approx(saved, rel=0.15), path


@needs_pymalloc
@pytest.mark.parametrize("script", WASTEFUL)
def test_savings_are_those_measured(script: str, results: dict[str, Any]) -> None:
    for finding in own_findings(results[script]["large"]):
        measured = finding["measured"]
        counted = 1 if finding["kind"] in ("floats", "ints") else finding["count"]
        assert measured["objects"] == counted
        assert measured["saving"] == pytest.approx(finding["saving"], rel=0.15)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (range(5, 5 + 3 * 1000, 3), "range(5, 3005, 3)"),
        (range(5, 5 + 3 * 1500, 3), "range(5, 3005, 3)"),  # it grew since the scan
        ([], "range(…)"),
        ([5], "range(…)"),
        (["5", 8], "range(…)"),
        ([True, 2], "range(…)"),
    ],
)
def test_the_range_told_is_that_of_the_scan(now: Iterable[object], told: str) -> None:
    steps = ("root", "steps"), ("item", "")
    row = Row("progression", "steps", "steps", steps, list, list(now), 1, 1000, 8056, 0)
    (finding,) = findings(Heap([row], [], []), measure=False)
    assert finding.swap.endswith(f"if the steps are always even: {told}")


@pytest.mark.parametrize(
    ("count", "copies", "told"),
    [
        (1000, 999, "1,000 strings, 1 distinct"),
        (1000, 1000, "1,000 strings, all equal to others elsewhere"),
        (1, 1, "A string that equals another elsewhere"),
    ],
)
def test_strings_that_are_copies_of_others(count: int, copies: int, told: str) -> None:
    assert string_finding("x", count, copies).title == told


@pytest.mark.parametrize(
    ("copies", "entries", "told"), [(20_000, "20000", True), (19_999, "", False)]
)
def test_what_only_others_elsewhere_equal_needs_these_in_the_pool(
    copies: int, entries: str, told: bool
) -> None:
    finding = string_finding("x", 20_000, copies)
    assert f"memopt.InternPool({entries})\n" in finding.swap
    assert finding.caveat.endswith("looked up in the same `pool`") == told


@pytest.mark.parametrize(
    ("example", "told"),
    [
        ("a\nb", "'a\\nb'"),
        ("x" * 60, "'" + "x" * 60 + "'"),
        ("x" * 61, "'" + "x" * 60 + "'…"),
        (bytes(50), "b'" + r"\x00" * 19 + r"\x" + "…"),
    ],
)
def test_examples_are_short(example: str | bytes, told: str) -> None:
    assert string_finding(example, 2, 1).example == told


def string_finding(example: object, count: int, copies: int) -> Finding:
    steps = ("root", "names"), ("item", "")
    row = Row("strings", "x", "x", steps, str, example, count, copies, 50_000, 50)
    (finding,) = findings(Heap([row], [], []), measure=False)
    return finding


def finding_of(kind: str, cls: type, *figures: int, **more: int) -> Finding:
    steps = ("root", "it"), ("item", None)
    row = Row(kind, "it[…]", "it", steps, cls, None, *figures, **more)
    (finding,) = findings(Heap([row], [], []), measure=False)
    return finding


@pytest.mark.parametrize(
    ("longest", "elsewhere", "pool"),
    [
        (1024, 0, "InternPool()"),
        (1025, 0, "InternPool(max_length=1025)"),
        (10, 16_375, "InternPool(16385)"),
        (3000, 20_000, "InternPool(20010, max_length=3000)"),
    ],
)
def test_the_pool_has_room_for_all(longest: int, elsewhere: int, pool: str) -> None:
    more = {"elsewhere": elsewhere, "longest": longest}
    finding = finding_of("strings", str, 100, 90, 50_000, 50, **more)
    assert finding.swap.splitlines()[1] == f"+ pool = memopt.{pool}"
    assert ("elsewhere have to be looked up" in finding.caveat) == (elsewhere > 0)


def test_findings_that_share_a_pool_say_so() -> None:
    kinds = {"strings": "pool", "bytes": "seen", "tuples": "seen"}
    for kind, holder in kinds.items():
        finding = finding_of(kind, str, 100, 90, 50_000, 50, is_shared=True)
        told = f"; some are in another finding, too: one `{holder}` for both"
        assert finding.caveat.endswith(told)
        alone = finding_of(kind, str, 100, 90, 50_000, 50)
        assert "another finding" not in alone.caveat


@pytest.mark.parametrize("kind", ["floats", "ints", "matrix", "progression"])
def test_numbers_of_other_lists_are_told(kind: str) -> None:
    row = Row(kind, "x", "x", (("root", "x"),), list, [1, 2], 1, 1000, 8056, 0, 700)
    (finding,) = findings(Heap([row], [], []), measure=False)
    assert finding.confidence == "low"
    assert "; 700 of these numbers are objects that other lists hold" in finding.caveat


class Plain:
    pass


@dataclasses.dataclass
class Data:
    pass


@pytest.mark.parametrize(
    ("cls", "weak", "swap"),
    [
        (Plain, 0, "    __slots__ = (…)  # the names of its attributes"),
        (Plain, 1, '    __slots__ = (…, "__weakref__")  # the names of its attributes'),
        (Data, 0, "@dataclass(slots=True)"),
        (Data, 1, "@dataclass(slots=True, weakref_slot=True)"),
    ],
)
def test_slots_have_room_for_weak_references(cls: type, weak: int, swap: str) -> None:
    finding = finding_of("instances", cls, 100, 2, 50_000, 50, elsewhere=weak)
    assert finding.swap.splitlines()[-1] == f"+ {swap}"
    assert ("no weak references" in finding.caveat) == (weak == 0)


def test_classes_in_a_path_are_not_compared() -> None:
    class Meta(type):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(cls, other: object) -> bool:
            raise AssertionError("code of the program ran")

    class Leaked(metaclass=Meta):
        pass

    steps = ("unnamed", Leaked), ("item", None)
    row = Row("tuples", "<Leaked>[…]", "", steps, tuple, (), 100, 90, 1000, 50)
    told = findings(Heap([row, row], [], []), measure=False)
    assert [each.saving for each in told] == [950]


def test_one_swap_of_the_same_tuples_is_told() -> None:
    steps = ("root", "it"), ("item", None)
    rows = [
        Row(kind, "it[…]", "it", steps, tuple, (), 100, 90, now, 50)
        for kind, now in (("floats", 1000), ("tuples", 2000), ("ints", 3000))
    ]
    rows.append(Row("floats", "x", "x", steps[:1], tuple, (), 1, 100, 500, 50))
    rows.append(Row("floats", "it[…]", "it", steps, list, [], 100, 90, 700, 50))
    told = findings(Heap(rows, [], []), measure=False)
    assert [(each.kind, each.saving) for each in told] == [
        ("ints", 2950),
        ("floats", 650),
        ("floats", 450),
    ]
