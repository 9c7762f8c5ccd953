"""What each row is by itself, in numbers and words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator

from pawl.config.schema import Task
from pawl.core.records import BaseRef, Example
from pawl.data.rules.facts import unfounded
from pawl.data.rules.secrets import GUESSES, personal, secrets
from pawl.data.rules.style import Trait, traits
from pawl.model.base import find_base
from pawl.model.prompt import prompt_text
from pawl.model.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

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

    base: BaseRef
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
        self.encode = backend.encode_batch_fast
        self.longest = measure.longest
        self.bounded = never_more_tokens_than_bytes(self.tokenizer)
        schema = measure.schema
        self.pattern = None if measure.regex is None else re.compile(measure.regex)
        self.validator = None if schema is None else Draft202012Validator(schema)

    def __reduce__(self) -> tuple[type[Ruler], tuple[Measure]]:
        return Ruler, (self.measure,)

    def measured(self, rows: Sequence[Example]) -> list[Measured]:
        """The rows measured: each thing of all rows in turn, which is faster than row by row."""
        prompts = ["\n".join(message.content for message in row.messages) for row in rows]
        completions = [row.completion for row in rows]
        wholes = [f"{prompt}\n{said}" for prompt, said in zip(prompts, completions, strict=True)]
        held = list(map(secrets, wholes))
        faults = {
            "schema": [schema_error(said, self.validator) for said in completions],
            "regex": ["" if self._matches(said) else "does not match" for said in completions],
            "blanks": ["" if said == said.strip() else "blanks around it" for said in completions],
            "secrets": [", ".join(kind for kind in kinds if kind not in GUESSES) for kinds in held],
            "possible_secrets": [
                ", ".join(kind for kind in kinds if kind in GUESSES) for kinds in held
            ],
            "personal": [", ".join(personal(whole)) for whole in wholes],
        }
        return list(
            map(
                Measured,
                [int(row.key, 16) for row in rows],
                map(_hash, completions),
                map(len, prompts),
                map(len, completions),
                map(self._tokens, rows),
                _by_row(faults, len(rows)),
                map(unfounded, prompts, completions),
                map(self._shared, map(traits, completions, prompts)),
            )
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
        prompt = prompt_text(self.tokenizer, row.messages)
        if self.bounded:
            most = len(prompt.encode()) + len(row.completion.encode()) + 2 * ADDED
            if most <= self.longest:
                return most
        return self._count(prompt, row.completion)

    def tokens(self, row: Example) -> int:
        """Tokens that the row takes in training, as `pawl.model.prompt` makes them: only counted."""
        return self._count(prompt_text(self.tokenizer, row.messages), row.completion)

    def _count(self, prompt: str, completion: str) -> int:
        plain = self.tokenizer.chat_template is None
        # Of a batch because that alone leaves out where in the text each token stands.
        [of_prompt] = self.encode([prompt], add_special_tokens=plain)
        [of_completion] = self.encode([completion], add_special_tokens=False)
        return len(of_prompt) + len(of_completion) + 1


def ruler_of(section: Task, root: Path, schema: Any) -> Ruler:
    """The ruler of a task in the workspace at `root`; `schema` None where it has none."""
    longest, regex = section.train.max_length, section.evaluate.regex
    return Ruler(Measure(section.base, root, schema, longest, regex))


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


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _by_row(faults: Mapping[str, Sequence[str]], rows: int) -> list[dict[str, str]]:
    """What is wrong with each row, of what is said of all by each rule; "" is nothing."""
    found: list[dict[str, str]] = [{} for _ in range(rows)]
    for rule, column in faults.items():
        for of_row, says in zip(found, column, strict=True):
            if says:
                of_row[rule] = says
    return found
