"""Labels that people give, signed by the machine on which they are given, in an append-only file.

Whoever can write the file without a key of this workspace can add nothing to it that counts, edit
nothing, and move no label to another pair: each line is signed and names the one before it.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pawl.core.pairs import digest_of
from pawl.core.records import Choice, Label, Pair, Review, to_json
from pawl.core.review_lines import Line, altered, line_text, read_lines, review_of
from pawl.errors import DataError, UsageError
from pawl.ledger.keys import trusted_keys
from pawl.ledger.signatures import is_signed, sign
from pawl.workspace.paths import Workspace

KIND = "review"


@dataclass(frozen=True)
class ReviewFile:
    """The labels of the planned `pairs` of a look, `against` whom, in the file at `path`.

    `sealed`: lines are encrypted with the owner's key.
    """

    workspace: Workspace
    path: Path
    question: str
    against: str
    pairs: tuple[Pair, ...]
    sealed: bool

    def read(self) -> Review | None:
        """The labels so far, None before the first was asked for.

        Raises:
            DataError: a line was altered or is not signed, or the labels are of other pairs.
        """
        if not self.path.is_file():
            return None
        review = review_of(_verified(self.workspace, self.path), name=self.path.name)
        if review is None:
            return None
        wanted = (self.question, self.against, digest_of(self.pairs))
        known = {pair.id for pair in self.pairs if not pair.same}
        if (review.question, review.against, review.pairs) != wanted or any(
            label.pair not in known for label in review.labels
        ):
            raise DataError(
                f"{self.path} holds labels of other pairs of answers",
                rule="a label counts for the two answers that were shown, and for no others",
                remedy="move the file away and review again: `pawl review`",
            )
        return review

    def begin(self) -> Review:
        """The labels so far; before the first, the sides are drawn and written down."""
        if (review := self.read()) is not None:
            return review
        seed = secrets.token_hex(16)
        first = Review(self.question, self.against, digest_of(self.pairs), seed)
        with self.locked():
            if self.read() is None:
                self._append({k: v for k, v in to_json(first).items() if k != "labels"})
        return self.begin()

    def say(self, pair: str, choice: Choice, *, who: str) -> Review:
        """Record a label; raises `UsageError` for a pair that is none or has one already."""
        self.begin()
        with self.locked():
            review = self.begin()
            if pair not in {one.id for one in self.pairs if not one.same}:
                raise UsageError(
                    f"there is no pair {pair[:12]!a} in this review",
                    rule="a label counts for the two answers that were shown, and for no others",
                    remedy="load the page anew, or call `pawl review` again",
                )
            if pair in {label.pair for label in review.labels}:
                raise UsageError(
                    f"the pair {pair[:12]} has a label already",
                    rule="a pair is labelled once",
                    remedy="go on with the next one; `u` takes the last label back",
                )
            self._append(to_json(Label(pair, choice, who, _now())))
            return self.begin()

    def undo(self, *, who: str) -> str | None:
        """Take the last label back; returns its pair, None if there is no label."""
        self.begin()
        with self.locked():
            review = self.begin()
            if not review.labels:
                return None
            last = review.labels[-1].pair
            self._append(to_json(Label(last, "undo", who, _now())))
            return last

    def _append(self, says: dict[str, Any]) -> None:
        lines = _verified(self.workspace, self.path) if self.path.is_file() else []
        line = Line(says, lines[-1].digest if lines else "")
        line = dataclasses.replace(line, signature=sign(self.workspace, KIND, line.body))
        with self.path.open("r+b") as file:
            # A line without its end is of a process that was killed: it never counted.
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.seek(whole)
            file.write(line_text(line, sealed=self.sealed).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Within this, nobody else adds a label or takes one back."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def review_problem(workspace: Workspace, path: Path) -> str | None:
    """What is wrong with the signatures of a stored review, None if nothing is."""
    try:
        _verified(workspace, path)
    except DataError as error:
        return error.found
    return None


def _verified(workspace: Workspace, path: Path) -> list[Line]:
    lines = read_lines(path.read_bytes().decode("utf-8", "replace"), name=path.name)
    trusted = trusted_keys(workspace)
    for number, line in enumerate(lines, start=1):
        if not is_signed(line.signature, KIND, line.body, trusted):
            raise altered(path.name, f"line {number} is not signed by a key that pawl.pub trusts")
    return lines


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
