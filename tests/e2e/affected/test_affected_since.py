"""What a change is compared with, in CI and outside of it, and what later steps are told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.shop import ALL, FILES, PROJECT, change, dataset, made, model, names, record, shop, write

__all__ = ["made", "shop"]  # fixtures


def test_outside_of_ci_what_is_not_committed_counts_too(shop: Consumer) -> None:
    (shop.root / "code/basket.py").write_text("def build():\n    return 5\n")
    (shop.root / "data/flights/new.csv").write_text("id\n")
    shop.git("rm", "--quiet", "--cached", "metrics/costs.py")
    assert names(shop) == ["basket", "cancel", "delay", "fraud"]
    os.utime(shop.root / "data/orders.csv", (1, 1))
    shop.git("checkout", "--quiet", "code/basket.py")
    shop.git("add", "metrics/costs.py")
    assert names(shop) == ["cancel", "delay"], "a file that was only touched is as it was"


def test_what_others_merged_meanwhile_does_not_count(shop: Consumer) -> None:
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    shop.git("switch", "--quiet", "main")
    change(shop, {"data/flights/2023.csv": "id\n"})
    shop.git("push", "--quiet", "origin", "main")
    shop.git("switch", "--quiet", "change")
    assert names(shop) == ["basket"]
    assert names(shop, "--base", "main") == ["basket"]
    shop.git("merge", "--quiet", "main", "-m", "merge")
    assert names(shop) == ["basket"]


def test_of_two_best_common_ancestors_both_count(shop: Consumer) -> None:
    """Given branches that were merged into each other crosswise, when one is compared with the other, then nothing is lost."""
    edits = {"one": {"code/basket.py": "def build():\n    return 5\n"}, "two": {"data/flights/2023.csv": "id\n"}}
    start = shop.git("rev-parse", "HEAD")
    for branch, files in edits.items():
        shop.git("switch", "--quiet", "--create", branch, start)
        change(shop, dict(files))
    one, two = shop.git("rev-parse", "one"), shop.git("rev-parse", "two")
    shop.git("merge", "--quiet", "-m", "cross", one)
    shop.git("switch", "--quiet", "one")
    shop.git("merge", "--quiet", "-m", "cross", two)
    assert len(shop.git("merge-base", "--all", "one", "two").split()) == 2
    assert names(shop, "--base", "two") == ["basket", "cancel", "delay"]


def test_a_base_may_be_a_branch_a_tag_or_a_commit_and_must_be_there(shop: Consumer) -> None:
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    shop.git("tag", "here")
    change(shop, {"data/orders.csv": "id\n"})
    assert names(shop, "--base", "HEAD~1") == ["basket", "churn", "fraud"]
    found = record(shop, "--base", "here")
    assert (found["commits"], found["compared"]) == (
        [shop.git("rev-parse", "here")],
        f"here ({shop.git('rev-parse', 'here')[:10]})",
    )
    assert names(shop, "--base", "HEAD") == []
    for ref in ("gone", "-x", "HEAD:mlops.yaml", "--all"):
        found = shop.answer("ci", "affected", f"--base={ref}", code=3)["diagnostics"]
        assert [one["id"] for one in found] == ["base-missing"]


def test_models_that_are_named_are_the_answer(shop: Consumer) -> None:
    found = record(shop, "churn", "delay", "churn")
    assert [one["name"] for one in found["models"]] == ["churn", "delay"]
    assert [one["name"] for one in found["datasets"]] == ["orders", "flights"]
    assert [one["id"] for one in shop.answer("ci", "affected", "chrun", code=2)["diagnostics"]] == ["model-unknown"]


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda shop: shop.git("remote", "remove", "origin"), "no remote"),
        (lambda shop: shop.git("switch", "--quiet", "--orphan", "alone"), "no commit yet"),
    ],
)
def test_where_nothing_tells_the_base_every_model_is_touched(
    shop: Consumer, prepare: Callable[[Consumer], Any], said: str
) -> None:
    prepare(shop)
    write(shop.root, FILES)
    found = record(shop)
    assert sorted(one["name"] for one in found["models"]) == ALL
    assert said in found["because"]
    assert said in shop.ok("ci", "affected")


def test_histories_with_nothing_in_common_touch_everything(shop: Consumer) -> None:
    shop.git("switch", "--quiet", "--orphan", "alone")
    change(shop, dict(FILES))
    assert "no history in common" in record(shop)["because"]


def test_outside_of_a_repository_every_model_is_touched(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert names(Consumer(tmp_path, tmp_path)) == ALL


def test_a_broken_spec_is_no_answer(shop: Consumer) -> None:
    change(shop, {"specs/delay.yaml": FILES["specs/delay.yaml"].replace("features", "featurs")})
    done = shop.run("ci", "affected", "--format", "github")
    assert done.returncode == 2
    assert "file=specs/delay.yaml,line=8" in done.stdout
    change(shop, {"specs/delay.yaml": FILES["specs/delay.yaml"], "specs/orders.yaml": None})
    answer = shop.answer("ci", "affected", code=2)
    assert {one["id"] for one in answer["diagnostics"]} == {"dataset-unknown"}
    assert "record" not in answer


# in a CI job


@pytest.fixture
def event(shop: Consumer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    def tell(name: str, **payload: Any) -> None:
        file = tmp_path / "event.json"
        file.write_text(json.dumps(payload))
        sha = shop.git("rev-parse", "HEAD")
        values = {"ACTIONS": "true", "REPOSITORY": "acme/ml", "EVENT_NAME": name, "EVENT_PATH": str(file), "SHA": sha}
        for key, value in values.items():
            monkeypatch.setenv(f"GITHUB_{key}", value)

    return tell


def test_a_push_is_compared_with_the_commit_before_it(shop: Consumer, event: Callable[..., None]) -> None:
    change(shop, {"data/orders.csv": "id\n"})
    before = shop.git("rev-parse", "HEAD")
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    event("push", before=before)
    assert names(shop) == ["basket"]
    (shop.root / "data/flights/2023.csv").write_text("what an earlier step of the job left\n")
    assert names(shop) == ["basket"]


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("push", {"before": "0" * 40}, "a 'push' event does not name the commit from which the change starts"),
        ("push", {"before": "a" * 40}, "does not exist any more (this happens after a forced push)"),
        ("schedule", {}, "a 'schedule' event does not name the commit from which the change starts"),
        ("workflow_dispatch", {}, "a 'workflow_dispatch' event does not name the commit from which the change starts"),
    ],
)
def test_an_event_that_tells_no_start_touches_every_model(
    shop: Consumer, event: Callable[..., None], name: str, payload: dict[str, Any], said: str
) -> None:
    event(name, **payload)
    found = record(shop)
    assert sorted(one["name"] for one in found["models"]) == ALL
    assert said in found["because"]


def test_a_pull_request_is_compared_with_what_it_is_merged_with(shop: Consumer, event: Callable[..., None]) -> None:
    """Given a base that moved on after the event, when the job has GitHub's merge of both, then only the pull request counts."""
    old = shop.git("rev-parse", "HEAD")
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    head = shop.git("rev-parse", "HEAD")
    shop.git("switch", "--quiet", "main")
    change(shop, {"data/flights/2023.csv": "id\n"})
    pull = {"number": 7, "base": {"sha": old}, "head": {"sha": head, "repo": {"full_name": "acme/ml"}}}
    shop.git("merge", "--quiet", "change", "-m", "merge")
    event("pull_request", pull_request=pull)
    assert names(shop) == ["basket"]
    shop.git("switch", "--quiet", "--detach", head)
    assert names(shop) == ["basket"]


def test_a_merge_group_is_compared_with_its_base(shop: Consumer, event: Callable[..., None]) -> None:
    base = shop.git("rev-parse", "HEAD")
    change(shop, {"data/orders.csv": "id\n"})
    event("merge_group", merge_group={"base_sha": base, "base_ref": "refs/heads/main"})
    assert names(shop) == ["basket", "churn", "fraud"]


def test_a_shallow_clone_is_an_error_unless_it_has_the_base(
    shop: Consumer, event: Callable[..., None], tmp_path: Path
) -> None:
    before = shop.git("rev-parse", "HEAD")
    change(shop, {"README.md": "1\n"})
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    shop.git("push", "--quiet", "origin", "change")
    event("push", before=before)
    for depth, code in ((1, 3), (2, 3), (3, 0)):
        git_in(tmp_path)(
            "clone", "--quiet", f"--depth={depth}", "--branch=change", f"file://{shop.origin}", f"d{depth}"
        )
        done = Consumer(tmp_path / f"d{depth}", shop.origin).run("ci", "affected", "--format", "json")
        answer = json.loads(done.stdout)
        assert done.returncode == code
        if code:
            assert "fetch-depth: 0" in answer["diagnostics"][0]["help"]
        else:
            assert [one["name"] for one in answer["record"]["models"]] == ["basket"]


def test_a_shallow_clone_that_may_lack_a_nearer_ancestor_is_an_error(shop: Consumer, tmp_path: Path) -> None:
    """Given a base that moved on, when history is cut off at what both seem to have in common, then nobody trusts that."""
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    shop.git("push", "--quiet", "origin", "change")
    shop.git("switch", "--quiet", "main")
    change(shop, {"README.md": "1\n"})
    shop.git("push", "--quiet", "origin", "main")
    flags = ("--quiet", "--depth=2", "--branch=change", "--no-single-branch")
    git_in(tmp_path)("clone", *flags, f"file://{shop.origin}", "cut")
    answer = Consumer(tmp_path / "cut", shop.origin).answer("ci", "affected", "--base", "main", code=3)
    assert [one["id"] for one in answer["diagnostics"]] == ["base-missing"]


def test_later_steps_get_the_models_as_json(
    shop: Consumer, event: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event("push", before=shop.git("rev-parse", "HEAD"))
    change(shop, {"data/orders.csv": "id\n"})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    shop.ok("ci", "affected", "--format", "github")
    assert outputs(tmp_path / "output") == {
        "exit-code": "0",
        "models": '["basket", "churn", "fraud"]',
        "datasets": '["orders"]',
        "custom": '["basket", "churn"]',
        "any": "true",
        "count": "3",
        "matrix": '["basket", "churn", "fraud"]',
    }
    assert "data/orders.csv changed" in (tmp_path / "summary").read_text()


def outputs(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines()
    return {lines[at].partition("<<")[0]: lines[at + 1] for at in range(0, len(lines), 3)}


def test_where_nothing_is_touched_the_outputs_say_so(
    shop: Consumer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    shop.ok("ci", "affected", "--format", "github")
    found = outputs(tmp_path / "output")
    assert [found[name] for name in ("models", "custom", "any", "count", "matrix")] == ["[]", "[]", "false", "0", "[]"]


def test_more_models_than_a_matrix_takes_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given 1,000 models, when all are touched, then 256 jobs get three or four each, and that is said."""
    write(tmp_path, {"mlops.yaml": PROJECT, "d.yaml": dataset("d", "d.csv")})
    write(tmp_path, {f"m{number}.yaml": model(f"m{number}", "d") for number in range(1000)})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    consumer = Consumer(tmp_path, tmp_path)
    assert "affected-batched" in consumer.ok("ci", "affected", "--format", "github")
    found = outputs(tmp_path / "output")
    batches = [batch.split(" ") for batch in json.loads(found["matrix"])]
    assert len(batches) == 256
    assert {len(batch) for batch in batches} == {3, 4}
    assert [name for batch in batches for name in batch] == json.loads(found["models"])
    assert len(json.loads(found["models"])) == 1000
