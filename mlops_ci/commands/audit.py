"""`audit`: verifies the whole registry offline, and reports every inconsistency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.queries import AuditedLedger, AuditedModel, AuditReport
from mlops_ci.core.signers import Signing
from mlops_ci.core.verbs import ALL_SURFACES, FETCH_PERMISSION, Option, Verb
from mlops_ci.governance.audit import (
    approvals,
    chain,
    inventory,
    ledgers,
    log,
    manifests,
    numbering,
    objects,
    policy_drift,
    releases,
    set_asides,
    sources,
    truncation,
)
from mlops_ci.governance.audit.inventory import ModelInventory
from mlops_ci.governance.audit.owners import group_by_owner
from mlops_ci.governance.audit.unfetched import require_branch_current, require_fetched
from mlops_ci.governance.event_evidence import EventEvidence, PolicyBranch, gather_evidence
from mlops_ci.governance.event_faults import EventFault, find_faults
from mlops_ci.governance.model_owners import find_foreign_faults
from mlops_ci.governance.policy import BranchPolicy
from mlops_ci.governance.verified_registry import branch_tips, verified_state
from mlops_ci.registry.state import RegistryState
from mlops_ci.repository.branch_specs import BranchTip, ProjectAtTip, find_branch_tip, find_local_tip, read_projects
from mlops_ci.repository.context import Context
from mlops_ci.repository.default_branch import find_remote_head, headless_remote_problem
from mlops_ci.repository.git import Repository
from mlops_ci.repository.lookup import require_repository
from mlops_ci.repository.remote_head import RemoteHead, remembered_remote_head
from mlops_ci.repository.repository_name import find_repository_name
from mlops_ci.spec.load import PROJECT_FILE

SPEC = Verb(
    "audit",
    "Verify the whole registry offline and report every problem.",
    (
        Option("model", "A model; by default all.", positional=True, metavar="MODEL"),
        Option(
            "since",
            "The id of a log head, ledger head, tag or commit from an earlier audit, which must still exist; can be repeated.",
            multiple=True,
            default=(),
            metavar="OID",
        ),
        Option(
            "branch",
            "The branch whose specs, signers and policy count; by default, the remote's default branch.",
            metavar="BRANCH",
        ),
    ),
    needs="repository",
    syncs="job",
    permissions=(FETCH_PERMISSION,),
    formats=("text", "json", "github", "sarif"),
    surfaces=ALL_SURFACES,
    icon="search",
    details="Compares the tags with the logs. Checks the chain of records, versions and numbers, signatures, released runs (byte by byte),"
    " sources, manifests and ledgers. Uses the specs of the remote's default branch as last fetched, and says when the remote"
    " last named it; in a mirror, those of its HEAD. In a CI job, the"
    " clone has only branches and tags, so the other refs are fetched first.",
)

FindingsByModel = dict[str, list[Diagnostic]]


def audit(
    context: Context, *, model: str | None = None, since: tuple[str, ...] = (), branch: str | None = None
) -> Outcome[AuditReport]:
    """Verify the registry of all models, or of one: events, runs, model files and manifests.

    Every object that `since` names must still exist. The specs are those of `branch`, else of the default branch, as last
    fetched; nothing is fetched. Raises UsageProblem for a model without any record, and for a `since` that is not an object
    id; EnvironmentProblem `default-branch-unknown` or `branch-not-fetched` when this clone cannot tell whose specs count.
    """
    repo = require_repository(context.repo)
    every = inventory.read_inventories(repo)
    helds = tuple(held for held in every if model in (None, held.model))
    if model is not None and not helds:
        RegistryState({held.model: held.state for held in every}).require_model(model)
    require_fetched(repo, helds)
    head = _remote_head(context, repo) if branch is None else None
    tip = _find_tip(repo, branch, head)
    projects, found = _find_projects(repo, tip, helds, context)
    owners = group_by_owner(projects, helds)
    evidence = {
        project: _gather_evidence(repo, mine, project, _manifest_branch(repo, tip, project))
        for project, mine in owners.models.items()
    }
    faults = {
        held.model: find_faults(held.state, evidence[project])
        for project, mine in owners.models.items()
        for held in mine
    }
    foreign = {
        held.model: find_foreign_faults(held.state, project.identity)  # which `owners` has found, too
        for project, mine in owners.models.items()
        for held in mine
        if held.model in owners.certain
    }
    helds = tuple(
        replace(held, state=verified_state(held.state, (*faults.get(held.model, ()), *foreign.get(held.model, ()))))
        for held in helds
    )
    owners = group_by_owner(projects, helds)  # with the states that verify
    findings: FindingsByModel = {held.model: [*_fault_findings(faults.get(held.model, ()))] for held in helds}
    verified = releases.verify_runs(repo, helds)
    _add_findings(findings, verified.breaks)
    _add_findings(findings, sources.breaks(repo, helds, verified.snapshots))
    asked = (
        ledgers.read_ledgers(repo) if model is None else ledgers.ledgers_of_models(ledgers.read_ledgers(repo), helds)
    )
    counted = approved = 0
    _add_findings(findings, owners.findings)
    for project, mine in owners.models.items():
        consents, count = approvals.breaks(repo, mine, project, evidence[project].signatures)
        _add_findings(findings, consents)
        approved += count
        if (manifest_tip := _manifest_branch(repo, tip, project)) is not None:
            elsewhere = [held.model for held in helds if held not in mine]
            breaks, count = manifests.breaks(repo, mine, project, manifest_tip, elsewhere)
            _add_findings(findings, breaks)
            counted += count
        for held in mine:
            spec = project.specs.models.get(held.model)
            _add_findings(findings, {held.model: policy_drift.breaks(held, spec) if spec else ()})
    damaged = objects.breaks(repo, helds, asked.values())
    _add_findings(findings, {held.model: damaged.get(held.model, ()) for held in helds})
    signed = [oid for one in evidence.values() for oid in one.signatures]
    for held in helds:
        strict = not {event.oid for event in held.state.events}.isdisjoint(signed)
        _add_findings(
            findings,
            {
                held.model: (
                    *log.breaks(held),
                    *chain.breaks(held, signing=strict),
                    *numbering.breaks(held),
                    *ledgers.release_ledger_breaks(held, asked),
                    *releases.pin_breaks(held),
                )
            },
        )
        findings[held.model] = [*set_asides.breaks(held), *set_asides.soften(held, findings[held.model])]
    places = {held.model: project for project, mine in owners.models.items() for held in mine}
    first = projects[0] if projects else None
    named = {name: items for name, items in findings.items() if model in (None, name)}
    located = [_locate(item, name, places.get(name, first)) for name, items in named.items() for item in items]
    of_ledgers = [item for ledger in asked.values() for item in ledgers.breaks(ledger, projects)] + damaged[""]
    located += [item if item.location else _locate(item, "", first) for item in of_ledgers]
    require_branch_current(repo, tip, located)
    report = AuditReport(
        branch=tip.name if tip else None,
        commit=tip.commit if tip else None,
        models=tuple(
            AuditedModel(held.model, len(held.state.events), len(held.state.releases), held.state.log)
            for held in helds
            if held.state.events or held.state.log
        ),
        events=sum(len(held.state.events) for held in helds),
        signatures=len(signed),
        runs=verified.runs,
        files=verified.files,
        external_files=verified.external_files,
        bytes=verified.bytes,
        manifests=counted,
        approvals=approved,
        ledgers=tuple(AuditedLedger(one.ref, one.question_count, one.head) for one in asked.values()),
        branch_asked=head.asked.isoformat() if head else None,
        branch_age_seconds=int((context.clock() - head.asked).total_seconds()) if head else None,
    )
    return Outcome(report, (*found, *located, *truncation.breaks(repo, helds, asked.values(), tip, since)))


def _remote_head(context: Context, repo: Repository) -> RemoteHead | None:
    """Return what the remote named as its default branch; None without a remote, and in a bare repository that never asked."""
    remote = repo.default_remote()
    if remote is None:
        return None
    if repo.bare and context.asks_remote == "no" and remembered_remote_head(repo, remote) is None:
        return None
    head = find_remote_head(context, repo, remote)
    if head.branch is None:
        raise headless_remote_problem(remote)
    return head


def _find_tip(repo: Repository, branch: str | None, head: RemoteHead | None) -> BranchTip | None:
    """Return the branch whose specs count; None before the first commit.

    Raises EnvironmentProblem `branch-not-fetched` when this clone lacks the branch that is named.
    """
    name = branch or (head.branch if head else None)
    if name is None:
        return find_local_tip(repo)
    tip = find_branch_tip(repo, name)
    if tip is None:
        remote = repo.default_remote()
        raise EnvironmentProblem.of(
            "branch-not-fetched",
            f"this clone has no branch '{name}', whose specs, signers and policy count",
            help=f"git fetch {remote} '+refs/heads/*:refs/remotes/{remote}/*'"
            if remote
            else "name another one: --branch BRANCH",
        )
    return tip


def _find_projects(
    repo: Repository, tip: BranchTip | None, helds: Iterable[ModelInventory], context: Context
) -> tuple[tuple[ProjectAtTip, ...], tuple[Diagnostic, ...]]:
    """Return the projects of the branch; it is a finding if there is none but the registry has records."""
    if tip is not None:
        start = "" if repo.bare else context.start_folder.resolve().relative_to(repo.root.resolve()).as_posix()
        projects, found = read_projects(repo, tip, start, context.scratch)
        if projects or found:
            return projects, found
    if not any(held.records for held in helds):
        return (), ()
    where = f"branch '{tip.name}' ({tip.commit[:10]})" if tip else "this repository, which has no commit,"
    return (), (
        Diagnostic(
            "audit-specs-missing",
            f"{where} has no {PROJECT_FILE}, so signers, policies and manifests cannot be checked",
            help="name the branch that has them (--branch BRANCH), or restore the file",
        ),
    )


def _gather_evidence(
    repo: Repository, helds: Iterable[ModelInventory], project: ProjectAtTip, branch: BranchTip | None
) -> EventEvidence:
    """Return what the repository says about the events of a project's models, by the policy of the branch."""
    spec = project.specs.project.spec
    signing = None
    if spec.signing is not None:
        signers = (project.copy / spec.signing.allowed_signers).read_bytes()
        signing = Signing(spec.signing.format, signers, spec.signing.required)
    commit = branch.commit if branch is not None else None
    policy = BranchPolicy(signing, spec.policy.approvals, spec.policy.trust, commit)
    place = PolicyBranch(branch.name if branch is not None else "", policy, branch_tips(repo, commit))
    return gather_evidence(repo, [held.state for held in helds], place, find_repository_name(repo))


def _fault_findings(faults: Iterable[EventFault]) -> Iterable[Diagnostic]:
    """Return the findings about events that do not verify; what is wrong with a record is told by the audit of the chain."""
    return (fault.finding() for fault in faults if fault.id != "audit-record-invalid")


def _manifest_branch(repo: Repository, tip: BranchTip | None, project: ProjectAtTip) -> BranchTip | None:
    """Return the branch that has the manifests."""
    name = project.specs.project.spec.branch
    return tip if name is None or (tip is not None and tip.name == name) else find_branch_tip(repo, name)


def _add_findings(findings: FindingsByModel, more: Mapping[str, Iterable[Diagnostic]]) -> None:
    for name, items in more.items():
        findings.setdefault(name, []).extend(items)


def _locate(item: Diagnostic, model: str, project: ProjectAtTip | None) -> Diagnostic:
    """Return the finding with a location in the model's or the project's spec: SARIF viewers require one."""
    if project is None:
        return item
    if item.location is not None:
        return replace(item, location=replace(item.location, path=project.repository_path(item.location.path)))
    spec = project.specs.models.get(model)
    return replace(item, location=Location(project.repository_path(spec.path if spec else PROJECT_FILE)))
