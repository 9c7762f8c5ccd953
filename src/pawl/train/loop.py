"""The training loop: AdamW over packs; a resumed training takes the same steps.

A step trains on `batch_size` rows in an order drawn by the seed, in as few packs as `room` allows;
the loss is the mean over all their completion tokens. Everything else that a step depends on is in
`Loop.state`, so that a training resumed from one ends in the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Train
from pawl.core.files import digest_json
from pawl.core.records import Choices, Point
from pawl.errors import TrainError
from pawl.train.choices import PLAIN
from pawl.train.passes import only_adapter_drops, packed_mode, summed_loss
from pawl.train.process_group import SINGLE, ProcessGroup
from pawl.train.process_settings import training_settings
from pawl.train.rows import Row

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

SHOWN = 5


class Loop:
    """A model in training; `step` is the number of steps taken, `steps` the total.

    `best` are the weights to return to after the training, in main memory; empty: none.
    """

    def __init__(
        self,
        model: PeftModel,
        rows: Sequence[Row],
        *,
        params: Train,
        choices: Choices = PLAIN,
        process_group: ProcessGroup = SINGLE,
    ) -> None:
        import torch

        self.model, self.rows, self.params = model, rows, params
        self.choices, self.process_group = choices, process_group
        self.step = 0
        self.steps = step_count(len(rows), params)
        self.steps_per_epoch = math.ceil(len(rows) / params.batch_size)
        self.best: dict[str, torch.Tensor] = {}
        self.weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.weights, params),
            lr=0.0,
            betas=params.betas,
            weight_decay=params.weight_decay,
            fused=True,
        )

    def run(self, after: Callable[[Point], None], *, until: int | None = None) -> None:
        """Take the remaining steps up to `until` (None: all); call `after` with each.

        Raises:
            TrainError: a loss or gradient is not finite; the message names step and rows.
        """
        end = self.steps if until is None else until
        if self.step >= end:
            return
        with training_settings(), packed_mode(self.model, self.choices):
            only_adapter_drops(self.model)
            for batch in self._batches(end):
                after(self._take(batch))

    def _take(self, batch: Sequence[Row]) -> Point:
        import torch

        self.step += 1
        rate = self.params.learning_rate * rate_factor(self.params, self.step - 1, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["pace"]
        # Dropout is seeded by the step, so that no random state has to be saved.
        torch.manual_seed(mix_seed(self.params.seed, self.step, self.process_group.rank))
        targets = sum(row.targets for row in batch)
        total = torch.zeros((), device=self.model.device)
        for pack, weight in self.process_group.packs(batch, self.choices):
            part = summed_loss(self.model, pack) * weight / targets
            part.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types here
            total += part.detach()
        gradients = [w.grad for w in self.weights.values() if w.grad is not None]
        self.process_group.all_reduce([total, *gradients])
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), self.params.max_grad_norm)
        # The only synchronisation with the device in a step.
        loss, grad_norm = torch.stack((total, norm)).tolist()
        point = Point(self.step, loss, rate, grad_norm, sum(map(len, batch)))
        _refuse_non_finite(point, batch)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return point

    def _batches(self, end: int) -> Iterator[list[Row]]:
        """The batches of the steps up to `end`."""
        size = self.params.batch_size
        while self.step < end:
            epoch, start = divmod(self.step, self.steps_per_epoch)
            order = shuffled(len(self.rows), seed=self.params.seed, epoch=epoch)
            yield [self.rows[i] for i in order[start * size : (start + 1) * size]]

    def remember(self) -> None:
        """Make the weights of this step the best."""
        # On a card `cpu` copies by itself.
        self.best = {name: w.detach().cpu().clone() for name, w in self.weights.items()}

    def return_to_best(self) -> None:
        """Give the model the best weights, if there are any."""
        import torch

        with torch.no_grad():
            for name, weight in self.best.items():
                self.weights[name].copy_(weight)

    def state(self) -> dict[str, torch.Tensor]:
        """All that the end depends on besides rows and parameters: weights, optimiser, `best`."""
        state = {f"weight.{name}": weight.detach() for name, weight in self.weights.items()}
        state |= {f"best.{name}": weight for name, weight in self.best.items()}
        for name, weight in self.weights.items():
            for part, value in self.optimizer.state[weight].items():
                state[f"{part}.{name}"] = value
        return state

    def resume(self, step: int, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the `state` after `step`.

        Raises:
            KeyError: `state` is incomplete.
        """
        import torch

        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state[f"weight.{name}"])
                self.optimizer.state[weight] = {
                    part: state[f"{part}.{name}"].clone().to(weight.device)
                    for part in ("step", "exp_avg", "exp_avg_sq")
                }
        self.best = {name: state[key] for name in self.weights if (key := f"best.{name}") in state}
        self.step = step


def parameter_groups(weights: Mapping[str, torch.Tensor], params: Train) -> list[dict[str, Any]]:
    """The optimiser's parameter groups; `pace` is the multiple of the learning rate.

    LoRA+ (Hayou et al. 2024): B starts at zero and gets `lora_plus` times the rate of A.
    """
    sides: dict[bool, list[torch.Tensor]] = {False: [], True: []}
    for name, weight in weights.items():
        sides[".lora_B." in name].append(weight)
    return [
        {"params": sides[False], "pace": 1.0},
        {"params": sides[True], "pace": params.lora_plus},
    ]


def step_count(rows: int, params: Train) -> int:
    """The number of steps; the last of an epoch may have fewer rows."""
    return math.ceil(params.epochs * math.ceil(rows / params.batch_size))


def rate_factor(params: Train, step: int, steps: int) -> float:
    """The learning rate's factor in a step, from 0: linear warm-up, then `train.schedule`."""
    warmup = math.ceil(params.warmup * steps)
    if step < warmup:
        return step / warmup
    if params.schedule == "constant":
        return 1.0
    done = (step - warmup) / max(1, steps - warmup)
    return 1 - done if params.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))


def shuffled(rows: int, *, seed: int, epoch: int) -> list[int]:
    """The order of rows in an epoch; depends on seed and epoch alone."""
    import torch

    generator = torch.Generator().manual_seed(seed * 2**16 + epoch)
    return torch.randperm(rows, generator=generator).tolist()


def mix_seed(*numbers: int) -> int:
    """A seed of 32 bits from several numbers."""
    return int(digest_json(numbers)[:8], 16)


def row_ids(rows: Sequence[Row]) -> str:
    """The ids of the first rows, and how many more there are."""
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return ", ".join(row.id for row in rows[:SHOWN]) + more


def _refuse_non_finite(point: Point, batch: Sequence[Row]) -> None:
    values = {"loss": point.loss, "gradient": point.grad_norm}
    names = [name for name, value in values.items() if not math.isfinite(value)]
    if not names:
        return
    raise TrainError(
        f"{' and '.join(names)} at step {point.step} is not a finite number; "
        f"its rows: {row_ids(batch)}",
        rule="training stops at the first NaN or infinity and writes no adapter",
        remedy="lower `train.learning_rate`, or look for broken rows among those named",
    )
