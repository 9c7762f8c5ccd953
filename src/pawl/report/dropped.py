"""Text about the rows that the split left out: how many, why, what to do if they are many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pawl.core.records import SplitReport, read_record

# Ordinary data loses up to this share; more is worth a person's look.
MANY = 0.1
# By cause (`pawl.data.split.copies`): what the train rows are, and what to do if most are such.
CAUSES = {
    "copy": (
        "the same letters as a held-out row",
        "take repeated prompts out of the data; if a prompt rightly stands there once for each "
        "customer or conversation, name that key in `split.group_by`",
    ),
    "near_copy": (
        "near-copies of a held-out row",
        "if rows come in families (a customer, a conversation, one text in many versions), name "
        "the family's key in `split.group_by`; if they only look alike, raise `split.near`",
    ),
    "known_gate_row": (
        "gate rows of an earlier look, or nearly",
        "put the earlier `split.salt` back, or add rows: what has judged is not trained on",
    ),
}


# Gate rows that no longer judge (`pawl.data.split.goalposts`), by cause.
LEFT = {
    "withdrawn": "{count} gate rows left the judgement: only rejected candidates were judged on "
    "them, and this delivery answers some otherwise; further looks are judged more strictly",
    "removed": "{count} gate rows do not judge: a person let them go (`pawl history`)",
}


class Split(Protocol):
    """What a split came to: the record of the stage, or what `pawl plan` deals."""

    @property
    def dropped(self) -> Mapping[str, int]: ...
    @property
    def returned(self) -> int: ...


def dealt_text(train: int, split: Split) -> tuple[str, ...]:
    """`dropped_text`, and what was done about gate rows that judged before."""
    dropped = split.dropped
    lines = [text.format(count=dropped[cause]) for cause, text in LEFT.items() if cause in dropped]
    if split.returned:
        lines.append(
            f"{split.returned} gate rows judge on though this delivery no longer holds them; "
            "`pawl accept TASK --removed --reason …` lets them go"
        )
    return (*dropped_text(train, dropped), *lines)


def dropped_text(train: int, dropped: Mapping[str, int]) -> tuple[str, ...]:
    """A line per split that lost rows, and a warning if train (`train` rows stayed) lost many."""
    gone = {cause: count for cause in CAUSES if (count := dropped.get(cause))}
    copies = dropped.get("dev_copy")
    dev = (f"left out of dev: {copies} the same letters as a gate row",) if copies else ()
    if not gone:
        return dev
    each = ", ".join(f"{count} {CAUSES[cause][0]}" for cause, count in gone.items())
    total = sum(gone.values())
    lines = [f"left out of train: {each}"]
    if total > MANY * (train + total):
        most = max(gone, key=gone.__getitem__)
        lines.append(
            f"warning: {total / (train + total):.0%} of the train rows were left out, so that what "
            f"is held out stays unseen. To keep more: {CAUSES[most][1]}"
        )
    return (*lines, *dev)


def read_dropped_text(path: Path) -> tuple[str, ...]:
    """`dealt_text` of a split's `manifest.json`; empty where the data was not fit to be split."""
    if not path.exists():
        return ()
    report = read_record(path, SplitReport)
    return dealt_text(report.rows["train"], report)
