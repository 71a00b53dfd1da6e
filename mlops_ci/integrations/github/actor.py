"""The person and the workflow that run this command: from the environment of a GitHub Actions job, else from git."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_ci.core.records.base import Provenance
from mlops_ci.repository.git_values import Person


def read_actor(environ: Mapping[str, str]) -> Person | None:
    """Return the person that a job acts for, as the author of commits and tags; None outside a job."""
    actor = environ.get("GITHUB_ACTOR") if environ.get("GITHUB_ACTIONS") == "true" else None
    return Person(actor, f"{actor}@users.noreply.github.com") if actor else None


def read_provenance(environ: Mapping[str, str], signer: Person | None, toolkit: str) -> Provenance:
    """Return the provenance of this command's events: the actor, the toolkit's version and the workflow run."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return Provenance(signer.name if signer else "unknown", toolkit)
    server, repository, run = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return Provenance(
        actor=environ.get("GITHUB_ACTOR", "unknown"),
        toolkit=toolkit,
        workflow=environ.get("GITHUB_WORKFLOW_REF"),
        run_url=f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None,
    )
