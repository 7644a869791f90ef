"""Drop-in replacements that save a Python program's memory."""

__version__ = "0.1.0"
