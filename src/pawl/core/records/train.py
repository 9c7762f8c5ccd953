"""Records of a training: `training.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Passes = Literal["packed", "rows", "own"]
SLOWER = {
    "rows": "a row at a time",
    "own": "a row at a time by the model's own attention and head",
}


@dataclass(frozen=True)
class Choices:
    """How the base is held, what is stored for the backward pass, and how large a pack is.

    `weights`: unpack an NF4 weight for each product (least memory), or all of them once (the very
    same values). `checkpointing`: store the input of each decoder layer alone and recompute the
    rest (the same bits). `room`: tokens of a pack; another number sums in another order.
    `passes`: rows packed, or a row at a time, or so by the model's own attention and head;
    the first that agrees with the last (`Agreement`).
    `gives_back`: malloc returns what tensors free: less memory on CPU, but slower (the same bits).
    """

    weights: Literal["nf4", "dense"] = "nf4"
    checkpointing: bool = False
    room: int = 4096
    gives_back: bool = False
    passes: Passes = "packed"

    def says(self) -> str:
        """The choices as text."""
        held = "unpacked once" if self.weights == "dense" else "as NF4, unpacked for each product"
        stored = "with" if self.checkpointing else "without"
        packs = f"packs of up to {self.room:,} tokens"
        text = f"the base {held}, {stored} checkpointing, {SLOWER.get(self.passes, packs)}"
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
class DevPoint:
    """The loss of all dev rows after a step, in nats a completion token."""

    step: int
    loss: float


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
class StartTrial:
    """One start that was trained from: new weights, or those of version `version` (`digest`).

    Losses as in `RankTrial`; `kept`: its adapter is the candidate.
    """

    version: int | None
    digest: str | None
    train_loss: float
    dev_loss: float
    kept: bool
    seconds: float


@dataclass(frozen=True)
class Agreement:
    """How far a training's passes are from the model's own forward pass, before the first step.

    Relative errors of the loss and of the adapter's whole gradient on two rows, and the most that
    rounding may explain. `given_up` says why faster passes were not taken.
    """

    loss_error: float
    gradient_error: float
    tolerance: float
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """How a training went: `training.json`.

    `tokens` are real tokens (no padding) over all steps and `seconds` wall time, also of runs that
    were cut off and continued, from the steps `resumed`. `dev_loss` is in nats a completion token,
    `train_loss` that of as many train rows after the training; `dev_losses` the sum a dev row, in
    their order. With `train.rank: auto` `rungs` are the ranks that were tried, `seconds` of all.

    `dev_points` are the dev losses measured meanwhile, `kept` the step whose weights the adapter
    has, None in files of earlier versions: the last. `planned` are the steps that the training
    would have taken; with fewer `points` dev loss ended it early. `starts` are those that were
    trained from where `train.start` is not `base`; `seconds` are of all.
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
    agreement: Agreement | None = None
    dev_points: tuple[DevPoint, ...] = ()
    kept: int | None = None
    planned: int | None = None
    starts: tuple[StartTrial, ...] = ()
