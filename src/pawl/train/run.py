"""The train stage: from splits and base to an adapter, in one process or several.

A training is planned (`pawl.train.fit`), run (`pawl.train.training`), resumed after an interruption
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
from pawl.train.ancestor import (
    Ancestor,
    begins,
    find_ancestor,
    pick_start,
    starts,
    unlearned,
    with_trials,
)
from pawl.train.device import GIB, computes, here, settled
from pawl.train.fit import choose
from pawl.train.journal import Checkpoints, training_fingerprint
from pawl.train.launch import end_with_launcher, launch
from pawl.train.process_group import SINGLE, ProcessGroup, ProcessLostError, joined_group
from pawl.train.qlora import prepared, save
from pawl.train.rank import ranks, search_rank
from pawl.train.row_loss import refuse_no_effect
from pawl.train.rows import Row, row_groups, token_rows
from pawl.train.training import fit
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
    ancestor = find_ancestor(workspace, task)
    dev = unlearned(dev, ancestor)
    if section.train.start != "base" and process_group.is_main:
        sys.stderr.write(f"train: {begins(section.train.start, ancestor)}\n")
    trainings = _trainings(workspace, task, train_examples, dev, process_group)
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


@dataclasses.dataclass(frozen=True)
class _Trainings:
    """The trainings of one stage, which differ in their rank or start alone.

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

    def run(
        self, rank: int, points: Path | None, start: Ancestor | None = None
    ) -> tuple[PeftModel, Training]:
        """Train with this rank, or restore what its last checkpoint holds.

        Args:
            points: the file of the step log; None: none.
            start: whose weights it begins with; None: new ones.
        """
        params = dataclasses.replace(self.params, rank=rank)
        group, rows, dev_rows = self.process_group, self.rows, self.dev_rows
        sharded = group.size > 1 and params.parallel == "fsdp"
        largest = self.ranks[-1]
        choices = chosen(
            self.folder, rows, dev_rows, params, group, sharded=sharded, largest=largest
        )
        # Loaded anew for each rank: removing an adapter does not restore the base's layers.
        weights = start.folder if start else None
        model = prepared(self.folder, params, choices, sharded=sharded, start=weights)
        choices, agreement = agreed(model, rows, choices)
        if not sharded:
            # The judge's pass over cached prompts, tried before anything is paid for.
            by_length = sorted((row.tokens[: row.prompt] for row in rows), key=len)
            sharing(model, [by_length[0], by_length[len(by_length) // 2]], pad=0, more=0)
        if group.is_main and choices.passes != "packed":
            sys.stderr.write(f"train: {choices.says()}: {agreement.given_up[0]}\n")
        fingerprint = training_fingerprint(
            self.base,
            rows,
            params,
            choices,
            dev_rows=dev_rows,
            start=start.manifest.digest if start else None,
        )
        place = f"rank-{rank}" + (f"-from-{start.version}" if start else "")
        training = fit(
            model,
            rows,
            dev_rows,
            params=params,
            choices=choices,
            checkpoints=Checkpoints(self.checkpoints / place, fingerprint),
            points=points,
            process_group=group,
        )
        return model, dataclasses.replace(training, agreement=agreement)


def _from_starts(
    trainings: _Trainings, rank: int, points: Path, ancestor: Ancestor | None
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
