"""Coverage-guided fuzzing: ``python -m tools.fuzz [target ...] [--seconds N]``.

libFuzzer, by way of atheris, makes inputs for the targets of tests/fuzz_targets.py
and keeps those that reach code of the extension which none before did; for that the
extension is compiled by clang with AddressSanitizer and -fsanitize=fuzzer-no-link,
see `nox -s fuzz`.  An input for which memopt and Python differ, or that a sanitizer
stops, is printed: add it to tests/fuzz_corpus, where the test suite reads it.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
CORPUS = TESTS / "fuzz_corpus"
SHORT = 3  # seconds for each target, where nothing is said: all together 30

# How much of what was found --keep writes down.
MOST_INPUTS = 60
LONGEST_INPUT = 200  # bytes
LONGEST_DRAWN = 4096


def run(target: str, seconds: int, keep: bool) -> bool:
    """Whether nothing was found in so many seconds."""
    print(f"::: {target}, {seconds} s", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / part for part in ("corpus", "found")]
        for folder in folders:
            folder.mkdir()
        corpus, found = folders
        lines = (CORPUS / f"{target}.txt").read_text(encoding="ascii").split()
        for i, line in enumerate(lines):
            (corpus / str(i)).write_bytes(bytes.fromhex(line))
        limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST_DRAWN}"]
        output = [f"-artifact_prefix={found}/", "-print_final_stats=1", "-verbosity=0"]
        code = _fuzz(
            target, *limits, *output, "-reduce_inputs=1", "-timeout=20", str(corpus)
        )
        for path in sorted(found.iterdir()):
            print(f"{target}: {path.name}: {path.read_bytes().hex()}")
        if keep and code == 0:
            _keep(target, corpus)
    return code == 0


def _fuzz(target: str, *arguments: str) -> int:
    command = [sys.executable, "-m", "tools.fuzz", "--child", target, *arguments]
    return subprocess.run(command, check=False).returncode


def _keep(target: str, corpus: Path) -> None:
    """Write the shortest inputs down, which libFuzzer has added to and reduced."""
    lines = {path.read_bytes().hex() for path in corpus.iterdir()}
    short = [line for line in lines if len(line) <= 2 * LONGEST_INPUT]
    kept = sorted(short, key=lambda line: (len(line), line))[:MOST_INPUTS]
    text = "".join(f"{line}\n" for line in kept)
    (CORPUS / f"{target}.txt").write_text(text, encoding="ascii")


def _be_fuzzed(target: str, arguments: list[str]) -> None:
    """libFuzzer's loop, which ends the process."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    sys.path.insert(0, str(TESTS))
    with atheris.instrument_imports(include=["memopt"]):
        targets = importlib.import_module("fuzz_targets").TARGETS

    atheris.Setup([target, *arguments], targets[target])
    atheris.Fuzz()


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        _be_fuzzed(sys.argv[2], sys.argv[3:])
        return
    known = sorted(path.stem for path in CORPUS.iterdir())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="*", choices=[[], *known], default=[])
    parser.add_argument("--seconds", type=int, default=SHORT, help="for each target")
    parser.add_argument("--keep", action="store_true", help="write the corpus anew")
    options = parser.parse_args()
    targets = options.target or known
    failed = [t for t in targets if not run(t, options.seconds, options.keep)]
    if failed:
        raise SystemExit(f"inputs were found for {', '.join(failed)}: see above")
    print(f"{len(targets)} targets, {options.seconds} s each, and nothing found")


if __name__ == "__main__":
    main()
