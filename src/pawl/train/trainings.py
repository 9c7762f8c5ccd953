"""The trainings of one stage, which differ in their rank or in their start alone.

Each is planned (`pawl.train.fit`), run (`pawl.train.training`) and resumed after an interruption
(`pawl.train.journal`).
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.preconditions import refuse_base_faults
from pawl.config.schema import Train
from pawl.core.records import BaseInfo, Choices, Example, Training, read_record
from pawl.model.base import base_width, find_base
from pawl.model.cached_batches import sharing
from pawl.model.tokenizer import load_tokenizer
from pawl.train.agreement import agreed
from pawl.train.ancestor import Ancestor
from pawl.train.device import GIB, computes, here, settled
from pawl.train.fit import choose
from pawl.train.journal import Checkpoints, training_fingerprint
from pawl.train.process_group import ProcessGroup
from pawl.train.qlora import prepared
from pawl.train.rank import ranks
from pawl.train.rows import Row, token_rows
from pawl.train.training import fit
from pawl.workspace.paths import Workspace

if TYPE_CHECKING:
    from peft import PeftModel

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Trainings:
    """What the trainings of a stage share.

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


def trainings_of(
    workspace: Workspace,
    task: str,
    train_examples: Sequence[Example],
    dev: Sequence[Example],
    process_group: ProcessGroup,
) -> Trainings:
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
    return Trainings(
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
