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

__all__ = [
    "ExactSum",
    "FloatMatrix",
    "FloatVector",
    "InternPool",
    "LazyMap",
    "LazyMapIterator",
    "MemoryInfo",
    "advise",
    "fsum",
    "limit_memory",
    "load_ipython_extension",
    "memory_info",
    "memory_pressure",
    "release",
    "trim_working_set",
]

__version__ = "0.1.0"
