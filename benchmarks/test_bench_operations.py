"""pytest-benchmark over the registry: ``pytest benchmarks``.

One benchmark for each contender of each operation, grouped by operation, at
a tenth of the published size; MEMOPT_BENCH_SCALE sets another.
"""

import os
from typing import Any

import pytest

from benchmarks.operations import Contender, Operation, operations

SCALE = float(os.environ.get("MEMOPT_BENCH_SCALE", "0.1"))
OPERATIONS = operations(SCALE)
CASES = [(op, contender) for op in OPERATIONS for contender in op.contenders]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_contenders_agree(operation: Operation) -> None:
    operation.check()


@pytest.mark.parametrize(
    ("operation", "contender"),
    CASES,
    ids=[f"{op.name}: {contender.label}" for op, contender in CASES],
)
def test_bench(benchmark: Any, operation: Operation, contender: Contender) -> None:
    if not contender.available:
        pytest.skip(f"{contender.needs} is not installed")
    benchmark.group = operation.name
    benchmark.pedantic(
        contender.run,
        setup=lambda: ((contender.prepare(),), {}),
        rounds=5,
        warmup_rounds=1,
    )
