"""The train stage: from splits and base to an adapter, in one process or several.

A training is planned (`pawl.train.fit`), taken step by step (`pawl.train.loop`), kept where a kill
leaves it (`pawl.train.journal`), measured, and saved.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.preconditions import refuse_unfit
from pawl.config.schema import Train, as_json
from pawl.core.files import remove
from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    SplitReport,
    read_record,
    read_rows,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError
from pawl.model.base import base_width, find_base
from pawl.model.tokenizer import load_tokenizer
from pawl.train.choices import PLAIN, Choices
from pawl.train.device import GIB, computes, here, settled
from pawl.train.fit import choose
from pawl.train.journal import Journal, Kept, question
from pawl.train.launch import end_with_launcher, launch
from pawl.train.loop import Loop, Point, shuffled
from pawl.train.measure import mean_loss, per_token, refuse_idle, row_losses
from pawl.train.points import telling
from pawl.train.qlora import prepared, save
from pawl.train.rank import climb, ranks
from pawl.train.rows import Row, token_rows
from pawl.train.team import ALONE, LostError, Team, joined
from pawl.train.watch import Curve, bar, curve
from pawl.workspace.paths import Workspace

if TYPE_CHECKING:
    from peft import PeftModel

LOG = logging.getLogger(__name__)


def train(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/adapter/` (verified by its manifest) and `training.json`.

    Raises:
        ParamsError: the base cannot give what `train` asks of it.
        TrainError: training ran into no finite number, was asked to end, or came to nothing.
        DataError: a row is too long, or there are no dev rows.
        PawlError: what one of the processes said that failed, where there are several.
    """
    processes = workspace.task(task).train.processes
    if processes == 1:
        learn(workspace, task, ALONE)
    else:
        launch(workspace, task, processes=processes)


def work(workspace: Workspace, task: str) -> None:
    """Be one process of a training that `train` started."""
    end_with_launcher()
    try:
        with joined() as team:
            learn(workspace, task, team)
    except LostError as error:
        # Whoever ended first has said why: this says no more.
        sys.exit(str(error))


def learn(workspace: Workspace, task: str, team: Team) -> None:
    """Train in this process, with the others of its team."""
    section, files = workspace.task(task), workspace.files(task)
    asked = settled(section.train)
    info = read_record(files.base, BaseInfo)
    report = read_record(files.splits / "manifest.json", SplitReport)
    taught, dev = (read_rows(files.splits / f"{name}.jsonl") for name in ("train", "dev"))
    if not dev:
        raise DataError(
            "there are no dev rows",
            rule="a training is measured on rows that it did not learn",
            remedy="raise `split.dev`, or add rows",
        )
    folder = find_base(section.base, workspace.root)
    # Again: the base may have been fetched a moment ago.
    refuse_unfit(section.base, section.train, workspace.root)
    tokenizer = load_tokenizer(folder)
    limit = section.train.max_length
    rows, dev_rows = (token_rows(part, tokenizer, max_length=limit) for part in (taught, dev))
    checkpoints = workspace.checkpoints(task)
    sharded = team.size > 1 and section.train.parallel == "fsdp"
    tried = ranks(base_width(folder)) if section.train.rank == "auto" else [section.train.rank]

    def attempt(rank: int, points: Path | None = files.points) -> tuple[PeftModel, Curve]:
        params = dataclasses.replace(asked, rank=rank)
        choices = chosen(folder, rows, dev_rows, params, team, sharded=sharded, largest=tried[-1])
        # Anew for each rank: what one adapter has left on its layers the next would not expect.
        model = prepared(folder, params, choices, sharded=sharded)
        kept = Kept(checkpoints / f"rank-{rank}", question(info, rows, params, choices))
        found = fit(
            model,
            rows,
            dev_rows,
            params=params,
            choices=choices,
            kept=kept,
            points=points,
            team=team,
        )
        return model, found

    if section.train.rank == "auto":
        groups = [row.fields.get(report.group_by or "") for row in dev]
        rank, found = climb(tried, lambda rank: attempt(rank)[1], groups=groups)
        # From its last checkpoint: no step is taken again, and none is shown.
        model, _ = attempt(rank, points=None)
    else:
        rank = section.train.rank
        model, found = attempt(rank)
    refuse_idle(model, dev_rows, found.dev_losses, room=found.choices.room)
    if not team.leads:
        return
    manifest = AdapterManifest(
        task=task,
        base=info,
        data=report.data,
        rank=rank,
        params=as_json(asked),
        trained_on=tuple(sorted({found for row in taught for found in row_hashes(row)})),
        files={},
    )
    save(model, manifest, files.adapter)
    write_record(files.training, found)
    remove(checkpoints)


def fit(
    model: PeftModel,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    *,
    params: Train,
    choices: Choices = PLAIN,
    kept: Kept | None = None,
    points: Path | None = None,
    team: Team = ALONE,
) -> Curve:
    """Train in place and return the curve.

    Args:
        choices: how; `model` holds its base as they say (`prepared`).
        kept: where checkpoints are left and looked for; None: nowhere.
        points: the file to leave each step in as it comes; None: none.
        team: the processes that train together; the first alone writes.

    Raises:
        TrainError: a loss or gradient was no finite number, naming step and rows; or the process
            was asked to end (SIGTERM), and left a checkpoint before it did.
    """
    loop = Loop(model, rows, params=params, choices=choices, team=team)
    journal = Journal(loop, kept)
    asked = kept.question if kept else ""
    with (
        bar(loop.steps, done=loop.step, quiet=not team.leads) as show,
        telling(points if team.leads else None, question=asked, resumed=loop.step) as tell,
        journal.watching() as note,
    ):

        def after(point: Point) -> None:
            show(point)
            tell(point)
            note(point)

        loop.run(after)
    dev_losses = row_losses(model, dev_rows, room=choices.room)
    some = shuffled(len(rows), seed=params.seed, epoch=0)[: len(dev_rows)]
    return curve(
        journal.points,
        seconds=journal.seconds,
        train_loss=mean_loss(model, [rows[i] for i in some], room=choices.room),
        dev_loss=per_token(dev_losses, dev_rows),
        dev_losses=dev_losses,
        resumed=journal.resumed,
        choices=choices,
    )


def chosen(
    folder: Path,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    params: Train,
    team: Team,
    *,
    sharded: bool,
    largest: int,
) -> Choices:
    """What the planner chooses for this process's part of the machine, told on stderr.

    Of a `sharded` base each process holds a part, as NF4: what travels are NF4 numbers. `largest`
    is the last rank that may be tried in this process: malloc must give back from the first on.
    """
    device = here().shared(team.size)
    fit = choose(folder, rows, dev_rows, params, device)
    if largest > int(params.rank) and not fit.choices.gives_back:
        last = choose(folder, rows, dev_rows, dataclasses.replace(params, rank=largest), device)
        choices = dataclasses.replace(fit.choices, gives_back=last.choices.gives_back)
        fit = dataclasses.replace(fit, choices=choices)
    if sharded:
        return dataclasses.replace(fit.choices, weights="nf4")
    need = f"{fit.peak.total / GIB:.2f} of {device.usable / GIB:.1f} GiB that training may use"
    if team.leads:
        how = f"{fit.choices.says()}, {computes(params, cuda=device.cuda)}"
        sys.stderr.write(f"train: {how}; {need} on {device.name}\n")
    if not fit.fits:
        LOG.warning("training may run out of memory: `pawl plan` says what would make it fit")
    return fit.choices
