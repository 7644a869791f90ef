"""CPythons newer than this Debian's, from the packages of Debian sid.

They are unpacked, not installed, with the libraries they need, and started by a
script through the dynamic loader that is among those.
"""

import platform
from pathlib import Path

from tools import cache

LIBRARIES = (
    *("libbz2-1.0", "libc6", "libcrypt1", "libexpat1", "libffi8", "libgcc-s1"),
    *("liblzma5", "libsqlite3-0", "libssl3t64", "libstdc++6", "libuuid1", "libzstd1"),
    "zlib1g",
)


def files(version: str) -> Path:
    """The folder with its files; the headers are in usr/include."""
    packages = [f"python{version}", f"python{version}-minimal"]
    parts = ("minimal", "stdlib", "testsuite", "dev")
    packages += [f"libpython{version}-{part}" for part in parts]
    return cache.debian_packages("sid", "amd64", *packages, *LIBRARIES)


def python(version: str, work: Path) -> Path:
    """A script in `work` that is, to CPython, sys.executable."""
    if platform.machine() != "x86_64":
        raise SystemExit("Debian sid's CPythons are unpacked for x86-64 alone")
    root = files(version)
    script = work / "usr" / "bin" / f"python{version}"
    script.parent.mkdir(parents=True)
    # Beside the script CPython looks for its library.
    (work / "usr" / "lib").symlink_to(root / "usr" / "lib")
    (work / "usr" / "include").symlink_to(root / "usr" / "include")
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    script.write_text(
        f"""#!/bin/sh
exec "{libraries}/ld-linux-x86-64.so.2" --argv0 "$0" \\
    --library-path "{libraries}" "{root}/usr/bin/python{version}" "$@"
""",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script
