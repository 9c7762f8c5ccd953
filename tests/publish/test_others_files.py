"""What others wrote where a target points is not written over."""

from __future__ import annotations

from pathlib import Path

import pytest
from published import Published


@pytest.mark.parametrize(
    ("kind", "file"), [("folder", "tickets.json"), ("kubernetes-yaml", "tickets.yaml")]
)
def test_a_file_that_somebody_else_wrote_under_a_tasks_name_stays(
    tickets: Published, tmp_path: Path, kind: str, file: str
) -> None:
    theirs = tmp_path / "data" / file
    theirs.parent.mkdir()
    theirs.write_text("[1]\n")
    more = {"pool": "qwen3"} if kind == "kubernetes-yaml" else {}
    tickets.targets({"kind": kind, "path": str(theirs.parent), **more})
    (served,) = tickets.publish().served
    assert not served.ok
    assert "was not written by `pawl publish`" in served.says
    assert theirs.read_text() == "[1]\n"
    theirs.unlink()
    assert tickets.publish().ok
    # Its own is written anew when it was edited.
    theirs.write_text(theirs.read_text() + "\n# edited")
    assert tickets.publish().ok
