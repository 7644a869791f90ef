"""``memopt.advise`` and its report: text, JSON by its schema, HTML."""

import gc
import html
import html.parser
import importlib.resources
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import not_with_asan, run_in_fresh_process

import memopt
from memopt import _memopt
from memopt.advisor.report import Report, make_report


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


@pytest.mark.parametrize("look", ["directly", "by a thread"])
@pytest.mark.parametrize("how", ["locals()", "sys.settrace", "sys.setprofile"])
def test_frames_keep_their_locals(look: str, how: str) -> None:
    """Those that are seen by ``locals()``, or within a tracer."""
    run_in_fresh_process(
        """
import sys, threading
import memopt
look, how = sys.argv[1:]
def advise():
    if look == "directly":
        memopt.advise()
        return
    thread = threading.Thread(target=memopt.advise)
    thread.start()
    thread.join()
def trace(frame, event, argument):
    if frame.f_code.co_name == "traced" and event == "call":
        advise()
def traced(thing):
    assert thing == 1
def work():
    thing = 1
    if how != "locals()":
        getattr(sys, how[4:])(trace)
        traced(thing)
        getattr(sys, how[4:])(None)
        return
    held = locals()
    advise()
    assert held["thing"] == 1
work()
""",
        look,
        how,
    )


def check(value: Any, schema: dict[str, Any], path: str = "report") -> None:
    """The part of JSON Schema that schema.json uses."""
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
    }
    kinds["number"] = (int, float)
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
    noted = replace(report, missed_peak=10**9, measure_seconds=0.5)
    unmeasured = make_report((waste(),), 10_000, "peak", unmeasured="busy")
    for each in (report, memopt.advise(), memopt.advise([]), noted, unmeasured):
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
    assert "held by the allocators" not in text


def test_notes(report: Report) -> None:
    resident = 50_000_000
    memory = SimpleNamespace(resident=resident, private=None)
    noted = replace(report, memory=memory, missed_peak=90_000_000, measure_seconds=1.25)
    for text in (str(noted), html.unescape(noted.to_html())):
        assert "A peak of 90.0 MB resident was not looked at, this is of" in text
        assert "of 50.0 MB: call memopt.advise() there, or use --at signal" in text
        assert "Measuring stopped the script for 1.25 s" in text
    assert "A peak" not in str(report)
    assert "Measuring" not in str(report)


not_told = pytest.mark.skipif(
    sys.version_info >= (3, 14),
    reason="CPython 3.14 no longer exports what its allocator could be asked by",
)


@not_told
def test_text_has_free_memory() -> None:
    assert "free, but held by the allocators\n" in str(memopt.advise())


def test_free_memory_that_is_not_told_is_no_figure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not 0, but a part of what else is there."""
    monkeypatch.setattr(_memopt, "_pymalloc_bytes", lambda: None)
    report = memopt.advise()
    assert (report.free_bytes, report.native_bytes) == (None, report.other_bytes)
    line = "stacks, or free, but held by the allocators\n"
    assert str(report).count("held by the allocators") == str(report).count(line) == 1
    page = report.to_html()
    assert page.count("but held, ") == page.count("native, or free, but held, ") == 1


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13 brings mimalloc")
def test_mimalloc_does_not_tell() -> None:
    code = "from memopt import _memopt; assert _memopt._pymalloc_bytes() is None"
    environment = {**os.environ, "PYTHONMALLOC": "mimalloc"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_memory_that_no_object_explains() -> None:
    report = memopt.advise()
    native, free = report.native_bytes, report.free_bytes
    assert native is not None
    assert report.other_bytes == native + (free or 0) or native == 0
    assert report.python_bytes + native <= (report.memory.private or 0)
    roots = memopt.advise([])
    assert (roots.other_bytes, roots.native_bytes) == (None, None)


@not_told
@not_with_asan
def test_free_heap_is_told() -> None:
    """All but one string of each arena are dropped, and 5 kB blocks."""
    run_in_fresh_process(
        """
import memopt
MB = 1 << 20
before = memopt.advise()
small = [str(i) * 10 for i in range(200_000)]
large = [bytes(5000) for _ in range(4000)]
small, large = small[::1000], large[::50]
after = memopt.advise()
if before.free_bytes is not None:
    assert after.free_bytes > before.free_bytes + 25 * MB, (before, after)
    assert after.native_bytes < before.native_bytes + 5 * MB, (before, after)
"""
    )


class Outline(html.parser.HTMLParser):
    """Whether every element that is opened is closed, and what it needs."""

    VOID = ("meta", "rect")

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
    assert outline.seen.count("section") == len(report.findings) + 1
    assert "script" not in outline.seen
    assert re.search(r"'<City & \d>'", outline.text)
    assert "prefers-color-scheme: dark" in outline.text
    assert "@media print" in outline.text
    style = report._repr_html_().partition("<style>")[2].partition("</style>")[0]
    while re.search(r"{[^{}]*}", style):  # the innermost braces, till there are none
        style = re.sub(r"{[^{}]*}", "", style)
    assert style.split() == [".memopt"]
    assert report._repr_html_() in report.to_html()
    assert "<svg" not in memopt.advise([]).to_html()


# What the browser makes of the page, as its title.
MEASURE = """<script>
const width = kind => Array.from(document.querySelectorAll("rect." + kind),
                                 bar => bar.getBoundingClientRect().width);
const box = document.querySelector("svg").getBoundingClientRect();
document.title = JSON.stringify({
  saved: width("now"), left: width("after"),
  inside: Array.from(document.querySelectorAll("text"), text => {
    const own = text.getBoundingClientRect();
    return own.left >= box.left && own.right <= box.right + 1; }),
  page: document.documentElement.scrollWidth <= innerWidth,
  colours: [getComputedStyle(document.querySelector(".memopt")).color,
            getComputedStyle(document.querySelector(".memopt")).backgroundColor] });
</script>"""


def render(page: Path, text: str) -> Any:
    """What a page says of itself, as its title, in a narrow window and in the dark."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no Chromium here to render the page with")
    page.write_text(text, encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900")
    options += ("--blink-settings=preferredColorScheme=0", "--dump-dom")
    environment = dict(os.environ)
    environment.pop("LD_PRELOAD", None)  # a sanitizer is for CPython alone
    done = subprocess.run(
        [browser, *options, f"--user-data-dir={page.parent}", page.as_uri()],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    title = re.search("<title>(.*)</title>", done.stdout)
    assert title
    return json.loads(html.unescape(title[1]))


def test_html_in_a_browser(report: Report, tmp_path: Path) -> None:
    """Nothing sticks out, and bars are to scale."""
    text = report.to_html().replace("</body>", MEASURE + "</body>")
    seen = render(tmp_path / "report.html", text)
    assert seen["page"]
    assert all(seen["inside"])
    assert seen["colours"] == ["rgb(230, 234, 242)", "rgb(20, 24, 31)"]
    most = max(f.bytes_now for f in report.findings)
    unit = (seen["saved"][0] + seen["left"][0]) / report.findings[0].bytes_now
    assert unit * most <= 500
    for finding, saved, left in zip(
        report.findings, seen["saved"], seen["left"], strict=True
    ):
        assert saved == pytest.approx(finding.saving * unit, abs=0.2)
        assert left == pytest.approx(finding.bytes_after * unit, abs=0.2)


# Of a page with a report in it: how what is outside looks, with it and without it.
OUTSIDE = """<!DOCTYPE html><body>
<h1>x</h1><section><h2>x <b>x</b></h2></section><pre>x</pre><code>x</code><ins>x</ins>
<dl><dt>x<dd>x</dl><figure><figcaption>x</figcaption></figure><p class="soft key now">x
<svg><text>x</text><rect/></svg><table><tr><th>x<td>x</table>{}
<script>
const all = Array.from(document.querySelectorAll(":not(.memopt, .memopt *)"));
const look = () => all.map(element => Array.from(getComputedStyle(element),
  name => [name, getComputedStyle(element).getPropertyValue(name)]));
const size = /^(width|height|block-size|inline-size|.*-origin)$/;
const inner = look().map(each => each.filter(pair => !size.test(pair[0])));
document.querySelector(".memopt").remove();
const before = look().map(each => each.filter(pair => !size.test(pair[0])));
document.title = JSON.stringify({ elements: all.length, properties: inner[9].length,
  different: all.filter((_, i) => JSON.stringify(inner[i]) != JSON.stringify(before[i]))
                .map(element => element.tagName) });
</script></body>"""


def test_html_in_a_notebook_changes_nothing_else(
    report: Report, tmp_path: Path
) -> None:
    text = OUTSIDE.replace("{}", report._repr_html_())
    seen = render(tmp_path / "notebook.html", text)
    assert seen["elements"] > 20
    assert seen["properties"] > 100
    assert seen["different"] == []


def test_html_shows_what_the_process_has() -> None:
    outline = Outline()
    outline.feed(memopt.advise(min_saving=1 << 40).to_html())
    told = memopt.advise([]).free_bytes is not None
    assert outline.seen.count("rect") == 3 + told
    assert "other Python objects, " in outline.text
    assert "free, but held, " in outline.text
