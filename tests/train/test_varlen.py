"""The call of torch's own attention over rows of several lengths, by the signature it has here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import varlen
from torch.nn.functional import scaled_dot_product_attention

from pawl.train.varlen import varlen_attention

LENGTHS = (3, 7, 12)


def row_by_row(q: Any, k: Any, v: Any, ends: Any, scale: float, window: tuple[int, int]) -> Any:
    """What `varlen_attn` computes on CUDA, by SDPA: [T, heads, width] each."""
    outputs = []
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        a, b, c = (part[begin:end].transpose(0, 1) for part in (q, k, v))
        at = torch.arange(end - begin)
        ago = at[:, None] - at[None]
        mask = (ago >= 0) & ((ago <= window[0]) | (window[0] < 0))
        out = scaled_dot_product_attention(a, b, c, mask, scale=scale, enable_gqa=True)
        outputs.append(out.transpose(0, 1))
    return torch.cat(outputs)


def of_torch_2_11(  # noqa: PLR0913, RUF100 - the signature
    query: Any, key: Any, value: Any, cu_seq_q: Any, cu_seq_k: Any, max_q: int, max_k: int, *,
    return_aux: Any = None, scale: float | None = None, window_size: tuple[int, int] = (-1, -1),
) -> Any:  # fmt: skip
    assert query.shape == key.shape == value.shape, "as many heads of keys as of queries"
    assert scale is not None
    return row_by_row(query, key, value, cu_seq_q, scale, window_size)


def of_torch_2_12(*parts: Any, enable_gqa: bool = False, **more: Any) -> Any:
    q, k, _, ends, *_ = parts
    assert enable_gqa or q.shape == k.shape
    return row_by_row(*parts[:3], ends, more["scale"], more["window_size"])


@pytest.mark.parametrize("installed", [of_torch_2_11, of_torch_2_12])
@pytest.mark.parametrize("key_heads", [2, 6])
@pytest.mark.parametrize("window", [4, 12])
def test_heads_in_groups_attend_alike_by_the_signatures_of_torch_2_11_and_2_12(
    monkeypatch: pytest.MonkeyPatch, installed: Any, key_heads: int, window: int
) -> None:
    monkeypatch.setattr(varlen, "varlen_attn", installed)
    torch.manual_seed(0)
    shapes = ((1, heads, sum(LENGTHS), 8) for heads in (6, key_heads, key_heads))
    q, k, v = (torch.randn(shape, requires_grad=True) for shape in shapes)
    ends = torch.tensor([0, *LENGTHS]).cumsum(0).to(torch.int32)
    found = varlen_attention(q, k, v, ends, max(LENGTHS), scaling=0.3, window=window)
    flat = (part[0].transpose(0, 1) for part in (q, k, v))
    wanted = row_by_row(*flat, ends, 0.3, (window - 1 if window < 12 else -1, 0))[None]
    torch.testing.assert_close(found, wanted)
    slope = torch.randn_like(wanted)
    for mine, theirs in zip(
        torch.autograd.grad(found, (q, k, v), slope), torch.autograd.grad(wanted, (q, k, v), slope),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(mine, theirs)
