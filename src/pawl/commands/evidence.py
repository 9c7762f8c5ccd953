"""What a version was judged by, as its run stores it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_file
from pawl.core.records import EvalReport, Example, HeldOutRow, Score, read_record, read_rows
from pawl.core.records.io import read_held_out_rows, read_records
from pawl.errors import RESTORE_FILES, DataError
from pawl.store.client import Store
from pawl.store.runs import fetch_file, has_file
from pawl.store.versions import AdapterVersion
from pawl.workspace.paths import TaskFiles

ROWS = "check/rows.jsonl"


@dataclass(frozen=True)
class Evidence:
    """Row scores of all contenders, the checked rows of the cycle, the held-out rows of then."""

    scores: Sequence[Score]
    rows: Sequence[Example]
    known: Sequence[HeldOutRow]


def stored_evidence(store: Store, judged: AdapterVersion, into: Path) -> Evidence:
    """Fetch the evidence of a judgement into a folder and read it.

    Raises:
        DataError: the stored rows are not those that the stored report names.
        RegistryError: the store cannot be reached, or lacks the evidence.
    """
    run = judged.run_id
    report = read_record(fetch_file(store, run, "eval/report.json", into=into), EvalReport)
    scores = fetch_file(store, run, "eval/rows.jsonl", into=into)
    if digest_file(scores) != report.scores:
        raise DataError(
            f"the stored rows of version {judged.version} are not those of its report",
            rule="the report names its rows by digest",
            remedy=f"delete {scores.name} of that run, then {RESTORE_FILES}",
        )
    register = TaskFiles(into).held_out_register.name
    known = (
        read_held_out_rows(fetch_file(store, run, register, into=into))
        if has_file(store, run, register)
        else ()
    )
    rows = read_rows(fetch_file(store, run, ROWS, into=into))
    return Evidence(read_records(scores, Score), rows, known)
