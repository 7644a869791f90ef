"""``python -m tools.release``: which wheels a release would have.

Asks cibuildwheel for every system and processor that release.yml has a runner of,
prints the answers, and ends with 1 if one is not what README and PyPI promise.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("cp311", "cp312", "cp313", "cp314", "cp315")
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


def main() -> int:
    """Print what would be built; the exit code."""
    wrong = False
    for (system, processor), tags in SYSTEMS.items():
        found = selected(system, processor)
        print(f"{system} {processor}: {' '.join(sorted(found))}")
        expected = {f"{version}-{tag}" for version in VERSIONS for tag in tags}
        if found != expected:
            print(f"  expected otherwise: {sorted(found ^ expected)}")
            wrong = True
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
