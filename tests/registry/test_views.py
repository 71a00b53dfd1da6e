"""What `show` and `history` answer, from a folded registry alone."""

from __future__ import annotations

from dataclasses import replace

from mlops_ci.core.records.base import EventRef, Provenance
from mlops_ci.core.records.events import Approval
from mlops_ci.core.results.registry import Actor
from mlops_ci.registry.state import fold_refs
from mlops_ci.registry.views import history_view, show_view
from mlops_ci.repository.refs import Ref
from tests.support.registry_samples import RELEASE, assignment, plain_tag, tag

SENTENCE = RELEASE.evidence.sentence


def past() -> list[Ref]:
    """Given v1 in staging and prod, v2 in prod, and prod rolled back to v1, which was then assigned again; an hour apart."""
    v1 = replace(RELEASE, commit="a" * 40)
    v2 = replace(RELEASE, version="2.0.0", commit="b" * 40, previous=EventRef("delay#prod#2", "3" * 40))
    hour = 3600
    return [
        tag(v1, "1" * 40, 0, "a" * 40),
        tag(assignment(1, "staging", previous=EventRef("delay@v1.0.0", "1" * 40)), "2" * 40, hour, "a" * 40),
        tag(assignment(2, previous=EventRef("delay#staging#1", "2" * 40)), "3" * 40, 2 * hour, "a" * 40),
        tag(v2, "4" * 40, 3 * hour, "b" * 40),
        tag(assignment(3, version="2.0.0", previous=EventRef("delay@v2.0.0", "4" * 40)), "5" * 40, 4 * hour, "b" * 40),
        tag(
            assignment(4, rollback_of="2.0.0", previous=EventRef("delay#prod#3", "5" * 40)),
            "6" * 40,
            5 * hour,
            "a" * 40,
        ),
        tag(assignment(5, previous=EventRef("delay#prod#4", "6" * 40)), "7" * 40, 6 * hour, "a" * 40),
    ]


def test_show_has_a_row_a_model_and_environments_in_the_order_of_their_first_use() -> None:
    shown = show_view(fold_refs([*past(), plain_tag("other@v0.1.0", "8" * 40, 0)]), None, at="now")
    assert (shown.environments, shown.running, shown.at) == (("staging", "prod"), (), "now")
    delay, other = sorted(shown.models)
    assert (delay.model, delay.latest, delay.versions) == ("delay", "2.0.0", ("1.0.0", "2.0.0"))
    assert (delay.environments, delay.deprecated) == ({"staging": "1.0.0", "prod": "1.0.0"}, False)
    assert delay.evidence == {"1.0.0": "sentence"}  # of what runs, not of the newest version
    assert (other.model, other.latest, other.environments, other.evidence) == ("other", "0.1.0", {}, {})


def test_a_model_that_nobody_knows_has_no_row() -> None:
    shown = show_view(fold_refs(past()), "unknown")
    assert (shown.environments, shown.models, shown.running) == ((), (), ())


def test_a_deprecated_model_is_shown_where_it_is_named_only() -> None:
    registry = fold_refs([plain_tag("old@v1.0.0", "1" * 40, 0), plain_tag("old@deprecated", "2" * 40, 1)])
    assert show_view(registry, None).models == ()
    (row,) = show_view(registry, "old").models
    assert row.deprecated


def test_show_of_one_model_says_since_when_a_version_runs_and_how_it_came_there() -> None:
    staging, prod = show_view(fold_refs(past()), "delay").running
    assert (staging.environment, staging.version, staging.event) == ("staging", "1.0.0", "deploy")
    assert staging.since == staging.assigned_on == "1970-01-01T01:00:00+00:00"
    # v1 came back with the rollback at five, and was assigned once more at six
    assert (prod.environment, prod.version) == ("prod", "1.0.0")
    assert (prod.since, prod.assigned_on) == ("1970-01-01T05:00:00+00:00", "1970-01-01T06:00:00+00:00")
    assert (prod.release, prod.released_on) == (EventRef("delay@v1.0.0", "1" * 40), "1970-01-01T00:00:00+00:00")
    assert (prod.by, prod.released_by, prod.verdict) == ("Ada Lovelace", "Ada Lovelace", "pass")
    assert (prod.evidence, prod.run, prod.model_digest) == (SENTENCE, RELEASE.run_key, RELEASE.model_digest)
    assert (prod.data, prod.spec_path, prod.model_files) == (RELEASE.data, RELEASE.spec_path, RELEASE.model_files)
    assert prod.reproduce_command == "mlops-ci reproduce delay@v1.0.0"
    assert (prod.approvals, prod.approvals_required, prod.reason, prod.run_url) == ((), 0, None, None)


def test_what_another_tool_assigned_is_shown_without_what_only_a_record_knows() -> None:
    registry = fold_refs([plain_tag("m@v1.0.0", "1" * 40, 0), plain_tag("m#prod#1", "2" * 40, 60)])
    (running,) = show_view(registry, "m").running
    assert (running.version, running.by, running.event, running.released_by) == ("1.0.0", "Bob", "deploy", "Bob")
    assert (running.since, running.released_on) == ("1970-01-01T00:01:00+00:00", "1970-01-01T00:00:00+00:00")
    unknown = (
        running.verdict,
        running.evidence,
        running.spec_path,
        running.model_digest,
        running.run,
        running.reproduce_command,
    )
    assert (unknown, running.data, running.model_files) == ((None,) * 6, (), ())
    assert (running.approvals, running.approvals_required, running.reason, running.run_url) == ((), 0, None, None)


def test_an_assignment_that_was_recorded_says_why_it_was_made_and_what_it_needed() -> None:
    record = assignment(1, reason="late data", approvals_required=2, previous=EventRef("delay@v1.0.0", "1" * 40))
    made = replace(record, made_by=replace(record.made_by, actor="Bob", run_url="https://example.org/7"))
    registry = fold_refs([plain_tag("delay@v1.0.0", "1" * 40, 0), tag(made, "2" * 40, 60)])
    (running,) = show_view(registry, "delay").running
    assert (running.by, running.reason, running.approvals_required) == ("Bob", "late data", 2)
    assert (running.run_url, running.verdict) == ("https://example.org/7", None)


def test_history_has_the_newest_event_first_and_names_events_by_their_verbs() -> None:
    history = history_view(fold_refs(past()), "delay", at="now")
    assert history.at == "now"
    assert [row.tag for row in history.events] == [
        "delay#prod#5", "delay#prod#4", "delay#prod#3", "delay@v2.0.0", "delay#prod#2", "delay#staging#1", "delay@v1.0.0"
    ]  # fmt: skip
    assert [row.event for row in history.events] == [
        "deploy",
        "rollback",
        "deploy",
        "release",
        "deploy",
        "deploy",
        "release",
    ]
    first = history.events[-1]
    assert (first.on, first.model, first.version, first.environment) == (
        "1970-01-01T00:00:00+00:00",
        "delay",
        "1.0.0",
        None,
    )
    assert (first.commit, first.actor) == ("a" * 40, Actor("Ada Lovelace", "ada@example.org"))
    assert history.events[0].environment == "prod"


def test_history_of_all_models_is_ordered_by_date_and_each_model_by_its_log() -> None:
    other = plain_tag("other@v0.1.0", "8" * 40, 9_000)  # between the second hour and the third
    rows = history_view(fold_refs([*past(), other]), None).events
    assert [row.model for row in rows] == ["delay"] * 4 + ["other"] + ["delay"] * 3
    assert [row.recorded for row in rows][:5:4] == [True, False]


def test_show_of_one_model_tells_by_whom_and_why_as_the_records_say_it() -> None:
    """Given tags that a bot made, then who released and deployed stands in the records."""
    approvals = (Approval("review", "Grace Hopper", "2026-11-22T20:30:00+00:00", url="https://example.org/1"),)
    release = replace(RELEASE, made_by=Provenance("Grace Hopper", "0.1.0"))
    deployed = assignment(
        1,
        made_by=Provenance("Alan Turing", "0.1.0", run_url="https://example.org/runs/7"),
        reason="v0 was slow",
        rollback_of="0.9.0",
        approvals=approvals,
        approvals_required=1,
        previous=EventRef("delay@v1.0.0", "1" * 40),
    )
    (running,) = show_view(fold_refs([tag(release, "1" * 40, 0), tag(deployed, "2" * 40, 60)]), "delay").running
    assert (running.released_by, running.by, running.event) == ("Grace Hopper", "Alan Turing", "rollback")
    assert (running.approvals, running.approvals_required) == (approvals, 1)
    assert (running.reason, running.rollback_of) == ("v0 was slow", "0.9.0")
    assert (running.run_url, running.tag) == ("https://example.org/runs/7", EventRef("delay#prod#1", "2" * 40))
    assert running.commit == "c" * 40


def test_a_version_runs_since_it_came_back_and_not_since_it_was_there_first() -> None:
    tags = ["m@v1.0.0", "m#prod#1", "m#prod!#2", "m#prod#3"]
    registry = fold_refs([plain_tag(name, str(at) * 40, at) for at, name in enumerate(tags, 1)])
    (running,) = show_view(registry, "m").running
    assert (running.since, running.tag.name) == ("1970-01-01T00:00:04+00:00", "m#prod#3")


def test_each_kind_of_event_has_its_verb() -> None:
    tags = ["m@v1.0.0", "m#prod#1", "m#prod!#2", "m@v1.0.0!", "m@deprecated#3"]
    rows = history_view(fold_refs([plain_tag(name, str(at) * 40, at) for at, name in enumerate(tags, 1)]), None).events
    assert [(row.tag, row.event, row.version) for row in reversed(rows)] == [
        ("m@v1.0.0", "release", "1.0.0"),
        ("m#prod#1", "deploy", "1.0.0"),
        ("m#prod!#2", "undeploy", "1.0.0"),
        ("m@v1.0.0!", "retire", "1.0.0"),
        ("m@deprecated#3", "deprecate", ""),
    ]
