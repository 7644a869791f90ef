"""Debian's packages that a tool needs, installed where they are missing."""

import os
import shutil
import subprocess


def install_missing(needed: dict[str, str]) -> None:
    """Install what is not there of {command: packages}; needs to be root for that."""
    absent = [tool for tool in needed if shutil.which(tool) is None]
    missing = sorted({name for tool in absent for name in needed[tool].split()})
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
