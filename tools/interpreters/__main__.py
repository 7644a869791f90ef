"""``python -m tools.interpreters NAME ...``: the tests on other CPythons.

Those are 3.13t, which is free-threaded; 3.13t-tsan, the same with ThreadSanitizer;
3.14 and 3.15.  memopt is built for each with this machine's compiler, NumPy and the
tests' tools come from PyPI.  Ends with 1 if a test fails anywhere, or ThreadSanitizer
has something to report, having tried all.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tools import cache, cross, packages
from tools.interpreters import free_threaded, packaged

NEEDED = {"gcc": "gcc", "make": "make", "dpkg-deb": "dpkg", "dpkg-source": "dpkg-dev"}

WHO = """
import sys, sysconfig
print("CPython", sys.version, flush=True)
import memopt._memopt
print(memopt._memopt.__file__)
try:
    import numpy
    print("NumPy", numpy.__version__)
except ImportError:
    print("without NumPy")
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    assert not sys._is_gil_enabled()
    print("the GIL is off")
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython, and what of PyPI runs on it."""

    version: str  # without the t
    abi: str
    tools: tuple[str, ...]
    python: Callable[[Path], Path]  # given a folder to work in
    sanitized: bool = False  # by ThreadSanitizer, memopt too

    @property
    def suffix(self) -> str:
        return f".cpython-{self.abi[2:]}-x86_64-linux-gnu.so"

    @property
    def tag(self) -> tuple[str, str, str]:
        return f"cp{self.version.replace('.', '')}", self.abi, "linux_x86_64"


TOOLS = ("pytest>=8", "hypothesis>=6.100")
# The last NumPy with wheels for 3.13t.
FREE_THREADED = ("3.13", "cp313t", (*TOOLS, "pytest-run-parallel", "numpy==2.4.6"))
INTERPRETERS = {
    "3.13t": Interpreter(*FREE_THREADED, lambda work: free_threaded.python()),
    "3.13t-tsan": Interpreter(
        *FREE_THREADED,
        lambda work: free_threaded.python(free_threaded.SANITIZED),
        sanitized=True,
    ),
    "3.14": Interpreter(
        *("3.14", "cp314", (*TOOLS, "numpy>=2.3")),
        lambda work: packaged.python("3.14", work),
    ),
    "3.15": Interpreter(
        *("3.15", "cp315", (*TOOLS, "numpy>=2.4")),
        lambda work: packaged.python("3.15", work),
    ),
}


def _install_tools(interpreter: Interpreter, site: Path) -> None:
    """The tests' tools and NumPy as wheels; without NumPy if there are none."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)]
    pip += ["--only-binary=:all:", "--implementation", "cp"]
    pip += ["--python-version", interpreter.version]
    # No free-threaded CPython loads what is made for the limited API of the others.
    limited = () if interpreter.abi.endswith("t") else ("abi3",)
    for abi in (interpreter.abi, *limited, "none"):
        pip += ["--abi", abi]
    for platform in ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "any"):
        pip += ["--platform", platform]
    if subprocess.run([*pip, *interpreter.tools], check=False).returncode != 0:
        without = [tool for tool in interpreter.tools if "numpy" not in tool]
        print("no wheel of NumPy: testing without it", flush=True)
        subprocess.run([*pip, "--upgrade", *without], check=True)


def _build(interpreter: Interpreter, python: Path, site: Path, work: Path) -> None:
    code = "import sysconfig as s; print(s.get_path('include'))"
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    )
    headers = Path(done.stdout.strip())
    # Debian keeps what depends on the architecture apart.
    machine = headers.parent / "x86_64-linux-gnu" / headers.name
    compile = ["gcc", "-pthread", "-fPIC", f"-I{machine}", f"-I{headers.parent}"]
    numpy = cache.numpy_headers("manylinux2014_x86_64", "3.11", "numpy==2.0.2")
    target = cross.Target(
        compile=compile,
        link=["gcc", "-pthread", "-shared"],
        python_headers=headers,
        numpy_headers=numpy,
        platform="linux",
        suffix=interpreter.suffix,
        tag=interpreter.tag,
    )
    sanitize = {"MEMOPT_TSAN": "1"} if interpreter.sanitized else {}
    with mock.patch.dict(os.environ, sanitize):
        wheel = cross.wheel(target, work)
    subprocess.run(["unzip", "-q", "-o", wheel, "-d", site], check=True)


SUPPRESSIONS = Path(__file__).with_name("tsan_suppressions.txt")


def _reports(folder: Path) -> int:
    """Print what ThreadSanitizer has written; how many reports that are."""
    text = "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.iterdir())
    )
    print(text, end="")
    reports = text.count("WARNING: ThreadSanitizer")
    print(f"ThreadSanitizer: {reports} reports")
    return reports


def try_interpreter(name: str, work: Path, arguments: list[str]) -> int:
    """pytest's exit code; or 1 if ThreadSanitizer has something to report."""
    interpreter = INTERPRETERS[name]
    python = interpreter.python(work / "python")
    site, elsewhere, reports = work / "site", work / "elsewhere", work / "reports"
    _install_tools(interpreter, site)
    _build(interpreter, python, site, work / "memopt")
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("tests", "src"):
        shutil.copytree(cross.ROOT / folder, elsewhere / folder, ignore=ignore)
    shutil.copy2(cross.ROOT / "pyproject.toml", elsewhere)
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "HYPOTHESIS_PROFILE": os.environ.get("HYPOTHESIS_PROFILE", "quick"),
        # Debian compiles the standard library as it installs it: here as it is used.
        "PYTHONPYCACHEPREFIX": str(work / "bytecode"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if interpreter.sanitized:
        reports.mkdir()
        # A suppression tells a race by its functions, those of the write before too,
        # which are found only in a long history.
        environment["TSAN_OPTIONS"] = (
            f'suppressions="{SUPPRESSIONS}":log_path="{reports}/tsan":exitcode=0'
            ":history_size=7"
        )

    def run(*command: str) -> int:
        command = (str(python), *command)
        done = subprocess.run(command, cwd=elsewhere, env=environment, check=False)
        return done.returncode

    if run("-c", WHO) != 0:
        return 1
    code = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    if interpreter.sanitized and _reports(reports) > 0:
        code = code or 1
    return code


def main() -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="tools.interpreters", description=__doc__)
    parser.add_argument("versions", nargs="+", choices=INTERPRETERS)
    parser.add_argument("--work", type=Path, help="a new folder, which is kept")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    packages.install_missing(NEEDED)
    os.environ["MEMOPT_WERROR"] = "1"  # for setup.py
    results = {}
    with tempfile.TemporaryDirectory(prefix="memopt interpreters ") as temporary:
        home: Path = (options.work or Path(temporary)).resolve()
        for version in options.versions:
            start = time.monotonic()
            (home / version).mkdir(parents=True)
            code = try_interpreter(version, home / version, options.pytest)
            seconds = time.monotonic() - start
            results[version] = code
            print(f"--- CPython {version}: pytest ended with {code}, {seconds:.0f} s")
    return 1 if any(results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
