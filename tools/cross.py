"""Builds memopt for another platform with setup.py's own sources and flags.

setup.py runs unchanged; only what belongs to the platform is put in its place:
the compiler, the headers of CPython and NumPy, the names and the wheel's tag.
"""

import contextlib
import os
import runpy
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import setuptools
import setuptools.command.build_ext  # while sys.platform is still the genuine one

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Target:
    """A platform, and the commands that compile and link for it."""

    compile: list[str]
    link: list[str]  # a shared library; CPython's own may be among its arguments
    python_headers: Path
    numpy_headers: Path
    platform: str  # sys.platform there
    suffix: str  # of the extension module's file name
    tag: tuple[str, str, str]  # the wheel's: Python, ABI, platform
    last_flags: list[str] = field(default_factory=list)  # overrule setup.py's


def wheel(target: Target, work: Path) -> Path:
    """A wheel in `work`, which also takes all intermediate files."""
    with _setup_for(target, work) as distribution, warnings.catch_warnings():
        # It warns whoever runs "setup.py install", which it does itself here.
        warnings.filterwarnings("ignore", "setup.py install is deprecated")
        distribution.run_command("bdist_wheel")
    (built,) = (work / "dist").glob("*.whl")
    return built


def extension(target: Target, work: Path) -> Path:
    """The extension module alone."""
    with _setup_for(target, work) as distribution:
        command: Any = distribution.get_command_obj("build_ext")
        distribution.run_command("build_ext")
        (built,) = command.get_outputs()
    return Path(built)


def description(target: Target) -> setuptools.Extension:
    """The extension as setup.py describes it for the platform."""
    with contextlib.chdir(ROOT):
        (extension,) = _arguments_of_setup(target)["ext_modules"]
    assert isinstance(extension, setuptools.Extension)
    return extension


def gnu_flags() -> list[str]:
    """setup.py's flags for gcc and clang, to compile with."""
    with contextlib.chdir(ROOT), mock.patch("setuptools.setup"):
        flags: list[str] = _run_setup(Path())["gnu_flags"]()[0]
    return flags


@contextlib.contextmanager
def _setup_for(target: Target, work: Path) -> Iterator[setuptools.Distribution]:
    """setup.py's Distribution, adapted; the current folder is the project's."""
    with contextlib.chdir(ROOT):
        distribution = setuptools.Distribution(_arguments_of_setup(target))
        distribution.script_name = "setup.py"
        distribution.parse_config_files()
        _adapt(distribution, target, work)
        yield distribution


def _arguments_of_setup(target: Target) -> dict[str, Any]:
    """What setup.py passes to setup() when it runs on that platform."""
    with (
        mock.patch("sys.platform", target.platform),
        mock.patch("setuptools.setup") as setup,
    ):
        _run_setup(target.numpy_headers)
    return dict(setup.call_args.kwargs)


def _run_setup(numpy_headers: Path) -> dict[str, Any]:
    """The names that setup.py defines; setuptools.setup must be a mock."""
    # setup.py asks NumPy where its headers are, and nothing else.
    numpy = types.ModuleType("numpy")
    numpy.get_include = lambda: str(numpy_headers)  # type: ignore[attr-defined]
    with mock.patch.dict(sys.modules, numpy=numpy):
        return runpy.run_path("setup.py")


def _adapt(distribution: Any, target: Target, work: Path) -> None:
    commands = distribution.cmdclass
    commands["build_ext"] = _build_ext(commands["build_ext"], target)
    commands["bdist_wheel"] = _bdist_wheel(
        distribution.get_command_class("bdist_wheel"), target
    )
    egg_base = work / "egg-info"
    egg_base.mkdir(parents=True, exist_ok=True)
    for command, option, value in (
        ("build", "build_base", work / "build"),
        ("egg_info", "egg_base", egg_base),
        ("bdist_wheel", "bdist_dir", work / "wheel"),
        ("bdist_wheel", "dist_dir", work / "dist"),
    ):
        options = distribution.get_option_dict(command)
        options[option] = ("cross build", str(value))


def _build_ext(base: Any, target: Target) -> Any:
    class CrossBuildExt(base):  # type: ignore[misc]
        def finalize_options(self) -> None:
            super().finalize_options()
            self.include_dirs = [str(target.python_headers)]
            self.library_dirs: list[str] = []
            self.inplace = False

        def get_ext_filename(self, name: str) -> str:
            return name.replace(".", os.sep) + target.suffix

        def get_libraries(self, extension: Any) -> list[str]:
            return list(extension.libraries)

        def build_extensions(self) -> None:
            self.compiler.set_executables(
                compiler_so=target.compile, linker_so=target.link
            )
            super().build_extensions()

        def build_extension(self, extension: Any) -> None:
            extension.extra_compile_args += target.last_flags
            super().build_extension(extension)

    return CrossBuildExt


def _bdist_wheel(base: Any, target: Target) -> Any:
    class CrossBdistWheel(base):  # type: ignore[misc]
        def get_tag(self) -> tuple[str, str, str]:
            return target.tag

    return CrossBdistWheel
