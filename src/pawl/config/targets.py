"""The list `serve` of `params.yaml`: where released adapters are published to.

What names a version for callers, a webhook or a manifest, is told only once every folder and server
of the same list holds and proves it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from pawl.config.field_types import FileName, UnionTag
from pawl.core.records import STRICT

ADDRESS = re.compile(r"https?://[!-~]+")


def valid_address(value: str) -> str:
    """An address that holds no secret; raises `ValueError`."""
    if not ADDRESS.fullmatch(value) or set("@?#") & set(value):
        raise ValueError(
            "an address is http:// or https://, a host and a path; without a user, a query or a "
            "fragment: params.yaml is in git, and secrets are not"
        )
    return value


Address = Annotated[str, AfterValidator(valid_address)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
Tasks = Annotated[tuple[str, ...], Field(min_length=1)] | None
# A name in Kubernetes (RFC 1123).
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


@dataclass(frozen=True, config=STRICT)
class FolderTarget:
    """A folder that gets each version's, `TASK-vN`, and `TASK.json`, which names the champion's.

    `path` is relative to the workspace, or absolute: a share that servers mount.
    """

    kind: Literal["folder"]
    path: FileName
    tasks: Tasks = None

    @property
    def label(self) -> str:
        """What it is called in results."""
        return f"folder {self.path}"


@dataclass(frozen=True, config=STRICT)
class BucketTarget:
    """A place in S3 that gets what a `FolderTarget` gets; keys are in the environment (AWS_*)."""

    kind: Literal["s3"]
    url: Annotated[str, Field(pattern=r"^s3://[a-z0-9.-]{3,63}(/[A-Za-z0-9_-][\w.-]*)*$")]
    tasks: Tasks = None

    @property
    def label(self) -> str:
        """What it is called in results."""
        return f"s3 {self.url}"


@dataclass(frozen=True, config=STRICT)
class VllmTarget:
    """Replicas of vLLM on the tasks' base, which read a folder as `FolderTarget` has it.

    `path` is that folder here (None: one in `.pawl/`), `mounted` where the replicas see it, if that
    is another place. Environment variable `key_env` has the key of `vllm serve --api-key`. A
    request is given up after `timeout` seconds. A replica must write the share
    `agree` of the tokens of a version's judged answers at which its base writes others.
    """

    kind: Literal["vllm"]
    urls: Annotated[tuple[Address, ...], Field(min_length=1)]
    path: FileName | None = None
    mounted: Annotated[str, Field(pattern=r"^/[^\x00]*$")] | None = None
    key_env: Variable | None = None
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60
    agree: Annotated[float, Field(ge=0.2, le=1)] = 0.5
    tasks: Tasks = None

    @property
    def label(self) -> str:
        """What it is called in results."""
        return f"vllm {', '.join(self.urls)}"


@dataclass(frozen=True, config=STRICT)
class KubernetesTarget:
    """A manifest `path/TASK.yaml` that has an inference gateway rewrite a task's name to a version.

    It is an `InferenceModelRewrite` for the `InferencePool` named `pool`, for whoever applies the
    cluster's manifests.
    """

    kind: Literal["kubernetes-yaml"]
    path: FileName
    pool: ObjectName
    namespace: ObjectName | None = None
    tasks: Tasks = None

    @property
    def label(self) -> str:
        """What it is called in results."""
        return f"kubernetes-yaml {self.path}"


@dataclass(frozen=True, config=STRICT)
class WebhookTarget:
    """A receiver of MLflow's alias webhook, signed with the secret of a variable or a file."""

    kind: Literal["webhook"]
    url: Address
    secret_env: Variable | None = None
    secret_file: FileName | None = None
    timeout: Annotated[float, Field(gt=0, le=600)] = 30
    tasks: Tasks = None

    @property
    def label(self) -> str:
        """What it is called in results."""
        return f"webhook {self.url}"


KINDS: dict[str, tuple[UnionTag, type[Any]]] = {
    "folder": (UnionTag.FOLDER, FolderTarget),
    "s3": (UnionTag.BUCKET, BucketTarget),
    "vllm": (UnionTag.VLLM, VllmTarget),
    "kubernetes-yaml": (UnionTag.KUBERNETES, KubernetesTarget),
    "webhook": (UnionTag.WEBHOOK, WebhookTarget),
}


def _kind(value: Any) -> UnionTag | None:
    """The kind that a target says it is, None if it says none that is known."""
    said = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return KINDS[said][0] if isinstance(said, str) and said in KINDS else None


AnyTarget = FolderTarget | BucketTarget | VllmTarget | KubernetesTarget | WebhookTarget
Target = Annotated[
    Annotated[FolderTarget, Tag(UnionTag.FOLDER)]
    | Annotated[BucketTarget, Tag(UnionTag.BUCKET)]
    | Annotated[VllmTarget, Tag(UnionTag.VLLM)]
    | Annotated[KubernetesTarget, Tag(UnionTag.KUBERNETES)]
    | Annotated[WebhookTarget, Tag(UnionTag.WEBHOOK)],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message=f"a target of `serve` has a `kind`: {', '.join(KINDS)}",
    ),
]
