"""The command line of ``python -m memopt demo``."""

import argparse
import json
import os
import sys
import threading
from typing import Any

from memopt import files
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
        print(text, end="", flush=True)
    else:
        files.write(files.place(target), text)


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


def _report(results: list[Result], scale: int, target: str | None) -> None:
    if target != "-":
        print(report.as_text(results, scale), flush=True)
    if target is not None:
        _write_json(target, report.as_object(results, scale))


def _discard_output() -> None:
    """Let what is still buffered not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(options: argparse.Namespace) -> int:
    """Run the demo and return the exit code.

    0 if every answer was equal, 1 if not or if nobody reads the report to its
    end, 2 if the demo could not run, 130 if it was interrupted.
    """
    target = options.json
    if target not in (None, "-"):
        reason = files.unwritable(files.place(target))
        if reason is not None:
            return _fail(f"--json {target}: {reason}")
    try:
        results = _measure_all(_chosen(options.only), options.scale)
        _report(results, options.scale, target)
    except MeasurementError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        _discard_output()
        return 1 if isinstance(error, BrokenPipeError) else _fail(error)
    return 0 if all(result.equal for result in results) else 1
