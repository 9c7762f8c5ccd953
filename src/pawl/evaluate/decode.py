"""Greedy decoding in batches that shrink: a finished row leaves the batch.

Rows are sorted by length, padded on the left, and share one key-value cache. What all prompts of
a call begin with (an instruction, solved examples) is computed once and its cache handed to every
batch: a long prompt then costs one pass instead of one a row.

Logits differ in their last bits with the shape of the batch, so that a near tie may fall the other
way in other company (bench/batching.py measures it). Whoever keeps answers keeps those of a whole
call.
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

# A shorter common beginning is not worth a pass of its own.
SHARED_PREFIX = 32


@dataclass(frozen=True)
class Answer:
    """A decoded row: its text without special tokens, tokens generated (the closing one counts).

    `seconds` is the row's share of the wall time: each step's time is divided among the rows that
    were still being decoded, what all share among all.
    """

    text: str
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Opened:
    """A batch made ready: the rows without their common prefix, padded on the left.

    `ids` [rows, longest]; `seen` [rows, past + longest], 0 where padded; `at` the positions of
    `ids`; `cache` holds the prefix (`past` tokens) once for each row.
    """

    ids: Any
    seen: Any
    at: Any
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
    """Decode each prompt (token ids) greedily until an end token or `max_new_tokens`.

    The answers are in the order of the prompts. `label` names the progress bar, None: no bar.
    """
    import torch
    from tqdm import tqdm

    ends = _end_tokens(model, tokenizer)
    found: dict[int, tuple[list[int], float]] = {}
    bar = tqdm(total=len(prompts), desc=label, unit="row", disable=label is None)
    with torch.inference_mode(), bar:
        start = time.perf_counter()
        pad = int(tokenizer.pad_token_id)
        for rows, batch in batches(model, prompts, pad=pad, batch_size=batch_size):
            spent = time.perf_counter() - start
            tokens, seconds = _decode(model, batch, ends=ends, limit=max_new_tokens)
            shares = [spent / len(rows) + own for own in seconds]
            found.update(zip(rows, zip(tokens, shares, strict=True), strict=True))
            bar.update(len(rows))
            start = time.perf_counter()
    return tuple(
        Answer(tokenizer.decode(tokens, skip_special_tokens=True), len(tokens), seconds)
        for tokens, seconds in (found[i] for i in range(len(prompts)))
    )


def batches(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    pad: int,
    batch_size: int,
    answers: Sequence[Sequence[int]] | None = None,
) -> Iterator[tuple[list[int], Opened]]:
    """The prompts' indices in batches of like length, each batch made ready for the model.

    `answers` (token ids) are put behind the prompts where they are given.
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
        seen = torch.tensor(real, device=model.device)
        yield part, _opened(model, ids, seen, cache)


def _opened(model: Any, ids: Any, seen: Any, prefix: Any) -> Opened:
    import torch
    from transformers import DynamicCache

    past, cache = 0, DynamicCache(config=model.config)
    if prefix is not None:
        cache = copy.deepcopy(prefix)
        cache.batch_repeat_interleave(len(ids))
        past = cache.get_seq_length()
        seen = torch.cat([seen.new_ones(len(ids), past), seen], dim=1)
    return Opened(ids, seen, (seen.cumsum(dim=1) - 1).clamp(min=0)[:, past:], cache)


def _decode(
    model: Any, batch: Opened, *, ends: set[int], limit: int
) -> tuple[list[list[int]], list[float]]:
    """Token ids generated for each row of one batch, and each row's share of the seconds."""
    import torch

    ids, seen, at, cache = batch.ids, batch.seen, batch.at, batch.cache
    alive = list(range(len(ids)))
    out: list[list[int]] = [[] for _ in alive]
    seconds = [0.0] * len(alive)
    for _ in range(limit):
        start = time.perf_counter()
        logits = model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=at,
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
        at = at[:, -1:] + 1
        if len(keep) < len(alive):
            kept = torch.tensor(keep, device=ids.device)
            cache.batch_select_indices(kept)
            seen, at, chosen = seen[kept], at[kept], chosen[kept]
            alive = [alive[i] for i in keep]
        seen = torch.cat([seen, seen.new_ones(len(alive), 1)], dim=1)
        ids = chosen[:, None]
    return out, seconds


def _prefix_cache(model: Any, prefix: Sequence[int]) -> Any:
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(prefix)], device=model.device)
    model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts begin with, leaving each at least one; 0 where it is not worth it."""
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
