"""The records that rooms hand each other: frozen, JSON in and out, validated when read.

A record names the digests of what it was made from, so that any one leads back to data, base and
parameters. A metric that could not be measured is absent from its mapping, never 0.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from pawl.errors import DataError
from pawl.files import digest_json, read_lines, write_json
from pawl.jsonhooks import refuse_constant

# How a base's weights are held (QLoRA): an adapter only fits what it was trained on.
QUANTISATION = "nf4, double"
Decision = Literal["promote", "reject", "inconclusive", "unchanged", "invalid"]
MendName = Literal["unreadable", "duplicates", "blanks", "style"]
Role = Literal["system", "user", "assistant"]
Record = TypeVar("Record")


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
class KnownRow:
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
class BaseInfo:
    """Which base, by content: `digest` covers weights, configuration, tokenizer, template."""

    model: str
    revision: str | None
    digest: str


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
    """Rows a split; `dropped` counts the rows left out, by cause: `pawl.data.split.apart`.

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


@dataclass(frozen=True)
class AdapterManifest:
    """What an adapter was made from. `files` maps each file of the folder to its sha256.

    `rank` is the adapter's, which `params` may have left open (`auto`). `trained_on` are the hashes
    (`pawl.alike`) of all rows that it learned from, `quantisation` how
    the base's weights were held while it did; tokenizer and chat template are part of the base's
    digest.
    """

    task: str
    base: BaseInfo
    data: str
    rank: int
    params: dict[str, Any]
    trained_on: tuple[str, ...]
    files: dict[str, str]
    quantisation: str = QUANTISATION

    @property
    def digest(self) -> str:
        """The adapter's identity: its weights and configuration, not its paperwork."""
        return digest_json(self.files)


@dataclass(frozen=True)
class Rung:
    """One rank that `train.rank: auto` trained, `kept` if the climb went on from it or ended on it.

    Losses are in nats a completion token: `dev_loss` of all dev rows, `train_loss` of as many train
    rows. `p` is the chance of such losses if the rank before were as good (`pawl.train.rank`);
    None for the first. `seconds` are wall time.
    """

    rank: int
    train_loss: float
    dev_loss: float
    p: float | None
    kept: bool
    seconds: float

    @property
    def gap(self) -> float:
        """By what the loss on rows that were not learned exceeds that on rows that were."""
        return self.dev_loss - self.train_loss


@dataclass(frozen=True)
class Champion:
    """The released adapter at the time of the snapshot; `version` None: there is none yet."""

    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Look:
    """One reserved use of the gate split; `question` is what it was reserved for.

    `level` is what p must fall below in this look. Gate rows that were known before the look
    `since` belong to a budget that is used up and are not judged on again.
    """

    number: int
    of: int
    question: str
    level: float
    since: int = 1


@dataclass(frozen=True)
class Score:
    """One contender's answer to one held-out row; `values` maps metric to value.

    Rows with the same `group` are no independent evidence; `slice` is guarded by itself.
    """

    id: str
    key: str
    contender: str
    split: Literal["dev", "gate"]
    output: str
    values: dict[str, float]
    group: str | None = None
    slice: str | None = None


@dataclass(frozen=True)
class Contender:
    """One contender's summary: the mean of each metric, and mean tokens a row.

    `adapter` is the digest of the adapter that it wore, None for a base with a prompt alone.
    `fields` maps each top-level field of JSON answers to its accuracy and F1. `elsewhere` says what
    it ran on where that is not the task's base: such a contender is compared with, not judged by.
    """

    name: str
    split: Literal["dev", "gate"]
    rows: int
    scores: dict[str, float]
    prompt_tokens: float | None
    output_tokens: float | None
    adapter: str | None = None
    fields: dict[str, dict[str, float]] = field(default_factory=dict)
    elsewhere: str | None = None


@dataclass(frozen=True)
class EvalReport:
    """What `evaluate` leaves. `gate` digests the gate rows that were scored, None without a look.

    `scores` digests the row scores; `skipped` says why a contender could not be measured. Wall
    times stand in timing.json beside it, so that the same evidence has the same bytes. `general`
    maps base, candidate and champion to the perplexity of a general text.
    """

    task: str
    base: str
    candidate: str
    champion: Champion
    look: Look | None
    gate: str | None
    excluded: int
    contenders: tuple[Contender, ...]
    skipped: dict[str, str]
    scores: str
    general: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Mean seconds a row, by `split/contender`, and the contenders whose answers were kept ones.

    The time of a kept answer is that of its decoding.
    """

    seconds_per_row: dict[str, float]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Candidate against one other contender on the same rows.

    `wins` and `losses` count the rows that one of the two did better; `p` is the one-sided
    probability of such rows if the candidate were no better (a guard: worse by `margin` or more);
    `level` what it must fall below. `interval` is the 95 % confidence interval of the difference a
    row, above 0 where the candidate is better; None where a single group gives none.
    """

    against: str
    metric: str
    candidate: float
    other: float
    wins: int
    losses: int
    p: float
    level: float
    passed: bool
    interval: tuple[float, float] | None = None
    margin: float | None = None
    slice: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The judgement, with its reasons in words and the digests of what it was made from.

    `comparisons` are with those who must be beaten, `beside` with contenders elsewhere. `failed`
    names the rules that do not hold. Under `gate.disclosure: sealed` it names the first alone, and
    what was measured on gate rows stands nowhere in the record.
    """

    task: str
    decision: Decision
    reasons: tuple[str, ...]
    candidate: str | None
    champion: Champion
    look: Look | None
    comparisons: tuple[Comparison, ...]
    scores: dict[str, dict[str, float]]
    rows: dict[str, int]
    parents: dict[str, str] = field(default_factory=dict)
    guards: tuple[Comparison, ...] = ()
    beside: tuple[Comparison, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """The adapter that a cycle judged: its version in the registry, None if it never got one."""

    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Worth:
    """Is the adapter worth having: what it gains and saves against the best prompted baseline.

    `gain` is in the metric's own unit, positive where the adapter is better, and `beaten` whether
    luck is ruled out. `prompt_tokens`, `output_tokens`, `seconds` and `cost` are what one call
    saves, `training` what the training cost, `calls` after how many calls it has paid for itself;
    None where it is not known (`calls`: or never). `says` is all of it in words.
    """

    against: str
    metric: str
    gain: float
    beaten: bool
    prompt_tokens: float | None
    output_tokens: float | None
    seconds: float | None
    cost: float | None
    training: float | None
    calls: int | None
    says: tuple[str, ...]


@dataclass(frozen=True)
class Cycle:
    """What one cycle came to; `pawl run --json` prints it and its MLflow run carries it.

    `champion` is the champion after the cycle. `scores` maps contender to metric to value. `worth`
    is None where the candidate was not compared with a baseline, or the gate is sealed. `stale`:
    the champion was replaced while the candidate was judged, so that nothing was applied.
    """

    task: str
    verdict: Decision
    reasons: tuple[str, ...]
    candidate: Candidate
    champion: Champion
    scores: dict[str, dict[str, float]]
    rows: dict[str, int]
    run_id: str | None = None
    worth: Worth | None = None
    stale: bool = False


def to_json(record: Any) -> dict[str, Any]:
    """A record as plain JSON values."""
    value: dict[str, Any] = dataclasses.asdict(record)
    return value


def write_record(path: Path, record: Any) -> None:
    """Write a record whole, with sorted keys; NaN and infinity are refused."""
    write_json(path, to_json(record))


def read_record(path: Path, kind: type[Record]) -> Record:
    """Read a record that an earlier stage left.

    Raises:
        DataError: the file is absent, is no JSON, or is not such a record. Evidence that cannot
            be read blocks; it is never taken for empty.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constant)
        return TypeAdapter(kind).validate_python(value)
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is not there",
            rule=f"the stage before leaves a {kind.__name__} record",
            remedy="run `pawl run TASK`, or `dvc repro`, which runs the stages in order",
        ) from error
    except (ValueError, ValidationError, OSError) as error:
        raise DataError(
            f"{path} holds no {kind.__name__}: {' '.join(str(error).split())[:300]}",
            rule="records are written whole by the stage before and not edited",
            remedy="delete the file and run `dvc repro` again",
        ) from error


def read_rows(path: Path) -> list[Example]:
    """The examples of one split file, as the data room wrote them."""
    adapter = TypeAdapter(Example)
    return [adapter.validate_python(row) for row in read_lines(path)]


def read_known_rows(path: Path) -> list[KnownRow]:
    """The held-out rows that the flow's snapshot names, oldest first."""
    adapter = TypeAdapter(KnownRow)
    return [adapter.validate_python(row) for row in read_lines(path)]
