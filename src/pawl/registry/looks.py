"""Looks: each use of a gate split is reserved in the ledger before anything is scored."""

from __future__ import annotations

import uuid

from pawl.adapter import read_adapter
from pawl.errors import DataError
from pawl.files import write_json
from pawl.question import look_question
from pawl.records import Example, Look, read_rows, to_json
from pawl.registry.known import remember
from pawl.registry.ledger import Entry, State, append
from pawl.registry.provenance import author
from pawl.registry.snapshot import read_state
from pawl.registry.store import Store
from pawl.workspace import Workspace


def reserve_look(workspace: Workspace, store: Store, task: str) -> Look:
    """Reserve a look at the gate split for the adapter in `build/` and leave it in `look.json`.

    The same question (candidate, champion, rows, policy, base) has been paid for already: it gets
    the look that it got before. The lineage is the task and its split salt, since a new salt deals
    out other gate rows.

    Raises:
        DataError: the split's looks are used up.
        AdapterError: the candidate's bytes are not what its manifest says.
        RegistryError: the store cannot be reached, or what it kept was altered.
    """
    section = workspace.task(task)
    split, of = lineage(task, section.split.salt), section.gate.looks
    state = read_state(store, task)
    question = look_question(workspace, task, state.champion)
    look = _find(state, split, question)
    if look is None and used_looks(state, split) < of:
        append(
            store,
            task,
            op_id=f"look:{uuid.uuid4().hex}",
            kind="look",
            expected=state.champion,
            new=None,
            who=author(workspace),
            why=f"to judge adapter {read_adapter(workspace.files(task).adapter).digest[:12]}",
            details={
                "lineage": split,
                "question": question,
                "of": of,
                "level": section.gate.alpha / of,
                **remember(store, task, split, _held_out(workspace, task)),
            },
        )
        # Somebody else may have taken the last one, or asked the same, in between: fold again.
        look = _find(read_state(store, task), split, question)
    if look is None:
        raise _exhausted(split, of)
    write_json(workspace.files(task).look, {"look": to_json(look)})
    return look


def lineage(task: str, salt: str) -> str:
    """The name of the gate split that looks are charged to; a new salt deals out other rows."""
    return f"{task}/{salt}"


def used_looks(state: State, split: str) -> int:
    """Looks that were charged to a gate split, named by its lineage, so far."""
    return len(state.looks.get(split, ()))


def _find(state: State, split: str, question: str) -> Look | None:
    asked: tuple[Entry, ...] = state.looks.get(split, ())
    for number, entry in enumerate(asked, start=1):
        if entry.details["question"] == question:
            details = entry.details
            return Look(number, int(details["of"]), question, level=float(details["level"]))
    return None


def _held_out(workspace: Workspace, task: str) -> dict[str, list[Example]]:
    folder = workspace.files(task).splits
    return {split: read_rows(folder / f"{split}.jsonl") for split in ("dev", "gate")}


def _exhausted(split: str, of: int) -> DataError:
    return DataError(
        f"the gate split '{split}' has used its {of} looks",
        rule="each judged candidate spends one look, so that retraining often cannot win by luck",
        remedy="add fresh rows and give the split a new `salt` in params.yaml; rows that ever were "
        "gate rows stay out of training",
    )
