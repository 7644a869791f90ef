"""IPython's ``%memopt`` and ``%%memopt``, after ``%load_ext memopt``."""

from typing import Any

from memopt.advisor.command import best_reports
from memopt.advisor.report import Report, make_report
from memopt.advisor.sampler import PeakSampler

# What a notebook wants to know about is smaller than what a script's user does.
_MIN_SAVING = 100_000


def register(ipython: Any) -> None:
    """Give the shell the magic, as a line and as a cell."""

    def memopt(line: str, cell: str | None = None) -> Report:
        """%memopt [expression ...]: advise on these, or on everything.

        %%memopt: advise on the cell's memory at its peak.
        """
        if cell is None:
            roots = tuple(ipython.ev(expression) for expression in line.split())
            return make_report(roots or None, _MIN_SAVING, "now")
        sampler = PeakSampler(lambda _: make_report(None, _MIN_SAVING, "peak"))
        sampler.start()
        try:
            ipython.run_cell(cell)
        finally:
            sampler.stop()
        (report,) = best_reports(
            sampler, "peak", lambda moment: make_report(None, _MIN_SAVING, moment)
        )
        return report

    ipython.register_magic_function(memopt, "line_cell", "memopt")
