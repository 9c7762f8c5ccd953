"""Whether a workspace still has the record that it once had.

Deleting `.pawl/` deletes the ledger with it; beginning a new one silently would release version 1
again, beside another version 1 that callers know.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pawl.errors import RegistryError
from pawl.workspace.paths import Workspace

# As `pawl.ledger.keys` names them, which is above this room.
TRUSTED, VARIABLE = "pawl.pub", "PAWL_SIGNING_KEY"
RESTORE = "`pawl restore FILE` brings a backup back (docs/backup.md)"


def refuse_lost_record(workspace: Workspace) -> None:
    """Refuse to begin a new record where the workspace shows that it had one.

    Whether a server, or a database elsewhere, lost its record the remembered heads tell.

    Raises:
        RegistryError: the workspace's own database is gone.
    """
    database = workspace.database
    if database.exists() or workspace.tracking_uri != f"sqlite:///{database}":
        return
    if traces := list(_traces(workspace)):
        raise RegistryError(
            f"the record of this workspace is gone: {database} is not there, but "
            + " and ".join(traces),
            rule="a workspace that had a champion does not begin anew by itself",
            remedy=f"{RESTORE}; or name the store that has it in MLFLOW_TRACKING_URI; to begin "
            "anew on purpose, remove what is named here",
        )


def _traces(workspace: Workspace) -> Iterator[str]:
    """What only a record leaves behind."""
    key = workspace.home / "keys" / "signing.key"
    # Whoever has a key of their own may just have made both.
    if (workspace.root / TRUSTED).exists() and not key.exists() and not os.environ.get(VARIABLE):
        yield f"{TRUSTED} trusts a key that is not here"
    if any(workspace.home.glob(".restore.new-*")):
        yield "a `pawl restore` did not finish"
    for name in ("artifacts", "adapters", "releases"):
        if any(path.is_dir() for path in (workspace.home / name).glob("[!.]*")):
            yield f"{(workspace.home / name).relative_to(workspace.root)} is"
    for cycle in sorted((workspace.root / "build").glob("*/cycle.json")):
        yield f"{cycle.relative_to(workspace.root)} is"
