"""``python -m tools.portability``: all compile checks, and numbers under qemu.

Ends with 1 if anything does not hold, having tried all of it.
"""

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tools import packages
from tools.portability import aarch64, msvc, zig

NEEDED = {
    "clang": "clang libclang-rt-14-dev",  # what fuzz links, too
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",  # and its headers
    "x86_64-w64-mingw32-objdump": "binutils-mingw-w64-x86-64",
    aarch64.GCC: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    aarch64.QEMU: "qemu-user-static",
    "dpkg-deb": "dpkg",
}


def _checks(work: Path, link: bool) -> dict[str, Callable[[], str]]:
    """What is checked, and the function that does and says what it did."""

    def build(platform: zig.Platform) -> str:
        return zig.build(platform, work / platform.zig, link=link)

    return {
        "MSVC's dialect": lambda: f"{msvc.check(work / 'msvc')} files read",
        "numbers on AArch64": lambda: f"{aarch64.compare(work / 'numbers')} lines",
        **{p.zig: functools.partial(build, p) for p in zig.PLATFORMS},
    }


def _run_all(work: Path, link: bool) -> list[str]:
    """The names of what failed."""
    failed = []
    for name, check in _checks(work, link).items():
        start = time.monotonic()
        try:
            outcome = check()
        except Exception as error:  # distutils has an exception for each step
            outcome = f"FAILED: {error}"
            failed.append(name)
        seconds = time.monotonic() - start
        print(f"--- {name}: {outcome}, {seconds:.0f} s", flush=True)
    return failed


def main() -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="tools.portability", description=__doc__)
    parser.add_argument("--work", type=Path, help="a new folder, which is kept")
    parser.add_argument("--link", action="store_true", help="minutes longer, once")
    options = parser.parse_args()
    packages.install_missing(NEEDED)
    os.environ["MEMOPT_WERROR"] = "1"  # for setup.py
    with tempfile.TemporaryDirectory(prefix="memopt portability ") as temporary:
        work = (options.work or Path(temporary)).resolve()
        failed = _run_all(work, options.link)
    for what in failed:
        print(f"failed: {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
