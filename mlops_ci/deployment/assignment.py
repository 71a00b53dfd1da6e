"""Assigns a version to an environment: the manifests, the tag, and their way to the branch. Used by `deploy` and `rollback`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Literal

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic, replace_control_characters
from mlops_ci.core.digest import canonical_json, digest_bytes
from mlops_ci.core.errors import EnvironmentProblem, Findings, UsageProblem
from mlops_ci.core.notifications import Dispatch, Notification, RecordArtifact, RecordDeployment
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLog, CreateTag, Push
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.events import Approval, Assignment, DataLock, Release
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.core.results.lifecycle import DeployReport
from mlops_ci.deployment.manifest_branch import (
    ManifestBranch,
    ManifestFolder,
    ensure_spec_on_branch,
    is_folder_up_to_date,
    plan_folder_commit,
    plan_pull_request,
    repository_path,
    require_manifest_branch,
    worktree_warnings,
)
from mlops_ci.deployment.manifests import render_manifests, without_credentials
from mlops_ci.governance.approvals import (
    approval_count_text,
    approval_ref_prefix,
    count_approvals,
    excluded_approver,
    find_release_authors,
    read_approvals,
)
from mlops_ci.governance.policy import BranchPolicy, load_policy, signing_for
from mlops_ci.governance.revocations import find_override
from mlops_ci.registry import run_store
from mlops_ci.registry.completion import completion_note, plan_completion, plan_earlier_completion
from mlops_ci.registry.events import Event
from mlops_ci.registry.lookup import require_release_record
from mlops_ci.registry.next_event import find_predecessor, next_event_number
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.statement import encode_assignment
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.reports.deploy_request import request_body as request_body
from mlops_ci.reports.escaping import clip
from mlops_ci.repository.context import Project
from mlops_ci.repository.git import Repository, require_identity
from mlops_ci.repository.git_values import Person
from mlops_ci.repository.lookup import require_repository
from mlops_ci.repository.signing import TagSignature, sign_tag, verify_tags
from mlops_ci.spec.load import LocatedSpec
from mlops_ci.spec.spec_types import API_VERSION, DeploymentSpec, TargetSpec

DATA_LOCK = "data.lock"
_MAX_DESCRIPTION = 140  # characters: GitHub's limit


@dataclass(frozen=True)
class AssignmentTerms:
    """On which terms a version is assigned: why, whether as a rollback, and what was overridden for the reason.

    `force`: also a version that was taken back; `skipped`: earlier environments that the version has not been in.
    """

    reason: str | None = None
    rollback: bool = False
    force: bool = False
    skipped: tuple[str, ...] = ()


def plan_assignment(
    project: Project, state: ModelState, release: Event, environment: str, terms: AssignmentTerms
) -> Outcome[DeployReport]:
    """Plan the assignment of a released version to an environment: manifests, data lock and tag, in one push.

    If manifests are delivered by pull request, the first run plans the pull request; after its merge, the next run finds the
    manifests on the branch and plans the tag. A rollback may assign whatever `force` may. Raises Findings when the version
    has no evidence, was rolled back without `force`, or there is no branch; UsageProblem when the environment has no Deployment
    spec. Raises
    EnvironmentProblem when the version's stored run is missing or another run.
    """
    reason, rollback, force = terms.reason, terms.rollback, terms.force
    repo = require_repository(project.context.repo)
    record = require_release_record(release)
    run = run_store.released_run(repo, record)
    _ensure_files_in_git(project, repo, record, run)
    spec = _require_deployment_spec(project, state.model, environment)
    branch = require_manifest_branch(project, repo)
    ensure_spec_on_branch(repo, branch, project, spec)
    place = f"deploy/{environment}/{state.model}"
    files = {
        **render_manifests(record, spec.spec, spec.name, repository=_repository_url(repo, branch, spec)),
        DATA_LOCK: _data_lock(repo, record, run),
    }
    folder = ManifestFolder(branch, repository_path(project, repo, place), files)
    current = state.current_assignments.get(environment)
    report = DeployReport(
        model=state.model,
        version=release.version,
        environment=environment,
        state="assigned",
        folder=place,
        replaced=current.version if current else None,
        reason=reason,
        skipped=terms.skipped,
    )
    basis = current.ref if current else None
    on_branch = is_folder_up_to_date(repo, folder)
    if on_branch and current is not None and current.version == release.version:
        if current is state.unlogged_event:
            ensure_release_signed(repo, load_policy(project, repo, branch.tip), current)
            rest = Plan((*plan_completion(repo, state), Push(branch.remote)))
            return Outcome(replace(report, number=current.number), (completion_note(current),), rest, basis=basis)
        return Outcome(replace(report, state="unchanged", number=current.number), worktree_warnings(repo, folder))
    rules = load_policy(project, repo, branch.tip)
    signing, unsigned = signing_for(repo, rules)
    if not rollback:  # a rollback is urgent, and its version was checked when it was first assigned
        ensure_release_signed(repo, rules, release)
    approvals = _require_approvals(project, repo, rules, release, environment, rollback=rollback)
    findings = (*unsigned, *_unreachable_warnings(branch, spec))
    command = f"deploy {state.model}@{release.version} --env {environment}"
    overrides = find_override(state, record.model_digest, f"mlops-ci {command}", force=force or rollback)
    number = next_event_number(state)
    title = f"{state.model} v{release.version} in {environment}"
    subject = f"Roll back {state.model} in {environment} to v{release.version}" if rollback else f"Deploy {title}"
    if not on_branch and project.delivery == "pull-request":
        if rollback:
            command = f"rollback {state.model} --env {environment} --version {release.version}"
        command = f"mlops-ci {command}{' --force' * force}{''.join(f' --skip {name}' for name in terms.skipped)}{f' --reason {shlex.quote(reason)}' if reason else ''}"
        text = f"{subject}\n\n{reason or 'Manifests only.'}\n\nAfter the merge, this command writes the assignment:\n\n    {command}\n"
        job = project.context.job
        body = request_body(reason, command, "the assignment") if job else None
        gate = job.gate_workflow if job else None
        name, plan = plan_pull_request(repo, folder, f"{environment}-{state.model}", number, text, body, gate)
        return Outcome(
            replace(report, state="requested", branch=name, follow_up_command=command), plan=plan, basis=basis
        )
    earlier, notes = plan_earlier_completion(repo, state)
    writes = [*earlier]
    if not on_branch:
        writes.append(plan_folder_commit(repo, folder, f"{subject}\n\n{reason or record.evidence.sentence}\n"))
    earlier_assignments = state.assignments(environment)
    assignment = Assignment(
        model=state.model,
        version=release.version,
        environment=environment,
        number=number,
        release=release.ref,
        model_files=record.model_files,
        model_digest=record.model_digest,
        run_key=record.run_key,
        train_digest=record.data[0].train_digest,
        manifests=tuple(
            FileDigest(f"{place}/{path}", digest_bytes(content), len(content))
            for path, content in sorted(files.items())
        ),
        made_by=project.context.provenance,
        made_on=project.context.clock().isoformat(timespec="seconds"),
        reason=reason,
        skipped=terms.skipped,
        rollback_of=(current or earlier_assignments[-1]).version if rollback and earlier_assignments else None,
        overrides=overrides,
        approvals=approvals,
        approvals_required=rules.approvals.get(environment, 0),
        previous=find_predecessor(state),
        policy_commit=rules.commit,
        project=project.reference,
    )
    tag = f"{state.model}#{environment}#{number}"
    text = format_tag_message(title, reason or record.evidence.sentence, encode_assignment(assignment))
    writes += [
        CreateTag(tag, release.commit, text, state.latest_event_date, signing),
        AppendLog(state.model, tag, encode(assignment), state.log),
        Push(branch.remote),
        *(_assignment_notifications(project.context.job, record, assignment, tag) if project.context.job else ()),
    ]
    return Outcome(replace(report, number=number), (*findings, *notes), Plan(tuple(writes)), basis=basis)


def _assignment_notifications(
    job: CiJob, release: Release, assignment: Assignment, tag: str
) -> tuple[Notification, ...]:
    """Return the notifications of an assignment to the git host."""
    task: Literal["deploy", "rollback"] = "deploy" if assignment.rollback_of is None else "rollback"
    facts = {"model": assignment.model, "version": assignment.version, "environment": assignment.environment}
    why = replace_control_characters(assignment.reason or release.evidence.sentence)
    description = clip(f"{assignment.model} v{assignment.version}: {why}", _MAX_DESCRIPTION)
    file = next((file for file in assignment.model_files if file.path == release.model_format.entry_file), None)
    artifact = file and RecordArtifact(
        f"{assignment.model}/{file.path}",
        file.sha256,
        assignment.version,
        assignment.environment,
        f"{assignment.environment}-{assignment.model}",
    )
    return (
        RecordDeployment(assignment.release.name, assignment.environment, description, task),
        *((artifact,) if artifact and job.records_artifacts else ()),
        Dispatch("mlops-ci-deployed", {**facts, "tag": tag}),
    )


def ensure_release_signed(repo: Repository, rules: BranchPolicy, release: Event) -> None:
    """Raise Findings unless an allowed signer signed the release; do nothing if signatures are not required."""
    if rules.signing is None or not rules.signing.required:
        return
    signature = verify_tags(repo, rules.signing, (release.oid,))[release.oid]
    if signature.state != "good":
        raise Findings.of(
            "release-not-trusted",
            f"{release.ref.name} {_SIGNATURE_FAULTS[signature.state]}, but the project requires a signature by an allowed signer",
            help="inspect the tag (git verify-tag); if its content is right, release the model again. If a signer has left,"
            " keep the signer's line in the file of allowed signers, and add valid-before to it",
        )


_SIGNATURE_FAULTS = {
    "unsigned": "is not signed",
    "bad": "has a signature that is not valid",
    "stranger": "is signed by a key that is not among the allowed ones",
}


def _require_approvals(
    project: Project, repo: Repository, rules: BranchPolicy, release: Event, environment: str, *, rollback: bool
) -> tuple[Approval, ...]:
    """Return a version's approvals for an environment; raises Findings if the branch requires more.

    A rollback also counts an approval by the person who rolls back; a deployment does not count one by its deployer.
    """
    required = rules.approvals.get(environment, 0)
    if required == 0 or rules.signing is None:
        return ()
    prefix = approval_ref_prefix(release.model, environment, release.version)
    parties = [find_release_authors(repo, rules.signing, release)]
    if not rollback:
        who, signature = probe_signer(project, repo, rules, release.commit)
        parties.append(excluded_approver("the person who deploys a version cannot approve it", who.email, signature))
    judged = count_approvals(read_approvals(repo, rules.signing, repo.refs(prefix)), release, environment, parties)
    if len(judged.counted) >= required:
        return judged.counted
    names = ", ".join(approval.actor for approval in judged.counted) or "nobody"
    others = "".join(f"; {one.who} does not count: {one.why}" for one in judged.rejected)
    raise Findings.of(
        "approvals-missing",
        f"{release.ref.name} needs {approval_count_text(required)} for '{environment}' and has {len(judged.counted)} ({names}){others}",
        help=f"ask another allowed signer to run: mlops-ci approve {release.model}@{release.version} --env {environment}",
    )


def probe_signer(project: Project, repo: Repository, rules: BranchPolicy, commit: str) -> tuple[Person, TagSignature]:
    """Return the user's git identity and the signer of their key, found with a test signature that is discarded.

    Without a key, the signature is `unsigned`. Raises EnvironmentProblem as `sign_tag` does, and `git-identity-missing`.
    """
    who = require_identity(project.context.person)
    signing, _ = signing_for(repo, rules)
    if signing is None:
        return who, TagSignature("unsigned")
    return who, sign_tag(repo, signing, "probe", commit, "probe", who, int(project.context.clock().timestamp()))[1]


def _ensure_files_in_git(project: Project, repo: Repository, release: Release, run: run_store.StoredRun) -> None:
    """Raise Findings unless git has every file of the version: the init container of a deployment can only fetch with git."""
    external = run_store.external_files(repo, run)
    if external is None:
        return
    largest = max(file.size for file in external.files)
    raise Findings.of(
        "deploy-files-elsewhere",
        f"{', '.join(file.path for file in external.files)} of {release.model} v{release.version} are stored at {external.url}, but a"
        " deployment can fetch files only from git",
        location=project.specs.project.locate("spec"),
        help=f"set `storeLimitMb: {-(-largest // 1_000_000)}` or more in mlops.yaml, so that git stores the next version; or deploy this"
        f" version in another way: mlops-ci fetch {release.model}@{release.version} DIR",
    )


def _data_lock(repo: Repository, release: Release, run: run_store.StoredRun) -> bytes:
    """Return the data lock: the release's rows, and the files of the snapshot in its run, which must match the release."""
    snapshot = run_store.read_record(repo, run, "snapshot.json", DatasetSnapshot)
    (data,) = release.data
    if (snapshot.dataset, snapshot.files_digest, snapshot.schema_digest) != (
        data.dataset,
        data.files_digest,
        data.schema_digest,
    ):
        raise EnvironmentProblem.of(
            "store-corrupt",
            f"the snapshot in {run.ref} describes other data than the release {release.model}@v{release.version}",
            help="compare the tag and the run with another clone before you trust either of them",
        )
    lock = DataLock(
        dataset=data.dataset,
        train_digest=data.train_digest,
        train_rows=data.train_rows,
        holdout_digest=release.evidence.holdout_digest,
        holdout_rows=release.evidence.holdout_rows,
        schema_digest=data.schema_digest,
        files=snapshot.files,
        commit=release.commit,
    )
    return f"{canonical_json(encode(lock))}\n".encode()


def _require_deployment_spec(project: Project, model: str, environment: str) -> LocatedSpec[DeploymentSpec]:
    for loaded in project.specs.deployments.values():
        if loaded.spec.model == model and loaded.spec.environment == environment:
            return loaded
    raise UsageProblem.of(
        "deployment-missing",
        f"no Deployment spec says how '{model}' runs in '{environment}'",
        help=f"write deploy/{model}-{environment}.yaml, and commit it:\n"
        f"apiVersion: {API_VERSION}\nkind: Deployment\nmetadata: {{name: {model}-{environment}}}\n"
        f"spec: {{model: {model}, environment: {environment}, target: {{type: kubernetes}}}}",
    )


def _named_repository(spec: LocatedSpec[DeploymentSpec]) -> str | None:
    target = spec.spec.target
    return target.repository if isinstance(target, TargetSpec) else None


def _repository_url(repo: Repository, branch: ManifestBranch, spec: LocatedSpec[DeploymentSpec]) -> str:
    url = _named_repository(spec) or (repo.remote_url(branch.remote) if branch.remote else str(repo.root))
    return without_credentials(url)


def _unreachable_warnings(branch: ManifestBranch, spec: LocatedSpec[DeploymentSpec]) -> tuple[Diagnostic, ...]:
    if branch.remote is not None or _named_repository(spec) is not None:
        return ()
    return (
        Diagnostic(
            "repository-local",
            "this repository has no remote, so the manifests fetch the model from a local path that no cluster can reach",
            spec.locate("spec", "target", key=True),
            "add a remote (git remote add origin URL), or set spec.target.repository to a URL",
            "warning",
        ),
    )
