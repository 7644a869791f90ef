"""What tests do not reach: ``python -m tools.uncovered gcovr.json``.

tests/uncovered.txt lists those lines of the C under headings that say why.  A line
that is not in it makes the command fail; one in it that was reached is named, as it
may be reached on this machine alone.
"""

import json
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tests" / "uncovered.txt"


def unreached(report: Path) -> list[str]:
    """``file: text of the line``, for each one that was never run."""
    found = []
    for file in json.loads(report.read_text(encoding="utf-8"))["files"]:
        counts: Counter[int] = Counter()
        for line in file["lines"]:  # once for each function that it is inlined in
            counts[line["line_number"]] += line["count"]
        text = (ROOT / file["file"]).read_text(encoding="utf-8").splitlines()
        never = sorted(number for number, count in counts.items() if count == 0)
        found += [f"{file['file']}: {text[number - 1].strip()}" for number in never]
    return found


def listed() -> list[str]:
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def main(report: str) -> int:
    found, known = Counter(unreached(Path(report))), Counter(listed())
    for line in (known - found).elements():
        print(f"reached here: {line}")
    new = sorted((found - known).elements())
    for line in new:
        print(f"not reached, and not in {LIST.name}: {line}")
    print(f"{found.total()} lines not reached, {len(new)} of them not listed")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
