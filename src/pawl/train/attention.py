"""Attention within the rows of a pack and never across them.

On CUDA this is `varlen_attn`, whose cost follows the rows and not the pack. Elsewhere rows of
similar length are lifted out of the pack into a batch of their own, padded on the right: under a
causal mask no token looks right, so that neither padding nor a mask needs a thought.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from pawl.train.groups import Group, groups
from pawl.train.scored import Places, places, scored

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "pawl_packed"
# Up to so many tokens a row's scores, all heads, are few enough to be kept.
SHORT = 512


@dataclass(frozen=True)
class Rows:
    """Where the rows of a pack lie: `ends` [rows + 1], used on CUDA; `groups` elsewhere.

    `read` [N] are the places whose last hidden state is asked for.
    """

    longest: int
    ends: torch.Tensor
    read: torch.Tensor
    groups: tuple[Group, ...] = ()
    # What every layer asks for again.
    kept: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def hidden(self, longest: int, window: int, dtype: torch.dtype) -> torch.Tensor:
        """What is added to scores [longest, longest] to hide what lies ahead, or too far behind."""
        key = longest, window, dtype
        if key not in self.kept:
            seen = torch.ones(longest, longest, dtype=torch.bool).tril().triu(1 - window)
            nothing = torch.zeros(longest, longest, dtype=dtype)
            self.kept[key] = nothing.masked_fill_(~seen, float("-inf"))
        found: torch.Tensor = self.kept[key]
        return found

    def places(self, first: int, heads: int, shared: int) -> Places:
        """Where the first groups' tokens lie, for so many heads of queries and of keys."""
        key = first, heads, shared
        if key not in self.kept:
            self.kept[key] = places(self.groups[:first], heads=heads, shared=shared)
        found: Places = self.kept[key]
        return found


def rows_of(lengths: Sequence[int], read: torch.Tensor) -> Rows:
    """Where rows of these lengths, from short to long, lie in their pack."""
    longest = max(lengths)
    ends = torch.tensor([0, *lengths]).cumsum(0).to(read.device, torch.int32)
    if read.is_cuda:
        return Rows(longest, ends, read)
    return Rows(longest, ends, read, groups(lengths))


@contextmanager
def attending_packed(model: PreTrainedModel) -> Iterator[None]:
    """Within this, the base takes `pawl_rows` and keeps the rows of a pack apart."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    # Not registered with a mask of its own, it is given none.
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _attend(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    *,
    pawl_rows: Rows,
    scaling: float,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The interface of transformers: [1, heads, T, width] each; returns [1, T, heads, width]."""
    window = sliding_window or pawl_rows.longest
    if not pawl_rows.groups:
        return _varlen(query, key, value, pawl_rows, scaling, window), None
    return _grouped(query, key, value, pawl_rows, scaling, window), None


def _varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: Rows,
    scaling: float,
    window: int,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    out: Any = varlen_attn(
        q,
        k,
        v,
        rows.ends,
        rows.ends,
        rows.longest,
        rows.longest,
        scale=scaling,
        window_size=(window - 1 if window < rows.longest else -1, 0),
        enable_gqa=q.shape[1] != k.shape[1],
    )
    return out[None]  # type: ignore[no-any-return]  # with `return_aux` it would be a pair


def _grouped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: Rows,
    scaling: float,
    window: int,
) -> torch.Tensor:
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    # Rows lie from short to long; torch's CPU kernel has a slow backward pass in bf16.
    short = [g for g in rows.groups if q.dtype == torch.bfloat16 and g.longest <= SHORT]
    start = sum(len(group.drop) for group in short)
    found = []
    if short:
        hidden = [rows.hidden(group.longest, window, q.dtype) for group in short]
        at = rows.places(len(short), q.shape[1], k.shape[1])
        found.append(scored(q[:start], k[:start], v[:start], at, hidden, scaling=scaling))
    for group in rows.groups[len(short) :]:
        near = rows.hidden(group.longest, window, q.dtype) if window < group.longest else None
        tokens = slice(start, start := start + len(group.drop))
        a, b, c = (group.lifted(part[tokens].transpose(0, 1)) for part in (q, k, v))
        out = _kernel(a, b, c, near, scaling)
        found.append(out.flatten(1, 2).index_select(1, group.drop).transpose(0, 1))
    return torch.cat(found)[None]


def _kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    near: torch.Tensor | None,
    scaling: float,
) -> torch.Tensor:
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (part.transpose(0, 1) for part in (query, key, value))
    out = scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=near,
        is_causal=near is None,
        scale=scaling,
        enable_gqa=query.shape[0] != key.shape[0],
    )
    return out.transpose(0, 1)
