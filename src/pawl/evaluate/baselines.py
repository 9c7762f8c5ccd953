"""Baselines: what the base can do with a prompt and no adapter.

| name        | what the base is shown                                                  |
|-------------|-------------------------------------------------------------------------|
| zero-shot   | the row alone: exactly what the adapter sees                             |
| few-shot    | up to `evaluate.shots` solved train rows before it, as turns of the chat |
| long-prompt | the task's own instruction prompt as system turn, where it has one       |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pawl.files import digest_text
from pawl.prompt import prompt_tokens, with_instruction, with_shots
from pawl.records import Example, Message

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
    """The baselines whose prompts fit in `room` tokens for every row, and why others do not.

    Too many shots are reduced to as many as fit.
    """
    found = [Baseline("zero-shot", lambda turns: turns)]
    if instruction:
        found.append(Baseline("long-prompt", lambda turns: with_instruction(turns, instruction)))
    examples = choose_shots(train, shots)
    while examples:
        shown = tuple(examples)
        few = Baseline("few-shot", partial(with_shots, shots=shown))
        if longest_prompt(few.show, rows, tokenizer) <= room:
            found.append(few)
            break
        examples.pop()
    skipped = {} if examples else {"few-shot": f"not one example fits in {room} tokens"}
    for baseline in list(found):
        if (tokens := longest_prompt(baseline.show, rows, tokenizer)) > room:
            found.remove(baseline)
            skipped[baseline.name] = f"its longest prompt has {tokens} tokens, {room} fit"
    return found, skipped


def choose_shots(train: Sequence[Example], shots: int) -> list[Example]:
    """Examples of different completions, in an order that depends on their keys alone."""
    chosen: dict[str, Example] = {}
    for example in sorted(train, key=lambda e: digest_text(e.key)):
        chosen.setdefault(example.completion, example)
        if len(chosen) == shots:
            break
    return list(chosen.values())


def longest_prompt(
    show: Callable[[Turns], Turns], rows: Sequence[Example], tokenizer: PreTrainedTokenizerBase
) -> int:
    """Tokens of the longest prompt, with the rows shown by `show`."""
    return max(len(prompt_tokens(tokenizer, show(row.messages))) for row in rows)
