"""A folder as `datasets` saves it, or as a hub has it: its rows as one file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pawl.data.read.formats import FORMATS, is_table, records
from pawl.data.read.lines import json_line
from pawl.errors import DataError

TRAIN = "train"
SHOWN = 5


@contextmanager
def one_file(source: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Within this, a folder's rows are in one file; also notes on what of it is not used.

    A source that is no folder is that file.

    Raises:
        DataError: the folder has no rows, or one of its files cannot be read.
    """
    if not source.is_dir():
        yield source, ()
        return
    files, notes = _files(source)
    with TemporaryDirectory(prefix="pawl-rows-") as made:
        path = Path(made) / "rows.jsonl"
        with path.open("wb") as out:
            for file in files:
                table = is_table(file.name)
                for record in records(file, file.name):
                    # Rows that cannot be read are reported, with all others, where rows are read.
                    row = json_line(record.value) if table and record.value else record.raw
                    out.write(row.rstrip(b"\r\n") + b"\n")
        yield path, (f"a folder of {len(files):,} files is written as JSON lines", *notes)


def _files(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The files with the rows to train on, in order, and what is left."""
    splits = _json(folder / "dataset_dict.json").get("splits")
    if isinstance(splits, list) and splits:
        chosen = TRAIN if TRAIN in splits else str(splits[0])
        files, notes = _files(folder / chosen)
        rest = ", ".join(str(name) for name in splits if name != chosen)
        left = (f"the split '{chosen}' is taken; not used: {rest}",) if rest else ()
        return files, (*left, *notes)
    named = _json(folder / "state.json").get("_data_files")
    if isinstance(named, list) and all(isinstance(one, dict) for one in named):
        # Names alone: a folder of others leads nowhere else.
        return [folder / Path(str(one.get("filename"))).name for one in named], ()
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.endswith(FORMATS))
    found = [p for p in found if p.name not in ("dataset_info.json", "dataset_infos.json")]
    train = [path for path in found if TRAIN in path.stem.lower()] or found
    kinds = {path.suffix for path in train}
    if not train or len(kinds) > 1:
        raise DataError(
            f"the folder {folder} has {'rows of several formats' if train else 'no rows'}",
            rule="a folder is what `save_to_disk` of `datasets` wrote, or has files of one format",
            remedy="name one file: `--data FILE`",
        )
    folders = sorted({str(path.parent.relative_to(folder)) for path in train})
    if len(folders) > 1:
        raise DataError(
            f"the folder {folder} has rows in several folders: {', '.join(folders[:SHOWN])}"
            f"{', …' if len(folders) > SHOWN else ''}",
            rule="rows of one kind are in one folder: several are parts that are not to be mixed",
            remedy="name one of these folders, or one file",
        )
    others = len(found) - len(train)
    notes = (f"{others:,} files are not of the split 'train' and not used",) if others else ()
    return train, notes


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
