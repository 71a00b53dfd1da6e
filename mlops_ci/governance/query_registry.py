"""The registry for queries: events of signed models are verified, and a registry without signatures starts as fast as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_ci.registry.state import read_registry

if TYPE_CHECKING:  # queries import little
    from mlops_ci.core.diagnostics import Diagnostic
    from mlops_ci.registry.state import RegistryState
    from mlops_ci.repository.git import Repository
    from mlops_ci.repository.project_identity import ProjectIdentity


def read_verified_registry(
    repo: Repository | None, identity: ProjectIdentity | None, *models: str
) -> tuple[RegistryState, tuple[Diagnostic, ...]]:
    """Return the registry and warnings: of the named models, or of all, no event is in force that does not verify.

    Only models with signed events are verified. The policy is that of the default branch as this clone last knew it.
    """
    registry = read_registry(repo, identity)
    names = models or tuple(registry.models)
    if not any(registry.models[name].has_signed_events for name in names if name in registry.models):
        return registry, ()
    from mlops_ci.governance.verified_registry import verify_signed  # registries without signatures start faster

    verified = verify_signed(repo, registry, *names)
    return verified.state, verified.warnings(*names)
