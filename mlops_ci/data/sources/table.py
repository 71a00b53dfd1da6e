"""The table of sources: the built-in types, and the loading of types from installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import Plugin, distribution_of, make, translate_plugin_errors
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.sources.files import matches_source_path, source_files
from mlops_ci.data.sources.protocol import ReadableFiles, Source
from mlops_ci.spec.spec_types import PluginSource, SourceSpec


@dataclass(frozen=True)
class FileSource:
    """A source of CSV, JSON Lines or parquet files in the repository."""

    spec: SourceSpec

    def resolve(self, root: Path, location: Location | None = None) -> tuple[FileDigest, ...]:
        """Return the files that match the source's path."""
        return source_files(root, self.spec, location)

    def fetch(self, root: Path, files: tuple[FileDigest, ...], folder: Path) -> ReadableFiles:  # noqa: ARG002 - the protocol's
        """Return the files unchanged."""
        return ReadableFiles(root, files, self.spec)

    def touches(self, path: str) -> bool:
        """Return whether the source's path matches the file."""
        return matches_source_path(self.spec.path, path)


SOURCES: Mapping[str, Plugin[Source]] = {
    "csv": Plugin("csv", FileSource, SourceSpec),
    "jsonl": Plugin("jsonl", FileSource, SourceSpec),
    "parquet": Plugin("parquet", FileSource, SourceSpec),
}


@dataclass(frozen=True)
class _InstalledSource:
    """A plugin source. Its errors name the package, and its files are checked to be in the repository."""

    name: str
    source: Source

    def resolve(self, root: Path, location: Location | None = None) -> tuple[FileDigest, ...]:
        with translate_plugin_errors("mlops_ci.sources", self.name):
            files = tuple(self.source.resolve(root, location))
        home = root.resolve()
        for file in files:
            path = home / file.path
            if not path.is_file() or not path.resolve().is_relative_to(home):
                raise self._misuse(f"names '{file.path}', which is not a file in the repository")
        if not files:
            raise self._misuse("names no files")
        return files

    def fetch(self, root: Path, files: tuple[FileDigest, ...], folder: Path) -> ReadableFiles:
        with translate_plugin_errors("mlops_ci.sources", self.name):
            return self.source.fetch(root, files, folder)

    def touches(self, path: str) -> bool:
        with translate_plugin_errors("mlops_ci.sources", self.name):
            return self.source.touches(path)

    def _misuse(self, what: str) -> EnvironmentProblem:
        return EnvironmentProblem.of(
            "plugin-failed",
            f"the source '{self.name}' of {distribution_of('mlops_ci.sources', self.name)} {what}",
            help="report this to the plugin's author: mlops_ci.testing checks a source",
        )


def open_source(spec: SourceSpec | PluginSource) -> Source:
    """Return the source that a spec describes; raises as `core.plugins.make` does."""
    if isinstance(spec, SourceSpec):
        return SOURCES[spec.type].make(spec)
    made = make("mlops_ci.sources", spec.type, spec.options, Source)  # type: ignore[type-abstract]  # a protocol
    return _InstalledSource(spec.type, made)


def plugin_versions(spec: SourceSpec | PluginSource) -> tuple[str, ...]:
    """Return the distribution and version of a plugin source, which are part of the cache key of its results."""
    return () if isinstance(spec, SourceSpec) else (distribution_of("mlops_ci.sources", spec.type),)
