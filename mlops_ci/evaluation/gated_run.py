"""The run that keeps the gate's answer about a candidate as it is now: what a release rests on."""

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
    """A run with the gate's answer, as the store has it; `evidence_digest` is of that answer."""

    run: TrainingRun
    comparison: Comparison
    stored: run_store.StoredRun

    @property
    def evidence_digest(self) -> str:
        """The digest of the answer, as a release names it."""
        return digest_bytes(canonical_json(encode(self.comparison)).encode())


def require_gated_run(
    repo: Repository,
    candidate: Candidate,
    opponents: Opponents,
    accepted: Sequence[Trust],
    every: Sequence[Trust],
    folder: Path,
) -> GatedRun:
    """Return the run that passed the gate against these opponents, with its model files, verified, in `folder`.

    One from a place whose trust is `accepted` comes first; one from any of `every` place is looked for at the remote, too.
    Raises Findings `release-not-gated` where there is none and `release-refused` where it did not pass, EnvironmentProblem
    `store-corrupt` when it is not what its name says.
    """
    model = candidate.model.name
    keys = {trust: candidate.comparison_key(opponents, trust) for trust in every}
    refs = {run_store.run_ref(model, key): key for key in keys.values()}
    here = (run_store.find_run(repo, run_store.run_ref(model, keys[trust])) for trust in accepted)
    there = (run_store.find_run(repo, ref, fetch=True) for ref in refs)  # one that is trusted too little is said to be
    stored = next((found for found in chain(here, there) if found is not None), None)
    if stored is None:
        trained = run_store.find_run(repo, run_store.run_ref(model, candidate.key)) is not None
        champion = opponents.champion
        against = f" against {champion.ref.name}, today's champion," if trained and champion else ""
        raise Findings.of(
            "release-not-gated",
            f"'{model}' as it is now has not been through the gate{against} in this clone",
            location=candidate.model.locate("metadata", "name"),
            help=f"mlops-ci gate {model}",
        )
    comparison = run_store.read_record(repo, stored, "comparison.json", Comparison)
    if comparison.verdict != "pass":
        raise Findings([_refusal(candidate, stored.ref, comparison)])
    run = run_store.read_record(repo, stored, "run.json", TrainingRun)
    told = (comparison.key, comparison.model, comparison.run, run.key, run.model, comparison.model_digest)
    if told != (refs[stored.ref], model, candidate.key, candidate.key, model, run.model_digest):
        raise EnvironmentProblem.of(
            "store-corrupt",
            f"{stored.ref} holds another run than its name says",
            help=f"it was damaged or changed: git update-ref -d {stored.ref}, then mlops-ci gate {model}",
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
