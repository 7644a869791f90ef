"""Where reports go: the streams, whatever the script did to them, and files."""

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from memopt import files
from memopt.advisor.report import Report


def fail(message: object) -> int:
    """One line; what takes more, a syntax error, is told as python tells it."""
    text = str(message)
    with contextlib.suppress(OSError, ValueError):  # the script may have closed it
        print(text if "\n" in text else f"memopt advise: {text}", file=sys.stderr)
    return 2


def still_open(stream: TextIO, descriptor: int) -> TextIO:
    """The stream, or another to the same file if the script has closed it."""
    if not stream.closed:
        return stream
    encoding, errors = stream.encoding, "backslashreplace"
    return open(descriptor, "w", encoding=encoding, errors=errors, closefd=False)


@dataclass(frozen=True)
class Output:
    """A file to write a report to, wherever the script goes; stdout if None."""

    option: str
    name: str
    path: Path | None
    render: Callable[[Report], str]

    def __str__(self) -> str:
        return f"{self.option} {self.name}"

    def unwritable(self) -> str | None:
        """Why it cannot be written, said before the script is run."""
        return files.unwritable(self.path) if self.path is not None else None

    def write(self, found: Report) -> None:
        text = self.render(found)
        if self.path is None:
            _print(text)
        else:
            files.write(self.path, text)


def _print(text: str) -> None:
    if sys.__stdout__ is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    stream = still_open(sys.__stdout__, 1)
    stream.write(text)
    stream.flush()


def outputs(options: argparse.Namespace) -> list[Output]:
    """What the options ask for."""
    wanted = (
        ("--json", options.json, Report.to_json),
        ("--html", options.html, Report.to_html),
    )
    return [
        Output(option, name, None if name == "-" else files.place(name), f)
        for option, name, f in wanted
        if name is not None
    ]


def unwritable(wanted: list[Output]) -> str | None:
    """The first that cannot be written, and why."""
    for output in wanted:
        reason = output.unwritable()
        if reason is not None:
            return f"{output}: {reason}"
    if len({output.path for output in wanted}) < len(wanted):
        return f"{' and '.join(map(str, wanted))}: it is the same file"
    return None


def write(found: Report, wanted: list[Output]) -> str | None:
    """Write all; what could not be, and why."""
    for output in wanted:
        try:
            output.write(found)
        except OSError as error:
            return f"{output}: {error.strerror}"
    return None
