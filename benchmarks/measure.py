"""Measure the contenders of one operation, in a process of its own if that matters.

    python -m benchmarks.measure NAME ROUNDS SCALE

Prints the figures of an operation that is to be measured apart, as JSON: it looks at
all that is in the process, so this module imports little.
"""

import gc
import json
import subprocess
import sys
import time
import tracemalloc
from dataclasses import dataclass

from benchmarks.operations import Contender, Operation, apart_operations


@dataclass(frozen=True)
class Figure:
    """What one contender took: best seconds, and peak bytes of one run."""

    label: str
    seconds: float
    peak_bytes: int


def _timed(contender: Contender) -> float:
    arguments = [contender.prepare() for _ in range(contender.repeat)]
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for argument in arguments:
            contender.run(argument)
        return (time.perf_counter() - start) / contender.repeat
    finally:
        gc.enable()


def _peak(contender: Contender) -> int:
    argument = contender.prepare()
    gc.collect()
    tracemalloc.start()
    try:
        contender.run(argument)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure(operation: Operation, rounds: int) -> tuple[Figure, ...]:
    """Check, then measure, every available contender, ours first."""
    operation.check()
    present = [c for c in operation.contenders if c.available]
    best = [float("inf")] * len(present)
    for _ in range(min(rounds, operation.most_rounds)):
        for i, contender in enumerate(present):
            best[i] = min(best[i], _timed(contender))
    return tuple(
        Figure(contender.label, seconds, _peak(contender))
        for contender, seconds in zip(present, best, strict=True)
    )


def measure_apart(
    operation: Operation, rounds: int, scale: float
) -> tuple[Figure, ...]:
    """The same in a process that has nothing else."""
    command = [sys.executable, "-m", __name__]
    command += [operation.name, str(rounds), str(scale)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return tuple(Figure(**figure) for figure in json.loads(told.stdout))


def main(name: str, rounds: str, scale: str) -> None:
    (operation,) = (o for o in apart_operations(float(scale)) if o.name == name)
    print(json.dumps([vars(figure) for figure in measure(operation, int(rounds))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
