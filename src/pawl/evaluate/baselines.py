"""Baselines: what the base can do with a prompt and no adapter.

| name        | what the base is shown                                                  |
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
from pawl.model.prompt import prompt_tokens, with_instruction, with_shots

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Turns = tuple[Message, ...]


@dataclass(frozen=True)
class Baseline:
    """A name and the way in which a row's messages are shown."""

    name: str
    show: Callable[[Turns], Turns]


def baselines(
    train: Sequence[Example],
    rows: Sequence[Example],
    *,
    instruction: str,
    shots: int,
    tokenizer: PreTrainedTokenizerBase,
    room: int,
) -> tuple[list[Baseline], dict[str, str]]:
    """The baselines, and why one is left out: few-shot where `evaluate.shots` is 0.

    Raises:
        DataError: the longest prompt of one does not fit in `room` tokens. A baseline that is
            dropped or shortened is one that the candidate need not beat.
    """
    found = [Baseline("zero-shot", lambda turns: turns)]
    if instruction:
        found.append(Baseline("long-prompt", lambda turns: with_instruction(turns, instruction)))
    examples = choose_shots(train, shots)
    if examples:
        found.append(_few_shot(examples))
    for baseline in found:
        if (tokens := longest_prompt(baseline.show, rows, tokenizer)) > room:
            fit = _most_shots(examples, rows, tokenizer, room)
            raise _too_long(baseline.name, tokens=tokens, room=room, fit=fit)
    return found, {} if examples else {"few-shot": "evaluate.shots is 0"}


def choose_shots(train: Sequence[Example], shots: int) -> list[Example]:
    """So many examples, or all there are: no prompt twice, each completion once before any twice.

    Their order depends on their keys alone.
    """
    ordered = sorted(train, key=lambda e: (digest_text(e.key), e.completion))
    differing: dict[str, Example] = {}
    for example in ordered:
        differing.setdefault(example.completion, example)
    chosen: dict[str, Example] = {}
    for example in (*differing.values(), *ordered):
        chosen.setdefault(example.key, example)
    return list(chosen.values())[:shots]


def prompt_room(base: Path, policy: Evaluate) -> int:
    """Tokens that a prompt may have in the base's window, so that the longest answer still fits."""
    return max(0, context_length(base) - policy.max_new_tokens)


def longest_prompt(
    show: Callable[[Turns], Turns], rows: Sequence[Example], tokenizer: PreTrainedTokenizerBase
) -> int:
    """Tokens of the longest prompt, with the rows shown by `show`; 0 without rows."""
    return max((len(prompt_tokens(tokenizer, show(row.messages))) for row in rows), default=0)


def _few_shot(examples: Sequence[Example]) -> Baseline:
    return Baseline("few-shot", partial(with_shots, shots=tuple(examples)))


def _most_shots(
    examples: Sequence[Example],
    rows: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    room: int,
) -> int:
    """How many of the examples fit, for the remedy."""
    counts = range(len(examples), 0, -1)
    shows = ((count, _few_shot(examples[:count]).show) for count in counts)
    return next((n for n, show in shows if longest_prompt(show, rows, tokenizer) <= room), 0)


def _too_long(name: str, *, tokens: int, room: int, fit: int) -> DataError:
    remedies = {
        "zero-shot": "shorten the rows",
        "long-prompt": "shorten the file that `prompt` names",
        "few-shot": f"set `evaluate.shots: {fit}`",
    }
    return DataError(
        f"the baseline '{name}' has a prompt of {tokens} tokens, {room} fit",
        rule="a baseline answers every row with its whole prompt: the base's window less "
        "`evaluate.max_new_tokens` must hold it",
        remedy=f"{remedies[name]}, lower `evaluate.max_new_tokens`, or take a base with a longer "
        "window",
    )
