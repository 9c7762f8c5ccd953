"""Perplexity of the reference answers, and of a general text.

exp of the mean negative log-likelihood a token, in nats, from one forward pass over the given text
(teacher forcing). Values that are not finite are absent (None), never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pawl.model.cached_batches import Batch, Sharing, batches, sharing
from pawl.model.prompt import format_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The most rows of a batch, and logits (rows × answer × vocabulary; 4 bytes each).
ROWS, LOGITS = 16, 1 << 27
# Tokens of a window of the general text.
WINDOW = 256


def answer_perplexity(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    *,
    share: Sharing | None = None,
) -> list[float | None]:
    """Perplexity of each reference (token ids, end token included) after its prompt.

    `share`: how rows share batches (`sharing`); None: it is found here.

    Raises:
        BaseError: the base gives other logits with a cache than without.
    """
    pad = int(tokenizer.pad_token_id)
    share = share or sharing(model, prompts, pad=pad, more=max(map(len, answers)))
    perplexities: dict[int, float | None] = {}
    for rows, losses in answer_losses(model, prompts, answers, pad=pad, share=share):
        for index, loss in zip(rows, losses.tolist(), strict=True):
            own = loss[-len(answers[index]) :]
            perplexities[index] = perplexity(sum(own) / len(own))
    return [perplexities[i] for i in range(len(prompts))]


def answer_losses(
    model: Any,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    *,
    pad: int,
    share: Sharing,
) -> list[tuple[list[int], torch.Tensor]]:
    """The rows of each batch, and their losses [rows, longest answer], each answer at the end."""
    import torch

    size = batch_rows(model, answers)
    inputs = batches(model, prompts, pad=pad, share=share, batch_size=size, answers=answers)
    found = []
    with torch.inference_mode():
        for rows, batch in inputs:
            _, losses = forced(model, batch, max(len(answers[i]) for i in rows))
            found.append((rows, losses))
    return found


def forced(model: Any, batch: Batch, longest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One pass over prompts and answers, of which the longest has so many tokens.

    Padding is on the left, so that all answers end at the last position.

    Returns:
        The logits [rows, longest + 1, words] of each answer's tokens and of the one after, and the
        losses [rows, longest] of the former, in nats.
    """
    from torch.nn.functional import cross_entropy

    logits = model(
        input_ids=batch.ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        past_key_values=batch.cache,
        use_cache=True,
        logits_to_keep=longest + 1,
    ).logits
    predicted, targets = logits[:, :-1].float().transpose(1, 2), batch.ids[:, -longest:]
    return logits, cross_entropy(predicted, targets, reduction="none")


def batch_rows(model: Any, answers: Sequence[Sequence[int]]) -> int:
    """How many rows with such answers (token ids) a pass may have whose logits are all kept."""
    longest, words = max(map(len, answers)), int(model.config.get_text_config().vocab_size)
    return max(1, min(ROWS, LOGITS // (longest * words)))


def general_perplexity(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> float | None:
    """Perplexity of the general text that ships with Pawl, for the forgetting guard."""
    ids = tokenizer(general_text(), add_special_tokens=False)["input_ids"]
    # Gemma without its start token predicts next to nothing.
    start_of_text = format_of(tokenizer).start
    total, count = 0.0, 0
    for start in range(0, len(ids) - 1, WINDOW):
        # Windows overlap by one token, so that each token but the first is predicted once.
        window = ids[start : start + WINDOW + 1]
        total += float(text_loss(model, start_of_text + window, start=len(start_of_text)))
        count += len(window) - 1
    return perplexity(total / count)


def text_loss(model: Any, text: Sequence[int], *, start: int) -> torch.Tensor:
    """The summed loss of a text's tokens after the first that is no start token."""
    import torch
    from torch.nn.functional import cross_entropy

    with torch.inference_mode():
        whole = torch.tensor([list(text)], device=model.device)
        logits = model(input_ids=whole).logits[0, start:-1]
        return cross_entropy(logits.float(), whole[0, start + 1 :], reduction="sum")


def general_text() -> str:
    """Plain English of several kinds, written for Pawl and under its licence."""
    return files("pawl.evaluate").joinpath("general.txt").read_text(encoding="utf-8")


def perplexity(loss: float) -> float | None:
    """exp(loss); None if that is not finite."""
    try:
        value = math.exp(loss)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None
