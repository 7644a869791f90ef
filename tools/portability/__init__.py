"""Whether memopt compiles for platforms that no test here runs on.

``python -m tools.portability`` (``nox -s portability``) compiles every C file for
each of them with zig's clang; reads every file in MSVC's dialect with clang; and
compares what AArch64 computes, under qemu, with what this machine does.
"""
