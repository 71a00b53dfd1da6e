"""What a pull request is told: the gate's answer as one Markdown comment, the verdict first, of a size that GitHub takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlops_ci.core.ci_job import Job
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.records import Trust
from mlops_ci.core.results.gate import Gated, GateReport
from mlops_ci.reports import charts as drawn
from mlops_ci.reports import escaping as markup
from mlops_ci.reports import sections, tables
from mlops_ci.reports.layout import Block, bullets, fit, table
from mlops_ci.reports.verdict import sentence

LIMIT = 60_000  # bytes: GitHub takes 65,536 characters, and a marker comes to these
_CHART = 12  # models in the chart at most
_OF_REQUIREMENTS = ("gate-failed", "gate-inconclusive")  # the tables have them
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_REF = re.compile(r"refs/mlops/runs/[a-z0-9-]+/[0-9a-f]{6,64}")
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")

_TRUST = {
    "separated": "Judged in a job of its own, apart from the one that ran this change's code (`separated`).",
    "single-job": "This change's code ran in the job that judged it, so it could have touched the result (`single-job`).",
    "local": "Trained and judged on one machine, outside CI (`local`).",
}
_UNTRUSTED = (
    "> [!WARNING]\n"
    "> **The result of an untrusted run{}.** The change's own files decided what ran there, and nobody has verified"
    " these numbers. Run the gate again from a branch of this repository before you rely on them."
)


def comment(
    report: GateReport | None,
    diagnostics: Sequence[Diagnostic] = (),
    *,
    job: Job,
    trust: Trust,
    untrusted: bool = False,
    limit: int = LIMIT,
) -> str:
    """Return the comment (`report` is None where the gate could not answer), of at most `limit` bytes of UTF-8; what does not fit is left out in whole parts, passing models first.

    `untrusted`: the report comes from a run that the change itself could have made up.
    """
    run = _link(job.run_url, "the job summary")
    pointer = f"_Parts were left out, to keep this short: {run} has more._"
    return fit(_blocks(report, diagnostics, job, trust, untrusted=untrusted), limit, pointer)


def _blocks(
    report: GateReport | None, diagnostics: Sequence[Diagnostic], job: Job, trust: Trust, *, untrusted: bool
) -> Iterator[Block]:
    models = sections.worst_first(report.models if report else ())
    yield Block(f"## {sections.said(report.verdict, 'mlops-ci gate: ') if report else '❌ mlops-ci gate: no answer'}")
    yield Block(f"**{markup.escaped(markup.clipped(sentence(report), 600))}**")
    if untrusted:
        yield Block(_UNTRUSTED.format(" of a fork" if job.fork else ""))
    if len(models) > 1:
        rows = [(sections.said(one.verdict), one.model, one.sentence) for one in models]
        yield Block(table(("verdict", "model", "in short"), rows, most=50, size=9_000, noun="model"), 1)
    yield Block(_findings(diagnostics), 1)
    if 1 < len(models) <= _CHART:
        yield Block(drawn.way(models), 6)
    for gated in models:
        yield from _model(gated)
    yield Block("\n\n".join(_foot(models, job, trust, untrusted=untrusted)))


def _findings(diagnostics: Sequence[Diagnostic]) -> str:
    """List what else was found, errors first: also that the rules or the holdout are others than the base branch's."""
    order = {"error": 0, "warning": 1, "note": 2}
    told = sorted((one for one in diagnostics if one.id not in _OF_REQUIREMENTS), key=lambda one: order[one.severity])
    if not told:
        return ""
    return "### Findings\n\n" + bullets([_finding(one) for one in told], most=20, size=8_000, noun="finding")


def _finding(one: Diagnostic) -> str:
    mark = {"error": "❌", "warning": "⚠️", "note": "📝"}[one.severity]
    where = f" ({markup.code(markup.clipped(str(one.location), 120))})" if one.location else ""
    help = f" → {markup.escaped(markup.clipped(one.help, 300))}" if one.help else ""
    message = markup.escaped(markup.clipped(one.message, 500))
    return f"{mark} {markup.code(markup.clipped(one.id, 60))}{where}: {message}{help}"


def _model(gated: Gated) -> Iterator[Block]:
    """Yield a model's parts. What needs no attention is folded away, and goes first where there is no room."""
    passes = gated.verdict == "pass"
    head = f"### {sections.MARK[gated.verdict]} {sections.name(gated.model)}: {gated.verdict}"
    yield Block(f"{head}\n\n{markup.escaped(markup.clipped(gated.sentence, 400))}", 7 if passes else 2)
    parts: list[str] = []
    if (comparison := gated.comparison) is not None:
        shown, why = sections.requirements(comparison.requirements), sections.reasons(comparison)
        if passes:
            count = tables.counted(len(comparison.requirements), "requirement")
            yield Block(sections.folded(f"{count} of {_raw(gated.model)}", "\n\n".join(filter(None, (shown, why)))), 8)
        else:
            yield Block(shown, 3)
            yield Block(why, 3)
        if slices := sections.moved_slices(comparison):
            yield Block(sections.folded("slices that moved", slices) if passes else slices, 10 if passes else 5)
    if gated.snapshot is not None:
        parts.append(sections.data(gated.snapshot))
    parts.append(sections.costs(gated))
    text = "\n\n".join(filter(None, parts))
    yield Block(sections.folded("data and cost", text) if passes else text, 9 if passes else 4)


def _raw(model: str) -> str:
    return markup.raw(markup.clipped(model, 80))


def _foot(models: Sequence[Gated], job: Job, trust: Trust, *, untrusted: bool) -> Iterator[str]:
    kept = trust == "separated" and not untrusted
    yield sections.folded("make it again here", _again(models, job, kept=kept))
    by = sorted({one.comparison.judged_by for one in models if one.comparison and one.comparison.judged_by})
    rules = f" Rules: {markup.escaped(markup.clipped(', '.join(by), 120))}, where this change has others." if by else ""
    own = sum(bool(one.run and one.run.code) for one in models)
    code = f" {tables.counted(own, 'model')} brought code of this change." if own else ""
    said = "" if untrusted else f"{_TRUST[trust]}{code}"
    commit = f"Commit {job.commit[:10]}" if _OID.fullmatch(job.commit) else "Commit not known"
    yield f"{commit}, {_link(job.run_url, 'the run')}.{rules} {said}".rstrip()


def _again(models: Sequence[Gated], job: Job, *, kept: bool) -> str:
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
