"""Runs Windows programs: wine in a prefix of its own, gone when it is left.

Facts about wine 8 (Debian 12) that shape this: a standard stream that is a Unix
file breaks Python, so output goes through a pipe; services that wine starts keep
the first program's pipe open for ever, so they are started without one.
"""

import os
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType

# Debian has them on no PATH; wine64 itself finds the wineserver beside it.
WINE = "/usr/lib/wine/wine64"
WINESERVER = "/usr/lib/wine/wineserver64"


class Wine:
    """A fresh Windows 10, in `prefix`, while the context is entered."""

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        unwanted = ("DISPLAY", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
        self._environment = {
            **{key: os.environ[key] for key in os.environ if key not in unwanted},
            "WINEPREFIX": str(prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            # No .NET, no browser engine, no window when a program crashes.
            "WINEDLLOVERRIDES": "mscoree,mshtml,winedbg.exe=",
            "PYTHONUNBUFFERED": "1",
            # Else file names outside ASCII cannot be reached.
            "LC_ALL": "C.UTF-8",
        }

    def __enter__(self) -> "Wine":
        self._prefix.mkdir(parents=True)
        self._quietly(WINESERVER, "-p")
        self._quietly(WINE, "wineboot", "-i")
        self._quietly(WINE, "winecfg", "-v", "win10")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_all()
        shutil.rmtree(self._prefix, ignore_errors=True)

    def _end_all(self) -> None:
        self._quietly(WINESERVER, "-k")
        self._quietly(WINESERVER, "-w")

    def _quietly(self, *command: str) -> None:
        # Exit codes say little: wineserver's is 1 if there was none to end.
        nowhere = subprocess.DEVNULL
        subprocess.run(
            command,
            env=self._environment,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            check=False,
        )

    def run(
        self, *command: str | Path, folder: Path, timeout: float, **environment: str
    ) -> tuple[int, str]:
        """Exit code and output of a program, which is also printed as it comes."""
        lines = []
        with subprocess.Popen(
            [WINE, *command],
            cwd=folder,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            # Its children have the same pipe: all must end.
            killer = threading.Timer(timeout, self._end_all)
            killer.start()
            assert process.stdout is not None
            for line in process.stdout:
                print(line.rstrip("\r\n"), flush=True)
                lines.append(line.rstrip("\r\n"))
            killer.cancel()
        return process.returncode, "\n".join(lines)


def windows_path(path: Path) -> str:
    """The name by which Windows programs know a file."""
    return "Z:" + str(path).replace("/", "\\")
