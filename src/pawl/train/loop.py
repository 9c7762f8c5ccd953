"""The training loop: AdamW over packs, the same steps whatever came between.

A step learns `batch_size` rows drawn by the seed, in as few packs as `room` allows; the loss is the
mean over all their completion tokens. Everything that a step depends on is in `State`, so that a
run continued from one ends in the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pawl.errors import TrainError
from pawl.params import Train
from pawl.train.attention import attending_packed, rows_of
from pawl.train.fused import fused
from pawl.train.layers import widened
from pawl.train.loss import completion_loss
from pawl.train.pack import Pack, packed
from pawl.train.rows import Row

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

WARMUP = 0.06
# A few hundred steps: the default of 0.999 would remember the first ones to the end.
BETAS = (0.9, 0.99)
LONGEST_GRADIENT = 1.0
SHOWN = 5


@dataclass(frozen=True)
class Point:
    """One step: mean loss in nats a token, the gradient's norm before clipping, tokens read."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int


class Loop:
    """A model in training; `step` is the number of steps taken, `steps` that of all."""

    def __init__(self, model: PeftModel, rows: Sequence[Row], *, params: Train, room: int) -> None:
        import torch

        self.model, self.rows, self.params, self.room = model, rows, params, room
        self.step = 0
        self.steps = steps(len(rows), params)
        self.weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=0.0, betas=BETAS, weight_decay=0.0, fused=True
        )

    def run(self, after: Callable[[Point], None]) -> None:
        """Take all steps that are left; `after` is called with each.

        Raises:
            TrainError: a loss or gradient is no finite number; names the step and its rows.
        """
        self.model.train()
        with ready(self.model):
            for batch in self._batches():
                after(self._take(batch))

    def _take(self, batch: Sequence[Row]) -> Point:
        import torch

        self.step += 1
        rate = self.params.learning_rate * warmed(self.step - 1, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        packs = packed(batch, room=self.room)
        learned = sum(len(pack.targets) for pack in packs)
        total = torch.zeros((), device=self.model.device)
        for pack in packs:
            part = summed_loss(self.model, pack) / learned
            part.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types here
            total += part.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), LONGEST_GRADIENT)
        # The one wait for the device in a step.
        loss, length = torch.stack((total, norm)).tolist()
        point = Point(self.step, loss, rate, length, sum(map(len, batch)))
        _refuse_odd(point, batch)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return point

    def _batches(self) -> Iterator[list[Row]]:
        """The batches of the steps that are left."""
        size = self.params.batch_size
        each = math.ceil(len(self.rows) / size)
        while self.step < self.steps:
            epoch, start = divmod(self.step, each)
            order = shuffled(len(self.rows), seed=self.params.seed, epoch=epoch)
            yield [self.rows[i] for i in order[start * size : (start + 1) * size]]

    def state(self) -> dict[str, torch.Tensor]:
        """All that the steps to come depend on, beside rows and parameters."""
        import torch

        found = {f"weight.{name}": weight.detach() for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            for part, value in self.optimizer.state[weight].items():
                found[f"{part}.{name}"] = value
        found["random"] = torch.get_rng_state()
        if torch.cuda.is_available():
            found["random.cuda"] = torch.cuda.get_rng_state()
        return found

    def resume(self, step: int, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `state` returned after `step`.

        Raises:
            KeyError: a part is missing.
        """
        import torch

        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state[f"weight.{name}"])
                self.optimizer.state[weight] = {
                    part: state[f"{part}.{name}"].clone().to(weight.device)
                    for part in ("step", "exp_avg", "exp_avg_sq")
                }
        torch.set_rng_state(state["random"].cpu())
        if torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random.cuda"].cpu())
        self.step = step


@contextmanager
def ready(model: PeftModel) -> Iterator[None]:
    """Within this, the model takes packs."""
    base = _base(model)
    with attending_packed(base), widened(model), fused(base):
        yield


def summed_loss(model: PeftModel, pack: Pack) -> torch.Tensor:
    """The cross-entropy of the pack's completion tokens, summed, in nats."""
    base, device = _base(model), model.device
    read = pack.at.to(device)
    hidden = base.base_model(
        input_ids=pack.ids.to(device),
        position_ids=pack.positions.to(device),
        use_cache=False,
        pawl_rows=rows_of(pack.lengths, read),
    ).last_hidden_state[0]
    return completion_loss(base, hidden[read], pack.targets.to(device))


def mean_loss(model: PeftModel, rows: Sequence[Row], *, room: int) -> float:
    """Cross-entropy per completion token, in nats, over all rows; nothing is learned."""
    import torch

    model.eval()
    packs = packed(rows, room=room)
    with ready(model), torch.no_grad():
        total = sum(float(summed_loss(model, pack)) for pack in packs)
    return total / sum(len(pack.targets) for pack in packs)


def steps(rows: int, params: Train) -> int:
    """How many steps the training takes; the last of an epoch may have fewer rows."""
    return math.ceil(params.epochs * math.ceil(rows / params.batch_size))


def warmed(step: int, steps: int) -> float:
    """The share of the learning rate in a step, from 0: a linear warm-up, then half a cosine."""
    warmup = math.ceil(WARMUP * steps)
    if step < warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def shuffled(rows: int, *, seed: int, epoch: int) -> list[int]:
    """The order of an epoch, by seed and epoch alone."""
    import torch

    generator = torch.Generator().manual_seed(seed * 2**16 + epoch)
    return torch.randperm(rows, generator=generator).tolist()


def _base(model: PeftModel) -> PreTrainedModel:
    base: Any = model.get_base_model()
    return base


def _refuse_odd(point: Point, batch: Sequence[Row]) -> None:
    found = {"loss": point.loss, "gradient": point.grad_norm}
    odd = [name for name, value in found.items() if not math.isfinite(value)]
    if not odd:
        return
    named = ", ".join(row.id for row in batch[:SHOWN])
    more = f" and {len(batch) - SHOWN} more" if len(batch) > SHOWN else ""
    raise TrainError(
        f"{' and '.join(odd)} at step {point.step} is not a finite number; its rows: {named}{more}",
        rule="training stops at the first NaN or infinity and leaves no adapter",
        remedy="lower `train.learning_rate`, or look for broken rows among those named",
    )
