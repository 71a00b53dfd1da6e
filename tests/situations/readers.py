"""Readers verify what writers promise: what each command says after somebody has pushed what does not verify."""

from __future__ import annotations

from tests.situations.catalogue import Kind, Said, Situation, Stage
from tests.situations.rogue_hands import (
    LOG_REF,
    MANIFEST,
    NEXT,
    PIN_REF,
    PROD,
    RELEASED,
    ROGUE,
    add_eve,
    assignment,
    branch_without_release,
    change_mode,
    drop_signing,
    edit_manifest,
    end_signer,
    gone,
    hand_made_release,
    honest_event_set_aside,
    make_signing_optional,
    moved,
    older_branch,
    on_branch,
    patch_above,
    plain_tag,
    release,
    rewritten,
    shorter_log,
    tip,
    vouched_for,
)

KIND = Kind(
    5,
    "Events that do not verify",
    "An event that does not verify keeps its place in the log and is never in force. One rogue push stops no rollback; an event that"
    " sets it aside lets all other work go on, and every audit reports it.",
)
# commands
AUDIT = "audit --branch main"
BACK = "rollback diagnosis --env prod --version 1.0.0 --reason back"
FETCH = f"fetch {RELEASED.replace('@v', '@')} there"
STAGING = "deploy diagnosis@1.0.0 --env staging"

UNVERIFIED = "event-unverified"


def stopped(why: str, id: str, back: int = 0) -> tuple[Said, ...]:
    """Return what is said of a rogue event: new work stops, a rollback goes on, and the audit places it."""
    return (
        Said("show", 0, UNVERIFIED, why),
        Said(FETCH, 0, UNVERIFIED, why),
        Said("gate", 0, UNVERIFIED, why),
        Said("release", 1, UNVERIFIED, why),
        Said(STAGING, 1, UNVERIFIED, why),
        Said("approve diagnosis@1.0.0 --env prod", 1, UNVERIFIED, why),
        Said(AUDIT, 1, id, why),
        Said(BACK, back, UNVERIFIED, why),
    )


def settled(event: str) -> tuple[Said, ...]:
    """Return what is said once somebody who may sign has set an event aside."""
    return (
        Said(f"retire diagnosis --set-aside {event} --reason forged", 0),
        Said("release", 0),
        Said(AUDIT, 0, "audit-event-set-aside", "forged"),
    )


SITUATIONS = (
    Situation(
        "a forged release whose record is of another one",
        hand_made_release,
        Said("show", 0),
        Said("deploy diagnosis --env prod", 1, UNVERIFIED, "is not in force"),
        Said("release", 1, UNVERIFIED, "is not in force"),
        Said("rollback diagnosis --env staging --reason back --version 1.0.0", 0, UNVERIFIED, "--set-aside"),
        Said(f"retire diagnosis --set-aside {ROGUE} --reason forged", 0),
        Said("deploy diagnosis --env prod", 0),
    ),
    Situation(
        "events are signed, and all verify",
        Stage.signed,
        *(Said(command, 0) for command in ("show", FETCH, "gate", AUDIT, "release", BACK, AUDIT)),
    ),
    Situation(
        "somebody writes a release without a signature, on the commit of another one",
        release("eve", signed=False),
        *stopped("is not signed", "audit-signature-missing"),
        *settled(ROGUE),
    ),
    Situation(
        "somebody signs a release with a key that nobody allows",
        release("eve", signed=True),
        *stopped("is signed with", "audit-signature-stranger"),
    ),
    Situation(
        "an allowed signer releases a commit that was never merged",
        release("ada", signed=True, beside=True),
        *stopped("is not on branch 'main'", "audit-release-off-branch"),
        *settled(ROGUE),
    ),
    Situation(
        "somebody writes an assignment without a signature",
        assignment(),
        *stopped("is not signed", "audit-signature-missing"),
        *settled(NEXT),
    ),
    Situation(
        "an honest, signed event follows such an assignment",
        vouched_for,
        *stopped("is not signed", "audit-signature-missing"),
    ),
    Situation(
        "an assignment is on another commit than its release",
        assignment("ada", signed=True, at="refs/heads/main"),
        *stopped("but its release", "audit-assignment-misplaced"),
    ),
    Situation(
        "an assignment was signed by Ada in a fork",
        assignment("ada", signed=True, fork="eve/fork"),
        *stopped("was made in eve/fork", "audit-repository-differs"),
    ),
    Situation(
        "an assignment of a strange key, whose owner is added to the signers afterwards",
        add_eve,
        *stopped("the file of signers was weakened since", "audit-policy-unmet"),
    ),
    Situation(
        "an unsigned assignment, after which signatures become optional",
        on_branch(make_signing_optional, assignment()),
        *stopped("it was weakened since", "audit-policy-unmet"),
    ),
    Situation(
        "an unsigned assignment, after which the branch loses its signing",
        on_branch(drop_signing, assignment()),
        Said("show", 0, UNVERIFIED, "it was weakened since"),
        Said("release", 1, "signing-dropped", "restore `signing`"),
        Said(BACK, 1, "signing-dropped", "restore `signing`"),
        Said(AUDIT, 1, "audit-policy-unmet", "it was weakened since"),
    ),
    Situation(
        "somebody sets an honest assignment aside",
        honest_event_set_aside,
        Said("show", 0, UNVERIFIED, "@set-aside#3"),
        Said(AUDIT, 1, "audit-signature-missing", "@set-aside#3"),
        Said(BACK, 0, UNVERIFIED, "@set-aside#3"),
    ),
    Situation(
        "the newest assignment is replaced by another object",
        rewritten,
        Said("show", 0, UNVERIFIED, "is not signed"),
        Said("release", 1, UNVERIFIED, "is not signed"),
        Said(AUDIT, 1, "audit-signature-missing", "is not signed"),
        Said(BACK, 1, "rollback-nowhere", "mlops-ci deploy diagnosis@1.0.0 --env prod"),
        Said(f"retire diagnosis --set-aside {PROD} --reason forged", 0),
        Said("deploy diagnosis@1.0.0 --env prod", 0),
    ),
    Situation(
        "the tag of the newest event is deleted here and at the remote",
        moved(f"refs/tags/{PROD}", gone),
        Said("show", 0, "registry-incomplete", "diagnosis (1)"),
        Said("gate", 3, "newest-event-missing", PROD),
        Said("release", 3, "newest-event-missing", PROD),
        Said(STAGING, 3, "newest-event-missing", PROD),
        Said(AUDIT, 1, "audit-manifest-unassigned", "no version of"),
        Said("rollback diagnosis --env staging --version 1.0.0 --reason back", 0),
    ),
    Situation(
        "the tag of a release is deleted here and at the remote",
        moved(f"refs/tags/{RELEASED}", gone),
        Said("gate", 1, "champion-missing", RELEASED),
        Said(FETCH, 3, "release-missing", "push it from a clone that has it"),
        Said(STAGING, 3, "release-missing", "push it from a clone that has it"),
        Said(AUDIT, 1, "audit-tag-missing", RELEASED),
    ),
    Situation(
        "the log is overwritten by commits of the branch",
        moved(LOG_REF, tip),
        Said("gate", 3, "newest-event-missing", "Regularise more"),
        Said("release", 3, "newest-event-missing", "push --force origin"),
        Said(AUDIT, 1, "audit-log-malformed", "names no tag"),
        Said(BACK, 0),
    ),
    Situation(
        "the last entry of the log is taken away",
        moved(LOG_REF, shorter_log),
        Said(AUDIT, 1, "audit-tag-unlogged", PROD),
        Said("release", 0, "event-completed", PROD),
        Said(AUDIT, 0),
    ),
    Situation(
        "the run of a release is moved",
        moved(PIN_REF, tip),
        Said(FETCH, 3, "store-corrupt", "the ref was moved"),
        Said("deploy diagnosis@1.0.0 --env prod", 3, "store-corrupt", "the ref was moved"),
        Said(AUDIT, 1, "audit-file-missing", PIN_REF),
    ),
    Situation(
        "a lightweight tag has the name of the next event",
        moved(f"refs/tags/{NEXT}", tip),
        Said("show", 0),
        Said(AUDIT, 1, "audit-tag-foreign", NEXT),
        Said(BACK, 0),
        Said("release", 0),
    ),
    Situation(
        "a lightweight tag has the name of the next release",
        moved("refs/tags/diagnosis@v1.1.0", tip),
        Said("release", 1, "tag-name-taken", "git push origin ':refs/tags/diagnosis@v1.1.0'"),
        Said(AUDIT, 1, "audit-tag-foreign", "diagnosis@v1.1.0"),
        Said(BACK, 0),
    ),
    Situation(
        "a tag by plain git has the name of the next event",
        moved(f"refs/tags/{NEXT}", plain_tag),
        *stopped("is not signed", "audit-signature-missing"),
        *settled(NEXT),
    ),
    Situation(
        "a manifest on the branch is edited by hand",
        on_branch(edit_manifest),
        Said(AUDIT, 1, "audit-manifest-changed", MANIFEST),
        Said(BACK, 0),
        Said(AUDIT, 0),
    ),
    Situation(
        "a manifest on the branch gets another mode",
        on_branch(change_mode),
        Said(AUDIT, 1, "audit-manifest-changed", MANIFEST),
        Said(BACK, 0),
        Said(AUDIT, 0),
    ),
    Situation(
        "a kustomization above the manifests changes them",
        on_branch(patch_above),
        Said(AUDIT, 1, "audit-manifest-patched", "by its patches"),
        Said(BACK, 0),
        Said(AUDIT, 1, "audit-manifest-patched", "by its patches"),
    ),
    Situation(
        "a signer leaves, and the file of signers ends their key in the future",
        on_branch(end_signer),
        *(Said(command, 0) for command in ("show", "gate", AUDIT, "release")),
    ),
    Situation(
        "a clone fetched the tags and logs of a newer branch, and not the branch",
        older_branch,
        Said("show", 0),
        Said(AUDIT, 3, "clone-behind", "git fetch origin"),
    ),
    Situation(
        "a clone fetched the tag of a release, and not the branch that has its commit",
        branch_without_release,
        Said("show", 0, UNVERIFIED, "if this clone is merely behind: git fetch"),
        Said(AUDIT, 3, "clone-behind", "git fetch origin"),
    ),
)
