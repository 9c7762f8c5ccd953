"""Tokenised train rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.core.records import Example
from pawl.errors import DataError
from pawl.model.chat_turns import spoken
from pawl.model.prompt import answer_text, completion_tokens, naming_row, prompt_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Row:
    """An example's `tokens`; the loss is of those behind the first `prompt`, and of `earlier` ones.

    `earlier` are the answers within the prompt that are taught too, as (start, end), in order. `of`
    is the id of the example of which an answer is a row of its own.
    """

    id: str
    tokens: tuple[int, ...]
    prompt: int
    earlier: tuple[tuple[int, int], ...] = ()
    of: str = ""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def taught(self) -> tuple[range, ...]:
        """The positions of the tokens that are taught, an answer after the other."""
        return (*(range(*span) for span in self.earlier), range(self.prompt, len(self.tokens)))

    @property
    def targets(self) -> int:
        """The number of tokens that are taught."""
        return sum(map(len, self.taught))


def token_rows(
    examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> list[Row]:
    """Tokenise the examples, without truncation.

    A chat is one row with all its taught answers if each of its prompts begins as the one before
    goes on, as a model that answers sees them; an answer for which that does not hold (a template
    that shows earlier turns otherwise) is a row of its own.

    Raises:
        DataError: a row is longer than `max_length` tokens (a truncated completion would teach the
            model to stop early), its prompt or completion has no token, or the chat template cannot
            show its turns.
    """
    rows: list[Row] = []
    for example in examples:
        with naming_row(example.id):
            prompt = prompt_tokens(tokenizer, example.messages)
            answer = completion_tokens(tokenizer, answer_text(tokenizer, example))
        if len(prompt) + len(answer) > max_length:
            raise DataError(
                f"row '{example.id}' has {len(prompt) + len(answer)} tokens",
                rule=f"prompt and completion fit in train.max_length = {max_length}",
                remedy="raise `train.max_length`, or shorten the row",
            )
        # The answer's last token is the one that ends it: without another, nothing is taught.
        if not prompt or len(answer) < 2:
            raise DataError(
                f"row '{example.id}' has {len(prompt)} prompt and {len(answer) - 1} completion "
                "tokens",
                rule="a row has prompt tokens and completion tokens: those are trained, with the "
                "token that ends the answer",
                remedy="give it a prompt and a completion",
            )
        with naming_row(example.id):
            earlier, apart = _earlier(example, prompt, tokenizer)
        rows += [*apart, Row(example.id, (*prompt, *answer), len(prompt), earlier)]
    return rows


def _earlier(
    example: Example, whole: list[int], tokenizer: PreTrainedTokenizerBase
) -> tuple[tuple[tuple[int, int], ...], list[Row]]:
    """Where the taught answers are in the `whole` prompt, and those that are not in it as rows."""
    spans: list[tuple[int, int]] = []
    apart: list[Row] = []
    for at in example.taught:
        turn, before = example.messages[at], example.messages[:at]
        text = spoken(turn).content
        prompt = prompt_tokens(tokenizer, before)
        part = Example(example.id, "", before, text, tool_calls=turn.tool_calls)
        answer = completion_tokens(tokenizer, answer_text(tokenizer, part))
        start = len(prompt)
        # With the end of the turn, if the template writes the token that ends an answer.
        end = next(
            (
                start + count
                for count in (len(answer), len(answer) - 1)
                if whole[: start + count] == [*prompt, *answer[:count]]
            ),
            0,
        )
        if end:
            spans.append((start, end))
        else:
            name = f"{example.id}, turn {at + 1}"
            apart.append(Row(name, (*prompt, *answer), start, of=example.id))
    return tuple(spans), apart


def row_groups(
    rows: Sequence[Row], examples: Iterable[Example], group_by: str | None
) -> list[str | None]:
    """The group of each row: its example's, else that example where it has several rows."""
    named = {example.id: example.fields.get(group_by or "") for example in examples}
    several = {row.of for row in rows}
    ids = [row.of or row.id for row in rows]
    return [named[of] or (of if of in several else None) for of in ids]
