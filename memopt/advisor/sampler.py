"""Scans the program while its memory is at its highest."""

import threading
import time
from collections.abc import Callable

from memopt import _memopt
from memopt.advisor.report import Report

# How often resident memory is read: 5 microseconds each time.
INTERVAL = 0.05

# A scan is worth its time once memory is this much above that of the last: when
# it has stopped growing for an interval, and while it goes on growing.  Doubling
# makes all scans of a growing program together cost at most two of the last.
STALLED_GROWTH = 1.1
GROWTH = 2.0
LEAST_GROWTH = 8 << 20  # bytes
STALL = 1.02  # what counts as having stopped

# What scans may take: so many seconds, or, with the last one, which takes as long
# as one now at least, a share of the program's time if that is more.  With the
# start, some 0.1 s, that is 4 % of a program of 10 s whose heap takes 0.15 s to scan.
FREE_SECONDS = 0.15
SHARE = 0.03

# The least that a scan is expected to take for each byte more, in seconds: what
# records take, 0.46e-9 to 0.57e-9, as their heaps are the slowest; floats in lists
# take 0.27e-9 to 0.37e-9 (CPython 3.11, Xeon).  What was measured counts if more.
LEAST_PER_BYTE = 0.5e-9


class PeakSampler(threading.Thread):
    """A thread that calls ``scan`` at high-water marks of resident memory.

    Scans stop the program, so they are rationed: to ``FREE_SECONDS``, or ``SHARE``
    of the time since the start, less what the last will take.  ``best`` is the
    report that saw the most Python objects.
    """

    def __init__(self, scan: Callable[[], Report]) -> None:
        super().__init__(name="memopt-advise", daemon=True)
        self.best: Report | None = None
        self._scan = scan
        self._ended = threading.Event()
        self._started_at = time.perf_counter()
        self._spent = 0.0
        self._seconds = 0.0  # of the last scan
        self._per_byte = 0.0  # seconds that memory beyond the mark adds to it
        self._mark = _memopt._resident() or 0  # when scanned last, or begun
        self._last = 0  # what was resident when looked at last

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        resident = _memopt._resident() or 0
        stalled = resident < self._last * STALL
        growth = STALLED_GROWTH if stalled else GROWTH
        if resident >= max(self._mark * growth, self._mark + LEAST_GROWTH):
            self._sample(resident)
        self._last = resident

    def _sample(self, resident: int) -> None:
        elapsed = time.perf_counter() - self._started_at
        expected = self._seconds + self._per_byte * (resident - self._mark)
        budget = max(FREE_SECONDS, SHARE * elapsed - expected)
        if self._spent + expected > budget:
            return
        begin = time.perf_counter()
        try:
            report = self._scan()
        except Exception:  # such as MemoryError; the program is not to see it
            report = None
        self._learn(time.perf_counter() - begin, resident)
        least = -1 if self.best is None else self.best.python_bytes
        if report is not None and report.python_bytes > least:
            self.best = report

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
