"""What a pull request is told: the gate's answer as one Markdown comment, the verdict first, of a size that GitHub takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlops_ci.core.choices import Trust
from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.results.gate import GatedModel, GateReport
from mlops_ci.reports import charts, escaping, formatting, sections
from mlops_ci.reports.layout import Block, bullet_list, fit_blocks, limited_table
from mlops_ci.reports.verdict import gate_report_sentence

COMMENT_MAX_BYTES = 60_000  # bytes: GitHub takes 65,536 characters, and a marker comes to these
_MAX_CHART_MODELS = 12  # models in the chart at most
_REQUIREMENT_FINDINGS = ("gate-failed", "gate-inconclusive")  # the tables have them
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_REF = re.compile(r"refs/mlops/runs/[a-z0-9-]+/[0-9a-f]{6,64}")
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")

_TRUST_SENTENCES = {
    "separated": "Judged in a job of its own, apart from the one that ran this change's code (`separated`).",
    "single-job": "This change's code ran in the job that judged it, so it could have touched the result (`single-job`).",
    "local": "Trained and judged on one machine, outside CI (`local`).",
}
_UNTRUSTED_WARNING = (
    "> [!WARNING]\n"
    "> **The result of an untrusted run{}.** The change's own files decided what ran there, and nobody has verified"
    " these numbers. Run the gate again from a branch of this repository before you rely on them."
)


def render_comment(
    report: GateReport | None,
    diagnostics: Sequence[Diagnostic] = (),
    *,
    job: CiJob,
    trust: Trust,
    untrusted: bool = False,
    limit: int = COMMENT_MAX_BYTES,
) -> str:
    """Return the comment (`report` is None where the gate could not answer), of at most `limit` bytes of UTF-8; what does not fit is left out in whole parts, passing models first.

    `untrusted`: the report comes from a run that the change itself could have made up.
    """
    run = _link(job.run_url, "the job summary")
    pointer = f"_Parts were left out, to keep this short: {run} has more._"
    return fit_blocks(_comment_blocks(report, diagnostics, job, trust, untrusted=untrusted), limit, pointer)


def _comment_blocks(
    report: GateReport | None, diagnostics: Sequence[Diagnostic], job: CiJob, trust: Trust, *, untrusted: bool
) -> Iterator[Block]:
    models = sections.sort_worst_first(report.models if report else ())
    yield Block(
        f"## {sections.verdict_label(report.verdict, 'mlops-ci gate: ') if report else '❌ mlops-ci gate: no answer'}"
    )
    yield Block(f"**{escaping.escape_markdown(escaping.clip(gate_report_sentence(report), 600))}**")
    if untrusted:
        yield Block(_UNTRUSTED_WARNING.format(" of a fork" if job.fork else ""))
    if len(models) > 1:
        rows = [(sections.verdict_label(one.verdict), one.model, one.sentence) for one in models]
        yield Block(limited_table(("verdict", "model", "in short"), rows, most=50, size=9_000, noun="model"), 1)
    yield Block(_findings_section(diagnostics), 1)
    if 1 < len(models) <= _MAX_CHART_MODELS:
        yield Block(charts.draw_flowchart(models), 6)
    for gated in models:
        yield from _model_blocks(gated)
    yield Block("\n\n".join(_footer_parts(models, job, trust, untrusted=untrusted)))


def _findings_section(diagnostics: Sequence[Diagnostic]) -> str:
    """List what else was found, errors first: also that the rules or the holdout are others than the base branch's."""
    order = {"error": 0, "warning": 1, "note": 2}
    told = sorted(
        (one for one in diagnostics if one.id not in _REQUIREMENT_FINDINGS), key=lambda one: order[one.severity]
    )
    if not told:
        return ""
    return "### Findings\n\n" + bullet_list([_finding_line(one) for one in told], most=20, size=8_000, noun="finding")


def _finding_line(one: Diagnostic) -> str:
    mark = {"error": "❌", "warning": "⚠️", "note": "📝"}[one.severity]
    where = f" ({escaping.code_span(escaping.clip(str(one.location), 120))})" if one.location else ""
    help = f" → {escaping.escape_markdown(escaping.clip(one.help, 300))}" if one.help else ""
    message = escaping.escape_markdown(escaping.clip(one.message, 500))
    return f"{mark} {escaping.code_span(escaping.clip(one.id, 60))}{where}: {message}{help}"


def _model_blocks(gated: GatedModel) -> Iterator[Block]:
    """Yield a model's parts. What needs no attention is folded away, and goes first where there is no room."""
    passes = gated.verdict == "pass"
    head = f"### {sections.VERDICT_MARKS[gated.verdict]} {sections.escape_model_name(gated.model)}: {gated.verdict}"
    yield Block(f"{head}\n\n{escaping.escape_markdown(escaping.clip(gated.sentence, 400))}", 7 if passes else 2)
    parts: list[str] = []
    if (comparison := gated.comparison) is not None:
        shown, why = sections.requirements_table(comparison.requirements), sections.reasons_list(comparison)
        if passes:
            count = formatting.format_count(len(comparison.requirements), "requirement")
            yield Block(
                sections.collapse_section(
                    f"{count} of {_model_name_html(gated.model)}", "\n\n".join(filter(None, (shown, why)))
                ),
                8,
            )
        else:
            yield Block(shown, 3)
            yield Block(why, 3)
        if slices := sections.slice_differences_section(comparison):
            yield Block(
                sections.collapse_section("slices that moved", slices) if passes else slices, 10 if passes else 5
            )
    if gated.snapshot is not None:
        parts.append(sections.data_section(gated.snapshot))
    parts.append(sections.costs_section(gated))
    text = "\n\n".join(filter(None, parts))
    yield Block(sections.collapse_section("data and cost", text) if passes else text, 9 if passes else 4)


def _model_name_html(model: str) -> str:
    return escaping.html_code(escaping.clip(model, 80))


def _footer_parts(models: Sequence[GatedModel], job: CiJob, trust: Trust, *, untrusted: bool) -> Iterator[str]:
    kept = trust == "separated" and not untrusted
    yield sections.collapse_section("make it again here", _reproduce_commands(models, job, kept=kept))
    by = sorted({one.comparison.rules_source for one in models if one.comparison and one.comparison.rules_source})
    rules = (
        f" Rules: {escaping.escape_markdown(escaping.clip(', '.join(by), 120))}, where this change has others."
        if by
        else ""
    )
    own = sum(bool(one.run and one.run.code) for one in models)
    code = f" {formatting.format_count(own, 'model')} brought code of this change." if own else ""
    said = "" if untrusted else f"{_TRUST_SENTENCES[trust]}{code}"
    commit = f"Commit {job.commit[:10]}" if _OID.fullmatch(job.commit) else "Commit not known"
    yield f"{commit}, {_link(job.run_url, 'the run')}.{rules} {said}".rstrip()


def _reproduce_commands(models: Sequence[GatedModel], job: CiJob, *, kept: bool) -> str:
    """Return the commands that give this answer on somebody's own machine; each word of them is of ours or of a known form."""
    commit = job.commit if _OID.fullmatch(job.commit) else "FETCH_HEAD"
    what = f"pull/{job.pull}/head" if job.pull is not None else commit
    names = [one.model for one in models if len(one.model) <= 63 and _NAME.fullmatch(one.model)][:10]
    lines = [f"git fetch origin {what}", f"git switch --detach {commit}"] if what != "FETCH_HEAD" else []
    lines.append(" ".join(["mlops-ci gate", *(names if len(names) == len(models) else ())]))
    refs = [one.ref for one in models if one.ref and _REF.fullmatch(one.ref)][:3]
    if kept:  # what was judged elsewhere has another name
        lines += [f"git fetch origin {ref} && git show FETCH_HEAD:report.md" for ref in refs]
    return "\n".join(["```sh", *lines, "```"])


def _link(url: str, text: str) -> str:
    return f"[{text}]({url})" if _URL.fullmatch(url) else text
