"""``memopt.advise`` and its report: text, JSON by its schema, HTML."""

import gc
import html.parser
import importlib.resources
import json
import re
import sys
from typing import Any

import pytest
from support import run_in_fresh_process

import memopt
from memopt.advisor.report import Report


def waste() -> dict[str, Any]:
    return {
        "rows": [{"city": f"<City & {i % 5}>", "n": i} for i in range(2000)],
        "matrix": [[i + j + 0.5 for j in range(50)] for i in range(50)],
        "steps": [i * 2 for i in range(1000)],
    }


@pytest.fixture(scope="module")
def report() -> Report:
    return memopt.advise(waste(), min_saving=10_000)


def test_findings_of_roots(report: Report) -> None:
    assert [(f.kind, f.path, f.count) for f in report.findings] == [
        ("strings", "roots[0]['rows'][…]['city']", 2000),
        ("matrix", "roots[0]['matrix']", 1),
        ("progression", "roots[0]['steps']", 1),
    ]
    assert report.moment == "now"
    savings = [f.saving for f in report.findings]
    assert savings == sorted(savings, reverse=True)
    assert report.saving == sum(savings) <= report.python_bytes
    assert report.python_bytes == sum(t.bytes for t in report.types)


def test_several_roots() -> None:
    numbers = [0.5 + i for i in range(1000)]
    report = memopt.advise(numbers, [numbers], tuple(numbers), min_saving=1000)
    # The tuple has only its pointers for itself: an array would not be smaller.
    assert [f.path for f in report.findings] == ["roots[0]"]


def test_everything_includes_local_variables() -> None:
    numbers = [0.5 + i for i in range(100_000)]
    paths = [f.path for f in memopt.advise(min_saving=1_000_000).findings]
    assert "test_everything_includes_local_variables().numbers" in paths
    assert len(numbers) == 100_000


@pytest.mark.parametrize("wrong", [-1, 1.5, "1MB", None])
def test_bad_min_saving(wrong: Any) -> None:
    with pytest.raises(ValueError, match="min_saving must be an int of at least 0"):
        memopt.advise([], min_saving=wrong)


def test_nothing_of_the_program_is_kept() -> None:
    root = waste()
    before = sys.getrefcount(root["matrix"])
    kept = memopt.advise(root, min_saving=10_000)
    gc.collect()
    after = sys.getrefcount(root["matrix"])  # in an assert, pytest holds one too
    assert after == before
    assert kept.findings


def test_frames_keep_no_locals_alive() -> None:
    run_in_fresh_process(
        """
import weakref
import memopt
class Thing:
    pass
def work():
    thing = Thing()
    gone = weakref.ref(thing)
    memopt.advise()
    del thing
    assert gone() is None
work()
"""
    )


def check(value: Any, schema: dict[str, Any], path: str = "report") -> None:
    """The part of JSON Schema that schema.json uses."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    named = schema.get("type", [])
    allowed = named if isinstance(named, list) else [named]
    if allowed:
        assert any(
            value is None if kind == "null" else isinstance(value, kinds[kind])
            for kind in allowed
        ), path
    assert value in schema.get("enum", [value]), path
    assert value == schema.get("const", value), path
    if "minimum" in schema:
        assert value >= schema["minimum"], path
    if isinstance(value, dict):
        assert set(schema["required"]) <= value.keys(), path
        properties = schema.get("properties", {})
        if "additionalProperties" not in schema:
            assert value.keys() == properties.keys(), path
        for name, item in value.items():
            inner = properties.get(name) or schema["additionalProperties"]
            check(item, inner, f"{path}.{name}")
    if isinstance(value, list):
        for item in value:
            check(item, schema["items"], f"{path}[]")


def test_json_is_what_the_schema_says(report: Report) -> None:
    file = importlib.resources.files("memopt.advisor").joinpath("schema.json")
    schema = json.loads(file.read_text(encoding="utf-8"))
    for each in (report, memopt.advise(), memopt.advise([])):
        check(json.loads(each.to_json()), schema)


def test_text(report: Report) -> None:
    text = str(report)
    assert text.startswith("memopt advise: 3 findings; ")
    assert "1. 2,000 strings, 5 distinct\n" in text
    where = r"   where  roots\[0\]\['rows'\]\[…\]\['city'\]   e.g. '<City & \d>'\n"
    assert re.search(where, text)
    assert "+ # or, if the steps are always even: range(0, 2000, 2)\n" in text
    assert "Python objects by type\n" in text
    assert "no findings" in str(memopt.advise([]))


class Outline(html.parser.HTMLParser):
    """Whether every element that is opened is closed, and what it needs."""

    VOID = ("meta", "br", "rect")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        assert not {"src", "href"} & {name for name, _ in attrs}
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_whole_and_needs_nothing_else(report: Report) -> None:
    outline = Outline()
    outline.feed(report.to_html())
    outline.close()
    assert outline.open == []
    assert outline.seen.count("rect") == 2 * len(report.findings)
    assert "script" not in outline.seen
    assert re.search(r"'<City & \d>'", outline.text)
    assert "prefers-color-scheme: dark" in outline.text
    assert "@media print" in outline.text
    assert report._repr_html_() in report.to_html()
    assert "<svg" not in memopt.advise([]).to_html()
