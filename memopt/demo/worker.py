"""Runs one variant of one scenario in this process and prints what it cost.

``python -m memopt.demo.worker SCENARIO VARIANT SCALE FILE plain|traced``: one
JSON object on stdout, read by ``measure``.  Tracing Python's allocations slows a
program down and adds to its memory, so time and resident memory come from a
plain run, the peak of Python's own allocations from a traced one.
"""

import gc
import json
import sys
import time
import tracemalloc
from pathlib import Path

from memopt.demo import memory, scenarios


def run(
    scenario_name: str, label: str, task: scenarios.Task, traced: bool
) -> dict[str, object]:
    """The cost of one run of a variant, and its answer."""
    scenario = scenarios.find(scenario_name)
    variant = next(v for v in scenario.variants if v.label == label)
    gc.collect()
    if traced:
        tracemalloc.start()
    start = time.perf_counter()
    outcome = variant.run(task)
    cost: dict[str, object] = {"seconds": time.perf_counter() - start}
    if traced:
        cost["python_peak_bytes"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    cost["peak_bytes"] = memory.peak_resident_bytes()
    cost["answer"] = outcome.finish(outcome.answer)
    return cost


def main(name: str, label: str, scale: str, file: str, mode: str) -> None:
    """Run what the command line names, and print its cost as JSON."""
    task = scenarios.Task(float(scale), Path(file))
    json.dump(run(name, label, task, mode == "traced"), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
