"""A project for a table: its specs and files, tried on the table before they are written."""

# ruff: noqa: S608  the SQL contains quoted names only, and the connection can read only the table
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops_ci.commands.scaffold.catalog import template_files
from mlops_ci.commands.scaffold.infer_specs import specs_from_table
from mlops_ci.commands.scaffold.render_specs import SCHEMAS_URL
from mlops_ci.commands.scaffold.table_facts import NamedColumns
from mlops_ci.core.diagnostics import Diagnostic, Location
from mlops_ci.core.errors import Findings
from mlops_ci.core.records.base import ProjectRef
from mlops_ci.core.suggestions import quote
from mlops_ci.data.column_types import column_sql
from mlops_ci.data.engines.duckdb import Table, open_table
from mlops_ci.data.leakage import leak_findings
from mlops_ci.data.row_rules import pluralize
from mlops_ci.data.snapshot import take_snapshot
from mlops_ci.data.split import SplitSource, split_dataset, target_findings
from mlops_ci.spec.load import Specs, load_specs
from mlops_ci.spec.located_spec import LocatedSpec
from mlops_ci.spec.spec_types import DatasetSpec, ModelSpec

LARGE_FILE = 10_000_000  # bytes, above which git is a poor place for a file
TRIED_FILE = 20_000_000  # bytes: a larger table is not read again here
ENVIRONMENTS = ("staging", "prod")
_RARE_CLASS = 5  # rows: with a fifth of them in the holdout, one of three such classes is missing there
_PERFECT = 0.9999  # of a correlation
_COLUMNS_A_QUERY = 10  # each with two hash tables of its values: 50 columns take 300 MB


@dataclass(frozen=True)
class TableProject:
    """The files of a project by path, and what was found when its specs were tried on the table."""

    files: Mapping[str, bytes]
    diagnostics: tuple[Diagnostic, ...]


def project_for_table(
    table: Path,
    path: str,
    named: NamedColumns,
    *,
    scratch: Path,
    now: datetime,
    environments: Sequence[str] = ENVIRONMENTS,
) -> TableProject:
    """Return the project for a table that is at `path` in it. The specs were validated, and checked on the table in `scratch`.

    A table larger than TRIED_FILE is not read again, so nothing is said of its rows.

    A copy of a training row in the holdout, which would be an error of the gate, is allowed in the specs with a comment.
    Raises as `specs_from_table` does.
    """
    made = specs_from_table(table, path, named.target, key=named.key, time=named.time)
    files = dict(made.files)
    names = {kind: next(name for name in files if name.endswith(f".{kind}.yaml")) for kind in ("dataset", "model")}
    model = Path(names["model"]).name.partition(".")[0]
    for environment in environments:
        files[f"specs/{model}-{environment}.deployment.yaml"] = _render_deployment(model, environment).encode()
    files[".gitignore"] = template_files("minimal")[".gitignore"]
    # git must not change line ends: the digest of a file is that of its bytes
    files[".gitattributes"] = b"* text=auto\n" + "".join(f"*{ending} -text\n" for ending in _ENDINGS).encode()
    files["README.md"] = _render_readme(model, path, named.target, environments[0], names).encode()
    findings = [*made.notes, *_size_findings(table, path)]
    tried = _try_project(files, table, path, scratch / "tried", now)
    if any(found.id == "split-leak-rows" and found.severity == "error" for found in tried):
        files[names["dataset"]] = _allow_duplicates(files[names["dataset"]].decode()).encode()
        tried = _try_project(files, table, path, scratch / "mended", now)
    return TableProject(files, (*findings, *tried))


_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".gz", ".zst", ".parquet", ".skops")


def _try_project(files: Mapping[str, bytes], table: Path, path: str, root: Path, now: datetime) -> list[Diagnostic]:
    """Return the findings of validate, and of check and the split where the table is not too large.

    The files are written below `root`, with a link to the table.
    """
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    specs, findings = load_specs(root)
    if specs is None or table.stat().st_size > TRIED_FILE:
        return list(findings)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(table.resolve(), root / path)  # of a link, what it leads to: here it would lead elsewhere
    except OSError:  # another file system
        shutil.copyfile(table, root / path)
    return [*findings, *_data_findings(root, specs, now)]


def _data_findings(root: Path, specs: Specs, now: datetime) -> Iterator[Diagnostic]:
    dataset, model = next(iter(specs.datasets.values())), next(iter(specs.models.values()))
    try:
        record, found = take_snapshot(root, dataset, now, None, ProjectRef("tried", "."))
        yield from (one for one in found if one.id != "split-without-key")  # the spec has a comment about it
        source = SplitSource(root, dataset, record.files)
        sides = split_dataset(source, model.spec.features, model.spec.target, None)
        where = model.locate("spec", "target")
        yield from target_findings(sides, model.spec.target, model.spec.task, where)
        yield from leak_findings(sides.leaks, dataset, sides.split.holdout_rows)
        with open_table(root, record.files, dataset.spec) as table:
            yield from _few_different_rows(table, dataset)
            yield from _rare_classes(table, model.spec, where)
            yield from _telling_features(table, model.spec, model.locate("spec", "features"))
    except Findings as error:
        yield from error.diagnostics


def _few_different_rows(table: Table, dataset: LocatedSpec[DatasetSpec]) -> Iterator[Diagnostic]:
    """Yield a warning when most rows are equal to others and no key tells them apart: the holdout is then a few of them."""
    if dataset.spec.key or dataset.spec.split.by != "key-hash":
        return
    (rows, different), *_ = table.connection.execute(
        "SELECT (SELECT count(*) FROM cells), (SELECT count(*) FROM (SELECT DISTINCT * FROM cells))"
    ).fetchall()
    if different * 2 < rows:
        yield Diagnostic(
            "init-equal-rows",
            f"the table has {pluralize(rows, 'row')}, but only {pluralize(different, 'different row')}, and equal rows"
            " always go to the same side: the holdout has the rows of a few of them only",
            dataset.locate("spec"),
            "add a column that identifies a row to the data, and name it with --key",
            "warning",
        )


def _rare_classes(table: Table, model: ModelSpec, where: Location) -> Iterator[Diagnostic]:
    """Yield a warning for classes with too few rows for both sides of the split. No label is named: it may be personal."""
    if model.task == "regression":
        return
    counts = table.connection.execute(f"SELECT count(*) FROM cells GROUP BY {column_sql(model.target)}").fetchall()
    rare = [rows for (rows,) in counts if rows < _RARE_CLASS]
    if rare:
        yield Diagnostic(
            "init-rare-class",
            f"{len(rare)} of the {len(counts)} classes of {quote(model.target)} {'have' if len(rare) > 1 else 'has'}"
            f" less than {_RARE_CLASS} rows ({pluralize(sum(rare), 'row')} in all): the training rows or the holdout may lack them",
            where,
            "add rows of these classes, merge them with others, or remove them; misspelt labels are such classes, too",
            "warning",
        )


def _telling_features(table: Table, model: ModelSpec, where: Location) -> Iterator[Diagnostic]:
    """Yield a warning for each feature that alone determines the target in all rows: it is probably known only afterwards."""
    target, goal = column_sql(model.target), table.types[model.target]
    for start in range(0, len(model.features), _COLUMNS_A_QUERY):
        names = model.features[start : start + _COLUMNS_A_QUERY]
        asked = []
        for name in names:
            feature = column_sql(name)
            # a value that occurs once determines everything: only a feature whose values occur often tells anything
            asked += [f"count(DISTINCT {feature})", f"count(DISTINCT ({feature}, {target}))"]
            both_numbers = {goal, table.types[name]} <= {"integer", "number"}
            asked.append(f"abs(corr({feature}, {target}))" if both_numbers else "0")
        rows, *facts = table.connection.execute(f"SELECT count(*), {', '.join(asked)} FROM cells").fetchall()[0]
        for index, name in enumerate(names):
            distinct, pairs, correlation = facts[3 * index : 3 * index + 3]
            if (distinct > 1 and pairs == distinct and distinct * 5 <= rows) or (correlation or 0) > _PERFECT:
                yield Diagnostic(
                    "init-telling-feature",
                    f"the feature {quote(name)} alone tells the target {quote(model.target)} in every row",
                    where,
                    "if it is known only after the target, remove it from `features`: the model would be of no use",
                    "warning",
                )


def _size_findings(table: Path, path: str) -> Iterator[Diagnostic]:
    size = table.stat().st_size
    if size > LARGE_FILE:
        yield Diagnostic(
            "init-large-file",
            f"{quote(path)} has {size / 1e6:,.0f} MB, and git keeps every version of it for ever",
            Location(path),
            "store it with Git LFS (`git lfs track`), or as parquet, which is several times smaller than CSV",
            "warning",
        )


def _allow_duplicates(dataset: str) -> str:
    comment = (
        "  # some rows of the holdout are copies of training rows; better remove them from the data, and this field\n"
    )
    before, found, after = dataset.partition("  split: {")
    if found:
        return f"{before}{comment}{found}duplicates: allow, {after}"
    before, found, after = dataset.partition("\n  columns:\n")
    return f"{before}\n{comment}  split: {{duplicates: allow}}{found}{after}"


def _render_deployment(model: str, environment: str) -> str:
    return "\n".join(
        [
            f"# yaml-language-server: $schema={SCHEMAS_URL}/deployment.schema.json",
            "apiVersion: mlops-ci/v1",
            "kind: Deployment",
            f"metadata: {{name: {model}-{environment}}}",
            "spec:",
            f"  model: {model}",
            f"  environment: {environment}",
            "  target:",
            "    type: kubernetes",
            f"    namespace: ml-{environment}",
            "    # image: an inference server (V2 protocol) that can load the released model",
            "",
        ]
    )


def _render_readme(model: str, path: str, target: str, environment: str, names: Mapping[str, str]) -> str:
    lines = [
        f"# {model}",
        "",
        f"A model that predicts `{target}` from `{path}`, managed with [mlops-ci](https://github.com/mlops-ci/mlops-ci): YAML files",
        "declare the wanted state, and git records what happened.",
        "",
        "```console",
        "mlops-ci validate                             # check every spec; errors name the line",
        "mlops-ci gate                                 # check the data, train, compare with the champion: one verdict",
        'git add --all && git commit -m "Start with mlops-ci"',
        f"mlops-ci gate && mlops-ci release             # tag {model}@v1.0.0 with its evidence",
        f"mlops-ci deploy {model} --env {environment}",
        "mlops-ci history",
        "```",
        "",
        f"`{names['dataset']}` has the rules for the data, and `{names['model']}` says how the model is trained and when it may",
        "be released. Both were written from the table: read them, and add the rules that you know.",
        "",
    ]
    return "\n".join(lines)
