"""The example specs: what each case is made of, and what it prints."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlops_ci.reports.findings import render_findings
from mlops_ci.spec.load import load_specs

EXAMPLES = Path(__file__).parents[1] / "examples"


def cases(kind: str) -> list[Path]:
    """All cases of a kind (`valid`, `invalid`): a folder is a repository, a file is a spec put into `examples/project`."""
    return sorted(path for path in (EXAMPLES / kind).iterdir() if path.suffix != ".txt")


def lay_out(case: Path, folder: Path) -> Path:
    """Write the case's repository to a folder."""
    if case.is_dir():
        shutil.copytree(case, folder)
    else:
        shutil.copytree(EXAMPLES / "project", folder)
        shutil.copy(case, folder / "spec.yaml")
    for path in sorted(folder.rglob("dot-*"), reverse=True):  # git would not keep them under their own names
        path.rename(path.with_name(f".{path.name.removeprefix('dot-')}"))
    return folder


def printed(case: Path, folder: Path) -> str:
    """Return what `validate` prints about the case, laid out in the folder."""
    _, diagnostics = load_specs(lay_out(case, folder))
    return render_findings(diagnostics, "text") + "\n"


def expected(case: Path) -> Path:
    """The file of the exact text that the case must print, beside it."""
    return case.with_name(case.name.removesuffix(".yaml") + ".txt")
