"""The AArch64 build of the files without Python objects, run under qemu.

numbers.c prints what they compute, here and there; both must be the same.  The
Python tests could run in an emulated CPython too, but take an hour to.
"""

import subprocess
from pathlib import Path

from tools import cross

GCC = "aarch64-linux-gnu-gcc"
QEMU = "qemu-aarch64-static"
PROGRAM = Path(__file__).with_name("numbers.c")
FILES = ("src/exactsum/accumulator.c", "src/floatmatrix/mt19937.c")


def compare(work: Path) -> int:
    """Raise AssertionError if the machines differ; how many lines they agree on."""
    work.mkdir(parents=True)
    here = _output("gcc", [], work / "numbers-here")
    there = _output(GCC, [QEMU], work / "numbers-aarch64")
    assert here == there, "AArch64 computes something else"
    return here.count("\n")


def _output(compiler: str, emulator: list[str], program: Path) -> str:
    """What numbers.c prints, compiled so and started so."""
    command = [compiler, *cross.gnu_flags(), "-static", "-Isrc", str(PROGRAM)]
    command += [*FILES, "-lm", "-o", str(program)]
    subprocess.run(command, cwd=cross.ROOT, check=True)
    run = [*emulator, str(program)]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout
