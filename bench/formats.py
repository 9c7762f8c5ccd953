"""The formats of the field: a small file of each, and what becomes of it.

    python bench/formats.py [--before FOLDER]

Prints the table of bench/README.md, which a test compares with it. `--before` names the `src` of an
earlier version, which reads the same files in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from formatlab.kinds import KINDS, Format
from formatlab.writers import COUNT

from pawl.commands.sources import Sources, named_columns, read_sources
from pawl.data.read.dataset_folder import one_file
from pawl.errors import PawlError

READ_BEFORE = """
import sys
from pathlib import Path
from pawl.data.read.examples import read_examples
from pawl.errors import PawlError
try:
    rows = read_examples(Path(sys.argv[1]), Path(sys.argv[1]).name).examples
    print(repr([([(m.role, m.content) for m in row.messages], row.completion) for row in rows]))
except PawlError as error:
    print("refused:", " ".join(error.found.split()).replace(str(Path(sys.argv[1])), "")[:160])
"""


class Outcome(NamedTuple):
    """Whether a file is read, and what is said of it."""

    read: bool
    says: str


def outcome(form: Format, folder: Path) -> Outcome:
    """What `pawl new` makes of a file of the format."""
    path = folder / form.file
    form.write(path)
    try:
        with one_file(path) as (file, folder_notes):
            sources = Sources(file, columns=named_columns(form.columns))
            read, _ = read_sources(sources)
    except PawlError as error:
        first = error.found.splitlines()[0].replace(str(path), form.file)
        return Outcome(read=False, says=f"refused: {_shown(first.rpartition(' (')[0] or first)}")
    answers = sum(1 + len(row.taught) for row in read.examples)
    notes = [note.removesuffix(f" ({COUNT} rows)") for note in (*folder_notes, *read.notes)]
    said = "; ".join(note.split(" rows as ")[-1] for note in notes)
    return Outcome(read=True, says=f"{_shown(said)}; {answers} answers taught")


def printed() -> str:
    """The table of bench/README.md."""
    rows = ["| file | before | now |", "|---|---|---|"]
    for form in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(f"| {form.name} | {form.before} | {outcome(form, Path(folder)).says} |")
    return "\n".join(rows)


def _shown(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="`src` of an earlier version")
    given = parser.parse_args()
    if given.before is None:
        print(printed())
        return
    for form in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / form.file
            form.write(path)
            done = subprocess.run(
                [sys.executable, "-c", READ_BEFORE, str(path)],
                env={"PYTHONPATH": str(given.before)}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            print(f"{form.name}: {done.stdout.strip()[:400] or done.stderr.strip()[-200:]}")


if __name__ == "__main__":
    main()
