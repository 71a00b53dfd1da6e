"""The environments of a project in their order, read quickly: a query must not wait for the import of everything that reads specs."""

from __future__ import annotations

import re

_DEFAULT = ("staging", "prod")  # as `ProjectSpec` has it: a test compares them
_NAME = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_PLAIN = re.compile(rf"^  environments: \[({_NAME}(?:, ?{_NAME})*)\] *(?:#.*)?$", re.MULTILINE)


def read_environments(content: bytes) -> tuple[str, ...]:
    """Return the environments that the content of an mlops.yaml names, whether or not the rest of it is valid; nothing if it is no Project."""
    text = content.decode("utf-8", "replace")
    if "\n---" not in text and "environments:" in text and text.count("environments") == 1:
        plain = _PLAIN.search(text)
        if plain is not None and "\nkind: Project\n" in text:
            return tuple(name.strip() for name in plain[1].split(","))
    # not for a Project as `init` writes it: the parser's import takes longer than the query
    from mlops_ci.spec.yaml.document import read_documents
    from mlops_ci.spec.yaml.nodes import SyntaxProblem  # the same

    try:
        found = [one.data for one in read_documents("mlops.yaml", content)]
    except SyntaxProblem:
        return ()
    for one in found:
        spec = one.get("spec", {}) if isinstance(one, dict) and one.get("kind") == "Project" else None
        names = spec.get("environments", list(_DEFAULT)) if isinstance(spec, dict) else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return tuple(names)
    return ()
