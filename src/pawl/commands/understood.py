"""What `pawl new` made of the rows: their form, what is not used, three of them as the model sees
them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pawl.core.records import Example
from pawl.core.records.commands import Part, Preview
from pawl.data.rules.personal import personal
from pawl.data.rules.secrets import secrets
from pawl.errors import DataError
from pawl.model.chat_turns import has_calls, knows_calls
from pawl.train.rows import token_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN = 3
# Rows among which those to show are looked for, and the most tokens of one.
AMONG, LONGEST = 200, 1 << 20


def previews(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase
) -> tuple[Preview, ...]:
    """Up to three rows as text, in parts that are taught or only shown.

    The first, the one of most turns, and the last of the first few hundred; none that may hold a
    secret or personal data.
    """
    some = [row for row in itertools.islice(examples, AMONG) if not _private(row)]
    if not some:
        return ()
    turns = max(some, key=lambda row: len(row.messages) + len(row.taught))
    chosen = {row.id: row for row in (some[0], turns, *some[1:2], some[-1])}
    found: list[Preview] = []
    for row in list(chosen.values())[:SHOWN]:
        try:
            rows = token_rows([row], tokenizer, max_length=LONGEST)
        except DataError:
            continue
        for one in rows:
            parts, at = list[Part](), 0
            for span in one.taught:
                shown, taught = one.tokens[at : span.start], one.tokens[span.start : span.stop]
                parts.append(Part(tokenizer.decode(list(shown)), taught=False))
                parts.append(Part(tokenizer.decode(list(taught)), taught=True))
                at = span.stop
            found.append(Preview(one.id, len(one), one.targets, tuple(p for p in parts if p.text)))
    return tuple(found)


def template_notes(examples: Sequence[Example], source: str | None) -> tuple[str, ...]:
    """What the base's chat template has no place for, and what it becomes, with the rows."""
    with_calls = sum(has_calls(row.messages) or bool(row.tool_calls) for row in examples)
    if not with_calls or knows_calls(source):
        return ()
    return (
        f"the base's chat template has no place for functions and calls ({with_calls:,} rows): "
        "they are text, calls between <tool_call> and </tool_call>, parsed by servers as `hermes`",
    )


def _private(row: Example) -> bool:
    text = "\n".join([*(message.content for message in row.messages), row.completion])
    return bool(secrets(text) or personal(text))
