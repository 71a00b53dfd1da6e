"""`audit`: whether the registry is what it says it is. Everything is verified offline, and every break is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.plan import Outcome
from mlops_ci.core.results.queries import AuditedLedger, AuditedModel, AuditReport
from mlops_ci.governance.audit import approvals, chain, ledgers, log, manifests, releases, signatures, sources
from mlops_ci.governance.audit import inventory as holdings
from mlops_ci.governance.audit import numbering as numbers
from mlops_ci.governance.audit import policy_drift as drift
from mlops_ci.governance.audit import since_head as seen
from mlops_ci.governance.audit.inventory import Holdings
from mlops_ci.registry.state import RegistryState
from mlops_ci.repository.branch_specs import ProjectAtTip, Tip, find_tip, read_projects
from mlops_ci.repository.context import Context
from mlops_ci.repository.git import Repository
from mlops_ci.repository.signing import Signature
from mlops_ci.spec.load import PROJECT_FILE

Found = dict[str, list[Diagnostic]]


def audit(context: Context, *, model: str | None = None, since: tuple[str, ...] = ()) -> Outcome[AuditReport]:
    """Verify the registry of all models, or one: events, runs, model files, manifests; and what `since` names is still there.

    Specs are those of the branch, as this clone last knew it. Nothing is fetched. Raises UsageProblem for a model of
    which nothing is recorded, and for a `since` that is no object id.
    """
    repo = context.repo
    if repo is None:
        raise UsageProblem.of(
            "repository-missing",
            "this folder is not in a git repository",
            help="go to that of your repository (-C DIR)",
        )
    every = holdings.read(repo)
    helds = tuple(held for held in every if model in (None, held.model))
    if model is not None and not helds:
        RegistryState({held.model: held.state for held in every}).known(model)
    tip = find_tip(repo)
    projects, found = _projects(repo, tip, helds, context)
    findings: Found = {held.model: [] for held in helds}
    verified = releases.runs(repo, helds)
    _add(findings, verified.breaks)
    folders = {project.specs.project.name: project.folder for project in projects}
    _add(findings, sources.breaks(repo, helds, folders, verified.snapshots))
    asked = ledgers.read(repo) if model is None else ledgers.of_models(ledgers.read(repo), helds)
    counted = approved = 0
    signed: dict[str, Signature] = {}
    for project, mine in _by_project(projects, helds).items():
        signed |= signatures.checked(repo, mine, project)
        consents, count = approvals.breaks(repo, mine, project, signed)
        _add(findings, consents)
        approved += count
        if (branch := _branch(repo, tip, project)) is not None:
            breaks, count = manifests.breaks(repo, mine, project, branch)
            _add(findings, breaks)
            counted += count
        for held in mine:
            _add(findings, {held.model: _of_project(held, project, signed)})
    for held in helds:
        strict = any(event.oid in signed for event in held.state.events)
        _add(
            findings,
            {
                held.model: (
                    *log.breaks(held),
                    *chain.breaks(held, signing=strict),
                    *numbers.breaks(held),
                    *ledgers.seen(held, asked),
                    *releases.pins(held),
                )
            },
        )
    places = {held.model: project for project, mine in _by_project(projects, helds).items() for held in mine}
    first = projects[0] if projects else None
    named = {name: items for name, items in findings.items() if model in (None, name)}
    located = [_located(item, name, places.get(name, first)) for name, items in named.items() for item in items]
    of_ledgers = [item for ledger in asked.values() for item in ledgers.breaks(ledger, projects)]
    located += [item if item.location else _located(item, "", first) for item in of_ledgers]
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
        elsewhere=verified.elsewhere,
        bytes=verified.bytes,
        manifests=counted,
        approvals=approved,
        ledgers=tuple(AuditedLedger(one.ref, one.questions, one.head) for one in asked.values()),
    )
    return Outcome(report, (*found, *located, *seen.breaks(repo, helds, asked.values(), tip, since)))


def _projects(
    repo: Repository, tip: Tip | None, helds: Iterable[Holdings], context: Context
) -> tuple[tuple[ProjectAtTip, ...], tuple[Diagnostic, ...]]:
    """Return the branch's projects; none of them is a finding where there is something to hold against one."""
    if tip is not None:
        start = "" if repo.bare else context.here.resolve().relative_to(repo.root.resolve()).as_posix()
        projects, found = read_projects(repo, tip, start, context.scratch)
        if projects or found:
            return projects, found
    if not any(held.records for held in helds):
        return (), ()
    where = f"branch '{tip.name}' ({tip.commit[:10]})" if tip else "this clone's default branch"
    return (), (
        Diagnostic(
            "audit-specs-missing",
            f"{where} has no {PROJECT_FILE}, so that signers, policies and manifests are not known",
            help="check that the clone knows the default branch (git remote set-head origin --auto), or restore the file",
        ),
    )


def _by_project(
    projects: tuple[ProjectAtTip, ...], helds: Iterable[Holdings]
) -> dict[ProjectAtTip, tuple[Holdings, ...]]:
    """Return each project's models. One that says it is of none of them is held against the first: it may lie."""
    names = {project.specs.project.name: project for project in projects}
    found: dict[str, list[Holdings]] = {}
    for held in helds:
        found.setdefault(held.project if held.project in names else next(iter(names), ""), []).append(held)
    return {project: tuple(found.get(name, ())) for name, project in names.items()}


def _of_project(held: Holdings, project: ProjectAtTip, signed: Mapping[str, Signature]) -> tuple[Diagnostic, ...]:
    signing = project.specs.project.spec.signing
    unsigned = signatures.breaks(held, signed, signing) if signing else ()
    spec = project.specs.models.get(held.model)
    return (*unsigned, *(drift.breaks(held, spec) if spec else ()))


def _branch(repo: Repository, tip: Tip | None, project: ProjectAtTip) -> Tip | None:
    """Return the branch that manifests are on."""
    name = project.specs.project.spec.branch
    return tip if name is None or (tip is not None and tip.name == name) else find_tip(repo, name)


def _add(findings: Found, more: Mapping[str, Iterable[Diagnostic]]) -> None:
    for name, items in more.items():
        findings.setdefault(name, []).extend(items)


def _located(item: Diagnostic, model: str, project: ProjectAtTip | None) -> Diagnostic:
    """Place a finding in a file, which some readers insist on: the model's spec, or the project's."""
    if project is None:
        return item
    if item.location is not None:
        return replace(item, location=replace(item.location, path=project.inside(item.location.path)))
    spec = project.specs.models.get(model)
    return replace(item, location=Location(project.inside(spec.path if spec else PROJECT_FILE)))
