"""Runs the C scan and turns its tables into named rows."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType, ModuleType

from memopt import _memopt

# Its name, or the code of the function whose variables it is; itself; whether it is a
# namespace.  A frame stands for what is worked on there.
Root = tuple[str | CodeType, object, bool]
Step = tuple[str, object]  # how a path goes on (an mo_step), and the name

# Where the advisor is, whose own frames are not the program's.
FOLDER = os.path.dirname(__file__) + os.sep


@dataclass(frozen=True)
class Row:
    """What the scan counted of one kind at one place; see src/heap/findings.h."""

    kind: str
    path: str
    name: str  # the last name in the path
    steps: tuple[Step, ...]  # the path, from its root
    type: type
    example: object
    count: int
    items: int
    now: int
    after: int
    elsewhere: int = 0
    longest: int = 0
    is_shared: bool = False


@dataclass(frozen=True)
class Heap:
    """The rows worth telling, those of types, and where the walk began."""

    rows: list[Row]
    types: list[Row]
    roots: list[Root]

    @property
    def total(self) -> int:
        """Bytes of all objects met."""
        return sum(row.now for row in self.types)


def _frames() -> Iterator[FrameType]:
    """The frames of all threads, but for the advisor's own."""
    for innermost in sys._current_frames().values():
        frame: FrameType | None = innermost
        while frame is not None:
            if not frame.f_code.co_filename.startswith(FOLDER):
                yield frame
            frame = frame.f_back
    # One of them was this function's own: a cycle that would keep all that its
    # callers have in their variables until the collector runs.
    del innermost


def _is_used(shown: dict[str, object]) -> bool:
    """Whether a frame's copy of its variables is of use to somebody.

    The function may have got it from ``locals()``; if there is a tracer, this may be
    within it, and the copy is written back when it returns.
    """
    ours = 4  # the frame's, our caller's, our own, and that of the call below
    return sys.getrefcount(shown) > ours or _memopt._is_traced()


def _locals(frame: FrameType) -> dict[str, object]:
    shown = frame.f_locals
    found = dict(shown)
    if isinstance(shown, dict) and not _is_used(shown):
        # Up to 3.12 the frame keeps this copy, and it would keep alive what the
        # function drops.
        shown.clear()
    return found


def _worker(frame: FrameType) -> str | CodeType:
    """Who has what a frame is working on: the function around a comprehension."""
    name = frame.f_code.co_name
    while name.startswith("<") and name != "<module>" and frame.f_back is not None:
        frame = frame.f_back
        name = frame.f_code.co_name
    return str(frame.f_globals.get("__name__")) if name == "<module>" else frame.f_code


def _all_roots() -> list[Root]:
    modules = [
        (name, vars(module), True)
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType)
    ]
    modules.sort(key=lambda root: root[0] != "__main__")
    functions = [
        (frame.f_code, _locals(frame), True)
        for frame in _frames()
        if frame.f_code.co_flags & CO_OPTIMIZED
    ]
    working = [(_worker(frame), frame, False) for frame in _frames()]
    # What <genexpr>() and its like go through has a name in who called them.
    functions.sort(key=lambda root: root[0].co_name.startswith("<"))
    mains = [root for root in modules if root[0] == "__main__"]
    return [*mains, *functions, *modules[len(mains) :], *working]


def scan(roots: tuple[object, ...] | None, min_saving: int) -> Heap:
    """Scan what ``roots`` own, or everything if None.

    Rows that would save less than ``min_saving`` bytes are left out.
    """
    everything = roots is None
    if roots is None:
        named = _all_roots()
    else:
        named = [(f"roots[{i}]", root, False) for i, root in enumerate(roots)]
    rows, _, _ = _memopt._scan_heap(tuple(named), everything, min_saving)
    heap = Heap([], [], named)
    for kind, steps, cls, example, *figures in rows:
        row = Row(kind, *_path(steps), steps, cls, example, *figures)
        (heap.types if kind == "type" else heap.rows).append(row)
    return heap


def first_step(root: Root) -> Step:
    """How the paths of what it owns begin."""
    name = root[0]
    return ("root", name) if isinstance(name, str) else ("call", name.co_qualname)


def _path(steps: tuple[Step, ...]) -> tuple[str, str]:
    """A path as text, and the last name in it."""
    text, name = "", ""
    for step, label in steps:
        if step in ("attribute", "root"):
            name = str(label)
        if step == "root":
            text = str(label)
        elif step == "call":
            text = name = f"{label}()"
        elif step == "attribute":
            text += f".{label}"
        elif step == "key":
            text += f"[{_short(str(label))!r}]"
        elif step == "keys":
            text += ".keys()"
        elif step == "item":
            text += "[…]"
        else:
            name = "it"
            text += "." if text else ""
            text += f"<{getattr(label, '__qualname__', label)}>"
    return text, name


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
