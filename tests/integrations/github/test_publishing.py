"""Each kind of announcement, told once whatever the network does; and each way to fail, as one warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlops_ci.core.ci_job import CiJob
from mlops_ci.core.diagnostics import Diagnostic
from mlops_ci.core.notifications import (
    CheckRun,
    Dispatch,
    Notification,
    OpenPullRequest,
    PublishRelease,
    RecordArtifact,
    RecordDeployment,
    StartWorkflow,
    StickyComment,
)
from mlops_ci.integrations.github.client import GitHubClient, RequestLimits
from mlops_ci.integrations.github.connection import BOT_LOGIN
from mlops_ci.integrations.github.notifier import create_notifier
from tests.support.github.fake import Fake, Trouble
from tests.support.github.kinds import KINDS, Kind
from tests.support.github.server import SHA

Tell = Callable[[Notification], Diagnostic | None]
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture
def tell(job: CiJob, waits: list[float]) -> Tell:
    return create_notifier(job, "ghs_fake", waits.append, author=BOT_LOGIN, limits=RequestLimits(seconds=0.3))


def warned(found: Diagnostic | None) -> Diagnostic:
    """Insist on one warning that says what was not told and what next, and shows no token."""
    assert found is not None
    assert found.severity == "warning"
    assert found.message.startswith("GitHub was not notified (")
    assert found.help
    assert "ghs_" not in f"{found}"
    return found


@every_kind
def test_it_is_told_once(kind: Kind, tell: Tell, fake: Fake) -> None:
    assert tell(kind.one) is None
    assert kind.told(fake.state) == 1


@every_kind
@pytest.mark.parametrize("trouble", ["limited", "secondary", "spent"])
def test_when_github_wants_fewer_requests_it_is_told_later(kind: Kind, trouble: str, tell: Tell, fake: Fake) -> None:
    fake.next(trouble, matching=kind.post)
    assert tell(kind.one) is None
    assert kind.told(fake.state) == 1


@every_kind
@pytest.mark.parametrize("trouble", ["trouble", "trouble-after", "dropped", "dropped-after", "truncated", "text-after"])
def test_when_an_answer_is_lost_it_is_told_at_most_once(kind: Kind, trouble: str, tell: Tell, fake: Fake) -> None:
    fake.next(trouble, matching=kind.post)
    found = tell(kind.one)
    carried_out = trouble not in ("trouble", "dropped")
    if kind.found:
        assert found is None
        assert kind.told(fake.state) == 1
    else:  # nobody could tell whether it was, so it is not asked for again
        assert "GitHub may have executed the request" in warned(found).message or trouble == "text-after"
        assert kind.told(fake.state) == int(carried_out)


@every_kind
@pytest.mark.parametrize(
    ("trouble", "id"),
    [
        ("unauthorized", "host-forbidden"),
        ("forbidden", "host-forbidden"),
        ("not-found", "host-not-found"),
        ("invalid", "host-refused"),
    ],
)
def test_a_no_is_one_warning(kind: Kind, trouble: str, id: str, tell: Tell, fake: Fake) -> None:
    fake.next(trouble, matching=kind.post)
    assert warned(tell(kind.one)).id == id
    assert kind.told(fake.state) == 0


@every_kind
@pytest.mark.parametrize(
    ("trouble", "id"),
    [
        ("unauthorized", "host-forbidden"),
        ("forbidden", "host-forbidden"),
        ("not-found", "host-not-found"),
        ("invalid", "host-refused"),
        ("limited", "host-rate-limited"),
        ("limited-long", "host-rate-limited"),
        ("secondary", "host-rate-limited"),
        ("spent", "host-rate-limited"),
        ("trouble", "host-unreachable"),
        ("dropped", "host-unreachable"),
        ("text", "host-answer-invalid"),
        ("deep", "host-answer-invalid"),
        ("moved", "host-answer-invalid"),
    ],
)
def test_trouble_that_lasts_is_one_warning(kind: Kind, trouble: str, id: str, tell: Tell, fake: Fake) -> None:
    fake.next(trouble if trouble != "moved" else Trouble(307, "", {"Location": "https://eve.example/"}), times=30)
    assert warned(tell(kind.one)).id == id
    assert kind.told(fake.state) == 0


@every_kind
@pytest.mark.parametrize(
    "body", [b'"fine"', b"", b"7", b"[7, null, {}]", b'{"id": "x"}', b'{"id": -1, "user": 7}', b"[]"]
)
def test_answers_of_other_shapes_are_a_warning_at_most(kind: Kind, body: bytes, tell: Tell, fake: Fake) -> None:
    fake.next(Trouble(body=body), times=30)
    found = tell(kind.one)
    if found is not None:
        assert warned(found).id == "host-answer-invalid" or "does not have the tag" in found.message


@every_kind
def test_a_token_that_can_only_read_names_the_permission(kind: Kind, job: CiJob, fake: Fake) -> None:
    found = warned(create_notifier(job, "ghs_fork", lambda _: None, author=BOT_LOGIN)(kind.one))
    assert found.id == "host-forbidden"
    assert f"permissions: {{{KINDS['deployment'].needs if kind.told(fake.state) else kind.needs}}}" in str(found.help)


@every_kind
def test_a_forks_token_says_who_tells_instead(kind: Kind, job: CiJob, fake: Fake) -> None:
    found = warned(create_notifier(replace(job, fork=True), "ghs_fork", lambda _: None, author=BOT_LOGIN)(kind.one))
    assert "comment.yml" in str(found.help)
    assert kind.told(fake.state) == 0


def test_what_follows_a_forks_run_is_told_the_permission_that_it_lacks(job: CiJob) -> None:
    after = replace(job, fork=True, event="workflow_run")
    found = warned(create_notifier(after, "ghs_fork", lambda _: None, author=BOT_LOGIN)(KINDS["comment"].one))
    assert "permissions: {pull-requests: write}" in str(found.help)


@every_kind
def test_a_token_that_is_none_is_a_warning(kind: Kind, job: CiJob, fake: Fake) -> None:
    found = create_notifier(job, "a\r\nb", lambda _: None, author=BOT_LOGIN)(kind.one)
    assert warned(found).id == "host-forbidden"
    assert fake.requests == []


def test_a_slow_github_is_a_warning(tell: Tell, fake: Fake) -> None:
    fake.next("slow", times=9)
    assert warned(tell(KINDS["dispatch"].one)).id == "host-unreachable"


def test_the_warning_says_what_was_not_told_and_githubs_words(tell: Tell, fake: Fake) -> None:
    fake.next("forbidden", matching="POST .*")
    found = warned(tell(KINDS["comment"].one))
    assert found.message == (
        "GitHub was not notified (comment on pull request #7): POST /repos/ada/flights/issues/7/comments: "
        "GitHub refused the request (403: Resource not accessible by integration)"
    )


def test_a_check_run_is_completed_with_its_verdict(tell: Tell, fake: Fake, job: CiJob) -> None:
    assert tell(CheckRun("gate", SHA, "neutral", "t" * 300, "\N{SNOWMAN}\n" * 40_000)) is None
    (check,) = fake.state.checks
    assert (check["head_sha"], check["status"], check["conclusion"]) == (SHA, "completed", "neutral")
    assert check["output"]["title"] == "t" * 255
    assert len(check["output"]["summary"].encode()) <= 65_535
    assert check["output"]["summary"].endswith(f"[the run]({job.run_url}) has everything._\n")
    assert check["details_url"] == job.run_url


def test_another_commands_check_is_not_taken_for_ours(tell: Tell, job: CiJob, fake: Fake) -> None:
    one = KINDS["check"].one
    create_notifier(job, "ghs_fake", lambda _: None, author=BOT_LOGIN)(one)
    fake.next("dropped", matching="POST .*/check-runs")
    assert tell(one) is None
    assert len(fake.state.checks) == 2


def test_a_commit_that_github_does_not_have(tell: Tell, fake: Fake) -> None:
    fake.state.commits = set()
    found = warned(tell(KINDS["check"].one))
    assert (found.id, f"No commit found for SHA: {SHA}" in found.message) == ("host-refused", True)


def test_a_release_that_is_there_is_left_alone(tell: Tell, fake: Fake) -> None:
    assert tell(PublishRelease("delay@v1.0.0", "delay 1.0.0", "first")) is None
    assert tell(PublishRelease("delay@v1.0.0", "delay 1.0.0", "second")) is None
    assert [one["body"] for one in fake.state.releases] == ["first"]


def test_a_release_makes_no_tag(tell: Tell, fake: Fake) -> None:
    found = warned(tell(PublishRelease("delay@v9.0.0", "delay 9.0.0", "card")))
    assert found.id == "host-not-found"
    assert "does not have the tag delay@v9.0.0" in found.message
    assert fake.state.tags == {"delay@v1.0.0"}


def test_a_release_that_somebody_else_publishes_at_once_is_fine(tell: Tell, job: CiJob, fake: Fake) -> None:
    def other(line: str) -> None:
        if line.startswith("POST"):
            fake.before = lambda _: None
            create_notifier(job, "ghs_app", lambda _: None, author=BOT_LOGIN)(
                PublishRelease("delay@v1.0.0", "t", "theirs")
            )

    fake.before = other
    assert tell(KINDS["release"].one) is None
    assert [one["body"] for one in fake.state.releases] == ["theirs"]


def test_a_long_model_card_is_cut(tell: Tell, fake: Fake) -> None:
    assert tell(PublishRelease("delay@v1.0.0", "delay", "line\n" * 40_000)) is None
    assert len(fake.state.releases[0]["body"]) <= 125_000


def test_a_deployment_has_happened_and_says_where_its_log_is(tell: Tell, fake: Fake, job: CiJob) -> None:
    assert tell(RecordDeployment("delay#prod#3", "prod", "d" * 300, task="rollback")) is None
    (made,) = fake.state.deployments
    assert (made["ref"], made["environment"], made["task"]) == ("delay#prod#3", "prod", "rollback")
    (status,) = fake.state.statuses[made["id"]]
    assert (status["state"], status["log_url"], len(status["description"])) == ("success", job.run_url, 140)


def test_the_same_version_can_be_deployed_again(tell: Tell, job: CiJob, fake: Fake) -> None:
    create_notifier(job, "ghs_fake", lambda _: None, author=BOT_LOGIN)(KINDS["deployment"].one)
    fake.next("dropped", matching=".*/deployments")
    assert tell(KINDS["deployment"].one) is None
    assert len(fake.state.deployments) == 2
    assert [len(one) for one in fake.state.statuses.values()] == [1, 1]


def test_a_pull_request_that_is_open_is_left_alone(tell: Tell, fake: Fake) -> None:
    for body in ("first", "second"):
        assert tell(OpenPullRequest("retrain/delay", "main", "Retrain", body)) is None
    assert [one["body"] for one in fake.state.pulls[1:]] == ["first"]


def test_a_forks_pull_request_from_a_branch_of_the_same_name_is_another(tell: Tell, fake: Fake) -> None:
    fake.state.open_pull(8, SHA, "retrain/delay", fork="ada/other-flights")
    fake.next(Trouble(body=b"[]"), matching="POST .*/pulls")  # GitHub would take it, the fake has one of that name
    assert tell(KINDS["pull request"].one) is None
    assert fake.requests[-1] == "POST /repos/ada/flights/pulls"


def test_a_pull_request_that_somebody_else_opens_at_once_is_fine(tell: Tell, fake: Fake) -> None:
    def other(line: str) -> None:
        if line.startswith("POST"):
            fake.state.open_pull(8, SHA, "retrain/delay")

    fake.before = other
    assert tell(KINDS["pull request"].one) is None
    assert len(fake.state.pulls) == 2


def test_a_repository_whose_jobs_may_open_none_is_told_where_to_allow_it(tell: Tell, fake: Fake) -> None:
    fake.state.opens_pulls = False
    found = warned(tell(KINDS["pull request"].one))
    assert "not permitted to create or approve pull requests" in found.message
    assert "Settings > Actions > General" in str(found.help)


def test_a_dispatch_carries_its_values(tell: Tell, fake: Fake) -> None:
    assert tell(Dispatch("released", {"tag": "x"})) is None
    assert fake.state.dispatches == [{"event_type": "released", "client_payload": {"tag": "x"}}]


def test_a_dispatch_with_too_many_values_is_not_cut(tell: Tell, fake: Fake) -> None:
    found = warned(tell(Dispatch("released", {str(number): "x" for number in range(11)})))
    assert (found.id, fake.requests) == ("host-refused", [])


def test_a_workflow_is_started_with_its_inputs(tell: Tell, fake: Fake) -> None:
    assert tell(StartWorkflow("deploy.yml", "main", {"a": "b"})) is None
    assert fake.state.runs == [{"workflow": "deploy.yml", "ref": "main", "inputs": {"a": "b"}}]


def test_a_workflow_that_is_not_there(tell: Tell) -> None:
    assert warned(tell(StartWorkflow("gone.yml", "main"))).id == "host-not-found"


def test_half_characters_are_told_as_question_marks(tell: Tell, fake: Fake) -> None:
    assert tell(StickyComment(7, "gate", "bad \ud800")) is None
    assert fake.state.comments[7][0]["body"].endswith("bad ?")


def test_a_release_is_published_when_its_file_is_there(tell: Tell, fake: Fake) -> None:
    fake.state.immutable = True
    assert tell(PublishRelease("delay@v1.0.0", "delay 1.0.0", "card", b'{"a":1}')) is None
    writes = [line.replace("/repos/ada/flights", "") for line in fake.requests if not line.startswith("GET")]
    (release,) = fake.state.releases
    number = release["id"]
    assert writes == ["POST /releases", f"POST /releases/{number}/assets", f"PATCH /releases/{number}"]
    assert [(one["name"], one["label"]) for one in fake.state.assets[number]] == [("evidence.json", '{"a":1}')]
    assert release["draft"] is False


@pytest.mark.parametrize("lost", ["POST .*/releases/.*/assets", "PATCH .*/releases/.*"])
def test_a_draft_that_was_left_is_completed_and_never_deleted(lost: str, tell: Tell, fake: Fake) -> None:
    fake.state.immutable = True
    one = PublishRelease("delay@v1.0.0", "delay 1.0.0", "card", b"{}")
    fake.next("invalid", matching=lost)
    assert warned(tell(one)).id == "host-refused"
    assert [made["draft"] for made in fake.state.releases] == [True]
    assert tell(one) is None
    assert [made["draft"] for made in fake.state.releases] == [False]
    assert [len(files) for files in fake.state.assets.values()] == [1]
    assert tell(one) is None  # what is published is left as it is
    assert not any(line.startswith("DELETE") for line in fake.requests)


def test_one_record_says_where_the_newest_version_of_a_deployment_runs(tell: Tell, fake: Fake) -> None:
    for version, digest in (("1.0.0", "1" * 64), ("2.0.0", "2" * 64)):
        assert tell(RecordArtifact("delay/model.skops", digest, version, "prod", "prod-delay")) is None
    assert fake.state.artifacts == {
        "prod/prod-delay": {
            "name": "delay/model.skops",
            "digest": f"sha256:{'2' * 64}",
            "version": "2.0.0",
            "status": "deployed",
            "logical_environment": "prod",
            "deployment_name": "prod-delay",
            "github_repository": "flights",
            "return_records": False,
        }
    }


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        ("https://api.github.com", "https://uploads.github.com"),
        ("https://api.acme.ghe.com", "https://uploads.acme.ghe.com"),
        ("https://git.example.org/api/v3", "https://git.example.org/api/uploads"),
    ],
)
def test_files_go_to_the_hosts_own_place_for_uploads(api: str, expected: str) -> None:
    client = GitHubClient(api, "ada/flights", "ghs_fake", lambda _: None)
    call = client._build_request("POST", "/releases/1/assets?name=a", b"", None, "uploads")
    assert call.url == f"{expected}/repos/ada/flights/releases/1/assets?name=a"
