"""All rows as one frame of numbers and words, gathered while they stream by; no text is kept.

A sample of the rows is kept whole for what compares rows with each other. It is those with the
smallest keys, so that the same data gives the same sample and more data most of it again.
"""

from __future__ import annotations

import heapq
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pawl.config.schema import DataRule
from pawl.core.records import Example
from pawl.data.rules.facts import Unfounded
from pawl.data.rules.measure import Measured
from pawl.data.rules.style import Style

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 5_000
# These say what kind of thing a row holds, and never the thing.
SECRETS = ("secrets", "possible_secrets")
KINDS = (*SECRETS, "personal")
SHOWN = 5
HIDDEN = "not shown: the row holds a secret"


@dataclass
class Columns:
    """What is kept of each row, in the order of the file.

    `faults` maps a rule to what is wrong with rows, by their number; the worst first where there is
    a worse. `looked` holds the rows of the sample for a rule that looked at no others; `sampled`
    has the tokens of each row of the sample, exact.
    """

    facts: Unfounded
    style: Style = field(default_factory=Style)
    ids: list[str] = field(default_factory=list)
    key: array[int] = field(default_factory=lambda: array("Q"))
    answer: array[int] = field(default_factory=lambda: array("Q"))
    prompt: array[int] = field(default_factory=lambda: array("I"))
    completion: array[int] = field(default_factory=lambda: array("I"))
    tokens: array[int] = field(default_factory=lambda: array("I"))
    faults: dict[str, dict[int, str]] = field(default_factory=dict)
    looked: dict[str, list[int]] = field(default_factory=dict)
    slices: list[str] = field(default_factory=list)
    sampled: list[int] = field(default_factory=list)
    _sample: list[tuple[int, int, Example]] = field(default_factory=list)

    def passing(
        self, rows: Iterable[tuple[Example, Measured]], *, slice_by: str | None
    ) -> Iterator[Example]:
        """The rows unchanged, each noted on its way."""
        for row, found in rows:
            number = len(self.ids)
            self.ids.append(row.id)
            self.key.append(found.key)
            self.answer.append(found.answer)
            self.prompt.append(found.prompt)
            self.completion.append(found.completion)
            self.tokens.append(found.tokens)
            for rule, says in found.faults.items():
                self.faults.setdefault(rule, {})[number] = says
            self.facts.add(number, found.values)
            self.style.add(number, found.manner)
            if slice_by is not None:
                self.slices.append(row.fields.get(slice_by, ""))
            # The heap's top is the largest key of the sample, as a negative number.
            entry = (-found.key, -number, row)
            if len(self._sample) < SAMPLE:
                heapq.heappush(self._sample, entry)
            elif entry > self._sample[0]:
                heapq.heapreplace(self._sample, entry)
            yield row

    def note(self, words: Mapping[DataRule, Mapping[int, str]]) -> None:
        """Note what showed when all rows were seen, and those of the sample compared: `words`."""
        self.faults["facts"] = {
            number: f"not in the prompt: {', '.join(facts[:SHOWN])}"
            for number, facts in self.facts.rows()
        }
        self.faults["style"] = dict(self.style.rows())
        numbers, _ = self.sample()
        for rule, found in words.items():
            self.faults[rule] = {numbers[index]: says for index, says in found.items()}
            self.looked[rule] = numbers

    def sample(self) -> tuple[list[int], list[Example]]:
        """The rows that were kept whole, and their numbers, in the order of the file."""
        kept = sorted((-number, row) for _, number, row in self._sample)
        return [number for number, _ in kept], [row for _, row in kept]

    def frame(self) -> pd.DataFrame:
        """One row per example: `id`, what was measured, and how often its like stands there.

        Columns: row (its number), id, key, answer, prompt and completion (characters), tokens,
        answers (different completions to the row's question), copies (rows with its question),
        of_slice (rows of its slice, where there are slices).
        """
        import numpy as np
        import pandas as pd

        def numbers(values: array[int]) -> Any:
            return np.frombuffer(values, dtype=values.typecode)

        key, answer = numbers(self.key), numbers(self.answer)
        which, copies = np.unique(key, return_inverse=True, return_counts=True)[1:]
        pairs = np.unique(np.stack([which.astype(np.uint64), answer]), axis=1)[0]
        answers = np.bincount(pairs.astype(np.int64), minlength=len(copies))
        columns = {
            "row": np.arange(len(self.ids)),
            "id": self.ids,
            "key": key,
            "answer": answer,
            "prompt": numbers(self.prompt),
            "completion": numbers(self.completion),
            "tokens": numbers(self.tokens),
            "answers": answers[which],
            "copies": copies[which],
        }
        if self.slices:
            counts = Counter(self.slices)
            columns["of_slice"] = [counts[name] for name in self.slices]
        return pd.DataFrame(columns)

    def words(self, rule: str) -> Any:
        """A column of what is wrong with each row by a rule; empty where nothing is.

        Null where the row was not looked at. A row that holds a secret is not quoted.
        """
        import numpy as np

        looked = self.looked.get(rule)
        column = np.full(len(self.ids), "" if looked is None else None, dtype=object)
        if looked is not None:
            column[looked] = ""
        hidden = set() if rule in KINDS else self._holding_secrets()
        for number, says in self.faults.get(rule, {}).items():
            column[number] = HIDDEN if number in hidden else says
        return column

    def without_secrets(self) -> list[Example]:
        """The rows that were kept whole and may be told of."""
        hidden = self._holding_secrets()
        return [row for number, row in zip(*self.sample(), strict=True) if number not in hidden]

    def _holding_secrets(self) -> set[int]:
        return {number for rule in SECRETS for number in self.faults.get(rule, {})}


def line_of(row: Example) -> str:
    """The row as a line of rows.jsonl, as `records.read_rows` takes it."""
    messages = [{"role": message.role, "content": message.content} for message in row.messages]
    value = {
        "completion": row.completion,
        "fields": row.fields,
        "id": row.id,
        "key": row.key,
        "messages": messages,
    }
    return json.dumps(value, ensure_ascii=False) + "\n"
