"""The session of one command: finds the root and repository, updates the registry, calls the step and applies its plan."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlops_ci import __version__
from mlops_ci.cli.terminal import progress_display
from mlops_ci.core.child_watch import ChildWatch, watch_children
from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import EnvironmentProblem, Findings, ToolError, UsageProblem
from mlops_ci.core.leftovers import hold, remove_abandoned, scratch_folder
from mlops_ci.core.plan import Outcome, Plan, Stages, finish_stages
from mlops_ci.core.plugins import locked_plugins_only
from mlops_ci.core.verbs import Verb
from mlops_ci.core.watched_files import DataWatch, EntryWatch
from mlops_ci.integrations.github import connection
from mlops_ci.integrations.github.actor import read_actor, read_provenance
from mlops_ci.integrations.github.credentials import git_token_variables
from mlops_ci.integrations.github.job import read_ci_job
from mlops_ci.repository import git, ssh_agent
from mlops_ci.repository.context import Context, Project
from mlops_ci.repository.default_branch import remembered_head_notes
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person
from mlops_ci.repository.lookup import require_repository
from mlops_ci.repository.repository_name import find_repository_name
from mlops_ci.repository.sparse import left_out_below, left_out_problem, whole_spec_folder
from mlops_ci.repository.steering import SteeringWatch
from mlops_ci.spec.load import PROJECT_FILE, Specs, find_outer_project, find_root, load_specs
from mlops_ci.spec.spec_types import SourceSpec

if TYPE_CHECKING:
    from mlops_ci.cli.push_plan import ApplyResult, Notifier

ATTEMPTS = 12
PAUSE = 3.0  # the maximum number of seconds between two attempts
Step = Callable[..., Outcome[Any] | Stages[Outcome[Any]]]


@dataclass
class Session:
    """One command's session. `specs` is None for verbs that need no project; `wait` is called with seconds.

    `notifier` is None without a git host, or without a token for it.
    """

    verb: Verb
    context: Context
    specs: Specs | None
    warnings: tuple[Diagnostic, ...]
    progress: Callable[[str], None]
    wait: Callable[[float], None]
    notifier: Notifier | None = None
    observe: Callable[[str], None] | None = None
    dry_run: bool = False
    _stages: list[Plan] = field(default_factory=list)  # of a dry run, which applies none

    def sync_and_call(self, step: Step, options: dict[str, Any]) -> tuple[Outcome[Any], tuple[Diagnostic, ...]]:
        """Fetch the registry as far as the verb needs it, call the step, and return its outcome and the warnings."""
        warnings = self._sync()
        self.context = replace(self.context, offline=bool(warnings))
        try:
            outcome, repo = self._call(step, options), self.context.repo
        except (Findings, UsageProblem) as problem:
            if warnings and self._may_be_unfetched(problem):
                raise _unfetched_problem(problem, warnings[0]) from problem
            raise
        return outcome, (*warnings, *self.warnings, *(remembered_head_notes(self.context, repo) if repo else ()))

    def _may_be_unfetched(self, problem: ToolError) -> bool:
        """Return whether a problem is that this clone has no such event, and the clone lacks a part of the registry."""
        from mlops_ci.cli import registry_sync  # not for commands that need no registry, which start faster without it

        absent = (
            "release-unknown",
            "version-unknown",
            "champion-missing",
            *(() if self.verb.trains else ("model-unknown",)),
        )
        return problem.diagnostics[0].id in absent and not registry_sync.has_whole_registry(self.context.repo)

    def _sync(self) -> tuple[Diagnostic, ...]:
        """Fetch the registry as far as the verb needs it, and return a warning if the remote did not answer."""
        if self.verb.syncs == "no" or (self.verb.syncs == "job" and self.context.job is None):
            return ()
        from mlops_ci.cli import registry_sync  # not for commands that need no registry, which start faster without it

        if self.verb.syncs == "gaps" and registry_sync.has_whole_registry(self.context.repo):
            return ()
        return registry_sync.sync_registry(self.context.repo, self.verb)

    def apply_with_retries(
        self, outcome: Outcome[Any], step: Step, options: dict[str, Any], observe: Callable[[str], None]
    ) -> Outcome[Any]:
        """Apply the outcome's plan; if another write came first, fetch and plan again, at most `ATTEMPTS` times.

        Raises Findings `superseded` when the other write invalidates the decision, and EnvironmentProblem `contended` when
        every attempt failed. In both cases nothing has been written.
        """
        if not outcome.plan:
            return outcome
        from mlops_ci.cli import push_plan, registry_sync  # not for commands that write nothing

        answer, notifier = push_plan.ApplyResult("raced"), self.notifier or push_plan.no_notifier
        for attempt in range(ATTEMPTS):
            if not outcome.plan:
                return outcome
            repo, who = self.context.repo, self.context.person
            answer = push_plan.apply_plan(
                outcome.plan, self.context.root, repo, who, self.context.clock, observe, notifier
            )
            if answer.state == "done":
                note = Diagnostic("worktree-behind", answer.detail, help="git status", severity="warning")
                notes = (*answer.notes, *((note,) if answer.detail else ()))
                return replace(
                    outcome, diagnostics=(*outcome.diagnostics, *notes), exit_code_override=outcome.final_exit_code
                )
            if answer.state == "refused":
                outcome = self._plan_pull_request(step, options, answer)
                continue
            self.wait(random.uniform(0, min(0.1 * 2**attempt, PAUSE)))  # noqa: S311 - jitter, not a secret
            registry_sync.sync_registry(repo, self.verb)
            outcome = self._plan_again(outcome, step, options)
        raise EnvironmentProblem.of(
            "contended",
            f"{ATTEMPTS} attempts to write the registry failed, because another write moved or held one of its refs each time; nothing"
            f" was written: {answer.detail or 'no reason given'}",
            help="run the same command again in a minute. If nobody else writes, a killed git process left a lock at the remote (a file"
            " REF.lock): ask whoever runs it to remove the file",
        )

    def _call(self, step: Step, options: dict[str, Any]) -> Outcome[Any]:
        argument = self.context if self.specs is None else Project(self.specs, self.context)
        answer = step(argument, **options)
        if isinstance(answer, Outcome):
            return answer
        outcome = finish_stages(answer, self._apply_stage)
        return replace(outcome, plan=sum(self._stages, Plan()) + outcome.plan)

    def _apply_stage(self, plan: Plan) -> bool:
        """Apply a plan that does not wait for the step's end, and return whether that was done; a dry run only notes it."""
        if self.dry_run:
            self._stages.append(plan)
            return False
        from mlops_ci.cli import push_plan  # not for commands that write nothing

        root, repo, who, clock = self.context.root, self.context.repo, self.context.person, self.context.clock
        answer = push_plan.apply_plan(plan, root, repo, who, clock, self.observe or self.progress)
        if answer.state == "refused":
            raise _refusal(answer)
        return answer.state == "done"

    def _plan_again(self, lost: Outcome[Any], step: Step, options: dict[str, Any]) -> Outcome[Any]:
        """Plan again on top of the other write, unless that write invalidates the decision."""
        message = f"another command wrote first, so this {self.verb.name} is based on an outdated state, and nothing was written"
        help = "read what happened (mlops-ci history), then decide again"
        try:
            outcome = self._call(step, options)
        except Findings as found:
            raise Findings((Diagnostic("superseded", message, help=help), *found.diagnostics)) from found
        if outcome.plan and outcome.basis != lost.basis:
            by = f": {outcome.basis.name}" if outcome.basis else ""
            raise Findings.of("superseded", f"{message}{by}", help=help)
        return outcome

    def _plan_pull_request(self, step: Step, options: dict[str, Any], answer: ApplyResult) -> Outcome[Any]:
        """Plan again with a pull request for the manifests, if the push was refused because the branch is protected."""
        if (
            not answer.is_branch_protected
            or self.specs is None
            or Project(self.specs, self.context).delivery == "pull-request"
        ):
            raise _refusal(answer)
        self.context = replace(self.context, is_branch_protected=True)
        return self._call(step, options)


def _unfetched_problem(problem: ToolError, offline: Diagnostic) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "registry-not-fetched",
        f"this clone lacks a part of the registry, and so it is not known whether this is right: {problem.diagnostics[0].message};"
        f" {offline.message}",
        help="check the network and your access to the remote, then run the same command again",
    )


def _refusal(answer: ApplyResult) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "push-refused",
        f"the remote refused the push, and nothing was written: {answer.detail}",
        help="these are the remote's own words: ask whoever administers it to allow this write, or remove what they name",
    )


@contextmanager
def open_session(verb: Verb, chdir: str, wait: Callable[[float], None], *, quiet: bool) -> Iterator[Session]:
    """Open a session for a verb in a folder; its scratch folder is deleted at the end.

    Raises UsageProblem when the verb needs a project but there is none, or its specs are invalid.
    """
    start = Path(chdir).resolve()
    if not start.is_dir():
        raise UsageProblem.of("folder-missing", f"{chdir} is not a folder", help="check the path given with -C")
    with ExitStack() as stack:
        progress = stack.enter_context(progress_display(quiet=quiet))
        scratch = stack.enter_context(_scratch_folder())
        repo = _lend_credentials(git.find_repository(start), verb, stack)
        root = _require_root(start, repo, verb)
        who = _signer(repo)
        in_job = read_ci_job(os.environ)
        context = Context(
            root=root,
            start_folder=start,
            repo=repo,
            scratch=scratch,
            cache=_cache_folder(repo, stack),
            clock=lambda: datetime.now(UTC),
            provenance=replace(
                read_provenance(os.environ, who, __version__),
                repository=_find_repository_name(repo) if verb.writes else None,
            ),
            offline=False,
            progress=progress,
            person=who,
            job=in_job,
            asks_remote=_asks_remote(verb, in_job),
            trust="single-job" if in_job else "local",
            github=connection.connect_reader(os.environ, in_job or _find_host_repository(repo), wait),
        )
        if in_job is not None and verb.judges:
            stack.enter_context(locked_plugins_only())
        if verb.needs in ("project", "folder"):
            whole = whole_spec_folder(repo, root, scratch)
            context = replace(context, whole_specs=whole if whole != root else None)
        specs, warnings = _require_specs(context.spec_root) if verb.needs == "project" else (None, ())
        for watch in _watches(repo, root, specs, is_alone=in_job is not None):
            stack.enter_context(watch_children(watch))
        if verb.trains and specs is not None:
            _prepare_first_training(repo, specs)
        host = connection.connect_notifier(os.environ, in_job, wait)
        yield Session(verb, context, specs, warnings, progress, wait, host)


def _watches(repo: Repository | None, root: Path, specs: Specs | None, *, is_alone: bool) -> Iterator[ChildWatch]:
    """Yield what looks after each child whether a candidate's code has changed what this command goes on with."""
    if repo is not None:
        yield EntryWatch(repo.common_dir / "mlops-ci")  # removes, and raises nothing
        yield SteeringWatch(repo, is_alone=is_alone)
    if specs is not None:
        yield DataWatch(lambda: _data_files(root, specs))


def _data_files(root: Path, specs: Specs) -> Iterator[Path]:
    from mlops_ci.data.sources.files import source_paths  # not for commands that start no child

    for dataset in specs.datasets.values():
        held = dataset.spec.split.source
        inside = held.source_at(held.path) if held is not None and held.path is not None else None
        for source in (dataset.spec.source, inside):
            if isinstance(source, SourceSpec):
                yield from source_paths(root, source)


def _prepare_first_training(repo: Repository | None, specs: Specs) -> None:
    """Let a worker import its libraries while the command still reads the data, unless a stored run may make it needless."""
    # not for commands that train nothing
    from mlops_ci.registry.run_store import RUN_PREFIX
    from mlops_ci.training.workers.protocol import prepare_worker

    if repo is not None and repo.has_refs(RUN_PREFIX):
        return
    for model in specs.models.values():
        prepare_worker(model.spec.train.estimator, model.spec.train.entrypoint)


def _find_repository_name(repo: Repository | None) -> str | None:
    try:
        return find_repository_name(repo)
    except (
        EnvironmentProblem
    ):  # several remotes without a default; the verb raises this error where it needs the remote
        return None


def _find_host_repository(repo: Repository | None) -> CiJob | None:
    """Return the GitHub repository of the remote, for queries outside a job; None without a token or a GitHub remote."""
    if repo is None or not os.environ.get("GITHUB_TOKEN"):
        return None
    try:
        remote = repo.default_remote()
        # the configured URL may be an alias that only `url.*.insteadOf` makes one of GitHub's
        urls = (repo.remote_url, repo.effective_url) if remote is not None else ()
        found = (connection.job_from_remote_url(os.environ, url(str(remote))) for url in urls)
        return next((job for job in found if job is not None), None)
    except EnvironmentProblem:  # several remotes without a default; verbs that write raise this error
        return None


def _lend_credentials(repo: Repository | None, verb: Verb, stack: ExitStack) -> Repository | None:
    """Give the repository this job's git credentials, and remove the signing key from the environment of other programs."""
    key = os.environ.pop(ssh_agent.SIGNING_KEY_VARIABLE, "")
    if repo is None:
        return None
    credentials = git.Credentials(remote_variables=git_token_variables(os.environ))
    if key.strip() and verb.signs:
        public, socket = stack.enter_context(ssh_agent.ssh_agent_with_key(key))
        credentials = replace(credentials, signing_key=public, agent_socket=socket)
    return replace(repo, credentials=credentials, memory=git.Memory())


def _asks_remote(verb: Verb, job: CiJob | None) -> Literal["no", "try", "must"]:
    if verb.syncs == "must" or (verb.syncs == "job" and job is not None):
        return "must"
    return "try" if verb.syncs == "try" or verb.asks else "no"


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder("scratch"))
            remove_abandoned()
        except OSError as error:
            raise EnvironmentProblem.of(
                "disk-full",
                f"cannot create a temporary folder: {error.strerror}",
                help="free some disk space, or set TMPDIR",
            ) from error
        yield folder


def _require_root(start: Path, repo: Repository | None, verb: Verb) -> Path:
    if verb.needs == "nothing":
        return start
    if verb.needs == "repository":
        return require_repository(repo).root
    root = find_root(start)
    above = (start, *start.parents) if root is None and repo is not None else ()
    if repo is not None and any(PROJECT_FILE in left_out_below(repo, folder) for folder in above):
        raise left_out_problem([PROJECT_FILE], "and without it there is no project")
    if root is None or (repo is not None and not root.is_relative_to(repo.root.resolve())):
        raise UsageProblem.of(
            "project-not-found",
            f"no mlops.yaml in {start} or any folder of its repository above it",
            help="start with `mlops-ci init`, or go to the folder of your project (-C DIR)",
        )
    if repo is not None and (outer := find_outer_project(root, repo.root.resolve())) is not None:
        raise UsageProblem.of(
            "project-nested",
            f"the project in {root.relative_to(repo.root.resolve())} is inside of the project in {outer.relative_to(repo.root.resolve())},"
            " which reads these specs as its own",
            location=Location(PROJECT_FILE, 1, 1),
            help="move one of the two, so that neither folder is in the other: git mv",
        )
    return root


def _require_specs(root: Path) -> tuple[Specs, tuple[Diagnostic, ...]]:
    specs, diagnostics = load_specs(root)
    if specs is None:
        raise UsageProblem(diagnostics)
    return specs, diagnostics


def _cache_folder(repo: Repository | None, stack: ExitStack) -> Path | None:
    if repo is None:
        return None
    folder = repo.common_dir / "mlops-ci" / "cache"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None  # a read-only checkout works without a cache, but slower
    with suppress(OSError):  # a read-only checkout may have a cache to read
        stack.enter_context(hold(folder.parent))
    return folder


def _signer(repo: Repository | None) -> Person | None:
    return (repo.identity() if repo else None) or read_actor(os.environ)
