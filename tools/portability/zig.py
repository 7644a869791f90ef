"""memopt._memopt compiled by zig's clang, for each platform that has a wheel.

zig brings every platform's C library; CPython's headers are Debian's, NumPy's are
those of its wheels.  Warnings are errors.  Nothing is optimised: that the compilers
of the wheels do, and it would take three times as long here.  Linking is a choice: zig
first compiles a platform's C library for it, which takes longer than all of memopt.
"""

import dataclasses
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools import cache, cross
from tools.windows.python import PANDA3D

QUICK = ["-O0", "-g0", "-fno-sanitize=undefined"]
VERSION, DEBIAN, NUMPY = "3.13", "trixie", "numpy==2.3.5"
DIGITS = VERSION.replace(".", "")
WINDOWS_PYCONFIG = Path(__file__).parents[1] / "windows" / "pyconfig.h"


@dataclasses.dataclass(frozen=True)
class Platform:
    """A platform, as zig, sys.platform, wheels and Debian call it."""

    zig: str
    python: str
    wheel: str  # tag of NumPy's wheels for it
    debian: str = "amd64"  # whose pyconfig.h comes nearest

    @property
    def suffix(self) -> str:
        return f".cp{DIGITS}-{self.zig}" + (".pyd" if self.python == "win32" else ".so")


PLATFORMS = (
    Platform("aarch64-windows-gnu", "win32", "win_arm64"),
    Platform("x86_64-macos", "darwin", "macosx_10_13_x86_64"),
    Platform("aarch64-macos", "darwin", "macosx_11_0_arm64"),
    Platform("aarch64-linux-gnu.2.28", "linux", "manylinux_2_28_aarch64", "arm64"),
    Platform("x86_64-linux-musl", "linux", "musllinux_1_2_x86_64"),
    Platform("aarch64-linux-musl", "linux", "musllinux_1_2_aarch64", "arm64"),
)


def program() -> str:
    """The compiler itself: python -m ziglang would start Python for each file."""
    package = importlib.util.find_spec("ziglang")
    assert package is not None, "ziglang is not installed"
    assert package.submodule_search_locations is not None
    return str(Path(package.submodule_search_locations[0]) / "zig")


def target(platform: Platform, work: Path) -> cross.Target:
    """How to compile for a platform; linking a shared library comes on top."""
    compiler = [program(), "cc", "-target", platform.zig]
    headers = _python_headers(platform, work)
    position = [] if platform.python == "win32" else ["-fPIC"]
    return cross.Target(
        compile=[*compiler, "-DNDEBUG", *position, f"-I{headers.parent}"],
        link=[*compiler, "-shared"],
        last_flags=QUICK,
        python_headers=headers,
        numpy_headers=cache.numpy_headers(platform.wheel, VERSION, NUMPY),
        platform=platform.python,
        suffix=platform.suffix,
        tag=("", "", ""),
    )


def build(platform: Platform, work: Path, *, link: bool) -> str:
    """Compile all files, and link them if asked to; what was made, in `work`."""
    work.mkdir(parents=True)
    compiled = target(platform, work)
    if link:
        linked = [*compiled.link, *_link_with(platform, work)]
        made = cross.extension(dataclasses.replace(compiled, link=linked), work)
        return f"{made.name} linked"
    cross.extension(dataclasses.replace(compiled, link=["true"]), work)
    return f"{len(list(work.rglob('*.o')))} files compiled"


def _python_headers(platform: Platform, work: Path) -> Path:
    """CPython's headers; a copy in `work` where Debian's do not fit."""
    package = f"libpython{VERSION}-dev"
    include = cache.debian_packages(DEBIAN, platform.debian, package) / "usr/include"
    headers = include / f"python{VERSION}"
    if platform.python == "linux":
        return headers
    copy = work / "include" / headers.name
    shutil.copytree(headers, copy)
    if platform.python == "win32":
        shutil.copy2(WINDOWS_PYCONFIG, copy / "pyconfig.h")
    else:  # sizes are those of 64-bit Linux, and CPython corrects the rest
        (linux,) = include.glob(f"*-linux-gnu/python{VERSION}/pyconfig.h")
        shutil.copy2(linux, copy / "pyconfig.h")
    return copy


def _link_with(platform: Platform, work: Path) -> list[str]:
    if platform.python == "darwin":
        return ["-Wl,-undefined,dynamic_lookup"]
    if platform.python == "win32":
        return [str(_import_library(platform, work))]
    return []


def _import_library(platform: Platform, work: Path) -> Path:
    """What links with python3XX.dll: its names are the same for every processor."""
    (wheel,) = cache.wheels(
        f"windows-cpython-{VERSION}", "win_amd64", VERSION, PANDA3D, "--no-deps"
    )
    unpack = ["-m", "zipfile", "-e", str(wheel), str(work / "panda3d")]
    subprocess.run([sys.executable, *unpack], check=True)
    dll = work / "panda3d" / "deploy_libs" / f"python{DIGITS}.dll"
    dump = ["x86_64-w64-mingw32-objdump", "-p", str(dll)]
    listing = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    table = listing.partition("[Ordinal/Name Pointer] Table")[2]
    names = re.findall(r"^\s*\[ *\d+\] (?:\+base\[ *\d+\] +\w+ )?(\w+)$", table, re.M)
    definition = work / "python.def"
    lines = [f"LIBRARY {dll.name}", "EXPORTS", *names]
    definition.write_text("\n".join(lines) + "\n", encoding="ascii")
    library = work / "libpython.a"
    machine = "arm64" if platform.zig.startswith("aarch64") else "i386:x86-64"
    command = [program(), "dlltool", "-m", machine, "-d", str(definition)]
    subprocess.run([*command, "-l", str(library)], check=True)
    return library
