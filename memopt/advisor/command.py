"""The command line of ``python -m memopt advise``."""

import argparse
import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TextIO

from memopt import _memopt
from memopt.advisor import output, report, target
from memopt.advisor.report import Report
from memopt.advisor.sampler import PeakSampler
from memopt.advisor.verify import Unmeasured

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
FAIL_OVER_CODE = 3
DEFAULT_MIN = 10**6  # bytes


def parse_size(text: str) -> int:
    """Bytes, from a number with or without kB, MB or GB (powers of 1000)."""
    # As many digits as are exact enough, and never infinitely much.
    pattern = r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmg]?)b?"
    match = re.fullmatch(pattern, text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 50MB or 1000")
    number, unit = match.groups()
    return int(float(number) * _UNITS[unit])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at",
        choices=["peak", "exit", "both", "signal"],
        default="peak",
        help="look when most memory is in use, when the script ends, or both; or at "
        "the end and at each SIGUSR1 (Windows: SIGBREAK), of which files get the one "
        "with most objects (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the report as JSON to FILE, or to stdout instead of the text: -",
    )
    parser.add_argument(
        "--html", metavar="FILE", help="write the report as one HTML page to FILE"
    )
    parser.add_argument(
        "--min",
        metavar="SIZE",
        type=parse_size,
        default=DEFAULT_MIN,
        help="leave out findings that save less (default 1MB)",
    )
    parser.add_argument(
        "--fail-over",
        metavar="SIZE",
        type=parse_size,
        help=f"exit with {FAIL_OVER_CODE} if more than this could be saved",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="apply each swap to a copy of what was found, if no other thread runs, "
        "which takes memory and time, and say what that saved",
    )
    parser.add_argument(
        "--rich",
        action="store_true",
        help="print the report in colours: needs memopt[rich]",
    )
    parser.add_argument(
        "-m", dest="module", action="store_true", help="the target is a module's name"
    )
    # One argument: of two, argparse would take a "--" after the first for itself.
    parser.add_argument(
        "target",
        nargs=argparse.REMAINDER,
        metavar="script.py ...",
        help="what to run, as python, with its arguments",
    )


def best_reports(
    sampler: PeakSampler | None, at: str, look: Callable[[str], Report]
) -> list[Report]:
    """The report at the end, or at the peak if more was in use, or both."""
    ended = look("exit")
    peak = sampler.best if sampler is not None else None
    if peak is None or (at == "peak" and peak.python_bytes <= ended.python_bytes):
        reports = [ended]
    else:
        peak = report.with_measures(peak, ended)
        reports = [peak, ended] if at == "both" else [peak]
    if sampler is not None:
        reports[0] = replace(
            reports[0],
            missed_peak=sampler.missed_peak(ended.memory.peak_resident, reports[0]),
            measure_seconds=sampler.measure_seconds,
        )
    return reports


def _peak_sampler(min_saving: int, measure: bool) -> PeakSampler:
    def scan(unmeasured: Unmeasured | None) -> Report:
        return report.make_report(None, min_saving, "peak", False, unmeasured)

    def scan_and_measure(least: int) -> Report:
        return report.make_report(None, min_saving, "peak", True, least=least)

    return PeakSampler(scan, scan_and_measure if measure else None)


_Show = Callable[[Report, TextIO], None]


def _show_plain(found: Report, stream: TextIO) -> None:
    print(report.as_text(found), end="", file=stream)


def _largest(reports: list[Report]) -> Report:
    return max(reports, key=lambda each: each.python_bytes)


def _show_on_signal(
    look: Callable[[str], Report], show: _Show, stream: TextIO
) -> list[Report]:
    """Look and show at each signal; a list that will have the largest of them."""
    largest: list[Report] = []

    def handle(number: int, frame: object) -> None:
        try:
            found = look("now")
            largest[:] = [_largest([*largest, found])]
            show(found, stream)
        except Exception as error:  # such as MemoryError; the script is not to see it
            with contextlib.suppress(Exception):
                print(f"memopt advise: no report: {error!r}", file=stream)

    name = "SIGBREAK" if sys.platform == "win32" else "SIGUSR1"
    signal.signal(getattr(signal, name), handle)
    return largest


# A scan that is likely to take more than a second or so is announced.
_LONG_SCAN = 1 << 30  # resident bytes


@contextlib.contextmanager
def _announced(stream: TextIO, verify: bool) -> Iterator[None]:
    """A line that says what takes so long; gone afterwards on a terminal."""
    resident = _memopt._resident() or 0
    if resident < _LONG_SCAN and not verify:
        yield
        return
    on_terminal = stream.isatty()
    doing = "looking at" if not verify else "looking at, and measuring swaps in,"
    print(
        f"memopt advise: {doing} {resident / 1e6:,.0f} MB of memory ...",
        end="" if on_terminal else "\n",
        file=stream,
        flush=True,
    )
    yield
    if on_terminal:
        print("\r\033[K", end="", file=stream, flush=True)


def _show_of(options: argparse.Namespace) -> _Show:
    if not options.rich:
        return _show_plain
    from memopt.advisor import colours

    return colours.show


def _end(code: int | None) -> int:
    """The exit code; or python's own end after a KeyboardInterrupt, told already."""
    if code is None:
        sys.excepthook = lambda *_: None
        raise KeyboardInterrupt
    return code


def _load(options: argparse.Namespace) -> target.Loaded | int | None:
    """What to run, or the exit code if there is nothing; see ``target.ended_by``."""
    words = options.target[options.target[:1] == ["--"] :]
    if not words:
        return output.fail(
            "the following arguments are required: script.py (see --help)"
        )
    load = target.load_module if options.module else target.load_script
    name, *arguments = words
    try:
        return load(name, arguments)
    except target.TargetError as error:
        return output.fail(error)
    except BaseException as error:  # such as one from the package of a module
        ended = error
    return target.ended_by(ended)


def _run(
    options: argparse.Namespace,
    loaded: target.Loaded,
    show: _Show,
    wanted: list[output.Output],
) -> int | None:
    """Run it and report."""
    process = os.getpid()
    stderr = sys.stderr or io.StringIO()  # as on Windows without a console

    def look(moment: str) -> Report:
        return report.make_report(None, options.min, moment, options.verify)

    sampler, seen = None, []
    if options.at == "signal":
        seen = _show_on_signal(look, show, stderr)
    elif options.at != "exit":
        sampler = _peak_sampler(options.min, options.verify)
        sampler.start()
    exit_code = target.run(*loaded)
    if os.getpid() != process:  # a child of fork: the parent reports
        return exit_code
    if sampler is not None:
        sampler.stop()
    try:
        stderr = output.still_open(stderr, 2)
        with _announced(stderr, options.verify):
            reports = best_reports(sampler, options.at, look)
        if options.json != "-":
            for each in reports:
                show(each, stderr)
            stderr.flush()
    except OSError as error:
        return output.fail(f"stderr: {error.strerror}")
    failure = output.write(_largest([reports[0], *seen]), wanted)
    if failure is not None:
        return output.fail(failure)
    saving = max(each.saving for each in [*reports, *seen])
    if options.fail_over is not None and saving > options.fail_over:
        return FAIL_OVER_CODE
    return exit_code


def main(options: argparse.Namespace) -> int:
    """Run the target and report; its exit code, 3 (--fail-over) or 2 (bad input)."""
    wanted = output.outputs(options)
    reason = output.unwritable(wanted)
    if reason is not None:
        return output.fail(reason)
    try:
        _memopt._scan_heap((), False, 0)
    except NotImplementedError as error:  # on a free-threaded CPython: said at once
        return output.fail(error)
    try:
        show = _show_of(options)
    except ImportError:
        return output.fail("--rich needs rich: pip install memopt[rich]")
    loaded = _load(options)
    if not isinstance(loaded, tuple):
        return _end(loaded)
    return _end(_run(options, loaded, show, wanted))
