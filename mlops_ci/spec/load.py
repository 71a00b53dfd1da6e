"""From a folder to its specs: finds the files, reads each once, and returns all findings of all files in one run."""

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
    "LocatedSpec",
    "SpecLoadResult",
    "Specs",
    "find_root",
    "load_specs",
    "parse_project",
    "read_all_specs",
    "spec_digests",
]

PROJECT_FILE = "mlops.yaml"
_API_PREFIX = API_VERSION.partition("/")[0] + "/"
_IGNORED_FOLDERS = {"venv", "node_modules", "__pycache__"}
_YAML_SUFFIXES = (".yaml", ".yml")
_HEAD_BYTES = 64 * 1024  # where a file that is too large to be read would say that it is a spec

# Asked of the bytes, so that a repository's other YAML (manifests, Helm templates) is passed over unparsed.
_POSSIBLE_SPEC = re.compile(rb"(?i)apiVersion[\"']?\s*:\s*(?:&\S+\s+)?[\"']?\s*mlops")
_KIND_FIELD = re.compile(rb"kind[\"']?\s*:\s*[\"']?(?:Project|Dataset|Model|Deployment)\b")
_SPEC_MARK = re.compile(
    rb"^[ \t]*(?:- +)?[\"']?apiVersion[\"']?[ \t]*:[ \t]*[\"']?mlops-ci/"
    rb"|^#.*yaml-language-server:[ \t]*\$schema=\S*mlops-ci\S*/schemas/",
    re.MULTILINE,
)
_VALID_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")  # as the schemas have it
_NEAR_MISS = re.compile(r"mlops[-_ ]?ci([/_-].*)?|mlops/.*", re.IGNORECASE)


@dataclass(frozen=True)
class SpecLoadResult:
    """All that one run saw: `specs` is None when there is an error; `files` are those that hold specs."""

    specs: Specs | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)


def find_root(start: Path) -> Path | None:
    """Return the nearest folder, from `start` upwards, that has mlops.yaml."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / PROJECT_FILE).is_file()), None)


def load_specs(root: Path) -> tuple[Specs | None, tuple[Diagnostic, ...]]:
    """Return the specs below `root`, None when there is any error, and all findings, sorted by path and line."""
    reading = read_all_specs(root)
    return reading.specs, reading.diagnostics


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
    found = ParsedSpecs(
        loaded["Project"],
        loaded["Dataset"],
        loaded["Model"],
        loaded["Deployment"],
        invalid,
        frozenset(SPEC_KINDS) if unread else nameless,
    )
    findings += _missing_project_findings(root, documents, findings)
    findings += reference_findings(root, found)
    diagnostics = tuple(sorted(findings, key=_sort_key))
    kinds = [str(document.data.get("kind")) for document in documents]
    counts = {kind: kinds.count(kind) for kind in SPEC_KINDS}
    files = tuple(dict.fromkeys(document.source.path for document in documents))
    return SpecLoadResult(None if has_errors(diagnostics) else _combine_specs(found), diagnostics, files, counts)


def parse_project(content: bytes) -> LocatedSpec[ProjectSpec] | None:
    """Return the Project that a text of mlops.yaml holds, as another commit has it; None where it holds no valid one."""
    try:
        documents = list(_select_spec_documents(read_documents(PROJECT_FILE, content), []))
    except SyntaxProblem:
        return None
    loaded, _, _ = _validate_and_decode(documents, [])
    return next(iter(loaded["Project"]), None)


def spec_digests(path: str, content: bytes) -> tuple[tuple[tuple[str, str], str], ...]:
    """Return kind and name of each spec that a text holds, with its digest, whether it is valid or not.

    Those that have no name are left out, and all are where the text is no YAML. `path` is relative to the project's root: a
    file that `read_all` passes over by its place has none.
    """
    *folders, file = path.split("/")
    if not file.endswith(_YAML_SUFFIXES) or any(map(_is_ignored_folder, folders)):
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


def _combine_specs(found: ParsedSpecs) -> Specs:
    return Specs(
        found.projects[0],
        {spec.name: spec for spec in found.datasets},
        {spec.name: spec for spec in found.models},
        {spec.name: spec for spec in found.deployments},
    )


def _sort_key(diagnostic: Diagnostic) -> tuple[str, int, int]:
    where = diagnostic.location
    return (where.path, where.line or 0, where.column or 0) if where else ("", 0, 0)


def _yaml_files(root: Path) -> Iterator[str]:
    """Yield paths of YAML files below root (POSIX, relative), sorted, without links that leave the root."""
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
        except (OSError, RuntimeError):  # a circle of links
            continue
        if target.is_file() and target.is_relative_to(base) and target not in seen:
            seen.add(target)
            yield path.relative_to(root).as_posix()


def _is_searched_folder(folder: Path, name: str) -> bool:
    return not _is_ignored_folder(name) and not (folder / name / ".git").exists()  # a repository of its own


def _is_ignored_folder(folder: str) -> bool:
    return folder in _IGNORED_FOLDERS or (folder.startswith(".") and folder != ".github")


def _read_spec_documents(root: Path, path: str, findings: list[Diagnostic]) -> list[Document]:
    """Return a file's specs; raises SyntaxProblem for a file that cannot be parsed, if it means to be ours."""
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
    """Yield the documents that are specs; near misses become warnings."""
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
                    f"not read as a spec: its apiVersion does not start with '{_API_PREFIX}'",
                    document.locate(("apiVersion",)),
                    f"did you mean '{API_VERSION}'?",
                    "warning",
                )
            )
        elif version is None and data.get("kind") in SPEC_KINDS and {"metadata", "spec"} & set(data):
            findings.append(
                Diagnostic(
                    "spec-near-miss",
                    "not read as a spec: it has no apiVersion",
                    document.locate(("kind",), key=True),
                    f"add `apiVersion: {API_VERSION}` if it is meant to be one",
                    "warning",
                )
            )


class _DecodedSpecs(NamedTuple):
    """By kind the valid specs, the names of invalid ones, and the kinds of those whose names are not known."""

    valid: dict[str, list[LocatedSpec[Any]]]
    invalid: dict[str, frozenset[str]]
    nameless: frozenset[str]


def _validate_and_decode(documents: Iterable[Document], findings: list[Diagnostic]) -> _DecodedSpecs:
    """Return the specs that documents hold; what is wrong with a document is added to `findings`."""
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
    """Return the name that others can refer to a spec by; None when it has none, or one that no spec can have."""
    metadata = document.data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) and _VALID_NAME.fullmatch(name) else None


def _decode_document(document: Document) -> LocatedSpec[Any]:
    data = cast("dict[str, Any]", document.data)
    kind, name = data["kind"], data["metadata"]["name"]
    try:
        spec: Any = decode(SPEC_KINDS[kind], data["spec"])
    except DecodeError as error:  # schemas and dataclasses are held equal by a test: this is a bug, not a finding
        raise AssertionError(
            f"{document.source.path}: the schema of {kind} allows what its dataclass does not: {error}"
        ) from error
    digest = _spec_digest(kind, name, data["spec"])
    return LocatedSpec(kind, name, data["metadata"].get("owner"), document.source.path, digest, spec, document)


def _missing_project_findings(
    root: Path, documents: Iterable[Document], findings: Iterable[Diagnostic]
) -> Iterator[Diagnostic]:
    """Yield a finding when there is no Project, unless something is known to be wrong with it."""
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
        yield Diagnostic("project-not-found", f"there is no {PROJECT_FILE} here", Location(PROJECT_FILE), help)
