"""Baselines: the base with a prompt and no adapter.

| name          | the prompt                                                            |
|---------------|-----------------------------------------------------------------------|
| zero-shot     | the row alone: exactly what the adapter sees                          |
| few-shot      | `evaluate.shots` solved train rows before it, as turns of the chat    |
| long-prompt   | the task's own instruction prompt as system turn, where it has one    |
| long-few-shot | both, where the base's window holds both                              |
| built-prompt  | where it has none: what its rows say of answers (`built_prompt`), with |
|               | the solved rows where the base's window holds both                    |
| of your own   | each of `evaluate.prompts`, an optimised one say, as system turn      |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.judging import Evaluate
from pawl.core.files import digest_text
from pawl.core.records import Example, Message
from pawl.core.records.io import read_text, read_value
from pawl.errors import DataError
from pawl.evaluate.built_prompt import built_prompt
from pawl.model.base import context_length
from pawl.model.prompt import naming_row, prompt_tokens, with_instruction, with_shots
from pawl.workspace.paths import TaskFiles

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Turns = tuple[Message, ...]
BOTH, BUILT = "long-few-shot", "built-prompt"


@dataclass(frozen=True)
class Baseline:
    """A name, and `show`, which makes the prompt's messages from a row's."""

    name: str
    show: Callable[[Turns], Turns]


@dataclass(frozen=True)
class Prompts:
    """What the base is prompted with: the task's instruction prompt, solved rows, further prompts.

    `instruction` is empty where the task has none; then one is built from the train rows, and from
    the `schema` if there is one. `own` are the texts of `evaluate.prompts`.
    """

    instruction: str = ""
    shots: int = 0
    own: Mapping[str, str] = field(default_factory=dict)
    schema: Any = None

    def baselines(self, train: Sequence[Example]) -> list[Baseline]:
        """The baselines in their order, whether their prompts fit or not."""
        found = [Baseline("zero-shot", lambda turns: turns)]
        if self.instruction:
            found.append(_instructed("long-prompt", self.instruction))
        if examples := choose_shots(train, self.shots):
            found.append(_few_shot(examples))
            if self.instruction:
                found.append(_both(BOTH, self.instruction, examples))
        if not self.instruction and (built := built_prompt(train, self.schema)):
            found.append(_both(BUILT, built, examples))
        return found + [_instructed(name, text) for name, text in self.own.items()]

    def fitting(
        self,
        train: Sequence[Example],
        rows: Sequence[Example],
        *,
        tokenizer: PreTrainedTokenizerBase,
        limit: int,
    ) -> tuple[list[tuple[Baseline, int]], dict[str, str]]:
        """The baselines with the tokens of each one's longest prompt; why one is left out, by name.

        Of those that nobody asked for none is longer than `limit`: prompt and shots together, which
        stand by themselves too, and the built prompt, for which it goes without the shots first.
        """
        found: list[tuple[Baseline, int]] = []
        skipped = {} if self.shots else {"few-shot": "evaluate.shots is 0"}
        for baseline in self.baselines(train):
            tokens = longest_prompt(baseline.show, rows, tokenizer)
            if tokens > limit and baseline.name == BUILT and self.shots:
                baseline = _instructed(BUILT, built_prompt(train, self.schema))
                tokens = longest_prompt(baseline.show, rows, tokenizer)
            if tokens > limit and baseline.name in (BOTH, BUILT):
                skipped[baseline.name] = f"its longest prompt has {tokens} tokens, {limit} fit"
            else:
                found.append((baseline, tokens))
        return found, skipped


def prompts_of(policy: Evaluate, files: TaskFiles) -> Prompts:
    """The prompts as the stage `inputs` left them."""
    own = read_value(files.scoring_inputs).get("prompts", {})
    return Prompts(read_text(files.prompt), policy.shots, own, read_value(files.schema))


def baselines(
    train: Sequence[Example],
    rows: Sequence[Example],
    prompts: Prompts,
    *,
    tokenizer: PreTrainedTokenizerBase,
    limit: int,
) -> tuple[list[Baseline], dict[str, str]]:
    """The baselines, and why one is left out, by name (`Prompts.fitting`).

    Raises:
        DataError: a prompt is longer than `limit` tokens. A baseline that is dropped or shortened
            would be one that the candidate need not beat.
    """
    found, skipped = prompts.fitting(train, rows, tokenizer=tokenizer, limit=limit)
    for baseline, tokens in found:
        if tokens > limit:
            fit = _most_shots(choose_shots(train, prompts.shots), rows, tokenizer, limit)
            raise _too_long(baseline.name, tokens=tokens, limit=limit, fit=fit)
    return [baseline for baseline, _ in found], skipped


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
    prompts: Prompts,
    *,
    tokenizer: PreTrainedTokenizerBase,
    limit: int,
) -> list[list[list[int]]]:
    """Token ids of all prompts of an evaluation, by kind: the rows' own, and each baseline's."""
    found, _ = prompts.fitting(train, gate, tokenizer=tokenizer, limit=limit)
    alone, *others = [baseline.show for baseline, _ in found]
    kinds = [(alone, [*dev, *gate]), *((show, list(gate)) for show in others)]
    return [[prompt_tokens(tokenizer, show(row.messages)) for row in rows] for show, rows in kinds]


def _instructed(name: str, instruction: str) -> Baseline:
    return Baseline(name, lambda turns: with_instruction(turns, instruction))


def _both(name: str, instruction: str, examples: Sequence[Example]) -> Baseline:
    shots = tuple(examples)
    return Baseline(name, lambda turns: with_instruction(with_shots(turns, shots), instruction))


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
    own = f"shorten the file of `evaluate.prompts.{name}`"
    return DataError(
        f"the baseline '{name}' has a prompt of {tokens} tokens, {limit} fit",
        rule="a baseline answers every row with its whole prompt: the base's window less "
        "`evaluate.max_new_tokens` must hold it",
        remedy=f"{remedies.get(name, own)}, lower `evaluate.max_new_tokens`, or take a base with a "
        "longer window",
    )
