"""Records of publishing: what names a version to servers, and what each of them serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pointer:
    """`TASK.json` beside the folders of versions: callers of `task` are answered by `served`.

    `previous` is what a rollback would name, None before there is one; `entry` is the release's
    number in the ledger, `digest` the adapter's.
    """

    task: str
    served: str
    version: int
    digest: str
    previous: str | None
    entry: int


@dataclass(frozen=True)
class Served:
    """What one target, or one replica of it, serves of a task.

    `served` is the version's name, None where that is not known; `ok`: it is the champion, and was
    proved as far as such a target can be. `says` is what was found, with the remedy if not ok.
    """

    target: str
    served: str | None
    ok: bool
    says: str


@dataclass(frozen=True)
class Publication:
    """A publication of a task's champion: `name` is its version's, `entry` its release's number in
    the ledger, `when` UTC in ISO 8601.
    """

    task: str
    name: str
    entry: int
    when: str
    served: tuple[Served, ...]

    @property
    def ok(self) -> bool:
        """Whether all targets serve it."""
        return all(one.ok for one in self.served)
