"""The inputs that fuzzing found worth keeping are computed as Python does."""

from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="the targets take arrays")

from fuzz_targets import TARGETS

CORPUS = Path(__file__).with_name("fuzz_corpus")


def kept(target: str) -> list[bytes]:
    """A line of hexadecimal digits for each input."""
    text = (CORPUS / f"{target}.txt").read_text(encoding="ascii")
    return [bytes.fromhex(line) for line in text.splitlines()]


def test_every_target_has_a_corpus() -> None:
    assert {path.stem for path in CORPUS.iterdir()} == TARGETS.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target: str) -> None:
    inputs = kept(target)
    assert inputs
    for data in inputs:
        TARGETS[target](data)
