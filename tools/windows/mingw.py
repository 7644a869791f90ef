"""mingw-w64, set up to link with the C library that CPython itself uses.

Debian's mingw-w64 links with msvcrt.dll; CPython for Windows uses ucrtbase.dll,
and what belongs to one of them (files, locales, errno) is unknown to the other.
"""

import subprocess
from pathlib import Path

PREFIX = "x86_64-w64-mingw32-"
HERE = Path(__file__).parent


class Mingw:
    """The compiler, with a specs file written into `work`."""

    def __init__(self, work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        gcc = PREFIX + "gcc"
        dump = [gcc, "-dumpspecs"]
        specs = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
        if specs.count("-lmsvcrt") != 1:
            raise RuntimeError("gcc's specs no longer name -lmsvcrt once")
        file = work / "ucrt.specs"
        file.write_text(specs.replace("-lmsvcrt", "-lucrt"), encoding="utf-8")
        self._gcc = [gcc, f"-specs={file}", "-D_UCRT", "-D__MSVCRT_VERSION__=0xE00"]

    def compile(self, python_headers: Path) -> list[str]:
        """Compile for CPython, as its own release build for Windows does."""
        return [*self._gcc, "-O2", "-DNDEBUG", f"-I{python_headers}"]

    def link(self, python_dll: Path) -> list[str]:
        """Link a DLL; GNU ld needs no import library to do so."""
        return [*self._gcc, "-shared", "-s", "-static-libgcc", str(python_dll)]

    def extension(self, sources: list[Path], headers: Path, target: Path) -> None:
        """Build one of CPython's own extension modules, as silently as CPython."""
        (dll,) = target.parents[1].glob("python3??.dll")
        command = [*self.compile(headers), "-w", *map(str, sources)]
        command += [*self.link(dll)[len(self._gcc) :], "-o", str(target)]
        subprocess.run(command, check=True)

    def program(self, source: Path, dll: Path, target: Path) -> None:
        """Build a program whose main() is wmain(), linked with a DLL."""
        command = [*self._gcc, "-O2", "-s", "-municode", "-static-libgcc"]
        command += [str(source), str(dll), "-o", str(target)]
        subprocess.run(command, check=True)
