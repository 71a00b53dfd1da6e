"""What a sparse checkout leaves out is not removed: specs are read from the index, and what cannot be left out is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.consumer import Consumer, edit
from tests.support.git_calls import git_in
from tests.support.shop import ALL, FILES, change, made, names, record, shop, write

__all__ = ["made", "shop"]

PART = ["/*", "!/*/", "/specs/", "!/specs/churn.yaml", "!/specs/orders.yaml"]  # no code, no data, and not every spec


def leave_out(consumer: Consumer, *patterns: str) -> None:
    """Check out what git's patterns say, as in .git/info/sparse-checkout."""
    consumer.git("status")  # git keeps files that may be edited, as those of a copied clone may be
    consumer.git("sparse-checkout", "set", "--no-cone", *patterns)


def test_specs_that_are_left_out_are_no_removed_ones(shop: Consumer) -> None:
    """Given a checkout without two specs and all code, when specs are counted and a change is looked at, then none is missing."""
    leave_out(shop, *PART)
    assert not (shop.root / "specs/churn.yaml").exists()
    assert record(shop)["removed"] == []
    assert names(shop) == []
    assert shop.answer("validate")["record"]["counts"] == {"Project": 1, "Dataset": 3, "Model": 5, "Deployment": 0}


@pytest.mark.parametrize(
    ("path", "models"),
    [
        ("specs/churn.yaml", ["churn"]),
        ("shared/deeper.py", ["churn"]),  # code that code imports
        ("data/orders.csv", ["basket", "churn", "fraud"]),
        ("data/flights/2024.csv", ["cancel", "delay"]),
        ("metrics/costs.py", ["fraud"]),
        ("requirements.txt", ALL),
    ],
)
def test_a_change_of_a_file_that_is_left_out_affects_what_it_would_affect_otherwise(
    shop: Consumer, tmp_path: Path, path: str, models: list[str]
) -> None:
    """Given a change of a file, when another clone without that file asks, then the same models are affected."""
    before = FILES[path]
    after = before.replace("y: [x]", "y: [x]").replace("target: y", "target: y\n  gate: {minRows: 9}") + "\n# changed\n"
    change(shop, {path: after})
    shop.git("push", "--quiet", "origin", "change")
    git_in(tmp_path)("clone", "--quiet", "--no-checkout", "--branch", "change", str(shop.origin), "sparse")
    sparse = Consumer(tmp_path / "sparse", shop.origin)
    leave_out(sparse, "/mlops.yaml", "/specs/unused.yaml")
    sparse.git("switch", "--quiet", "change")
    assert not (sparse.root / path).exists()
    assert (names(sparse), record(sparse)["removed"]) == (models, [])


def test_a_spec_that_is_removed_is_told_as_removed_in_a_sparse_checkout_too(shop: Consumer) -> None:
    leave_out(shop, *PART)
    shop.git("rm", "--quiet", "--sparse", "specs/churn.yaml")
    shop.git("commit", "--quiet", "-m", "Remove it")
    assert record(shop)["removed"] == ["Model churn"]


def test_a_symbolic_link_that_is_left_out_is_followed(shop: Consumer) -> None:
    """Given data behind a link, when the checkout has neither and the target changes, then the models of the data are affected."""
    (shop.root / "data/orders.csv").rename(shop.root / "orders-2024.csv")
    (shop.root / "data/orders.csv").symlink_to("../orders-2024.csv")
    shop.commit("A link")
    shop.git("push", "--quiet", "origin", "change:main")
    shop.git("fetch", "--quiet")
    change(shop, {"orders-2024.csv": "id,x,y\n9,9,0\n"})
    leave_out(shop, "/mlops.yaml", "/specs/")
    assert names(shop) == ["basket", "churn", "fraud"]


@pytest.mark.parametrize("bit", ["--skip-worktree", "--assume-unchanged"])
def test_an_edit_behind_the_bits_of_the_index_counts_and_a_missing_file_does_not(shop: Consumer, bit: str) -> None:
    """Given files whose index entries say not to look, when one is edited and one is away, then the edit alone is a change."""
    shop.git("update-index", bit, "specs/churn.yaml", "specs/delay.yaml")
    (shop.root / "specs/delay.yaml").unlink()
    write(
        shop.root,
        {"specs/churn.yaml": FILES["specs/churn.yaml"].replace("target: y", "target: y\n  gate: {minRows: 9}")},
    )
    assert (names(shop), record(shop)["removed"]) == (["churn"], [])
    assert shop.git("ls-files", "-v", "specs/churn.yaml")[0] in "Sh"  # the index is the user's


def test_a_part_of_the_data_is_not_taken_for_all_of_it(shop: Consumer) -> None:
    """Given data of two files, when one of them is left out, then nothing is checked or trained on the other, and exit is 3."""
    leave_out(shop, "/*", "!/data/flights/2023.csv")
    for verb in (("check", "flights"), ("gate", "delay"), ("train", "delay")):
        found = shop.answer(*verb, code=3)["diagnostics"][0]
        assert found["id"] == "files-left-out"
        assert "leaves out data/flights/2023.csv" in found["message"]
        assert found["help"].startswith("git sparse-checkout add data/flights;")
    shop.run("check", "orders")


def test_code_that_is_left_out_is_not_trained_without(shop: Consumer) -> None:
    leave_out(shop, "/*", "!/shared/deeper.py", "!/metrics/costs.py")
    for model, path in (("churn", "shared/deeper.py"), ("fraud", "metrics/costs.py")):
        found = shop.answer("gate", model, code=3)["diagnostics"][0]
        assert (found["id"], path in found["message"]) == ("files-left-out", True)


def test_a_project_file_that_is_left_out_is_named(shop: Consumer) -> None:
    leave_out(shop, "/specs/")
    found = shop.answer("ci", "affected", code=3)["diagnostics"][0]
    assert (found["id"], "leaves out mlops.yaml" in found["message"]) == ("files-left-out", True)


def test_a_model_is_released_and_deployed_from_a_sparse_checkout(gated: Consumer) -> None:
    """Given a checkout with code and data alone, when a gated model is released and deployed, then the commit's specs count."""
    edit(
        gated,
        "mlops.yaml",
        "spec:\n",
        "spec:\n  signing: {format: ssh, allowedSigners: .mlops/signers, required: false}\n",
    )
    write(gated.root, {".mlops/signers": 'ada@example.org namespaces="git" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIlVxsnOY1jqlBSBUn4bfRGTBv2JTKiRHOFZ6qNHvMVX\n'})  # fmt: skip
    gated.commit("Sign")
    gated.git("push", "--quiet")
    leave_out(gated, "/mlops.yaml", "/data/", "/*.txt")
    assert not (gated.root / "models").exists()
    assert not (gated.root / ".mlops").exists()
    gated.ok("validate")
    gated.ok("gate")
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    assert gated.answer("audit")["record"]["manifests"] > 0
