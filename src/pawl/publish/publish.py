"""Publishes a task's champion to its targets, and looks at what they serve.

Two rounds: what holds versions (folders, servers), then what names one to callers (manifests,
webhooks), which is told only once all that holds it is proved. Every step looks first at what is
there, so that a publication that was killed anywhere is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pawl.config.targets import (
    AnyTarget,
    BucketTarget,
    FolderTarget,
    KubernetesTarget,
    VllmTarget,
)
from pawl.core.records.publish import Publication, Served
from pawl.errors import PawlError, PublishError, UsageError
from pawl.ledger.state import read_state
from pawl.publish.bucket import publish_bucket, served_bucket
from pawl.publish.current import Current, read_current
from pawl.publish.folder import publish_folder, served_folder
from pawl.publish.kubernetes import publish_kubernetes, served_kubernetes
from pawl.publish.record import remember
from pawl.publish.vllm import publish_vllm, served_vllm
from pawl.publish.webhook import publish_webhook, served_webhook
from pawl.store.client import Store
from pawl.workspace.lock import publish_lock
from pawl.workspace.paths import Workspace

# How often it begins again because another champion was released meanwhile.
ROUNDS = 3


def targets_of(workspace: Workspace, task: str) -> list[AnyTarget]:
    """The targets that a task is published to, in the order of params.yaml."""
    targets = workspace.params().serve
    return [one for one in targets if one.tasks is None or task in one.tasks]


def publish(workspace: Workspace, store: Store, task: str) -> Publication:
    """Publish the champion of a task to all its targets; what went wrong is in the result.

    Raises:
        UsageError: the task has no target, or no champion yet.
        RegistryError: the ledger cannot be read, or was altered.
    """
    targets = targets_of(workspace, task)
    if not targets:
        raise UsageError(
            f"nothing in params.yaml says where '{task}' is published to",
            rule="targets are in its list `serve`: [{kind: folder, path: …}, {kind: vllm, …}]",
            remedy="add one (docs/publish.md), or serve it from here: `pawl serve`",
        )
    with publish_lock(workspace, task):
        current = read_current(workspace, store, task)
        for _ in range(ROUNDS):
            publication = _publish(current, targets)
            remember(workspace, publication)
            before = current.release
            current = read_current(workspace, store, task, releases=current.releases)
            if current.release == before:
                break
    return publication


def publish_release(workspace: Workspace, store: Store, task: str) -> Publication | None:
    """Publish what was released; None where the task has no target, or no champion yet.

    Raises:
        PublishError: a target does not serve it. The release stands.
        RegistryError: the ledger cannot be read, or was altered.
    """
    if not targets_of(workspace, task) or read_state(store, task).champion.version is None:
        return None
    done = publish(workspace, store, task)
    if not done.ok:
        wrong = "; ".join(f"{one.target}: {one.says}" for one in done.served if not one.ok)
        raise PublishError(
            f"{done.name} is champion, and is not published: {wrong}",
            rule="a release stands, published or not; until it is, callers are answered "
            "by the version of before",
            remedy=f"`pawl publish {task}` goes on from there, and so does the next cycle",
        )
    return done


def look(workspace: Workspace, store: Store, task: str) -> tuple[Served, ...]:
    """What the targets serve now; asks them, changes nothing. Empty where nothing is published.

    Raises:
        RegistryError: the ledger cannot be read, or was altered.
    """
    targets = targets_of(workspace, task)
    if not targets:
        return ()
    try:
        current = read_current(workspace, store, task)
    except UsageError:
        return ()
    return tuple(one for target in targets for one in _tried(current, target, _look_at))


def _publish(current: Current, targets: Sequence[AnyTarget]) -> Publication:
    holds = [one for one in targets if isinstance(one, FolderTarget | BucketTarget | VllmTarget)]
    names = [one for one in targets if one not in holds]
    served = [one for target in holds for one in _tried(current, target, _publish_to)]
    waits = not all(one.ok for one in served)
    for target in names:
        if waits:
            told = f"waits until {current.name} is served and proved above"
            served.append(Served(target.label, None, False, told))
        else:
            served += _tried(current, target, _publish_to)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Publication(current.task, current.name, current.release.number, when, tuple(served))


def _tried(
    current: Current, target: AnyTarget, do: Callable[[Current, AnyTarget], list[Served]]
) -> list[Served]:
    """What comes of a target; one that fails is told, and holds up no other."""
    try:
        return do(current, target)
    except PawlError as error:
        told = f"{error.found}; {error.remedy}" if error.remedy else error.found
    except OSError as error:
        told = f"{error.filename or target.label}: {error.strerror or error}"
    return [Served(target.label, None, False, told)]


def _publish_to(current: Current, target: AnyTarget) -> list[Served]:
    if isinstance(target, FolderTarget):
        return publish_folder(current, target)
    if isinstance(target, BucketTarget):
        return publish_bucket(current, target)
    if isinstance(target, VllmTarget):
        return publish_vllm(current, target)
    if isinstance(target, KubernetesTarget):
        return publish_kubernetes(current, target)
    return publish_webhook(current, target)


def _look_at(current: Current, target: AnyTarget) -> list[Served]:
    if isinstance(target, FolderTarget):
        return served_folder(current, target)
    if isinstance(target, BucketTarget):
        return served_bucket(current, target)
    if isinstance(target, VllmTarget):
        return served_vllm(current, target)
    if isinstance(target, KubernetesTarget):
        return served_kubernetes(current, target)
    return served_webhook(current, target)
