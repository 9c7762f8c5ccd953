"""A workspace knows where it lies: copies notice each other, a moved one goes on in silence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pawl.workspace.paths import Workspace
from pawl.workspace.place import copies_text, note_place


@pytest.fixture
def original(tmp_path: Path) -> Workspace:
    root = tmp_path / "original"
    root.mkdir()
    (root / "params.yaml").write_text("tasks: {}\n")
    assert copies_text(Workspace(root)) is None
    return Workspace(root)


def copied(workspace: Workspace, name: str) -> Workspace:
    root = workspace.root.with_name(name)
    shutil.copytree(workspace.root, root)
    return Workspace(root)


def test_two_copies_notice_each_other(original: Workspace) -> None:
    copy = copied(original, "copy")
    told = copies_text(copy)
    assert told is not None
    assert told.startswith(f"{copy.root} and {original.root} are copies of one workspace")
    told = copies_text(original)
    assert told is not None
    assert told.startswith(f"{original.root} and {copy.root} are copies of one workspace")


def test_of_three_copies_each_notices_another_one(original: Workspace) -> None:
    second = copied(original, "second")
    note_place(second)
    third = copied(second, "third")
    assert set(note_place(third)) == {original.root}
    assert set(note_place(second)) == {original.root}
    assert set(note_place(original)) == {second.root, third.root}


def test_the_remedy_makes_a_copy_its_own(original: Workspace) -> None:
    copy = copied(original, "copy")
    told = copies_text(copy)
    assert told is not None
    Path(told.rpartition("rm ")[2]).unlink()
    assert (copies_text(copy), copies_text(original)) == (None, None)
    assert list((original.home / "copies").iterdir()) == [], "and its note goes with it"


def test_where_one_is_deleted_the_other_is_silent(original: Workspace) -> None:
    copy = copied(original, "copy")
    assert copies_text(copy)
    shutil.rmtree(copy.root)
    assert copies_text(original) is None
    again = copied(original, "again")
    shutil.rmtree(original.root)
    assert copies_text(again) is None


def test_a_moved_workspace_is_no_copy_and_its_copies_are_seen_from_its_new_place(
    original: Workspace,
) -> None:
    moved = Workspace(original.root.rename(original.root.with_name("moved")))
    assert copies_text(moved) is None
    assert note_place(copied(moved, "copy")) == (moved.root,)


def test_a_workspace_seen_by_another_name_is_no_copy(original: Workspace) -> None:
    link = original.root.with_name("link")
    link.symlink_to(original.root)
    assert copies_text(Workspace(link)) is None
    assert copies_text(original) is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"id": 1, "root": null}', "\0"])
def test_a_garbled_place_is_written_anew(original: Workspace, text: str) -> None:
    (original.home / "place.json").write_text(text)
    assert copies_text(original) is None
    assert copies_text(copied(original, "copy")) is not None
