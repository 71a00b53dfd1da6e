"""Each verb in a repository of SHA-256 objects, whose ids have 64 digits; and URLs as configured, whatever git makes of them here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_ci.cli.verbs import COMMANDS
from tests.support.consumer import Consumer, edit
from tests.support.git_calls import git_in
from tests.support.keys import Keys

SECRET = "ghs_0123456789"  # noqa: S105 - no password: what `insteadOf` adds on this machine alone
URL = "https://git.example.org/acme/models.git"
CODE = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression


class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.inner_ = LogisticRegression(max_iter=1000).fit(x, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, x):
        return self.inner_.predict(x)

    def predict_proba(self, x):
        return self.inner_.predict_proba(x)


def build():
    return Mine()
"""


@pytest.fixture
def world(tmp_path: Path, keys: Keys) -> Iterator[Consumer]:
    """A project whose releases are signed, and which needs an approval in prod; its remote's URL leads elsewhere by `insteadOf`."""
    run = git_in(tmp_path)
    origin = tmp_path / SECRET / "models.git"
    run("init", "--quiet", "--bare", "--object-format=sha256", str(origin))
    run("init", "--quiet", "--object-format=sha256", "clone")
    consumer = Consumer(tmp_path / "clone", origin)
    consumer.git("config", "--global", f"url.file://{origin}.insteadOf", URL)
    consumer.git("remote", "add", "origin", URL)
    consumer.git("config", "gpg.format", "ssh")
    become(consumer, keys, "ada")
    yield consumer
    assert len(consumer.git("rev-parse", "HEAD")) == 64


def become(consumer: Consumer, keys: Keys, name: str) -> None:
    consumer.git("config", "user.signingKey", str(keys.of(name)))
    consumer.git("config", "user.name", name.title())
    consumer.git("config", "user.email", f"{name}@example.org")


@pytest.mark.slow
def test_each_verb_works_in_a_repository_of_sha256_objects(
    world: Consumer, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[str] = set()
    said: list[str] = []

    def run(command: str, *args: str, code: int | None = 0) -> str:
        used.add(command)
        done = world.run(*command.split(), *args)
        said.append(done.stdout + done.stderr)
        assert done.returncode in ((0, 1) if code is None else (code,)), done.stdout + done.stderr
        return done.stdout

    def push(message: str) -> None:
        world.commit(message)
        world.git("push", "--quiet", "--set-upstream", "origin", "main")

    files = tmp_path / "files"
    files.mkdir()
    run("init", ".", "--template", "minimal")
    policy = "spec:\n  signing: {format: ssh, allowedSigners: signers}\n  policy: {approvals: {prod: 1}}\n"
    edit(world, "mlops.yaml", "spec:\n", policy)
    (world.root / "signers").write_text(keys.signers.read_text())
    push("start")
    for command in (
        "validate",
        "signers",
        "check",
        "plugins",
        "ci affected",
        "ci projects",
        "gate",
        "release",
        "compare",
    ):
        run(command)
    run("train")
    run("deploy", "diagnosis", "--env", "staging")
    run("fetch", "diagnosis", str(files / "model"))
    run("predict", "diagnosis", "data/patients.csv", "--out", str(files / "predictions.csv"))
    run("reproduce", "diagnosis@v1.0.0")
    become(world, keys, "bob")
    run("approve", "diagnosis@1.0.0", "--env", "prod")
    become(world, keys, "carol")
    run("deploy", "diagnosis", "--env", "prod")

    world.git("pull", "--quiet")
    (world.root / "models" / "mine.py").write_text(CODE)
    spec = (world.root / "models/diagnosis.yaml").read_text()
    assert "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}\n" in spec
    edit(world, "models/diagnosis.yaml", "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}\n", "entrypoint: models/mine.py:build\n    trusted: [mine.Mine]\n")  # fmt: skip
    push("Train by code")
    run("train", "--out", str(files / "run.bundle"))
    run("ci features", "--out", str(files / "features"))
    run("ci predict", "--run", str(files / "run.bundle"), "--features", str(files / "features"), "--out", str(files))
    answer = run("gate", "--runs", str(files), "--out", str(tmp_path / "judged"), "--format", "json")
    (tmp_path / "judged.json").write_text(answer)
    run("ci keep", str(tmp_path / "judged"), "--digest", hashlib.sha256((tmp_path / "judged").read_bytes()).hexdigest())
    with monkeypatch.context() as job:
        for name, value in {"ACTIONS": "true", "REPOSITORY": "acme/ml", "SHA": world.git("rev-parse", "HEAD")}.items():
            job.setenv(f"GITHUB_{name}", value)
        run("ci report", str(tmp_path / "judged.json"))

    world.git("pull", "--quiet")
    edit(world, "models/diagnosis.yaml", "seed: 7", "seed: 8")
    push("Another seed")
    run("gate")
    run("release")
    run("diff", "diagnosis@v1.0.0", world.git("tag", "--list", "diagnosis@*").split()[-1].partition("@")[2])
    run("deploy", "diagnosis", "--env", "staging")
    run("rollback", "diagnosis", "--env", "staging", "--reason", "worse")
    run("retire", "diagnosis", "--env", "staging", "--reason", "done")
    run("gc", "--dry-run")
    for command in ("show", "history", "audit"):
        run(command)
    run("doctor", code=None)  # GitHub enforces nothing here
    run("selftest", "--trials", "1", "--jobs", "1", code=None)  # one trial shows nothing
    assert used == set(COMMANDS)
    assert not [line for line in said if SECRET in line], "an address of this machine alone was printed"
    assert world.git("grep", "--name-only", "--fixed-strings", URL, "origin/main", "--", "deploy/prod/diagnosis/")
    objects = world.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").splitlines()
    assert len(objects) > 50
    assert not world.git("log", "--all", "--oneline", "-S", SECRET)
    assert not [name for name in world.git("tag").split() if SECRET in world.git("cat-file", "tag", name)]
    assert json.loads(run("audit", "--format", "json"))["diagnostics"] == []
