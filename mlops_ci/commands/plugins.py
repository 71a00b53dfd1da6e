"""`plugins`: lists the types that specs can name: the built-in ones and those of installed packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

from mlops_ci import __version__
from mlops_ci.core.plan import Outcome
from mlops_ci.core.plugins import GROUPS, Group, list_offers
from mlops_ci.core.results.plugins import PluginItem, PluginsReport
from mlops_ci.core.verbs import Verb
from mlops_ci.data.check_types import CHECK_TYPES
from mlops_ci.data.sources.table import SOURCES
from mlops_ci.deployment.targets.table import TARGETS
from mlops_ci.repository.context import Context
from mlops_ci.spec.metrics import METRIC_DEFINITIONS
from mlops_ci.training.frameworks.table import FRAMEWORKS
from mlops_ci.training.packaging.table import PACKAGERS

SPEC = Verb(
    "plugins",
    "List the types that specs can name, and their packages.",
    needs="nothing",
    formats=("text", "json"),
    surfaces=("cli",),
    details="Shows the distribution and version of each type. No package is imported for it. A package cannot replace a built-in type.",
)

BUILT_IN: Mapping[Group, tuple[str, ...]] = {  # one row for each group
    "mlops_ci.sources": tuple(SOURCES),
    "mlops_ci.targets": tuple(TARGETS),
    "mlops_ci.packagers": tuple(PACKAGERS),
    "mlops_ci.frameworks": tuple(FRAMEWORKS),
    "mlops_ci.metrics": tuple(METRIC_DEFINITIONS),
    "mlops_ci.checks": tuple(CHECK_TYPES),
}


def plugins(_context: Context) -> Outcome[PluginsReport]:
    """Return every plugin with its distribution and version. No plugin is imported."""
    return Outcome(PluginsReport(tuple(item for group in GROUPS for item in _items(group))))


def _items(group: Group) -> Iterator[PluginItem]:
    built_in, offers = BUILT_IN[group], list_offers(group)
    noun = group.partition(".")[2]
    for name in built_in:
        yield PluginItem(noun, name, "mlops-ci", __version__, "built-in")
    times = Counter(offer.name for offer in offers)
    for offer in offers:
        state: Literal["installed", "shadowed", "ambiguous"] = "installed"
        if offer.name in built_in:
            state = "shadowed"
        elif times[offer.name] > 1:
            state = "ambiguous"
        yield PluginItem(noun, offer.name, offer.distribution, offer.version, state, offer.value)
