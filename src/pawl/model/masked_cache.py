"""Whether a base sees tokens of its cache that are masked: tried, and not read off its layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pawl.model.cached_batches import TOLERANCE, batches, own_logits, padding_reach


def sees_masked(model: Any, prompt: Sequence[int], *, pad: int) -> bool:
    """Whether logits behind masked tokens are others than the base's own without a cache.

    Three tokens that do not belong there follow the prompt and its first token, are masked, and the
    next token is read at its own position.
    """
    import torch

    with torch.no_grad():
        tokens, own = own_logits(model, prompt)
        if padding_reach(model) != math.inf:
            return True
        wrong = [(tokens[1] + 1) % own.shape[1]] * 3
        try:
            [(_, batch)] = batches(
                model, [prompt], pad=pad, batch_size=1, answers=[[tokens[0], *wrong]]
            )
            mask = batch.attention_mask
            model(
                input_ids=batch.ids,
                attention_mask=mask,
                position_ids=batch.position_ids,
                past_key_values=batch.cache,
                use_cache=True,
                logits_to_keep=1,
            )
            mask[:, -len(wrong) :] = 0
            found = model(
                input_ids=torch.tensor([tokens[1:2]], device=model.device),
                attention_mask=torch.cat([mask, mask.new_ones(1, 1)], dim=1),
                position_ids=torch.tensor([[len(prompt) + 1]], device=model.device),
                past_key_values=batch.cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[0, -1]
        except Exception:  # noqa: BLE001  # then another way is taken
            return True
        off = float((found.float() - own[2].float()).abs().max() / own[2].float().std())
        return not off <= TOLERANCE[str(own.dtype)]
