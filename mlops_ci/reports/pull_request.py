"""The gate's result as one Markdown comment on a pull request, with the verdict first, within GitHub's size limit."""

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

COMMENT_MAX_BYTES = 60_000  # bytes: GitHub accepts 65,536 characters, and a marker is added to the comment
_MAX_CHART_MODELS = 12  # more models make the chart unreadable
_REQUIREMENT_FINDINGS = ("gate-failed", "gate-inconclusive")  # the requirement tables already show these
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_FOLDER = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_REF = re.compile(r"refs/mlops/runs/[a-z0-9-]+/[0-9a-f]{6,64}")
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")

_TRUST_SENTENCES = {
    "separated": "Evaluated in a job of its own, separate from the job that ran this change's code (`separated`).",
    "single-job": "This change's code ran in the job that evaluated it, so it could have changed the result (`single-job`).",
    "local": "Trained and evaluated on one machine, outside CI (`local`).",
}
_UNTRUSTED_WARNING = (
    "> [!WARNING]\n"
    "> **This is the result of an untrusted run{}.** The change's own files decided what ran there, and nothing has verified"
    " these numbers. Run the gate again from a branch of this repository before you rely on them."
)


def render_comment(
    report: GateReport | None,
    diagnostics: Sequence[Diagnostic] = (),
    *,
    job: CiJob,
    trust: Trust,
    about: str = "",
    untrusted: bool = False,
    limit: int = COMMENT_MAX_BYTES,
) -> str:
    """Return the comment, of at most `limit` bytes of UTF-8; whole parts that do not fit are omitted, passing models first.

    `about` names the project, and the call of the workflow. `report` is None when the gate has no result. `untrusted` means that the change itself could have invented the report.
    """
    run = _link(job.run_url, "the job summary")
    pointer = f"_Some parts are omitted to keep this short: the rest is in {run}._"
    return fit_blocks(_comment_blocks(report, diagnostics, job, trust, about, untrusted=untrusted), limit, pointer)


def _comment_blocks(
    report: GateReport | None,
    diagnostics: Sequence[Diagnostic],
    job: CiJob,
    trust: Trust,
    about: str,
    *,
    untrusted: bool,
) -> Iterator[Block]:
    models = sections.sort_worst_first(report.models if report else ())
    label = sections.verdict_label(report.verdict, "mlops-ci gate: ") if report else "❌ mlops-ci gate: no result"
    yield Block(f"## {label}{f' ({escaping.escape_markdown(about)})' if about else ''}")
    yield Block(f"**{escaping.escape_markdown(escaping.clip(gate_report_sentence(report), 600))}**")
    if untrusted:
        yield Block(_UNTRUSTED_WARNING.format(" of a fork" if job.fork else ""))
    if len(models) > 1:
        rows = [(sections.verdict_label(one.verdict), one.model, one.sentence) for one in models]
        yield Block(limited_table(("verdict", "model", "summary"), rows, most=50, size=9_000, noun="model"), 1)
    yield Block(_findings_section(diagnostics), 1)
    if 1 < len(models) <= _MAX_CHART_MODELS:
        yield Block(charts.draw_flowchart(models), 6)
    for gated in models:
        yield from _model_blocks(gated)
    folder = report.project.path if report and report.project else "."
    yield Block("\n\n".join(_footer_parts(models, job, trust, folder, untrusted=untrusted)))


def _findings_section(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the other findings, errors first, such as rules or a holdout that differ from the base branch's."""
    order = {"error": 0, "warning": 1, "note": 2}
    findings = sorted(
        (one for one in diagnostics if one.id not in _REQUIREMENT_FINDINGS), key=lambda one: order[one.severity]
    )
    if not findings:
        return ""
    return "### Findings\n\n" + bullet_list(
        [_finding_line(one) for one in findings], most=20, size=8_000, noun="finding"
    )


def _finding_line(one: Diagnostic) -> str:
    mark = {"error": "❌", "warning": "⚠️", "note": "📝"}[one.severity]
    where = f" ({escaping.code_span(escaping.clip(str(one.location), 120))})" if one.location else ""
    help = f" → {escaping.escape_markdown(escaping.clip(one.help, 300))}" if one.help else ""
    message = escaping.escape_markdown(escaping.clip(one.message, 500))
    return f"{mark} {escaping.code_span(escaping.clip(one.id, 60))}{where}: {message}{help}"


def _model_blocks(gated: GatedModel) -> Iterator[Block]:
    """Yield a model's parts. Parts that need no attention are collapsed, and are omitted first if there is no room."""
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
                sections.collapse_section("slices that differ", slices) if passes else slices, 10 if passes else 5
            )
    if gated.snapshot is not None:
        parts.append(sections.data_section(gated.snapshot))
    parts.append(sections.costs_section(gated))
    text = "\n\n".join(filter(None, parts))
    yield Block(sections.collapse_section("data and cost", text) if passes else text, 9 if passes else 4)


def _model_name_html(model: str) -> str:
    return escaping.html_code(escaping.clip(model, 80))


def _footer_parts(
    models: Sequence[GatedModel], job: CiJob, trust: Trust, folder: str, *, untrusted: bool
) -> Iterator[str]:
    kept = trust == "separated" and not untrusted
    yield sections.collapse_section("reproduce locally", _reproduce_commands(models, job, folder, kept=kept))
    by = sorted({one.comparison.rules_source for one in models if one.comparison and one.comparison.rules_source})
    rules = (
        f" Rules: those of {escaping.escape_markdown(escaping.clip(', '.join(by), 120))}, because this change modifies them."
        if by
        else ""
    )
    with_code = sum(bool(one.run and one.run.code) for one in models)
    code = f" {formatting.format_count(with_code, 'model')} ran code of this change." if with_code else ""
    trust_sentence = "" if untrusted else f"{_TRUST_SENTENCES[trust]}{code}"
    commit = f"Commit {job.commit[:10]}" if _OID.fullmatch(job.commit) else "Commit unknown"
    yield f"{commit}, {_link(job.run_url, 'the run')}.{rules} {trust_sentence}".rstrip()


def _reproduce_commands(models: Sequence[GatedModel], job: CiJob, folder: str, *, kept: bool) -> str:
    """Return the commands that reproduce the result on a local machine; every word is a constant or has a validated form."""
    commit = job.commit if _OID.fullmatch(job.commit) else "FETCH_HEAD"
    what = f"pull/{job.pull}/head" if job.pull is not None else commit
    names = [one.model for one in models if len(one.model) <= 63 and _NAME.fullmatch(one.model)][:10]
    lines = [f"git fetch origin {what}", f"git switch --detach {commit}"] if what != "FETCH_HEAD" else []
    place = [f"-C {folder}"] if folder != "." and _FOLDER.fullmatch(folder) else []
    lines.append(" ".join(["mlops-ci gate", *place, *(names if len(names) == len(models) else ())]))
    refs = [one.ref for one in models if one.ref and _REF.fullmatch(one.ref)][:3]
    if kept:  # an evaluation elsewhere stores the run under another ref
        lines += [f"git fetch origin {ref} && git show FETCH_HEAD:report.md" for ref in refs]
    return "\n".join(["```sh", *lines, "```"])


def _link(url: str, text: str) -> str:
    return f"[{text}]({url})" if _URL.fullmatch(url) else text
