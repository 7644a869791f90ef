"""Runs a script or module as ``python`` would, in this process."""

import contextlib
import io
import os
import pkgutil
import runpy
import sys
import threading
import traceback
from importlib.machinery import BuiltinImporter, ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any

from memopt.advisor.encoding import refusal

Loaded = tuple[CodeType, ModuleType]  # and the module to run it in

_FOLDER = os.path.dirname(__file__) + os.sep


class TargetError(Exception):
    """The target cannot be run; the message is what ``python`` would say."""


def _main_module(file: str, spec: ModuleSpec | None, loader: Any) -> ModuleType:
    main = ModuleType("__main__")
    main.__file__ = file
    main.__spec__ = spec
    main.__loader__ = loader
    if sys.version_info < (3, 15):
        main.__cached__ = spec and spec.cached  # type: ignore[attr-defined]
    if sys.version_info < (3, 14):  # later they come into being at need (PEP 649)
        main.__annotations__ = {}
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    if spec is not None:
        main.__package__ = spec.parent
    return main


def _main_of(spec: ModuleSpec, code: CodeType) -> Loaded:
    return code, _main_module(spec.origin or spec.name, spec, spec.loader)


def _compile(source: bytes, file: str) -> CodeType:
    try:
        refused = refusal(source, file)
        if refused is not None:
            raise SyntaxError(refused)
        return compile(source, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise _not_python(error, file) from None


def _not_python(error: SyntaxError | ValueError, file: str) -> TargetError:
    text = "".join(traceback.format_exception_only(error)).rstrip()
    return TargetError(text if "\n" in text else f"can't run '{file}': {text}")


def _read(path: str) -> bytes:
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source: bytes = file.read()
            return source
    except OSError as error:
        raise TargetError(
            f"can't open file {os.path.abspath(path)!r}: "
            f"[Errno {error.errno}] {error.strerror}"
        ) from None


def _lead_path(folder: str) -> None:
    """Have ``folder`` in ``sys.path`` in place of what ``python -m`` has put there."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _load_main_in(path: str, importer: Any) -> Loaded:
    """What a folder or a zip file runs, its module ``__main__``."""
    spec = importer.find_spec("__main__")
    if spec is None:
        raise TargetError(f"can't find '__main__' module in {path!r}")
    if sys.flags.safe_path:
        sys.path.insert(0, path)
    _lead_path(path)
    try:
        return _main_of(spec, spec.loader.get_code("__main__"))
    except (SyntaxError, ValueError) as error:
        raise _not_python(error, path) from None


def load_script(path: str, arguments: list[str]) -> Loaded:
    """Compile a script and make the module to run it in; sets ``sys``'s argv and path.

    As for ``python``, it may be stdin (``-``), or a folder or zip file with a module
    ``__main__``.
    """
    sys.argv = [path, *arguments]
    if path == "-":
        code = _compile(sys.stdin.buffer.read(), "<stdin>")
        _lead_path(os.getcwd() if sys.platform == "win32" else "")
        return code, _main_module("<stdin>", None, BuiltinImporter)
    file = os.path.abspath(path)
    importer = pkgutil.get_importer(file)
    if importer is not None:
        return _load_main_in(file, importer)
    code = _compile(_read(path), file)
    _lead_path(os.path.dirname(os.path.realpath(path)))
    return code, _main_module(file, None, SourceFileLoader("__main__", file))


def load_module(name: str, arguments: list[str]) -> Loaded:
    """The same for what ``python -m name`` would run; imports its package."""
    sys.argv = ["-m", *arguments]
    _lead_path(os.getcwd())
    try:
        # What `python -m` itself calls, and pdb: it words the errors.
        _, spec, code = runpy._get_module_details(  # type: ignore[attr-defined]
            name, TargetError
        )
    except SyntaxError as error:
        raise _not_python(error, name) from None
    sys.argv[0] = spec.origin
    return _main_of(spec, code)


def _own_traceback(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the advisor's frames at its start."""
    while trace and trace.tb_frame.f_code.co_filename.startswith(_FOLDER):
        trace = trace.tb_next
    return trace


def _say(text: object) -> None:
    """Print to stderr, or where that was, whatever has become of it."""
    with contextlib.suppress(Exception):
        stream = sys.stderr or sys.__stderr__
        if stream is not None:
            print(text, file=stream)


def _show(error: BaseException) -> int:
    """Print what ``python`` prints of an exception that nobody handled."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    except SystemExit as end:
        return _system_exit(end)
    except BaseException as wrong:
        failure = wrong.with_traceback(_own_traceback(wrong.__traceback__))
    _say("Error in sys.excepthook:")
    sys.__excepthook__(type(failure), failure, failure.__traceback__)
    _say("\nOriginal exception was:")
    sys.__excepthook__(type(error), error, error.__traceback__)
    return 1


def _system_exit(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    _say(end.code)
    return 1


def ended_by(error: BaseException) -> int | None:
    """What ``python`` would end with, having printed what it would print.

    None after a KeyboardInterrupt, of which ``python`` dies.  No exception may be
    handled by the caller: it would be told as one that was the cause of others.
    """
    if isinstance(error, SystemExit):
        return _system_exit(error)
    code = _show(error.with_traceback(_own_traceback(error.__traceback__)))
    return None if isinstance(error, KeyboardInterrupt) else code


def _join_threads() -> None:
    """Wait for the threads that ``python`` waits for before it ends.

    Those of a pool that was not shut down are told to end by what ``threading``
    calls first, as it does itself at an interpreter's end.
    """
    at_end = getattr(threading, "_threading_atexits", [])
    try:
        while at_end:
            at_end.pop()()
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
    except BaseException as error:  # an interrupt, say: python tells it and goes on
        told = error.with_traceback(_own_traceback(error.__traceback__))
        _say(f"Exception ignored in: {threading!r}")
        sys.__excepthook__(type(told), told, told.__traceback__)


def _unhandled(code: CodeType, main: ModuleType) -> BaseException | None:
    try:
        exec(code, vars(main))
        return None
    except BaseException as error:  # as the interpreter's own main does
        # Without our frames: in one of them it would keep itself alive.
        return error.with_traceback(_own_traceback(error.__traceback__))


def run(code: CodeType, main: ModuleType) -> int | None:
    """Run it to its end, as ``__main__``; see ``ended_by``."""
    sys.modules["__main__"] = main
    error = _unhandled(code, main)
    try:
        return ended_by(error) if error is not None else 0
    finally:
        _join_threads()
