"""What a report says, before it is text, JSON or HTML, and how figures are put."""

from dataclasses import dataclass

import memopt
from memopt.advisor.findings import Finding
from memopt.advisor.verify import Unmeasured


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
class Figures:
    """The figures of a report, which says what they are."""

    findings: tuple[Finding, ...]
    types: tuple[TypeTotal, ...]
    python_bytes: int
    memory: memopt.MemoryInfo
    free_bytes: int | None
    moment: str
    everything: bool
    measure: bool
    measure_seconds: float = 0.0
    missed_peak: int | None = None

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

    @property
    def native_bytes(self) -> int | None:
        """Those of other_bytes that are not known to be free."""
        if self.other_bytes is None:
            return None
        return max(0, self.other_bytes - (self.free_bytes or 0))


_REASONS: dict[Unmeasured | None, str] = {
    "lost": "its path does not lead to most of it",
    "threads": "other threads may have run",
    "memory": "memory is short",
    "busy": "the script was within a call that took long",
    "time": "measuring had taken as long as the script itself",
    "tracing": "the script had tracemalloc on",
}


def measured_text(finding: Finding) -> str:
    """What was measured, or why nothing was, as a sentence's end."""
    measured = finding.measured
    if measured is None:
        return f"not measured: {_REASONS[finding.unmeasured]}"
    return (
        f"{megabytes(measured.saving)}: {megabytes(measured.bytes_now)} now, "
        f"{megabytes(measured.bytes_after)} after, measured on a copy of "
        f"{measured.objects:,} object{'' if measured.objects == 1 else 's'}"
    )


def notes(report: Figures) -> list[str]:
    """What is to be known about when was looked, and what that took."""
    said = []
    if report.missed_peak is not None:
        said.append(
            f"A peak of {megabytes(report.missed_peak)} resident was not looked "
            f"at, this is of {megabytes(report.memory.resident or 0)}: call "
            "memopt.advise() there, or use --at signal"
        )
    if report.measure_seconds:
        said.append(f"Measuring stopped the script for {report.measure_seconds:.2f} s")
    return said


def other_memory(report: Figures) -> list[tuple[int, str]]:
    """Private memory that no Python object explains, and what it may be."""
    native, free = report.native_bytes, report.free_bytes
    if native is None:
        return []
    what = "other private memory: native libraries, code, stacks"
    if free is None:
        return [(native, f"{what}, or free, but held by the allocators")]
    return [(native, what), (free, "free, but held by the allocators")]
