"""What ``advise`` says of what no function that runs has in a variable."""

from __future__ import annotations

import gc
import inspect
import json
import sys
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

import pytest
from support import fail_each_allocation, not_with_asan, run_in_fresh_process

from memopt import _memopt, advise

Kind = Callable[..., Generator[Any, Any, Any]]


def plain(a: Any, b: Any = (1, 2), *more: Any, c: Any = None, **rest: Any) -> Any:
    d = [a, b]
    yield
    return d


def twice(a: Any) -> Any:
    b = c = a
    yield
    return b, c


def with_cells(a: Any, unused: Any = 5) -> Any:
    b = [a]
    never_set = lambda: later  # noqa: E731
    yield
    later = a
    return lambda: (a, b), never_set, later


def with_deleted(a: Any) -> Any:
    b, c = [a], [a, a]
    del a, b
    yield
    return c


def named_like_itself(a: Any) -> Any:
    first, name, code, function = a, "named_like_itself", None, named_like_itself
    code = function.__code__
    last = [a]
    yield
    return first, name, code, last


def in_a_loop(a: Any) -> Any:
    for i, item in enumerate([a, a]):
        with memoryview(b"abc"):
            yield i, item


def first_yield(a: Any) -> Any:
    yield a
    return a


def delegates(a: Any) -> Any:
    inner = [a]
    yield from first_yield(a)
    return inner


KINDS: list[Kind] = [
    plain,
    twice,
    with_cells,
    with_deleted,
    named_like_itself,
    in_a_loop,
    first_yield,
    delegates,
]


def closed_over(a: Any) -> Any:
    def inner(b: Any) -> Any:
        c = [a]
        yield
        return b, c

    return inner([b"x"])


def has_frame(generator: object) -> bool:
    return types.FrameType in map(type, gc.get_referents(generator))


@pytest.mark.parametrize("function", [*KINDS, closed_over])
@pytest.mark.parametrize("steps", [0, 1, 9])
@pytest.mark.parametrize("argument", ["a text", [1.5], plain, plain.__code__, None])
def test_variables_are_those_that_inspect_tells(
    function: Kind, steps: int, argument: object
) -> None:
    generator = function(argument)
    for _ in range(steps):
        next(generator, None)
    ours = _memopt._variables(generator)
    assert not has_frame(generator)
    theirs = inspect.getgeneratorlocals(generator)
    assert ours == theirs
    assert all(ours[name] is theirs[name] for name in ours)
    assert _memopt._variables(generator) == theirs  # with a frame, too


@types.coroutine
def pause() -> Any:
    yield


async def coroutine(a: Any) -> Any:
    b = [a]
    await pause()
    return b


async def asynchronous_generator(a: Any) -> Any:
    b = [a]
    yield b


@pytest.mark.parametrize("steps", [0, 1])
def test_variables_of_coroutines(steps: int) -> None:
    waits: Coroutine[Any, Any, Any] = coroutine("text")
    generator: AsyncGenerator[Any, Any] = asynchronous_generator("text")
    if steps:
        waits.send(None)
        with pytest.raises(StopIteration):
            generator.__anext__().send(None)
    expected = {"a": "text", "b": ["text"]} if steps else {"a": "text"}
    assert _memopt._variables(waits) == _memopt._variables(generator) == expected
    assert not has_frame(waits)
    assert not has_frame(generator)
    waits.close()
    # CPython 3.12 and later keep the arguments of one that has not begun.
    assert _memopt._variables(waits) in ({}, {"a": "text"})
    assert steps == 0 or _memopt._variables(waits) == {}


def test_variables_while_it_runs() -> None:
    """None before CPython 3.14, whose collector knows them by then."""

    def looks() -> Any:
        a = [1.5]
        yield _memopt._variables(generator)
        return a

    generator = looks()
    variables = {"a": [1.5], "generator": generator}
    assert next(generator) == ({} if sys.version_info < (3, 14) else variables)
    assert _memopt._variables(generator) == variables


def test_variables_while_what_it_called_runs() -> None:
    """CPython puts down where its stack ends as it calls a function in Python."""

    def looks() -> Any:
        return _memopt._variables(generator)

    def calls() -> Any:
        a = [1.5]
        yield looks()
        return a

    generator = calls()
    found = next(generator)
    waiting = _memopt._variables(generator)
    assert waiting["a"] == [1.5]
    assert found in ({}, waiting)


def test_variables_of_something_else() -> None:
    for other in (None, plain, iter([]), type, pause().gi_frame):
        with pytest.raises(TypeError, match="wants a generator"):
            _memopt._variables(other)


def test_variables_without_memory() -> None:
    names = [f"v{i}" for i in range(50)]
    space: dict[str, Any] = {}
    exec(f"def many({', '.join(names)}):\n    yield\n", space)
    generator = space["many"](*names)
    next(generator)
    failed = fail_each_allocation(lambda: generator, _memopt._variables)
    assert failed >= 2  # the dict, and its table as it grows
    assert _memopt._variables(generator) == dict(zip(names, names, strict=True))


def test_roots_own_what_their_variables_hold() -> None:
    def reads(lines: list[float]) -> Any:
        kept = [line * 2 for line in lines]
        see = lambda: kept  # noqa: E731
        yield see
        return kept

    generator = reads([i + 0.5 for i in range(100)])
    before = advise(generator, min_saving=1)
    next(generator)
    during = advise(generator, min_saving=1)
    assert {f.path for f in before.findings} == {"roots[0].lines"}
    assert {f.path for f in during.findings} == {"roots[0].lines", "roots[0].kept"}
    counts = {total.type: total.count for total in during.types}
    assert counts["float"] == 200
    assert counts["list"] == 2
    assert counts["cell"] == 1
    assert not has_frame(generator)


# The script looks at itself while all of these wait, and gives what it found.
LOOK = """
import gc, json, sys, types
from memopt.advisor import report
def floats(n):
    return [i + 0.5 for i in range(n)]
def texts(n, tag):
    return [{"key": f"{tag} text {i % 10}", "n": n} for i in range(n)]
def look():
    frames = sum(type(obj) is types.FrameType for obj in gc.get_objects())
    found = json.loads(report.make_report(None, 50_000, "now", True).to_json())
    global paths
    paths = {f["path"]: f for f in found["findings"]}
    for f in found["findings"]:
        assert f["unmeasured"] is None, f
        assert f["measured"]["objects"] in (1, f["count"]), f
    print("LOOKED" + json.dumps(paths))
"""

ASYNCIO = """
import asyncio
async def worker(i):
    rows = texts(2000, f"worker {i}")
    await asyncio.sleep(1e6)
    return rows
async def source():
    lines = texts(3000, "source")
    for line in lines:
        yield line
async def reads():
    async for line in source():
        mine = floats(4000)
        await worker(9)
async def main():
    table = texts(5000, "main")
    tasks = [asyncio.create_task(worker(i)) for i in range(3)]
    tasks.append(asyncio.create_task(reads()))
    later = asyncio.get_running_loop().call_later
    later(0.1, look)
    later(0.1, lambda: [task.cancel() for task in tasks])
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        print(len(table))
asyncio.run(main())
"""

PIPELINE = """
def source(n):
    lines = texts(n, "source")
    shared = floats(n)
    def peek():
        return shared
    for line in lines:
        yield line, peek
def parsed(lines):
    seen = floats(3000)
    for line in lines:
        yield line, len(seen)
def main():
    own = floats(5000)
    steps = (line for line, _ in parsed(source(2000)))
    other = source(1000)
    next(steps), next(other)
    look()
    return own
main()
"""

EXPECTED = {
    "asyncio": (
        ASYNCIO,
        {
            "worker().rows[…]['key']": 8000,
            "source().lines[…]['key']": 3000,
            "main().table[…]['key']": 5000,
            "reads().mine": 1,
        },
    ),
    "pipeline": (
        PIPELINE,
        {
            "source().lines[…]['key']": 3000,
            "source().shared": 2,
            "parsed().seen": 1,
            "main().own": 1,
        },
    ),
}


@not_with_asan
@pytest.mark.parametrize("what", EXPECTED)
def test_what_waits_is_named_and_measured(what: str) -> None:
    text, expected = EXPECTED[what]
    printed = run_in_fresh_process(LOOK + text)
    found = json.loads(printed.partition("LOOKED")[2].splitlines()[0])
    for path, count in expected.items():
        # One or two were met as the variable of a loop.
        assert count - 2 <= found[path]["count"] <= count, path
        saving = found[path]["saving"]
        assert found[path]["measured"]["saving"] == pytest.approx(saving, rel=0.15)
    assert {path for path in found if "()" in path} == expected.keys()


RUNS_AND_WAITS = """
def both(n, then):
    rows = [f"some text {i % 10}" for i in range(n)]
    yield then()
    print(len(rows))
waits = both(20_000, int)
next(waits)
next(both(30_000, look))
"""


def test_what_runs_and_what_waits_are_one_finding() -> None:
    printed = run_in_fresh_process(LOOK + RUNS_AND_WAITS)
    found = json.loads(printed.partition("LOOKED")[2].splitlines()[0])
    assert list(found) == ["both().rows[…]"]
    assert found["both().rows[…]"]["measured"]["objects"] == 50_000


told_until_313 = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="where a frame has it is not told"
)


@told_until_313
def test_what_is_in_hand() -> None:
    pair = ([1.5], _memopt._in_hand(sys._getframe()))
    assert id(pair[0]) in pair[1]
    assert len(pair[1]) == sys._getframe().f_code.co_stacksize


@told_until_313
def test_what_is_in_hand_of_a_frame_that_ends_meanwhile() -> None:
    """Up to CPython 3.11 the collector may run as the addresses are asked for."""
    space: dict[str, Any] = {}
    held = "held, " * 24
    exec(f"def waits(held):\n    yield\n    return [{held}(yield)]\n", space)
    waits = space["waits"]
    marker: list[object] = []
    others: list[Any] = []

    class Ends:
        def __del__(self) -> None:
            kept.clear()  # the generator, whose memory the next one gets
            others.append(waits(marker))
            next(others[0])
            next(others[0])

    kept = [waits(None)]
    next(kept[0])
    frame = kept[0].gi_frame
    thresholds = gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        ring: Any = Ends()
        ring.own = ring
        del ring
        gc.set_threshold(1)
        gc.enable()
        addresses = _memopt._in_hand(frame)
    finally:
        gc.enable()
        gc.set_threshold(*thresholds)
    assert others
    assert len(addresses) >= 24
    assert addresses.count(id(marker)) < 24


@told_until_313
def test_what_is_in_hand_without_memory() -> None:
    frame = sys._getframe()
    assert fail_each_allocation(lambda: frame, _memopt._in_hand) >= 2


def test_only_frames_have_something_in_hand() -> None:
    for other in (None, test_what_is_in_hand, sys._getframe().f_code, iter([])):
        with pytest.raises(TypeError, match="wants a frame"):
            _memopt._in_hand(other)  # type: ignore[arg-type]


# Beside others of the same types, some without a name.
MAKES = {
    "main().<list>[…]": "return [last(i, f'text {i % 10}') for i in range(5000)]",
    "main().<list>[…]['key']": (
        "return [last(i, {'key': f'text {i % 10}'}) for i in range(5000)]"
    ),
    "main().<dict>[…][…]": (
        "return {i: last(i, [f'text {i % 10}']) for i in range(5000)}"
    ),
    "main().<list>[…][…]": (
        "return len([[f'text {i % 10}'] for i in range(5000)] + [look()])"
    ),
}

BESIDE = """
import ctypes
others = [f"other {i}" for i in range(9000)]
held = ctypes.py_object([{"key": [f"more {i}"]} for i in range(9000)])
def last(i, made):
    if i == 4999:
        look()
    return made
def main():
    # what is made
main()
"""


@told_until_313
@not_with_asan
@pytest.mark.parametrize("path", MAKES)
@pytest.mark.parametrize("where", ["function", "module"])
def test_what_is_being_made_is_named_and_measured(path: str, where: str) -> None:
    text = BESIDE.replace("# what is made", MAKES[path])
    if where == "module":
        path = path.replace("main()", "__main__")
        text = text.replace("def main():\n    return", "made =").replace("main()\n", "")
    printed = run_in_fresh_process(LOOK + text)
    found = json.loads(printed.partition("LOOKED")[2].splitlines()[0])
    assert found[path]["count"] >= 4999
    assert found[path]["example"].startswith("'text")
    saving = found[path]["saving"]
    assert found[path]["measured"]["saving"] == pytest.approx(saving, rel=0.15)


UNNAMED = """
import numpy
named = [[f"other {i}"] for i in range(9000)]
held = numpy.empty(1, object)
def keep():
    held[0] = [f"text {i % 10}" for i in range(5000)]
keep()
look()
"""


@not_with_asan
def test_what_has_no_name_is_not_taken_for_another() -> None:
    """The collector does not know what an array holds, and knows other lists."""
    pytest.importorskip("numpy", reason="needs an object that holds others untold")
    printed = run_in_fresh_process(LOOK + UNNAMED)
    found = json.loads(printed.partition("LOOKED")[2].splitlines()[0])
    finding = found["<list>[…]"]
    assert finding["count"] >= 5000
    saving = finding["saving"]
    assert finding["measured"]["saving"] == pytest.approx(saving, rel=0.15)
