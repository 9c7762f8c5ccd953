"""Records of the data: rows, what a check found, how rows were split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MendName = Literal["unreadable", "duplicates", "blanks", "style"]
Standing = Literal["", "pending", "withdrawn", "removed"]
Role = Literal["tools", "system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class Message:
    """One turn of a chat.

    `tools`, at most the first turn, holds the functions that the model may call, as a JSON list.
    `tool_calls` are those of an assistant turn, as a JSON list of `{"name", "arguments"}`, each
    with the `id` that it has in the data; `call_id` is that of the call that a tool's turn answers.
    """

    role: Role
    content: str
    tool_calls: str = ""
    call_id: str = ""


@dataclass(frozen=True)
class Example:
    """One row: what the model sees and what it shall answer.

    `key` is the hash of the normalised messages, which decides the split; `id` the row's own name
    in the data file; `fields` its further keys, as text (`split.group_by`, `split.slice_by`).
    `tool_calls` are the answer's, as in a `Message`: `completion` is then its text with them, as
    `pawl.core.calls` writes it. `taught` are the indices of earlier assistant turns that are
    learned too.
    """

    id: str
    key: str
    messages: tuple[Message, ...]
    completion: str
    fields: dict[str, str] = field(default_factory=dict)
    tool_calls: str = ""
    taught: tuple[int, ...] = ()


@dataclass(frozen=True)
class HeldOutRow:
    """A held-out row of the ledger's register, with the answer that it was first given.

    `lineage` is the id of its gate split, `look` the number of the look that first held it out,
    `groups` its fields that `split.group_by` and `split.slice_by` name. `standing` is '' where it
    is a goalpost; `pending` while no look that had it has led to a release; `withdrawn` and
    `removed` where it no longer judges: a delivery contradicted the pending rows, or a person let
    it go (ADR 38).
    """

    key: str
    id: str
    split: Literal["dev", "gate"]
    messages: tuple[Message, ...]
    completion: str
    lineage: str
    look: int
    groups: dict[str, str] = field(default_factory=dict)
    standing: Standing = ""


@dataclass(frozen=True)
class Relabel:
    """A held-out row with other answers than at first; several where rows contradict each other."""

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
    """What one data rule found: `found` of the `of` rows that it looked at, the `worst` first."""

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
    """A data set in a few numbers, all shares of its rows in [0, 1]; no rows: no such data set.

    `prompt` and `completion` map the lower end of a length, in characters, to the share of rows
    that are so long; `labels` each label field to the shares of its values; `words` a word to the
    share of prompts that hold it.
    """

    rows: int = 0
    prompt: dict[str, float] = field(default_factory=dict)
    completion: dict[str, float] = field(default_factory=dict)
    labels: dict[str, dict[str, float]] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Drift:
    """A difference from the champion's training data: a distance in [0, 1], 0 for the same."""

    name: str
    value: float
    says: str


@dataclass(frozen=True)
class CheckReport:
    """What `check` writes: `data` is the sha256 of the data file, `suite` that of its rules.

    `drift` is empty where there is no champion, or none with a profile of its data. `notes` say
    what of the file is read as what, and what is not used.
    """

    task: str
    data: str
    rows: int
    rules: tuple[Rule, ...]
    suite: str = ""
    histograms: tuple[Histogram, ...] = ()
    drift: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = ()


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

    `data` and `fixed` are the sha256 of file and copy; `hidden` lines are in the diff without their
    words; `left` is what a person has to settle, None where the data could not be checked.
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
    """Rows a split; `dropped` counts the rows left out, by cause (`pawl.data.split.deal`).

    `group_by` and `slice_by` name the rows' fields of group (else their conversation) and slice.
    `returned` counts the gate rows that the data no longer holds and that judge all the same,
    `withdrawn` are the looks whose rows were first held out by them and no longer judge (ADR 38).
    """

    task: str
    data: str
    salt: str
    rows: dict[str, int]
    dropped: dict[str, int]
    digests: dict[str, str]
    group_by: str | None = None
    slice_by: str | None = None
    returned: int = 0
    withdrawn: tuple[int, ...] = ()
