"""Greedy decoding that tries a draft of each answer first: the same answers in fewer passes.

The draft is the row's reference. One pass over prompt and draft says, token by token, whether
greedy decoding would have written it (Leviathan et al. 2023, arXiv:2211.17192, with a draft that
costs nothing); where it would have, all the way, the row is answered. A row that differs goes on
from its first difference: what was refused is masked in the cache, and each further pass tries what
followed the same words in the reference or the prompt (prompt lookup decoding). The same pass gives
the reference's perplexity.

Tokens that are masked in a cache are counted by a sliding window and cannot be taken out of a
recurrent state, so bases with such layers go on by `greedy` from the difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pawl.evaluate.decode import Answer, greedy_tokens
from pawl.evaluate.grammar import Grammar, Writing
from pawl.evaluate.lookup import Row, written
from pawl.evaluate.perplexity import batch_rows, forced, perplexity
from pawl.model.cached_batches import Batch, Sharing, batches, select_rows
from pawl.model.masked_cache import sees_masked
from pawl.model.tokenizer import end_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The most tokens of a guess, and of all rows of a pass together: on a CPU a wide pass costs time.
AHEAD, ROOM = 12, 96
# Tokens of a prompt's end that are searched.
PROMPT_END = 256


@dataclass(frozen=True)
class Drafted:
    """An answer, and the perplexity of the reference that was its draft (None: not finite).

    `whole` is False where it was given up, because it could no longer come to be right.
    """

    answer: Answer
    perplexity: float | None
    whole: bool = True


@dataclass
class _Call:
    """What all batches of a call share; `done` maps a row's index to its answer."""

    model: Any
    tokenizer: Any
    limit: int
    undecided: Callable[[int, str], bool] | None
    done: dict[int, tuple[Answer, bool]] = field(default_factory=dict)

    @cached_property
    def ends(self) -> set[int]:
        return end_tokens(self.model, self.tokenizer)

    @property
    def pad(self) -> int:
        return int(self.tokenizer.pad_token_id)

    def finished(self, row: Row) -> bool:
        """Whether the row is answered; tokens beyond its end or the limit are cut off."""
        at = next((i for i, token in enumerate(row.out) if token in self.ends), len(row.out))
        row.out = row.out[: min(at + 1, self.limit)]
        whole = row.out[-1] in self.ends or len(row.out) == self.limit
        text = self.tokenizer.decode(row.out, skip_special_tokens=True)
        if not whole and (self.undecided is None or self.undecided(row.index, text)):
            return False
        self.done[row.index] = Answer(text, len(row.out), row.seconds), whole
        return True


def drafted(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    drafts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    share: Sharing,
    undecided: Callable[[int, str], bool] | None = None,
    grammar: Grammar | None = None,
    label: str | None = None,
) -> list[Drafted]:
    """Decode each prompt greedily up to an end token or `max_new_tokens`, in their order.

    Args:
        drafts: token ids of each row's reference, end token included.
        share: how rows share batches (`pawl.model.cached_batches.sharing`).
        undecided: whether a row, by its place, is decoded on behind a text; None: to its end.
        grammar: what an answer may be; None: anything.
        label: label of the progress bar; None: no bar.
    """
    import torch
    from tqdm import tqdm

    if not prompts:
        return []
    call = _Call(model, tokenizer, max_new_tokens, undecided)
    perplexities: dict[int, float | None] = {}
    left: list[Row] = []
    size = min(batch_size, batch_rows(model, drafts))
    masks = share == "padded" and not sees_masked(model, min(prompts, key=len), pad=call.pad)
    bar = tqdm(total=len(prompts), desc=label, unit="row", disable=label is None)
    with torch.inference_mode(), bar:
        inputs = batches(model, prompts, pad=call.pad, batch_size=size, share=share, answers=drafts)
        start = time.perf_counter()
        for rows, batch in inputs:
            writings = [grammar.begin() if grammar else None for _ in rows]
            losses, agreed = _tried(call, batch, [drafts[i] for i in rows], writings)
            took = (time.perf_counter() - start) / len(rows)
            unfinished: list[tuple[int, Row]] = []
            for at, (i, found) in enumerate(zip(rows, agreed, strict=True)):
                perplexities[i] = perplexity(losses[at])
                end = prompts[i][-PROMPT_END:]
                row = Row(i, len(prompts[i]), found, drafts[i], end, len(found), took, writings[at])
                if not call.finished(row):
                    unfinished.append((at, row))
            if unfinished and masks:
                _go_on(call, batch, unfinished, [len(drafts[i]) for i in rows])
            left += [row for _, row in unfinished if not masks]
            bar.update(len(rows))
            start = time.perf_counter()
        _begin_anew(call, prompts, left, batch_size=batch_size, share=share)
    answers = (call.done[i] for i in range(len(prompts)))
    return [Drafted(answer, perplexities[i], whole) for i, (answer, whole) in enumerate(answers)]


def _tried(
    call: _Call,
    batch: Batch,
    drafts: Sequence[Sequence[int]],
    writings: Sequence[Writing | None],
) -> tuple[list[float], list[list[int]]]:
    """One pass over prompts and drafts: each draft's mean loss (nats), and what greedy decoding
    writes up to its first difference from the draft, that token included."""
    longest = max(map(len, drafts))
    logits, losses = forced(call.model, batch, longest)
    chosen = logits.argmax(dim=-1).tolist()
    means, found = [], []
    for row, (draft, writing) in enumerate(zip(drafts, writings, strict=True)):
        first = longest - len(draft)
        means.append(float(losses[row, first:].mean()))
        found.append(
            written(draft, chosen[row][first:], logits[row, first:], writing, ends=call.ends)
        )
    return means, found


def _go_on(
    call: _Call, batch: Batch, unfinished: Sequence[tuple[int, Row]], drafts: Sequence[int]
) -> None:
    """Decode on from the first differences, with the cache of the pass that found them.

    `unfinished` are rows and their places in the batch; `drafts` the lengths of all its drafts.
    """
    import torch

    device, cache = batch.ids.device, batch.cache
    keep = torch.tensor([at for at, _ in unfinished], device=device)
    select_rows(cache, keep)
    mask, rows = batch.attention_mask[keep].clone(), [row for _, row in unfinished]
    for mine, (at, row) in zip(mask, unfinished, strict=True):
        # All of `out` but its last token was agreed on, and is cached.
        mine[mine.shape[0] - drafts[at] + len(row.out) - 1 :] = 0
    while rows:
        start = time.perf_counter()
        most = min(AHEAD, ROOM // len(rows) - 1)
        guesses = [row.guess(min(most, call.limit - len(row.out) - 1)) for row in rows]
        width = 1 + max(map(len, guesses))
        pads = [[call.pad] * (width - 1 - len(guess)) for guess in guesses]
        ids = torch.tensor(
            [[row.out[-1], *g, *p] for row, g, p in zip(rows, guesses, pads, strict=True)],
            device=device,
        )
        real = torch.tensor([[1] * (width - len(p)) + [0] * len(p) for p in pads], device=device)
        begin = torch.tensor([row.read + len(row.out) - 1 for row in rows], device=device)
        cached = mask.shape[1]
        mask = torch.cat([mask, real.to(mask.dtype)], dim=1)
        logits = call.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=begin[:, None] + torch.arange(width, device=device),
            past_key_values=cache,
            use_cache=True,
        ).logits
        chosen = logits.argmax(dim=-1).tolist()
        took = (time.perf_counter() - start) / len(rows)
        keep_at = []
        for at, (row, guess) in enumerate(zip(rows, guesses, strict=True)):
            more = written(guess, chosen[at], logits[at], row.writing, ends=call.ends)
            # All of them but the last are cached, behind the one that was there.
            mask[at, cached + len(more) :] = 0
            row.out += more
            row.seconds += took
            if not call.finished(row):
                keep_at.append(at)
        if len(keep_at) < len(rows):
            kept = torch.tensor(keep_at, device=device, dtype=torch.long)
            rows = [rows[at] for at in keep_at]
            if rows:
                select_rows(cache, kept)
                mask = mask[kept]


def _begin_anew(
    call: _Call,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Row],
    *,
    batch_size: int,
    share: Sharing,
) -> None:
    """Decode on from the first differences with a new cache of prompt and answer so far."""
    if not rows:
        return
    found = greedy_tokens(
        call.model,
        [[*prompts[row.index], *row.out] for row in rows],
        ends=call.ends,
        pad=call.pad,
        max_new_tokens=call.limit - min(len(row.out) for row in rows),
        batch_size=batch_size,
        share=share,
        writings=[row.writing for row in rows if row.writing] or None,
    )
    for row, (more, took) in zip(rows, found, strict=True):
        row.out += more
        row.seconds += took
        call.finished(row)
