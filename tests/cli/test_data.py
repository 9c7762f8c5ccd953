"""`pawl data` as a person types it: what it prints, what it refuses, what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_cycle import answer, commit, git, pawl

from pawl.core.files import digest_md5
from pawl.workspace.paths import Workspace

pytestmark = pytest.mark.server
OTHER = '{"category":"other","urgency":"low","order":null}'


def delivery(workspace: Workspace, folder: Path) -> Path:
    """The rows as they are but for one that is gone, one that is new, one relabelled."""
    lines = (workspace.root / "data" / "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines[1:]]
    rows[3]["completion"] = OTHER
    rows.append({"id": "mine", "prompt": "Is this new?", "completion": OTHER})
    path = folder / "delivery.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_delivery_is_added_compared_listed_and_taken_back(
    quick_workspace: Workspace, tmp_path: Path
) -> None:
    git(quick_workspace, "config", "user.name", "A tester")
    git(quick_workspace, "config", "user.email", "tester@example.org")
    commit(quick_workspace)
    path = quick_workspace.root / "data" / "tickets.jsonl"
    before, source = digest_md5(path), delivery(quick_workspace, tmp_path)
    done = answer(quick_workspace, "data", "add", str(source), "--commit", "a delivery")
    assert (done["rows"], done["before"], done["md5"]) == (160, before, digest_md5(source))
    assert done["commit"] == git(quick_workspace, "rev-parse", "HEAD").strip()

    said = answer(quick_workspace, "data", "diff", "tickets", "HEAD~1")
    assert (said["added"], said["removed"]) == (["mine"], ["t-00001"])
    assert [(row["id"], row["after"]) for row in said["relabelled"]] == [("t-00005", OTHER)]
    assert said["moved"] == said["touched"] == []
    assert said["rules"]["row_count"] == {"before": 160, "after": 160}
    assert all(counts.keys() == {"before", "after"} for counts in said["rules"].values())
    shown = pawl(quick_workspace, "data", "diff", "tickets", "HEAD~1", "--no-rules")
    assert "added: 1\n  mine\nremoved: 1\n  t-00001\n" in shown.stdout
    assert f"→ {OTHER}" in shown.stdout
    assert "row_count" not in shown.stdout
    same = pawl(quick_workspace, "data", "diff", "tickets", "--no-rules")
    assert "the same file" in same.stdout

    listed = answer(quick_workspace, "data", "log", "tickets")
    assert [(row["md5"], row["subject"], row["here"]) for row in listed] == [
        (done["md5"], "a delivery", True), (before, "the task", False),
    ]  # fmt: skip
    back = pawl(quick_workspace, "data", "restore", "tickets", before[:10])
    assert back.returncode == 0, back.stderr
    assert back.stdout.startswith("restored: data/tickets.jsonl has 160 rows")
    assert f"`pawl data restore tickets {done['md5'][:12]}`" in back.stdout
    assert digest_md5(path) == before


def test_rules_that_cannot_be_run_are_absent_and_the_rows_compared_all_the_same(
    quick_workspace: Workspace, tmp_path: Path
) -> None:
    commit(quick_workspace)
    answer(quick_workspace, "data", "add", str(delivery(quick_workspace, tmp_path)))
    text = quick_workspace.params_file.read_text(encoding="utf-8")
    base = next(line for line in text.split("\n") if "model:" in line)
    quick_workspace.params_file.write_text(text.replace(base, "      model: someone/not-here"))
    said = answer(quick_workspace, "data", "diff", "tickets")
    assert (said["rules"], said["added"]) == ({}, ["mine"])
    assert "someone/not-here" in said["a"]["unruled"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("data", "add", "nowhere.jsonl"), 2, "nowhere.jsonl is not there"),
        (("data", "add", "data"), 2, "data is no file"),
        (("data", "add", "dvc.yaml"), 5, "the format of dvc.yaml is not known"),
        (("data", "add", "x.jsonl", "--task", "tickts"), 2, "did you mean 'tickets'?"),
        (("data", "diff", "tickets"), 2, "no data version of 'tickets' is called 'HEAD'"),
        (("data", "frobnicate"), 2, "no such command 'frobnicate'"),
    ],
)
def test_a_bad_name_says_what_to_do_and_changes_nothing(
    quick_workspace: Workspace, words: tuple[str, ...], code: int, says: str
) -> None:
    before = (quick_workspace.root / "data" / "tickets.jsonl").read_bytes()
    done = pawl(quick_workspace, *words)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert (quick_workspace.root / "data" / "tickets.jsonl").read_bytes() == before
