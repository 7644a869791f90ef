"""Every C file read in MSVC's dialect: by clang, for x86_64-pc-windows-msvc.

_MSC_VER is defined then, and __GNUC__ and __clang__ are not, so that compat.h's
twins for MSVC are what is checked.  Microsoft's headers are not to be had here:
mingw-w64's serve, helped by the folder msvc/.  Nothing is compiled to code: this
finds GNU extensions and missing twins, not what cl.exe alone rejects.
"""

import subprocess
from pathlib import Path

from tools import cross
from tools.portability import zig

SHIMS = Path(__file__).parent / "msvc"
MINGW_HEADERS = "/usr/x86_64-w64-mingw32/include"
PLATFORM = zig.Platform("x86_64-windows-msvc", "win32", "win_amd64")

DIALECT = [
    "--target=x86_64-pc-windows-msvc",
    "-fms-compatibility-version=19.38",
    "-fms-extensions",
    "-U__clang__",
    "-std=c11",
    # MSVC takes every intrinsic in every file.
    *("-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mxsave"),
    *("-isystem", str(SHIMS)),
]
# Those of setup.py for gcc and clang, as far as MSVC's dialect lets them be.
WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
WARNINGS += ["-Wno-missing-field-initializers", "-Wno-cast-function-type"]
WARNINGS += ["-Wno-unknown-pragmas"]  # fenv_access and more are MSVC's alone


def check(work: Path) -> int:
    """Read all files that setup.py compiles on Windows; how many there are."""
    work.mkdir(parents=True)
    target = zig.target(PLATFORM, work)
    extension = cross.description(target)
    includes = [*extension.include_dirs, str(target.python_headers)]
    command = ["clang", *DIALECT, *WARNINGS, "-fsyntax-only"]
    command += [f"-I{folder}" for folder in includes]
    command += [f"-D{name}={value}" for name, value in extension.define_macros]
    command += ["-isystem", MINGW_HEADERS]
    sources = [str(source) for source in extension.sources]
    for source in sources:
        subprocess.run([*command, source], cwd=cross.ROOT, check=True)
    return len(sources)
