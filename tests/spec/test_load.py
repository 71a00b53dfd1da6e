"""From a folder to its specs: what is found, what is left alone, and what a spec knows about itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_ci.core.digest import digest_json
from mlops_ci.reports.findings import render_findings
from mlops_ci.spec.load import Specs, find_root, load_specs, read_all_specs
from mlops_ci.spec.spec_types import SourceSpec

PROJECT = "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: demo}\nspec: {}\n"
DATASET = (
    "apiVersion: mlops-ci/v1\nkind: Dataset\nmetadata: {name: d, owner: me}\nspec: {source: {type: csv, path: d.csv}}\n"
)
BROKEN = "apiVersion: mlops-ci/v1\nkind: [\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "mlops.yaml").write_text(PROJECT)
    (folder / "d.yaml").write_text(DATASET)
    return folder


def loaded(root: Path) -> Specs:
    specs, diagnostics = load_specs(root)
    assert diagnostics == ()
    assert specs is not None
    return specs


def test_the_root_is_the_nearest_folder_upwards_that_has_mlops_yaml(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    assert find_root(root / "a" / "b") == root.resolve()
    (root / "a" / "mlops.yaml").write_text(PROJECT)
    assert find_root(root / "a" / "b") == (root / "a").resolve()
    assert find_root(root.parent) is None


def test_a_spec_knows_its_name_owner_path_value_and_places(root: Path) -> None:
    dataset = loaded(root).datasets["d"]
    assert (dataset.kind, dataset.name, dataset.owner, dataset.path) == ("Dataset", "d", "me", "d.yaml")
    assert dataset.spec.source == SourceSpec("csv", "d.csv")
    assert str(dataset.locate("spec", "source", "path")) == "d.yaml:4:34"
    assert str(dataset.locate("spec", "split", "holdout")) == "d.yaml:4:1"
    assert dataset.value("spec", "source", "type") == "csv"
    assert dataset.value("spec", "split") is None


def test_the_digest_is_of_kind_name_and_spec_not_of_comments_owner_or_place(root: Path) -> None:
    before = loaded(root).datasets["d"].digest
    assert before == digest_json({"kind": "Dataset", "name": "d", "spec": {"source": {"type": "csv", "path": "d.csv"}}})
    (root / "d.yaml").unlink()
    (root / "moved.yml").write_text("# moved\n" + DATASET.replace("owner: me", "owner: you"))
    assert loaded(root).datasets["d"].digest == before
    (root / "moved.yml").write_text(DATASET.replace("d.csv", "e.csv"))
    assert loaded(root).datasets["d"].digest != before


@pytest.mark.parametrize("folder", [".git", ".venv", "venv", "node_modules", ".nox", "__pycache__", ".idea"])
def test_ignored_folders_are_not_entered(folder: str, root: Path) -> None:
    (root / folder).mkdir()
    (root / folder / "d.yaml").write_text(BROKEN)
    assert list(loaded(root).datasets) == ["d"]


def test_a_repository_inside_the_repository_is_its_own(root: Path) -> None:
    (root / "vendor" / ".git").mkdir(parents=True)
    (root / "vendor" / "mlops.yaml").write_text(PROJECT)
    loaded(root)


def test_links_that_leave_the_root_are_not_followed_and_links_within_add_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.yaml").write_text(BROKEN)
    (root / "secret.yaml").symlink_to(tmp_path / "outside" / "secret.yaml")
    (root / "outside").symlink_to(tmp_path / "outside")
    (root / "same.yaml").symlink_to("d.yaml")
    (root / "circle.yaml").symlink_to("circle.yaml")
    assert list(loaded(root).datasets) == ["d"]


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: [\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {}\n",
        "{{- if .Values.mlops-ci }}\n# apiVersion: mlops-ci/v1\nkind: [\n",
        "kind: Model\nrules: [x]\n",
        "on: push\n",
        "- apiVersion: x\n",
        "\x00",
    ],
)
def test_yaml_of_others_is_none_of_our_business(text: str, root: Path) -> None:
    (root / "other.yaml").write_text(text)
    loaded(root)


def test_a_broken_file_is_ours_when_its_modeline_says_so(root: Path) -> None:
    (root / "x.yaml").write_text(
        "# yaml-language-server: $schema=https://raw.githubusercontent.com/mlops-ci/mlops-ci/v1/schemas/v1/model.schema.json\na: [\n"
    )
    _, diagnostics = load_specs(root)
    assert [(item.id, item.location and item.location.line) for item in diagnostics] == [("spec-syntax", 2)]


@pytest.mark.parametrize("version", ["mlopsci/v1", "mlops_ci/v1", "mlops-ci", "MLOps-CI/v1", "mlops/v1"])
def test_a_near_miss_is_a_warning_and_no_error(version: str, root: Path) -> None:
    (root / "near.yaml").write_text(DATASET.replace("mlops-ci/v1", version))
    specs, diagnostics = load_specs(root)
    assert specs is not None
    assert [(item.id, item.severity) for item in diagnostics] == [("spec-near-miss", "warning")]


def test_all_findings_of_all_files_come_in_one_run_sorted_by_place(root: Path) -> None:
    (root / "b.yaml").write_text(DATASET.replace("name: d", "name: B").replace("csv,", "tsv,"))
    (root / "a.yaml").write_text(BROKEN)
    reading = read_all_specs(root)
    assert [str(item.location) for item in reading.diagnostics] == ["a.yaml:2:8", "b.yaml:3:18", "b.yaml:4:23"]
    assert reading.specs is None
    assert reading.files == ("b.yaml", "d.yaml", "mlops.yaml")
    assert reading.counts == {"Project": 1, "Dataset": 2, "Model": 0, "Deployment": 0}


def test_a_file_name_cannot_drive_the_terminal(root: Path) -> None:
    (root / "x\x1b[31m\n.yaml").write_text(BROKEN)
    _, diagnostics = load_specs(root)
    printed = render_findings(diagnostics, "text")
    assert "\x1b" not in printed
    assert "--> x\ufffd[31m\ufffd.yaml:2:8" in printed


def test_a_name_that_ends_with_a_line_break_is_no_name(root: Path) -> None:
    (root / "d.yaml").write_text(DATASET.replace("name: d", 'name: "d\\n"'))
    _, diagnostics = load_specs(root)
    assert [item.message for item in diagnostics] == [r"'metadata.name' cannot be 'd\n'"]


def test_an_entrypoint_that_is_a_link_out_of_the_repository_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("def build(): ...\n")
    (root / "train.py").symlink_to(tmp_path / "evil.py")
    (root / "model.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Model\nmetadata: {name: m}\nspec:\n  task: regression\n  dataset: d\n"
        "  target: y\n  features: [x]\n  train: {entrypoint: 'train.py:build'}\n"
    )
    _, diagnostics = load_specs(root)
    assert [item.id for item in diagnostics] == ["entrypoint-outside"]


def test_reading_specs_imports_neither_scikit_learn_nor_the_repository(root: Path) -> None:
    (root / "model.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Model\nmetadata: {name: m}\nspec:\n  task: regression\n  dataset: d\n"
        "  target: y\n  features: [x]\n  train: {estimator: sklearn.linear_model.Ridge}\n"
    )
    script = (
        "import pathlib, sys; from mlops_ci.spec.load import load_specs; specs, found = load_specs(pathlib.Path('.'))\n"
        "assert specs and not found, found\n"
        "heavy = {'sklearn', 'pandas', 'numpy', 'duckdb', 'scipy', 'git'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True)


REFERRING = (
    "---\napiVersion: mlops-ci/v1\nkind: Model\nmetadata: {name: m}\nspec:\n  task: regression\n  dataset: e\n"
    "  target: y\n  features: [x]\n  train: {estimator: sklearn.linear_model.Ridge}\n"
    "---\napiVersion: mlops-ci/v1\nkind: Deployment\nmetadata: {name: p}\nspec:\n"
    "  model: n\n  environment: prod\n  target: {type: kubernetes}\n"
)
OTHER = "apiVersion: mlops-ci/v1\nkind: Dataset\nmetadata: {name: other}\nspec: {source: {type: csv, path: d.csv}}\n"


@pytest.mark.parametrize(
    ("other", "ids"),
    [
        (OTHER, {"dataset-unknown", "model-unknown"}),
        (OTHER.replace("spec:", "sepc:"), {"spec-unknown-field", "dataset-unknown", "model-unknown"}),
        (OTHER.replace("name: other", "nmae: e"), {"spec-unknown-field", "model-unknown"}),
        (OTHER.replace("other", "E"), {"spec-value", "model-unknown"}),
        (OTHER.replace("metadata: {name: other}", "metadata: e"), {"spec-type", "model-unknown"}),
        (OTHER.replace("Dataset", "dataset"), {"spec-kind"}),
        (OTHER.replace("Dataset", "[]"), {"spec-kind"}),
        (OTHER.replace("kind: Dataset\n", ""), {"spec-missing-field"}),
        (OTHER + "  a: b\n", {"spec-syntax"}),
        (OTHER + "\tsplit: {}\n", {"spec-tab"}),
        (OTHER + "kind: Dataset\n", {"spec-duplicate-key"}),
    ],
)
def test_a_name_is_unknown_only_when_no_file_may_still_hold_it(other: str, ids: set[str], root: Path) -> None:
    (root / "d.yaml").write_text(DATASET + REFERRING)
    (root / "z.yaml").write_text(other)
    _, diagnostics = load_specs(root)
    assert {item.id for item in diagnostics} == ids
