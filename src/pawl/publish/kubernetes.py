"""The target `kubernetes-yaml`: an inference gateway rewrites a task's name to its champion's.

The manifest is the Gateway API Inference Extension's `InferenceModelRewrite`, which llm-d reads.
Pawl writes it and applies nothing: who may change a cluster is the cluster's to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pawl.config.targets import KubernetesTarget
from pawl.core.files import write_text
from pawl.core.records.publish import Served
from pawl.publish.current import Current
from pawl.publish.place import place_of, refuse_others

HEAD = "# Written by `pawl publish`: apply it, or have it applied, as it is.\n"


def publish_kubernetes(current: Current, target: KubernetesTarget) -> list[Served]:
    """Write the manifest of a task, whole.

    Raises:
        UsageError: its folder cannot be used, or somebody else wrote a file of that name.
    """
    path = _path(current, target)
    if served_kubernetes(current, target)[0].ok:
        return served_kubernetes(current, target)
    refuse_others(path, HEAD.encode())
    write_text(path, manifest(current, target))
    return served_kubernetes(current, target)


def served_kubernetes(current: Current, target: KubernetesTarget) -> list[Served]:
    """What the manifest names; whether it was applied is the cluster's to say."""
    path = _path(current, target)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return [Served(target.label, None, False, f"{path} is not there")]
    if text != manifest(current, target):
        return [Served(target.label, None, False, f"{path} does not name {current.name}")]
    return [Served(target.label, current.name, True, f"{path} names it, to be applied")]


def manifest(current: Current, target: KubernetesTarget) -> str:
    """The manifest's text."""
    name = current.task.replace("_", "-")
    metadata: dict[str, Any] = {
        "name": f"pawl-{name}".rstrip("-"),
        "annotations": {
            "pawl/adapter": current.champion.digest,
            "pawl/ledger-entry": str(current.release.number),
        },
    }
    if target.namespace:
        metadata["namespace"] = target.namespace
    rule = {
        "matches": [{"model": {"type": "Exact", "value": current.task}}],
        "targets": [{"modelRewrite": current.name}],
    }
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": target.pool}
    value = {
        "apiVersion": "inference.networking.x-k8s.io/v1alpha2",
        "kind": "InferenceModelRewrite",
        "metadata": metadata,
        "spec": {"poolRef": pool, "rules": [rule]},
    }
    return HEAD + yaml.safe_dump(value, sort_keys=False)


def _path(current: Current, target: KubernetesTarget) -> Path:
    return place_of(current.workspace, target.path) / f"{current.task}.yaml"
