"""By whose rules a candidate is judged: those of the branch that it is to be merged into.

A change that relaxes its own gate is judged by the gate as it stood; the new one counts once the change is merged.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mlops_ci.codec import encode
from mlops_ci.diagnostics import Diagnostic
from mlops_ci.errors import EnvironmentProblem
from mlops_ci.git import Repository
from mlops_ci.learn.code import code_files
from mlops_ci.project import Project
from mlops_ci.records import FileDigest
from mlops_ci.spec.kinds import DatasetSpec, Evaluate, Gate, ModelSpec, SplitSpec
from mlops_ci.spec.loaded import Loaded
from mlops_ci.tip import ProjectAtTip, Tip, read_projects


@dataclass(frozen=True)
class Dependence:
    """Which rows of a dataset depend on each other: those of one `group`, or of one block of `time`."""

    group: str | None = None
    blocks: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class Rules:
    """What a candidate is judged by. `split` sets its holdout aside, and says how many may be judged on it. `root` is the folder that the code of the user's own metrics is in, `code` its files.

    `base` names the branch and commit whose rules these are where they are not the candidate's own, and `changed` what
    the candidate has otherwise. `unread` names the base whose rules cannot be read, so that these are the candidate's own.
    """

    gate: Gate
    evaluate: Evaluate
    split: SplitSpec
    dependence: Dependence
    root: Path
    code: tuple[FileDigest, ...] = ()
    base: str | None = None
    changed: tuple[str, ...] = ()
    unread: str | None = None

    @property
    def budget(self) -> int | None:
        """How many questions the holdout may be asked; None: they are not counted."""
        return self.split.holdout_budget


def own(root: Path, model: Loaded[ModelSpec], dataset: Loaded[DatasetSpec]) -> Rules:
    """Return the rules that specs give for themselves."""
    spec = model.spec
    files = {file for one in spec.evaluate.custom.values() for file in code_files(root, one.entrypoint)}
    return Rules(
        spec.gate,
        spec.evaluate,
        dataset.spec.split,
        Dependence(dataset.spec.group, dataset.spec.blocks, dataset.spec.time if dataset.spec.blocks else None),
        root,
        tuple(sorted(files, key=lambda file: file.path)),
    )


class Base:
    """The commit that a change is to be merged into; its specs are read when they are first needed."""

    def __init__(self, repo: Repository, name: str, commit: str, start: str, scratch: Path) -> None:
        self._repo, self.name, self.commit = repo, name, commit
        self._start, self._scratch = start, scratch

    def __str__(self) -> str:
        """Return how people call it."""
        return f"{self.name} ({self.commit[:10]})"

    def same(self, paths: tuple[str, ...], root: Path) -> bool:
        """Tell whether files of the project (paths from its root) are in the commit as they are in the work tree."""
        prefix = f"{self._start}/" if self._start else ""
        then = self._repo.read_many([f"{self.commit}:{prefix}{path}" for path in paths])
        return all(
            content is not None and (root / path).is_file() and (root / path).read_bytes() == content
            for path, content in zip(paths, then, strict=True)
        )

    @cached_property
    def project(self) -> ProjectAtTip | None:
        """The same project as it is there; None where it is not, or its specs are invalid."""
        return next((one for one in self._read[0] if one.folder == self._start), None)

    @property
    def invalid(self) -> bool:
        """Whether the project is there, with specs that are invalid."""
        return bool(self._read[1])

    @cached_property
    def _read(self) -> tuple[tuple[ProjectAtTip, ...], tuple[Diagnostic, ...]]:
        folder = Path(tempfile.mkdtemp(prefix="base-", dir=self._scratch))
        tip = Tip(self.name, self.commit, self._repo.tree(self.commit))
        return read_projects(self._repo, tip, self._start, folder)


def base_of(project: Project, ref: str | None = None) -> Base | None:
    """Return what a change is to be merged into: `ref`, or what CI says, or the remote's default branch.

    None where nothing has been pushed yet, or there is no remote: then everybody's rules are their own. Raises
    EnvironmentProblem `base-missing` when a base is named that this clone does not have.
    """
    context, repo = project.context, project.context.repo
    if repo is None:
        return None
    remote, wanted = repo.remote(), ref or context.base
    name = wanted
    if name is None and remote is not None:
        name = project.specs.project.spec.branch or repo.default_branch(remote)
    if name is None:
        return None
    places = [f"refs/remotes/{remote}/{name}"] if remote else []
    places += [f"refs/heads/{name}", name] if wanted else []
    commit = next((found for place in places if (found := repo.resolve(f"{place}^{{commit}}"))), None)
    if commit is None and wanted:
        raise EnvironmentProblem.of(
            "base-missing",
            f"this clone has no '{name}', whose gate a change is to be judged by",
            help=f"git fetch {remote or 'origin'} {name}; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )
    if commit is None:
        return None
    start = context.root.resolve().relative_to(repo.root.resolve()).as_posix()
    return Base(repo, name, commit, "" if start == "." else start, context.scratch)


def rules_of(base: Base | None, root: Path, model: Loaded[ModelSpec], dataset: Loaded[DatasetSpec]) -> Rules:
    """Return the rules of the base for a model, or its own where the base has none."""
    mine = own(root, model, dataset)
    if base is None or base.same((model.path, dataset.path, *(file.path for file in mine.code)), root):
        return mine
    if base.invalid:
        return replace(mine, unread=str(base))
    there = base.project
    old = there.specs.models.get(model.name) if there else None
    if there is None or old is None:
        return mine
    theirs = own(there.copy, old, there.specs.datasets[old.spec.dataset])
    theirs = replace(theirs, split=_split(mine.split, theirs.split))
    changed = _differences(mine, theirs)
    return replace(theirs, base=str(base), changed=changed) if changed else mine


def _split(mine: SplitSpec, theirs: SplitSpec) -> SplitSpec:
    """Return the holdout that a change is judged on: its own, so that it may set aside a fresh one, but none less guarded.

    A sealed holdout stays the one that the base names, what leaks still leaks, and questions are counted as before.
    """
    if theirs.by == "sealed":
        return theirs
    return replace(mine, duplicates=theirs.duplicates, holdout_budget=theirs.holdout_budget)


def _differences(mine: Rules, theirs: Rules) -> tuple[str, ...]:
    found = []
    for part in ("gate", "evaluate"):
        now, then = encode(getattr(mine, part)), encode(getattr(theirs, part))
        found += [f"{part}.{name}" for name in dict.fromkeys((*then, *now)) if now.get(name) != then.get(name)]
    if mine.code != theirs.code:
        found.append("the code of evaluate.custom")
    now, then = encode(mine.split), encode(theirs.split)
    found += [f"split.{name}" for name in dict.fromkeys((*then, *now)) if now.get(name) != then.get(name)]
    if mine.dependence != theirs.dependence:
        found.append("which rows depend on each other (group, blocks)")
    return tuple(found)


def changed_rules(model: Loaded[ModelSpec], rules: Rules) -> tuple[Diagnostic, ...]:
    """Say that a change of the rules does not count for the candidate that comes with it."""
    if rules.unread is not None:
        return (
            Diagnostic(
                "gate-base-invalid",
                f"the specs of {rules.unread} are invalid, so '{model.name}' is judged by the rules of this change itself",
                model.locate("spec", "gate", key=True),
                "mend the specs of that branch (mlops-ci validate there), and review the gate of this change with care",
                "warning",
            ),
        )
    if rules.base is None:
        return ()
    return (
        Diagnostic(
            "gate-changed",
            f"this change has other rules for '{model.name}' than {rules.base}: {', '.join(rules.changed)};"
            " it is judged by the old ones",
            model.locate("spec", "gate", key=True),
            "review the rules as what they are; once they are merged, candidates are judged by them (mlops-ci gate)",
            "warning",
        ),
    )
