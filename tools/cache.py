"""Downloads from PyPI and from Debian, kept outside the repository.

Each set of downloads is a folder below $XDG_CACHE_HOME/memopt (~/.cache/memopt),
named by what it holds and by a digest of what was asked for: asked again, it is
there; asked differently, it is another.  A folder appears whole or not at all, so
that several runs may share the cache.  Delete it at any time.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

DEBIAN_MIRROR = "http://deb.debian.org/debian"
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def cached(name: str, asked: object, fill: Callable[[Path], None]) -> Path:
    """The folder that `fill` filled, now or in an earlier run."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parent = Path(home).resolve() / "memopt"
    digest = hashlib.sha256(repr(asked).encode()).hexdigest()[:12]
    folder = parent / f"{name}-{digest}"
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    try:
        fill(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another run was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def wheels(name: str, platform: str, version: str, *requirements: str) -> list[Path]:
    """Wheels from PyPI for CPython `version` on `platform`, dependencies included.

    pip reads environment markers for the machine it runs on: a dependency on
    another platform alone has to be asked for by name.
    """

    def fill(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet"]
        command += ["--quiet", "--dest", str(folder), "--only-binary=:all:"]
        command += ["--implementation", "cp", "--python-version", version]
        command += ["--platform", platform]
        subprocess.run([*command, *requirements], check=True)

    folder = cached(name, (platform, version, requirements), fill)
    return sorted(folder.glob("*.whl"))


def numpy_headers(platform: str, version: str, numpy: str) -> Path:
    """NumPy's headers for a platform: they say how large its types are."""

    def fill(folder: Path) -> None:
        (wheel,) = wheels("numpy", platform, version, numpy)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("numpy/_core/include/"):
                    archive.extract(name, folder)

    folder = cached("numpy-headers", (platform, version, numpy), fill)
    return folder / "numpy/_core/include"


def debian_packages(release: str, architecture: str, *packages: str) -> Path:
    """A folder with the files of Debian packages, unpacked and not installed."""

    def fill(folder: Path) -> None:
        with _apt(release, architecture) as (scratch, apt_get):
            apt_get("download", *packages)
            for package in scratch.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, folder], check=True)

    asked = (release, architecture, packages)
    return cached(f"debian-{release}-{architecture}", asked, fill)


def debian_source(release: str, package: str, *files: str) -> Path:
    """A folder with some files, or all, of the upstream source of a Debian package."""

    def fill(folder: Path) -> None:
        with _apt(release, "amd64") as (scratch, apt_get):
            apt_get("source", "--download-only", package)
            (archive,) = (f for f in scratch.glob("*.orig.tar.*") if f.suffix != ".asc")
            if not files:
                command = ("tar", "-xf", str(archive), "-C", str(folder))
                subprocess.run([*command, "--strip-components=1"], check=True)
                return
            with tarfile.open(archive) as source:
                for member in source:
                    path = member.name.partition("/")[2]
                    content = source.extractfile(member) if path in files else None
                    if content is not None:
                        (folder / path).parent.mkdir(parents=True, exist_ok=True)
                        (folder / path).write_bytes(content.read())

    return cached(f"source-{package}", (release, files), fill)


@contextlib.contextmanager
def _apt(release: str, architecture: str) -> Iterator[tuple[Path, Callable[..., None]]]:
    """A scratch folder, and apt-get in it for another release or architecture.

    It has a configuration of its own and checks signatures as always.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for folder in ("lists/partial", "cache/archives/partial"):
            (scratch / folder).mkdir(parents=True)
        options = f"[arch={architecture} signed-by={DEBIAN_KEYS}]"
        where = f"{options} {DEBIAN_MIRROR} {release} main"
        sources = f"deb {where}\ndeb-src {where}\n"
        (scratch / "sources.list").write_text(sources, encoding="ascii")
        settings = f"""
            Dir::Etc::SourceList "{scratch}/sources.list";
            Dir::Etc::SourceParts "/dev/null";
            Dir::State::status "/dev/null";
            Dir::State::lists "{scratch}/lists";
            Dir::Cache "{scratch}/cache";
            APT::Architecture "{architecture}";
            APT::Sandbox::User "root";
            Acquire::Retries "3";
            """
        (scratch / "apt.conf").write_text(settings, encoding="utf-8")
        environment = {**os.environ, "APT_CONFIG": str(scratch / "apt.conf")}

        def apt_get(*arguments: str) -> None:
            command = ["apt-get", "-qq", *arguments]
            subprocess.run(command, cwd=scratch, env=environment, check=True)

        apt_get("update")
        yield scratch, apt_get
