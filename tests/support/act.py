"""Runs workflows for real, by nektos/act on this machine without containers, and reads its log.

What act does not know, the tests of the YAML itself hold: permissions, filters of events, concurrency, environments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LABELS = ("ubuntu-latest", "ubuntu-24.04", "self-hosted")
PLACE = Path(sys.executable).parent  # of this environment's programs


@dataclass(frozen=True)
class Annotation:
    """A workflow command that GitHub shows beside the code; `at` has file, line, col and title, where they are given."""

    level: str
    message: str
    at: Mapping[str, str]


@dataclass
class Job:
    """What one job, or one leg of a matrix, did. Steps and outputs are by the step's id, inside of composites by `outer.inner`."""

    id: str
    matrix: Mapping[str, Any]
    result: str = "none"
    steps: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    summary: str = ""
    log: str = ""


@dataclass(frozen=True)
class Run:
    """How a workflow went; `text` is all that act said, for the message of a failed test."""

    code: int
    jobs: tuple[Job, ...]
    text: str

    def job(self, id: str, **matrix: Any) -> Job:
        """Return the only job of that id, or its leg of the matrix."""
        found = [job for job in self.jobs if job.id == id and matrix.items() <= job.matrix.items()]
        assert len(found) == 1, f"{len(found)} jobs {id} {matrix}\n{self.text[-6000:]}"
        return found[0]


@dataclass(frozen=True)
class Runner:
    """Runs a repository's workflows. `actions` maps `owner/name@ref` to the folder that stands for it."""

    actions: Mapping[str, Path]
    scratch: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        repository: Path,
        workflow: str,
        event: str = "push",
        *,
        payload: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> Run:
        """Run one workflow of `.github/workflows` in a copy of the work tree, and return how it went.

        Nothing of this process's environment but PATH and the limits of threads reaches the steps. Secrets go by the environment, as act takes them.
        """
        with tempfile.TemporaryDirectory(dir=self.scratch) as name:
            folder = Path(name)
            for made in ("home", "temp", "artifacts"):
                (folder / made).mkdir()
            (folder / "empty").touch()
            (folder / "event.json").write_text(
                json.dumps({**(payload or {}), **({"inputs": inputs} if inputs else {})})
            )
            command = [str(PLACE / "act"), event, "--json", "--rm", "--no-cache-server", "-C", str(repository)]
            command += ["-W", f".github/workflows/{workflow}", "-e", str(folder / "event.json")]
            command += ["--action-cache-path", str(folder / "cache")]
            command += [part for label in LABELS for part in ("-P", f"{label}=-self-hosted")]
            for kind in ("env-file", "secret-file", "var-file", "input-file"):
                command += [f"--{kind}", str(folder / "empty")]
            for slug, place in self.actions.items():
                command += ["--local-repository", f"{slug}={place}"]
            limits = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
            # act gives steps a terminal, which folds lines; GitHub gives none
            fixed = {"ARTIFACTS": str(folder / "artifacts"), "COLUMNS": "1000"}
            for key, value in {**fixed, **limits, **self.env, **(env or {})}.items():
                command += ["--env", f"{key}={value}"]
            for key, value in (inputs or {}).items():
                command += ["--input", f"{key}={value}"]
            for key in secrets or {}:
                command += ["-s", key]
            own = {
                "PATH": os.environ["PATH"],
                "HOME": str(folder / "home"),
                "TMPDIR": str(folder / "temp"),
                "LANG": "C.UTF-8",
            }
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env={**own, **(secrets or {})},
                stdin=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
            )
        return _read(done.returncode, done.stdout, done.stderr)


def _read(code: int, out: str, err: str) -> Run:
    jobs: dict[str, Job] = {}
    said = [err]
    for line in out.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            said.append(line)
            continue
        message = str(entry.get("msg", ""))
        said.append(f"{entry.get('job', '')}: {message.rstrip()}")
        # a label that nobody serves is skipped, and the run is green
        assert "Skipping unsupported platform" not in message, message
        if "jobID" in entry:
            matrix = entry.get("matrix") or {}
            key = f"{entry.get('job')} {json.dumps(matrix, sort_keys=True)}"
            _note(jobs.setdefault(key, Job(entry["jobID"], matrix)), entry, message)
    return Run(code, tuple(jobs.values()), "\n".join(said))


def _note(job: Job, entry: Mapping[str, Any], message: str) -> None:
    step = ".".join(entry.get("stepID") or ())
    job.result = entry.get("jobResult", job.result)
    if entry.get("stage") == "Main" and "stepResult" in entry and step:
        job.steps[step] = entry["stepResult"]
    match entry.get("command"):
        case "set-output":
            job.outputs.setdefault(step, {})[entry["name"]] = entry["arg"]
        case "summary":
            job.summary += entry["content"]
        case "error" | "warning" | "notice" as level:
            job.annotations.append(Annotation(level, entry["arg"], entry.get("kvPairs") or {}))
    if entry.get("raw_output"):
        job.log += message
