"""``python -m memopt demo``: what it measures, prints and writes."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    target = tmp_path_factory.mktemp("a folder, ünïcode") / "figures.json"
    done = run_demo("--json", str(target))
    assert done.returncode == 0, done.stderr
    for scenario in scenarios.SCENARIOS:
        assert f"\n{scenario.name}: {scenario.title}\n" in done.stdout
    assert list(target.parent.iterdir()) == [target]
    loaded: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return loaded


def _ratio(figures: dict[str, Any], name: str) -> float:
    (scenario,) = (s for s in figures["scenarios"] if s["name"] == name)
    before: int = scenario["before"]["python_peak_bytes"]
    after: int = scenario["after"]["python_peak_bytes"]
    return before / after


def test_every_scenario_is_measured(figures: dict[str, Any]) -> None:
    names = [s["name"] for s in figures["scenarios"]]
    assert names == [s.name for s in scenarios.SCENARIOS]
    for scenario in figures["scenarios"]:
        assert scenario["equal"] is True
        for cost in (scenario["before"], scenario["after"], *scenario["others"]):
            assert cost["seconds"] > 0
            assert cost["peak_bytes"] > 1_000_000
            assert cost["python_peak_bytes"] > 0


@pytest.mark.parametrize(
    ("name", "at_least"),
    [("lazymap", 30), ("internpool", 2), ("internpool-unique", 30)],
)
def test_memory_saved(figures: dict[str, Any], name: str, at_least: float) -> None:
    assert _ratio(figures, name) >= at_least


def test_memory_saved_by_matrix(figures: dict[str, Any]) -> None:
    assert _ratio(figures, "floatmatrix") >= 3.5


@pytest.fixture(scope="module")
def matrix_alone() -> subprocess.CompletedProcess[str]:
    done = run_demo("--only", "floatmatrix", "--json", "-")
    assert done.returncode == 0, done.stderr
    return done


def test_json_on_stdout_replaces_the_table(
    matrix_alone: subprocess.CompletedProcess[str],
) -> None:
    (scenario,) = json.loads(matrix_alone.stdout)["scenarios"]
    assert scenario["name"] == "floatmatrix"


def test_progress_names_each_step(
    matrix_alone: subprocess.CompletedProcess[str],
) -> None:
    lines = matrix_alone.stderr.splitlines()
    assert lines[:2] == [
        "[1/4] floatmatrix: timing lists",
        "[2/4] floatmatrix: timing FloatMatrix",
    ]
    assert {line.split("] ")[1] for line in lines[2:]} == {
        "floatmatrix: counting the bytes of lists",
        "floatmatrix: counting the bytes of FloatMatrix",
    }


def test_scale_multiplies_the_work(
    matrix_alone: subprocess.CompletedProcess[str],
) -> None:
    doubled = run_demo("--only", "floatmatrix", "--scale", "2", "--json", "-")
    small, large = (
        json.loads(done.stdout)["scenarios"][0]["after"]["python_peak_bytes"]
        for done in (matrix_alone, doubled)
    )
    assert small >= 8_000_000
    assert large - small == pytest.approx(8_000_000, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "0"], "argument --scale: '0' is not a whole number above 0"),
        (["--scale", "x"], "argument --scale: 'x' is not a whole number above 0"),
        (["--only", "nothing"], "argument --only: invalid choice: 'nothing'"),
        (["--json", "/no/such/folder/f.json"], "there is no such folder"),
        (["--json", os.curdir], "--json .: this is a folder, not a file"),
        (["--json", ""], "--json : this is a folder, not a file"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_bad_arguments_end_with_2(arguments: list[str], message: str) -> None:
    done = run_demo(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_closed_pipe_is_no_traceback() -> None:
    command_line = [sys.executable, "-m", "memopt", "demo", "--only", "floatmatrix"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command_line, stdout=pipe, stderr=pipe, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        demo.stdout.close()
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
    before = target.stat()
    assert run_here(monkeypatch, lambda *_: [_result(1)], str(target)) == 0
    assert json.loads(target.read_text(encoding="utf-8"))["scale"] == 1
    # Not replaced: it may be a device, a link, or have permissions of its own.
    assert os.path.samestat(target.stat(), before)
    assert target.stat().st_mode == before.st_mode


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
