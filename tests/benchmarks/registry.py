"""What the documentation claims of queries: against GTO on the same repository, and against git's own listing of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.ratio import NO_PROMISE, Limit, Ratio, alternated, run
from tests.support.forge import forge
from tests.support.peers import installed

TOOL = [str(Path(sys.executable).with_name("mlops-ci"))]  # as users start it
LISTING = ["git", "for-each-ref", "--format=%(refname) %(objectname) %(contents)"]
VERBS = ("show", "history")
_SIGNING = "  signing: {format: ssh, allowedSigners: .mlops/allowed_signers}\n"
# events and models: what GTO takes depends on both, and is least where few models have many tags
_PROMISED = ((1_000, 100), (5_000, 100))
_BESIDES = ((1_000, 1), (1_000, 4), (5_000, 4))


def against_gto(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare with GTO at 1,000 and 5,000 tags of 100 models, and where GTO is at its best."""
    gto = str(installed().python.with_name("gto"))
    for shapes, limit in ((_PROMISED, Limit(at_least=50)), (_BESIDES, NO_PROMISE)):
        for events, models in shapes:
            root = _forged(scratch, events, models)
            for verb in VERBS:
                ratios = alternated(partial(run, [gto, verb], root), partial(run, [*TOOL, verb], root), rounds)
                yield Ratio(f"gto {verb} / mlops-ci {verb}, {events:,} tags, models: {models}", ratios, limit)


def against_git(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare queries with `git for-each-ref` printing full contents, at 10,000 and 100,000 tags, and audit at 10,000."""
    for events, verbs in ((10_000, (*VERBS, "audit")), (100_000, VERBS)):
        root = _forged(scratch, events)
        for verb in verbs:
            yield _listed(root, verb, events, rounds)


def of_signed_events(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare `audit`, which verifies each signature, with `git for-each-ref` at 10,000 tags that one key has signed."""
    key, root = scratch / "key", scratch / "signed"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    signers = f"ada@example.org {key.with_suffix('.pub').read_text()}"
    forge(root, 10_000, models=4, key=key, project=_SIGNING, files={".mlops/allowed_signers": signers})
    run(["git", "-C", str(root), "pack-refs", "--all"])
    ratios = alternated(lambda: run([*TOOL, "audit"], root), lambda: run(LISTING, root), rounds)
    yield Ratio("mlops-ci audit / git for-each-ref, 10,000 signed tags", ratios, Limit(at_most=60))


def _listed(root: Path, verb: str, events: int, rounds: int) -> Ratio:
    ratios = alternated(lambda: run([*TOOL, verb], root), lambda: run(LISTING, root), rounds)
    name, limit = ("audit, signatures off", 60) if verb == "audit" else (verb, 3)
    return Ratio(f"mlops-ci {name} / git for-each-ref, {events:,} tags", ratios, Limit(at_most=limit))


def _forged(scratch: Path, events: int, models: int = 4) -> Path:
    root = scratch / f"registry-{events}-{models}"
    if not root.exists():
        forge(root, events, models=models)
        run(["git", "-C", str(root), "pack-refs", "--all"])
    return root
