"""Rows to train, dev and gate by a hash of their own prompt, so that none moves as data grows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable

from pawl.data.read import normalise
from pawl.errors import DataError
from pawl.files import digest_file, whole_folder, write_lines
from pawl.params import Split
from pawl.records import CheckReport, Example, SplitReport, read_record, read_rows, write_record
from pawl.workspace import Workspace

SPLITS = ("train", "dev", "gate")


def split(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/splits/{train,dev,gate}.jsonl` and `manifest.json` (a `SplitReport`)."""
    files, policy = workspace.files(task), workspace.task(task).split
    report = read_record(files.check / "report.json", CheckReport)
    rows = read_rows(files.check / "rows.jsonl")
    parts = {name: [r for r in rows if side(r.key, policy) == name] for name in SPLITS}
    kept = without_copies(parts["train"], [*parts["dev"], *parts["gate"]])
    dropped = len(parts["train"]) - len(kept)
    parts["train"] = kept
    for name, part in parts.items():
        if not part:
            raise DataError(
                f"the {name} split of '{task}' is empty ({len(rows)} rows in all)",
                rule="each split holds at least one row",
                remedy="add rows, or raise the share under `split:` in params.yaml",
            )
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
            ),
        )


def side(key: str, policy: Split) -> str:
    """Which split the row with this key belongs to: a function of the key and the salt alone."""
    point = int.from_bytes(hashlib.sha256(f"{policy.salt}:{key}".encode()).digest()[:8]) / 2**64
    if point < policy.gate:
        return "gate"
    return "dev" if point < policy.gate + policy.dev else "train"


def without_copies(train: Iterable[Example], held_out: Iterable[Example]) -> list[Example]:
    """The train rows that are no copy of a held-out row when only letters are compared."""
    seen = {_letters(row) for row in held_out}
    return [row for row in train if _letters(row) not in seen]


def _letters(row: Example) -> str:
    text = " ".join(normalise(m.content) for m in row.messages)
    return "".join(c for c in text if c.isalnum())
