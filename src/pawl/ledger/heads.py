"""Remembered heads: how far each ledger was when this workspace last saw it.

Signatures cannot tell that the newest entries were cut off, or that a whole ledger was replaced by
an older copy; whoever remembers the last one can. Heads are kept in two places that a restored or
deleted `.pawl/` and a store's administrator do not reach together: a file beside the signing key,
and a ref of the workspace's git repository, `refs/worktree/pawl/heads`. Neither is pushed or
committed, so that a fresh clone begins with no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_json, digest_text, write_text
from pawl.core.processes import git
from pawl.errors import RegistryError
from pawl.ledger.entries import Entry
from pawl.ledger.keys import private_path
from pawl.workspace.paths import Workspace

REF, FILE = "refs/worktree/pawl/heads", "heads"
FORGET = f"`git update-ref -d {REF}`"


@dataclass(frozen=True)
class Head:
    """How far a ledger was: the number of its last entry, a digest over all up to that one with
    their signatures, and the number of the last `adopt` among them (0: none).
    """

    number: int
    digest: str
    adopted: int


def head_of(written: Sequence[Entry], number: int | None = None) -> Head | None:
    """The head of a ledger, or the one that it had at entry `number`; None without entries."""
    seen = [entry for entry in written if number is None or entry.number <= number]
    if not seen:
        return None
    signed = [[entry.digest, entry.signature and entry.signature.value] for entry in seen]
    adopted = max((entry.number for entry in seen if entry.kind == "adopt"), default=0)
    return Head(number or seen[-1].number, digest_json(signed), adopted)


def lost_heads(
    counting: Sequence[Entry], written: Sequence[Entry], heads: Iterable[Head]
) -> tuple[Head, ...]:
    """The remembered heads that the ledger does not extend and that no adoption let go. Pure.

    A counting `adopt` lets go the heads that its `details.lost` name, and those that were seen
    before it and lay between it and them: another machine may have seen less of what was lost.
    """
    let_go: set[tuple[int, str]] = set()
    spans: list[tuple[int, int]] = []
    for entry in counting:
        if entry.kind == "adopt" and (lost := entry.details.get("lost")):
            named = [(int(number), str(digest)) for number, digest in lost]
            let_go |= set(named)
            spans.append((entry.number, max(number for number, _ in named)))
    return tuple(
        head
        for head in heads
        if head_of(written, head.number) != head
        and (head.number, head.digest) not in let_go
        and not any(head.adopted < adopt <= head.number <= last for adopt, last in spans)
    )


def remembered(workspace: Workspace, ledger: str) -> tuple[Head, ...]:
    """The heads that this workspace remembers of a ledger.

    Raises:
        RegistryError: a place that holds them is garbled.
    """
    texts = [_read_file(_file(workspace)), _read_ref(workspace)]
    heads = [head for text in texts for name, head in _parse(text, workspace) if name == ledger]
    return tuple(dict.fromkeys(heads))


def remember(workspace: Workspace, ledger: str, head: Head) -> None:
    """Remember a head, in place of those that were remembered of this ledger.

    A workspace that cannot be written to goes on with what it remembers.
    """
    path = _file(workspace)
    if (text := _replaced(_read_file(path), workspace, ledger, head)) is not None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_text(path, text)
    if not (workspace.root / ".git").exists():
        return
    if (text := _replaced(_read_ref(workspace), workspace, ledger, head)) is not None:
        blob = git(workspace.root, "hash-object", "-w", "--stdin", stdin=text)
        if blob:
            git(workspace.root, "update-ref", REF, blob)


def forget_text(workspace: Workspace) -> str:
    """How a person makes the workspace forget all heads, to begin anew on purpose."""
    return f"{FORGET} and `rm {_file(workspace)}`"


def _file(workspace: Workspace) -> Path:
    path = private_path(workspace)
    if path.is_relative_to(workspace.home):
        return path.with_name(FILE)
    # A key outside may sign for several workspaces.
    return path.with_name(f"{path.name}.{FILE}-{digest_text(str(workspace.root))[:12]}")


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _garbled(str(path), error) from error


def _read_ref(workspace: Workspace) -> str:
    # In a folder of a larger repository the ref would be that repository's.
    if not (workspace.root / ".git").exists():
        return ""
    text = git(workspace.root, "cat-file", "blob", REF)
    return f"{text}\n" if text else ""


def _parse(text: str, workspace: Workspace) -> list[tuple[str, Head]]:
    heads = []
    for line in text.splitlines():
        try:
            ledger, number, digest, adopted = line.split()
            heads.append((ledger, Head(int(number), digest, int(adopted))))
        except ValueError as error:
            raise _garbled(f"{_file(workspace)} or {REF}: {line[:80]!r}", error) from error
    return heads


def _replaced(text: str, workspace: Workspace, ledger: str, head: Head) -> str | None:
    """The text with the ledger's head replaced; None where it has that one already."""
    heads = _parse(text, workspace)
    if [one for name, one in heads if name == ledger] == [head]:
        return None
    others = [(name, one) for name, one in heads if name != ledger]
    lines = sorted(
        f"{name} {one.number} {one.digest} {one.adopted}" for name, one in [*others, (ledger, head)]
    )
    return "\n".join(lines) + "\n"


def _garbled(where: str, error: Exception) -> RegistryError:
    return RegistryError(
        f"what this workspace remembers of its ledgers cannot be read: {where}: {error}",
        rule="a ledger has to go on from where it was last seen",
        remedy=f"see that `pawl verify` finds all well, then remove both: {FORGET} and that file",
    )
