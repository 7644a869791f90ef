"""Debian's packages that a tool needs, installed where they are missing."""

import os
import shutil
import subprocess
import time

# DPkg's option waits for one of apt's locks, but not for that of its lists, which
# fails at once: so does a mirror that is busy, and both pass.
APT_GET = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
APT_GET += ["-o", "Acquire::Retries=3"]
PATIENCE = 300  # seconds
PAUSE = 5


def install_missing(needed: dict[str, str]) -> None:
    """Install what is not there of {command: packages}; needs to be root for that."""
    missing = _missing(needed)
    if not missing:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"please install: {' '.join(missing)}")
    deadline = time.monotonic() + PATIENCE
    _apt_get("update", deadline=deadline)
    _apt_get("install", "-y", "--no-install-recommends", *missing, deadline=deadline)


def _missing(needed: dict[str, str]) -> list[str]:
    absent = [tool for tool in needed if shutil.which(tool) is None]
    return sorted({name for tool in absent for name in needed[tool].split()})


def _apt_get(*arguments: str, deadline: float) -> None:
    """Run it until it succeeds; CalledProcessError if it has not by the deadline."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    while True:
        done = subprocess.run(
            [*APT_GET, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            done.check_returncode()
        time.sleep(PAUSE)
