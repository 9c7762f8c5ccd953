"""Greedy decoding in batches that shrink: a finished row leaves the batch.

Rows are sorted by length, padded on the left, and share one key-value cache. What all prompts of
a call begin with (an instruction, solved examples) is computed once and its cache handed to every
batch: a long prompt then costs one pass instead of one a row.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# A shorter common beginning is not worth a pass of its own.
SHARED_PREFIX = 32


@dataclass(frozen=True)
class Answer:
    """A decoded row: its text without special tokens, tokens generated (the closing one counts)."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Decoded:
    """Answers in the order of the prompts, and the wall time of the whole call in seconds."""

    answers: tuple[Answer, ...]
    seconds: float


def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    label: str = "",
) -> Decoded:
    """Decode each prompt (token ids) greedily until an end token or `max_new_tokens`."""
    import torch
    from tqdm import tqdm

    start = time.perf_counter()
    ends = _end_tokens(model, tokenizer)
    prefix = _common_prefix(prompts)
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    found: dict[int, list[int]] = {}
    with torch.inference_mode(), tqdm(total=len(prompts), desc=label, unit="row") as bar:
        cache = _prefix_cache(model, prompts[0][:prefix]) if prefix else None
        for at in range(0, len(order), batch_size):
            part = order[at : at + batch_size]
            rests = [list(prompts[i][prefix:]) for i in part]
            tokens = _batch(
                model,
                rests,
                cache,
                ends=ends,
                pad=int(tokenizer.pad_token_id),
                limit=max_new_tokens,
            )
            found.update(zip(part, tokens, strict=True))
            bar.update(len(part))
    answers = tuple(
        Answer(tokenizer.decode(found[i], skip_special_tokens=True), len(found[i]))
        for i in range(len(prompts))
    )
    return Decoded(answers, time.perf_counter() - start)


def _batch(
    model: Any, rests: list[list[int]], prefix: Any, *, ends: set[int], pad: int, limit: int
) -> list[list[int]]:
    """Token ids generated for each row of one batch."""
    import torch
    from transformers import DynamicCache

    device = model.device
    longest = max(map(len, rests))
    ids = torch.tensor([[pad] * (longest - len(r)) + r for r in rests], device=device)
    seen = torch.tensor([[0] * (longest - len(r)) + [1] * len(r) for r in rests], device=device)
    past = 0
    cache = DynamicCache(config=model.config)
    if prefix is not None:
        cache = copy.deepcopy(prefix)
        cache.batch_repeat_interleave(len(rests))
        past = cache.get_seq_length()
        seen = torch.cat([seen.new_ones(len(rests), past), seen], dim=1)
    at = (seen.cumsum(dim=1) - 1).clamp(min=0)[:, past:]
    alive = list(range(len(rests)))
    out: list[list[int]] = [[] for _ in rests]
    for _ in range(limit):
        logits = model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=at,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = logits.argmax(dim=-1)
        for row, token in zip(alive, chosen.tolist(), strict=True):
            out[row].append(token)
        keep = [i for i, token in enumerate(chosen.tolist()) if token not in ends]
        if not keep:
            break
        at = at[:, -1:] + 1
        if len(keep) < len(alive):
            kept = torch.tensor(keep, device=device)
            cache.batch_select_indices(kept)
            seen, at, chosen = seen[kept], at[kept], chosen[kept]
            alive = [alive[i] for i in keep]
        seen = torch.cat([seen, seen.new_ones(len(alive), 1)], dim=1)
        ids = chosen[:, None]
    return out


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
