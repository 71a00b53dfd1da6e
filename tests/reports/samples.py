"""Records as steps make them, with the texts that a test is about."""

from __future__ import annotations

from mlops_ci.records import CheckResult, Comparison, DatasetSnapshot, FileDigest, MetricValue, RequirementResult

DIGEST = "0" * 64


def comparison(
    *, sentence: str = "auc 0.71", reason: str = "too close", metrics: tuple[MetricValue, ...] = (), metric: str = "auc"
) -> Comparison:
    """An inconclusive comparison with one requirement."""
    requirement = RequirementResult("auc at least 0.65", metric, "inconclusive", reason, candidate=0.71)
    return Comparison(
        DIGEST, "delay", DIGEST, DIGEST, "none", DIGEST, 1000, DIGEST, 0.95, metrics, (requirement,), "inconclusive", sentence
    )  # fmt: skip


def snapshot(*checks: CheckResult, files: int = 1, rows: int = 1200) -> DatasetSnapshot:
    """A dataset of so many files, with the checks' answers."""
    digests = tuple(FileDigest(f"data/{number}.csv", DIGEST, 1) for number in range(files))
    return DatasetSnapshot("flights", DIGEST, DIGEST, rows, digests, (), DIGEST, checks)


def check(passed: bool, column: str = "hour", **given: str) -> CheckResult:
    """A check's answer."""
    return CheckResult(
        "nulls", given.get("wanted", "at most 0"), given.get("observed", "3 missing"), passed, column=column
    )
