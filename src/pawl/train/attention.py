"""Attention within the rows of a pack and never across them.

On CUDA this is `varlen_attn`, whose cost grows with the rows and not with the pack. Elsewhere rows
of similar length are gathered from the pack into batches, padded on the right: attention is causal,
so that no real token attends to padding and no padding mask is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from pawl.errors import TrainError
from pawl.train.capped_attention import capped_attention
from pawl.train.groups import LengthGroup, length_groups
from pawl.train.short_attention import GatherIndices, gather_indices, short_attention
from pawl.train.varlen import varlen_attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "pawl_packed"
# Up to so many tokens a row's scores, all heads, are few enough to be saved.
SHORT = 512


@dataclass(frozen=True)
class PackLayout:
    """The layout of a pack's rows: `cu_seqlens` [rows + 1], used on CUDA; `groups` elsewhere.

    `read` [N] are the positions whose last hidden state is used. `cache` holds masks and indices,
    which all layers share.
    """

    longest: int
    cu_seqlens: torch.Tensor
    read: torch.Tensor
    groups: tuple[LengthGroup, ...] = ()
    cache: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def mask(self, longest: int, window: int, dtype: torch.dtype) -> torch.Tensor:
        """The causal mask [longest, longest] of a sliding window, to be added to scores."""
        key = longest, window, dtype
        if key not in self.cache:
            seen = torch.ones(longest, longest, dtype=torch.bool).tril().triu(1 - window)
            nothing = torch.zeros(longest, longest, dtype=dtype)
            self.cache[key] = nothing.masked_fill_(~seen, float("-inf"))
        mask: torch.Tensor = self.cache[key]
        return mask

    def groups_anywhere(self) -> tuple[LengthGroup, ...]:
        """The groups; on CUDA they are made when attention asks for them, which few bases do."""
        if not self.groups and ("groups",) not in self.cache:
            made = length_groups(self.cu_seqlens.diff().tolist())
            self.cache["groups",] = tuple(group.to(self.read.device) for group in made)
        return self.groups or self.cache["groups",]

    def gather_indices(self, first: int, heads: int, shared: int) -> GatherIndices:
        """Indices of the first groups; `shared` is the number of key heads."""
        key = first, heads, shared
        if key not in self.cache:
            self.cache[key] = gather_indices(self.groups[:first], heads=heads, shared=shared)
        indices: GatherIndices = self.cache[key]
        return indices


def pack_layout(lengths: Sequence[int], read: torch.Tensor) -> PackLayout:
    """The layout of a pack with rows of these lengths, which ascend."""
    longest = max(lengths)
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).to(read.device, torch.int32)
    if read.is_cuda:
        return PackLayout(longest, cu_seqlens, read)
    return PackLayout(longest, cu_seqlens, read, length_groups(lengths))


@dataclass
class CurrentPack:
    """The layout of the pack that the base is given, for its attention and its last layer.

    Not every family hands unknown arguments down to its attention. A pack's backward pass, which
    may run its layers once more, comes before the next pack.
    """

    layout: PackLayout | None = None

    def known(self) -> PackLayout:
        """The layout; there is one whenever the base is called in packed mode."""
        if self.layout is None:
            raise RuntimeError("the base is called without a pack's layout")
        return self.layout


@contextmanager
def attending_packed(model: PreTrainedModel) -> Iterator[CurrentPack]:
    """Within this, the base attends within the rows of the pack whose layout was set last."""
    from transformers import AttentionInterface

    current = CurrentPack()

    def attend(
        _module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        _mask: torch.Tensor | None = None,
        **settings: Any,
    ) -> tuple[torch.Tensor, None]:
        return _attend(query, key, value, current.known(), **settings), None

    AttentionInterface.register(NAME, attend)
    # Without a registered mask function transformers passes no mask.
    previous = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield current
    finally:
        current.layout = None
        model.set_attn_implementation(previous)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: PackLayout,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **others: Any,
) -> torch.Tensor:
    """The interface of transformers: [1, heads, T, width] each; returns [1, T, heads, width].

    Raises:
        TrainError: an argument is not None whose meaning is not known here.
    """
    _refuse_unknown(others)
    window = sliding_window or rows.longest
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if softcap is not None or s_aux is not None:
        q, k, v = (part[0] for part in (query, key, value))
        groups = rows.groups_anywhere()
        return capped_attention(
            q, k, v, groups, scaling=scaling, window=window, cap=softcap, sinks=s_aux
        )[None]
    if not rows.groups:
        ends, longest = rows.cu_seqlens, rows.longest
        return varlen_attention(query, key, value, ends, longest, scaling=scaling, window=window)
    return _grouped(query, key, value, rows, scaling, window)


# What families pass that changes nothing here: positions are in the queries already, training
# caches nothing, and attention is causal within a row.
HARMLESS = frozenset(
    (
        "position_ids", "cache_position", "use_cache", "past_key_values", "output_attentions",
        "output_hidden_states", "output_router_logits", "return_dict", "position_embeddings",
        "logits_to_keep",
    )
)  # fmt: skip


def _refuse_unknown(others: dict[str, Any]) -> None:
    # The base's own dropout is off in training, and a language model's attention is causal.
    neutral = {"dropout": 0.0, "is_causal": True}
    for name, value in others.items():
        if name not in HARMLESS and value is not None and value != neutral.get(name):
            raise TrainError(
                f"the base's attention takes '{name}'",
                rule="an argument that changes attention is known to it, or refused",
                remedy="Pawl trains such a base with its own attention, more slowly",
            )


def _grouped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: PackLayout,
    scaling: float,
    window: int,
) -> torch.Tensor:
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    # Rows ascend in length; torch's CPU kernel has a slow backward pass in bf16.
    quick = q.dtype == torch.bfloat16 and k.shape == v.shape
    short = [g for g in rows.groups if quick and g.longest <= SHORT]
    start = sum(len(group.restore) for group in short)
    outputs = []
    if short:
        masks = [rows.mask(group.longest, window, q.dtype) for group in short]
        at = rows.gather_indices(len(short), q.shape[1], k.shape[1])
        outputs.append(short_attention(q[:start], k[:start], v[:start], at, masks, scaling=scaling))
    for group in rows.groups[len(short) :]:
        mask = rows.mask(group.longest, window, q.dtype) if window < group.longest else None
        tokens = slice(start, start := start + len(group.restore))
        a, b, c = (group.gathered(part[tokens].transpose(0, 1)) for part in (q, k, v))
        out = _kernel(a, b, c, mask, scaling)
        outputs.append(out.flatten(1, 2).index_select(1, group.restore).transpose(0, 1))
    return torch.cat(outputs)[None]


def _kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
) -> torch.Tensor:
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (part.transpose(0, 1) for part in (query, key, value))
    out = scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[0] != key.shape[0],
    )
    return out.transpose(0, 1)
