"""Libraries are imported faster, and are the same libraries."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

from mlops_ci.training.library_imports import LIBRARIES, import_libraries

LOOK = """
import gc, inspect, json, sys
from mlops_ci.training.library_imports import import_libraries
import_libraries(("no.such.module", "broken_module", "scipy.special", "scipy.stats"))
import scipy._lib._docscrape as docscrape
import scipy.special
print(json.dumps({
    "order": [name for name in sys.modules if name in ("broken_module", "scipy.special", "scipy.stats")],
    "collector": gc.isenabled(),
    "restored": docscrape.inspect is inspect,
    "value": float(scipy.special.ndtr(0.0)),
}))
"""


def test_a_missing_or_broken_module_is_left_out_and_scipy_works(tmp_path: Path) -> None:
    """Given a process without the libraries, when it imports them, then SciPy and the collector are as they always are."""
    (tmp_path / "broken_module.py").write_text("raise SystemError\n")
    command = [sys.executable, "-c", LOOK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "order": ["scipy.special", "scipy.stats"],
        "collector": True,
        "restored": True,
        "value": 0.5,
    }


def test_libraries_that_are_there_are_not_frozen_again() -> None:
    for name in LIBRARIES:
        __import__(name)
    before = gc.get_freeze_count()
    import_libraries(LIBRARIES)
    assert gc.get_freeze_count() == before


WITH_TORCH = """
import sys
from mlops_ci.training.library_imports import MODEL_FILE_LIBRARIES, import_libraries
import_libraries(MODEL_FILE_LIBRARIES)
import skops.io
from sklearn.externals.array_api_compat import is_torch_array
print("torch" in sys.modules, is_torch_array(1.0))
"""


def test_a_model_file_is_read_without_torch_and_other_array_libraries(tmp_path: Path) -> None:
    """Given array libraries that say when they are imported, when skops is imported, then none of them is."""
    for name in ("torch", "cupy", "dask", "jax"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemError('{name} was imported')\n")
    script = [sys.executable, "-c", WITH_TORCH]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False False\n", "")
