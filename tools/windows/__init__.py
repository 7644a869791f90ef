"""memopt on Windows, from Linux: mingw-w64 builds the wheel, wine runs its tests.

``python -m tools.windows`` does it all (``nox -s windows`` gives it what it needs).
This proves neither MSVC nor a real Windows: it shows that the code does not depend
on anything that Windows, its C library or its CPython lack.
"""
