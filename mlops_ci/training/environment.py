"""What a model is trained with: versions that decide its numbers, and the machine that explains small differences."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.training_run import TrainingEnvironment

RECORDED_PACKAGES = (
    "joblib",
    "narwhals",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "threadpoolctl",
)
MODEL_LOADING_PACKAGES = frozenset(
    {"joblib", "numpy", "pandas", "scikit-learn", "scipy", "skops", "threadpoolctl"}
)  # what a model file needs
_DISTRIBUTION_NAMES = {"sklearn": "scikit-learn"}


def training_environment(modules: Iterable[str] = ()) -> TrainingEnvironment:
    """Return the environment without importing a package; `modules` are further top-level modules that the model uses.

    Raises EnvironmentProblem when a package is not installed.
    """
    names = dict.fromkeys(
        [
            *RECORDED_PACKAGES,
            *(_distribution_name(module) for module in modules if module not in sys.stdlib_module_names),
        ]
    )
    return TrainingEnvironment(
        python=platform.python_version(),
        packages={name: _require_version(name) for name in sorted(names)},
        platform=f"{platform.system()}-{platform.machine()}",
        cpu=_cpu_model(),
    )


def local_environment(names: Iterable[str]) -> TrainingEnvironment:
    """Return the environment here with those of the packages that are installed."""
    return TrainingEnvironment(
        python=platform.python_version(),
        packages={name: found for name in sorted(names) if (found := _installed_version(name)) is not None},
        platform=f"{platform.system()}-{platform.machine()}",
        cpu=_cpu_model(),
    )


def loaded_threadpools() -> tuple[str, ...]:
    """Return the BLAS and OpenMP libraries that are loaded now, one line each, without thread counts."""
    from threadpoolctl import threadpool_info

    return tuple(
        sorted(
            {
                " ".join(str(pool.get(key) or "") for key in ("internal_api", "version", "architecture")).strip()
                for pool in threadpool_info()
            }
        )
    )


def pip_requirements(environment: TrainingEnvironment) -> str:
    """Return the exact versions that loading a model needs, in pip's format."""
    needed = {
        name: version
        for name, version in environment.packages.items()
        if name in MODEL_LOADING_PACKAGES or name not in RECORDED_PACKAGES
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(needed.items()))


def _distribution_name(module: str) -> str:
    module = module.partition(".")[0]
    if module in _DISTRIBUTION_NAMES:
        return _DISTRIBUTION_NAMES[module]
    try:
        metadata.distribution(module)
    except metadata.PackageNotFoundError:
        return metadata.packages_distributions().get(module, [module])[0]  # reads every installed package: slow
    return module


def _require_version(name: str) -> str:
    found = _installed_version(name)
    if found is None:
        raise EnvironmentProblem.of(
            "package-missing",
            f"the package '{name}' is not installed",
            help=f"Install it where this runs: pip install {name}",
        )
    return found


def _installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):  # an empty name is a ValueError
        return None


@cache
def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
