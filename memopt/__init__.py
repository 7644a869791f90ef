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
]

__version__ = "0.1.0"
