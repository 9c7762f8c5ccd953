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
            slope = logits.float()
            slope.sub_(slope.amax(dim=-1, keepdim=True))
            total -= slope.gather(1, wanted).sum()
            whole = slope.exp_().sum(dim=-1, keepdim=True)
            total += whole.log().sum()
            slope.div_(whole)
            slope.scatter_add_(1, wanted, slope.new_full(wanted.shape, -1.0))
            gradient[part] = product(slope.to(hidden.dtype), weight.T)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer.to(gradient.dtype), None, None, None


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
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    if cap is None:
        loss: torch.Tensor = _HeadLoss.apply(  # type: ignore[no-untyped-call]  # torch types it so
            hidden, head.weight, head.bias, targets
        )
        return loss
    logits = cap * torch.tanh(head(hidden).float() / cap)
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
