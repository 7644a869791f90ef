"""What the advisor has to say, as objects, text, JSON and HTML."""

import json
import platform
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import memopt
from memopt import _memopt
from memopt.advisor import findings as advice
from memopt.advisor.figures import (
    Figures,
    TypeTotal,
    measured_text,
    megabytes,
    notes,
    other_memory,
)
from memopt.advisor.findings import Finding
from memopt.advisor.heap import scan
from memopt.advisor.verify import Unmeasured

# The version of the JSON document; see schema.json.
FORMAT = 1

SHOWN_TYPES = 20


@dataclass(frozen=True, repr=False)
class Report(Figures):
    """What ``memopt.advise`` returns.

    ``findings``, largest saving first; ``types``, largest first; bytes of all
    objects met (``python_bytes``), the process's memory (``memory``) and what of
    it the allocators hold without using it (``free_bytes``, None if they do not
    tell), and when it was looked at (``moment``: now, peak or exit).
    ``everything`` is False if only some roots were looked at, ``measure`` whether
    swaps were to be measured, ``measure_seconds`` what that took while the program
    ran.  ``missed_peak`` is what was resident at a peak that was not looked at, if
    much more was than in this report.
    """

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        """The text, for those who ask at a prompt."""
        return as_text(self).rstrip()

    def to_json(self) -> str:
        """The report as a JSON document, described by ``schema.json``."""
        return json.dumps(as_object(self), indent=2) + "\n"

    def to_html(self) -> str:
        """The report as one HTML document that needs nothing else."""
        from memopt.advisor import html

        return html.page(self)

    def _repr_html_(self) -> str:
        from memopt.advisor import html

        return html.body(self)


def _free_bytes() -> int | None:
    """What Python's allocator and the C heap hold and do not use."""
    arenas, (held, used) = _memopt._pymalloc_bytes(), _memopt._malloc_bytes()
    if arenas is None or held is None or used is None:
        return None
    return arenas[0] - arenas[1] + held - used


def make_report(
    roots: tuple[object, ...] | None,
    min_saving: int,
    moment: str,
    measure: bool = False,
    unmeasured: Unmeasured | None = None,
    least: int = -1,
) -> Report:
    """Scan and report; no object of the program is kept.

    With ``measure``, each swap is applied to a copy of what was found, if no other
    thread runs, and there are more than ``least`` bytes of objects; ``unmeasured`` is
    why that was asked for and is not even tried.
    """
    memory, free = memopt.memory_info(), _free_bytes()
    heap = scan(roots, min(max(min_saving, 1), sys.maxsize))
    totals = [TypeTotal(advice.type_name(r.type), r.count, r.now) for r in heap.types]
    totals.sort(key=lambda total: -total.bytes)
    begin = time.perf_counter()
    worth = measure and heap.total > least
    found = tuple(advice.findings(heap, worth, unmeasured))
    seconds = time.perf_counter() - begin
    return Report(
        findings=found,
        types=tuple(totals),
        python_bytes=heap.total,
        memory=memory,
        free_bytes=free,
        moment=moment,
        everything=roots is None,
        measure=measure or unmeasured is not None,
        measure_seconds=seconds if measure and moment != "exit" else 0.0,
    )


def _bare(finding: Finding) -> Finding:
    return replace(finding, measured=None, unmeasured=None)


def with_measures(report: Report, other: Report) -> Report:
    """A report, and of what it could not measure what another one did."""
    measured = {_bare(each): each for each in other.findings if each.measured}
    found = (
        each if each.measured else measured.get(_bare(each), each)
        for each in report.findings
    )
    return replace(report, findings=tuple(found))


def _finding_object(finding: Finding) -> dict[str, Any]:
    found = {**asdict(finding), "saving": finding.saving}
    if finding.measured is not None:
        found["measured"]["saving"] = finding.measured.saving
    return found


def as_object(report: Report) -> dict[str, Any]:
    """The report as what ``json.dumps`` takes."""
    return {
        "format": FORMAT,
        "memopt": memopt.__version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "moment": report.moment,
        "missed_peak": report.missed_peak,
        "measure_seconds": round(report.measure_seconds, 3),
        "saving": report.saving,
        "python_bytes": report.python_bytes,
        "other_bytes": report.other_bytes,
        "native_bytes": report.native_bytes,
        "free_bytes": report.free_bytes,
        "memory": {
            name: getattr(report.memory, name) for name in report.memory.__match_args__
        },
        "findings": [_finding_object(finding) for finding in report.findings],
        "types": [asdict(total) for total in report.types[:SHOWN_TYPES]],
    }


def _finding_text(number: int, finding: Finding, measure: bool) -> list[str]:
    example = f"   e.g. {finding.example}" if finding.example else ""
    lines = [
        "",
        f"{number}. {finding.title}",
        f"   saves  {megabytes(finding.saving)}: {megabytes(finding.bytes_now)} now, "
        f"{megabytes(finding.bytes_after)} after (confidence: {finding.confidence})",
        f"   where  {finding.path}{example}",
    ]
    if measure:
        lines.insert(3, f"   proven {measured_text(finding)}")
    lines += [f"   made   {line}" for line in finding.allocated_at]
    swap = finding.swap.splitlines()
    lines += [f"   {'swap' if i == 0 else '    '}   {s}" for i, s in enumerate(swap)]
    return [*lines, f"   but    {finding.caveat}"]


_MOMENTS = {"now": "", "peak": " at its peak", "exit": " at exit"}


def as_text(report: Report) -> str:
    """The report as plain text."""
    number = len(report.findings)
    lines = [
        f"memopt advise: {number or 'no'} finding{'' if number == 1 else 's'}; "
        f"{megabytes(report.saving)} of {megabytes(report.python_bytes)} of Python "
        f"objects{_MOMENTS[report.moment]} could be saved"
    ]
    lines += notes(report)
    for i, finding in enumerate(report.findings, 1):
        lines += _finding_text(i, finding, report.measure)
    lines += ["", "Python objects by type"]
    lines += [
        f"   {megabytes(total.bytes):>12}  {total.count:>12,}  {total.type}"
        for total in report.types[:8]
    ]
    for size, what in other_memory(report):
        lines.append(f"   {megabytes(size):>12}  {'':>12}  {what}")
    return "\n".join(lines) + "\n"
