"""When the advisor scans a program that runs, by a clock and a heap of our own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from memopt.advisor import sampler

MB = 10**6
START = 30 * MB  # resident when a program begins


MEASURED = "measured"


class Program:
    """A program of so many seconds, with scans that take time for each byte."""

    def __init__(
        self,
        heap: Callable[[float], float],
        per_byte: float,
        objects: Callable[[float], float] | None = None,
    ) -> None:
        self.now = 0.0
        self.heap = heap  # bytes that the program has at a time
        self.objects = objects or heap  # those of them that are Python objects
        self.per_byte = per_byte
        self.scans: list[float] = []  # how long each took
        self.begun: list[float] = []  # when each began
        self.reasons: list[str | None] = []  # why each was not measured, if asked for
        self.peak = 0
        self.scratch = 0  # bytes that a scan takes
        self.measuring = 10.0  # scans that measuring takes the time of
        self.merged: list[tuple[float, float]] = []  # the bytes of two reports each
        self.raises: Callable[[float], type[Exception] | None] = lambda now: None

    def resident(self) -> int:
        return int(START + self.heap(self.now))

    def info(self) -> SimpleNamespace:
        self.peak = max(self.peak, self.resident())
        return SimpleNamespace(resident=self.resident(), peak_resident=self.peak)

    def scan(self, unmeasured: str | None) -> SimpleNamespace:
        seen, memory = self.objects(self.now), self.info()
        self.begun.append(self.now)
        self.reasons.append(unmeasured)
        self.scans.append(self.resident() * self.per_byte)
        self.now += self.scans[-1]
        error = self.raises(self.now)
        if error is not None:
            raise error
        self.peak = max(self.peak, memory.resident + self.scratch)
        finding = SimpleNamespace(unmeasured=unmeasured)
        return SimpleNamespace(
            python_bytes=seen, memory=memory, measure_seconds=0.0, findings=(finding,)
        )

    def with_measures(
        self, report: SimpleNamespace, before: SimpleNamespace
    ) -> SimpleNamespace:
        self.merged.append((report.python_bytes, before.python_bytes))
        return report

    def measure(self, least: int) -> SimpleNamespace:
        """Takes so many times as long as a scan, if it is worth it."""
        report = self.scan(MEASURED)
        if report.python_bytes > least:
            report.measure_seconds = self.measuring * self.scans[-1]
            self.now += report.measure_seconds
            report.findings[0].unmeasured = None
        else:
            self.reasons[-1] = "not worth it"
        return report


@pytest.fixture
def advise(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Program, float], sampler.PeakSampler]:
    """Runs a program under a sampler, which is no thread here."""

    def run(
        program: Program, seconds: float, measure: bool = False
    ) -> sampler.PeakSampler:
        clock = SimpleNamespace(perf_counter=lambda: program.now)
        system = SimpleNamespace(_resident=program.resident, _compact=lambda: None)
        monkeypatch.setattr(sampler, "time", clock)
        monkeypatch.setattr(sampler, "_memopt", system)
        monkeypatch.setattr(sampler, "memory_info", program.info)
        monkeypatch.setattr(sampler, "with_measures", program.with_measures)
        watching = sampler.PeakSampler(
            program.scan,  # type: ignore[arg-type]
            program.measure if measure else None,  # type: ignore[arg-type]
        )
        while program.now < seconds:
            program.now += sampler.INTERVAL
            program.info()
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
    assert len(program.scans) == 1


# Of these the budget allows as many as there could be.
QUICK = 1e-13  # seconds for each byte


def test_what_hardly_grows_is_not_scanned(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    least = 8 << 20  # whatever the sampler says
    below = Program(lambda now: 0 if now < 1 else least - 1, QUICK)
    assert advise(below, 10).best is None
    assert below.scans == []
    enough = Program(lambda now: 0 if now < 1 else least, QUICK)
    advise(enough, 10)
    assert len(enough.scans) == 1


def test_what_stays_is_scanned_once(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    program = Program(lambda now: 0 if now < 1 else 100 * MB, QUICK)
    advise(program, 10)
    assert len(program.scans) == 1


def test_what_goes_on_growing_is_scanned_as_it_doubles(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    """By 2 % an interval, which is no stall: 2.0 times, then 2.0 times, and 1.9."""
    interval = sampler.INTERVAL
    program = Program(lambda now: START * (1.02 ** (now / interval) - 1), QUICK)
    advise(program, interval * math.log(7.9, 1.02))
    resident = [START, *(seconds / QUICK for seconds in program.scans)]
    assert len(program.scans) == 2
    for before, after in itertools.pairwise(resident):
        assert 2.0 <= after / before < 2.0 * 1.03


@pytest.mark.parametrize(("step", "scans"), [(1.09, 0), (1.11, 1)])
def test_what_stalls_is_scanned_if_a_tenth_larger(
    advise: Callable[..., sampler.PeakSampler], step: float, scans: int
) -> None:
    stairs = (100 * MB - START, 100 * MB * step - START)
    program = Program(lambda now: stairs[now >= 5], QUICK)
    advise(program, 10)
    assert len(program.scans) == scans


@pytest.mark.parametrize("per_byte", [0.5e-9, 5e-9])
def test_time_is_kept_for_the_last_scan(
    advise: Callable[..., sampler.PeakSampler], per_byte: float
) -> None:
    """Each scan leaves as much of the share as another of the same takes.

    The stairs come sooner than they may be scanned, and take 0.5, 1 and 2 s.
    """
    stairs = [0, *(seconds / per_byte for seconds in (0.5, 1, 2))]
    program = Program(
        lambda now: stairs[(now >= 1) + (now >= 2) + (now >= 100)], per_byte
    )
    advise(program, 1000)
    assert len(program.scans) == 3
    known = 1 if per_byte == 0.5e-9 else 2  # scans until what a byte takes is known
    for i in range(known, 3):
        taken = sum(program.scans[: i + 1]) + program.scans[i]
        assert taken <= sampler.SHARE * program.begun[i] * 1.0001


def test_best_has_most_objects_not_most_memory(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    program = Program(
        lambda now: 0 if now < 1 else 100 * MB if now < 5 else 300 * MB,
        QUICK,
        lambda now: 90 * MB if now < 5 else 50 * MB,
    )
    best = advise(program, 10).best
    assert len(program.scans) == 2
    assert best is not None
    assert best.python_bytes == 90 * MB


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_scan_that_raises(
    advise: Callable[..., sampler.PeakSampler], error: type[Exception]
) -> None:
    """It counts as one, of which nothing is known; the next is made as usual."""
    heap = (0, 50 * MB, 200 * MB)
    program = Program(lambda now: heap[(now >= 1) + (now >= 5)], QUICK)
    program.raises = lambda now: error if now < 5 else None
    best = advise(program, 10).best
    assert len(program.scans) == 2
    assert best is not None
    assert best.python_bytes == 200 * MB


def test_a_peak_between_two_looks_is_told(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    short = sampler.INTERVAL / 4
    spike = Program(lambda now: 0, QUICK)
    watching = advise(spike, 1)
    spike.heap = lambda now: 100 * MB
    spike.info()
    spike.heap = lambda now: 0
    spike.now += short
    watching._look()
    assert watching.best is None
    ended = spike.scan(None)
    peak = ended.memory.peak_resident
    assert watching.missed_peak(peak, ended) == START + 100 * MB  # type: ignore[arg-type]
    almost = SimpleNamespace(memory=SimpleNamespace(resident=START + 95 * MB))
    assert watching.missed_peak(peak, almost) is None  # type: ignore[arg-type]
    assert watching.missed_peak(None, ended) is None  # type: ignore[arg-type]


def test_memory_of_scans_is_no_peak(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    program = Program(lambda now: 50 * MB if 1 < now < 5 else 0, QUICK)
    program.scratch = 40 * MB
    watching = advise(program, 10)
    assert len(program.scans) == 1
    assert program.peak == START + 90 * MB
    ended = program.scan(None)
    assert watching.missed_peak(program.peak, ended) is None  # type: ignore[arg-type]
    program.peak += 1
    assert watching.missed_peak(program.peak, ended) == program.peak  # type: ignore[arg-type]


class Errand:
    """Done by whoever sends it, or not at all."""

    refused = 0  # so many are not begun in time

    def __init__(self, do: Callable[[], SimpleNamespace]) -> None:
        self.do = do
        self.result: SimpleNamespace | None = None
        self.seconds = 0.0

    def send(self, patience: float) -> bool:
        if Errand.refused and patience >= 0:
            Errand.refused -= 1
            return False
        begin = sampler.time.perf_counter()
        self.result = self.do()
        self.seconds = sampler.time.perf_counter() - begin
        return True


@pytest.fixture
def errands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "Errand", Errand)
    monkeypatch.setattr(sampler, "others_asleep", lambda main: {})
    monkeypatch.setattr(Errand, "refused", 0)


@pytest.mark.usefixtures("errands")
@pytest.mark.parametrize("per_byte", [0.2e-9, 2e-9, 20e-9])
@pytest.mark.parametrize("rate", [MB, 30 * MB, 500 * MB])
def test_measuring_ends_once_it_took_as_long_as_the_program(
    advise: Callable[..., sampler.PeakSampler], rate: int, per_byte: float
) -> None:
    program = Program(lambda now: rate * now, per_byte)
    watching = advise(program, 100, True)
    assert program.reasons[0] == MEASURED
    assert set(program.reasons) <= {MEASURED, "time"}
    scans = zip(program.scans, program.reasons, strict=True)
    taken = [10 * seconds for seconds, reason in scans if reason == MEASURED]
    assert watching.measure_seconds == pytest.approx(sum(taken))
    before = last = 0.0
    for begun, seconds, reason in zip(
        program.begun, program.scans, program.reasons, strict=True
    ):
        own = begun - before
        grown = seconds >= sampler.MEASURE_GROWTH * last * 0.9999
        if reason == MEASURED:
            assert grown or before <= max(sampler.MEASURE_SECONDS, own)
            before += 10 * seconds
            last = seconds
        else:
            assert before > sampler.MEASURE_SECONDS
            assert not grown


class Slow(Program):
    """Measuring takes 0.1 s a MB, and so longer than MEASURE_SECONDS."""

    def __init__(
        self,
        heap: Callable[[float], float],
        objects: Callable[[float], float] | None = None,
    ) -> None:
        super().__init__(heap, 0.5e-9, objects)
        self.measuring = 200.0


@pytest.mark.usefixtures("errands")
def test_what_is_much_larger_is_measured_in_any_case(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    sizes = [0, *(int(100 * MB * 1.7**i) for i in range(6))]
    program = Slow(lambda now: sizes[min(len(program.scans) + (now > 1), 6)])
    watching = advise(program, 500, True)
    assert program.reasons == [MEASURED] * 6
    assert watching.measure_seconds <= 3 * program.measuring * program.scans[-1]


@pytest.mark.usefixtures("errands")
@pytest.mark.parametrize("stays", [False, True])
def test_what_there_was_no_time_for_is_measured_later(
    advise: Callable[..., sampler.PeakSampler], stays: bool
) -> None:
    """Once the program has taken as long, if it is still there."""

    def heap(now: float) -> float:
        if len(program.begun) < 2 or stays:
            return (0, 100 * MB, 120 * MB)[(now > 1) + (now > 2)]
        return 80 * MB

    program = Slow(heap)
    watching = advise(program, 100, True)
    best = watching.best
    assert best is not None
    assert best.python_bytes == 120 * MB
    assert program.reasons == [MEASURED, "time"] + [MEASURED] * stays
    assert best.findings[0].unmeasured == (None if stays else "time")
    assert program.merged == [(120 * MB, 100 * MB)]


@pytest.mark.usefixtures("errands")
def test_what_is_not_kept_is_not_measured(
    advise: Callable[..., sampler.PeakSampler],
) -> None:
    """More is resident later, but fewer objects are there."""
    program = Slow(
        lambda now: 0 if now < 1 else 100 * MB if now < 20 else 300 * MB,
        lambda now: 90 * MB if now < 20 else 50 * MB,
    )
    watching = advise(program, 100, True)
    assert program.reasons == [MEASURED, "not worth it"]
    assert watching.best is not None
    assert watching.best.python_bytes == 90 * MB
    assert watching.measure_seconds == program.measuring * program.scans[0]


@pytest.mark.usefixtures("errands")
@pytest.mark.parametrize("reason", ["threads", "tracing"])
def test_not_measured_if_not_alone_or_traced(
    advise: Callable[..., sampler.PeakSampler],
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
) -> None:
    if reason == "threads":
        monkeypatch.setattr(sampler, "others_asleep", lambda main: None)
    else:
        monkeypatch.setattr(sampler.tracemalloc, "is_tracing", lambda: True)
    program = Program(lambda now: 0 if now < 1 else 100 * MB, QUICK)
    watching = advise(program, 10, True)
    assert program.reasons == [reason]
    assert watching.best is not None
    assert watching.measure_seconds == 0


@pytest.mark.usefixtures("errands")
@pytest.mark.parametrize("dropped", [False, True])
def test_within_a_long_call(
    advise: Callable[..., sampler.PeakSampler], dropped: bool
) -> None:
    """It is scanned at once, and measured after the call, if it is still there."""
    Errand.refused = 1
    program = Program(lambda now: 0 if now < 1 else 100 * MB, QUICK)
    program.objects = lambda now: 10 * MB if dropped and program.reasons else 90 * MB
    best = advise(program, 10, True).best
    assert program.reasons == ["busy", MEASURED]
    assert best is not None
    assert (best.python_bytes, best.measure_seconds == 0) == (90 * MB, dropped)


@pytest.mark.usefixtures("errands")
def test_program_that_ends_within_a_long_call(
    advise: Callable[..., sampler.PeakSampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Errand, "send", lambda errand, patience: False)
    program = Program(lambda now: 0 if now < 1 else 100 * MB, QUICK)
    best = advise(program, 10, True).best
    assert program.reasons == ["busy"]
    assert best is not None


@pytest.mark.usefixtures("errands")
def test_a_peak_at_which_the_program_forks_is_looked_at_after_it(
    advise: Callable[..., sampler.PeakSampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The errand is given up then, and nothing is learnt of it."""
    program = Program(lambda now: 0 if now < 1 else 100 * MB, QUICK)
    ending = property(lambda watch: program.now < 2)
    monkeypatch.setattr(sampler.Watch, "is_ending", ending)
    best = advise(program, 10, True).best
    assert program.reasons == [MEASURED]
    assert program.begun[0] >= 2
    assert best is not None
    assert best.python_bytes == 100 * MB
