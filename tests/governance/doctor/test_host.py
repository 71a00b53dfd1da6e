"""Each policy, in each state: enforced, advisory, or unknown with the reason, which never counts as enforced."""

from __future__ import annotations

from typing import Any

import pytest

from tests.governance.doctor.conftest import (
    GATE,
    ON_MAIN,
    QUEUE,
    REGISTRY,
    Patient,
    checks,
    environment,
    environments,
    pull_request,
)
from tests.support.github.contract import sample

BRANCH = {
    "changes come by pull request": "pull_request",
    "somebody else reviews": "pull_request",
    "owners review specs, policy and workflows": "pull_request",
    "the gate must pass": "required_status_checks",
    "history is not rewritten": "non_fast_forward",
    "the branch is not deleted": "deletion",
    "commits are signed": "required_signatures",
    "merge queue": "merge_queue",
}
TAGS = {
    "release tags do not move": ("update", "cancel@v3.0.0"),
    "release tags are not deleted": ("deletion", "cancel@v3.0.0"),
    "only selected people may create release tags": ("creation", "cancel@v3.0.0"),
    "assignment tags do not move": ("update", "cancel#prod#1"),
    "assignment tags are not deleted": ("deletion", "cancel#prod#1"),
    "only selected people may create assignment tags": ("creation", "cancel#prod#1"),
}


def test_where_everything_is_enforced_only_the_registrys_own_refs_are_advisory(patient: Patient) -> None:
    rows = patient.rows()
    assert [what for what, row in rows.items() if row["state"] not in ("ok", "enforced")] == [
        "nobody can move refs/mlops/*"
    ]
    evidence = rows["nobody can move refs/mlops/*"]["evidence"]
    assert "only branches and tags" in evidence
    assert "`mlops-ci audit` finds changes" in evidence
    assert {*BRANCH, *TAGS} <= {what for what, row in rows.items() if row["state"] == "enforced"}
    assert all(row["evidence"] for row in rows.values())


@pytest.mark.parametrize(("what", "rule"), BRANCH.items())
def test_without_its_rule_a_demand_on_the_branch_is_advisory(patient: Patient, what: str, rule: str) -> None:
    patient.put(1, "branch", [one for one in ON_MAIN if one["type"] != rule], ["~DEFAULT_BRANCH"])
    row = patient.rows()[what]
    assert row["state"] == "advisory"
    assert row["next"]


@pytest.mark.parametrize("what", BRANCH)
@pytest.mark.parametrize(
    ("trouble", "said"),
    [("forbidden", "(403)"), ("not-found", "(404)"), ("text", "no readable answer"), ("invalid", "422")],
)
def test_rules_that_cannot_be_seen_are_unknown(patient: Patient, what: str, trouble: str, said: str) -> None:
    patient.fake.next(trouble, 9, "GET .*/rules/branches/main")
    state, evidence = patient.row(what)
    assert (state, said in evidence) == ("unknown", True)


@pytest.mark.parametrize("what", BRANCH)
def test_without_rules_hidden_classic_protection_makes_a_demand_unknown(patient: Patient, what: str) -> None:
    patient.put(1, "branch", [], ["~DEFAULT_BRANCH"])
    patient.fake.next("forbidden", 9, "GET .*/protection")
    state, evidence = patient.row(what)
    assert (state, "classic branch protection" in evidence) == ("unknown", True)


def test_classic_protection_enforces_as_rulesets_do(patient: Patient) -> None:
    patient.put(1, "branch", [], ["~DEFAULT_BRANCH"])
    on, off = {"enabled": True}, {"enabled": False}
    patient.settings["/branches/main/protection"] = {
        "required_pull_request_reviews": {"dismiss_stale_reviews": True, "require_code_owner_reviews": True, "required_approving_review_count": 2},
        "required_status_checks": {"contexts": ["gate / verdict"], "checks": [], "strict": True},
        "enforce_admins": {"url": "https://example.org", "enabled": True},
        "allow_force_pushes": off,
        "allow_deletions": off,
        "required_signatures": {"url": "https://example.org", "enabled": True},
    }  # fmt: skip
    rows = patient.rows()
    assert {what for what in BRANCH if rows[what]["state"] == "enforced"} == {*BRANCH} - {"merge queue"}
    assert "required approvals: 2" in rows["somebody else reviews"]["evidence"]
    patient.settings["/branches/main/protection"] |= {"allow_force_pushes": on, "enforce_admins": {"url": "https://example.org", "enabled": False}}  # fmt: skip
    rows = patient.rows()
    assert rows["history is not rewritten"]["state"] == "advisory"
    assert "administrators" in rows["nobody is exempt from the branch's rules"]["evidence"]


def test_where_the_clone_does_not_know_the_default_branch_github_does(patient: Patient) -> None:
    patient.consumer.git("remote", "set-head", "origin", "--delete")
    patient.consumer.git("update-ref", "refs/remotes/origin/other", "HEAD")
    patient.consumer.git("update-ref", "-d", "refs/remotes/origin/main")
    patient.consumer.origin.rename(patient.consumer.origin.with_name("gone"))
    patient.settings[""] = sample("full-repository", full_name="ada/flights", name="flights", default_branch="main")
    rows = patient.rows(code=1)
    assert (rows["default branch"]["state"], rows["the branch is not deleted"]["state"]) == ("problem", "enforced")
    patient.fake.next("forbidden", 9, "GET /repos/ada/flights")
    assert patient.row("protection of the default branch", code=1)[0] == "unknown"


def test_a_pull_request_that_needs_no_approval_is_reviewed_by_nobody(patient: Patient) -> None:
    patient.put(1, "branch", [pull_request(0, owners=False)], ["~DEFAULT_BRANCH"])
    rows = patient.rows()
    assert [rows[what]["state"] for what in list(BRANCH)[:3]] == ["enforced", "advisory", "advisory"]


def test_owners_review_only_what_somebody_owns(patient: Patient) -> None:
    patient.commit({".github/CODEOWNERS": "* @acme/ml\n/specs/delay.yaml\n"})
    state, evidence = patient.row("owners review specs, policy and workflows")
    assert (state, "specs/delay.yaml" in evidence) == ("advisory", True)
    patient.commit({".github/CODEOWNERS": None})
    assert patient.row("owners review specs, policy and workflows")[0] == "advisory"


@pytest.mark.parametrize(
    ("required", "state"),
    [
        (["gate / verdict"], "enforced"),
        (["mlops-ci: gate (shop)"], "advisory"),  # is not there for a change that affects no model of the project
        (["lint", "gate / verdict"], "enforced"),
        (["lint"], "advisory"),
        (["gate"], "advisory"),
        ([], "advisory"),
    ],
)
def test_the_gates_own_check_must_be_required(patient: Patient, required: list[str], state: str) -> None:
    patient.put(1, "branch", [checks(*required)], ["~DEFAULT_BRANCH"])
    found, evidence = patient.row("the gate must pass")
    assert found == state
    if "lint" in required and state == "advisory":
        assert "lint" in evidence


def test_the_check_of_an_action_has_the_name_of_its_job(patient: Patient) -> None:
    job = "  judge:\n    name: Judge it\n    runs-on: ubuntu-latest\n    steps:\n      - uses: mlops-ci/mlops-ci/actions/gate@v1\n"
    patient.commit({".github/workflows/gate.yml": GATE.partition("  gate:\n")[0] + job})
    assert patient.row("the gate must pass")[0] == "advisory"
    patient.put(1, "branch", [checks("Judge it")], ["~DEFAULT_BRANCH"])
    assert patient.row("the gate must pass")[0] == "enforced"


def test_a_merge_queue_that_waits_for_a_deaf_gate_is_a_problem(patient: Patient) -> None:
    patient.commit({".github/workflows/gate.yml": GATE.replace("  merge_group:\n", "")})
    state, evidence = patient.row("merge queue", code=1)
    assert (state, ".github/workflows/gate.yml" in evidence) == ("problem", True)
    patient.put(1, "branch", [one for one in ON_MAIN if one != QUEUE], ["~DEFAULT_BRANCH"])
    assert patient.row("merge queue")[0] == "advisory"


@pytest.mark.parametrize(
    ("number", "what"), [(1, "nobody is exempt from the branch's rules"), (2, "nobody is exempt from the tags' rules")]
)
def test_who_may_bypass_rules_is_named_and_unknown_where_it_is_hidden(patient: Patient, number: int, what: str) -> None:
    rules = patient.rulesets[number]
    for actor, named in (
        ({"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}, "administrators"),
        ({"actor_id": 77, "actor_type": "Integration", "bypass_mode": "always"}, "the App 77"),
        ({"actor_id": 3, "actor_type": "Team", "bypass_mode": "pull_request"}, "team 3 (by pull request)"),
        ({"actor_id": None, "actor_type": "DeployKey", "bypass_mode": "always"}, "deploy keys"),
        (
            {"actor_id": 1, "actor_type": "OrganizationAdmin", "bypass_mode": "always"},
            "administrators of the organization",
        ),
    ):
        patient.settings[f"/rulesets/{number}"] = {**rules, "bypass_actors": [actor]}
        state, evidence = patient.row(what)
        assert (state, evidence) == ("advisory", f"exempt are: {named}")
    patient.settings[f"/rulesets/{number}"] = {name: value for name, value in rules.items() if name != "bypass_actors"}
    assert patient.row(what)[0] == "unknown"
    patient.fake.next("forbidden", 9, f"GET .*/rulesets/{number}")
    assert patient.row(what)[0] == "unknown"


@pytest.mark.parametrize(("what", "rule", "tag"), [(what, rule, tag) for what, (rule, tag) in TAGS.items()])
def test_without_its_rule_a_demand_on_tags_is_advisory(patient: Patient, what: str, rule: str, tag: str) -> None:
    every = [{"type": name} for name in ("update", "deletion", "creation")]
    patient.put(2, "tag", [one for one in every if one["type"] != rule], REGISTRY)
    assert patient.row(what) == ("advisory", "no ruleset enforces it for the tags of every model")
    patient.put(2, "tag", every, REGISTRY, exclude=[f"refs/tags/{tag}"])
    state, evidence = patient.row(what)
    assert (state, evidence) == ("advisory", "no ruleset enforces it for the tags of cancel")


@pytest.mark.parametrize(
    ("include", "exclude", "enforcement", "state"),
    [
        (["~ALL"], [], "active", "enforced"),
        (["refs/tags/**/*"], [], "active", "enforced"),
        (["refs/tags/*"], [], "active", "enforced"),
        (["refs/tags/delay*", "refs/tags/cancel*"], [], "active", "enforced"),
        (["refs/tags/delay*"], [], "active", "advisory"),
        (["refs/tags/v*"], [], "active", "advisory"),
        (["refs/heads/*"], [], "active", "advisory"),
        (["refs/tags/{delay,cancel}*"], [], "active", "advisory"),
        (["~ALL"], ["refs/tags/{x}*"], "active", "advisory"),
        (["~ALL"], ["refs/tags/*@v1.*"], "active", "advisory"),
        (["~ALL"], ["refs/tags/*@v7.*"], "active", "advisory"),
        (["~ALL"], ["refs/tags/*!"], "active", "advisory"),
        (["~ALL"], ["refs/**/*"], "active", "advisory"),
        (["~ALL"], ["refs/tags/old-*"], "active", "enforced"),
        (["refs/tags/*@v*.*.*", "refs/tags/*@d*"], [], "active", "enforced"),
        (["refs/tags/*@v?.?.?", "refs/tags/*@d*"], [], "active", "advisory"),
        (["refs/tags/*@v1*", "refs/tags/*@d*"], [], "active", "advisory"),
        (["~ALL"], [], "evaluate", "advisory"),
        (["~ALL"], [], "disabled", "advisory"),
        ([], [], "active", "advisory"),
    ],
)
def test_a_ruleset_counts_where_it_is_active_and_covers_every_models_tags(
    patient: Patient, include: list[str], exclude: list[str], enforcement: str, state: str
) -> None:
    patient.put(2, "tag", [{"type": "update"}], include, exclude=exclude, enforcement=enforcement)
    assert patient.row("release tags do not move")[0] == state


def test_several_rulesets_may_cover_the_tags_together(patient: Patient) -> None:
    patient.put(2, "tag", [{"type": "update"}], ["refs/tags/delay@*"])
    patient.put(3, "tag", [{"type": "update"}], ["refs/tags/cancel@*"])
    assert patient.row("release tags do not move") == ("enforced", "by rules 2, rules 3")


@pytest.mark.parametrize("what", TAGS)
@pytest.mark.parametrize("asked", ["/rulesets", "/rulesets/2"])
def test_rulesets_that_cannot_be_seen_are_unknown(patient: Patient, what: str, asked: str) -> None:
    patient.fake.next("forbidden", 9, f"GET .*{asked}")
    assert patient.row(what)[0] == "unknown"


@pytest.mark.parametrize(
    ("answer", "state", "evidence"),
    [
        ({"enabled": True, "enforced_by_owner": True}, "enforced", "is on, by the owner of the repository"),
        ({"enabled": True, "enforced_by_owner": False}, "enforced", "is on, by the repository"),
        ({"enabled": False, "enforced_by_owner": False}, "advisory", "is off"),
        (None, "advisory", "or this token may not see it: 404"),  # GitHub's answer where it is off
    ],
)
def test_whether_published_releases_are_locked_is_told(
    patient: Patient, answer: dict[str, bool] | None, state: str, evidence: str
) -> None:
    if answer is None:
        del patient.settings["/immutable-releases"]
    else:
        patient.settings["/immutable-releases"] = answer
    row = patient.rows()["published releases are immutable"]
    assert (row["state"], evidence in row["evidence"]) == (state, True)
    assert row["minor"] is (state == "advisory")


def test_immutability_that_cannot_be_seen_is_unknown(patient: Patient) -> None:
    patient.fake.next("forbidden", 9, "GET .*/immutable-releases")
    assert patient.row("published releases are immutable")[0] == "unknown"


def test_tags_that_are_not_signed_make_the_registrys_refs_worth_a_warning(patient: Patient) -> None:
    unsigned = (
        (patient.consumer.root / "mlops.yaml")
        .read_text()
        .replace("  signing: {format: ssh, allowedSigners: .mlops/allowed_signers}\n", "")
    )
    patient.commit({"mlops.yaml": unsigned.replace(", approvals: {prod: 1}", "")})
    row = patient.rows()["nobody can move refs/mlops/*"]
    assert "the tags are not signed" in row["evidence"]
    assert row["minor"] is False


@pytest.mark.parametrize(
    ("prod", "what", "state"),
    [
        (environment("prod"), "prod: deployments need an approval", "enforced"),
        (environment("Prod"), "prod: deployments need an approval", "enforced"),
        (environment("prod", reviewers=False), "prod: deployments need an approval", "advisory"),
        (environment("other"), "prod: deployments are guarded", "advisory"),
        (environment("prod", policy=False), "prod: deployments come from protected branches", "advisory"),
        (environment("prod"), "prod: deployments come from protected branches", "enforced"),
        (environment("prod", policy={"protected_branches": False, "custom_branch_policies": True}), "prod: deployments come from protected branches", "unknown"),
    ],
)  # fmt: skip
def test_an_environment_is_guarded_by_reviewers_and_by_where_deployments_come_from(
    patient: Patient, prod: dict[str, Any], what: str, state: str
) -> None:
    patient.settings["/environments"] = environments(environment("staging"), prod)
    assert patient.row(what)[0] == state


def test_approvals_that_github_asks_nobody_for_are_told_to_be_mlops_cis_own(patient: Patient) -> None:
    patient.settings["/environments"] = environments(
        environment("staging", reviewers=False), environment("prod", reviewers=False)
    )
    rows = patient.rows()
    assert "1 signed approvals" in rows["prod: deployments need an approval"]["evidence"]
    assert rows["prod: deployments need an approval"]["minor"] is False
    assert rows["staging: deployments need an approval"]["minor"] is True


def test_environments_that_cannot_be_seen_are_unknown(patient: Patient) -> None:
    patient.fake.next("not-found", 9, "GET .*/environments")
    assert patient.row("prod: deployments are guarded")[0] == "unknown"


@pytest.mark.parametrize(
    ("level", "approves", "states"),
    [("read", False, ["enforced", "enforced"]), ("write", True, ["advisory", "advisory"])],
)
def test_the_default_rights_of_jobs_are_told(patient: Patient, level: str, approves: bool, states: list[str]) -> None:
    path = "/actions/permissions/workflow"
    patient.settings[path] = {"default_workflow_permissions": level, "can_approve_pull_request_reviews": approves}
    what = ("a job's token is read-only by default", "workflows cannot approve pull requests")
    rows = patient.rows()
    assert [rows[one]["state"] for one in what] == states
    patient.fake.next("forbidden", 9, f"GET .*{path}")
    rows = patient.rows()
    assert [rows[one]["state"] for one in what] == ["unknown", "unknown"]


def test_deployments_by_pull_request_need_somebody_who_may_open_them(patient: Patient) -> None:
    text = (patient.consumer.root / "mlops.yaml").read_text().replace("spec:\n", "spec:\n  delivery: pull-request\n")
    patient.commit({"mlops.yaml": text})
    assert patient.row("deployments open pull requests")[0] == "advisory"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        "x",
        [],
        {},
        [1],
        [None],
        {"a": [1]},
        {"environments": 1},
        [{"id": "x", "target": "tag", "enforcement": "active"}],
    ],
)
def test_an_answer_of_another_form_is_never_taken_for_enforced(patient: Patient, answer: Any) -> None:
    """Whatever comes back, nothing breaks, and nothing is enforced that was not seen to be."""
    from mlops_ci.governance.doctor.branch_rules import check_branch_rules
    from mlops_ci.governance.doctor.context import DoctorContext
    from mlops_ci.governance.doctor.environments import check_environments as of_environments
    from mlops_ci.governance.doctor.environments import check_workflow_permissions
    from mlops_ci.governance.doctor.host import HostReader
    from mlops_ci.governance.doctor.tag_rules import check_tag_rules
    from tests.governance.doctor.test_local import project

    found = project(patient.consumer)
    assert found.context.repo is not None
    world = DoctorContext(found, found.context.repo, HostReader(lambda _: answer))
    rows = [
        row
        for look in (check_branch_rules, check_tag_rules, of_environments, check_workflow_permissions)
        for row in look(world)
    ]
    assert {row.state for row in rows} <= {"advisory", "unknown"}


def test_without_a_token_or_a_network_what_github_enforces_is_unknown(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    rows = patient.rows()
    assert {rows[what]["state"] for what in (*BRANCH, *TAGS)} == {"unknown"}
    assert "no readable answer" in rows["the gate must pass"]["evidence"]
    monkeypatch.delenv("GITHUB_TOKEN")
    rows = patient.rows()
    assert {rows[what]["evidence"] for what in (*BRANCH, *TAGS)} == {"there is no token for GitHub"}


def test_the_token_never_shows(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_unknown_token")
    done = patient.consumer.run("doctor", "--format", "json")
    assert "ghs_unknown_token" not in done.stdout + done.stderr
    assert "does not accept the token (401)" in done.stdout
