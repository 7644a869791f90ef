"""Measure every operation beside its peers in one interleaved run.

    python -m benchmarks.compare [--only TEXT] [--rounds N] [--json FILE] [--write]

Each round runs every contender once, in turn, so that a change in the
machine's speed falls on all; the best of the rounds counts.  Ratios above 1
mean that memopt is faster, or smaller.  Memory is the peak that Python's
allocators report (tracemalloc) while the operation runs, beyond its input; what
a peer takes directly from the operating system does not show there.
"""

import argparse
import datetime
import importlib.metadata
import json
import math
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, measure, measure_apart
from benchmarks.operations import Operation, operations

RESULTS = Path(__file__).with_name("RESULTS.md")
PEERS = (
    "numpy",
    "bottleneck",
    "numexpr",
    "pyarrow",
    "polars",
    "lru-dict",
    "cachetools",
    "guppy3",
    "pympler",
)


@dataclass(frozen=True)
class Comparison:
    operation: Operation
    figures: tuple[Figure, ...]
    missing: tuple[str, ...]

    @property
    def ours(self) -> Figure:
        return self.figures[0]

    def times_faster(self, peer: Figure) -> float:
        return peer.seconds / self.ours.seconds

    def times_smaller(self, peer: Figure) -> float:
        return max(1, peer.peak_bytes) / max(1, self.ours.peak_bytes)

    def promise(self, peer: Figure) -> float | None:
        return dict(self.operation.promises).get(peer.label)


def compare(operation: Operation, rounds: int, scale: float) -> Comparison:
    """Check, then measure, every available contender of `operation`."""
    if operation.apart:
        figures = measure_apart(operation, rounds, scale)
    else:
        figures = measure(operation, rounds)
    missing = tuple(c.label for c in operation.contenders if not c.available)
    return Comparison(operation, figures, missing)


def machine() -> dict[str, Any]:
    """The machine and the versions that the figures belong to."""
    versions: dict[str, str | None] = {}
    for name in PEERS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux: the platform module knows as much as there is
    return platform.processor() or "unknown"


def _seconds(value: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def _bytes(count: int) -> str:
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} B"


def _ratio(value: float) -> str:
    return f"{value:,.0f} x" if value >= 100 else f"{value:.2f} x"


def _promise_cell(comparison: Comparison, peer: Figure) -> str:
    promised = comparison.promise(peer)
    if promised is None:
        return ""
    met = comparison.times_faster(peer) >= promised
    return f">= {promised:.2f} x: {'met' if met else 'MISSED'}"


def _peer_row(comparison: Comparison, peer: Figure) -> str:
    return (
        f"| {peer.label} | {_seconds(peer.seconds)} "
        f"| {_ratio(comparison.times_faster(peer))} | {_bytes(peer.peak_bytes)} "
        f"| {_ratio(comparison.times_smaller(peer))} "
        f"| {_promise_cell(comparison, peer)} |"
    )


def _table(comparison: Comparison) -> list[str]:
    ours = comparison.ours
    lines = [
        f"### {comparison.operation.name}",
        "",
        "| | time | memopt is faster by | peak memory | smaller by | promised |",
        "|---|---|---|---|---|---|",
        f"| **{ours.label}** | {_seconds(ours.seconds)} | | {_bytes(ours.peak_bytes)} "
        "| | |",
    ]
    lines += [_peer_row(comparison, peer) for peer in comparison.figures[1:]]
    if comparison.missing:
        lines += ["", f"Not installed: {', '.join(comparison.missing)}."]
    if comparison.operation.note:
        lines += ["", comparison.operation.note]
    return [*lines, ""]


HEAD = """# Results

Written by `python -m benchmarks.compare --write`; see its docstring for the method.
A section for each processor and version of Python.  Ratios carry over to other
machines, times do not.

"""
PROMISE = re.compile(
    r"^\| (?P<peer>[^|]+) \|[^|]*\| (?P<ratio>[\d.,]+ x) \|.*"
    r"\| >= (?P<least>[\d.]+ x): (?P<outcome>\w+) \|$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Section:
    """What RESULTS.md says of a machine."""

    title: str
    about: str  # how it was measured
    tables: dict[str, str]  # by the operation's heading

    @classmethod
    def parse(cls, text: str) -> "Section":
        head, *tables = re.split(r"(?m)^(?=### )", text)
        title, _, about = head.partition("\n\n")
        about, _, _ = about.partition("\n\n")  # the promises are read off the tables
        return cls(title, about, {t.splitlines()[0]: t.rstrip() for t in tables})

    def promises(self) -> list[str]:
        """A table of what was promised and measured; none if nothing was."""
        rows = [
            f"| {heading.lstrip('# ')} | {found['peer']} | {found['least']} "
            f"| {found['ratio']} | {found['outcome']} |"
            for heading, table in self.tables.items()
            for found in PROMISE.finditer(table)
        ]
        head = ("| | against | promised | measured | |", "|---|---|---|---|---|")
        return [*head, *rows] if rows else []

    def render(self) -> str:
        parts = [self.title, self.about, "\n".join(self.promises())]
        return "\n\n".join(filter(None, [*parts, *self.tables.values()])) + "\n"


def section(comparisons: list[Comparison], rounds: int, scale: float) -> Section:
    """What was measured here, as RESULTS.md has it."""
    about = machine()
    versions = ", ".join(
        f"{name} {version or 'not installed'}"
        for name, version in about["versions"].items()
    )
    python = ".".join(about["python"].split(".")[:2])
    lines = (
        f"- {about['date']}, CPython {about['python']} ({about['compiler']}), "
        f"{about['system']}, {about['cores']} cores",
        f"- {versions}",
        f"- best of {rounds} interleaved rounds, at scale {scale:g}",
    )
    tables = ["\n".join(_table(comparison)) for comparison in comparisons]
    return Section(
        f"## {about['processor']}, CPython {python}",
        "\n".join(lines),
        {table.splitlines()[0]: table.rstrip() for table in tables},
    )


def updated(written: str, new: Section, only_some: bool) -> str:
    """RESULTS.md with the new section, or tables, in the place of the old ones."""
    texts = re.split(r"(?m)^(?=## )", written)[1:]
    sections = {found.title: found for found in map(Section.parse, texts)}
    if only_some and new.title in sections:
        old = sections[new.title]
        new = Section(new.title, new.about, {**old.tables, **new.tables})
    sections[new.title] = new
    return HEAD + "\n".join(s.render() for s in sections.values())


def as_object(comparisons: list[Comparison], rounds: int, scale: float) -> Any:
    """The same as plain objects."""
    return {
        "machine": machine(),
        "rounds": rounds,
        "scale": scale,
        "operations": [
            {
                "name": comparison.operation.name,
                "figures": [vars(figure) for figure in comparison.figures],
                "missing": list(comparison.missing),
                "promises": dict(comparison.operation.promises),
            }
            for comparison in comparisons
        ],
    }


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _scale(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--only", metavar="TEXT", help="operations whose name has TEXT")
    parser.add_argument("--rounds", metavar="N", type=_rounds, default=7)
    parser.add_argument(
        "--scale", metavar="X", type=_scale, default=1.0, help="size of the inputs"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the figures to FILE, or to stdout: -"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"write {RESULTS.name}; with --only, those operations of it",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chosen = [
        operation
        for operation in operations(options.scale)
        if options.only is None or options.only.lower() in operation.name.lower()
    ]
    if not chosen:
        print(f"no operation has {options.only!r} in its name", file=sys.stderr)
        return 2
    comparisons = []
    for number, operation in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {operation.name}", file=sys.stderr, flush=True)
        comparisons.append(compare(operation, options.rounds, options.scale))
    measured = section(comparisons, options.rounds, options.scale)
    if options.json:
        text = json.dumps(
            as_object(comparisons, options.rounds, options.scale), indent=2
        )
        if options.json == "-":
            print(text)
        else:
            Path(options.json).write_text(text + "\n", encoding="utf-8")
    if options.json != "-":
        print(measured.render())
    if options.write:
        written = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
        some = options.only is not None
        text = updated(written, measured, only_some=some)
        RESULTS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
