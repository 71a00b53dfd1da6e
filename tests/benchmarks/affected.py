"""What is claimed of large repositories: a change of one file among 1,000 models and 200 datasets is judged at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.ratio import Limit, Ratio, alternated, run, timed

TOOL = [str(Path(sys.executable).with_name("mlops-ci"))]  # as users start it
MODELS, DATASETS, FILES = 1_000, 200, 50
_PROJECT = "apiVersion: mlops-ci/v1\nkind: Project\nmetadata: {name: large}\nspec: {}\n"
_DATASET = """\
apiVersion: mlops-ci/v1
kind: Dataset
metadata: {{name: d{0}}}
spec:
  source: {{type: csv, path: data/d{0}/*.csv}}
  key: [id]
  columns:
    id: {{type: integer, unique: true}}
    x: {{type: number, nulls: {{max: 0.05}}}}
    z: {{type: string, values: [a, b, c]}}
    y: {{type: integer}}
"""
_MODEL = """\
apiVersion: mlops-ci/v1
kind: Model
metadata: {{name: m{0}, owner: team}}
spec:
  task: binary-classification
  dataset: d{1}
  target: y
  features: [x, z]
  train:
    {2}
  gate:
    requirements:
      - {{metric: auc, min: 0.6}}
      - {{metric: auc, against: champion, test: superiority}}
"""
# every file is read, and every document is parsed: what nobody can do without who says that specs are valid
_PARSE = """
import sys, yaml
from pathlib import Path
for path in Path(sys.argv[1]).rglob("*.yaml"):
    for event in yaml.parse(path.read_bytes(), yaml.CSafeLoader):
        pass
"""


def of_a_large_repository(rounds: int, scratch: Path) -> Iterator[Ratio]:
    """Compare `affected`, and `validate`, with a script that only parses the same YAML."""
    root = make(scratch / "large")
    whole = [*TOOL, "ci", "affected", "--base", "HEAD", "-C", str(root)]
    seconds = tuple(timed(lambda: run(whole)) for _ in range(rounds + 1))[1:]
    yield Ratio(f"{MODELS:,} models, {DATASETS} datasets: affected (seconds)", seconds, Limit(at_most=1.5))
    parse = [sys.executable, "-c", _PARSE, str(root)]
    validate = [*TOOL, "validate", "-C", str(root)]
    for name, command, limit in (("affected", whole, Limit(at_most=10)), ("validate", validate, Limit(at_most=8))):
        ratios = alternated(lambda: run(command), lambda: run(parse), rounds)  # noqa: B023 - called at once
        yield Ratio(f"{MODELS:,} models, {DATASETS} datasets: {name} / parsing the YAML alone", ratios, limit)


def make(root: Path) -> Path:
    """Write the repository, with a change of one data file that is not committed, and return its folder."""
    for folder in ("models", "data", "code"):
        (root / folder).mkdir(parents=True)
    (root / "mlops.yaml").write_text(_PROJECT)
    for number in range(DATASETS):
        (root / f"data/d{number}.yaml").write_text(_DATASET.format(number))
        (root / f"data/d{number}").mkdir()
        (root / f"data/d{number}/a.csv").write_text("id,x,z,y\n")
    for number in range(FILES):
        (root / f"code/c{number}.py").write_text("from shared import f\n\ndef build():\n    return f()\n")
    (root / "shared.py").write_text("def f():\n    return None\n")
    for number in range(MODELS):
        own = f"entrypoint: code/c{number % FILES}.py:build"
        train = "estimator: sklearn.linear_model.LogisticRegression" if number % 2 else own
        (root / f"models/m{number}.yaml").write_text(_MODEL.format(number, number % DATASETS, train))
    run(["git", "init", "--quiet", str(root)])
    run(["git", "-C", str(root), "add", "--all"])
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    run(["git", "-C", str(root), *identity, "commit", "--quiet", "-m", "start"])
    (root / "data/d7/a.csv").write_text("id,x,z,y\n1,1,a,0\n")
    return root
