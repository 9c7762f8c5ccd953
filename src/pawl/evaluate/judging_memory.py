"""Predict the peak memory of judging, by part, without running it.

The judge's own passes are taken on fake tensors (`pawl.model.fake_base`), on the longest prompts,
and their memory is counted (`pawl.model.live_memory`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.core.records import Weights
from pawl.errors import BaseError
from pawl.evaluate.perplexity import ROWS, WINDOW, answer_losses, text_loss
from pawl.model.adapted_layers import linear_names
from pawl.model.base import silence_bitsandbytes
from pawl.model.cached_batches import batches

if TYPE_CHECKING:
    from pawl.model.live_memory import Peak

# The largest rank that `train.rank: auto` may come to.
MOST_RANK = 128


@dataclass(frozen=True)
class Asked:
    """What judging's memory depends on beside the base: the token ids of the longest prompts of
    each kind, as many as a batch has, tokens of the longest answer and reference, and adapters."""

    prompts: tuple[tuple[tuple[int, ...], ...], ...]
    answer: int
    reference: int
    adapters: int = 0
    rank: int = MOST_RANK
    targets: tuple[str, ...] | None = None


def judging_peak(folder: Path, asked: Asked, weights: Weights, *, cuda: bool) -> Peak:
    """The peak memory of judging on one device, by part.

    Raises:
        BaseError: the passes cannot be taken on tensors without values.
    """
    import torch

    from pawl.model.live_memory import peak_of

    silence_bitsandbytes()
    dtype = torch.bfloat16 if cuda else torch.float32
    try:
        return peak_of(
            folder,
            dtype,
            lambda base: _moments(base, asked, nf4=weights == "nf4", cuda=cuda),
            of=("judging", asked, weights, cuda),
        )
    except BaseError:
        raise
    except Exception as error:
        raise BaseError(
            f"the memory of judging the base in {folder.name} cannot be predicted: "
            f"{type(error).__name__}: {error}"[:600],
            rule="a judge's passes can be taken on tensors without values",
            remedy="name another base (docs/bases.md lists the families that were tried)",
        ) from error


def _moments(base: Any, asked: Asked, *, nf4: bool, cuda: bool) -> dict[str, dict[str, int]]:
    """Peak bytes by part while prompts are read, answered, and references weighed."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from pawl.model.fake_base import fake_weights
    from pawl.model.live_memory import ACTIVATIONS, CUBLAS, PROCESS, LiveMemory

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    model = _with_adapters(base, asked, nf4=nf4)
    fake_weights(model, mode)
    model.eval()
    count = LiveMemory(model)
    with mode, count, torch.no_grad():
        for prompts in asked.prompts:
            count.enter(f"prompts {len(count.worst)}")
            for _, batch in batches(model, prompts, pad=0, batch_size=len(prompts)):
                _answered(model, batch, asked.answer)
            several = prompts[-ROWS:]
            answers = [[0] * asked.reference] * len(several)
            count.enter(f"references {len(count.worst)}")
            answer_losses(model, several, answers, pad=0, share="padded")
        count.enter("a general text")
        text_loss(model, [0] * (WINDOW + 2), start=1)
    for parts in count.worst.values():
        parts[ACTIVATIONS] += CUBLAS if cuda else PROCESS
    return count.worst


def _with_adapters(base: Any, asked: Asked, *, nf4: bool) -> Any:
    """The base on the meta device with its adapters on it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from pawl.model.fake_base import quantise

    with torch.device("meta"):
        if nf4:
            quantise(base)
        if not asked.adapters:
            return base
        config = LoraConfig(
            r=asked.rank,
            use_rslora=True,
            target_modules=list(asked.targets or linear_names(base)),
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(base, config)
        for number in range(1, asked.adapters):
            model.add_adapter(f"another {number}", config)
    for name, value in model.named_parameters():
        # By this their memory is told from the base's.
        value.requires_grad_("lora_" in name)
    return model


def _answered(model: Any, batch: Any, answer: int) -> None:
    """Read a batch's prompts, and take the last step of answers as long as allowed."""
    import torch

    model(
        input_ids=batch.ids, attention_mask=batch.attention_mask, position_ids=batch.position_ids,
        past_key_values=batch.cache, use_cache=True, logits_to_keep=1,
    )  # fmt: skip
    if answer < 2:
        return
    for layer in batch.cache.layers:
        for name in ("keys", "values"):
            held = getattr(layer, name, None)
            # A window's layer holds no more than its window.
            if held is not None and not getattr(layer, "is_sliding", False):
                longer = (*held.shape[:2], answer - 2, held.shape[3])
                setattr(layer, name, torch.cat([held, held.new_empty(longer)], dim=2))
    rows, tokens = batch.attention_mask.shape
    ids = batch.ids.new_zeros(rows, 1)
    mask = batch.attention_mask.new_ones(rows, tokens + answer - 1)
    model(
        input_ids=ids, attention_mask=mask, position_ids=ids + tokens + answer - 2,
        past_key_values=batch.cache, use_cache=True, logits_to_keep=1,
    )  # fmt: skip
