"""Greedy decoding in batches that shrink: a finished row leaves the batch.

How rows share a batch and a cache is in `pawl.model.cached_batches`.

Logits differ in their last bits with the shape of the batch, so that a near tie may be decided
differently in another batch (bench/batching.py measures it). So answers are cached by whole calls.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pawl.evaluate.grammar import Grammar, Writing
from pawl.model.cached_batches import Batch, Sharing, batches, select_rows, sharing
from pawl.model.tokenizer import end_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Answer:
    """A decoded row: its text without special tokens, and tokens generated (end token included).

    `seconds` is the row's share of the wall time: each step's time is divided among the rows that
    are still being decoded, the rest among all rows of the batch.
    """

    text: str
    tokens: int
    seconds: float


def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    label: str | None = "",
    share: Sharing | None = None,
    grammar: Grammar | None = None,
) -> tuple[Answer, ...]:
    """Decode each prompt (token ids) greedily up to an end token or `max_new_tokens`.

    Returns the answers in the order of the prompts. `label` is the progress bar's; None: no bar.
    `share`: how rows share batches (`sharing`); None: it is found here. `grammar`: what an answer
    may be; None: anything.

    Raises:
        BaseError: the base gives other logits with a cache than without.
    """
    pad = int(tokenizer.pad_token_id)
    decoded = greedy_tokens(
        model,
        prompts,
        ends=end_tokens(model, tokenizer),
        pad=pad,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        share=share or sharing(model, prompts, pad=pad, more=max_new_tokens),
        label=label,
        writings=[grammar.begin() for _ in prompts] if grammar else None,
    )
    return tuple(
        Answer(tokenizer.decode(tokens, skip_special_tokens=True), len(tokens), seconds)
        for tokens, seconds in decoded
    )


def greedy_tokens(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    ends: set[int],
    pad: int,
    max_new_tokens: int,
    batch_size: int,
    share: Sharing,
    label: str | None = None,
    writings: Sequence[Writing] | None = None,
) -> list[tuple[list[int], float]]:
    """As `greedy`: the token ids that follow each prompt, and its share of the seconds.

    `writings` are the answers so far, whose grammar holds what follows.
    """
    import torch
    from tqdm import tqdm

    decoded: dict[int, tuple[list[int], float]] = {}
    bar = tqdm(total=len(prompts), desc=label, unit="row", disable=label is None)
    with torch.inference_mode(), bar:
        start = time.perf_counter()
        inputs = batches(model, prompts, pad=pad, batch_size=batch_size, share=share)
        for rows, batch in inputs:
            spent = time.perf_counter() - start
            held = None if writings is None else [writings[row] for row in rows]
            tokens, seconds = _decode(model, batch, held, ends=ends, limit=max_new_tokens)
            shares = [spent / len(rows) + own for own in seconds]
            decoded.update(zip(rows, zip(tokens, shares, strict=True), strict=True))
            bar.update(len(rows))
            start = time.perf_counter()
    return [decoded[i] for i in range(len(prompts))]


def _decode(
    model: Any,
    batch: Batch,
    writings: Sequence[Writing] | None,
    *,
    ends: set[int],
    limit: int,
) -> tuple[list[list[int]], list[float]]:
    """Token ids generated for each row of a batch, and each row's share of the seconds."""
    import torch

    ids, mask, positions, cache = batch.ids, batch.attention_mask, batch.position_ids, batch.cache
    alive = list(range(len(ids)))
    out: list[list[int]] = [[] for _ in alive]
    seconds = [0.0] * len(alive)
    for _ in range(limit):
        start = time.perf_counter()
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = logits.argmax(dim=-1)
        tokens = chosen.tolist()  # waits for the device, so that the clock is right
        if writings is not None:
            tokens = [
                writings[row].take(own, best)
                for row, own, best in zip(alive, logits, tokens, strict=True)
            ]
            chosen = torch.tensor(tokens, device=chosen.device)
        share = (time.perf_counter() - start) / len(alive)
        for row, token in zip(alive, tokens, strict=True):
            out[row].append(token)
            seconds[row] += share
        keep = [i for i, token in enumerate(tokens) if token not in ends]
        if not keep:
            break
        positions = positions[:, -1:] + 1
        if len(keep) < len(alive):
            unfinished = torch.tensor(keep, device=ids.device)
            select_rows(cache, unfinished)
            mask, positions = mask[unfinished], positions[unfinished]
            chosen = chosen[unfinished]
            alive = [alive[i] for i in keep]
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
        ids = chosen[:, None]
    return out, seconds
