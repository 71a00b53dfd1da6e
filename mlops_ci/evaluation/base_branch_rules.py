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
from mlops_ci.core.records import FileDigest
from mlops_ci.registry import state as registry
from mlops_ci.repository.branch_specs import ProjectAtTip, Tip, export, read_projects
from mlops_ci.repository.context import Project
from mlops_ci.repository.default_branch import trunk
from mlops_ci.repository.git import Repository
from mlops_ci.spec.located_spec import Loaded
from mlops_ci.spec.spec_types import DatasetSpec, Evaluate, Gate, ModelSpec, SplitSpec
from mlops_ci.training.source_code import code_files


@dataclass(frozen=True)
class Dependence:
    """Which rows of a dataset depend on each other: those of one `group`, or of one block of `time`."""

    group: str | None = None
    blocks: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class Rules:
    """What a candidate is judged by.

    `split` sets its holdout aside, `ledger` is the dataset whose questions are counted, `champion` the environment whose
    version is to be beaten, `root` the folder that the code of the user's own metrics is in, `code` its files.

    `base` names the branch and commit whose rules these are where they are not the candidate's own, and `changed` what the
    candidate has otherwise; `unread` why the base has no rules that could be read, so that these are the candidate's own;
    `own_holdout` what the candidate has otherwise about which rows are held out.
    """

    gate: Gate
    evaluate: Evaluate
    split: SplitSpec
    dependence: Dependence
    root: Path
    code: tuple[FileDigest, ...] = ()
    ledger: str = ""
    champion: str = ""
    base: str | None = None
    changed: tuple[str, ...] = ()
    unread: str | None = None
    own_holdout: tuple[str, ...] = ()

    @property
    def budget(self) -> int | None:
        """How many questions the holdout may be asked; None: they are not counted."""
        return self.split.holdout_budget


def own(project: Project, model: Loaded[ModelSpec], dataset: Loaded[DatasetSpec]) -> Rules:
    """Return the rules that specs give for themselves."""
    spec, root = model.spec, project.context.root
    files = {file for one in spec.evaluate.custom.values() for file in code_files(root, one.entrypoint)}
    return Rules(
        spec.gate,
        spec.evaluate,
        dataset.spec.split,
        Dependence(dataset.spec.group, dataset.spec.blocks, dataset.spec.time if dataset.spec.blocks else None),
        root,
        tuple(sorted(files, key=lambda file: file.path)),
        dataset.name,
        project.specs.project.spec.champion_environment,
    )


class Base:
    """The commit that a change is to be merged into; its specs are read when they are first needed."""

    def __init__(self, repo: Repository, name: str, commit: str, start: str, change: Project) -> None:
        self._repo, self.name, self.commit = repo, name, commit
        self._start, self._change = start, change

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
        """The same project as it is there, whatever folder it is in; None where it is not, or its specs are invalid."""
        there, name = self._read[0], self._change.specs.project.name
        here = next((one for one in there if one.folder == self._start), None)
        return here or next((one for one in there if one.specs.project.name == name), None)

    def released(self, model: str) -> bool:
        """Tell whether a model has releases, so that rules for it must be somewhere."""
        return bool(registry.read(self._repo).model(model).events)

    @cached_property
    def whole(self) -> Path | None:
        """A folder with all files of the project as it is there, which a user's code may read; None where it is not there."""
        found = self.project
        return (
            export(self._repo, Tip(self.name, self.commit, self._repo.tree(self.commit)), found.folder, self._folder())
            if found
            else None
        )

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="base-", dir=self._change.context.scratch))

    @property
    def invalid(self) -> bool:
        """Whether the project is there, with specs that are invalid."""
        return bool(self._read[1])

    @cached_property
    def _read(self) -> tuple[tuple[ProjectAtTip, ...], tuple[Diagnostic, ...]]:
        tip = Tip(self.name, self.commit, self._repo.tree(self.commit))
        return read_projects(self._repo, tip, self._start, self._folder())


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
        name = trunk(project, repo)
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
    return Base(repo, name, commit, "" if start == "." else start, project)


def rules_of(base: Base | None, project: Project, model: Loaded[ModelSpec], dataset: Loaded[DatasetSpec]) -> Rules:
    """Return the rules of the base for a model, or its own where the base has none."""
    mine = own(project, model, dataset)
    written = (project.specs.project.path, model.path, dataset.path)
    if base is None or (not mine.evaluate.custom and base.same(written, project.context.root)):
        return mine
    if base.invalid:
        return replace(mine, unread=f"the specs of {base} are invalid")
    there = base.project
    old = there.specs.models.get(model.name) if there else None
    if there is None or old is None:
        gone = f"{base} has no model '{model.name}', which has releases" if base.released(model.name) else None
        return replace(mine, unread=gone)
    before = there.specs.datasets[old.spec.dataset]
    theirs = own(replace(project, specs=there.specs, context=replace(project.context, root=there.copy)), old, before)
    chosen = _own_holdout(dataset, before) if theirs.split.by != "sealed" else ()
    theirs = replace(theirs, split=_split(mine.split, theirs.split), own_holdout=chosen)
    if theirs.evaluate.custom and base.whole is not None:  # whatever else a metric's code may read is as it was, too
        theirs = replace(theirs, root=base.whole)
    changed = _differences(mine, theirs)
    return replace(theirs, base=str(base) if changed else None, changed=changed)


def _own_holdout(now: Loaded[DatasetSpec], then: Loaded[DatasetSpec]) -> tuple[str, ...]:
    """Name what a change has otherwise about which rows are held out: these it may choose, and that is said."""
    parts = {name: (getattr(now.spec, name), getattr(then.spec, name)) for name in ("key", "group", "time")}
    division = ("by", "holdout", "epoch", "source")
    parts |= {f"split.{name}": (getattr(now.spec.split, name), getattr(then.spec.split, name)) for name in division}
    return tuple(name for name, (mine, theirs) in parts.items() if mine != theirs)


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
    if mine.champion != theirs.champion:
        found.append("the champion's environment")
    if mine.ledger != theirs.ledger:
        found.append("the dataset's name")
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
                f"{rules.unread}, so '{model.name}' is judged by the rules of this change itself",
                model.locate("spec", "gate", key=True),
                "mend the specs of that branch (mlops-ci validate there), and review the gate of this change with care",
                "warning",
            ),
        )
    found: tuple[Diagnostic, ...] = ()
    if rules.own_holdout:
        found = (
            Diagnostic(
                "holdout-changed",
                f"this change sets the holdout of '{model.name}' aside in another way ({', '.join(rules.own_holdout)}), so it is judged"
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
            f"this change has other rules for '{model.name}' than {rules.base}: {', '.join(rules.changed)};"
            " it is judged by the old ones",
            model.locate("spec", "gate", key=True),
            "review the rules as what they are; once they are merged, candidates are judged by them (mlops-ci gate)",
            "warning",
        ),
    )
