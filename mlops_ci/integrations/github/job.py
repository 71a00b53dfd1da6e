"""Reads what a GitHub Actions job knows of itself from its environment and from the payload of the event that started it.

The event's payload is data of whoever caused it: only what has its expected form is taken, and nothing of it is trusted further.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_ci.core.ci_job import Job

_LARGEST = 32 << 20  # bytes of an event's payload
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SLUG = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_NONE = re.compile(r"0+")
_FILE = re.compile(r"[A-Za-z0-9._-]{1,100}\.ya?ml")


def job(environ: Mapping[str, str]) -> Job | None:
    """Return the job that this process runs in; None outside GitHub Actions, or where it does not say its repository."""
    repository = environ.get("GITHUB_REPOSITORY", "")
    if environ.get("GITHUB_ACTIONS") != "true" or not _SLUG.fullmatch(repository):
        return None
    server = (environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
    event, payload = environ.get("GITHUB_EVENT_NAME", ""), _payload(environ.get("GITHUB_EVENT_PATH"))
    pull = _at(payload, "pull_request") or {}
    since = {
        "pull_request": _oid(_at(pull, "base", "sha")),
        "pull_request_target": _oid(_at(pull, "base", "sha")),
        "merge_group": _oid(_at(payload, "merge_group", "base_sha")),
        "push": _oid(_at(payload, "before")),
    }.get(event)
    number = _at(pull, "number")
    theirs = _at(pull, "head", "repo", "full_name")
    own_run = f"{server}/{repository}/actions/runs/{environ.get('GITHUB_RUN_ID', '')}"
    ran = _at(payload, "workflow_run") if event == "workflow_run" else None
    if event == "workflow_run":  # about another run: what that one was about
        theirs = _at(ran, "head_repository", "full_name")
    return Job(
        repository=repository,
        api=(environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
        server=server,
        event=event,
        workflow=environ.get("GITHUB_WORKFLOW", ""),
        commit=(_oid(_at(ran, "head_sha")) or "")
        if event == "workflow_run"
        else _oid(_at(pull, "head", "sha")) or environ.get("GITHUB_SHA", ""),
        run_url=_run_url(_at(ran, "html_url"), f"{server}/{repository}") or own_run,
        pull=number if type(number) is int and number > 0 else None,
        fork=bool(pull or event == "workflow_run") and theirs != repository,
        base=_base(environ, event, payload),
        since=since,
        gate=gate if (gate := environ.get("MLOPS_CI_GATE_WORKFLOW")) and _FILE.fullmatch(gate) else None,
    )


def _run_url(value: Any, below: str) -> str | None:
    """Return the URL of a run, if it is one of this repository."""
    known = re.compile(rf"{re.escape(below)}/actions/runs/[0-9]{{1,20}}(/attempts/[0-9]{{1,9}})?")
    return value if isinstance(value, str) and known.fullmatch(value) else None


def _base(environ: Mapping[str, str], event: str, payload: Any) -> str | None:
    queued = _at(payload, "merge_group", "base_ref") if event == "merge_group" else None
    if isinstance(queued, str):
        return queued.removeprefix("refs/heads/") or None
    return environ.get("GITHUB_BASE_REF") or None


def _payload(path: str | None) -> Any:
    file = Path(path) if path else None
    if file is None or not file.is_file() or file.stat().st_size > _LARGEST:
        return {}
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _oid(value: Any) -> str | None:
    found = isinstance(value, str) and _OID.fullmatch(value) and not _NONE.fullmatch(value)
    return value if found else None
