"""Drop-in replacements that save a Python program's memory."""

from memopt._memopt import LazyMap, LazyMapIterator

__all__ = ["LazyMap", "LazyMapIterator"]

__version__ = "0.1.0"
