"""Audit of the manifests on the branch: they are those of the current assignments, without manual edits or leftovers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.events import Assignment
from mlops_ci.governance.audit import blobs
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.governance.audit.kustomizations import KustomizationReader
from mlops_ci.registry.events import Event
from mlops_ci.repository.branch_specs import BranchTip, ProjectAtTip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import PLAIN_FILE
from mlops_ci.repository.ref_listing import TAG_PREFIX

_REWRITE_HELP = "write the manifests again (mlops-ci deploy); make changes in the Deployment spec, not in the manifests"
_UNASSIGNED_HELP = "if a pull request has just added these files, run the deploy command that it names; else delete the folder (git rm -r)"


def breaks(
    repo: Repository,
    helds: Iterable[ModelInventory],
    project: ProjectAtTip,
    tip: BranchTip,
    elsewhere: Iterable[str] = (),
) -> tuple[dict[str, tuple[Diagnostic, ...]], int]:
    """Return the findings by model where the branch's manifests differ from the current assignments', and the number verified.

    `elsewhere` are models of other projects: this project's manifests of them are leftovers, too.
    """
    folders = _manifest_folders(tip.files, project)
    wanted = {held.model: _current_assignments(held) for held in helds}
    current = [path for place in folders.values() for path in place]
    there = blobs.look_up_objects(repo, [tip.files[path] for path in current])
    digests = blobs.digest_blobs(repo, there)
    found: dict[str, list[Diagnostic]] = {}
    modes = {path: mode for path, (mode, _) in repo.list_entries(tip.commit).items()} if folders else {}
    kustomizations = KustomizationReader(repo, tip)
    count = 0
    for model, assigned in wanted.items():
        for environment, (event, record) in assigned.items():
            count += len(record.manifests)
            at = folders.pop((environment, model), ())
            mine = {path: digests.get(tip.files[path]) for path in at}
            mine = {path: digest if modes.get(path) == PLAIN_FILE else None for path, digest in mine.items()}
            found.setdefault(model, []).extend(_manifest_breaks(project, tip, event, record, mine))
            found[model] += kustomizations.breaks(project.repository_path(f"deploy/{environment}/{model}"), event.name)
    others = set(elsewhere)
    for (environment, model), paths in folders.items():
        folder = project.repository_path(f"deploy/{environment}/{model}")
        if model in others:
            found.setdefault(model, []).append(
                Diagnostic(
                    "audit-manifest-unassigned",
                    f"{folder}/ on branch '{tip.name}' has {len(paths)} files, but '{model}' is a model of another project",
                    help=f"a model that came to another project runs from that one's manifests: git rm -r {folder}",
                    about=f"{tip.name}:{folder}",
                )
            )
        elif model in wanted or model in project.specs.models:
            found.setdefault(model, []).append(
                Diagnostic(
                    "audit-manifest-unassigned",
                    f"{folder}/ on branch '{tip.name}' has {len(paths)} files, but no version of '{model}' is assigned to '{environment}'",
                    help=_UNASSIGNED_HELP,
                    about=f"{tip.name}:{folder}",
                )
            )
    return {model: tuple(items) for model, items in found.items()}, count


def _manifest_folders(files: Mapping[str, str], project: ProjectAtTip) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the paths in every deploy/<environment>/<model>/ folder of the project's environments."""
    environments = set(project.specs.project.spec.environments)
    start = project.repository_path("deploy/")
    found: dict[tuple[str, str], list[str]] = {}
    for path in files:
        if path.startswith(start):
            environment, _, rest = path.removeprefix(start).partition("/")
            model, inside, _ = rest.partition("/")
            if inside and environment in environments:
                found.setdefault((environment, model), []).append(path)
    return {key: tuple(paths) for key, paths in found.items()}


def _current_assignments(held: ModelInventory) -> dict[str, tuple[Event, Assignment]]:
    """Return the current assignment of each environment, if it has a record."""
    return {
        environment: (event, record)
        for environment, event in held.state.current_assignments.items()
        if isinstance(record := held.records.get(event.name), Assignment)
    }


def _manifest_breaks(
    project: ProjectAtTip, tip: BranchTip, event: Event, record: Assignment, there: Mapping[str, FileDigest | None]
) -> Iterator[Diagnostic]:
    told = {project.repository_path(file.path): file for file in record.manifests}
    for path in sorted({*told, *there}):
        wanted, digest = told.get(path), there.get(path)
        if wanted is None:
            why = f"is not one of the manifests of {event.name}"
        elif path not in there:
            why = f"is missing, but {event.name} wrote it"
        elif digest is None or (digest.sha256, digest.size) != (wanted.sha256, wanted.size):
            why = f"differs from the file that {event.name} wrote: it was edited, or became a link or an executable"
        else:
            continue
        yield Diagnostic(
            "audit-manifest-changed",
            f"{path} on branch '{tip.name}' {why}",
            help=_REWRITE_HELP,
            about=f"{TAG_PREFIX}{event.name}",
        )
