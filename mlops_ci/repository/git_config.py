"""Git's configuration, as git itself reads it, and who it says that we are."""

from __future__ import annotations

import re

from mlops_ci.repository.git_command import GitFolder, git_error
from mlops_ci.repository.git_values import Person

_NOBODY = re.compile(r"identity unknown|auto-detection is disabled|empty ident name|no (name|email) was given")


class GitConfig(GitFolder):
    """A repository's configuration, with what the user's and the system's say."""

    def config_value(self, key: str) -> str | None:
        """Return a configuration value, or None; raises EnvironmentProblem `git-failed` where it cannot be read."""
        found = self._read_config("--get", key)
        return found[0] if found else None

    def config_values(self, key: str) -> tuple[str, ...]:
        """Return every value of a configuration key that may have several; raises as `config_value` does."""
        return self._read_config("--get-all", key)

    def config_matching(self, pattern: str) -> dict[str, str]:
        """Return the settings whose key matches, with the value that counts; raises as `config_value` does."""
        entries = self._read_config("--get-regexp", pattern)
        return {key: value for key, _, value in (entry.partition("\n") for entry in entries)}

    def _read_config(self, how: str, key: str) -> tuple[str, ...]:
        answer = self.run("config", "-z", how, key, check=False)
        if answer.status not in (0, 1):  # 1: there is no such key
            raise git_error(("config",), answer)
        return tuple(answer.out.decode("utf-8", "replace").split("\0")[:-1])

    def identity(self) -> Person | None:
        """Return whom git would name as committer, or None when nobody is configured.

        Raises EnvironmentProblem `git-failed` where the configuration cannot be read.
        """
        answer = self.run("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT", check=False)
        if answer.status != 0 and not _NOBODY.search(answer.err):
            raise git_error(("var",), answer)
        found = re.match(r"(.+) <([^<>]+)> \d+ [+-]\d{4}$", answer.text)
        return Person(found.group(1), found.group(2)) if answer.status == 0 and found else None
