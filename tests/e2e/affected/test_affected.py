"""What a change touches: one rule a test, in real repositories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.consumer import Consumer, home_of_ada
from tests.support.git_calls import git_in
from tests.support.shop import (
    ALL,
    FILES,
    PROJECT,
    SHA,
    WORKFLOW,
    change,
    copied,
    dataset,
    made,
    make,
    model,
    names,
    record,
    shop,
    why,
    write,
)

__all__ = ["made", "shop"]  # fixtures


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
        "dataset flights: data/flights/2024.csv was deleted",
    ]
    assert why(shop, "flights") == ["data/flights/2023.csv changed", "data/flights/2024.csv was deleted"]
    assert why(shop, "churn") == ["shared/deeper.py changed; the training uses this code"]
    change(shop, {"metrics/costs.py": "x = 1\n", "uv.lock": ""})
    assert why(shop, "fraud") == ["uv.lock is new; this file determines which packages are installed", "metrics/costs.py changed; the metric profit uses this code"]  # fmt: skip


def test_many_files_are_counted_and_some_are_named(shop: Consumer) -> None:
    change(shop, {f"data/flights/{number}.csv": "id,x,y\n" for number in range(3000, 3030)})
    reasons = why(shop, "flights")
    assert (len(reasons), reasons[-1]) == (6, "25 more files changed")


def test_a_removed_model_or_dataset_is_named_and_is_no_job(shop: Consumer) -> None:
    change(shop, {"specs/delay.yaml": None, "specs/unused.yaml": None})
    found = record(shop)
    assert (found["removed"], found["models"], found["totalModels"]) == (["Dataset unused", "Model delay"], [], 4)
    assert "removed: Dataset unused, Model delay" in shop.ok("ci", "affected")


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
    assert why(shop, "unused") == ["git tracks no file data/unused.csv, so these data may have changed"]
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
    shop.ok("ci", "affected")


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
    assert why(shop, "delay") == ["../poetry.lock is new; this file determines which packages are installed"]
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
            if path not in alone:
                alone[path] = touched([path])
        assert touched(paths) == set[str]().union(*(alone[path] for path in paths))

    holds()
