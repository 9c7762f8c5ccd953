"""One cycle from the command line: the workspace's own flow, unless nothing has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import TypeAdapter

from pawl.core.records import Cycle
from pawl.cycle.interruption import interruptible
from pawl.cycle.outbox import waiting_orders
from pawl.cycle.unjudged import conclude_unchanged, find_cached_version
from pawl.errors import DataError, UsageError
from pawl.ledger.state import undoubted_state
from pawl.store.client import Store, open_store
from pawl.workspace.fingerprints import cycle_fingerprint
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import key_environment
from pawl.workspace.prefect_server import prefect_settings, temporary_server

FLOW = "flows/retrain.py"


def run_cycle(workspace: Workspace, task: str, *, force: bool = False) -> Cycle:
    """Run the workspace's flow `retrain` in this process and return its result.

    If a stored result has the same cycle fingerprint, it is returned without starting Prefect.

    Raises:
        UsageError: the workspace has no flow.
        InterruptedRunError: Ctrl-C, or SIGTERM.
    """
    if not (workspace.root / FLOW).is_file():
        raise UsageError(
            f"{FLOW} is not there",
            rule="a workspace has its own flow",
            remedy="restore the file from git; `pawl init` writes it in a new workspace",
        )
    if not force and not waiting_orders(workspace, task):
        store = open_store(workspace)
        fingerprint = fingerprint_now(workspace, store, task)
        if fingerprint and (version := find_cached_version(store, task, fingerprint)):
            return conclude_unchanged(workspace, store, version)
    # Errors are printed once, by the command line; Prefect's pages have the whole log.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from prefect.flows import load_flow_from_entrypoint

    # Prefect does not make the folder of its database, and waits if it is missing.
    (workspace.home / "prefect").mkdir(parents=True, exist_ok=True)
    os.chdir(workspace.root)
    flow: Any = load_flow_from_entrypoint(f"{FLOW}:retrain", use_placeholder_flow=False)
    again = f"pawl run {task}{' --force' * force}"
    with interruptible(workspace, task, again=again), _server(workspace):
        return TypeAdapter(Cycle).validate_python(flow(task=task, force=force))


def fingerprint_now(workspace: Workspace, store: Store, task: str) -> str | None:
    """The fingerprint of a cycle that starts now, or None if the data cannot be used."""
    accepted = undoubted_state(store, task).accepted
    try:
        return cycle_fingerprint(workspace, task, accepted=accepted)
    except DataError:
        # The flow raises the same error, and records it.
        return None


@contextmanager
def _server(workspace: Workspace) -> Iterator[None]:
    """The Prefect server that records this block: the configured one, else a temporary one."""
    from prefect.settings import PREFECT_API_URL

    if url := PREFECT_API_URL.value():
        with prefect_settings(key_environment(workspace, url)):
            yield
    else:
        with temporary_server(workspace):
            yield
