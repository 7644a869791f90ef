"""Recognition: every lambda of the standard library, and builtins by name."""

import dis
import functools
import math
import operator
import os
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from hypothesis import settings
from native_oracle import any_length_is_native, one_by_one, past_errors
from support import free_threaded

from memopt import LazyMap, _memopt, recognition

LIBRARY = Path(sysconfig.get_path("stdlib"))


def library() -> Iterator[Path]:
    for folder, inner, names in os.walk(LIBRARY):
        inner[:] = sorted({*inner} - {"site-packages", "__pycache__"})
        yield from (Path(folder, name) for name in sorted(names) if name[-3:] == ".py")


def lambdas_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_name == "<lambda>":
                yield constant
            yield from lambdas_in(constant)


def lambdas() -> Iterator[FunctionType]:
    """Each lambda in the sources of the standard library, unbound.

    A quick run compiles every sixth of the files that have one.
    """
    files = (path for path in library() if path.is_file())  # Debian has dangling links
    texts = [t for t in (path.read_bytes() for path in files) if b"lambda" in t]
    step = 6 if settings.default.max_examples < 100 else 1
    seen = set()
    for text in texts[::step]:
        try:
            module = compile(text, "library", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue  # files that test the parser
        for code in lambdas_in(module):
            key = code.co_code, repr(code.co_consts), code.co_varnames, code.co_names
            if key not in seen and not code.co_freevars:
                seen.add(key)
                yield FunctionType(code, {})


def numbers(seed: int) -> list[Any]:
    draw = random.Random(seed)
    integers = [draw.randrange(-(2**k), 2**k) for k in range(1, 66)]
    return integers + [draw.uniform(-1e3, 1e3) for _ in range(40)] + [0, 0.0, 1]


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_lambdas_of_the_standard_library() -> None:
    accepted = 0
    for f in lambdas():
        count = f.__code__.co_argcount
        answer = recognition.recognise(f, count) if count else ""
        operations = {i.argrepr for i in dis.get_instructions(f.__code__)}
        if isinstance(answer, str) or {"<<", "**"} & operations:
            continue
        accepted += 1
        sources = [numbers(i) for i in range(count)]
        with any_length_is_native():
            got = past_errors(iter(LazyMap(f, *sources)), len(sources[0]))
        assert got == one_by_one(f, *sources), dis.code_info(f)
    # As many as 3.13.5, free-threaded, and 3.12.1 have without their tests.
    assert accepted >= (6 if free_threaded else 8)


def test_builtins() -> None:
    tables = (recognition._UNARY_BUILTINS, recognition._BINARY_BUILTINS)
    for count, table in enumerate(tables, 1):
        for f in table:
            sources = [[1, 2, 5], [3, 1, 2]][:count]
            lazy: Any = LazyMap(f, *sources)
            assert lazy.native
            with any_length_is_native():
                got = past_errors(iter(lazy), 3)
            assert got == one_by_one(f, *sources)


@pytest.mark.parametrize("number", [2, -3, 2.5])
def test_methods_and_partials(number: Any) -> None:
    callables: list[Any] = [
        getattr(number, name) for name in recognition._METHODS if hasattr(number, name)
    ]
    callables += [functools.partial(f, number) for f in recognition._BINARY_BUILTINS]
    for f in callables:
        for source in [1, 2, 5], [1.5, -2.0], [1, 2.5], [-7, 0]:
            lazy = LazyMap(f, source)
            with any_length_is_native():
                got = past_errors(iter(lazy), len(source))
            assert got == one_by_one(f, source), (f, source)


def test_what_is_not_recognised() -> None:
    class Function:
        def __call__(self, x: int) -> int:
            return x

    class Subclass(functools.partial):  # type: ignore[type-arg]
        pass

    for f in (
        functools.partial(operator.mul, 2, 3),
        functools.partial(operator.mul, True),
        functools.partial(pow, 2),
        functools.partial(round, ndigits=1),
        Subclass(operator.mul, 2),
        Function(),
        True.__add__,
        (2).bit_length,
        math.sin,
        math.gcd,
        print,
        dict,
        len,
    ):
        assert isinstance(recognition.recognise(f, 1), str), f


@pytest.mark.parametrize(
    ("tape", "arguments", "error"),
    [
        ((), 1, ValueError),
        (("x0", "+"), 1, ValueError),
        (("+", "x0", "x0"), 1, ValueError),
        (("x0", "x0"), 1, ValueError),
        (("x1",), 1, ValueError),
        (("sin",), 1, ValueError),
        (("",), 1, ValueError),
        (("x",), 1, ValueError),
        (("x00",), 1, ValueError),
        ((True,), 1, TypeError),
        ((None,), 1, TypeError),
        (("\ud800",), 1, UnicodeEncodeError),
        (("x0", 2**63, "+"), 1, OverflowError),
        (("x0",) * 65 + ("+",) * 64, 1, OverflowError),
        (("x0",), 9, OverflowError),
        (("x0",), 0, ValueError),
        (["x0"], 1, TypeError),
    ],
)
def test_tapes_that_are_none(tape: Any, arguments: int, error: type) -> None:
    with pytest.raises(error):
        _memopt._compile(tape, arguments)
