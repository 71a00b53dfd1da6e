"""The list of plugins as text."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_ci.core.results.plugins import PluginItem, PluginsReport

_NOTES = {
    "shadowed": "  never used: a built-in type has this name",
    "ambiguous": "  never used: several distributions offer this name",
}


def plugins_lines(report: PluginsReport) -> Iterator[str]:
    """Yield a line with the built-in names of each group, and a line for each plugin of an installed package."""
    groups: dict[str, list[PluginItem]] = {}
    for item in report.plugins:
        groups.setdefault(item.group, []).append(item)
    for group, items in groups.items():
        built_in = [item.name for item in items if item.state == "built-in"]
        yield f"{group}: {', '.join(built_in)}"
        for item in items:
            if item.state != "built-in":
                yield f"  {item.name}  {item.distribution} {item.version} ({item.value}){_NOTES.get(item.state, '')}"
    if not any(item.state != "built-in" for item in report.plugins):
        yield "no installed package offers plugins"
