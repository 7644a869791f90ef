"""memopt in subinterpreters, each with a GIL of its own where CPython has that.

NumPy refuses to be imported there, and nothing of memopt needs it.
"""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from support import run_threads

import memopt

if sys.version_info < (3, 13):
    # Those of 3.11 share a GIL; in 3.12 memopt does not say that it can do without.
    pytest.skip("interpreters with GILs: from 3.13 on", allow_module_level=True)

USE = """if True:
    import pickle, sys
    import memopt
    from memopt import ExactSum, FloatMatrix, InternPool, LazyMap, X, fsum

    assert "numpy" not in sys.modules
    assert fsum([0.1] * 10) == 1.0
    assert pickle.loads(pickle.dumps(ExactSum([0.1, 0.2]))).value == fsum([0.1, 0.2])
    matrix = FloatMatrix([[1, 2], [3, 4]])
    matrix.append([5, 6])
    assert matrix.sum() == 21.0 and memoryview(matrix)[2, 1] == 6.0
    assert pickle.loads(pickle.dumps(matrix)) == matrix
    values = LazyMap(lambda x: x * 2 + 1, range(1000))
    assert values.native and values.sum() == 10**6
    assert list(LazyMap(X + 1, [1.0] * 500)) == [2.0] * 500
    assert LazyMap(str, iter(range(9))).cached()[8] == "8"
    pool = InternPool(100)
    words = [f"word {n % 150}" for n in range(1000)]
    pool.intern_list(words)
    assert pool.split("a b a b c c") == ["a", "b", "a", "b", "c", "c"]
    assert pool.json_loads('{"key": ["text", "text"]}') == {"key": ["text", "text"]}
    pool.dedup([words, {"word 1": words}])
    assert memopt.intern("the same") is memopt.intern("".join(["the ", "same"]))
    assert memopt.memory_info().resident > 0
"""


def interpreters() -> tuple[Callable[[], Any], Callable[[Any, str], None], Any]:
    """How to make an interpreter, run code in it, and end it."""
    module = pytest.importorskip("_interpreters")

    def run(interpreter: Any, code: str) -> None:
        error = module.exec(interpreter, code)
        assert error is None, error.formatted

    return lambda: module.create("isolated"), run, module.destroy


@pytest.fixture
def interpreter() -> Any:
    create, _, destroy = interpreters()
    made = create()
    yield made
    destroy(made)


def run(interpreter: Any, code: str) -> None:
    interpreters()[1](interpreter, code)


def test_everything_works_in_one(interpreter: Any) -> None:
    run(interpreter, USE)
    run(interpreter, USE)


def test_it_does_not_ask_the_main_interpreter(interpreter: Any) -> None:
    """Whose thread would call what belongs to another."""
    run(
        interpreter,
        "from memopt import _memopt\nassert not _memopt._ask_main_thread(print)",
    )


def test_one_after_the_other() -> None:
    """What an interpreter leaves behind does not matter to the next, or to this."""
    create, run, destroy = interpreters()
    pool = memopt.InternPool()
    mine = pool.intern("word 1")
    for _ in range(3):
        made = create()
        run(made, USE)
        destroy(made)
    assert pool.intern("".join(["word", " 1"])) is mine
    assert memopt.LazyMap(lambda x: x + 1, range(1000)).sum() == 500500


def test_several_at_once() -> None:
    create, run, destroy = interpreters()
    made = [create() for _ in range(3)]

    def use(interpreter: Any) -> Callable[[], None]:
        return lambda: run(interpreter, USE)

    def here() -> None:
        exec(USE.replace('assert "numpy" not in sys.modules', ""), {})

    try:
        run_threads(*map(use, made), here)
    finally:
        for interpreter in made:
            destroy(interpreter)


def test_numpy_is_refused_not_half_loaded(interpreter: Any) -> None:
    """__array__() needs NumPy, and says so by its ImportError."""
    pytest.importorskip("numpy")
    code = """if True:
        from memopt import FloatMatrix
        matrix = FloatMatrix([[1.0]])
        try:
            matrix.__array__()
        except ImportError:
            pass
        else:
            raise AssertionError("NumPy was loaded")
        matrix.append([2.0])
        assert matrix.sum() == 3.0
    """
    run(interpreter, code)
