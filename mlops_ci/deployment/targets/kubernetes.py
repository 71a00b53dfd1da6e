"""Plain Kubernetes: a kustomize base that depends on the Deployment spec, and an overlay that depends on the version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_ci.core.errors import UsageProblem
from mlops_ci.core.records.events import Release
from mlops_ci.deployment.public_urls import without_credentials
from mlops_ci.deployment.targets.protocol import DeploymentRequest
from mlops_ci.deployment.targets.yaml_output import dump_manifest
from mlops_ci.registry.run_store import release_ref
from mlops_ci.spec.spec_types import DeploymentSpec, TargetSpec

GIT_IMAGE = "docker.io/alpine/git:v2.47.2"
SERVER_IMAGE = "docker.io/seldonio/mlserver:1.7.1"
MODEL_DIR = "/mnt/models"
SERVER_PORTS = {"http": 8080, "grpc": 8081, "metrics": 8082}
CONTAINER_UID = 1000  # the server image's user; any id except 0 works, because the server writes to volumes only
TMP_DIR = "/tmp"  # noqa: S108  a volume of the pod
FETCH_SCRIPT = Path(__file__).with_name("fetch.sh")

Manifest = dict[str, Any]
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class KubernetesTarget:
    """Plain Kubernetes."""

    spec: TargetSpec

    def validate(self, request: DeploymentRequest) -> None:
        """Raise UsageProblem: `deployment-name-invalid` or `deployment-repository-missing`."""
        deployment, name = request.deployment, request.name
        _ensure_valid_names(deployment, name)
        if not (self.spec.repository or request.repository).strip():
            raise UsageProblem.of(
                "deployment-repository-missing",
                f"'{name}' has no repository to fetch '{deployment.model}' from: the spec names none, and this repository has no remote",
                help="set `spec.target.repository` to a URL that the cluster can reach, or add a remote: git remote add origin URL",
            )

    def plan(self, request: DeploymentRequest) -> Mapping[str, bytes]:
        """Return a kustomize base and an overlay."""
        header = f"# Written by mlops-ci from the Deployment spec '{request.name}'; change the spec instead.\n"
        documents = kustomize_documents(request.release, request.deployment, request.name, request.repository)
        return {path: (header + dump_manifest(document)).encode() for path, document in documents.items()}


def _ensure_valid_names(deployment: DeploymentSpec, name: str) -> None:
    rules = (
        ("the model's name", deployment.model, _SERVICE),
        ("the environment's name", deployment.environment, _LABEL),
        ("the namespace", _target_of(deployment).namespace, _LABEL),
        ("the spec's name", name, _LABEL),
    )
    for what, value, rule in rules:
        if not rule.fullmatch(value):
            raise UsageProblem.of(
                "deployment-name-invalid",
                f"{what}, {value!r}, cannot be used in Kubernetes",
                help="use lower-case letters, digits and hyphens, at most 63 characters, no hyphen at either end;"
                " a model's name is also the name of its Service, and must start with a letter",
            )


def _target_of(deployment: DeploymentSpec) -> TargetSpec:
    if not isinstance(deployment.target, TargetSpec):
        raise TypeError(f"a Deployment of type {deployment.target.type} is not for Kubernetes")
    return deployment.target


def kustomize_documents(
    release: Release, deployment: DeploymentSpec, name: str, repository: str
) -> dict[str, Manifest]:
    """Return the documents by path. `base/` depends only on the spec, so a new version changes only one patch."""
    model = deployment.model
    selector = {"app.kubernetes.io/name": model, "mlops-ci/environment": deployment.environment}
    labels = selector | {
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": "inference-server",
        "app.kubernetes.io/managed-by": "mlops-ci",
    }
    meta = {"name": model, "namespace": _target_of(deployment).namespace, "labels": labels}
    base = {
        "deployment.yaml": _deployment(deployment, meta, selector, repository),
        "service.yaml": _service(meta, selector),
        "hpa.yaml": _autoscaler(deployment, meta),
        "pdb.yaml": _disruption_budget(meta, selector),
    }
    return {
        "kustomization.yaml": _kustomization(resources=["base"], patches=[{"path": "release.yaml"}]),
        "release.yaml": _release_patch(release, deployment),
        "base/kustomization.yaml": _kustomization(resources=list(base)),
        **{f"base/{path}": manifest for path, manifest in base.items()},
    }


def _kustomization(**fields: Any) -> Manifest:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **fields}


def _release_patch(release: Release, deployment: DeploymentSpec) -> Manifest:
    annotations = {
        "mlops-ci/version": release.version,
        "mlops-ci/model-digest": release.model_digest,
        "mlops-ci/run": release.run_key,
        "mlops-ci/commit": release.commit,
    }
    meta = {"labels": {"app.kubernetes.io/version": release.version}, "annotations": annotations}
    digests = sorted((file.path, file.sha256) for file in release.model_files)
    env = {
        "MODEL_REF": release_ref(release.model, release.version),
        "MODEL_SHA256": "".join(f"{sha256}  {path}\n" for path, sha256 in digests),
    }
    pod = {"initContainers": [{"name": "fetch-model", "env": _env(env)}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment.model, "namespace": _target_of(deployment).namespace, **meta},
        "spec": {"template": {"metadata": meta, "spec": pod}},
    }


def _deployment(deployment: DeploymentSpec, meta: Manifest, selector: Mapping[str, str], repository: str) -> Manifest:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        # no `replicas`: the autoscaler sets the number, and applying the manifest again must not reset it
        "spec": {
            "strategy": rolling if deployment.rollout.strategy == "rolling" else {"type": "Recreate"},
            "selector": {"matchLabels": dict(selector)},
            "template": {"metadata": {"labels": meta["labels"]}, "spec": _pod(deployment, selector, repository)},
        },
    }


def _pod(deployment: DeploymentSpec, selector: Mapping[str, str], repository: str) -> Manifest:
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(selector)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": CONTAINER_UID,
            "runAsGroup": CONTAINER_UID,
            "fsGroup": CONTAINER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": spread,
        "initContainers": [_fetch_container(deployment, repository)],
        "containers": [_server_container(deployment)],
        "volumes": [{"name": "model", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }


def _fetch_container(deployment: DeploymentSpec, repository: str) -> Manifest:
    target = _target_of(deployment)
    env = _env({"MODEL_REPOSITORY": without_credentials(target.repository or repository), "MODEL_DIR": MODEL_DIR})
    if target.credentials_secret is not None:
        env += [
            {"name": variable, "valueFrom": {"secretKeyRef": {"name": target.credentials_secret, "key": key}}}
            for variable, key in (("GIT_USERNAME", "username"), ("GIT_PASSWORD", "password"))
        ]
    return {
        "name": "fetch-model",
        "image": GIT_IMAGE,
        # the script is a constant; all variable values are environment variables
        "command": ["/bin/sh", "-c", FETCH_SCRIPT.read_text(encoding="utf-8")],
        "env": env,
        "resources": _resources(deployment),
        "securityContext": _container_security(),
        "volumeMounts": [{"name": "model", "mountPath": MODEL_DIR}, {"name": "tmp", "mountPath": TMP_DIR}],
    }


def _server_container(deployment: DeploymentSpec) -> Manifest:
    env = {
        "MLSERVER_MODELS_DIR": MODEL_DIR,
        "MLSERVER_MODEL_NAME": deployment.model,
        "MLSERVER_MODEL_URI": MODEL_DIR,
        # one process: with more, MLServer writes to its working folder, which is read-only
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_ENVIRONMENTS_DIR": f"{TMP_DIR}/environments",
        "MLSERVER_METRICS_DIR": f"{TMP_DIR}/metrics",
        # for one row, several threads bring no speed-up: under a CPU limit they wait for each other
        "OMP_NUM_THREADS": "1",
        "HOME": TMP_DIR,
    }
    ready, live = f"/v2/models/{deployment.model}/ready", "/v2/health/live"
    return {
        "name": "server",
        "image": _target_of(deployment).image or SERVER_IMAGE,
        "env": _env(env),
        "ports": [{"name": name, "containerPort": port} for name, port in SERVER_PORTS.items()],
        "startupProbe": _probe(live, periodSeconds=5, failureThreshold=60),
        "readinessProbe": _probe(ready, periodSeconds=5, failureThreshold=3),
        "livenessProbe": _probe(live, periodSeconds=10, failureThreshold=3),
        "resources": _resources(deployment),
        "securityContext": _container_security(),
        "volumeMounts": [
            {"name": "model", "mountPath": MODEL_DIR, "readOnly": True},
            {"name": "tmp", "mountPath": TMP_DIR},
        ],
    }


def _probe(path: str, **timing: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, **timing}


def _resources(deployment: DeploymentSpec) -> Manifest:
    asked = {"cpu": deployment.resources.cpu, "memory": deployment.resources.memory}
    return {"requests": asked, "limits": asked}


def _container_security() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _env(values: Mapping[str, str]) -> list[Manifest]:
    # Kubernetes expands $(NAME) in values; $$ is its escape for a dollar sign
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in values.items()]


def _service(meta: Manifest, selector: Mapping[str, str]) -> Manifest:
    ports = [
        {"name": "http", "port": 80, "targetPort": "http"},
        {"name": "grpc", "port": SERVER_PORTS["grpc"], "targetPort": "grpc"},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": dict(selector), "ports": ports},
    }


def _autoscaler(deployment: DeploymentSpec, meta: Manifest) -> Manifest:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.model},
        "minReplicas": deployment.replicas.min,
        "maxReplicas": deployment.replicas.max,
        "metrics": [cpu],
    }
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}


def _disruption_budget(meta: Manifest, selector: Mapping[str, str]) -> Manifest:
    # maxUnavailable, because minAvailable: 1 with a single replica would block the drain of its node
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": dict(selector)}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}
