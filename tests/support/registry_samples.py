"""Records as tests need them: complete, and short to say."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.core.digest import digest_json
from mlops_ci.core.records.base import EventRef, FileDigest, ProjectRef, Provenance
from mlops_ci.core.records.comparison import Comparison, MetricValue
from mlops_ci.core.records.events import Assignment, DataRef, GateEvidence, Release
from mlops_ci.core.records.training_run import (
    ModelField,
    ModelFormat,
    ModelSignature,
    Split,
    TrainingEnvironment,
    TrainingRun,
)
from mlops_ci.core.requirements import Reason, RequirementResult, RequirementTerms
from mlops_ci.registry.statement import encode_assignment, encode_release
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository.refs import Ref

PROJECT = ProjectRef("nyc-flights", ".")
RELEASE = Release(
    model="delay",
    version="1.0.0",
    commit="c" * 40,
    spec_path="models/delay.yaml",
    spec_digest="1" * 64,
    interface_digest="2" * 64,
    seed=7,
    code=(FileDigest("models/train.py", "3" * 64, 120),),
    data=(DataRef("flights", "a" * 64, 64_081, "5" * 64, digest_json([])),),
    environment_digest="6" * 64,
    model_digest="7" * 64,
    model_format=ModelFormat("skops", "model.skops"),
    model_files=(FileDigest("model.skops", "8" * 64, 1_000), FileDigest("signature.json", "9" * 64, 10)),
    trusted=("sklearn.tree._tree.Tree",),
    run_key="a" * 32,
    run_ref="refs/mlops/runs/delay/" + "b" * 32,
    run_oid="d" * 40,
    evidence=GateEvidence(
        digest="e" * 64,
        verdict="pass",
        sentence="auc 0.760: better by 0.074 [0.066, 0.082] on 16,100 holdout rows",
        policy_digest="f" * 64,
        holdout_digest="0" * 64,
        holdout_rows=16_100,
        champion_version=None,
        metrics=(MetricValue("auc", 0.76, 0.75, 0.77, None, 16_100),),
        requirements=(
            RequirementResult(
                RequirementTerms("auc", "threshold", min=0.62),
                "pass",
                Reason("interval-clear"),
                0.76,
                lower=0.75,
                upper=0.77,
            ),
        ),
    ),
    project=PROJECT,
    trust="local",
    made_by=Provenance("Ada Lovelace", "0.1.0"),
    made_on="2026-11-22T20:00:00+00:00",
)


RUN = TrainingRun(
    key="a" * 32,
    model="delay",
    task="binary-classification",
    dataset="flights",
    spec_path="models/delay.yaml",
    spec_digest="1" * 64,
    interface_digest="2" * 64,
    code=(),
    schema_digest="5" * 64,
    split=Split("key-hash", 1, 0.2, 64_081, "a" * 64, 16_100, "0" * 64),
    row_key=("id",),
    environment=TrainingEnvironment("3.11.9", {"scikit-learn": "1.5.0"}, "Linux"),
    seed=7,
    estimator="sklearn.linear_model.LogisticRegression",
    trusted=(),
    signature=ModelSignature(
        (ModelField("distance", "integer"), ModelField("hour", "integer")), ModelField("late", "boolean")
    ),
    model_digest="7" * 64,
    model_format=ModelFormat("skops", "model.skops"),
    files=RELEASE.model_files,
    started_on="2026-11-22T19:00:00+00:00",
    seconds=1.5,
    params={"C": 1.0},
    project=PROJECT,
)

COMPARISON = Comparison(
    key="b" * 32,
    model="delay",
    run=RUN.key,
    model_digest=RUN.model_digest,
    champion_state="none",
    holdout_digest="0" * 64,
    holdout_rows=16_100,
    policy_digest="f" * 64,
    confidence=0.95,
    metrics=(MetricValue("auc", 0.76, 0.75, 0.77, None, 16_100), MetricValue("auc", 0.7, slice="origin=JFK")),
    requirements=RELEASE.evidence.requirements,
    verdict="pass",
    sentence=RELEASE.evidence.sentence,
    project=PROJECT,
)


def assignment(number: int, environment: str = "prod", version: str = "1.0.0", **changes: object) -> Assignment:
    made = Assignment(
        model="delay",
        version=version,
        environment=environment,
        number=number,
        release=EventRef(f"delay@v{version}", "1" * 40),
        model_files=RELEASE.model_files,
        model_digest=RELEASE.model_digest,
        run_key=RELEASE.run_key,
        train_digest="a" * 64,
        manifests=(FileDigest("deploy/prod/delay/release.yaml", "2" * 64, 300),),
        made_by=RELEASE.made_by,
        made_on=RELEASE.made_on,
        project=PROJECT,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test's own names and values


def tag(record: Release | Assignment, oid: str, date: int, commit: str = "c" * 40) -> Ref:
    """A record as the ref that `git for-each-ref` would list."""
    if isinstance(record, Release):
        name, statement = f"{record.model}@v{record.version}", encode_release(record)
    else:
        name, statement = f"{record.model}#{record.environment}#{record.number}", encode_assignment(record)
    return Ref(
        f"refs/tags/{name}",
        oid,
        "tag",
        commit,
        "Ada Lovelace",
        date,
        format_tag_message("title", "sentence", statement),
        "ada@example.org",
    )


def plain_tag(name: str, oid: str, date: int, commit: str = "c" * 40) -> Ref:
    """A tag as another tool writes it: in the grammar, without a record."""
    return Ref(f"refs/tags/{name}", oid, "tag", commit, "Bob", date, "Assigning stage\n")
