"""Norm, rotary positions and gated MLP in fewer passes over memory than transformers takes.

Between the products of a layer there are some forty passes over its activations, most of them in
autograd's bookkeeping of small operations. Here each of the three is one operation with a gradient
of its own, and the last layer's MLP is run only for tokens whose output is used.

A module is replaced if it and the fused one give the same on random numbers (`pawl.train.same`);
any other is left as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import silu

from pawl.train.attention import CurrentPack
from pawl.train.same import plain_norm, same_gate, same_rotation

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROTATE = "apply_rotary_pos_emb"


class _Norm(torch.autograd.Function):
    """x [..., width] over its root mean square, times the weight [width]; both in float32."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        wide = x.float()
        inverse = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        out: torch.Tensor = (wide * inverse).mul_(weight.float()).to(x.dtype)
        return out

    @staticmethod
    def backward(ctx: Any, out: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        wide, slope = x.float(), out * weight.float()
        along = (slope * wide).sum(-1, keepdim=True)
        along.mul_(inverse.square()).div_(x.shape[-1])
        return slope.addcmul_(wide, along, value=-1).mul_(inverse).to(x.dtype), None, None


class _Rotate(torch.autograd.Function):
    """x [1, heads, T, width]: each pair of halves rotated by the angle of its position."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        half = x.shape[-1] // 2
        out = x * cos
        out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
        out[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return out

    @staticmethod
    def backward(ctx: Any, out: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        half = out.shape[-1] // 2
        slope = out * cos
        slope[..., :half].addcmul_(out[..., half:], sin[..., half:])
        slope[..., half:].addcmul_(out[..., :half], sin[..., :half], value=-1)
        return slope, None, None


class _Gate(torch.autograd.Function):
    """silu(gate) * up, both [T, width]; saves these two and no intermediate result."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, out: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = ctx.saved_tensors
        slope = torch.ops.aten.silu_backward(out * up, gate)
        return slope, silu(gate).mul_(out)


@contextmanager
def fused(base: PreTrainedModel, current: CurrentPack) -> Iterator[None]:
    """Within this, the base's norms, rotary positions and MLPs are the fused ones.

    From `current` the last layer reads which tokens are used.
    """
    with ExitStack() as stack:
        for module in base.modules():
            norm = plain_norm(module, _Norm.apply)
            if norm is not None:
                _replace(stack, module, "forward", _norm(module, *norm))
            elif same_gate(module, _Gate.apply):
                _replace(stack, module, "forward", _mlp(module))
        for name in {type(module).__module__ for module in base.modules()}:
            rotation = getattr(sys.modules[name], ROTATE, None)
            if rotation is not None and same_rotation(rotation, _rotate):
                _replace(stack, sys.modules[name], ROTATE, _rotate)
        _skip_unused_tokens(stack, base, current)
        yield


def _norm(module: Any, eps: float, shift: float) -> Callable[[torch.Tensor], torch.Tensor]:
    if not shift:
        return lambda x: _Norm.apply(x, module.weight, eps)  # type: ignore[no-untyped-call]  # torch types it so
    return lambda x: _Norm.apply(x, module.weight + shift, eps)  # type: ignore[no-untyped-call]  # torch types it so


def _mlp(module: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: module.down_proj(_Gate.apply(module.gate_proj(x), module.up_proj(x)))  # type: ignore[no-untyped-call]  # torch types it so


def _rotate(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return _Rotate.apply(q, cos, sin), _Rotate.apply(k, cos, sin)  # type: ignore[no-untyped-call]  # torch types it so


def _skip_unused_tokens(stack: ExitStack, base: Any, current: CurrentPack) -> None:
    """Run the last layer's MLP, after which tokens do not interact, for the used tokens alone."""
    layers = getattr(base.base_model, "layers", None)
    if not layers or not hasattr(layers[-1], "mlp"):
        return
    mlp = layers[-1].mlp
    whole: Callable[..., Any] = mlp.forward

    def forward(x: torch.Tensor, *others: Any, **named: Any) -> Any:
        if others or named:
            return whole(x, *others, **named)
        read = current.known().read
        out = whole(x[:, read])
        if not isinstance(out, torch.Tensor):  # experts that return their router's scores as well
            return whole(x)
        return torch.zeros_like(x).index_copy(1, read, out)

    _replace(stack, mlp, "forward", forward)


def _replace(stack: ExitStack, holder: Any, name: str, value: Any) -> None:
    previous = vars(holder).get(name)
    setattr(holder, name, value)
    if previous is None:
        stack.callback(delattr, holder, name)
    else:
        stack.callback(setattr, holder, name, previous)
