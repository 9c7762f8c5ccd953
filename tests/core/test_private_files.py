"""Files that only their owner may read are whole or absent, and the first writer wins."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pawl.core.private_files import write_private

WRITER = """
import sys
from pathlib import Path
from pawl.core.private_files import write_private
path, own = Path(sys.argv[1]), sys.argv[2].encode() * 64
write_private(path, own)
print(path.read_bytes().decode())
"""


def test_a_private_file_and_its_folders_are_the_owners_alone_whatever_the_umask(tmp_path: Path):
    path = tmp_path / "a" / "b" / "key"
    before = os.umask(0)
    try:
        write_private(path, b"secret")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_a_private_file_that_is_there_stays(tmp_path: Path):
    path = tmp_path / "key"
    write_private(path, b"first")
    write_private(path, b"second")
    assert path.read_bytes() == b"first"
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_of_many_writers_one_wins_and_all_read_its_whole_file(tmp_path: Path):
    path = tmp_path / "key"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"{number:x}"], stdout=subprocess.PIPE
        )
        for number in range(8)
    ]
    read = {writer.communicate(timeout=60)[0] for writer in writers}
    assert len(read) == 1
    assert len(read.pop().strip()) == 64


def test_a_writer_killed_at_any_moment_leaves_a_whole_file_or_none(tmp_path: Path):
    for number in range(12):
        path = tmp_path / str(number) / "key"
        path.parent.mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), "x"], stdout=subprocess.DEVNULL
        ) as writer:
            # Spread over the time from before the interpreter's start until after the write.
            time.sleep(0.015 * number)
            writer.kill()
        if path.exists():
            assert path.read_bytes() == b"x" * 64
        for file in path.parent.iterdir():
            assert file.stat().st_mode & 0o077 == 0


def test_a_full_disk_leaves_no_half_file(tmp_path: Path):
    path = tmp_path / "key"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_private(path, b"x" * 64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []
