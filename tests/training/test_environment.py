"""What a run's key says of its environment: cheap to know, and only what decides numbers."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata

import pytest

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.training.environment import loaded_threadpools, pip_requirements, training_environment


def test_identity_is_python_and_packages() -> None:
    found = training_environment(["statsmodels.api", "sklearn.linear_model", "json"])
    packages = found.identity["packages"]
    assert isinstance(packages, dict)
    assert found.python == platform.python_version()
    assert packages["scikit-learn"] == metadata.version("scikit-learn")
    assert packages["statsmodels"] == metadata.version("statsmodels")
    assert "json" not in packages
    assert set(training_environment().packages) < set(packages)
    assert found.cpu


def test_a_module_is_found_by_its_distribution() -> None:
    assert "PyYAML" in training_environment(["yaml"]).packages or "pyyaml" in training_environment(["yaml"]).packages


def test_a_package_that_is_not_installed_is_an_environment_problem() -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        training_environment(["no_such_package"])
    assert caught.value.diagnostics[0].id == "package-missing"


def test_requirements_pin_what_loading_needs() -> None:
    lines = pip_requirements(training_environment(["statsmodels"])).splitlines()
    names = [line.split("==")[0] for line in lines]
    libraries = ["joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops"]
    assert names == [*libraries, "statsmodels", "threadpoolctl"]
    assert all(line.count("==") == 1 for line in lines)


def test_threadpools_name_libraries_without_thread_counts() -> None:
    import numpy as np

    np.ones(2) @ np.ones(2)
    assert any("openblas" in line or "mkl" in line for line in loaded_threadpools())


def test_knowing_the_environment_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mlops_ci.training.environment import training_environment; training_environment().identity; "
        "print([name for name in ('numpy', 'pandas', 'sklearn', 'scipy', 'skops', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=".")
    assert done.stdout.strip() == "[]"


def test_judging_imports_neither_pandas_nor_scikit_learn_nor_scipy_stats() -> None:
    code = (
        "import sys, numpy as np\n"
        "from mlops_ci.evaluation.verdict.compare import judge_candidate; from mlops_ci.evaluation.verdict.contest import Contest; from mlops_ci.evaluation.verdict.alignment import NO_CHAMPION, ScoredModel\n"
        "import mlops_ci.training.fit, mlops_ci.training.inference.scoring\n"
        "from mlops_ci.training.predictions import Predictions\n"
        "from mlops_ci.spec.spec_types import GateSpec\n"
        "y = np.arange(100) % 2; p = np.linspace(0, 1, 100)\n"
        "one = ScoredModel('a', 'a', Predictions(None, y, np.stack([1 - p, p], 1), p), (0, 1))\n"
        "assert judge_candidate(Contest('binary-classification', y, one, NO_CHAMPION, GateSpec())).verdict\n"
        "print([name for name in ('pandas', 'sklearn', 'scipy.stats', 'skops', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_what_only_reads_the_registry_imports_no_numbers() -> None:
    code = (
        "import sys, mlops_ci.commands.release, mlops_ci.commands.deploy, mlops_ci.commands.show\n"
        "print([name for name in ('numpy', 'pandas', 'sklearn', 'scipy', 'pyarrow', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=".")
    assert done.stdout.strip() == "[]"
