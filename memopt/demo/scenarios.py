"""The everyday wastes of memory, each written twice: as scripts do, and swapped.

A variant is a function of a ``Task`` that does the work and returns an
``Outcome``.  It imports what it needs itself, so that a process pays only for
what its variant uses, and it keeps its data alive until its answer is there.
"""

import hashlib
import math
import random
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Answer = Any


@dataclass(frozen=True)
class Task:
    """How much to do, and the file that the scenario's ``prepare`` wrote."""

    scale: float
    file: Path

    def times(self, size: int) -> int:
        """A size that the scenario names, to scale."""
        return max(1, int(size * self.scale))


@dataclass(frozen=True)
class Outcome:
    """What a variant computed.

    ``answer`` is computed inside the measured region; ``finish``, if given,
    turns it into what is compared and reported, outside of it.
    """

    answer: Answer
    finish: Callable[[Answer], Answer] = lambda answer: answer


@dataclass(frozen=True)
class Variant:
    """One way to write a scenario; ``code`` is the line a reader would know."""

    label: str
    code: str
    run: Callable[[Task], Outcome]


def _same(before: Answer, after: Answer) -> bool:
    return bool(before == after)


@dataclass(frozen=True)
class Scenario:
    """The same work, before and after the swap, and by other means.

    ``prepare``, if there is one, writes the file that every variant reads; it
    runs once, outside of what is measured.
    """

    name: str
    title: str
    before: Variant
    after: Variant
    others: tuple[Variant, ...] = ()
    equal: Callable[[Answer, Answer], bool] = field(default=_same)
    prepare: Callable[[Path], None] | None = None

    @property
    def variants(self) -> tuple[Variant, ...]:
        return (self.before, self.after, *self.others)


# A big list that is only looped over.


def _list_sum(task: Task) -> Outcome:
    doubled = [x * 2 for x in range(task.times(1_000_000))]
    return Outcome(sum(doubled))


def _lazy_sum(task: Task) -> Outcome:
    from memopt import LazyMap

    doubled = LazyMap(lambda x: x * 2, range(task.times(1_000_000)))
    return Outcome(sum(doubled))


# The same text again and again: real text that every machine has.

# Packages of the standard library that are no part of it for users.
NOT_LIBRARY = {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo"}

# Stands for a line break inside a token, in the file with one token a line.
BREAK = "\x1f"


def _library_files() -> list[Path]:
    library = Path(sysconfig.get_path("stdlib"))
    return sorted(
        path
        for path in library.rglob("*.py")
        if NOT_LIBRARY.isdisjoint(path.relative_to(library).parts)
        and path.is_file()  # Debian's sitecustomize.py is a link to /etc
    )


def write_library_tokens(target: Path) -> None:
    """Every token of the standard library's sources, one a line."""
    with target.open("w", encoding="utf-8", newline="\n") as out:
        for path in _library_files():
            with tokenize.open(path) as lines:
                for token in tokenize.generate_tokens(lines.readline):
                    out.write(token.string.replace("\n", BREAK) + "\n")


def _tokens(task: Task) -> Iterator[str]:
    for _ in range(task.times(1)):
        with task.file.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield line[:-1].replace(BREAK, "\n")


def _digest(strings: Iterable[str]) -> str:
    sha = hashlib.sha256()
    for string in strings:
        sha.update(string.encode("utf-8", "surrogatepass"))
        sha.update(b"\0")
    return sha.hexdigest()


def _tokens_plain(task: Task) -> Outcome:
    return Outcome(list(_tokens(task)), _digest)


def _tokens_interned(task: Task) -> Outcome:
    return Outcome([sys.intern(t) for t in _tokens(task)], _digest)


def _tokens_pooled(task: Task) -> Outcome:
    from memopt import InternPool

    pool = InternPool()
    return Outcome([pool.intern(t) for t in _tokens(task)], _digest)


# Messages that never come back: a pool has to stay bounded.


def _message_lengths(intern: Callable[[str], str], task: Task) -> Outcome:
    lengths = 0
    for i in range(task.times(1_000_000)):
        lengths += len(intern(f"Processing item {i}"))
    return Outcome(lengths)


def _messages_in_dict(task: Task) -> Outcome:
    seen: dict[str, str] = {}
    return _message_lengths(lambda s: seen.setdefault(s, s), task)


def _messages_interned(task: Task) -> Outcome:
    return _message_lengths(sys.intern, task)


def _messages_pooled(task: Task) -> Outcome:
    from memopt import InternPool

    return _message_lengths(InternPool().intern, task)


# A matrix as lists of boxed floats.

SEED = 42
COLUMNS = 1000


def _nested_sum(task: Task) -> Outcome:
    draw = random.Random(SEED).random
    matrix = [[draw() for _ in range(COLUMNS)] for _ in range(task.times(1000))]
    naive = sum(sum(row) for row in matrix)

    def with_exact_sum(answer: float) -> dict[str, float]:
        exact = math.fsum(item for row in matrix for item in row)
        return {"sum": answer, "exact": exact}

    return Outcome(naive, with_exact_sum)


def _matrix_sum(task: Task) -> Outcome:
    from memopt import FloatMatrix

    matrix = FloatMatrix.random(task.times(1000), COLUMNS, seed=SEED)
    return Outcome(matrix.sum(), lambda total: {"sum": total, "exact": total})


def _same_matrix(before: dict[str, float], after: dict[str, float]) -> bool:
    """FloatMatrix's sum is the correctly rounded one, to the last bit.

    What ``sum(sum(row) for row in m)`` gives is off by its rounding errors,
    which differ between Python versions: it has to agree to 12 digits.
    """
    return before["exact"] == after["sum"] and math.isclose(
        before["sum"], after["sum"], rel_tol=1e-12
    )


SCENARIOS = (
    Scenario(
        name="lazymap",
        title="a big list that is only looped over",
        before=Variant("list", "sum([x * 2 for x in range(1_000_000)])", _list_sum),
        after=Variant(
            "LazyMap", "sum(LazyMap(lambda x: x * 2, range(1_000_000)))", _lazy_sum
        ),
    ),
    Scenario(
        name="internpool",
        title="every token of the standard library's sources, held in a list",
        prepare=write_library_tokens,
        before=Variant("plain", "[t for t in tokens]", _tokens_plain),
        after=Variant("InternPool", "[pool.intern(t) for t in tokens]", _tokens_pooled),
        others=(
            Variant("sys.intern", "[sys.intern(t) for t in tokens]", _tokens_interned),
        ),
    ),
    Scenario(
        name="internpool-unique",
        title="a million messages that never come back",
        before=Variant(
            "dict",
            'seen.setdefault(s := f"Processing item {i}", s)',
            _messages_in_dict,
        ),
        after=Variant(
            "InternPool", 'pool.intern(f"Processing item {i}")', _messages_pooled
        ),
        others=(
            Variant(
                "sys.intern",
                'sys.intern(f"Processing item {i}")',
                _messages_interned,
            ),
        ),
    ),
    Scenario(
        name="floatmatrix",
        title="a matrix of 1000 columns, summed",
        before=Variant(
            "lists",
            "m = [[random() for j in cols] for i in rows]; sum(sum(r) for r in m)",
            _nested_sum,
        ),
        after=Variant(
            "FloatMatrix", "FloatMatrix.random(1000, 1000, seed=42).sum()", _matrix_sum
        ),
        equal=_same_matrix,
    ),
)


def find(name: str) -> Scenario:
    """The scenario called ``name``."""
    return next(s for s in SCENARIOS if s.name == name)
