"""Drop-in replacements that save a Python program's memory."""

from memopt._memopt import ExactSum, fsum

__all__ = ["ExactSum", "fsum"]

__version__ = "0.1.0"
