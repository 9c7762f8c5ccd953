"""What each row is by itself, in numbers and words: the part of the check that runs in parallel."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator

from pawl.base import find_base, load_tokenizer
from pawl.data.facts import unfounded
from pawl.data.secrets import GUESSES, personal, secrets
from pawl.data.style import Trait, traits
from pawl.data.workers import workers
from pawl.params import Base, Task
from pawl.prompt import prompt_text
from pawl.records import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Rows that one worker is handed at a time, and below how many no worker is started.
CHUNK, FEW = 2000, 10_000
# Ways of writing a completion that are kept to be shared.
MANNERS = 10_000
# Special tokens that a tokenizer may add around a text.
ADDED = 8


class Measured(NamedTuple):
    """One row: hashes of question and answer, lengths, and what is wrong with it, by rule.

    `tokens` is exact where it might be too long, else no less than the true number. `values` are
    what the completion has and the prompt has not: facts or labels, which only all rows tell.
    `manner` is how the completion is written.
    """

    key: int
    answer: int
    prompt: int
    completion: int
    tokens: int
    faults: dict[str, str]
    values: tuple[str, ...]
    manner: tuple[Trait, ...]


@dataclass(frozen=True)
class Measure:
    """What rows are held against."""

    base: Base
    root: Path
    schema: Any
    longest: int
    regex: str | None = None


class Ruler:
    """A `Measure` ready for use; workers are forked with it, or get the measure and make their own.

    Loading a tokenizer takes seconds.
    """

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self._manners: dict[tuple[Trait, ...], tuple[Trait, ...]] = {}
        self.tokenizer = load_tokenizer(find_base(measure.base, measure.root))
        backend = self.tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        self.encode = backend.encode
        self.longest = measure.longest
        self.bounded = never_more_tokens_than_bytes(self.tokenizer)
        schema = measure.schema
        self.pattern = None if measure.regex is None else re.compile(measure.regex)
        self.validator = None if schema is None else Draft202012Validator(schema)

    def __reduce__(self) -> tuple[type[Ruler], tuple[Measure]]:
        return Ruler, (self.measure,)

    def measured(self, row: Example) -> Measured:
        """The row measured."""
        text = "\n".join(message.content for message in row.messages)
        whole = f"{text}\n{row.completion}"
        held = secrets(whole)
        faults = {
            "schema": schema_error(row.completion, self.validator),
            "regex": "" if self._matches(row.completion) else "does not match",
            "blanks": "" if row.completion == row.completion.strip() else "blanks around it",
            "secrets": ", ".join(kind for kind in held if kind not in GUESSES),
            "possible_secrets": ", ".join(kind for kind in held if kind in GUESSES),
            "personal": ", ".join(personal(whole)),
        }
        return Measured(
            int(row.key, 16),
            int.from_bytes(hashlib.blake2b(row.completion.encode(), digest_size=8).digest()),
            len(text),
            len(row.completion),
            self._tokens(row),
            {rule: says for rule, says in faults.items() if says},
            unfounded(text, row.completion),
            self._shared(traits(row.completion, text)),
        )

    def _matches(self, completion: str) -> bool:
        # As the metric `regex_match` asks it of an answer.
        return self.pattern is None or self.pattern.fullmatch(completion.strip()) is not None

    def _shared(self, manner: tuple[Trait, ...]) -> tuple[Trait, ...]:
        """The same object for the same manner: it crosses to the other process once a chunk."""
        if len(self._manners) > MANNERS:
            self._manners.clear()
        return self._manners.setdefault(manner, manner)

    def _tokens(self, row: Example) -> int:
        if self.bounded:
            text = prompt_text(self.tokenizer, row.messages)
            most = len(text.encode()) + len(row.completion.encode()) + 2 * ADDED
            if most <= self.longest:
                return most
        return self.tokens(row)

    def tokens(self, row: Example) -> int:
        """Tokens that the row takes in training, as `pawl.prompt` makes them: only counted."""
        plain = self.tokenizer.chat_template is None
        text, encode = prompt_text(self.tokenizer, row.messages), self.encode
        prompt = len(encode(text, add_special_tokens=plain))
        return prompt + len(encode(row.completion, add_special_tokens=False)) + 1


def ruler_of(section: Task, root: Path, schema: Any) -> Ruler:
    """The ruler of a task in the workspace at `root`; `schema` None where it has none."""
    longest, regex = section.train.max_length, section.evaluate.regex
    return Ruler(Measure(section.base, root, schema, longest, regex))


def measured(rows: Iterable[Example], ruler: Ruler) -> Iterator[tuple[Example, Measured]]:
    """Each row with its measures, in order; many rows are shared out to a process a core."""
    row_by_row = iter(rows)
    chunks = iter(lambda: list(islice(row_by_row, CHUNK)), [])
    first: list[list[Example]] = []
    while sum(map(len, first)) < FEW:
        if (chunk := next(chunks, None)) is None:
            for row in (row for chunk in first for row in chunk):
                yield row, ruler.measured(row)
            return
        first.append(chunk)
    yield from _shared_out(first, chunks, ruler)


def never_more_tokens_than_bytes(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether each token of a text stands for at least a byte of it, as in byte-level BPE.

    Tokenising is the dearest part of a check; where this holds, a short row needs none.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    before = backend["pre_tokenizer"] or {}
    steps = before.get("pretokenizers", [before])
    bytewise = any(step.get("type") == "ByteLevel" for step in steps)
    return bytewise and backend["normalizer"] is None


def schema_error(completion: str, validator: Draft202012Validator | None) -> str:
    """What is wrong with a completion, in a few words; empty where nothing is."""
    if validator is None:
        return ""
    try:
        value = json.loads(completion)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    worst = next(iter(validator.iter_errors(value)), None)
    return "" if worst is None else worst.message[:200]


def _shared_out(
    first: Sequence[list[Example]], chunks: Iterator[list[Example]], ruler: Ruler
) -> Iterator[tuple[Example, Measured]]:
    count = os.cpu_count() or 1
    waiting: deque[tuple[list[Example], Future[list[Measured]]]] = deque()
    with workers(count, _begin, ruler) as pool:
        try:
            for chunk in chain(first, chunks):
                waiting.append((chunk, pool.submit(_measure, chunk)))
                # No more than each worker can do next: memory stays flat.
                if len(waiting) > 2 * count:
                    yield from _next(waiting)
            while waiting:
                yield from _next(waiting)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _next(
    waiting: deque[tuple[list[Example], Future[list[Measured]]]],
) -> Iterator[tuple[Example, Measured]]:
    chunk, future = waiting.popleft()
    yield from zip(chunk, future.result(), strict=True)


_ruler: Ruler


def _begin(ruler: Ruler) -> None:
    global _ruler
    _ruler = ruler


def _measure(chunk: Sequence[Example]) -> list[Measured]:
    return [_ruler.measured(row) for row in chunk]
