"""Measure what ``python -m memopt advise`` adds to the time of a script.

    python -m benchmarks.advise_overhead [--seconds S] [--rounds N] [--only TEXT]

Each script does a fixed amount of work, of some S seconds here.  Each round runs it
alone and under ``advise`` at its default settings, in turn; of both, the best round
counts.  Time is that of the process from its start to its end; CPU is what all its
threads used.  Wanted: 5 % at 10 s.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# Each gets units of work, as many as it is given, and keeps what it says.
SCRIPTS = {
    "numbers, hardly any memory": """
total = 0
for unit in range(units):
    for i in range(20_000):
        total += i * i % 7
""",
    "a heap of 100 MB, then work on it": """
rows = [{"id": i, "city": f"city {i % 1000}", "share": i * 0.5} for i in range(280_000)]
total = 0
for unit in range(units):
    for row in rows[unit * 2000 % 280_000 :][:2000]:
        total += len(row["city"]) + row["share"]
        row["id"] += 1
""",
    "a heap that grows to some 300 MB": """
import json
rows = []
for unit in range(units):
    for i in range(100):
        text = f'{{"id": {i}, "city": "city {i % 50}", "at": [{unit}.5, {i}.25]}}'
        row = json.loads(text)
        row["share"] = sum(x * x for x in range(10 * i)) / (1 + sum(row["at"]))
        rows.append(row)
""",
    "large lists that come and go": """
import random
kept = []
for unit in range(units):
    size = 1000 * (1 + unit % 400)
    data = [float(i) for i in range(size)]
    for _ in range(4_000_000 // (size + 100_000)):
        total = sum(data[:20_000])
    kept.append(max(data))
""",
    # More than a script does, and more than 5 %: each object made is looked at
    # once in the end, and there is nothing else to do.
    "nothing but new objects, some GB": """
rows = []
for unit in range(units):
    for i in range(250):
        rows.append({"id": i, "city": f"city {i % 100}", "text": f"{unit} {i}"})
""",
}

HEAD = "import sys\nunits = int(sys.argv[1])\n"


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu: float


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def run(script: Path, units: int, advise: bool) -> Run:
    command = [sys.executable, *(["-m", "memopt", "advise"] if advise else [])]
    cpu, start = _children_cpu(), time.perf_counter()
    subprocess.run(
        [*command, str(script), str(units)], check=True, stderr=subprocess.DEVNULL
    )
    return Run(time.perf_counter() - start, _children_cpu() - cpu)


def units_for(script: Path, seconds: float) -> int:
    """How much work takes so long, from runs of ever more of it."""
    units, taken = 1, 0.0
    while taken < seconds / 8:
        units *= 2
        taken = run(script, units, False).seconds - run(script, 0, False).seconds
    return max(1, round(units * seconds / taken))


def measure(script: Path, seconds: float, rounds: int) -> tuple[Run, Run]:
    """The best of the rounds, alone and under advise."""
    units = units_for(script, seconds)
    both: list[list[Run]] = [[], []]
    for _ in range(rounds):
        for advise, runs in enumerate(both):
            runs.append(run(script, units, bool(advise)))
    alone, advised = (
        Run(min(r.seconds for r in runs), min(r.cpu for r in runs)) for runs in both
    )
    return alone, advised


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.advise_overhead", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", metavar="TEXT", default="")
    options = parser.parse_args(arguments)
    print("| script | alone | under advise | more time | more CPU |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in SCRIPTS.items():
            if options.only in name:
                script = Path(folder) / "script.py"
                script.write_text(HEAD + text, encoding="utf-8")
                alone, advised = measure(script, options.seconds, options.rounds)
                print(
                    f"| {name} | {alone.seconds:.2f} s | {advised.seconds:.2f} s "
                    f"| {advised.seconds / alone.seconds - 1:.1%} "
                    f"| {advised.cpu / alone.cpu - 1:.1%} |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
