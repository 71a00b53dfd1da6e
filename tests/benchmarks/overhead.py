"""What a gate costs a change beside training: the time of a whole job's commands, without that of a script that fits the same model."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.ratio import Limit, Ratio, run, timed

TOOL = [str(Path(sys.executable).with_name("mlops-ci"))]  # as users start it
# what somebody without a gate would run: the template's model, fitted on its table and written to a file, so many times
FIT = """
import sys
import pandas as pd, skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
rows = pd.read_csv(sys.argv[1]).set_index("patient_id")
for _ in range(int(sys.argv[3])):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows.drop(columns="malignant"), rows["malignant"])
    skops.io.dump(model, sys.argv[2])
"""


def of_a_gate(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Measure `affected` and `gate` on the template `minimal`, in seconds, less the script that trains alone."""
    root = scratch / "minimal"
    run([*TOOL, "init", str(root), "--template", "minimal"])
    fit = [sys.executable, "-c", FIT, str(root / "data" / "patients.csv"), str(scratch / "model.skops"), "1"]

    def gate() -> None:
        run([*TOOL, "ci", "affected", "-C", str(root)])
        run([*TOOL, "gate", "-C", str(root)])

    def beside() -> float:
        shutil.rmtree(root / ".git")
        run(["git", "init", "--quiet", str(root)])
        return timed(gate) - timed(lambda: run(fit))

    seconds = tuple(beside() for _ in range(rounds + 1))[1:]
    yield Ratio("minimal: affected and gate, less a script that trains (seconds)", seconds, Limit(at_most=5))
