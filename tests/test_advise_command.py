"""``python -m memopt advise``: runs scripts as python does, and bad input."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import memopt

WASTE = "waste = [f'some text {i % 10}' for i in range(100_000)]\n"


def run(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def advise(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run("-m", "memopt", "advise", *arguments, stdin=stdin)


@pytest.fixture
def script(tmp_path: Path) -> Any:
    def write(text: str, name: str = "a scrípt.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


PRINTS = """
import os, sys, __main__
print(__name__, __file__, __package__, __spec__ and __spec__.name)
print(sys.argv, sys.path[0], sys.stdin.read(), __main__ is sys.modules["__main__"])
print(sorted(name for name in globals() if name.startswith("__")))
class Local: pass
print(Local.__module__, Local in vars(__main__).values())
"""


def normal(text: str) -> str:
    """Without what python -m sets only if it has to, __cached__."""
    return text.replace(" '__cached__',", "")


def test_script_sees_what_python_would_show_it(script: Any) -> None:
    path = script(PRINTS)
    ours = advise(path, "-x", "--json", "a b", stdin="typed in")
    theirs = run(path, "-x", "--json", "a b", stdin="typed in")
    assert theirs.returncode == ours.returncode == 0, ours.stderr
    assert normal(ours.stdout) == normal(theirs.stdout)


def test_module_sees_what_python_would_show_it(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = script(PRINTS, "some_package/__main__.py")
    script("", "some_package/__init__.py")
    root = Path(__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), *sys.path]))
    monkeypatch.chdir(path.parent.parent)
    ours, theirs = advise("-m", "some_package", "-x"), run("-m", "some_package", "-x")
    assert theirs.returncode == ours.returncode == 0, ours.stderr
    assert normal(ours.stdout) == normal(theirs.stdout)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(7)", 7),
        ("import sys; sys.exit('a message')", 1),
        ("raise SystemExit(True)", 1),
        ("def f():\n    1 / 0\nf()", 1),
        ("import sys; sys.excepthook = lambda *e: print('hook'); 1 / 0", 1),
    ],
)
def test_end_is_that_of_the_script(script: Any, text: str, code: int) -> None:
    path = script(text)
    ours, theirs = advise(path), run(path)
    assert ours.returncode == theirs.returncode == code
    assert ours.stdout == theirs.stdout
    assert ours.stderr.startswith(theirs.stderr)
    assert "memopt advise: no findings" in ours.stderr


@pytest.mark.parametrize(
    "text",
    [
        "import sys, io\nsys.stdout = sys.stderr = io.StringIO()\n",
        "import sys\nsys.stdout.close()\n",
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), make())).start()\n"
        "make = lambda: globals().update(more=[f'text {i % 5}' for i in range(90000)])",
        "import asyncio\nasync def main():\n    await asyncio.sleep(0.01)\n"
        "asyncio.run(main())\n",
        "import gc\ngc.disable()\ngc.freeze()\n",
        "import sys\nsys.modules['odd'] = object()\nsys.modules['none'] = None\n",
        "import atexit\natexit.register(print, 'at exit')\n",
    ],
)
def test_scripts_that_do_odd_things(script: Any, tmp_path: Path, text: str) -> None:
    report = tmp_path / "report.json"
    done = advise("--json", report, script(text + "\n" + WASTE))
    assert done.returncode == 0, done.stderr
    loaded = json.loads(report.read_text(encoding="utf-8"))
    paths = {f["path"] for f in loaded["findings"]}
    assert "__main__.waste[…]" in paths
    assert ("__main__.more[…]" in paths) == ("more=" in text)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_does_not_report(script: Any) -> None:
    text = "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\n"
    done = advise(script("import warnings; warnings.simplefilter('ignore')\n" + text))
    assert done.returncode == 0
    assert done.stderr.count("memopt advise:") == 1


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_multiprocessing(script: Any, method: str) -> None:
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    path = script(
        f"""
import multiprocessing, warnings
warnings.simplefilter("ignore")
def square(x):
    return x * x
if __name__ == "__main__":
    multiprocessing.set_start_method({method!r})
    with multiprocessing.Pool(1) as pool:
        print(pool.map(square, range(4)))
""",
        "pool_script.py",
    )
    done = advise("--at", "exit", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[0, 1, 4, 9]\n"
    assert done.stderr.count("memopt advise:") == 1


def test_peak_finds_what_is_gone_at_exit(script: Any) -> None:
    path = script(
        """
import threading, time
from memopt.advisor import sampler
# However slow the machine is: no scan while the list grows, one when it is there.
sampler.FREE_SECONDS, sampler.LEAST_GROWTH = 1000, 1 << 40
def work():
    words = [f"some text {i % 10}" for i in range(400_000)]
    sampler.LEAST_GROWTH = 0
    for thread in threading.enumerate():
        while thread.name == "memopt-advise" and not has_seen(thread.best):
            time.sleep(0.01)
def has_seen(report):
    return report is not None and report.python_bytes > 25_000_000
work()
"""
    )
    at_peak = advise(path)
    assert "at its peak could be saved" in at_peak.stderr
    assert "where  work().words[…]   e.g. 'some text 0'" in at_peak.stderr
    both = advise("--at", "both", path).stderr
    assert both.index("at its peak could") < both.index("at exit could")
    assert "no findings" in advise("--at", "exit", path).stderr


@pytest.mark.parametrize(("limit", "code"), [("1MB", 3), ("1e9", 2), ("900MB", 5)])
def test_fail_over(script: Any, limit: str, code: int) -> None:
    path = script(WASTE + "import sys; sys.exit(5)")
    assert advise("--fail-over", limit, path).returncode == code


def test_allocation_lines_if_tracemalloc_is_on(script: Any) -> None:
    path = script("import tracemalloc\ntracemalloc.start()\n" + WASTE)
    assert f"made   {path}:3\n" in advise("--at", "exit", path).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGBREAK to itself")
def test_report_at_a_signal(script: Any) -> None:
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)\ndel waste\n"
    done = advise("--at", "signal", script(WASTE + text))
    assert done.returncode == 0
    now, at_exit = done.stderr.split("memopt advise: ")[1:]
    assert "__main__.waste" in now
    assert at_exit.startswith("no findings")


PLUGIN = ("-m", "pytest", "-q", "-p", "memopt.advisor.pytest_plugin")


@pytest.mark.parametrize(("limit", "code"), [("1MB", 1), ("900MB", 0), ("x", 4)])
def test_pytest_option(script: Any, limit: str, code: int) -> None:
    path = script(WASTE + "def test() -> None:\n    assert waste\n", "test_it.py")
    options = ("-p", "no:cacheprovider", f"--rootdir={path.parent}")
    if memopt_is_a_plugin():
        done = run("-m", "pytest", "-q", *options, f"--memopt-fail-over={limit}", path)
    else:
        done = run(*PLUGIN, *options, f"--memopt-fail-over={limit}", path)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("test_it.waste[…]" in done.stdout) == (code == 1)


def memopt_is_a_plugin() -> bool:
    """Whether pytest finds it by itself: not without an installed distribution."""
    plugins = importlib.metadata.entry_points(group="pytest11")
    return any(plugin.name == "memopt" for plugin in plugins)


class Shell:
    """What the magic needs of IPython."""

    def __init__(self) -> None:
        self.user: dict[str, Any] = {}
        self.magic: Any = None

    def register_magic_function(self, function: Any, kind: str, name: str) -> None:
        assert (kind, name) == ("line_cell", "memopt")
        self.magic = function

    def ev(self, expression: str) -> object:
        return eval(expression, self.user)

    def run_cell(self, cell: str) -> None:
        exec(cell, self.user)


def test_ipython_magic() -> None:
    shell = Shell()
    memopt.load_ipython_extension(shell)
    shell.user["values"] = [i + 0.5 for i in range(10_000)]
    assert [f.path for f in shell.magic("values").findings] == ["roots[0]"]
    shell.user.clear()
    report = shell.magic("", WASTE)
    assert "memopt advise" in str(report)
    assert len(shell.user["waste"]) == 100_000
    assert (100_000, 99_990) in [(f.count, f.items) for f in report.findings]


def said(*arguments: object) -> str:
    done = advise(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


def test_bad_input(script: Any, tmp_path: Path) -> None:
    good = script("print('ran')")
    assert said(tmp_path / "none.py").endswith(
        "none.py': [Errno 2] No such file or directory"
    )
    assert "it is a folder" in said(tmp_path)
    assert said(script("x = = 1", "bad.py")).endswith("SyntaxError: invalid syntax")
    assert said("-m", "no_such_module").endswith("No module named no_such_module")
    assert "can't find 'os.path.no'" in said("-m", "os.path.no")
    assert "unrecognized arguments: --nonsense" in said("--nonsense", good)
    assert "no size such as 50MB" in said("--min", "much", good)
    assert "there is no such folder" in said("--json", tmp_path / "a" / "b", good)
    assert "it is a folder" in said("--json", tmp_path, good)
    assert "the following arguments are required" in said()


def test_report_is_written_whole(script: Any, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    done = advise("--json", folder / "r.json", script(WASTE))
    assert done.returncode == 0
    assert [path.name for path in folder.iterdir()] == ["r.json"]
    report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    (finding,) = report["findings"]
    assert finding["count"] == 100_000
    assert finding["items"] == 99_990
    assert finding["saving"] == finding["bytes_now"] - finding["bytes_after"]
