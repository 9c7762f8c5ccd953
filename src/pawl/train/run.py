"""The train stage: from splits and base to an adapter, in one process or several.

A training is planned (`pawl.train.fit`), run (`pawl.train.loop`), resumed after an interruption
(`pawl.train.journal`), measured (`pawl.train.row_loss`) and saved (`pawl.train.qlora`).
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.preconditions import refuse_base_faults
from pawl.config.schema import Train, as_json
from pawl.core.files import remove, write_json
from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Choices,
    Example,
    Point,
    SplitReport,
    Training,
    read_record,
    read_rows,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError
from pawl.model.base import base_width, find_base
from pawl.model.cached_batches import sharing
from pawl.model.tokenizer import load_tokenizer
from pawl.train.agreement import agreed
from pawl.train.choices import PLAIN
from pawl.train.device import GIB, computes, here, settled
from pawl.train.fit import choose
from pawl.train.journal import Checkpoints, Journal, training_fingerprint
from pawl.train.launch import end_with_launcher, launch
from pawl.train.loop import Loop, shuffled
from pawl.train.process_group import SINGLE, ProcessGroup, ProcessLostError, joined_group
from pawl.train.progress import progress_bar
from pawl.train.qlora import prepared, save
from pawl.train.rank import ranks, search_rank
from pawl.train.row_loss import mean_loss, mean_per_token, refuse_no_effect, row_losses
from pawl.train.rows import Row, token_rows
from pawl.train.step_log import step_log
from pawl.workspace.paths import Workspace

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
    trainings = _trainings(workspace, task, train_examples, dev, process_group)
    if section.train.rank == "auto":
        groups = [row.fields.get(report.group_by or "") for row in dev]
        rank, training = search_rank(
            trainings.ranks, lambda rank: trainings.run(rank, files.points)[1], groups=groups
        )
        # Restored from its last checkpoint: no step is repeated or logged.
        model, _ = trainings.run(rank, points=None)
    else:
        rank = section.train.rank
        model, training = trainings.run(rank, files.points)
    refuse_no_effect(model, trainings.dev_rows, training.dev_losses, choices=training.choices)
    if not process_group.is_main:
        return
    manifest = AdapterManifest(
        task=task,
        base=trainings.base,
        data=report.data,
        rank=rank,
        params=as_json(trainings.params),
        trained_on=tuple(sorted({key for row in train_examples for key in row_hashes(row)})),
        files={},
    )
    save(model, manifest, files.adapter)
    write_record(files.training, training)
    # DVC draws a list of flat points and nothing else.
    write_json(files.curve, [{"step": p.step, "loss": p.loss} for p in training.points])
    remove(trainings.checkpoints)


@dataclasses.dataclass(frozen=True)
class _Trainings:
    """The trainings of one stage, which differ in their rank alone.

    `ranks` are those that may be tried, the largest last; `params` are settled for this device.
    """

    folder: Path
    base: BaseInfo
    rows: list[Row]
    dev_rows: list[Row]
    params: Train
    ranks: list[int]
    checkpoints: Path
    process_group: ProcessGroup

    def run(self, rank: int, points: Path | None) -> tuple[PeftModel, Training]:
        """Train with this rank, or restore what its last checkpoint holds.

        Args:
            points: the file of the step log; None: none.
        """
        params = dataclasses.replace(self.params, rank=rank)
        group, rows, dev_rows = self.process_group, self.rows, self.dev_rows
        sharded = group.size > 1 and params.parallel == "fsdp"
        largest = self.ranks[-1]
        choices = chosen(
            self.folder, rows, dev_rows, params, group, sharded=sharded, largest=largest
        )
        # Loaded anew for each rank: removing an adapter does not restore the base's layers.
        model = prepared(self.folder, params, choices, sharded=sharded)
        choices, agreement = agreed(model, rows, choices)
        if not sharded:
            # The judge's pass over cached prompts, tried before anything is paid for.
            by_length = sorted((row.tokens[: row.prompt] for row in rows), key=len)
            sharing(model, [by_length[0], by_length[len(by_length) // 2]], pad=0, more=0)
        if group.is_main and choices.passes != "packed":
            sys.stderr.write(f"train: {choices.says()}: {agreement.given_up[0]}\n")
        fingerprint = training_fingerprint(self.base, rows, params, choices)
        training = fit(
            model,
            rows,
            dev_rows,
            params=params,
            choices=choices,
            checkpoints=Checkpoints(self.checkpoints / f"rank-{rank}", fingerprint),
            points=points,
            process_group=group,
        )
        return model, dataclasses.replace(training, agreement=agreement)


def _trainings(
    workspace: Workspace,
    task: str,
    train_examples: Sequence[Example],
    dev: Sequence[Example],
    process_group: ProcessGroup,
) -> _Trainings:
    """Check the base and make token rows of the examples."""
    section = workspace.task(task)
    folder = find_base(section.base, workspace.root)
    # Checked again: a hub base may only now have been fetched.
    refuse_base_faults(section.base, section.train, workspace.root)
    tokenizer = load_tokenizer(folder, section.base)
    rows, dev_rows = (
        token_rows(part, tokenizer, max_length=section.train.max_length)
        for part in (train_examples, dev)
    )
    rank = section.train.rank
    return _Trainings(
        folder=folder,
        base=read_record(workspace.files(task).base, BaseInfo),
        rows=rows,
        dev_rows=dev_rows,
        params=settled(section.train),
        ranks=ranks(base_width(folder)) if rank == "auto" else [rank],
        checkpoints=workspace.checkpoints(task),
        process_group=process_group,
    )


def fit(
    model: PeftModel,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    *,
    params: Train,
    choices: Choices = PLAIN,
    checkpoints: Checkpoints | None = None,
    points: Path | None = None,
    process_group: ProcessGroup = SINGLE,
) -> Training:
    """Train the model in place and return the record of the training.

    Args:
        model: its base is NF4 or dense as in `choices` (`prepared`).
        checkpoints: where checkpoints are written and resumed from; None: nowhere.
        points: the file of the step log; None: none.
        process_group: the processes that train together; only the main one writes.

    Raises:
        TrainError: a loss or gradient is not finite (the message names step and rows), or SIGTERM
            came (a checkpoint was saved).
    """
    loop = Loop(model, rows, params=params, choices=choices, process_group=process_group)
    journal = Journal(loop, checkpoints)
    fingerprint = checkpoints.fingerprint if checkpoints else ""
    log_file = points if process_group.is_main else None
    with (
        progress_bar(loop.steps, done=loop.step, quiet=not process_group.is_main) as show,
        step_log(log_file, fingerprint=fingerprint, steps=loop.steps, resumed=loop.step) as log,
        journal.recording() as record,
    ):

        def after(point: Point) -> None:
            show(point)
            log(point)
            record(point)

        loop.run(after)
    dev_losses = row_losses(model, dev_rows, choices=choices)
    sample = shuffled(len(rows), seed=params.seed, epoch=0)[: len(dev_rows)]
    tokens = sum(point.tokens for point in journal.points)
    seconds = journal.seconds
    return Training(
        points=tuple(journal.points),
        train_loss=mean_loss(model, [rows[i] for i in sample], choices=choices),
        dev_loss=mean_per_token(dev_losses, dev_rows),
        dev_losses=tuple(dev_losses),
        seconds=round(seconds, 2),
        tokens=tokens,
        tokens_per_second=round(tokens / seconds, 1),
        choices=choices,
        resumed=tuple(journal.resumed),
    )


def chosen(
    folder: Path,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    params: Train,
    process_group: ProcessGroup,
    *,
    sharded: bool,
    largest: int,
) -> Choices:
    """The planner's choices for this process's share of the machine; reported on stderr.

    Args:
        sharded: each process holds a shard of the base, which must be NF4.
        largest: the last rank that may be tried in this process: if that needs malloc to return
            freed memory, malloc must do so from the first rank on.
    """
    device = here().shared(process_group.size)
    fit = choose(folder, rows, dev_rows, params, device)
    if largest > int(params.rank) and not fit.choices.gives_back:
        last = choose(folder, rows, dev_rows, dataclasses.replace(params, rank=largest), device)
        choices = dataclasses.replace(fit.choices, gives_back=last.choices.gives_back)
        fit = dataclasses.replace(fit, choices=choices)
    if sharded:
        return dataclasses.replace(fit.choices, weights="nf4")
    need = f"{fit.peak.total / GIB:.2f} of {device.usable / GIB:.1f} GiB that training may use"
    if process_group.is_main:
        how = f"{fit.choices.says()}, {computes(params, cuda=device.cuda)}"
        sys.stderr.write(f"train: {how}; {need} on {device.name}\n")
    if not fit.fits:
        LOG.warning("training may run out of memory: `pawl plan` shows what would make it fit")
    return fit.choices
