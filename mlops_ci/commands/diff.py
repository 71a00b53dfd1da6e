"""`diff`: compares two versions or runs side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json, digest_bytes, digest_json
from mlops_ci.core.errors import EnvironmentProblem, Findings, UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import DatasetSnapshot, TrainingRun
from mlops_ci.core.results.queries import DiffReport
from mlops_ci.core.suggestions import find_nearest, suggest
from mlops_ci.core.verbs import Option, Verb
from mlops_ci.governance.query_registry import read_verified_registry
from mlops_ci.registry import run_store
from mlops_ci.registry.diff import ComparedRun, diff_runs
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState, RegistryState
from mlops_ci.repository.context import Context
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository
from mlops_ci.repository.project_identity import find_identity
from mlops_ci.spec.yaml.document import read_documents as read_documents
from mlops_ci.spec.yaml.nodes import SyntaxProblem

SPEC = Verb(
    "diff",
    "Compare two versions or runs side by side.",
    (
        Option("a", "The first version.", positional=True, required=True, metavar="A"),
        Option("b", "The second version.", positional=True, required=True, metavar="B"),
    ),
    needs="repository",
    syncs="gaps",
    formats=("text", "json", "github", "markdown"),
    details="Compares spec, data, metrics, environment, code, gate and files. A and B are MODEL@VERSION, MODEL@ENVIRONMENT (the version"
    " assigned there) or MODEL@RUN (at least 6 digits of a key from `show --runs`). B may omit the model.",
)

_VERSION_PATTERN = re.compile(r"v?(\d+\.\d+\.\d+\S*)")
_RUN_KEY_PATTERN = re.compile(r"[0-9a-f]{6,64}")


def diff(context: Context, *, a: str, b: str) -> Outcome[DiffReport]:
    """Return the differences of `a` and `b`: each is MODEL@VERSION, MODEL@ENVIRONMENT (the version there now) or MODEL@RUN.

    `b` may omit the model. Raises UsageProblem for any other reference, Findings for a version without a record, and
    EnvironmentProblem when the files of a version are missing.
    """
    repo = require_repository(context.repo)
    identity = find_identity(repo, context.start_folder)
    model = a.partition("@")[0]
    registry, unverified = read_verified_registry(
        repo, identity, *dict.fromkeys((model, b.partition("@")[0] if "@" in b else model))
    )
    sides = [_find_side(repo, registry, *_parse_reference(text, model)) for text in (a, b)]
    unknown = tuple(
        Diagnostic(
            "diff-spec-missing",
            f"this clone does not have the spec that is named in the record of {side.name}, so only the files of the runs are compared",
            help="git fetch --unshallow (in GitHub Actions: actions/checkout with `fetch-depth: 0`)",
            severity="warning",
        )
        for side in sides
        if side.spec is None and all(one.release for one in sides)
    )
    return Outcome(diff_runs(*sides), (*registry.gap_warnings, *unverified, *unknown))


def _parse_reference(text: str, model: str) -> tuple[str, str]:
    """Return the model's name, and the version, environment or run key after the `@`."""
    name, at, what = text.rpartition("@")
    if not at:
        name = model
    if not name or not what or name == text:
        raise UsageProblem.of(
            "version-unknown",
            f"'{text}' does not say which version to compare",
            help="write MODEL@VERSION, MODEL@ENVIRONMENT or MODEL@RUN",
        )
    return name, what


def _find_side(repo: Repository, registry: RegistryState, model: str, what: str) -> ComparedRun:
    state = registry.model(model)
    versions = {event.version: event for event in state.events if event.kind == "release"}
    named = _VERSION_PATTERN.fullmatch(what)
    if named and named.group(1) in versions:
        return _released_side(repo, versions[named.group(1)])
    if what in state.current_assignments and state.current_assignments[what].version in versions:
        return _released_side(repo, versions[state.current_assignments[what].version])
    runs = [ref.name for ref in repo.refs(f"refs/mlops/runs/{model}/")] if _RUN_KEY_PATTERN.fullmatch(what) else []
    found = [name for name in runs if name.rpartition("/")[2].startswith(what)]
    if len(found) != 1:
        raise _version_problem(registry, state, what, [name.rpartition("/")[2] for name in found])
    stored = run_store.find_run(repo, found[0])
    if stored is None:  # the ref does not point to a commit
        raise _version_problem(registry, state, what, [])
    key = found[0].rpartition("/")[2]
    return _read_side(repo, stored, f"{model}@{key[:12]}", None)


def _version_problem(registry: RegistryState, state: ModelState, what: str, runs: list[str]) -> UsageProblem:
    if runs:
        return UsageProblem.of(
            "version-unknown",
            f"the keys of {len(runs)} runs of '{state.model}' start with {what}",
            help=f"give more digits: {', '.join(sorted(runs)[:5])}",
        )
    if not state.events:
        known = [name for name, one in registry.models.items() if one.events]
        help = suggest(state.model, known, otherwise="the released models are") or "no model is released yet"
        return UsageProblem.of(
            "version-unknown",
            f"'{state.model}' has no release and no run '{what}' in this clone",
            help=f"{help}; `mlops-ci show --runs` lists the runs in this clone",
        )
    match = find_nearest(what.removeprefix("v"), (*state.releases, *state.current_assignments))
    return UsageProblem.of(
        "version-unknown",
        f"'{what}' is neither a version of '{state.model}', nor an environment in which this model runs, nor a run in this clone",
        help=(f"did you mean '{match}'? " if match else "")
        + f"versions: {', '.join(state.releases) or 'none'}; environments: {', '.join(state.current_assignments) or 'none'};"
        f" runs: mlops-ci show --runs {state.model}",
    )


def _released_side(repo: Repository, event: Event) -> ComparedRun:
    release = event.record
    if not isinstance(release, Release):
        raise Findings.of(
            "release-without-evidence",
            f"the tag {event.name} has no gate record, so there is nothing to compare",
            help="another tool made the tag, or its record was edited: git show " + event.name,
        )
    ref = run_store.release_ref(release.model, release.version)
    stored = run_store.find_run(repo, ref, fetch=True)
    if stored is None:
        raise EnvironmentProblem.of(
            "store-missing",
            f"the files of {event.name} are neither in this clone nor at its remote",
            help=f"git fetch origin {ref}:{ref}; if the remote no longer has it, look for a clone that does",
        )
    side = _read_side(repo, stored, event.name, release)
    identity = (side.run.key, side.run.model_digest)
    digest = digest_bytes(canonical_json(encode(side.comparison)).encode())
    if (
        stored.oid != release.run_oid
        or identity != (release.run_key, release.model_digest)
        or digest != release.evidence.digest
    ):
        raise EnvironmentProblem.of(
            "store-corrupt",
            f"{ref} is not the run that {event.name} names",
            help="the ref was moved or damaged: compare it with another clone (git ls-remote), and fetch it again",
        )
    return side


def _read_side(repo: Repository, stored: run_store.StoredRun, name: str, release: Release | None) -> ComparedRun:
    """Return a stored run with its records."""

    def record(path: str, kind: type[run_store.T]) -> run_store.T | None:
        return run_store.read_record(repo, stored, path, kind) if path in stored.files else None

    return ComparedRun(
        name=name,
        run=run_store.read_record(repo, stored, "run.json", TrainingRun),
        comparison=record("comparison.json", Comparison),
        snapshot=record("snapshot.json", DatasetSnapshot),
        release=release,
        spec=_find_spec(repo, release) if release else None,
    )


def _find_spec(repo: Repository, release: Release) -> Mapping[str, Any] | None:
    """Return the Model spec of a release, found by its digest; None when this clone lacks its commit or file."""
    paths = [release.spec_path]
    if (
        repo.object_type(f"{release.commit}:{release.spec_path}") != "blob"
    ):  # the project is in a subfolder of its repository
        paths = [path for path in repo.list_files(release.commit) if path.endswith(f"/{release.spec_path}")]
    for path in paths:
        try:
            documents = read_documents(path, repo.read_blob(f"{release.commit}:{path}") or b"")
        except SyntaxProblem:
            continue
        for data in (document.data for document in documents):
            spec = data.get("spec") if isinstance(data, dict) and data.get("kind") == "Model" else None
            if isinstance(spec, dict) and _spec_digest(release.model, spec) == release.spec_digest:
                return spec
    return None


def _spec_digest(model: str, spec: Any) -> str | None:
    try:
        return digest_json({"kind": "Model", "name": model, "spec": spec})
    except ValueError:  # a value that a spec cannot have, such as .nan
        return None
