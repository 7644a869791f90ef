"""Seeded bugs: ``python -m tools.mutants [name ...]`` proves that tests see them.

tests/seeded_bugs/bugs.toml says what each changes in the C and which tests are to
fail of it.  The extension is compiled once; a bug costs the files that it is in, a
link and its tests, stopped at the first failure or, since a bug may well be an
endless loop, after five minutes.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools import cross

BUGS = cross.ROOT / "tests" / "seeded_bugs" / "bugs.toml"
TIMEOUT = 300  # seconds
FAILED = 1  # pytest's exit code


@dataclass(frozen=True)
class Bug:
    name: str
    why: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    isa: str = ""  # the kernel that it is in, if other processors have none

    def apply(self, text: str) -> str:
        """The file's text with the bug in it; SystemExit if it does not fit."""
        found = text.count(self.old)
        if found != 1:
            raise SystemExit(
                f"{self.name}: {self.file} has this text {found} times, not once, "
                f"so write the bug anew: {self.old!r}"
            )
        return text.replace(self.old, self.new)


class Build:
    """A copy of the project in `work`, compiled in place, a file at a time."""

    def __init__(self, work: Path) -> None:
        self.root = work
        for folder in ("src", "memopt", "tests"):
            ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
            shutil.copytree(cross.ROOT / folder, work / folder, ignore=ignored)
        shutil.copy(cross.ROOT / "pyproject.toml", work)
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        self.module = work / "memopt" / f"_memopt{suffix}"
        self.compiler = shlex.split(os.environ.get("CC", "gcc"))
        headers = Path(sysconfig.get_path("include"))
        # What setup.py asks NumPy for; the lane has it installed for the tests.
        import numpy

        target = cross.Target(
            *([], [], headers, Path(numpy.get_include())),
            *(sys.platform, suffix, ("", "", "")),
        )
        extension = cross.description(target)
        self.sources = [Path(source) for source in extension.sources]
        self.flags = [*cross.gnu_flags(), "-fPIC", "-fwrapv", "-O1", "-DNDEBUG", "-w"]
        self.flags += [f"-I{path}" for path in (*extension.include_dirs, headers)]
        self.flags += [f"-D{name}={value}" for name, value in extension.define_macros]

    def compile(self, sources: Iterable[Path]) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(self._compile_one, sources))
        objects = [str(self._object(source)) for source in self.sources]
        self._run("-shared", *objects, "-lm", "-o", str(self.module))

    def readers(self, file: str) -> list[Path]:
        """The sources that read a file, which are known once compiled."""
        return [s for s in self.sources if file in self._dependencies(s)]

    @contextlib.contextmanager
    def objects_kept(self, sources: Iterable[Path]) -> Iterator[None]:
        """What is compiled meanwhile is forgotten."""
        objects = [self._object(source) for source in sources]
        kept = [path.read_bytes() for path in objects]
        yield
        for path, content in zip(objects, kept, strict=True):
            path.write_bytes(content)

    def run_tests(self, tests: Iterable[str], timeout: int | None) -> str | None:
        """None if they pass, or what pytest said; "" if it crashed or took too long.

        SystemExit if there is no such test.
        """
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header"]
        command += ["--tb=short", "-p", "no:cacheprovider", *tests]
        settings = {"PYTHONPATH": str(self.root), "HYPOTHESIS_PROFILE": "seeded"}
        try:
            done = subprocess.run(
                command,
                cwd=self.root,
                env={**os.environ, **settings},
                timeout=timeout,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
        if done.returncode > FAILED:
            raise SystemExit(f"pytest did not run:\n{done.stdout}{done.stderr}")
        return done.stdout if done.returncode else None

    def _compile_one(self, source: Path) -> None:
        target = self._object(source)
        self._run(*self.flags, "-MMD", "-c", str(source), "-o", str(target))

    def _run(self, *arguments: str) -> None:
        subprocess.run([*self.compiler, *arguments], cwd=self.root, check=True)

    def _object(self, source: Path) -> Path:
        return (self.root / source).with_suffix(".o")

    def _dependencies(self, source: Path) -> list[str]:
        text = self._object(source).with_suffix(".d").read_text(encoding="utf-8")
        return text.replace("\\\n", " ").split()


def seeded_bugs() -> list[Bug]:
    bugs = tomllib.loads(BUGS.read_text(encoding="utf-8"))
    return [
        Bug(name=name, **{**entry, "tests": tuple(entry["tests"])})
        for name, entry in bugs.items()
    ]


def _isas(build: Build) -> list[str]:
    code = "from memopt import _memopt; print(*_memopt._isas())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=build.root, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def is_caught(build: Build, bug: Bug) -> bool:
    path = build.root / bug.file
    text = path.read_text(encoding="utf-8")
    path.write_text(bug.apply(text), encoding="utf-8")
    readers = build.readers(bug.file)
    assert readers, f"{bug.name}: no source reads {bug.file}"
    with build.objects_kept(readers):
        build.compile(readers)
        caught = build.run_tests(bug.tests, TIMEOUT) is not None
    path.write_text(text, encoding="utf-8")
    return caught


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="*", help="bugs to look at (all)")
    wanted = parser.parse_args().name
    bugs = [bug for bug in seeded_bugs() if not wanted or bug.name in wanted]
    for bug in bugs:  # before anything is compiled
        bug.apply((cross.ROOT / bug.file).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as work:
        build = Build(Path(work).resolve())
        build.compile(build.sources)
        tests = sorted({test for bug in bugs for test in bug.tests})
        failure = build.run_tests(tests, timeout=None)
        if failure is not None:
            raise SystemExit(f"a test fails without a bug, too:\n{failure}")
        isas, survivors = _isas(build), []
        for bug in bugs:
            if bug.isa and bug.isa not in isas:
                print(f"not run   {bug.name}: this processor has no {bug.isa}")
                continue
            start = time.perf_counter()
            caught = is_caught(build, bug)
            seconds = time.perf_counter() - start
            word = "caught  " if caught else "SURVIVES"
            print(f"{word}  {bug.name} ({seconds:.1f} s): {bug.why}", flush=True)
            survivors += [] if caught else [bug.name]
    if survivors:
        raise SystemExit(f"no test fails of {', '.join(survivors)}")


if __name__ == "__main__":
    main()
