"""What each finding is said to save, and what its swap saves, as tracemalloc counts.

Scripts of the kinds that people have, with objects that several places hold or equal.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support import run_in_fresh_process

from memopt import _memopt

# What a script begins with.  ``on``: whether the finding there is swapped; ``pooled``
# and ``seen``: how what is equal is then made one.
HEADER = """
import sys
from array import array
from memopt import FloatMatrix, InternPool

def on(*paths):
    return bool({"all", *paths} & set(sys.argv))

def chosen(paths, swap):
    return swap if on(*paths) else lambda value: value

def pooled(*paths, **options):
    return chosen(paths, InternPool(**options).intern)

def seen(*paths):
    made = {}
    return chosen(paths, lambda value: made.setdefault(value, value))

def doubles(*paths):
    return chosen(paths, lambda value: array("d", value))

def matrix(*paths):
    return chosen(paths, FloatMatrix)
"""

# The script, and what is found in it: the kind, by the path.
Case = tuple[str, dict[str, str]]

# Each swap alone saves what is said of it.
SINGLE: dict[str, Case] = {
    "strings of another list": (
        """
keep = pooled("__main__.second[…]", max_entries=20000)
first = [keep(f"some text number {i}") for i in range(20000)]
second = [keep(f"some text number {i}") for i in range(20000)]
""",
        {"__main__.second[…]": "strings"},
    ),
    "strings of a list with few of its own": (
        """
keep = pooled("__main__.second[…]", max_entries=20000)
first = [keep(f"some text number {min(i, 19990)}") for i in range(20000)]
second = [keep(f"some text number {i}") for i in range(20000)]
""",
        {"__main__.second[…]": "strings"},
    ),
    "strings that are keys elsewhere": (
        """
keep = pooled("__main__.by_name.keys()", max_entries=20000)
rows = [{"name": keep(f"user name {i}"), "n": None} for i in range(20000)]
by_name = {keep(f"user name {i}"): None for i in range(20000)}
""",
        {"__main__.by_name.keys()": "strings"},
    ),
    "bytes of another list": (
        """
keep = seen("__main__.second[…]")
first = [keep(b"some text number %d" % i) for i in range(20000)]
second = [keep(b"some text number %d" % i) for i in range(20000)]
""",
        {"__main__.second[…]": "bytes"},
    ),
    "tuples of another list": (
        """
keep = seen("__main__.second[…]")
first = [keep((i, None, True)) for i in range(300, 20300)]
second = [keep((i, None, True)) for i in range(300, 20300)]
""",
        {"__main__.second[…]": "tuples"},
    ),
    "a few strings of a long list": (
        """
keep = pooled("__main__.second[…]")
first = [f"text {i}" for i in range(20000)]
second = [keep(f"text {i % 10}") for i in range(20000)]
""",
        {"__main__.second[…]": "strings"},
    ),
    "long strings": (
        """
keep = pooled("__main__.pages[…]", max_length=3000)
pages = [keep(f"page {i % 50} " * 300) for i in range(1000)]
""",
        {"__main__.pages[…]": "strings"},
    ),
    "tuples and their numbers": (
        """
keep = seen("__main__.points[…]")
points = [keep((i % 100 + 1000, i % 100 * 0.25)) for i in range(20000)]
""",
        {"__main__.points[…]": "tuples"},
    ),
    "tuples of floats, not all of one length": (
        """
keep = seen("__main__.points[…]")
points = [keep(tuple([i % 100 + j * 0.25 for j in range(2 + i % 2)]))
          for i in range(20000)]
""",
        {"__main__.points[…]": "tuples"},
    ),
    "dicts that were larger, beside others": (
        """
copied = chosen(["__main__.things[…]"], dict)
things = []
for i in range(100):
    emptied = {j: None for j in range(1000)}
    for j in range(30, 1000):
        del emptied[j]
    things += [copied(emptied), {j: None for j in range(100)}]
del emptied
""",
        {"__main__.things[…]": "slack"},
    ),
    "dicts with names for keys that were larger": (
        """
names = [sys.intern(f"name {i}") for i in range(1000)]
copied = chosen(["__main__.things[…]"], dict)
things = []
for i in range(100):
    emptied = dict.fromkeys(names if i % 2 else range(1000))
    for j in list(emptied)[100:]:
        del emptied[j]
    things += [copied(emptied), dict.fromkeys(range(50))]
del emptied
""",
        {"__main__.things[…]": "slack"},
    ),
    "sets that were larger, beside others": (
        """
copied = chosen(["__main__.things[…]"], set)
things = []
for i in range(100):
    emptied = set(range(2000))
    for j in range(75, 2000):
        emptied.discard(j)
    things += [copied(emptied), set(range(100))]
del emptied
""",
        {"__main__.things[…]": "slack"},
    ),
    "a list of floats that was longer": (
        """
values = [i * 0.5 for i in range(60000)]
while len(values) > 32000:
    values.pop()
values = doubles("__main__.values")(values)
""",
        {"__main__.values": "floats"},
    ),
    "a list of small ints that was longer": (
        """
values = [i % 50 for i in range(100000)]
while len(values) > 52000:
    values.pop()
values = chosen(["__main__.values"], list)(values)
""",
        {"__main__.values": "slack"},
    ),
    "floats of which half are keys": (
        """
values = [i + 0.5 for i in range(20000)]
known = {value: None for value in values[:10000]}
values = doubles("__main__.values")(values)
""",
        {"__main__.values": "floats"},
    ),
    "floats that are in the list twice": (
        """
values = [i + 0.5 for i in range(10000)]
values = values + values
values = doubles("__main__.values")(values)
""",
        {"__main__.values": "floats"},
    ),
    "ints that are keys": (
        """
known = {i: None for i in range(1000, 61000)}
ids = list(known)
if on("__main__.ids"):
    ids = range(1000, 61000)
""",
        {"__main__.ids": "progression"},
    ),
    "rows of which parts are in other lists": (
        """
swapped = doubles("__main__.data[…]")
data = [swapped([i + j + 0.5 for j in range(8)]) for i in range(4000)]
train, test = data[:3000], data[3000:]
""",
        {"__main__.data[…]": "floats"},
    ),
    "lists of a dict with many keys": (
        """
swapped = doubles("__main__.series[…]")
series = {f"name {i}": swapped([j + 0.5 for j in range(100)]) for i in range(100)}
""",
        {"__main__.series[…]": "floats"},
    ),
    "instances that had a dict": (
        """
class Plain:
    if on("__main__.plain[…]"):
        __slots__ = ("x", "y")
    def __init__(self):
        self.x = self.y = None

plain = [Plain() for _ in range(10000)]
if not on("__main__.plain[…]"):
    [vars(each) for each in plain]
""",
        {"__main__.plain[…]": "instances"},
    ),
    "instances whose dict is their own": (
        """
class Plain:
    if on("__main__.plain[…]"):
        __slots__ = ("x", "y")

plain = [Plain() for _ in range(10000)]
for each in plain:
    if on("__main__.plain[…]"):
        each.x = each.y = None
    else:
        each.__dict__ = {"x": None, "y": None}
del each
""",
        {"__main__.plain[…]": "instances"},
    ),
    "instances that are referred to weakly": (
        """
import weakref

class Plain:
    if on("__main__.plain[…]"):
        __slots__ = ("w", "x", "y", "__weakref__")
    def __init__(self):
        self.w = self.x = self.y = None

plain = [Plain() for _ in range(10000)]
weak = [weakref.ref(each) for each in plain[::2]]
""",
        {"__main__.plain[…]": "instances"},
    ),
}

# All swaps together save the sum.
TOGETHER: dict[str, Case] = {
    "three lists": (
        """
keep = pooled(max_entries=20000)
first = [keep(f"some text number {i}") for i in range(20000)]
second = [keep(f"some text number {i}") for i in range(20000)]
third = [keep(f"some text number {i}") for i in range(20000)]
""",
        {"__main__.second[…]": "strings", "__main__.third[…]": "strings"},
    ),
    "two columns": (
        """
keep = pooled()
rows = [{"from": keep(f"host-{i * 7919 % 9000}.example"),
         "to": keep(f"host-{i * 104729 % 9000}.example")} for i in range(20000)]
""",
        {
            "__main__.rows[…]['from']": "strings",
            "__main__.rows[…]['to']": "strings",
        },
    ),
    "keys and values": (
        """
keep = pooled(max_entries=20000)
following = {keep(f"name {i}"): keep(f"name {i * 7 % 20000}") for i in range(20000)}
""",
        {
            "__main__.following[…]": "strings",
            "__main__.following.keys()": "strings",
        },
    ),
    "tuples and their strings": (
        """
keep, one = seen(), pooled()
pairs = [keep((one(f"name of {i % 100}"), i % 100)) for i in range(20000)]
""",
        {"__main__.pairs[…]": "tuples", "__main__.pairs[…][…]": "strings"},
    ),
    "tuples of two lists": (
        """
keep = seen()
first = [keep((i % 1000 + 300, None)) for i in range(10000)]
second = [keep((i % 1000 + 300, None)) for i in range(10000)]
""",
        {"__main__.first[…]": "tuples", "__main__.second[…]": "tuples"},
    ),
    "a sorted copy": (
        """
values = doubles()([i * 7919 % 20011 + 0.5 for i in range(20000)])
ordered = doubles()(sorted(values))
""",
        {"__main__.values": "floats"},
    ),
    "a progression and its copy": (
        """
steps = list(range(1000, 31000))
copy = steps[:]
if on():
    steps = copy = range(1000, 31000)
""",
        {"__main__.steps": "progression", "__main__.copy": "progression"},
    ),
    "a matrix and its columns": (
        """
rows = [[i + j + 0.5 for j in range(100)] for i in range(200)]
columns = [list(column) for column in zip(*rows)]
if on():
    rows, columns = FloatMatrix(rows), FloatMatrix(columns)
""",
        {"__main__.rows": "matrix"},
    ),
}

# Nothing is found, as no swap would save anything.
NOTHING = {
    "a column of records": """
rows = [{"value": i + 0.5} for i in range(20000)]
values = [row["value"] for row in rows]
""",
    "one row, many times": """
rows = [[i + 0.5 for i in range(3)]] * 30000
""",
    "constants": """
values = [0.0, 1.0, 2.0, 3.0] * 30000
""",
    "half of the strings of another list": """
first = [f"some text number {i}" for i in range(20000)]
second = [f"some text number {i}" for i in range(10000, 30000)]
""",
    "instances with a cached property": """
import functools

class Plain:
    @functools.cached_property
    def x(self):
        return None

plain = [Plain() for _ in range(10000)]
[each.x for each in plain]
""",
}

RUN_ALL = """
import gc, json, pathlib, sys, tracemalloc
import array, functools, weakref
import memopt
from memopt.advisor import report, target

OWN = sys.modules["__main__"]
folder, header = pathlib.Path(sys.argv[1]), sys.argv[2]
scripts = json.loads(sys.argv[3])

def rounded(size):
    return -(-(size + (8 if size > 512 else 0)) // 16) * 16

def ran(path, *arguments):
    code, module = target.load_script(str(path), [*arguments])
    assert target.run(code, module) == 0
    gc.collect()
    return module

def traced(path, *arguments):
    kept = ran(path, *arguments)  # what it interns, too, which is then not counted
    tracemalloc.start()
    module = ran(path, *arguments)
    traces = tracemalloc.take_snapshot().traces
    tracemalloc.stop()
    sys.modules["__main__"] = OWN
    own = [each for each in traces if each.traceback[0].filename == str(path)]
    return sum(rounded(trace.size) for trace in own)

def found(path):
    module = ran(path)
    found = json.loads(report.make_report(None, 100_000, "exit", True).to_json())
    sys.modules["__main__"] = OWN
    return [each for each in found["findings"] if each["path"].startswith("__main__")]

def results(name, script):
    path = folder / "script.py"
    path.write_text(header + script, encoding="utf-8")
    findings, plain = found(path), traced(path)
    swapped = {f["path"]: plain - traced(path, f["path"]) for f in findings}
    return {"findings": findings, "saved": swapped, "all": plain - traced(path, "all")}

def all_results():  # so that what it holds is not a part of __main__
    return {name: results(name, script) for name, script in scripts.items()}

print("RESULTS" + json.dumps(all_results()))
"""

pytestmark = pytest.mark.skipif(
    _memopt._pymalloc_bytes() == (0, 0) or "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="sizes are those that CPython's own allocator rounds to",
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is found in each script, and saved by the swaps."""
    cases = SINGLE | TOGETHER
    scripts = {name: script for name, (script, _) in cases.items()} | NOTHING
    folder: Path = tmp_path_factory.mktemp("scripts")
    printed = run_in_fresh_process(RUN_ALL, str(folder), HEADER, json.dumps(scripts))
    found: dict[str, Any] = json.loads(printed.partition("RESULTS")[2])
    return found


def kinds(result: dict[str, Any]) -> dict[str, str]:
    return {each["path"]: each["kind"] for each in result["findings"]}


@pytest.mark.parametrize("case", SINGLE)
def test_a_swap_saves_what_is_predicted(case: str, results: dict[str, Any]) -> None:
    result = results[case]
    assert kinds(result) == SINGLE[case][1]
    for finding in result["findings"]:
        saved = result["saved"][finding["path"]]
        assert finding["saving"] == pytest.approx(saved, rel=0.15)


@pytest.mark.parametrize("case", TOGETHER)
def test_swaps_save_the_sum(case: str, results: dict[str, Any]) -> None:
    result = results[case]
    assert kinds(result) == TOGETHER[case][1]
    predicted = sum(each["saving"] for each in result["findings"])
    assert predicted == pytest.approx(result["all"], rel=0.15)


@pytest.mark.parametrize("case", NOTHING)
def test_nothing_is_found_where_nothing_is_saved(
    case: str, results: dict[str, Any]
) -> None:
    assert kinds(results[case]) == {}


@pytest.mark.parametrize("case", SINGLE | TOGETHER)
def test_what_is_measured_is_what_is_predicted(
    case: str, results: dict[str, Any]
) -> None:
    for finding in results[case]["findings"]:
        measured = finding["measured"]
        assert measured["saving"] == pytest.approx(finding["saving"], rel=0.15)
