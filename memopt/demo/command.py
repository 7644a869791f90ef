"""The command line of ``python -m memopt demo``."""

import argparse
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from memopt.demo import report
from memopt.demo.measure import MeasurementError, Result, measure, steps
from memopt.demo.scenarios import SCENARIOS, Scenario


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the figures as JSON to FILE, or to stdout instead of the table: -",
    )
    parser.add_argument(
        "--scale",
        metavar="N",
        type=_positive,
        default=1,
        help="multiply the size of every scenario by N (default 1)",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=[scenario.name for scenario in SCENARIOS],
        help="run this scenario only; may be given more than once: %(choices)s",
    )


class _Progress:
    """A line on stderr, rewritten in place on a terminal, else one a step."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._rewrites = sys.stderr.isatty()
        self._lock = threading.Lock()

    def __call__(self, what: str) -> None:
        with self._lock:
            self._done += 1
            line = f"[{self._done}/{self._steps}] {what}"
            end = "" if self._rewrites else "\n"
            start = "\r\033[K" if self._rewrites else ""
            print(start + line, end=end, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._rewrites:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _write_json(target: str, figures: dict[str, Any]) -> None:
    text = json.dumps(figures, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    # A reader never sees half a file: it is written beside and moved.
    path = Path(target)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _chosen(names: list[str] | None) -> list[Scenario]:
    return [s for s in SCENARIOS if names is None or s.name in names]


def _fail(message: object) -> int:
    print(f"memopt demo: {message}", file=sys.stderr)
    return 2


def _measure_all(scenarios: list[Scenario], scale: int) -> list[Result]:
    progress = _Progress(steps(scenarios))
    try:
        return measure(scenarios, scale, progress)
    finally:
        progress.clear()


def main(options: argparse.Namespace) -> int:
    """Run the demo; 0 if every answer was equal, 1 if not, 2 if it could not run."""
    target = options.json
    if target not in (None, "-") and not Path(target).parent.is_dir():
        return _fail(f"--json {target}: there is no such folder")
    try:
        results = _measure_all(_chosen(options.only), options.scale)
    except MeasurementError as error:
        return _fail(error)
    if target != "-":
        print(report.as_text(results, options.scale))
    if target is not None:
        try:
            _write_json(target, report.as_object(results, options.scale))
        except OSError as error:
            return _fail(f"--json {target}: {error.strerror}")
    return 0 if all(result.equal for result in results) else 1
