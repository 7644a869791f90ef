"""A free-threaded CPython 3.13, built from the source of Debian's package.

No distribution of Debian has one.  The build takes some five minutes, another one
with ThreadSanitizer as many again; each is done once, and kept in the cache
(tools/cache.py).
"""

import os
import subprocess
import tempfile
from pathlib import Path

from tools import cache

RELEASE, PACKAGE = "trixie", "python3.13"
OPTIONS = ("--disable-gil", "--with-ensurepip=install")
SANITIZED = ("--disable-gil", "--without-ensurepip", "--with-thread-sanitizer")


def python(options: tuple[str, ...] = OPTIONS) -> Path:
    """Its python3.13t."""

    def fill(folder: Path) -> None:
        source = cache.debian_source(RELEASE, PACKAGE)
        with tempfile.TemporaryDirectory(prefix="cpython ") as build:

            def run(*command: str | Path) -> None:
                with Path(build, "log").open("ab") as log:
                    done = subprocess.run(
                        command,
                        cwd=build,
                        # It runs what it builds, in which races are of no interest.
                        env={**os.environ, "TSAN_OPTIONS": "report_bugs=0"},
                        stdout=log,
                        stderr=log,
                        check=False,
                    )
                if done.returncode != 0:
                    text = Path(build, "log").read_text(errors="replace")
                    raise OSError(f"{command[0]} failed: {text[-2000:]}")

            # It finds its library beside itself, wherever it is moved to.
            run(source / "configure", "-q", f"--prefix={folder}", *options)
            run("make", f"-j{os.cpu_count() or 1}")
            # Of its library only the top is compiled: all takes long when sanitized.
            run("make", "install", "COMPILEALL_OPTS=-l")

    folder = cache.cached("cpython-3.13t", (RELEASE, PACKAGE, options), fill)
    return folder / "bin" / "python3.13t"
