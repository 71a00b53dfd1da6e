"""`validate` as a step: what it read, what is wrong, and the exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_ci.commands.validate import validate
from mlops_ci.core.errors import Exit
from mlops_ci.core.records.events import Provenance
from mlops_ci.core.results.gate import ValidateReport
from mlops_ci.repository.context import Context
from tests.support.examples import cases, lay_out


def context(root: Path) -> Context:
    return Context(
        root=root,
        start_folder=root,
        repo=None,
        scratch=root,
        cache=None,
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        provenance=Provenance("ada", "test"),
        offline=False,
        progress=lambda _: None,
    )


def case(name: str, folder: Path) -> Path:
    (found,) = [case for kind in ("valid", "invalid") for case in cases(kind) if case.stem.partition("-")[2] == name]
    return lay_out(found, folder / "repo")


def test_valid_specs_are_counted_by_kind_and_listed_by_file(tmp_path: Path) -> None:
    outcome = validate(context(case("several-documents", tmp_path)))
    assert outcome.record == ValidateReport(
        ("demo.yaml", "flights.yaml", "mlops.yaml", "spec.yaml"),
        {"Project": 1, "Dataset": 1, "Model": 2, "Deployment": 2},
    )
    assert outcome.record.specs == 6
    assert outcome.final_exit_code == Exit.OK
    assert outcome.plan.writes == ()


@pytest.mark.parametrize(
    ("name", "id", "code"),
    [
        ("metric-unknown", "gate-metric-unknown", Exit.USAGE),
        ("project-missing", "project-not-found", Exit.USAGE),
        ("no-floor", "gate-no-floor", Exit.OK),
    ],
)
def test_an_error_is_one_of_usage_and_a_warning_is_none(name: str, id: str, code: Exit, tmp_path: Path) -> None:
    outcome = validate(context(case(name, tmp_path)))
    assert [item.id for item in outcome.diagnostics] == [id]
    assert outcome.final_exit_code == code
