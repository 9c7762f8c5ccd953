"""What a training came to: the loss of rows under the model as it is; nothing is learned here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pawl.errors import TrainError
from pawl.train.loop import learned_states, named, ready
from pawl.train.loss import completion_loss
from pawl.train.pack import best_fit, packed
from pawl.train.rows import Row

if TYPE_CHECKING:
    from peft import PeftModel

# By what share of itself rounding alone moves a row's loss, and some more: on the tiny base, which
# has 4 layers, an adapter too small to count moves it by 2e-7 in float32 and 1e-3 in bfloat16.
ROUNDING = {"torch.float32": 1e-6, "torch.bfloat16": 1e-2}


def row_losses(model: PeftModel, rows: Sequence[Row], *, room: int) -> list[float]:
    """Cross-entropy of each row's completion, summed over its tokens, in nats, in their order.

    Raises:
        TrainError: one is no finite number; names the rows.
    """
    import torch

    base: Any = model.get_base_model()
    found = [0.0] * len(rows)
    model.eval()
    with ready(model), torch.no_grad():
        for together in best_fit([len(row) for row in rows], room=room):
            # A pack lies from short to long.
            places = sorted(together, key=lambda i: len(rows[i]))
            (pack,) = packed([rows[i] for i in places], room=room)
            learned = [len(rows[i]) - rows[i].prompt for i in places]
            states = torch.split(learned_states(model, pack), learned)
            targets = torch.split(pack.targets.to(model.device), learned)
            for i, state, target in zip(places, states, targets, strict=True):
                found[i] = float(completion_loss(base, state, target))
    if odd := [row for row, loss in zip(rows, found, strict=True) if not math.isfinite(loss)]:
        raise TrainError(
            f"the loss after training is not a finite number on {len(odd)} of {len(rows)} rows: "
            f"{named(odd)}",
            rule="an adapter gives every row a finite loss",
            remedy="lower `train.learning_rate`, or look for broken rows among those named",
        )
    return found


def mean_loss(model: PeftModel, rows: Sequence[Row], *, room: int) -> float:
    """Cross-entropy per completion token, in nats, over all rows."""
    return per_token(row_losses(model, rows, room=room), rows)


def per_token(losses: Sequence[float], rows: Sequence[Row]) -> float:
    """Losses summed a row, as one mean per completion token."""
    return math.fsum(losses) / sum(len(row) - row.prompt for row in rows)


def refuse_idle(
    model: PeftModel, rows: Sequence[Row], losses: Sequence[float], *, room: int
) -> None:
    """Refuse an adapter under which every row has the loss that the base alone gives it.

    Weights that are not zero may still come to nothing: too small for the numbers that they are
    added to. A row counts as moved where its loss differs by more than rounding explains.

    Args:
        losses: the rows' under the adapter, from `row_losses`.

    Raises:
        TrainError: none is moved.
    """
    dtype = str(model.get_input_embeddings().weight.dtype)
    with model.disable_adapter():
        alone = row_losses(model, rows, room=room)
    if all(
        abs(mine - other) <= ROUNDING[dtype] * other
        for mine, other in zip(losses, alone, strict=True)
    ):
        raise TrainError(
            f"the adapter answers as its base does: on none of {len(rows)} dev rows does the loss "
            f"differ by more than rounding does ({ROUNDING[dtype]:g} of itself)",
            rule="an adapter whose output is the base's is none",
            remedy="raise `train.learning_rate` or `train.epochs`",
        )
