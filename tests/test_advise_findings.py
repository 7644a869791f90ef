"""What the advisor finds in scripts with planted waste and planted innocents."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "advise_scripts"
N = 1000

# Stays below what the scripts plant, and above what stands in the modules that
# are within reach of theirs.
MIN = 2000


def advise(script: str, *arguments: object, at: str = "exit") -> dict[str, Any]:
    """The report on one of the scripts, which must end well."""
    command = [sys.executable, "-W", "error", "-m", "memopt", "advise"]
    command += ["--at", at, "--min", str(MIN), "--json", "-"]
    done = subprocess.run(
        [*command, str(SCRIPTS / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def planted(report: dict[str, Any]) -> set[tuple[str, str, str, int, int]]:
    """The findings in the script itself."""
    return {
        (f["kind"], f["path"], f["type"], f["count"], f["items"])
        for f in report["findings"]
        if f["path"].startswith("__main__.")
    }


# The kind, where, the type, how many, and how many items or duplicates.
EXPECTED = {
    "strings.py": {("strings", "__main__.repeated[…]", "str", N, N - 100)},
    "records.py": {
        ("strings", "__main__.records[…].keys()", "str", 2 * N, 2 * N - 2),
        ("strings", "__main__.records[…]['key city']", "str", N, N - 10),
    },
    "matrix.py": {("matrix", "__main__.matrix", "list", 1, N * N)},
    "floats.py": {
        ("floats", "__main__.values", "list", 1, N),
        ("floats", "__main__.fixed", "tuple", 1, N),
    },
    "ints.py": {
        ("ints", "__main__.values", "list", 1, N),
        ("progression", "__main__.steps", "list", 1, N),
    },
    "instances.py": {("instances", "__main__.plain[…]", "Plain", N, 3)},
    "slack.py": {
        ("slack", "__main__.emptied_list", "list", 1, N // 2 + 1),
        ("slack", "__main__.emptied_dict", "dict", 1, 100),
        ("slack", "__main__.emptied_set", "set", 1, 100),
    },
    "empty.py": {
        ("empty", "__main__.lists[…]", "list", N, 0),
        ("empty", "__main__.sets[…]", "set", N, 0),
    },
    "tuples.py": {("tuples", "__main__.points[…]", "tuple", N, N - 100)},
    "blobs.py": {("bytes", "__main__.blobs[…]", "bytes", N, N - 50)},
    "innocents.py": set(),
}


def test_every_script_is_expected() -> None:
    assert {path.name for path in SCRIPTS.glob("*.py")} == EXPECTED.keys()


@pytest.mark.parametrize("script", sorted(EXPECTED))
def test_findings_are_the_planted_ones(script: str) -> None:
    assert planted(advise(script, N)) == EXPECTED[script]


@pytest.mark.parametrize("script", sorted(EXPECTED.keys() - {"innocents.py"}))
def test_nothing_is_found_after_the_swap(script: str) -> None:
    assert planted(advise(script, N, "swapped")) == set()
