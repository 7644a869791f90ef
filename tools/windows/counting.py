"""pytest plugin: skips what wine cannot honour, by name, and counts what ran.

It also starts a process once more if wine could not, as happens now and then, and
prints that it did.

``wine_skips.toml`` beside this file says which tests and why.  An entry that
matches no test is an error: it would outlive its reason.  The counts go to the
file that MEMOPT_COUNTS names.  Runs in the Windows CPython.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ERROR_INTERNAL_ERROR = 1359  # what wine says then

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


class _Popen(subprocess.Popen[Any]):
    def __init__(self, *args: Any, **options: Any) -> None:
        try:
            super().__init__(*args, **options)
        except OSError as error:
            if getattr(error, "winerror", None) != ERROR_INTERNAL_ERROR:
                raise
            print(f"wine did not start a process: {error}", file=sys.__stderr__)
            super().__init__(*args, **options)


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
    subprocess.Popen = _Popen  # type: ignore[misc]
