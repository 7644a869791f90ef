"""The report as one HTML file: inline SVG, readable on paper and in the dark."""

import re
from collections.abc import Sequence
from html import escape

from memopt.advisor.figures import (
    Figures,
    measured_text,
    megabytes,
    notes,
    other_memory,
)
from memopt.advisor.findings import Finding

# All of it within the report's own element: a notebook has others beside that.
_STYLE = """
.memopt { color-scheme: light dark; --ink: #1c2330; --soft: #5a6475; --line: #d5dae3;
  --page: #ffffff; --now: #e0a458; --after: #2f7ed8; --code: #f3f5f9;
  --minus: #b3261e; --plus: #1a7f37; --other: #b9c0cd; --free: #dfe3ea;
@media (prefers-color-scheme: dark) { --ink: #e6eaf2; --soft: #9aa5b8;
  --line: #39414f; --page: #14181f; --now: #c98a3d; --after: #5b9cf0;
  --code: #1e242e; --minus: #ff8a80; --plus: #6fd08c; --other: #566072;
  --free: #343b48; }
& { font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--page); padding: 1rem max(1rem, 50% - 30rem); }
h1 { font-size: 1.5rem; margin: .6rem 0 .2rem; } h2 { font-size: 1.1rem;
  margin: 1.2rem 0 .6rem; display: flex; gap: 1rem; }
h2 b { margin-left: auto; color: var(--plus); white-space: nowrap; }
section { border-top: 1px solid var(--line); break-inside: avoid; }
figure { margin: 1.2rem 0 1.6rem; } figcaption { color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem;
  margin: .6rem 0; } dt { color: var(--soft); } dd { margin: 0;
  overflow-wrap: anywhere; }
pre { background: var(--code); padding: .7rem 1rem; overflow-x: auto;
  border-radius: 4px; margin: .6rem 0 1.2rem; }
code, pre { font: .9rem/1.45 ui-monospace, monospace; }
del, ins { text-decoration: none; } del { color: var(--minus); }
ins { color: var(--plus); } .soft { color: var(--soft); margin-top: 0; }
svg { width: 100%; height: auto; display: block; margin-top: .5rem;
  overflow: visible; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
.now { --shade: var(--now); } .after { --shade: var(--after); }
.other { --shade: var(--other); } .free { --shade: var(--free); }
rect { fill: var(--shade); } .key { display: inline-block; margin-left: 1em; }
.key::before { content: ""; display: inline-block; width: .8em; height: .8em;
  margin-right: .4em; background: var(--shade); }
@media (max-width: 40rem) { svg text { font-size: 19px; } }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .15rem 1.6rem .15rem 0; text-align: right; }
th { color: var(--soft); font-weight: normal; }
td:last-child, th:last-child { text-align: left; }
@media print { & { padding: 0; font-size: 10.5pt; }
  pre { white-space: pre-wrap; border: 1px solid var(--line); }
  svg, .key::before { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
}
"""

_PAGE_STYLE = (
    ":root { color-scheme: light dark; } body { margin: 0; } "
    ".memopt { min-height: 100vh; box-sizing: border-box; }"
)

_WIDTH, _BAR, _STEP = 900, 16, 46


def _short(text: str, limit: int = 90) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _rect(kind: str, x: float, y: float, width: float) -> str:
    place = f'x="{x:.1f}" y="{y}" height="{_BAR}" width="{width:.1f}"'
    return f'<rect class="{kind}" {place}/>'


def _svg(height: int, described: str, parts: list[str]) -> str:
    return "\n".join(
        [
            f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
            f'aria-label="{escape(described)}">',
            *parts,
            "</svg>",
        ]
    )


def _key(kind: str, text: str) -> str:
    return f'<span class="key {kind}">{escape(text)}</span>'


def _figure(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>\n{svg}</figure>"


def _findings_chart(found: Sequence[Finding]) -> str:
    """Horizontal bars: a title, what the swap leaves, and what it saves."""
    most = max(f.bytes_now for f in found)
    room = _WIDTH - 190
    parts = []
    for i, finding in enumerate(found):
        y, now = i * _STEP, room * finding.bytes_now / most
        after = room * min(finding.bytes_after, finding.bytes_now) / most
        saved = f"{megabytes(finding.saving)} of {megabytes(finding.bytes_now)}"
        parts += [
            f'<text x="0" y="{y + 14}">{i + 1}. {escape(_short(finding.title))}</text>',
            _rect("after", 0, y + 20, after),
            _rect("now", after, y + 20, now - after),
            f'<text x="{now + 8:.1f}" y="{y + 33}">{saved}</text>',
        ]
    caption = f"Each finding: {_key('now', 'saved')} {_key('after', 'left')}"
    svg = _svg(_STEP * len(found), "bytes of each finding, saved and left", parts)
    return _figure(caption, svg)


def _process_chart(report: Figures) -> str:
    """One bar: what the process's private memory is."""
    native, free = report.native_bytes, report.free_bytes
    if native is None:
        return ""
    shares = [
        ("now", "could be saved", report.saving),
        ("after", "other Python objects", report.python_bytes - report.saving),
    ]
    if free is None:
        shares += [("other", "native, or free, but held", native)]
    else:
        shares += [("other", "native", native), ("free", "free, but held", free)]
    total = sum(size for _, _, size in shares) or 1
    x, parts = 0.0, []
    for kind, _, size in shares:
        parts.append(_rect(kind, x, 0, _WIDTH * size / total))
        x += _WIDTH * size / total
    keys = " ".join(
        _key(kind, f"{what}, {megabytes(size)}") for kind, what, size in shares
    )
    svg = _svg(_BAR, "shares of the process's private memory", parts)
    return _figure(f"The process: {keys}", svg)


def _code(text: str) -> str:
    """Escaped, with what is between backquotes as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _swap(finding: Finding) -> str:
    tags = {"-": "del", "+": "ins"}
    lines = []
    for line in finding.swap.splitlines():
        tag = tags.get(line[:1], "span")
        lines.append(f"<{tag}>{escape(line)}</{tag}>")
    return "<pre>" + "\n".join(lines) + "</pre>"


def _facts(finding: Finding, measure: bool) -> list[tuple[str, str]]:
    """What a finding's list says: names and HTML."""
    where = f"<code>{escape(finding.path)}</code>"
    if finding.example:
        where += f", such as <code>{escape(finding.example)}</code>"
    facts = [
        (
            "saves",
            f"{megabytes(finding.saving)}: {megabytes(finding.bytes_now)} now, "
            f"{megabytes(finding.bytes_after)} after; confidence {finding.confidence}",
        )
    ]
    if measure:
        facts.append(("proven", measured_text(finding)))
    facts.append(("where", where))
    facts += [("made", f"<code>{escape(line)}</code>") for line in finding.allocated_at]
    return [*facts, ("but", _code(finding.caveat))]


def _section(number: int, finding: Finding, measure: bool) -> str:
    facts = "\n".join(
        f"<dt>{name}</dt><dd>{text}</dd>" for name, text in _facts(finding, measure)
    )
    return (
        f"<section><h2>{number}. {escape(finding.title)}"
        f"<b>{megabytes(finding.saving)}</b></h2>\n"
        f"<dl>{facts}</dl>\n{_swap(finding)}</section>"
    )


def _types(report: Figures) -> str:
    rows = "\n".join(
        f"<tr><td>{megabytes(t.bytes)}</td><td>{t.count:,}</td>"
        f"<td>{escape(t.type)}</td></tr>"
        for t in report.types[:12]
    )
    rows += "".join(
        f"\n<tr><td>{megabytes(size)}</td><td></td><td>{what}</td></tr>"
        for size, what in other_memory(report)
    )
    return (
        "<section><h2>Python objects by type</h2><table>\n"
        f"<tr><th>bytes</th><th>objects</th><th>type</th></tr>\n{rows}\n"
        "</table></section>"
    )


def body(report: Figures) -> str:
    """The report as a fragment, with its style: what a notebook shows."""
    number = len(report.findings)
    moment = {"now": "", "peak": " at its peak", "exit": " at exit"}[report.moment]
    parts = [
        f'<div class="memopt"><style>{_STYLE}</style>',
        f"<h1>{megabytes(report.saving)} of {megabytes(report.python_bytes)} could be "
        "saved</h1>",
        f'<p class="soft">{number or "No"} finding{"" if number == 1 else "s"} among '
        f"the Python objects of the process{moment}.</p>",
        *(f'<p class="soft">{escape(note)}.</p>' for note in notes(report)),
        _process_chart(report),
    ]
    if report.findings:
        parts.append(_findings_chart(report.findings))
    parts += [_section(i, f, report.measure) for i, f in enumerate(report.findings, 1)]
    return "\n".join([*parts, _types(report), "</div>"])


def page(report: Figures) -> str:
    """The report as a document of its own."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>memopt: {megabytes(report.saving)} could be saved</title>\n"
        f"<style>{_PAGE_STYLE}</style></head>\n"
        f"<body>\n{body(report)}\n</body></html>\n"
    )
