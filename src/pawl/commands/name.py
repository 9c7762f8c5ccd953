"""`pawl name`: give a workspace another name, or its first, and carry its record over to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import yaml

from pawl.commands.deploy import render
from pawl.config.load import parse_params
from pawl.config.schema import LONGEST_NAME, WORKSPACE_NAME
from pawl.core.files import write_text
from pawl.errors import ParamsError, UsageError
from pawl.ledger.elsewhere import ancestors
from pawl.ledger.ledger import entries
from pawl.ledger.state import undoubted_state
from pawl.store.client import Store
from pawl.store.renaming import rename_record
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class Named:
    """The workspace's name, and the names in MLflow that its record was carried over to."""

    name: str
    before: str | None
    carried: tuple[str, ...]


def name_workspace(workspace: Workspace, store: Store, name: str) -> Named:
    """Write the workspace's name into `params.yaml` and rename its record in MLflow to it.

    The same command again goes on after a crash: the record is known by the old name until all of
    it has the new one.

    Raises:
        UsageError: it is no name, or `params.yaml` has to be edited by hand.
        RegistryError: the record is in doubt, or the name is taken in MLflow.
    """
    if not WORKSPACE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"'{name}' is no name of a workspace",
            rule=f"it matches {WORKSPACE_NAME.pattern}, of {LONGEST_NAME} characters at most",
            remedy="use lower-case letters and digits, with single '-' between them",
        )
    with workspace_lock(workspace):
        text = workspace.params_file.read_text(encoding="utf-8")
        params = parse_params(text, workspace.params_file.name)
        renamed = _with_name(text, name)
        # A task's record after those that it goes on from: it names them.
        lines = [(*reversed(ancestors(store, task)), task) for task in params.tasks]
        tasks = dict.fromkeys(one for line in lines for one in line)
        for task in tasks:
            # What others wrote under a name that was shared is not carried over.
            if params.name != name and entries(store, task):
                undoubted_state(store, task)
        carried = [new for task in tasks for new in rename_record(store, task, name)]
        write_text(workspace.params_file, renamed)
        write_text(workspace.root / "prefect.yaml", render(workspace.params()))
    return Named(name, params.name, tuple(carried))


def _with_name(text: str, name: str) -> str:
    """The text of `params.yaml` with this name; raises `UsageError` where it has another form."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    keys = node.value if isinstance(node, yaml.MappingNode) else []
    start = keys[0][0].start_mark.index if keys else 0
    new = f"{text[:start]}name: {name}\n{text[start:]}"
    for key, value in keys:
        if key.value == "name":
            new = text[: value.start_mark.index] + name + text[value.end_mark.index :]
    with suppress(ParamsError):
        if parse_params(new, "params.yaml").name == name:
            return new
    raise UsageError(
        "params.yaml has no line of its own for each key",
        rule="the name is written into it, before its first key",
        remedy=f"write `name: {name}` at its top level in its own form, as the file it is",
    )
