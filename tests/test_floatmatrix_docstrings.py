"""The examples in the docstrings of FloatMatrix and FloatVector run as written."""

import doctest
import inspect

import pytest

import memopt

DOCUMENTED = [
    (f"{kind.__name__}.{name}", inspect.getdoc(member))
    for kind in (memopt.FloatMatrix, memopt.FloatVector)
    for name, member in [("", kind), *inspect.getmembers(kind)]
    if name in ("", "sum", "mean") or (callable(member) and not name.startswith("_"))
]
EXAMPLES = [(name, doc) for name, doc in DOCUMENTED if doc and ">>>" in doc]


def test_most_methods_have_examples() -> None:
    assert len(EXAMPLES) > 15


@pytest.mark.parametrize(("name", "doc"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_examples(name: str, doc: str) -> None:
    test = doctest.DocTestParser().get_doctest(
        doc, {"memopt": memopt}, name, None, None
    )
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(report)
