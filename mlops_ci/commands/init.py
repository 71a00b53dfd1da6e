"""`init`: writes a working repository from a template or a table, or only the files that every project has."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_ci.commands import scaffold
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.errors import Exit, UsageProblem
from mlops_ci.core.plan import Outcome, Plan
from mlops_ci.core.planned_writes import PrepareRepository, WriteFile
from mlops_ci.core.results.lifecycle import InitReport
from mlops_ci.core.verbs import Option, Verb
from mlops_ci.governance.doctor.codeowners import CODEOWNERS_PATHS, parse_codeowners
from mlops_ci.governance.doctor.gate_calls import find_gate_calls
from mlops_ci.repository.context import Context
from mlops_ci.repository.spec_names import RepositoryNames, read_names
from mlops_ci.spec.load import PROJECT_FILE, parse_project
from mlops_ci.spec.spec_types import ProjectSpec
from mlops_ci.spec.yaml.document import read_documents
from mlops_ci.spec.yaml.nodes import SyntaxProblem

SPEC = Verb(
    "init",
    "Create a working repository: specs, code, data, noxfile.",
    (
        Option(
            "directory",
            "The folder; created if it does not exist.",
            kind="path",
            positional=True,
            default=".",
            metavar="DIR",
        ),
        Option("template", "What to start from.", kind="choice", choices=("minimal", "flights")),
        Option("from_", "A CSV or parquet file to write Dataset and Model specs for.", kind="path", metavar="FILE"),
        Option("target", "With --from: the column to predict.", metavar="COLUMN"),
        Option(
            "key", "With --from: the column that identifies a row (default: found from the data).", metavar="COLUMN"
        ),
        Option(
            "time",
            "With --from: the column with the time of a row; the newest rows become the holdout.",
            metavar="COLUMN",
        ),
        Option(
            "ci",
            "Also write workflows (gate, release, promote, audit) for every project of the repository, and add to CODEOWNERS.",
            kind="choice",
            choices=("github",),
        ),
        Option("owner", "With --ci: the person or team that must review specs and workflows.", metavar="@ORG/TEAM"),
    ),
    needs="nothing",
    writes=True,
    surfaces=("cli",),
    details="Existing files are never overwritten; a CODEOWNERS file without lines for the project's folder gets them at its end. Without --template or --from, only mlops.yaml and the noxfile are written.",
)

# what says in a spec which table it is about
_TABLE_FIELDS = {".dataset.yaml": ("spec", "source", "path"), ".model.yaml": ("spec", "dataset")}
_OWNER_PATTERN = re.compile(r"@[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+)?|[^@\s#]+@[^@\s#]+\.[^@\s#]+")


def init(
    context: Context,
    *,
    directory: str = ".",
    template: str | None = None,
    from_: str | None = None,
    target: str | None = None,
    key: str | None = None,
    time: str | None = None,
    ci: str | None = None,
    owner: str | None = None,
) -> Outcome[InitReport]:
    """Plan the files that do not exist yet; existing files are kept unchanged.

    Raises UsageProblem when the options conflict, when the table cannot be read or has no such column, and for a folder that is
    inside of another project, or around one.
    """
    root = (context.start_folder / directory).resolve()
    if template and from_:
        raise UsageProblem.of(
            "init-options", "--template and --from cannot be used together", help="choose one of them"
        )
    if bool(from_) != bool(target):
        raise UsageProblem.of(
            "init-options",
            "--from and --target must be used together",
            help="mlops-ci init --from data.csv --target COLUMN",
        )
    if (key or time) and not from_:
        raise UsageProblem.of(
            "init-options", "--key and --time need --from", help="mlops-ci init --from data.csv --target COLUMN"
        )
    folder, names = _neighbours(context, root)
    scaffold.require_own_folder(names, folder)
    findings: tuple[Diagnostic, ...] = ()
    if from_ and target:
        files, findings = _table_files(
            context, root, context.start_folder / from_, scaffold.NamedColumns(target, key, time)
        )
        _require_same_table(root, files)
    elif template:
        files = {**scaffold.template_files(template), **_data_files(template, context.scratch / "data")}
    else:
        files = scaffold.template_files("empty")
    files = {**files, PROJECT_FILE: scaffold.name_project(files[PROJECT_FILE], _project_name(names, folder, root))}
    taken = tuple(scaffold.taken_name_findings(names, folder, files))
    places = {root / path: content for path, content in files.items()}
    setup: tuple[str, ...] = ()
    if ci:
        separated = _project_with_policy(places, root)
        places, setup = (
            {**places, **separated, **_workflow_files(context, root, separated, owner)},
            _setup_steps(root, separated, _top_folder(context, root)),
        )
    elif owner:
        raise UsageProblem.of("init-options", "--owner needs --ci", help="mlops-ci init --ci github --owner @ORG/TEAM")
    extended = {path for path, content in places.items() if _is_extension(path, content)}
    kept = sorted(path for path in places if (path.exists() or path.is_symlink()) and path not in extended)
    written = sorted(set(places) - set(kept))
    writes = [WriteFile(str(path), places[path], replace=path in extended) for path in written]
    report = InitReport(
        str(root),
        _relative_paths(written, root),
        _relative_paths(kept, root),
        (*_next_steps(directory, findings, taken), *setup),
    )
    # what is found in the table is for its author to judge: nothing failed here
    findings = (*findings, *taken)
    code = Exit.OK if findings else None
    return Outcome(report, findings, Plan((*writes, PrepareRepository(str(root)))), exit_code_override=code)


def _neighbours(context: Context, root: Path) -> tuple[str, RepositoryNames]:
    """Return a folder as one of the repository, and the names of the repository's projects; none outside of a repository."""
    repo = context.repo
    if repo is None or repo.bare or not root.is_relative_to(repo.root.resolve()):
        return ".", RepositoryNames((), {})
    return root.relative_to(repo.root.resolve()).as_posix(), read_names(repo)


def _project_name(names: RepositoryNames, folder: str, root: Path) -> str | None:
    """Return the name for a project in a folder: the folder's, after those above it if another project has that name.

    None for a folder whose name has no letter or digit.
    """
    taken = frozenset(one.name for one in names.specs if one.kind == "Project" and one.folder != folder)
    return scaffold.project_name(root, taken)


def _is_extension(path: Path, content: bytes) -> bool:
    """Return whether a file gets lines at its end and loses none: only a CODEOWNERS file does, when it lacks a project's."""
    if path.name != "CODEOWNERS" or path.is_symlink() or not path.is_file():
        return False
    known = path.read_bytes()
    return content != known and content.startswith(known.rstrip(b"\n"))


def _relative_paths(paths: Sequence[Path], root: Path) -> tuple[str, ...]:
    return tuple(Path(os.path.relpath(path, root)).as_posix() for path in paths)


def _project_with_policy(places: Mapping[Path, bytes], root: Path) -> dict[Path, bytes]:
    """Return the project spec with the policy that the workflows enforce; an existing spec is returned unchanged."""
    path = root / PROJECT_FILE
    if path.is_file():
        return {path: path.read_bytes()}
    return {
        path: places[path]
        + b"  policy: {trust: separated}  # only models that the workflows evaluated can be released\n"
    }


def _workflow_files(
    context: Context, root: Path, projects: Mapping[Path, bytes], owner: str | None
) -> Mapping[Path, bytes]:
    """Return the workflows and CODEOWNERS, by path at the repository's root: GitHub reads them only there."""
    if owner and not _OWNER_PATTERN.fullmatch(owner):
        raise UsageProblem.of(
            "init-options", f"--owner: {owner!r} is not an owner", help="write @PERSON, @ORG/TEAM or an e-mail address"
        )
    repo, top = context.repo, _top_folder(context, root)
    project = parse_project(projects[root / PROJECT_FILE])
    spec = project.spec if project else ProjectSpec()
    branch = spec.branch or (repo.current_branch() if repo else None) or "main"
    files = {top / path: content for path, content in scaffold.workflow_files(branch).items()}
    return {**files, **_codeowners_file(top, root.relative_to(top).as_posix(), owner)}


def _top_folder(context: Context, root: Path) -> Path:
    repo = context.repo
    return repo.root.resolve() if repo and not repo.bare and root.is_relative_to(repo.root.resolve()) else root


def _codeowners_file(top: Path, folder: str, owner: str | None) -> Mapping[Path, bytes]:
    """Return the CODEOWNERS that GitHub reads, with the lines of the folder; unchanged if it has some, or is of the whole repository."""
    place = next((top / path for path in CODEOWNERS_PATHS if (top / path).is_file()), None)
    if place is None:
        return {top / scaffold.CODEOWNERS_PATH: scaffold.codeowners_text(None, folder, owner).encode()}
    text = place.read_bytes().decode("utf-8", "surrogateescape")
    if folder == "." or f"\n# {folder}\n" in text or any(line.is_for(folder) for line in parse_codeowners(text)):
        return {place: place.read_bytes()}
    return {place: scaffold.codeowners_text(text, folder, owner).encode("utf-8", "surrogateescape")}


def _setup_steps(root: Path, projects: Mapping[Path, bytes], top: Path) -> tuple[str, ...]:
    project = parse_project(projects[root / PROJECT_FILE])
    trusted = project is not None and project.spec.policy.trust == "separated"
    policy = () if trusted else (f"in {PROJECT_FILE}, add below `spec`: policy: {{trust: separated}}",)
    return (
        *policy,
        *_caller_steps(top, root.relative_to(top).as_posix()),
        "on GitHub, change the settings as described in https://github.com/mlops-ci/mlops-ci/blob/v1/docs/github.md",
        "mlops-ci doctor",
    )


def _caller_steps(top: Path, folder: str) -> tuple[str, ...]:
    """Return what to change in a caller of the gate that is kept and that names the folders of other projects only."""
    caller = top / ".github" / "workflows" / "mlops-gate.yml"
    try:
        calls = (
            list(find_gate_calls(read_documents(caller.name, caller.read_bytes())[0].data)) if caller.is_file() else []
        )
    except (SyntaxProblem, IndexError):
        return ("correct .github/workflows/mlops-gate.yml, which is not readable YAML",)
    if not calls or any(call.evaluates(folder) is not False for call in calls):
        return ()
    return ("in .github/workflows/mlops-gate.yml, delete `working-directory`: the gate then evaluates every project",)


def _data_files(template: str, scratch: Path) -> Mapping[str, bytes]:
    scratch.mkdir(parents=True)
    return {path: written.read_bytes() for path, written in scaffold.write_template_data(template, scratch).items()}


def _table_files(
    context: Context, root: Path, table: Path, named: scaffold.NamedColumns
) -> tuple[Mapping[str, bytes], tuple[Diagnostic, ...]]:
    """Return the project for a table, with the table itself if it is outside of it, and what was found in the table."""
    if not table.is_file():
        raise UsageProblem.of("init-table", f"there is no file {table}", help="name a CSV or parquet file with --from")
    inside = table.resolve().is_relative_to(root)
    path = table.resolve().relative_to(root).as_posix() if inside else f"data/{table.name}"
    project = parse_project((root / PROJECT_FILE).read_bytes()) if (root / PROJECT_FILE).is_file() else None
    environments = project.spec.environments if project else ProjectSpec().environments
    made = scaffold.project_for_table(
        table,
        path,
        named,
        scratch=context.scratch,
        now=context.clock(),
        environments=environments,
    )
    return (made.files if inside else {**made.files, path: table.read_bytes()}), made.diagnostics


def _require_same_table(root: Path, files: Mapping[str, bytes]) -> None:
    """Raise UsageProblem when a spec that would be kept describes another table than the new one."""
    for path, content in files.items():
        place, field = root / path, _TABLE_FIELDS.get("".join(Path(path).suffixes[-2:]))
        if field is None or not place.is_file():
            continue
        described, wanted = _read_field(path, place.read_bytes(), field), _read_field(path, content, field)
        if described not in (None, wanted):
            raise UsageProblem.of(
                "init-table",
                f"{path} already exists and describes '{described}', not '{wanted}'",
                help="a dataset gets the name of its file, and a model that of its target: "
                "rename the table or the column, or write the second spec by hand",
            )


def _read_field(path: str, content: bytes, field: tuple[str, ...]) -> str | None:
    """Return a field of a spec, or None for a spec without it, which `validate` reports."""
    try:
        value = read_documents(path, content)[0].data
        for name in field:
            value = value[name]
    except (SyntaxProblem, LookupError, TypeError):
        return None
    return str(value)


def _next_steps(directory: str, findings: Sequence[Diagnostic], taken: Sequence[Diagnostic]) -> tuple[str, ...]:
    """Return what to do next; the gate of specs with an error, or with names of another project, fails, so these come first."""
    change_folder = () if directory == "." else (f"cd {shlex.quote(directory)}",)
    broken = any(found.severity == "error" for found in findings)
    return (
        *change_folder,
        *(("give the specs that are named above other names",) if taken else ()),
        *(("correct the errors above in the data or the specs",) if broken else ("mlops-ci validate",)),
        "mlops-ci gate",
        "git add --all && git commit -m 'Start with mlops-ci'",
    )
