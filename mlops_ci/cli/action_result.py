"""Writes the result of a command for GitHub's runner: outputs, a part of the job summary, and a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_ci.core.digest import digest_file
from mlops_ci.core.errors import Exit
from mlops_ci.integrations.github.action_outputs import action_outputs
from mlops_ci.integrations.github.runner_files import SUMMARY_LIMIT, write_outputs, write_summary
from mlops_ci.reports.markdown import render_markdown


def write_action_result(environ: Mapping[str, str], verb: str, answer: str, code: Exit, record: Any = None) -> None:
    """Write the step's outputs: `exit-code`, `record` (a file with the result), `record-digest`, and the verb's own outputs.

    `answer` is the command's result as JSON; `record` is None when the command failed without a result.
    """
    outputs = {"exit-code": str(int(code)), **action_outputs(record)}
    if folder := environ.get("RUNNER_TEMP"):
        file = Path(folder) / "mlops-ci" / f"{verb}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{answer}\n", encoding="utf-8")
        outputs |= {"record": str(file), "record-digest": digest_file(file)}
    write_outputs(environ, outputs)
    write_summary(environ, render_markdown(record, SUMMARY_LIMIT) if record is not None else "")
