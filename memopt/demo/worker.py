"""Runs one variant of one scenario in this process and prints what it cost.

``python -m memopt.demo.worker SCENARIO VARIANT SCALE plain|traced``: one JSON
object on stdout, read by ``measure``.  Tracing Python's allocations slows a
program down and adds to its memory, so time and resident memory come from a
plain run, the peak of Python's own allocations from a traced one.
"""

import gc
import json
import sys
import time
import tracemalloc

from memopt.demo import memory, scenarios


def run(scenario_name: str, label: str, scale: int, traced: bool) -> dict[str, object]:
    scenario = scenarios.find(scenario_name)
    variant = next(v for v in scenario.variants if v.label == label)
    gc.collect()
    if traced:
        tracemalloc.start()
    start = time.perf_counter()
    outcome = variant.run(scale)
    cost: dict[str, object] = {"seconds": time.perf_counter() - start}
    if traced:
        cost["python_peak_bytes"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    cost["peak_bytes"] = memory.peak_resident_bytes()
    cost["answer"] = outcome.finish(outcome.answer)
    return cost


if __name__ == "__main__":
    name, label, scale, mode = sys.argv[1:]
    json.dump(run(name, label, int(scale), mode == "traced"), sys.stdout)
