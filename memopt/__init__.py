"""Drop-in replacements that save a Python program's memory."""

from memopt._memopt import FloatMatrix, FloatVector

__all__ = ["FloatMatrix", "FloatVector"]

__version__ = "0.1.0"
