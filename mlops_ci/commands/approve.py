"""`approve`: signs an approval of a released version for an environment. `deploy` counts the approvals."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import CreateTag, Push
from mlops_ci.core.records.base import EventRef
from mlops_ci.core.records.events import ApprovalStatement
from mlops_ci.core.results.lifecycle import ApproveReport
from mlops_ci.core.verbs import ENVIRONMENT_OPTION, REASON_OPTION, Option, Verb
from mlops_ci.deployment.assignment import (
    ensure_release_signed,
    probe_signer,
)
from mlops_ci.deployment.manifest_branch import require_manifest_branch
from mlops_ci.governance.approvals import (
    SignedApproval,
    approval_ref_prefix,
    count_approvals,
    find_release_authors,
    read_approvals,
)
from mlops_ci.governance.policy import load_policy
from mlops_ci.governance.verified_registry import verify_project
from mlops_ci.registry.lookup import require_model, require_release, require_release_record
from mlops_ci.registry.statement import encode_approval
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_environment, require_repository
from mlops_ci.repository.ref_listing import APPROVAL_PREFIX

SPEC = Verb(
    "approve",
    "Sign an approval of a version for an environment.",
    (
        Option("model", "A released version.", positional=True, required=True, metavar="MODEL@VERSION"),
        ENVIRONMENT_OPTION,
        REASON_OPTION,
    ),
    writes=True,
    syncs="must",
    signs=True,
)


def approve(project: Project, *, model: str, env: str, reason: str | None = None) -> Outcome[ApproveReport]:
    """Plan the approval of MODEL@VERSION by the person who runs this, under a ref that contains their key's fingerprint.

    Raises UsageProblem for an unknown or missing environment or version, and Findings when the branch has no `signing`, the
    release's signature is not trusted, or the signer is one of the release's authors.
    """
    repo = require_repository(project.context.repo)
    name, _, version = model.partition("@")
    if not version:
        raise UsageProblem.of(
            "version-missing", "an approval needs a version", help=f"mlops-ci approve {name}@VERSION --env {env}"
        )
    environment = require_environment(project, env)
    verified = verify_project(project, name)
    state = require_model(project, verified.state, name)
    verified.require_signing(name)
    verified.require_verified(name)
    release = require_release(state, version)
    record = require_release_record(release)
    branch = require_manifest_branch(project, repo)
    rules = load_policy(project, repo, branch.tip)
    if rules.signing is None:
        raise Findings.of(
            "approval-unsigned",
            f"branch '{branch.name}' has no `signing`, and only signed approvals count",
            location=project.specs.project.locate("spec", key=True),
            help="add `signing` with the file of allowed signers to mlops.yaml, and commit it to the branch",
        )
    signing = replace(rules.signing, required=True)
    rules = replace(rules, signing=signing)
    ensure_release_signed(repo, rules, release)
    who, signature = probe_signer(project, repo, rules, release.commit)
    consent = ApprovalStatement(
        model=state.model,
        version=release.version,
        environment=environment,
        release=release.ref,
        model_files=record.model_files,
        model_digest=record.model_digest,
        made_by=project.context.provenance,
        made_on=project.context.clock().isoformat(timespec="seconds"),
        reason=reason,
        project=project.reference,
    )
    prefix = approval_ref_prefix(state.model, environment, release.version)
    ref = f"{prefix}{signature.short_key}"
    known = read_approvals(repo, signing, repo.refs(prefix))
    own = next((one for one in known if one.ref.name == ref), None)
    mine = own or SignedApproval(EventRef(ref, ""), consent, signature, who.email)
    judged = count_approvals({*known, mine}, release, environment, (find_release_authors(repo, signing, release),))
    if refused := next((one for one in judged.rejected if one.ref.name == ref), None):
        raise Findings.of(
            "approval-void",
            f"an approval of {release.ref.name} by {signature.signer} for '{environment}' does not count: {refused.why}",
            help=f"the approval at {ref} is not yours, or not for this release: inspect it, then delete it (git push --delete)"
            if own
            else "another allowed signer must approve it",
        )
    report = ApproveReport(
        model=state.model,
        version=release.version,
        environment=environment,
        state="unchanged" if own else "approved",
        signer=signature.signer,
        ref=ref,
        approvals=len(judged.counted),
        required=rules.approvals.get(environment, 0),
    )
    if own:
        return Outcome(report)
    text = format_tag_message(
        f"{release.ref.name} approved for {environment}",
        reason or f"{who.name} approves the deployment of {release.ref.name} to {environment}.",
        encode_approval(consent),
    )
    tag = CreateTag(ref.removeprefix(APPROVAL_PREFIX), release.commit, text, 0, signing, APPROVAL_PREFIX)
    return Outcome(report, plan=Plan((tag, Push(branch.remote))))
