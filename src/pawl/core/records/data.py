"""Records of the data: rows, what a check found, how rows were split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MendName = Literal["unreadable", "duplicates", "blanks", "style"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True)
class Example:
    """One row: what the model sees and what it shall answer.

    `key` is the hash of the normalised messages: rows with the same question share it, and it
    decides the split. `id` is the row's own name in the data file. `fields` are the row's further
    keys, as text: what `split.group_by` and `split.slice_by` name.
    """

    id: str
    key: str
    messages: tuple[Message, ...]
    completion: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HeldOutRow:
    """A held-out row that the ledger's store remembers, with the answer that it was first given.

    `lineage` names the split that it was dealt to (task and salt), `look` is the number of that
    lineage's look at which it was first held out.
    """

    key: str
    id: str
    split: Literal["dev", "gate"]
    messages: tuple[Message, ...]
    completion: str
    lineage: str
    look: int


@dataclass(frozen=True)
class Relabel:
    """A known held-out row with other answers than those that it was first given.

    `was` and `now` hold several where rows with the same prompt contradict each other.
    """

    key: str
    id: str
    split: Literal["dev", "gate"]
    was: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """One row at fault: `says` what is wrong with it, in words that hold no secret of the data."""

    id: str
    says: str = ""


@dataclass(frozen=True)
class Rule:
    """What one data rule found: `found` of the `of` rows that it looked at, the `worst` first.

    A rule that compares each row with all others looks at a sample where there are very many.
    """

    name: str
    severity: Literal["block", "warn"]
    passed: bool
    found: int
    of: int
    says: str
    worst: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """How often a quantity of the rows lies in [edges[i], edges[i + 1]): counts[i] rows."""

    name: str
    unit: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """A data set in a few numbers, all shares of its rows in [0, 1].

    `prompt` and `completion` map the lower end of a length, in characters, to the share of rows
    that are so long; `labels` each label field to the shares of its values; `words` a word to the
    share of prompts that hold it. Without rows it says that there is no such data set.
    """

    rows: int = 0
    prompt: dict[str, float] = field(default_factory=dict)
    completion: dict[str, float] = field(default_factory=dict)
    labels: dict[str, dict[str, float]] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Drift:
    """By how much one thing differs from the champion's training data.

    `value` is a distance in [0, 1], 0 for the same; `says` is it in words, with what is new.
    """

    name: str
    value: float
    says: str


@dataclass(frozen=True)
class CheckReport:
    """What `check` leaves: `data` is the sha256 of the data file, `suite` that of its rules.

    `drift` is empty where there is no champion, or one from before its data's profile was kept.
    """

    task: str
    data: str
    rows: int
    rules: tuple[Rule, ...]
    suite: str = ""
    histograms: tuple[Histogram, ...] = ()
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True)
class Mend:
    """What a proposed copy does to `found` rows of the data; `first` names the first of them."""

    name: MendName
    says: str
    found: int
    first: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class FixReport:
    """A proposed cleaned copy of a data file, `of` lines in the file and `rows` in the copy.

    `data` and `fixed` are the sha256 of the file and of the copy, `file` is the copy's name.
    `hidden` lines stand in the diff without their words. `left` is what a person has to settle,
    None where the data could not be checked.
    """

    task: str
    data: str
    fixed: str
    file: str
    rows: int
    of: int
    hidden: int
    mends: tuple[Mend, ...]
    left: tuple[Rule, ...] | None

    @property
    def changed(self) -> bool:
        return self.data != self.fixed


@dataclass(frozen=True)
class SplitReport:
    """Rows a split; `dropped` counts the rows left out, by cause: `split.remove_overlaps`.

    `group_by` and `slice_by` name the fields of the rows that hold their group and slice; without
    a group of the user's, `messages` is the conversation of rows that have one.
    """

    task: str
    data: str
    salt: str
    rows: dict[str, int]
    dropped: dict[str, int]
    digests: dict[str, str]
    group_by: str | None = None
    slice_by: str | None = None
