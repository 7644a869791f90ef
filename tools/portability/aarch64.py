"""Tests of the AArch64 build, in Debian's CPython for it, under qemu's emulation.

What computes without Python objects is what may differ there: sums, hashes, the
table of strings, random numbers.  Only those tests run: qemu takes its time.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tools import cache, cross
from tools.portability import zig

QEMU = "qemu-aarch64-static"
PYTHON = f"python{zig.VERSION}"
PACKAGES = (
    f"{PYTHON}-minimal",
    *(f"lib{PYTHON}-{part}" for part in ("minimal", "stdlib", "testsuite")),
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8"),
    *("libbz2-1.0", "liblzma5", "libssl3t64", "libsqlite3-0", "libuuid1"),
)
TOOLS = ("pytest>=8", "hypothesis>=6.100")
TESTS = (
    "exactsum",
    "float_environment",
    "floatmatrix_random",
    "floatmatrix_sum",
    "fsum",
    "internpool_hash",
)

# The command of the interpreter has to name qemu, for tests that run another.
SITE = "import sys\nsys.executable = {command!r}\n"


def run(extension: Path, work: Path) -> int:
    """The exit code of pytest."""
    python = _interpreter(work)
    packages = work / "site-packages"
    for wheel in cache.wheels(
        "aarch64-tools", zig.LINUX_AARCH64.wheel, zig.VERSION, *TOOLS
    ) + cache.wheels("numpy", zig.LINUX_AARCH64.wheel, zig.VERSION, zig.NUMPY):
        shutil.unpack_archive(wheel, packages, "zip")
    ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")
    shutil.copytree(cross.ROOT / "memopt", packages / "memopt", ignore=ignore)
    shutil.copy2(extension, packages / "memopt" / "_memopt.so")
    site = SITE.format(command=str(python))
    (packages / "sitecustomize.py").write_text(site, encoding="utf-8")
    shutil.copytree(cross.ROOT / "tests", work / "tests", ignore=ignore)
    shutil.copy2(cross.ROOT / "pyproject.toml", work)
    files = [f"tests/test_{name}.py" for name in TESTS]
    environment = {
        **os.environ,
        "PYTHONPATH": str(packages),
        "HYPOTHESIS_PROFILE": "few",
    }
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--durations=12",
        *files,
    ]
    return subprocess.run(command, cwd=work, env=environment, check=False).returncode


def _interpreter(work: Path) -> Path:
    """A command that is CPython for AArch64."""
    files = cache.debian_packages(zig.DEBIAN, "arm64", *PACKAGES)
    root = work / "root"
    root.mkdir(parents=True)
    (root / "usr").symlink_to(files / "usr")
    (root / "lib").symlink_to("usr/lib")  # as Debian has it since its release 12
    command = work / "python"
    command.write_text(
        f'#!/bin/sh\nexec {QEMU} -L "{root}" "{root}/usr/bin/{PYTHON}" "$@"\n',
        encoding="utf-8",
    )
    command.chmod(0o755)
    return command
