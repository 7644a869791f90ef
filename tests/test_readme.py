"""The README's Python blocks run, one after the other, and do what they say.

Read from the installed metadata: the tests may run far from a checkout.
"""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest
from reference import exact_sum

README = importlib.metadata.metadata("memopt")["Description"]
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FIELDS = [[str(i), "a name", "another name\n"] for i in range(3)]


def run_blocks() -> list[dict[str, Any]]:
    """The names that each block leaves, as it leaves them."""
    names: dict[str, Any] = {}
    after: list[dict[str, Any]] = []
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
        after.append(dict(names))
    return after


def values(after: list[dict[str, Any]], name: str) -> list[Any]:
    """What `name` stood for, in turn: before the swap first."""
    bound = [names[name] for names in after if name in names]
    return list({id(value): value for value in bound}.values())


def test_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("".join(map(",".join, FIELDS)), encoding="utf-8")
    after = run_blocks()
    squares, lazy = values(after, "squares")
    assert list(lazy) == squares
    assert values(after, "rows") == [FIELDS, FIELDS]
    nested, matrix = values(after, "matrix")
    assert len(nested) == len(matrix) == 1000
    assert after[-1]["total"] == exact_sum(x for row in matrix for x in row)


def test_values_in_comments() -> None:
    results = re.findall(r"^(.+?)  # (\d+)$", README, re.MULTILINE)
    assert len(results) == 2
    names: dict[str, Any] = {}
    exec(BLOCKS[1], names)
    for expression, value in results:
        assert eval(expression, names) == int(value)
