"""One door for plugins: built-ins from the table of a room, other types from installed packages' entry points.

An installed package offers a plugin by an entry point of one of `GROUPS`, whose name is the plugin's and whose object is a
frozen value with the same `name`. Entry points are scanned only for a name that the room's table does not have.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

from mlops_ci.core.errors import EnvironmentProblem, ToolError, UsageProblem
from mlops_ci.core.suggestions import quote, suggest

Group = Literal[
    "mlops_ci.sources",
    "mlops_ci.targets",
    "mlops_ci.packagers",
    "mlops_ci.frameworks",
    "mlops_ci.metrics",
    "mlops_ci.checks",
]
GROUPS: tuple[Group, ...] = get_args(Group)
LOCK_FILE = "mlops-ci-lock.json"  # in the environment's folder: which lock the environment was installed from
LOCK_COMMAND = "uv pip compile --generate-hashes --no-emit-package mlops-ci requirements.in -o requirements.lock"

UNKNOWN = "unknown"  # the name or version of a distribution whose metadata have none

Made = TypeVar("Made")


class Named(Protocol):
    """What a table of plugins has: values that say their own name."""

    @property
    def name(self) -> str:
        """The name that specs write."""


AnyPlugin = TypeVar("AnyPlugin", bound=Named)


@dataclass(frozen=True)
class NoOptions:
    """The options of a plugin that has none."""


@dataclass(frozen=True)
class Plugin(Generic[Made]):
    """A type that a spec can name: `make` turns its options, which stand beside `type:`, into what the room uses.

    `options` is a frozen dataclass, `schema` the JSON Schema of its fields (`properties`, `required`), without `type`. Fields
    that the schema does not name are errors in a spec, and so are those of the spec around it that `reads` does not name
    (for a target: `replicas`, `resources`, `rollout`).
    """

    name: str
    make: Callable[[Any], Made]
    options: type[Any] = NoOptions
    schema: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """An entry point of an installed distribution, not imported."""

    group: Group
    name: str
    value: str
    distribution: str
    version: str


def load(table: Mapping[str, AnyPlugin], group: Group, name: str) -> AnyPlugin:
    """Return the plugin of this name: the room's own, else the one that an installed distribution offers.

    Raises UsageProblem `plugin-unknown` where none has the name, and EnvironmentProblem: `plugin-ambiguous` where several
    distributions offer it, `plugin-not-locked` where a judge's environment was not installed from a lock that has the
    distribution, `plugin-broken` where it cannot be imported or is no plugin of the table's kind, or where none offers the
    name and the entry points of a distribution are damaged.
    """
    known = table.get(name)
    return _load_offer(table, _find_offer(table, group, name)) if known is None else known


def make(group: Group, name: str, options: Any, protocol: type[Made]) -> Made:
    """Return what the plugin of an installed distribution makes of its options, a value of `protocol`.

    `protocol` is a runtime-checkable protocol. Raises as `load` does, and EnvironmentProblem `plugin-failed` where the
    plugin's code raises or makes anything else.
    """
    table: Mapping[str, Plugin[Made]] = {}
    with translate_plugin_errors(group, name):
        made = load(table, group, name).make(options)
        if not isinstance(made, protocol):
            raise TypeError(
                f"its `make` returned a value of type {type(made).__name__}, which is no {protocol.__name__}"
            )
    return made


def list_offers(group: Group) -> tuple[Offer, ...]:
    """Return what installed distributions offer in a group, by name; nothing of it is imported."""
    return _scan_entry_points(group, tuple(sys.path)).offers


def distribution_of(group: Group, name: str) -> str:
    """Return the distribution and its version that offer a plugin, `acme-sources 1.2.0`; `mlops-ci` for what none offers."""
    found = next((offer for offer in list_offers(group) if offer.name == name), None)
    return f"{found.distribution} {found.version}" if found else "mlops-ci"


@contextmanager
def translate_plugin_errors(group: Group, name: str) -> Iterator[None]:
    """Turn what a package's own code raises into EnvironmentProblem `plugin-failed`, which names its distribution.

    What the toolkit itself has for such cases (Findings, UsageProblem, EnvironmentProblem) stays as it is.
    """
    try:
        yield
    except ToolError:
        raise
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EnvironmentProblem.of(
            "plugin-failed",
            f"the {_noun(group)} {quote(name)} of {distribution_of(group, name)} failed: {why}",
            help="report it to the plugin's author: the functions of mlops_ci.testing check a plugin",
        ) from error


@contextmanager
def locked_plugins_only() -> Iterator[None]:
    """Refuse, inside the block, every plugin whose distribution is not in the lock that the environment was made from.

    It holds for the whole process, threads too.
    """
    before = _Policy.locked_only
    _Policy.locked_only = True
    try:
        yield
    finally:
        _Policy.locked_only = before


class _Policy:
    locked_only = False


@dataclass(frozen=True)
class _Scan:
    """What installed distributions offer in a group, and the distributions whose list of entry points is damaged."""

    offers: tuple[Offer, ...]
    damaged: tuple[str, ...]


@lru_cache(maxsize=64)
def _scan_entry_points(group: Group, path: tuple[str, ...]) -> _Scan:
    from importlib import metadata  # 20 ms, which a command that uses built-ins alone does not wait for

    offers, damaged, seen = [], [], set()
    for distribution in metadata.distributions(path=list(path)):
        name, version = _name_and_version(distribution)
        if name != UNKNOWN:
            if (same := normalize_distribution(name)) in seen:  # of two copies on the path, Python imports the first
                continue
            seen.add(same)
        try:
            entries = [(entry.name, entry.value) for entry in distribution.entry_points if entry.group == group]
        except Exception:  # noqa: BLE001 - what the parser raises depends on how the file is damaged
            damaged.append(f"{name} {version}")
            continue
        offers += [Offer(group, entry, value, name, version) for entry, value in entries]
    return _Scan(tuple(sorted(offers, key=lambda one: (one.name, one.distribution, one.value))), tuple(sorted(damaged)))


def _name_and_version(distribution: Any) -> tuple[str, str]:
    """Return both as the metadata have them, UNKNOWN where they lack one or cannot be read."""
    try:
        return distribution.name or UNKNOWN, distribution.version or UNKNOWN
    except Exception:  # noqa: BLE001 - what the parser raises depends on how the file is damaged
        return UNKNOWN, UNKNOWN


def _find_offer(table: Mapping[str, AnyPlugin], group: Group, name: str) -> Offer:
    scan = _scan_entry_points(group, tuple(sys.path))
    found = [offer for offer in scan.offers if offer.name == name]
    noun = _noun(group)
    if not found and scan.damaged:  # nobody knows what these offer
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"no package that can be read offers the {noun} {quote(name)}; the entry points of {', '.join(scan.damaged)} are damaged",
            help=f"check the spelling of {quote(name)}, or reinstall {scan.damaged[0]}: its entry_points.txt cannot be read",
        )
    if not found:
        known = (*table, *(offer.name for offer in scan.offers))
        raise UsageProblem.of(
            "plugin-unknown",
            f"there is no {noun} {quote(name)}, neither built in nor in an installed package",
            help=suggest(name, known) or f"install the package that offers it as an entry point of {group}",
        )
    if len(found) > 1:
        offered = ", ".join(f"{offer.distribution} {offer.version} ({offer.value})" for offer in found)
        raise EnvironmentProblem.of(
            "plugin-ambiguous",
            f"the {noun} {quote(name)} is offered more than once: {offered}",
            help="uninstall all but one of them",
        )
    return found[0]


def _noun(group: Group) -> str:
    return group.partition(".")[2].removesuffix("s")


def _load_offer(table: Mapping[str, AnyPlugin], offer: Offer) -> AnyPlugin:
    _ensure_locked(offer)
    return _import_offer(offer, tuple({type(value) for value in table.values()}))  # type: ignore[no-any-return]  # checked there


def _ensure_locked(offer: Offer) -> None:
    if not _Policy.locked_only:
        return
    lock = Path(sys.prefix) / LOCK_FILE
    try:
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        version = packages.get(normalize_distribution(offer.distribution))
    except FileNotFoundError:
        version, why = None, "this environment was not installed from a lock file of the base branch"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        version, why = None, f"{lock} cannot be read"
    else:
        why = f"the lock file has {version or 'no version'} of this package"
    # what has no name or no version is pinned by no lock file
    if UNKNOWN in (offer.distribution, offer.version) or version != offer.version:
        raise EnvironmentProblem.of(
            "plugin-not-locked",
            f"{offer.distribution} {offer.version} offers {quote(offer.name)}, but the gate in CI does not load it: {why}",
            help=f"commit a lock file to the base branch: {LOCK_COMMAND}\n"
            "and give the Action `requirements: requirements.lock` and `requirements-from:` the base branch",
        )


def normalize_distribution(name: str) -> str:
    """Return a distribution's name in the one spelling that names are compared in."""
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=256)
def _import_offer(offer: Offer, kinds: tuple[type[Any], ...]) -> Any:
    from importlib import metadata

    by = f"the plugin {quote(offer.name)} of {offer.distribution} {offer.version} ({offer.value})"
    try:
        value = metadata.EntryPoint(offer.name, offer.value, offer.group).load()
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"{by} cannot be imported: {why}",
            help=f"upgrade or reinstall {offer.distribution}, or report it to its author",
        ) from error
    is_usable = not isinstance(value, Plugin) or _has_valid_parts(value)
    if not is_usable or getattr(value, "name", None) != offer.name or (kinds and not isinstance(value, kinds)):
        wanted = f"{' or '.join(sorted(kind.__name__ for kind in kinds)) or 'plugin'} named {quote(offer.name)}"
        if not is_usable:
            wanted += " whose schema is a mapping and whose options are a dataclass"
        raise EnvironmentProblem.of(
            "plugin-broken",
            f"{by} is not a {wanted}",
            help=f"report it to the author of {offer.distribution}: the functions of mlops_ci.testing check a plugin",
        )
    return value


def _has_valid_parts(plugin: Any) -> bool:
    """Tell whether the parts of a Plugin are of the types that it declares, which no type checker need have seen."""
    return isinstance(plugin.schema, Mapping) and is_dataclass(plugin.options) and callable(plugin.make)
