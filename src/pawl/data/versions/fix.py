"""`pawl check --fix`: a cleaned copy of a task's data, with a diff; the data file stays unchanged.

The changes are those of `pawl.data.versions.cleaning`. Which of two answers is right, and what to
do about a secret or a wrong label, is for a person to decide.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from pawl.core.files import digest_file, whole_folder
from pawl.core.records import Fault, FixReport, Mend, MendName, write_record
from pawl.data.read.formats import data_format
from pawl.data.report.check_summary import read_check
from pawl.data.rules.secrets import secrets
from pawl.data.versions.cleaning import LineChange, line_changes
from pawl.errors import DataError
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file

SHOWN = 10
DIFF, REPORT = "changes.diff", "report.json"
DESCRIPTIONS: dict[MendName, str] = {
    "unreadable": "dropped, for it cannot be read",
    "duplicates": "dropped, for an earlier row has the same question and answer",
    "blanks": "trimmed around the completion",
    "style": "JSON rewritten in the layout and key order that most have",
}
# Rules that cleaning settles, wholly or in part; checking the copy shows what remains.
SETTLED = ("readable", "duplicates", "blanks", "style")


def fix(workspace: Workspace, task: str) -> FixReport:
    """Write `build/<task>/fixed/`: the copy as JSON lines, changes.diff, report.json.

    Raises:
        DataError: the file is absent or damaged, has no readable row, or changed meanwhile.
    """
    section = workspace.task(task)
    path, check = data_file(workspace, section), read_check(workspace, task)
    data = digest_file(path)
    name = Path(section.data).name.removesuffix(data_format(section.data)) + ".jsonl"
    with whole_folder(workspace.files(task).fixed) as folder:
        with (folder / name).open("wb") as copy, (folder / DIFF).open("wb") as diff:
            diff.write(f"--- a/{section.data}\n+++ b/{section.data}\n".encode())
            tally = _Tally()
            for change in line_changes(path, section.data, section.split, section.check):
                copy.write(change.new or b"")
                if change.why:
                    texts = (change.name, *change.why.values(), *(change.texts or ()))
                    secret = any(map(secrets, texts))
                    diff.write(_hunk(change, tally.written, secret=secret))
                    tally.add(change, secret=secret)
                tally.lines += 1
                tally.written += change.new is not None
        _refuse(section.data, written=tally.written, unchanged=digest_file(path) == data)
        left = None
        if check is not None:
            found = (rule for rule in check.rules if rule.worst or not rule.passed)
            left = tuple(rule for rule in found if rule.name not in SETTLED)
        report = FixReport(
            task=task,
            data=data,
            fixed=digest_file(folder / name),
            file=name,
            rows=tally.written,
            of=tally.lines,
            hidden=tally.hidden,
            mends=tally.mends(),
            left=left,
        )
        write_record(folder / REPORT, report)
    return report


def _hunk(change: LineChange, before: int, *, secret: bool) -> bytes:
    """Format a changed line as a hunk of a unified diff, without context, after `before` lines."""
    place = f"+{before},0" if change.new is None else f"+{before + 1}"
    done = "; ".join(f"{mend} ({reason})" for mend, reason in change.why.items())
    title = f"line {change.number}: {', '.join(change.why)}" if secret else f"{change.name}: {done}"
    head = f"@@ -{change.number} {place} @@ {title}\n".encode()
    if change.texts is None:
        return head + f"-[cannot be read; its form:] {change.form} …\n".encode()
    for sign, line in ((b"-", change.old), (b"+", change.new)):
        if line is not None:
            shown = b"[may hold a secret: not shown]\n" if secret else line
            end = b"" if shown.endswith(b"\n") else b"\n\\ No newline at end of file\n"
            head += sign + shown + end
    return head


class _Tally:
    """Counts of lines and changes so far."""

    def __init__(self) -> None:
        self.lines = self.written = self.hidden = 0
        self._counts: Counter[MendName] = Counter()
        self._first: defaultdict[MendName, list[Fault]] = defaultdict(list)

    def add(self, change: LineChange, *, secret: bool) -> None:
        self.hidden += secret or change.texts is None
        for mend, reason in change.why.items():
            self._counts[mend] += 1
            if self._counts[mend] <= SHOWN:
                fault = Fault(f"line {change.number}") if secret else Fault(change.name, reason)
                self._first[mend].append(fault)

    def mends(self) -> tuple[Mend, ...]:
        return tuple(
            Mend(mend, description, self._counts[mend], tuple(self._first[mend]))
            for mend, description in DESCRIPTIONS.items()
        )


def _refuse(data: str, *, written: int, unchanged: bool) -> None:
    if not unchanged:
        raise DataError(
            f"{data} was written to while it was read",
            rule="a cleaned copy is made of one state of the data",
            remedy="run the command again when nobody writes to it",
        )
    if not written:
        raise DataError(
            f"{data} has no row that can be read",
            rule="a cleaned copy needs at least one readable row",
            remedy="correct the first rows; the others may have the same error",
        )
