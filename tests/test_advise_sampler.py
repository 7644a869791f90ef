"""When the advisor scans a program that runs, by a clock and a heap of our own."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from memopt.advisor import sampler

MB = 10**6
START = 30 * MB  # resident when a program begins


class Program:
    """A program of so many seconds, with scans that take time for each byte."""

    def __init__(self, heap: Callable[[float], float], per_byte: float) -> None:
        self.now = 0.0
        self.heap = heap  # bytes that the program has at a time
        self.per_byte = per_byte
        self.scans: list[float] = []  # how long each took

    def resident(self) -> int:
        return int(START + self.heap(self.now))

    def scan(self) -> SimpleNamespace:
        seen = self.heap(self.now)
        self.scans.append((START + seen) * self.per_byte)
        self.now += self.scans[-1]
        return SimpleNamespace(python_bytes=seen)


@pytest.fixture
def advise(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Program, float], sampler.PeakSampler]:
    """Runs a program under a sampler, which is no thread here."""

    def run(program: Program, seconds: float) -> sampler.PeakSampler:
        clock = SimpleNamespace(perf_counter=lambda: program.now)
        system = SimpleNamespace(_resident=program.resident)
        monkeypatch.setattr(sampler, "time", clock)
        monkeypatch.setattr(sampler, "_memopt", system)
        watching = sampler.PeakSampler(program.scan)  # type: ignore[arg-type]
        while program.now < seconds:
            program.now += sampler.INTERVAL
            watching._look()
        return watching

    return run


@pytest.mark.parametrize("per_byte", [0.2e-9, 0.6e-9, 0.9e-9, 2e-9, 20e-9])
@pytest.mark.parametrize("rate", [MB, 10 * MB, 30 * MB, 100 * MB, 500 * MB])
@pytest.mark.parametrize("seconds", [10.0, 100.0])
def test_scans_of_what_grows_take_a_share(
    advise: Callable[..., sampler.PeakSampler],
    rate: int,
    per_byte: float,
    seconds: float,
) -> None:
    program = Program(lambda now: rate * now, per_byte)
    advise(program, seconds)
    assert program.scans
    # The first cannot be foreseen, and the second only from what is the least.
    foreseen = sum(program.scans[2:])
    assert foreseen <= max(sampler.FREE_SECONDS, sampler.SHARE * program.now)
    usual = per_byte <= 0.9e-9
    assert not usual or sum(program.scans) <= 0.04 * program.now


def test_a_peak_that_passes_is_seen(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    program = Program(lambda now: 100 * MB if 1 < now < 5 else 5 * MB, 0.9e-9)
    best = advise(program, 10).best
    assert best is not None
    assert best.python_bytes == 100 * MB


def test_what_does_not_grow_is_not_scanned(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    program = Program(lambda now: sampler.LEAST_GROWTH - 1, 0.9e-9)
    assert advise(program, 10).best is None
    assert program.scans == []
