"""`approve`: somebody signs that a released version may go to an environment. It moves nothing; `deploy` counts."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import CreateTag, Push
from mlops_ci.core.records import Consent, EventRef
from mlops_ci.core.results.lifecycle import ApproveReport
from mlops_ci.deployment.assignment import (
    evidence_of,
    identified,
    known_environment,
    known_model,
    known_release,
    needed_repository,
    trusted,
)
from mlops_ci.deployment.manifest_branch import branch_of
from mlops_ci.governance.approvals import APPROVALS, Given, authors, given, judge, ref_prefix
from mlops_ci.governance.policy import rules_of
from mlops_ci.registry.state import read
from mlops_ci.registry.statement import of_consent
from mlops_ci.registry.tag_message import message
from mlops_ci.repository.context import Project


def approve(project: Project, *, model: str, env: str, reason: str | None = None) -> Outcome[ApproveReport]:
    """Plan the approval of MODEL@VERSION by whoever runs this, under a ref that their key names.

    Raises UsageProblem for an unknown environment or version, or none, and Findings where the branch has no `signing`,
    the release is not to be trusted, or the signer is one of its authors.
    """
    repo = needed_repository(project)
    name, _, version = model.partition("@")
    if not version:
        raise UsageProblem.of(
            "version-missing", "an approval is of one version", help=f"mlops-ci approve {name}@VERSION --env {env}"
        )
    environment = known_environment(project, env)
    registry = read(repo)
    state = registry.model(known_model(project, registry, name))
    release = known_release(state, version)
    record = evidence_of(release)
    branch = branch_of(project, repo)
    rules = rules_of(project, repo, branch.tip)
    if rules.signing is None:
        raise Findings.of(
            "approval-unsigned",
            f"branch '{branch.name}' has no `signing`, and an approval without a signature is worth nothing",
            location=project.specs.project.locate("spec", key=True),
            help="add `signing` to mlops.yaml, with the file of those who may sign, and commit it to the branch",
        )
    signing = replace(rules.signing, required=True)
    rules = replace(rules, signing=signing)
    trusted(repo, rules, release)
    who, signature = identified(project, repo, rules, release.commit)
    consent = Consent(
        model=state.model,
        version=release.version,
        environment=environment,
        release=release.ref,
        model_files=record.model_files,
        model_digest=record.model_digest,
        made_by=project.context.maker,
        made_on=project.context.clock().isoformat(timespec="seconds"),
        reason=reason,
    )
    prefix = ref_prefix(state.model, environment, release.version)
    ref = f"{prefix}{signature.short}"
    known = given(repo, signing, repo.refs(prefix))
    own = next((one for one in known if one.ref.name == ref), None)
    mine = own or Given(EventRef(ref, ""), consent, signature, who.email)
    judged = judge({*known, mine}, release, environment, (authors(repo, signing, release),))
    if refused := next((one for one in judged.refused if one.ref.name == ref), None):
        raise Findings.of(
            "approval-void",
            f"an approval of {release.ref.name} by {signature.signer} for '{environment}' does not count: {refused.why}",
            help=f"what stands at {ref} is not yours, or not of this release: look at it, and delete it (git push --delete)"
            if own
            else "somebody else who may sign has to approve it",
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
    text = message(
        f"{release.ref.name} approved for {environment}",
        reason or f"{who.name} approves that {release.ref.name} goes to {environment}.",
        of_consent(consent),
    )
    tag = CreateTag(ref.removeprefix(APPROVALS), release.commit, text, 0, signing, APPROVALS)
    return Outcome(report, plan=Plan((tag, Push(branch.remote))))
