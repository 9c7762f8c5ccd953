"""Records of a training: `training.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Choices:
    """How the base is held, what is stored for the backward pass, and how large a pack is.

    `weights`: unpack an NF4 weight for each product (least memory), or all of them once (the very
    same values). `checkpointing`: store the input of each decoder layer alone and recompute the
    rest (the same bits). `room`: tokens of a pack; another number sums in another order.
    `gives_back`: malloc returns what tensors free: less memory on CPU, but slower (the same bits).
    """

    weights: Literal["nf4", "dense"] = "nf4"
    checkpointing: bool = False
    room: int = 4096
    gives_back: bool = False

    def says(self) -> str:
        """The choices as text."""
        held = "unpacked once" if self.weights == "dense" else "as NF4, unpacked for each product"
        stored = "with" if self.checkpointing else "without"
        text = f"the base {held}, {stored} checkpointing, packs of up to {self.room:,} tokens"
        return text + (", malloc giving back what is freed (slower)" if self.gives_back else "")


@dataclass(frozen=True)
class Point:
    """One step: mean loss in nats a token, the gradient's norm before clipping, tokens read."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int


@dataclass(frozen=True)
class RankTrial:
    """One rank that `train.rank: auto` trained; `kept` unless it was no better than the one before.

    Losses are in nats a completion token: `dev_loss` of all dev rows, `train_loss` of as many train
    rows. `p` is the chance of such losses if the smaller rank were as good; None for the first.
    """

    rank: int
    train_loss: float
    dev_loss: float
    p: float | None
    kept: bool
    seconds: float

    @property
    def gap(self) -> float:
        """By what the loss on rows that were not learned exceeds that on rows that were."""
        return self.dev_loss - self.train_loss


@dataclass(frozen=True)
class Training:
    """How a training went: `training.json`.

    `tokens` are real tokens (no padding) over all steps and `seconds` wall time, also of runs that
    were cut off and continued, from the steps `resumed`. `dev_loss` is in nats a completion token,
    `train_loss` that of as many train rows after the training; `dev_losses` the sum a dev row, in
    their order. With `train.rank: auto` `rungs` are the ranks that were tried, `seconds` of all.
    """

    points: tuple[Point, ...]
    train_loss: float
    dev_loss: float
    seconds: float
    tokens: int
    tokens_per_second: float
    # Files of earlier versions lack the rest.
    dev_losses: tuple[float, ...] = ()
    choices: Choices = Choices()
    resumed: tuple[int, ...] = ()
    rungs: tuple[RankTrial, ...] = ()
