"""Baselines: the base with a prompt and no adapter.

| name        | the prompt                                                              |
|-------------|-------------------------------------------------------------------------|
| zero-shot   | the row alone: exactly what the adapter sees                             |
| few-shot    | `evaluate.shots` solved train rows before it, as turns of the chat       |
| long-prompt | the task's own instruction prompt as system turn, where it has one       |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.schema import Evaluate
from pawl.core.files import digest_text
from pawl.core.records import Example, Message
from pawl.errors import DataError
from pawl.model.base import context_length
from pawl.model.prompt import naming_row, prompt_tokens, with_instruction, with_shots

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Turns = tuple[Message, ...]


@dataclass(frozen=True)
class Baseline:
    """A name, and `show`, which makes the prompt's messages from a row's."""

    name: str
    show: Callable[[Turns], Turns]


def baselines(
    train: Sequence[Example],
    rows: Sequence[Example],
    *,
    instruction: str,
    shots: int,
    tokenizer: PreTrainedTokenizerBase,
    limit: int,
) -> tuple[list[Baseline], dict[str, str]]:
    """The baselines, and why one is left out: few-shot if `evaluate.shots` is 0.

    Raises:
        DataError: a prompt is longer than `limit` tokens. A baseline that is dropped or shortened
            would be one that the candidate need not beat.
    """
    found = [Baseline("zero-shot", lambda turns: turns)]
    if instruction:
        found.append(Baseline("long-prompt", lambda turns: with_instruction(turns, instruction)))
    examples = choose_shots(train, shots)
    if examples:
        found.append(_few_shot(examples))
    for baseline in found:
        if (tokens := longest_prompt(baseline.show, rows, tokenizer)) > limit:
            fit = _most_shots(examples, rows, tokenizer, limit)
            raise _too_long(baseline.name, tokens=tokens, limit=limit, fit=fit)
    return found, {} if examples else {"few-shot": "evaluate.shots is 0"}


def choose_shots(train: Sequence[Example], shots: int) -> list[Example]:
    """Up to `shots` examples: no prompt twice, each completion once before any twice.

    The choice depends on the rows' keys alone, not on their order.
    """
    ordered = sorted(train, key=lambda e: (digest_text(e.key), e.completion))
    differing: dict[str, Example] = {}
    for example in ordered:
        differing.setdefault(example.completion, example)
    chosen: dict[str, Example] = {}
    for example in (*differing.values(), *ordered):
        chosen.setdefault(example.key, example)
    return list(chosen.values())[:shots]


def prompt_limit(base: Path, policy: Evaluate) -> int:
    """The most tokens of a prompt: the base's window less the longest answer."""
    return max(0, context_length(base) - policy.max_new_tokens)


def longest_prompt(
    show: Callable[[Turns], Turns], rows: Sequence[Example], tokenizer: PreTrainedTokenizerBase
) -> int:
    """Tokens of the longest prompt that `show` makes of these rows; 0 without rows."""

    def tokens(row: Example) -> int:
        with naming_row(row.id):
            return len(prompt_tokens(tokenizer, show(row.messages)))

    return max(map(tokens, rows), default=0)


def asked_prompts(
    train: Sequence[Example],
    dev: Sequence[Example],
    gate: Sequence[Example],
    *,
    instruction: str,
    shots: int,
    tokenizer: PreTrainedTokenizerBase,
) -> list[list[list[int]]]:
    """Token ids of all prompts of an evaluation, by kind: the rows' own, and each baseline's."""
    shows: list[Callable[[Turns], Turns]] = [lambda turns: turns]
    if instruction:
        shows.append(lambda turns: with_instruction(turns, instruction))
    if examples := choose_shots(train, shots):
        shows.append(_few_shot(examples).show)
    kinds = [(shows[0], [*dev, *gate]), *((show, list(gate)) for show in shows[1:])]
    return [[prompt_tokens(tokenizer, show(row.messages)) for row in rows] for show, rows in kinds]


def _few_shot(examples: Sequence[Example]) -> Baseline:
    return Baseline("few-shot", partial(with_shots, shots=tuple(examples)))


def _most_shots(
    examples: Sequence[Example],
    rows: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    limit: int,
) -> int:
    """How many of the examples fit, for the error's remedy."""
    counts = range(len(examples), 0, -1)
    shows = ((count, _few_shot(examples[:count]).show) for count in counts)
    return next((n for n, show in shows if longest_prompt(show, rows, tokenizer) <= limit), 0)


def _too_long(name: str, *, tokens: int, limit: int, fit: int) -> DataError:
    remedies = {
        "zero-shot": "shorten the rows",
        "long-prompt": "shorten the file that `prompt` names",
        "few-shot": f"set `evaluate.shots: {fit}`",
    }
    return DataError(
        f"the baseline '{name}' has a prompt of {tokens} tokens, {limit} fit",
        rule="a baseline answers every row with its whole prompt: the base's window less "
        "`evaluate.max_new_tokens` must hold it",
        remedy=f"{remedies[name]}, lower `evaluate.max_new_tokens`, or take a base with a longer "
        "window",
    )
