"""What a change touches, for people: the models with their first reasons, and what no model learns from."""

from __future__ import annotations

from mlops_ci.core.results.impact import AffectedItem, AffectedReport
from mlops_ci.reports.impact import MAX_LISTED_MODELS, impact_lines, impact_markdown

SINCE = "main (0123456789)"


def report(
    *models: AffectedItem, datasets: tuple[str, ...] = (), removed: tuple[str, ...] = (), of: int = 5
) -> AffectedReport:
    touched = tuple(AffectedItem(name, ("its spec",)) for name in datasets)
    return AffectedReport(models, touched, removed, of, SINCE)


def lines(one: AffectedReport) -> list[str]:
    return "\n".join(impact_lines(one)).splitlines()


def test_nothing_touched_is_one_line() -> None:
    assert lines(report(of=1)) == ["0 of 1 model affected since main (0123456789)"]


def test_each_model_has_its_first_three_reasons_and_the_number_of_the_others() -> None:
    one = AffectedItem("delay", ("its spec", "a.py", "b.py", "c.py", "d.py"))
    assert lines(report(one, AffectedItem("late", ("its spec",)))) == [
        "2 of 5 models affected since main (0123456789)",
        "  model  affected by",
        "  delay  its spec; a.py; b.py; 2 more",
        "  late   its spec",
    ]


def test_of_many_models_the_first_hundred_are_listed() -> None:
    many = tuple(AffectedItem(f"m{number}", ("its spec",)) for number in range(MAX_LISTED_MODELS + 1150))
    shown = lines(report(*many, of=5000))
    assert shown[0] == "1,250 of 5,000 models affected since main (0123456789)"
    assert len(shown) == 2 + MAX_LISTED_MODELS + 1
    assert shown[-1].split() == ["...", "and", "1,150", "more"]


def test_where_nothing_was_compared_the_reason_stands_in_for_the_list() -> None:
    models = (AffectedItem("delay", ("everything",)),)
    every = AffectedReport(models, (), (), 1, because="there is no commit yet")
    assert lines(every) == ["1 of 1 model: there is no commit yet"]
    assert impact_markdown(every) == "### 1 of 1 model: there is no commit yet\n"


def test_a_dataset_is_named_where_no_model_is_touched_by_it() -> None:
    by_rows = AffectedItem("delay", ("dataset flights: data/1.csv",))
    one = report(by_rows, datasets=("flights", "weather"), removed=("Model old",))
    assert lines(one)[-2:] == ["  and 1 dataset that no model uses: weather", "removed: Model old"]
    assert impact_markdown(one).split("\n\n")[-2:] == [
        "And 1 dataset that no model uses: weather.",
        "Removed: Model old.\n",
    ]


def test_where_every_model_is_touched_no_dataset_is_called_unused() -> None:
    assert "no model uses" not in "".join(lines(report(AffectedItem("a", ("x",)), datasets=("weather",), of=1)))
