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

__all__ = [
    "ExactSum",
    "FloatMatrix",
    "FloatVector",
    "InternPool",
    "LazyMap",
    "LazyMapIterator",
    "fsum",
    "intern",
]

intern = InternPool()
"""The pool of the whole process: memopt.intern(s) for sys.intern(s)."""

__version__ = "0.1.0"
