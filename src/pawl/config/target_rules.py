"""The rules of the list `serve` that no single key of a target shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from posixpath import normpath

from pawl.config.policy_rules import Fault
from pawl.config.targets import AnyTarget, FolderTarget, VllmTarget, WebhookTarget
from pawl.errors import nearest


def target_faults(targets: Sequence[AnyTarget], tasks: Sequence[str]) -> Iterator[Fault]:
    """The faults of the targets, in a workspace with these tasks."""
    seen: set[str] = set()
    named: set[tuple[str, str]] = set()
    for number, target in enumerate(targets):
        at = ("serve", str(number))
        if target.label in seen:
            yield Fault(
                at,
                f" = a second {target.label}",
                "a target is named once; it publishes all tasks, or those in its `tasks`",
                "remove one of them",
            )
        seen.add(target.label)
        names = _names_in(target, tasks)
        if both := sorted(names & named):
            path, task = both[0]
            yield Fault(
                at,
                f" = {target.label}, with the '{task}' of another target in {path}",
                "the name of a task in a folder moves once all replicas of its target have proved "
                "the version",
                "list all replicas that read one folder in one target, or give each target a "
                "`path` of its own",
            )
        named |= names
        for task in target.tasks or ():
            if task not in tasks:
                yield Fault(
                    (*at, "tasks"),
                    f" has '{task}', which is no task",
                    "a target publishes tasks of this file",
                    nearest(task, tasks),
                )
        if isinstance(target, WebhookTarget) and bool(target.secret_env) == bool(
            target.secret_file
        ):
            yield Fault(
                at,
                f" = {target.label} with {'two secrets' if target.secret_env else 'no secret'}",
                "a webhook is signed, so that nobody else can move a name; the secret itself is "
                "never in this file",
                "name one of `secret_env`, a variable, and `secret_file`, a file of mode 0600 "
                "(below .pawl/keys/, git does not see it)",
            )


def _names_in(target: AnyTarget, tasks: Sequence[str]) -> set[tuple[str, str]]:
    """The folder that a target moves names in, with each task."""
    if not isinstance(target, FolderTarget | VllmTarget):
        return set()
    path = normpath(target.path) if target.path else "the folder in .pawl/"
    return {(path, task) for task in target.tasks or tasks}
