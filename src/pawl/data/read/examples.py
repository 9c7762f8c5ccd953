"""Validates the records of any file format into `Example`s; bad rows are reported with reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Check
from pawl.core.records import Example
from pawl.data.read.bad_rows import encoding_error, form_error, is_encoding, too_many_bad
from pawl.data.read.formats import records
from pawl.data.read.forms import FormError
from pawl.data.read.lines import Record
from pawl.data.read.redaction import redacted_excerpt
from pawl.data.read.row import LAST, examples_of
from pawl.errors import DataError

SHOWN = 10
# Rows of no known form after which a file is given up: all have the same columns.
UNKNOWN = 20
# Distinct notes that are counted; keys may be as many as rows.
MOST_NOTES = 100


@dataclass(frozen=True)
class Rows:
    """The good rows of a data file, the number of bad ones, messages on the first of these.

    `notes` say how the rows were read, and what of them is not used.
    """

    examples: tuple[Example, ...]
    bad: int = 0
    messages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ExampleReader:
    """Iterates over a data file's good rows; counts bad rows and reports the first of them.

    A row has one of the forms of `pawl.data.read.forms`, with an optional `id`. Other keys with a
    string, number or boolean value become `fields`.

    Args:
        path: the file; its format follows from its name.
        name: the file's name in messages.
        drop: the share of bad rows, in [0, 1], up to which they are left out and counted; None: the
            task's `drop_bad`.
        check: the task's section: which columns are what, and which turns are rows.
    """

    def __init__(
        self, path: Path, name: str, *, drop: float | None = None, check: Check = LAST
    ) -> None:
        self._path, self._name, self._check = path, name, check
        self._drop = check.drop_bad if drop is None else drop
        self._reset()

    def _reset(self) -> None:
        self.good = self.bad = 0
        self.messages: list[str] = []
        self._forms: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._unknown: FormError | None = None
        # Of rows in another encoding: how many, and line and bytes of the first.
        self._not_utf8, self._first_not_utf8 = 0, (0, b"")

    @property
    def notes(self) -> tuple[str, ...]:
        """How the rows were read and what of them is not used, each with the number of rows."""
        read = (f"{count:,} rows as {form}" for form, count in self._forms.most_common(SHOWN))
        # A row's notes are a set, whose order is another in each process.
        counts = sorted(self._counts.items(), key=lambda one: (-one[1], one[0]))
        return (*read, *(f"{note} ({_rows(n)})" for note, n in counts))

    def __iter__(self) -> Iterator[Example]:
        """Yield the good rows.

        Raises:
            DataError: at the end: the share of bad rows exceeds `drop`, or no row is good. Sooner,
                if no row has keys of a known form.
        """
        self._reset()
        first_line: dict[str, int] = {}
        for record in records(self._path, self._name):
            reason, notes = record.reason, set[str]()
            if record.value is not None:
                try:
                    examples, form = examples_of(record.value, record.line, self._check, notes)
                    for one in examples:
                        if (line := first_line.setdefault(one.id, record.line)) != record.line:
                            raise ValueError(f"its id is also that of line {line}")
                    self.good += 1
                    self._forms[form] += 1
                    if notes:
                        self._count(notes)
                    yield from examples
                    continue
                except FormError as error:
                    reason, self._unknown = str(error), error
                    if not self.good and self.bad == UNKNOWN:
                        break
                except ValueError as error:
                    reason = str(error)
            self._add_bad(record, reason)
        self._refuse()

    def _count(self, notes: set[str]) -> None:
        known = len(self._counts) < MOST_NOTES
        self._counts.update(note for note in notes if known or note in self._counts)

    def _add_bad(self, record: Record, reason: str) -> None:
        self.bad += 1
        if is_encoding(reason):
            self._not_utf8 += 1
            if self._not_utf8 == 1:
                self._first_not_utf8 = (record.line, record.raw)
        if self.bad <= SHOWN:
            shown = redacted_excerpt(record.raw)
            self.messages.append(f"{self._name}:{record.line}: {reason} ({shown} …)")

    def _refuse(self) -> None:
        if not self.good and self._unknown is not None:
            raise form_error(self._name, self._unknown)
        rows = self.bad + self.good
        if self.bad > self._drop * rows:
            if self._not_utf8 > 1:
                line, raw = self._first_not_utf8
                raise encoding_error(self._name, self._not_utf8, rows, line, raw)
            raise too_many_bad(self._name, self.bad, rows, self.messages, self._drop)
        if not self.good:
            found = f"{self._name} has no rows"
            raise DataError(found, rule="data is not empty", remedy="add rows")


def read_examples(path: Path, name: str, *, drop: float | None = None, check: Check = LAST) -> Rows:
    """Read all rows of a file into memory; see `ExampleReader`, whose `DataError` it raises."""
    reader = ExampleReader(path, name, drop=drop, check=check)
    return Rows(tuple(reader), reader.bad, tuple(reader.messages), reader.notes)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
