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
import gc
import importlib.metadata
import json
import math
import os
import platform
import re
import sys
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.operations import Contender, Operation, operations

RESULTS = Path(__file__).with_name("RESULTS.md")
PEERS = (
    "numpy",
    "bottleneck",
    "numexpr",
    "pyarrow",
    "polars",
    "lru-dict",
    "cachetools",
)


@dataclass(frozen=True)
class Figure:
    """What one contender took: best seconds, and peak bytes of one run."""

    label: str
    seconds: float
    peak_bytes: int


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


def _timed(contender: Contender) -> float:
    arguments = [contender.prepare() for _ in range(contender.repeat)]
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for argument in arguments:
            contender.run(argument)
        return (time.perf_counter() - start) / contender.repeat
    finally:
        gc.enable()


def _peak(contender: Contender) -> int:
    argument = contender.prepare()
    gc.collect()
    tracemalloc.start()
    try:
        contender.run(argument)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def compare(operation: Operation, rounds: int) -> Comparison:
    """Check, then measure, every available contender of `operation`."""
    operation.check()
    present = [c for c in operation.contenders if c.available]
    missing = tuple(c.label for c in operation.contenders if not c.available)
    best = [float("inf")] * len(present)
    for _ in range(rounds):
        for i, contender in enumerate(present):
            best[i] = min(best[i], _timed(contender))
    figures = tuple(
        Figure(contender.label, seconds, _peak(contender))
        for contender, seconds in zip(present, best, strict=True)
    )
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


def as_markdown(comparisons: list[Comparison], rounds: int, scale: float) -> str:
    """The whole report; what RESULTS.md holds."""
    about = machine()
    versions = ", ".join(
        f"{name} {version or 'not installed'}"
        for name, version in about["versions"].items()
    )
    lines = [
        "# Results",
        "",
        "Written by `python -m benchmarks.compare --write`; see its docstring for the",
        "method.  Ratios carry over to other machines, times do not.",
        "",
        f"- {about['date']}, CPython {about['python']} ({about['compiler']}), "
        f"{about['system']}",
        f"- {about['processor']}, {about['cores']} cores",
        f"- {versions}",
        f"- best of {rounds} interleaved rounds, at scale {scale:g}",
        "",
    ]
    for comparison in comparisons:
        lines += _table(comparison)
    return "\n".join(lines).rstrip() + "\n"


def _updated(written: str, report: str) -> str:
    """The report written before, with what was measured again in its place."""
    head, *sections = re.split(r"(?m)^(?=### )", report)
    old_head, *old_sections = re.split(r"(?m)^(?=### )", written)
    if head != old_head:
        raise SystemExit(
            f"{RESULTS.name} is of another day, machine or other options: "
            "write it without --only"
        )
    by_name = {s.splitlines()[0]: s.rstrip() for s in (*old_sections, *sections)}
    return head + "\n\n".join(by_name.values()) + "\n"


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
        comparisons.append(compare(operation, options.rounds))
    markdown = as_markdown(comparisons, options.rounds, options.scale)
    if options.json:
        text = json.dumps(
            as_object(comparisons, options.rounds, options.scale), indent=2
        )
        if options.json == "-":
            print(text)
        else:
            Path(options.json).write_text(text + "\n", encoding="utf-8")
    if options.json != "-":
        print(markdown)
    if options.write:
        if options.only and RESULTS.exists():
            markdown = _updated(RESULTS.read_text(encoding="utf-8"), markdown)
        RESULTS.write_text(markdown, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
