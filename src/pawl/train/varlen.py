"""torch's attention over rows of several lengths, whose cost grows with the rows; on CUDA alone."""

from __future__ import annotations

import inspect
from typing import Any

import torch


def varlen_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    longest: int,
    *,
    scaling: float,
    window: int,
) -> torch.Tensor:
    """Causal attention within the rows of a pack.

    Args:
        query: [1, heads, T, width]; `key` and `value` may have fewer heads, each for a group.
        cu_seqlens: [rows + 1], where each row begins, and the end; int32.
        longest: tokens of the longest row.
        window: how many tokens a token attends to, itself among them.

    Returns:
        [1, T, heads, width].
    """
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    grouped: dict[str, Any] = {}
    if q.shape[1] != k.shape[1]:
        if "enable_gqa" in inspect.signature(varlen_attn).parameters:
            grouped = {"enable_gqa": True}
        else:  # torch 2.11's takes as many heads of keys as of queries
            k, v = (part.repeat_interleave(q.shape[1] // k.shape[1], 1) for part in (k, v))
    out: Any = varlen_attn(
        q,
        k,
        v,
        cu_seqlens,
        cu_seqlens,
        longest,
        longest,
        scale=scaling,
        window_size=(window - 1 if window < longest else -1, 0),
        **grouped,
    )
    return out[None]  # type: ignore[no-any-return]  # with `return_aux` it would be a pair
