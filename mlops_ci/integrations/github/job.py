"""Reads the facts of a GitHub Actions job from its environment and from the payload of the event that started it.

The author of an event controls parts of its payload: only values of the expected form are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_ci.core.ci_job import MAX_CALL_LENGTH, CiJob
from mlops_ci.core.diagnostics import replace_control_characters
from mlops_ci.core.digest import digest_bytes

_MAX_PAYLOAD_BYTES = 32 << 20  # larger payloads are ignored
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SLUG = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_ZERO_OID = re.compile(r"0+")
_MAX_CALL_READ = 100_000  # characters: a list of models
_WORKFLOW_FILE = re.compile(r"[A-Za-z0-9._-]{1,100}\.ya?ml")


def read_ci_job(environ: Mapping[str, str]) -> CiJob | None:
    """Return the job that this process runs in; None outside GitHub Actions, or if the repository is unknown."""
    repository = environ.get("GITHUB_REPOSITORY", "")
    if environ.get("GITHUB_ACTIONS") != "true" or not _SLUG.fullmatch(repository):
        return None
    server = (environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
    event, payload = environ.get("GITHUB_EVENT_NAME", ""), _read_payload(environ.get("GITHUB_EVENT_PATH"))
    pull = _get_nested(payload, "pull_request") or {}
    base_commit = {
        "pull_request": _valid_oid(_get_nested(pull, "base", "sha")),
        "pull_request_target": _valid_oid(_get_nested(pull, "base", "sha")),
        "merge_group": _valid_oid(_get_nested(payload, "merge_group", "base_sha")),
        "push": _valid_oid(_get_nested(payload, "before")),
    }.get(event)
    number = _get_nested(pull, "number")
    head_repository = _get_nested(pull, "head", "repo", "full_name")
    own_run = f"{server}/{repository}/actions/runs/{environ.get('GITHUB_RUN_ID', '')}"
    other_run = _get_nested(payload, "workflow_run") if event == "workflow_run" else None
    if event == "workflow_run":  # the event is about another run: use the facts of that run
        head_repository = _get_nested(other_run, "head_repository", "full_name")
    return CiJob(
        repository=repository,
        api_url=(environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
        server_url=server,
        event=event,
        workflow=environ.get("GITHUB_WORKFLOW", ""),
        commit=(_valid_oid(_get_nested(other_run, "head_sha")) or "")
        if event == "workflow_run"
        else _valid_oid(_get_nested(pull, "head", "sha")) or environ.get("GITHUB_SHA", ""),
        run_url=_run_url(_get_nested(other_run, "html_url"), f"{server}/{repository}") or own_run,
        pull=number if type(number) is int and number > 0 else None,
        fork=bool(pull or event == "workflow_run") and head_repository != repository,
        base=_base_branch(environ, event, payload),
        base_commit=base_commit,
        gate_workflow=gate
        if (gate := environ.get("MLOPS_CI_GATE_WORKFLOW")) and _WORKFLOW_FILE.fullmatch(gate)
        else None,
        records_artifacts=environ.get("MLOPS_CI_RECORD_ARTIFACTS") == "true",
        call=_call_name(environ.get("MLOPS_CI_CALL", "")),
    )


def _call_name(text: str) -> str:
    """Return a text that names a call on one line; of a long one the beginning, and a digest that tells it from others."""
    flat = " ".join(replace_control_characters(text[:_MAX_CALL_READ]).split())
    return (
        flat
        if len(flat) <= MAX_CALL_LENGTH
        else f"{flat[: MAX_CALL_LENGTH - 9]}…{digest_bytes(flat.encode('utf-8', 'replace'))[:8]}"
    )


def _run_url(value: Any, below: str) -> str | None:
    """Return the URL of a run if it belongs to this repository, else None."""
    known = re.compile(rf"{re.escape(below)}/actions/runs/[0-9]{{1,20}}(/attempts/[0-9]{{1,9}})?")
    return value if isinstance(value, str) and known.fullmatch(value) else None


def _base_branch(environ: Mapping[str, str], event: str, payload: Any) -> str | None:
    queued = _get_nested(payload, "merge_group", "base_ref") if event == "merge_group" else None
    if isinstance(queued, str):
        return queued.removeprefix("refs/heads/") or None
    return environ.get("GITHUB_BASE_REF") or None


def _read_payload(path: str | None) -> Any:
    file = Path(path) if path else None
    if file is None or not file.is_file() or file.stat().st_size > _MAX_PAYLOAD_BYTES:
        return {}
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}


def _get_nested(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _valid_oid(value: Any) -> str | None:
    found = isinstance(value, str) and _OID.fullmatch(value) and not _ZERO_OID.fullmatch(value)
    return value if found else None
