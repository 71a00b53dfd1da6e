"""Given a package with one source, check, metric and target, specs name them and every verb uses them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mlops_ci.core.ci_job import CiJob
from tests.support.consumer import Consumer, edit, make_consumer

JOB = CiJob("acme/models", "https://api.github.com", "https://github.com", "push", "gate", "0" * 40, "https://e.org/1")


@pytest.fixture
def consumer(acme: Path, tmp_path: Path) -> Consumer:
    """The template `minimal`, with a type of the package in each place that has types."""
    assert acme.is_dir()
    made = make_consumer(tmp_path / "world", "minimal")
    table = made.root / "data" / "patients.csv"
    (made.root / "data" / "patients.csv.gz").write_bytes(gzip.compress(table.read_bytes(), mtime=0))
    table.unlink()
    edit(
        made, "data/patients.yaml", "{type: csv, path: data/patients.csv}", "{type: csv-gz, file: data/patients.csv.gz}"
    )
    edit(
        made, "data/patients.yaml", "  checks:\n", "  checks:\n    - {type: max-share, column: malignant, share: 0.9}\n"
    )
    edit(made, "models/diagnosis.yaml", "metrics: [auc,", "metrics: [error-rate, auc,")
    edit(made, "models/diagnosis.yaml", "requirements:\n", "requirements:\n      - {metric: error-rate, max: 0.2}\n")
    for name in ("staging", "prod"):
        deployment(made, name, "  target: {type: compose, hostPort: 9000}\n")
    made.commit("use plugins")
    made.git("push", "--quiet")
    return made


def deployment(consumer: Consumer, environment: str, rest: str) -> None:
    text = f"apiVersion: mlops-ci/v1\nkind: Deployment\nmetadata: {{name: diagnosis-{environment}}}\n"
    text += f"spec:\n  model: diagnosis\n  environment: {environment}\n{rest}"
    (consumer.root / "deploy" / f"{environment}.yaml").write_text(text)


def test_validate_check_gate_release_and_deploy_use_the_packages_types(consumer: Consumer) -> None:
    consumer.ok("validate")
    checked = consumer.answer("check")["record"]["datasets"][0]
    assert {"check": "max-share", "passed": True}.items() <= checked["checks"][-1].items()
    assert [file["path"] for file in checked["files"]] == ["data/patients.csv.gz"]

    gated = consumer.answer("gate")["record"]["models"][0]["comparison"]
    requirement = next(item for item in gated["requirements"] if item["requirement"]["metric"] == "error-rate")
    assert requirement["verdict"] == "pass"
    assert 0 < requirement["candidate"] < 0.2
    assert requirement["upper"] <= 0.2

    consumer.ok("release")
    consumer.ok("deploy", "diagnosis", "--env", "staging")
    consumer.git("pull", "--quiet")
    written = json.loads((consumer.root / "deploy/staging/diagnosis/compose.yaml").read_text())
    assert written["services"]["diagnosis"]["ports"] == ["9000:80"]

    (consumer.root / "data" / "patients.csv.gz").write_bytes(b"changed")
    consumer.commit("other data")
    touched = consumer.ok("ci", "affected")
    assert "data/patients.csv.gz changed" in touched


def test_a_failed_check_of_a_package_stands_at_its_line(consumer: Consumer) -> None:
    edit(consumer, "data/patients.yaml", "share: 0.9", "share: 0.1")
    done = consumer.run("check")
    assert done.returncode == 1
    assert (
        "error[check-installed]: check 'max-share': 63%; expected: no value of malignant in more than 10%"
        in done.stdout
    )
    assert "--> data/patients.yaml:44:7" in done.stdout


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("data/patients.yaml", "file: d", "path: x, file: d", "data/patients.yaml:8:26 'path' is not a field of a csv-gz source"),
        ("data/patients.yaml", "share: 0.9", "shares: 0.9", "data/patients.yaml:44:44 'shares' is not a field of a max-share check"),
        ("deploy/prod.yaml", "hostPort", "hostport", "deploy/prod.yaml:7:27 'hostport' is not a field of a compose target"),
        ("deploy/prod.yaml", "  target", "  replicas: {min: 2}\n  target", "deploy/prod.yaml:7:3 a target of type 'compose' does not read 'replicas'"),
    ],
)  # fmt: skip
def test_a_field_that_a_plugin_does_not_read_is_an_error_at_the_field(
    consumer: Consumer, path: str, old: str, new: str, said: str
) -> None:
    edit(consumer, path, old, new)
    found = consumer.answer("validate", code=2)["diagnostics"]
    places = [
        f"{one['location']['path']}:{one['location']['line']}:{one['location']['column']} {one['message']}"
        for one in found
    ]
    assert said in places
    assert {one["id"] for one in found} <= {"spec-unknown-field", "deployment-field-unused"}


def test_a_broken_plugin_is_an_error_of_the_environment_at_the_type(consumer: Consumer) -> None:
    edit(consumer, "data/patients.yaml", "type: max-share", "type: absent")
    done = consumer.run("validate")
    assert done.returncode == 3
    assert "plugin-broken" in done.stderr + done.stdout
    assert "data/patients.yaml:44:14" in done.stderr + done.stdout


def test_in_ci_the_gate_refuses_plugins_of_an_environment_without_a_lock(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_ci.cli.session.read_ci_job", lambda _: JOB)
    done = consumer.run("gate")
    assert done.returncode == 3
    assert "plugin-not-locked" in done.stderr + done.stdout
    assert "uv pip compile --generate-hashes" in done.stderr + done.stdout
    assert consumer.run("validate").returncode == 0  # which judges nothing


def test_plugins_lists_what_is_built_in_and_installed(acme: Path, tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, tmp_path)
    listed = {(one["group"], one["name"], one["state"]): one for one in consumer.answer("plugins")["record"]["plugins"]}
    for group, name in (
        ("sources", "csv"),
        ("targets", "kubernetes"),
        ("packagers", "skops"),
        ("frameworks", "sklearn"),
    ):
        assert (group, name, "built-in") in listed
    assert ("metrics", "accuracy", "shadowed") in listed
    compose = listed["targets", "compose", "installed"]
    assert (compose["distribution"], compose["version"], acme.name) == ("acme-plugins", "1.2.0", "acme")
    assert "  compose  acme-plugins 1.2.0 (acme.target:COMPOSE)" in consumer.ok("plugins")
