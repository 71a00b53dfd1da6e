"""The lines that `fetch` prints run where nothing but the fetched requirements is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlops_ci.training.prediction_columns import LABEL_COLUMN
from tests.support.consumer import Consumer, edit

SPEC = "models/diagnosis.yaml"
OWN = """from sklearn.naive_bayes import GaussianNB


class Bayes(GaussianNB):
    pass


def build():
    return Bayes()
"""


def fetched_lines(consumer: Consumer, folder: Path) -> list[str]:
    """Release what the spec describes, fetch it, and give the lines that load it."""
    consumer.ok("gate")
    consumer.ok("release")
    lines: list[str] = consumer.answer("fetch", "diagnosis", str(folder))["record"]["lines"]
    return lines


def make_environment(folder: Path, requirements: Path) -> Path:
    """Make a virtual environment with the requirements and nothing else, and give its Python."""
    python = folder / "bin" / "python"
    if uv := shutil.which("uv"):  # which takes a tenth of pip's time
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-compile"]
    subprocess.run([*install, "-r", str(requirements)], check=True)
    return python


@pytest.mark.slow
def test_three_lines_load_the_model_where_only_its_requirements_are_installed(gated: Consumer, tmp_path: Path) -> None:
    library = fetched_lines(gated, tmp_path / "library")
    (gated.root / "models" / "own.py").write_text(OWN)
    edit(
        gated,
        SPEC,
        "estimator: sklearn.linear_model.LogisticRegression\n    params: {max_iter: 1000}",
        "entrypoint: models/own.py:build\n    trusted: [own.Bayes]",
    )
    gated.commit()
    gated.git("push", "--quiet")
    own = fetched_lines(gated, tmp_path / "own")
    requirements = tmp_path / "library" / "requirements.txt"
    assert requirements.read_text() == (tmp_path / "own" / "requirements.txt").read_text()
    python = make_environment(tmp_path / "fresh", requirements)
    assert (
        subprocess.run([python, "-c", "import mlops_ci"], cwd=tmp_path, capture_output=True, check=False).returncode
        == 1
    )
    for lines, folder in ((library, "library"), (own, "own")):
        assert len(lines) == 3
        program = "\n".join(lines).replace("print(", "print(*", 1)
        done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        golden = pq.read_table(tmp_path / folder / "golden-predictions.parquet")
        assert np.array(done.stdout.split(), dtype=int).tolist() == golden[LABEL_COLUMN].to_pylist()
