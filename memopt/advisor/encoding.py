"""Why ``python`` refuses a script for its bytes.

``compile`` says it in other words, and lets pass what only a comment has.
"""

import codecs
import io
import re

_DECLARED = re.compile(
    rb"(?P<above>[ \t\f]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))??"
    rb"[ \t\f]*#[^\r\n]*?coding[:=][ \t]*(?P<encoding>[-\w.]+)"
)


def refusal(source: bytes, file: str) -> str | None:
    """What ``python`` says of it, if that refuses it."""
    if b"\0" in source:
        return "source code cannot contain null bytes"
    if source.startswith(codecs.BOM_UTF8):
        return None  # compile() says the same
    declared = _DECLARED.match(source)
    try:
        (source if declared is None else declared["above"] or b"").decode()
    except UnicodeDecodeError as error:
        line = len((source[: error.start] + b".").splitlines())
        return (
            f"Non-UTF-8 code starting with '\\x{source[error.start]:02x}' in file "
            f"{file} on line {line}, but no encoding declared; "
            "see https://peps.python.org/pep-0263/ for details"
        )
    encoding = "utf-8" if declared is None else declared["encoding"].decode()
    if _is_readable(source, encoding):
        return None
    return f"encoding problem: {encoding}"


def _is_readable(source: bytes, encoding: str) -> bool:
    """As far as ``python`` reads for the first line; UTF-8 it does not decode yet."""
    if re.match("utf-8(-|$)", encoding.lower().replace("_", "-")):
        return True
    try:
        io.TextIOWrapper(io.BytesIO(source), encoding).readline()
    except (LookupError, UnicodeError):
        return False
    return True
