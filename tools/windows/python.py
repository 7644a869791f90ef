"""CPython for Windows x64, put together from what PyPI and Debian carry.

PyPI's panda3d wheels hold the official python3XX.dll and extension modules of the
standard library; Debian's packages of the same minor version hold its .py files,
CPython's headers and test tools.  python.exe is ours.
"""

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tools import cache
from tools.windows.mingw import HERE, Mingw

PANDA3D = "panda3d==1.10.16"
# pip and what the tests import, but for NumPy; colorama is pytest's on Windows.
TEST_TOOLS = ("pip", "pytest>=8", "hypothesis>=6.100", "colorama")


@dataclass(frozen=True)
class Release:
    """A CPython that memopt is tested with, and where its parts are from."""

    version: str
    debian: str  # the release of Debian whose CPython it is
    numpy: str  # whose headers memopt is built with
    numpy_runs: bool  # wine 8 has not all of the C library that NumPy 2.1 needs

    @property
    def digits(self) -> str:
        return self.version.replace(".", "")

    def wheels(self, name: str, *requirements: str) -> list[Path]:
        name = f"windows-{name}-{self.version}"
        return cache.wheels(name, "win_amd64", self.version, *requirements)

    def debian_files(self) -> Path:
        name = f"libpython{self.version}"
        parts = ("minimal", "stdlib", "testsuite", "dev")
        packages = [f"{name}-{part}" for part in parts]
        return cache.debian_packages(self.debian, "amd64", *packages)

    def headers(self, work: Path) -> Path:
        """CPython's headers, a copy in `work` configured for Windows."""
        folder = work / "include"
        if not folder.exists():
            source = self.debian_files() / f"usr/include/python{self.version}"
            shutil.copytree(source, folder)
            shutil.copy2(HERE / "pyconfig.h", folder)
        return folder


RELEASES = {
    release.version: release
    for release in (
        Release("3.11", "bookworm", "numpy==2.0.2", numpy_runs=True),
        Release("3.13", "trixie", "numpy==2.1.3", numpy_runs=False),
    )
}


def assemble(release: Release, mingw: Mingw, home: Path) -> Path:
    """Put a CPython with the tests' tools into `home`; its python.exe."""
    packages = home / "Lib" / "site-packages"
    _copy_library(release, home / "Lib")
    _copy_binaries(release, home)
    installed = release.wheels("tools", *TEST_TOOLS)
    if release.numpy_runs:
        installed += release.wheels("numpy", release.numpy)
    for wheel in installed:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    dll = home / f"python{release.digits}.dll"
    mingw.program(HERE / "launcher.c", dll, home / "python.exe")
    _build_test_modules(release, mingw, home)
    return home / "python.exe"


def _copy_library(release: Release, target: Path) -> None:
    source = release.debian_files() / f"usr/lib/python{release.version}"
    unwanted = ("lib-dynload", "EXTERNALLY-MANAGED", "__pycache__")
    ignore = shutil.ignore_patterns(*unwanted)
    # Debian has links to files of other packages there, for documentation.
    shutil.copytree(source, target, ignore=ignore, ignore_dangling_symlinks=True)


def _copy_binaries(release: Release, home: Path) -> None:
    """python3XX.dll and its C run-time library in `home`, the rest in DLLs.

    Not the api-ms-win-*.dll: they are part of Windows, and wine has its own.
    """
    (home / "DLLs").mkdir()
    (wheel,) = release.wheels("cpython", PANDA3D, "--no-deps")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = Path(name)
            unwanted = name.endswith(f".cp{release.digits}t-win_amd64.pyd")
            if path.parts[0] != "deploy_libs" or unwanted:
                continue
            lower = path.name.lower()
            if lower == "_wmi.pyd":  # calls what wine 8 lacks; CPython can do without
                continue
            if lower.startswith(("python3", "vcruntime")):
                (home / path.name).write_bytes(archive.read(name))
            elif lower.endswith((".pyd", ".dll")) and not lower.startswith("api-ms-"):
                (home / "DLLs" / path.name).write_bytes(archive.read(name))


def _build_test_modules(release: Release, mingw: Mingw, home: Path) -> None:
    """CPython's modules for tests of extension modules, which the wheel lacks."""
    member = "Modules/_testbuffer.c"
    package = f"python{release.version}"
    testbuffer = cache.debian_source(release.debian, package, member) / member
    headers, folder = release.headers(home.parent), home / "DLLs"
    mingw.extension([testbuffer], headers, folder / "_testbuffer.pyd")
    mingw.extension([HERE / "testcapi.c"], headers, folder / "_testcapi.pyd")
