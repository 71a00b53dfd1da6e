"""A released model, people, and the commands they run; nothing is trained: the release's tag is written as it would be."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_ci.cli.main import run_command_line
from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import DatasetSnapshot
from mlops_ci.registry.run_store import release_ref
from mlops_ci.registry.statement import encode_release
from mlops_ci.registry.tag_message import format_tag_message
from mlops_ci.repository import git
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person, tag_content
from tests.support.git_calls import git_in
from tests.support.keys import Keys
from tests.support.registry_samples import RELEASE

PROJECT = """apiVersion: mlops-ci/v1
kind: Project
metadata: {name: nyc-flights}
spec:
  environments: [prod]
"""
SIGNED = PROJECT + "  signing: {format: ssh, allowedSigners: .mlops/allowed_signers}\n"
TWO = SIGNED + "  policy: {approvals: {prod: 2}}\n"
ONE = SIGNED + "  policy: {approvals: {prod: 1}}\n"
OPTIONAL = SIGNED.replace("signers}", "signers, required: false}")
SPECS = """apiVersion: mlops-ci/v1
kind: Dataset
metadata: {name: flights}
spec: {source: {type: csv, path: data.csv}, key: [id]}
---
apiVersion: mlops-ci/v1
kind: Model
metadata: {name: delay}
spec:
  task: binary-classification
  dataset: flights
  target: late
  features: [hour]
  train: {estimator: sklearn.linear_model.LogisticRegression}
---
apiVersion: mlops-ci/v1
kind: Deployment
metadata: {name: delay-prod}
spec: {model: delay, environment: prod, target: {type: kubernetes}}
"""


@dataclass(frozen=True)
class World:
    """A clone with its origin; `carol` wrote the commit, and there is one release, `delay@v1.0.0`."""

    repo: Repository
    origin: Path
    keys: Keys

    @property
    def git(self) -> Any:
        return git_in(self.repo.root)

    def become(self, who: str, key: str | None = "") -> None:
        """Be somebody from now on, with their own key, another's, or none."""
        self.git("config", "user.name", who.title())
        self.git("config", "user.email", f"{who}@example.org")
        if key is None:
            self.git("config", "--unset-all", "user.signingKey")
        else:
            self.git("config", "user.signingKey", str(self.keys.of(key or who)))

    def run(self, *args: str, code: int = 0) -> dict[str, Any]:
        """Run a command here, insist on its exit code, and give its answer."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.repo.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run_command_line((*args, "--format", "json"), wait=lambda _: None)
        assert status == code, out.getvalue() + err.getvalue()
        found: dict[str, Any] = json.loads(out.getvalue())
        return found

    def said(self, *args: str, code: int) -> tuple[str, str]:
        """Run a command, insist on its exit code, and give id and message of what it says first."""
        first = self.run(*args, code=code)["diagnostics"][0]
        return first["id"], first["message"]

    def verified(self, oid: str) -> str:
        """Whom plain git takes for the signer of a tag."""
        settings = ("-c", f"gpg.ssh.allowedSignersFile={self.keys.signers}")
        return self.repo.run(*settings, "verify-tag", oid).err.split(" with ")[0]

    def published(self) -> Mapping[str, str]:
        """Every ref of the origin, by name."""
        lines = git_in(self.origin)("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split() for line in lines)

    def release(self, version: str = "1.0.0", signer: str | None = "carol") -> str:
        """Write a release on HEAD as `release` would, signed by somebody or nobody, publish it, and return its id."""
        pin = release_ref("delay", version)
        record = replace(RELEASE, version=version, commit=str(self.repo.head()), run_oid=self._kept_run())
        self.git("push", "--quiet", "--force", "origin", f"{record.run_oid}:{pin}")
        return self.tag(f"refs/tags/delay@v{version}", record, signer)

    def log(self, *names: str) -> None:
        """Write the log of the model's releases as `release` would, and publish it: two releases without one are a damaged registry."""
        parents: tuple[str, ...] = ()
        for name in names:
            entry = self.repo.write_blob(f"{self.git('rev-parse', f'refs/tags/{name}')} {name}\n".encode())
            made_by = Person("Carol", "carol@example.org")
            parents = (
                self.repo.write_commit(self.repo.write_tree({"tag": entry}), parents, name, made_by, 1_700_000_000),
            )
        self.git("push", "--quiet", "origin", f"{parents[0]}:refs/mlops/log/delay")

    def _kept_run(self) -> str:
        """Write the run that the release names, as far as a deployment reads it."""
        (data,) = RELEASE.data
        snapshot = DatasetSnapshot(
            data.dataset, "0" * 64, data.train_rows, (), (), data.schema_digest, (), project=RELEASE.project
        )
        blob = self.repo.write_blob(canonical_json(encode(snapshot)).encode())
        tree = self.repo.write_tree({"snapshot.json": blob})
        return self.repo.write_commit(tree, (), "run", Person("mlops-ci", "mlops-ci@localhost"), 1_700_000_000)

    def tag(self, ref: str, record: Release, signer: str | None) -> str:
        text = format_tag_message("title", "sentence", encode_release(record))
        return self.write(ref, text, signer)

    def write(self, ref: str, text: str, signer: str | None, name: str = "carol") -> str:
        """Write a tag object with any text at any ref here, signed by somebody or nobody, and return its id."""
        head, made = str(self.repo.head()), "made"
        if signer is None:
            oid = self.repo.store_tag(tag_content(made, head, text, Person(name, f"{name}@example.org"), 1_700_000_000))
        else:
            settings = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={self.keys.of(signer)}")
            who = ("-c", f"user.email={name}@example.org")
            self.repo.run(*settings, *who, "tag", "-s", "--cleanup=verbatim", "-F", "-", made, stdin=text.encode())
            oid = self.git("rev-parse", f"refs/tags/{made}")
            self.git("tag", "-d", made)
        self.git("update-ref", ref, oid)
        self.git("push", "--quiet", "--force", "origin", f"{ref}:{ref}")
        return oid

    def demand(self, project: str, *, push: bool = True) -> None:
        """Have the branch (or only this clone) ask for something else."""
        (self.repo.root / "mlops.yaml").write_text(project)
        if push:
            self.git("commit", "--quiet", "--all", "--author", "Carol <carol@example.org>", "-m", "policy")
            self.git("push", "--quiet", "origin", "HEAD:main")


def make(folder: Path, keys: Keys, project: str) -> World:
    """Make a world in an empty folder."""
    folder.mkdir()
    git_in(folder)("init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git_in(folder)("clone", "--quiet", "origin.git", "clone")
    root = folder / "clone"
    (root / ".mlops").mkdir()
    (root / "mlops.yaml").write_text(project)
    (root / "specs.yaml").write_text(SPECS)
    (root / ".mlops" / "allowed_signers").write_text(keys.signers.read_text())
    repo = git.find_repository(root)
    assert repo is not None
    world = World(repo, folder / "origin.git", keys)
    world.become("carol")
    world.git("add", "--all")
    world.git("commit", "--quiet", "-m", "start")
    world.git("push", "--quiet", "--set-upstream", "origin", "HEAD:main")
    world.release()
    return world
