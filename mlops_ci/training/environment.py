"""What a model is trained with: versions that decide its numbers, and the machine that explains small differences."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records import Environment

PACKAGES = ("joblib", "narwhals", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "threadpoolctl")
LOADING = frozenset(
    {"joblib", "numpy", "pandas", "scikit-learn", "scipy", "skops", "threadpoolctl"}
)  # what a model file needs
_KNOWN = {"sklearn": "scikit-learn"}


def environment(modules: Iterable[str] = ()) -> Environment:
    """Return the environment without importing a package; `modules` are further top-level modules that the model uses.

    Raises EnvironmentProblem when a package is not installed.
    """
    names = dict.fromkeys(
        [*PACKAGES, *(_distribution(module) for module in modules if module not in sys.stdlib_module_names)]
    )
    return Environment(
        python=platform.python_version(),
        packages={name: _version(name) for name in sorted(names)},
        platform=f"{platform.system()}-{platform.machine()}",
        cpu=_cpu(),
    )


def at_hand(names: Iterable[str]) -> Environment:
    """Return the environment here with those of the packages that are installed."""
    return Environment(
        python=platform.python_version(),
        packages={name: found for name in sorted(names) if (found := _installed(name)) is not None},
        platform=f"{platform.system()}-{platform.machine()}",
        cpu=_cpu(),
    )


def threadpools() -> tuple[str, ...]:
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


def requirements(environment: Environment) -> str:
    """Return the exact versions that loading a model needs, in pip's format."""
    needed = {
        name: version for name, version in environment.packages.items() if name in LOADING or name not in PACKAGES
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(needed.items()))


def _distribution(module: str) -> str:
    module = module.partition(".")[0]
    if module in _KNOWN:
        return _KNOWN[module]
    try:
        metadata.distribution(module)
    except metadata.PackageNotFoundError:
        return metadata.packages_distributions().get(module, [module])[0]  # reads every installed package: slow
    return module


def _version(name: str) -> str:
    found = _installed(name)
    if found is None:
        raise EnvironmentProblem.of(
            "package-missing",
            f"the package '{name}' is not installed",
            help=f"Install it where this runs: pip install {name}",
        )
    return found


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):  # an empty name is a ValueError
        return None


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
