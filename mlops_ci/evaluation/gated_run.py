"""The gate run of a candidate's current state; a release requires one that passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mlops_ci.core.choices import Trust
from mlops_ci.core.codec import encode
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.digest import canonical_json, digest_bytes
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.evaluation.candidates.candidate import Candidate
from mlops_ci.evaluation.candidates.opponents import Opponents
from mlops_ci.registry import run_store
from mlops_ci.reports.requirements import reason_text
from mlops_ci.repository.git import Repository


@dataclass(frozen=True)
class GatedRun:
    """A training run and its comparison, as read from the store."""

    run: TrainingRun
    comparison: Comparison
    stored: run_store.StoredRun

    @property
    def evidence_digest(self) -> str:
        """The digest of the comparison; the release record contains it."""
        return digest_bytes(canonical_json(encode(self.comparison)).encode())


def require_gated_run(
    repo: Repository,
    candidate: Candidate,
    opponents: Opponents,
    accepted: Sequence[Trust],
    every: Sequence[Trust],
    folder: Path,
) -> GatedRun:
    """Return the run that passed the gate against these opponents, with its verified model files in `folder`.

    The search starts in this clone with runs whose trust is one of `accepted`, then also asks the remote for runs of
    each trust in `every`. Raises Findings `release-not-gated` when there is no run and `release-refused` when the run
    did not pass; raises EnvironmentProblem `store-corrupt` when the stored run does not match its ref.
    """
    model = candidate.model.name
    keys = {trust: candidate.comparison_key(opponents, trust) for trust in every}
    refs = {run_store.run_ref(model, key): key for key in keys.values()}
    local_runs = (run_store.find_run(repo, run_store.run_ref(model, keys[trust])) for trust in accepted)
    # also look for runs with too little trust: the caller names that problem, instead of "not gated"
    remote_runs = (run_store.find_run(repo, ref, fetch=True) for ref in refs)
    stored = next((one for one in chain(local_runs, remote_runs) if one is not None), None)
    if stored is None:
        trained = run_store.find_run(repo, run_store.run_ref(model, candidate.key)) is not None
        champion = opponents.champion
        against = f" against the current champion {champion.ref.name}" if trained and champion else ""
        raise Findings.of(
            "release-not-gated",
            f"this clone has no gate run for the current state of '{model}'{against}",
            location=candidate.model.locate("metadata", "name"),
            help=f"mlops-ci gate {model}",
        )
    comparison = run_store.read_record(repo, stored, "comparison.json", Comparison)
    if comparison.verdict != "pass":
        raise Findings([_refusal(candidate, stored.ref, comparison)])
    run = run_store.read_record(repo, stored, "run.json", TrainingRun)
    recorded = (comparison.key, comparison.model, comparison.run, run.key, run.model, comparison.model_digest)
    if recorded != (refs[stored.ref], model, candidate.key, candidate.key, model, run.model_digest):
        raise EnvironmentProblem.of(
            "store-corrupt",
            f"the run in {stored.ref} does not match the name of its ref",
            help=f"the store was damaged or changed: git update-ref -d {stored.ref}, then mlops-ci gate {model}",
        )
    run_store.write_model_files(repo, stored, run.files, folder)  # verifies every byte
    return GatedRun(run, comparison, stored)


def _refusal(candidate: Candidate, ref: str, comparison: Comparison) -> Diagnostic:
    decided = "inconclusive" if comparison.verdict == "incomparable" else comparison.verdict
    reasons = [reason_text(item) for item in comparison.requirements if item.verdict == decided]
    return Diagnostic(
        "release-refused",
        f"the gate's verdict on '{candidate.model.name}' is {comparison.verdict}, and a release needs a pass:"
        f" {'; '.join(reasons) or comparison.sentence}",
        candidate.model.locate("metadata", "name"),
        f"git show {ref}:report.md",
    )
