"""The model card of a release: its facts, its evidence, and the commands that fetch, verify and reproduce it.

The headings are those of Mitchell et al., Model Cards for Model Reporting (2019). Missing facts are shown as "not recorded".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlops_ci.core.choices import Trust
from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.records.comparison import Comparison
from mlops_ci.core.records.events import Release
from mlops_ci.core.records.training_run import TrainingRun
from mlops_ci.reports import escaping, formatting, sections, sentences
from mlops_ci.reports.gate import holdout_question_line
from mlops_ci.reports.layout import Block, bullet_list, fit_blocks, limited_table

MODEL_CARD_MAX_BYTES = 100_000  # bytes: GitHub takes 125,000 characters
_NOT_RECORDED = "_Not recorded._"
_SHELL_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]*")
_DOTTED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")
_TRUST_PHRASES: Mapping[Trust, str] = {
    "local": "trained and evaluated on a local machine, outside CI",
    "single-job": "evaluated in the CI job that also ran its own code, which could have changed the result",
    "separated": "evaluated in a separate CI job, in which none of its code ran",
}


@dataclass(frozen=True)
class CardNotes:
    """Facts that no record has: `description` and `owner` of the spec's metadata, and the code that loads the model.

    `loading_code` is the module to import, and the Python expression that loads the model from `DIR`.
    """

    description: str | None = None
    owner: str | None = None
    loading_code: tuple[str, str] | None = None


_NO_NOTES = CardNotes()


def render_model_card(
    release: Release,
    *,
    run: TrainingRun | None = None,
    comparison: Comparison | None = None,
    notes: CardNotes = _NO_NOTES,
    job: CiJob | None = None,
    limit: int = MODEL_CARD_MAX_BYTES,
) -> str:
    """Return the card, at most `limit` bytes of UTF-8; without `run` or `comparison`, their parts are omitted."""
    parts = (
        *_details_blocks(release, run, notes.description, notes.owner),
        *_intended_use_blocks(run, notes.description),
        *_data_blocks(release, run, comparison),
        *_metrics_blocks(release, comparison),
        *_caveats_blocks(release, comparison),
        *_usage_blocks(release, notes.loading_code, job),
        *_provenance_blocks(release, job),
        *([Block(_environment_section(run), 3)] if run else ()),
    )
    return fit_blocks(
        parts, limit, "_Some parts are omitted to keep this short: the release's tag and its run have everything._"
    )


def _facts_table(rows: list[tuple[str, str]]) -> str:
    return limited_table(("fact", "value"), [row for row in rows if row[1]], most=50, size=12_000, widest=400)


def _details_blocks(
    release: Release, run: TrainingRun | None, description: str | None, owner: str | None
) -> Iterator[Block]:
    yield Block(f"# {_clip_and_escape(release.model, 80)} v{_clip_and_escape(release.version, 80)}")
    yield Block(f"{_clip_and_escape(release.evidence.sentence, 500)}.")
    rows = [
        ("version", f"{release.version}, released {release.made_on} by {release.made_by.actor}"),
        ("reason", release.reason or ""),
        (
            "occasion",
            {"changed": "a change", "retrained": "a retrain of the same spec and code"}.get(release.occasion or "", ""),
        ),
        ("owner", owner or "not recorded"),
        ("license", "not recorded"),
    ]
    if run is not None:
        params = ", ".join(f"{name}={value!r}" for name, value in (run.params or {}).items())
        code = "; runs its own code" if run.code else ""
        rows[1:1] = [
            ("task", run.task),
            ("algorithm", f"{run.estimator}({params}), seed {run.seed}{code}"),
            ("weights of rows", run.weights or ""),
            ("columns of the training only", ", ".join((run.columns or ())[:40])),
            ("rounds", f"{run.rounds:,}, stopped by validation rows" if run.rounds else ""),
            ("inputs", f"{formatting.format_count(len(run.signature.inputs), 'column')}: {_input_columns(run)}"),
            ("output", f"{run.signature.output.name} ({run.signature.output.type}){_class_list(run)}"),
        ]
    yield Block(
        f"## Model details\n\n{_clip_and_escape(description or '', 2000) or _NOT_RECORDED}\n\n{_facts_table(rows)}", 1
    )


def _input_columns(run: TrainingRun) -> str:
    shown = [f"{field.name} ({field.type})" for field in run.signature.inputs[:40]]
    return ", ".join([*shown, "…"] if len(run.signature.inputs) > len(shown) else shown)


def _class_list(run: TrainingRun) -> str:
    return f", one of {', '.join(map(str, run.signature.classes[:20]))}" if run.signature.classes else ""


def _intended_use_blocks(run: TrainingRun | None, description: str | None) -> Iterator[Block]:
    what = (
        f"Intended task: {_clip_and_escape(description, 2000)}" if description else "The intended task is not recorded."
    )
    task = f" The model predicts `{run.signature.output.name}` ({run.task.replace('-', ' ')})." if run else ""
    plain = task if run and _DOTTED_NAME.fullmatch(run.signature.output.name) else ""
    yield Block(f"## Intended use\n\n{what}{plain}\n\nUses that are out of scope: {_NOT_RECORDED}", 2)


def _data_blocks(release: Release, run: TrainingRun | None, comparison: Comparison | None) -> Iterator[Block]:
    rows = [(one.dataset, f"{one.train_rows:,}", f"sha256:{one.train_digest}") for one in release.data]
    table = limited_table(("dataset", "training rows", "their digest"), rows, most=20, size=5_000)
    split = ""
    if run is not None:
        holdout = f"{run.split.holdout_rows:,} in the holdout" if run.split.by != "sealed" else "the holdout is sealed"
        cut = f"; the holdout starts at {run.split.cutoff}" if run.split.cutoff else ""
        split = f"\n\n{_clip_and_escape(f'{run.split.train_rows:,} rows for training, {holdout}; split by {run.split.by}{cut}.', 300)}"
    yield Block(f"## Training data\n\n{table}{split}", 1)
    evidence = release.evidence
    against = (
        f", against v{evidence.champion_version}"
        if evidence.champion_version
        else ", without an older version to compare with"
    )
    lines = [f"{evidence.holdout_rows:,} holdout rows (not used for training){against}."]
    if comparison is not None and (question := holdout_question_line(comparison)):
        lines.append(f"{question[:1].upper()}{question[1:]}.")
    shown = "\n\n".join(_clip_and_escape(line, 400) for line in lines)
    yield Block(f"## Evaluation data\n\n{shown}\n\nRows: `sha256:{_hex_or_unknown(evidence.holdout_digest)}`.", 1)


def _metrics_blocks(release: Release, comparison: Comparison | None) -> Iterator[Block]:
    evidence = release.evidence
    rows = [
        (
            item.metric,
            formatting.format_number(item.value),
            formatting.format_interval(item.lower, item.upper),
            f"{item.rows:,}",
        )
        for item in evidence.metrics
    ]
    at = f" at {evidence.confidence:.3g} confidence" if evidence.confidence is not None else ""
    shown = limited_table(("metric", "value", f"interval{at}", "rows"), rows, most=60, size=10_000, noun="metric")
    yield Block(f"## Metrics\n\n{shown or _NOT_RECORDED}", 1)
    requirements = sections.requirements_table(evidence.requirements, most=60, size=20_000)
    yield Block(
        f"## Quantitative analyses\n\nThe gate's verdict: {sections.verdict_label(evidence.verdict)}.\n\n{requirements}",
        1,
    )
    if comparison is None:
        return
    if worst := sentences.worst_slices(comparison):
        heading, values = worst
        slices = limited_table(
            ("slice", "value", "interval", "rows"), sentences.slice_rows(values), most=10, size=3_000
        )
        yield Block(f"{_clip_and_escape(heading, 200)}\n\n{slices}", 3)
    yield Block(sections.slice_differences_section(comparison), 4)


def _caveats_blocks(release: Release, comparison: Comparison | None) -> Iterator[Block]:
    lines = [f"The model was {_TRUST_PHRASES[release.trust]} (`{release.trust}`)."]
    if comparison is not None:
        lines += [escaping.escape_markdown(escaping.clip(line, 400)) for line in sentences.evaluation_notes(comparison)]
        if all(item.slice is None for item in comparison.metrics):
            lines.append("It was evaluated on all rows together: metrics for slices of the rows are not recorded.")
    lines.append("The metrics are valid for rows like those of the dataset, and say nothing about other rows.")
    text = bullet_list(lines, most=12, size=5_000)
    yield Block(f"## Ethical considerations\n\n{_NOT_RECORDED}", 2)
    yield Block(f"## Caveats\n\n{text}", 1)


def _usage_blocks(release: Release, loading_code: tuple[str, str] | None, job: CiJob | None) -> Iterator[Block]:
    if not (_SHELL_WORD.fullmatch(release.model) and _SHELL_WORD.fullmatch(release.version)):
        return
    name = f"{release.model}@{release.version}"
    pin = f"refs/mlops/releases/{release.model}/v{release.version}"
    home = _repository_url(job)
    clone = f"git clone {home} && cd {home.rpartition('/')[2]}\n" if home else ""
    commands = (
        f"```sh\n{clone}mlops-ci fetch {name} DIR        # write its files, verified, and show how to load them\n"
        f"mlops-ci audit {release.model}          # verify that nobody has changed it since\n"
        f"mlops-ci reproduce {name}   # train it again from commit, data and environment\n"
        f"git fetch origin {pin} && git archive FETCH_HEAD model | tar x   # with plain git\n```"
    )
    yield Block(f"## Fetch, verify and reproduce\n\n{commands}", 1)
    types = [one for one in release.trusted if _DOTTED_NAME.fullmatch(one)]
    if loading_code and not release.code and len(types) == len(release.trusted):
        module, expression = loading_code
        yield Block(f"```python\nimport {module}\n\nmodel = {expression}\n```", 2)
    rows = [(file.path, f"{file.size:,}", file.sha256) for file in release.model_files]
    files = limited_table(("file", "bytes", "SHA-256"), rows, most=100, size=15_000, noun="file")
    yield Block(sections.collapse_section(formatting.format_count(len(rows), "file"), files), 3)


def _repository_url(job: CiJob | None) -> str | None:
    """Return the repository's URL, or None if it is malformed."""
    url = f"{job.server_url}/{job.repository}" if job else ""
    return url if _URL.fullmatch(url) else None


def _provenance_blocks(release: Release, job: CiJob | None) -> Iterator[Block]:
    made_by = release.made_by
    home, commit = _repository_url(job), _hex_or_unknown(release.commit)
    link = f"Commit [{commit[:10]}]({home}/commit/{commit})" if home else f"Commit {commit[:10]}"
    run_link = f", in [this run]({made_by.run_url})" if made_by.run_url and _URL.fullmatch(made_by.run_url) else ""
    rows = [
        ("spec", f"{release.spec_path}, sha256:{release.spec_digest}"),
        ("run", f"{release.run_key}, stored as {release.run_oid}"),
        ("model", f"sha256:{release.model_digest} (of its structure)"),
        ("environment", f"sha256:{release.environment_digest}"),
        ("gate", f"sha256:{release.evidence.digest}, policy sha256:{release.evidence.policy_digest}"),
        ("made by", f"mlops-ci {made_by.toolkit}, for {made_by.actor}"),
        ("workflow", made_by.workflow or ""),
        ("follows", release.previous.name if release.previous else ""),
        ("overrides", release.overrides.name if release.overrides else ""),
    ]
    yield Block(f"## Provenance\n\n{link}{run_link}.\n\n{_facts_table(rows)}", 1)


def _environment_section(run: TrainingRun) -> str:
    """Return the packages that the model was trained with, in a collapsed section."""
    rows = [("Python", run.environment.python), *sorted(run.environment.packages.items())]
    shown = limited_table(("package", "version"), rows, most=300, size=15_000, noun="package")
    return sections.collapse_section("environment", shown)


def _clip_and_escape(text: str, most: int) -> str:
    return escaping.escape_markdown(escaping.clip(text, most))


def _hex_or_unknown(text: str) -> str:
    return text if re.fullmatch("[0-9a-f]{6,64}", text) else "not known"
