"""Measures of a single row: lengths, hashes, and the faults that show without other rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pawl.config.schema import Task
from pawl.core.json_schema import (
    Draft202012Validator,
    full_match,
    schema_fault,
    validator_of,
)
from pawl.core.records import BaseRef, Example
from pawl.data.rules.facts import ungrounded_values
from pawl.data.rules.leftovers import cut_off, placeholder, separator
from pawl.data.rules.personal import personal
from pawl.data.rules.secrets import GUESSES, secrets
from pawl.data.rules.style import Trait, is_free_text, traits
from pawl.errors import DataError
from pawl.model.base import find_base
from pawl.model.control_tokens import any_found
from pawl.model.prompt import (
    completion_tokens,
    format_of,
    naming_row,
    prompt_text,
    prompt_tokens,
)
from pawl.model.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Distinct trait tuples cached for sharing.
MAX_SHARED = 10_000
# Special tokens that a tokenizer may add around a text.
SPECIAL_TOKENS = 8


class RowMeasures(NamedTuple):
    """One row: hashes of prompt and completion, lengths in characters, faults by rule.

    `tokens` is exact where the row might be too long, else an upper bound. `ungrounded` are values
    that the prompt lacks: facts or labels, which only all rows can tell apart. `free` answers are
    text in sentences, of which several may be right.
    """

    key: int
    answer: int
    prompt: int
    completion: int
    tokens: int
    faults: dict[str, str]
    ungrounded: tuple[str, ...]
    traits: tuple[Trait, ...]
    free: bool


@dataclass(frozen=True)
class MeasureConfig:
    """What rows are measured with; `longest` is the limit in tokens."""

    base: BaseRef
    root: Path
    schema: Any
    longest: int
    regex: str | None = None


class RowMeasurer:
    """Measures rows with a tokenizer, which takes seconds to load: workers are forked with it."""

    def __init__(self, config: MeasureConfig) -> None:
        self.config = config
        self._shared: dict[tuple[Trait, ...], tuple[Trait, ...]] = {}
        self.tokenizer = load_tokenizer(find_base(config.base, config.root), config.base)
        self.control = format_of(self.tokenizer).control
        backend = self.tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        self.encode = backend.encode_batch_fast
        self.longest = config.longest
        self.bounded = never_more_tokens_than_bytes(self.tokenizer)
        self.pattern = None if config.regex is None else full_match(config.regex)
        self.validator = None if config.schema is None else validator_of(config.schema)

    def __reduce__(self) -> tuple[type[RowMeasurer], tuple[MeasureConfig]]:
        return RowMeasurer, (self.config,)

    def measure(self, rows: Sequence[Example]) -> list[RowMeasures]:
        """Measure rows, column by column, which is faster than row by row."""
        prompts = ["\n".join(message.content for message in row.messages) for row in rows]
        completions = [row.completion for row in rows]
        texts = [f"{prompt}\n{answer}" for prompt, answer in zip(prompts, completions, strict=True)]
        kinds_of = list(map(secrets, texts))
        tokens, refused = (
            zip(*map(self._tokens_or_refusal, rows), strict=True) if rows else ((), ())
        )
        faults = {
            "schema": [schema_error(text, self.validator) for text in completions],
            "regex": ["" if self._matches(text) else "does not match" for text in completions],
            "blanks": ["" if text == text.strip() else "blanks around it" for text in completions],
            "secrets": [", ".join(k for k in kinds if k not in GUESSES) for kinds in kinds_of],
            "possible_secrets": [", ".join(k for k in kinds if k in GUESSES) for kinds in kinds_of],
            "personal": [", ".join(personal(text)) for text in texts],
            "turns": refused,
            "placeholders": list(map(placeholder, completions, prompts)),
            "separators": list(map(separator, completions, prompts)),
            "cut_off": list(map(cut_off, completions)),
            "control_tokens": [", ".join(self.control.found(text)) for text in texts],
        }
        return list(
            map(
                RowMeasures,
                [int(row.key, 16) for row in rows],
                map(_hash, completions),
                map(len, prompts),
                map(len, completions),
                tokens,
                _by_row(faults, len(rows)),
                map(ungrounded_values, prompts, completions),
                map(self._share, map(traits, completions, prompts)),
                map(is_free_text, completions),
            )
        )

    def _matches(self, completion: str) -> bool:
        # As the metric `regex_match` matches answers.
        return self.pattern is None or self.pattern(completion.strip())

    def _share(self, found: tuple[Trait, ...]) -> tuple[Trait, ...]:
        """Return the same object for equal traits, so that it is pickled once per chunk."""
        if len(self._shared) > MAX_SHARED:
            self._shared.clear()
        return self._shared.setdefault(found, found)

    def _tokens_or_refusal(self, row: Example) -> tuple[int, str]:
        """The row's tokens, and why the base's chat template cannot show its turns, or ""."""
        try:
            return self._tokens_or_bound(row), ""
        except DataError as error:
            return 0, error.found

    def _tokens_or_bound(self, row: Example) -> int:
        with naming_row(row.id):
            prompt = prompt_text(self.tokenizer, row.messages)
        if self.bounded:
            bound = len(prompt.encode()) + len(row.completion.encode()) + 2 * SPECIAL_TOKENS
            if bound <= self.longest:
                return bound
        return self._count(prompt, row)

    def tokens(self, row: Example) -> int:
        """Count the tokens of the row in training, as `pawl.model.prompt` encodes it.

        0 for a row whose turns the base's chat template cannot show.
        """
        with suppress(DataError):
            return self._count(prompt_text(self.tokenizer, row.messages), row)
        return 0

    def _count(self, prompt: str, row: Example) -> int:
        if any_found(self.control, [row.completion, *(m.content for m in row.messages)]):
            of_row = prompt_tokens(self.tokenizer, row.messages)
            return len(of_row) + len(completion_tokens(self.tokenizer, row.completion))
        start = [] if self.tokenizer.chat_template else format_of(self.tokenizer).start
        # The batch call, as only that one can skip the tokens' offsets.
        of_prompt, of_completion = self.encode([prompt, row.completion], add_special_tokens=False)
        return len(start) + len(of_prompt) + len(of_completion) + 1


def row_measurer(section: Task, root: Path, schema: Any) -> RowMeasurer:
    """Return the measurer of a task in the workspace at `root`; `schema` None if it has none."""
    longest, regex = section.train.max_length, section.evaluate.regex
    return RowMeasurer(MeasureConfig(section.base, root, schema, longest, regex))


def never_more_tokens_than_bytes(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether each token is at least one byte of the text, as in byte-level BPE.

    Tokenising is the most expensive part of a check; if this holds, short rows need none.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    pre_tokenizer = backend["pre_tokenizer"] or {}
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    bytewise = any(step.get("type") == "ByteLevel" for step in steps)
    return bytewise and backend["normalizer"] is None


def schema_error(completion: str, validator: Draft202012Validator | None) -> str:
    """Return why a completion violates the schema, or an empty string."""
    if validator is None:
        return ""
    try:
        value = json.loads(completion)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return schema_fault(value, validator)[:200]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _by_row(faults: Mapping[str, Sequence[str]], rows: int) -> list[dict[str, str]]:
    """Transpose messages by rule to messages by row, without empty ones."""
    by_row: list[dict[str, str]] = [{} for _ in range(rows)]
    for rule, column in faults.items():
        for of_row, message in zip(by_row, column, strict=True):
            if message:
                of_row[rule] = message
    return by_row
