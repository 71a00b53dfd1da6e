"""What a change touches: one rule a test, in real repositories."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import git_in
from tests.functional.conftest import Consumer, home_of_ada

HEAD = "apiVersion: mlops-ci/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n"
PROJECT = HEAD.format(kind="Project", name="shop") + "spec: {}\n"
SHA = "3d3c42e5aac5ba805825da76410c181273ba90b1"
WORKFLOW = f"on: push\njobs:\n  gate:\n    uses: acme/mlops-ci/.github/workflows/gate.yml@{SHA}\n"


def dataset(name: str, source: str, more: str = "") -> str:
    spec = f"spec:\n  source: {{type: csv, path: '{source}'}}\n  key: [id]\n{more}"
    return HEAD.format(kind="Dataset", name=name) + spec


def model(
    name: str, data: str, train: str = "estimator: sklearn.linear_model.LogisticRegression", more: str = ""
) -> str:
    spec = f"spec:\n  task: binary-classification\n  dataset: {data}\n  target: y\n  features: [x]\n  train: {{{train}}}\n{more}"
    return HEAD.format(kind="Model", name=name) + spec


CUSTOM = "  evaluate:\n    custom: {profit: {entrypoint: metrics/profit.py:profit, better: higher}}\n"
FILES = {
    "mlops.yaml": PROJECT,
    "specs/flights.yaml": dataset("flights", "data/flights/*.csv"),
    "specs/orders.yaml": dataset("orders", "data/orders.csv"),
    "specs/unused.yaml": dataset("unused", "data/unused.csv"),
    "specs/delay.yaml": model("delay", "flights"),
    "specs/cancel.yaml": model("cancel", "flights"),
    "specs/churn.yaml": model("churn", "orders", "entrypoint: code/churn.py:build"),
    "specs/basket.yaml": model("basket", "orders", "entrypoint: code/basket.py:build"),
    "specs/fraud.yaml": model("fraud", "orders", more=CUSTOM),
    "data/flights/2023.csv": "id,x,y\n1,1,0\n",
    "data/flights/2024.csv": "id,x,y\n2,1,0\n",
    "data/orders.csv": "id,x,y\n1,1,0\n",
    "data/unused.csv": "id,x,y\n1,1,0\n",
    "code/churn.py": "import numpy\nfrom shared import tools\n\ndef build():\n    return tools\n",
    "code/basket.py": "def build():\n    return None\n",
    "shared/tools.py": "from . import deeper\n",
    "shared/deeper.py": "",
    "metrics/profit.py": "import costs\n\ndef profit(y, p):\n    return p\n",
    "metrics/costs.py": "",
    "requirements.txt": "scikit-learn==1.6.0\n",
    ".github/workflows/gate.yml": WORKFLOW,
    "README.md": "hello\n",
}
ALL = ["basket", "cancel", "churn", "delay", "fraud"]


def write(root: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


def make(folder: Path, files: dict[str, str], inside: str = "") -> Consumer:
    """A repository with an origin, whose main has the files; a branch `change` is checked out."""
    git_in(folder)("init", "--quiet", "--bare", "origin.git")
    git_in(folder)("clone", "--quiet", "origin.git", "clone")
    consumer = Consumer(folder / "clone" / inside, folder / "origin.git")
    write(folder / "clone" / inside, files)
    consumer.commit("start")
    consumer.git("push", "--quiet", "--set-upstream", "origin", "HEAD")
    consumer.git("remote", "set-head", "origin", "--auto")
    consumer.git("switch", "--quiet", "--create", "change")
    return consumer


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with home_of_ada(tmp_path_factory):
        folder = tmp_path_factory.mktemp("shop")
        make(folder, FILES)
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Consumer:
    """Five models of two datasets, two of them trained by code, and one with a metric of its own."""
    return copied(made, tmp_path / "world")


def copied(made: Path, to: Path) -> Consumer:
    shutil.copytree(made, to, symlinks=True)
    consumer = Consumer(to / "clone", to / "origin.git")
    consumer.git("remote", "set-url", "origin", str(consumer.origin))
    return consumer


def record(consumer: Consumer, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = consumer.answer("affected", *args)["record"]
    return found


def names(consumer: Consumer, *args: str) -> list[str]:
    return sorted(one["name"] for one in record(consumer, *args)["models"])


def why(consumer: Consumer, name: str) -> list[str]:
    found = record(consumer)
    return [
        reason for one in (*found["models"], *found["datasets"]) if one["name"] == name for reason in one["reasons"]
    ]


def change(consumer: Consumer, files: dict[str, str | None]) -> None:
    """Write files (None: delete them) and commit."""
    for path, content in files.items():
        (consumer.root / path).parent.mkdir(parents=True, exist_ok=True)
        (consumer.root / path).unlink(missing_ok=True)
        if content is not None:
            (consumer.root / path).write_text(content)
    consumer.commit("change")


@pytest.mark.parametrize(
    ("files", "touched"),
    [
        ({"README.md": "other\n", "docs/a.md": "a"}, []),
        ({"specs/delay.yaml": model("delay", "flights", more="  gate: {minRows: 60}\n")}, ["delay"]),
        ({"specs/delay.yaml": "# a comment\n" + FILES["specs/delay.yaml"].replace("[x]", "[ 'x' ]")}, []),
        ({"specs/flights.yaml": dataset("flights", "data/flights/*.csv", "  time: t\n")}, ["cancel", "delay"]),
        ({"data/flights/2023.csv": "id,x,y\n1,2,0\n"}, ["cancel", "delay"]),
        ({"data/flights/2025.csv": "id,x,y\n3,1,0\n"}, ["cancel", "delay"]),
        ({"data/flights/2024.csv": None}, ["cancel", "delay"]),
        ({"data/flights/2024.csv": None, "data/old/2024.csv": FILES["data/flights/2024.csv"]}, ["cancel", "delay"]),
        ({"data/flights/deep/2025.csv": "id\n", "data/flights/note.txt": "", "data/flights/.x.csv": ""}, []),
        ({"data/unused.csv": "id,x,y\n2,1,0\n"}, []),
        ({"specs/orders.lock": "digest: abc\n"}, ["basket", "churn", "fraud"]),
        ({"code/basket.py": "def build():\n    return 1\n"}, ["basket"]),
        ({"shared/deeper.py": "x = 1\n"}, ["churn"]),
        ({"shared/__init__.py": ""}, ["churn"]),
        ({"code/numpy.py": ""}, ["churn"]),
        ({"numpy/__init__.py": ""}, ["churn"]),
        ({"shared/tools.py": None}, ["churn"]),
        ({"metrics/costs.py": None}, ["fraud"]),
        ({"costs.py": ""}, ["fraud"]),
        ({"mlops.yaml": PROJECT.replace("{}", "{environments: [prod]}")}, ALL),
        ({"mlops.yaml": "# why\n" + PROJECT}, []),
        ({"requirements.txt": "scikit-learn==1.7.0\n"}, ALL),
        ({"requirements-dev.txt": ""}, ALL),
        ({"requirements/base.txt": ""}, ALL),
        ({"uv.lock": ""}, ALL),
        ({"pylock.gate.toml": ""}, ALL),
        ({"conda-lock.yml": ""}, ALL),
        ({"environment.yml": "dependencies: []\n"}, ALL),
        ({"pyproject.toml": ""}, ALL),
        ({"Pipfile.lock": "{}"}, ALL),
        ({".gitattributes": "*.csv text eol=crlf\n"}, ALL),
        ({"code/requirements.txt": "x\n"}, []),
        ({".github/workflows/gate.yml": WORKFLOW + "    secrets: inherit\n"}, []),
        ({".github/workflows/gate.yml": WORKFLOW.replace(SHA, "v2")}, ALL),
        ({".github/workflows/gate.yml": WORKFLOW.replace("\n", " # mlops-ci/mlops-ci@v9\n", 1)}, []),
        ({".github/workflows/deploy.yml": WORKFLOW}, []),
        ({".github/workflows/deploy.yml": WORKFLOW.replace(SHA, "main")}, ALL),
        ({".github/workflows/gate.yml": None, ".github/workflows/ci.yml": WORKFLOW}, []),
        ({"noxfile.py": "session.install('mlops-ci==1.2')\n"}, ALL),
        ({"noxfile.py": "import nox\n"}, []),
    ],
)  # fmt: skip
def test_a_change_touches_exactly_these_models(
    shop: Consumer, files: dict[str, str | None], touched: list[str]
) -> None:
    change(shop, files)
    assert names(shop) == touched


def test_what_is_touched_says_by_what(shop: Consumer) -> None:
    change(shop, {"data/flights/2023.csv": "id,x,y\n", "data/flights/2024.csv": None, "shared/deeper.py": "x = 1\n"})
    assert why(shop, "delay") == [
        "dataset flights: data/flights/2023.csv changed",
        "dataset flights: data/flights/2024.csv is gone",
    ]
    assert why(shop, "flights") == ["data/flights/2023.csv changed", "data/flights/2024.csv is gone"]
    assert why(shop, "churn") == ["shared/deeper.py changed, and trains it"]
    change(shop, {"metrics/costs.py": "x = 1\n", "uv.lock": ""})
    assert why(shop, "fraud") == ["uv.lock is new, by which packages are installed", "metrics/costs.py changed, and is its metric profit"]  # fmt: skip


def test_many_files_are_counted_and_some_are_named(shop: Consumer) -> None:
    change(shop, {f"data/flights/{number}.csv": "id,x,y\n" for number in range(3000, 3030)})
    reasons = why(shop, "flights")
    assert (len(reasons), reasons[-1]) == (6, "25 more files changed")


def test_a_removed_model_or_dataset_is_named_and_is_no_job(shop: Consumer) -> None:
    change(shop, {"specs/delay.yaml": None, "specs/unused.yaml": None})
    found = record(shop)
    assert (found["removed"], found["models"], found["of"]) == (["Dataset unused", "Model delay"], [], 4)
    assert "removed: Dataset unused, Model delay" in shop.ok("affected")


def test_one_document_of_a_file_does_not_touch_the_others(shop: Consumer) -> None:
    several = "---\n".join([model("one", "orders"), model("two", "orders")])
    change(shop, {"specs/several.yaml": several})
    shop.git("push", "--quiet", "origin", "change:main")
    assert names(shop) == []
    change(
        shop, {"specs/several.yaml": several.replace("name: two", "name: two, owner: me").replace("[x]", "[x, z]", 1)}
    )
    assert names(shop) == ["one"], "an owner says nothing about the model"


def test_a_spec_that_only_moved_is_as_it_was(shop: Consumer) -> None:
    change(shop, {"specs/delay.yaml": None, "models/delay.yml": FILES["specs/delay.yaml"]})
    assert (names(shop), record(shop)["removed"]) == ([], [])


def test_a_spec_that_was_unreadable_before_counts_as_new(shop: Consumer) -> None:
    change(shop, {"specs/delay.yaml": FILES["specs/delay.yaml"] + "{{\n"})
    shop.git("push", "--quiet", "origin", "change:main")
    change(shop, {"specs/delay.yaml": FILES["specs/delay.yaml"]})
    assert why(shop, "delay") == ["its spec is new: specs/delay.yaml"]


def test_a_sealed_holdout_in_the_repository_is_of_its_dataset(shop: Consumer) -> None:
    sealed = dataset(
        "orders", "data/orders.csv", "  split: {by: sealed, source: {type: csv, path: sealed/orders.csv}}\n"
    )
    change(shop, {"specs/orders.yaml": sealed, "sealed/orders.csv": "id,x,y\n9,1,0\n"})
    shop.git("push", "--quiet", "origin", "change:main")
    change(shop, {"sealed/orders.csv": "id,x,y\n8,1,0\n"})
    assert names(shop) == ["basket", "churn", "fraud"]


def test_data_that_git_does_not_have_may_always_have_changed(shop: Consumer) -> None:
    change(shop, {".gitignore": "unused.csv\n", "specs/other.yaml": model("other", "unused"), "data/unused.csv": None})
    shop.git("push", "--quiet", "origin", "change:main")
    assert why(shop, "unused") == ["git has no file data/unused.csv, so nothing tells whether these data changed"]
    (shop.root / "data/unused.csv").write_text("id,x,y\n")
    assert names(shop) == ["other"]


@pytest.mark.parametrize(
    "name", ["a b", "-x", "o'neil", 'say "hi"', "na\u00efve \u2014 \u6f22", "new\nline", "tab\t", "[1]", "back\\slash"]
)
def test_a_file_may_have_any_name(shop: Consumer, name: str) -> None:
    change(shop, {f"data/flights/{name}.csv": "id,x,y\n"})
    assert names(shop) == ["cancel", "delay"]
    change(shop, {f"data/flights/{name}.csv": None, f"{name}/uv.lock": ""})
    assert names(shop) == []


def test_a_name_that_is_no_text_is_told_as_well_as_can_be(shop: Consumer) -> None:
    os.close(os.open(os.fsencode(shop.root) + b"/data/flights/\xff.csv", os.O_CREAT))
    assert why(shop, "flights") == ["data/flights/\ufffd.csv is new"]
    shop.ok("affected")


def test_links_are_followed_to_what_they_are_read_from(shop: Consumer) -> None:
    """Given data and code behind links to folders and files, when what they lead to changes, or a link, then they change."""
    change(
        shop,
        {
            "store/v1/a.csv": "id\n",
            "store/v2/a.csv": "id\n",
            "lib/impl.py": "def build():\n    return 1\n",
            "store/one.csv": "id\n",
        },
    )
    shop.git("rm", "--quiet", "-r", "data/flights", "code/basket.py", "data/orders.csv")
    (shop.root / "data/flights").symlink_to("../store/now")
    (shop.root / "store/now").symlink_to("v1")
    (shop.root / "code/basket.py").symlink_to(shop.root / "lib/impl.py")
    (shop.root / "data/orders.csv").symlink_to("../store/one.csv")
    shop.commit("links")
    shop.git("push", "--quiet", "origin", "change:main")
    assert names(shop) == []
    change(shop, {"store/v2/a.csv": "id\n5\n"})
    assert names(shop) == []
    change(shop, {"store/v1/b.csv": "id\n"})
    assert names(shop) == ["cancel", "delay"]
    change(shop, {"store/v1/b.csv": None, "lib/impl.py": "def build():\n    return 2\n"})
    assert names(shop) == ["basket"]
    change(shop, {"lib/impl.py": "def build():\n    return 1\n", "store/one.csv": "id\n7\n"})
    assert names(shop) == ["basket", "churn", "fraud"]
    change(shop, {"store/one.csv": "id\n"})
    (shop.root / "store/now").unlink()
    (shop.root / "store/now").symlink_to("v2")
    shop.commit("switch")
    assert names(shop) == ["cancel", "delay"]


def test_links_in_circles_and_out_of_the_repository_do_no_harm(shop: Consumer) -> None:
    (shop.root / "loop").symlink_to("loop2")
    (shop.root / "loop2").symlink_to("loop")
    (shop.root / "out").symlink_to("../../..")
    (shop.root / "here").symlink_to(".")
    write(
        shop.root,
        {
            "specs/x.yaml": "---\n".join(
                dataset(f"d{at}", f"{link}/*.csv") for at, link in enumerate(("loop", "out", "here/here"))
            )
        },
    )
    shop.commit("links")
    assert [one["name"] for one in record(shop)["datasets"]] == ["d0", "d1", "d2"]


def test_a_submodule_that_moves_changes_the_data_in_it(shop: Consumer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run = git_in(other)
    run("init", "--quiet")
    write(other, {"a.csv": "id\n"})
    run("add", ".")
    run("commit", "--quiet", "-m", "one")
    shop.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "data/sub")
    change(shop, {"specs/sub.yaml": "---\n".join([dataset("sub", "data/sub/*.csv"), model("sub", "sub")])})
    shop.git("push", "--quiet", "origin", "change:main")
    assert names(shop) == []
    write(shop.root / "data/sub", {"a.csv": "id\n1\n"})
    git_in(shop.root / "data/sub")("commit", "--quiet", "-am", "two")
    shop.commit("move it")
    assert why(shop, "sub")[0] == "dataset sub: data/sub changed"


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


def test_a_base_may_be_a_branch_a_tag_or_a_commit_and_must_be_there(shop: Consumer) -> None:
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    shop.git("tag", "here")
    change(shop, {"data/orders.csv": "id\n"})
    assert names(shop, "--base", "HEAD~1") == ["basket", "churn", "fraud"]
    assert names(shop, "--base", "here") == ["basket", "churn", "fraud"]
    assert names(shop, "--base", "HEAD") == []
    for ref in ("gone", "-x", "HEAD:mlops.yaml", "--all"):
        found = shop.answer("affected", f"--base={ref}", code=3)["diagnostics"]
        assert [one["id"] for one in found] == ["base-missing"]


def test_models_that_are_named_are_the_answer(shop: Consumer) -> None:
    found = record(shop, "churn", "delay", "churn")
    assert [one["name"] for one in found["models"]] == ["churn", "delay"]
    assert [one["name"] for one in found["datasets"]] == ["orders", "flights"]
    assert [one["id"] for one in shop.answer("affected", "chrun", code=2)["diagnostics"]] == ["model-unknown"]


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
    assert said in shop.ok("affected")


def test_histories_with_nothing_in_common_touch_everything(shop: Consumer) -> None:
    shop.git("switch", "--quiet", "--orphan", "alone")
    change(shop, dict(FILES))
    assert "no history in common" in record(shop)["because"]


def test_outside_of_a_repository_every_model_is_touched(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert names(Consumer(tmp_path, tmp_path)) == ALL


def test_a_broken_spec_is_no_answer(shop: Consumer) -> None:
    change(shop, {"specs/delay.yaml": FILES["specs/delay.yaml"].replace("features", "featurs")})
    done = shop.run("affected", "--format", "github")
    assert done.returncode == 2
    assert "file=specs/delay.yaml,line=8" in done.stdout
    change(shop, {"specs/delay.yaml": FILES["specs/delay.yaml"], "specs/orders.yaml": None})
    answer = shop.answer("affected", code=2)
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
        ("push", {"before": "0" * 40}, "a 'push' event names no commit"),
        ("push", {"before": "a" * 40}, "is gone, as after a forced push"),
        ("schedule", {}, "a 'schedule' event names no commit"),
        ("workflow_dispatch", {}, "a 'workflow_dispatch' event names no commit"),
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
        done = Consumer(tmp_path / f"d{depth}", shop.origin).run("affected", "--format", "json")
        answer = json.loads(done.stdout)
        assert done.returncode == code
        if code:
            assert "fetch-depth: 0" in answer["diagnostics"][0]["help"]
        else:
            assert [one["name"] for one in answer["record"]["models"]] == ["basket"]


def test_later_steps_get_the_models_as_json(
    shop: Consumer, event: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event("push", before=shop.git("rev-parse", "HEAD"))
    change(shop, {"data/orders.csv": "id\n"})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    shop.ok("affected", "--format", "github")
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
    shop.ok("affected", "--format", "github")
    found = outputs(tmp_path / "output")
    assert [found[name] for name in ("models", "custom", "any", "count", "matrix")] == ["[]", "[]", "false", "0", "[]"]


def test_more_models_than_a_matrix_takes_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given 1,000 models, when all are touched, then 256 jobs get three or four each, and that is said."""
    write(tmp_path, {"mlops.yaml": PROJECT, "d.yaml": dataset("d", "d.csv")})
    write(tmp_path, {f"m{number}.yaml": model(f"m{number}", "d") for number in range(1000)})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    consumer = Consumer(tmp_path, tmp_path)
    assert "affected-batched" in consumer.ok("affected", "--format", "github")
    found = outputs(tmp_path / "output")
    batches = [batch.split(" ") for batch in json.loads(found["matrix"])]
    assert len(batches) == 256
    assert {len(batch) for batch in batches} == {3, 4}
    assert [name for batch in batches for name in batch] == json.loads(found["models"])
    assert len(json.loads(found["models"])) == 1000


# monorepos


def test_a_project_in_a_folder_sees_its_own_files_and_what_is_above_them(tmp_path: Path) -> None:
    """Given two projects in one repository, when one changes, then the other is not touched; what is above both touches both."""
    shop = make(tmp_path, FILES, "teams/a shop")
    other = Consumer(tmp_path / "clone/teams/b", shop.origin)
    write(other.root, FILES)
    shop.commit("the other")
    shop.git("push", "--quiet", "origin", "HEAD:main")
    assert (names(shop), names(other)) == ([], [])
    change(
        other,
        {
            "data/orders.csv": "id\n",
            "shared/deeper.py": "x = 1\n",
            "uv.lock": "",
            "mlops.yaml": PROJECT.replace("{}", "{environments: [prod]}"),
        },
    )
    assert (names(shop), names(other)) == ([], ALL)
    change(shop, {"code/basket.py": "def build():\n    return 5\n"})
    assert names(shop) == ["basket"]
    assert names(Consumer(shop.root / "code", shop.origin)) == ["basket"]
    change(shop, {"../poetry.lock": ""})
    assert why(shop, "delay") == ["../poetry.lock is new, by which packages are installed"]
    shop.git("push", "--quiet", "origin", "HEAD:main")
    write(tmp_path / "clone", {".github/workflows/a.yml": WORKFLOW})
    assert names(shop) == names(other) == ALL


def test_the_answer_for_many_files_is_that_for_each_together(
    made: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever files change, what they touch together is what they touch one by one."""
    edits: dict[str, str | None] = {
        "README.md": "x", "specs/delay.yaml": model("delay", "flights", more="  gate: {minRows: 60}\n"),
        "specs/unused.yaml": dataset("unused", "data/unused.csv", "  time: t\n"), "data/flights/2023.csv": None,
        "data/flights/9.csv": "id\n", "data/orders.csv": "id\n", "data/unused.csv": "id\n", "code/basket.py": "def build():\n    return 5\n",
        "shared/deeper.py": None, "shared/__init__.py": "", "metrics/costs.py": "x = 1\n", "docs/a/requirements.txt": "",
        ".github/workflows/gate.yml": WORKFLOW + "# end\n", "uv.lock": "", "specs/orders.lock": "x",
    }  # fmt: skip
    with home_of_ada(tmp_path_factory):
        shop = copied(made, tmp_path_factory.mktemp("union") / "world")
    alone: dict[str, set[str]] = {}

    def touched(paths: list[str]) -> set[str]:
        for path in paths:
            (shop.root / path).unlink(missing_ok=True)
            if (content := edits[path]) is not None:
                write(shop.root, {path: content})
        found = record(shop)
        shop.git("reset", "--quiet", "--hard")
        shop.git("clean", "--quiet", "-fd")
        return {one["name"] for kind in ("models", "datasets") for one in found[kind]}

    @given(st.lists(st.sampled_from(sorted(edits)), unique=True, min_size=2))
    @settings(suppress_health_check=list(HealthCheck), max_examples=15)
    def holds(paths: list[str]) -> None:
        for path in paths:
            alone.setdefault(path, touched([path]))
        assert touched(paths) == set[str]().union(*(alone[path] for path in paths))

    holds()
