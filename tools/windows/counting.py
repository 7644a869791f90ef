"""pytest plugin: skips what wine cannot honour, by name, and counts what ran.

``wine_skips.toml`` beside this file says which tests and why.  An entry that
matches no test is an error: it would outlive its reason.  The counts go to the
file that MEMOPT_COUNTS names.  Runs in the Windows CPython.
"""

import json
import os
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

LISTED = Path(__file__).with_name("wine_skips.toml")


def _listed() -> dict[str, str]:
    """Node ids, with or without their parameters, and why they are skipped."""
    tables = tomllib.loads(LISTED.read_text(encoding="utf-8"))
    here = ".".join(map(str, sys.version_info[:2]))
    return {**tables.get("any", {}), **tables.get(here, {})}


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    reasons = _listed()
    unused = set(reasons)
    for item in items:
        for name in (item.nodeid, item.nodeid.partition("[")[0]):
            if name in reasons:
                unused.discard(name)
                item.add_marker(pytest.mark.skip(reason=f"wine: {reasons[name]}"))
    if unused and not config.option.file_or_dir:
        raise pytest.UsageError(f"{LISTED.name} names no test: {sorted(unused)}")


class _Counter:
    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        target = Path(os.environ["MEMOPT_COUNTS"])
        target.write_text(json.dumps(self.outcomes), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Counter())
