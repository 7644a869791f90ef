"""Runs a script or module as ``python`` would, in this process."""

import importlib.machinery
import importlib.util
import io
import os
import sys
import threading
import traceback
from types import CodeType, ModuleType, TracebackType

_FOLDER = os.path.dirname(__file__) + os.sep


class TargetError(Exception):
    """The target cannot be run; the message is what ``python`` would say."""


def _main_module(file: str, spec: importlib.machinery.ModuleSpec | None) -> ModuleType:
    main = ModuleType("__main__")
    main.__file__ = file
    main.__spec__ = spec
    if sys.version_info < (3, 14):  # later they come into being at need (PEP 649)
        main.__annotations__ = {}
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    if spec is not None:
        main.__loader__ = spec.loader
        main.__package__ = spec.parent
    return main


def load_script(path: str) -> tuple[CodeType, ModuleType]:
    """Compile a script and make the module to run it in; sets ``sys.path``."""
    if os.path.isdir(path):
        raise TargetError(f"can't run '{path}': it is a folder, not a script")
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        raise TargetError(
            f"can't open file '{path}': [Errno {error.errno}] {error.strerror}"
        ) from None
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        text = "".join(traceback.format_exception_only(error)).rstrip()
        raise TargetError(text) from None
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    return code, _main_module(path, None)


def load_module(name: str) -> tuple[CodeType, ModuleType]:
    """The same for what ``python -m name`` would run."""
    sys.path[0] = os.getcwd()
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError) as error:
        raise TargetError(f"can't find '{name}': {error}") from None
    if spec is None:
        raise TargetError(f"No module named {name}")
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(name) if get_code is not None else None
    if code is None:
        raise TargetError(f"No code object available for {name}")
    return code, _main_module(spec.origin or name, spec)


def _own_traceback(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the advisor's frames at its start."""
    while trace and trace.tb_frame.f_code.co_filename.startswith(_FOLDER):
        trace = trace.tb_next
    return trace


def _exit_code(error: BaseException) -> int:
    """What ``python`` would end with, having printed what it would print."""
    if not isinstance(error, SystemExit):
        trace = _own_traceback(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def _join_threads() -> None:
    """Wait for the threads that ``python`` waits for before it ends.

    Those of a pool that was not shut down are told to end by what ``threading``
    calls first, as it does itself at an interpreter's end.
    """
    at_end = getattr(threading, "_threading_atexits", [])
    while at_end:
        at_end.pop()()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def run(code: CodeType, main: ModuleType, arguments: list[str]) -> int:
    """Run it to its end, as ``__main__``; its exit code."""
    sys.argv = [str(main.__file__), *arguments]
    sys.modules["__main__"] = main
    try:
        exec(code, vars(main))
        return 0
    except BaseException as error:  # as the interpreter's own main does
        return _exit_code(error)
    finally:
        _join_threads()
