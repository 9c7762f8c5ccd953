"""Retire a version: it is never released again, and `pawl gc` may free its files."""

from __future__ import annotations

from pawl.errors import RegistryError, UsageError
from pawl.ledger.entries import Entry
from pawl.ledger.ledger import append, given_reason
from pawl.ledger.state import read_state, undoubted_state
from pawl.store.client import Store
from pawl.store.version_tags import mark_version
from pawl.store.versions import get
from pawl.workspace.paths import Workspace

MARK = "pawl.retired"


def retire(
    workspace: Workspace, store: Store, task: str, version: int, *, why: str, who: str
) -> Entry:
    """Retire a version by a ledger entry; its evidence stays, its adapter may be deleted.

    Raises:
        UsageError: no such version or reason, it is retired already, it is the champion, or a
            rollback may need it.
        RegistryError: the ledger was altered, or somebody released in between.
    """
    # It cannot be undone: by an altered ledger it might be the champion that is retired.
    chosen, state = get(store, task, version), undoubted_state(store, task)
    why = given_reason(why, of="retirement")
    keep = workspace.params().release.keep
    if (gone := state.retirement(chosen.champion)) is not None:
        raise UsageError(
            f"version {version} of '{task}' was retired on {gone.when[:10]} already: {gone.why}",
            rule="a version is retired once",
            remedy="`pawl gc --yes` deletes its adapter",
        )
    if chosen.champion in state.rollback_champions(keep):
        what = "the champion" if chosen.champion == state.champion else "what a rollback may need"
        raise UsageError(
            f"version {version} of '{task}' is {what}",
            rule=f"the champion and the {keep} champions before it stay (`release.keep`)",
            remedy="release another version first, or keep fewer in params.yaml",
        )
    entry = append(
        store,
        task,
        kind="retire",
        expected=state.champion,
        who=who,
        why=why,
        details={"version": chosen.version, "digest": chosen.digest, "run": chosen.run_id},
        run=chosen.run_id,
    )
    counted = read_state(store, task).retirement(chosen.champion)
    if counted is None or counted.op_id != entry.op_id:
        raise RegistryError(
            f"somebody else changed the champion of '{task}' first: entry {entry.number} is void",
            rule="a version is retired only while the champion is the one that was seen",
            remedy=f"see `pawl history {task}`, then decide again",
        )
    mark_retired(store, task, entry)
    return entry


def mark_retired(store: Store, task: str, entry: Entry) -> None:
    """Put the tag `pawl.retired`, with the reason, on the version's page."""
    mark_version(store, task, int(entry.details["version"]), key=MARK, value=entry.mark)
