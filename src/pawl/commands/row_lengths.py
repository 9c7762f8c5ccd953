"""Which rows of a new task fit in its base, and how long they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.core.records import Example
from pawl.errors import DataError
from pawl.model.prompt import answer_text, completion_tokens, prompt_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN = 3


@dataclass(frozen=True)
class Fitting:
    """The rows that fit, with the tokens of each, whole (`rows`) and of its answer.

    `notes` say of those that do not fit, and of those that the base's template cannot show.
    """

    examples: tuple[Example, ...]
    rows: tuple[int, ...]
    answers: tuple[int, ...]
    notes: tuple[str, ...]


def rows_that_fit(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    window: int,
    leave_out: bool,
) -> Fitting:
    """Measure the rows.

    Args:
        window: the base's, in tokens.
        leave_out: whether rows beyond it are left out.

    Raises:
        DataError: rows are longer than the window and not left out, or no row is left.
    """
    lengths: list[tuple[Example, int, int]] = []
    refusals: Counter[str] = Counter()
    for example in examples:
        try:
            prompt = len(prompt_tokens(tokenizer, example.messages))
            answer = len(completion_tokens(tokenizer, answer_text(tokenizer, example)))
        except DataError as error:
            refusals[error.found] += 1
            continue
        lengths.append((example, prompt + answer, answer))
    fits = [one for one in lengths if one[1] <= window]
    over = sorted((one for one in lengths if one[1] > window), key=lambda one: -one[1])
    named = ", ".join(f"{row.id} ({count:,})" for row, count, _ in over[:SHOWN])
    beyond = (
        f"{len(over):,} of {len(lengths):,} rows are longer than the base's window of {window:,} "
    )
    beyond += f"tokens, first {named}{', …' if len(over) > SHOWN else ''}"
    if refusals and not lengths:
        raise DataError(
            refusals.most_common(1)[0][0],
            rule="a prompt is what the base's own chat template makes of a row's turns",
            remedy="give rows the turns that it takes, or name another base: `--base MODEL`",
        )
    if not fits or (over and not leave_out):
        raise DataError(
            beyond,
            rule="prompt and answer of a row fit in the base's window",
            remedy="`pawl new … --drop-long` leaves these rows out (`check.drop_long` in "
            "params.yaml); else shorten or split them, or name a base with a longer window",
        )
    notes = [f"{beyond}: left out"] if over else []
    notes += [f"{n:,} rows cannot be shown: {why}" for why, n in refusals.most_common(SHOWN)]
    rows, whole, answers = zip(*fits, strict=True)
    return Fitting(rows, whole, answers, tuple(notes))
