"""Conversion between records and the in-toto Statements in tag messages.

A Release is written as SLSA provenance (https://slsa.dev/spec/v1.0/provenance); the other records use predicate types of
this project. Each fact appears once in a Statement, so a Statement cannot contradict itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlops_ci.core.codec import DecodeError, decode, encode
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import ApprovalStatement, Assignment, GateEvidence, Release, Retirement
from mlops_ci.registry.tag_message import statement_line

STATEMENT_MARK = '"_type":'  # in the message of every tag that has a record, or claims to have one
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
RELEASE_TYPE = "urn:mlops-ci:release:v1"
ASSIGNMENT_TYPE = "urn:mlops-ci:assignment:v1"
RETIREMENT_TYPE = "urn:mlops-ci:retirement:v1"
APPROVAL_TYPE = "urn:mlops-ci:approval:v1"
EventRecord = Release | Assignment | Retirement


def parse_statement(text: str) -> Mapping[str, Any] | None:
    """Return the Statement in a tag's message; None when there is none (another tool wrote the tag)."""
    line = statement_line(text)
    try:
        found = json.loads(line) if line else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def gate_evidence(comparison: Comparison, digest: str) -> GateEvidence:
    """Return the gate's result in the short form for a tag; `digest` is the digest of the comparison's canonical JSON."""
    return GateEvidence(
        digest=digest,
        verdict=comparison.verdict,
        sentence=comparison.sentence,
        policy_digest=comparison.policy_digest,
        holdout_digest=comparison.holdout_digest,
        holdout_rows=comparison.holdout_rows,
        champion_version=comparison.champion.version if comparison.champion else None,
        metrics=tuple(item for item in comparison.metrics if item.slice is None),
        requirements=comparison.requirements,
        confidence=comparison.confidence,
        budget=comparison.holdout_question.budget if comparison.holdout_question else None,
    )


def encode_release(release: Release) -> dict[str, Any]:
    """Return a Release as a Statement whose subjects are the model's files."""
    flat = encode(release)
    parameters = ("model", "version", "specPath", "specDigest", "interfaceDigest", "code", "seed", "trusted")
    return _build_statement(
        release.model,
        release.model_files,
        PROVENANCE_TYPE,
        {
            "buildDefinition": {
                "buildType": RELEASE_TYPE,
                "externalParameters": {name: flat[name] for name in parameters},
                "internalParameters": {"format": release.format, "project": flat["project"], "trust": release.trust},
                "resolvedDependencies": [
                    {"name": "commit", "digest": {"gitCommit": release.commit}},
                    {"name": "environment", "digest": {"sha256": release.environment_digest}},
                    *(
                        {
                            "name": data.dataset,
                            "digest": {"sha256": data.train_digest},
                            "annotations": {
                                "trainRows": data.train_rows,
                                "schemaDigest": data.schema_digest,
                                "filesDigest": data.files_digest,
                            },
                        }
                        for data in release.data
                    ),
                ],
            },
            "runDetails": {
                "builder": {"id": "urn:mlops-ci:builder", "version": {"mlops-ci": release.made_by.toolkit}},
                "metadata": {"invocationId": release.run_key, "finishedOn": release.made_on},
                "byproducts": [
                    {
                        "name": "run",
                        "digest": {"gitCommit": release.run_oid},
                        "annotations": {
                            "ref": release.run_ref,
                            "modelDigest": release.model_digest,
                            "modelFormat": flat["modelFormat"],
                        },
                    },
                    {
                        "name": "gate",
                        "digest": {"sha256": release.evidence.digest},
                        "annotations": _drop_fields(flat["evidence"], "digest"),
                    },
                ],
            },
            "event": {
                name: flat[name]
                for name in ("madeBy", "reason", "overrides", "previous", "ledger", "occasion", "policyCommit")
                if name in flat
            },
        },
    )


def encode_assignment(assignment: Assignment) -> dict[str, Any]:
    """Return an Assignment as a Statement whose subjects are the model's files."""
    return _build_statement(
        assignment.model,
        assignment.model_files,
        ASSIGNMENT_TYPE,
        _drop_fields(encode(assignment), "modelFiles", "kind"),
    )


def encode_retirement(retirement: Retirement) -> dict[str, Any]:
    """Return a Retirement as a Statement whose subjects are the model files of the retired version."""
    return _build_statement(
        retirement.model,
        retirement.model_files,
        RETIREMENT_TYPE,
        _drop_fields(encode(retirement), "modelFiles", "kind"),
    )


def encode_approval(consent: ApprovalStatement) -> dict[str, Any]:
    """Return an ApprovalStatement as a Statement whose subjects are the files of the approved model."""
    return _build_statement(
        consent.model, consent.model_files, APPROVAL_TYPE, _drop_fields(encode(consent), "modelFiles", "kind")
    )


def decode_approval(statement: Mapping[str, Any]) -> ApprovalStatement:
    """Return the ApprovalStatement in a Statement; raises DecodeError when it is incomplete or of another type.

    An approval is not the record of an event.
    """
    if (statement.get("_type"), statement.get("predicateType")) != (STATEMENT_TYPE, APPROVAL_TYPE):
        raise DecodeError("$.predicateType: not an approval")
    try:
        return decode(ApprovalStatement, {**statement["predicate"], "modelFiles": _subject_files(statement["subject"])})
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError) as error:
        raise DecodeError(str(error)) from error


def decode_event_record(statement: Mapping[str, Any]) -> EventRecord:
    """Return the event record in a Statement; raises DecodeError when it is incomplete or of an unknown type."""
    if statement.get("_type") != STATEMENT_TYPE:
        raise DecodeError("$._type: not an in-toto Statement v1")
    try:
        kind = statement["predicateType"]
        files = _subject_files(statement["subject"])
        predicate = statement["predicate"]
        if kind in _RECORD_TYPES:
            return decode(_RECORD_TYPES[kind], {**predicate, "modelFiles": files})
        if kind == PROVENANCE_TYPE:
            release = decode(Release, {**_flatten_release(predicate), "modelFiles": files})
            release.model_format.find_entry(release.model_files)
            if not release.data:
                raise DecodeError("$: a release must name its data")
            return release
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError) as error:
        raise DecodeError(str(error)) from error
    raise DecodeError(f"$.predicateType: unknown '{kind}'")


_RECORD_TYPES: Mapping[str, type[Assignment | Retirement]] = {ASSIGNMENT_TYPE: Assignment, RETIREMENT_TYPE: Retirement}


def _build_statement(
    model: str, files: tuple[FileDigest, ...], predicate_type: str, predicate: dict[str, Any]
) -> dict[str, Any]:
    subject = [
        {"name": f"{model}/{file.path}", "digest": {"sha256": file.sha256}, "annotations": {"size": file.size}}
        for file in files
    ]
    return {"_type": STATEMENT_TYPE, "subject": subject, "predicateType": predicate_type, "predicate": predicate}


def _subject_files(subject: Any) -> list[dict[str, Any]]:
    return [
        {
            "path": item["name"].split("/", 1)[1],
            "sha256": item["digest"]["sha256"],
            "size": item["annotations"]["size"],
        }
        for item in subject
    ]


def _flatten_release(predicate: Mapping[str, Any]) -> dict[str, Any]:
    build, details, event = predicate["buildDefinition"], predicate["runDetails"], predicate["event"]
    if build["buildType"] != RELEASE_TYPE:
        raise DecodeError(f"$.predicate.buildDefinition.buildType: unknown '{build['buildType']}'")
    commit, environment, *data = build["resolvedDependencies"]
    run, gate = details["byproducts"]
    return {
        **build["externalParameters"],
        **build["internalParameters"],
        "commit": commit["digest"]["gitCommit"],
        "environmentDigest": environment["digest"]["sha256"],
        "data": [
            {"dataset": item["name"], "trainDigest": item["digest"]["sha256"], **item["annotations"]} for item in data
        ],
        "runKey": details["metadata"]["invocationId"],
        "madeOn": details["metadata"]["finishedOn"],
        "runOid": run["digest"]["gitCommit"],
        "runRef": run["annotations"]["ref"],
        "modelDigest": run["annotations"]["modelDigest"],
        "modelFormat": run["annotations"]["modelFormat"],
        "evidence": {**gate["annotations"], "digest": gate["digest"]["sha256"]},
        **event,
    }


def _drop_fields(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}
