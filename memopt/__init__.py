"""Drop-in replacements that save a Python program's memory."""

from memopt._memopt import (
    ExactSum,
    FloatMatrix,
    FloatVector,
    InternPool,
    LazyMap,
    LazyMapIterator,
    fsum,
)
from memopt.expressions import Expression, X, Y, Z, where
from memopt.sums import sum

__all__ = [
    "ExactSum",
    "Expression",
    "FloatMatrix",
    "FloatVector",
    "InternPool",
    "LazyMap",
    "LazyMapIterator",
    "X",
    "Y",
    "Z",
    "fsum",
    "intern",
    "sum",
    "where",
]

intern = InternPool()
"""The pool of the whole process: memopt.intern(s) for sys.intern(s)."""

__version__ = "0.1.0"
