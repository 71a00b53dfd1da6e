"""The toolkit as GitHub hands it to a job that uses it: its files without its history, at a ref."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLUG, REF = "mlops-ci/mlops-ci", "v1"
STUBS = Path(__file__).parent / "stubs"
PINNED = {
    "actions/setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97",
    "actions/upload-artifact": "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a",
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
    "actions/attest": "1e69f48acb82d1966a394da916b4c1698aa569d6",
}
# act does not know GitHub's name for "this repository, at the commit that runs", nor how many may wait for their turn, nor who may
# save to the cache, which it is run without
_SELF, _QUEUE = re.compile(r"(uses:\s*)\$/([\w./-]+)"), ", queue: max"
_CACHE_MODE = re.compile(r"^ +cache-mode: .*\n", re.MULTILINE)


def export(folder: Path, *within: str) -> Path:
    """Copy the files that git tracks or would track, without tests, to an empty folder, and return it.

    `within` are the folders to copy, if not all: act copies the whole for each step that uses an Action.
    """
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", "--", *within]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith("tests/") or not (ROOT / name).is_file():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
        if name.endswith((".yml", ".yaml")):
            text = (folder / name).read_text(encoding="utf-8")
            known = _SELF.sub(rf"\g<1>{SLUG}/\2@{REF}", text).replace(_QUEUE, "")
            known = _CACHE_MODE.sub("", known)
            (folder / name).write_text(known, encoding="utf-8")
    return folder


def actions(toolkit: Path) -> Mapping[str, Path]:
    """Return what each repository that a workflow may use is, by `owner/name@ref`."""
    stubs = {f"{name}@{sha}": STUBS / name.partition("/")[2] for name, sha in PINNED.items()}
    return {f"{SLUG}@{REF}": toolkit, **stubs}
