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

from pawl.config.schema import Train
from pawl.core.files import digest_json
from pawl.errors import TrainError
from pawl.train.attention import Rows, attending_packed, rows_of
from pawl.train.choices import PLAIN, Choices
from pawl.train.fused import fused
from pawl.train.layers import widened
from pawl.train.loss import completion_loss
from pawl.train.pack import Pack
from pawl.train.rows import Row
from pawl.train.steady import steady
from pawl.train.team import ALONE, Team

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

    def __init__(
        self,
        model: PeftModel,
        rows: Sequence[Row],
        *,
        params: Train,
        choices: Choices = PLAIN,
        team: Team = ALONE,
    ) -> None:
        import torch

        self.model, self.rows, self.params = model, rows, params
        self.choices, self.team = choices, team
        self.step = 0
        self.steps = steps(len(rows), params)
        self.weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            paced(self.weights, params), lr=0.0, betas=BETAS, weight_decay=0.0, fused=True
        )

    def run(self, after: Callable[[Point], None]) -> None:
        """Take all steps that are left; `after` is called with each.

        Raises:
            TrainError: a loss or gradient is no finite number; names the step and its rows.
        """
        self.model.train()
        with steady(), ready(self.model, checkpointing=self.choices.checkpointing):
            for batch in self._batches():
                after(self._take(batch))

    def _take(self, batch: Sequence[Row]) -> Point:
        import torch

        self.step += 1
        rate = self.params.learning_rate * warmed(self.step - 1, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["pace"]
        # What dropout draws follows from the step, too: no random state has to be kept.
        torch.manual_seed(mixed(self.params.seed, self.step, self.team.rank))
        learned = sum(len(row) - row.prompt for row in batch)
        total = torch.zeros((), device=self.model.device)
        for pack, counts in self.team.packs(batch, room=self.choices.room):
            part = summed_loss(self.model, pack) * counts / learned
            part.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types here
            total += part.detach()
        slopes = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        self.team.add([total, *slopes])
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
        found = {f"weight.{name}": weight.detach() for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            for part, value in self.optimizer.state[weight].items():
                found[f"{part}.{name}"] = value
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
        self.step = step


@contextmanager
def ready(model: PeftModel, *, checkpointing: bool = False) -> Iterator[None]:
    """Within this, the model takes packs; with `checkpointing` it keeps, while it trains, a decoder
    layer's input alone and computes the rest again in the backward pass.
    """
    base = _base(model)
    with attending_packed(base), widened(model), fused(base):
        if checkpointing:
            base.activation_checkpointing_enable()
        try:
            yield
        finally:
            if checkpointing:
                base.activation_checkpointing_disable()


def summed_loss(model: PeftModel, pack: Pack, *, rows: Rows | None = None) -> torch.Tensor:
    """The cross-entropy of the pack's completion tokens, summed, in nats.

    `rows` says where the pack's rows lie, for another device than the model's.
    """
    states = learned_states(model, pack, rows=rows)
    return completion_loss(_base(model), states, pack.targets.to(model.device))


def learned_states(model: PeftModel, pack: Pack, *, rows: Rows | None = None) -> torch.Tensor:
    """[N, width]: the base's last hidden states where the next token is learned."""
    base, device = _base(model), model.device
    hidden: torch.Tensor = base.base_model(
        input_ids=pack.ids.to(device),
        position_ids=pack.positions.to(device),
        use_cache=False,
        pawl_rows=rows or rows_of(pack.lengths, pack.read.to(device)),
    ).last_hidden_state[0]
    return hidden[pack.at.to(device)]


def paced(weights: Mapping[str, torch.Tensor], params: Train) -> list[dict[str, Any]]:
    """Groups of weights for the optimiser by their `pace`, the multiple of the learning rate.

    LoRA+ (Hayou et al. 2024): B starts at zero and wants a larger rate than A, by `lora_plus`.
    """
    sides: dict[bool, list[torch.Tensor]] = {False: [], True: []}
    for name, weight in weights.items():
        sides[".lora_B." in name].append(weight)
    return [
        {"params": sides[False], "pace": 1.0},
        {"params": sides[True], "pace": params.lora_plus},
    ]


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


def mixed(*numbers: int) -> int:
    """A seed of 32 bits, which is what torch's generator takes, from several numbers."""
    return int(digest_json(numbers)[:8], 16)


def named(rows: Sequence[Row]) -> str:
    """The ids of the first rows, and how many more there are."""
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return ", ".join(row.id for row in rows[:SHOWN]) + more


def _base(model: PeftModel) -> PreTrainedModel:
    base: Any = model.get_base_model()
    return base


def _refuse_odd(point: Point, batch: Sequence[Row]) -> None:
    found = {"loss": point.loss, "gradient": point.grad_norm}
    odd = [name for name, value in found.items() if not math.isfinite(value)]
    if not odd:
        return
    raise TrainError(
        f"{' and '.join(odd)} at step {point.step} is not a finite number; "
        f"its rows: {named(batch)}",
        rule="training stops at the first NaN or infinity and leaves no adapter",
        remedy="lower `train.learning_rate`, or look for broken rows among those named",
    )
