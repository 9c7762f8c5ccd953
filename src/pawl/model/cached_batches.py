"""Prompts in batches that share a key-value cache, as far as a base's layers allow it.

The common prefix of all prompts of a call (an instruction, solved examples) is computed once and
its cache copied to every batch: a long prompt then costs one pass instead of one a row. Rows are
sorted by length and padded on the left, between prefix and rest. Attention over all tokens does not
see padding; a sliding window counts it and a recurrent layer takes it in, so that behind a prefix
such bases take rows of one length together.

Which of these a base takes is tried on two of the prompts, against its own forward pass without any
cache.
"""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pawl.errors import BaseError

if TYPE_CHECKING:
    import torch

# A shorter common prefix is not worth a pass of its own.
SHARED_PREFIX = 32
# Padded batches behind the prefix; batches of one length behind it; of one length without it; a row
# at a time.
Sharing = Literal["padded", "even", "whole", "alone"]
ORDER: tuple[Sharing, ...] = ("padded", "even", "whole", "alone")
# Tokens after the prompt that are tried, and the difference of logits (its standard deviation over
# the words, as a share of theirs) that rounding may explain. In bfloat16 SmolLM2-135M differs by
# 0.02 to 0.03, by 0.09 with one position wrong, by 0.3 where it sees padding; single ones of its
# 49,152 words by up to 0.2, and all of them together, which changes no probability, by 0.1.
TRIED, TOLERANCE = 2, {"torch.float32": 2e-4, "torch.bfloat16": 0.06, "torch.float16": 0.06}
# Of a cache's layer that is recurrent: its states, by their number within the layer.
STATES = ("conv_states", "recurrent_states")


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


def batches(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    pad: int,
    batch_size: int,
    share: Sharing = "padded",
    answers: Sequence[Sequence[int]] | None = None,
) -> Iterator[tuple[list[int], Batch]]:
    """The prompts in batches of similar length: their indices, and the model's inputs.

    `answers` (token ids), if given, are appended to the prompts. `share` is what `sharing` found.
    """
    import torch

    prefix = _common_prefix(prompts) if share in ("padded", "even") else 0
    cache = _prefix_cache(model, prompts[0][:prefix]) if prefix else None
    tails = [list(prompt[prefix:]) for prompt in prompts]
    if answers is not None:
        tails = [[*tail, *answer] for tail, answer in zip(tails, answers, strict=True)]
    size = 1 if share == "alone" else batch_size
    for part in _parts([len(tail) for tail in tails], size, even=share != "padded"):
        rests = [tails[i] for i in part]
        longest = max(map(len, rests))
        ids = torch.tensor([[pad] * (longest - len(r)) + r for r in rests], device=model.device)
        real = [[0] * (longest - len(r)) + [1] * len(r) for r in rests]
        mask = torch.tensor(real, device=model.device)
        yield part, _batch(model, ids, mask, cache)


def sharing(model: Any, prompts: Sequence[Sequence[int]], *, pad: int, more: int) -> Sharing:
    """The fastest way to share batches whose logits are the model's own without a cache.

    Args:
        more: how many tokens may follow a prompt.

    Raises:
        BaseError: no way gives the model's own logits; names the family and the difference.
    """
    import torch

    if not prompts:
        return "padded"
    by_length = sorted(prompts, key=len)
    sample = [by_length[0], by_length[-1]] if len(prompts) > 1 else list(prompts)
    reach, told = len(by_length[-1]) + more, ""
    # Not inference mode: buffers that a base makes anew in it could not be trained with.
    with torch.no_grad(), warnings.catch_warnings():
        # transformers renames an argument, which earlier versions know by the old name alone.
        warnings.simplefilter("ignore", FutureWarning)
        own = [own_logits(model, prompt) for prompt in sample]
        tolerance = TOLERANCE[str(own[0][1].dtype)]
        for share in ORDER:
            if share == "padded" and reach > padding_reach(model):
                continue
            try:
                off = _difference(model, sample, own, pad=pad, share=share)
            except Exception as error:  # noqa: BLE001  # another way may do without what failed
                told = f"{type(error).__name__}: {error}"[:300]
                continue
            if off <= tolerance:
                return share
            told = f"they differ by {off:.2g} of their spread"
    raise BaseError(
        f"a base of the family '{model.config.model_type}' gives other logits with a cache than "
        f"without, even a row at a time: {told}",
        rule=f"answers are those of the model's own forward pass (within {tolerance:g})",
        remedy="name another base (docs/bases.md lists the families that were tried)",
    )


def select_rows(cache: Any, rows: torch.Tensor) -> None:
    """Keep these rows of a batch, in place; recurrent layers have no such method of their own."""
    for layer in cache.layers:
        _states_by(layer, lambda state: state.index_select(0, rows.to(state.device)))
        if hasattr(layer, "batch_select_indices"):
            layer.batch_select_indices(rows)


def _repeat_row(cache: Any, count: int) -> None:
    """Repeat a cache's only row."""
    for layer in cache.layers:
        _states_by(layer, lambda state: state.repeat_interleave(count, dim=0))
        if hasattr(layer, "batch_repeat_interleave"):
            layer.batch_repeat_interleave(count)


def _states_by(layer: Any, change: Any) -> None:
    for name in STATES:
        states = getattr(layer, name, None)
        if states is None:
            continue
        for number in states if isinstance(states, dict) else range(len(states)):
            if states[number] is not None:
                states[number] = change(states[number])


def _parts(lengths: Sequence[int], size: int, *, even: bool) -> Iterator[list[int]]:
    """Indices of rows in batches of at most `size`, by length; `even`: all of one length."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    runs = [list(run) for _, run in itertools.groupby(order, lengths.__getitem__)]
    for run in runs if even else [order]:
        for start in range(0, len(run), size):
            yield run[start : start + size]


def _batch(model: Any, ids: Any, mask: Any, prefix: Any) -> Batch:
    """The inputs of rows [rows, longest] whose common prefix is cached in `prefix`, if any."""
    import torch
    from transformers import DynamicCache

    past, cache = 0, DynamicCache(config=model.config)
    if prefix is not None:
        cache = _copied(prefix)
        _repeat_row(cache, len(ids))
        past = prefix.pawl_tokens
        mask = torch.cat([mask.new_ones(len(ids), past), mask], dim=1)
    return Batch(ids, mask, (mask.cumsum(dim=1) - 1).clamp(min=0)[:, past:], cache)


def _copied(cache: Any) -> Any:
    """A copy of a cache; its tensors by `clone`, which those without values have, too."""
    from torch.utils._pytree import tree_leaves

    held = [value for layer in cache.layers for value in tree_leaves(vars(layer))]
    return copy.deepcopy(cache, {id(v): v.clone() for v in held if hasattr(v, "clone")})


def _prefix_cache(model: Any, prefix: Sequence[int]) -> Any:
    """The key-value cache of these token ids."""
    import torch
    from transformers import DynamicCache

    cache: Any = DynamicCache(config=model.config)
    ids = torch.tensor([list(prefix)], device=model.device)
    model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    # A cache without attention does not know its length.
    cache.pawl_tokens = len(prefix)
    return cache


def _common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Length of the common prefix, leaving each prompt a token; 0 if below SHARED_PREFIX."""
    if len(prompts) < 2:
        return 0
    columns = zip(*prompts, strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))
    shared = min(shared, min(map(len, prompts)) - 1)
    return shared if shared >= SHARED_PREFIX else 0


def padding_reach(model: Any) -> float:
    """The most tokens up to which padding inside a row is seen by no layer."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    # Without layer types the cache makes layers for full attention as they come.
    layers = DynamicCache(config=model.config).layers
    windows = (
        math.inf if type(layer) is DynamicLayer else getattr(layer, "sliding_window", None) or 0
        for layer in layers
    )
    return min(windows, default=math.inf)


def own_logits(model: Any, prompt: Sequence[int]) -> tuple[list[int], torch.Tensor]:
    """Tokens that follow a prompt greedily, TRIED of them, and the logits [TRIED + 1, words] of
    each and the next, without a cache."""
    import torch

    tokens: list[int] = []
    while True:
        ids = torch.tensor([[*prompt, *tokens]], device=model.device)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(tokens) + 1).logits
        logits = logits[0, -len(tokens) - 1 :]
        if len(tokens) == TRIED:
            return tokens, logits
        tokens.append(int(logits[-1].argmax()))


def _difference(model: Any, prompts: Any, own: Any, *, pad: int, share: Sharing) -> float:
    """The largest difference of a step's logits from the model's own, as a share of their spread.

    Standard deviations over the words: the largest over many words measures rounding, and what
    is added to all of them changes no probability.
    """
    import torch

    worst = 0.0
    for rows, batch in batches(model, prompts, pad=pad, batch_size=len(prompts), share=share):
        ids, mask, positions = batch.ids, batch.attention_mask, batch.position_ids
        for step in range(TRIED + 1):
            found = model(
                input_ids=ids, attention_mask=mask, position_ids=positions,
                past_key_values=batch.cache, use_cache=True, logits_to_keep=1,
            ).logits[:, -1].float()  # fmt: skip
            wanted = torch.stack([own[i][1][step] for i in rows]).float()
            off = float(((found - wanted).std(dim=-1) / wanted.std(dim=-1)).max())
            worst = max(worst, off if math.isfinite(off) else math.inf)
            if step < TRIED:
                ids = torch.tensor([[own[i][0][step]] for i in rows], device=model.device)
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
                positions = positions[:, -1:] + 1
    return worst
