"""The package as installed: what importing it does, and what it declares."""

import importlib.metadata
import importlib.resources
import inspect
import re

import pytest
from support import run_in_fresh_process

import memopt
from memopt import _memopt


def test_import_does_not_import_numpy() -> None:
    run_in_fresh_process(
        """
import sys
import memopt
assert "numpy" not in sys.modules
"""
    )


def test_package_is_typed() -> None:
    files = importlib.resources.files("memopt")
    assert files.joinpath("py.typed").is_file()
    assert files.joinpath("_memopt.pyi").is_file()


def test_version_is_that_of_the_distribution() -> None:
    assert memopt.__version__ == importlib.metadata.version("memopt")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", memopt.__version__)


def test_distribution_needs_nothing_at_run_time() -> None:
    requirements = importlib.metadata.requires("memopt") or []
    assert [r for r in requirements if "extra ==" not in r] == []


def test_all_is_sorted_and_complete() -> None:
    public = {name for name in vars(memopt) if not name.startswith("_")}
    modules = {name for name in public if inspect.ismodule(getattr(memopt, name))}
    assert set(memopt.__all__) == public - modules
    assert list(memopt.__all__) == sorted(memopt.__all__)


@pytest.mark.parametrize("name", memopt.__all__)
def test_public_names_say_where_they_are_from(name: str) -> None:
    value = getattr(memopt, name)
    if isinstance(value, type) or inspect.isroutine(value):
        assert value.__module__ in ("memopt", "memopt._memopt")
        assert value.__name__ == name


def test_types_cannot_be_altered() -> None:
    for value in vars(_memopt).values():
        # CPython makes the structseq types, and does not close them.
        if isinstance(value, type) and not issubclass(value, tuple):
            with pytest.raises(TypeError):
                value.extra = 1  # type: ignore[attr-defined]
