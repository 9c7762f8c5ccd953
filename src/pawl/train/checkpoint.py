"""Checkpoints: all that a killed training needs to end in the same bytes as one that was not.

A checkpoint is a folder that appears whole or not at all, and is believed only where its manifest
names the bytes that lie there and the very training that asks. The last two are kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.core.files import digest_file, digest_json, remove, whole_folder
from pawl.core.records import read_record, to_json, write_record
from pawl.errors import PawlError
from pawl.train.loop import Point

if TYPE_CHECKING:
    import torch

LOG = logging.getLogger(__name__)
STATE, MANIFEST = "state.safetensors", "checkpoint.json"
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """`question` is what is being trained, `state` the sha256 of the state file's bytes.

    `seconds` is the wall time so far, `resumed` the steps from which a run was continued, `seal`
    the digest of all the rest.
    """

    question: str
    step: int
    state: str
    points: tuple[Point, ...]
    seconds: float
    resumed: tuple[int, ...] = ()
    seal: str = ""

    def sealed(self) -> Checkpoint:
        """The same with its seal."""
        bare = dataclasses.replace(self, seal="")
        return dataclasses.replace(self, seal=digest_json(to_json(bare)))


def leave(
    folder: Path,
    state: Mapping[str, torch.Tensor],
    *,
    question: str,
    points: tuple[Point, ...],
    seconds: float,
    resumed: tuple[int, ...],
) -> None:
    """Write a checkpoint after the last of `points` and drop all but the newest."""
    from safetensors.torch import save as serialised

    step = points[-1].step
    with whole_folder(folder / f"step-{step:08}") as new:
        held = {name: value.cpu().contiguous() for name, value in state.items()}
        (new / STATE).write_bytes(serialised(held))
        digest = digest_file(new / STATE)
        made = Checkpoint(question, step, digest, points, seconds, resumed)
        write_record(new / MANIFEST, made.sealed())
    for old in _newest_first(folder)[KEPT:]:
        remove(old)


def last(folder: Path, *, question: str) -> tuple[Checkpoint, dict[str, torch.Tensor]] | None:
    """The newest checkpoint that is whole and of this training, with its state; None if none is.

    One that is damaged is named on stderr and passed over.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    for place in _newest_first(folder):
        try:
            made = read_record(place / MANIFEST, Checkpoint)
            if made != made.sealed():
                raise ValueError(f"{MANIFEST} is not what was written")
            data = (place / STATE).read_bytes()
            if hashlib.sha256(data).hexdigest() != made.state:
                raise ValueError(f"{STATE} is not what {MANIFEST} says")
            state = load(data)
        except (OSError, ValueError, PawlError, SafetensorError) as error:
            LOG.warning("the checkpoint %s is damaged and not used: %s", place.name, error)
            continue
        if made.question == question:
            return made, state
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True) if folder.is_dir() else []
