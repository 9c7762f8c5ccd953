"""Hostile data on the command line: an error in words, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.core.files import leftovers
from pawl.workspace.paths import Workspace

GOOD = b'{"prompt": "p", "completion": "c"}\n'
HOSTILE = {
    "deep": b'{"prompt": ' + b"[" * 200_000,
    "no end": b'{"prompt": "' + b"x" * (3 << 20),
    "bytes": bytes(range(256)) * 200,
    "odd": b'{"prompt": NaN}\n\xef\xbb\xbf{}\n{"prompt": "\\ud800", "completion": "c"}\n'
    + b"\0" * 9,
    "blank": b"\n" * 100_000,
    "empty": b"",
}


def pawl(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", "-C", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def place(kind: str, path: Path, outside: Path) -> None:
    """Put something hostile where the data file is."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(path.name)
    elif kind in ("device", "outside"):
        path.symlink_to("/dev/zero" if kind == "device" else outside)
    else:
        path.write_bytes(HOSTILE[kind])


@pytest.mark.parametrize("kind", ["deep", "odd", "pipe", "device", "outside"])
def test_a_check_of_hostile_data_ends_in_words_and_leaves_nothing_half_written(
    quick_workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    outside = tmp_path / "elsewhere.jsonl"
    outside.write_bytes(GOOD)
    data = quick_workspace.root / quick_workspace.task("tickets").data
    place(kind, data, outside)
    done = pawl(quick_workspace.root, "check", "tickets")
    assert done.returncode in (2, 5), done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert "remedy:" in done.stderr
    files = quick_workspace.files("tickets")
    assert not files.check.exists()
    assert leftovers(files.root) == []
    assert data.is_symlink() == (kind in ("circle", "device", "outside"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["no end", "bytes", "blank", "empty", "folder", "circle"])
def test_other_hostile_data_ends_in_words_too(
    quick_workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    test_a_check_of_hostile_data_ends_in_words_and_leaves_nothing_half_written(
        quick_workspace, tmp_path, kind
    )
