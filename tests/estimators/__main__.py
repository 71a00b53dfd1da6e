"""Takes every estimator through the whole story, and writes the tables of docs/estimators.md. Arguments choose tasks."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tests.estimators.catalogue import NO_TASK, TASKS, attempts
from tests.estimators.story import Story, tell_stories

PAGE = Path(__file__).parents[2] / "docs/estimators.md"
PACKAGES = ("scikit-learn", "xgboost-cpu", "lightgbm", "imbalanced-learn", "skops")


def main(chosen: Sequence[str]) -> int:
    """Try all tasks or the chosen ones, and write the table of each as it ends. Return 1 if a model has neither a verdict nor a reason."""
    stories: list[Story] = []
    with tempfile.TemporaryDirectory() as folder:
        for task in chosen or TASKS:
            told = tell_stories(task, list(attempts(task)), Path(folder, task))
            for one in told:
                print(f"{task} {one.attempt.title}: {one.verdict} {'predicted' if one.predicted else one.reason}")
            page = replace_section(PAGE.read_text(encoding="utf-8"), heading(task), describe(told))
            PAGE.write_text(replace_section(page, "### Not tried", list_untried()), encoding="utf-8")
            stories += told
    stopped = [one for one in stories if not one.predicted]
    print(f"{len(stories)} models, {len(stories) - len(stopped)} of them predicted")
    return int(any(not one.reason for one in stopped))


def heading(task: str) -> str:
    """Return the line that begins the section of a task."""
    return f"### {task.replace('-', ' ').capitalize()}"


def replace_section(page: str, first: str, lines: Sequence[str]) -> str:
    """Return the page with other lines below the heading `first`, up to the next heading or the end of the page.

    Raises ValueError when the page has no such heading.
    """
    old = page.splitlines()
    start = old.index(first) + 1
    end = next((index for index in range(start, len(old)) if old[index].startswith("#")), len(old))
    return "\n".join([*old[:start], "", *lines, "", *old[end:]]).rstrip("\n") + "\n"


def describe(stories: Sequence[Story]) -> list[str]:
    """Return the lines of a task's section: versions and day, and a row for each model."""
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)
    predicted = sum(one.predicted for one in stories)
    day = dt.datetime.now(dt.UTC).date()
    return [
        f"`nox -s estimators -- {stories[0].attempt.task}` on {day}, with {versions}: {len(stories)} models, {predicted} of them predicted.",
        "",
        "| estimator | verdict | predicts | reason |",
        "|---|---|---|---|",
        *(_row(one) for one in stories),
    ]


def list_untried() -> list[str]:
    """Return a line for each reason why estimators of scikit-learn fit no task."""
    return [
        f"- {', '.join(f'`{name}`' for name, why in NO_TASK.items() if why == reason)}: {reason}"
        for reason in dict.fromkeys(NO_TASK.values())
    ]


def _row(one: Story) -> str:
    reason = " ".join(one.reason.replace("|", "\\|").split())[:300]
    return f"| `{one.attempt.title}` | {one.verdict} | {'yes' if one.predicted else ''} | {reason} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
