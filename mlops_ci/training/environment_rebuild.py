"""Rebuilds the environment that a model was trained in, with uv if it is installed, else with venv and pip.

Only wheels are installed: building a source distribution would run its code with access to the index's credentials.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import mlops_ci
from mlops_ci.core import process
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.records.training_run import TrainingEnvironment
from mlops_ci.core.results.queries import ReproductionEnvironment
from mlops_ci.training.environment import local_environment
from mlops_ci.training.workers import protocol

INSTALLERS: tuple[Literal["uv", "pip"], ...] = ("uv", "pip")  # in the order in which they are tried
INSTALL_TIMEOUT = 1800.0  # seconds for one command of an installer
_MAX_PACKAGES = 500  # a record could list any number of packages
# names and versions come from a record: only these patterns may reach an installer's command line
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_-]{0,98}")
_PYTHON = re.compile(r"3\.\d{1,3}\.\d{1,3}[A-Za-z0-9+]{0,20}")
_VERSIONS_SCRIPT = """
import json, platform, sys
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps([platform.python_version(), found]))
"""


@dataclass(frozen=True)
class ProvidedEnvironment:
    """An interpreter to train with, and the environment that it provides."""

    interpreter: protocol.Interpreter
    used: ReproductionEnvironment


class _BuildError(Exception):
    """A tool could not build the environment; the message is the reason."""


def provide_environment(
    recorded: TrainingEnvironment,
    scratch: Path,
    *,
    force: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> ProvidedEnvironment:
    """Return an environment with the recorded Python and packages: the current one if it has them, else a new one.

    A new environment is built below the folder `scratch`; `force` always builds one. When it cannot be built (no such
    Python, no wheel), the current environment is returned, and `used.problem` is the reason.
    """
    here = local_environment(recorded.packages)
    if here.identity == recorded.identity and not force:
        return ProvidedEnvironment(protocol.CURRENT_INTERPRETER, ReproductionEnvironment(here))
    problems = []
    for tool in INSTALLERS:
        if tool == "uv" and shutil.which("uv") is None:
            continue
        progress(f"building the recorded environment with {tool}")
        try:
            return _build_environment(tool, recorded, here, scratch / tool)
        except _BuildError as error:
            problems.append(f"{tool}: {error}")
    return ProvidedEnvironment(protocol.CURRENT_INTERPRETER, ReproductionEnvironment(here, problem="; ".join(problems)))


def _build_environment(
    tool: Literal["uv", "pip"], recorded: TrainingEnvironment, here: TrainingEnvironment, folder: Path
) -> ProvidedEnvironment:
    pins = _require_exact_pins(recorded)
    folder.mkdir(parents=True)
    home = folder / "venv"
    try:
        _CREATE_VENV[tool](recorded.python, home)
    except _BuildError:
        if here.python == recorded.python or here.packages == recorded.packages:
            raise  # the current Python was requested, or a new environment would only repeat the current one
        _run_installer(sys.executable, "-m", "venv", str(home), cwd=folder)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _run_installer(*_INSTALL_COMMANDS[tool](python), *pins, cwd=folder)
    version, packages = _interpreter_versions(str(python), tuple(recorded.packages), folder)
    if missing := sorted(
        f"{name}=={recorded.packages[name]}"
        for name in recorded.packages
        if packages.get(name) != recorded.packages[name]
    ):
        raise _BuildError(f"the new environment lacks {', '.join(missing[:5])}")
    # the new environment gets only this package from the current one
    toolkit = folder / "toolkit"
    ours = Path(mlops_ci.__file__).resolve().parent
    shutil.copytree(ours, toolkit / ours.name, ignore=shutil.ignore_patterns("__pycache__"))
    problem = None if version == recorded.python else f"{tool}: Python {recorded.python} is not installed here"
    used = ReproductionEnvironment(replace(here, python=version, packages=packages), tool, problem)
    return ProvidedEnvironment(protocol.Interpreter(str(python), str(toolkit), has_own_packages=True), used)


def _create_venv_with_uv(version: str, home: Path) -> None:
    _run_installer("uv", "venv", "--quiet", "--no-project", "--python", version, str(home), cwd=home.parent)


def _create_venv_with_pip(version: str, home: Path) -> None:
    for name in (sys.executable, f"python{version.rpartition('.')[0]}", "python3", "python"):
        if (path := shutil.which(name)) and _interpreter_versions(path, (), home.parent)[0] == version:
            _run_installer(path, "-m", "venv", str(home), cwd=home.parent)
            return
    raise _BuildError(f"Python {version} is not installed here")


_CREATE_VENV: Mapping[str, Callable[[str, Path], None]] = {"uv": _create_venv_with_uv, "pip": _create_venv_with_pip}
_INSTALL_COMMANDS: Mapping[str, Callable[[Path], Sequence[str]]] = {
    "uv": lambda python: ("uv", "pip", "install", "--quiet", "--only-binary", ":all:", "--python", str(python)),
    "pip": lambda python: (str(python), "-m", "pip", "install", "--quiet", "--no-input", "--only-binary", ":all:"),
}


def _require_exact_pins(recorded: TrainingEnvironment) -> list[str]:
    odd = [
        f"{name}=={version}"
        for name, version in recorded.packages.items()
        if not (_NAME.fullmatch(name) and _VERSION.fullmatch(version))
    ]
    if not _PYTHON.fullmatch(recorded.python):
        odd.append(f"Python {recorded.python}")
    if odd or not 0 < len(recorded.packages) <= _MAX_PACKAGES:
        raise _BuildError(
            f"the record does not list exact versions: {odd[0] if odd else len(recorded.packages)!r}"[:200]
        )
    return [f"{name}=={version}" for name, version in sorted(recorded.packages.items())]


def _run_installer(*argv: str, cwd: Path) -> None:
    """Run an installer's command; raises _BuildError with the last lines of its output when it fails."""
    try:
        ended = process.run_guarded(
            argv, cwd=cwd, env=process.installer_environment(os.environ), timeout=INSTALL_TIMEOUT
        )
    except EnvironmentProblem as error:
        raise _BuildError(str(error)) from error
    if ended.returncode == 0 and not ended.timed_out:
        return
    output = ended.tail.splitlines()
    errors = [line for line in output if line.lower().startswith("error")] or output
    reason = protocol.printable_line(" ".join(errors), 300) or f"exit code {ended.returncode}"
    raise _BuildError(f"it took more than {INSTALL_TIMEOUT:g} s" if ended.timed_out else reason)


def _interpreter_versions(python: str, names: Sequence[str], cwd: Path) -> tuple[str, dict[str, str]]:
    """Return the versions of an interpreter and of its packages; an empty version when the interpreter does not run."""
    try:
        ended = process.run_guarded(
            (python, "-I", "-c", _VERSIONS_SCRIPT, *names), cwd=cwd, env=process.isolated_environment(os.environ)
        )
        version, packages = json.loads(ended.log.splitlines()[-1])
        return str(version), {str(name): str(found) for name, found in packages.items()}
    except (EnvironmentProblem, ValueError, TypeError, IndexError, AttributeError):
        return "", {}
