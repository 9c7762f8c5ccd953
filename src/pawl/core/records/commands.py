"""Records that commands return; `--json` prints them, `pawl.report` shows them.

Those that hold a room's own record are beside the page that shows them: `pawl.report.plan.Plan`,
`pawl.report.data_versions.DataDiff`, `pawl.report.flips.FlipsReport`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LooksLeft:
    """Looks of the present budget: `used` `of` so many; `budget` is the number, from 1, of the
    budget that pays for the next look, `says` what it may spend.
    """

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

    `from_` (None: no champion before) and `version` are the champion's versions before and after a
    release. A retirement changes no champion: its `from_` is None; a relabel has no version either.
    `when` is UTC in ISO 8601, `evidence` the sha256 of the verdict file, `unearned` the kind of the
    earlier release of this version that a person made without the gate; None where there is none.
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
    """What `pawl gc` found, and whether it was freed."""

    freed: bool
    found: tuple[GcRow, ...]


@dataclass(frozen=True)
class DataOrigin:
    """The data that an adapter was trained on, by both digests, and the commit that first had it.

    `md5` is DVC's; None where it was not recorded. `commit` is None where no commit has it.
    """

    sha256: str
    md5: str | None
    commit: str | None


@dataclass(frozen=True)
class VersionOrigin:
    """What a registered version was made from.

    `adapter` is its digest, `commit` that of code and parameters, `rows` the rows a split and
    `restore` the command that brings its data back, None where the data's md5 was not recorded.
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
class DataVersion:
    """A version of a task's data and the registered `versions` made from it.

    `commit`, `when` and `subject` are those of its commit, None where it was never committed;
    `here`: it is the one that DVC tracks in the workspace.
    """

    md5: str
    commit: str | None
    when: str | None
    subject: str | None
    here: bool
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Lineage:
    """What every version was made from, and which versions each data version made: newest first.

    `champion` is the champion's version, None if there is none.
    """

    task: str
    champion: int | None
    versions: tuple[VersionOrigin, ...]
    data: tuple[DataVersion, ...]
