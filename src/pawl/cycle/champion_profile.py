"""What the champion was trained on, in a few numbers, for the check of the data after it."""

from __future__ import annotations

import tempfile
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
    """Leave the profile of the champion's data as `build/<task>/before.json`, or that none is kept.

    It is advice and no evidence: where the run keeps none (a version from before profiles, a store
    whose artifacts were deleted), drift is not told and the cycle goes on.
    """
    champion = read_state(store, task).champion.version
    profile = Profile()
    if champion is not None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                run = get(store, task, champion).run_id
                path = fetch_file(store, run, PROFILE, into=Path(folder))
                profile = read_record(path, Profile)
            except (RegistryError, DataError):
                # Not there, or of another version of pawl: see above.
                profile = Profile()
    write_record(workspace.files(task).champion_profile, profile)
