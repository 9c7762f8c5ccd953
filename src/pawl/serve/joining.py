"""A base in memory for serving, and whether rows may join each other's batches on it.

Which base takes that is tried, not read off its layers: logits of rows that joined at different
steps are compared with the base's own forward pass without any cache.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pawl.core.records import Message
from pawl.model.cached_batches import TOLERANCE, own_logits, padding_reach
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import end_tokens
from pawl.serve.adapters import Adapters
from pawl.serve.batch import Batch
from pawl.serve.rows import News, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LOG = logging.getLogger(__name__)
# What a base is tried with before it is served.
TRIAL = ("Hello, where is my parcel? The order is ORD-2023-41778.", "Thanks!")


@dataclass(frozen=True)
class Base:
    """The base and what decoding needs of its tokenizer.

    `ends` are the tokens that end an answer. `joins`: rows join each other's batches; else each is
    decoded by itself. `trial` are token ids of prompts that it is tried with.
    """

    model: Any
    pad: int
    ends: frozenset[int]
    joins: bool
    trial: tuple[tuple[int, ...], ...]

    def answers(self, adapters: Adapters) -> bool:
        """Whether the model still computes a prompt that it could compute at the start."""
        try:
            ids = _ids(self.trial[0], adapters.model.device)
            logits = adapters.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
            return not bool(logits.isnan().any())
        except Exception:  # whatever it is, it does not answer
            LOG.exception("the model does not answer any more")
            return False


def base_in_memory(model: Any, tokenizer: PreTrainedTokenizerBase) -> Base:
    """A loaded base, tried."""
    trial = tuple(tuple(prompt_tokens(tokenizer, (Message("user", one),))) for one in TRIAL)
    pad = int(tokenizer.pad_token_id or 0)
    joins = joinable(model, trial, pad=pad)
    return Base(model.eval(), pad, frozenset(end_tokens(model, tokenizer)), joins, trial)


def joinable(model: Any, prompts: Sequence[Sequence[int]], *, pad: int) -> bool:
    """Whether two prompts, the second of which joins a step later, get the base's own logits."""
    import torch

    if padding_reach(model) != math.inf:
        return False
    with torch.inference_mode():
        own = [own_logits(model, prompt) for prompt in prompts[:2]]
        tolerance = TOLERANCE[str(own[0][1].dtype)]
        rows = [Row(tuple(prompt), "", 9, _nobody) for prompt in prompts[:2]]
        try:
            first, second = (Batch(_Bare(model), [row], pad=pad) for row in rows)
            first.step([own[0][0][0]])
            first.join(second)
            found = [first.logits]
            first.step([own[0][0][1], own[1][0][0]])
            found.append(first.logits)
        except Exception as error:  # noqa: BLE001  # then each is decoded by itself
            LOG.info("rows share no batch on this base: %s", error)
            return False
        wanted = [torch.stack([own[0][1][step + 1], own[1][1][step]]) for step in range(2)]
        return all(
            _apart(logits.float(), right.float()) <= tolerance
            for logits, right in zip(found, wanted, strict=True)
        )


class _Bare(Adapters):
    """No adapters: every row has the base's own pass."""

    def __call__(self, names: Sequence[str], **inputs: Any) -> Any:  # noqa: ARG002
        return self.model(**inputs)


def _apart(found: Any, wanted: Any) -> float:
    """The largest difference of two rows' logits, as a share of their spread over the words."""
    off = float(((found - wanted).std(dim=-1) / wanted.std(dim=-1)).max())
    return off if math.isfinite(off) else math.inf


def _ids(prompt: Sequence[int], device: Any) -> Any:
    import torch

    return torch.tensor([list(prompt)], device=device)


def _nobody(news: News) -> None:
    """Nobody is told."""
