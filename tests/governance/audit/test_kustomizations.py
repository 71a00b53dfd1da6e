"""A kustomization that takes in the manifests of an assignment is found where it changes them, and only there."""

from __future__ import annotations

import pytest

from mlops_ci.governance.audit.kustomizations import KustomizationReader
from mlops_ci.repository.branch_specs import find_branch_tip
from mlops_ci.repository.git import Repository
from mlops_ci.repository.git_values import Person

FOLDER = "deploy/prod/delay"
OURS = {
    f"{FOLDER}/kustomization.yaml": "resources: [deployment.yaml]\nimages: [{name: ghcr.io/team/server, newTag: '1'}]\n",
    f"{FOLDER}/deployment.yaml": "kind: Deployment\nmetadata: {name: delay-prod}\nspec: {template: {spec: {containers: [{image:"
    " 'ghcr.io/team/server:1.0'}]}}}\n",
}
ALL = "resources: [prod/delay]\n"


def found(repo: Repository, files: dict[str, str]) -> list[tuple[str, str]]:
    """Return severity and message of what is found on a branch that has these files beside the manifests."""
    blobs = {path: repo.write_blob(text.encode()) for path, text in {**OURS, **files}.items()}
    commit = repo.write_commit(repo.write_tree(blobs), (), "files", Person("Ada", "ada@example.org"), 1)
    repo.run("update-ref", "refs/heads/main", commit)
    tip = find_branch_tip(repo, "main")
    assert tip is not None
    return [(one.severity, one.message) for one in KustomizationReader(repo, tip).breaks(FOLDER, "delay#prod#1")]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("patches: [{path: patch.yaml}]\n", "patches"),
        ("patches: [{patch: '[]', target: {kind: Deployment}}]\n", "patches"),
        ("patches: [{patch: '[]', target: {name: 'delay.*'}}]\n", "patches"),
        ("patchesStrategicMerge: [patch.yaml]\n", "patchesStrategicMerge"),
        ("patchesJson6902: [{target: {kind: Deployment, name: delay-prod}, path: x.yaml}]\n", "patchesJson6902"),
        ("images: [{name: ghcr.io/team/server, newName: eve/miner}]\n", "images"),
        ("replicas: [{name: delay-prod, count: 0}]\n", "replicas"),
        ("replacements: [{targets: [{select: {kind: Deployment}}]}]\n", "replacements"),
        ("replacements: [{path: replacement.yaml}]\n", "replacements"),
        ("transformers: [any.yaml]\n", "transformers"),
        ("components: [any]\n", "components"),
    ],
)
def test_what_touches_our_objects_is_named(repo: Repository, text: str, field: str) -> None:
    patch = {"deploy/patch.yaml": "kind: Deployment\nmetadata: {name: delay-prod}\n"}
    (one,) = found(repo, {**patch, "deploy/kustomization.yaml": ALL + text})
    assert one == (
        "error",
        f"deploy/kustomization.yaml on branch 'main' changes the manifests that delay#prod#1 wrote, by its {field}",
    )


@pytest.mark.parametrize(
    "text",
    [
        "namespace: models\n",
        "commonLabels: {team: ml}\n",
        "patches: [{patch: '[]', target: {kind: Ingress}}]\n",
        "patches:\n- patch: |\n    kind: Ingress\n    metadata: {name: web}\n",
        "images: [{name: nginx, newTag: '2'}]\n",
        "replicas: [{name: web, count: 3}]\n",
        "replacements: [{targets: [{select: {kind: Ingress}}]}]\n",
    ],
)
def test_what_leaves_our_objects_alone_is_nothing(repo: Repository, text: str) -> None:
    assert found(repo, {"deploy/kustomization.yaml": ALL + text}) == []


def test_a_kustomization_that_does_not_take_in_ours_is_nothing(repo: Repository) -> None:
    assert found(repo, {"deploy/kustomization.yaml": "resources: [web]\ntransformers: [any.yaml]\n"}) == []
    assert found(repo, {"deploy/kustomization.yaml": "not: [a, kustomization"}) == []


def test_ours_are_found_by_way_of_another_one_and_one_that_includes_itself_ends(repo: Repository) -> None:
    files = {
        "deploy/prod/kustomization.yaml": "resources: [delay, ../../deploy]\n",
        "deploy/kustomization.yaml": "resources: [prod]\ntransformers: [any.yaml]\n",
    }
    assert [severity for severity, _ in found(repo, files)] == ["error"]


def test_an_overlay_elsewhere_is_a_warning(repo: Repository) -> None:
    (one,) = found(
        repo, {"overlays/kustomization.yml": "resources: [../deploy/prod/delay]\ntransformers: [any.yaml]\n"}
    )
    assert one[0] == "warning"
