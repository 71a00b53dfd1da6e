"""What a change may do with a sealed holdout that its base branch names.

The rows are opened in a job with credentials, and the change says what happens to them. So the base branch decides which file is
opened, which of its columns are labels, and who sees the others. What a change may decide is listed here; everything else is the
base's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings, ToolError
from mlops_ci.core.suggestions import quote
from mlops_ci.data.sources.files import source_files
from mlops_ci.evaluation.base_branch_rules import BaseBranch, GateRules, effective_rules
from mlops_ci.evaluation.candidates.columns import required_columns
from mlops_ci.repository.context import Project
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.personal_data import personal_columns
from mlops_ci.spec.read_apart import is_read_apart
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec, PluginSource, SealedSource, SourceSpec

# of a dataset whose holdout the base has sealed; `split` is read from the base, whatever the change says
CHANGEABLE_DATASET_FIELDS = frozenset({"source", "columns", "columns_closed", "checks", "split"})
# of a model that the base has; its `positive`, `evaluate` and `gate` are read from the base, whatever the change says
CHANGEABLE_MODEL_FIELDS = frozenset({"dataset", "features", "train", "release", "positive", "evaluate", "gate"})


@dataclass(frozen=True)
class BaseHoldout:
    """A sealed holdout of the base branch: its dataset, the folder of that project, and the columns that are labels."""

    dataset: LocatedSpec[DatasetSpec]
    folder: Path
    labels: frozenset[str]

    @property
    def source(self) -> SealedSource:
        """The source of the holdout."""
        found = self.dataset.spec.split.source
        if found is None:  # `find_base_holdouts` makes none without; for the type checker
            raise RuntimeError
        return found


def ensure_sealed_labels(project: Project, name: str, base: BaseBranch | None, *, hands_over: bool = False) -> None:
    """Raise Findings when a change to a model would let labels of a sealed holdout out, before any of its rows is read.

    `hands_over`: rows without labels go to a job that runs the change's code. Ids: `sealed-source` for a file that the base does
    not seal, or that it seals and the change would learn from; `sealed-label` for a label among the features; `sealed-rules` for a
    field that only the base may change; `gate-base-invalid` for a base with a sealed holdout whose specs are invalid. Without a
    base, whose rules are the change's own, nothing is raised.
    """
    if base is None:
        return
    model = project.specs.models[name]
    dataset = project.specs.datasets[model.spec.dataset]
    holdouts = find_base_holdouts(project, base, model)
    if not holdouts and not _needs_a_sealing_base(project, dataset, hands_over=hands_over):
        return
    rules = effective_rules(base, project, model, dataset)
    findings = [
        *_training_source_findings(project, dataset, holdouts, base),
        *_holdout_findings(project, model, dataset, rules, holdouts, base),
    ]
    if findings:
        raise Findings(findings)


def _needs_a_sealing_base(project: Project, dataset: LocatedSpec[DatasetSpec], *, hands_over: bool) -> bool:
    """Tell whether a sealed source must be the base's although the base seals nothing yet.

    It must where its rows go to the change's code, and in a CI job that would read a URL with credentials that the author of the
    change may not have: the slices of the change could show any table that these open.
    """
    source = dataset.spec.split.source
    return source is not None and (hands_over or (project.context.job is not None and source.url is not None))


def find_base_holdouts(project: Project, base: BaseBranch, model: LocatedSpec[ModelSpec]) -> tuple[BaseHoldout, ...]:
    """Return the sealed holdouts of every project in the base commit.

    Raises Findings `gate-base-invalid` when the project's specs there are invalid, because then nobody knows the labels.
    """
    if not base.mentions_sealed_holdouts:
        return ()
    if base.has_invalid_specs:
        raise Findings.of(
            "gate-base-invalid",
            f"the specs of {base} are invalid, and they name a sealed holdout: which of its columns are labels is unknown",
            location=model.locate("spec", "dataset"),
            help="fix the specs of that branch first (run mlops-ci validate there)",
        )
    repo = project.context.repo
    top = repo.root if repo is not None else project.context.root
    return tuple(
        BaseHoldout(
            dataset,
            top / one.folder,
            frozenset(other.spec.target for other in one.specs.models.values() if other.spec.dataset == dataset.name),
        )
        for one in base.projects
        for dataset in one.specs.datasets.values()
        if dataset.spec.split.source is not None
    )


def _training_source_findings(
    project: Project, dataset: LocatedSpec[DatasetSpec], holdouts: Iterable[BaseHoldout], base: BaseBranch
) -> Iterator[Diagnostic]:
    """Yield a finding when the rows that are learned and checked, and whose values are shown, would be those of a holdout."""
    source, where = dataset.spec.source, dataset.locate("spec", "source")
    if isinstance(source, PluginSource):
        of_base = [one.spec.source for other in base.projects for one in other.specs.datasets.values()]
        if source not in of_base:
            yield _source_finding(
                f"{base} has no dataset with this source of type '{source.type}', and has a sealed holdout whose credentials it"
                " could use",
                where,
            )
        return
    mine = _file_identities(project.context.root, source)
    for one in holdouts:
        if mine & _holdout_identities(one):
            yield _source_finding(
                f"the source of dataset '{dataset.name}' has a file that dataset '{one.dataset.name}' of {base} seals",
                where,
            )


def _holdout_findings(
    project: Project,
    model: LocatedSpec[ModelSpec],
    dataset: LocatedSpec[DatasetSpec],
    rules: GateRules,
    holdouts: tuple[BaseHoldout, ...],
    base: BaseBranch,
) -> Iterator[Diagnostic]:
    source = rules.split.source
    if source is None:
        return
    place = _location(source, project.context.root)
    known = [one for one in holdouts if _location(one.source, one.folder) == place]
    same = [one for one in known if one.source == source or (source.path and _reads_alike(one.source, source))]
    if not same:
        yield _source_finding(
            f"{base} seals no holdout with exactly this source", dataset.locate("spec", "split", "source")
        )
        return
    labels = frozenset(label for one in known for label in one.labels)
    base_model = base.project.specs.models.get(model.name) if base.project else None
    yield from _label_findings(model, base_model.spec if base_model else None, labels, base)
    yield from _dataset_findings(dataset, [one.dataset.spec for one in same], base)
    if base_model is None:
        yield from _new_model_findings(model, rules, base)
    else:
        yield from _changed_model_findings(model, base_model.spec, base)


def _label_findings(
    model: LocatedSpec[ModelSpec], of_base: ModelSpec | None, labels: frozenset[str], base: BaseBranch
) -> Iterator[Diagnostic]:
    """Yield a finding for each feature that is a label. A model of the base keeps those it has there, if it runs no code but ours."""
    train = model.spec.train
    runs_own_code = train.entrypoint is not None or is_read_apart(train)
    kept = frozenset(of_base.features if of_base is not None and not runs_own_code else ())
    for index, feature in enumerate(model.spec.features):
        if feature in labels - kept:
            yield Diagnostic(
                "sealed-label",
                f"the feature {quote(feature)} is the target of a model of {base} on the same sealed holdout: its values there never"
                " leave the evaluating job",
                model.locate("spec", "features", index),
                "remove it from the features; a model that needs it can be evaluated on a dataset with another holdout",
            )


def _dataset_findings(
    dataset: LocatedSpec[DatasetSpec], of_base: list[DatasetSpec], base: BaseBranch
) -> Iterator[Diagnostic]:
    """Yield a finding when no dataset of the base with this holdout has the fields that only the base may change."""
    differences = sorted((_dataset_differences(dataset.spec, one) for one in of_base), key=len)
    if differences[0]:
        yield _rules_finding(
            f"{base} has this sealed holdout with another {', '.join(differences[0])}",
            dataset.locate("spec"),
            "merge the Dataset spec first, under a new name that no model uses yet, and let models use it in a second change",
        )


def _dataset_differences(mine: DatasetSpec, theirs: DatasetSpec) -> list[str]:
    fixed = [one.name for one in fields(DatasetSpec) if one.name not in CHANGEABLE_DATASET_FIELDS]
    differences = [name for name in fixed if getattr(mine, name) != getattr(theirs, name)]
    untagged = sorted(personal_columns(theirs) - personal_columns(mine))
    return differences + [f"columns.{name}.tags" for name in untagged]


def _new_model_findings(model: LocatedSpec[ModelSpec], rules: GateRules, base: BaseBranch) -> Iterator[Diagnostic]:
    """Yield a finding for each rule of a new model that would choose rows, or run code, among the labels of a sealed holdout."""
    own = {
        place: column
        for column, place in required_columns(rules).items()
        if place[:2] != ("spec", "dataset")  # the dataset's own columns, which the base has
    }
    own |= {("spec", "evaluate", "custom", name): name for name in rules.evaluate.custom}
    if model.spec.release.personal:
        own |= {("spec", "release", "personal"): ", ".join(model.spec.release.personal)}
    for place, column in own.items():
        yield _rules_finding(
            f"{base} does not have the model '{model.name}', so {place[1]}.{place[2]} ({column}) is a rule of this change, and could"
            " show the labels of single rows of a sealed holdout",
            model.locate(*place),
            "leave it out now, and add it in a second change, after the model is merged",
        )
    yield from _row_count_findings(model, rules)


def _row_count_findings(model: LocatedSpec[ModelSpec], rules: GateRules) -> Iterator[Diagnostic]:
    least = type(rules.gate)()
    for name, field in (("min_rows", "minRows"), ("min_slice_rows", "minSliceRows")):
        if getattr(rules.gate, name) < getattr(least, name):
            yield _rules_finding(
                f"gate.{field} of a new model is at least {getattr(least, name)} on a sealed holdout",
                model.locate("spec", "gate", field),
                f"delete gate.{field}; it can be changed after the model is merged",
            )


def _changed_model_findings(model: LocatedSpec[ModelSpec], theirs: ModelSpec, base: BaseBranch) -> Iterator[Diagnostic]:
    for one in fields(ModelSpec):
        if one.name not in CHANGEABLE_MODEL_FIELDS and getattr(model.spec, one.name) != getattr(theirs, one.name):
            yield _rules_finding(
                f"the model '{model.name}' has another {one.name} in {base}, whose rules would then judge another question on a sealed"
                " holdout",
                model.locate("spec", one.name),
                "add a model with another name for the new question",
            )
    if more := sorted({*model.spec.release.personal} - {*theirs.release.personal}):
        yield _rules_finding(
            f"release.personal allows {', '.join(map(quote, more))}, and {base} does not",
            model.locate("spec", "release", "personal"),
            "the base branch decides which personal columns of a sealed holdout may be shown: merge this line without other changes",
        )


def _reads_alike(one: SealedSource, other: SealedSource) -> bool:
    """Tell whether two sources with paths of different projects read their files in the same way."""
    return one.path is not None and one.source_at("") == other.source_at("")


def _location(source: SealedSource, folder: Path) -> str:
    """Return where a holdout is, so that two spellings of one place are equal."""
    if source.url is None:
        return posixpath.normpath((folder / (source.path or "")).as_posix())
    parts = urlsplit(source.url)
    path = posixpath.normpath("/" + unquote(parts.path).lstrip("/"))
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"


def _holdout_identities(one: BaseHoldout) -> frozenset[tuple[int, int]]:
    if one.source.path is not None:
        return _file_identities(one.folder, one.source.source_at(one.source.path))
    parts = urlsplit(one.source.url or "")
    return _identities([Path(unquote(parts.path))]) if parts.scheme.lower() == "file" else frozenset()


def _file_identities(root: Path, source: SourceSpec) -> frozenset[tuple[int, int]]:
    try:
        files = source_files(root, source)
    except ToolError:  # whoever reads it says why it cannot be read
        return frozenset()
    return _identities(root / file.path for file in files)


def _identities(paths: Iterable[Path]) -> frozenset[tuple[int, int]]:
    """Return device and inode of the files that are there: a link to a file is that file."""
    found = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def _source_finding(message: str, where: Location | None) -> Diagnostic:
    return Diagnostic(
        "sealed-source",
        message,
        where,
        "the base branch decides which files are sealed: merge a Dataset spec with this source first, which no model uses yet, and let"
        " models use it in a second change",
    )


def _rules_finding(message: str, where: Location | None, help: str) -> Diagnostic:
    return Diagnostic("sealed-rules", message, where, help)
