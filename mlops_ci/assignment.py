"""Putting a version into an environment: the manifests, the tag, and how they reach the branch. `deploy` and `rollback` share it."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, count

from mlops_ci import store
from mlops_ci.approvals import authors, given, judge, party, ref_prefix
from mlops_ci.codec import encode
from mlops_ci.deploy.manifests import render, without_credentials
from mlops_ci.diagnostics import Diagnostic
from mlops_ci.digest import digest_bytes
from mlops_ci.errors import Findings, UsageProblem
from mlops_ci.git import Person, Repository, named
from mlops_ci.message import message
from mlops_ci.outcomes import DeployReport
from mlops_ci.plan import AppendLog, Commit, CreateTag, Outcome, Plan, Push, Write
from mlops_ci.policy import Rules, rules_of, to_sign
from mlops_ci.project import Project
from mlops_ci.records import Approval, Assignment, FileDigest, Release
from mlops_ci.registry import Event, ModelState, RegistryState
from mlops_ci.signing import Signature, sign
from mlops_ci.spec.kinds import DeploymentSpec
from mlops_ci.spec.load import Loaded
from mlops_ci.statement import of_assignment


@dataclass(frozen=True)
class Branch:
    """The branch that manifests are written to, and its newest commit that this clone knows."""

    name: str
    tip: str
    remote: str | None


def assign(
    project: Project, state: ModelState, release: Event, environment: str, reason: str | None, *, rollback: bool
) -> Outcome[DeployReport]:
    """Plan what puts a released version into an environment.

    The manifests go to the branch and the tag into the registry in one push. Where manifests travel by pull request,
    the first run plans the request, and the run after its merge, which finds them on the branch, plans the tag.
    Raises Findings when the version has no evidence, the environment has no Deployment spec or there is no branch.
    """
    repo = needed_repository(project)
    record = evidence_of(release)
    _in_git(project, repo, record)
    spec = _deployment(project, state.model, environment)
    branch = written_branch(project, repo)
    _same_on_branch(repo, branch, project, spec)
    folder = f"deploy/{environment}/{state.model}"
    files = render(record, spec.spec, spec.name, repository=_repository_url(repo, branch, spec))
    current = state.assigned.get(environment)
    report = DeployReport(
        model=state.model,
        version=release.version,
        environment=environment,
        state="assigned",
        folder=folder,
        replaced=current.version if current else None,
        reason=reason,
    )
    in_tree = _inside(project, repo, folder)
    on_branch = _same_files(repo, branch.tip, in_tree, files)
    if on_branch and current is not None and current.version == release.version:
        return Outcome(replace(report, state="unchanged", number=current.number), _left_behind(repo, branch, in_tree))
    rules = rules_of(project, repo, branch.tip)
    signing, unsigned = to_sign(repo, rules)
    if not rollback:  # it ran there before, and getting back is urgent
        trusted(repo, rules, release)
    approvals = _approved(project, repo, rules, release, environment, rollback=rollback)
    findings = (*unsigned, *_reachable(branch, spec))
    number = state.next_number
    title = f"{state.model} v{release.version} in {environment}"
    if not on_branch:
        _free(repo, branch, in_tree)
        if project.specs.project.spec.delivery == "pull-request":
            again = _again(report, rollback=rollback)
            asked = _request(repo, branch, replace(report, again=again), in_tree, files, title, number)
            return replace(asked, basis=current.ref if current else None)
    writes: list[Write] = []
    if not on_branch:
        body = f"Deploy {title}\n\n{reason or record.evidence.sentence}\n"
        writes.append(Commit(branch.name, branch.tip, in_tree, files, body))
    assignment = Assignment(
        model=state.model,
        version=release.version,
        environment=environment,
        number=number,
        release=release.ref,
        model_files=record.model_files,
        model_digest=record.model_digest,
        run_key=record.run_key,
        data_digest=record.data[0].digest,
        manifests=tuple(
            FileDigest(f"{folder}/{path}", digest_bytes(content), len(content))
            for path, content in sorted(files.items())
        ),
        made_by=project.context.maker,
        made_on=project.context.clock().isoformat(timespec="seconds"),
        reason=reason,
        rollback_of=current.version if rollback and current else None,
        approvals=approvals,
        approvals_required=rules.approvals.get(environment, 0),
        previous=state.last.ref if state.last else None,
    )
    tag = f"{state.model}#{environment}#{number}"
    sentence = f"{reason or record.evidence.sentence}"
    text = message(title, sentence, of_assignment(assignment))
    writes += [
        CreateTag(tag, release.commit, text, state.last_date, signing),
        AppendLog(state.model, tag, encode(assignment), state.log),
        Push(branch.remote),
    ]
    basis = current.ref if current else None
    return Outcome(replace(report, number=number), findings, Plan(tuple(writes)), basis=basis)


def trusted(repo: Repository, rules: Rules, release: Event) -> None:
    """Insist that a release was signed by somebody who may, where signatures are required; raises Findings else."""
    if rules.signing is None or not rules.signing.required:
        return
    signature = rules.signing.check(repo, (release.oid,))[release.oid]
    if signature.state != "good":
        raise Findings.of(
            "release-not-trusted",
            f"{release.ref.name} {_NOT_GOOD[signature.state]}, and the project's tags are signed by those who may",
            help="look at it (git verify-tag), and release the model anew if it is what you want. Of somebody who left,"
            " keep the line in the file of signers, with valid-before",
        )


_NOT_GOOD = {
    "unsigned": "is not signed",
    "bad": "has a signature that is not valid",
    "stranger": "is signed by a key that is not among the allowed ones",
}


def _approved(
    project: Project, repo: Repository, rules: Rules, release: Event, environment: str, *, rollback: bool
) -> tuple[Approval, ...]:
    """Return the approvals that a version has for an environment; raises Findings where the branch asks for more.

    A rollback counts those that the version had when it went there: who goes back may have been one of them.
    """
    required = rules.approvals.get(environment, 0)
    if required == 0 or rules.signing is None:
        return ()
    prefix = ref_prefix(release.model, environment, release.version)
    parties = [authors(repo, rules.signing, release)]
    if not rollback:
        who, signature = identified(project, repo, rules, release.commit)
        parties.append(party("who deploys does not approve it", who.email, signature))
    judged = judge(given(repo, rules.signing, repo.refs(prefix)), release, environment, parties)
    if len(judged.counted) >= required:
        return judged.counted
    names = ", ".join(approval.actor for approval in judged.counted) or "nobody"
    others = "".join(f"; {one.who} does not count: {one.why}" for one in judged.refused)
    raise Findings.of(
        "approvals-missing",
        f"{release.ref.name} needs {required} approvals for '{environment}' and has {len(judged.counted)} ({names}){others}",
        help=f"somebody else who may sign: mlops-ci approve {release.model}@{release.version} --env {environment}",
    )


def identified(project: Project, repo: Repository, rules: Rules, commit: str) -> tuple[Person, Signature]:
    """Return whom git knows the user as, and whose signature theirs is, by one that is made and thrown away.

    Without a key the signature is none. Raises EnvironmentProblem as `sign` does, and `git-identity-missing`.
    """
    who = named(project.context.person)
    signing, _ = to_sign(repo, rules)
    if signing is None:
        return who, Signature("unsigned")
    return who, sign(repo, signing, "probe", commit, "probe", who, int(project.context.clock().timestamp()))[1]


def needed_repository(project: Project) -> Repository:
    """Return the project's repository; raises UsageProblem when it has none."""
    if project.context.repo is None:
        raise UsageProblem.of(
            "repository-missing", "this folder is not in a git repository", help="run `git init` and commit your files"
        )
    return project.context.repo


def known_model(project: Project, registry: RegistryState, name: str) -> str:
    """Return the model's name; raises UsageProblem when it is neither specified nor in the registry."""
    names = {*project.specs.models, *registry.models}
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        raise UsageProblem.of(
            "model-unknown",
            f"there is no model '{name}'",
            help=f"did you mean '{close[0]}'?" if close else f"the models are {', '.join(sorted(names)) or 'none yet'}",
        )
    return name


def known_environment(project: Project, name: str) -> str:
    """Return the environment's name; raises UsageProblem when the project has none of that name."""
    names = project.specs.project.spec.environments
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        raise UsageProblem.of(
            "environment-unknown",
            f"'{name}' is not one of the project's environments: {', '.join(names)}",
            help=f"did you mean '{close[0]}'?" if close else "add it to `environments` in mlops.yaml",
            location=project.specs.project.locate("spec"),
        )
    return name


def known_release(state: ModelState, version: str | None) -> Event:
    """Return the release of that version (None: the newest); raises UsageProblem when there is none."""
    if version is None:
        if state.latest is None:
            raise UsageProblem.of(
                "release-unknown",
                f"'{state.model}' has no release yet",
                help=f"mlops-ci gate {state.model} && mlops-ci release {state.model}",
            )
        return state.latest
    wanted = version.removeprefix("v")
    if wanted not in state.releases:
        raise UsageProblem.of(
            "release-unknown",
            f"'{state.model}' has no version {wanted}",
            help=f"it has {', '.join(state.releases) or 'none yet'}",
        )
    return state.releases[wanted]


def evidence_of(release: Event) -> Release:
    """Return the release's record; raises Findings when its tag carries none (another tool wrote it)."""
    if not isinstance(release.record, Release):
        raise Findings.of(
            "release-without-evidence",
            f"{release.ref.name} carries no record of a gate, so it cannot be deployed",
            help="release it with `mlops-ci gate` and `mlops-ci release`",
        )
    return release.record


def _in_git(project: Project, repo: Repository, release: Release) -> None:
    """Insist that git has every file of the version: a deployment's first container has git, and nothing else to fetch by."""
    stored = store.find(repo, store.release_ref(release.model, release.version), fetch=True)
    away = store.elsewhere(repo, stored) if stored else None
    if away is None:
        return
    largest = max(file.size for file in away.files)
    raise Findings.of(
        "deploy-files-elsewhere",
        f"{', '.join(file.path for file in away.files)} of {release.model} v{release.version} are at {away.url}, and a"
        " deployment fetches from git alone",
        location=project.specs.project.locate("spec"),
        help=f"set `storeLimitMb: {-(-largest // 1_000_000)}` in mlops.yaml, or more, so that the next version is in git; or run this"
        f" one by other means: mlops-ci fetch {release.model}@{release.version} DIR",
    )


def _deployment(project: Project, model: str, environment: str) -> Loaded[DeploymentSpec]:
    for loaded in project.specs.deployments.values():
        if loaded.spec.model == model and loaded.spec.environment == environment:
            return loaded
    raise Findings.of(
        "deployment-missing",
        f"no Deployment spec says how '{model}' runs in '{environment}'",
        help=f"write one: kind: Deployment, spec: {{model: {model}, environment: {environment}, target: {{type: kubernetes}}}}",
    )


def written_branch(project: Project, repo: Repository) -> Branch:
    """Return the branch that manifests are written to, and that says what is demanded.

    Raises Findings `branch-unknown` and `branch-missing`.
    """
    remote = repo.remote()
    name = project.specs.project.spec.branch or repo.default_branch(remote)
    if name is None:
        raise Findings.of(
            "branch-unknown",
            "HEAD is detached and there is no remote, so there is no branch to write manifests to",
            help="set `branch: main` in mlops.yaml, or check a branch out (git switch main)",
        )
    ref = f"refs/remotes/{remote}/{name}" if remote else f"refs/heads/{name}"
    tip = repo.resolve(f"{ref}^{{commit}}")
    if tip is None:
        raise Findings.of(
            "branch-missing",
            f"the branch '{name}' does not exist {f'on {remote!r}' if remote else 'here'} yet",
            help=f"git push {remote} HEAD:{name}" if remote else "commit your specs first",
        )
    return Branch(name, tip, remote)


def _same_on_branch(repo: Repository, branch: Branch, project: Project, spec: Loaded[DeploymentSpec]) -> None:
    """Insist that what is deployed is what was reviewed: the spec as the branch has it."""
    path = _inside(project, repo, spec.path)
    local = (project.context.root / spec.path).read_bytes()
    if repo.read(f"{branch.tip}:{path}") != local:
        raise Findings.of(
            "spec-not-on-branch",
            f"{spec.path} here is not what branch '{branch.name}' has",
            location=spec.locate("metadata", "name"),
            help="commit and push it, or bring this clone up to date (git pull), then deploy again",
        )


def _repository_url(repo: Repository, branch: Branch, spec: Loaded[DeploymentSpec]) -> str:
    url = spec.spec.target.repository or (repo.remote_url(branch.remote) if branch.remote else str(repo.root))
    return without_credentials(url)


def _reachable(branch: Branch, spec: Loaded[DeploymentSpec]) -> tuple[Diagnostic, ...]:
    if branch.remote is not None or spec.spec.target.repository is not None:
        return ()
    return (
        Diagnostic(
            "repository-local",
            "this repository has no remote, so the manifests fetch the model from a path that no cluster reaches",
            spec.locate("spec", "target", key=True),
            "add a remote (git remote add origin URL), or name one: spec.target.repository",
            "warning",
        ),
    )


def _same_files(repo: Repository, tip: str, folder: str, files: Mapping[str, bytes]) -> bool:
    there = repo.tree(tip, folder)
    return set(there) == set(files) and all(repo.read(oid) == files[path] for path, oid in there.items())


def _again(report: DeployReport, *, rollback: bool) -> str:
    """Return the command that, run after the merge, writes the assignment that this one could not."""
    reason = f" --reason {shlex.quote(report.reason)}" if report.reason else ""
    if rollback:
        return f"mlops-ci rollback {report.model} --env {report.environment} --version {report.version}{reason}"
    return f"mlops-ci deploy {report.model}@{report.version} --env {report.environment}{reason}"


def _request(
    repo: Repository,
    branch: Branch,
    report: DeployReport,
    folder: str,
    files: Mapping[str, bytes],
    title: str,
    number: int,
) -> Outcome[DeployReport]:
    """Plan a branch with the manifests, unless one that is not merged yet has them already."""
    prefix = f"refs/remotes/{branch.remote}/" if branch.remote else "refs/heads/"
    ours = f"mlops-ci/{report.environment}-{report.model}-"
    taken = [ref.name.removeprefix(prefix) for ref in repo.refs(f"{prefix}{ours}*")]
    for known in taken:
        if not repo.contains(branch.tip, f"{prefix}{known}") and _same_files(repo, f"{prefix}{known}", folder, files):
            return Outcome(replace(report, state="requested", branch=known))
    # the number may be taken by a request that waits for another version
    suffixes = chain([""], map("-{}".format, count(2)))
    name = next(name for suffix in suffixes if (name := f"{ours}{number}{suffix}") not in taken)
    # hosts offer a lone commit's message as the request's title and text
    text = f"Deploy {title}\n\n{report.reason or 'Manifests only.'}\n\nAfter the merge, this writes the assignment:\n\n    {report.again}\n"
    commit = Commit(name, branch.tip, folder, files, text, new_branch=True)
    return Outcome(replace(report, state="requested", branch=name), plan=Plan((commit, Push(branch.remote))))


def _free(repo: Repository, branch: Branch, folder: str) -> None:
    """Insist that no file of the branch stands where a folder of manifests must be: git would replace it silently."""
    parts = folder.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        if repo.kind(f"{branch.tip}:{path}") not in (None, "tree"):
            raise Findings.of(
                "folder-taken",
                f"branch '{branch.name}' has a file '{path}', and manifests belong into a folder of that name",
                help=f"rename the file (git mv {path} ...), commit and push",
            )


def _left_behind(repo: Repository, branch: Branch, folder: str) -> tuple[Diagnostic, ...]:
    """Notice a local deployment that was killed: it has moved the branch, but the work tree has not followed."""
    if branch.remote is None and repo.branch() == branch.name and repo.changed([folder]):
        return (
            Diagnostic(
                "worktree-behind",
                f"the files in {folder}/ are not what branch '{branch.name}' has",
                help=f"git restore --staged --worktree {folder}",
                severity="warning",
            ),
        )
    return ()


def _inside(project: Project, repo: Repository, path: str) -> str:
    return (project.context.root / path).relative_to(repo.root).as_posix()
