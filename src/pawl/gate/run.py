"""The gate stage: reads the evidence that `evaluate` wrote and writes the verdict."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pawl.config.judging import Gate
from pawl.core.files import digest_file, digest_text, write_json
from pawl.core.pairs import JUDGED
from pawl.core.records import (
    BaseInfo,
    EvalReport,
    Opinion,
    Review,
    Score,
    SplitReport,
    Training,
    Verdict,
    read_record,
    write_record,
)
from pawl.core.review_lines import read_lines, review_of
from pawl.core.sealing import SEALED, open_folder
from pawl.errors import DataError
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.gate.rules import EDITION
from pawl.workspace.paths import TaskFiles, Workspace

# The candidate's scores on the dev split, in a verdict.
DEV = "candidate (dev)"


def gate(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/verdict.json` and what DVC compares. Any verdict is a success."""
    files = workspace.files(task)
    # What people said comes later, signed, beside the candidate that waits for it.
    verdict = judge(files, workspace.task(task).gate, reviewed=False)
    write_record(files.verdict, verdict)
    write_json(files.metrics, comparable(files, verdict))


def comparable(files: TaskFiles, verdict: Verdict) -> dict[str, dict[str, float]]:
    """What `dvc metrics diff` and `dvc exp show` compare: the training, the dev split's scores.

    No gate score: recipes that are tuned on the gate's rows are judged by luck (README).
    """
    metrics = {"dev": verdict.scores.get(DEV, {})}
    if files.training.is_file():
        training = read_record(files.training, Training)
        losses = {"dev_loss": training.dev_loss, "train_loss": training.train_loss}
        metrics["training"] = losses | {"seconds": round(training.seconds, 1)}
    return metrics


def judge(
    files: TaskFiles, policy: Gate, *, edition: int = EDITION, reviewed: bool = True
) -> Verdict:
    """The verdict on the evidence in these files: the stage's own, or those stored with a run.

    Evidence that was sealed is judged as sealed, whatever the policy says now. `edition` is that of
    the rules; `reviewed`: the labels beside the evidence count, whose signatures were verified.

    Raises:
        DataError: the evidence is absent, unreadable or altered.
    """
    read = ["inputs/base.json", "splits/manifest.json"]
    sealed = (files.eval / SEALED).is_file()
    read += [f"eval/{SEALED}"] if sealed else ["eval/report.json", "eval/rows.jsonl"]
    if not sealed and (files.eval / JUDGED).is_file():
        read.append(f"eval/{JUDGED}")
    if sealed:
        policy = dataclasses.replace(policy, disclosure="sealed")
    evidence = read_evidence(files)
    if reviewed and files.review.is_file():
        review = read_review(files.review)
        evidence, read = dataclasses.replace(evidence, review=review), [*read, files.review.name]
    parents = {name: digest_file(files.root / name) for name in read}
    return decide(evidence, policy, parents=parents, edition=edition)


def read_review(path: Path) -> Review | None:
    """The review in a file, None in an empty one; raises `DataError` where it was altered."""
    text = path.read_bytes().decode("utf-8", "replace")
    return review_of(read_lines(text, name=path.name), name=path.name)


def read_evidence(files: TaskFiles) -> Evidence:
    """Read the evaluation's records; the row scores must have the digest that the report names."""
    base = read_record(files.base, BaseInfo)
    splits = read_record(files.splits / "manifest.json", SplitReport)
    texts = open_folder(files.eval)
    try:
        report = TypeAdapter(EvalReport).validate_json(texts["report.json"])
        rows = texts["rows.jsonl"]
        kind = TypeAdapter(Score)
        # str.splitlines would also split inside an answer that holds U+2028.
        lines = (line for line in rows.split("\n") if line)
        scores = tuple(kind.validate_python(json.loads(line)) for line in lines)
        opinions = _opinions(texts[JUDGED]) if report.judge else None
    except (KeyError, ValueError, ValidationError, RecursionError) as error:
        raise DataError(
            f"{files.eval} holds no evaluation: {' '.join(str(error).split())[:300]}",
            rule="records are written whole by the stage before and not edited",
            remedy="delete the folder and run `dvc repro` again",
        ) from error
    if digest_text(rows) != report.scores:
        raise DataError(
            f"{files.eval / 'rows.jsonl'} is not what the evaluation wrote",
            rule="a verdict is derived from the rows that the report names by digest",
            remedy="run `dvc repro` again; do not edit files below build/",
        )
    if report.judge and digest_text(texts[JUDGED]) != report.judge.answers:
        raise DataError(
            f"{files.eval / JUDGED} is not what the evaluation wrote",
            rule="a verdict is derived from the judge's opinions that the report names by digest",
            remedy="run `dvc repro` again; do not edit files below build/",
        )
    return Evidence(
        report=report, scores=scores, rows=splits.rows, base=base.digest, opinions=opinions
    )


def _opinions(text: str) -> tuple[Opinion, ...]:
    kind = TypeAdapter(Opinion)
    return tuple(kind.validate_json(line) for line in text.split("\n") if line)
