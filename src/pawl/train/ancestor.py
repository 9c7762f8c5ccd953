"""Where a training starts: from new weights, from the champion's, or from each of them in turn.

The champion enters as a snapshot that the flow left, so that the stage replays from files. An
adapter that goes on from it names it by digest, and inherits the rows that it learned: none of them
judges the adapter, and none of them is a dev row by which weights are chosen.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Train, as_json
from pawl.core.files import whole_folder
from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    Example,
    StartTrial,
    Training,
    read_record,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError, ParamsError
from pawl.model.adapter import read_adapter
from pawl.train.process_group import ProcessGroup
from pawl.workspace.paths import Workspace

RECORD, ADAPTER = "champion.json", "adapter"
# Parameters that decide what an adapter's weights are and mean.
SHAPE = ("alpha", "targets", "dora")


@dataclass(frozen=True)
class Ancestor:
    """A released adapter whose weights a training may begin with."""

    version: int
    folder: Path
    manifest: AdapterManifest


def ancestor(workspace: Workspace, task: str) -> None:
    """Leave the flow's snapshot as it is; without one write that there is no champion."""
    folder = workspace.files(task).ancestor
    if not (folder / RECORD).exists():
        with whole_folder(folder) as new:
            write_record(new / RECORD, Champion())


def find_ancestor(workspace: Workspace, task: str) -> Ancestor | None:
    """The champion that the task's training begins with; None: it begins with new weights.

    Raises:
        ParamsError: `train.start: champion`, and its weights are not those that would be trained.
        AdapterError: the snapshot was altered.
    """
    files, params = workspace.files(task), workspace.task(task).train
    if params.start == "base":
        return None
    champion = read_record(files.ancestor / RECORD, Champion)
    if champion.version is None:
        return None
    folder = files.ancestor / ADAPTER
    manifest = read_adapter(folder)
    if manifest.digest != champion.digest:
        raise DataError(
            f"the snapshot of champion {champion.version} has digest {manifest.digest[:12]}",
            rule=f"the ledger released {(champion.digest or 'nothing')[:12]}",
            remedy="delete build/TASK/ancestor and run `pawl run` again",
        )
    if misfit(champion.version, manifest, read_record(files.base, BaseInfo), params):
        return None
    return Ancestor(champion.version, folder, manifest)


def misfit(version: int, manifest: AdapterManifest, base: BaseInfo, params: Train) -> str:
    """By what a version differs from what would be trained on the base; '' if by nothing.

    Raises:
        ParamsError: it differs, and `train.start: champion` leaves nothing else to begin with.
    """
    other = _difference(manifest, base, params)
    if other and params.start == "champion":
        raise ParamsError(
            f"`train.start: champion`, but version {version} has {other}",
            rule="a training that goes on from the champion's weights has its base, rank, "
            f"{', '.join(SHAPE)}",
            remedy="set `train.start: base` until such an adapter is champion; with `both` that "
            "happens by itself",
        )
    return other


def _difference(manifest: AdapterManifest, base: BaseInfo, params: Train) -> str:
    if manifest.base.digest != base.digest:
        return f"the base {manifest.base.model} ({manifest.base.digest[:12]}), not {base.model}"
    wanted = as_json(params)
    said = as_json(Train()) | manifest.params | {"rank": manifest.rank}
    for key in ("rank", *SHAPE):
        if said[key] != wanted[key]:
            return f"{key} {said[key]}, not {wanted[key]}"
    return ""


def starts(start: str, ancestor: Ancestor | None) -> list[Ancestor | None]:
    """What to train from, one after the other; None: new weights."""
    if ancestor is None:
        return [None]
    return [ancestor] if start == "champion" else [None, ancestor]


def begins(start: str, ancestor: Ancestor | None) -> str:
    """What a training begins with, in a sentence."""
    if ancestor is None:
        return "begins with new weights: there is no champion that it could go on from"
    own = f"the weights of version {ancestor.version}"
    return (
        f"begins with {own}" if start == "champion" else f"trains from new weights and from {own}"
    )


def unlearned(dev: Sequence[Example], ancestor: Ancestor | None) -> list[Example]:
    """The dev rows that the ancestor did not learn: only these choose between weights.

    Raises:
        DataError: there are none.
    """
    if ancestor is None:
        return list(dev)
    left = [row for row in dev if ancestor.manifest.learned.isdisjoint(row_hashes(row))]
    if not left:
        raise DataError(
            f"version {ancestor.version} was trained on all {len(dev)} dev rows",
            rule="a training is measured on rows that it was not trained on",
            remedy="set `train.start: base`, or add rows; do not change `split.salt` of a task "
            "that has a champion",
        )
    return left


def pick_start(
    tried: Sequence[Ancestor | None],
    attempt: Callable[[Ancestor | None], Training],
    *,
    process_group: ProcessGroup,
) -> tuple[Ancestor | None, Training]:
    """Train from each; return the start with the lowest dev loss, and its training with all trials.

    The earlier one of equals. Dev decides, so that there is one candidate and one look.
    """
    trainings = [attempt(start) for start in tried]
    losses = [process_group.mean(training.dev_loss) for training in trainings]
    best = losses.index(min(losses))
    record = with_trials(tried, trainings, kept=best)
    if process_group.is_main:
        sys.stderr.write(f"train: {told(record.starts)}\n")
    return tried[best], record


def with_trials(
    tried: Sequence[Ancestor | None], trainings: Sequence[Training], *, kept: int
) -> Training:
    """The record of the training that was kept, with all starts and the seconds of all."""
    trials = tuple(
        StartTrial(
            version=start.version if start else None,
            digest=start.manifest.digest if start else None,
            train_loss=training.train_loss,
            dev_loss=training.dev_loss,
            kept=number == kept,
            seconds=training.seconds,
        )
        for number, (start, training) in enumerate(zip(tried, trainings, strict=True))
    )
    seconds = round(sum(training.seconds for training in trainings), 2)
    return dataclasses.replace(trainings[kept], starts=trials, seconds=seconds)


def told(trials: Sequence[StartTrial]) -> str:
    """The starts with their dev losses, in a sentence."""
    names = [
        f"{'new weights' if trial.version is None else f'version {trial.version}'} "
        f"(dev loss {trial.dev_loss:.4g})"
        for trial in sorted(trials, key=lambda trial: not trial.kept)
    ]
    return f"the candidate is the one from {' rather than from '.join(names)}"
