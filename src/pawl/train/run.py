"""The train stage: from splits and base to an adapter, in one process or several.

Its trainings (`pawl.train.trainings`) are one, or one for each rank or start that is tried; what
they came to is measured (`pawl.train.row_loss`) and saved (`pawl.train.qlora`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.schema import as_json
from pawl.core.files import remove, write_json
from pawl.core.records import (
    AdapterManifest,
    Example,
    SplitReport,
    Training,
    read_record,
    read_rows,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError
from pawl.train.ancestor import (
    Ancestor,
    begins,
    find_ancestor,
    pick_start,
    starts,
    unlearned,
    with_trials,
)
from pawl.train.launch import end_with_launcher, launch
from pawl.train.process_group import SINGLE, ProcessGroup, ProcessLostError, joined_group
from pawl.train.qlora import save
from pawl.train.rank import search_rank
from pawl.train.row_loss import refuse_no_effect
from pawl.train.rows import row_groups
from pawl.train.trainings import Trainings, trainings_of
from pawl.workspace.paths import TaskFiles, Workspace

if TYPE_CHECKING:
    from peft import PeftModel

LOG = logging.getLogger(__name__)


def train(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/adapter/` (verified by its manifest) and `training.json`.

    Raises:
        ParamsError: the parameters do not fit the base.
        TrainError: a number is not finite, SIGTERM came, or the adapter has no effect.
        DataError: a row is too long, or there are no dev rows.
        PawlError: with several processes, the error of the one that failed first.
    """
    processes = workspace.task(task).train.processes
    if processes == 1:
        train_in_process(workspace, task, SINGLE)
    else:
        launch(workspace, task, processes=processes)


def worker(workspace: Workspace, task: str) -> None:
    """Run one of the processes that `train` launched."""
    end_with_launcher()
    try:
        with joined_group() as process_group:
            train_in_process(workspace, task, process_group)
    except ProcessLostError as error:
        # The process that ended first has reported the reason.
        sys.exit(str(error))


def train_in_process(workspace: Workspace, task: str, process_group: ProcessGroup) -> None:
    """Train in this process, together with the others of the process group."""
    section, files = workspace.task(task), workspace.files(task)
    report = read_record(files.splits / "manifest.json", SplitReport)
    train_examples, dev = _split(files)
    ancestor = find_ancestor(workspace, task)
    dev = unlearned(dev, ancestor)
    if section.train.start != "base" and process_group.is_main:
        sys.stderr.write(f"train: {begins(section.train.start, ancestor)}\n")
    trainings = trainings_of(workspace, task, train_examples, dev, process_group)
    start: Ancestor | None = None
    if section.train.rank == "auto":
        groups = row_groups(trainings.dev_rows, dev, report.group_by)
        rank, training = search_rank(
            trainings.ranks, lambda rank: trainings.run(rank, files.points)[1], groups=groups
        )
        # Restored from its last checkpoint: no step is repeated or logged.
        model, _ = trainings.run(rank, points=None)
    else:
        rank = section.train.rank
        start, model, training = _from_starts(trainings, rank, files.points, ancestor)
    refuse_no_effect(model, trainings.dev_rows, training.dev_losses, choices=training.choices)
    if not process_group.is_main:
        return
    learned = {key for row in train_examples for key in row_hashes(row)}
    manifest = AdapterManifest(
        task=task,
        base=trainings.base,
        data=report.data,
        rank=rank,
        params=as_json(trainings.params),
        trained_on=tuple(sorted(learned)),
        files={},
        step=training.kept,
        ancestor=start.manifest.digest if start else None,
        inherited=tuple(sorted(start.manifest.learned - learned)) if start else (),
    )
    save(model, manifest, files.adapter)
    write_record(files.training, training)
    # DVC draws a list of flat points and nothing else.
    write_json(files.curve, [{"step": p.step, "loss": p.loss} for p in training.points])
    remove(trainings.checkpoints)


def _split(files: TaskFiles) -> tuple[Sequence[Example], Sequence[Example]]:
    """The rows of train and of dev; refuses either without any."""
    train_examples, dev = (read_rows(files.splits / f"{name}.jsonl") for name in ("train", "dev"))
    if not train_examples:
        raise DataError(
            "there are no train rows",
            rule="an adapter learns from rows that are held out nowhere",
            remedy="lower `split.dev` or `split.gate`, or add rows",
        )
    if not dev:
        raise DataError(
            "there are no dev rows",
            rule="a training is measured on rows that it was not trained on",
            remedy="raise `split.dev`, or add rows",
        )
    return train_examples, dev


def _from_starts(
    trainings: Trainings, rank: int, points: Path, ancestor: Ancestor | None
) -> tuple[Ancestor | None, PeftModel, Training]:
    """Train from each start that `train.start` names; the best on dev, its model and record."""
    tried = starts(trainings.params.start, ancestor)
    if trainings.params.start == "base":
        return (None, *trainings.run(rank, points))
    if len(tried) == 1:
        model, training = trainings.run(rank, points, tried[0])
        return tried[0], model, with_trials(tried, [training], kept=0)
    start, training = pick_start(
        tried,
        lambda start: trainings.run(rank, points, start)[1],
        process_group=trainings.process_group,
    )
    # Restored from its last checkpoint: no step is repeated or logged.
    model, _ = trainings.run(rank, points=None, start=start)
    return start, model, training
