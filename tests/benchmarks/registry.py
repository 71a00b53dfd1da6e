"""What the documentation claims of queries: against GTO on the same repository, and against git's own listing of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.ratio import Ratio, alternated, run
from tests.peers.conftest import installed
from tests.registry.forge import forge

TOOL = [str(Path(sys.executable).with_name("mlops-ci"))]  # as users start it
LISTING = ["git", "for-each-ref", "--format=%(refname) %(objectname) %(contents)"]
VERBS = ("show", "history")
# what each tool's library takes from a folder to its answer, the second time in a process, so that imports do not count
_INSIDE = """
import time
{imports}
{action}
began = time.perf_counter()
{action}
print(time.perf_counter() - began)
"""
_THEIRS = {verb: ("import gto.api", f"gto.api.{verb}('.')") for verb in VERBS}
_OURS = {
    verb: (
        (
            "from pathlib import Path\nfrom mlops_ci import git\nfrom mlops_ci.project import Place\n"
            f"from mlops_ci.steps.{verb} import {verb}"
        ),
        f"{verb}(Place(Path(), Path(), git.find(Path())))",
    )
    for verb in VERBS
}


def against_gto(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare with GTO at 1,000 and 5,000 tags."""
    peers = installed()
    for events in (1_000, 5_000):
        root = _forged(scratch, events)
        for verb in VERBS:
            yield _imported(peers.python, root, verb, events, rounds)
            yield _whole(peers.python.with_name("gto"), root, verb, events, rounds)


def against_git(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare queries with `git for-each-ref` printing full contents, at 10,000 and 100,000 tags, and audit at 10,000."""
    for events, verbs in ((10_000, (*VERBS, "audit")), (100_000, VERBS)):
        root = _forged(scratch, events)
        for verb in verbs:
            yield _listed(root, verb, events, rounds)


def _imported(python: Path, root: Path, verb: str, events: int, rounds: int) -> Ratio:
    """Compare the libraries, each in a process that has answered once already."""
    ratios = tuple(
        _seconds(python, root, *_THEIRS[verb]) / _seconds(Path(sys.executable), root, *_OURS[verb])
        for _ in range(rounds)
    )
    return Ratio(f"gto {verb} / mlops-ci {verb}, {events:,} tags, imported", ratios, "at least 50")


def _whole(gto: Path, root: Path, verb: str, events: int, rounds: int) -> Ratio:
    ratios = alternated(lambda: run([str(gto), verb], root), lambda: run([*TOOL, verb], root), rounds)
    return Ratio(f"gto {verb} / mlops-ci {verb}, {events:,} tags", ratios, "at least 50")


def _listed(root: Path, verb: str, events: int, rounds: int) -> Ratio:
    ratios = alternated(lambda: run([*TOOL, verb], root), lambda: run(LISTING, root), rounds)
    name, limit = ("audit, signatures off", 60) if verb == "audit" else (verb, 3)
    return Ratio(f"mlops-ci {name} / git for-each-ref, {events:,} tags", ratios, f"at most {limit}")


def _forged(scratch: Path, events: int) -> Path:
    root = scratch / f"registry-{events}"
    if not root.exists():
        forge(root, events)
        run(["git", "-C", str(root), "pack-refs", "--all"])
    return root


def _seconds(python: Path, root: Path, imports: str, action: str) -> float:
    script = _INSIDE.format(imports=imports, action=action)
    done = subprocess.run([python, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])
