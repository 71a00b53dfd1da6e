"""The workflows of a repository on GitHub that call this toolkit's, and who must review what decides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mlops_ci.commands.scaffold.catalog import TEMPLATES_FOLDER, folder_files

_NO_OWNER_NOTE = """\
# Nobody owns these yet: put a person or a team of yours for @YOUR-ORG/TEAM, and delete the first two signs of each line.
"""


def workflow_files(*, folder: str, branch: str, environments: Sequence[str], owner: str | None) -> Mapping[str, bytes]:
    """Return the files of `.github` by path in the repository.

    `folder` is the project's, relative to the repository; `branch` the one that is released; `owner` a person or team with `@`.
    Without an owner, lines of CODEOWNERS are comments.
    """
    said = {
        "@FOLDER@": folder,
        "@BRANCH@": branch,
        "@FIRST@": environments[0],
        "@ENVIRONMENTS@": json.dumps(list(environments)),
        "@OWNER@": owner or "@YOUR-ORG/TEAM",
    }
    made = {}
    for path, content in folder_files(TEMPLATES_FOLDER / "github").items():
        text = content.decode("utf-8")
        for name, value in said.items():
            text = text.replace(name, value)
        made[path] = text.encode()
    if owner is None:
        made[CODEOWNERS_PATH] = _comment_out_owners(made[CODEOWNERS_PATH].decode("utf-8")).encode()
    return made


CODEOWNERS_PATH = ".github/CODEOWNERS"


def _comment_out_owners(text: str) -> str:
    lines = text.splitlines(keepends=True)
    said = [line for line in lines if line.startswith("#")]
    return "".join([*said, _NO_OWNER_NOTE, *(f"# {line}" for line in lines if not line.startswith("#"))])
