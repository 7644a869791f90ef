"""The report as one HTML file: inline SVG, readable on paper and in the dark."""

from html import escape

from memopt.advisor.findings import Finding
from memopt.advisor.report import Report, measured_text, megabytes, other_memory

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5a6475; --line: #d5dae3;
  --page: #ffffff; --now: #e0a458; --after: #2f7ed8; --code: #f3f5f9;
  --minus: #b3261e; --plus: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf2; --soft: #9aa5b8;
  --line: #39414f; --page: #14181f; --now: #c98a3d; --after: #5b9cf0;
  --code: #1e242e; --minus: #ff8a80; --plus: #6fd08c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--page); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
section { border-top: 1px solid var(--line); break-inside: avoid; }
pre { background: var(--code); padding: .7rem 1rem; overflow-x: auto; }
code, pre { font: .9rem/1.45 ui-monospace, monospace; }
del, ins { text-decoration: none; } del { color: var(--minus); }
ins { color: var(--plus); } .soft { color: var(--soft); }
svg { width: 100%; height: auto; } svg text { fill: var(--ink);
  font: 13px system-ui, sans-serif; } .now { fill: var(--now); }
.after { fill: var(--after); } .key { display: inline-block; width: .8em;
  height: .8em; margin: 0 .3em 0 1em; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0;
  text-align: right; } td:last-child, th:last-child { text-align: left; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; }
  pre { white-space: pre-wrap; border: 1px solid var(--line); }
  svg, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

_WIDTH, _BAR, _STEP = 900, 16, 46


def _short(text: str, limit: int = 90) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _chart(bars: list[tuple[str, int, int]], described: str) -> str:
    """Horizontal bars: a label, all bytes, and how many of them would stay."""
    most = max((now for _, now, _ in bars), default=1) or 1
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_STEP * len(bars)}" role="img" '
        f'aria-label="{escape(described)}">'
    ]
    for i, (label, now, after) in enumerate(bars):
        y = i * _STEP
        room = _WIDTH - 110
        parts += [
            f'<text x="0" y="{y + 14}">{escape(_short(label))}</text>',
            f'<rect class="now" x="0" y="{y + 20}" height="{_BAR}" '
            f'width="{room * now / most:.1f}"/>',
            f'<rect class="after" x="0" y="{y + 20}" height="{_BAR}" '
            f'width="{room * min(now, after) / most:.1f}"/>',
            f'<text x="{room * now / most + 8:.1f}" y="{y + 33}">'
            f"{megabytes(now)}</text>",
        ]
    return "\n".join([*parts, "</svg>"])


def _swap(finding: Finding) -> str:
    tags = {"-": "del", "+": "ins"}
    lines = []
    for line in finding.swap.splitlines():
        tag = tags.get(line[:1], "span")
        lines.append(f"<{tag}>{escape(line)}</{tag}>")
    return "<pre>" + "\n".join(lines) + "</pre>"


def _section(number: int, finding: Finding) -> str:
    example = f", such as <code>{escape(finding.example)}</code>"
    made = "".join(
        f"<br>Made at <code>{escape(line)}</code>" for line in finding.allocated_at
    )
    saved = ""
    if finding.measured is not None:
        saved = f"Proven: {measured_text(finding.measured)}.<br>\n"
    return (
        f"<section><h2>{number}. {escape(finding.title)}</h2>\n"
        f"<p>Saves <b>{megabytes(finding.saving)}</b>: "
        f"{megabytes(finding.bytes_now)} now, {megabytes(finding.bytes_after)} after. "
        f"Confidence: {finding.confidence}.<br>\n{saved}"
        f"<code>{escape(finding.path)}</code>{example if finding.example else ''}"
        f"{made}</p>\n{_swap(finding)}\n"
        f'<p class="soft">But: {escape(finding.caveat)}.</p></section>'
    )


def _types(report: Report) -> str:
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


def body(report: Report) -> str:
    """The report as a fragment, with its style: what a notebook shows."""
    number = len(report.findings)
    bars = [(f.title, f.bytes_now, f.bytes_after) for f in report.findings]
    moment = {"now": "", "peak": " at its peak", "exit": " at exit"}[report.moment]
    parts = [
        f"<style>{_STYLE}</style>",
        f"<h1>{megabytes(report.saving)} of {megabytes(report.python_bytes)} could be "
        "saved</h1>",
        f"<p>{number or 'No'} finding{'' if number == 1 else 's'} among the Python "
        f"objects of the process{moment}.</p>",
    ]
    if bars:
        parts += [
            '<p class="soft">Each finding: <span class="key" style="background: '
            'var(--now)"></span>saved <span class="key" style="background: '
            'var(--after)"></span>left after the swap</p>',
            _chart(bars, "bytes of each finding, now and after the swap"),
        ]
    parts += [_section(i, f) for i, f in enumerate(report.findings, 1)]
    return "\n".join([*parts, _types(report)])


def page(report: Report) -> str:
    """The report as a document of its own."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>memopt: {megabytes(report.saving)} could be saved</title></head>\n"
        f"<body>\n{body(report)}\n</body></html>\n"
    )
