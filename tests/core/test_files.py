"""Files are whole or absent, and known by their digest."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.core.files import (
    digest_json,
    leftovers,
    read_lines,
    whole_folder,
    write_json,
    write_lines,
)
from pawl.errors import disk_full_error


def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with whole_folder(target) as folder:
        (folder / "a").write_text("old")

    def fail() -> None:
        with whole_folder(target) as folder:
            (folder / "a").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (target / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert "1" in path.read_text()
    assert len(list(tmp_path.iterdir())) == 1


@given(st.dictionaries(st.text(), st.integers()))
def test_the_digest_of_json_does_not_depend_on_key_order(value: dict[str, int]) -> None:
    assert digest_json(value) == digest_json(dict(reversed(value.items())))


def test_line_separators_inside_a_string_do_not_cut_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    values = [{"a": "x\u2028y\x85z\r"}, {"a": "\n"}]
    write_lines(path, values)
    assert list(read_lines(path)) == values


def _write_and_die(target: Path, number: int, seconds: float) -> None:
    with whole_folder(target) as folder:
        for name in ("a", "b"):
            (folder / name).write_text(str(number))
            time.sleep(seconds)
    os._exit(9)


def test_a_writer_killed_at_any_moment_leaves_a_whole_folder_or_none_and_the_next_sweeps(
    tmp_path: Path,
) -> None:
    target = tmp_path / "out"
    context = multiprocessing.get_context("fork")
    for number in range(12):
        writer = context.Process(target=_write_and_die, args=(target, number, 0.004))
        seen = set(tmp_path.iterdir())
        writer.start()
        # Counted from its first trace: on a busy machine a start alone outlasts any fixed moment.
        while writer.is_alive() and set(tmp_path.iterdir()) == seen:
            time.sleep(0.0005)
        time.sleep(0.002 * number)
        writer.kill()
        writer.join()
        if target.exists():
            assert (target / "a").read_text() == (target / "b").read_text()
    assert any(tmp_path.iterdir()), "each left a trace before it was killed"
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    with whole_folder(target) as folder:
        (folder / "a").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (target / "a").read_text() == "new"


def test_what_a_living_writer_has_begun_is_no_leftover(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as folder:
        os.utime(folder, (1, 1))
        assert leftovers(tmp_path) == []
    for name in (".out.new-abcd_123", ".out.new-idea", ".out.new-2024.bak", ".out.new-ABCDEFGH"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1, 1))
    assert [path.name for path in leftovers(tmp_path)] == [".out.new-abcd_123"]
    assert leftovers(tmp_path, name="other") == []


def _write_often(target: Path, number: int) -> None:
    for _ in range(30):
        with whole_folder(target) as folder:
            (folder / "a").write_text(str(number))
            (folder / "b").write_text(str(number))


def test_two_writers_of_one_folder_both_end_well_and_one_of_them_stays(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    target = tmp_path / "out"
    writers = [context.Process(target=_write_often, args=(target, n)) for n in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert (target / "a").read_text() == (target / "b").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_disk_that_fills_up_while_a_folder_is_copied_is_told_as_a_full_disk(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights").write_bytes(b"x" * 2000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heeded = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="weights") as said:
            shutil.copytree(source, tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heeded)
    told = disk_full_error(said.value)
    assert told is not None
    assert "the disk is full" in told.found
    assert disk_full_error(PermissionError(13, "not yours")) is None
