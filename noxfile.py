"""The project's own sessions; each one is the command its README, CI and contributors use."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"

WORKERS = ("-n", "2", "--dist", "worksteal")
PROJECT = nox.project.load_toml("pyproject.toml")
# uv compiles nothing by itself, and processes that are told to write no byte code would compile each package again
COMPILED = {"UV_COMPILE_BYTECODE": "1"}


def _install(session: nox.Session, group: str) -> None:
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, group), env=COMPILED)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after -- go to pytest."""
    _install(session, "test")
    session.run("pytest", *(session.posargs or [*WORKERS, "-m", "not slow"]))


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that train often or build environments."""
    _install(session, "test")
    session.run("pytest", *(session.posargs or [*WORKERS, "-m", "slow"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and layers, and the workflows and Actions, without a network."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("mypy")
    session.run("shellcheck", "actions/run.sh")
    # its own calls of shellcheck and pyflakes are off: it would take whichever the machine has
    session.run("actionlint", "-no-color", "-shellcheck=", "-pyflakes=")
    session.run("zizmor", "--offline", "--no-progress", "--persona", "pedantic", ".github/workflows", "actions")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *_files(".github/workflows/*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-actions", *_files("actions/*/action.yml"))
    # `act --validate --strict`, on a copy without what act does not know yet
    session.run("pytest", "--quiet", "tests/actions/test_yaml.py", "-k", "act_takes_for_valid")


def _files(pattern: str) -> list[str]:
    return sorted(str(path) for path in Path().glob(pattern))


@nox.session
def demo(session: nox.Session) -> None:
    """Tell the story on real flights: release, improve, refuse, roll back. Ends with a summary table."""
    session.install("-e", ".[flights]", env=COMPILED)
    session.run("python", "docs/demo.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every code block of the README and the docs, and compare the generated pages with the code."""
    _install(session, "test")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def races(session: nox.Session) -> None:
    """Let 16 clients release and deploy at once for 20 rounds; arguments after -- are other numbers of both."""
    _install(session, "test")
    session.run("python", "-m", "tests.races", *session.posargs)


@nox.session
def selftest(session: nox.Session) -> None:
    """Measure the gate's error rates by 1,000 simulated holdouts a claim; arguments after -- go to the verb."""
    session.install("-e", ".", env=COMPILED)
    session.run("mlops-ci", "selftest", *(session.posargs or ["--trials", "1000", "--format", "markdown"]))


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure what the docs claim, as ratios of alternated runs."""
    _install(session, "test")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
