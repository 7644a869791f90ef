"""The lanes: ``nox`` runs them all, ``nox -s test`` one, ``nox -l`` lists them.

Every lane installs a wheel, made from the sdist, in a virtual environment of its
own and runs the tests from a folder that has no memopt package in it, so that
what is tested is what users install.  Lanes that want the same wheel share it.
The longest lane comes first: .ci/run starts them in this order.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nox
from filelock import FileLock  # virtualenv, which nox is built on, needs it too

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


def _files(*paths: str) -> list[str]:
    """The files of `paths` that git knows or would add."""
    listing = ["git", "ls-files", "-z", "-co", "--exclude-standard", "--", *paths]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    names = filter(None, done.stdout.decode().split("\0"))
    return sorted(name for name in names if (ROOT / name).exists())  # not deleted since


def _copy(session: nox.Session, name: str, *paths: str) -> Path:
    """A folder with copies of the files of `paths`."""
    target = _fresh(session, name)
    for file in _files(*paths):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, target / file)
    return target


def _digest(*parts: str) -> str:
    """A name for what is made of all files, given `parts`."""
    digest = hashlib.sha256("\0".join(parts).encode())
    for file in _files("."):
        digest.update(f"\0{file}\0".encode() + (ROOT / file).read_bytes())
    return digest.hexdigest()[:16]


def _dist(session: nox.Session, **switches: str) -> Path:
    """A folder with the sdist and the wheel made from it, by the session's Python.

    Lanes may run at once: the first one that needs it builds it.
    """
    version = str(session.run("python", "-V", silent=True))
    dist: Path = session.cache_dir.resolve() / _digest(version, *switches)
    dist.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{dist}.lock"):
        if not dist.exists():
            source, built = _copy(session, "source", "."), _fresh(session, "dist")
            session.install(*nox.project.dependency_groups(_project(), "build"))
            build = ("python", "-m", "build", "--outdir", str(built), str(source))
            session.run(*build, env={"MEMOPT_WERROR": "1", **switches})
            shutil.move(built, dist)
    return dist


def _install(session: nox.Session, *extras: str, **switches: str) -> None:
    """Install memopt from its wheel, with `extras`."""
    (wheel,) = _dist(session, **switches).glob("*.whl")
    wanted = f"[{','.join(extras)}]" if extras else ""
    session.install(f"memopt{wanted} @ {wheel.as_uri()}")


def _elsewhere(session: nox.Session, *folders: str) -> Path:
    """A folder with copies of `folders` and the settings, but no memopt."""
    return _copy(session, "elsewhere", "pyproject.toml", *folders)


def _run_tests(session: nox.Session, *options: str, **env: str) -> None:
    session.chdir(_elsewhere(session, "tests", "src"))
    session.run("python", "-m", "pytest", *options, *session.posargs, env=env)


def _project() -> dict[str, object]:
    return nox.project.load_toml(ROOT / "pyproject.toml")


def _extra(name: str) -> list[str]:
    """What pyproject.toml wants for an extra."""
    return list(_project()["project"]["optional-dependencies"][name])


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _run_tool(session: nox.Session, group: str, *command: str) -> None:
    """Run a module of tools, with what a dependency group has."""
    session.install(*nox.project.dependency_groups(_project(), group))
    session.chdir(ROOT)
    session.run("python", "-m", *command)


def _need(session: nox.Session, command: str, debian: str) -> None:
    """Install Debian's packages if there is no such command."""
    session.chdir(ROOT)
    missing = f"install_missing({ {command: debian}!r})"
    session.run("python", "-c", f"from tools.packages import *; {missing}")


# A policy is worth the same in every build: those that are slow leave that out.
SLOW_BUILD = ("-m", "not workload")


@nox.session
@nox.parametrize("version", [nox.param(v, id=v) for v in ("3.11", "3.13")])
def windows(session: nox.Session, version: str) -> None:
    """The wheel, tests and demo in a CPython for Windows; ``windows``: in each."""
    _run_tool(session, "windows", "tools.windows", version, *session.posargs)


@nox.session
def asan(session: nox.Session) -> None:
    """The tests with assertions, structure checks, AddressSanitizer and UBSan on."""
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
            *SLOW_BUILD,
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
def readme(session: nox.Session) -> None:
    """The README's two commands as pasted, in a clone and an empty environment."""
    clone = _fresh(session, "memopt clone")
    session.run("git", "clone", "-q", str(ROOT), str(clone), external=True)
    blocks = re.findall(r"```(?:sh|shell|console)\n(.*?)```", _readme(), re.DOTALL)
    session.chdir(clone)
    for block in blocks[:2]:
        session.run("sh", "-e", "-x", "-c", block.strip(), external=True)


@nox.session(python=PYTHONS)
def test(session: nox.Session) -> None:
    """The tests, on every CPython that this machine has."""
    _install(session, "test")
    # The readme lane draws as many examples as there should be, on one of them:
    # .ci/run leaves that one out here.
    _run_tests(session, HYPOTHESIS_PROFILE="quick")


@nox.session
def portability(session: nox.Session) -> None:
    """Builds for every other platform, MSVC's dialect, and AArch64 under qemu."""
    _run_tool(session, "portability", "tools.portability", *session.posargs)


@nox.session
def extras(session: nox.Session) -> None:
    """The tests that need Dask, pandas, psutil, rich, IPython or a browser."""
    _need(session, "chromium", "chromium fonts-dejavu-core")
    _install(session, "test", "dask", "rich")
    session.install("psutil", "ipython")
    session.chdir(_elsewhere(session, "tests", "docs"))
    tests = session.posargs or [f"tests/test_{name}.py" for name in NEED_EXTRAS]
    session.run("python", "-m", "pytest", *tests)


NEED_EXTRAS = ("dask", "process_memory", "internpool_adapters")
NEED_EXTRAS += ("internpool_dedup_arrays",)
NEED_EXTRAS += ("advise_command", "advise_report")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Coverage-guided fuzzing, a few seconds each; posargs: --seconds 600 utf8."""
    session.install("atheris>=3", *_extra("test"))
    _need(session, "clang", "clang libclang-rt-14-dev")
    # The interpreter has no sanitizer in it: atheris brings clang's, preloaded.
    flags = "-fsanitize=fuzzer-no-link -Wno-unused-command-line-argument"
    switches = {"CC": "clang", "LDSHARED": "clang -shared", "CFLAGS": flags}
    _install(session, MEMOPT_ASAN="1", **switches)
    session.chdir(_elsewhere(session, "tests", "tools"))
    find = "import atheris; print(atheris.path())"
    folder = session.run("python", "-c", find, silent=True)
    session.run(
        *("python", "-m", "tools.fuzz", *session.posargs),
        env={
            "LD_PRELOAD": f"{str(folder).strip()}/asan_with_fuzzer.so",
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONMALLOC": "malloc",
        },
    )


@nox.session
def mutants(session: nox.Session) -> None:
    """Seeded bugs, each of which must fail a test; posargs: their names."""
    session.install("setuptools>=77", *_extra("test"))
    session.chdir(ROOT)
    session.run("python", "-m", "tools.mutants", *session.posargs)


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


@nox.session
def typing(session: nox.Session) -> None:
    """mypy over the package, and the stub against the compiled module."""
    session.install(*nox.project.dependency_groups(_project(), "typing"))
    _install(session, "dask", "rich")  # stubtest imports all of memopt
    session.run("mypy")
    session.chdir(_elsewhere(session))
    stubtest = ("python", "-m", "mypy.stubtest", "memopt", "--concise")
    session.run(*stubtest, "--mypy-config-file", "pyproject.toml")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, without a warning; its examples run."""
    _install(session, "docs")
    session.chdir(_elsewhere(session, "docs"))
    session.run("sphinx-build", "-q", "-W", "--keep-going", "docs", "html")
    session.run("sphinx-build", "-q", "-W", "-b", "doctest", "docs", "doctest")
    session.log(f"read {Path('html/index.html').resolve()}")


@nox.session
def release(session: nox.Session) -> None:
    """What would be uploaded, which wheels would be built, and the workflows."""
    built = sorted(str(path) for path in _dist(session).iterdir())
    (sdist,) = (path for path in built if path.endswith(".tar.gz"))
    session.install(*nox.project.dependency_groups(_project(), "release"))
    session.run("twine", "check", "--strict", *built)
    session.run("check-wheel-contents", *(path for path in built if path != sdist))
    session.chdir(ROOT)
    session.run("python", "-m", "tools.release", sdist)
    workflows = sorted(map(str, (ROOT / ".github" / "workflows").iterdir()))
    schema = ("--builtin-schema", "vendor.github-workflows")
    session.run("check-jsonschema", *schema, *workflows)
    session.run("zizmor", "--offline", "--pedantic", str(ROOT / ".github"))
    if shutil.which("actionlint"):  # its package is a download from GitHub
        session.run("actionlint", *workflows, external=True)
    else:
        session.log("actionlint is not here: GitHub's own CI runs it")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff and clang-format, changing nothing."""
    session.install(*nox.project.dependency_groups(_project(), "lint"))
    session.run("ruff", "check", *PYTHON_FILES)
    session.run("ruff", "format", "--check", *PYTHON_FILES)
    folders = (ROOT / "src", ROOT / "tools")
    sources = sorted(str(p) for f in folders for p in f.rglob("*.[ch]"))
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session(default=False)
def debug(session: nox.Session) -> None:
    """As asan, without the sanitizers: to run in gdb."""
    _install(session, "test", MEMOPT_DEBUG="1")
    _run_tests(session, *SLOW_BUILD, HYPOTHESIS_PROFILE="quick")


@nox.session(default=False)
def freethreaded(session: nox.Session) -> None:
    """The tests on a free-threaded CPython, built if need be; posargs: pytest's."""
    _interpreters(session, "3.13t")


@nox.session(default=False)
def parallel(session: nox.Session) -> None:
    """Each test in four threads at once on that CPython; posargs: pytest's."""
    _interpreters(session, "3.13t", some=(*IN_PARALLEL, *session.posargs))


@nox.session(default=False)
def tsan(session: nox.Session) -> None:
    """The tests of threads, where ThreadSanitizer sees races; posargs: pytest's."""
    _interpreters(session, "3.13t-tsan", some=session.posargs or OF_THREADS)


# The others, which tests/thread_unsafe.toml names, are left to `freethreaded`.
IN_PARALLEL = ("--parallel-threads=4", "--iterations=2", "--skip-thread-unsafe=True")
OF_THREADS = (
    "tests/test_free_threading.py",
    "tests/test_internpool_concurrency.py",
    "tests/test_sum_threads.py",
    "tests/test_axis_sums.py::test_filtered_sums_in_threads",
    # The others of it are as parallel, and take five minutes of work.
    "tests/test_axis_sums.py::test_long_lines[uniform-shape2]",
    "tests/test_axis_sums.py::test_long_lines[one_special-shape3]",
    "tests/test_native.py::test_interrupts_are_heard",
    "tests/test_native.py::test_other_threads_run_meanwhile",
    "tests/test_native.py::test_a_pass_that_another_thread_reads_from_ends",
    "tests/test_exactsum.py::test_threads_under_the_gil_lose_nothing",
    "tests/test_lazymap_iteration.py::test_threads_share_a_cache",
    "tests/test_lazymap_iteration.py::test_threads_share_a_view",
    "tests/test_lazymap_iteration.py::test_threads_share_an_iterator",
)


@nox.session(default=False, name="next")
def next_lane(session: nox.Session) -> None:
    """The tests on Debian sid's CPythons; posargs: pytest's."""
    _interpreters(session, "3.14", "3.15")


def _interpreters(
    session: nox.Session, *names: str, some: Sequence[str] | None = None
) -> None:
    tests = session.posargs if some is None else some
    _run_tool(session, "cross", "tools.interpreters", *names, "--pytest", *tests)


def _debug_python(session: nox.Session) -> str:
    """Debian's debug build of CPython, with memopt and what its tests need."""
    _need(session, "python3.11-dbg", "python3.11-dbg libpython3.11-dbg")
    _need(session, "c++", "g++")
    session.install("virtualenv")
    folder = _fresh(session, "debug")
    session.run("virtualenv", "-q", "-p", "python3.11-dbg", str(folder))
    python = str(folder / "bin" / "python")
    pip = (python, "-W", "ignore", "-m", "pip", "install", "--quiet")
    # PyPI's NumPy is of the usual build: it drops references uncounted, 3,784 for
    # each example, whose seeds Hypothesis sets.  It takes two minutes; pip keeps it.
    fast = ("buildtype=debug", "disable-optimization=true", "allow-noblas=true")
    switches = (f"-Csetup-args=-D{switch}" for switch in fast)
    session.run(*pip, "--no-binary=numpy", *switches, "numpy>=2.0", external=True)
    source = f"memopt[test] @ {_copy(session, 'source', '.').as_uri()}"
    session.run(*pip, source, external=True)
    return python


@nox.session(default=False)
def refleaks(session: nox.Session) -> None:
    """Repeated tests leave no reference behind, nor does memopt as Python ends."""
    python = _debug_python(session)
    session.chdir(_elsewhere(session, "tests", "src", "tools"))
    # Beside what CPython 3.11 leaves of the modules that memopt imports.
    alone, used = (_left_at_exit(session, python, code) for code in LEFT_BEHIND)
    if used > alone + 10:
        session.error(f"{used} references are left at exit, and {alone} by an import")
    pytest = (python, "-W", "ignore", "-m", "pytest", "-q", "-p", "tools.refleaks")
    session.run(
        *(*pytest, *(session.posargs or ["tests", *SAY_NO_LEAKS])),
        # Debug hooks would make blocks longer than the tests of sizes expect.
        env={"HYPOTHESIS_PROFILE": "seeded", "PYTHONMALLOC": "pymalloc"},
        external=True,
    )


# Tests whose code runs in other processes, or is none, and replays of workloads.
NOT_HERE = ("advise_command", "c_rules", "demo", "leaks", "readme")
SAY_NO_LEAKS = [f"--ignore=tests/test_{name}.py" for name in NOT_HERE]
# The debug build itself aborts where some of its allocations fail, and where its
# own test tool is given a format of padding alone; tensors that are handmade stay
# for good; Debian has too few lambdas.
UNFIT = ("allocation", "x-items", "handmade", "lambdas_of")
SAY_NO_LEAKS += [*SLOW_BUILD, "-k", " and ".join(f"not {name}" for name in UNFIT)]

LEFT_BEHIND = (
    "import memopt, memopt.recognition",
    "import memopt; memopt.LazyMap(memopt.X * 2, range(1000)).to_list(); "
    "memopt.InternPool().split('a b' * 9); memopt.FloatMatrix([[1]]).sum(axis=0)",
)


def _left_at_exit(session: nox.Session, python: str, code: str) -> int:
    """References that there still are when the interpreter has ended."""
    run = [python, "-X", "showrefcount", "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    session.log(f"{code}: {done.stderr.strip()}")
    (references,) = re.findall(r"\[(\d+) refs", done.stderr)
    return int(references)


@nox.session(default=False)
def valgrind(session: nox.Session) -> None:
    """Some of the tests in valgrind, which sees what is read before it is written."""
    _need(session, "valgrind", "valgrind")
    _install(session, "test")
    session.chdir(_elsewhere(session, "tests", "src"))
    # Tests that start processes or fail allocations say nothing here, slowly.
    some = ["tests/test_fuzz_corpus.py", "tests/test_exactsum.py"]
    some += ["tests/test_floatmatrix.py", "tests/test_internpool.py"]
    some += ["-k", "not allocation and not process", "-p", "no:cacheprovider"]
    log = _fresh(session, "log") / "memcheck"
    # Lines say where a file is, by which those of memopt are known.
    memcheck = ("valgrind", f"--log-file={log}", "--num-callers=30")
    session.run(
        *(*memcheck, "--fullpath-after=", "python", "-m", "pytest"),
        *(session.posargs or some),
        env={"PYTHONMALLOC": "malloc", "HYPOTHESIS_PROFILE": "seeded"},
        external=True,
    )
    # CPython 3.11 has its own: the digit of a zero from int.from_bytes() is not
    # written, and its address taints whoever holds it.  Ours are read by our code.
    errors = re.split(r"^==\d+== *\n", log.read_text(), flags=re.MULTILINE)
    rooms = "|".join(path.name for path in (ROOT / "src").iterdir() if path.is_dir())
    ours = re.compile(rf"^==\d+== +at .*src/({rooms})/", re.MULTILINE)
    found = [error for error in errors if ours.search(error)]
    print(*found, errors[-1], sep="\n")
    if found:
        session.error(f"{len(found)} errors in memopt")


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Lines of the C that tests do not reach, and not in tests/uncovered.txt."""
    session.install("setuptools>=77", "gcovr>=8", *_extra("test"))
    source = _copy(session, "source", ".")
    session.chdir(source)
    # Counted by every thread; optimised, functions share lines or are one.
    flags = {"CFLAGS": "--coverage -fprofile-update=atomic", "LDFLAGS": "--coverage"}
    build = ("python", "setup.py", "-q", "egg_info", "build_ext", "--inplace")
    switches = {**flags, "MEMOPT_DEBUG": "1"}
    session.run(*build, "--build-temp", "build/coverage", env=switches)
    env = {"PYTHONPATH": str(source), "HYPOTHESIS_PROFILE": "quick"}
    session.run("python", "-m", "pytest", *SLOW_BUILD, *session.posargs, env=env)
    report = ("gcovr", "--root", ".", "--filter", "src/", "--sort", "uncovered-number")
    report += ("--object-directory", "build/coverage")
    session.run(*report, "--txt", "-", "--json", "coverage.json")
    session.run("python", "-m", "tools.uncovered", "coverage.json")
