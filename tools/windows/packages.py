"""Debian's packages that the Windows tools need."""

import os
import shutil
import subprocess

# Debian has them on no PATH; wine64 itself starts the wineserver it finds there.
WINE = "/usr/lib/wine/wine64"
WINESERVER = "/usr/lib/wine/wineserver64"

NEEDED = {
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",
    "x86_64-w64-mingw32-objdump": "binutils-mingw-w64-x86-64",
    WINE: "wine64",
    WINESERVER: "wine64",
    "dpkg-deb": "dpkg",
}


def install_missing() -> None:
    """Install what is not there yet; as root, else say what to install."""
    missing = sorted(
        {package for tool, package in NEEDED.items() if shutil.which(tool) is None}
    )
    if not missing:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"please install: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another run of apt may hold the lock for a while.
    apt_get = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt_get, "install", "-y", "--no-install-recommends", *missing]
    for command in ([*apt_get, "update"], install):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
