"""Records that commands return; `--json` prints them, `pawl.report` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LooksLeft:
    """Looks of the present budget; `budget`, from 1, pays for the next, as `says` has in words."""

    used: int
    of: int
    budget: int
    says: str


@dataclass(frozen=True)
class FreshRows:
    """Gate rows that no look has scored, and how many of them open a new budget."""

    there: int
    needed: int


@dataclass(frozen=True)
class HistoryEntry:
    """A release, an accepted relabel or a retirement; `entry` is its number in the ledger.

    `from_` and `version` are the champion's versions before and after a release; a retirement has
    no `from_`, a relabel neither. `when` is UTC in ISO 8601, `evidence` the sha256 of the verdict
    file, `unearned` the kind of an earlier release of this version without the gate.
    """

    entry: int
    kind: str
    version: int | None
    digest: str | None
    from_: int | None
    when: str
    who: str
    why: str
    evidence: str | None
    unearned: str | None


@dataclass(frozen=True)
class Finding:
    """One thing that `pawl doctor` examined; `says` is what it found, with the remedy if not ok."""

    what: str
    ok: bool
    says: str


@dataclass(frozen=True)
class Check:
    """One check of `pawl verify`: what was found, and the remedy if not ok."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class GcRow:
    """Something that can be freed: its size in bytes, and the local path or MLflow run."""

    what: str
    bytes: int
    where: str


@dataclass(frozen=True)
class GcReport:
    """What `pawl gc` found, and whether it was freed; `left` are paths that are not Pawl's."""

    freed: bool
    found: tuple[GcRow, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataOrigin:
    """The data of an adapter, by DVC's md5 too if recorded, and the commit that first had it."""

    sha256: str
    md5: str | None
    commit: str | None


@dataclass(frozen=True)
class VersionOrigin:
    """What a registered version was made from: `adapter` is its digest, `rows` are those a split.

    `restore` is the command that brings its data back, None where the md5 was not recorded.
    """

    version: int
    champion: bool
    verdict: str
    when: str
    adapter: str
    commit: str
    rows: dict[str, int]
    data: DataOrigin
    restore: str | None


@dataclass(frozen=True)
class Source:
    """Where rows were fetched: the address, what it called its bytes then (an ETag, a commit of the
    hub; None: nothing), and when, UTC in ISO 8601 (None: not recorded)."""

    address: str
    version: str | None
    when: str | None


@dataclass(frozen=True)
class DataVersion:
    """A version of a task's data and the registered `versions` made from it.

    `commit`, `when` and `subject` are None where it was never committed; `here`: DVC tracks it now;
    `source` is None for rows of a file.
    """

    md5: str
    commit: str | None
    when: str | None
    subject: str | None
    here: bool
    versions: tuple[int, ...]
    source: Source | None = None


@dataclass(frozen=True)
class Lineage:
    """What every version was made from, and which versions each data version made: newest first."""

    task: str
    champion: int | None
    versions: tuple[VersionOrigin, ...]
    data: tuple[DataVersion, ...]


@dataclass(frozen=True)
class BackupReport:
    """What `pawl backup` wrote, and `pawl restore` brought back; `bytes` before compression.

    `made` is UTC in ISO 8601, `store` the address of the record where it is not in the file, None
    where it is. `data` says where the rows are: in the file, or in which cache and remotes of DVC.
    """

    file: str
    made: str
    files: int
    bytes: int
    store: str | None
    keys: bool
    data: str


@dataclass(frozen=True)
class Part:
    """A run of a row's text; whether the model is taught it, or only sees it."""

    text: str
    taught: bool


@dataclass(frozen=True)
class Preview:
    """A row as the model sees it: its number of tokens, how many are taught, its text in parts."""

    id: str
    tokens: int
    taught: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class NewTask:
    """A task that was added: its section of params.yaml, why it is trained as it says, how its
    rows are read, and some of them."""

    task: str
    section: dict[str, Any]
    recipe: str
    understood: tuple[str, ...]
    preview: tuple[Preview, ...]
