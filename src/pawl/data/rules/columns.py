"""Measures of all rows, collected while they stream by, as a data frame; texts are not stored.

Whole rows are stored of a sample, for the cross-row rules: those with the smallest keys, so that
the same data gives the same sample and more data mostly the same.
"""

from __future__ import annotations

import heapq
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pawl.config.field_types import DataRule
from pawl.core.records import Example, Message
from pawl.data.rules.facts import UngroundedFacts
from pawl.data.rules.measure import RowMeasures
from pawl.data.rules.style import StyleConventions

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 5_000
# Rules whose messages name the kind of what was found, never the text.
SECRETS = ("secrets", "possible_secrets")
KIND_ONLY = (*SECRETS, "personal")
SHOWN = 5
# The shares of answers with facts of their own, of values and of sentences, from which they are not
# made from their prompts: knowledge, sums, stories. So few rows of many have no share.
UNGROUNDED, FEW = (0.3, 0.1), 20
ODD = 0x9E3779B97F4A7C15
HIDDEN = "not shown: the row holds a secret"


@dataclass
class Columns:
    """Measures of each row, in file order.

    `faults` maps a rule to messages by row number, worst first if they can be ranked;
    `checked_rows` a rule that was run on the sample alone to the sample's row numbers.
    `silent` says of a rule that cannot judge these rows why; it has no faults then.
    `sample_tokens` holds the exact token count of each row of the sample.
    """

    facts: UngroundedFacts
    style: StyleConventions = field(default_factory=StyleConventions)
    ids: list[str] = field(default_factory=list)
    key: array[int] = field(default_factory=lambda: array("Q"))
    answer: array[int] = field(default_factory=lambda: array("Q"))
    prompt: array[int] = field(default_factory=lambda: array("I"))
    completion: array[int] = field(default_factory=lambda: array("I"))
    tokens: array[int] = field(default_factory=lambda: array("I"))
    free: array[int] = field(default_factory=lambda: array("B"))
    faults: dict[str, dict[int, str]] = field(default_factory=dict)
    checked_rows: dict[str, list[int]] = field(default_factory=dict)
    slices: list[str] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    sample_tokens: list[int] = field(default_factory=list)
    _sample: list[tuple[int, int, Example]] = field(default_factory=list)

    def collect(
        self, rows: Iterable[tuple[Example, RowMeasures]], *, slice_by: str | None
    ) -> Iterator[Example]:
        """Yield the rows unchanged and store their measures."""
        for row, measures in rows:
            number = len(self.ids)
            self.ids.append(row.id)
            self.key.append(measures.key)
            self.answer.append(measures.answer)
            self.prompt.append(measures.prompt)
            self.completion.append(measures.completion)
            self.tokens.append(measures.tokens)
            self.free.append(measures.free)
            for rule, message in measures.faults.items():
                self.faults.setdefault(rule, {})[number] = message
            self.facts.add(number, measures.ungrounded)
            self.style.add(number, measures.traits)
            if slice_by is not None:
                self.slices.append(row.fields.get(slice_by, ""))
            # A min-heap of negated keys: its top is the largest key of the sample.
            entry = (-measures.key, -number, row)
            if len(self._sample) < SAMPLE:
                heapq.heappush(self._sample, entry)
            elif entry > self._sample[0]:
                heapq.heapreplace(self._sample, entry)
            yield row

    def add_faults(self, cross_row: Mapping[DataRule, Mapping[int, str]]) -> None:
        """Add the faults that need all rows, and those of the cross-row rules by sample index."""
        facts = self._judged(dict(self.facts.rows()))
        self.faults["facts"] = {
            number: f"not in the prompt: {', '.join(found[:SHOWN])}"
            for number, found in facts.items()
        }
        self.faults["style"] = dict(self.style.rows())
        numbers, _ = self.sample()
        for rule, messages in cross_row.items():
            self.faults[rule] = {numbers[index]: text for index, text in messages.items()}
            self.checked_rows[rule] = numbers

    def _judged(self, facts: dict[int, tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
        """The rows with facts of their own, but for a kind of answers that many of them have."""
        judged = dict(facts)
        for free, most in enumerate(UNGROUNDED):
            of_kind = [number for number in facts if self.free[number] == free]
            if len(of_kind) > most * max(self.free.count(free), min(FEW, len(self.ids))):
                for number in of_kind:
                    del judged[number]
        if len(judged) < len(facts):
            share = f"{(len(facts) - len(judged)) / len(self.ids):.0%}"
            self.silent["facts"] = f"not judged: {share} of the answers say what no prompt does"
        return judged

    def sample(self) -> tuple[list[int], list[Example]]:
        """The row numbers and rows of the sample, in file order."""
        rows = sorted((-number, row) for _, number, row in self._sample)
        return [number for number, _ in rows], [row for _, row in rows]

    def frame(self) -> pd.DataFrame:
        """Return a data frame with a row per example.

        Columns: row (its number), id, key, answer (hash), prompt and completion (characters),
        tokens, answers (distinct ones to its prompt, 1 if they are sentences), wordings (the same
        of sentences), copies (rows with its prompt and answer), of_slice (rows in its slice, with
        slices only).
        """
        import numpy as np
        import pandas as pd

        columns: dict[str, Any] = {"row": np.arange(len(self.ids)), "id": self.ids}
        for name in ("key", "answer", "prompt", "completion", "tokens"):
            values = getattr(self, name)
            columns[name] = np.frombuffer(values, dtype=values.typecode)
        group, copies = np.unique(columns["key"], return_inverse=True, return_counts=True)[1:]
        pairs = np.unique(np.stack([group.astype(np.uint64), columns["answer"]]), axis=1)[0]
        answers = np.bincount(pairs.astype(np.int64), minlength=len(copies))
        # Of sentences several may be right, so that only other answers contradict each other.
        free = np.frombuffer(self.free, dtype=self.free.typecode) > 0
        spoken = np.bincount(group, weights=free, minlength=len(copies))[group] > 0
        columns["answers"] = np.where(spoken, 1, answers[group])
        columns["wordings"] = np.where(spoken, answers[group], 1)
        # One number for both hashes: an odd factor keeps each apart.
        both = columns["key"] * np.uint64(ODD) + columns["answer"]
        pair, copies = np.unique(both, return_inverse=True, return_counts=True)[1:]
        columns["copies"] = copies[pair]
        if self.slices:
            counts = Counter(self.slices)
            columns["of_slice"] = [counts[name] for name in self.slices]
        return pd.DataFrame(columns)

    def fault_column(self, rule: str) -> Any:
        """Return a rule's message for each row: "" if it passes, None if unchecked, no secrets."""
        import numpy as np

        checked = self.checked_rows.get(rule)
        column = np.full(len(self.ids), "" if checked is None else None, dtype=object)
        if checked is not None:
            column[checked] = ""
        hidden = set() if rule in KIND_ONLY else self._rows_with_secrets()
        for number, message in self.faults.get(rule, {}).items():
            column[number] = HIDDEN if number in hidden else message
        return column

    def without_secrets(self) -> list[Example]:
        """The sample without rows that hold a secret."""
        hidden = self._rows_with_secrets()
        return [row for number, row in zip(*self.sample(), strict=True) if number not in hidden]

    def _rows_with_secrets(self) -> set[int]:
        return {number for rule in SECRETS for number in self.faults.get(rule, {})}


def json_line(row: Example) -> str:
    """Return the row as a line of rows.jsonl, for `records.read_rows`."""
    value: dict[str, Any] = {
        "completion": row.completion,
        "fields": row.fields,
        "id": row.id,
        "key": row.key,
        "messages": [_turn(message) for message in row.messages],
    }
    if row.tool_calls:
        value["tool_calls"] = row.tool_calls
    if row.taught:
        value["taught"] = row.taught
    return json.dumps(value, ensure_ascii=False) + "\n"


def _turn(message: Message) -> dict[str, str]:
    # Not `to_json`, which takes ten times as long, for each row of a file.
    turn = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = message.tool_calls
    if message.call_id:
        turn["call_id"] = message.call_id
    return turn
