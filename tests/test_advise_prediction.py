"""The savings predicted are those that the operating system then sees."""

import json
import os
import sys
from pathlib import Path

import pytest
from support import run_in_fresh_process
from test_advise_findings import advise, planted

SCRIPTS = Path(__file__).parent / "advise_scripts"

# So large that what a script plants takes 20 MB and more.
SIZES = {
    "strings.py": 300_000,
    "records.py": 100_000,
    "matrix.py": 1000,
    "floats.py": 500_000,
    "ints.py": 500_000,
    "instances.py": 300_000,
    "slack.py": 700_000,
    "empty.py": 100_000,
    "tuples.py": 500_000,
    "blobs.py": 400_000,
}

MEASURE = """
import runpy, sys
import memopt
sys.argv = sys.argv[1:]
start = memopt.release()[1].private
kept = runpy.run_path(sys.argv[0])
print(memopt.release()[1].private - start)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or "PYTHONMALLOC" in os.environ,
    reason="needs CPython's allocator, and glibc, which gives memory back at once",
)
@pytest.mark.parametrize("script", SIZES)
def test_prediction(script: str) -> None:
    size = SIZES[script]
    report = advise(script, size)
    assert planted(report), json.dumps(report)
    predicted = sum(
        f["saving"] for f in report["findings"] if f["path"].startswith("__main__.")
    )
    target = (str(SCRIPTS / script), str(size))
    before = int(run_in_fresh_process(MEASURE, *target))
    after = int(run_in_fresh_process(MEASURE, *target, "swapped"))
    assert predicted == pytest.approx(before - after, rel=0.15), (before, after)
