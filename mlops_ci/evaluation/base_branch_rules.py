"""By whose rules a candidate is judged: those of the branch that it is to be merged into.

A change that relaxes its own gate is judged by the gate as it stood; the new one counts once the change is merged.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.base import FileDigest
from mlops_ci.registry import state
from mlops_ci.repository.branch_specs import BranchTip, ProjectAtTip, export_folder, read_projects
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import find_default_branch
from mlops_ci.repository.git import Repository
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, EvaluateSpec, GateSpec, ModelSpec, ProjectSpec, SplitSpec
from mlops_ci.training.source_code import code_files


@dataclass(frozen=True)
class RowDependence:
    """Which rows of a dataset depend on each other: those of one `group`, or of one block of `time`."""

    group: str | None = None
    blocks: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class GateRules:
    """What a candidate is judged by.

    `split` sets its holdout aside, `ledger` is the dataset whose questions are counted, `champion` the environment whose
    version is to be beaten, `root` the folder that the code of the user's own metrics is in, `code` its files.

    `base` names the branch and commit whose rules these are where they are not the candidate's own, and `changed` what the
    candidate has otherwise; `unread` why the base has no rules that could be read, so that these are the candidate's own;
    `own_holdout` what the candidate has otherwise about which rows are held out.
    """

    gate: GateSpec
    evaluate: EvaluateSpec
    split: SplitSpec
    dependence: RowDependence
    metric_root: Path
    metric_code: tuple[FileDigest, ...] = ()
    ledger_dataset: str = ""
    champion_environment: str = ""
    base: str | None = None
    differences: tuple[str, ...] = ()
    base_problem: str | None = None
    holdout_differences: tuple[str, ...] = ()

    @property
    def holdout_budget(self) -> int | None:
        """How many questions the holdout may be asked; None: they are not counted."""
        return self.split.holdout_budget


def own_rules(
    root: Path, project: ProjectSpec, model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec]
) -> GateRules:
    """Return the rules that specs give for themselves; `root` is the folder that they and their code are in."""
    spec = model.spec
    files = {file for one in spec.evaluate.custom.values() for file in code_files(root, one.entrypoint)}
    return GateRules(
        spec.gate,
        spec.evaluate,
        dataset.spec.split,
        RowDependence(dataset.spec.group, dataset.spec.blocks, dataset.spec.time if dataset.spec.blocks else None),
        root,
        tuple(sorted(files, key=lambda file: file.path)),
        dataset.name,
        project.champion_environment,
    )


class BaseBranch:
    """The commit that a change is to be merged into; its specs are read when they are first needed."""

    def __init__(self, repo: Repository, name: str, commit: str, start: str, change: Project) -> None:
        self._repo, self.name, self.commit = repo, name, commit
        self._start, self._change = start, change

    def __str__(self) -> str:
        """Return how people call it."""
        return f"{self.name} ({self.commit[:10]})"

    def has_same_files(self, paths: tuple[str, ...], root: Path) -> bool:
        """Tell whether files of the project (paths from its root) are in the commit as they are in the work tree."""
        prefix = f"{self._start}/" if self._start else ""
        then = self._repo.read_objects([f"{self.commit}:{prefix}{path}" for path in paths])
        return all(
            content is not None and (root / path).is_file() and (root / path).read_bytes() == content
            for path, content in zip(paths, then, strict=True)
        )

    @cached_property
    def project(self) -> ProjectAtTip | None:
        """The same project as it is there, whatever folder it is in; None where it is not, or its specs are invalid."""
        there, name = self._projects_and_findings[0], self._change.specs.project.name
        here = next((one for one in there if one.folder == self._start), None)
        return here or next((one for one in there if one.specs.project.name == name), None)

    def has_releases(self, model: str) -> bool:
        """Tell whether a model has releases, so that rules for it must be somewhere."""
        return bool(state.read_registry(self._repo).model(model).events)

    @cached_property
    def full_checkout(self) -> Path | None:
        """A folder with all files of the project as it is there, which a user's code may read; None where it is not there."""
        found = self.project
        return (
            export_folder(
                self._repo,
                BranchTip(self.name, self.commit, self._repo.list_files(self.commit)),
                found.folder,
                self._make_folder(),
            )
            if found
            else None
        )

    def _make_folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="base-", dir=self._change.context.scratch))

    @property
    def has_invalid_specs(self) -> bool:
        """Whether the project is there, with specs that are invalid."""
        return bool(self._projects_and_findings[1])

    @cached_property
    def _projects_and_findings(self) -> tuple[tuple[ProjectAtTip, ...], tuple[Diagnostic, ...]]:
        tip = BranchTip(self.name, self.commit, self._repo.list_files(self.commit))
        return read_projects(self._repo, tip, self._start, self._make_folder())


def find_base(project: Project, ref: str | None = None) -> BaseBranch | None:
    """Return what a change is to be merged into: `ref`, or what CI says, or the remote's default branch.

    None where nothing has been pushed yet, or there is no remote: then everybody's rules are their own. Raises
    EnvironmentProblem `base-missing` when a base is named that this clone does not have.
    """
    context, repo = project.context, project.context.repo
    if repo is None:
        return None
    remote, wanted = repo.default_remote(), ref or context.base_branch
    name = wanted
    if name is None and remote is not None:
        name = find_default_branch(project, repo)
        if name is None:
            raise EnvironmentProblem.of(
                "base-missing",
                f"nothing tells which branch of '{remote}' is its default one, whose gate a change is to be judged by",
                help=f"git remote set-head {remote} --auto; or name it: --base BRANCH",
            )
    if name is None:
        return None
    # what is no branch's name, such as HEAD~1 or a commit's id, is not looked for at the remote
    plain = re.fullmatch(r"(?!HEAD\b)[^~^:@{]+", name) and not re.fullmatch(r"[0-9a-f]{40,64}", name)
    places = [f"refs/remotes/{remote}/{name}"] if remote and plain else []
    places += [f"refs/heads/{name}", name] if wanted else []
    commit = next((found for place in places if (found := repo.resolve(f"{place}^{{commit}}"))), None)
    if commit is None and (wanted or (remote and repo.refs(f"refs/remotes/{remote}/"))):
        raise EnvironmentProblem.of(
            "base-missing",
            f"this clone has no '{name}', whose gate a change is to be judged by",
            help=f"git fetch {remote or 'origin'} {name}; in GitHub Actions: actions/checkout with `fetch-depth: 0`",
        )
    if commit is None:
        return None
    start = context.root.resolve().relative_to(repo.root.resolve()).as_posix()
    return BaseBranch(repo, name, commit, "" if start == "." else start, project)


def effective_rules(
    base: BaseBranch | None, project: Project, model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec]
) -> GateRules:
    """Return the rules of the base for a model, or its own where the base has none."""
    mine = own_rules(project.context.root, project.specs.project.spec, model, dataset)
    written = (project.specs.project.path, model.path, dataset.path)
    if base is None or (not mine.evaluate.custom and base.has_same_files(written, project.context.root)):
        return mine
    if base.has_invalid_specs:
        return replace(mine, base_problem=f"the specs of {base} are invalid")
    there = base.project
    old = there.specs.models.get(model.name) if there else None
    if there is None or old is None:
        gone = f"{base} has no model '{model.name}', which has releases" if base.has_releases(model.name) else None
        return replace(mine, base_problem=gone)
    before = there.specs.datasets[old.spec.dataset]
    theirs = own_rules(there.copy, there.specs.project.spec, old, before)
    chosen = _holdout_differences(dataset, before) if theirs.split.by != "sealed" else ()
    theirs = replace(theirs, split=_effective_split(mine.split, theirs.split), holdout_differences=chosen)
    if (
        theirs.evaluate.custom and base.full_checkout is not None
    ):  # whatever else a metric's code may read is as it was, too
        theirs = replace(theirs, metric_root=base.full_checkout)
    changed = _rule_differences(mine, theirs)
    return replace(theirs, base=str(base) if changed else None, differences=changed)


def _holdout_differences(now: LocatedSpec[DatasetSpec], then: LocatedSpec[DatasetSpec]) -> tuple[str, ...]:
    """Name what a change has otherwise about which rows are held out: these it may choose, and that is said."""
    parts = {name: (getattr(now.spec, name), getattr(then.spec, name)) for name in ("key", "group", "time")}
    division = ("by", "holdout", "epoch", "source")
    parts |= {f"split.{name}": (getattr(now.spec.split, name), getattr(then.spec.split, name)) for name in division}
    return tuple(name for name, (mine, theirs) in parts.items() if mine != theirs)


def _effective_split(mine: SplitSpec, theirs: SplitSpec) -> SplitSpec:
    """Return the holdout that a change is judged on: its own, so that it may set aside a fresh one, but none less guarded.

    A sealed holdout stays the one that the base names, what leaks still leaks, and questions are counted as before.
    """
    if theirs.by == "sealed":
        return theirs
    return replace(mine, duplicates=theirs.duplicates, holdout_budget=theirs.holdout_budget)


def _rule_differences(mine: GateRules, theirs: GateRules) -> tuple[str, ...]:
    found = []
    for part in ("gate", "evaluate"):
        now, then = encode(getattr(mine, part)), encode(getattr(theirs, part))
        found += [f"{part}.{name}" for name in dict.fromkeys((*then, *now)) if now.get(name) != then.get(name)]
    if mine.metric_code != theirs.metric_code:
        found.append("the code of evaluate.custom")
    if mine.champion_environment != theirs.champion_environment:
        found.append("the champion's environment")
    if mine.ledger_dataset != theirs.ledger_dataset:
        found.append("the dataset's name")
    now, then = encode(mine.split), encode(theirs.split)
    found += [f"split.{name}" for name in dict.fromkeys((*then, *now)) if now.get(name) != then.get(name)]
    if mine.dependence != theirs.dependence:
        found.append("which rows depend on each other (group, blocks)")
    return tuple(found)


def rule_change_warnings(model: LocatedSpec[ModelSpec], rules: GateRules) -> tuple[Diagnostic, ...]:
    """Say that a change of the rules does not count for the candidate that comes with it."""
    if rules.base_problem is not None:
        return (
            Diagnostic(
                "gate-base-invalid",
                f"{rules.base_problem}, so '{model.name}' is judged by the rules of this change itself",
                model.locate("spec", "gate", key=True),
                "mend the specs of that branch (mlops-ci validate there), and review the gate of this change with care",
                "warning",
            ),
        )
    found: tuple[Diagnostic, ...] = ()
    if rules.holdout_differences:
        found = (
            Diagnostic(
                "holdout-changed",
                f"this change sets the holdout of '{model.name}' aside in another way ({', '.join(rules.holdout_differences)}), so it is judged"
                " on rows that it has chosen",
                model.locate("spec", "dataset"),
                "review it: a fresh holdout is `split.epoch` counted up and nothing else; tests against older versions leave out what"
                " these have learned from",
                "warning",
            ),
        )
    if rules.base is None:
        return found
    return (
        *found,
        Diagnostic(
            "gate-changed",
            f"this change has other rules for '{model.name}' than {rules.base}: {', '.join(rules.differences)};"
            " it is judged by the old ones",
            model.locate("spec", "gate", key=True),
            "review the rules as what they are; once they are merged, candidates are judged by them (mlops-ci gate)",
            "warning",
        ),
    )
