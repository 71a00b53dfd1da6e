"""Files made to hurt: each is one clear error with exit code 2, long before two seconds are over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_ci.spec.load import load_specs
from mlops_ci.spec.validation.schema import MAX_SPEC_FINDINGS
from mlops_ci.spec.yaml import compose
from mlops_ci.spec.yaml.nodes import Mark

HEAD = "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: demo}\nspec:\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 30)
)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "spec-empty"),
    "blank": (b" \n\n \n", "spec-empty"),
    "binary": (bytes(range(256)) * 40, "spec-binary"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "spec-binary"),
    "large": (HEAD.encode() + b"  environments: [a]\n" * 250_000, "spec-too-large"),
    "utf-16": (("\ufeff" + HEAD).encode("utf-16-le"), "spec-encoding"),
    "latin-1": (HEAD.encode() + "  owner: Zürich\n".encode("latin-1"), "spec-encoding"),
    "deep lists": ((HEAD + "  environments: " + "[" * 400_000).encode(), "spec-too-complex"),
    "deep closed lists": ((HEAD + "  environments: " + "[" * 9_000 + "]" * 9_000).encode(), "spec-too-complex"),
    "deep mappings": ((HEAD + "".join(" " * level + "a:\n" for level in range(2, 1000))).encode(), "spec-too-complex"),
    "deep flow mappings": ((HEAD + "  a: " + "{a: " * 100_000).encode(), "spec-too-complex"),
    "deep dashes": (("- " * 300_000).encode(), "spec-too-complex"),
    "bomb": ((HEAD + "  environments: []\n" + BOMB).encode(), "spec-alias-bomb"),
    "many values": ((HEAD + "  environments: [" + "a, " * 200_000 + "]\n").encode(), "spec-too-complex"),
    "tab": (HEAD.encode() + b"\tenvironments: [a]\n", "spec-tab"),
    "twice": (HEAD.encode() + b"  environments: [a]\n  environments: [b]\n", "spec-duplicate-key"),
    "escape": (HEAD.encode() + b"  environments: ['\x1b[2J']\n", "spec-control-character"),
    "tag": (HEAD.encode() + b"  store: !!python/object/apply:os.system ['true']\n", "spec-tag"),
    "own anchor": (HEAD.encode() + b"  a: &a [*a]\n", "spec-syntax"),
    "long number": (HEAD.encode() + b"  a: " + b"9" * 500_000, "spec-number"),
    "long line": (HEAD.encode() + b"  a: " + b"x " * 400_000 + b": y", "spec-syntax"),
    "list": (b"- 1\n- 2\n", "project-not-found"),
    "text": (b"hello", "project-not-found"),
}


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.replace(" ", "-"))
def test_a_hostile_file_is_one_clear_error(case: str, tmp_path: Path) -> None:
    content, id = HOSTILE[case]
    (tmp_path / "mlops.yaml").write_bytes(content)
    specs, diagnostics = load_specs(tmp_path)
    assert specs is None
    assert [item.id for item in diagnostics] == [id]


def test_all_of_them_together_are_reported_within_two_seconds(tmp_path: Path) -> None:
    for number, (content, _) in enumerate(HOSTILE.values()):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "mlops.yaml").write_bytes(content)
    script = (
        "import pathlib, sys; from mlops_ci.spec.load import load_specs\n"
        "for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    specs, diagnostics = load_specs(folder); assert len(diagnostics) == 1, folder\n"
    )
    limit = 2 * len(HOSTILE)  # two seconds for each is what is promised; all take about one
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=limit)


def test_the_work_on_one_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given many values, then the reader stops taking them at its limit rather than reading to the end."""
    taken = 0
    count = compose._Composer._count

    def counting(self: compose._Composer, nodes: int, mark: Mark, *, by_alias: bool) -> None:
        nonlocal taken
        taken += 1
        count(self, nodes, mark, by_alias=by_alias)

    monkeypatch.setattr(compose._Composer, "_count", counting)
    (tmp_path / "mlops.yaml").write_bytes(HOSTILE["many values"][0])
    load_specs(tmp_path)
    assert taken == compose.MAX_NODES + 1


def test_a_dataset_of_ten_thousand_columns_is_no_attack(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(HEAD.replace("spec:", "spec: {}"))
    columns = "".join(f"    column_{number}: {{type: number, nulls: {{max: 0}}}}\n" for number in range(10_000))
    (tmp_path / "data.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Dataset\nmetadata: {name: d}\n"
        f"spec:\n  source: {{type: csv, path: d.csv}}\n  columns:\n{columns}"
    )
    specs, _ = load_specs(tmp_path)
    assert specs is not None
    assert len(specs.datasets["d"].spec.columns) == 10_000


def test_thousands_of_wrong_values_are_cut_to_a_readable_number(tmp_path: Path) -> None:
    names = ", ".join(f"Bad{number}" for number in range(5000))
    (tmp_path / "mlops.yaml").write_text(f"{HEAD}  environments: [{names}]\n")
    _, diagnostics = load_specs(tmp_path)
    assert len(diagnostics) == MAX_SPEC_FINDINGS + 1
    assert diagnostics[0].id == "spec-value"
    assert [item.severity for item in diagnostics if item.id == "spec-more-errors"] == ["note"]


def test_many_values_of_several_types_are_compared_quickly(tmp_path: Path) -> None:
    values = ", ".join(f"v{number}, {number}" for number in range(7000))
    (tmp_path / "mlops.yaml").write_text(HEAD.replace("spec:", "spec: {}"))
    (tmp_path / "data.yaml").write_text(
        "apiVersion: mlops-ci/v1\nkind: Dataset\nmetadata: {name: d}\nspec:\n"
        f"  source: {{type: csv, path: d.csv}}\n  columns: {{a: {{values: [{values}]}}}}\n"
    )
    script = "import pathlib, sys; from mlops_ci.spec.load import load_specs; assert load_specs(pathlib.Path(sys.argv[1]))[0]"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=20)


def _circle(file: Path) -> None:
    file.symlink_to(file)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, _circle], ids=["folder", "pipe", "circle-of-links"])
def test_what_is_called_mlops_yaml_but_is_no_file_is_no_project(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "mlops.yaml")
    _, diagnostics = load_specs(tmp_path)
    assert [item.id for item in diagnostics] == ["project-not-found"]


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlops.yaml").write_text(HEAD)

    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    _, diagnostics = load_specs(tmp_path)
    assert [(item.id, item.message) for item in diagnostics] == [
        ("spec-unreadable", "cannot be read: Permission denied")
    ]
