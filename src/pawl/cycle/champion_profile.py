"""The profile of the champion's data, for the next check to compare with."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from pawl.core.records import Profile, read_record, write_record
from pawl.errors import DataError, RegistryError
from pawl.ledger.state import read_state
from pawl.store.client import Store
from pawl.store.runs import fetch_file
from pawl.store.versions import get
from pawl.workspace.paths import Workspace

PROFILE = "check/profile.json"


def snapshot_profile(workspace: Workspace, store: Store, task: str) -> None:
    """Write the profile of the champion's data to `build/<task>/before.json`, empty if none.

    It is no evidence: where the run has none (a version from before profiles, a store whose
    artifacts were deleted), drift is not reported and the cycle goes on.
    """
    champion = read_state(store, task).champion.version
    profile = Profile()
    if champion is not None:
        # It may be gone, or of another version of pawl: see above.
        with tempfile.TemporaryDirectory() as folder, suppress(RegistryError, DataError):
            run = get(store, task, champion).run_id
            profile = read_record(fetch_file(store, run, PROFILE, into=Path(folder)), Profile)
    write_record(workspace.files(task).champion_profile, profile)
