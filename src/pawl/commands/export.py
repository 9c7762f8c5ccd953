"""`pawl export`: a version as a serving stack loads it, and whether it answers there as judged."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pawl.commands.evidence import stored_evidence
from pawl.commands.predict import answering
from pawl.core.files import whole_folder
from pawl.core.records import Example
from pawl.errors import DataError, RegistryError, UsageError
from pawl.gate.flips import CANDIDATE
from pawl.serve.exported import answers, write_merged, write_peft
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, get
from pawl.workspace.paths import Workspace

Form = Literal["peft", "merged"]
# Dev rows that are answered once more.
ROWS = 100
SHOWN = 3


@dataclass(frozen=True)
class Changed:
    """A dev row whose answer is another than the judged one."""

    id: str
    judged: str
    served: str


@dataclass(frozen=True)
class ExportReport:
    """What was written where, and of so many dev `rows` those that are answered otherwise there.

    `unknown`: why no row is compared.
    """

    task: str
    version: int
    form: Form
    folder: str
    bytes: int
    rows: int
    changed: tuple[Changed, ...]
    unknown: str | None = None

    def says(self) -> str:
        """It in sentences."""
        served = "on the base in bfloat16" if self.form == "peft" else "merged, in bfloat16"
        written = f"version {self.version} of {self.task} ({self.bytes / 1e6:,.1f} MB)"
        if self.unknown is not None:
            return f"{written}: {self.folder}; no answer is compared: {self.unknown}"
        same = self.rows - len(self.changed)
        lines = [
            f"{written}: {self.folder}",
            f"{served} it answers {same} of {self.rows} dev rows as it was judged",
        ]
        for one in self.changed[:SHOWN]:
            lines += [f"  {one.id}", f"    judged: {one.judged}", f"    served: {one.served}"]
        return "\n".join(lines)


def export(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    version: int | None,
    form: Form,
    out: Path,
) -> ExportReport:
    """Write a version (None: the champion) to a new folder, load it there, let it answer dev.

    Raises:
        UsageError: there is no such version, or the folder is there already.
        AdapterError: the adapter's bytes are not those that were judged.
        BaseError: the base that the version was trained on is not here.
        RegistryError: the store cannot be reached.
    """
    if out.exists():
        raise UsageError(
            f"{out} is there already",
            rule="an export is a folder of its own, which nothing else writes",
            remedy="name another folder, or remove that one",
        )
    adapter, base = answering(workspace, store, task, version)
    number = int(adapter.name)
    judged, unknown = _judged(store, get(store, task, number))
    with whole_folder(out) as written:
        if form == "peft":
            write_peft(adapter, written)
        else:
            write_merged(base, adapter, written)
        chats = [row.messages for row, _ in judged]
        most = workspace.task(task).evaluate.max_new_tokens
        served = answers(base, adapter, written, chats, most=most) if chats else []
        size = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
    changed = tuple(
        Changed(row.id, then, now)
        for (row, then), now in zip(judged, served, strict=True)
        if then != now
    )
    return ExportReport(task, number, form, str(out), size, len(judged), changed, unknown)


def _judged(store: Store, version: AdapterVersion) -> tuple[list[tuple[Example, str]], str | None]:
    """Dev rows with the answers that the version was judged by, the first `ROWS`; or why none."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            evidence = stored_evidence(store, version, Path(folder))
    except (DataError, RegistryError) as error:
        # Of a version of before, or of one whose evidence `pawl gc` let go: it serves all the same.
        return [], error.found
    rows = {(row.id, row.key): row for row in evidence.rows}
    found = [
        (rows[score.id, score.key], score.output)
        for score in evidence.scores
        if (score.contender, score.split) == (CANDIDATE, "dev") and score.whole
        if (score.id, score.key) in rows
    ]
    return found[:ROWS], None if found else "no dev row was judged"
