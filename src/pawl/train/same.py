"""Whether a module computes what its fused replacement does: both are tried on random numbers.

Nothing is read off a module's code or its class, so that the next version of a library cannot make
a replacement wrong. Each is tried as a copy with small weights of its own: the base's may be
packed, sharded, or have no values at all while a training is planned.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

# Relative; both are computed in float32.
CLOSE = 1e-5
EPSILONS = ("variance_epsilon", "eps")
# Width of the random inputs, tokens of them, heads.
WIDTH, TOKENS, HEADS = 8, 5, 2

Function = Callable[..., Any]


def plain_norm(module: torch.nn.Module, formula: Function) -> tuple[float, float] | None:
    """A norm's epsilon and what is added to its weight, if `formula(x, weight, eps)` is its output.

    None for every other module.
    """
    eps = next((getattr(module, e) for e in EPSILONS if type(getattr(module, e, 0)) is float), None)
    if eps is None or [name for name, _ in module.named_parameters()] != ["weight"]:
        return None
    if not _takes_one(module):
        return None
    x, weight = _random(TOKENS, WIDTH), _random(WIDTH)
    own = _tried(module, {"weight": torch.nn.Parameter(weight)}, {}, x)
    for shift in (0.0, 1.0):
        if _equal(own, _outcome(formula, x, weight + shift, eps)):
            return eps, shift
    return None


def same_gate(module: torch.nn.Module, formula: Function) -> bool:
    """Whether a module is `down_proj(formula(gate_proj(x), up_proj(x)))`."""
    if not all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj")):
        return False
    if not _takes_one(module):
        return False
    x = _random(1, TOKENS, 2 * WIDTH)
    parts = {"gate_proj": _Part(0, WIDTH), "up_proj": _Part(WIDTH, 2 * WIDTH)}
    own = _tried(module, {}, {**parts, "down_proj": torch.nn.Identity()}, x)
    return _equal(own, _outcome(formula, x[..., :WIDTH], x[..., WIDTH:]))


def same_rotation(function: Function, formula: Function) -> bool:
    """Whether two functions of q, k, cos, sin rotate alike, whole heads and parts of them."""
    q, k = _random(1, HEADS, TOKENS, WIDTH), _random(1, 1, TOKENS, WIDTH)
    for turned in (WIDTH, WIDTH // 2):
        half = _random(1, TOKENS, turned // 2)
        cos, sin = (torch.cat((part, part), -1) for part in (half.cos(), half.sin()))
        own, other = (_outcome(f, q, k, cos, sin) for f in (function, formula))
        if (own is None) != (other is None):
            return False
        if own is not None and not all(map(_equal, own, other)):
            return False
    return True


class _Part(torch.nn.Module):
    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., self.start : self.stop]


def _tried(
    module: torch.nn.Module,
    weights: dict[str, torch.nn.Parameter],
    parts: dict[str, torch.nn.Module],
    x: torch.Tensor,
) -> Any:
    """The output of a copy of the module with these weights and modules in place of its own."""
    twin = copy.copy(module)
    twin.__dict__.pop("forward", None)
    twin._parameters = {**module._parameters, **weights}
    twin._modules = {**module._modules, **parts}
    return _outcome(type(module).forward, twin, x)


def _outcome(function: Function, *inputs: Any) -> Any:
    """What the function returns for real numbers, or None if it fails."""
    with _disable_current_modes(), torch.no_grad():
        try:
            return function(*inputs)
        except Exception:  # noqa: BLE001  # a copy may fail in any way: it is not replaced then
            return None


def _equal(one: Any, other: Any) -> bool:
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return False
    return one.shape == other.shape and torch.allclose(one, other, rtol=CLOSE, atol=CLOSE)


def _random(*shape: int) -> torch.Tensor:
    with _disable_current_modes():
        return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _takes_one(module: torch.nn.Module) -> bool:
    return len(inspect.signature(module.forward).parameters) == 1
