"""Records the environment of a training: package versions, which determine the numbers, and the machine."""

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
    {"joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "threadpoolctl"}
)  # the packages that loading a model file and reading its golden rows need
_DISTRIBUTION_NAMES = {"sklearn": "scikit-learn"}


def training_environment(modules: Iterable[str] = ()) -> TrainingEnvironment:
    """Return the current environment, without importing packages. `modules` are other top-level modules of the model.

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
    """Return the current environment with those of the named packages that are installed."""
    return TrainingEnvironment(
        python=platform.python_version(),
        packages={name: version for name in sorted(names) if (version := _installed_version(name)) is not None},
        platform=f"{platform.system()}-{platform.machine()}",
        cpu=_cpu_model(),
    )


def loaded_threadpools() -> tuple[str, ...]:
    """Return the loaded BLAS and OpenMP libraries, one line for each, without thread counts."""
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
    """Return the exact package versions that loading a model and reading its golden rows needs, in the format of pip's requirements."""
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
    version = _installed_version(name)
    if version is None:
        raise EnvironmentProblem.of(
            "package-missing",
            f"the package '{name}' is not installed",
            help=f"Install it in the environment that runs mlops-ci: pip install {name}",
        )
    return version


def _installed_version(name: str) -> str | None:
    return _version_in_folders(name, tuple((folder, _change_time(folder)) for folder in sys.path))


def _change_time(folder: str) -> int:
    """Return the time, in nanoseconds, at which something was last added to a folder or removed; 0 if there is none."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


@cache  # a command that trains many models asks for the same packages each time
def _version_in_folders(name: str, folders: tuple[tuple[str, int], ...]) -> str | None:
    """Return the version of a distribution in one of the folders, or None; pip and uv change a folder's time when they install."""
    path = [folder for folder, _ in folders]
    found = next(iter(metadata.distributions(name=name, path=path)), None) if name else None
    return found.version if found else None


@cache
def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
