"""The model card: what a stranger must know of a release before using it, and what nobody knows is said to be unknown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from mlops_ci.core.records.base import EventRef, FileDigest, Provenance
from mlops_ci.core.records.comparison import MetricValue
from mlops_ci.core.records.events import DataRef, GateEvidence, Release
from mlops_ci.core.records.training_run import ModelFormat, Split, TrainingRun
from mlops_ci.reports.model_card import MODEL_CARD_MAX_BYTES, CardNotes, render_model_card
from mlops_ci.spec.spec_types import Requirement
from tests.support.hostile import ANY, TEXTS, faults, structure
from tests.support.report_samples import DIGEST, JOB, judged, requirement, training_run

MAKER = Provenance(
    "ada",
    "0.1.0",
    "ada/flights/.github/workflows/release.yml@refs/heads/main",
    "https://github.com/ada/flights/actions/runs/9",
)


def release(text: str | None = None, **given_: Any) -> Release:
    """A release; with a text, one that has it wherever a hostile record could."""
    name = text or "delay"
    metrics = (MetricValue("auc", 0.71, 0.69, 0.73, None, 2000),)
    found = GateEvidence(DIGEST, "pass", text or "auc 0.710 on 2,000 holdout rows", DIGEST, DIGEST, 2000, text or "1.0.0", metrics, (requirement("pass", Requirement(text or "auc", min=0.65)),), 0.95)  # fmt: skip
    values: dict[str, Any] = {
        "model": name,
        "version": text or "1.1.0",
        "commit": text or "d" * 40,
        "spec_path": text or "models/delay.yaml",
        "spec_digest": DIGEST,
        "interface_digest": DIGEST,
        "seed": 7,
        "code": (),
        "data": (DataRef(text or "flights", DIGEST, 10_000, DIGEST, DIGEST),),
        "environment_digest": DIGEST,
        "model_digest": DIGEST,
        "model_format": ModelFormat("skops", "model.skops"),
        "model_files": (FileDigest("model.skops", DIGEST, 1234),),
        "trusted": (text or "sklearn.tree._tree.Tree",),
        "run_key": text or "0" * 16,
        "run_ref": text or f"refs/mlops/runs/delay/{DIGEST}",
        "run_oid": text or "c" * 40,
        "evidence": found,
        "project": name,
        "trust": "separated",
        "made_by": Provenance(text, text, text, text) if text else MAKER,
        "made_on": text or "2026-01-01T00:00:00+00:00",
        "reason": text,
        "previous": EventRef(text or "delay@v1.0.0", "b" * 40),
    }
    return Release(**{**values, **given_})


def section(card_: str, heading: str) -> str:
    return card_.partition(f"## {heading}\n\n")[2].partition("\n## ")[0]


def test_it_has_the_headings_of_model_cards_and_says_what_is_not_known() -> None:
    shown = render_model_card(release())
    assert re.findall(r"^##? (.*)", shown, re.MULTILINE) == [
        "delay v1.1.0",
        "Model details",
        "Intended use",
        "Training data",
        "Evaluation data",
        "Metrics",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats",
        "Fetch, verify and reproduce",
        "Provenance",
    ]
    assert section(shown, "Ethical considerations").strip() == "_Not recorded._"
    assert "The intended task is not recorded." in section(shown, "Intended use")
    assert "| license | not recorded |" in shown
    assert "| owner | not recorded |" in shown


def test_a_stranger_learns_what_it_is_and_on_which_evidence() -> None:
    judgement = judged(slices={"carrier=AA": (0.60, 0.72)}).comparison
    shown = render_model_card(
        release(),
        run=training_run(),
        comparison=judgement,
        notes=CardNotes("Whether a flight will be late.", "ml-team"),
        job=JOB,
    )
    details = section(shown, "Model details")
    assert details.startswith("Whether a flight will be late.\n")
    assert "| algorithm | sklearn.linear_model.LogisticRegression(), seed 7 |" in details
    assert "| inputs | 1 column: hour (integer) |" in details
    assert "| output | late (integer), one of 0, 1 |" in details
    assert "| owner | ml-team |" in details
    assert f"| flights | 10,000 | sha256:{DIGEST} |" in section(shown, "Training data")
    assert "1,000 rows for training, 200 in the holdout; split by hash." in section(shown, "Training data")
    assert "2,000 holdout rows (not used for training), against v1.0.0." in section(shown, "Evaluation data")
    assert "| auc | 0.710 | [0.690, 0.730] | 2,000 |" in section(shown, "Metrics")
    assert "| ✅ pass | auc: at least 0.65 | 0.710 [0.690, 0.730] |" in section(shown, "Quantitative analyses")
    assert "| carrier=AA | 0.600 | 0.720 | -0.1200 |" in shown
    assert "in which none of its code ran (`separated`)" in section(shown, "Caveats")
    assert "<details><summary>environment</summary>" in shown


def test_it_says_how_to_get_load_verify_and_make_it_again() -> None:
    notes = CardNotes(loading_code=("a.b", "a.b.load('DIR/model.skops')"))
    how = section(render_model_card(release(), notes=notes, job=JOB), "Fetch, verify and reproduce")
    for command in (
        "git clone https://github.com/owner/name && cd name\n",
        "mlops-ci fetch delay@1.1.0 DIR",
        "mlops-ci audit delay",
        "mlops-ci reproduce delay@1.1.0",
        "git fetch origin refs/mlops/releases/delay/v1.1.0 && git archive FETCH_HEAD model | tar x",
        "import a.b\n\nmodel = a.b.load('DIR/model.skops')\n",
    ):
        assert command in how
    assert f"| model.skops | 1,234 | {DIGEST} |" in how


def test_it_links_the_commit_and_the_run_that_made_it() -> None:
    made = section(render_model_card(release(), job=JOB), "Provenance")
    assert f"[dddddddddd](https://github.com/owner/name/commit/{'d' * 40})" in made
    assert "[this run](https://github.com/ada/flights/actions/runs/9)" in made
    assert "| made by | mlops-ci 0.1.0, for ada |" in made


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        ("local", "on a local machine, outside CI"),
        ("single-job", "which could have changed the result"),
        ("separated", "in a separate CI job"),
    ],
)
def test_it_says_how_far_the_verdict_can_be_trusted(trust: str, said: str) -> None:
    assert said in section(render_model_card(release(trust=trust)), "Caveats")


def test_a_model_judged_as_a_whole_is_said_to_be() -> None:
    assert "metrics for slices of the rows are not recorded" in render_model_card(
        release(), comparison=judged().comparison
    )
    sliced = judged(slices={"carrier=AA": (0.6, 0.7)}).comparison
    assert "metrics for slices of the rows" not in render_model_card(release(), comparison=sliced)


def _hostile(text: str) -> str:
    run: TrainingRun = replace(
        training_run(text),
        estimator=text,
        params={text: text},
        split=Split(text, 1, 0.2, 1000, DIGEST, 200, DIGEST, text, text),
        environment=replace(training_run().environment, packages={text: text}),
    )
    run = replace(run, signature=replace(run.signature, output=replace(run.signature.output, name=text)))
    judgement = judged(slices={text or "x": (0.6, 0.7)}, text=text).comparison
    job = replace(JOB, server_url=text, repository=text)
    return render_model_card(release(text or None), run=run, comparison=judgement, notes=CardNotes(text, text), job=job)


PLAIN = structure(_hostile('"plain" text'))


@pytest.mark.parametrize("text", [text for text in TEXTS if len(text.split()) > 1 and len(text) < 100])
def test_no_text_of_a_spec_or_a_record_changes_what_the_page_is_made_of(text: str) -> None:
    assert faults(_hostile(text), PLAIN, text) == set()


@given(ANY)
def test_any_text_is_but_a_text(text: str) -> None:
    page = _hostile(text)
    page.encode()
    assert faults(page, structure(page), text) <= {"not shown"}
    assert len(page.encode()) <= MODEL_CARD_MAX_BYTES


def test_a_huge_card_is_cut_in_whole_parts() -> None:
    files = tuple(FileDigest(f"{'x' * 200}/{at}", DIGEST, 1) for at in range(1000))
    metrics = tuple(MetricValue("m" * 3000, 0.5, 0.4, 0.6, None, 1) for _ in range(1000))
    huge = release(model_files=files)
    huge = replace(huge, evidence=replace(huge.evidence, metrics=metrics))
    shown = render_model_card(huge, notes=CardNotes("d" * 100_000), limit=20_000)
    assert len(shown.encode()) <= 20_000
    assert shown.startswith("# delay v1.1.0\n")
    assert shown.count("<details>") == shown.count("</details>")
    assert "_Some parts are omitted" in shown
