"""The init container's own script, run by sh against repositories on disk and a server on loopback."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from mlops_ci.deployment.manifests import render_manifests
from mlops_ci.spec.spec_types import DeploymentSpec, TargetSpec
from tests.deployment.conftest import make_release

FILES = {"model.skops": b"\x00weights\xff\n", "signature.json": b"{}\n", "extra/notes.txt": b"notes\n"}
REF = "refs/mlops/releases/delay/v1.0.0"


def git(*arguments: str, cwd: Path, stdin: bytes | None = None) -> str:
    identity = {f"GIT_{role}_{what}": "t@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, input=stdin, check=True, capture_output=True, env={**os.environ, **identity}
    )
    return done.stdout.decode().strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository that holds a released run, next to files of it that are no part of the model."""
    work, bare = tmp_path / "work", tmp_path / "bare repo; $(touch PWNED) `touch PWNED` \"'.git"
    for path, content in {**{f"model/{path}": content for path, content in FILES.items()}, "run.json": b"{}"}.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(content)
    (work / "model" / "unlisted.py").write_text("raise SystemExit\n")
    (work / "model" / "link").symlink_to("/etc/passwd")
    git("init", "-q", cwd=work)
    git("add", "-A", cwd=work)
    git("commit", "-qm", "run", cwd=work)
    git("update-ref", REF, "HEAD", cwd=work)
    git("clone", "-q", "--mirror", str(work), str(bare), cwd=tmp_path)
    return bare


def manifest_environment(repository: str, secret: str | None = None) -> tuple[list[str], dict[str, str]]:
    """Return the init container's command and values, as the manifests say (with the kubelet's reading of $$)."""
    deployment = DeploymentSpec("delay", "prod", TargetSpec("kubernetes", credentials_secret=secret))
    files = render_manifests(make_release(files=FILES), deployment, "delay-prod", repository=repository)
    base, patch = (
        yaml.safe_load(files[path])["spec"]["template"]["spec"] for path in ("base/deployment.yaml", "release.yaml")
    )
    fetcher = base["initContainers"][0]
    items = fetcher["env"] + patch["initContainers"][0]["env"]
    return fetcher["command"], {item["name"]: item["value"].replace("$$", "$") for item in items if "value" in item}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The model's volume, with what an earlier, killed attempt left."""
    folder = tmp_path / "models"
    (folder / ".incoming" / "model").mkdir(parents=True)
    (folder / "stale.bin").write_bytes(b"stale")
    return folder


@pytest.fixture
def fetch(volume: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(repository: str, changes: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        command, environment = manifest_environment(repository)
        environment |= {"MODEL_DIR": str(volume), "PATH": os.environ["PATH"]} | dict(changes or {})
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, timeout=60, stdin=subprocess.DEVNULL
        )

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


Fetch = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_it_writes_exactly_the_recorded_files(fetch: Fetch, origin: Path, volume: Path, tmp_path: Path) -> None:
    done = fetch(f"file://{origin}")

    assert done.returncode == 0, done.stderr
    assert contents(volume) == FILES
    assert not list(tmp_path.rglob("PWNED"))


def test_a_flipped_byte_leaves_nothing(fetch: Fetch, origin: Path, volume: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "model/model.skops").write_bytes(b"\x00weightz\xff\n")
    git("commit", "-qam", "tampered", cwd=work)
    git("push", "-q", "--force", str(origin), f"HEAD:{REF}", cwd=work)

    done = fetch(f"file://{origin}")

    assert done.returncode != 0
    assert b"model.skops: FAILED" in done.stdout
    assert list(volume.iterdir()) == []


def test_a_symbolic_link_in_place_of_a_file_leaves_nothing(fetch: Fetch, origin: Path, volume: Path) -> None:
    target = Path("/etc/passwd").read_bytes()
    done = fetch(f"file://{origin}", {"MODEL_SHA256": f"{hashlib.sha256(target).hexdigest()}  link\n"})

    assert done.returncode != 0
    assert list(volume.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"MODEL_REF": "refs/mlops/releases/delay/v9.9.9"},
        {"MODEL_REPOSITORY": "file:///nowhere.git"},
        {"MODEL_REPOSITORY": "ext::sh -c 'touch PWNED'"},
        {"MODEL_REPOSITORY": "--upload-pack=touch PWNED"},
        {"MODEL_SHA256": f"{'0' * 64}  gone.bin\n"},
    ],
)
def test_what_cannot_be_fetched_leaves_nothing(
    fetch: Fetch, origin: Path, volume: Path, tmp_path: Path, changes: dict[str, str]
) -> None:
    done = fetch(f"file://{origin}", changes)

    assert done.returncode != 0
    assert list(volume.iterdir()) == []
    assert not list(tmp_path.rglob("PWNED"))


@pytest.mark.parametrize("name", ["MODEL_REPOSITORY", "MODEL_REF", "MODEL_SHA256"])
def test_the_base_without_a_version_fails_closed(fetch: Fetch, origin: Path, name: str) -> None:
    done = fetch(f"file://{origin}", {name: ""})

    assert done.returncode != 0
    assert name.encode() in done.stderr


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A git host that wants a login, redirects what lies under /moved to another name of itself, and has no repository."""
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.headers["Host"], self.headers["Authorization"]))
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{port}/there.git/info/refs?service=git-upload-pack")
            elif self.headers["Authorization"] is None:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
            else:
                self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        port = http.server_address[1]
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}", seen
        http.shutdown()


def test_credentials_reach_the_named_host_only(fetch: Fetch, server: tuple[str, list[tuple[str, str | None]]]) -> None:
    url, seen = server
    login = {"GIT_USERNAME": "ada", "GIT_PASSWORD": "p\"$(touch PWNED)'%s"}

    done = fetch(f"{url}/here.git", login)
    moved = fetch(f"{url}/moved.git", login)

    assert done.returncode != 0
    assert moved.returncode != 0
    sent = base64.b64encode(f"{login['GIT_USERNAME']}:{login['GIT_PASSWORD']}".encode()).decode()
    assert (url.removeprefix("http://"), f"Basic {sent}") in seen
    assert not [host for host, _ in seen if host.startswith("localhost")]
    assert login["GIT_PASSWORD"].encode() not in done.stdout + done.stderr + moved.stderr
