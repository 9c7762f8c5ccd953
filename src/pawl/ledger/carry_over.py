"""Begin a task's ledger where another one's stands, for `pawl new --continues`."""

from __future__ import annotations

from pawl.core.records import Champion
from pawl.errors import UsageError
from pawl.ledger.entries import Entry
from pawl.ledger.ledger import append, entries
from pawl.ledger.state import undoubted_ledger
from pawl.store.client import Store


def carry_over(store: Store, task: str, of: str, *, who: str) -> Entry:
    """Begin the ledger of `task` where that of `of` stands.

    Raises:
        RegistryError: the ledger of `of` is in doubt.
        UsageError: `of` has not been judged yet, or `task` has a record of its own.
    """
    written = undoubted_ledger(store, of).counting
    if not any(entry.kind in ("look", "continue") for entry in written):
        raise UsageError(
            f"'{of}' has not been judged yet",
            rule="a task goes on from one whose adapters were judged in this store",
            remedy="leave out `--continues`: there is nothing to carry over",
        )
    last = written[-1]
    op_id = f"continue:{of}:{last.number}"
    if any(entry.op_id != op_id for entry in entries(store, task)):
        raise UsageError(
            f"'{task}' has a record in this store already",
            rule="a record goes on from another one before its first entry",
            remedy="choose another name for the task",
        )
    return append(
        store,
        task,
        kind="continue",
        expected=Champion(),
        who=who,
        why=f"goes on from '{of}'",
        op_id=op_id,
        details={"task": of, "entry": last.number, "digest": last.digest},
    )
