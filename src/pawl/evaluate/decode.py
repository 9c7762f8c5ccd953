"""Greedy decoding in batches that shrink: a finished row leaves the batch.

Rows are sorted by length, padded on the left, and share one key-value cache. The common prefix of
all prompts of a call (an instruction, solved examples) is computed once and its cache copied to
every batch: a long prompt then costs one pass instead of one a row.

Logits differ in their last bits with the shape of the batch, so that a near tie may be decided
differently in another batch (bench/batching.py measures it). So answers are cached by whole calls.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# A shorter common prefix is not worth a pass of its own.
SHARED_PREFIX = 32


@dataclass(frozen=True)
class Answer:
    """A decoded row: its text without special tokens, and tokens generated (end token included).

    `seconds` is the row's share of the wall time: each step's time is divided among the rows that
    are still being decoded, the rest among all rows of the batch.
    """

    text: str
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Batch:
    """The model's inputs for some rows without their common prefix, padded on the left.

    `ids` [rows, longest]; `attention_mask` [rows, past + longest], 0 where padded; `position_ids`
    those of `ids`; `cache` holds the prefix (`past` tokens) once for each row.
    """

    ids: Any
    attention_mask: Any
    position_ids: Any
    cache: Any


def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    label: str | None = "",
) -> tuple[Answer, ...]:
    """Decode each prompt (token ids) greedily up to an end token or `max_new_tokens`.

    Returns the answers in the order of the prompts. `label` is the progress bar's; None: no bar.
    """
    import torch
    from tqdm import tqdm

    ends = _end_tokens(model, tokenizer)
    decoded: dict[int, tuple[list[int], float]] = {}
    bar = tqdm(total=len(prompts), desc=label, unit="row", disable=label is None)
    with torch.inference_mode(), bar:
        start = time.perf_counter()
        pad = int(tokenizer.pad_token_id)
        for rows, batch in batches(model, prompts, pad=pad, batch_size=batch_size):
            spent = time.perf_counter() - start
            tokens, seconds = _decode(model, batch, ends=ends, limit=max_new_tokens)
            shares = [spent / len(rows) + own for own in seconds]
            decoded.update(zip(rows, zip(tokens, shares, strict=True), strict=True))
            bar.update(len(rows))
            start = time.perf_counter()
    return tuple(
        Answer(tokenizer.decode(tokens, skip_special_tokens=True), len(tokens), seconds)
        for tokens, seconds in (decoded[i] for i in range(len(prompts)))
    )


def batches(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    pad: int,
    batch_size: int,
    answers: Sequence[Sequence[int]] | None = None,
) -> Iterator[tuple[list[int], Batch]]:
    """The prompts in batches of similar length: their indices, and the model's inputs.

    `answers` (token ids), if given, are appended to the prompts.
    """
    import torch

    prefix = _common_prefix(prompts)
    cache = _prefix_cache(model, prompts[0][:prefix]) if prefix else None
    tails = [list(prompt[prefix:]) for prompt in prompts]
    if answers is not None:
        tails = [[*tail, *answer] for tail, answer in zip(tails, answers, strict=True)]
    order = sorted(range(len(tails)), key=lambda i: (len(tails[i]), i))
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        rests = [tails[i] for i in part]
        longest = max(map(len, rests))
        ids = torch.tensor([[pad] * (longest - len(r)) + r for r in rests], device=model.device)
        real = [[0] * (longest - len(r)) + [1] * len(r) for r in rests]
        mask = torch.tensor(real, device=model.device)
        yield part, _batch(model, ids, mask, cache)


def _batch(model: Any, ids: Any, mask: Any, prefix: Any) -> Batch:
    """The inputs of rows [rows, longest] whose common prefix is cached in `prefix`, if any."""
    import torch
    from transformers import DynamicCache

    past, cache = 0, DynamicCache(config=model.config)
    if prefix is not None:
        cache = copy.deepcopy(prefix)
        cache.batch_repeat_interleave(len(ids))
        past = cache.get_seq_length()
        mask = torch.cat([mask.new_ones(len(ids), past), mask], dim=1)
    return Batch(ids, mask, (mask.cumsum(dim=1) - 1).clamp(min=0)[:, past:], cache)


def _decode(
    model: Any, batch: Batch, *, ends: set[int], limit: int
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
            cache.batch_select_indices(unfinished)
            mask, positions = mask[unfinished], positions[unfinished]
            chosen = chosen[unfinished]
            alive = [alive[i] for i in keep]
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
        ids = chosen[:, None]
    return out, seconds


def _prefix_cache(model: Any, prefix: Sequence[int]) -> Any:
    """The key-value cache of these token ids."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(prefix)], device=model.device)
    model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Length of the common prefix, leaving each prompt a token; 0 if below SHARED_PREFIX."""
    if len(prompts) < 2:
        return 0
    columns = zip(*prompts, strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))
    shared = min(shared, min(map(len, prompts)) - 1)
    return shared if shared >= SHARED_PREFIX else 0


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    config: Any = model.generation_config
    named = getattr(config, "eos_token_id", None)
    ends = {int(tokenizer.eos_token_id)}
    if named is not None:
        ends |= set(named) if isinstance(named, list) else {int(named)}
    return ends
