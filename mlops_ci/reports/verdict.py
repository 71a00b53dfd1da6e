"""The gate's result in one sentence that a reviewer can act on."""

from __future__ import annotations

from mlops_ci.core.requirements import RequirementResult
from mlops_ci.core.results.gate import GatedModel, GateReport
from mlops_ci.reports.formatting import format_count
from mlops_ci.reports.requirements import explain_verdict, requirement_label
from mlops_ci.reports.sections import sort_worst_first


def gate_report_sentence(report: GateReport | None) -> str:
    """Return a sentence with the verdict, its reason and the next step; long names are not cut.

    `report` is None when the gate has no result.
    """
    if report is None:
        return "The gate has no result, so it is not shown that any model is good enough: fix the findings, and run the gate again."
    if not report.models:
        return "No model was evaluated, so it is not shown that any model is good enough."
    first = sort_worst_first(report.models)[0]
    others = sum(one.verdict == report.verdict for one in report.models) - 1
    more = (
        f" {format_count(others, 'other model')} {'is' if others == 1 else 'are'} {_VERDICT_ADJECTIVES[report.verdict]}, too."
        if others
        else ""
    )
    match report.verdict:
        case "pass":
            who = f"{first.model} meets" if len(report.models) == 1 else f"All {len(report.models):,} models meet"
            new = "a new version" if len(report.models) == 1 else "a new version of each"
            said = f" ({first.sentence})" if len(report.models) == 1 else ""
            return f"{who} every requirement{said}: after the merge, mlops-ci release makes {new}."
        case "fail":
            return f"Do not merge yet: {first.model} {_failure_clause(first)}.{more}"
        case "incomparable":
            return (
                f"Not decided: {first.model} cannot be compared with its champion ({first.sentence}). Fix the cause, or accept it with a"
                f" reason (acceptIncomparable).{more}"
            )
        case _:
            return f"Not decided: {first.model} {_undecided_clause(first)}{more}"


_VERDICT_ADJECTIVES = {
    "pass": "good",
    "fail": "refused",
    "incomparable": "not comparable",
    "inconclusive": "not decided",
}


def _failure_clause(gated: GatedModel) -> str:
    failed = _requirements_with(gated, "fail")
    if not failed:
        return f"was stopped: {gated.sentence}"
    rest = f" and {format_count(len(failed) - 1, 'other requirement')}" if len(failed) > 1 else ""
    return f"does not meet the requirement “{requirement_label(failed[0])}”{rest}: {explain_verdict(failed[0])}"


def _undecided_clause(gated: GatedModel) -> str:
    undecided = _requirements_with(gated, "inconclusive")
    if not undecided:
        return f"has no requirement that can decide: {gated.sentence}."
    needed = [item.labels_needed for item in undecided]
    labels = [one for one in needed if one is not None]
    rows = f" About {max(labels):,} more labelled rows are needed to decide this." if len(labels) == len(needed) else ""
    return f"may or may not meet the requirement “{requirement_label(undecided[0])}”: {explain_verdict(undecided[0])}.{rows}"


def _requirements_with(gated: GatedModel, verdict: str) -> list[RequirementResult]:
    return [item for item in (gated.comparison.requirements if gated.comparison else ()) if item.verdict == verdict]
