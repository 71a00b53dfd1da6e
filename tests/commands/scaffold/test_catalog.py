from __future__ import annotations

import ast
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pandas as pd
import pytest

from mlops_ci.cli.verbs import find_verb
from mlops_ci.commands import scaffold
from mlops_ci.commands.scaffold import catalog
from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import UsageProblem
from mlops_ci.spec.load import load_specs

NAMES = tuple(catalog.TEMPLATES)


def write(name: str, root: Path) -> None:
    """Do what `init` does: the static files, and the data."""
    for path, content in scaffold.template_files(name).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    scaffold.write_template_data(name, root)


def test_the_command_line_offers_the_templates_that_there_are() -> None:
    offered = next(option.choices for option in find_verb("init").options if option.name == "template")

    assert {*offered, "empty"} == set(NAMES)


def test_there_is_no_template_of_another_name() -> None:
    with pytest.raises(KeyError):
        scaffold.template_files("../steps")


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_valid_without_any_finding(name: str, tmp_path: Path) -> None:
    write(name, tmp_path)

    specs, diagnostics = load_specs(tmp_path)

    assert specs is not None
    assert diagnostics == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_spec_names_its_schema_for_editors_and_every_script_is_python(name: str) -> None:
    for path, content in scaffold.template_files(name).items():
        if path.endswith(".yaml"):
            kind = next(line.split()[1] for line in content.decode().splitlines() if line.startswith("kind:"))
            schema = f"https://raw.githubusercontent.com/mlops-ci/mlops-ci/v1/schemas/v1/{kind.lower()}.schema.json"
            assert content.decode().startswith(f"# yaml-language-server: $schema={schema}\n")
        if path.endswith(".py"):
            ast.parse(content)


def test_dot_files_and_nested_folders_come_under_their_own_names() -> None:
    files = scaffold.template_files("flights")

    assert {".gitignore", ".gitattributes", "data/prepare.py", "deploy/prod.yaml"} <= files.keys()
    assert b"*.parquet binary" in files[".gitattributes"]


def test_the_patients_are_the_same_each_time(tmp_path: Path) -> None:
    one = scaffold.write_template_data("minimal", tmp_path / "one")
    other = scaffold.write_template_data("minimal", tmp_path / "other")

    assert list(one) == list(other) == ["data/patients.csv"]
    assert digest_file(one["data/patients.csv"]) == digest_file(other["data/patients.csv"])
    frame = pd.read_csv(one["data/patients.csv"])
    assert frame.shape == (569, 32)
    assert frame["patient_id"].is_unique
    assert frame["malignant"].sum() == 212


def test_the_flights_are_what_the_script_of_the_repository_writes(tmp_path: Path) -> None:
    write("flights", tmp_path)
    months = tmp_path / "data" / "flights"
    digests = {path.name: digest_file(path) for path in months.iterdir()}

    done = subprocess.run(
        [sys.executable, "data/prepare.py", "2", "4"], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )

    assert sorted(digests) == ["2013-01.parquet", "2013-02.parquet", "2013-03.parquet"]
    assert len(done.stdout.splitlines()) == 2
    assert digest_file(months / "2013-02.parquet") == digests["2013-02.parquet"]
    assert set(pd.read_parquet(months / "2013-04.parquet")["month"]) == {4}


def test_flights_have_a_key_no_knowledge_of_the_arrival_and_the_known_rate_of_delays(tmp_path: Path) -> None:
    paths = scaffold.write_template_data("flights", tmp_path)
    frame = pd.concat([pd.read_parquet(path) for path in paths.values()])

    assert len(frame) == 77_911
    assert not frame.duplicated(["time_hour", "carrier", "flight", "origin"]).any()
    assert not {"arr_delay", "arr_time", "dep_delay", "dep_time", "air_time", "tailnum"} & {*frame}
    assert frame["late"].mean() == pytest.approx(0.2284, abs=1e-4)
    first = frame.iloc[0]
    assert (first["carrier"], first["time_hour"].isoformat(), first["weekday"]) == ("AA", "2013-01-01T10:00:00", 2)
    assert first["temp"] == pytest.approx(39.02)


@pytest.mark.parametrize("arguments", [[], ["0"], ["13"]])
def test_the_script_says_how_it_is_used(arguments: list[str], tmp_path: Path) -> None:
    script = tmp_path / "prepare.py"
    script.write_bytes(scaffold.template_files("flights")["data/prepare.py"])

    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr == "usage: python data/prepare.py MONTH [MONTH ...], each from 1 to 12\n"
    assert list(tmp_path.iterdir()) == [script]


def test_flights_without_their_package_is_a_usage_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(catalog, "find_spec", missing)

    with pytest.raises(UsageProblem) as caught:
        scaffold.write_template_data("flights", tmp_path)

    diagnostic = caught.value.diagnostics[0]
    assert (diagnostic.id, diagnostic.help) == ("template-package-missing", "pip install 'mlops-ci[flights]'")
