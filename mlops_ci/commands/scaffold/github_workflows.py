"""The files of a GitHub repository that call the toolkit's reusable workflows, explain them, and name the owners of a project."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.commands.scaffold.catalog import TEMPLATES_FOLDER, folder_files

CODEOWNERS_PATH = ".github/CODEOWNERS"
_NO_OWNER_NOTE = """\
# These files have no owner yet: replace @YOUR-ORG/TEAM with a person or team, and delete the first two characters of each line.
"""
_CODEOWNERS_HEAD = """\
# The owners of the files that decide which models are released: specs, policy, signers, workflows. Their review is required once a
# ruleset of the default branch requires reviews from code owners. Add the files of your own metrics. The last matching line counts.
"""
_GUARDED_NAMES = ("*.yaml", "*.yml", "signers", "allowed_signers")


def workflow_files(branch: str) -> Mapping[str, bytes]:
    """Return the files of `.github` by path in the repository, which are the same for every project; `branch` is released from."""
    files = folder_files(TEMPLATES_FOLDER / "github")
    return {path: content.replace(b"@BRANCH@", branch.encode()) for path, content in files.items()}


def codeowners_text(existing: str | None, folder: str, owner: str | None) -> str:
    """Return CODEOWNERS with the lines of the project in `folder` at its end; `existing` is the file so far.

    `owner` is a person or team with `@`; without one, the lines are comments.
    """
    names = _GUARDED_NAMES if folder == "." else [f"/{_escape_path(folder)}/**/{name}" for name in _GUARDED_NAMES]
    shared = [] if existing is not None else ["/.github/"]
    # the last line that matches counts: those of a folder stand behind those of the whole repository
    patterns = [*names, *shared] if folder == "." else [*shared, *names]
    lines = [f"{pattern} {owner or '@YOUR-ORG/TEAM'}\n" for pattern in patterns]
    if owner is None:
        lines = [_NO_OWNER_NOTE, *(f"# {line}" for line in lines)]
    head = _CODEOWNERS_HEAD if existing is None else existing.rstrip("\n") + "\n\n"
    return head + ("" if folder == "." else f"# {folder}\n") + "".join(lines)


def _escape_path(folder: str) -> str:
    return folder.replace("\\", "\\\\").replace(" ", "\\ ")
