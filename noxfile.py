"""The project's own sessions; each one is the command its README, CI and contributors use."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests", "docs"]
nox.options.reuse_venv = "yes"

# one more than cores: a test often waits for a child, a server or a disk
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORKERS = ("-n", str(_CORES + 1), "--dist", "worksteal")
MUTANTS_FOUND = 0.8
# coverage itself imports modules and handles SIGTERM in every process, which is what the first two look for; and it complains
# where it cannot write its own file: on a disk that is full
_NOT_UNDER_COVERAGE = (
    "--deselect=tests/cli/test_quick.py::test_while_git_lists_little_is_imported",
    "--deselect=tests/core/test_fork_server.py::test_what_a_job_changes_in_itself_does_not_reach_the_next",
    "--deselect=tests/e2e/every_verb/test_adversity.py::test_a_full_disk_loses_nothing",
    "--deselect=tests/e2e/every_verb/test_adversity.py::test_a_disk_without_room_for_a_temporary_folder_is_a_diagnostic",
)
_COVERAGE_RUN = "branch = true\nparallel = true\nsigterm = true\npatch = _exit\nomit = */templates/*\n"
PROJECT = nox.project.load_toml("pyproject.toml")
# uv compiles nothing by itself, and processes that are told to write no byte code would compile each package again
COMPILED = {"UV_COMPILE_BYTECODE": "1"}


def _install(session: nox.Session, group: str) -> None:
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, group), env=COMPILED)
    # nothing compiles the modules of an editable project, and its children write no byte code
    session.run("python", "-m", "compileall", "-q", "mlops_ci", silent=True)


@nox.session(default=False)
def environment(session: nox.Session) -> None:
    """Make the environment that the sessions for contributors share."""
    _install(session, "dev")


def _run(session: nox.Session, program: str, *arguments: str, silent: bool = False) -> str:
    """Run a program of the shared environment; return what it prints if `silent`."""
    # `--force-python` names environments by the version
    name = f"environment-{session.python}".replace(".", "-") if session.python else "environment"
    programs = (session.cache_dir.parent / name / "bin").absolute()
    # pytest keeps the byte code of tests even where the variable is set: else each worker of each session compiles all tests
    env = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": ""}
    return str(session.run(str(programs / program), *arguments, env=env, silent=silent))


@nox.session(venv_backend="none", requires=["environment"])
def tests(session: nox.Session) -> None:
    """Run the tests but the slow ones and the docs; arguments after -- go to pytest. `-- --changed [REVISION]`: those that a change can reach."""
    if session.posargs[:1] == ["--changed"]:
        listed = _run(session, "python", "-m", "tests.support.changed", *session.posargs[1:], silent=True)
        _run(session, "pytest", *WORKERS, "-m", "not slow", *listed.split())
    else:
        _run(session, "pytest", *(session.posargs or [*WORKERS, "-m", "not slow", "--ignore=tests/docs"]))


@nox.session(venv_backend="none", requires=["environment"])
def slow(session: nox.Session) -> None:
    """Run the tests that train often or build environments."""
    _run(session, "pytest", *(session.posargs or [*WORKERS, "-m", "slow"]))


@nox.session(venv_backend="none", requires=["environment"])
def lint(session: nox.Session) -> None:
    """Check style, types and layers, and the workflows and Actions, without a network."""
    _run(session, "ruff", "check", ".")
    _run(session, "ruff", "format", "--check", ".")
    _run(session, "lint-imports")
    _run(session, "mypy")
    _run(session, "shellcheck", "actions/run.sh")
    # its own calls of shellcheck and pyflakes are off: it would take whichever the machine has
    _run(session, "actionlint", "-no-color", "-shellcheck=", "-pyflakes=")
    _run(session, "zizmor", "--offline", "--no-progress", "--persona", "pedantic", ".github/workflows", "actions")
    _run(session, "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *_files(".github/workflows/*.yml"))
    _run(session, "check-jsonschema", "--builtin-schema", "vendor.github-actions", *_files("actions/*/action.yml"))
    _run(
        session,
        "check-jsonschema",
        "--builtin-schema",
        "vendor.github-issue-forms",
        *_files(".github/ISSUE_TEMPLATE/[!c]*.yml"),
    )
    _run(session, "pre-commit", "validate-manifest", ".pre-commit-hooks.yaml")
    # `act --validate --strict`, on a copy without what act does not know yet
    _run(session, "pytest", "--quiet", "tests/actions/test_yaml.py", "-k", "act_takes_for_valid")


def _files(pattern: str) -> list[str]:
    return sorted(str(path) for path in Path().glob(pattern))


@nox.session
def demo(session: nox.Session) -> None:
    """Tell the story on real flights: release, improve, refuse, roll back. Ends with a summary table."""
    session.install("-e", ".[flights]", env=COMPILED)
    session.run("python", "docs/demo.py", *session.posargs)


@nox.session(venv_backend="none", requires=["environment"])
def docs(session: nox.Session) -> None:
    """Run every code block of the README and the docs, and compare the generated pages with the code.

    The commands of CONTRIBUTING's recipes run in `slow`.
    """
    _run(session, "pytest", *WORKERS, "-m", "not slow", "tests/docs", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run all tests and show which lines and branches none ran, child processes included; fails below the floor in pyproject.toml."""
    _install(session, "coverage")
    # not create_tmp: it sets TMPDIR to a folder of this repository, and tests need one outside of any
    folder = Path(session.virtualenv.location, "measured").absolute()
    folder.mkdir(exist_ok=True)
    data, settings = folder / "data", folder / "coveragerc"
    for old in folder.glob("data*"):
        old.unlink()
    settings.write_text(f"[run]\n{_COVERAGE_RUN}data_file = {data}\nsource = {Path('mlops_ci').absolute()}\n")
    # children get a clean environment, so that no variable tells them to measure: each Python of this environment does
    places = str(session.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", silent=True))
    start = Path(places.strip(), "measure_coverage.pth")
    start.write_text(
        f"import os; os.environ['COVERAGE_PROCESS_START'] = {str(settings)!r}; import coverage; coverage.process_startup()\n"
    )
    try:
        session.run("pytest", *_NOT_UNDER_COVERAGE, *(session.posargs or WORKERS))
    finally:
        start.unlink()
    session.run("coverage", "combine", "--quiet", f"--rcfile={settings}", success_codes=[0])
    session.run("coverage", "report", "--rcfile=pyproject.toml", f"--data-file={data}")


@nox.session
def mutation(session: nox.Session) -> None:
    """Put small faults into what decides, a tenth of those mutmut knows, and fail unless tests find 80 %; all: -- '*'.

    The tenth (9 minutes on two busy cores; all would take ten times that) are those whose number within their function ends
    in 1, so that two runs judge the same ones and no function goes without. Arguments after -- are other patterns of names: 'mlops_ci.registry.state.*'.
    """
    _install(session, "mutation")
    shutil.rmtree("mutants", ignore_errors=True)  # what was found by the tests of yesterday
    session.run("mutmut", "run", "--max-children", "2", *(session.posargs or ["*1"]))
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in str(session.run("mutmut", "results", "--all", "yes", silent=True)).splitlines():
        mutant, _, status = line.strip().partition(": ")
        if status and status != "not checked":
            total[mutant.rpartition(".")[0]] += 1
            found[mutant.rpartition(".")[0]] += status in ("killed", "timeout")
    for module, count in sorted(total.items()):
        session.log(f"{module}: {found[module]} of {count} found ({found[module] / count:.0%})")
    if not total:
        session.error("mutmut tried no mutant")
    if found.total() < MUTANTS_FOUND * total.total():
        session.error(f"{found.total()} of {total.total()} found; at least {MUTANTS_FOUND:.0%} must be")
    session.log(f"{found.total()} of {total.total()} found ({found.total() / total.total():.0%})")


@nox.session(venv_backend="none", requires=["environment"])
def races(session: nox.Session) -> None:
    """Let 16 clients release and deploy at once for 20 rounds; arguments after -- are other numbers of both."""
    _run(session, "python", "-m", "tests.races", *session.posargs)


@nox.session(default=False, venv_backend="none", requires=["environment"])
def chaos(session: nox.Session) -> None:
    """Kill gate, release, deploy, rollback and gc at 40 random moments each; arguments after -- are another number, and verbs."""
    _run(session, "python", "-m", "tests.chaos", *session.posargs)


@nox.session(default=False)
def estimators(session: nox.Session) -> None:
    """Take every estimator of four libraries from a table to predictions; this writes the tables of docs/estimators.md. Arguments choose tasks."""
    # the CPU build of XGBoost: the other one installs libraries for GPUs
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, "estimators"), env=COMPILED)
    session.run("python", "-m", "tests.estimators", *session.posargs)


@nox.session(default=False)
def tables(session: nox.Session) -> None:
    """Take real tables of packages from a file to predictions; this writes docs/tables.md. Arguments choose tables, and write their rows."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, "tables"), env=COMPILED)
    session.run("python", "-m", "tests.tables", *session.posargs)


@nox.session(default=False)
def wrappers(session: nox.Session) -> None:
    """Run the wrappers of docs/estimators.md for CatBoost and PyTorch, which this session installs from PyPI (4 GB)."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, "wrappers"), env=COMPILED)
    session.run("python", "-m", "tests.estimators.wrappers", *session.posargs)


@nox.session
def selftest(session: nox.Session) -> None:
    """Measure the gate's error rates by 1,000 simulated holdouts a claim; arguments after -- go to the verb."""
    session.install("-e", ".", env=COMPILED)
    session.run("mlops-ci", "selftest", *(session.posargs or ["--trials", "1000", "--format", "markdown"]))


@nox.session(venv_backend="none", requires=["environment"])
def benchmarks(session: nox.Session) -> None:
    """Measure what the docs claim, as ratios of alternated runs."""
    _run(session, "python", "-m", "tests.benchmarks", *session.posargs)
