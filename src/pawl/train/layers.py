"""LoRA layers with fewer and larger products, on an NF4 base or one unpacked once.

peft computes x W' and x A' B' separately and saves the intermediate result. In float32 both are
one product with W + s B A, recomputed in each pass: a product of rank r is cheap beside one of
thousands of tokens. In bfloat16 a small step of B would be rounded away in that sum, so that the
two are computed separately.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from peft import PeftModel


class _MergedLora(torch.autograd.Function):
    """x [T, in] → [T, out] through W + s B A; gradients for x, A [r, in] and B [out, r]."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        layer: Any,
        scale: float,
    ) -> torch.Tensor:
        ctx.layer, ctx.scale = layer, scale
        a, b = a.to(x.dtype), b.to(x.dtype)
        weight, bias = _weight(layer, x.dtype), layer.bias
        if x.dtype == torch.float32:
            ctx.save_for_backward(x, a, b)
            return product(x, torch.addmm(weight, b, a, alpha=scale), bias)
        thin = x @ a.T
        ctx.save_for_backward(x, a, b, thin)
        return product(x, weight, bias).addmm_(thin, b.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, out: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, a, b, *saved = ctx.saved_tensors
        thin = product(out, b.T)
        slope_a = product(thin.T, x.T).mul_(ctx.scale)
        slope_b = product((saved[0] if saved else product(x, a)).T, out.T).T.mul_(ctx.scale)
        slope_x = None
        if ctx.needs_input_grad[0]:
            weight = _weight(ctx.layer, x.dtype)
            if x.dtype == torch.float32:
                slope_x = product(out, torch.addmm(weight, b, a, alpha=ctx.scale).T)
            else:
                slope_x = product(out, weight.T).addmm_(thin, a, alpha=ctx.scale)
        return slope_x, slope_a.to(torch.float32), slope_b.to(torch.float32), None, None


def product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """x [T, in], weight [out, in] → [T, out].

    In float32 on CPU torch uses MKL, which is half as fast as oneDNN on CPUs other than Intel's;
    this is how torch's own compiler calls oneDNN.
    """
    if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return out
    return torch.nn.functional.linear(x, weight, bias)


@contextmanager
def merged_lora(model: PeftModel) -> Iterator[None]:
    """Within this, plain LoRA layers (no dropout, no DoRA, not disabled) use the merged product."""
    from peft.tuners.lora import LoraLayer

    layers = [m for m in model.modules() if isinstance(m, LoraLayer) and _plain(m)]
    for layer in layers:
        layer.forward = _forward(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _plain(layer: Any) -> bool:
    from peft.tuners.lora.bnb import Linear4bit
    from peft.tuners.lora.layer import Linear

    # Others wrap convolutions, or the weights of experts.
    if type(layer) not in (Linear, Linear4bit):
        return False
    (name,) = layer.active_adapters
    dropped = not isinstance(layer.lora_dropout[name], torch.nn.Identity)
    return name not in layer.lora_variant and not dropped and not layer.disable_adapters


def _forward(layer: Any) -> Any:
    (name,) = layer.active_adapters
    a, b = layer.lora_A[name], layer.lora_B[name]
    base, scale = layer.base_layer, float(layer.scaling[name])

    def forward(x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        out: torch.Tensor = _MergedLora.apply(rows, a.weight, b.weight, base, scale)  # type: ignore[no-untyped-call]
        return out.view(*x.shape[:-1], -1)

    return forward


def _weight(layer: Any, dtype: torch.dtype) -> torch.Tensor:
    """The layer's weight [out, in]: dense, or unpacked from NF4 for this one product."""
    state = getattr(layer.weight, "quant_state", None)
    if state is None:
        # A weight gathered from shards is a plain tensor: the layer has the state.
        state = getattr(layer, "quant_state", None)
    if state is None:
        return layer.weight  # type: ignore[no-any-return]  # torch types it Any
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(layer.weight.data, state).to(dtype)  # type: ignore[no-any-return]
