"""Other tools read what this one wrote: GTO its versions and stages, DVC its revisions."""

from __future__ import annotations

from tests.support.consumer import Consumer
from tests.support.peers import Peers, ours

DVC = "artifacts:\n  diagnosis: {path: models/diagnosis.yaml, type: model}\n"


def with_a_second_model(consumer: Consumer) -> str:
    """Release two models of the same data on one commit, where DVC's own file declares the first."""
    for kind, name in (("models", "diagnosis"), ("deploy", "staging"), ("deploy", "prod")):
        text = (consumer.root / kind / f"{name}.yaml").read_text().replace("diagnosis", "screening")
        (consumer.root / kind / f"{name}-2.yaml").write_text(text)
    (consumer.root / "dvc.yaml").write_text(DVC)
    (consumer.root / ".dvc").mkdir()
    (consumer.root / ".dvc/config").touch()
    return published(consumer, "Add a second model")


def published(consumer: Consumer, message: str) -> str:
    """Commit, push, gate and release what changed, and give the commit."""
    consumer.commit(message)
    consumer.git("push", "--quiet")
    commit = consumer.git("rev-parse", "HEAD")
    consumer.ok("gate")
    consumer.ok("release")
    return commit


def test_gto_and_dvc_see_the_versions_and_stages_that_we_see(gated: Consumer, peers: Peers) -> None:
    """Given two models on one commit, two versions, two environments and a rollback, when others read, then they agree."""
    first = with_a_second_model(gated)
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.ok("deploy", "diagnosis", "--env", "prod")
    gated.ok("deploy", "screening", "--env", "staging")
    gated.git("pull", "--quiet", "--rebase")
    model = gated.root / "models/diagnosis.yaml"
    model.write_text(model.read_text().replace("{max_iter: 1000", "{C: 0.5, max_iter: 1000"))
    second = published(gated, "Regularise more")
    gated.ok("deploy", "diagnosis", "--env", "staging")
    gated.ok("deploy", "diagnosis", "--env", "prod")
    gated.ok("rollback", "diagnosis", "--env", "prod", "--reason", "alarms at night")

    asked: tuple[dict[str, str], ...] = (
        {"version": "v1.0.0"},
        {"version": "v1.1.0"},
        {"stage": "staging"},
        {"stage": "prod"},
        {},
    )
    calls = [{"name": "diagnosis", **keywords} for keywords in asked]
    (_, theirs, found), mine = peers.ask(gated.root, artifacts=calls), ours(gated)
    assert mine.models == {
        "diagnosis": ("1.1.0", {"staging": "1.1.0", "prod": "1.0.0"}),
        "screening": ("1.0.0", {"staging": "1.0.0"}),
    }
    assert theirs.models == mine.models
    for model_name in mine.models:
        assert theirs.of(model_name) == mine.of(model_name)
    assert len(mine.of("diagnosis")) == 7

    assert [answer["rev"] for answer in found] == [first, second, second, first, second]
    assert {answer["path"] for answer in found} == {"models/diagnosis.yaml"}
