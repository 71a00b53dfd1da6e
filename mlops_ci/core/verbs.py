"""What a verb's row is made of, and the options that several verbs share. Each file in `commands/` holds its row, `SPEC`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

OptionKind = Literal["text", "flag", "choice", "path", "count"]
Surface = Literal["cli", "nox", "action"]
ALL_SURFACES: tuple[Surface, ...] = ("cli", "nox", "action")
Needs = Literal["nothing", "folder", "repository", "project"]
SyncMode = Literal["no", "job", "gaps", "try", "must"]


@dataclass(frozen=True)
class Option:
    """One argument or option; the step's parameter has the same name."""

    name: str
    help: str
    kind: OptionKind = "text"
    positional: bool = False
    multiple: bool = False
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    metavar: str | None = None

    @property
    def flag(self) -> str:
        """The name on a command line, without dashes before it; that of an Action's input, too."""
        return self.name.rstrip("_").replace("_", "-")


@dataclass(frozen=True)
class ActionOutput:
    """Something that a verb's Action gives to the steps after it."""

    name: str
    help: str


@dataclass(frozen=True)
class TokenPermission:
    """What a verb's Action needs of the job's token, in GitHub's words, and what for."""

    scope: str
    access: Literal["read", "write"]
    why: str


COMMON_OUTPUTS = (
    ActionOutput("exit-code", "0 ok, 1 findings, 2 usage or invalid spec, 3 environment, 4 a bug."),
    ActionOutput("record", "The file with the whole result as JSON."),
    ActionOutput("record-digest", "The SHA-256 of that file, for a job that downloads it as an artifact."),
)


@dataclass(frozen=True)
class Verb:
    """One verb: `commands/<name>.py` (`commands/ci/<name>.py`) holds this row, and the function of the same name that does it."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    needs: Needs = "project"
    writes: bool = False  # takes --dry-run
    # when the registry is fetched first: never, in a CI job (whose clone lacks it), where this clone lacks part of it, if it can
    # be, or else fail
    syncs: SyncMode = "no"
    asks: bool = False  # asks the remote for its default branch, if it can be reached, though it fetches nothing
    formats: tuple[str, ...] = ("text", "json", "github")
    surfaces: tuple[Surface, ...] = ("cli", "nox")
    details: str = ""
    outputs: tuple[ActionOutput, ...] = ()  # beside COMMON_OUTPUTS, which every Action has
    permissions: tuple[TokenPermission, ...] = ()  # of the job's token; without any, the Action is given none
    judges: bool = False  # in CI, loads plugins from a locked environment only
    trains: bool = False  # a worker begins to import its libraries as soon as the specs are read
    signs: bool = False  # makes tags, which are signed where the project wants them to be
    icon: str = "git-branch"  # of the Action, one of Feather's
    lists_requirements: bool = False  # takes --all, on a command line
    group: Literal["", "ci"] = ""  # of the command line, and the folder in `commands/`

    @property
    def command(self) -> str:
        """What stands behind `mlops-ci` on a command line: the name, behind that of its group if it has one."""
        return f"{self.group} {self.name}".lstrip()

    @property
    def module(self) -> str:
        """The module that holds the verb's function."""
        return f"mlops_ci.commands.{self.command.replace(' ', '.')}"

    @property
    def inputs(self) -> tuple[Option, ...]:
        """What its Action takes: the verb's options, and those that every Action has."""
        return (*self.options, *((DRY_RUN_OPTION,) if self.writes else ()), FOLDER_OPTION, *REQUIREMENTS_OPTIONS)


FOLDER_OPTION = Option("working_directory", "The project's folder, as a path in the repository.", default=".")
REQUIREMENTS_OPTIONS = (
    Option(
        "requirements",
        "A file in the repository that lists the packages that the repository's own code needs, one per line, with versions; only wheels"
        " are installed. With requirements-from, it must be a lock file: every package with its version and hashes.",
    ),
    Option(
        "requirements_from",
        "The commit or branch from which the file of `requirements` is read, such as origin/main; by default, the checkout. A job"
        " that evaluates a change must not install packages that the change adds.",
    ),
)
DRY_RUN_OPTION = Option("dry_run", "Print the plan and write nothing.", kind="flag")
FETCH_PERMISSION = TokenPermission("contents", "read", "fetches the registry")

ASSIGNMENT_PERMISSIONS = (
    TokenPermission("contents", "write", "pushes manifests and assignment"),
    TokenPermission("pull-requests", "write", "opens the pull request, if the branch is protected"),
    TokenPermission(
        "actions", "write", "starts the gate for that pull request, if MLOPS_CI_GATE_WORKFLOW names its file"
    ),
    TokenPermission("deployments", "write", "records the deployment on the repository's page on GitHub"),
)
ASSIGNMENT_OUTPUTS = (
    ActionOutput("state", "assigned, unchanged, or requested (by a pull request)."),
    ActionOutput("version", "The version."),
    ActionOutput("branch", "The branch of the pull request; empty if there is none."),
)

MODELS_OPTION = Option(
    "models", "Names of models; by default every model.", positional=True, multiple=True, metavar="MODEL"
)
DATASETS_OPTION = Option(
    "datasets", "Names of datasets; by default every dataset.", positional=True, multiple=True, metavar="DATASET"
)
MODEL_OPTION = Option("model", "A model, or MODEL@VERSION.", positional=True, required=True, metavar="MODEL[@VERSION]")
ENVIRONMENT_OPTION = Option("env", "An environment of the project.", required=True, metavar="ENV")
AT_OPTION = Option(
    "at",
    "Show the past state at a date (end of day), a time (UTC unless it has a zone), an event's tag or a commit.",
    metavar="TIME|COMMIT",
)
DETERMINISM_OPTION = Option(
    "check_determinism", "Fit each candidate twice; fail if the two models differ.", kind="flag"
)
BASE_OPTION = Option(
    "base",
    "The target branch of the change, whose rules apply; by default, the branch that CI names, or else the remote's default branch.",
    metavar="REF",
)
REASON_OPTION = Option("reason", "The reason, which is recorded.", metavar="TEXT")
REQUIRED_REASON_OPTION = Option("reason", "The reason, which is recorded.", required=True, metavar="TEXT")
FORCE_OPTION = Option(
    "force",
    "Also allow a version that was rolled back, or a version of a deprecated model; needs --reason.",
    kind="flag",
)
