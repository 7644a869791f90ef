"""``pytest --memopt-fail-over 50MB``: fails a run whose waste is above a limit.

The whole session is looked at as ``python -m memopt advise`` looks at a script:
while most memory is in use, and at the end.  Every pytest in an environment with
memopt loads this file: what only a run with the option needs is imported there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from memopt.advisor.report import Report
    from memopt.advisor.sampler import PeakSampler

_SAMPLER: pytest.StashKey[PeakSampler] = pytest.StashKey()
_REPORT: pytest.StashKey[Report] = pytest.StashKey()


def _size(text: str) -> int:
    from memopt.advisor.command import parse_size

    return parse_size(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("memopt")
    group.addoption(
        "--memopt-fail-over",
        metavar="SIZE",
        type=_size,
        help="fail if swaps that memopt knows could save more than this, such as 50MB",
    )
    group.addoption(
        "--memopt-min",
        metavar="SIZE",
        type=_size,
        help="count only swaps that save at least this (default 1MB, or the SIZE of "
        "--memopt-fail-over if that is less)",
    )


def _min_saving(config: pytest.Config) -> int:
    """Of a finding: any that is above the limit alone has to count."""
    from memopt.advisor.command import DEFAULT_MIN

    least: int | None = config.getoption("--memopt-min")
    limit: int = config.getoption("--memopt-fail-over")
    return min(DEFAULT_MIN, limit) if least is None else least


def _require_what_it_needs(config: pytest.Config) -> None:
    """Said before the tests run, not after them."""
    from memopt import _memopt

    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(
            "--memopt-fail-over looks at one process: without -n of pytest-xdist"
        )
    try:
        _memopt._scan_heap((), False, 0)
    except NotImplementedError as error:  # on a free-threaded CPython
        raise pytest.UsageError(f"--memopt-fail-over: {error}") from None


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--memopt-fail-over") is not None:
        _require_what_it_needs(config)
        from memopt.advisor.report import make_report
        from memopt.advisor.sampler import PeakSampler

        least = _min_saving(config)
        sampler = PeakSampler(lambda _: make_report(None, least, "peak"))
        sampler.start()
        config.stash[_SAMPLER] = sampler


def pytest_sessionfinish(session: pytest.Session) -> None:
    sampler = session.config.stash.get(_SAMPLER, None)
    if sampler is None:
        return
    from memopt.advisor.command import best_reports
    from memopt.advisor.report import make_report

    sampler.stop()
    least = _min_saving(session.config)
    (report,) = best_reports(
        sampler, "peak", lambda moment: make_report(None, least, moment)
    )
    if report.saving > session.config.getoption("--memopt-fail-over"):
        session.config.stash[_REPORT] = report
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    report = config.stash.get(_REPORT, None)
    if report is not None:
        from memopt.advisor.report import as_text

        terminalreporter.section("memopt: more could be saved than allowed")
        terminalreporter.write(as_text(report))
