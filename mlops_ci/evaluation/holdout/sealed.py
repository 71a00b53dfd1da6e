"""Opens a sealed holdout in the job that evaluates: only that job has the credentials, and training never does this."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from mlops_ci.core.diagnostics import Location, has_errors
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import EnvironmentProblem, Findings
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.leakage import leak_findings
from mlops_ci.data.sealed_holdout import SealedHoldout
from mlops_ci.data.sources.files import source_files
from mlops_ci.data.split import SplitSource, split_dataset, target_findings
from mlops_ci.evaluation.base_branch_rules import BaseBranch, rule_change_warnings
from mlops_ci.evaluation.candidates.candidate import Candidate, has_secret_target, identify_candidate, require_data
from mlops_ci.evaluation.holdout.change_limits import ensure_sealed_labels
from mlops_ci.registry import object_store
from mlops_ci.repository.context import Project
from mlops_ci.spec.spec_types import SealedSource

HOLDOUT_DOWNLOAD_LIMIT = 5_000_000_000  # the largest holdout that is downloaded, in bytes


@contextmanager
def open_holdout(project: Project, candidate: Candidate) -> Iterator[Candidate]:
    """Yield the candidate with its sealed holdout opened; yield it unchanged when its holdout is not sealed.

    A downloaded copy is deleted when the context ends. Raises EnvironmentProblem `holdout-unreadable` when the holdout
    cannot be read. Raises Findings when the holdout's columns do not fit the training rows, its target cannot be
    evaluated, or it shares rows with the training side.
    """
    context, spec = project.context, candidate.model.spec
    source = candidate.rules.split.source
    if source is None:
        yield candidate
        return
    where = candidate.dataset.locate("spec", "split", "source")
    with tempfile.TemporaryDirectory(dir=context.scratch) as folder:
        holdout = _fetch_sealed_holdout(context.root, Path(folder), source, where)
        files = candidate.snapshot.files
        sides = split_dataset(
            SplitSource(
                context.root,
                candidate.dataset_by_rules,
                files,
                holdout,
                hides_labels=has_secret_target(candidate.model, candidate.dataset),
            ),
            candidate.columns,
            spec.target,
            context.cache,
        )
        findings = (
            *target_findings(sides, spec.target, spec.task, candidate.model.locate("spec", "target")),
            *leak_findings(sides.leaks, candidate.dataset_by_rules, sides.split.holdout_rows),
        )
        if has_errors(findings):
            raise Findings((*findings, *rule_change_warnings(candidate.model, candidate.rules)))
        yield replace(candidate, sides=sides, sealed_holdout=holdout, findings=(*candidate.findings, *findings))


@contextmanager
def open_candidate(
    project: Project, model: str, base: BaseBranch | None, *, hands_over: bool = False
) -> Iterator[Candidate]:
    """Yield a model's current candidate by the rules of `base`, with its holdout opened.

    `hands_over`: its rows without labels go to another job. Raises Findings when a check of the data fails; also raises what
    `ensure_sealed_labels`, `identify_candidate` and `open_holdout` raise.
    """
    ensure_sealed_labels(project, model, base, hands_over=hands_over)
    data = require_data(project, model)
    with open_holdout(project, identify_candidate(project, model, data, base=base)) as candidate:
        yield candidate


def remove_holdout_copy(candidate: Candidate) -> None:
    """Delete the downloaded copy of a sealed holdout; call this before untrusted code runs."""
    if candidate.sealed_holdout and candidate.sealed_holdout.is_download:
        for path in candidate.sealed_holdout.paths:
            path.unlink(missing_ok=True)


def _fetch_sealed_holdout(root: Path, scratch: Path, source: SealedSource, where: Location) -> SealedHoldout:
    if source.path is not None:
        inside = source.source_at(source.path)
        try:
            return SealedHoldout(root, source_files(root, inside, where), inside)
        except Findings as error:
            if error.diagnostics[0].id not in ("data-source-missing", "data-unreadable"):
                raise
            raise _unreadable_holdout_problem(source.path, error, where) from error
    url = source.url or ""
    name = f"sealed-holdout.{source.type}{PurePosixPath(url).suffix}"  # the ending tells how it is compressed
    try:
        object_store.download_url(url, scratch / name, HOLDOUT_DOWNLOAD_LIMIT)
    except EnvironmentProblem as error:
        raise _unreadable_holdout_problem(url, error, where) from error
    file = FileDigest(name, digest_file(scratch / name), (scratch / name).stat().st_size)
    return SealedHoldout(scratch, (file,), source.source_at(name), is_download=True)


def _unreadable_holdout_problem(name: str, error: Exception, where: Location) -> EnvironmentProblem:
    return EnvironmentProblem.of(
        "holdout-unreadable",
        f"the sealed holdout {name} cannot be read: {error}",
        location=where,
        help="run the evaluation in a job that may read it: credentials come from the environment (for S3: AWS_ACCESS_KEY_ID"
        " and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE); training needs no credentials",
    )
