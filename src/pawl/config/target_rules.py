"""The rules of the list `serve` that no single key of a target shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pawl.config.policy_rules import Fault
from pawl.config.targets import AnyTarget, WebhookTarget
from pawl.errors import nearest


def target_faults(targets: Sequence[AnyTarget], tasks: Sequence[str]) -> Iterator[Fault]:
    """The faults of the targets, in a workspace with these tasks."""
    seen: set[str] = set()
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
