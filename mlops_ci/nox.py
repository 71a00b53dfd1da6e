"""The commands as nox sessions for a project's noxfile: `import nox, mlops_ci.nox; mlops_ci.nox.register(nox)`."""

from __future__ import annotations

import sys
from typing import Any

from mlops_ci.cli.verbs import all_verbs
from mlops_ci.core.verbs import Verb


def register(nox: Any) -> None:
    """Add a session for each command to the calling noxfile; `nox` is the module.

    A session runs in nox's own environment, so it uses the same toolkit version that the noxfile imports. Arguments after
    `--` are passed to the command.
    """
    for verb in all_verbs():
        if "nox" in verb.surfaces:
            nox.session(name=verb.name, venv_backend="none")(_make_session(verb))


def _make_session(verb: Verb) -> Any:
    def run(session: Any) -> None:
        session.run(sys.executable, "-m", "mlops_ci", *verb.command.split(), *session.posargs, external=True)

    run.__doc__ = verb.summary
    return run
