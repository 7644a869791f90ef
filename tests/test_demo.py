"""``python -m memopt demo``: what it measures, prints and writes."""

import argparse
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from memopt.__main__ import main
from memopt.demo import command, report, scenarios
from memopt.demo.measure import Cost, MeasurementError, Result, measure


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "memopt", "demo", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def traced(name: str, file: Path, scale: float = 1) -> list[dict[str, Any]]:
    """What `before` and `after` of a scenario take, as the demo counts bytes."""
    scenario = scenarios.find(name)
    if scenario.prepare is not None:
        scenario.prepare(file)

    def cost(variant: scenarios.Variant) -> dict[str, Any]:
        arguments = [name, variant.label, str(scale), str(file), "traced"]
        done = subprocess.run(
            [sys.executable, "-m", "memopt.demo.worker", *arguments],
            capture_output=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    with ThreadPoolExecutor() as pool:
        return list(pool.map(cost, (scenario.before, scenario.after)))


@pytest.mark.parametrize(
    ("name", "scale", "at_least"),
    [
        ("lazymap", 1, 30),
        ("internpool", 1, 2),
        ("internpool-unique", 0.05, 2),
        ("floatmatrix", 1, 3.5),
    ],
)
def test_memory_saved(
    name: str,
    scale: float,
    at_least: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Strings repeat more in all of the library, which takes long to tokenize.
    some = scenarios._library_files()[::6]
    monkeypatch.setattr(scenarios, "_library_files", lambda: some)
    before, after = traced(name, tmp_path / "input", scale)
    assert before["python_peak_bytes"] >= at_least * after["python_peak_bytes"]
    assert scenarios.find(name).equal(before["answer"], after["answer"])


@pytest.mark.skipif(os.name == "nt", reason="making links is a privilege on Windows")
def test_library_files_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.py").touch()
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    assert scenarios._library_files() == [tmp_path / "there.py"]


def test_unique_messages_need_no_more_memory_if_there_are_more(tmp_path: Path) -> None:
    peaks = [
        traced("internpool-unique", tmp_path, scale)[1]["python_peak_bytes"]
        for scale in (0.05, 0.1)
    ]
    assert peaks[1] == pytest.approx(peaks[0], rel=0.05)


def test_scale_multiplies_the_work(tmp_path: Path) -> None:
    small, large = (
        traced("floatmatrix", tmp_path, scale)[1]["python_peak_bytes"]
        for scale in (0.1, 0.2)
    )
    assert small >= 800_000
    assert large - small == pytest.approx(800_000, rel=0.01)


def test_command(tmp_path: Path) -> None:
    """The table, the progress and the JSON of one run, as a user has it."""
    folder = tmp_path / "a folder, ünïcode"
    folder.mkdir()
    target = folder / "figures.json"
    done = run_demo("--only", "lazymap", "--json", str(target))
    assert done.returncode == 0, done.stderr
    title = scenarios.find("lazymap").title
    assert f"\nlazymap: {title}\n" in done.stdout
    assert list(folder.iterdir()) == [target]
    (scenario,) = json.loads(target.read_text(encoding="utf-8"))["scenarios"]
    assert scenario["name"] == "lazymap"
    assert scenario["equal"] is True
    for cost in (scenario["before"], scenario["after"], *scenario["others"]):
        assert cost["seconds"] > 0
        assert cost["peak_bytes"] > 1_000_000
        assert cost["python_peak_bytes"] > 0
    lines = done.stderr.splitlines()
    assert lines[:2] == [
        "[1/4] lazymap: timing list",
        "[2/4] lazymap: timing LazyMap",
    ]
    assert {line.split("] ")[1] for line in lines[2:]} == {
        "lazymap: counting the bytes of list",
        "lazymap: counting the bytes of LazyMap",
    }


def test_json_on_stdout_replaces_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(monkeypatch, lambda *_: [_result(1)], "-") == 0
    (scenario,) = json.loads(capsys.readouterr().out)["scenarios"]
    assert scenario["name"] == "name"


def test_all_scenarios_are_measured_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    def measured(*arguments: Any) -> list[Result]:
        seen.extend(arguments[:2])
        return [_result(1)]

    monkeypatch.setattr(command, "measure", measured)
    assert main(["demo", "--scale", "7", "--json", "-"]) == 0
    assert seen == [list(scenarios.SCENARIOS), 7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "0"], "argument --scale: '0' is not a whole number above 0"),
        (["--scale", "x"], "argument --scale: 'x' is not a whole number above 0"),
        (["--only", "nothing"], "argument --only: invalid choice: 'nothing'"),
        (["--json", "/no/such/folder/f.json"], "f.json: No such file or directory"),
        (["--json", os.curdir], "--json .: it is a folder"),
        (["--json", ""], "--json : it is a folder"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_bad_arguments_end_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["demo", *arguments])
    except SystemExit as end:  # of argparse
        code = end.code
    assert code == 2
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""


CLOSED = """
import sys
from memopt.__main__ import main
from memopt.demo import command
command.measure = lambda *arguments: []
print("started", file=sys.stderr, flush=True)
sys.stdin.read()
sys.exit(main(["demo"]))
"""


def test_closed_pipe_is_no_traceback() -> None:
    command_line = [sys.executable, "-c", CLOSED]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command_line, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        assert demo.stdin is not None
        demo.stdout.close()
        demo.stdin.close()
        errors = demo.stderr.read()
    assert "Traceback" not in errors
    # Windows does not say that the reader has gone, but that writing failed.
    assert demo.returncode == (2 if sys.platform == "win32" else 1)


def run_here(
    monkeypatch: pytest.MonkeyPatch, measured: Callable[..., list[Result]], target: str
) -> int:
    """Run the demo in this process with `measured` in the place of measuring."""
    monkeypatch.setattr(command, "measure", measured)
    return command.main(argparse.Namespace(json=target, scale=1, only=["lazymap"]))


def test_json_goes_into_the_file_that_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = tmp_path / "figures.json"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o600)
    before = target.stat()
    assert run_here(monkeypatch, lambda *_: [_result(1)], str(target)) == 0
    assert json.loads(target.read_text(encoding="utf-8"))["scale"] == 1
    assert target.stat().st_mode == before.st_mode
    assert list(tmp_path.iterdir()) == [target]


def test_json_that_cannot_be_written_whole_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "figures.json"
    target.write_text("old", encoding="utf-8")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(command, "_discard_output", lambda: None)
    assert run_here(monkeypatch, lambda *_: [_result(1)], str(target)) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_goes_where_a_link_leads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target, link = tmp_path / "figures.json", tmp_path / "link.json"
    try:
        link.symlink_to(target)
    except OSError:  # Windows wants a privilege for it
        pytest.skip("no links can be made here")
    assert run_here(monkeypatch, lambda *_: [_result(1)], str(link)) == 0
    assert link.is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["scale"] == 1


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> list[Result]:
        raise KeyboardInterrupt

    assert run_here(monkeypatch, interrupted, "-") == 130


def test_report_names_the_scale() -> None:
    assert "times" not in report.as_text([_result(1)], 1).splitlines()[0]
    line = report.as_text([_result(1)], 7).splitlines()[0]
    assert line.endswith("; sizes are 7 times those named")


def _result(answer: object) -> Result:
    def cost(label: str, value: object, size: int) -> Cost:
        return Cost(label, "code", 0.5, 10 * size, size, value)

    scenario = scenarios.Scenario("name", "title", *[scenarios.SCENARIOS[0].before] * 2)
    before, after = cost("old", 1, 4_000_000), cost("new", answer, 1_000_000)
    return Result(scenario, before, after, ())


def test_report_shows_the_ratio_and_a_bar() -> None:
    text = report.as_text([_result(1)], 1)
    assert "new peaks at 1/4.0 of the memory; equal answers" in text
    bars = [line.count("#") for line in text.splitlines() if "#" in line]
    assert bars == [30, 8]


def test_different_answers_are_shouted() -> None:
    result = _result(2)
    assert not result.equal
    assert "THE ANSWERS DIFFER" in report.as_text([result], 1)
    assert report.as_object([result], 1)["scenarios"][0]["equal"] is False


def test_different_answers_end_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_here(monkeypatch, lambda *_: [_result(2)], "-") == 1


def test_matrix_answers_must_agree_to_the_last_bit() -> None:
    same = scenarios.find("floatmatrix").equal
    exact = {"sum": 0.1 + 0.2, "exact": 0.3}
    assert same(exact, {"sum": 0.3, "exact": 0.3})
    assert not same(exact, {"sum": 0.1 + 0.2, "exact": 0.1 + 0.2})


def test_failing_worker_is_reported() -> None:
    def fail(task: scenarios.Task) -> scenarios.Outcome:
        raise AssertionError("never run here")

    variant = scenarios.Variant("no such variant", "", fail)
    broken = scenarios.Scenario("lazymap", "", variant, variant)
    with pytest.raises(MeasurementError, match="ended with 1"):
        measure([broken], 1, lambda what: None)
