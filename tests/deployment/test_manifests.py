from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_ci.core.errors import EnvironmentProblem, UsageProblem
from mlops_ci.core.records.base import FileDigest
from mlops_ci.core.records.events import Release
from mlops_ci.deployment.manifests import render_manifests, without_credentials
from mlops_ci.spec.spec_types import DeploymentSpec, Replicas, Resources, Rollout, TargetSpec
from tests.deployment.conftest import make_release

SECRET = "git-login"  # noqa: S105  the name of one
URL = "https://example.org/ml/flights.git"
PROD = DeploymentSpec(
    "delay", "prod", TargetSpec("kubernetes", namespace="ml"), Replicas(2, 10), Resources("500m", "512Mi")
)
VARIANTS = {
    "defaults": DeploymentSpec("delay", "staging", TargetSpec("kubernetes")),
    "full": PROD,
    "recreate": dataclasses.replace(PROD, rollout=Rollout("recreate"), replicas=Replicas(1, 1)),
    "secret": dataclasses.replace(PROD, target=TargetSpec("kubernetes", "ml", credentials_secret=SECRET)),
    "reads-as-boolean": DeploymentSpec("y", "n", TargetSpec("kubernetes", "no")),
}
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")


def load(files: Mapping[str, bytes], path: str) -> Any:
    return yaml.safe_load(files[path])


def pod(files: Mapping[str, bytes]) -> Any:
    return load(files, "base/deployment.yaml")["spec"]["template"]["spec"]


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def validate(document: Any) -> None:
    kubernetes_validate.validate(document, "1.32", strict=True)


def build(files: Mapping[str, bytes], folder: Path) -> list[Any]:
    """Write the files out and have kustomize put base and overlay together."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    out = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, timeout=60)
    return list(yaml.safe_load_all(out.stdout))


@pytest.fixture(params=VARIANTS)
def deployment(request: pytest.FixtureRequest) -> DeploymentSpec:
    return VARIANTS[request.param]


def test_every_manifest_of_the_base_is_valid_kubernetes(deployment: DeploymentSpec) -> None:
    files = render_manifests(make_release(model=deployment.model), deployment, "some-name", repository=URL)

    for name in ("deployment", "service", "hpa", "pdb"):
        validate(load(files, f"base/{name}.yaml"))


@needs_kubectl
def test_kustomize_puts_base_and_version_together_as_valid_kubernetes(
    deployment: DeploymentSpec, tmp_path: Path
) -> None:
    release, target = make_release(model=deployment.model, commit="1e10"), deployment.target
    assert isinstance(target, TargetSpec)

    documents = build(render_manifests(release, deployment, "some-name", repository=URL), tmp_path)

    for document in documents:
        validate(document)
        assert document["metadata"]["namespace"] == target.namespace
    assert sorted(document["kind"] for document in documents) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "Service",
    ]
    merged = next(document for document in documents if document["kind"] == "Deployment")
    template = merged["spec"]["template"]
    for meta in (merged["metadata"], template["metadata"]):
        assert meta["labels"]["app.kubernetes.io/version"] == "1.0.0"
        assert meta["annotations"]["mlops-ci/version"] == "1.0.0"
        assert meta["annotations"]["mlops-ci/commit"] == "1e10"
        assert meta["annotations"]["mlops-ci/run"] == release.run_key
        assert meta["annotations"]["mlops-ci/model-digest"] == release.model_digest
    fetcher = template["spec"]["initContainers"][0]
    assert environment(fetcher) == {
        "MODEL_REPOSITORY": URL,
        "MODEL_DIR": "/mnt/models",
        "MODEL_REF": f"refs/mlops/releases/{deployment.model}/v1.0.0",
        "MODEL_SHA256": f"{release.model_files[0].sha256}  model.skops\n",
    }
    assert fetcher["command"][2].startswith("# Fetches one released model")


def test_another_version_changes_the_overlays_patch_and_nothing_else() -> None:
    before = render_manifests(make_release("1.0.0"), PROD, "delay-prod", repository=URL)
    after = render_manifests(make_release("1.1.0"), PROD, "delay-prod", repository=URL)

    assert [path for path in before if before[path] != after[path]] == ["release.yaml"]
    assert list(before) == list(after)


def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_the_records_files() -> None:
    one = make_release(files={"a.txt": b"a", "b/c.txt": b"c"})
    other = make_release(files={"b/c.txt": b"c", "a.txt": b"a"})

    assert render_manifests(one, PROD, "delay-prod", repository=URL) == render_manifests(
        other, PROD, "delay-prod", repository=URL
    )


def test_every_file_says_who_wrote_it_and_what_to_change_instead(release: Release) -> None:
    for content in render_manifests(release, PROD, "delay-prod", repository=URL).values():
        assert content.startswith(
            b"# Written by mlops-ci from the Deployment spec 'delay-prod'; change the spec instead.\n"
        )


def test_containers_run_without_rights(release: Release) -> None:
    spec = pod(render_manifests(release, PROD, "delay-prod", repository=URL))

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["initContainers"] + spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert {mount["name"]: mount.get("readOnly", False) for mount in spec["containers"][0]["volumeMounts"]} == {
        "model": True,
        "tmp": False,
    }


def test_the_spec_decides_replicas_resources_strategy_image_and_credentials(release: Release) -> None:
    spec = dataclasses.replace(
        PROD,
        target=TargetSpec("kubernetes", "ml", image="registry.example.org/delay:3", credentials_secret=SECRET),
        rollout=Rollout("recreate"),
    )
    files = render_manifests(release, spec, "delay-prod", repository=URL)

    assert load(files, "base/deployment.yaml")["spec"]["strategy"] == {"type": "Recreate"}
    assert "replicas" not in load(files, "base/deployment.yaml")["spec"]
    autoscaler = load(files, "base/hpa.yaml")["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 10)
    server, fetcher = pod(files)["containers"][0], pod(files)["initContainers"][0]
    assert server["image"] == "registry.example.org/delay:3"
    assert server["resources"]["requests"] == {"cpu": "500m", "memory": "512Mi"}
    assert server["readinessProbe"]["httpGet"] == {"path": "/v2/models/delay/ready", "port": "http"}
    assert [item["valueFrom"]["secretKeyRef"] for item in fetcher["env"] if "valueFrom" in item] == [
        {"name": "git-login", "key": "username"},
        {"name": "git-login", "key": "password"},
    ]


def test_selectors_never_hold_what_may_change(release: Release) -> None:
    fixed = {"app.kubernetes.io/name": "delay", "mlops-ci/environment": "prod"}
    files = render_manifests(release, PROD, "renamed-spec", repository=URL)

    assert load(files, "base/deployment.yaml")["spec"]["selector"] == {"matchLabels": fixed}
    assert load(files, "base/pdb.yaml")["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": fixed}}
    assert load(files, "base/service.yaml")["spec"]["selector"] == fixed


def expand(value: str) -> str:
    """What the kubelet makes of an environment value: $(NAME) of a known name is replaced, $$ is a dollar sign."""
    known = {"MODEL_DIR": "EXPANDED", "GIT_PASSWORD": "SECRET"}
    out, rest = "", value
    while rest:
        if rest.startswith("$$"):
            out, rest = out + "$", rest[2:]
        elif rest.startswith("$(") and ")" in rest:
            name, _, rest = rest[2:].partition(")")
            out += known.get(name, f"$({name})")
        else:
            out, rest = out + rest[0], rest[1:]
    return out


HOSTILE = (
    "$(touch /tmp/x)",
    "`id`",
    "'; rm -rf / #",
    'a"b',
    "$(GIT_PASSWORD)",
    "$$(GIT_PASSWORD)",
    "a\n- b: c",
    "{a: b}",
    "&a",
    "*a",
    "!x",
    "# c",
    "---",
    "1e10",
    "y",
)
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs", "Cc")), min_size=1)


COMMAND = pod(render_manifests(make_release(), PROD, "delay-prod", repository=URL))["initContainers"][0]["command"]


@settings(max_examples=40, deadline=None)
@given(TEXT | st.sampled_from(HOSTILE))
def test_hostile_strings_stay_data(text: str) -> None:
    target = TargetSpec("kubernetes", "ml", image=text, repository=f"/srv/{text}.git", credentials_secret=text)
    files = render_manifests(
        make_release(commit=text), dataclasses.replace(PROD, target=target), "delay-prod", repository=URL
    )

    spec = pod(files)
    server, fetcher = spec["containers"][0], spec["initContainers"][0]
    assert server["image"] == text
    assert expand(environment(fetcher)["MODEL_REPOSITORY"]) == f"/srv/{text}.git"
    assert fetcher["env"][-1]["valueFrom"]["secretKeyRef"]["name"] == text
    assert load(files, "release.yaml")["metadata"]["annotations"]["mlops-ci/commit"] == text
    assert fetcher["command"] == COMMAND


def test_the_script_holds_nothing_that_kubernetes_would_expand(release: Release) -> None:
    script = pod(render_manifests(release, PROD, "delay-prod", repository=URL))["initContainers"][0]["command"][2]

    assert expand(script) == script
    assert "$(" not in script


def test_credentials_of_the_remote_are_not_written(release: Release) -> None:
    files = render_manifests(release, PROD, "delay-prod", repository="https://ada:s3cret@example.org/ml/flights.git")

    assert not [path for path, content in files.items() if b"s3cret" in content]
    assert environment(pod(files)["initContainers"][0])["MODEL_REPOSITORY"] == URL


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://example.org/a.git", "https://example.org/a.git"),
        ("https://ada:s3cret@example.org/a.git", "https://example.org/a.git"),
        ("https://s3cret@example.org:8443/a.git", "https://example.org:8443/a.git"),
        ("HTTPS://x-access-token:s3cret@example.org/a.git", "HTTPS://example.org/a.git"),
        ("https://ada:s3c@ret@example.org/a.git", "https://example.org/a.git"),
        ("https://ada:s3c/ret@example.org/a.git", "https://example.org/a.git"),
        ("https://example.org/a.git?private_token=s3cret", "https://example.org/a.git"),
        ("https://example.org/a.git#s3cret", "https://example.org/a.git"),
        ("https://example.org/@ada/a.git", "https://example.org/@ada/a.git"),
        ("https://example.org:8443/@ada/a.git", "https://example.org:8443/@ada/a.git"),
        ("https://ada:s3cret@[::1]:80/a.git", "https://[::1]:80/a.git"),
        ("ssh://git@example.org/a.git", "ssh://git@example.org/a.git"),
        ("ssh://git:s3cret@example.org:22/a.git", "ssh://git@example.org:22/a.git"),
        ("ssh://git@example.org/a.git?private_token=s3cret", "ssh://git@example.org/a.git"),
        ("ssh://git@example.org/a.git#s3cret", "ssh://git@example.org/a.git"),
        ("git@example.org:ml/a.git", "git@example.org:ml/a.git"),
        ("git:s3cret@example.org:ml/a.git", "git@example.org:ml/a.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("file:///srv/@a/b.git", "file:///srv/@a/b.git"),
        (" https://example.org/a.git\n", "https://example.org/a.git"),
    ],
)
def test_without_credentials(url: str, clean: str) -> None:
    assert without_credentials(url) == clean


@given(
    st.text(st.characters(codec="ascii", exclude_characters="\n /?#"), max_size=20),
    st.text(alphabet="abc:@/?#[]%1", max_size=20),
)
def test_no_password_survives(user: str, noise: str) -> None:
    assert "s3cret" not in without_credentials(f"https://{user}:s3cret{noise}@example.org/a.git")


@pytest.mark.parametrize(
    "change",
    [
        {"model": "2nd-model"},
        {"model": "Delay"},
        {"environment": "prod/../x"},
        {"environment": "a" * 64},
        {"model": "x\n"},
    ],
)
def test_a_name_that_kubernetes_refuses_is_a_usage_problem(change: dict[str, str]) -> None:
    spec = dataclasses.replace(PROD, **change)  # type: ignore[arg-type]  # the values are text for text fields

    with pytest.raises(UsageProblem) as caught:
        render_manifests(make_release(model=spec.model), spec, "delay-prod", repository=URL)

    assert caught.value.diagnostics[0].id == "deployment-name-invalid"


def test_a_deployment_without_a_repository_to_fetch_from_is_a_usage_problem(release: Release) -> None:
    with pytest.raises(UsageProblem) as caught:
        render_manifests(release, PROD, "delay-prod", repository=" ")

    assert caught.value.diagnostics[0].id == "deployment-repository-missing"


def record(**changes: Any) -> Release:
    return dataclasses.replace(make_release(), **changes)


def with_file(file: FileDigest) -> Release:
    return record(model_files=(file,))


@pytest.mark.parametrize(
    "unsafe",
    [
        record(version="1.0.0:refs/heads/x"),
        record(model="other"),
        make_release(files={}),
        with_file(FileDigest("-rf", "0" * 64, 1)),
        with_file(FileDigest("model.skops", "0" * 64 + "\n", 1)),
    ],
)
def test_a_record_that_this_toolkit_would_not_have_written_is_not_deployed(unsafe: Release) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        render_manifests(unsafe, PROD, "delay-prod", repository=URL)

    assert caught.value.diagnostics[0].id == "release-record-unsafe"
