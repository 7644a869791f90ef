"""Finds what to swap in a program, and says what that saves.

``heap`` runs the C scan and names what it found, ``findings`` turns its rows
into advice, ``report`` holds and prints it, ``target`` runs a script as
``python`` would, ``sampler`` scans it at its peaks, ``verify`` measures swaps, at
a peak as an ``errand`` of the main thread, if others are ``idle``, ``command`` is
the command line.  Only what ``memopt.advise`` needs is imported with memopt: not
even typing, which would take as long as all the rest of it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memopt.advisor.report import Report


def advise(*roots: object, min_saving: int = 1 << 20) -> Report:
    """Scan the heap and report what could be swapped to save memory.

    Without arguments, everything in the process is looked at: modules, the
    local variables of running functions, and all else that the garbage
    collector knows.  With ``roots``, only what these objects own.  Findings
    that would save less than ``min_saving`` bytes are left out.

    Returns a ``Report``: ``findings``, largest saving first; ``str(report)``,
    ``to_json()``, ``to_html()``.  Nothing is changed by looking.  Takes 20
    to 90 ns for each object, during which other threads wait.

    >>> rows = [[float(i + j) for j in range(100)] for i in range(100)]
    >>> report = memopt.advise(rows, min_saving=100_000)
    >>> [(f.kind, f.path, f.items) for f in report.findings]
    [('matrix', 'roots[0]', 10000)]
    """
    from memopt.advisor.report import make_report

    if not isinstance(min_saving, int) or min_saving < 0:
        raise ValueError(
            f"advise() min_saving must be an int of at least 0, not {min_saving!r}"
        )
    return make_report(roots or None, min_saving, "now")


def load_ipython_extension(ipython: Any) -> None:
    """Give an IPython shell ``%memopt`` and ``%%memopt``: ``%load_ext memopt``."""
    from memopt.advisor.notebook import register

    register(ipython)


for _function in (advise, load_ipython_extension):
    _function.__module__ = "memopt"
