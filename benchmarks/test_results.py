"""RESULTS.md stays what the command writes."""

import re

from benchmarks.compare import RESULTS, Section, updated

WRITTEN = RESULTS.read_text(encoding="utf-8")
SECTIONS = [Section.parse(text) for text in re.split(r"(?m)^(?=## )", WRITTEN)[1:]]


def test_writing_a_section_again_changes_nothing() -> None:
    assert SECTIONS
    for section in SECTIONS:
        assert updated(WRITTEN, section, only_some=False) == WRITTEN


def test_only_some_tables_replace_those_alone() -> None:
    old = SECTIONS[0]
    heading = next(iter(old.tables))
    again = f"{heading}\n\nmeasured again"
    text = updated(WRITTEN, Section(old.title, "today", {heading: again}), True)
    new = Section.parse(re.split(r"(?m)^(?=## )", text)[1])
    assert new.about == "today"
    assert new.tables == {**old.tables, heading: again}


def test_another_machine_gets_a_section_of_its_own() -> None:
    other = Section("## Another", "today", {"### x": "### x\n\nnothing"})
    text = updated(WRITTEN, other, only_some=True)
    assert text == WRITTEN + "\n" + other.render()
    assert updated("", other, only_some=False).endswith(other.render())
