"""A run that another job trained is believed only where this job finds the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.training_run import DatasetSnapshot, TrainingEnvironment
from mlops_ci.evaluation.candidates.candidate import Candidate, identify_candidate, read_data
from mlops_ci.evaluation.external_runs import RunArtifact, match_candidate, runs_untrusted_code
from mlops_ci.registry.run_store import StoredRun, run_ref
from mlops_ci.repository.context import Project
from mlops_ci.spec.spec_types import TrainSpec
from tests.evaluation.conftest import open_project, write_project
from tests.support.registry_samples import RUN

ENVIRONMENT = TrainingEnvironment("3.11.9", {"scikit-learn": "1.5.0"}, "Linux")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("air")
    write_project(root)
    return open_project(root)


@pytest.fixture(scope="module")
def data(project: Project) -> DatasetSnapshot:
    return read_data(project, "delay")[0]


def candidate_in(project: Project, data: DatasetSnapshot, environment: TrainingEnvironment) -> Candidate:
    return identify_candidate(project, "delay", data, recorded_environment=environment)


def artifact(key: str, **claims: Any) -> RunArtifact:
    """What arrived of a run with that key, and what its job says of the environment."""
    claimed = replace(RUN, environment=replace(ENVIRONMENT, **claims))
    return RunArtifact(StoredRun(run_ref("delay", key), "d" * 40, {}), claimed, b"")


def test_a_run_is_the_candidate_whose_key_is_made_here(project: Project, data: DatasetSnapshot) -> None:
    key = candidate_in(project, data, ENVIRONMENT).key
    found = match_candidate(project, "delay", data, None, artifact(key))
    assert (found.key, found.environment) == (key, ENVIRONMENT)


@pytest.mark.parametrize("claims", [{"python": "3.12.0"}, {"packages": {"scikit-learn": "1.6.0"}}])
def test_a_run_of_another_environment_than_it_says_does_not_fit(
    project: Project, data: DatasetSnapshot, claims: dict[str, Any]
) -> None:
    key = candidate_in(project, data, ENVIRONMENT).key
    with pytest.raises(Findings) as caught:
        match_candidate(project, "delay", data, None, artifact(key, **claims))
    (found,) = caught.value.diagnostics
    assert found.id == "run-misfits"
    assert found.location is not None
    assert found.location.path == "delay.yaml"


@pytest.mark.parametrize(
    "claims",
    [
        {"packages": {"-r evil": "1.0"}},
        {"packages": {"pandas\nevil": "1.0"}},
        {"packages": {"": "1.0"}},
        {"packages": {"pandas": "1.0 --index-url https://evil.example"}},
        {"packages": {"pandas": "@ https://evil.example/x.whl"}},
        {"packages": {"pandas": ""}},
        {"packages": {f"p{number}": "1.0" for number in range(501)}},
        {"packages": {"p" * 101: "1.0"}},
        {"python": "3.11; rm"},
    ],
)
def test_packages_that_nobody_could_install_are_refused(
    project: Project, data: DatasetSnapshot, claims: dict[str, Any]
) -> None:
    with pytest.raises(Findings, match="has malformed package names or versions, or more than 500 packages") as caught:
        match_candidate(project, "delay", data, None, artifact("k", **claims))
    assert caught.value.diagnostics[0].id == "bundle-invalid"


def test_what_the_job_says_of_its_machine_is_one_short_printable_line(project: Project, data: DatasetSnapshot) -> None:
    hostile = "::error::\x1b[31m x\n" * 100
    claims: dict[str, Any] = {"platform": hostile, "cpu": hostile, "threadpools": (hostile,) * 30}
    expected = candidate_in(project, data, ENVIRONMENT).key
    found = match_candidate(project, "delay", data, None, artifact(expected, **claims)).environment
    assert len(found.threadpools) == 20
    for text in (found.platform, found.cpu, *found.threadpools):
        assert len(text) <= 200
        assert text.isprintable()


def test_own_code_trusted_types_and_native_readers_are_untrusted(project: Project, data: DatasetSnapshot) -> None:
    candidate = candidate_in(project, data, ENVIRONMENT)
    assert not runs_untrusted_code(candidate)
    assert runs_untrusted_code(replace(candidate, code=(FileDigest("train.py", "0" * 64, 1),)))
    for train in (
        TrainSpec(estimator="a.B", trusted=("a.B",)),
        TrainSpec(estimator="xgboost.XGBClassifier"),
        TrainSpec(estimator="lightgbm.LGBMRegressor"),
    ):
        spec = replace(candidate.model.spec, train=train)
        assert runs_untrusted_code(replace(candidate, model=replace(candidate.model, spec=spec)))
