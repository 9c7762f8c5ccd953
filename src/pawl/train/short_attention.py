"""Attention of short rows in bf16 on CPU: a product for the scores, one with the values.

torch's own kernel has a slow backward pass there. Here the rows of all groups are gathered from the
pack at once, heads and rows as one batch; the scores are saved for the backward pass (which is why
rows must be short), and the gradient is five products a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pawl.train.groups import LengthGroup


@dataclass(frozen=True)
class GatherIndices:
    """Indices that gather the tokens of all groups: group by group, in each [heads, rows, longest],
    padded.

    `query` and `key` index the pack's tokens, [T * heads] and [T * shared]; among the gathered,
    `restore` [T * heads] are the indices of the pack's tokens, `padding` the others. `batches` are
    the groups' (heads * rows, longest).
    """

    query: torch.Tensor
    key: torch.Tensor
    restore: torch.Tensor
    padding: torch.Tensor
    batches: tuple[tuple[int, int], ...]


def gather_indices(groups: Sequence[LengthGroup], *, heads: int, shared: int) -> GatherIndices:
    """The indices of these groups; `shared` is the number of key heads."""
    head = torch.arange(heads)[:, None]
    query, key, restore, padding = [], [], [], []
    token = gathered = 0
    for group in groups:
        size = group.rows * group.longest
        tokens = token + group.gather
        query.append((tokens * heads + head).flatten())
        key.append((tokens * shared + head // (heads // shared)).flatten())
        restore.append((gathered + group.restore[:, None] + size * head.T).flatten())
        padding.append((gathered + group.padding + size * head).flatten())
        token, gathered = token + len(group.restore), gathered + heads * size
    batches = tuple((heads * group.rows, group.longest) for group in groups)
    q, k, back, unused = map(torch.cat, (query, key, restore, padding))
    return GatherIndices(q, k, back, unused, batches)


class _ShortAttention(torch.autograd.Function):
    """q [T, heads, width], k, v [T, shared, width] → [T, heads, width]; see `short_attention`."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        at: GatherIndices,
        masks: Sequence[torch.Tensor],
        scaling: float,
    ) -> torch.Tensor:
        q = query.flatten(0, 1).index_select(0, at.query)
        k, v = (part.flatten(0, 1).index_select(0, at.key) for part in (key, value))
        out, saved = torch.empty_like(q), []
        for mask, *four in zip(
            masks, *(_batches(part, at) for part in (q, k, v, out)), strict=True
        ):
            a, b, c, attended = four
            scores = torch.baddbmm(mask, a, b.transpose(1, 2), alpha=scaling)
            saved.append(torch.softmax(scores, dim=-1))
            torch.bmm(saved[-1], c, out=attended)
        ctx.save_for_backward(q, k, v, *saved)
        ctx.at, ctx.scaling, ctx.shapes = at, scaling, (query.shape, key.shape)
        return out.index_select(0, at.restore).view(query.shape)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, *saved = ctx.saved_tensors
        at, scaling, (shape, shared) = ctx.at, ctx.scaling, ctx.shapes
        # No token attends to padding: its gradient is 0.
        slope = slope.flatten(0, 1).index_select(0, at.query).index_fill_(0, at.padding, 0.0)
        by = [torch.empty_like(q) for _ in range(3)]
        for weights, *seven in zip(
            saved, *(_batches(p, at) for p in (q, k, v, slope, *by)), strict=True
        ):
            a, b, c, out, by_a, by_b, by_c = seven
            slopes = torch.bmm(out, c.transpose(1, 2))
            slopes = torch.ops.aten._softmax_backward_data(slopes, weights, -1, weights.dtype)
            torch.baddbmm(by_a, slopes, b, beta=0, alpha=scaling, out=by_a)
            torch.baddbmm(by_b, slopes.transpose(1, 2), a, beta=0, alpha=scaling, out=by_b)
            torch.bmm(weights.transpose(1, 2), out, out=by_c)
        by_q, by_k, by_v = (part.index_select(0, at.restore).view(shape) for part in by)
        if shared != shape:
            by_k, by_v = (part.view(*shared[:2], -1, shared[2]).sum(2) for part in (by_k, by_v))
        return by_q, by_k, by_v, None, None, None


def short_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    at: GatherIndices,
    masks: Sequence[torch.Tensor],
    *,
    scaling: float,
) -> torch.Tensor:
    """Attention within the rows of a pack of T tokens.

    Args:
        query: [T, heads, width]; key, value: [T, shared, width], each for heads / shared heads.
        at: the indices that gather the rows.
        masks: for each group [longest, longest], -inf where a token does not attend, else 0.

    Returns:
        [T, heads, width].
    """
    out: torch.Tensor = _ShortAttention.apply(query, key, value, at, masks, scaling)  # type: ignore[no-untyped-call]  # torch types it so
    return out


def _batches(gathered: torch.Tensor, at: GatherIndices) -> Iterator[torch.Tensor]:
    """[heads * rows, longest, width] of each group."""
    sizes = [batch * longest for batch, longest in at.batches]
    for part, (batch, longest) in zip(torch.split(gathered, sizes), at.batches, strict=True):
        yield part.view(batch, longest, -1)
