"""Measures scenarios, each variant in fresh processes of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from memopt.demo.scenarios import Scenario, Variant

# What a run of the worker is for, by the mode it is given.
PURPOSE = {"plain": "timing", "traced": "counting the bytes of"}


@dataclass(frozen=True)
class Cost:
    """What one variant took, and its answer."""

    label: str
    code: str
    seconds: float
    peak_bytes: int
    python_peak_bytes: int
    answer: Any


@dataclass(frozen=True)
class Result:
    """A measured scenario."""

    scenario: Scenario
    before: Cost
    after: Cost
    others: tuple[Cost, ...]

    @property
    def equal(self) -> bool:
        """Whether every variant gave the same answer."""
        return all(
            self.scenario.equal(self.before.answer, cost.answer)
            for cost in (self.after, *self.others)
        )


class MeasurementError(RuntimeError):
    """A worker process failed; the message holds what it wrote to stderr."""


@dataclass(frozen=True)
class _Job:
    scenario: Scenario
    variant: Variant
    file: Path

    def run(self, scale: int, mode: str) -> dict[str, Any]:
        name, label = self.scenario.name, self.variant.label
        command = [sys.executable, "-m", "memopt.demo.worker"]
        done = subprocess.run(
            [*command, name, label, str(scale), str(self.file), mode],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",  # a traceback is in the locale's encoding
            check=False,
        )
        if done.returncode != 0:
            raise MeasurementError(
                f"{name}, variant {label}, ended with {done.returncode}:\n{done.stderr}"
            )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def _cost(variant: Variant, plain: dict[str, Any], traced: dict[str, Any]) -> Cost:
    return Cost(
        label=variant.label,
        code=variant.code,
        seconds=plain["seconds"],
        peak_bytes=plain["peak_bytes"],
        python_peak_bytes=traced["python_peak_bytes"],
        answer=plain["answer"],
    )


def steps(scenarios: Sequence[Scenario]) -> int:
    """How often ``measure`` will report progress."""
    runs = 2 * sum(len(scenario.variants) for scenario in scenarios)
    return runs + sum(scenario.prepare is not None for scenario in scenarios)


def _prepare(
    scenarios: Sequence[Scenario], folder: Path, progress: Callable[[str], None]
) -> list[_Job]:
    jobs = []
    for scenario in scenarios:
        file = folder / scenario.name
        if scenario.prepare is not None:
            progress(f"{scenario.name}: making the input")
            scenario.prepare(file)
        jobs += [_Job(scenario, variant, file) for variant in scenario.variants]
    return jobs


def measure(
    scenarios: Sequence[Scenario], scale: int, progress: Callable[[str], None]
) -> list[Result]:
    """Run every variant of every scenario; ``progress`` is told of each step.

    The plain runs are timed, so they have the machine to themselves.  The
    traced ones count bytes only and take several times longer: they share it.
    """

    def run(job: _Job, mode: str) -> dict[str, Any]:
        progress(f"{job.scenario.name}: {PURPOSE[mode]} {job.variant.label}")
        return job.run(scale, mode)

    with (
        tempfile.TemporaryDirectory(prefix="memopt-demo-") as folder,
        ThreadPoolExecutor(max_workers=os.cpu_count()) as pool,
    ):
        jobs = _prepare(scenarios, Path(folder), progress)
        plain = [run(job, "plain") for job in jobs]
        traced = list(pool.map(lambda job: run(job, "traced"), jobs))
    costs = iter(map(_cost, [job.variant for job in jobs], plain, traced))
    return [
        Result(
            scenario,
            next(costs),
            next(costs),
            tuple(islice(costs, len(scenario.others))),
        )
        for scenario in scenarios
    ]
