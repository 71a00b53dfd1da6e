"""Which test files a change can reach, by imports: `python -m tests.support.changed [REVISION]` prints them, one a line.

A test file is reached when it imports a changed module, directly or through others; when it requests a fixture that does; or when it
runs a verb whose command does. Verbs are found by their names in strings, since a command line is text. A changed file that no
module owns reaches every test: better too many than one too few.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeGuard

from tests.support.places import ROOT

Graph = Mapping[str, frozenset[str]]
EVERYTHING = "*"
# these look at the whole source tree, whatever they import
ALWAYS = ("tests/architecture", "tests/docs", "tests/cli/test_surfaces.py", "tests/evaluation/test_judge_format.py")
# files that are no modules: who reads them
OWNERS = (
    (re.compile(r"schemas/"), ("mlops_ci.spec.schemas",)),
    (re.compile(r"mlops_ci/commands/scaffold/templates/"), ("mlops_ci.commands.scaffold.catalog",)),
    (re.compile(r"(actions|\.github)/"), ("tests/actions", "tests/commands/scaffold")),
    (re.compile(r"tests/examples/"), ("tests.support.examples",)),
    (re.compile(r"tests/support/stubs/"), ("tests.support.toolkit",)),
    (re.compile(r"tests/support/github/.*\.json"), ("tests.support.github.contract",)),
    (re.compile(r"(docs/.*|[^/]+\.md|LICENSE|\.gitignore|\.ci/.*|noxfile\.py|tests/.*\.md)$"), ()),
)
_VERB = re.compile(r"(?:mlops-ci|actions/)\s*(?:ci )?([a-z]+)")
_MODULE = re.compile(r"(?:mlops_ci|tests)(?:\.\w+)+")


def reachable_tests(changed: Iterable[str], root: Path) -> list[str]:
    """Return the test files and folders that changes of these files (paths below root) can reach; `tests` means all."""
    modules = _modules(root)
    graph = _graph(modules)
    dirty: set[str] = set()
    reached = set(ALWAYS)
    for path in changed:
        for owner in _owners(path):
            if owner == EVERYTHING:
                return ["tests"]
            if "/" in owner:
                reached.add(owner)
            else:
                dirty.add(owner)
    importers = _everything_that_reaches(dirty, graph)
    reached |= {
        path.relative_to(root).as_posix()
        for name, path in modules.items()
        if name in importers and path.name.startswith("test_")
    }
    return sorted(one for one in reached if (root / one).exists())


def changed_files(revision: str, root: Path) -> list[str]:
    """Return the files that differ from the merge base with a revision, committed or not, deleted ones included."""
    base = _git(root, "merge-base", "HEAD", revision).strip()
    changed = _git(root, "diff", "--name-only", "--no-renames", "-z", base)
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted({path for path in (changed + untracked).split("\0") if path})


def _owners(path: str) -> tuple[str, ...]:
    for pattern, owners in OWNERS:
        if pattern.match(path):
            return owners
    pure = PurePosixPath(path)
    if pure.suffix == ".py" and pure.parts[0] in ("mlops_ci", "tests"):
        return (_name(pure),)
    return (EVERYTHING,)


def _name(path: PurePosixPath) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _modules(root: Path) -> dict[str, Path]:
    files = (path for top in ("mlops_ci", "tests") for path in (root / top).rglob("*.py"))
    names = {PurePosixPath(path.relative_to(root).as_posix()): path for path in files}
    return {_name(name): path for name, path in names.items() if _owners(str(name)) == (_name(name),)}


def _graph(modules: Mapping[str, Path]) -> Graph:
    """Return what each module and each shared fixture (`fixture:NAME`) needs."""
    trees = {name: ast.parse(path.read_bytes()) for name, path in modules.items()}
    plugins = {str(one.value) for one in ast.walk(trees["tests.conftest"]) if isinstance(one, ast.Constant)} & set(
        modules
    )
    sharing = {"tests.conftest", *plugins}
    fixtures = {node.name for name in sharing for node in trees[name].body if _is_fixture(node)}
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for name, tree in trees.items():
        needs = graph[name]
        for node in tree.body:
            target = needs
            if name in sharing and _is_fixture(node):
                target = graph.setdefault(f"fixture:{node.name}", {name})
            target |= _needs(node, modules, fixtures, in_test=name.startswith("tests."))
        for parent in _parents(name):
            needs |= {parent, f"{parent}.conftest"} & set(modules)
        if name == "tests.conftest":  # its plugins are there for whoever requests their fixtures
            graph[name] = needs - plugins
        elif name.startswith("mlops_ci.cli.") or name == "mlops_ci.nox":
            # every command is behind the command line; which one a test runs, its strings say
            graph[name] = {one for one in needs if not one.startswith("mlops_ci.commands.")}
    return {name: frozenset(needs) for name, needs in graph.items()}


def _needs(node: ast.AST, modules: Mapping[str, Path], fixtures: set[str], *, in_test: bool) -> set[str]:
    found: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found |= {module, *(f"{module}.{alias.name}" for alias in names)}
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.Constant(value=str(text)):
                found |= {match.group() for match in [_MODULE.match(text)] if match}
                if in_test:
                    found |= {f"fixture:{text}"} if text in fixtures else set()
                    verbs = (text, *_VERB.findall(text))
                    found |= {f"mlops_ci.commands.{at}{verb}" for verb in verbs if verb.isalpha() for at in ("", "ci.")}
            case ast.arg(arg=argument) if in_test and argument in fixtures:
                found.add(f"fixture:{argument}")
    known = {one for one in found if one in modules or one.startswith("fixture:")}
    return known | {parent for one in known for parent in _parents(one) if parent in modules}


def _is_fixture(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and any("fixture" in ast.dump(one) for one in node.decorator_list)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _everything_that_reaches(dirty: set[str], graph: Graph) -> set[str]:
    importers: dict[str, set[str]] = {}
    for name, needs in graph.items():
        for needed in needs:
            importers.setdefault(needed, set()).add(name)
    found, pending = set(dirty), list(dirty)
    while pending:
        new = importers.get(pending.pop(), set()) - found
        found |= new
        pending += new
    return found


def _git(root: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=root, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    revision = next(iter(sys.argv[1:]), "origin/main")
    sys.stdout.write("".join(f"{path}\n" for path in reachable_tests(changed_files(revision, ROOT), ROOT)))
