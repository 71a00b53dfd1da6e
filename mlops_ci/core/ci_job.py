"""Where a command runs, as a value: a CI job that was started by an event about a change."""

from __future__ import annotations

from dataclasses import dataclass

MAX_CALL_LENGTH = 80  # characters of the name of a call


@dataclass(frozen=True)
class CiJob:
    """A job. `repository` is OWNER/NAME, `api` and `server` are URLs without a final slash.

    `workflow` is the name of the workflow, `commit` what a verdict is about (a pull request's head, and not its merge with the
    base), `pull` the pull request's number. `fork`: the change comes from another repository, so that the job's token can only
    read. `base` is the branch that the change is to be merged into, `since` the commit that it starts from; both are None for
    events that are about no change. For workflow_run, `commit`, `run_url` and `fork` are those of the run that it follows.
    `gate` is the file of the workflow that judges pull requests, to be started for those that this job's own token opens.
    `records_artifacts`: the host is told, after a deployment, where the model's file runs.
    `call` names this job's call of the gate's workflow, where a run may have several for one project.
    """

    repository: str
    api_url: str
    server_url: str
    event: str
    workflow: str
    commit: str
    run_url: str
    pull: int | None = None
    fork: bool = False
    base: str | None = None
    base_commit: str | None = None
    gate_workflow: str | None = None
    records_artifacts: bool = False
    call: str = ""

    @property
    def has_read_only_token(self) -> bool:
        """Whether this job's token can only read, whatever the job asks for. What runs after a fork's run has a token of its own."""
        return self.fork and self.event not in ("workflow_run", "pull_request_target")
