"""Attention whose scores are capped, or that may attend to nothing (sinks), in plain products.

No fast kernel of torch has either. Gemma 2 caps its scores; gpt-oss has a sink a head, a score that
takes part in the softmax and has no value.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pawl.train.groups import LengthGroup


def capped_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    groups: Sequence[LengthGroup],
    *,
    scaling: float,
    window: int,
    cap: float | None = None,
    sinks: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention within the rows of a pack of T tokens.

    Args:
        query: [heads, T, width]; key, value: [shared, T, width], each for heads / shared heads.
        groups: the pack's rows.
        window: how many tokens a token sees, itself included.
        cap: scores are cap * tanh(score / cap).
        sinks: [heads], the score of attending to nothing.

    Returns:
        [T, heads, width].
    """
    shared, start, outputs = query.shape[0] // key.shape[0], 0, []
    for group in groups:
        tokens = slice(start, start := start + len(group.restore))
        q, k, v = (group.gathered(part[:, tokens]) for part in (query, key, value))
        k, v = (part.repeat_interleave(shared, dim=0) for part in (k, v))
        scores = q @ k.transpose(2, 3) * scaling
        if cap is not None:
            scores = cap * torch.tanh(scores / cap)
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device)
        scores = scores.masked_fill(~seen.tril().triu(1 - window), float("-inf"))
        if sinks is not None:
            nothing = sinks.to(scores.dtype)[:, None, None, None]
            scores = torch.cat((scores, nothing.expand(*scores.shape[:-1], 1)), dim=-1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(v.dtype)
        out = weights[..., : k.shape[2]] @ v
        outputs.append(out.flatten(1, 2).index_select(1, group.restore).transpose(0, 1))
    return torch.cat(outputs)
