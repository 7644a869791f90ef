"""``python -m tools.release [SDIST]``: what a release would have.

Asks cibuildwheel for every system and processor that release.yml has a runner of,
prints which wheels it would build, and compares the sdist with the repository.  Ends
with 1 if either is not what README and PyPI promise.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ["cp311", "cp312", "cp313", "cp314", "cp315"]
if "Py_MOD_GIL_NOT_USED" in (ROOT / "src" / "compat.h").read_text(encoding="utf-8"):
    VERSIONS += ["cp314t", "cp315t"]  # cibuildwheel 4 has no cp313t
SYSTEMS = {
    ("linux", "x86_64"): ("manylinux_x86_64", "musllinux_x86_64"),
    ("linux", "aarch64"): ("manylinux_aarch64", "musllinux_aarch64"),
    ("macos", "x86_64"): ("macosx_x86_64",),
    ("macos", "arm64"): ("macosx_arm64",),
    ("windows", "AMD64"): ("win_amd64",),
    ("windows", "ARM64"): ("win_arm64",),
}


def selected(system: str, processor: str) -> set[str]:
    """The identifiers of cibuildwheel's builds."""
    command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
    command += ["--platform", system]
    # Each runner builds for its own processor; here it has to be named.
    environment = {**os.environ, f"CIBW_ARCHS_{system.upper()}": processor}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


# Of use in the repository alone.
NOT_IN_SDIST = (".ci/", ".git")


def missing(sdist: Path) -> list[str]:
    """The files of the repository that a source distribution lacks."""
    with tarfile.open(sdist) as archive:
        there = {name.partition("/")[2] for name in archive.getnames()}
    listing = ["git", "ls-files", "-z"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    files = done.stdout.decode().rstrip("\0").split("\0")
    return [f for f in files if f not in there and not f.startswith(NOT_IN_SDIST)]


def wheels_are_right() -> bool:
    """Print which wheels would be built, and whether they are all that should be."""
    right = True
    for (system, processor), tags in SYSTEMS.items():
        found = selected(system, processor)
        print(f"{system} {processor}: {' '.join(sorted(found))}")
        expected = {f"{version}-{tag}" for version in VERSIONS for tag in tags}
        if found != expected:
            print(f"  expected otherwise: {sorted(found ^ expected)}")
            right = False
    return right


def main(sdists: list[str]) -> int:
    """Print what is and what would be built; the exit code."""
    right = wheels_are_right()
    for sdist in sdists:
        lacking = missing(Path(sdist))
        print(f"{Path(sdist).name} lacks {', '.join(lacking) or 'no file'}")
        right = right and not lacking
    return int(not right)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
