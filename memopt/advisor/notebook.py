"""IPython's ``%memopt`` and ``%%memopt``, after ``%load_ext memopt``."""

import ast
from typing import Any

from memopt.advisor.command import best_reports
from memopt.advisor.report import Report, make_report
from memopt.advisor.sampler import PeakSampler

# What a notebook wants to know about is smaller than what a script's user does.
_MIN_SAVING = 100_000


def _expressions(line: str) -> list[str]:
    """One expression, or several between commas or blanks."""
    try:
        parsed = ast.parse(line.strip(), mode="eval").body
    except SyntaxError:
        return line.split()
    if isinstance(parsed, ast.Tuple):
        return [ast.unparse(each) for each in parsed.elts]
    return [line.strip()]


def _advise_on_cell(ipython: Any, cell: str) -> Report:
    sampler = PeakSampler(lambda _: make_report(None, _MIN_SAVING, "peak"))
    sampler.start()
    try:
        ipython.run_cell(cell)
    finally:
        sampler.stop()
    (report,) = best_reports(
        # A cell has no exit: what is there after it is there now.
        sampler,
        "peak",
        lambda _: make_report(None, _MIN_SAVING, "now"),
    )
    return report


def register(ipython: Any) -> None:
    """Give the shell the magic, as a line and as a cell."""

    def memopt(line: str, cell: str | None = None) -> Report:
        """%memopt [expression ...]: advise on these, or on everything.

        %%memopt: advise on the cell's memory at its peak.
        """
        if cell is None:
            roots = tuple(ipython.ev(text) for text in _expressions(line))
            return make_report(roots or None, _MIN_SAVING, "now")
        if line.strip():
            raise ValueError("%%memopt looks at everything and takes no expressions")
        return _advise_on_cell(ipython, cell)

    ipython.register_magic_function(memopt, "line_cell", "memopt")
