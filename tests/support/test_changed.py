"""A change runs the tests that it can reach: by imports, by fixtures, and by the verbs that a test's command lines name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.changed import changed_files, reachable_tests
from tests.support.git_calls import git_in

TREE = {
    "mlops_ci/__init__.py": "",
    "mlops_ci/core.py": "",
    "mlops_ci/worker.py": "import mlops_ci.core",
    "mlops_ci/lone.py": "",
    "mlops_ci/cli/main.py": "from mlops_ci.commands import gate, gc",
    "mlops_ci/commands/gate.py": "def gate():\n    from mlops_ci import core\n    run('mlops_ci.worker')",
    "mlops_ci/commands/gc.py": "",
    "mlops_ci/commands/ci/keep.py": "",
    "mlops_ci/commands/scaffold/catalog.py": "",
    "mlops_ci/commands/scaffold/templates/x/broken.py": "def (",
    "tests/__init__.py": "",
    "tests/conftest.py": "pytest_plugins = ['tests.support.world']",
    "tests/support/world.py": (
        "import pytest\nimport mlops_ci.cli.main\n@pytest.fixture\ndef gated():\n    run('gate')\n"
        "@pytest.fixture\ndef released(gated):\n    pass\n"
    ),
    "tests/unit/conftest.py": "import mlops_ci.lone",
    "tests/unit/test_core.py": "from mlops_ci.core import x",
    "tests/e2e/test_release.py": "def test(released): pass",
    "tests/e2e/test_gc.py": "from tests.support.world import make\ndef test(): make().ok('gc', '--dry-run')",
    "tests/e2e/test_words.py": "X = 'mlops-ci gc && mlops-ci ci keep'",
    "tests/e2e/test_keep.py": "def test(): run('ci', 'keep')",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "reached"),
    [
        # imported by a test, by a command that a fixture of a test runs, and by what is started by its name
        ("mlops_ci/core.py", ["e2e/test_release", "unit/test_core"]),
        ("mlops_ci/worker.py", ["e2e/test_release"]),
        # the command line reaches all commands, and a test only those that it names
        ("mlops_ci/commands/gc.py", ["e2e/test_gc", "e2e/test_words"]),
        ("mlops_ci/commands/ci/keep.py", ["e2e/test_keep", "e2e/test_words"]),
        ("mlops_ci/cli/main.py", ["e2e/test_gc", "e2e/test_release"]),
        # by the conftest of its folder, whether imported or not
        ("mlops_ci/lone.py", ["unit/test_core"]),
        # a test reaches itself, a deleted module its importers
        ("tests/unit/test_core.py", ["unit/test_core"]),
        ("mlops_ci/commands/removed.py", []),
        ("README.md", []),
    ],
)
def test_a_change_reaches_what_uses_it(tree: Path, changed: str, reached: list[str]) -> None:
    assert reachable_tests([changed], tree) == [f"tests/{name}.py" for name in reached]


@pytest.mark.parametrize("changed", ["pyproject.toml", "mlops_ci/data.bin", "new/thing.py"])
def test_what_nobody_is_known_to_own_reaches_everything(tree: Path, changed: str) -> None:
    assert reachable_tests(["README.md", changed], tree) == ["tests"]


def test_changes_are_those_since_the_merge_base_committed_or_not(tree: Path) -> None:
    git = git_in(tree)
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "-m", "start")
    git("switch", "--quiet", "-c", "change")
    (tree / "mlops_ci/core.py").write_text("committed = 1")
    git("mv", "mlops_ci/lone.py", "mlops_ci/moved.py")
    git("commit", "--quiet", "--all", "-m", "change")
    (tree / "mlops_ci/worker.py").write_text("edited = 1")
    (tree / "mlops_ci/new.py").write_text("")
    git("switch", "--quiet", "main")
    git("commit", "--quiet", "--allow-empty", "-m", "later, and no part of the change")
    git("switch", "--quiet", "change")
    names = ["core", "lone", "moved", "new", "worker"]
    assert changed_files("main", tree) == [f"mlops_ci/{name}.py" for name in names]
