"""Which versions were judged by an earlier version of the task's own scorers.

A changed scorer changes the fingerprints, so that the next cycle judges champion and candidate by
it. What was judged before stands in the ledger, by figures that the new one did not give.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pawl.core.records import Verdict, read_record
from pawl.errors import PawlError
from pawl.store.client import Store
from pawl.store.runs import fetch_file
from pawl.store.versions import AdapterVersion
from pawl.workspace.fingerprints import scorer_code
from pawl.workspace.paths import Workspace


def judged_code(store: Store, version: AdapterVersion) -> dict[str, str]:
    """Digests of the scorers that judged a version, by metric.

    None of them where it had no scorer of its own, is older than these digests, or its verdict
    cannot be read, of which other commands tell.
    """
    if not version.params.get("evaluate", {}).get("scorers"):
        return {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = fetch_file(store, version.run_id, "verdict.json", into=Path(folder))
            return read_record(path, Verdict).scorer_code
    except PawlError:
        return {}


def earlier_scorers(workspace: Workspace, store: Store, version: AdapterVersion) -> tuple[str, ...]:
    """What is to be said of a version that other code judged than there is now, in sentences."""
    then = judged_code(store, version)
    try:
        now = scorer_code(workspace.task(version.task).evaluate, workspace.root) if then else {}
    except PawlError:  # a scorer that is not there is named where it is needed
        now = {}
    changed = sorted(name for name in then.keys() & now.keys() if then[name] != now[name])
    return tuple(
        f"version {version.version} was judged by an earlier version of the scorer '{name}': its "
        f"{name} was not measured as it is now; the next cycle scores it anew if it is champion"
        for name in changed
    )
