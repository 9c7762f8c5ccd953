"""Before a step is taken: does the fast path compute what the model itself computes?

Two of the task's rows go through the fast path, and through the model's own forward pass each by
itself: loss and the gradient of the whole adapter must be the same but for rounding. Families
differ in what they do besides attention, and a library's next version may do it differently; what
does not agree is not used.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pawl.core.records import Agreement, Choices
from pawl.errors import BaseError
from pawl.train.pack import packed
from pawl.train.passes import ORDER, base_of, packed_mode, summed_loss
from pawl.train.process_settings import training_settings
from pawl.train.rows import Row

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

# The relative difference that rounding may explain. In float32 tiny bases of 60 families differ by
# some 1e-6 (bench/bases.py). In bfloat16 SmolLM2-135M's gradient by its own forward pass is 5 % off
# that in float32, ours as much, and 6 to 7.3 % lie between them; the least of what was wrong in a
# family was 18 %.
TOLERANCE = {"torch.float32": 1e-3, "torch.bfloat16": 0.12}
# Rows are cut to so many tokens, or a little beyond the base's shortest window.
CUT, BEYOND = 256, 32


def agreed(model: PeftModel, rows: Sequence[Row], choices: Choices) -> tuple[Choices, Agreement]:
    """The choices with the fastest passes that agree with the model's own forward pass.

    Raises:
        BaseError: none does; names the family and the difference.
    """
    sample = _sample(model, rows)
    tolerance = TOLERANCE[str(model.get_input_embeddings().weight.dtype)]
    given_up: list[str] = []
    model.eval()
    with training_settings():
        own = _own(model, sample, choices)
        for passes in ORDER[ORDER.index(choices.passes) :]:
            tried = dataclasses.replace(choices, passes=passes)
            try:
                errors = _errors(_learned(model, sample, tried), own)
            except Exception as error:  # noqa: BLE001  # whatever fails is not taken
                given_up.append(f"{passes}: {type(error).__name__}: {error}"[:300])
                continue
            if max(errors) <= tolerance:
                return tried, Agreement(*errors, tolerance, tuple(given_up))
            told = f"loss off by {errors[0]:.2g}, gradient by {errors[1]:.2g}"
            given_up.append(f"{passes}: {told}")
    raise _refusal(model, f"its own forward pass gives two results: {given_up[-1]}", tolerance)


def _own(model: PeftModel, rows: Sequence[Row], choices: Choices) -> tuple[float, _Gradient]:
    """Loss and gradient by the model's own forward pass."""
    choices = dataclasses.replace(choices, passes="own")
    try:
        loss, gradient = _learned(model, rows, choices)
    except Exception as error:
        found = f"its own forward and backward pass fail: {type(error).__name__}: {error}"
        raise _refusal(model, found[:600], None) from error
    size = math.fsum(float(part.square().sum()) for part in gradient if part is not None)
    if not math.isfinite(loss) or not math.isfinite(size) or not size:
        found = f"its loss is {loss:.4g}, and the adapter's gradient {math.sqrt(size):.4g}"
        raise _refusal(model, found, None)
    return loss, gradient


def _learned(model: PeftModel, rows: Sequence[Row], choices: Choices) -> tuple[float, _Gradient]:
    """The summed loss of the rows, and its gradient for each weight that is trained."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    apart = choices.passes != "packed"
    room = max(choices.room, sum(map(len, rows)))
    total = 0.0
    # Layers checkpoint only in training.
    with packed_mode(model, dataclasses.replace(choices, checkpointing=False)):
        for pack in packed(rows, room=room, apart=apart):
            loss = summed_loss(model, pack)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types here
            total += float(loss.detach())
    gradient = [weight.grad for weight in weights]
    model.zero_grad()
    return total, gradient


def _errors(found: tuple[float, _Gradient], own: tuple[float, _Gradient]) -> tuple[float, float]:
    """Relative errors of loss and gradient."""
    off = size = 0.0
    for part, wanted in zip(found[1], own[1], strict=True):
        # A weight that nothing depends on has no gradient.
        differing = [part for part in (part, wanted) if part is not None]
        if differing:
            difference = differing[0] - differing[1] if len(differing) == 2 else differing[0]
            off += float(difference.square().sum())
        size += 0.0 if wanted is None else float(wanted.square().sum())
    loss, gradient = abs(found[0] - own[0]) / abs(own[0]), math.sqrt(off / size)
    # NaN compares as small.
    return (math.inf, math.inf) if math.isnan(loss + gradient) else (loss, gradient)


def _sample(model: PeftModel, rows: Sequence[Row]) -> list[Row]:
    """The longest row and one of middle length, cut."""
    config = base_of(model).config.get_text_config().to_dict()
    windows = [
        value
        for name, value in config.items()
        if ("window" in name or "chunk_size" in name) and type(value) is int and value > 0
    ]
    longest = max(CUT, min(windows, default=0) + BEYOND)
    by_length = sorted(rows, key=len)
    chosen = [by_length[-1], by_length[len(by_length) // 2]]
    return [_cut(row, longest) for row in chosen]


def _cut(row: Row, length: int) -> Row:
    prompt = min(row.prompt, min(len(row), length) - 1)
    return Row(row.id, row.tokens[:length], prompt)


def _refusal(model: PeftModel, found: str, tolerance: float | None) -> BaseError:
    config: Any = base_of(model).config
    close = "" if tolerance is None else f", within {tolerance:g}"
    return BaseError(
        f"a base of the family '{config.model_type}' cannot be trained here: {found}",
        rule=f"two rows of the task give a finite loss and a gradient for the adapter{close}",
        remedy="name another base (docs/bases.md lists the families that were tried)",
    )


if TYPE_CHECKING:
    _Gradient = list[torch.Tensor | None]
