"""Plan a training: parameters, memory, choices, time, and what to change if it does not fit.

The base's config.json is enough. With its tokenizer the task's own rows are planned for, else rows
of `train.max_length`; with its weights a few real steps measure the time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Train
from pawl.core.records import SLOWER, BaseRef, Choices, Example
from pawl.model.adapted_layers import linear_names
from pawl.model.base import has_tokenizer
from pawl.model.live_memory import Peak
from pawl.model.tokenizer import load_tokenizer
from pawl.train.calibrate import Calibration, calibrate
from pawl.train.device import GIB, KEPT, Device, computes
from pawl.train.fake_model import meta_base
from pawl.train.fit import Fit, choose, remedies
from pawl.train.rows import Row, token_rows

HOUR = 3600.0


@dataclass(frozen=True)
class Size:
    """Numbers of parameters: those that LoRA trains, and those of the frozen base."""

    trainable: int
    base: int


@dataclass(frozen=True)
class TrainingPlan:
    """`peak` memory under `choices`; `tokens` of the whole training (None: the rows were assumed),
    expected `seconds` and `cost` (None: cannot be measured here).

    `says` is the same as text, with remedies if it does not fit.
    """

    device: Device
    usable: int
    choices: Choices
    peak: Peak
    fits: bool
    tokens: int | None
    speed: Calibration | None
    seconds: float | None
    cost: float | None
    says: tuple[str, ...]


def size(folder: Path, *, rank: int, targets: Sequence[str] | None = None) -> Size:
    """Count parameters on torch's meta device (shapes without memory).

    A LoRA pair on a layer of shape [out, in] has rank × (in + out) parameters. `targets` are the
    layers' names, None: all but the head.
    """
    import torch

    model = meta_base(folder, torch.float32)
    names = set(targets or linear_names(model))
    pairs = (
        rank * (layer.in_features + layer.out_features)
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.rpartition(".")[2] in names
    )
    return Size(trainable=sum(pairs), base=sum(p.numel() for p in model.parameters()))


def plan(
    folder: Path,
    splits: tuple[Sequence[Example], Sequence[Example]],
    params: Train,
    device: Device,
    *,
    train_hour: float | None,
    base: BaseRef | None = None,
) -> TrainingPlan:
    """Plan the training on the first of `splits` (train, dev) for the device.

    Args:
        folder: the base's; with its config.json, and perhaps tokenizer and weights.
        train_hour: the price of an hour, None if not given.
        base: has what the base's chat template is given; None: nothing.

    Raises:
        DataError: a row does not fit in `train.max_length`.
    """
    tokenised = bool(splits[0]) and has_tokenizer(folder)
    if tokenised:
        tokenizer = load_tokenizer(folder, base)
        rows, dev_rows = (
            token_rows(part, tokenizer, max_length=params.max_length) for part in splits
        )
    else:
        rows, dev_rows = assumed(params), []
    fit = choose(folder, rows, dev_rows, params, device)
    tokens = round(sum(map(len, rows)) * params.epochs) if tokenised else None
    untimed = _untimed(folder, device, tokenised=tokenised, fits=fit.fits)
    speed = None if untimed else calibrate(folder, rows, params, fit.choices)
    choices = dataclasses.replace(fit.choices, passes=speed.passes) if speed else fit.choices
    if speed is None:
        untimed = untimed or "a step of this base takes minutes on this machine"
    seconds = tokens / speed.tokens_per_second if tokens and speed else None
    cost = None if seconds is None or train_hour is None else train_hour * seconds / HOUR
    texts = [f"{_fits(fit, device)}, {computes(params, cuda=device.cuda)}"]
    if choices.passes in SLOWER:
        texts.append(
            f"trains {SLOWER[choices.passes]}: faster passes do not agree with this base's own"
        )
    if not fit.fits:
        texts.append(
            "what would fit: " + ", or ".join(remedies(folder, rows, dev_rows, params, device))
        )
    if not tokenised:
        texts.append(
            f"rows of `train.max_length` = {params.max_length} tokens are assumed: "
            + ("the base's tokenizer is not here" if splits[0] else "there are none to train on")
        )
    texts.append(
        f"no time estimate: {untimed}" if seconds is None else _takes(seconds, cost, speed)
    )
    return TrainingPlan(
        device, device.usable, choices, fit.peak, fit.fits, tokens, speed, seconds, cost,
        tuple(texts),
    )  # fmt: skip


def assumed(params: Train) -> list[Row]:
    """Stand-ins for one step's rows: as long as allowed; the first half of each is its prompt."""
    row = Row("assumed", (0,) * params.max_length, params.max_length // 2)
    return [row] * params.batch_size


def _untimed(folder: Path, device: Device, *, tokenised: bool, fits: bool) -> str:
    """The reason why no step can be timed here; empty if one can."""
    if not device.here:
        return "it is another machine's device"
    if not tokenised or not any(folder.glob("*.safetensors")):
        return "the base's weights are not here"
    return "" if fits else "it does not fit"


def _fits(fit: Fit, device: Device) -> str:
    need, usable = fit.peak.total / GIB, device.usable / GIB
    if fit.fits:
        keeps = not device.cuda and not fit.choices.gives_back
        held = f" (malloc may hold {KEPT:g} times that)" if keeps else ""
        return f"fits: {need:.2f} GiB{held} of {usable:.1f}, with {fit.choices.says()}"
    return f"does not fit: {need:.2f} GiB for {usable:.1f}, even with {fit.choices.says()}"


def _takes(seconds: float, cost: float | None, speed: Calibration | None) -> str:
    price = "" if cost is None else f", at a cost of {cost:.3g}"
    measured = f" ({speed.steps} steps: {speed.tokens_per_second:,.0f} tokens/s)" if speed else ""
    return f"takes about {_spoken(seconds)}{price}{measured}"


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"
