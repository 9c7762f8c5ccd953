"""Checkpoints: a training that was killed resumes from one and ends in the same bytes.

A checkpoint is a folder that is written atomically, and is used only if its manifest matches its
bytes and the fingerprint of the training. The newest two are retained.
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
from pawl.core.records import DevPoint, Point, read_record, to_json, write_record
from pawl.errors import PawlError

if TYPE_CHECKING:
    import torch

LOG = logging.getLogger(__name__)
STATE, MANIFEST = "state.safetensors", "checkpoint.json"
RETAINED = 2


@dataclass(frozen=True)
class Checkpoint:
    """`question` is the training's fingerprint, `state` the sha256 of the state file's bytes.

    `seconds` is the wall time so far, `resumed` the steps from which the training was resumed,
    `dev_points` the dev losses so far, `seal` the digest of all other fields.
    """

    question: str
    step: int
    state: str
    points: tuple[Point, ...]
    seconds: float
    resumed: tuple[int, ...] = ()
    dev_points: tuple[DevPoint, ...] = ()
    seal: str = ""

    def sealed(self) -> Checkpoint:
        """The same with its seal computed."""
        bare = dataclasses.replace(self, seal="")
        return dataclasses.replace(self, seal=digest_json(to_json(bare)))


def save_checkpoint(
    folder: Path, state: Mapping[str, torch.Tensor], checkpoint: Checkpoint
) -> None:
    """Write a checkpoint, its digest and seal computed, and delete all but the newest."""
    from safetensors.torch import save as serialised

    with whole_folder(folder / f"step-{checkpoint.step:08}") as new:
        tensors = {name: value.cpu().contiguous() for name, value in state.items()}
        (new / STATE).write_bytes(serialised(tensors))
        digested = dataclasses.replace(checkpoint, state=digest_file(new / STATE))
        write_record(new / MANIFEST, digested.sealed())
    for old in _newest_first(folder)[RETAINED:]:
        remove(old)


def latest_checkpoint(
    folder: Path, *, fingerprint: str
) -> tuple[Checkpoint, dict[str, torch.Tensor]] | None:
    """The newest valid checkpoint of this training, with its state; None if there is none.

    A damaged one is skipped with a warning.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    for place in _newest_first(folder):
        try:
            checkpoint = read_record(place / MANIFEST, Checkpoint)
            if checkpoint.question != fingerprint:
                continue
            if checkpoint != checkpoint.sealed():
                raise ValueError(f"{MANIFEST} does not match its seal")
            data = (place / STATE).read_bytes()
            if hashlib.sha256(data).hexdigest() != checkpoint.state:
                raise ValueError(f"{STATE} does not match the digest in {MANIFEST}")
            state = load(data)
        except (OSError, ValueError, PawlError, SafetensorError) as error:
            LOG.warning("the checkpoint %s is damaged and not used: %s", place.name, error)
            continue
        return checkpoint, state
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True) if folder.is_dir() else []
