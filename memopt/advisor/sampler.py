"""Scans the program while its memory is at its highest."""

import functools
import threading
import time
import tracemalloc
from collections.abc import Callable

from memopt import _memopt, memory_info
from memopt.advisor.errand import Errand
from memopt.advisor.idle import others_asleep
from memopt.advisor.report import Report, with_measures
from memopt.advisor.verify import Unmeasured
from memopt.advisor.watch import Watch

# How often resident memory is read, in seconds: 5 microseconds each time.  At 0.05 a
# peak that lasts 0.1 s is missed now and then; no program was slower by 0.01 than
# runs of the same differ.
INTERVAL = 0.02

# A scan is worth its time once memory is this much above that of the last: when
# it has stopped growing for an interval, and while it goes on growing.  Doubling
# makes all scans of a growing program together cost at most two of the last.
STALLED_GROWTH = 1.1
GROWTH = 2.0
LEAST_GROWTH = 8 << 20  # bytes
STALL = 1.008  # in an interval: what counts as having stopped

# What scans may take: so many seconds, or, with the last one, which takes as long
# as one now at least, a share of the program's time if that is more.  With the
# start, some 0.1 s, that is 4 % of a program of 10 s whose heap takes 0.15 s to scan.
FREE_SECONDS = 0.15
SHARE = 0.03

# The least that a scan is expected to take for each byte more, in seconds: what
# records take, 0.46e-9 to 0.57e-9, as their heaps are the slowest; floats in lists
# take 0.27e-9 to 0.37e-9 (CPython 3.11, Xeon).  What was measured counts if more.
LEAST_PER_BYTE = 0.5e-9

# What measuring may have taken, if that was asked for, before it is done again, and
# what the scans may take: so many seconds, or as long as the program itself has taken
# if that is more.  Once memory is this much above that when measured last, it is done
# in any case: all together then cost at most three of the last.
MEASURE_SECONDS = 5.0
MEASURE_GROWTH = 1.5

# How long the main thread may take until it is between two instructions, in seconds.
PATIENCE = 2.0
FOREVER = -1.0  # but for its end


class PeakSampler:
    """Calls ``scan`` at high-water marks of resident memory, from a thread.

    Scans stop the program, so they are rationed: to ``FREE_SECONDS``, or ``SHARE``
    of the time since the start, less what the last will take.  ``best`` is the
    report that saw the most Python objects.

    With ``measure``, the main thread calls that instead, so that the program stands
    still, with the bytes of Python objects of which more has to be there for it to
    be worth the time; ``scan`` is called if that cannot be, with the reason.
    """

    def __init__(
        self,
        scan: Callable[[Unmeasured | None], Report],
        measure: Callable[[int], Report] | None = None,
    ) -> None:
        self.best: Report | None = None
        self.measure_seconds = 0.0
        self._scan = scan
        self._measure = measure
        self._errand: Errand[Report] | None = None
        self._own_peak = memory_info().peak_resident or 0  # or from before the start
        self._watch = Watch(self._look, INTERVAL, self._cancel)
        self._started_at = time.perf_counter()
        self._spent = 0.0
        self._seconds = 0.0  # of the last scan
        self._per_byte = 0.0  # seconds that memory beyond the mark adds to it
        self._mark = _memopt._resident() or 0  # when scanned last, or begun
        self._last = 0  # what was resident when looked at last
        self._measured = 0  # and when measured last
        self._owed = 0  # and when best was not measured, for want of time

    def start(self) -> None:
        self._watch.start()

    def stop(self) -> None:
        self._watch.stop()

    def _cancel(self, caller: int) -> None:
        if self._errand is not None:
            self._errand.cancel(caller)

    def missed_peak(self, peak: int | None, report: Report) -> int | None:
        """The peak of what was resident, if that was far more than in the report.

        None as well if a scan, or what was measured, took as much.
        """
        seen = report.memory.resident
        if peak is None or seen is None:
            return None
        least = max(seen * STALLED_GROWTH, seen + LEAST_GROWTH, self._own_peak)
        return peak if peak > least else None

    def _look(self) -> None:
        resident = _memopt._resident() or 0
        stalled = resident < self._last * STALL
        growth = STALLED_GROWTH if stalled else GROWTH
        if resident >= max(self._mark * growth, self._mark + LEAST_GROWTH):
            self._sample(resident)
        elif self._owed and resident * STALL >= self._owed and self._has_time(resident):
            self._measure_again(resident)
        self._last = resident

    def _sample(self, resident: int) -> None:
        expected = self._seconds + self._per_byte * (resident - self._mark)
        if self._spent + expected > self._budget(expected):
            return
        report, seconds = self._measured_scan(resident)
        if report is None and self._watch.is_ending:  # for a fork, say
            return
        self._learn(seconds, resident)
        self._owed = resident if self._keep(report) and self._lacks_time() else 0

    def _measure_again(self, resident: int) -> None:
        """What is still there, and there was no time for; but not a third time."""
        report, seconds = self._measured_scan(resident)
        if report is None and self._watch.is_ending:
            return
        self._spent += seconds
        self._keep(report)
        self._owed = 0

    def _elapsed(self) -> float:
        """Seconds since the start, but for those that measuring took."""
        return time.perf_counter() - self._started_at - self.measure_seconds

    def _budget(self, expected: float) -> float:
        """What all scans may take, one included that should take so long."""
        if self._measure is not None:
            return self._measure_budget()
        return max(FREE_SECONDS, SHARE * self._elapsed() - expected)

    def _measure_budget(self) -> float:
        return max(MEASURE_SECONDS, self._elapsed() - self._spent)

    def _least(self) -> int:
        """Bytes of Python objects of which a report has to have more, to be kept."""
        if self.best is None:
            return -1
        return int(self.best.python_bytes / (STALL if self._owed else 1))

    def _lacks_time(self) -> bool:
        found = self.best.findings if self.best is not None else ()
        return any(finding.unmeasured == "time" for finding in found)

    def _keep(self, report: Report | None) -> bool:
        """Whether it is the best so far."""
        if report is None:
            return False
        is_best = report.python_bytes > self._least()
        if is_best:
            before, self.best = self.best, report
            if before is not None and self._lacks_time():
                self.best = with_measures(report, before)
        peak = memory_info().peak_resident or 0
        if peak > (report.memory.peak_resident or 0):  # it is the scan's
            self._own_peak = peak
        return is_best

    def _measured_scan(self, resident: int) -> tuple[Report | None, float]:
        """What was found, measured if that can be; the seconds that the scan took."""
        if self._measure is None:
            return self._plain_scan(None)
        reason = self._hindrance(resident)
        if reason is not None:
            return self._plain_scan(reason)
        measure = functools.partial(self._measure, self._least())
        errand = self._send(measure, PATIENCE)
        report, seconds = errand.result, errand.seconds
        if report is None and not self._watch.is_ending:
            report, seconds = self._scan_within_call(measure)
        if report is not None:
            self._measured = resident
            seconds -= report.measure_seconds
            self.measure_seconds += report.measure_seconds
            _memopt._compact()  # or what the copies took would hide what comes next
        return report, seconds

    def _scan_within_call(
        self, measure: Callable[[], Report]
    ) -> tuple[Report | None, float]:
        """What is there within a long call, or rather, measured, after it."""
        plain, seconds = self._plain_scan("busy")
        errand = self._send(measure, FOREVER)
        found = errand.result
        if found is None:
            return plain, seconds
        if plain and plain.python_bytes > STALLED_GROWTH * found.python_bytes:
            self._keep(plain)
        return found, seconds + errand.seconds

    def _send(self, do: Callable[[], Report], patience: float) -> Errand[Report]:
        """An errand that was done, or given up, as when the program has ended."""
        self._errand = errand = Errand(do)
        # Or the main thread waits, without having seen it.
        if not self._watch.is_ending:
            errand.send(patience)
        return errand

    def _has_time(self, resident: int) -> bool:
        """Whether to measure, as far as the time that it has taken tells.

        What this would take does not count: it may be the last peak, and where heaps
        double it takes about as long as all those before.
        """
        return (
            self.measure_seconds <= self._measure_budget()
            or resident >= MEASURE_GROWTH * self._measured
        )

    def _hindrance(self, resident: int) -> Unmeasured | None:
        """Why nothing should be measured now."""
        if not self._has_time(resident):
            return "time"
        if tracemalloc.is_tracing():  # the program would find its figures changed
            return "tracing"
        asleep = others_asleep(threading.main_thread().ident)
        return "threads" if asleep is None else None

    def _plain_scan(self, reason: Unmeasured | None) -> tuple[Report | None, float]:
        begin = time.perf_counter()
        try:
            report = self._scan(reason)
        except Exception:  # such as MemoryError; the program is not to see it
            report = None
        return report, time.perf_counter() - begin

    def _learn(self, seconds: float, resident: int) -> None:
        """What the next scan will take: this one, and so much for each byte more.

        The first says only what a program's start takes, mostly modules, which
        have more objects to a byte than data has.
        """
        self._per_byte = LEAST_PER_BYTE
        if self._seconds:
            per_byte = (seconds - self._seconds) / max(1, resident - self._mark)
            self._per_byte = max(LEAST_PER_BYTE, per_byte)
        self._spent += seconds
        self._seconds = seconds
        self._mark = resident
