"""Drop-in replacements that save a Python program's memory."""

from memopt._memopt import (
    ExactSum,
    FloatMatrix,
    FloatVector,
    InternPool,
    LazyMap,
    LazyMapIterator,
    MemoryInfo,
    fsum,
    limit_memory,
    memory_info,
    memory_pressure,
    release,
    trim_working_set,
)
from memopt.advisor import advise, load_ipython_extension
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
    "MemoryInfo",
    "X",
    "Y",
    "Z",
    "advise",
    "fsum",
    "intern",
    "limit_memory",
    "load_ipython_extension",
    "memory_info",
    "memory_pressure",
    "release",
    "sum",
    "trim_working_set",
    "where",
]

intern = InternPool()
"""The pool of the whole process: memopt.intern(s) for sys.intern(s)."""

__version__ = "0.1.0"
