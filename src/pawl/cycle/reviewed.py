"""Candidates that wait for people to compare their answers, and their judgement by what was said.

Such a candidate waits in the outbox with all its evidence, whatever `build/` holds by then. Nothing
decides before the planned number of pairs is labelled, so that nobody stops when he likes the
score.
"""

from __future__ import annotations

import dataclasses
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pawl.config.judging import Gate
from pawl.core.files import digest_file, discard, whole_folder
from pawl.core.pairs import opponent
from pawl.core.records import Message, Verdict, read_held_out_rows, read_record, read_rows
from pawl.core.records import write_record as write
from pawl.core.sealing import SEALED
from pawl.cycle.outbox import FILES, ORDER, REFUSED, Order, read_order, waiting_orders
from pawl.errors import DataError
from pawl.gate.calibration import habits
from pawl.gate.decide import decide, sealed
from pawl.gate.evidence import Evidence
from pawl.gate.preference import planned_pairs, unlabelled
from pawl.gate.run import judge, read_evidence
from pawl.ledger.reviews import ReviewFile
from pawl.workspace.paths import TaskFiles, Workspace


@dataclass(frozen=True)
class AwaitedReview:
    """What people are asked: the `labels` of pairs of answers, and the prompts by row key.

    `judge` is what may be said of a judge that has compared them too, '' where there is none.
    """

    labels: ReviewFile
    prompts: dict[str, tuple[Message, ...]]
    judge: str = ""


def awaited_review(workspace: Workspace, task: str) -> AwaitedReview | None:
    """The review that the newest waiting candidate of a task needs, None if none waits.

    Raises:
        DataError: its evidence cannot be read.
    """
    for folder in reversed(_waiting(workspace, task)):
        order, files = read_order(folder)
        evidence = read_evidence(files)
        labels = _labels(workspace, order, files, evidence)
        prompts: dict[str, tuple[Message, ...]] = {}
        if (checked := files.check / "rows.jsonl").is_file():
            prompts |= {row.key: row.messages for row in read_rows(checked)}
        if files.held_out_register.is_file():
            known = read_held_out_rows(files.held_out_register)
            prompts |= {row.key: row.messages for row in known}
        return AwaitedReview(labels, prompts, "" if _is_sealed(files) else habits(evidence))
    return None


def judge_by_review(
    workspace: Workspace, folder: Path, order: Order, files: TaskFiles
) -> Verdict | None:
    """Judge the waiting candidate of an order by its labels; the order then holds the verdict.

    Returns the verdict that still waits where pairs are left, or where the labels cannot be
    believed, which is no fault of the candidate; None once it is judged.

    Raises:
        DataError: the evidence cannot be read.
    """
    evidence = read_evidence(files)
    labels = _labels(workspace, order, files, evidence)
    # Nobody takes a label back between the reading of it and the verdict.
    with labels.locked() if labels.path.is_file() else nullcontext():
        return _judge_by_review(folder, order, files, labels, evidence)


def _judge_by_review(
    folder: Path, order: Order, files: TaskFiles, labels: ReviewFile, evidence: Evidence
) -> Verdict | None:
    policy = _policy(order)
    try:
        evidence = dataclasses.replace(evidence, review=labels.read())
    except DataError as error:
        verdict = _still_waiting(evidence, policy, files)
        return dataclasses.replace(verdict, reasons=(error.found, error.rule, error.remedy))
    if unlabelled(evidence, policy):
        # As many pairs as are left now.
        return _still_waiting(evidence, policy, files)
    # Whole or not at all: the order names its verdict by digest.
    with whole_folder(folder) as temp:
        shutil.copytree(folder / FILES, temp / FILES)
        judged = TaskFiles(temp / FILES)
        shutil.copyfile(labels.path, judged.review)
        write(judged.verdict, judge(judged, policy))
        write(temp / ORDER, dataclasses.replace(order, evidence=digest_file(judged.verdict)))
    return None


def give_up_reviews(workspace: Workspace, task: str, *, but: Path) -> None:
    """Set aside the candidates that waited for labels: another one has been judged since.

    `pawl gc` frees them; what people said stays.
    """
    for folder in _waiting(workspace, task):
        if folder != but:
            aside = folder.with_name(folder.name + REFUSED)
            if aside.exists():
                discard(aside)
            folder.rename(aside)


def _waiting(workspace: Workspace, task: str) -> list[Path]:
    found = []
    for folder in waiting_orders(workspace, task):
        try:
            verdict = read_record(TaskFiles(folder / FILES).verdict, Verdict)
        except DataError:
            continue  # delivering it tells what is wrong
        if verdict.decision == "waiting":
            found.append(folder)
    return found


def _still_waiting(evidence: Evidence, policy: Gate, files: TaskFiles) -> Verdict:
    verdict = decide(evidence, policy)
    return sealed(verdict, evidence) if _is_sealed(files) else verdict


def _labels(workspace: Workspace, order: Order, files: TaskFiles, evidence: Evidence) -> ReviewFile:
    question = evidence.report.look.question if evidence.report.look else ""
    return ReviewFile(
        workspace,
        workspace.review(order.task, question),
        question,
        opponent(evidence.report),
        planned_pairs(evidence, _policy(order)),
        sealed=_is_sealed(files),
    )


def _policy(order: Order) -> Gate:
    try:
        return TypeAdapter(Gate).validate_python(order.params["gate"])
    except (KeyError, ValidationError) as error:
        raise DataError(
            f"the waiting candidate of '{order.task}' has no gate policy: "
            + " ".join(str(error).split())[:200],
            rule="it is judged by the parameters that it was evaluated with",
            remedy=f"judge it again: `pawl run {order.task} --force`",
        ) from error


def _is_sealed(files: TaskFiles) -> bool:
    return (files.eval / SEALED).is_file()
