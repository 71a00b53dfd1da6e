"""The one table of verbs: what each is called, what it takes, and on which surfaces it appears.

The command line, the nox sessions and the Actions are made from it; a test holds each step's parameters against it.
"""

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
    ActionOutput("record", "The file that has the whole answer as JSON."),
    ActionOutput("record-digest", "That file's SHA-256, for a job that gets it as an artifact."),
)


@dataclass(frozen=True)
class Verb:
    """One verb: `steps/<name>.py` has the public function of the same name that does it."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    needs: Needs = "project"
    writes: bool = False  # takes --dry-run
    # when the registry is fetched first: never, in a CI job (whose clone lacks it), where this clone lacks part of it, if it can
    # be, or else fail
    syncs: SyncMode = "no"
    formats: tuple[str, ...] = ("text", "json", "github")
    surfaces: tuple[Surface, ...] = ("cli", "nox")
    details: str = ""
    outputs: tuple[ActionOutput, ...] = ()  # beside OUTPUTS, which every Action has
    permissions: tuple[TokenPermission, ...] = ()  # of the job's token; without any, the Action is given none
    judges: bool = False  # in CI, loads plugins from a locked environment only
    signs: bool = False  # makes tags, which are signed where the project wants them to be
    icon: str = "git-branch"  # of the Action, one of Feather's

    @property
    def inputs(self) -> tuple[Option, ...]:
        """What its Action takes: the verb's options, and those that every Action has."""
        return (*self.options, *((DRY_RUN_OPTION,) if self.writes else ()), FOLDER_OPTION, *REQUIREMENTS_OPTIONS)


FOLDER_OPTION = Option("working_directory", "The folder of the project, as a path in the repository.", default=".")
REQUIREMENTS_OPTIONS = (
    Option(
        "requirements",
        "A file of the repository with the packages that its own code needs, a name with versions a line; installed from wheels."
        " With requirements-from it is a lock: every package with its version and hashes.",
    ),
    Option(
        "requirements_from",
        "The commit or branch to read that file from, such as origin/main; by default the checkout. A job that judges a change"
        " must not install what the change brings.",
    ),
)
DRY_RUN_OPTION = Option("dry_run", "Print the plan and write nothing.", kind="flag")
FETCH_PERMISSION = TokenPermission("contents", "read", "fetches the registry")
ASSIGN_PERMISSION = TokenPermission("contents", "write", "pushes manifests and assignment")
RECORD_DEPLOYMENT_PERMISSION = TokenPermission("deployments", "write", "records the deployment on its page")
PULL_REQUEST_PERMISSION = TokenPermission(
    "pull-requests", "write", "opens the pull request, where the branch is protected"
)
START_GATE_PERMISSION = TokenPermission(
    "actions", "write", "starts the gate for that pull request, where MLOPS_CI_GATE_WORKFLOW names its file"
)

ASSIGNMENT_OUTPUTS = (
    ActionOutput("state", "assigned, unchanged, or requested by a pull request."),
    ActionOutput("version", "The version."),
    ActionOutput("branch", "The pull request's branch; empty where there is none."),
)

MODELS_OPTION = Option("models", "Models by name; none: every model.", positional=True, multiple=True, metavar="MODEL")
DATASETS_OPTION = Option(
    "datasets", "Datasets by name; none: every dataset.", positional=True, multiple=True, metavar="DATASET"
)
MODEL_OPTION = Option("model", "A model, or MODEL@VERSION.", positional=True, required=True, metavar="MODEL[@VERSION]")
ENVIRONMENT_OPTION = Option("env", "The environment, one of the project's.", required=True, metavar="ENV")
AT_OPTION = Option(
    "at",
    "As it was: a date (that day's end), a time (UTC unless it has a zone), an event's tag or a commit.",
    metavar="TIME|COMMIT",
)
DETERMINISM_OPTION = Option(
    "check_determinism", "Fit each candidate once more; one that becomes another model fails.", kind="flag"
)
BASE_OPTION = Option(
    "base",
    "The branch that a change is to be merged into, whose rules count; by default what CI says, or the remote's default branch.",
    metavar="REF",
)
REASON_OPTION = Option("reason", "Why; it is recorded.", metavar="TEXT")
REQUIRED_REASON_OPTION = Option("reason", "Why; it is recorded.", required=True, metavar="TEXT")
FORCE_OPTION = Option("force", "Also what was rolled back from, or is deprecated; needs --reason.", kind="flag")

VERBS: tuple[Verb, ...] = (
    Verb(
        "init",
        "Make a working repository: specs, code, data, noxfile.",
        (
            Option("directory", "Where; made if need be.", kind="path", positional=True, default=".", metavar="DIR"),
            Option("template", "What to start from.", kind="choice", choices=("minimal", "flights")),
            Option("from_", "A CSV or parquet file to write Dataset and Model specs for.", kind="path", metavar="FILE"),
            Option("target", "With --from: the column to predict.", metavar="COLUMN"),
            Option(
                "ci",
                "Also write the workflows that gate changes, release, promote and audit, and who must review what.",
                kind="choice",
                choices=("github",),
            ),
            Option("owner", "With --ci: a person or team who must review specs and workflows.", metavar="@ORG/TEAM"),
        ),
        needs="nothing",
        writes=True,
        surfaces=("cli",),
        details="Nothing that exists is overwritten. Without --template and --from only mlops.yaml and the noxfile are written.",
    ),
    Verb(
        "validate",
        "Check every spec: schema, references, the repository's own code.",
        (),
        needs="folder",
        formats=("text", "json", "github", "sarif"),
        surfaces=ALL_SURFACES,
        icon="check-circle",
    ),
    Verb(
        "plugins",
        "List the types that specs can name: built in, and offered by installed packages.",
        needs="nothing",
        formats=("text", "json"),
        surfaces=("cli",),
        details="With the distribution and version of each. No package is imported for it. A type that a package offers under the name of a"
        " built-in one is never used.",
    ),
    Verb(
        "check",
        "Check data quality and write a snapshot of the data.",
        (DATASETS_OPTION,),
        surfaces=ALL_SURFACES,
        icon="database",
    ),
    Verb(
        "affected",
        "Name the models and datasets that a change touches, and why.",
        (
            Option(
                "models", "Models by name, which are the answer then.", positional=True, multiple=True, metavar="MODEL"
            ),
            Option(
                "base",
                "What to compare with: a branch, tag or commit; by default what CI says that the change starts from, or the branch"
                " that it is to be merged into.",
                metavar="REF",
            ),
        ),
        formats=("text", "json", "github", "markdown"),
        surfaces=ALL_SURFACES,
        icon="git-pull-request",
        details="Compares with what both have in common, so that what others merged meanwhile does not count. Outside of CI, what is"
        " not committed counts, too. Every model is touched where nothing tells what a change starts from.",
        outputs=(
            ActionOutput("models", "The models that are touched: a JSON list of names."),
            ActionOutput("datasets", "The datasets that are touched: a JSON list of names."),
            ActionOutput(
                "custom",
                "Those of the models that have code of their own, or types that their specs trust: a JSON list of names.",
            ),
            ActionOutput("any", "true where a model is touched, else false."),
            ActionOutput("count", "How many models are touched."),
            ActionOutput(
                "matrix",
                "The same models for a matrix: a JSON list of at most 256 texts, each of one or more names between spaces.",
            ),
        ),
    ),
    Verb(
        "train",
        "Fit, package and store a candidate.",
        (
            MODELS_OPTION,
            Option("explain", "Say why a stored run was used or not.", kind="flag"),
            DETERMINISM_OPTION,
            Option(
                "out",
                "Also write the runs into this file (a git bundle), for another job.",
                kind="path",
                metavar="FILE",
            ),
        ),
        writes=True,
        surfaces=ALL_SURFACES,
        icon="cpu",
    ),
    Verb(
        "compare",
        "Score candidate and champion on the same holdout.",
        (MODELS_OPTION, BASE_OPTION),
        writes=True,
        syncs="try",
        surfaces=ALL_SURFACES,
        permissions=(FETCH_PERMISSION,),
        icon="bar-chart-2",
        judges=True,
    ),
    Verb(
        "features",
        "Write the held-out rows of models with code of their own, without labels, for `predict`.",
        (
            MODELS_OPTION,
            Option("out", "The folder to write to.", kind="path", required=True, metavar="DIR"),
            BASE_OPTION,
        ),
        writes=True,
        surfaces=("cli", "action"),
        icon="grid",
        details="Models of library code alone are left out: the job that judges loads them itself, which runs no code of theirs.",
        judges=True,
    ),
    Verb(
        "predict",
        "Let a model with code of its own answer held-out rows, where there are no labels.",
        (
            Option("run", "What `train --out` wrote for the model.", kind="path", required=True, metavar="FILE"),
            Option("features", "The folder that `features` wrote.", kind="path", required=True, metavar="DIR"),
            Option("out", "The folder to write the answers to.", kind="path", required=True, metavar="DIR"),
        ),
        needs="nothing",
        writes=True,
        surfaces=("cli", "action"),
        icon="eye",
    ),
    Verb(
        "gate",
        "Validate, check, train and compare: one report, one verdict.",
        (
            MODELS_OPTION,
            Option(
                "power",
                "Train nothing: say the smallest difference that each gate would see, with this holdout.",
                kind="flag",
            ),
            DETERMINISM_OPTION,
            BASE_OPTION,
            Option(
                "runs",
                "Train nothing: judge what other jobs wrote into this folder (`train --out`, `predict --out`), and run none of it.",
                kind="path",
                metavar="DIR",
            ),
            Option(
                "out",
                "Write the judged runs into this file, for `keep`, and count no question yet.",
                kind="path",
                metavar="FILE",
            ),
        ),
        writes=True,
        syncs="try",
        formats=("text", "json", "github", "markdown"),
        surfaces=ALL_SURFACES,
        outputs=(
            ActionOutput("verdict", "pass, fail, inconclusive or incomparable: the worst of the models'."),
            ActionOutput("passed", "A JSON list of the models that passed."),
            ActionOutput("fits", "How many models had to be fitted."),
            ActionOutput("digest", "The SHA-256 of the file that --out names, which `keep` is given beside it."),
        ),
        permissions=(
            TokenPermission(
                "contents", "write", "counts the question in the ledger, where a dataset has a holdoutBudget; else read"
            ),
            TokenPermission(
                "pull-requests", "write", "comments on the pull request; without it, only the job summary says it"
            ),
            TokenPermission(
                "checks", "write", "adds a check run to the commit; without it, the job's own status stands alone"
            ),
        ),
        icon="shield",
        judges=True,
    ),
    Verb(
        "keep",
        "Keep what was judged in another job: its runs, and its questions to the holdout.",
        (
            Option(
                "bundle",
                "What `gate --out` wrote; none: there is only something to tell.",
                kind="path",
                positional=True,
                metavar="FILE",
            ),
            Option("digest", "Its SHA-256, as the job that judged gave it by another way.", metavar="SHA256"),
            Option("record", "The gate's whole answer, to tell the git host.", kind="path", metavar="FILE"),
            Option("record_digest", "The answer's SHA-256, by the same way.", metavar="SHA256"),
        ),
        writes=True,
        syncs="must",
        surfaces=("cli", "action"),
        permissions=(
            TokenPermission("contents", "write", "stores the run, and counts its question to the holdout"),
            TokenPermission("pull-requests", "write", "comments on the pull request"),
            TokenPermission("checks", "write", "adds a check run to the commit"),
        ),
        icon="archive",
        judges=True,
    ),
    Verb(
        "release",
        "Tag the gated candidate with its evidence.",
        (
            MODELS_OPTION,
            REASON_OPTION,
            FORCE_OPTION,
            Option(
                "gated", "Leave models that have not passed, and say why, instead of stopping at them.", kind="flag"
            ),
        ),
        writes=True,
        syncs="must",
        signs=True,
        surfaces=ALL_SURFACES,
        outputs=(
            ActionOutput("released", "A JSON list of what was released, as MODEL@vVERSION."),
            ActionOutput(
                "ungated", "With `gated`: a JSON list of models that the gate has not judged as they are now."
            ),
        ),
        permissions=(
            TokenPermission("contents", "write", "pushes the tag with its run and log, and the release's page"),
        ),
        icon="tag",
        judges=True,
    ),
    Verb(
        "deploy",
        "Write a version's manifests and assign it to an environment, in one atomic push.",
        (MODEL_OPTION, ENVIRONMENT_OPTION, REASON_OPTION, FORCE_OPTION),
        writes=True,
        syncs="must",
        signs=True,
        surfaces=ALL_SURFACES,
        outputs=ASSIGNMENT_OUTPUTS,
        permissions=(ASSIGN_PERMISSION, PULL_REQUEST_PERMISSION, START_GATE_PERMISSION, RECORD_DEPLOYMENT_PERMISSION),
        icon="upload-cloud",
        judges=True,
    ),
    Verb(
        "approve",
        "Sign that a version may go to an environment, as its policy asks for.",
        (
            Option("model", "A released version.", positional=True, required=True, metavar="MODEL@VERSION"),
            ENVIRONMENT_OPTION,
            REASON_OPTION,
        ),
        writes=True,
        syncs="must",
        signs=True,
    ),
    Verb(
        "rollback",
        "Assign the previous version and rewrite its manifests.",
        (
            Option("model", "A model.", positional=True, required=True, metavar="MODEL"),
            ENVIRONMENT_OPTION,
            Option("version", "The version to go back to; default: the one assigned before.", metavar="VERSION"),
            REQUIRED_REASON_OPTION,
        ),
        writes=True,
        syncs="must",
        signs=True,
        surfaces=ALL_SURFACES,
        outputs=ASSIGNMENT_OUTPUTS,
        permissions=(ASSIGN_PERMISSION, PULL_REQUEST_PERMISSION, START_GATE_PERMISSION, RECORD_DEPLOYMENT_PERMISSION),
        icon="rotate-ccw",
        judges=True,
    ),
    Verb(
        "retire",
        "Take a version out of an environment, take a version back, or deprecate a model.",
        (
            MODEL_OPTION,
            Option("env", "The environment to take it out of; its manifests are removed.", metavar="ENV"),
            REQUIRED_REASON_OPTION,
        ),
        writes=True,
        syncs="must",
        signs=True,
        details="MODEL --env ENV empties the environment; MODEL@VERSION takes a version back; MODEL alone deprecates it."
        " What runs somewhere has to be taken out of there first. Nothing is deleted: each is an event of its own.",
    ),
    Verb(
        "show",
        "What is released and what runs where.",
        (
            Option("model", "A model; none: all.", positional=True, metavar="MODEL"),
            AT_OPTION,
            Option("runs", "List and compare the experiments that this clone holds instead.", kind="flag"),
        ),
        needs="repository",
        syncs="gaps",
    ),
    Verb(
        "history",
        "Every event, newest first.",
        (Option("model", "A model; none: all.", positional=True, metavar="MODEL"), AT_OPTION),
        needs="repository",
        syncs="gaps",
    ),
    Verb(
        "audit",
        "Verify the whole registry, offline, and name every break.",
        (
            Option("model", "A model; none: all.", positional=True, metavar="MODEL"),
            Option(
                "since",
                "A log's or ledger's head, tag or commit seen before, which must still be there; may be given again.",
                multiple=True,
                default=(),
                metavar="OID",
            ),
        ),
        needs="repository",
        syncs="job",
        permissions=(FETCH_PERMISSION,),
        formats=("text", "json", "github", "sarif"),
        surfaces=ALL_SURFACES,
        icon="search",
        details="Tags against logs, the chain, versions and numbers, signatures, released runs byte by byte, sources,"
        " manifests and ledgers, against the specs of the default branch as this clone last fetched it. Works in a mirror, too."
        " In a CI job, whose clone has branches and tags only, the rest is fetched first.",
    ),
    Verb(
        "doctor",
        "Say what is wrong with the set-up, and for each policy whether GitHub enforces it.",
        (),
        formats=("text", "json", "github", "markdown"),
        surfaces=("cli", "nox", "action"),
        permissions=(
            TokenPermission("contents", "read", "asks GitHub for the rules of branches and tags"),
            TokenPermission(
                "actions", "read", "asks GitHub for the environments; without it, what guards them is unknown"
            ),
        ),
        details="enforced: GitHub stops whoever would do otherwise; advisory: nobody does; unknown: this token may not see it, which never"
        " counts as enforced. GitHub is asked where GITHUB_TOKEN is set. Exit code 1 when something would make commands fail.",
        outputs=(
            ActionOutput("problems", "How many things would make commands fail."),
            ActionOutput("advisory", "How many policies nobody enforces."),
        ),
    ),
    Verb(
        "diff",
        "Two versions side by side: spec, data, metrics, environment, code, gate, files.",
        (
            Option("a", "What to compare from.", positional=True, required=True, metavar="A"),
            Option("b", "What to compare with.", positional=True, required=True, metavar="B"),
        ),
        needs="repository",
        syncs="gaps",
        formats=("text", "json", "github", "markdown"),
        details="A and B are MODEL@VERSION, MODEL@ENVIRONMENT (what runs there now) or MODEL@RUN (6 or more digits of a key that"
        " `show --runs` lists). B may leave the model out.",
    ),
    Verb(
        "fetch",
        "Write a released model's files, verified, and say how to load them.",
        (
            MODEL_OPTION,
            Option(
                "directory", "Where to; made if need be.", kind="path", positional=True, required=True, metavar="DIR"
            ),
        ),
        writes=True,
        syncs="try",
        surfaces=ALL_SURFACES,
        permissions=(FETCH_PERMISSION,),
        icon="download",
    ),
    Verb(
        "reproduce",
        "Make a release again from its commit, data and environment, and say whether it is the same.",
        (
            MODEL_OPTION,
            Option("rebuild", "Build the recorded environment even where the one at hand is the same.", kind="flag"),
        ),
        syncs="try",
        surfaces=ALL_SURFACES,
        permissions=(FETCH_PERMISSION,),
        icon="repeat",
        details="Says identical, equivalent (the same predictions within 1e-9) or different, and names the cause. The"
        " recorded environment is built with uv, or else pip, unless it is the one at hand. The work tree is not touched.",
    ),
    Verb(
        "selftest",
        "Measure the gate's error rates, by simulation on the code that judges real models.",
        (
            Option(
                "model",
                "A trained model: on its own holdout, against its champion; none: on simulated populations.",
                positional=True,
                metavar="MODEL",
            ),
            Option("trials", "Simulated holdouts a claim; 500 by default.", kind="count", default=500, metavar="N"),
            Option(
                "jobs",
                "Processes at once; by default as many as there are cores.",
                kind="count",
                metavar="N",
            ),
        ),
        needs="nothing",
        formats=("text", "json", "github", "markdown"),
        details="False promotions of equal models, power, non-inferiority at its margin, false blocks by slices, and what a"
        " champion is overstated by after 50 pull requests on one holdout; beside each, what comparing two numbers does on"
        " the same holdouts. Seeds are fixed. Exit code 1 when a claim does not hold.",
    ),
    Verb(
        "report",
        "Tell GitHub what a gate said: a comment on the pull request, and a check of its commit.",
        (
            Option(
                "file",
                "The answer: what `gate --format json` printed, or the output `record` of its Action.",
                kind="path",
                positional=True,
                required=True,
                metavar="FILE",
            ),
        ),
        needs="nothing",
        writes=True,
        surfaces=("cli", "action"),
        permissions=(
            TokenPermission("pull-requests", "write", "comments on the pull request"),
            TokenPermission("checks", "write", "adds a check run to the commit"),
        ),
        icon="message-square",
        details="In a job of GitHub Actions, with a token in GITHUB_TOKEN. The file is taken for hostile: one that does not follow from"
        " its own parts is refused, and nothing is told. After a run of another workflow (workflow_run: that is how pull requests"
        " from forks get their comment) GitHub says which pull request it is about, and the comment says that nobody has verified it.",
    ),
    Verb(
        "gc",
        "Remove old runs that were never released, with their large files.",
        (Option("keep", "Runs that are younger stay (s, m, h, d, w); 90d by default.", default="90d", metavar="AGE"),),
        writes=True,
        syncs="must",
        details="Here and at the remote. What was ever released or deployed stays, whatever its age. Of the `store` URL, objects go that nothing which"
        " stays needs and that are as old themselves; other repositories must not share that URL.",
    ),
)


def find_verb(name: str) -> Verb:
    """Return the verb of that name; raises KeyError when there is none."""
    return {verb.name: verb for verb in VERBS}[name]
