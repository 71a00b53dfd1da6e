"""Loads the specs of a folder: finds the files, reads each once, and returns the findings of all files in one run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from mlops_ci.core.codec import DecodeError, decode
from mlops_ci.core.diagnostics import Diagnostic, Location, has_errors
from mlops_ci.core.digest import digest_json
from mlops_ci.spec.located_spec import LocatedSpec, Specs
from mlops_ci.spec.spec_types import API_VERSION, SPEC_KINDS, ProjectSpec
from mlops_ci.spec.validation.references import ParsedSpecs, reference_findings
from mlops_ci.spec.validation.schema import validate_document
from mlops_ci.spec.yaml.document import MAX_SPEC_BYTES, Document, read_documents, too_large_finding
from mlops_ci.spec.yaml.nodes import SyntaxProblem

__all__ = [
    "PROJECT_FILE",
    "LocatedName",
    "LocatedSpec",
    "SpecLoadResult",
    "Specs",
    "find_outer_project",
    "find_root",
    "is_searched_path",
    "load_specs",
    "locate_names",
    "parse_project",
    "read_all_specs",
    "spec_digests",
]

PROJECT_FILE = "mlops.yaml"
_API_PREFIX = API_VERSION.partition("/")[0] + "/"
_IGNORED_FOLDERS = {"venv", "node_modules", "__pycache__"}
_YAML_SUFFIXES = (".yaml", ".yml")
_HEAD_BYTES = 64 * 1024  # the part of a too large file that is searched for a sign that it is a spec

# Patterns on bytes: a repository's other YAML files (manifests, Helm templates) are skipped without parsing.
_POSSIBLE_SPEC = re.compile(rb"(?i)apiVersion[\"']?\s*:\s*(?:&\S+\s+)?[\"']?\s*mlops")
_KIND_FIELD = re.compile(rb"kind[\"']?\s*:\s*[\"']?(?:Project|Dataset|Model|Deployment)\b")
_SPEC_MARK = re.compile(
    rb"^[ \t]*(?:- +)?[\"']?apiVersion[\"']?[ \t]*:[ \t]*[\"']?mlops-ci/"
    rb"|^#.*yaml-language-server:[ \t]*\$schema=\S*mlops-ci\S*/schemas/",
    re.MULTILINE,
)
_VALID_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")  # the same pattern as in the schemas
_NEAR_MISS = re.compile(r"mlops[-_ ]?ci([/_-].*)?|mlops/.*", re.IGNORECASE)


@dataclass(frozen=True)
class SpecLoadResult:
    """The result of one run: `specs` is None when there is an error; `files` are the files that contain specs."""

    specs: Specs | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)


class LocatedName(NamedTuple):
    """A spec's kind and name, and the place of the name."""

    kind: str
    name: str
    place: Location


def find_root(start: Path) -> Path | None:
    """Return the nearest folder, from `start` upwards, that contains mlops.yaml; None when there is none."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / PROJECT_FILE).is_file()), None)


def find_outer_project(root: Path, top: Path) -> Path | None:
    """Return the nearest folder above a project, up to `top`, whose mlops.yaml is one of this toolkit; None without one."""
    for folder in root.parents:
        if not folder.is_relative_to(top):
            return None
        file = folder / PROJECT_FILE
        if file.is_file() and file.stat().st_size <= MAX_SPEC_BYTES and _SPEC_MARK.search(file.read_bytes()):
            return folder
    return None


def load_specs(root: Path) -> tuple[Specs | None, tuple[Diagnostic, ...]]:
    """Return the specs below `root` (None when there is an error), and all findings sorted by path and line."""
    result = read_all_specs(root)
    return result.specs, result.diagnostics


def read_all_specs(root: Path) -> SpecLoadResult:
    """Read, validate and cross-check every spec below `root`."""
    findings: list[Diagnostic] = []
    documents: list[Document] = []
    unread = False
    for path in _yaml_files(root):
        try:
            documents += _read_spec_documents(root, path, findings)
        except SyntaxProblem as problem:
            findings.append(problem.diagnostic)
            unread = True
        except OSError as error:
            if path == PROJECT_FILE:
                message = f"cannot be read: {error.strerror}"
                findings.append(Diagnostic("spec-unreadable", message, Location(path), "check the file's permissions"))
    loaded, invalid, nameless = _validate_and_decode(documents, findings)
    parsed = ParsedSpecs(
        loaded["Project"],
        loaded["Dataset"],
        loaded["Model"],
        loaded["Deployment"],
        invalid,
        frozenset(SPEC_KINDS) if unread else nameless,
    )
    findings += _missing_project_findings(root, documents, findings)
    findings += reference_findings(root, parsed)
    diagnostics = tuple(sorted(findings, key=_sort_key))
    kinds = [str(document.data.get("kind")) for document in documents]
    counts = {kind: kinds.count(kind) for kind in SPEC_KINDS}
    files = tuple(dict.fromkeys(document.source.path for document in documents))
    return SpecLoadResult(None if has_errors(diagnostics) else _combine_specs(parsed), diagnostics, files, counts)


def parse_project(content: bytes) -> LocatedSpec[ProjectSpec] | None:
    """Return the Project in the content of an mlops.yaml, for example of another commit; None without a valid one."""
    try:
        documents = list(_select_spec_documents(read_documents(PROJECT_FILE, content), []))
    except SyntaxProblem:
        return None
    loaded, _, _ = _validate_and_decode(documents, [])
    return next(iter(loaded["Project"]), None)


def is_searched_path(path: str) -> bool:
    """Return whether `read_all_specs` would look into a file; `path` is relative to the project's root."""
    *folders, file = path.split("/")
    return file.endswith(_YAML_SUFFIXES) and not any(map(_is_ignored_folder, folders))


def locate_names(path: str, content: bytes) -> tuple[LocatedName, ...]:
    """Return kind, name and the name's place for each spec in a file's content, valid or not.

    Specs without a valid name are left out. Returns nothing for content that is not YAML.
    """
    if not _SPEC_MARK.search(content) and not _POSSIBLE_SPEC.search(content):
        return ()
    try:
        documents = list(_select_spec_documents(read_documents(path, content), []))
    except SyntaxProblem:
        return ()
    return tuple(
        LocatedName(kind, name, document.locate(("metadata", "name")))
        for document in documents
        if isinstance(kind := document.data.get("kind"), str) and (name := _spec_name(document)) is not None
    )


def spec_digests(path: str, content: bytes) -> tuple[tuple[tuple[str, str], str], ...]:
    """Return ((kind, name), digest) for each spec in a file's content, valid or not.

    Specs without a valid name are left out. Returns nothing for content that is not YAML, and for a `path` (relative to
    the project's root) that `read_all_specs` would skip.
    """
    if not is_searched_path(path):
        return ()
    try:
        documents = list(_select_spec_documents(read_documents(path, content), []))
    except SyntaxProblem:
        return ()
    named = ((document.data.get("kind"), _spec_name(document), document.data) for document in documents)
    return tuple(
        ((kind, name), _spec_digest(kind, name, data.get("spec")))
        for kind, name, data in named
        if isinstance(kind, str) and name is not None
    )


def _spec_digest(kind: str, name: str, spec: Any) -> str:
    return digest_json({"kind": kind, "name": name, "spec": spec})


def _combine_specs(parsed: ParsedSpecs) -> Specs:
    return Specs(
        parsed.projects[0],
        {spec.name: spec for spec in parsed.datasets},
        {spec.name: spec for spec in parsed.models},
        {spec.name: spec for spec in parsed.deployments},
    )


def _sort_key(diagnostic: Diagnostic) -> tuple[str, int, int]:
    where = diagnostic.location
    return (where.path, where.line or 0, where.column or 0) if where else ("", 0, 0)


def _yaml_files(root: Path) -> Iterator[str]:
    """Yield the sorted paths of YAML files below root (POSIX, relative), without links that point outside the root."""
    real: list[Path] = []
    linked: list[Path] = []
    base = root.resolve()
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if _is_searched_folder(here, name))
        for name in sorted(names):
            if name.endswith(_YAML_SUFFIXES):
                (linked if (here / name).is_symlink() else real).append(here / name)
    yield from sorted(path.relative_to(root).as_posix() for path in real if path.is_file())
    seen = {path.resolve() for path in real} if linked else set()
    for path in linked:
        try:
            target = path.resolve()
        except (OSError, RuntimeError):  # symbolic links that form a loop
            continue
        if target.is_file() and target.is_relative_to(base) and target not in seen:
            seen.add(target)
            yield path.relative_to(root).as_posix()


def _is_searched_folder(folder: Path, name: str) -> bool:
    return not _is_ignored_folder(name) and not (folder / name / ".git").exists()  # a nested repository


def _is_ignored_folder(folder: str) -> bool:
    return folder in _IGNORED_FOLDERS or (folder.startswith(".") and folder != ".github")


def _read_spec_documents(root: Path, path: str, findings: list[Diagnostic]) -> list[Document]:
    """Return a file's specs; raises SyntaxProblem when a file that is marked as a spec cannot be parsed."""
    file = root / path
    size = file.stat().st_size
    with file.open("rb") as stream:
        content = stream.read(MAX_SPEC_BYTES + 1 if size <= MAX_SPEC_BYTES else _HEAD_BYTES)
    must = path == PROJECT_FILE
    if not (
        must
        or _SPEC_MARK.search(content)
        or _POSSIBLE_SPEC.search(content)
        or (_KIND_FIELD.search(content) and b"apiVersion" not in content)
    ):
        return []
    mine = must or bool(_SPEC_MARK.search(content))
    shown = os.fsencode(path).decode("utf-8", "replace")
    if size > MAX_SPEC_BYTES:
        if mine:
            raise SyntaxProblem(too_large_finding(shown, size))
        return []
    try:
        documents = read_documents(shown, content)
    except SyntaxProblem:
        if mine:
            raise
        return []
    if must and not documents:
        help = "write a Project spec, or run `mlops-ci init`"
        raise SyntaxProblem(Diagnostic("spec-empty", f"{PROJECT_FILE} is empty", Location(shown), help))
    return list(_select_spec_documents(documents, findings))


def _select_spec_documents(documents: Iterable[Document], findings: list[Diagnostic]) -> Iterator[Document]:
    """Yield the documents that are specs. A document that looks almost like a spec adds a warning to `findings`."""
    for document in documents:
        data = document.data
        if not isinstance(data, dict):
            continue
        version = data.get("apiVersion")
        if isinstance(version, str) and version.startswith(_API_PREFIX):
            yield document
        elif isinstance(version, str) and _NEAR_MISS.fullmatch(version):
            findings.append(
                Diagnostic(
                    "spec-near-miss",
                    f"this document is ignored: its apiVersion does not start with '{_API_PREFIX}'",
                    document.locate(("apiVersion",)),
                    f"did you mean '{API_VERSION}'?",
                    "warning",
                )
            )
        elif version is None and data.get("kind") in SPEC_KINDS and {"metadata", "spec"} & set(data):
            findings.append(
                Diagnostic(
                    "spec-near-miss",
                    "this document is ignored: it has no apiVersion",
                    document.locate(("kind",), key=True),
                    f"add `apiVersion: {API_VERSION}` if it is a spec of mlops-ci",
                    "warning",
                )
            )


class _DecodedSpecs(NamedTuple):
    """The valid specs by kind, the names of invalid specs by kind, and the kinds of specs without a valid name."""

    valid: dict[str, list[LocatedSpec[Any]]]
    invalid: dict[str, frozenset[str]]
    nameless: frozenset[str]


def _validate_and_decode(documents: Iterable[Document], findings: list[Diagnostic]) -> _DecodedSpecs:
    """Return the specs of the documents. The findings of each document are added to `findings`."""
    loaded: dict[str, list[LocatedSpec[Any]]] = {kind: [] for kind in SPEC_KINDS}
    invalid: dict[str, frozenset[str]] = {}
    nameless: set[str] = set()
    for document in documents:
        problems = validate_document(document)
        findings += problems
        if not has_errors(problems):
            spec = _decode_document(document)
            loaded[spec.kind].append(spec)
            continue
        kind, name = document.data.get("kind"), _spec_name(document)
        if isinstance(kind, str) and kind in SPEC_KINDS and name is not None:
            invalid[kind] = invalid.get(kind, frozenset()) | {name}
        else:
            nameless |= {kind} if isinstance(kind, str) and kind in SPEC_KINDS else set(SPEC_KINDS)
    return _DecodedSpecs(loaded, invalid, frozenset(nameless))


def _spec_name(document: Document) -> str | None:
    """Return a spec's name, or None when the name is missing or not valid."""
    metadata = document.data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) and _VALID_NAME.fullmatch(name) else None


def _decode_document(document: Document) -> LocatedSpec[Any]:
    data = cast("dict[str, Any]", document.data)
    kind, name = data["kind"], data["metadata"]["name"]
    try:
        spec: Any = decode(SPEC_KINDS[kind], data["spec"])
    except DecodeError as error:  # a test keeps schemas and dataclasses equal: this is a bug, not a finding
        raise AssertionError(
            f"{document.source.path}: the schema of {kind} allows a value that its dataclass does not: {error}"
        ) from error
    digest = _spec_digest(kind, name, data["spec"])
    return LocatedSpec(kind, name, data["metadata"].get("owner"), document.source.path, digest, spec, document)


def _missing_project_findings(
    root: Path, documents: Iterable[Document], findings: Iterable[Diagnostic]
) -> Iterator[Diagnostic]:
    """Yield a finding when there is no Project, unless another finding already concerns mlops.yaml."""
    if any(document.data.get("kind") == "Project" for document in documents):
        return
    if any(item.location and item.location.path == PROJECT_FILE for item in findings):
        return
    if (root / PROJECT_FILE).is_file():
        where = Location(PROJECT_FILE)
        yield Diagnostic(
            "project-not-found", f"{PROJECT_FILE} has no spec of kind Project", where, "add one, or run `mlops-ci init`"
        )
    else:
        help = "start with `mlops-ci init`, or go to the folder of your project (-C DIR)"
        yield Diagnostic("project-not-found", f"this folder has no {PROJECT_FILE}", Location(PROJECT_FILE), help)
