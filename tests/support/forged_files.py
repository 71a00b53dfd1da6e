"""The files of a forged registry: specs, runs with their records, and manifests, whose digests are those of their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json, digest_bytes, digest_json
from mlops_ci.core.records.base import FileDigest, ProjectRef, Provenance
from mlops_ci.core.records.comparison import Comparison, HoldoutQuestion, MetricValue
from mlops_ci.core.records.events import DataRef, Release
from mlops_ci.core.records.training_run import (
    DatasetSnapshot,
    ModelField,
    ModelFormat,
    ModelSignature,
    Split,
    TrainingEnvironment,
    TrainingRun,
)
from mlops_ci.core.requirements import Reason, RequirementResult
from mlops_ci.registry.statement import (
    gate_evidence,
)
from mlops_ci.spec.load import Specs
from mlops_ci.spec.requirement_text import requirement_terms

MAKER = Provenance("Ada Lovelace", "0.1.0")
ENVIRONMENTS = ("trial", "staging", "prod")
_ENVIRONMENT = TrainingEnvironment(
    "3.11.7", {"numpy": "2.4.6", "scikit-learn": "1.9.1", "skops": "0.16.0"}, "Linux-x86_64"
)
_INPUTS = tuple(ModelField(f"feature_{index}", "number") for index in range(8))
_DESCRIPTION = "# What every version of it answers, and on which columns, stands here.\n"


def release_of_run(
    model: str, version: str, commit: str, rows: int, data: FileDigest, specs: Specs
) -> tuple[Release, dict[str, bytes]]:
    """Return a version's release, but for the id of its run, and the files of that run by path."""
    spec, dataset = specs.models[model], specs.datasets[f"data-of-{model}"]
    seen = digest_json([model, version])
    content = {
        "model.skops": (f"{model} {version} " * 40).encode(),
        "signature.json": canonical_json(encode(_INPUTS)).encode(),
        "golden.parquet": b"PAR1",
        "golden-predictions.parquet": f"PAR1 {version}".encode(),
        "requirements.txt": b"scikit-learn==1.9.1\nskops==0.16.0\n",
    }
    packaged = tuple(FileDigest(path, digest_bytes(file), len(file)) for path, file in content.items())
    value = 0.8 + int(seen[:4], 16) / 2**20
    metrics = tuple(
        MetricValue(name, value + offset, value + offset - 0.03, value + offset + 0.03, None, 122)
        for name, offset in (("auc", 0.05), ("accuracy", 0.0), ("log-loss", -0.5), ("brier", -0.7))
    )
    sentence = f"auc {metrics[0].value:.3f} on 122 holdout rows; there is no champion yet"
    requirements = tuple(
        RequirementResult(
            requirement_terms(wanted),
            "pass",
            Reason("interval-clear"),
            metric.value,
            lower=metric.lower,
            upper=metric.upper,
        )
        for wanted, metric in zip(spec.spec.gate.requirements, metrics, strict=False)
    )
    project = ProjectRef(specs.project.name, ".")
    snapshot = DatasetSnapshot(
        dataset.name,
        dataset.digest,
        rows,
        (data,),
        (),
        digest_json(["schema"]),
        (),
        project=project,
    )
    run = TrainingRun(
        key=seen[:32],
        model=model,
        task="binary-classification",
        dataset=dataset.name,
        spec_path=spec.path,
        spec_digest=spec.digest,
        interface_digest=digest_json(["interface"]),
        code=(),
        schema_digest=snapshot.schema_digest,
        split=Split("key-hash", 1, 0.2, rows - 122, digest_json([seen, "train"]), 122, digest_json([seen, "holdout"])),
        row_key=("id",),
        environment=_ENVIRONMENT,
        seed=7,
        estimator="sklearn.linear_model.LogisticRegression",
        trusted=("numpy.dtype",),
        signature=ModelSignature(_INPUTS, ModelField("target", "integer"), (0, 1)),
        model_digest=digest_json([seen, "structure"]),
        model_format=ModelFormat("skops", "model.skops"),
        files=packaged,
        started_on="2026-11-22T20:00:00+00:00",
        seconds=0.271,
        project=project,
    )
    budget = dataset.spec.split.holdout_budget
    comparison = Comparison(
        key=digest_json([seen, "comparison"])[:32],
        model=model,
        run=run.key,
        model_digest=run.model_digest,
        champion_state="none",
        holdout_digest=run.split.holdout_digest,
        holdout_rows=122,
        policy_digest=digest_json([encode(spec.spec.gate), encode(spec.spec.evaluate)]),
        confidence=1 - 0.05 / (budget or 1),
        metrics=metrics,
        requirements=requirements,
        verdict="pass",
        sentence=sentence,
        holdout_question=None if budget is None else HoldoutQuestion(dataset.name, 1, budget),
        project=project,
    )
    answer = canonical_json(encode(comparison)).encode()
    release = Release(
        model=model,
        version=version,
        commit=commit,
        spec_path=spec.path,
        spec_digest=spec.digest,
        interface_digest=run.interface_digest,
        seed=7,
        code=(),
        data=(
            DataRef(
                dataset.name,
                run.split.train_digest,
                run.split.train_rows,
                snapshot.schema_digest,
                snapshot.files_digest,
            ),
        ),
        environment_digest=digest_json(run.environment.identity),
        model_digest=run.model_digest,
        model_format=run.model_format,
        model_files=packaged,
        trusted=run.trusted,
        run_key=run.key,
        run_ref=f"refs/mlops/runs/{model}/{comparison.key}",
        run_oid="",
        evidence=gate_evidence(comparison, digest_bytes(answer)),
        project=project,
        trust="local",
        made_by=MAKER,
        made_on="2026-11-22T20:00:00+00:00",
    )
    files = {f"model/{path}": file for path, file in content.items()} | {
        "run.json": canonical_json(encode(run)).encode(),
        "comparison.json": answer,
        "snapshot.json": canonical_json(encode(snapshot)).encode(),
        "metrics.json": canonical_json({item.metric: item.value for item in metrics}).encode(),
        "report.md": f"### {model}: pass\n\n{sentence}\n".encode(),
        "log.txt": b"",
    }
    return release, files


def manifest_files(release: Release, environment: str) -> dict[str, bytes]:
    """Return files like those that a deployment writes, without what makes YAML slow."""
    head = f"# {release.model} v{release.version} in {environment}\n"
    return {
        "release.yaml": f"{head}run: {release.run_oid}\n".encode(),
        "kustomization.yaml": b"resources: [base, release.yaml]\n",
        "data.lock": f"{release.data[0].train_digest}\n".encode(),
        "base/deployment.yaml": f"name: {release.model}\n{_DESCRIPTION * 20}".encode(),
    }


def spec_files(names: list[str], project: str, split: str) -> dict[str, str]:
    def spec(kind: str, name: str, text: str) -> str:
        return f"apiVersion: mlops-ci/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{text}"

    return {
        "mlops.yaml": spec("Project", "forged", f"  environments: [{', '.join(ENVIRONMENTS)}]\n{project}"),
        **dict(_files_of(names, spec, split)),
    }


def _files_of(names: list[str], spec: Callable[[str, str, str], str], split: str) -> Iterator[tuple[str, str]]:
    for name in names:
        columns = "".join(f"    {item.name}: {{type: number}}\n" for item in _INPUTS)
        yield (
            f"data/{name}.yaml",
            spec(
                "Dataset",
                f"data-of-{name}",
                f"  source: {{type: csv, path: data/{name}.csv}}\n  key: [id]\n{split}  columns:\n    id: {{type: integer}}\n"
                f"    target: {{type: integer}}\n{columns}",
            ),
        )
        yield (
            f"models/{name}.yaml",
            spec(
                "Model",
                name,
                f"  task: binary-classification\n  dataset: data-of-{name}\n  target: target\n"
                f"  features: [{', '.join(item.name for item in _INPUTS)}]\n"
                "  train: {estimator: sklearn.linear_model.LogisticRegression, seed: 7}\n"
                "  evaluate: {metrics: [auc, accuracy, log-loss, brier]}\n"
                "  gate:\n    requirements:\n      - {metric: auc, min: 0.7}\n      - {metric: accuracy, min: 0.6}\n",
            ),
        )
        for environment in ENVIRONMENTS:
            text = f"  model: {name}\n  environment: {environment}\n  target: {{type: kubernetes}}\n"
            yield f"deploy/{name}-{environment}.yaml", spec("Deployment", f"{name}-{environment}", text)
