"""What a pull request is told: the verdict first, all that a reviewer needs, and nothing that somebody's text could change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from mlops_ci.core.diagnostics import Diagnostic, Location, Severity
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.comparison import HoldoutQuestion, MetricValue, Verdict
from mlops_ci.core.records.training_run import CheckResult
from mlops_ci.core.requirements import Reason
from mlops_ci.core.results.gate import GatedModel, GateReport
from mlops_ci.reports import charts
from mlops_ci.reports.pull_request import COMMENT_MAX_BYTES, render_comment
from mlops_ci.spec.spec_types import Requirement
from tests.support.hostile import ANY, HARMLESS, TEXTS, faults, structure
from tests.support.report_samples import DIGEST, JOB, check, comparison, judged, requirement, snapshot, training_run

DROPPED = requirement(
    "fail",
    Requirement("auc", against="champion", test="no-regression", margin=0.01, slices=("carrier",)),
    Reason("regression-shown", tests=3, skipped=0),
    candidate=0.60,
    baseline=0.72,
    difference=-0.12,
    lower=-0.2,
    upper=-0.04,
    p_value=0.0004,
    slice="carrier=AA",
)
NO_WORSE = requirement(
    "pass",
    Requirement("auc", against="champion", test="non-inferiority", margin=0.02),
    Reason("margin-kept"),
    baseline=0.70,
    difference=0.01,
    lower=-0.005,
    upper=0.025,
    p_value=0.001,
)


def told(*models: GatedModel, verdict: Verdict = "pass", found: Sequence[Diagnostic] = (), **given: Any) -> str:
    return render_comment(GateReport(verdict, models, 1), found, **{"job": JOB, "trust": "separated", **given})


def test_a_refusal_begins_with_what_to_mend_and_has_the_numbers() -> None:
    failing = judged(
        "fail", slices={"carrier=AA": (0.60, 0.72), "carrier=UA": (0.69, 0.64)}, requirements=(NO_WORSE, DROPPED)
    )
    lines = told(failing, verdict="fail").splitlines()
    assert lines[:3] == [
        "## ❌ mlops-ci gate: fail",
        "",
        (
            "**Do not merge yet: delay does not meet the requirement “auc: no regression against the champion by more than 0.01, by carrier"
            " (carrier=AA)”: in carrier=AA 0.600 against 0.720, 0.120 worse (p = 0.0004: a model that is no worse in any slice"
            " would give a result at least this bad in 4 of 10,000 holdouts, adjusted for 3 tests).**"
        ),
    ]
    table = [line for line in lines if line.startswith(("| ❌", "| ✅"))]
    assert table == [
        (
            "| ❌ fail | auc: no regression against the champion by more than 0.01, by carrier (carrier=AA) | 0.600 | 0.720 |"
            " -0.1200 [-0.200, -0.04] | ━━━━█━━━━─┃────────── | 0.0004 |"
        ),
        (
            "| ✅ pass | auc: not worse than the champion by more than 0.02 | 0.710 | 0.700 | +0.0100 [-0.005, 0.025] |"
            " ──────────┃──━━━━█━━━ | 0.001 |"
        ),
    ]
    slices = [line for line in lines if line.startswith("| carrier")]
    assert slices == [
        "| carrier=AA | 0.600 | 0.720 | -0.1200 | ◀◀◀◀◀◀◀◀◀◀ | 300 |",
        "| carrier=UA | 0.690 | 0.640 | +0.0500 | ▶▶▶▶ | 300 |",
    ]


def test_a_pass_says_what_comes_next_and_folds_the_numbers_away() -> None:
    shown = told(judged())
    assert (
        "**delay meets every requirement (auc 0.710 on 2,000 holdout rows): after the merge, mlops-ci release" in shown
    )
    assert "<details><summary>1 requirement of <code>delay</code></summary>\n\n| verdict |" in shown


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (
            judged("inconclusive", requirements=(requirement("inconclusive", labels_needed=1200),)),
            (
                "Not decided: delay may or may not meet the requirement “auc: at least 0.65”: 0.660, between 0.640 and 0.680: the limit 0.650 is inside this interval."
                " About 1,200 more labelled rows are needed to decide this."
            ),
        ),
        (
            judged("incomparable", text="the champion cannot be measured"),
            (
                "Not decided: delay cannot be compared with its champion (the champion cannot be measured)."
                " Fix the cause, or accept it with a reason (acceptIncomparable)."
            ),
        ),
        (
            GatedModel("delay", "fail", "2 checks of 'flights' failed", snapshot(check(False))),
            "Do not merge yet: delay was stopped: 2 checks of 'flights' failed.",
        ),
    ],
)  # fmt: skip
def test_every_verdict_says_what_to_do(one: GatedModel, wanted: str) -> None:
    assert f"\n\n**{wanted}**\n\n" in told(one, verdict=one.verdict)


def test_what_could_not_be_answered_is_said_with_what_was_found() -> None:
    found = Diagnostic("spec-value", "unknown field", Location("models/delay.yaml", 3, 1), "delete it")
    shown = render_comment(None, [found], job=JOB, trust="separated")
    assert shown.startswith("## ❌ mlops-ci gate: no result\n\n**The gate has no result")
    assert "- ❌ `spec-value` (`models/delay.yaml:3:1`): unknown field → delete it" in shown


def test_failing_models_come_first_and_a_chart_shows_how_far_each_one_came() -> None:
    stopped = GatedModel("stopped", "fail", "2 checks of 'flights' failed", snapshot(check(False)))
    shown = told(judged(model="fine"), stopped, verdict="fail")
    assert shown.index("| ❌ fail | stopped") < shown.index("| ✅ pass | fine")
    assert shown.index("### ❌ stopped") < shown.index("### ✅ fine")
    assert '  m0["stopped"] --> m0d["1,200 rows, 1 check failed"] --> m0v(["fail"]):::fail' in shown
    assert '  m1["fine"] --> m1d["1,200 rows, checks passed"] --> m1t["fitted in 2.345 s"] -->' in shown


def test_data_costs_and_questions_are_told() -> None:
    one = judged("fail")
    assert one.comparison is not None
    assert one.comparison.champion is not None
    costs = (MetricValue("latency-p50-ms", 1.5),)
    champion = replace(one.comparison.champion, metrics=(MetricValue("latency-p50-ms", 1.2),))
    answer = replace(
        one.comparison, metrics=costs, champion=champion, holdout_question=HoldoutQuestion("flights", 1, 20, 7)
    )
    shown = told(replace(one, comparison=answer, snapshot=snapshot(check(True), check(False))), verdict="fail")
    assert "Data `flights`: 1,200 rows, 1 of 2 checks passed." in shown
    assert "| hour | nulls | at most 0 | 3 missing | error |" in shown
    assert "latency-p50-ms 1.500 (champion 1.200)" in shown
    assert "13 of 20 evaluations on the holdout of flights, epoch 1, are left" in shown
    assert "fitted in 2.3 s; the packaged model has a size of 0.12 MB" in shown


def test_it_is_said_by_whose_rules_and_how_far_it_can_be_trusted() -> None:
    one = judged()
    assert one.comparison is not None
    one = replace(one, comparison=replace(one.comparison, rules_source="main (0123456789)"))
    warning = Diagnostic("gate-changed", "this change has other rules", severity="warning")
    shown = told(one, found=[warning])
    assert "Rules: those of main (0123456789), because this change modifies them." in shown
    assert "- ⚠️ `gate-changed`: this change has other rules" in shown
    assert "(`separated`)" in shown
    assert "(`single-job`)" in told(one, trust="single-job")
    assert "> [!WARNING]" not in shown


def test_a_fork_s_answer_is_called_untrusted_and_claims_nothing() -> None:
    shown = told(judged(), untrusted=True, job=replace(JOB, fork=True))
    assert "> **This is the result of an untrusted run of a fork.**" in shown
    assert "(`separated`)" not in shown
    assert "git fetch origin refs/mlops" not in shown  # nothing of it was kept


def test_the_commands_make_it_again() -> None:
    shown = told(judged(model="fine"), judged(model="other"))
    assert (
        "```sh\ngit fetch origin pull/12/head\n"
        f"git switch --detach {'d' * 40}\nmlops-ci gate fine other\n"
        f"git fetch origin refs/mlops/runs/fine/{DIGEST} && git show FETCH_HEAD:report.md\n"
    ) in shown
    assert "[the run](https://github.com/owner/name/actions/runs/17)" in shown


def test_models_with_code_of_their_own_are_counted() -> None:
    one = replace(judged(), run=training_run(code=(FileDigest("models/train.py", DIGEST, 1),)))
    assert "1 model ran code of this change." in told(one)


# ---- hostile texts


def _untested(text: str) -> Reason:
    return Reason("slices-untested", tests=1, skipped=1, untested=(text,), untested_whole=True)


def _gap(text: str) -> Reason:
    return Reason("interval-clear", rate="selection", highest_group=text, lowest_group=text, skipped=1)


def _hostile(text: str) -> tuple[GateReport, list[Diagnostic]]:
    """A report that has a text wherever somebody else's can be, in a model that fails and in one that passes."""
    verdicts: tuple[Verdict, ...] = ("fail", "pass")
    wanted = Requirement(text, against="champion", test="no-regression", slices=(text,))
    asked = (
        requirement("fail", wanted, Reason("regression-shown", tests=1, skipped=0), slice=text),
        requirement("pass", Requirement(text, min=0.65, by=text)),
        requirement("inconclusive", wanted, Reason("incomparable", why=text, accepted=text)),
        requirement("inconclusive", wanted, Reason("baseline-zero", baseline=text)),
        requirement("inconclusive", wanted, _untested(text)),
        requirement("pass", reason=_gap(text), lower=0.69, upper=0.73),
    )
    slices = {text or "x": (0.6, 0.7)}
    seen = snapshot(CheckResult(text, text, text, False, column=text))
    seen = replace(seen, dataset=text)
    models = []
    for verdict in verdicts:
        one = judged(verdict, f"{text}{verdict}", slices=slices, requirements=asked, text=text)
        assert one.comparison is not None
        assert one.comparison.champion is not None
        answer = replace(
            one.comparison,
            requirements=(replace(asked[0], requirement=NO_WORSE.requirement), *asked),
            champion=replace(one.comparison.champion, version=text),
            holdout_question=HoldoutQuestion(text, 1, 20, 7),
            rules_source=text or None,
        )
        run = replace(training_run(text), code=(FileDigest("a.py", DIGEST, 1),))
        models.append(replace(one, snapshot=seen, run=run, comparison=answer, ref=text))
    severities: tuple[Severity, ...] = ("error", "warning", "note")
    found = [Diagnostic(text, text, Location(text, 1, 1, 1, text), text, one) for one in severities]
    return GateReport("fail", tuple(models), 2), found


def _page(text: str, *, untrusted: bool = False) -> str:
    report, found = _hostile(text)
    job = replace(JOB, workflow=text, base=text, commit=text, run_url=text, server_url=text, repository=text, fork=True)
    return render_comment(report, found, job=job, trust="single-job", untrusted=untrusted)


PLAIN = structure(_page("harmless"))


@pytest.mark.parametrize("text", [text for text in TEXTS if text])
def test_no_text_changes_what_the_page_is_made_of_or_does_anything(text: str) -> None:
    assert faults(_page(text), PLAIN, text) == set()


@given(ANY)
def test_any_text_is_but_a_text(text: str) -> None:
    page = _page(text, untrusted=True)
    page.encode()
    assert faults(page, structure(page), text) == set()
    assert structure(page).count("<details>") == structure(page).count("</details>") > 0
    assert len(page.encode()) <= COMMENT_MAX_BYTES


def _naive(text: str) -> str:
    """The same page as somebody would write it who thinks no evil."""
    return (
        f"## gate: fail\n\n{text}\n\n**{text} fails**\n\n| model | rule |\n| --- | --- |\n| {text} | {text} |\n\n"
        f'<details><summary>slices</summary>\n\n- {text}\n\n</details>\n\n```mermaid\nflowchart LR\n  a["{text}"]\n```\n'
    )


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in HARMLESS])
def test_without_that_care_these_texts_break_a_page(text: str) -> None:
    """So that the tests above can fail."""
    assert faults(_naive(text), structure(_naive("harmless")), text)


def test_a_marker_in_a_text_is_no_marker() -> None:
    marker = "<!-- mlops-ci: gate/gate -->"
    for text in (marker, f"`{marker}`", f"@a{marker}", f"https://{marker}"):
        assert marker in _naive(text)
        assert "<!" not in _page(text)


@given(ANY)
def test_a_chart_s_label_is_letters_and_harmless_signs(text: str) -> None:
    label = charts.chart_label(text)
    assert re.fullmatch(r"[\w .=+·-]{0,40}", label)
    assert "--" not in label


# ---- sizes


def _many(count: int, name: str = "model") -> tuple[GatedModel, ...]:
    return tuple(
        judged("fail" if at % 50 == 7 else "pass", f"{name}-{at}", requirements=(NO_WORSE,)) for at in range(count)
    )


def test_200_models_fit_and_the_failing_ones_stay() -> None:
    shown = told(*_many(200), verdict="fail")
    assert len(shown.encode()) <= COMMENT_MAX_BYTES
    assert [line for line in shown.splitlines() if line.startswith("### ❌")] == [
        f"### ❌ model-{at}: fail" for at in (7, 57, 107, 157)
    ]
    assert "the rest is in [the job summary](https://github.com/owner/name/actions/runs/17)._" in shown
    _whole(shown)


def _whole(shown: str) -> None:
    """No part of it was cut in two: each fence, table and folded part ends."""
    assert shown.count("<details>") == shown.count("</details>")
    assert shown.count("```") % 2 == 0
    for table in re.findall(r"(?:^\|.*\n)+", shown, re.MULTILINE):
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


def test_1000_slices_show_those_that_moved_most_worst_first() -> None:
    slices = {f"carrier={at}": (0.70 + (at - 500) / 10_000, 0.70) for at in range(1000)}
    shown = told(judged("fail", slices=slices), verdict="fail")
    rows = re.findall(r"^\| carrier=(\d+) ", shown, re.MULTILINE)
    assert rows == ["0", "1", "2", "3", "4", "997", "998", "999"]
    assert "the largest differences of 1,000 slices" in shown


@pytest.mark.parametrize("name", ["n" * 50_000, "| `" * 20_000, "\U0001f4a5" * 20_000, "&" * 50_000])
def test_huge_names_fit_and_what_needs_attention_stays(name: str) -> None:
    report, found = _hostile(name)
    shown = render_comment(report, found * 30, job=JOB, trust="separated")
    assert len(shown.encode()) <= COMMENT_MAX_BYTES
    assert shown.startswith("## ❌ mlops-ci gate: fail\n\n**Do not merge yet: ")
    assert "### ❌" in shown
    _whole(shown)


def test_what_is_left_out_goes_by_importance() -> None:
    """Given less and less room, then details of passing models go first, and the verdict is never lost."""
    slices = {f"carrier={at}": (0.6, 0.7) for at in range(8)}
    models = (judged("fail", "bad", slices=slices), judged("pass", "good", slices=slices))
    parts = (
        "slices that differ",
        "data and cost",
        "1 requirement of",
        "### ✅ good",
        "mermaid",
        "carrier=3 |",
        "### ❌ bad",
        "**Do not",
    )
    found = [
        tuple(part in told(*models, verdict="fail", limit=limit) for part in parts)
        for limit in range(8_000, 1_900, -200)
    ]
    gone = list(dict.fromkeys(row.index(True) for row in found))
    assert gone == sorted(gone)
    assert gone[0] == 0
    assert found[-1][-1]
    for row in found:  # nothing comes back
        assert not [at for at, there in enumerate(row) if not there and any(row[:at])]


# ---- drawings


def test_slices_of_a_metric_that_has_no_good_direction_are_left_out() -> None:
    odd = (MetricValue("quantile-coverage", 0.5, 0.4, 0.6, "carrier=AA", 300),)
    one = judged("fail")
    assert one.comparison is not None
    assert one.comparison.champion is not None
    answer = replace(one.comparison, metrics=odd, champion=replace(one.comparison.champion, metrics=odd))
    assert "by slice" not in told(replace(one, comparison=answer), verdict="fail")


def test_a_model_without_a_champion_has_no_slices_that_moved() -> None:
    one = replace(judged("fail"), comparison=comparison(metrics=(MetricValue("auc", 0.6, 0.5, 0.7, "carrier=AA", 9),)))
    assert "by slice" not in told(one, verdict="fail")
    assert "carrier=AA" not in told(one, verdict="fail")
