"""Takes the wrappers that docs/estimators.md writes from a table to predictions: `nox -s wrappers`."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import yaml

from tests.estimators.catalogue import Attempt
from tests.estimators.story import tell_stories

PAGE = Path(__file__).parents[2] / "docs/estimators.md"
TASK = "binary-classification"


def code_blocks() -> dict[str, str]:
    """Return the Python files of the page by their names in the repository."""
    return dict(re.findall(r"\(`(models/\w+\.py)`\):\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL))


def attempt_for(file: str) -> Attempt:
    """Return the model of a file, with the types that the page tells to trust."""
    module = Path(file).stem
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(  train:.*?)```", PAGE.read_text(), re.DOTALL)]
    (train,) = (one["train"] for one in blocks if one["train"]["entrypoint"] == f"{file}:build")
    return Attempt(module.replace("_", "-"), module, TASK, {**train, "seed": 7})


def main() -> int:
    """Return 1 unless each wrapper's model is released and predicts in a process of its own."""
    files = code_blocks()
    with tempfile.TemporaryDirectory() as folder:
        stories = tell_stories(
            TASK, [attempt_for(file) for file in files], Path(folder, "story"), sys.executable, files
        )
    for one in stories:
        print(f"{one.attempt.title}: {one.verdict} {'predicted' if one.predicted else one.reason}")
    return int(len(stories) != 2 or not all(one.predicted for one in stories))


if __name__ == "__main__":
    sys.exit(main())
