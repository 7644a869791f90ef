"""Drop-in replacements that save a Python program's memory."""

from memopt._memopt import InternPool

__all__ = ["InternPool"]

__version__ = "0.1.0"
