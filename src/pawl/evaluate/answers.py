"""A contender's answers: by drafts, where these agree with plain greedy decoding on a sample.

The sample tells what a call takes, too: a draft is a reference, which no caller has, so that the
time of a drafted answer is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pawl.config.judging import Evaluate
from pawl.evaluate.decode import greedy
from pawl.evaluate.drafted import Drafted, drafted
from pawl.evaluate.grammar import Grammar
from pawl.evaluate.perplexity import answer_perplexity
from pawl.evaluate.summary import mean
from pawl.evaluate.undecided import HALF
from pawl.model.cached_batches import sharing

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Rows that are decoded plainly as well.
SAMPLE = 8


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    drafts: Sequence[Sequence[int]],
    policy: Evaluate,
    *,
    timed: bool,
    undecided: Callable[[int, str], bool] | None = None,
    grammar: Grammar | None = None,
    label: str | None,
) -> list[Drafted]:
    """Greedy answers to the prompts, and the perplexities of the references.

    Args:
        drafts: token ids of each row's reference, end token included.
        timed: the seconds of each row count, so that all are decoded plainly; else each row has the
            sample's mean.
        undecided: whether a row, by its place, may still come to be right behind a text; where it
            cannot, it is given up, but for the sample's. None: all answers are whole.
        grammar: what an answer may be; None: anything.
        label: label of the progress bar; None: no bar.

    Raises:
        BaseError: the base gives other logits with a cache than without.
    """
    pad = int(tokenizer.pad_token_id)
    longest = max(policy.max_new_tokens, *map(len, drafts))
    share = sharing(model, prompts, pad=pad, more=longest)

    def plain(rows: slice) -> list[Drafted]:
        found = greedy(
            model,
            tokenizer,
            prompts[rows],
            max_new_tokens=policy.max_new_tokens,
            batch_size=policy.batch_size,
            label=label if rows == slice(None) else None,
            share=share,
            grammar=grammar,
        )
        tokens = drafts[rows]
        perplexities = answer_perplexity(model, tokenizer, prompts[rows], tokens, share=share)
        return list(map(Drafted, found, perplexities))

    if timed or len(prompts) <= SAMPLE:
        return plain(slice(None))
    sample = plain(slice(SAMPLE))
    found = drafted(
        model,
        tokenizer,
        prompts,
        drafts,
        max_new_tokens=policy.max_new_tokens,
        batch_size=policy.batch_size,
        share=share,
        label=label,
        undecided=undecided,
        grammar=grammar,
    )
    if not all(map(_agree, found, sample)):
        return plain(slice(None))
    seconds = mean([one.answer.seconds for one in sample])
    found = [*sample, *found[SAMPLE:]]
    return [replace(one, answer=replace(one.answer, seconds=seconds)) for one in found]


def _agree(mine: Drafted, plain: Drafted) -> bool:
    """Whether a drafted answer is the plain one, or its beginning where it was given up."""
    if not mine.whole:
        return plain.answer.text.startswith(mine.answer.text.rstrip(HALF))
    return (mine.answer.text, mine.answer.tokens) == (plain.answer.text, plain.answer.tokens)
