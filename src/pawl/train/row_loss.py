"""The loss of rows under a model, without training it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pawl.core.records import Choices
from pawl.errors import TrainError
from pawl.train.loop import row_ids
from pawl.train.loss import completion_loss
from pawl.train.pack import best_fit, packed
from pawl.train.passes import base_of, learned_states, packed_mode, summed_loss
from pawl.train.rows import Row

if TYPE_CHECKING:
    from peft import PeftModel

# The relative change of a row's loss that rounding may explain, with a margin: on the tiny base of
# 4 layers a negligible adapter changes it by 2e-7 in float32 and 1e-3 in bfloat16.
ROUNDING = {"torch.float32": 1e-6, "torch.bfloat16": 1e-2}


def row_losses(model: PeftModel, rows: Sequence[Row], *, choices: Choices) -> list[float]:
    """Cross-entropy of each row's completion, summed over its tokens, in nats.

    Raises:
        TrainError: a loss is not finite; the message names the rows.
    """
    import torch

    losses = [0.0] * len(rows)
    model.eval()
    with packed_mode(model, dataclasses.replace(choices, checkpointing=False)), torch.no_grad():
        if choices.passes != "packed":
            for i, pack in enumerate(packed(rows, room=choices.room, apart=True)):
                losses[i] = float(summed_loss(model, pack))
        else:
            _packed_losses(model, rows, losses, room=choices.room)
    if broken := [row for row, loss in zip(rows, losses, strict=True) if not math.isfinite(loss)]:
        raise TrainError(
            f"the adapter's loss is not a finite number on {len(broken)} of {len(rows)} rows: "
            f"{row_ids(broken)}",
            rule="an adapter gives every row a finite loss",
            remedy="lower `train.learning_rate`, or look for broken rows among those named",
        )
    return losses


def _packed_losses(
    model: PeftModel, rows: Sequence[Row], losses: list[float], *, room: int
) -> None:
    """Write the rows' losses into `losses`."""
    import torch

    base = base_of(model)
    for members in best_fit([len(row) for row in rows], room=room):
        # The rows of a pack ascend in length.
        order = sorted(members, key=lambda i: len(rows[i]))
        (pack,) = packed([rows[i] for i in order], room=room)
        counts = [rows[i].targets for i in order]
        states = torch.split(learned_states(model, pack), counts)
        targets = torch.split(pack.targets.to(model.device), counts)
        for i, state, target in zip(order, states, targets, strict=True):
            losses[i] = float(completion_loss(base, state, target))


def mean_loss(model: PeftModel, rows: Sequence[Row], *, choices: Choices) -> float:
    """Cross-entropy per completion token, in nats, over all rows."""
    return mean_per_token(row_losses(model, rows, choices=choices), rows)


def mean_per_token(losses: Sequence[float], rows: Sequence[Row]) -> float:
    """The mean per completion token of losses summed by row."""
    return math.fsum(losses) / sum(row.targets for row in rows)


def refuse_no_effect(
    model: PeftModel, rows: Sequence[Row], losses: Sequence[float], *, choices: Choices
) -> None:
    """Refuse an adapter that changes no row's loss by more than rounding.

    Weights that are not zero may still have no effect: too small beside the numbers that they are
    added to.

    Args:
        losses: the rows' losses with the adapter, from `row_losses`.

    Raises:
        TrainError: no loss differs from that without the adapter.
    """
    dtype = str(model.get_input_embeddings().weight.dtype)
    with model.disable_adapter():
        bare = row_losses(model, rows, choices=choices)
    if all(
        abs(adapted - base) <= ROUNDING[dtype] * base
        for adapted, base in zip(losses, bare, strict=True)
    ):
        raise TrainError(
            f"the adapter has no effect: on none of {len(rows)} dev rows does the loss "
            f"change by more than rounding ({ROUNDING[dtype]:g} of itself)",
            rule="an adapter changes the output of its base",
            remedy="raise `train.learning_rate` or `train.epochs`",
        )
