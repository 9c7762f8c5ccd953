"""The gate stage: reads the evidence that `evaluate` left and writes the verdict."""

from __future__ import annotations

from pydantic import TypeAdapter

from pawl.errors import DataError
from pawl.files import digest_file, read_lines
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.records import EvalReport, Score, SplitReport, read_record, write_record
from pawl.workspace import TaskFiles, Workspace


def gate(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/verdict.json`. A verdict that is not `promote` is no failure."""
    files = workspace.files(task)
    parents = {
        "eval/report.json": digest_file(files.eval / "report.json"),
        "eval/rows.jsonl": digest_file(files.eval / "rows.jsonl"),
        "splits/manifest.json": digest_file(files.splits / "manifest.json"),
    }
    verdict = decide(read_evidence(files), workspace.task(task).gate, parents=parents)
    write_record(files.verdict, verdict)


def read_evidence(files: TaskFiles) -> Evidence:
    """The evaluation's records, with the row scores proven to be those that the report names."""
    report = read_record(files.eval / "report.json", EvalReport)
    splits = read_record(files.splits / "manifest.json", SplitReport)
    rows = files.eval / "rows.jsonl"
    if digest_file(rows) != report.scores:
        raise DataError(
            f"{rows} is not what the evaluation wrote",
            rule="a verdict is derived from the rows that the report names by digest",
            remedy="run `dvc repro` again; do not edit files below build/",
        )
    kind = TypeAdapter(Score)
    scores = tuple(kind.validate_python(value) for value in read_lines(rows))
    return Evidence(report=report, scores=scores, rows=splits.rows)
