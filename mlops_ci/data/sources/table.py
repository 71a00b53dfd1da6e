"""The table of sources: those that are built in, and the door to those that packages add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.core.diagnostics import Location
from mlops_ci.core.errors import EnvironmentProblem
from mlops_ci.core.plugins import Plugin, distribution_of, load, translate_plugin_errors
from mlops_ci.core.records.base import FileDigest
from mlops_ci.data.sources.files import matches_source_path, source_files
from mlops_ci.data.sources.protocol import ReadableFiles, Source
from mlops_ci.spec.spec_types import PluginSource, SourceSpec


@dataclass(frozen=True)
class FileSource:
    """CSV or parquet files of the repository."""

    spec: SourceSpec

    def resolve(self, root: Path, location: Location | None = None) -> tuple[FileDigest, ...]:
        """Return the files that the path names."""
        return source_files(root, self.spec, location)

    def fetch(self, root: Path, files: tuple[FileDigest, ...], folder: Path) -> ReadableFiles:  # noqa: ARG002 - the protocol's
        """Return the files as they are."""
        return ReadableFiles(root, files, self.spec)

    def touches(self, path: str) -> bool:
        """Tell whether the path's pattern names the file."""
        return matches_source_path(self.spec.path, path)


SOURCES: Mapping[str, Plugin[Source]] = {
    "csv": Plugin("csv", FileSource, SourceSpec),
    "parquet": Plugin("parquet", FileSource, SourceSpec),
}


@dataclass(frozen=True)
class _InstalledSource:
    """A package's source, whose errors name the package, and whose files are held to be of the repository."""

    name: str
    source: Source

    def resolve(self, root: Path, location: Location | None = None) -> tuple[FileDigest, ...]:
        with translate_plugin_errors("mlops_ci.sources", self.name):
            files = tuple(self.source.resolve(root, location))
        home = root.resolve()
        for file in files:
            path = home / file.path
            if not path.is_file() or not path.resolve().is_relative_to(home):
                raise self._misuse(f"names '{file.path}', which is no file of the repository")
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
            help="tell its author: mlops_ci.testing checks a source",
        )


def open_source(spec: SourceSpec | PluginSource) -> Source:
    """Return the source that a spec describes; raises as `core.plugins.load` does."""
    if isinstance(spec, SourceSpec):
        return SOURCES[spec.type].make(spec)
    with translate_plugin_errors("mlops_ci.sources", spec.type):
        made = load(SOURCES, "mlops_ci.sources", spec.type).make(spec.options)
    return _InstalledSource(spec.type, made)


def plugin_versions(spec: SourceSpec | PluginSource) -> tuple[str, ...]:
    """Return the distribution and version that a source comes from: part of the name of what is remembered of its rows."""
    return () if isinstance(spec, SourceSpec) else (distribution_of("mlops_ci.sources", spec.type),)
