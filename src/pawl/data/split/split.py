"""Rows to train, dev and gate by a hash of their own prompt, so that none moves as data grows.

Of a conversation it is the opening that is hashed: each later turn repeats the earlier ones with
their answers, so that a conversation on two sides would be trained on and judged.
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
from pawl.data.split.pinned import refuse_relabelled
from pawl.errors import DataError, nearest
from pawl.workspace.paths import Workspace

SPLITS = ("train", "dev", "gate")
SHOWN = 3
# The field that names a row's conversation; no further key of a row can be called that.
CONVERSATION = "messages"


def split(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/splits/{train,dev,gate}.jsonl` and `manifest.json` (a `SplitReport`).

    Raises:
        DataError: a known held-out row has another answer than its first one, or a split is empty.
    """
    files, policy = workspace.files(task), workspace.task(task).split
    report = read_record(files.check / "report.json", CheckReport)
    known = read_held_out_rows(files.held_out_register)
    rows, chats = read_rows(files.check / "rows.jsonl"), False
    if policy.group_by is None:
        rows, chats = with_conversations(rows)
    parts = deal(rows, policy)
    refuse_relabelled(parts, known, task=task)
    parts, dropped = apart(parts, known, near=policy.near)
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
                group_by=CONVERSATION if chats else policy.group_by,
                slice_by=policy.slice_by,
            ),
        )


def deal(rows: Sequence[Example], policy: Split) -> dict[str, list[Example]]:
    """Each row to its side; copies are still in. `refuse_missing` has been asked before."""
    parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for row in rows:
        key = row.fields[policy.group_by] if policy.group_by else opening(row)
        parts[side(key, policy)].append(row)
    return parts


def opening(row: Example) -> str:
    """The key of the row's messages up to the first answer; of a single question its own key.

    All that comes before the first assistant turn that follows a user's.
    """
    asked = False
    for number, message in enumerate(row.messages):
        if message.role == "assistant" and asked:
            return row_key(row.messages[:number])
        asked |= message.role == "user"
    return row.key


def with_conversations(rows: Sequence[Example]) -> tuple[list[Example], bool]:
    """The rows, those of one conversation with a field that says so, and whether there are any.

    They are no independent evidence: the gate takes them as one unit.
    """
    begun = [opening(row) for row in rows]
    keys: dict[str, set[str]] = {}
    for at, row in zip(begun, rows, strict=True):
        keys.setdefault(at, set()).add(row.key)
    # A question that is asked twice is no conversation.
    chats = {at for at, found in keys.items() if len(found) > 1}
    marked = [
        dataclasses.replace(row, fields={**row.fields, CONVERSATION: at}) if at in chats else row
        for at, row in zip(begun, rows, strict=True)
    ]
    return marked, bool(chats)


def apart(
    parts: Mapping[str, list[Example]], known: Sequence[HeldOutRow], *, near: float
) -> tuple[dict[str, list[Example]], dict[str, int]]:
    """The splits without what a stricter one holds too, and how many rows left, by cause.

    Out of train go rows that resemble one that is or was held out (`without_copies`), out of dev
    (`dev_copy`) rows that ask what a gate row asks: anybody may look at dev.
    """
    asked = {found for row in parts["gate"] for found in row_hashes(row)}
    dev = [row for row in parts["dev"] if asked.isdisjoint(row_hashes(row))]
    train, dropped = without_copies(
        parts["train"],
        [*parts["dev"], *parts["gate"]],
        [row for row in known if row.split == "gate"],
        near=near,
    )
    dropped["dev_copy"] = len(parts["dev"]) - len(dev)
    return {"train": train, "dev": dev, "gate": parts["gate"]}, dropped


def side(key: str, policy: Split) -> str:
    """Which split the rows with this key belong to: a function of the key and the salt alone.

    The key is the row's opening, or the value of its `split.group_by` field.
    """
    point = int.from_bytes(hashlib.sha256(f"{policy.salt}:{key}".encode()).digest()[:8]) / 2**64
    if point < policy.gate:
        return "gate"
    return "dev" if point < policy.gate + policy.dev else "train"


def refuse_missing(rows: Iterable[Example], policy: Split) -> None:
    """Every row has the fields that the policy names; raises the `DataError` of `with_fields`."""
    for _ in with_fields(rows, policy):
        pass


def with_fields(rows: Iterable[Example], policy: Split) -> Iterator[Example]:
    """The rows unchanged, each seen to have the fields that the policy names.

    Raises:
        DataError: at the end: some rows lack one.
    """
    asked = {option: getattr(policy, option) for option in ("group_by", "slice_by")}
    lacking: dict[str, list[str]] = {option: [] for option, name in asked.items() if name}
    known: set[str] = set()
    count = 0
    for row in rows:
        count += 1
        known.update(row.fields)
        for option, ids in lacking.items():
            if asked[option] not in row.fields:
                ids.append(row.id)
        yield row
    for option, ids in lacking.items():
        if not ids:
            continue
        name: str = asked[option]
        raise DataError(
            f"{len(ids)} of {count} rows lack '{name}', first {', '.join(ids[:SHOWN])}",
            rule=f"`split.{option}` names a key that every row has, with a text or a number",
            remedy=nearest(name, known - {name})
            if name not in known
            else f"give the rows named a '{name}', or take `{option}` away",
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
