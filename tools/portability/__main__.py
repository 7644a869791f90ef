"""``python -m tools.portability``: all compile checks and the tests under qemu.

Ends with 1 if anything does not hold, having tried all of it.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tools import packages
from tools.portability import aarch64, msvc, zig

NEEDED = {
    "clang": "clang",
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",  # and its headers
    "x86_64-w64-mingw32-objdump": "binutils-mingw-w64-x86-64",
    aarch64.QEMU: "qemu-user-static",
    "dpkg-deb": "dpkg",
}


def _run_all(work: Path) -> list[str]:
    """What failed."""
    failed = []

    def attempt(what: str, ok: bool, start: float) -> None:
        seconds = time.monotonic() - start
        print(f"--- {what}: {'ok' if ok else 'FAILED'}, {seconds:.0f} s", flush=True)
        if not ok:
            failed.append(what)

    start = time.monotonic()
    try:
        count = msvc.check(work / "msvc")
        attempt(f"{count} files in MSVC's dialect", True, start)
    except subprocess.CalledProcessError:
        attempt("MSVC's dialect", False, start)
    for platform in zig.PLATFORMS:
        start = time.monotonic()
        try:
            built = zig.build(platform, work / platform.zig)
            attempt(f"{built.name}, {built.stat().st_size} bytes", True, start)
        except Exception as error:  # distutils has an exception for each step
            print(error)
            attempt(f"memopt for {platform.zig}", False, start)
            continue
        if platform == zig.LINUX_AARCH64:
            start = time.monotonic()
            code = aarch64.run(built, work / "emulated")
            attempt("tests on AArch64", code == 0, start)
    return failed


def main() -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="tools.portability", description=__doc__)
    parser.add_argument("--work", type=Path, help="a new folder, which is kept")
    options = parser.parse_args()
    packages.install_missing(NEEDED)
    os.environ["MEMOPT_WERROR"] = "1"  # for setup.py
    with tempfile.TemporaryDirectory(prefix="memopt portability ") as temporary:
        failed = _run_all((options.work or Path(temporary)).resolve())
    for what in failed:
        print(f"failed: {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
