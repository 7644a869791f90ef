"""Every public object documents itself, and what it says is true."""

import doctest
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support import free_threaded

import memopt
from memopt import _memopt


def _documented() -> Iterator[tuple[str, Any]]:
    for name in memopt.__all__:
        value = getattr(memopt, name)
        yield name, value
        if isinstance(value, type):
            for member, attribute in vars(value).items():
                if not member.startswith("_"):
                    yield f"{name}.{member}", attribute


DOCUMENTED = dict(_documented())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_has_a_docstring(name: str) -> None:
    doc = inspect.getdoc(DOCUMENTED[name]) or ""
    assert len(doc.split()) > 2


@pytest.mark.parametrize(
    "name", [name for name, value in DOCUMENTED.items() if callable(value)]
)
def test_has_a_signature(name: str) -> None:
    signature = inspect.signature(DOCUMENTED[name])
    assert "args" not in signature.parameters or "kwargs" not in signature.parameters


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_in_the_docstring_run(name: str) -> None:
    if free_threaded and name == "advise":
        pytest.skip("the heap cannot be scanned on a free-threaded CPython")
    text = inspect.getdoc(DOCUMENTED[name]) or ""
    examples = doctest.DocTestParser().get_doctest(
        text, {"memopt": memopt, "sys": sys}, name, None, None
    )
    output: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
        examples, out=output.append
    )
    assert results.failed == 0, "".join(output)


@pytest.mark.parametrize("name", [n for n in memopt.__all__ if n in vars(_memopt)])
def test_types_and_functions_have_an_example(name: str) -> None:
    assert ">>>" in (inspect.getdoc(DOCUMENTED[name]) or "")
