"""Validation across specs: every referenced name must exist, and values in different specs must agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.plugins import Plugin, load
from mlops_ci.core.suggestions import quote, suggest
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.personal_data import personal_split_finding
from mlops_ci.spec.spec_types import DatasetSpec, DeploymentSpec, ModelSpec, PluginTarget, ProjectSpec
from mlops_ci.spec.validation.dataset import dataset_spec_findings, undeclared_column_findings
from mlops_ci.spec.validation.estimator import training_code_findings
from mlops_ci.spec.validation.evaluation import evaluation_spec_findings
from mlops_ci.spec.validation.gate import gate_spec_findings
from mlops_ci.spec.validation.positive import positive_spec_findings
from mlops_ci.spec.validation.signers import signers_file_findings
from mlops_ci.spec.validation.training import training_options_findings


@dataclass(frozen=True)
class ParsedSpecs:
    """The specs of a repository that are valid on their own, and the names of the invalid ones by kind.

    Names of the `incomplete_kinds` are not all known: a file could not be read, or a spec has no valid kind or name.
    An unknown name may belong to such a spec, so it is not reported until that spec is corrected.
    """

    projects: Sequence[LocatedSpec[ProjectSpec]]
    datasets: Sequence[LocatedSpec[DatasetSpec]]
    models: Sequence[LocatedSpec[ModelSpec]]
    deployments: Sequence[LocatedSpec[DeploymentSpec]]
    invalid_names: Mapping[str, frozenset[str]]
    incomplete_kinds: frozenset[str] = frozenset()

    def names(self, kind: str, loaded: Sequence[LocatedSpec[Any]]) -> frozenset[str] | None:
        """Return all names of a kind, or None when not all are known.

        The names of invalid specs are included: a reference to an invalid spec is not a second error.
        """
        if kind in self.incomplete_kinds:
            return None
        return self.invalid_names.get(kind, frozenset()) | {spec.name for spec in loaded}


def reference_findings(root: Path, found: ParsedSpecs) -> Iterator[Diagnostic]:
    """Yield the findings about references between the specs of the repository at `root`."""
    for several in (found.datasets, found.models, found.deployments):
        yield from _duplicate_name_findings(several)
    yield from _duplicate_project_findings(found)
    for project in found.projects[:1]:
        yield from _champion_findings(project)
        yield from _signing_findings(root, project)
    for data in found.datasets:
        yield from dataset_spec_findings(data)
    datasets = {data.name: data for data in found.datasets}
    for model in found.models:
        yield from _model_findings(root, model, datasets, found.names("Dataset", found.datasets))
    yield from _deployment_findings(found)


def _duplicate_name_findings(loaded: Sequence[LocatedSpec[Any]]) -> Iterator[Diagnostic]:
    first: dict[str, LocatedSpec[Any]] = {}
    for spec in loaded:
        earlier = first.setdefault(spec.name, spec)
        if earlier is not spec:
            other = earlier.locate("metadata", "name")
            yield Diagnostic(
                "spec-duplicate-name",
                f"there are two specs of kind {spec.kind} named '{spec.name}'; the other is at {other}",
                spec.locate("metadata", "name"),
                "rename or delete one of them",
            )


def _duplicate_project_findings(found: ParsedSpecs) -> Iterator[Diagnostic]:
    for project in found.projects[1:]:
        yield Diagnostic(
            "project-duplicate",
            f"a project has one Project spec, and no other project is inside of it; the first is at {found.projects[0].locate('kind')}",
            project.locate("kind"),
            "merge the two, delete this one, or move this project so that neither folder is in the other",
        )


def _champion_findings(project: LocatedSpec[ProjectSpec]) -> Iterator[Diagnostic]:
    champion = project.spec.champion
    if champion is not None and champion not in project.spec.environments:
        yield Diagnostic(
            "environment-unknown",
            f"the champion environment '{champion}' is not one of the project's environments",
            project.locate("spec", "champion"),
            suggest(champion, project.spec.environments),
        )


def _signing_findings(root: Path, project: LocatedSpec[ProjectSpec]) -> Iterator[Diagnostic]:
    """Yield the findings about `signing` and `policy.approvals`."""
    signing, approvals = project.spec.signing, project.spec.policy.approvals
    signers = _resolve_within(root, signing.allowed_signers) if signing else None
    if signing is not None and not (signers and signers.is_file()):
        yield Diagnostic(
            "signers-missing",
            f"the file of allowed signers {quote(signing.allowed_signers)} does not exist in the repository",
            project.locate("spec", "signing", "allowedSigners"),
            f"create it: {_SIGNERS_COMMANDS[signing.format]} > {signing.allowed_signers if signers else '.mlops/signers'}",
        )
    yield from signers_file_findings(root, project)
    for name in approvals:
        if name not in project.spec.environments:
            yield Diagnostic(
                "environment-unknown",
                f"{quote(name)} is not one of the project's environments",
                project.locate("spec", "policy", "approvals", name, key=True),
                suggest(name, project.spec.environments),
            )
    if approvals and signing is None:
        yield Diagnostic(
            "approvals-unsigned",
            "approvals need signatures: without them, anyone could approve in another person's name",
            project.locate("spec", "policy", "approvals", key=True),
            "add `signing: {format: ssh, allowedSigners: .mlops/allowed_signers}`",
        )


_SIGNERS_COMMANDS = {
    "ssh": 'echo "you@example.org namespaces=\\"git\\" $(cat ~/.ssh/id_ed25519.pub)"',
    "openpgp": "gpg --armor --export you@example.org",
}


def _resolve_within(root: Path, path: str) -> Path | None:
    """Return the resolved path, or None for a path outside the root."""
    resolved = (root / path).resolve()
    return resolved if resolved.is_relative_to(root.resolve()) else None


def _model_findings(
    root: Path,
    model: LocatedSpec[ModelSpec],
    datasets: Mapping[str, LocatedSpec[DatasetSpec]],
    names: frozenset[str] | None,
) -> Iterator[Diagnostic]:
    spec = model.spec
    if names is not None and spec.dataset not in names:
        help = (
            suggest(spec.dataset, sorted(names))
            or "the project has no spec of kind Dataset; write one, or run `mlops-ci init --from FILE`"
        )
        yield Diagnostic(
            "dataset-unknown", f"there is no dataset '{spec.dataset}'", model.locate("spec", "dataset"), help
        )
    if spec.target in spec.features:
        yield Diagnostic(
            "model-target-in-features",
            f"the target {quote(spec.target)} is also a feature: the model would get the value that it must predict as an input",
            model.locate("spec", "features", spec.features.index(spec.target)),
            "delete it from `features`",
        )
    data = datasets.get(spec.dataset)
    if data is not None:
        yield from _model_column_findings(model, data)
        yield from filter(None, [personal_split_finding(model, data, data.spec.split)])
    yield from positive_spec_findings(model, data)
    yield from evaluation_spec_findings(root, model, data)
    yield from gate_spec_findings(model)
    yield from training_code_findings(root, model)
    yield from training_options_findings(model, data)


def _model_column_findings(model: LocatedSpec[ModelSpec], data: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    spec = model.spec
    yield from undeclared_column_findings(data, spec.target, model.locate("spec", "target"), "target")
    for index, name in enumerate(spec.features):
        where = model.locate("spec", "features", index)
        yield from undeclared_column_findings(data, name, where, "feature")
        if data.spec.key == (name,):  # a column that is only a part of the key may well generalise
            yield Diagnostic(
                "feature-is-key",
                f"feature {quote(name)} is the key of dataset '{data.name}': an identifier cannot generalise to new rows",
                where,
                "delete it from `features`",
                "warning",
            )


def _deployment_findings(found: ParsedSpecs) -> Iterator[Diagnostic]:
    models = found.names("Model", found.models)
    environments = found.projects[0].spec.environments if found.projects else None
    taken: dict[tuple[str, str], LocatedSpec[DeploymentSpec]] = {}
    places: dict[tuple[str, str], LocatedSpec[DeploymentSpec]] = {}
    for deployment in found.deployments:
        spec = deployment.spec
        if models is not None and spec.model not in models:
            help = suggest(spec.model, sorted(models)) or "the project has no spec of kind Model; write one"
            yield Diagnostic(
                "model-unknown", f"there is no model '{spec.model}'", deployment.locate("spec", "model"), help
            )
        if environments is not None and spec.environment not in environments:
            yield Diagnostic(
                "environment-unknown",
                f"'{spec.environment}' is not one of the project's environments",
                deployment.locate("spec", "environment"),
                suggest(spec.environment, environments),
            )
        earlier = taken.setdefault((spec.model, spec.environment), deployment)
        if earlier is not deployment:
            other = earlier.locate("metadata", "name")
            yield Diagnostic(
                "deployment-duplicate",
                f"model '{spec.model}' has two deployments in '{spec.environment}'; the other is at {other}",
                deployment.locate("spec", "environment"),
                "a model can have one deployment in an environment: delete one, or choose another environment",
            )
        yield from _shared_namespace_findings(deployment, places)
        yield from _unread_field_findings(deployment)
        if spec.replicas.min > spec.replicas.max:
            given = "min" if deployment.value("spec", "replicas", "min") is not None else "max"
            yield Diagnostic(
                "spec-bounds",
                f"replicas: min {spec.replicas.min} is greater than max {spec.replicas.max}",
                deployment.locate("spec", "replicas", given),
                "swap them, or write both (the defaults are 1 and 3)",
            )


def _unread_field_findings(deployment: LocatedSpec[DeploymentSpec]) -> Iterator[Diagnostic]:
    """Yield a finding for each field that the spec sets and the plugin target does not read."""
    target = deployment.spec.target
    if not isinstance(target, PluginTarget):
        return
    table: Mapping[str, Plugin[Any]] = {}
    reads = load(table, "mlops_ci.targets", target.type).reads
    for name in ("replicas", "resources", "rollout"):
        if name not in reads and deployment.value("spec", name) is not None:
            yield Diagnostic(
                "deployment-field-unused",
                f"a target of type {quote(target.type)} does not read '{name}'",
                deployment.locate("spec", name, key=True),
                f"delete it; of the fields next to `target`, a target of this type reads: {', '.join(reads) or 'none'}",
            )


def _shared_namespace_findings(
    deployment: LocatedSpec[DeploymentSpec], places: dict[tuple[str, str], LocatedSpec[DeploymentSpec]]
) -> Iterator[Diagnostic]:
    """Yield a note when an earlier deployment of the model, for another environment, has the same namespace."""
    spec = deployment.spec
    if isinstance(spec.target, PluginTarget):
        return
    earlier = places.setdefault((spec.model, spec.target.namespace), deployment)
    if earlier.spec.environment != spec.environment:
        other = earlier.locate("metadata", "name")
        yield Diagnostic(
            "deployment-same-namespace",
            f"the deployments of model '{spec.model}' in '{earlier.spec.environment}' and '{spec.environment}' share the "
            f"namespace '{spec.target.namespace}': if both are in the same cluster, each one overwrites the other; the other one is at {other}",
            deployment.locate("spec", "target", "namespace"),
            "give each environment its own `namespace`, unless each environment has its own cluster",
            "note",
        )
