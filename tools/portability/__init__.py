"""Whether memopt compiles for platforms that no test here runs on.

``python -m tools.portability`` (``nox -s portability``) builds the extension module
for each of them with zig's clang, linked as far as it goes; reads every file in
MSVC's dialect with clang; and runs tests of the AArch64 build under qemu.
"""
