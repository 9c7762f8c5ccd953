"""A proposed cleaned copy of a task's data, with a diff. The data file itself is never touched.

What is done is what `pawl.data.versions.mend` does. Which of two answers is right, what to do about a secret
or a wrong label, a person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pawl.core.files import digest_file, whole_folder
from pawl.core.records import Fault, FixReport, Mend, MendName, Rule, write_record
from pawl.data.read.formats import ending
from pawl.data.report.check_summary import read_check
from pawl.data.versions.mend import Step, steps
from pawl.errors import DataError
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file

SHOWN = 10
DIFF, REPORT = "changes.diff", "report.json"
SAYS: dict[MendName, str] = {
    "unreadable": "dropped, for it cannot be read",
    "duplicates": "dropped, for an earlier row has the same question and answer",
    "blanks": "trimmed around the completion",
    "style": "JSON rewritten in the layout and key order that most have",
}
# Rules of the check that the copy settles, all or in part: checking the copy says what is left.
SETTLED = ("readable", "duplicates", "blanks", "style")


def fix(workspace: Workspace, task: str, *, hides: Callable[[str], object]) -> FixReport:
    """Write `build/<task>/fixed/`: the copy as JSON lines, changes.diff, report.json.

    Args:
        workspace: the task's workspace.
        task: its name.
        hides: whether a text holds what must not stand in a diff.

    Raises:
        DataError: the file is absent or damaged, none of its rows can be read, or it was written
            to meanwhile.
    """
    section = workspace.task(task)
    path, before = data_file(workspace, section), read_check(workspace, task)
    data = digest_file(path)
    name = Path(section.data).name.removesuffix(ending(section.data)) + ".jsonl"
    with whole_folder(workspace.files(task).fixed) as folder:
        with (folder / name).open("wb") as copy, (folder / DIFF).open("wb") as diff:
            diff.write(f"--- a/{section.data}\n+++ b/{section.data}\n".encode())
            tally = _Tally()
            for step in steps(path, section.data, section.split):
                copy.write(step.new or b"")
                if step.why:
                    secret = _secret(step, hides)
                    diff.write(_hunk(step, tally.kept, secret=secret))
                    tally.note(step, secret=secret)
                tally.lines += 1
                tally.kept += step.new is not None
        _refuse(section.data, kept=tally.kept, same=digest_file(path) == data)
        report = FixReport(
            task=task,
            data=data,
            fixed=digest_file(folder / name),
            file=name,
            rows=tally.kept,
            of=tally.lines,
            hidden=tally.hidden,
            mends=tally.mends(),
            left=None if before is None else _left(before.rules),
        )
        write_record(folder / REPORT, report)
    return report


def _secret(step: Step, hides: Callable[[str], object]) -> bool:
    return any(map(hides, (step.name, *step.why.values(), *(step.texts or ()))))


def _hunk(step: Step, before: int, *, secret: bool) -> bytes:
    """One changed line as a hunk of a unified diff without context: rows do not explain each other.

    Args:
        step: what becomes of the line.
        before: lines of the copy so far.
        secret: whether its words, and its name, must not be shown.
    """
    place = f"+{before},0" if step.new is None else f"+{before + 1}"
    done = "; ".join(f"{mend} ({says})" for mend, says in step.why.items())
    title = f"line {step.number}: {', '.join(step.why)}" if secret else f"{step.name}: {done}"
    head = f"@@ -{step.number} {place} @@ {title}\n".encode()
    if step.texts is None:
        return head + f"-[cannot be read; its form:] {step.form} …\n".encode()
    if secret:
        shown = b"[may hold a secret: not shown]\n"
        return head + b"-" + shown + (b"+" + shown if step.new else b"")
    return head + _marked(b"-", step.old) + (_marked(b"+", step.new) if step.new else b"")


def _marked(mark: bytes, line: bytes) -> bytes:
    return mark + line + (b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n")


class _Tally:
    """What was done so far, by its name."""

    def __init__(self) -> None:
        self.lines = self.kept = self.hidden = 0
        self._found: dict[MendName, int] = dict.fromkeys(SAYS, 0)
        self._first: dict[MendName, list[Fault]] = {mend: [] for mend in SAYS}

    def note(self, step: Step, *, secret: bool) -> None:
        self.hidden += secret or step.texts is None
        for mend, says in step.why.items():
            self._found[mend] += 1
            if self._found[mend] <= SHOWN:
                fault = Fault(f"line {step.number}") if secret else Fault(step.name, says)
                self._first[mend].append(fault)

    def mends(self) -> tuple[Mend, ...]:
        return tuple(
            Mend(mend, says, self._found[mend], tuple(self._first[mend]))
            for mend, says in SAYS.items()
        )


def _left(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """What a person has to settle."""
    return tuple(r for r in rules if r.name not in SETTLED and (r.worst or not r.passed))


def _refuse(data: str, *, kept: int, same: bool) -> None:
    if not same:
        raise DataError(
            f"{data} was written to while it was read",
            rule="a copy is proposed of the data as it is",
            remedy="run the command again when nobody writes to it",
        )
    if not kept:
        raise DataError(
            f"{data} has no row that can be read",
            rule="a copy of the data is proposed where some of its rows are good",
            remedy="mend what is wrong with the first rows, and the rest may follow",
        )
