"""The lanes: ``nox`` runs them all, ``nox -s test`` one, ``nox -l`` lists them.

Every lane builds memopt for itself in a virtual environment of its own and
runs the tests from a folder that has no memopt package in it, so that what is
tested is what was installed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")
PYTHON_FILES = ("memopt", "tests", "benchmarks", "tools", "noxfile.py", "setup.py")

nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False


def _is_there(version: str) -> bool:
    """Whether python<version> runs: a pyenv shim may exist and not run."""
    command = shutil.which(f"python{version}")
    if command is None:
        return False
    code = "import sys, sysconfig; print(sys.version_info[:2])"
    done = subprocess.run([command, "-c", code], capture_output=True, check=False)
    return done.returncode == 0


PYTHONS = [version for version in SUPPORTED if _is_there(version)]
DEFAULT = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _fresh(session: nox.Session, name: str) -> Path:
    """An empty folder of the session's own."""
    folder = (Path(session.create_tmp()) / name).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _copy(session: nox.Session, name: str, *paths: str) -> Path:
    """A folder with copies of the files of `paths` that git knows or would add."""
    target = _fresh(session, name)
    listing = ["git", "ls-files", "-z", "-co", "--exclude-standard", "--", *paths]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    for file in filter(None, done.stdout.decode().split("\0")):
        if (ROOT / file).exists():  # not deleted since
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, target / file)
    return target


def _install(session: nox.Session, *extras: str, **switches: str) -> None:
    """Build and install a copy: lanes that run at once must not share build/."""
    source = _copy(session, "source", ".")
    wanted = f"[{','.join(extras)}]" if extras else ""
    env = {"MEMOPT_WERROR": "1", **switches}
    session.install(f"memopt{wanted} @ {source.as_uri()}", env=env)


def _elsewhere(session: nox.Session, *folders: str) -> Path:
    """A folder with copies of `folders` and the settings, but no memopt."""
    return _copy(session, "elsewhere", "pyproject.toml", *folders)


def _run_tests(session: nox.Session, **env: str) -> None:
    session.chdir(_elsewhere(session, "tests", "src"))
    session.run("python", "-m", "pytest", *session.posargs, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff and clang-format, changing nothing."""
    session.install(*nox.project.dependency_groups(_project(), "lint"))
    session.run("ruff", "check", *PYTHON_FILES)
    session.run("ruff", "format", "--check", *PYTHON_FILES)
    folders = (ROOT / "src", ROOT / "tools")
    sources = sorted(str(p) for f in folders for p in f.rglob("*.[ch]"))
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session
def typing(session: nox.Session) -> None:
    """mypy over the package, and the stub against the compiled module."""
    session.install(*nox.project.dependency_groups(_project(), "typing"))
    _install(session, "dask")  # stubtest imports all of memopt
    session.run("mypy")
    session.chdir(_elsewhere(session))
    stubtest = ("python", "-m", "mypy.stubtest", "memopt", "--concise")
    session.run(*stubtest, "--mypy-config-file", "pyproject.toml")


@nox.session(python=PYTHONS)
def test(session: nox.Session) -> None:
    """The tests, on every CPython that this machine has."""
    _install(session, "test")
    # The readme lane draws as many examples as there should be, on one of them.
    _run_tests(session, HYPOTHESIS_PROFILE="quick")


@nox.session(name="dask")
def dask_lane(session: nox.Session) -> None:
    """The tests of memopt.dask, which the other lanes skip, and its document."""
    _install(session, "test", "dask")
    session.chdir(_elsewhere(session, "tests", "docs"))
    session.run("python", "-m", "pytest", "tests/test_dask.py", *session.posargs)


@nox.session
def readme(session: nox.Session) -> None:
    """The README's two commands as pasted, in a clone and an empty environment."""
    clone = _fresh(session, "memopt clone")
    session.run("git", "clone", "-q", str(ROOT), str(clone), external=True)
    blocks = re.findall(r"```(?:sh|shell|console)\n(.*?)```", _readme(), re.DOTALL)
    session.chdir(clone)
    for block in blocks[:2]:
        session.run("sh", "-e", "-x", "-c", block.strip(), external=True)


@nox.session
def wheel(session: nox.Session) -> None:
    """sdist, and a wheel from it: as PyPI wants them; tested from another folder."""
    session.install(*nox.project.dependency_groups(_project(), "build"))
    source, dist = _copy(session, "source", "."), _fresh(session, "dist")
    session.run("python", "-m", "build", "--outdir", str(dist), str(source))
    built = sorted(str(path) for path in dist.iterdir())
    session.run("twine", "check", "--strict", *built)
    session.run("check-wheel-contents", str(dist))
    (wheel_file,) = dist.glob("*.whl")
    session.install(f"memopt[test] @ {wheel_file.as_uri()}")
    _run_tests(session, HYPOTHESIS_PROFILE="quick")


@nox.session
def release(session: nox.Session) -> None:
    """Which wheels would be built, what the sdist has, and the workflows."""
    session.install(*nox.project.dependency_groups(_project(), "build", "release"))
    source, dist = _copy(session, "source", "."), _fresh(session, "dist")
    build = ("python", "-m", "build", "--sdist", "--outdir", str(dist), str(source))
    session.run(*build)
    session.chdir(ROOT)
    session.run("python", "-m", "tools.release", *map(str, dist.iterdir()))
    workflows = sorted(map(str, (ROOT / ".github" / "workflows").iterdir()))
    schema = ("--builtin-schema", "vendor.github-workflows")
    session.run("check-jsonschema", *schema, *workflows)
    session.run("zizmor", "--offline", "--pedantic", str(ROOT / ".github"))
    if shutil.which("actionlint"):  # its package is a download from GitHub
        session.run("actionlint", *workflows, external=True)
    else:
        session.log("actionlint is not here: GitHub's own CI runs it")


@nox.session
def debug(session: nox.Session) -> None:
    """The tests with assertions and structure validity checks on."""
    _install(session, "test", MEMOPT_DEBUG="1")
    _run_tests(session, HYPOTHESIS_PROFILE="quick")


@nox.session
def asan(session: nox.Session) -> None:
    """The tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    _install(session, "test", MEMOPT_ASAN="1", MEMOPT_DEBUG="1")
    compiler = os.environ.get("CC", "gcc").split()
    find = [*compiler, "-print-file-name=libasan.so"]
    library = subprocess.run(find, capture_output=True, text=True, check=True)
    reports = _fresh(session, "reports")
    # CPython itself leaves memory behind at exit; the tests count leaks.
    options = f"detect_leaks=0:allocator_may_return_null=1:log_path={reports}/asan"
    try:
        _run_tests(
            session,
            HYPOTHESIS_PROFILE="quick",
            LD_PRELOAD=library.stdout.strip(),
            ASAN_OPTIONS=options,
            UBSAN_OPTIONS=f"print_stacktrace=1:log_path={reports}/ubsan",
            # pymalloc would hide memopt's small blocks from the sanitizer.
            PYTHONMALLOC="malloc",
        )
    finally:
        # pytest would have captured what a sanitizer says as it aborts.
        for report in sorted(reports.iterdir()):
            print(report.read_text(encoding="utf-8", errors="replace"))


@nox.session
def windows(session: nox.Session) -> None:
    """The wheel, tests and demo in CPython for Windows; posargs: 3.11 3.13."""
    session.install(*nox.project.dependency_groups(_project(), "windows"))
    session.chdir(ROOT)
    session.run("python", "-m", "tools.windows", *session.posargs)


@nox.session
def portability(session: nox.Session) -> None:
    """Builds for every other platform, MSVC's dialect, and AArch64 under qemu."""
    session.install(*nox.project.dependency_groups(_project(), "portability"))
    session.chdir(ROOT)
    session.run("python", "-m", "tools.portability", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks run and their contenders agree; the figures mean nothing."""
    _install(session, "bench")
    session.chdir(_elsewhere(session, "benchmarks"))
    session.run(
        *("python", "-m", "pytest", "benchmarks", "--benchmark-disable"),
        env={"MEMOPT_BENCH_SCALE": "0.01"},
    )
    compare = ("python", "-m", "benchmarks.compare")
    session.run(*compare, "--scale", "0.01", "--rounds", "1", "--json", "-")


def _project() -> dict[str, object]:
    return nox.project.load_toml(ROOT / "pyproject.toml")


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")
