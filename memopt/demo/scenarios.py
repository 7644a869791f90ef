"""The everyday wastes of memory, each written twice: as scripts do, and swapped.

A variant is a function of the scale that does the work and returns an
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
    run: Callable[[int], Outcome]


def _same(before: Answer, after: Answer) -> bool:
    return bool(before == after)


@dataclass(frozen=True)
class Scenario:
    """The same work, before and after the swap, and by other means."""

    name: str
    title: str
    before: Variant
    after: Variant
    others: tuple[Variant, ...] = ()
    equal: Callable[[Answer, Answer], bool] = field(default=_same)

    @property
    def variants(self) -> tuple[Variant, ...]:
        return (self.before, self.after, *self.others)


# A big list that is only looped over.


def _list_sum(scale: int) -> Outcome:
    doubled = [x * 2 for x in range(1_000_000 * scale)]
    return Outcome(sum(doubled))


def _lazy_sum(scale: int) -> Outcome:
    from memopt import LazyMap

    doubled = LazyMap(lambda x: x * 2, range(1_000_000 * scale))
    return Outcome(sum(doubled))


# The same text again and again: real text that every machine has.


def library_tokens(scale: int) -> Iterator[str]:
    """Every token of the standard library's top-level modules, ``scale`` times."""
    library = Path(sysconfig.get_path("stdlib"))
    for _ in range(scale):
        for path in sorted(library.glob("*.py")):
            with tokenize.open(path) as lines:
                for token in tokenize.generate_tokens(lines.readline):
                    yield token.string


def _digest(strings: Iterable[str]) -> str:
    sha = hashlib.sha256()
    for string in strings:
        sha.update(string.encode("utf-8", "surrogatepass"))
        sha.update(b"\0")
    return sha.hexdigest()


def _tokens_plain(scale: int) -> Outcome:
    return Outcome(list(library_tokens(scale)), _digest)


def _tokens_interned(scale: int) -> Outcome:
    return Outcome([sys.intern(t) for t in library_tokens(scale)], _digest)


def _tokens_pooled(scale: int) -> Outcome:
    from memopt import InternPool

    pool = InternPool()
    return Outcome([pool.intern(t) for t in library_tokens(scale)], _digest)


# Messages that never come back: a pool has to stay bounded.


def _message_lengths(intern: Callable[[str], str], scale: int) -> Outcome:
    lengths = 0
    for i in range(1_000_000 * scale):
        lengths += len(intern(f"Processing item {i}"))
    return Outcome(lengths)


def _messages_in_dict(scale: int) -> Outcome:
    seen: dict[str, str] = {}
    return _message_lengths(lambda s: seen.setdefault(s, s), scale)


def _messages_interned(scale: int) -> Outcome:
    return _message_lengths(sys.intern, scale)


def _messages_pooled(scale: int) -> Outcome:
    from memopt import InternPool

    return _message_lengths(InternPool().intern, scale)


# A matrix as lists of boxed floats.

SEED = 42
COLUMNS = 1000


def _nested_sum(scale: int) -> Outcome:
    draw = random.Random(SEED).random
    matrix = [[draw() for _ in range(COLUMNS)] for _ in range(1000 * scale)]
    naive = sum(sum(row) for row in matrix)

    def with_exact_sum(answer: float) -> dict[str, float]:
        exact = math.fsum(item for row in matrix for item in row)
        return {"sum": answer, "exact": exact}

    return Outcome(naive, with_exact_sum)


def _matrix_sum(scale: int) -> Outcome:
    from memopt import FloatMatrix

    matrix = FloatMatrix.random(1000 * scale, COLUMNS, seed=SEED)
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
        title="the tokens of the standard library's modules, held in a list",
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
