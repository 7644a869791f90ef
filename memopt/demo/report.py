"""Measured scenarios as a text table for people and as JSON for programs."""

import platform
from typing import Any

import memopt
from memopt.demo.measure import Cost, Result

BAR_WIDTH = 30


def _megabytes(count: int) -> str:
    if count < 100_000:
        return f"{count / 1e3:,.1f} kB"
    return f"{count / 1e6:,.1f} MB"


def _bar(count: int, largest: int) -> str:
    return "#" * max(1, round(BAR_WIDTH * count / largest)) if count else ""


def _row(cost: Cost, largest: int) -> str:
    return (
        f"  {cost.label:<12}{_megabytes(cost.python_peak_bytes):>12}"
        f"{_megabytes(cost.peak_bytes):>12}{cost.seconds:>10.3f} s"
        f"  {_bar(cost.python_peak_bytes, largest)}"
    )


def _verdict(result: Result) -> str:
    ratio = result.before.python_peak_bytes / max(1, result.after.python_peak_bytes)
    shown = f"{ratio:,.1f}" if ratio < 100 else f"{ratio:,.0f}"
    answers = "equal answers" if result.equal else "THE ANSWERS DIFFER"
    return f"  {result.after.label} peaks at 1/{shown} of the memory; {answers}"


def _lines(result: Result) -> list[str]:
    costs = (result.before, result.after, *result.others)
    largest = max(cost.python_peak_bytes for cost in costs)
    return [
        "",
        f"{result.scenario.name}: {result.scenario.title}",
        *(f"  {cost.label:<12}{cost.code}" for cost in costs),
        f"  {'':<12}{'Python peak':>12}{'process':>12}{'time':>12}",
        *(_row(cost, largest) for cost in costs),
        _verdict(result),
    ]


def as_text(results: list[Result], scale: int) -> str:
    """A table a scenario, with bars that show Python's peak memory."""
    lines = [
        f"memopt {memopt.__version__} on {platform.python_implementation()} "
        f"{platform.python_version()}, {platform.system()} {platform.machine()}"
        + ("" if scale == 1 else f"; sizes are {scale} times those named"),
        "Python peak: the most that Python's allocators held (tracemalloc).",
        "process: the most physical memory that the whole process held.",
    ]
    for result in results:
        lines += _lines(result)
    return "\n".join(lines)


def _cost_object(cost: Cost) -> dict[str, Any]:
    return {
        "label": cost.label,
        "code": cost.code,
        "seconds": cost.seconds,
        "peak_bytes": cost.peak_bytes,
        "python_peak_bytes": cost.python_peak_bytes,
    }


def as_object(results: list[Result], scale: int) -> dict[str, Any]:
    """The same as plain objects, ready for json.dump."""
    return {
        "memopt": memopt.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "scale": scale,
        "scenarios": [
            {
                "name": result.scenario.name,
                "title": result.scenario.title,
                "equal": result.equal,
                "before": _cost_object(result.before),
                "after": _cost_object(result.after),
                "others": [_cost_object(cost) for cost in result.others],
            }
            for result in results
        ],
    }
