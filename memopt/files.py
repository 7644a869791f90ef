"""Files that ``advise`` and ``demo`` write: whole or not at all."""

import contextlib
import os
from pathlib import Path


def place(name: str) -> Path:
    """Where a name leads, wherever the program goes; a link stays one."""
    return Path(os.path.realpath(name))


def unwritable(path: Path) -> str | None:
    """Why a file cannot be written, said before there is what it is to have."""
    try:
        with contextlib.suppress(FileNotFoundError):
            path.stat()  # or it is too long, say: is_dir() need not tell
        if path.is_dir():
            return "it is a folder"
        if not _is_device(path):
            temporary = _temporary(path)
            temporary.touch(exist_ok=False)
            temporary.unlink()
    except OSError as error:
        return error.strerror
    return None


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, a device as it is.

    A link would be replaced: ``path`` is a ``place``.
    """
    if _is_device(path):
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    else:
        _replace(path, text)


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _temporary(path: Path) -> Path:
    """A name that nothing has, in the same folder, however long the other is."""
    return path.with_name(f".memopt-{os.urandom(6).hex()}")


def _replace(path: Path, text: str) -> None:
    temporary = _temporary(path)
    try:
        with temporary.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        if path.exists():
            temporary.chmod(path.stat().st_mode)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
