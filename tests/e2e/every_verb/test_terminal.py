"""What the verbs of the story print on a terminal of 80 columns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.consumer import Consumer, copy_of, edit, home_of_ada, make_consumer
from tests.support.terminal import plain, run_on_terminal, wide_lines

TOOL = (sys.executable, "-m", "mlops_ci")
LONG = "a-model-of-patients-with-a-name-that-is-longer-than-most"
STORY = (
    ("init --from data/patients.csv --target malignant ../again", "next:"),
    ("validate", "next: mlops-ci check"),
    ("check", "next: mlops-ci gate"),
    ("train", "next: mlops-ci compare"),
    ("gate", "next: commit and merge, then mlops-ci release"),
    ("gate --all", "not-applicable"),
    ("gate --power", "requirement"),
    ("release", f"next: mlops-ci deploy {LONG}@v1.0.0 --env staging"),
    ("gate", f"next: mlops-ci show {LONG}"),
    (f"deploy {LONG} --env staging", f"next: mlops-ci show {LONG}"),
    ("show", f"next: mlops-ci show {LONG}"),
    (f"show {LONG}", f"next: mlops-ci history {LONG}"),
    ("show --runs", "estimator"),
    ("history", f"next: mlops-ci show {LONG}"),
    (f"fetch {LONG} out", f"next: mlops-ci reproduce {LONG}@v1.0.0"),
    ("audit", "verified"),
    ("doctor", "doctor"),
    ("plugins", "metrics"),
)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """The template `minimal` with a long name, and a check whose name has wide characters."""
    with home_of_ada(tmp_path_factory):
        made = make_consumer(tmp_path_factory.mktemp("named") / "minimal", "minimal")
        edit(made, "models/diagnosis.yaml", "name: diagnosis", f"name: {LONG}")
        for path in ("deploy/staging.yaml", "deploy/prod.yaml"):
            edit(made, path, "model: diagnosis", f"model: {LONG}")
        wide = "    - {type: custom-sql, name: 検査は漢字の長い名前でも八十桁に収まる, severity: warn, sql: mean_radius > 999}\n"
        edit(
            made,
            "data/patients.yaml",
            "    - {type: row-count, min: 500}\n",
            f"    - {{type: row-count, min: 500}}\n{wide}",
        )
        made.commit("Rename")
        made.git("push", "--quiet")
    return made


@pytest.mark.slow
def test_the_story_fits_into_80_columns_and_says_what_is_next(named: Consumer, tmp_path: Path) -> None:
    consumer = copy_of(named, tmp_path)
    for command, expected in STORY:
        code, shown = run_on_terminal([*TOOL, *command.split()], consumer.root)
        assert wide_lines(shown) == [], command
        assert code in (0, 1), shown
        assert expected.split()[0] in plain(shown), shown
        if expected.startswith("next: "):
            assert " ".join(expected.split()) in " ".join(plain(shown).split()), shown
        if command.startswith("deploy"):
            consumer.git("pull", "--quiet")


@pytest.mark.slow
def test_what_comes_after_a_release_fits_into_80_columns(named: Consumer, tmp_path: Path) -> None:
    """Given long names, a deep folder and wide characters, then every later verb fits, also when it refuses."""
    consumer = copy_of(named, tmp_path)
    deep = "患者の予測結果を保存するとても長い名前の場所/a-folder-with-a-rather-long-name/and-one-more-of-them"
    (consumer.root / deep).mkdir(parents=True)
    edit(consumer, "deploy/staging.yaml", "namespace: ", "namespace: a-namespace-with-a-name-that-is-long-")
    consumer.ok("gate")
    consumer.commit("Judge")
    consumer.git("push", "--quiet")
    for command in ("release", f"deploy {LONG} --env staging"):
        consumer.ok(*command.split())
        consumer.git("pull", "--quiet")
    for command in (
        f"reproduce {LONG}@v1.0.0",
        f"fetch {LONG} {deep}/fetched",
        f"fetch {LONG} {deep}/fetched",
        f"predict {LONG} data/patients.csv --out {deep}/predictions-of-all-patients.csv",
        f"predict {LONG} data/patients.csv --out {deep}/predictions-of-all-patients.csv",
        f"predict {LONG} {deep}/no-such-table.csv --out out.csv",
        f"deploy {LONG} --env prod --reason {'理由' * 50}",
        f"approve {LONG}@v1.0.0 --env prod",
        f"diff {LONG}@v1.0.0 {LONG}@staging",
        f"diff {LONG}@v1.0.0 {LONG}@v2.0.0",
        f"rollback {LONG} --env staging --reason {'r' * 200}",
        f"retire {LONG}@v1.0.0 --reason over",
        f"retire {LONG} --env prod --reason {'理由' * 50}",
        "doctor",
        "audit",
        f"history {LONG}",
        "ci affected --base HEAD~1",
        "gc --dry-run",
        "check no-such-dataset-with-a-name-that-is-longer-than-most-names-of-datasets-are-today",
    ):
        code, shown = run_on_terminal([*TOOL, *command.split()], consumer.root)
        assert wide_lines(shown) == [], command
        assert code in (0, 1, 2), shown


def test_findings_fit_into_80_columns_and_have_colours(named: Consumer, tmp_path: Path) -> None:
    consumer = copy_of(named, tmp_path)
    edit(consumer, "data/patients.yaml", "min: 500", "min: 501, colour: " + "x" * 200)
    code, shown = run_on_terminal([*TOOL, "validate"], consumer.root)
    assert (code, wide_lines(shown)) == (2, [])
    assert "\x1b[31merror[" in shown
    assert any(line.lstrip(" |").startswith("^") for line in plain(shown).splitlines())


@pytest.mark.parametrize(
    ("env", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"CLICOLOR": "0"}, False), ({"TERM": "dumb"}, False)],
    ids=str,
)
def test_colours_can_be_turned_off(named: Consumer, env: dict[str, str], is_coloured: bool) -> None:
    shown = run_on_terminal([*TOOL, "validate", "-C", "data"], named.root, env=env)[1]
    assert ("\x1b[3" in shown) == is_coloured


@pytest.mark.parametrize(
    ("name", "value", "is_coloured"),
    [
        ("FORCE_COLOR", "1", True),
        ("CLICOLOR_FORCE", "1", True),
        ("FORCE_COLOR", "0", False),
        ("FORCE_COLOR", "", False),
        ("COLUMNS", "60", False),
    ],
)
def test_a_pipe_has_colours_only_if_they_are_forced(
    named: Consumer, monkeypatch: pytest.MonkeyPatch, name: str, value: str, is_coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)
    done = subprocess.run([*TOOL, "show", "no-such-model"], cwd=named.root, capture_output=True, text=True)
    assert ("\x1b[" in done.stderr) == is_coloured


def test_a_closed_output_is_no_bug(named: Consumer) -> None:
    for command in ("show", "validate", "--help"):
        script = f'exec "$0" -m mlops_ci {command} >&-'
        done = subprocess.run(["sh", "-c", script, sys.executable], cwd=named.root, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (0, "")
