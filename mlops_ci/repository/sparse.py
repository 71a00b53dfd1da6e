"""What a sparse checkout leaves out: files that the index has and the work tree has not, which are not removed by that.

A file that is in the work tree counts as it is there, edited or not, whatever bits the index has for it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_ci.core.diagnostics import Diagnostic, Severity
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import IndexEntry
from mlops_ci.spec.yaml.document import MAX_SPEC_BYTES

_SPEC_SUFFIXES = (".yaml", ".yml", ".py")  # what specs are, and the code that they name
_MOST_SHOWN = 5  # files that a message names
_LINK_MODE = "120000"


def left_out_below(repo: Repository, root: Path) -> dict[str, IndexEntry]:
    """Return the files of a folder that the work tree leaves out, by their path from there; none of a folder outside of it."""
    if repo.bare or not root.resolve().is_relative_to(repo.root.resolve()):
        return {}
    folder = root.resolve().relative_to(repo.root.resolve()).as_posix()
    prefix = "" if folder == "." else f"{folder}/"
    return {
        path.removeprefix(prefix): entry for path, entry in repo.left_out_files().items() if path.startswith(prefix)
    }


def whole_spec_folder(repo: Repository | None, root: Path, scratch: Path) -> Path:
    """Return a folder with every spec below `root`, the code beside them, and those who may sign.

    That is `root` itself, unless the work tree leaves files out: then it is a copy in `scratch` with what the index has of them.
    """
    left_out = left_out_below(repo, root) if repo is not None else {}
    if repo is None or not left_out:
        return root
    whole = scratch / "whole-specs"
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git" and not (Path(folder) / name / ".git").exists()]
        for name in (*names, *(name for name in folders if (Path(folder) / name).is_symlink())):
            if name.endswith(_SPEC_SUFFIXES) or (Path(folder) / name).is_symlink() or ".mlops" in Path(folder).parts:
                target = whole / (Path(folder) / name).relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(folder) / name, target, follow_symlinks=False)
    _write_left_out(repo, left_out, whole)
    return whole


def _write_left_out(repo: Repository, left_out: Mapping[str, IndexEntry], whole: Path) -> None:
    infos = repo.read_object_infos([entry.oid for entry in left_out.values()])
    small = {
        path: entry
        for (path, entry), info in zip(left_out.items(), infos, strict=True)
        if info is not None and info.size <= MAX_SPEC_BYTES
    }
    contents = repo.read_objects([entry.oid for entry in small.values()])
    for (path, entry), content in zip(small.items(), contents, strict=True):
        target = whole / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == _LINK_MODE:
            target.symlink_to(os.fsdecode(content or b""))
        else:
            target.write_bytes(content or b"")


def left_out_problem(paths: Sequence[str], why: str) -> EnvironmentProblem:
    """Return the problem that files which are needed are not in the work tree, because a sparse checkout leaves them out."""
    return EnvironmentProblem([left_out_note(paths, why, "error")])


def left_out_note(paths: Sequence[str], why: str, severity: Severity = "note") -> Diagnostic:
    """Return a diagnostic that names the files and the command that brings them."""
    shown = ", ".join(paths[:_MOST_SHOWN]) + (
        f" and {len(paths) - _MOST_SHOWN:,} more" if len(paths) > _MOST_SHOWN else ""
    )
    folders = sorted({path.rpartition("/")[0] or "/" for path in paths})
    return Diagnostic(
        "files-left-out",
        f"this work tree leaves out {shown}, {why}",
        help=f"git sparse-checkout add {' '.join(folders[:_MOST_SHOWN])}; for a file with a skip-worktree bit of its own:"
        f" git update-index --no-skip-worktree {paths[0]} && git restore {paths[0]}",
        severity=severity,
    )
