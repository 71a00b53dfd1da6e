"""The whole story of a project about people, on a developer's machine and in CI jobs: no planted value is told or stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.clinic import find_shown_markers, people, shown_markers
from tests.support.consumer import Consumer, edit
from tests.support.git_calls import git_in
from tests.support.github.fake import Fake
from tests.support.personal import find_markers, stored_markers

pytestmark = pytest.mark.slow

HEAD = "c" * 40
PLACES = """spec: {environments: [staging, prod], champion: prod}
---
apiVersion: mlops-ci/v1
kind: Deployment
metadata: {name: risk-staging}
spec: {model: risk, environment: staging, target: {type: kubernetes, namespace: risk-staging}}
---
apiVersion: mlops-ci/v1
kind: Deployment
metadata: {name: risk-prod}
spec: {model: risk, environment: prod, target: {type: kubernetes, namespace: risk-prod}}
"""
OWN = """from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression


class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        print("fit", X["city"].tolist(), y[:3])
        self.inner_ = LogisticRegression().fit(X[["x", "z"]], y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X):
        return self.inner_.predict(X[["x", "z"]])

    def predict_proba(self, X):
        print("score", X["city"].tolist())
        return self.inner_.predict_proba(X[["x", "z"]])


def build():
    return Mine()
"""


@pytest.fixture
def shared(clinic: Consumer) -> Consumer:
    """The project with a remote, two environments, and a gate that its model passes."""
    git_in(clinic.root.parent)("init", "--quiet", "--bare", "origin.git")
    edit(clinic, "mlops.yaml", "spec: {}\n", PLACES)
    edit(clinic, "risk.yaml", "      - {metric: demographic-parity-difference, by: city, max: 0.99}\n", "")
    clinic.git("remote", "add", "origin", str(clinic.root.parent / "origin.git"))
    return Consumer(clinic.root, clinic.root.parent / "origin.git")


def publish(project: Consumer) -> None:
    project.commit()
    project.git("push", "--quiet", "--set-upstream", "origin", "main")


def test_the_life_of_two_versions_tells_no_value(shared: Consumer, tmp_path: Path) -> None:
    publish(shared)
    found = shown_markers(shared, ("train", "--explain"), ("gate", "--power"), ("gate", "--all"), ("compare",))
    edit(shared, "people.yaml", "sql: \"note like 'z%'\"", 'sql: "error(note)"')
    found |= shown_markers(shared, ("check",))
    shared.git("checkout", "--quiet", "people.yaml")
    life = ["gate", "release", "deploy risk --env staging", "deploy risk --env prod"]
    for features in ("[x, z, ssn]", "[x, z]"):
        if features not in (shared.root / "risk.yaml").read_text():
            edit(shared, "risk.yaml", "[x, z, ssn]", features)
            publish(shared)
        for command in life:
            found |= find_shown_markers(shared, (*command.split(), "--dry-run") if command != "gate" else ("gate",))
            shared.ok(*command.split())
            shared.git("pull", "--quiet")
    found |= find_shown_markers(shared, ("rollback", "risk", "--env", "prod", "--reason", "errors"))
    shared.git("pull", "--quiet")
    queries = ["show", "show risk", "show --runs", "history risk", "diff risk@v1.0.0 risk@v2.0.0", "audit", "doctor"]
    queries += [
        "reproduce risk@v1.0.0",
        "selftest --trials 20 risk",
        "gc --dry-run",
        "ci affected --base HEAD~1",
    ]
    queries += ["approve risk@v1.0.0 --env prod --dry-run", "retire risk@v1.0.0 --env prod --reason over"]
    for query in queries:
        for format in ("text", "json", "github"):
            found |= find_shown_markers(shared, (*query.split(), "--format", format))
    for verb, format in (("audit", "sarif"), ("validate", "sarif"), ("gate", "markdown"), ("doctor", "markdown")):
        found |= find_shown_markers(shared, (verb, "--format", format))
    found |= find_shown_markers(shared, ("init", "--from", "people.csv", "--target", "y", str(tmp_path / "new")))
    assert found == {}
    assert stored_markers(shared.root) == stored_markers(shared.origin) == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.partition("\n")[2],
        lambda text: text.replace("7310000000", "MARKNOTE00000", 1),
        lambda text: text + "MARKKEY99999,1,2\n",
        lambda text: text.replace("MARKCITY", '"MARKCITY', 1),
    ],
    ids=["no header", "a word for a number", "a short row", "an open quote"],
)
def test_a_wrong_table_to_predict_is_told_without_its_values(shared: Consumer, tmp_path: Path, spoil: object) -> None:
    publish(shared)
    shared.ok("gate")
    shared.ok("release")
    assert callable(spoil)
    (tmp_path / "asked.csv").write_text(spoil(people(20).to_csv(index=False)))
    asked = ("predict", "risk", str(tmp_path / "asked.csv"), "--out", str(tmp_path / "out.csv"))
    assert shown_markers(shared, asked) == {}
    assert not (tmp_path / "out.csv").exists()


def test_jobs_tell_no_value_to_github(shared: Consumer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a model whose own code prints its rows, then annotations, summaries, outputs, comments and checks have no value."""
    (shared.root / "own.py").write_text(OWN)
    edit(shared, "risk.yaml", "estimator: sklearn.linear_model.LogisticRegression", "entrypoint: own.py:build")
    edit(shared, "risk.yaml", "[x, z, ssn]", "[x, z, city]")
    publish(shared)
    head = {"sha": HEAD, "repo": {"full_name": "ada/flights"}}
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 7, "head": head}}))
    job = {"ACTIONS": "true", "REPOSITORY": "ada/flights", "EVENT_NAME": "pull_request", "RUN_ID": "17"}
    job |= {"WORKFLOW": "gate", "SHA": HEAD, "TOKEN": "ghs_fake"}
    files = {"EVENT_PATH": "event.json", "STEP_SUMMARY": "summary.md", "OUTPUT": "outputs"}
    for name, value in {**job, **{name: str(tmp_path / file) for name, file in files.items()}}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    run, rows, judged = (str(tmp_path / name) for name in ("run/run.bundle", "run/features", "judged.bundle"))
    commands = [f"train --out {run}", f"ci features --out {rows}"]
    commands += [f"ci predict --run {run} --features {rows} --out {tmp_path}/run"]
    commands += [f"gate --runs {tmp_path}/run --out {judged}", f"ci keep {judged}", "release", "check", "validate"]
    commands += [f"ci report {tmp_path}/temp/mlops-ci/gate.json"]
    with Fake() as host:
        monkeypatch.setenv("GITHUB_API_URL", host.url)
        host.state.open_pull(7, HEAD)
        found: dict[str, set[str]] = {}
        for command in commands:
            found |= find_shown_markers(shared, (*command.split(), "--format", "github"))
        told = json.dumps([dict(host.state.comments), list(host.state.checks)], default=str)
    assert found == {}
    assert "risk" in told
    assert find_markers(told.encode()) == set()
    written = [tmp_path / "summary.md", tmp_path / "outputs", *(tmp_path / "temp").rglob("*.json")]
    assert len(written) > 2
    assert {str(path): find_markers(path.read_bytes()) for path in written} == {str(path): set() for path in written}
    assert stored_markers(shared.root) == stored_markers(shared.origin) == {}
