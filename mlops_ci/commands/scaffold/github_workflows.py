"""The workflows of a GitHub repository that call the toolkit's reusable workflows, and its CODEOWNERS file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mlops_ci.commands.scaffold.catalog import TEMPLATES_FOLDER, folder_files

_NO_OWNER_NOTE = """\
# These files have no owner yet: replace @YOUR-ORG/TEAM with a person or team, and delete the first two characters of each line.
"""


def workflow_files(*, folder: str, branch: str, environments: Sequence[str], owner: str | None) -> Mapping[str, bytes]:
    """Return the files of `.github` by path in the repository.

    `folder` is the project's folder, relative to the repository; `branch` the branch to release from; `owner` a person or team
    with `@`. Without an owner, the lines of CODEOWNERS are comments.
    """
    replacements = {
        "@FOLDER@": folder,
        "@BRANCH@": branch,
        "@FIRST@": environments[0],
        "@ENVIRONMENTS@": json.dumps(list(environments)),
        "@OWNER@": owner or "@YOUR-ORG/TEAM",
    }
    files = {}
    for path, content in folder_files(TEMPLATES_FOLDER / "github").items():
        text = content.decode("utf-8")
        for name, value in replacements.items():
            text = text.replace(name, value)
        files[path] = text.encode()
    if owner is None:
        files[CODEOWNERS_PATH] = _comment_out_owners(files[CODEOWNERS_PATH].decode("utf-8")).encode()
    return files


CODEOWNERS_PATH = ".github/CODEOWNERS"


def _comment_out_owners(text: str) -> str:
    lines = text.splitlines(keepends=True)
    comments = [line for line in lines if line.startswith("#")]
    return "".join([*comments, _NO_OWNER_NOTE, *(f"# {line}" for line in lines if not line.startswith("#"))])
