"""Cross-entropy of the completion tokens; the head is computed for them alone.

The vocabulary is wide: for prompts ten times as long as the answers nine tenths of the logits would
be computed for nothing, and all of them saved for the backward pass. Here only target positions
reach the head, in chunks whose gradient is computed at once (as in Liger's fused linear
cross-entropy, Hsu et al. 2024), so that only one chunk's logits exist at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pawl.train.layers import product

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# The most logits of a chunk (64 MB of float32), and the most tokens, so that a small vocabulary's
# logits stay in the CPU's cache between the passes over them.
CHUNK, TOKENS = 1 << 24, 256


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        scale: float = 1.0,
        cap: float | None = None,
    ) -> torch.Tensor:
        size = max(1, min(TOKENS, CHUNK // weight.shape[0]))
        total = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden)
        for start in range(0, len(targets), size):
            part = slice(start, start + size)
            logits = product(hidden[part], weight, bias)
            wanted = targets[part, None]
            # The gradient with respect to the logits: softmax, minus one at the target. By hand,
            # because torch's softmax takes three times as long in float32 on CPU.
            slope, bent = _final(logits.float(), scale, cap)
            slope.sub_(slope.amax(dim=-1, keepdim=True))
            total -= slope.gather(1, wanted).sum()
            whole = slope.exp_().sum(dim=-1, keepdim=True)
            total += whole.log().sum()
            slope.div_(whole)
            slope.scatter_add_(1, wanted, slope.new_full(wanted.shape, -1.0))
            if bent is not None:
                slope.mul_(bent)
            if scale != 1:
                slope.mul_(scale)
            gradient[part] = product(slope.to(hidden.dtype), weight.T)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer.to(gradient.dtype), None, None, None, None, None


def completion_loss(
    model: PreTrainedModel, hidden: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The summed cross-entropy in nats; the head is frozen and gets no gradient.

    Args:
        model: the base, for its head.
        hidden: [N, width], the base's last hidden states at the target positions.
        targets: [N], the tokens that follow.
    """
    head: Any = model.get_output_embeddings()
    scale, cap = after_head(model.config.get_text_config())
    loss: torch.Tensor = _HeadLoss.apply(  # type: ignore[no-untyped-call]  # torch types it so
        hidden, head.weight, head.bias, targets, scale, cap
    )
    return loss


def after_head(config: Any) -> tuple[float, float | None]:
    """What a family multiplies its logits by, and the cap that it bends them to, by its config.

    Other families call such a setting otherwise: `pawl.train.agreement` finds a head that is read
    wrongly, and training then takes the model's own.
    """
    scale = float(getattr(config, "logit_scale", None) or 1.0)  # Cohere
    scale *= float(getattr(config, "lm_head_multiplier", None) or 1.0)  # Falcon-H1
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)  # Granite
    return scale, getattr(config, "final_logit_softcapping", None)  # Gemma


def _final(
    logits: torch.Tensor, scale: float, cap: float | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The scaled and capped logits (changed in place), and the slope of the cap."""
    if scale != 1:
        logits.mul_(scale)
    if cap is None:
        return logits, None
    logits.div_(cap).tanh_()
    return logits.clone().mul_(cap), logits.square_().neg_().add_(1)
