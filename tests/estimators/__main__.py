"""Takes every estimator through the whole story, and writes the table of docs/estimators.md."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from tests.estimators.catalogue import NO_TASK, TASKS, attempts
from tests.estimators.story import Story, tell_stories

PAGE = Path(__file__).parents[2] / "docs/estimators.md"
HEADING = "## What was tried\n"


def main(chosen: Sequence[str]) -> int:
    """Try all tasks or the chosen ones; with all, write the page. Return 1 if a model has neither a verdict nor a reason."""
    stories: list[Story] = []
    with tempfile.TemporaryDirectory() as folder:
        for task in chosen or TASKS:
            stories += tell_stories(task, list(attempts(task)), Path(folder, task))
            for one in stories:
                if one.attempt.task == task:
                    print(f"{task} {one.attempt.title}: {one.verdict} {'predicted' if one.predicted else one.reason}")
    if not chosen:
        before, _, _ = PAGE.read_text().partition(HEADING)
        PAGE.write_text(before + HEADING + "\n".join(_page(stories)) + "\n")
    stopped = [one for one in stories if not one.predicted]
    print(f"{len(stories)} models, {len(stories) - len(stopped)} of them predicted")
    return int(any(not one.reason for one in stopped))


def _page(stories: Sequence[Story]) -> Iterator[str]:
    packages = ("scikit-learn", "xgboost-cpu", "lightgbm", "imbalanced-learn", "skops")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    yield from (
        "",
        f"`nox -s estimators` makes this table, with {versions}. It makes a table of 600 rows for each task (three numbers, one of them with missing",
        "values, and text), and takes every estimator through `init --from`, `gate`, `release` and `fetch`. A fresh environment with the fetched",
        "requirements alone then loads each model by the lines that `fetch` prints, and predicts. *yes*: all of this worked. Otherwise the reason stands in",
        "the last column. A verdict other than `pass` is an answer, too: such a model is not released.",
        "",
    )
    titles = dict.fromkeys(one.attempt.title for one in stories)
    found = {(one.attempt.title, one.attempt.task): one for one in stories}
    yield "| estimator | binary | multiclass | regression | reason |"
    yield "|---|---|---|---|---|"
    for title in titles:
        row = [found.get((title, task)) for task in TASKS]
        reasons = dict.fromkeys(one.reason for one in row if one is not None and one.reason)
        shown = "<br>".join(reason.replace("|", "\\|")[:300] for reason in reasons)
        cells = " | ".join("" if one is None else "yes" if one.predicted else one.verdict for one in row)
        yield f"| `{title}` | {cells} | {shown} |"
    yield ""
    yield "Not tried:"
    yield ""
    for reason in dict.fromkeys(NO_TASK.values()):
        yield f"- {', '.join(f'`{name}`' for name, why in NO_TASK.items() if why == reason)}: {reason}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
