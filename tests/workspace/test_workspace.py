"""A file named in `params.yaml` lies in the workspace, whatever its name is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.errors import UsageError
from pawl.workspace.paths import Workspace


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "../rows.jsonl", "data/../../rows.jsonl", "data/outside.jsonl",
        "data/etc/passwd", "data/device", "data/circle", "data/folder", "x" * 300, "a\0b", "\ud800",
    ],
)  # fmt: skip
def test_a_name_that_leaves_the_workspace_or_names_no_file_is_refused(
    tmp_path: Path, name: str
) -> None:
    root = tmp_path / "workspace"
    (root / "data").mkdir(parents=True)
    (tmp_path / "rows.jsonl").write_text("{}")
    (root / "data" / "outside.jsonl").symlink_to(tmp_path / "rows.jsonl")
    (root / "data" / "etc").symlink_to("/etc")
    (root / "data" / "device").symlink_to("/dev/zero")
    (root / "data" / "circle").symlink_to("circle")
    (root / "data" / "folder").symlink_to(".")
    with pytest.raises(UsageError):
        Workspace(root).inside(name)


def test_a_file_of_the_workspace_may_be_named_in_any_way_that_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.jsonl").write_text("{}")
    (tmp_path / "link.jsonl").symlink_to("data/rows.jsonl")
    for name in ("data/rows.jsonl", "data/../data/rows.jsonl", "link.jsonl", "absent.jsonl"):
        assert Workspace(tmp_path).inside(name).resolve().is_relative_to(tmp_path.resolve())
