"""``pytest --memopt-fail-over 50MB``: fails a run whose waste is above a limit.

The whole session is looked at as ``python -m memopt advise`` looks at a script:
while most memory is in use, and at the end.
"""

import pytest

from memopt.advisor.command import DEFAULT_MIN, best_reports, parse_size
from memopt.advisor.report import Report, as_text, make_report
from memopt.advisor.sampler import PeakSampler

_SAMPLER = pytest.StashKey[PeakSampler]()
_REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("memopt").addoption(
        "--memopt-fail-over",
        metavar="SIZE",
        type=parse_size,
        help="fail if swaps that memopt knows could save more than this, such as 50MB",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--memopt-fail-over") is not None:
        sampler = PeakSampler(lambda: make_report(None, DEFAULT_MIN, "peak"))
        sampler.start()
        config.stash[_SAMPLER] = sampler


def pytest_sessionfinish(session: pytest.Session) -> None:
    sampler = session.config.stash.get(_SAMPLER, None)
    if sampler is None:
        return
    sampler.stop()
    (report,) = best_reports(sampler, "peak", DEFAULT_MIN)
    if report.saving > session.config.getoption("--memopt-fail-over"):
        session.config.stash[_REPORT] = report
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    report = config.stash.get(_REPORT, None)
    if report is not None:
        terminalreporter.section("memopt: more could be saved than allowed")
        terminalreporter.write(as_text(report))
