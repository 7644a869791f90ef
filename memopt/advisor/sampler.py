"""Scans the program while its memory is at its highest."""

import threading
import time
from collections.abc import Callable

from memopt import _memopt
from memopt.advisor.report import Report

# How often resident memory is read: 5 microseconds each time.
INTERVAL = 0.02

# A scan is worth its time once memory is this much above that of the last: when
# it has stopped growing for an interval, and while it goes on growing.
STALLED_GROWTH = 1.1
GROWTH = 1.5
LEAST_GROWTH = 8 << 20  # bytes
STALL = 1.02  # what counts as having stopped

# What scans may take: so many CPU seconds, or a share of the program's time if
# that is more.
FREE_SECONDS = 0.4
SHARE = 0.05


class PeakSampler(threading.Thread):
    """A thread that calls ``scan`` at high-water marks of resident memory.

    Scans stop the program, so they are rationed: to ``FREE_SECONDS``, or
    ``SHARE`` of the time since the start.  ``best`` is the report that saw the
    most Python objects.
    """

    def __init__(self, scan: Callable[[], Report]) -> None:
        super().__init__(name="memopt-advise", daemon=True)
        self.best: Report | None = None
        self._scan = scan
        self._ended = threading.Event()
        self._started_at = time.perf_counter()
        self._spent = 0.0
        self._per_byte = 0.0
        self._mark = _memopt._resident() or 0

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        last = 0
        while not self._ended.wait(INTERVAL):
            resident = _memopt._resident() or 0
            growth = STALLED_GROWTH if resident < last * STALL else GROWTH
            if resident >= max(self._mark * growth, self._mark + LEAST_GROWTH):
                self._sample(resident)
            last = resident

    def _sample(self, resident: int) -> None:
        elapsed = time.perf_counter() - self._started_at
        budget = max(FREE_SECONDS, SHARE * elapsed)
        if self._spent + self._per_byte * resident > budget:
            return
        begin = time.thread_time()  # not what other processes take meanwhile
        report = self._scan()
        seconds = time.thread_time() - begin
        self._spent += seconds
        self._per_byte = seconds / resident
        self._mark = resident
        if self.best is None or report.python_bytes > self.best.python_bytes:
            self.best = report
