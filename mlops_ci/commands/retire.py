"""`retire`: a version taken out of an environment, a version taken back, or a whole model deprecated; each an event that says why."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_ci.core.codec import encode
from mlops_ci.core.errors import Findings, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import AppendLog, CreateTag, Push, Write, unmade
from mlops_ci.core.records import Assignment, EventRef, FileDigest, Retirement
from mlops_ci.core.results.lifecycle import RetireReport
from mlops_ci.deployment.assignment import known_environment, known_model, known_release, needed_repository
from mlops_ci.deployment.manifest_branch import Folder, as_wanted, branch_of, commit, inside, left_behind, request
from mlops_ci.governance.policy import rules_of, to_sign
from mlops_ci.registry.events import Event
from mlops_ci.registry.state import ModelState, read
from mlops_ci.registry.statement import of_retirement
from mlops_ci.registry.tag_message import message
from mlops_ci.reports.deploy_request import body as request_body
from mlops_ci.repository.context import Project


@dataclass(frozen=True)
class _Taken:
    """What is taken back: the event that had given it, the new tag, and its title for people."""

    given: Event
    tag: str
    title: str
    number: int = 0


def retire(project: Project, *, model: str, reason: str, env: str | None = None) -> Outcome[RetireReport]:
    """Plan the retirement of what runs in `env`, of MODEL@VERSION, or of MODEL as a whole.

    Raises UsageProblem for an unknown model, version or environment and without a reason; Findings when nothing runs in
    `env`, and for what runs somewhere or is the champion where no `env` is given.
    """
    if not reason.strip():
        raise UsageProblem.of("reason-missing", "a retirement says why", help="--reason 'replaced by another model'")
    name, _, version = model.partition("@")
    registry = read(project.context.repo)
    state = registry.model(known_model(project, registry, name))
    version = version.removeprefix("v")
    if env is not None:
        return _from_environment(project, state, env, version, reason)
    return _version(project, state, version, reason) if version else _whole(project, state, reason)


def _from_environment(
    project: Project, state: ModelState, environment: str, version: str, reason: str
) -> Outcome[RetireReport]:
    """Empty an environment: the manifests go, and no assignment is left standing for readers of GTO's kind to uncover."""
    events = [event for event in state.events if event.environment == environment]
    if not events:
        known_environment(project, environment)  # one that the project has dropped can still be emptied
    place = f"deploy/{environment}/{state.model}"
    repo = needed_repository(project)
    folder = Folder(branch_of(project, repo), inside(project, repo, place), {})
    report = RetireReport(state.model, "unassignment", "retired", reason, version or None, environment, folder=place)
    standing = state.standing(environment)
    if not standing and events:
        return Outcome(replace(report, state="unchanged"), left_behind(repo, folder))
    if not standing or version not in ("", standing[0].version):
        raise Findings.of(
            "retire-nowhere",
            f"'{state.model}' does not run in '{environment}'"
            if not standing
            else f"{state.model} v{version} does not run in '{environment}': v{standing[0].version} does",
            help=f"mlops-ci show {state.model}",
        )
    report = replace(report, version=standing[0].version)
    title = f"{state.model} v{report.version} from {environment}"
    gone = as_wanted(repo, folder)
    if not gone and project.specs.project.spec.delivery == "pull-request":
        again = f"mlops-ci retire {state.model} --env {environment} --reason {shlex.quote(reason)}"
        text = f"Retire {title}\n\n{reason}\n\nAfter the merge, this writes the event:\n\n    {again}\n"
        job = project.context.job
        body = request_body(reason, again, "the event") if job else None
        topic, gate = f"{environment}-{state.model}", job.gate if job else None
        branch, plan = request(repo, folder, topic, state.next_number, text, body, gate)
        return Outcome(replace(report, state="requested", branch=branch, again=again), plan=plan, basis=standing[0].ref)
    taken = [
        _Taken(
            event,
            f"{state.model}#{environment}!#{number}",
            f"{state.model} v{event.version} out of {environment}",
            number,
        )
        for number, event in enumerate(standing, state.next_number)
    ]
    change = () if gone else (commit(repo, folder, f"Retire {title}\n\n{reason}\n"),)
    return replace(_planned(project, state, report, taken, change), basis=standing[0].ref)


def _version(project: Project, state: ModelState, version: str, reason: str) -> Outcome[RetireReport]:
    report = RetireReport(state.model, "deregistration", "retired", reason, version)
    if any(event.kind == "deregistration" and event.version == version for event in state.events) and (
        version not in state.releases
    ):
        return Outcome(replace(report, state="unchanged"))
    release = known_release(state, version)
    _unused(state, {name: event for name, event in state.assigned.items() if event.version == version})
    champion = state.champion(project.specs.project.spec.champion_environment)
    if champion is not None and champion.version == version:
        raise Findings.of(
            "retire-in-use",
            f"{release.name} is the newest release, and so the one that candidates must beat",
            help=f"release another version first, or retire the model as a whole: mlops-ci retire {state.model} --reason TEXT",
        )
    taken = _Taken(release, f"{state.model}@v{version}!", f"{state.model} v{version} taken back")
    return _planned(project, state, report, [taken])


def _whole(project: Project, state: ModelState, reason: str) -> Outcome[RetireReport]:
    report = RetireReport(state.model, "deprecation", "retired", reason)
    if state.deprecated:
        return Outcome(replace(report, state="unchanged"))
    _unused(state, state.assigned)
    number = state.next_number
    release = known_release(state, None)
    taken = _Taken(release, f"{state.model}@deprecated#{number}", f"{state.model} deprecated", number)
    return _planned(project, state, report, [taken])


def _unused(state: ModelState, running: dict[str, Event]) -> None:
    if running:
        where = " and ".join(f"'{name}' (v{event.version})" for name, event in running.items())
        raise Findings.of(
            "retire-in-use",
            f"'{state.model}' runs in {where}",
            help="take it out of there first: "
            + " && ".join(f"mlops-ci retire {state.model} --env {name} --reason TEXT" for name in running),
        )


def _planned(
    project: Project,
    state: ModelState,
    report: RetireReport,
    taken: Sequence[_Taken],
    change: tuple[Write, ...] = (),
) -> Outcome[RetireReport]:
    """Plan the events, each of which names the one before it, in one push with the change of the branch."""
    repo = needed_repository(project)
    signing, unsigned = to_sign(repo, rules_of(project, repo, branch_of(project, repo).tip))
    writes = [*change]
    previous = state.last.ref if state.last else None
    for one in taken:
        record = Retirement(
            event=report.event,
            model=state.model,
            version=one.given.version,
            release=_release_of(state, one.given),
            model_files=_files_of(one.given),
            reason=report.reason,
            made_by=project.context.maker,
            made_on=project.context.clock().isoformat(timespec="seconds"),
            environment=report.environment,
            number=one.number,
            previous=previous,
        )
        text = message(one.title, report.reason, of_retirement(record))
        writes.append(CreateTag(one.tag, one.given.commit, text, state.last_date, signing))
        writes.append(AppendLog(state.model, one.tag, encode(record), state.log))
        previous = unmade(one.tag)
    writes.append(Push(repo.remote()))
    return Outcome(replace(report, tags=tuple(one.tag for one in taken)), unsigned, Plan(tuple(writes)))


def _release_of(state: ModelState, given: Event) -> EventRef:
    """Return the release that is meant, also where its own tag is gone or another tool wrote the assignment."""
    if isinstance(given.record, Assignment):
        return given.record.release
    return state.releases.get(given.version, given).ref


def _files_of(given: Event) -> tuple[FileDigest, ...]:
    return given.record.model_files if given.record else ()
