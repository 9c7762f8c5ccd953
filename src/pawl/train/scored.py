"""Attention of short rows in bf16 on CPU: a product for the scores, one with the values.

torch's own kernel has a slow backward pass there. Here the rows of all groups are lifted out of the
pack at once, heads and rows as one batch; the scores are kept (which is why rows must be short),
and the gradient is five products a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pawl.train.groups import Group


@dataclass(frozen=True)
class Places:
    """Where the tokens of all groups lie, once lifted: group by group, in each [heads, rows,
    longest], padded.

    `query` and `key` are the lifted tokens' places among [T * heads] and [T * shared]; `drop`
    [T * heads] are the places of the pack's tokens among the lifted; `padding` those of nobody's.
    `batches` are the groups' (heads * rows, longest).
    """

    query: torch.Tensor
    key: torch.Tensor
    drop: torch.Tensor
    padding: torch.Tensor
    batches: tuple[tuple[int, int], ...]


def places(groups: Sequence[Group], *, heads: int, shared: int) -> Places:
    """Where the groups' tokens are to be found, for so many heads of queries and of keys."""
    head = torch.arange(heads)[:, None]
    query, key, drop, padding = [], [], [], []
    token = lifted = 0
    for group in groups:
        size = group.rows * group.longest
        tokens = token + group.lift
        query.append((tokens * heads + head).flatten())
        key.append((tokens * shared + head // (heads // shared)).flatten())
        drop.append((lifted + group.drop[:, None] + size * head.T).flatten())
        padding.append((lifted + group.padding + size * head).flatten())
        token, lifted = token + len(group.drop), lifted + heads * size
    batches = tuple((heads * group.rows, group.longest) for group in groups)
    q, k, back, nobody = map(torch.cat, (query, key, drop, padding))
    return Places(q, k, back, nobody, batches)


class _Scored(torch.autograd.Function):
    """q [T, heads, width], k and v [T, shared, width] → [T, heads, width]; see `scored`."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        at: Places,
        hidden: Sequence[torch.Tensor],
        scaling: float,
    ) -> torch.Tensor:
        q = query.flatten(0, 1).index_select(0, at.query)
        k, v = (part.flatten(0, 1).index_select(0, at.key) for part in (key, value))
        out, kept = torch.empty_like(q), []
        for near, *four in zip(
            hidden, *(_batches(part, at) for part in (q, k, v, out)), strict=True
        ):
            a, b, c, found = four
            scores = torch.baddbmm(near, a, b.transpose(1, 2), alpha=scaling)
            kept.append(torch.softmax(scores, dim=-1))
            torch.bmm(kept[-1], c, out=found)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.at, ctx.scaling, ctx.shapes = at, scaling, (query.shape, key.shape)
        return out.index_select(0, at.drop).view(query.shape)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        at, scaling, (shape, shared) = ctx.at, ctx.scaling, ctx.shapes
        # Nobody looks at padding: what it is told is nothing.
        told = slope.flatten(0, 1).index_select(0, at.query).index_fill_(0, at.padding, 0.0)
        by = [torch.empty_like(q) for _ in range(3)]
        for shares, *seven in zip(
            kept, *(_batches(p, at) for p in (q, k, v, told, *by)), strict=True
        ):
            a, b, c, out, by_a, by_b, by_c = seven
            slopes = torch.bmm(out, c.transpose(1, 2))
            slopes = torch.ops.aten._softmax_backward_data(slopes, shares, -1, shares.dtype)
            torch.baddbmm(by_a, slopes, b, beta=0, alpha=scaling, out=by_a)
            torch.baddbmm(by_b, slopes.transpose(1, 2), a, beta=0, alpha=scaling, out=by_b)
            torch.bmm(shares.transpose(1, 2), out, out=by_c)
        by_q, by_k, by_v = (part.index_select(0, at.drop).view(shape) for part in by)
        if shared != shape:
            by_k, by_v = (part.view(*shared[:2], -1, shared[2]).sum(2) for part in (by_k, by_v))
        return by_q, by_k, by_v, None, None, None


def scored(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    at: Places,
    hidden: Sequence[torch.Tensor],
    *,
    scaling: float,
) -> torch.Tensor:
    """Attention within the rows of a pack of T tokens.

    Args:
        query: [T, heads, width]; key, value: [T, shared, width], each for heads / shared heads.
        at: where the rows lie.
        hidden: for each group [longest, longest], -inf where a token does not look, 0 elsewhere.

    Returns:
        [T, heads, width].
    """
    out: torch.Tensor = _Scored.apply(query, key, value, at, hidden, scaling)  # type: ignore[no-untyped-call]  # torch types it so
    return out


def _batches(lifted: torch.Tensor, at: Places) -> Iterator[torch.Tensor]:
    """[heads * rows, longest, width] of each group."""
    sizes = [batch * longest for batch, longest in at.batches]
    for part, (batch, longest) in zip(torch.split(lifted, sizes), at.batches, strict=True):
        yield part.view(batch, longest, -1)
