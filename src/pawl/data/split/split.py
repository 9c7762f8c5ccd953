"""Assigns rows to train, dev and gate by a hash of their prompt, so that none moves as data grows.

Rows of a conversation are hashed by its opening: later turns repeat the earlier answers, and would
be both trained on and judged if they were in two splits.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pawl.config.schema import Split
from pawl.core.alpha_budget import gate_split_id
from pawl.core.files import digest_file, whole_folder, write_lines
from pawl.core.records import CheckReport, Example, HeldOutRow, SplitReport
from pawl.core.records.io import (
    read_held_out_rows,
    read_record,
    read_rows,
    to_json,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.data.read.row import row_key
from pawl.data.split.copies import without_copies
from pawl.data.split.goalposts import goalposts
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
    dealt = deal(read_rows(files.check / "rows.jsonl"), registered, policy, task)
    _refuse_empty(dealt.parts, task)
    with whole_folder(files.splits) as folder:
        for name, part in dealt.parts.items():
            write_lines(folder / f"{name}.jsonl", map(to_json, part))
        manifest = SplitReport(
            task=task,
            data=report.data,
            salt=policy.salt,
            rows={name: len(part) for name, part in dealt.parts.items()},
            dropped=dealt.dropped,
            digests={name: digest_file(folder / f"{name}.jsonl") for name in SPLITS},
            group_by=dealt.group_by,
            slice_by=policy.slice_by,
            returned=dealt.returned,
            withdrawn=dealt.withdrawn,
        )
        write_record(folder / "manifest.json", manifest)


@dataclass(frozen=True)
class Dealt:
    """The rows by split, and the counts of those that a split was to have and lacks, by cause.

    `group_by`: the field that names a row's group, None if there is none. `returned`, `withdrawn`:
    as in `SplitReport`.
    """

    parts: dict[str, list[Example]]
    dropped: dict[str, int]
    group_by: str | None
    returned: int
    withdrawn: tuple[int, ...]


def deal(
    rows: Sequence[Example], registered: Sequence[HeldOutRow], policy: Split, task: str
) -> Dealt:
    """Deal the rows of a delivery to train, dev and gate; with the register's gate rows.

    Call `refuse_missing_fields` first.

    Raises:
        DataError: a goalpost has another answer than its first (`pawl.data.split.goalposts`).
    """
    group_by = policy.group_by
    if group_by is None:
        rows, has_conversations = mark_conversations(rows)
        group_by = CONVERSATION if has_conversations else None
    parts = assign_splits(rows, policy)
    split_id = gate_split_id(task, policy.salt)
    posts = goalposts(parts, registered, gate_split_id=split_id, group_by=group_by, task=task)
    parts, dropped = remove_overlaps(parts, registered, near=policy.near, returned=posts.returned)
    return Dealt(
        parts={**parts, "gate": posts.gate},
        dropped=dropped | posts.left_out,
        group_by=group_by,
        returned=len(posts.returned),
        withdrawn=posts.withdrawn,
    )


def assign_splits(rows: Sequence[Example], policy: Split) -> dict[str, list[Example]]:
    """Assign each row to a split, copies included; call `refuse_missing_fields` first."""
    parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for row in rows:
        key = row.fields[policy.group_by] if policy.group_by else conversation_key(row)
        parts[split_of(key, policy)].append(row)
    return parts


def conversation_key(row: Example) -> str:
    """Return the key of the messages before the first answer to a user; else the row's own key."""
    user_seen = False
    for number, message in enumerate(row.messages):
        if message.role == "assistant" and user_seen:
            return row_key(row.messages[:number])
        user_seen |= message.role == "user"
    return row.key


def mark_conversations(rows: Sequence[Example]) -> tuple[list[Example], bool]:
    """Set CONVERSATION on rows of one, which the gate resamples together; also whether any are."""
    openings = [conversation_key(row) for row in rows]
    # A repeated question is not a conversation.
    distinct = {(opening, row.key) for opening, row in zip(openings, rows, strict=True)}
    keys = Counter(opening for opening, _ in distinct)
    marked = list(rows)
    for at, (opening, row) in enumerate(zip(openings, rows, strict=True)):
        if keys[opening] > 1:
            marked[at] = dataclasses.replace(row, fields={**row.fields, CONVERSATION: opening})
    return marked, len(keys) < len(distinct)


def remove_overlaps(
    parts: Mapping[str, list[Example]],
    registered: Sequence[HeldOutRow],
    *,
    near: float,
    returned: Sequence[Example] = (),
) -> tuple[dict[str, list[Example]], dict[str, int]]:
    """Remove rows from train and dev that a stricter split also has; also count them by cause.

    Removed are, from train, near-copies of rows that are or were held out (`without_copies`); from
    dev (`dev_copy`), rows with the prompt of a gate row, or of one of the `returned`: dev may be
    looked at freely.
    """
    gate_hashes = {found for row in (*parts["gate"], *returned) for found in row_hashes(row)}
    dev = [row for row in parts["dev"] if gate_hashes.isdisjoint(row_hashes(row))]
    held_out, judged = [*parts["dev"], *parts["gate"]], [r for r in registered if r.split == "gate"]
    train, dropped = without_copies(parts["train"], held_out, judged, near=near)
    dropped["dev_copy"] = len(parts["dev"]) - len(dev)
    return {"train": train, "dev": dev, "gate": parts["gate"]}, dropped


def split_of(key: str, policy: Split) -> str:
    """Return the split of a conversation or `split.group_by` value, by salt and shares alone."""
    point = int.from_bytes(hashlib.sha256(f"{policy.salt}:{key}".encode()).digest()[:8]) / 2**64
    if point < policy.gate:
        return "gate"
    return "dev" if point < policy.gate + policy.dev else "train"


def refuse_missing_fields(rows: Iterable[Example], policy: Split) -> None:
    """Refuse rows without the fields that the policy names; raises as `require_fields` does."""
    for _ in require_fields(rows, policy):
        pass


def require_fields(rows: Iterable[Example], policy: Split) -> Iterator[Example]:
    """Yield the rows unchanged; raise `DataError` at the end if some lack a field of the policy."""
    required = {"group_by": policy.group_by, "slice_by": policy.slice_by}
    lacking: dict[tuple[str, str], list[str]] = {
        (o, name): [] for o, name in required.items() if name
    }
    names: set[str] = set()
    count = 0
    for row in rows:
        count += 1
        names.update(row.fields)
        for (_, name), ids in lacking.items():
            if name not in row.fields:
                ids.append(row.id)
        yield row
    for (option, name), ids in lacking.items():
        if ids:
            give = f"give these rows a '{name}', or remove `{option}`"
            raise DataError(
                f"{len(ids)} of {count} rows lack '{name}', first {', '.join(ids[:SHOWN])}",
                rule=f"`split.{option}` names a key that every row has, with a text or a number",
                remedy=give if name in names else nearest(name, names),
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
