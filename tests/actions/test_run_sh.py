"""How an Action gets the toolkit: at its own ref, once a job, and by nothing that the checkout says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.actions.conftest import workflow
from tests.support.act import PLACE, Runner
from tests.support.consumer import Consumer
from tests.support.git_calls import git_in
from tests.support.toolkit import ROOT

OUTPUT = '#!/bin/sh\necho "$@"; pwd; env\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A consumer's checkout, in a folder with a space in its name."""
    folder = tmp_path / "the work" / "repo"
    folder.mkdir(parents=True)
    git_in(folder)("init", "--quiet")
    return folder


def step(checkout: Path, verb: str = "validate", inputs: object = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a verb as a step of a job does, and return how it ended."""
    temp = checkout.parent / "temp"
    temp.mkdir(exist_ok=True)
    own = {
        "PATH": f"{PLACE}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "RUNNER_TEMP": str(temp),
        "GITHUB_OUTPUT": str(temp / "output"),
        "GITHUB_ACTION_PATH": str(ROOT / "actions" / verb),
        "MLOPS_CI_INPUTS": json.dumps(inputs or {}),
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))},
        **env,
    }
    command = ["bash", str(ROOT / "actions" / "run.sh"), verb]
    return subprocess.run(command, cwd=checkout, env=own, capture_output=True, text=True, check=False, timeout=300)


def a_program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder / name


def test_a_ready_toolkit_is_used_where_its_path_is_absolute(checkout: Path) -> None:
    ready = a_program(checkout.parent / "my tools", "mlops-ci", OUTPUT)
    done = step(checkout, MLOPS_CI_BIN=str(ready), PYTHONPATH=".", PYTHONSTARTUP="x.py")
    assert done.stdout.splitlines()[:2] == ["action validate", str(checkout)]
    assert "PYTHONPATH" not in done.stdout
    assert "PYTHONSTARTUP" not in done.stdout
    a_program(checkout, "mlops-ci", OUTPUT)
    refused = step(checkout, MLOPS_CI_BIN="./mlops-ci")
    assert (refused.returncode, refused.stdout[:28]) == (2, "::error title=toolkit-path::")
    assert (checkout.parent / "temp" / "output").read_text() == "exit-code=2\n"


def test_without_a_python_that_is_new_enough_it_says_so(checkout: Path) -> None:
    tools = checkout.parent / "tools"
    for name in ("bash", "head", "dirname"):
        tools.mkdir(exist_ok=True)
        (tools / name).symlink_to(f"/usr/bin/{name}")
    a_program(tools, "python3", "#!/bin/sh\nexit 0\n")
    done = step(checkout, PATH=str(tools))
    assert done.returncode == 3
    assert done.stdout.startswith("::error title=python-missing::There is no Python 3.11 or newer on PATH.")


# makes an environment whose python says how it was started, and keeps what it is asked
UV = """#!/bin/sh
echo "$@" >>"{log}"
for last; do :; done
case "$1" in venv)
    mkdir -p "$last/bin"
    printf '#!/bin/sh\\necho "$@"\\n' >"$last/bin/python"
    chmod +x "$last/bin/python"
esac
"""


def test_packages_are_compiled_when_they_are_installed(checkout: Path) -> None:
    """Given uv, which compiles nothing by itself, when the toolkit is installed, then it is told to."""
    log, tools = checkout.parent / "asked", checkout.parent / "tools"
    a_program(tools, "uv", UV.format(log=log))
    done = step(checkout, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert done.stdout.strip() == "-I -m mlops_ci action validate"
    assert [("--compile-bytecode" in line) for line in log.read_text().splitlines()] == [False, True]


HOSTILE = (
    "import os, sys; open(os.environ.get('PWNED', '{pwned}'), 'a').write(__file__ + ' ' + str(sys.argv) + '\\n')\n"
)


@pytest.mark.slow
def test_nothing_of_the_checkout_is_imported_or_obeyed_while_the_toolkit_is_installed_and_run(
    installing: Runner, consumer: Consumer, tmp_path: Path
) -> None:
    """The one test that installs the toolkit as on GitHub's runners, twice: the second step finds what the first has made."""
    pwned = tmp_path / "pwned"
    for name in ("mlops_ci", "sitecustomize", "usercustomize", "click", "json", "venv", "pip", "uv", "encodings"):
        (consumer.root / f"{name}.py").write_text(HOSTILE.format(pwned=str(pwned)))
    nowhere = "http://127.0.0.1:9/simple"
    (consumer.root / "pip.conf").write_text(f"[global]\nindex-url = {nowhere}\nno-index = true\n")
    (consumer.root / "uv.toml").write_text(f'offline = true\nno-index = true\nindex-url = "{nowhere}"\n')
    (consumer.root / "pyproject.toml").write_text(
        f'[project]\nname = "x"\nversion = "1"\nrequires-python = "==2.7"\n[tool.uv]\nno-index = true\nindex-url = "{nowhere}"\n'
    )
    (consumer.root / ".python-version").write_text("2.7.18\n")
    (consumer.root / "needed.txt").write_text("iniconfig>=1  # a small one\n")
    steps = """
- {id: first, uses: mlops-ci/mlops-ci/actions/validate@v1, with: {requirements: needed.txt}}
- {id: second, uses: mlops-ci/mlops-ci/actions/check@v1, with: {requirements: needed.txt}}
- run: ls -d "$RUNNER_TEMP"/mlops-ci-*/lib/*/site-packages/iniconfig
"""
    passed = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
    run = installing.run(consumer.root, workflow(consumer, steps), env={**passed, "PYTHONPATH": "."})
    assert run.code == 0, run.text
    assert run.job("job").log.count("site-packages/iniconfig") == 1, run.text  # one environment
    assert not pwned.exists(), pwned.read_text()


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--index-url https://x",
        "./package",
        "x @ https://e.org/x.whl",
        "git+https://e.org/x",
        "a; b --pre",
        "a -r b",
        "a==1 --pre",
    ],
)
def test_only_names_and_versions_are_installed(checkout: Path, line: str) -> None:
    (checkout / "needed.txt").write_text(f"numpy\n{line}\n")
    done = step(checkout, inputs={"requirements": "needed.txt"})
    assert done.returncode == 2
    assert done.stdout.startswith("::error file=needed.txt,line=2,title=requirements-line::")


@pytest.mark.parametrize("path", ["/etc/passwd", "../needed.txt", "link.txt", "missing.txt", "."])
def test_requirements_are_a_file_of_the_repository(checkout: Path, path: str) -> None:
    (checkout.parent / "needed.txt").write_text("numpy\n")
    (checkout / "link.txt").symlink_to("../needed.txt")
    done = step(checkout, inputs={"requirements": path})
    assert (done.returncode, done.stdout[:33]) == (2, "::error title=requirements-path::")


def of_base(checkout: Path, text: str) -> None:
    """Commit a file of requirements as the branch `base` has it, and another one after it."""
    git = git_in(checkout)
    (checkout / "needed.txt").write_text(text)
    git("add", ".")
    git("commit", "--quiet", "-m", "base")
    git("branch", "base")
    (checkout / "needed.txt").write_text("-e change\n")
    git("commit", "--quiet", "--all", "-m", "change")


HASH = f"--hash=sha256:{'0' * 64}"


@pytest.mark.parametrize("line", ["-e base", "numpy", "numpy==2.0", f"numpy>=2.0 {HASH}", f"numpy==2.0 --pre {HASH}", f"numpy==2.0 {HASH[:-1]}"])  # fmt: skip
def test_a_judge_installs_a_lock_of_the_base_and_not_what_the_change_brings(checkout: Path, line: str) -> None:
    of_base(checkout, f"# made by uv\niniconfig==2.0.0 \\\n    {HASH}\n    # via x\n{line}\n")
    done = step(checkout, inputs={"requirements": "needed.txt", "requirements-from": "base"})
    assert done.returncode == 2
    assert done.stdout.startswith(f"::error title=requirements-unlocked::`{line[:60]}")
    assert "uv pip compile --generate-hashes" in done.stdout


def test_the_base_is_a_commit_that_is_here(checkout: Path) -> None:
    of_base(checkout, "")
    gone = step(checkout, inputs={"requirements": "needed.txt", "requirements-from": "--output=x"})
    assert gone.stdout.startswith("::error title=requirements-ref::")


def test_a_package_whose_content_is_not_the_locks_is_not_installed(checkout: Path) -> None:
    of_base(checkout, f"iniconfig==2.0.0 {HASH}\n")
    done = step(checkout, inputs={"requirements": "needed.txt", "requirements-from": "base"})
    assert done.returncode == 3
    assert done.stdout.startswith("::error title=toolkit-not-installed::")
    assert "hash" in done.stdout.lower()


@pytest.mark.slow
def test_the_environment_of_a_lock_says_what_it_pins(checkout: Path) -> None:
    (checkout / "requirements.in").write_text("iniconfig\n")
    command = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
        "--no-emit-package",
        "mlops-ci",
        "requirements.in",
    ]
    made = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    of_base(checkout, made.stdout)
    path = str(checkout.parent / "temp" / "path")
    inputs = {"requirements": "needed.txt", "requirements-from": "base"}
    done = step(checkout, "setup", inputs=inputs, GITHUB_PATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    (lock,) = (checkout.parent / "temp").glob("mlops-ci-*/mlops-ci-lock.json")
    assert list(json.loads(lock.read_text())["packages"]) == ["iniconfig"]
    assert list(lock.parent.glob("lib/*/site-packages/iniconfig"))


def test_what_cannot_be_installed_is_said_and_made_anew_the_next_time(checkout: Path) -> None:
    (checkout / "needed.txt").write_text("there-is-no-package-of-this-name==0.0.1\n")
    done = step(checkout, inputs={"requirements": "needed.txt"}, PIP_NO_INDEX="1", UV_NO_INDEX="1", UV_OFFLINE="1")
    assert done.returncode == 3
    assert done.stdout.startswith("::error title=toolkit-not-installed::")
    assert list((checkout.parent / "temp").glob("mlops-ci-*/complete")) == []
    assert (checkout.parent / "temp" / "output").read_text().splitlines()[1] == "3"
