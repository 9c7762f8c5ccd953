"""One cycle from the command line: the workspace's own flow, unless nothing has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import TypeAdapter

from pawl.core.processes import guarded
from pawl.core.records import Cycle
from pawl.cycle.conclude import answered, unchanged
from pawl.cycle.outbox import waiting
from pawl.errors import DataError, UsageError
from pawl.ledger.state import read_state
from pawl.store.client import Store, open_store
from pawl.workspace.fingerprints import cycle_fingerprint
from pawl.workspace.paths import Workspace

FLOW = "flows/retrain.py"


def run_cycle(workspace: Workspace, task: str, *, force: bool = False) -> Cycle:
    """Run the flow `retrain` of the workspace in this process and return what it came to.

    A question that was answered before is answered from the record, without starting Prefect.
    """
    if not (workspace.root / FLOW).is_file():
        raise UsageError(
            f"{FLOW} is not there",
            rule="a workspace carries its flow",
            remedy="restore the file from git; `pawl init` writes it in a new workspace",
        )
    if not force and not waiting(workspace, task):
        known = _known(workspace, task)
        if known is not None:
            return known
    # What the user must mend is said once, by the command line; the Prefect pages keep the rest.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from prefect.flows import load_flow_from_entrypoint

    # With the store on a server nobody has made it yet, and Prefect would wait for its database.
    (workspace.home / "prefect").mkdir(parents=True, exist_ok=True)
    os.chdir(workspace.root)
    flow: Any = load_flow_from_entrypoint(f"{FLOW}:retrain", use_placeholder_flow=False)
    with _temporary_server():
        return TypeAdapter(Cycle).validate_python(flow(task=task, force=force))


@contextmanager
def _temporary_server() -> Iterator[None]:
    """The server that Prefect starts where none is named; it ends with a cycle that is killed."""
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED

    if PREFECT_API_URL.value() or not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        yield
        return
    # The one that Prefect itself would start in a moment, and then finds running.
    server = SubprocessASGIServer()
    server.start()
    if server.server_process is None:
        raise RuntimeError("Prefect's server has started and is no process")
    with guarded(server.server_process.pid):
        yield


def _known(workspace: Workspace, task: str) -> Cycle | None:
    store = open_store(workspace)
    asked = fingerprint_now(workspace, store, task)
    version = None if asked is None else answered(store, task, asked)
    return None if version is None else unchanged(workspace, store, version)


def fingerprint_now(workspace: Workspace, store: Store, task: str) -> str | None:
    """The question of a cycle that started now, None if the data is not fit for one."""
    accepted = read_state(store, task).accepted
    try:
        return cycle_fingerprint(workspace, task, accepted=accepted)
    except DataError:
        # The flow meets the same error, and records it.
        return None
