"""Makes the environment of a job's Actions, once, and runs a verb in it: `install.py VERB`, started by run.sh with -I.

It holds the toolkit at the Action's own ref, and what the repository's code needs beside it, from wheels alone. Needs Python 3.11
and nothing but the files beside it. What the checkout says of Python, pip or uv is not obeyed: installers run elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # -I leaves out the script's own folder

from mlops_ci.core import process  # noqa: E402 - these are beside this script, and found only now
from mlops_ci.core.plugins import LOCK_COMMAND, LOCK_FILE, normalize_distribution  # noqa: E402 - the same
from mlops_ci.integrations.github.runner_files import write_outputs  # noqa: E402 - the same
from mlops_ci.repository import git  # noqa: E402 - the same

LARGEST = 1 << 20  # bytes of a file of requirements
MINUTES = 15
_VERSION = r"(?:===|[<>=!~]=?=?)\s*[\w.*+!-]+"
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?\s*(?:\[[\w\s,.-]*\])?"  # name and extras
    rf"\s*(?:{_VERSION}(?:\s*,\s*{_VERSION})*)?"
    r"""\s*(?:;[\w\s.'"<>=!~(),+*]*)?""",  # a marker, in which no option can begin
    re.ASCII,
)

_LOCKED = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?:\[[\w\s,.-]*\])?"
    r"\s*==\s*(?P<version>[\w.+!-]+)"
    r"""\s*(?:;[\w\s.'"<>=!~(),+*]*?)?"""
    r"(?:\s+--hash=sha256:[0-9a-f]{64})+",
    re.ASCII,
)


def main(verb: str) -> NoReturn:
    """Install unless that is done, and become the verb."""
    wanted = requirements(_inputs(), Path.cwd())
    python = environment(wanted, Path(os.environ["RUNNER_TEMP"]))
    os.execv(python, [str(python), "-I", "-m", "mlops_ci", "action", verb])  # noqa: S606 - no shell is wanted


def _inputs() -> dict[str, str]:
    try:
        inputs = json.loads(os.environ.get("MLOPS_CI_INPUTS") or "{}")
    except ValueError:
        inputs = None
    if not isinstance(inputs, dict) or any(not isinstance(inputs.get(name, ""), str) for name in _OWN):
        _fail(2, "action-input", "MLOPS_CI_INPUTS is not what an Action's inputs look like")
    return {name: inputs.get(name, "").strip() for name in _OWN}


_OWN = ("requirements", "requirements-from")


@dataclass(frozen=True)
class Wanted:
    """What is installed beside the toolkit: lines of requirements; and of a lock, the versions that it pins by name."""

    lines: str = ""
    lock: Mapping[str, str] | None = None

    @property
    def pins(self) -> str:
        """The lock's versions, for whatever is installed after it."""
        return "".join(f"{name}=={version}\n" for name, version in sorted((self.lock or {}).items()))


def requirements(inputs: dict[str, str], checkout: Path) -> Wanted:
    """Return what the repository's file of requirements says, in the checkout or, unchanged by it, at a ref.

    What a ref has is what a judge runs: it must be a lock, with a version and hashes for every package.
    """
    path, ref = inputs["requirements"], inputs["requirements-from"]
    if not path:
        return Wanted()
    if path.startswith("/") or ".." in path.split("/") or "\n" in path:
        _fail(2, "requirements-path", f"requirements: {path} is not a path inside the repository")
    if ref:
        return _lock(path, _at(ref, path, checkout))
    lines = []
    for number, line in enumerate(_here(path, checkout).decode("utf-8", "replace").splitlines(), 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text and not _REQUIREMENT.fullmatch(text):
            place = f"file={path},line={number}"
            said = "is not a package's name with versions, which is all that can be installed here (no options, URLs or paths)"
            _fail(2, "requirements-line", f"line {number} of {path} {said}", place)
        lines.append(f"{text}\n" if text else "")
    return Wanted("".join(lines))


def _lock(path: str, content: bytes) -> Wanted:
    """Return the packages of a lock; ends the step at a line that has no version, or no hash."""
    lines, versions = [], {}
    text = re.sub(r"(^|[ \t])#.*", "", content.decode("utf-8", "replace"), flags=re.MULTILINE)
    for line in filter(None, (one.strip() for one in re.sub(r"\\\r?\n", " ", text).splitlines())):
        found = _LOCKED.fullmatch(line)
        if found is None:
            shown = f"{line[:60]}…" if len(line) > 60 else line
            said = f"`{shown}` in {path} of the base is no package with its version and hashes, and a judge installs nothing else"
            _fail(
                2, "requirements-unlocked", f"{said}. Make the lock, and commit it to the base branch: {LOCK_COMMAND}"
            )
        versions[normalize_distribution(found["name"])] = found["version"]
        lines.append(f"{line}\n")
    return Wanted("".join(lines), versions)


def _here(path: str, checkout: Path) -> bytes:
    file = (checkout / path).resolve()
    if not file.is_relative_to(checkout.resolve()) or not file.is_file() or file.stat().st_size > LARGEST:
        _fail(2, "requirements-path", f"requirements: there is no file {path} of at most 1 MiB in the repository")
    return file.read_bytes()


def _at(ref: str, path: str, checkout: Path) -> bytes:
    repo = git.find_repository(checkout)
    commit = repo.resolve(f"{ref}^{{commit}}") if repo else None
    if repo is None or commit is None:
        _fail(2, "requirements-ref", f"requirements-from: there is no commit {ref} here; check out with fetch-depth: 0")
    content = repo.read_blob(f"{commit}:{path}")
    if content is None:
        sys.stdout.write(f"{path} is not in {commit[:10]}, so nothing beside the toolkit is installed\n")
    return content or b""


def environment(wanted: Wanted, temp: Path) -> Path:
    """Return the interpreter of the environment with the toolkit and what is wanted, made below `temp` where need be.

    A lock is installed first, by itself and with nothing that it does not name; the toolkit joins it, and changes no version.
    What the lock pins stands in the environment: a judge loads plugins of these distributions alone.
    """
    kind = "" if wanted.lock is None else "\0lock"
    key = hashlib.sha256(f"{_toolkit()}\0{sys.executable}\0{sys.version}\0{wanted.lines}{kind}".encode())
    home = temp / f"mlops-ci-{key.hexdigest()[:16]}"
    python, done = home / "bin" / "python", home / "complete"
    if done.is_file():
        return python
    shutil.rmtree(home, ignore_errors=True)  # what was broken off
    empty = temp / "mlops-ci"
    empty.mkdir(parents=True, exist_ok=True)
    file = empty / f"{home.name}.txt"
    file.write_text(wanted.lines, encoding="utf-8")
    # compiled now, in this job's own environment: no step writes byte code later, and none is taken from another job
    steps: list[tuple[str, ...]] = [("--only-binary", ":all:", "--no-binary", "mlops-ci", str(ROOT), "-r", str(file))]
    if wanted.lock is not None:
        pins = empty / f"{home.name}-pins.txt"
        pins.write_text(wanted.pins, encoding="utf-8")
        locked = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(file))
        toolkit = ("--only-binary", ":all:", "--no-binary", "mlops-ci", str(ROOT), "-c", str(pins))
        steps = [*([locked] if wanted.lock else []), toolkit]
    if uv := shutil.which("uv"):
        _run(empty, uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(home))
        for what in steps:
            _run(empty, uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *what)
    else:
        _run(empty, sys.executable, "-I", "-m", "venv", str(home))
        flags = ("--quiet", "--compile", "--no-input", "--disable-pip-version-check")
        for what in steps:
            _run(empty, str(python), "-I", "-m", "pip", "install", *flags, *what)
    if wanted.lock is not None:
        (home / LOCK_FILE).write_text(json.dumps({"packages": dict(wanted.lock)}), encoding="utf-8")
    done.touch()
    return python


def _toolkit() -> str:
    """Return a digest of what is installed: a runner may have a copy of it for each Action."""
    names = (ROOT / "pyproject.toml", *(ROOT / "mlops_ci").rglob("*"), *(ROOT / "schemas").rglob("*"))
    files = sorted(path for path in names if path.is_file() and path.suffix != ".pyc")
    digests = (f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _run(cwd: Path, *argv: str) -> None:
    ended = process.run_guarded(argv, cwd=cwd, env=process.installer_environment(os.environ), timeout=MINUTES * 60)
    if ended.returncode != 0:
        why = f"did not end in {MINUTES} minutes" if ended.timed_out else f"failed with exit code {ended.returncode}"
        _fail(3, "toolkit-not-installed", f"{' '.join(argv[:4])} {why}:\n{ended.tail}")


def _fail(code: int, title: str, message: str, place: str = "") -> NoReturn:
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    sys.stdout.write(f"::error {f'{place},' if place else ''}title={title}::{escaped}\n")
    write_outputs(os.environ, {"exit-code": str(code)})
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
