"""What the advisor has to say, as objects, text, JSON and HTML."""

import json
import platform
import sys
from dataclasses import asdict, dataclass
from typing import Any

import memopt
from memopt.advisor import findings as advice
from memopt.advisor.findings import Finding
from memopt.advisor.heap import scan

# The version of the JSON document; see schema.json.
FORMAT = 1

SHOWN_TYPES = 20


def megabytes(count: int) -> str:
    """Bytes as text: 12.3 MB."""
    return f"{count / 1e6:,.1f} MB"


@dataclass(frozen=True)
class TypeTotal:
    """All objects of one type."""

    type: str
    count: int
    bytes: int


@dataclass(frozen=True)
class Report:
    """What ``memopt.advise`` returns.

    ``findings``, largest saving first; ``types``, largest first; bytes of all
    objects met (``python_bytes``), the process's memory (``memory``), and when
    it was looked at (``moment``: now, peak or exit).  ``everything`` is False if
    only some roots were looked at.
    """

    findings: tuple[Finding, ...]
    types: tuple[TypeTotal, ...]
    python_bytes: int
    memory: memopt.MemoryInfo
    moment: str
    everything: bool

    @property
    def saving(self) -> int:
        """Bytes that all swaps save together, at most what there is."""
        return min(sum(f.saving for f in self.findings), self.python_bytes)

    @property
    def other_bytes(self) -> int | None:
        """Private memory that no Python object explains: native, or free."""
        private = self.memory.private
        if private is None or not self.everything:
            return None
        return max(0, private - self.python_bytes)

    def __str__(self) -> str:
        return as_text(self)

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


def make_report(
    roots: tuple[object, ...] | None, min_saving: int, moment: str
) -> Report:
    """Scan and report; no object of the program is kept."""
    memory = memopt.memory_info()
    heap = scan(roots)
    totals = [TypeTotal(advice.type_name(r.type), r.count, r.now) for r in heap.types]
    totals.sort(key=lambda total: -total.bytes)
    return Report(
        findings=tuple(advice.findings(heap.rows, min_saving)),
        types=tuple(totals),
        python_bytes=heap.total,
        memory=memory,
        moment=moment,
        everything=roots is None,
    )


def as_object(report: Report) -> dict[str, Any]:
    """The report as what ``json.dumps`` takes."""
    return {
        "format": FORMAT,
        "memopt": memopt.__version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "moment": report.moment,
        "saving": report.saving,
        "python_bytes": report.python_bytes,
        "other_bytes": report.other_bytes,
        "memory": {
            name: getattr(report.memory, name) for name in report.memory.__match_args__
        },
        "findings": [
            {**asdict(finding), "saving": finding.saving} for finding in report.findings
        ],
        "types": [asdict(total) for total in report.types[:SHOWN_TYPES]],
    }


def _finding_text(number: int, finding: Finding) -> list[str]:
    example = f"   e.g. {finding.example}" if finding.example else ""
    lines = [
        "",
        f"{number}. {finding.title}",
        f"   saves  {megabytes(finding.saving)}: {megabytes(finding.bytes_now)} now, "
        f"{megabytes(finding.bytes_after)} after (confidence: {finding.confidence})",
        f"   where  {finding.path}{example}",
    ]
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
    for i, finding in enumerate(report.findings, 1):
        lines += _finding_text(i, finding)
    lines += ["", "Python objects by type"]
    lines += [
        f"   {megabytes(total.bytes):>12}  {total.count:>12,}  {total.type}"
        for total in report.types[:8]
    ]
    if report.other_bytes is not None:
        lines.append(
            f"   {megabytes(report.other_bytes):>12}  {'':>12}  other private memory: "
            "native, code, free heap"
        )
    return "\n".join(lines) + "\n"
