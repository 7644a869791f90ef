"""``python -m tools.windows [VERSION ...]``: wheel, tests and demo on CPython.

Everything made is in --work, which must not exist; downloads are cached (see
tools/cache.py).  Ends with 1 if anything does not hold.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
import tomllib
from pathlib import Path

from tools import cache, cross, packages
from tools.windows import python
from tools.windows.checks import check_wheel
from tools.windows.mingw import HERE, Mingw
from tools.windows.wine import WINE, WINESERVER, Wine, windows_path

NEEDED = {
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",
    "x86_64-w64-mingw32-objdump": "binutils-mingw-w64-x86-64",
    WINE: "wine64",
    WINESERVER: "wine64",
    "dpkg-deb": "dpkg",
}

WHO = """
import platform, sys
print("CPython", sys.version, sys.platform, platform.platform())
try:
    import numpy
    print("NumPy", numpy.__version__)
except ImportError:
    print("without NumPy")
import memopt._memopt as core
print("memopt", core.__file__)
print("kernels", getattr(core, "_isas", list)())
assert sys.platform == "win32"
"""


STARTED = time.monotonic()
PATIENCE = 1800  # seconds for all tests


class FailedError(Exception):
    """Something does not hold; the message says what."""


def announce(what: str) -> None:
    """Print a line that separates the steps in the log."""
    print(f"--- {time.monotonic() - STARTED:.0f} s: {what}", flush=True)


def build_wheel(release: python.Release, mingw: Mingw, home: Path, work: Path) -> Path:
    """The wheel for a CPython, checked."""
    abi = f"cp{release.digits}"
    headers = release.headers(home.parent)
    target = cross.Target(
        compile=mingw.compile(headers),
        link=mingw.link(home / f"python{release.digits}.dll"),
        python_headers=headers,
        numpy_headers=cache.numpy_headers("win_amd64", release.version, release.numpy),
        platform="win32",
        suffix=f".{abi}-win_amd64.pyd",
        tag=(abi, abi, "win_amd64"),
    )
    announce(f"the wheel for CPython {release.version}")
    wheel = cross.wheel(target, work)
    check_wheel(wheel, target.tag, work / "unpacked")
    return wheel


def run_tests(wine: Wine, exe: Path, work: Path, arguments: list[str]) -> int:
    """How many tests passed, none having failed."""
    announce("the tests")
    elsewhere = work / "tests and ünïcode"
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("tests", "src"):
        shutil.copytree(cross.ROOT / folder, elsewhere / folder, ignore=ignore)
    shutil.copy2(cross.ROOT / "pyproject.toml", elsewhere)
    counts = work / "counts.json"
    code, _ = wine.run(
        *(exe, "-m", "pytest", "-q", "-p", "counting", "-p", "no:cacheprovider"),
        *arguments,
        folder=elsewhere,
        timeout=PATIENCE,
        PYTHONPATH=windows_path(HERE),
        MEMOPT_COUNTS=windows_path(counts),
        HYPOTHESIS_PROFILE=os.environ.get("HYPOTHESIS_PROFILE", "quick"),
    )
    if code != 0:
        raise FailedError(f"pytest ended with {code}")
    if not counts.exists():
        raise FailedError(f"pytest was ended after {PATIENCE} seconds")
    outcomes = json.loads(counts.read_text(encoding="utf-8"))
    return int(outcomes.get("passed", 0))


def try_release(release: python.Release, work: Path, arguments: list[str]) -> str:
    """All there is to do for one CPython; a line that says what was done."""
    start = time.monotonic()
    announce(f"CPython {release.version} for Windows")
    mingw = Mingw(work)
    home = work / f"Python {release.version}"
    exe = python.assemble(release, mingw, home)
    wheel = build_wheel(release, mingw, home, work / "memopt")
    announce("wine")
    with Wine(work / "prefix") as wine:

        def must_run(*command: str) -> str:
            code, output = wine.run(exe, *command, folder=work, timeout=600)
            if code != 0:
                raise FailedError(f"{command} ended with {code}")
            return output

        announce("installing")
        options = ("--no-index", "--no-deps", "--no-warn-script-location")
        must_run("-m", "pip", "install", *options, windows_path(wheel))
        must_run("-c", WHO)
        passed = run_tests(wine, exe, work, arguments)
        announce("the demo")
        demo = must_run("-m", "memopt", "demo")
    if "THE ANSWERS DIFFER" in demo:
        raise FailedError("the demo's answers differ")
    seconds = time.monotonic() - start
    floor = tomllib.loads((HERE / "floor.toml").read_text(encoding="utf-8"))
    least = floor[release.version]
    if passed < least and not arguments:
        raise FailedError(f"only {passed} tests passed; floor.toml says {least}")
    return f"{passed} passed (floor {least}) with {wheel.name} in {seconds:.0f} s"


def main() -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="tools.windows", description=__doc__)
    all_versions = ", ".join(python.RELEASES)
    help_text = f"of CPython: {all_versions}; default: all"
    parser.add_argument("versions", nargs="*", help=help_text)
    parser.add_argument("--work", type=Path, help="a new folder, which is kept")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    versions = options.versions or list(python.RELEASES)
    for version in versions:
        if version not in python.RELEASES:
            parser.error(f"{version} is none of {all_versions}")
    packages.install_missing(NEEDED)
    os.environ["MEMOPT_WERROR"] = "1"  # for setup.py
    results = []
    with tempfile.TemporaryDirectory(prefix="memopt windows ") as temporary:
        work: Path = (options.work or Path(temporary)).resolve()
        for version in versions:
            release = python.RELEASES[version]
            try:
                done = try_release(release, work / version, options.pytest)
            except (FailedError, AssertionError) as error:
                done = f"failed: {error}"
            results.append((f"CPython {version} for Windows", done))
    for name, done in results:
        print(f"{name}: {done}")
    return 1 if any(done.startswith("failed") for _, done in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
