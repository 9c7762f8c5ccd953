"""Attention within the rows of a pack and never across them.

On CUDA this is `varlen_attn`, whose cost follows the rows and not the pack. Elsewhere rows of
similar length are lifted out of the pack into a batch of their own, padded on the right: under a
causal mask no token looks right, so that neither padding nor a mask needs a thought.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NAME = "pawl_packed"
# Rows up to this much longer than the shortest of a group are padded into one batch.
SPREAD = 1.5


@dataclass(frozen=True)
class Group:
    """Rows of similar length: `lift` [rows * longest] are places in the pack (padding repeats the
    first), `drop` those of the lifted tokens that are no padding, in the pack's order."""

    rows: int
    longest: int
    lift: torch.Tensor
    drop: torch.Tensor


@dataclass(frozen=True)
class Rows:
    """Where the rows of a pack lie: `ends` [rows + 1], used on CUDA; `groups` elsewhere."""

    longest: int
    ends: torch.Tensor
    groups: tuple[Group, ...] = ()


def rows_of(lengths: Sequence[int], device: torch.device) -> Rows:
    """Where rows of these lengths, from short to long, lie in their pack."""
    import torch

    longest = max(lengths)
    ends = torch.tensor([0, *lengths]).cumsum(0).to(device, torch.int32)
    if device.type == "cuda":
        return Rows(longest, ends)
    groups: list[list[int]] = []
    for length in lengths:
        if groups and length <= SPREAD * groups[-1][0]:
            groups[-1].append(length)
        else:
            groups.append([length])
    found, start = [], 0
    for group in groups:
        found.append(_group(group, start))
        start += sum(group)
    return Rows(longest, ends, tuple(found))


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


def _group(lengths: Sequence[int], start: int) -> Group:
    import torch

    longest = max(lengths)
    lift: list[int] = []
    drop: list[int] = []
    for number, length in enumerate(lengths):
        lift += [*range(start, start + length), *[start] * (longest - length)]
        drop += range(number * longest, number * longest + length)
        start += length
    return Group(len(lengths), longest, torch.tensor(lift), torch.tensor(drop))


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
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    found = []
    for group in rows.groups:
        q, k, v = (
            part[0][:, group.lift]
            .view(part.shape[1], group.rows, -1, part.shape[3])
            .transpose(0, 1)
            for part in (query, key, value)
        )
        near = None
        if window < group.longest:
            near = torch.ones(group.longest, group.longest, dtype=torch.bool).tril()
            near = near.triu(1 - window)
        out = scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=near,
            is_causal=near is None,
            scale=scaling,
            enable_gqa=q.shape[1] != k.shape[1],
        )
        # [rows, heads, longest, width] → [rows * longest, heads, width] → the real tokens.
        found.append(out.transpose(1, 2).flatten(0, 1).index_select(0, group.drop))
    return torch.cat(found)[None]
