"""``python -m memopt advise``: runs scripts as python does, and bad input."""

import argparse
import importlib.metadata
import io
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import not_with_asan

import memopt
import memopt.advisor
from memopt.__main__ import main
from memopt.advisor import command, pytest_plugin

WASTE = "waste = [f'some text {i % 10}' for i in range(100_000)]\n"


def run(
    *arguments: object, stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
        cwd=folder,
    )


def advise(
    *arguments: object, stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return run("-m", "memopt", "advise", *arguments, stdin=stdin, folder=folder)


@pytest.fixture
def memopt_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find the same modules as this one, whatever folder they start in."""
    root = Path(memopt.__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), *sys.path]))


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
print(getattr(__loader__, "__name__", type(__loader__).__name__))
print(sys.argv, sys.path[:2], sys.stdin.read(), __main__ is sys.modules["__main__"])
print(sorted(name for name in globals() if name.startswith("__")))
print(sys._getframe().f_code.co_filename, globals().get("__cached__"))
class Local: pass
print(Local.__module__, Local in vars(__main__).values())
"""


@pytest.mark.usefixtures("memopt_anywhere")
@pytest.mark.parametrize("safe_path", [(), ("-P",)])
def test_script_sees_what_python_would_show_it(script: Any, safe_path: Any) -> None:
    """By a path from here or from anywhere, of a script, a folder, a zip file."""
    path = script(PRINTS)
    folder = path.parent
    in_folder = script(PRINTS, "a földer/__main__.py").parent
    with zipfile.ZipFile(folder / "a zíp.pyz", "w") as zipped:
        zipped.writestr("__main__.py", PRINTS)
    for each in (path, path.name, in_folder, in_folder.name, "a zíp.pyz"):
        arguments = (each, "-x", "--", "--json", "a b")
        ours = run(
            *(*safe_path, "-m", "memopt", "advise", *arguments),
            stdin="typed in",
            folder=folder,
        )
        theirs = run(*safe_path, *arguments, stdin="typed in", folder=folder)
        assert theirs.returncode == ours.returncode == 0, ours.stderr
        assert ours.stdout == theirs.stdout


def test_arguments_begin_after_the_script(script: Any) -> None:
    path = script("import sys\nprint(sys.argv[1:])")
    for before, after in {(): ("--", "a"), ("--",): ("a", "--at", "--")}.items():
        done = advise("--at", "exit", *before, path, *after)
        assert done.stdout == f"{[*after]}\n", done.stderr


def test_script_from_stdin() -> None:
    ours, theirs = (each("-", "-x", stdin=PRINTS) for each in (advise, run))
    assert theirs.returncode == ours.returncode == 0, ours.stderr
    assert ours.stdout == theirs.stdout


@pytest.mark.usefixtures("memopt_anywhere")
def test_module_sees_what_python_would_show_it(script: Any) -> None:
    path = script(PRINTS, "some_package/__main__.py")
    script("import sys\nprint(sys.argv)\n", "some_package/__init__.py")
    folder = path.parent.parent
    ours, theirs = (
        each("-m", "some_package", "-x", "--", folder=folder) for each in (advise, run)
    )
    assert theirs.returncode == ours.returncode == 0, ours.stderr
    assert ours.stdout == theirs.stdout


# What runs in one process, one call of the command after the other; each run is
# [options, script, exit code], and python itself is asked for the code as well.
ADVISE_ALL = """
import contextlib, io, json, sys, tracemalloc
from memopt.__main__ import main
from memopt.advisor import pytest_plugin

def call(arguments):
    out, err = io.StringIO(), io.StringIO()
    hook, own = sys.excepthook, sys.modules["__main__"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(["advise", *arguments])
        except SystemExit as end:
            code = end.code
    sys.excepthook, sys.modules["__main__"] = hook, own
    tracemalloc.stop()
    return code, out.getvalue(), err.getvalue()

json.dump([call(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
"""


def advise_all(calls: list[list[object]]) -> list[tuple[int, str, str]]:
    """The exit code, stdout and stderr of each call of the command."""
    texts = [[str(argument) for argument in call] for call in calls]
    done = run("-c", ADVISE_ALL, stdin=json.dumps(texts))
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout)]


ENDS = {
    "pass": 0,
    "import sys; sys.exit()": 0,
    "import sys; sys.exit(7)": 7,
    "import sys; sys.exit('a message')": 1,
    "raise SystemExit(True)": 1,
    "raise SystemExit(2.5)": 1,
    "def f():\n    1 / 0\nf()": 1,
    "import sys; sys.excepthook = lambda *e: print('hook'); 1 / 0": 1,
    "import sys\ndef hook(*e):\n    [].a\nsys.excepthook = hook; 1 / 0": 1,
    "import sys; sys.excepthook = lambda *e: sys.exit(8); 1 / 0": 8,
    "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])": 1,
}


def test_end_is_that_of_the_script(script: Any) -> None:
    paths = [script(text, f"end {i}.py") for i, text in enumerate(ENDS)]
    all_ours = advise_all([[path] for path in paths])
    for path, code, ours in zip(paths, ENDS.values(), all_ours, strict=True):
        theirs = run(path)
        assert ours[0] == theirs.returncode == code
        assert ours[1] == theirs.stdout
        assert ours[2].startswith(theirs.stderr)
        assert "memopt advise: no findings" in ours[2]


def test_interrupted_script(script: Any) -> None:
    """Whoever waits for it is told as python tells it, by a signal if there are any."""
    path = script("raise KeyboardInterrupt")
    ours, theirs = advise(path), run(path)
    assert ours.returncode == theirs.returncode != 1
    assert ours.stderr.startswith(theirs.stderr)
    assert ours.stderr.count("Traceback") == 1


INTERRUPTED_WAIT = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of sh ignores it
goes_on = threading.Event()
def work():
    # Until the main thread waits: threading has been told then, or the advisor's.
    while "join" not in waiting() and "_shutdown" not in waiting():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
    goes_on.wait(5)
def waiting():
    frame, names = sys._current_frames()[threading.main_thread().ident], []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names
threading.Thread(target=work).start()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing sends Ctrl-C to itself")
def test_interrupt_while_threads_are_waited_for(script: Any) -> None:
    """python prints it, and goes on."""
    path = script(INTERRUPTED_WAIT)
    ours, theirs = advise(path), run(path)
    assert ours.returncode == theirs.returncode == 0, ours.stderr
    for each in (ours, theirs):
        assert each.stderr.count("Traceback") == 1
        assert each.stderr.count("KeyboardInterrupt") == 1
    assert ours.stderr.startswith("Exception ignored in: <module 'threading' ")
    assert "memopt advise: no findings" in ours.stderr
    assert "target.py" not in ours.stderr


CLOSED = {
    "import sys; sys.stderr.close()": 0,
    "import sys; sys.__stderr__.close(); sys.stderr = None": 0,
    "import sys; sys.stderr = None; sys.exit('a message')": 1,
    "import sys; sys.stderr.close(); sys.exit('a message')": 1,
}


def test_script_that_closes_stderr(script: Any) -> None:
    """The report is printed to where it was."""
    for text, code in CLOSED.items():
        done = advise(script(text))
        assert done.returncode == code
        assert "memopt advise: no findings" in done.stderr
        assert ("a message\n" in done.stderr) == ("None; sys.exit" in text)
    done = advise("--json", "-", script("import sys; sys.stdout.close()"))
    assert json.loads(done.stdout)["format"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
def test_streams_that_are_not_there(script: Any) -> None:
    path = script("import os; os.close(2) if os.environ.get('CLOSE') else 0")
    command = shlex.join([sys.executable, "-m", "memopt", "advise"])
    script_path = shlex.quote(str(path))
    for line, code, out, err in (
        (f"{command} {script_path} 2>&-", 0, "", ""),
        (f"{command} {script_path} 2>/dev/full", 2, "", ""),
        (f"CLOSE=1 {command} {script_path}", 2, "", ""),
        (
            f"{command} --json - {script_path} >&-",
            *(2, "", "memopt advise: --json -: Bad file descriptor\n"),
        ),
    ):
        if "/dev/full" in line and not os.path.exists("/dev/full"):
            continue
        done = subprocess.run(
            ["sh", "-c", line], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (code, out, err), line


ODD = {
    "streams": "import sys, io\nsys.stdout = sys.stderr = io.StringIO()\n",
    "closed": "import sys\nsys.stdout.close()\n",
    "pool": """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(2)
assert pool.submit(abs, -1).result() == 1
""",
    "the rest": """
import asyncio, atexit, gc, sys, threading, time
sys.modules["odd"], sys.modules["none"] = object(), None
gc.disable()
gc.freeze()
atexit.register(print, "at exit")
async def main():
    await asyncio.sleep(0.01)
asyncio.run(main())
def make():
    time.sleep(0.2)
    globals().update(more=[f'text {i % 5}' for i in range(90000)])
threading.Thread(target=make).start()
""",
}


@pytest.mark.parametrize("what", ODD)
def test_scripts_that_do_odd_things(script: Any, tmp_path: Path, what: str) -> None:
    report = tmp_path / "report.json"
    done = advise("--json", report, script(ODD[what] + "\n" + WASTE))
    assert done.returncode == 0, done.stderr
    loaded = json.loads(report.read_text(encoding="utf-8"))
    paths = {f["path"] for f in loaded["findings"]}
    assert "__main__.waste[…]" in paths
    assert ("__main__.more[…]" in paths) == (what == "the rest")


FORKS = """
import multiprocessing, os, subprocess, sys
def put_square(queue, x):
    queue.put(x * x)
if __name__ == "__main__":
    if hasattr(os, "fork"):
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        else:
            raise SystemExit(3)
        subprocess.run([sys.executable, "-c", ""], check=True, preexec_fn=int)
    # Not a Pool, which has threads of its own by the time it makes another process.
    for method in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        process = context.Process(target=put_square, args=(queue, 3))
        process.start()
        print(queue.get())
        process.join()
"""


@pytest.mark.parametrize("at", ["peak", "exit"])
def test_forks_and_multiprocessing(script: Any, at: str) -> None:
    """The children do what they are to, only the parent reports, and nothing warns."""
    done = advise("--at", at, script(FORKS, "forks.py"))
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) == {"9"}
    assert done.stderr.startswith("memopt advise: no findings"), done.stderr
    assert done.stderr.count("memopt advise:") == 1


WAITS_FOR_OTHERS = """
import threading
threading.Thread(target=print, args=("another",)).start()
while threading.active_count() > 1:
    pass
print(threading.enumerate() == [threading.main_thread()])
"""


def test_script_sees_no_thread_but_its_own(script: Any) -> None:
    done = advise(script(WAITS_FOR_OTHERS))
    assert done.stdout == "another\nTrue\n", done.stderr


def test_peak_finds_what_is_gone_at_exit(script: Any) -> None:
    path = script(
        """
import time
from memopt.advisor import sampler
from memopt.advisor.watch import running
# However slow the machine is: no scan while the list grows, one when it is there.
sampler.FREE_SECONDS, sampler.LEAST_GROWTH = 1000, 1 << 40
def work():
    words = [f"some text {i % 10}" for i in range(400_000)]
    sampler.LEAST_GROWTH = 0
    (watch,) = running
    while not has_seen(watch._look.__self__.best):
        time.sleep(0.01)
def has_seen(report):
    return report is not None and report.python_bytes > 25_000_000
work()
"""
    )
    both = advise("--at", "both", path).stderr
    at_peak, at_exit = both.split("memopt advise: ")[1:]
    assert "at its peak could be saved" in at_peak
    assert "where  work().words[…]   e.g. 'some text " in at_peak
    assert "at exit could be saved" in at_exit
    assert at_exit.startswith("no findings")


def test_options(script: Any, tmp_path: Path) -> None:
    five = script(WASTE + "import sys; sys.exit(5)", "five.py")
    traced = script("import tracemalloc\ntracemalloc.start()\n" + WASTE, "traced.py")
    waste = script(WASTE, "waste.py")
    folder = tmp_path / "reports"
    folder.mkdir()
    files = (folder / "r.json", folder / "r.html")
    over, below, made, minimum, written = advise_all(
        [
            ["--fail-over", "1MB", five],
            ["--fail-over", "900MB", five],
            ["--at", "exit", traced],
            ["--at", "exit", "--min", "50MB", waste],
            ["--at", "exit", "--json", files[0], "--html", files[1], waste],
        ]
    )
    assert (over[0], below[0]) == (3, 5)
    assert f"made   {traced}:3\n" in made[2]
    assert "no findings" in minimum[2]
    assert written[0] == 0
    assert sorted(folder.iterdir()) == sorted(files), "written whole, nothing else"
    report = json.loads(files[0].read_text(encoding="utf-8"))
    found = {finding["path"]: finding for finding in report["findings"]}
    finding = found["__main__.waste[…]"]
    assert finding["count"] == 100_000
    assert finding["items"] == 99_990
    assert finding["saving"] == finding["bytes_now"] - finding["bytes_after"]
    assert finding["measured"] is None
    assert files[1].read_text(encoding="utf-8").endswith("</html>\n")


@not_with_asan
def test_verify(script: Any) -> None:
    waste = script(WASTE, "waste.py")
    ((_, _, proven),) = advise_all([["--at", "exit", "--verify", waste]])
    assert re.search(r"proven [67].\d MB: .* on a copy of 100,000 objects\n", proven)
    assert "memopt advise: looking at, and measuring swaps in, " in proven


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_scans_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a line, which goes away again on a terminal; short ones are not."""
    said = []
    for least in (1 << 60, 0):
        monkeypatch.setattr(command, "_LONG_SCAN", least)
        for stream in (io.StringIO(), Terminal()):
            with command._announced(stream, verify=False):
                said.append(stream.getvalue())
            said.append(stream.getvalue())
    assert said[:4] == [""] * 4
    looking = r"memopt advise: looking at [\d,]+ MB of memory \.\.\."
    assert re.fullmatch(looking + r"\n", said[4])
    assert said[5] == said[4]
    assert re.fullmatch(looking, said[6])
    assert said[7] == said[6] + "\r\033[K"


# For scripts: a peak that is seen in any case, however slow the machine is.  There is
# no scan before `at_peak`, and one in it.
PEAK = """
import sys, threading
from memopt.advisor import sampler
from memopt.advisor.watch import running
sampler.FREE_SECONDS, sampler.MEASURE_SECONDS = 1000, 1000
sampler.LEAST_GROWTH = 1 << 40
def at_peak(least):
    sampler.LEAST_GROWTH = 0
    for watch in running:
        while not has_seen(watch._look.__self__.best, least):
            pass
    sampler.LEAST_GROWTH = 1 << 40
def has_seen(report, least):
    return report is not None and report.python_bytes > least
"""

LOCALS = """
class Plain:
    def __init__(self, i):
        self.x, self.y, self.z = i + 0.5, i - 0.5, None
def main():
    words = [f"some words {i % 10}" for i in range(200_000)]
    points = [(i % 100, i % 10) for i in range(100_000)]
    rows = [[i + j + 0.5 for j in range(300)] for i in range(300)]
    steps = [i * 1000 for i in range(100_000)]
    plain = [Plain(i) for i in range(30_000)]
    blobs = [bytes([i % 50]) * 100 for i in range(50_000)]
    at_peak(35_000_000)
    print(len(words), len(points), len(rows), len(steps), len(plain), len(blobs))
"""


def read_findings(path: Path) -> dict[str, Any]:
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["moment"] == "peak"
    return {finding["path"]: finding for finding in report["findings"]}


@not_with_asan
def test_verify_of_what_is_gone_at_the_end(script: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    path = script(PEAK + LOCALS + "main()\n")
    done = advise("--verify", "--min", "100kB", "--json", report, path)
    assert done.stdout == "200000 100000 300 100000 30000 50000\n", done.stderr
    assert re.search(r"\nMeasuring stopped the script for \d+\.\d\d s\n", done.stderr)
    found = read_findings(report)
    for name in ("words[…]", "points[…]", "rows", "steps", "plain[…]", "blobs[…]"):
        finding = found[f"main().{name}"]
        saving = finding["measured"]["saving"]
        assert saving == pytest.approx(finding["saving"], rel=0.15), name


THREADS = """
words = []
def allocate():
    while not stopped:
        words.append([f"other words {i % 7}" for i in range(1000)])
        if len(words) > 100:
            words.clear()
stopped = []
threads = [threading.Thread(target=allocate) for _ in range(3)]
for thread in threads:
    thread.start()
main()
stopped.append(True)
for thread in threads:
    thread.join()
"""


@not_with_asan
def test_verify_while_threads_allocate(script: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    path = script(PEAK + LOCALS + THREADS)
    done = advise("--verify", "--json", report, path)
    assert done.stdout == "200000 100000 300 100000 30000 50000\n", done.stderr
    finding = read_findings(report)["main().words[…]"]
    assert (finding["measured"], finding["unmeasured"]) == (None, "threads")
    assert "   proven not measured: other threads may have run\n" in done.stderr


GENERATOR = """
import memopt
def look():
    paths.append([finding.path for finding in memopt.advise().findings])
    return 0
def main():
    rows = [[i + j + 0.5 for j in range(50)] for i in range(10_000)]
    return sum(look() if row is rows[-1] else len(row) for row in rows)
paths = []
print(main(), paths)
"""


def test_what_a_generator_goes_through_has_its_own_name() -> None:
    done = run("-c", GENERATOR)
    assert done.stdout == "499950 [['main().rows']]\n", done.stderr


IDLE = """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(3)
print(sum(pool.map(len, ["a", "bc", "def"])))
main()
"""


@not_with_asan
def test_verify_while_threads_sleep(script: Any, tmp_path: Path) -> None:
    """As those of a pool do that have nothing to do; only Linux tells."""
    report = tmp_path / "report.json"
    done = advise("--verify", "--json", report, script(PEAK + LOCALS + IDLE))
    assert done.stdout == "6\n200000 100000 300 100000 30000 50000\n", done.stderr
    finding = read_findings(report)["main().words[…]"]
    if sys.platform == "linux" and Path("/proc/self/schedstat").exists():
        assert finding["unmeasured"] is None
        assert finding["measured"]["objects"] == finding["count"]
    else:
        assert finding["unmeasured"] == "threads"


# What a script could notice, of the time in which it is measured.
NOTICES = """
import gc, signal, time, tracemalloc, weakref
seen = set()
def trace(frame, event, argument):
    seen.add(frame.f_code.co_filename.rpartition("/")[2])
class Garbage:
    def __init__(self):
        self.itself = self
gc.disable()
garbage = weakref.ref(Garbage())
gc.callbacks.append(lambda phase, info: print("collected"))
sys.setswitchinterval(0.25)
handled = []
if hasattr(signal, "setitimer"):
    signal.signal(signal.SIGALRM, lambda _, f: handled.append(f.f_code.co_filename))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
sys.setprofile(trace)
main()
sys.setprofile(None)
if hasattr(signal, "setitimer"):
    signal.setitimer(signal.ITIMER_REAL, 0)
    # errand.py may be where one comes before it can have them wait.
    print({"advisor" in name and "errand" not in name for name in handled})
    print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
print(gc.isenabled(), garbage() is None, sys.getswitchinterval(), sorted(seen))
print(tracemalloc.is_tracing(), threading.enumerate() == [threading.main_thread()])
"""


@not_with_asan
def test_verify_is_not_noticed(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(memopt.__file__).parent.parent))
    report = tmp_path / "report.json"
    path = script(PEAK + LOCALS + NOTICES, "script.py")
    ours, theirs = advise("--verify", "--json", report, path), run(path)
    assert theirs.stdout.count("\n") >= 3, theirs.stderr
    assert ours.stdout == theirs.stdout, ours.stderr
    assert read_findings(report)["main().words[…]"]["measured"]


@not_with_asan
def test_verify_while_the_script_has_tracemalloc_on(
    script: Any, tmp_path: Path
) -> None:
    """Of what is there at the end, more is measured then."""
    report = tmp_path / "report.json"
    path = script(
        PEAK
        + LOCALS
        + WASTE
        + "import tracemalloc\ntracemalloc.start()\nmain()\ntracemalloc.stop()\n"
    )
    done = advise("--verify", "--json", report, path)
    assert done.returncode == 0, done.stderr
    found = read_findings(report)
    gone, there = found["main().words[…]"], found["__main__.waste[…]"]
    assert (gone["measured"], gone["unmeasured"]) == (None, "tracing")
    assert there["unmeasured"] is None
    assert there["measured"]["objects"] == 100_000


def test_verify_of_a_script_in_a_long_call(script: Any, tmp_path: Path) -> None:
    """Measured after it; and the end of the script is not waited for."""
    report = tmp_path / "report.json"
    sleep = """
sampler.PATIENCE, sampler.LEAST_GROWTH = 0.01, 0
import time
def work():
    words = [f"some words {i % 10}" for i in range(200_000)]
    time.sleep(1)
    sampler.LEAST_GROWTH = 1 << 40
    at_peak(20_000_000)
work()
"""
    done = advise("--verify", "--json", report, script(PEAK + sleep))
    assert done.returncode == 0, done.stderr
    assert read_findings(report)["work().words[…]"]["measured"]


@not_with_asan  # what is freed stays resident for a while
def test_a_peak_that_is_missed_is_told(script: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    no_scan = "sampler.FREE_SECONDS = sampler.SHARE = 0\n"
    short = "large = b'x' * 200_000_000\ndel large\n"
    path = script("from memopt.advisor import sampler\n" + no_scan + short)
    done = advise("--json", report, path)
    assert done.returncode == 0, done.stderr
    told = re.search(
        r"\nA peak of (\d+)\.\d MB resident was not looked at", done.stderr
    )
    assert told
    assert 200 <= int(told[1]) < 300
    missed = json.loads(report.read_text(encoding="utf-8"))["missed_peak"]
    assert missed == pytest.approx(int(told[1]) * 10**6, abs=10**6)


@pytest.mark.usefixtures("memopt_anywhere")
def test_relative_outputs_of_a_script_that_goes_elsewhere(
    script: Any, tmp_path: Path
) -> None:
    path = script("import os; os.chdir('/')")
    done = advise("--json", "r.json", "--html", "a r.html", path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {
        path.name,
        "r.json",
        "a r.html",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_output_that_replaces_a_file_is_as_secret(script: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("old", encoding="utf-8")
    secret.chmod(0o600)
    assert advise("--json", secret, script("pass")).returncode == 0
    assert secret.stat().st_mode & 0o777 == 0o600
    assert json.loads(secret.read_text(encoding="utf-8"))["format"] == 1


def test_outputs_that_are_no_new_files(script: Any, tmp_path: Path) -> None:
    old, link = tmp_path / "old.json", tmp_path / "link.json"
    old.write_text("old", encoding="utf-8")
    waste = script(WASTE, "waste.py")
    calls: list[list[object]] = [["--at", "exit", "--json", os.devnull, waste]]
    if os.name == "posix":
        link.symlink_to(old)
        calls.append(["--at", "exit", "--json", link, waste])
    else:
        calls.append(["--at", "exit", "--json", old, waste])
    assert [code for code, _, _ in advise_all(calls)] == [0, 0]
    assert not os.path.isfile(os.devnull)
    assert json.loads(old.read_text(encoding="utf-8"))["format"] == 1
    assert link.is_symlink() == (os.name == "posix")
    full = Path("/dev/full")
    if full.exists():
        done = advise("--at", "exit", "--json", full, waste)
        assert done.returncode == 2
        assert done.stderr.endswith(f"--json {full}: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGBREAK to itself")
def test_report_at_a_signal(script: Any) -> None:
    kill = "os.kill(os.getpid(), signal.SIGUSR1)\n"
    text = f"import os, signal\n{kill}del waste\n{kill}"
    options = ("--at", "signal", "--json", "-", "--fail-over", "1MB")
    done = advise(
        *options, script(WASTE + text + "os.kill(os.getpid(), signal.SIGUSR1)")
    )
    assert done.returncode == 3
    largest, *others = done.stderr.split("memopt advise: ")[1:]
    assert "__main__.waste" in largest
    assert [other[:11] for other in others] == ["no findings"] * 2
    written = json.loads(done.stdout)
    assert written["moment"] == "now"
    assert written["findings"][0]["path"] == "__main__.waste[…]"
    done = advise("--at", "signal", script(WASTE))
    assert "__main__.waste" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGBREAK to itself")
def test_a_report_that_fails_at_a_signal(script: Any) -> None:
    """The script goes on; whoever sent the signal is told."""
    fails = """
import os, signal
from memopt.advisor import report
make_report = report.make_report
del report.make_report
os.kill(os.getpid(), signal.SIGUSR1)
report.make_report = make_report
print("goes on")
"""
    done = advise("--at", "signal", script(fails))
    assert (done.returncode, done.stdout) == (0, "goes on\n")
    assert "memopt advise: no report: AttributeError(" in done.stderr


def test_colours(script: Any) -> None:
    pytest.importorskip("rich", reason="needs the extra memopt[rich]")
    from memopt.advisor.colours import coloured
    from memopt.advisor.report import as_text

    report = memopt.advise([[i + 0.5, i + 1.5] for i in range(2)], min_saving=1)
    assert coloured(report).plain == as_text(report)
    assert {str(span.style) for span in coloured(report).spans} >= {"red", "green"}


def test_colours_need_rich(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.delitem(sys.modules, "memopt.advisor.colours", raising=False)
    monkeypatch.delattr(memopt.advisor, "colours", raising=False)
    assert main(["advise", "--rich", str(script("raise SystemExit(9)"))]) == 2
    assert capsys.readouterr().err == (
        "memopt advise: --rich needs rich: pip install memopt[rich]\n"
    )


PYTEST_ALL = """
import json, sys
import pytest
path, root = sys.argv[1:]
options = ["-q", "-p", "no:cacheprovider", f"--rootdir={root}", path]
options += ["-p", "memopt.advisor.pytest_plugin"]
for limit in ("1MB", "900MB", "x"):
    code = pytest.main([f"--memopt-fail-over={limit}", *options])
    print(f"END {int(code)}")
"""


def test_pytest_option(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Others that are installed take longer than all the rest.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    path = script(WASTE + "def test() -> None:\n    assert waste\n", "test_it.py")
    done = run("-c", PYTEST_ALL, path, path.parent)
    failed, passed, wrong, _ = re.split(r"END (?=\d)", done.stdout)
    assert "test_it.waste[…]" in failed, done.stderr
    assert passed.startswith("1\n")
    assert "memopt" not in passed
    assert wrong.startswith("0\n")
    assert done.stdout.endswith("END 4\n")
    assert "'x' is no size such as 50MB" in done.stderr


def test_pytest_minimum(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default nothing that is above the limit alone is left out."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    waste = "some = [[i / 7 for i in range(100)] for _ in range(100)]\n"
    path = script(waste + "def test() -> None:\n    assert some\n", "test_it.py")
    rows = [[i / 7 for i in range(100)] for _ in range(100)]
    report = memopt.advise(rows, min_saving=1)
    assert 200_000 < report.saving < 10**6
    plugin = ("-p", "memopt.advisor.pytest_plugin", f"--rootdir={path.parent}")
    failing = ("--memopt-fail-over=200kB",)
    passing = (
        ("--memopt-fail-over=1MB", "--memopt-min=0"),
        ("--memopt-fail-over=200kB", "--memopt-min=1MB"),
        ("--memopt-min=0",),
    )
    done = run("-m", "pytest", *plugin, *failing, path)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "test_it.some" in done.stdout
    for options in passing:
        assert run("-m", "pytest", *plugin, *options, path).returncode == 0
    done = run("-m", "pytest", *plugin, *failing, "--memopt-min=lots", path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "'lots' is no size such as 50MB" in done.stderr


def test_pytest_in_several_processes_is_refused(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-xdist's workers hold the memory, and its controller would find none."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    xdist = "def pytest_addoption(parser):\n    parser.addoption('--numprocesses')\n"
    path = script("def test():\n    pass\n", "test_it.py")
    script(xdist, "conftest.py")
    plugin = ("-p", "memopt.advisor.pytest_plugin", f"--rootdir={path.parent}")
    done = run(
        "-m", "pytest", *plugin, "--memopt-fail-over=1", "--numprocesses=2", path
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.endswith("looks at one process: without -n of pytest-xdist\n\n")
    done = run("-m", "pytest", *plugin, "--numprocesses=2", path)
    assert done.returncode == 0, done.stdout


def test_pytest_says_at_once_that_there_is_no_gil(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    path = script("def test():\n    pass\n", "test_it.py")
    script(
        """
from memopt import _memopt
def refuse(*arguments):
    raise NotImplementedError("the heap cannot be scanned")
_memopt._scan_heap = refuse
""",
        "conftest.py",
    )
    plugin = ("-p", "memopt.advisor.pytest_plugin", f"--rootdir={path.parent}")
    done = run("-m", "pytest", *plugin, "--memopt-fail-over=1", path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr == ("ERROR: --memopt-fail-over: the heap cannot be scanned\n\n")
    assert run("-m", "pytest", *plugin, path).returncode == 0


def test_pytest_finds_the_plugin() -> None:
    try:
        importlib.metadata.distribution("memopt")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("memopt is imported from its sources, not installed")
    plugins = importlib.metadata.entry_points(group="pytest11", name="memopt")
    assert {plugin.load() for plugin in plugins} == {pytest_plugin}


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
    shell.user["more"] = values = [i + 0.25 for i in range(20_000)]
    for line, roots in {
        "values": [0],
        "values more": [1, 0],
        "values, more ": [1, 0],
        " [-x for x in more]": [0],
        "[  ], more": [1],
    }.items():
        paths = [f.path for f in shell.magic(line).findings]
        assert paths == [f"roots[{i}]" for i in roots], line
    with pytest.raises(NameError):
        shell.magic("values none")
    with pytest.raises(ValueError, match="takes no expressions"):
        shell.magic("values", "1")
    assert len(values) == 20_000
    shell.user.clear()
    del values
    report = shell.magic("", WASTE)
    assert repr(report) == str(report).rstrip()
    assert len(shell.user["waste"]) == 100_000
    assert (100_000, 99_990) in [(f.count, f.items) for f in report.findings]


def test_magic_in_ipython_itself() -> None:
    pytest.importorskip("IPython", reason="needs IPython")
    done = run("-c", IPYTHON)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("strings 100,000 strings, 10 distinct\n")


IPYTHON = """
import warnings
warnings.simplefilter("default")  # IPython's own are none of ours
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in (
    "%load_ext memopt",
    "%%memopt\\nw = [f'text {i % 10}' for i in range(100_000)]",
    "assert type(_).__name__ == 'Report' and _.moment in ('peak', 'now')",
):
    shell.run_cell(cell).raise_error()
result = shell.run_cell("%memopt w")
result.raise_error()
shown, _ = shell.display_formatter.format(result.result)
assert shown["text/html"].startswith('<div class="memopt">'), shown
(finding,) = result.result.findings
print(finding.kind, finding.title)
"""


def test_no_gil_is_said_before_the_script_runs(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise NotImplementedError("the heap cannot be scanned")

    monkeypatch.setattr(
        "memopt.advisor.command._memopt", SimpleNamespace(_scan_heap=refuse)
    )
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    options = parser.parse_args([str(script("print('ran')"))])
    assert command.main(options) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "memopt advise: the heap cannot be scanned\n")


SIZES = {
    "50B": 50,
    "1000": 1000,
    " 1.5 kB ": 1500,
    "2k": 2000,
    "0.1GB": 10**8,
    "3m": 3 * 10**6,
    "0": 0,
    "9" * 15 + "GB": (10**15 - 1) * 10**9,
}


def test_sizes() -> None:
    for text, size in SIZES.items():
        assert command.parse_size(text) == pytest.approx(size, rel=1e-15), text
    for wrong in ("", "B", "-1", "1e9", "1,000", "5MiB", "1.5.5MB", "nan", "9" * 400):
        with pytest.raises(argparse.ArgumentTypeError, match="is no size such as 50MB"):
            command.parse_size(wrong)
    report = memopt.advise([i / 7 for i in range(1000)], min_saving=(1 << 64) + 1)
    assert report.findings == ()


@pytest.mark.usefixtures("memopt_anywhere")
def test_modules_that_cannot_be_run(script: Any) -> None:
    """python's own words, but for a code of 2 and the traceback of a syntax error."""
    script("x = = 1", "no_python.py")
    script("", "empty.py")
    script("", "a_package/__init__.py")
    folder = script("1 / 0", "broken/__init__.py").parent.parent
    for name in ("none", "os.path.no", "..a", "a_package", "sys", "empty.py"):
        ours, theirs = (each("-m", name, folder=folder) for each in (advise, run))
        assert (ours.returncode, ours.stdout) == (2, "")
        told = theirs.stderr.removeprefix(f"{sys.executable}: ")
        assert ours.stderr == f"memopt advise: {told}"
    ours, theirs = (each("-m", "no_python", folder=folder) for each in (advise, run))
    assert ours.returncode == 2
    assert theirs.stderr.endswith(ours.stderr)
    assert len(ours.stderr.splitlines()) == 4
    ours, theirs = (each("-m", "broken", folder=folder) for each in (advise, run))
    assert ours.returncode == theirs.returncode == 1
    first = '  File "' + str(folder)
    assert ours.stderr.partition(first)[2] == theirs.stderr.partition(first)[2] != ""
    assert "memopt" not in ours.stderr.replace(str(folder), "")


# Bytes that python refuses, each in the words of what it says last.
NO_TEXT = {
    "comment": b"x = 1\n# caf\xe9\n",
    "string": b"x = 1\r\ny = 'caf\xe9'\r\n",
    "later": b"x = = 1\ny = '\xff'\n",
    "above": b"# \xe9\n# coding: latin-1\n",
    "third": b"x = 1\ny = 2\n# coding: latin-1\nz = '\xe9'\n",
    "not_below": b"x = 1\n# coding: latin-1\nz = '\xe9'\n",
    "unknown": b"# coding: nonsense\nx = 1\n",
    "wide": b"# coding: utf-16\nx = 1\n",
    "ascii": b"#!python\n# -*- coding: ascii -*-\nx = '\xe9'\n",
    "null": b"x = 1\0\n",
    "null_above": b"x = 1\0\n# \xe9\n",
    "null_below": b"# \xe9\nx = 1\0\n",
    "null_unknown": b"# coding: nonsense\nx = 1\0\n",
    "utf16": "x = 1\n".encode("utf-16"),
    "with_bom": b"\xef\xbb\xbfx = '\xe9'\n",
    "other_bom": b"\xef\xbb\xbf# coding: latin-1\n",
    "declared": b"# coding: utf-8\nx = '\xe9'\n",
}
# And what it runs.
TEXT = {
    "latin": b"# coding: latin-1\nx = '\xe9'\n",
    "below": b"\n# vim: set fileencoding=latin-1 :\nx = '\xe9'\n",
    "first": b"# coding: latin-1\n# coding: nonsense\nx = '\xe9'\n",
    "bom": b"\xef\xbb\xbfx = '\xc3\xa9'\n",
    "utf8": b"# coding: utf-8\n# \xe9\n",
    "emacs": b"# -*- coding: latin-1-unix -*-\nx = '\xe9'\n",
    "emacs_too": b"# -*- coding: ISO_8859-1-dos -*-\r\nx = '\xe9'\r\n",
}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="says it in other words")
def test_what_is_no_text_is_refused_in_the_words_of_python(tmp_path: Path) -> None:
    for name, source in {**NO_TEXT, **TEXT}.items():
        (tmp_path / f"{name}.py").write_bytes(source)
    paths = [tmp_path / f"{name}.py" for name in (*NO_TEXT, *TEXT)]
    for path, ours in zip(paths, advise_all([[path] for path in paths]), strict=True):
        theirs = run(path)
        if path.stem in TEXT:
            assert (ours[0], theirs.returncode) == (0, 0), ours[2]
            continue
        assert (ours[0], theirs.returncode) == (2, 1), path
        said = theirs.stderr.splitlines()[-1]
        assert said.startswith("SyntaxError: "), said
        assert ours[2].splitlines()[-1].endswith(said), path


def test_bad_input(script: Any, tmp_path: Path) -> None:
    good, bad = script("print('ran')"), script("x = = 1", "bad.py")
    nul = script("x = 1\0", "zero.py")
    said: dict[tuple[object, ...], str] = {
        (tmp_path / "none.py",): "none.py': [Errno 2] No such file or directory",
        (tmp_path,): "can't find '__main__' module in ",
        ("",): "can't find '__main__' module in ",
        (bad,): "SyntaxError: invalid syntax",
        (nul,): "SyntaxError: source code cannot contain null bytes",
        ("-m", "no_such_module"): "No module named no_such_module",
        ("--nonsense", good): "unrecognized arguments: --nonsense",
        ("--min", "much", good): "no size such as 50MB",
        ("--fail-over", "1e9", good): "no size such as 50MB",
        ("--at", "noon", good): "argument --at: invalid choice: 'noon'",
        ("--json", tmp_path / "a" / "b", good): f"{Path('a', 'b')}: No such file",
        ("--json", "a", "--html", Path("b", "..", "a"), good): "it is the same file",
        ("--json", "", good): "it is a folder",
        ("--html", tmp_path, good): "it is a folder",
        (): "the following arguments are required: script.py",
        ("--at", "exit"): "the following arguments are required: script.py",
        ("--",): "the following arguments are required: script.py",
    }
    if sys.platform != "win32":  # where a long path may be one that is not there
        said["--json", "a" * 300, good] = "a" * 300 + ": File name too long"
    answers = advise_all([list(arguments) for arguments in said])
    for (code, out, err), message in zip(answers, said.values(), strict=True):
        assert (code, out) == (2, ""), err
        assert message in err.splitlines()[-1]
        assert err.count("\n") == 1 or err == run(bad).stderr
    done = advise(tmp_path / "none.py")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
