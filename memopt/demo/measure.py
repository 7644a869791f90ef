"""Measures scenarios, each variant in fresh processes of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memopt.demo.scenarios import Scenario, Variant


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


def _run_worker(name: str, label: str, scale: int, mode: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "memopt.demo.worker"]
    done = subprocess.run(
        [*command, name, label, str(scale), mode],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise MeasurementError(
            f"{name}, variant {label}, ended with {done.returncode}:\n{done.stderr}"
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure_variant(scenario: Scenario, variant: Variant, scale: int) -> Cost:
    plain = _run_worker(scenario.name, variant.label, scale, "plain")
    traced = _run_worker(scenario.name, variant.label, scale, "traced")
    return Cost(
        label=variant.label,
        code=variant.code,
        seconds=plain["seconds"],
        peak_bytes=plain["peak_bytes"],
        python_peak_bytes=traced["python_peak_bytes"],
        answer=plain["answer"],
    )


def measure(scenario: Scenario, scale: int, progress: Callable[[str], None]) -> Result:
    """Run every variant of ``scenario``; ``progress`` is told of each first."""
    costs = []
    for variant in scenario.variants:
        progress(f"{scenario.name}: {variant.label}")
        costs.append(measure_variant(scenario, variant, scale))
    before, after, *others = costs
    return Result(scenario, before, after, tuple(others))
