"""The positive class, from the spec to the record and the report; nothing is fitted again for it."""

from __future__ import annotations

from typing import Any

from tests.support.consumer import Consumer, edit

MODEL = "models/diagnosis.yaml"
EVALUATE = "    metrics: [auc, accuracy, log-loss, brier]\n"
ABOUT_A_CLASS = ("auc", "brier", "recall", "precision", "f1", "average-precision")


def measured(answer: dict[str, Any]) -> dict[str, float]:
    (one,) = answer["record"]["models"]
    return {item["metric"]: item["value"] for item in one["comparison"]["metrics"]}


def test_the_positive_class_is_named_everywhere_and_changing_it_fits_nothing(gated: Consumer) -> None:
    """Given labels 0 and 1, when the spec names 0, then the same fit is measured from the other side."""
    gated.git("remote", "remove", "origin")
    edit(gated, MODEL, EVALUATE, EVALUATE.replace("[auc, accuracy, log-loss, brier]", f"[{', '.join(ABOUT_A_CLASS)}]"))
    before = gated.answer("gate")
    (one,) = before["record"]["models"]
    assert one["comparison"]["positive"] == {"label": 1, "named": False}
    assert "The positive class is 1, the label that sorts last." in gated.ok("gate")
    assert "positive-unnamed" not in {found["id"] for found in before["diagnostics"]}

    edit(gated, MODEL, "  target: malignant\n", "  target: malignant\n  positive: 0\n")
    after = gated.answer("gate")
    (other,) = after["record"]["models"]
    assert other["comparison"]["positive"] == {"label": 0, "named": True}
    assert after["record"]["fits"] == 0
    assert other["comparison"]["key"] != one["comparison"]["key"]
    assert other["comparison"]["run"] == one["comparison"]["run"]
    assert "The positive class is 0." in gated.ok("gate")
    mine, theirs = measured(after), measured(before)
    assert [round(mine[name] - theirs[name], 9) for name in ("auc", "brier")] == [0, 0]
    assert all(mine[name] != theirs[name] for name in ("recall", "precision", "f1", "average-precision"))


def test_a_positive_class_that_there_is_not_stops_the_gate_before_a_fit(gated: Consumer) -> None:
    edit(gated, MODEL, "  target: malignant\n", '  target: malignant\n  positive: "1"\n')
    for verb in ("train", "gate"):
        done = gated.run(verb)
        assert done.returncode == 2  # the dataset declares the labels: the spec alone is wrong
        said = done.stdout + done.stderr
        assert "error[positive-unknown]" in said
        assert "write it as the data have it: `positive: 1`" in said


def test_labels_that_do_not_say_it_are_a_warning(gated: Consumer) -> None:
    path = gated.root / "data/patients.csv"
    header, *rows = path.read_text().splitlines()
    at = header.split(",").index("malignant")
    parts = [row.split(",") for row in rows]
    for row in parts:
        row[at] = {"0": "good", "1": "bad"}[row[at]]
    path.write_text("\n".join([header, *map(",".join, parts)]) + "\n")
    spec = gated.root / "data/patients.yaml"
    lines = [line for line in spec.read_text().splitlines() if not line.strip().startswith("malignant:")]
    spec.write_text("\n".join(lines) + "\n")
    answer = gated.answer("train")
    (found,) = [one for one in answer["diagnostics"] if one["id"] == "positive-unnamed"]
    assert (found["severity"], "about 'good', because it sorts last" in found["message"]) == ("warning", True)
    edit(gated, MODEL, "  target: malignant\n", "  target: malignant\n  positive: bad\n")
    again = gated.answer("train")
    assert "positive-unnamed" not in {one["id"] for one in again["diagnostics"]}
    assert again["record"]["models"][0]["fitted"] is False
    edit(gated, MODEL, "  positive: bad\n", "  positive: bed\n")
    (unknown,) = gated.answer("train", code=1)["diagnostics"]
    assert (unknown["id"], unknown["help"]) == ("positive-unknown", "did you mean 'bad'?")


def test_the_base_branch_says_which_class_a_requirement_is_about(gated: Consumer) -> None:
    """Given a gate on main, when a change turns the positive class around, then main's class counts and that is said."""
    edit(gated, MODEL, "  target: malignant\n", "  target: malignant\n  positive: 0\n")
    answer = gated.answer("gate")
    (one,) = answer["record"]["models"]
    assert one["comparison"]["positive"] == {"label": 1, "named": False}
    (found,) = [item for item in answer["diagnostics"] if item["id"] == "gate-changed"]
    assert ": positive;" in found["message"]
