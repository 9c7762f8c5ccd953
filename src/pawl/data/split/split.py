"""Assigns rows to train, dev and gate by a hash of their prompt, so that none moves as data grows.

Rows of a conversation are hashed by its opening: each later turn repeats the earlier ones with
their answers, so that a conversation in two splits would be both trained on and judged.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pawl.config.schema import Split
from pawl.core.files import digest_file, whole_folder, write_lines
from pawl.core.records import (
    CheckReport,
    Example,
    HeldOutRow,
    SplitReport,
    read_held_out_rows,
    read_record,
    read_rows,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.data.read.examples import row_key
from pawl.data.split.copies import without_copies
from pawl.data.split.held_out_answers import refuse_relabels
from pawl.errors import DataError, nearest
from pawl.workspace.paths import Workspace

SPLITS = ("train", "dev", "gate")
SHOWN = 3
# The field with a row's conversation; `messages` is a reserved key, so no row has such a field.
CONVERSATION = "messages"


def split(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/splits/{train,dev,gate}.jsonl` and `manifest.json` (a `SplitReport`).

    Raises:
        DataError: a registered held-out row has another answer than its first, or a split is empty.
    """
    files, policy = workspace.files(task), workspace.task(task).split
    report = read_record(files.check / "report.json", CheckReport)
    registered = read_held_out_rows(files.held_out_register)
    rows, conversations = read_rows(files.check / "rows.jsonl"), False
    if policy.group_by is None:
        rows, conversations = mark_conversations(rows)
    parts = assign_splits(rows, policy)
    refuse_relabels(parts, registered, task=task)
    parts, dropped = remove_overlaps(parts, registered, near=policy.near)
    _refuse_empty(parts, task)
    with whole_folder(files.splits) as folder:
        for name, part in parts.items():
            write_lines(folder / f"{name}.jsonl", map(dataclasses.asdict, part))
        write_record(
            folder / "manifest.json",
            SplitReport(
                task=task,
                data=report.data,
                salt=policy.salt,
                rows={name: len(part) for name, part in parts.items()},
                dropped=dropped,
                digests={name: digest_file(folder / f"{name}.jsonl") for name in SPLITS},
                group_by=CONVERSATION if conversations else policy.group_by,
                slice_by=policy.slice_by,
            ),
        )


def assign_splits(rows: Sequence[Example], policy: Split) -> dict[str, list[Example]]:
    """Assign each row to a split, copies included; call `refuse_missing_fields` first."""
    parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for row in rows:
        key = row.fields[policy.group_by] if policy.group_by else conversation_key(row)
        parts[split_of(key, policy)].append(row)
    return parts


def conversation_key(row: Example) -> str:
    """Return the key of the row's messages before the first assistant turn after a user turn.

    A row with a single question has its own key.
    """
    user_seen = False
    for number, message in enumerate(row.messages):
        if message.role == "assistant" and user_seen:
            return row_key(row.messages[:number])
        user_seen |= message.role == "user"
    return row.key


def mark_conversations(rows: Sequence[Example]) -> tuple[list[Example], bool]:
    """Set CONVERSATION on rows that belong to a conversation; also return whether there are any.

    Such rows are not independent: the gate resamples them as one group.
    """
    openings = [conversation_key(row) for row in rows]
    keys: dict[str, set[str]] = {}
    for opening, row in zip(openings, rows, strict=True):
        keys.setdefault(opening, set()).add(row.key)
    # A repeated question is not a conversation.
    shared = {opening for opening, found in keys.items() if len(found) > 1}
    marked = [
        dataclasses.replace(row, fields={**row.fields, CONVERSATION: opening})
        if opening in shared
        else row
        for opening, row in zip(openings, rows, strict=True)
    ]
    return marked, bool(shared)


def remove_overlaps(
    parts: Mapping[str, list[Example]], registered: Sequence[HeldOutRow], *, near: float
) -> tuple[dict[str, list[Example]], dict[str, int]]:
    """Remove rows from train and dev that a stricter split also has; also count them by cause.

    Removed are, from train, near-copies of rows that are or were held out (`without_copies`) and,
    from dev (`dev_copy`), rows with a gate row's prompt: dev may be looked at freely.
    """
    gate_hashes = {found for row in parts["gate"] for found in row_hashes(row)}
    dev = [row for row in parts["dev"] if gate_hashes.isdisjoint(row_hashes(row))]
    train, dropped = without_copies(
        parts["train"],
        [*parts["dev"], *parts["gate"]],
        [row for row in registered if row.split == "gate"],
        near=near,
    )
    dropped["dev_copy"] = len(parts["dev"]) - len(dev)
    return {"train": train, "dev": dev, "gate": parts["gate"]}, dropped


def split_of(key: str, policy: Split) -> str:
    """Return the split for a key: a function of the key and the policy's salt and shares alone.

    The key is the row's conversation key, or the value of its `split.group_by` field.
    """
    point = int.from_bytes(hashlib.sha256(f"{policy.salt}:{key}".encode()).digest()[:8]) / 2**64
    if point < policy.gate:
        return "gate"
    return "dev" if point < policy.gate + policy.dev else "train"


def refuse_missing_fields(rows: Iterable[Example], policy: Split) -> None:
    """Refuse rows without the fields that the policy names; raises as `require_fields` does."""
    for _ in require_fields(rows, policy):
        pass


def require_fields(rows: Iterable[Example], policy: Split) -> Iterator[Example]:
    """Yield the rows unchanged and check that each has the fields that the policy names.

    Raises:
        DataError: at the end: some rows lack one.
    """
    required = {option: getattr(policy, option) for option in ("group_by", "slice_by")}
    lacking: dict[str, list[str]] = {option: [] for option, name in required.items() if name}
    names: set[str] = set()
    count = 0
    for row in rows:
        count += 1
        names.update(row.fields)
        for option, ids in lacking.items():
            if required[option] not in row.fields:
                ids.append(row.id)
        yield row
    for option, ids in lacking.items():
        if not ids:
            continue
        name: str = required[option]
        raise DataError(
            f"{len(ids)} of {count} rows lack '{name}', first {', '.join(ids[:SHOWN])}",
            rule=f"`split.{option}` names a key that every row has, with a text or a number",
            remedy=nearest(name, names - {name})
            if name not in names
            else f"give these rows a '{name}', or remove `{option}`",
        )


def _refuse_empty(parts: Mapping[str, Sequence[Example]], task: str) -> None:
    rows = sum(map(len, parts.values()))
    for name, part in parts.items():
        if not part:
            raise DataError(
                f"the {name} split of '{task}' is empty ({rows} rows in all)",
                rule="each split holds at least one row",
                remedy="add rows, or raise the share under `split:` in params.yaml",
            )
