"""A repository with many gated candidates, the clients that release and deploy them at once, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from mlops_ci.cli.push_plan import apply_plan
from mlops_ci.core.codec import encode
from mlops_ci.core.digest import canonical_json, digest_bytes
from mlops_ci.core.errors import Exit
from mlops_ci.core.plan import Plan
from mlops_ci.core.planned_writes import StoreRun
from mlops_ci.core.records.base import Provenance
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import Assignment, Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.evaluation.candidates.candidate import identify_candidate, read_data
from mlops_ci.evaluation.candidates.opponents import Opponents, find_champion
from mlops_ci.registry import run_store
from mlops_ci.registry import state as registry
from mlops_ci.repository import git
from mlops_ci.repository.context import Context, Project
from mlops_ci.repository.git import Repository
from mlops_ci.spec.load import load_specs
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in

MODELS = ("diagnosis", "screening")


@dataclass(frozen=True)
class Attempt:
    """One command of one client: its model, and how it ended."""

    verb: str
    model: str
    code: int
    answer: dict[str, Any]

    @property
    def wrote(self) -> str | None:
        """The tag that the command says it made, if it made one."""
        record = self.answer.get("record") or {}
        if self.code != 0:
            return None
        if self.verb == "release":
            (released,) = record["models"]
            return f"{self.model}@v{released['version']}" if released["state"] == "released" else None
        if record["state"] != "assigned":
            return None
        return f"{self.model}#{record['environment']}#{record['number']}"

    @property
    def ended(self) -> str:
        """How it ended, in a word: anything but these has no place in a race."""
        ids = [found["id"] for found in self.answer.get("diagnostics", [])]
        if self.code == Exit.OK:
            return "success" if self.wrote else "unchanged"
        expected = {Exit.FINDINGS: "superseded", Exit.ENVIRONMENT: "contended"}
        return ids[0] if ids and ids[0] == expected.get(Exit(self.code)) else f"exit {self.code}: {self.answer}"


class Clients:
    """Long-lived processes, each with a clone of its own."""

    def __init__(self, clones: Sequence[Path]) -> None:
        self._stack = ExitStack()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self._processes = [
            self._stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.races.client"],
                    cwd=clone,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for clone in clones
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        self._stack.close()

    def at_once(self, commands: Sequence[tuple[str | None, str, str, tuple[str, ...]]]) -> list[Attempt]:
        """Give every client its command (commit to check out, verb, model, options), and wait for all of them."""
        for process, (commit, verb, model, options) in zip(self._processes, commands, strict=True):
            argv = [verb, model, *options, "--format", "json"]
            assert process.stdin is not None
            process.stdin.write(json.dumps({"commit": commit, "argv": argv}) + "\n")
            process.stdin.flush()
        attempts = []
        for process, (_, verb, model, _) in zip(self._processes, commands, strict=True):
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            answer = json.loads(said["out"]) if said["out"].startswith("{") else {"error": said["out"] + said["err"]}
            attempts.append(Attempt(verb, model, said["code"], answer))
        return attempts


def prepared(consumer: Consumer, candidates: int) -> list[str]:
    """Add a second model, release both and bring them to prod, then commit that many gated candidates of both.

    One run that went through the gate stands for all: its records are told of other candidates, which differ in the seed.
    """
    for kind, name in (("models", "diagnosis"), ("deploy", "staging"), ("deploy", "prod")):
        text = (consumer.root / kind / f"{name}.yaml").read_text().replace("diagnosis", "screening")
        (consumer.root / kind / f"{name}-2.yaml").write_text(text)
    consumer.commit("Add a second model")
    consumer.git("push", "--quiet")
    consumer.git("remote", "set-head", "origin", "main")
    _gated_by_hand(consumer)
    consumer.ok("release")
    for model in MODELS:
        for environment in ("staging", "prod"):
            consumer.ok("deploy", model, "--env", environment)
    consumer.git("pull", "--quiet", "--rebase")
    commits = []
    for number in range(candidates):
        for path in consumer.root.glob("models/*.yaml"):
            lines = path.read_text().splitlines()
            path.write_text("\n".join(f"    seed: {1000 + number}" if "seed:" in line else line for line in lines))
        consumer.commit(f"Try seed {1000 + number}")
        commits.append(consumer.git("rev-parse", "HEAD"))
        _gated_by_hand(consumer)
    consumer.git("push", "--quiet", "origin", "main", "refs/mlops/runs/*:refs/mlops/runs/*")
    return commits


def clones(consumer: Consumer, folder: Path, url: str, count: int) -> list[Path]:
    """Copy the clone that many times; each copy has the origin at another URL."""
    made = []
    for number in range(count):
        root = folder / f"client-{number}"
        shutil.copytree(consumer.root, root)
        git_in(root)("remote", "set-url", "origin", f"{url}/{consumer.origin.name}")
        git_in(root)("config", "user.name", f"Client {number}")
        made.append(root)
    return made


def race(clients: Clients, count: int, rounds: int, commits: Sequence[str]) -> list[Attempt]:
    """Release and deploy in every round, all at once.

    Half of the clients work on each model. Some of them have the same candidate, and some roll back instead.
    """
    attempts: list[Attempt] = []
    models = [MODELS[number % 2] for number in range(count)]
    for number in range(rounds):
        of_round = commits[number * count : (number + 1) * count]
        chosen = [of_round[client - client % 4 if client % 8 < 4 else client] for client in range(count)]
        attempts += clients.at_once([(chosen[i], "release", models[i], ()) for i in range(count)])
        back = ("--env", "staging", "--version", "1.0.0", "--reason", "a race")
        attempts += clients.at_once(
            [
                (None, "rollback", models[i], back)
                if (i + number) % 5 == 4
                else (None, "deploy", models[i], ("--env", "staging"))
                for i in range(count)
            ]
        )
    return attempts


def checked(consumer: Consumer, attempts: Sequence[Attempt], folder: Path) -> Counter[str]:
    """Hold the bare origin against what the clients were told; return how often each ending came."""
    endings = Counter(f"{attempt.verb}: {attempt.ended}" for attempt in attempts)
    unknown = [ending for ending in endings if ending.split(": ", 1)[1] not in _ENDINGS]
    assert not unknown, unknown
    git_in(folder)("clone", "--quiet", str(consumer.origin), "checked")
    clone = folder / "checked"
    git_in(clone)("fetch", "--quiet", "origin", "refs/mlops/*:refs/mlops/*")
    repo = git.find_repository(clone)
    assert repo is not None
    state = registry.read_registry(repo, None)
    before = {f"{model}@v1.0.0" for model in MODELS}
    before |= {f"{model}#{environment}#{n}" for model in MODELS for n, environment in ((1, "staging"), (2, "prod"))}
    said = Counter(attempt.wrote for attempt in attempts if attempt.wrote)
    assert [tag for tag, times in said.items() if times > 1] == []  # nobody was told of another's event
    assert {event.ref.name for model in state.models.values() for event in model.events} == before | set(said)
    for model in MODELS:
        _check_model(repo, state.model(model))
    return endings


_ENDINGS = ("success", "unchanged", "superseded", "contended")


def _check_model(repo: Repository, state: registry.ModelState) -> None:
    numbers = sorted(event.number for event in state.events if event.kind == "assignment")
    assert numbers == list(range(1, len(numbers) + 1))
    keys = Counter(event.record.run_key for event in state.releases.values() if isinstance(event.record, Release))
    assert [key for key, times in keys.items() if times > 1] == []  # no candidate was released twice
    for event in state.releases.values():
        assert repo.resolve(run_store.release_ref(state.model, event.version)) is not None
    log = repo.run("rev-list", "--reverse", "--parents", f"refs/mlops/log/{state.model}").text.splitlines()
    assert all(len(line.split()) <= 2 for line in log)  # no entry has two parents
    told = [(repo.read_blob(f"{line.split()[0]}:tag") or b"").decode().split() for line in log]
    assert told == [[event.ref.oid, event.ref.name] for event in state.events]
    for event, line in zip(state.events, log, strict=True):
        assert event.record is not None
        assert repo.read_blob(f"{line.split()[0]}:record.json") == canonical_json(encode(event.record)).encode()
    assert [event.record.previous for event in state.events if event.record] == [
        None,
        *(event.ref for event in state.events[:-1]),
    ]
    for event in state.current_assignments.values():
        assert isinstance(event.record, Assignment)
        for file in event.record.manifests:
            assert digest_bytes(repo.read_blob(f"refs/remotes/origin/main:{file.path}") or b"") == file.sha256


def _gated_by_hand(consumer: Consumer) -> None:
    """Store, for both models as they are now, what the gate would have stored, from the run that it did store."""
    repo = git.find_repository(consumer.root)
    assert repo is not None
    one = repo.run("for-each-ref", "--count=1", "--format=%(refname)", "refs/mlops/runs/diagnosis/*").text
    for ref in repo.run("for-each-ref", "--format=%(refname)", "refs/mlops/runs/diagnosis").text.split():
        one = ref if repo.object_type(f"{ref}:comparison.json") else one
    stored = run_store.find_run(repo, one)
    assert stored is not None
    run = run_store.read_record(repo, stored, "run.json", TrainingRun)
    comparison = run_store.read_record(repo, stored, "comparison.json", Comparison)
    rest = {path: repo.read_blob(oid) or b"" for path, oid in stored.files.items()}
    specs, found = load_specs(consumer.root)
    assert specs is not None, found
    with tempfile.TemporaryDirectory() as scratch:
        context = Context(
            root=consumer.root,
            start_folder=consumer.root,
            repo=repo,
            scratch=Path(scratch),
            cache=repo.common_dir / "mlops-ci" / "cache",
            clock=lambda: datetime.now(UTC),
            provenance=Provenance("Ada Lovelace", "0"),
            offline=False,
            progress=lambda _: None,
        )
        project = Project(specs, context)
        writes = []
        for model in MODELS:
            candidate = identify_candidate(project, model, read_data(project, model)[0])
            champion = find_champion(
                registry.read_registry(repo, None).model(model), specs.project.spec.champion_environment
            )
            key = candidate.comparison_key(Opponents(champion))
            records = {
                "run.json": replace(run, key=candidate.key, model=model, seed=candidate.model.spec.train.seed),
                "comparison.json": replace(comparison, key=key, run=candidate.key, model=model),
            }
            files = {**rest, **{path: canonical_json(encode(record)).encode() for path, record in records.items()}}
            writes.append(StoreRun(run_store.run_ref(model, key), files, f"{model}: run {key}"))
        new = tuple(write for write in writes if repo.resolve(write.ref) is None)
        apply_plan(Plan(new), consumer.root, repo, None, context.clock, lambda _: None)
