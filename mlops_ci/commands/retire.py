"""`retire`: ends an assignment, revokes a version, deprecates a model or sets a forged event aside; each is an event with a reason."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_ci.core.codec import encode
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLog, CreateTag, PlannedWrite, Push, tag_placeholder
from mlops_ci.core.records.base import EventRef, FileDigest
from mlops_ci.core.records.events import Assignment, Retirement
from mlops_ci.core.results.lifecycle import RetireReport
from mlops_ci.core.verbs import MODEL_OPTION, REQUIRED_REASON_OPTION, Option, Verb
from mlops_ci.deployment.manifest_branch import (
    ManifestFolder,
    is_folder_up_to_date,
    plan_folder_commit,
    plan_pull_request,
    repository_path,
    require_manifest_branch,
    worktree_warnings,
)
from mlops_ci.governance.policy import load_policy, signing_for
from mlops_ci.governance.verified_registry import VerifiedRegistry, verify_project
from mlops_ci.registry.completion import plan_earlier_completion
from mlops_ci.registry.events import Event
from mlops_ci.registry.lookup import require_model, require_release
from mlops_ci.registry.next_event import find_predecessor, next_event_number
from mlops_ci.registry.state import ModelState
from mlops_ci.registry.statement import encode_retirement
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.reports.deploy_request import request_body as request_body
from mlops_ci.repository.context import Project
from mlops_ci.repository.lookup import require_environment, require_repository

SPEC = Verb(
    "retire",
    "Take back: an assignment, a version, a model; set events aside.",
    (
        MODEL_OPTION,
        Option("env", "The environment in which the assignment ends; the manifests there are removed.", metavar="ENV"),
        Option(
            "set_aside",
            "An event that does not verify (its tag, or its object id), which is never in force again.",
            metavar="EVENT",
        ),
        REQUIRED_REASON_OPTION,
    ),
    writes=True,
    syncs="must",
    signs=True,
    details="MODEL --env ENV ends the assignment there; MODEL@VERSION revokes the version; MODEL alone deprecates the model."
    " Before you revoke a version or deprecate a model, end its assignments. MODEL --set-aside EVENT lets work go on after somebody pushed"
    " an event that does not verify; if the project has `signing`, an allowed signer must do so. Nothing is deleted: each action adds an event.",
)


@dataclass(frozen=True)
class _Revocation:
    """One revocation: the event that it revokes, the name of the new tag, and a title for people."""

    revoked_event: Event
    tag: str
    title: str
    number: int = 0
    sets_aside: EventRef | None = None


def retire(
    project: Project, *, model: str, reason: str, env: str | None = None, set_aside: str | None = None
) -> Outcome[RetireReport]:
    """Plan the end of the assignment in `env`, the revocation of MODEL@VERSION, the deprecation of MODEL, or the end of an event.

    Raises UsageProblem for an unknown model, version, environment or event, and without a reason. Raises Findings when nothing
    runs in `env`; without `env`, when the version or model still runs somewhere or the version is the champion; when an event
    does not verify (which stops neither the end of an assignment nor `set_aside`); and when the event to set aside verifies.
    """
    if not reason.strip():
        raise UsageProblem.of(
            "reason-missing", "a retirement needs a reason", help="--reason 'replaced by another model'"
        )
    name, _, version = model.partition("@")
    verified = verify_project(project, name)
    state = require_model(project, verified.state, name)
    verified.require_signing(name)
    version = version.removeprefix("v")
    if set_aside is not None:
        return _set_aside(project, verified, state, set_aside, reason, alone=env is None and not version)
    if env is not None:
        outcome = _retire_from_environment(project, state, env, version, reason)
        return replace(outcome, diagnostics=(*verified.warnings(name), *outcome.diagnostics))
    verified.require_verified(name)
    return _retire_version(project, state, version, reason) if version else _retire_model(project, state, reason)


def _retire_from_environment(
    project: Project, state: ModelState, environment: str, version: str, reason: str
) -> Outcome[RetireReport]:
    """Clear an environment: remove its manifests and end every active assignment.

    An older assignment that stays active would be the current one for tools that read the tags as GTO does.
    """
    events = [event for event in state.events_in_force if event.environment == environment]
    if not events:
        require_environment(project, environment)  # an environment that the spec no longer has can still be cleared
    place = f"deploy/{environment}/{state.model}"
    repo = require_repository(project.context.repo)
    folder = ManifestFolder(require_manifest_branch(project, repo), repository_path(project, repo, place), {})
    report = RetireReport(state.model, "unassignment", "retired", reason, version or None, environment, folder=place)
    active = state.active_assignments(environment)
    if not active and events:
        rest, notes = plan_earlier_completion(repo, state)
        plan = Plan((*rest, Push(repo.default_remote()))) if rest else Plan()
        return Outcome(replace(report, state="unchanged"), (*notes, *worktree_warnings(repo, folder)), plan)
    if not active or version not in ("", active[0].version):
        raise Findings.of(
            "retire-nowhere",
            f"'{state.model}' does not run in '{environment}'"
            if not active
            else f"{state.model} v{version} does not run in '{environment}': v{active[0].version} does",
            help=f"mlops-ci show {state.model}",
        )
    report = replace(report, version=active[0].version)
    title = f"{state.model} v{report.version} from {environment}"
    is_removed = is_folder_up_to_date(repo, folder)
    if not is_removed and project.delivery == "pull-request":
        command = f"mlops-ci retire {state.model} --env {environment} --reason {shlex.quote(reason)}"
        text = f"Retire {title}\n\n{reason}\n\nAfter the merge, this command writes the event:\n\n    {command}\n"
        job = project.context.job
        body = request_body(reason, command, "the event") if job else None
        topic, gate = f"{environment}-{state.model}", job.gate_workflow if job else None
        branch, plan = plan_pull_request(repo, folder, topic, next_event_number(state), text, body, gate)
        return Outcome(
            replace(report, state="requested", branch=branch, follow_up_command=command), plan=plan, basis=active[0].ref
        )
    revocations = [
        _Revocation(
            event,
            f"{state.model}#{environment}!#{number}",
            f"{state.model} v{event.version} removed from {environment}",
            number,
        )
        for number, event in enumerate(active, next_event_number(state))
    ]
    change = () if is_removed else (plan_folder_commit(repo, folder, f"Retire {title}\n\n{reason}\n"),)
    return replace(_plan_events(project, state, report, revocations, change), basis=active[0].ref)


def _retire_version(project: Project, state: ModelState, version: str, reason: str) -> Outcome[RetireReport]:
    report = RetireReport(state.model, "deregistration", "retired", reason, version)
    if any(event.kind == "deregistration" and event.version == version for event in state.events_in_force) and (
        version not in state.releases
    ):
        return Outcome(replace(report, state="unchanged"))
    release = require_release(state, version)
    _require_unused(
        state, {name: event for name, event in state.current_assignments.items() if event.version == version}
    )
    champion = state.champion(project.specs.project.spec.champion_environment)
    if champion is not None and champion.version == version:
        raise Findings.of(
            "retire-in-use",
            f"{release.name} is the newest release, and therefore the champion that candidates must beat",
            help=f"release another version first, or deprecate the whole model: mlops-ci retire {state.model} --reason TEXT",
        )
    tag, number = f"{state.model}@v{version}!", 0
    if any(event.name == tag for event in state.events):  # one that does not verify has the name, and keeps it
        number = next_event_number(state)
        tag = f"{tag}#{number}"
    revocation = _Revocation(release, tag, f"{state.model} v{version} revoked", number)
    return _plan_events(project, state, report, [revocation])


def _retire_model(project: Project, state: ModelState, reason: str) -> Outcome[RetireReport]:
    report = RetireReport(state.model, "deprecation", "retired", reason)
    if state.is_deprecated:
        return Outcome(replace(report, state="unchanged"))
    _require_unused(state, state.current_assignments)
    number = next_event_number(state)
    release = require_release(state, None)
    revocation = _Revocation(release, f"{state.model}@deprecated#{number}", f"{state.model} deprecated", number)
    return _plan_events(project, state, report, [revocation])


def _require_unused(state: ModelState, running: dict[str, Event]) -> None:
    if running:
        where = " and ".join(f"'{name}' (v{event.version})" for name, event in running.items())
        raise Findings.of(
            "retire-in-use",
            f"'{state.model}' runs in {where}",
            help="end these assignments first: "
            + " && ".join(f"mlops-ci retire {state.model} --env {name} --reason TEXT" for name in running),
        )


def _set_aside(
    project: Project, verified: VerifiedRegistry, state: ModelState, wanted: str, reason: str, *, alone: bool
) -> Outcome[RetireReport]:
    """Plan the event that sets another one aside, on the commit of the newest release that is in force."""
    if not alone:
        raise UsageProblem.of(
            "options-conflict",
            "--set-aside is about one event, so it cannot be used with --env or a version",
            help=f"mlops-ci retire {state.model} --set-aside EVENT --reason TEXT",
        )
    event = _require_event(state, wanted)
    report = RetireReport(state.model, "set-aside", "retired", reason, event.version or None, set_aside=event.name)
    if event.oid in state.set_aside:
        return Outcome(replace(report, state="unchanged"), verified.warnings(state.model))
    if all(fault.event.oid != event.oid for fault in verified.open_faults(state.model)):
        raise Findings.of(
            "set-aside-valid",
            f"{event.name} verifies, and only an event that does not can be set aside",
            help="an assignment ends with `mlops-ci retire MODEL --env ENV` or `mlops-ci rollback`, a version with `mlops-ci retire"
            " MODEL@VERSION`",
        )
    number = next_event_number(state)
    at = state.latest_release or event
    title = f"{event.name} of {state.model} set aside"
    revocation = _Revocation(
        event._replace(commit=at.commit), f"{state.model}@set-aside#{number}", title, number, sets_aside=event.ref
    )
    outcome = _plan_events(project, state, report, [revocation])
    others = verified.warnings(state.model, besides=event.oid)
    return replace(outcome, diagnostics=(*outcome.diagnostics, *others))


def _require_event(state: ModelState, wanted: str) -> Event:
    """Return the event of a tag or object id (at least its first seven digits)."""
    name = wanted.removeprefix("refs/tags/")
    is_oid = re.fullmatch("[0-9a-f]{7,64}", name) is not None
    found = [event for event in state.events if event.name == name or (is_oid and event.oid.startswith(name))]
    if len(found) != 1:
        raise UsageProblem.of(
            "event-unknown",
            f"'{wanted}' is {'several events' if found else 'no event'} of '{state.model}'",
            help=f"give a tag of `mlops-ci history {state.model}`, or the object id of one",
        )
    return found[0]


def _plan_events(
    project: Project,
    state: ModelState,
    report: RetireReport,
    revocations: Sequence[_Revocation],
    change: tuple[PlannedWrite, ...] = (),
) -> Outcome[RetireReport]:
    """Plan the events and the change of the branch in one push; each event names the one before it."""
    repo = require_repository(project.context.repo)
    rules = load_policy(project, repo, require_manifest_branch(project, repo).tip)
    if report.event == "set-aside" and rules.signing is not None:  # whoever may push could set anything aside otherwise
        rules = replace(rules, signing=replace(rules.signing, required=True))
    signing, unsigned = signing_for(repo, rules)
    earlier, notes = plan_earlier_completion(repo, state)
    writes = [*earlier, *change]
    previous = find_predecessor(state)
    for one in revocations:
        record = Retirement(
            event=report.event,
            model=state.model,
            version=one.revoked_event.version,
            release=_release_of(state, one.revoked_event),
            model_files=_files_of(one.revoked_event),
            reason=report.reason,
            made_by=project.context.provenance,
            made_on=project.context.clock().isoformat(timespec="seconds"),
            environment=report.environment,
            number=one.number,
            previous=previous,
            sets_aside=one.sets_aside,
            policy_commit=rules.commit,
            project=project.reference,
        )
        text = format_tag_message(one.title, report.reason, encode_retirement(record))
        writes.append(CreateTag(one.tag, one.revoked_event.commit, text, state.latest_event_date, signing))
        writes.append(AppendLog(state.model, one.tag, encode(record), state.log))
        previous = tag_placeholder(one.tag)
    writes.append(Push(repo.default_remote()))
    return Outcome(
        replace(report, tags=tuple(one.tag for one in revocations)), (*unsigned, *notes), Plan(tuple(writes))
    )


def _release_of(state: ModelState, event: Event) -> EventRef:
    """Return the release of an event, even if the release's tag is gone or another tool wrote the assignment."""
    if isinstance(event.record, Assignment):
        return event.record.release
    return state.releases.get(event.version, event).ref


def _files_of(event: Event) -> tuple[FileDigest, ...]:
    return event.record.model_files if event.record else ()
