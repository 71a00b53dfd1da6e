"""A project that signs: what `release` and `deploy` write verifies with plain git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.consumer import Consumer


def test_release_and_deployment_verify_with_plain_git(gated: Consumer, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    signers = gated.root / "signers"
    signers.write_text(f'ada@example.org namespaces="git" {key.with_suffix(".pub").read_text()}')
    project = gated.root / "mlops.yaml"
    project.write_text(f"{project.read_text()}  signing: {{format: ssh, allowedSigners: signers}}\n")
    gated.commit("sign")
    gated.git("push", "--quiet", "origin", "main")
    refused = gated.run("release")
    assert (refused.returncode, "signing-key-missing" in refused.stderr + refused.stdout) == (3, True)
    gated.git("config", "user.signingKey", str(key))
    gated.ok("release")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    tags = [name for name in gated.published() if name.startswith("refs/tags/")]
    assert len(tags) == 2
    for name in tags:
        gated.git("-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-tag", name.removeprefix("refs/tags/"))
