"""The rules that the gate applies to a candidate: those of the branch that the change is to be merged into.

When a change relaxes its own gate, the gate still applies the old rules; the new rules apply after the merge.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.base import FileDigest
from mlops_ci.registry import state
from mlops_ci.repository.branch_specs import BranchTip, ProjectAtTip, export_folder, read_projects
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import find_default_branch
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_command import git_error
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, EvaluateSpec, GateSpec, ModelSpec, ProjectSpec, SplitSpec
from mlops_ci.spec.yaml.nodes import split_lines
from mlops_ci.training.source_code import code_files


@dataclass(frozen=True)
class RowDependence:
    """The columns that define which rows depend on each other: rows of one `group`, or of one block of `time`."""

    group: str | None = None
    blocks: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class GateRules:
    """The rules that the gate applies to a candidate.

    `split` selects the holdout rows. `ledger_dataset` is the dataset whose evaluations are counted. The version in
    `champion_environment` is the champion. `metric_root` is the folder with the code of custom metrics, `metric_code`
    the files of that code. `positive` is the positive class that the spec names.

    `base` names the branch and commit that the rules come from; None when they are the candidate's own. `differences`
    names the rules that the candidate itself has otherwise. `base_problem` says why the base has no readable rules, so
    that these are the candidate's own. `holdout_differences` names the fields in which the candidate selects other
    holdout rows than the base.
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
    positive: str | int | bool | None = None

    @property
    def holdout_budget(self) -> int | None:
        """The number of evaluations that the holdout allows; None: they are not counted."""
        return self.split.holdout_budget


def own_rules(
    root: Path, project: ProjectSpec, model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec]
) -> GateRules:
    """Return the rules that a project's own specs define; `root` is the folder with the specs and their code."""
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
        positive=spec.positive,
    )


class BaseBranch:
    """The commit that a change is to be merged into; its specs are read on first use."""

    def __init__(self, repo: Repository, name: str, commit: str, start: str, change: Project) -> None:
        self._repo, self.name, self.commit = repo, name, commit
        self._start, self._change = start, change

    def __str__(self) -> str:
        """Return the branch's name and the short commit id."""
        return f"{self.name} ({self.commit[:10]})"

    def has_same_files(self, paths: tuple[str, ...], root: Path) -> bool:
        """Tell whether files of the project (paths from its root) have the same content in the commit and the work tree."""
        prefix = f"{self._start}/" if self._start else ""
        contents = self._repo.read_objects([f"{self.commit}:{prefix}{path}" for path in paths])
        return all(
            content is not None and (root / path).is_file() and (root / path).read_bytes() == content
            for path, content in zip(paths, contents, strict=True)
        )

    def has_same_specs(self, specs: Sequence[LocatedSpec[Any]]) -> bool:
        """Tell whether the commit has specs as they were loaded; code that has run since may have written their files."""
        prefix = f"{self._start}/" if self._start else ""
        contents = self._repo.read_objects([f"{self.commit}:{prefix}{one.path}" for one in specs])
        return all(
            content is not None
            and tuple(split_lines(content.decode("utf-8", "surrogateescape"))) == one.document.source.lines
            for one, content in zip(specs, contents, strict=True)
        )

    @cached_property
    def project(self) -> ProjectAtTip | None:
        """The same project in the base commit: the one in the same folder, else with the same name, else one that it was before.

        None when the commit has no such project, or when its specs are invalid.
        """
        projects, mine = self._projects_and_findings[0], self._change.specs.project
        before = {(one.name, "" if one.path == "." else one.path) for one in mine.spec.formerly}
        found = (
            *(one for one in projects if one.folder == self._start),
            *(one for one in projects if one.specs.project.name == mine.name),
            *(one for one in projects if (one.specs.project.name, one.folder) in before),
        )
        return next(iter(found), None)

    @property
    def projects(self) -> tuple[ProjectAtTip, ...]:
        """All projects of the base commit whose specs are valid."""
        return self._projects_and_findings[0]

    @cached_property
    def mentions_sealed_holdouts(self) -> bool:
        """Whether a spec of the base commit may name a sealed holdout; False saves reading the specs."""
        patterns = ("*.yaml", "*.yml")
        found = self._repo.run("grep", "--quiet", "-e", "sealed", self.commit, "--", *patterns, check=False)
        if found.status not in (0, 1):
            raise git_error(("grep",), found)
        return found.status == 0

    def has_releases(self, model: str) -> bool:
        """Tell whether a model has releases; such a model must have rules in some commit."""
        return bool(state.read_registry(self._repo, self._change.identity).model(model).events)

    @cached_property
    def full_checkout(self) -> Path | None:
        """A folder with all files of the project in the base commit, for a user's code to read; None without the project."""
        project = self.project
        return (
            export_folder(
                self._repo,
                BranchTip(self.name, self.commit, self._repo.list_files(self.commit)),
                project.folder,
                self._make_folder(),
            )
            if project
            else None
        )

    def _make_folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="base-", dir=self._change.context.scratch))

    @property
    def has_invalid_specs(self) -> bool:
        """Whether the base commit has the project, but with invalid specs."""
        return bool(self._projects_and_findings[1])

    @cached_property
    def _projects_and_findings(self) -> tuple[tuple[ProjectAtTip, ...], tuple[Diagnostic, ...]]:
        tip = BranchTip(self.name, self.commit, self._repo.list_files(self.commit))
        return read_projects(self._repo, tip, self._start, self._make_folder())


def find_base(project: Project, ref: str | None = None) -> BaseBranch | None:
    """Return the base branch of a change: `ref`, else the branch that CI names, else the remote's default branch.

    None when nothing has been pushed yet, or when there is no remote; then the change's own rules apply. Raises
    EnvironmentProblem `base-missing` when this clone lacks the named base, `default-branch-unknown` when it is unknown.
    """
    context, repo = project.context, project.context.repo
    if repo is None:
        return None
    remote, wanted = repo.default_remote(), ref or context.base_branch
    name = wanted
    if name is None and remote is not None:
        name = find_default_branch(project, repo)
    if name is None:
        return None
    # a revision such as HEAD~1, or a commit id, is not a branch of the remote
    is_branch_name = re.fullmatch(r"(?!HEAD\b)[^~^:@{]+", name) and not re.fullmatch(r"[0-9a-f]{40,64}", name)
    places = [f"refs/remotes/{remote}/{name}"] if remote and is_branch_name else []
    places += [f"refs/heads/{name}", name] if wanted else []
    commit = next((oid for place in places if (oid := repo.resolve(f"{place}^{{commit}}"))), None)
    if commit is None and (wanted or (remote and repo.refs(f"refs/remotes/{remote}/"))):
        raise EnvironmentProblem.of(
            "base-missing",
            f"this clone has no '{name}', and the gate takes its rules from there",
            help=f"git fetch {remote or 'origin'} {name}; in GitHub Actions, set `fetch-depth: 0` for actions/checkout",
        )
    if commit is None:
        return None
    start = context.root.resolve().relative_to(repo.root.resolve()).as_posix()
    return BaseBranch(repo, name, commit, "" if start == "." else start, project)


def effective_rules(
    base: BaseBranch | None, project: Project, model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec]
) -> GateRules:
    """Return the base branch's rules for a model, or the model's own rules where the base has none."""
    mine = own_rules(project.context.root, project.specs.project.spec, model, dataset)
    specs: tuple[LocatedSpec[Any], ...] = (project.specs.project, model, dataset)
    if base is None or (not mine.evaluate.custom and base.has_same_specs(specs)):
        return mine
    if base.has_invalid_specs:
        return replace(mine, base_problem=f"the specs of {base} are invalid")
    base_project = base.project
    base_model = base_project.specs.models.get(model.name) if base_project else None
    if base_project is None or base_model is None:
        return _rules_of_new_model(base, mine, model, dataset)
    base_dataset = base_project.specs.datasets[base_model.spec.dataset]
    theirs = own_rules(base_project.copy, base_project.specs.project.spec, base_model, base_dataset)
    holdout = _holdout_differences(dataset, base_dataset) if theirs.split.by != "sealed" else ()
    theirs = replace(theirs, split=_effective_split(mine.split, theirs.split), holdout_differences=holdout)
    # a metric's code may read any file, so it needs all files of the base commit
    if theirs.evaluate.custom and base.full_checkout is not None:
        theirs = replace(theirs, metric_root=base.full_checkout)
    differences = _rule_differences(mine, theirs)
    return replace(theirs, base=str(base) if differences else None, differences=differences)


def _rules_of_new_model(
    base: BaseBranch, mine: GateRules, model: LocatedSpec[ModelSpec], dataset: LocatedSpec[DatasetSpec]
) -> GateRules:
    """Return the model's own rules; a holdout that the base has sealed stays sealed, and unchanged code of metrics is the base's."""
    problem = (
        f"{base} has no model '{model.name}', but the model has releases" if base.has_releases(model.name) else None
    )
    rules = replace(mine, base_problem=problem)
    theirs = base.project.specs.datasets.get(dataset.name) if base.project else None
    if theirs is not None and theirs.spec.split.by == "sealed":
        rules = replace(rules, split=theirs.spec.split)
    paths = tuple(file.path for file in mine.metric_code)
    # what the code imports in ways that nobody can read is then the base's as well
    if mine.evaluate.custom and base.full_checkout is not None and base.has_same_files(paths, mine.metric_root):
        rules = replace(rules, metric_root=base.full_checkout)
    differences = _rule_differences(mine, rules)
    return replace(rules, base=str(base) if differences else None, differences=differences)


def _holdout_differences(now: LocatedSpec[DatasetSpec], then: LocatedSpec[DatasetSpec]) -> tuple[str, ...]:
    """Return the fields in which a change selects other holdout rows than the base; allowed, but reported as a warning."""
    parts = {name: (getattr(now.spec, name), getattr(then.spec, name)) for name in ("key", "group", "time")}
    division = ("by", "holdout", "epoch", "source")
    parts |= {f"split.{name}": (getattr(now.spec.split, name), getattr(then.spec.split, name)) for name in division}
    return tuple(name for name, (mine, theirs) in parts.items() if mine != theirs)


def _effective_split(mine: SplitSpec, theirs: SplitSpec) -> SplitSpec:
    """Return the split that the gate uses: the change's own, so that a change may set aside a fresh holdout.

    The base's safeguards stay: a sealed holdout remains the one that the base names, and `duplicates` (the leak check)
    and `holdoutBudget` are the base's.
    """
    if theirs.by == "sealed":
        return theirs
    return replace(mine, duplicates=theirs.duplicates, holdout_budget=theirs.holdout_budget)


def _rule_differences(mine: GateRules, theirs: GateRules) -> tuple[str, ...]:
    differences = []
    for part in ("gate", "evaluate"):
        now, then = encode(getattr(mine, part)), encode(getattr(theirs, part))
        differences += [f"{part}.{name}" for name in dict.fromkeys((*then, *now)) if now.get(name) != then.get(name)]
    if mine.positive != theirs.positive:
        differences.append("positive")
    if mine.metric_code != theirs.metric_code:
        differences.append("the code of evaluate.custom")
    if mine.champion_environment != theirs.champion_environment:
        differences.append("the champion's environment")
    if mine.ledger_dataset != theirs.ledger_dataset:
        differences.append("the dataset's name")
    now, then = encode(mine.split), encode(theirs.split)
    differences += [f"split.{name}" for name in dict.fromkeys((*then, *now)) if now.get(name) != then.get(name)]
    if mine.dependence != theirs.dependence:
        differences.append("which rows depend on each other (group, blocks)")
    return tuple(differences)


def rule_change_warnings(model: LocatedSpec[ModelSpec], rules: GateRules) -> tuple[Diagnostic, ...]:
    """Return the warnings about rules: unreadable rules of the base, changed holdout rows, rules that do not apply yet."""
    if rules.base_problem is not None:
        return (
            Diagnostic(
                "gate-base-invalid",
                f"{rules.base_problem}, so the gate uses the rules of this change itself to evaluate '{model.name}'",
                model.locate("spec", "gate", key=True),
                "fix the specs of that branch (run mlops-ci validate there), and review the gate of this change carefully",
                "warning",
            ),
        )
    warnings: tuple[Diagnostic, ...] = ()
    if rules.holdout_differences:
        warnings = (
            Diagnostic(
                "holdout-changed",
                f"this change selects different holdout rows for '{model.name}' ({', '.join(rules.holdout_differences)}), so the gate"
                " evaluates the candidate on rows that the change itself has chosen",
                model.locate("spec", "dataset"),
                "review the change: for a fresh holdout, increase `split.epoch` and change nothing else; a test against an older"
                " version leaves out the rows that this version was trained on",
                "warning",
            ),
        )
    if rules.base is None:
        return warnings
    return (
        *warnings,
        Diagnostic(
            "gate-changed",
            f"the rules for '{model.name}' in this change differ from those of {rules.base}: {', '.join(rules.differences)};"
            " the gate applies the rules of the base branch",
            model.locate("spec", "gate", key=True),
            "review the new rules; once they are merged, the gate applies them (mlops-ci gate)",
            "warning",
        ),
    )
