"""The tables of docs/estimators.md have a row for each model that `nox -s estimators` takes through the workflow."""

from __future__ import annotations

import re

import pytest

from tests.estimators.__main__ import PAGE, heading, list_untried, replace_section
from tests.estimators.catalogue import COMPOSITIONS, OTHERS, TASKS

TEXT = PAGE.read_text(encoding="utf-8")


def section(first: str) -> str:
    return TEXT.partition(f"{first}\n\n")[2].partition("\n\n#")[0]


@pytest.mark.parametrize("task", TASKS)
def test_each_model_has_a_row_with_a_verdict_and_predictions_or_a_reason(task: str) -> None:
    """Given the catalogue, then each composition and each estimator of other libraries stands in the table of its task."""
    lines = [line for line in section(heading(task)).splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    titles = {row[0].strip("`") for row in rows}
    others = OTHERS["Regressor" if task == "regression" else "Classifier"]
    assert {*others, *(name.replace("_", " ") for name in COMPOSITIONS[task])} <= titles
    assert sum(title.startswith("sklearn.") for title in titles) > 30
    for row in rows:
        assert row[1] in ("pass", "fail", "inconclusive"), row
        assert (row[2] == "yes") == (not row[3]), row


def test_a_run_replaces_the_section_of_its_task_alone() -> None:
    """Given the page, when a section gets the lines that it has, then the page is the same; with others, only it changes."""
    first = heading("regression")
    assert replace_section(TEXT, first, section(first).splitlines()) == TEXT
    changed = replace_section(TEXT, first, ["new"])
    assert changed == TEXT.replace(section(first), "new")
    assert section("### Not tried") == "\n".join(list_untried()) + "\n"
