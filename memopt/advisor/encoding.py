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


_NULL = "source code cannot contain null bytes"


def refusal(source: bytes, file: str) -> str | None:
    """What ``python`` says of it, if that refuses it."""
    null = _NULL if b"\0" in source else None
    if source.startswith(codecs.BOM_UTF8):
        return null  # compile() says the same of the rest
    declared = _DECLARED.match(source)
    try:
        (source if declared is None else declared["above"] or b"").decode()
    except UnicodeDecodeError as error:
        if b"\0" in source[: source.rfind(b"\n", 0, error.start) + 1]:
            return null  # which is in a line above
        line = len((source[: error.start] + b".").splitlines())
        return (
            f"Non-UTF-8 code starting with '\\x{source[error.start]:02x}' in file "
            f"{file} on line {line}, but no encoding declared; "
            "see https://peps.python.org/pep-0263/ for details"
        )
    encoding = "utf-8" if declared is None else declared["encoding"].decode()
    if _is_readable(source, encoding):
        return null
    return f"encoding problem: {encoding}"


def _is_readable(source: bytes, encoding: str) -> bool:
    """As far as ``python`` reads for the first line; UTF-8 it does not decode yet."""
    name = encoding.lower().replace("_", "-")
    if re.match("utf-8(-|$)", name):
        return True
    if re.match("(latin-1|iso-8859-1|iso-latin-1)(-|$)", name):
        return True  # all bytes are: "latin-1-unix" is Emacs's name
    try:
        io.TextIOWrapper(io.BytesIO(source), encoding).readline()
    except (LookupError, UnicodeError):
        return False
    return True
