"""From a version to the data that made it and back: real git, DVC and MLflow."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from workbench import TASK, Bench, write_adapter

from pawl.commands.data_diff import diff
from pawl.commands.data_version import resolve
from pawl.commands.lineage import lineage
from pawl.core.files import digest_file, digest_md5
from pawl.core.records import Decision
from pawl.core.records.commands import DataOrigin, Lineage
from pawl.cycle.snapshots import snapshot_champion
from pawl.data.versions.compare import Changed
from pawl.data.versions.deliver import add, restore
from pawl.errors import DataError, UsageError
from pawl.ledger.looks import reserve_look
from pawl.ledger.provenance import data_md5
from pawl.report.console import Terminal
from pawl.report.data_versions import DataDiff, show_lineage
from pawl.store.versions import versions

DATA = "data/tickets.jsonl"
# DVC writes dvc.lock as it does for the workspace's own stage, whose work nothing here needs.
STAGES = """\
stages:
  check:
    foreach: [tickets]
    do:
      cmd: cp data/${item}.jsonl checked
      deps: ["data/${item}.jsonl"]
      outs: [checked]
"""


def run(root: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def dvc(root: Path, *words: str) -> None:
    run(root, sys.executable, "-m", "dvc", *words)


def rows(folder: Path, answers: str) -> Path:
    path = folder / f"{answers}.jsonl"
    lines = (
        {"id": f"n{n}", "prompt": f"ask {n}", "completion": tell} for n, tell in enumerate(answers)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def tracked(bench: Bench, tmp_path: Path) -> Bench:
    """The bench in a repository of git and DVC, its first version of the data committed."""
    root = bench.workspace.root
    run(root, "git", "init", "--quiet")
    run(root, "git", "config", "user.name", "A tester")
    run(root, "git", "config", "user.email", "tester@example.org")
    dvc(root, "init", "--quiet")
    (root / "dvc.yaml").write_text(STAGES)
    (root / ".gitignore").write_text("/.pawl/\n/build/\n/checked\n")
    (root / "data").mkdir()
    add(bench.workspace, TASK, rows(tmp_path, "xyxy"))
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", "the first version")
    return bench


def cycle(bench: Bench, seed: int, decision: Decision = "promote") -> None:
    """A cycle on the data that lies there: DVC checks it, an adapter is made from it, judged."""
    workspace, files = bench.workspace, bench.workspace.files(TASK)
    dvc(workspace.root, "repro", "--quiet", f"check@{TASK}")
    write_adapter(files.adapter, seed, data=digest_file(workspace.root / DATA))
    champion = snapshot_champion(workspace, bench.store, TASK)
    bench.judge(decision, champion, reserve_look(workspace, bench.store, TASK))
    bench.conclude(f"question {seed}")


def found(bench: Bench, name: str) -> str:
    return resolve(bench.workspace, lambda: bench.store, TASK, name).md5


def shown(said: Lineage) -> list[str]:
    page = Terminal(file=io.StringIO(), width=120)
    show_lineage(said, console=page)
    return [line.strip() for line in page.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def facts(bench: Bench) -> Lineage:
    return lineage(bench.workspace, bench.store, TASK)


def test_every_version_names_its_data_and_every_data_version_its_adapters(
    tracked: Bench, tmp_path: Path
) -> None:
    root = tracked.workspace.root
    first = run(root, "git", "rev-parse", "HEAD")
    cycle(tracked, 1)
    cycle(tracked, 2, "reject")
    second = add(tracked.workspace, TASK, rows(tmp_path, "xyyy"), message="a second version")
    cycle(tracked, 3)
    loose = add(tracked.workspace, TASK, rows(tmp_path, "xyyx"))
    cycle(tracked, 4, "inconclusive")

    said = facts(tracked)
    assert said.champion == 3
    newest = said.versions
    assert [one.version for one in newest] == [4, 3, 2, 1]
    assert [one.champion for one in newest] == [False, True, False, False]
    assert [one.verdict for one in newest] == ["inconclusive", "promote", "reject", "promote"]
    assert [one.adapter for one in newest] == [
        one.digest for one in reversed(versions(tracked.store, TASK))
    ]
    assert [one.data.commit for one in newest] == [None, second.commit, first, first]
    assert newest[0].data == DataOrigin(loose.sha256, loose.md5, None)
    assert newest[0].commit == f"{second.commit}-dirty"
    assert newest[1].rows == {"train": 80, "gate": 20}
    text = shown(said)
    assert f"data:    sha256 {second.sha256[:12]}, md5 {second.md5[:12]}, commit " in "\n".join(
        text
    )
    assert [line.endswith("champion") for line in text if line.startswith("version")] == [
        False, True, False, False,
    ]  # fmt: skip
    # And back.
    assert [(one.commit, one.versions, one.here) for one in said.data] == [
        (None, (4,), True), (second.commit, (3,), False), (first, (1, 2), False),
    ]  # fmt: skip

    # The command that it names brings that very data.
    assert newest[3].restore == "pawl data restore tickets v1"
    wanted = resolve(tracked.workspace, lambda: tracked.store, TASK, "v1")
    restore(tracked.workspace, TASK, wanted)
    assert digest_file(root / DATA) == newest[3].data.sha256
    # What was uncommitted is known by its version still.
    assert found(tracked, "v4") == found(tracked, loose.sha256[:8]) == loose.md5


def test_the_recorded_data_is_what_was_checked_whatever_has_been_delivered_since(
    tracked: Bench, tmp_path: Path
) -> None:
    checked = digest_md5(tracked.workspace.root / DATA)
    dvc(tracked.workspace.root, "repro", "--quiet", f"check@{TASK}")
    add(tracked.workspace, TASK, rows(tmp_path, "xyyy"))
    assert data_md5(tracked.workspace, TASK) == checked


def test_a_version_from_before_says_not_recorded_and_its_commit_is_asked(
    tracked: Bench, tmp_path: Path
) -> None:
    workspace = tracked.workspace
    first = digest_md5(workspace.root / DATA)
    cycle(tracked, 1)
    add(workspace, TASK, rows(tmp_path, "xyyy"))
    cycle(tracked, 2, "reject")
    for version in (1, 2):
        tracked.store.client.delete_model_version_tag(TASK, str(version), "pawl.data_md5")
    old = facts(tracked).versions
    assert [(one.data.md5, one.restore) for one in old] == [(None, None)] * 2
    assert shown(facts(tracked)).count("again:   not recorded") == 2
    assert found(tracked, "v1") == first
    # Version 2 was made from data that was not committed: its commit names other bytes.
    wanted = resolve(workspace, lambda: tracked.store, TASK, "v2")
    with pytest.raises(DataError, match="data version v2 has sha256"):
        restore(workspace, TASK, wanted)


def test_data_is_called_by_what_a_person_has_at_hand(tracked: Bench, tmp_path: Path) -> None:
    root = tracked.workspace.root
    first = digest_md5(root / DATA)
    run(root, "git", "tag", "delivery-1")
    second = add(tracked.workspace, TASK, rows(tmp_path, "xyyy"), message="second")
    for name in ("HEAD~1", "delivery-1", first, first[:6]):
        assert found(tracked, name) == first
    for name in ("workspace", "HEAD", str(second.commit)[:10], second.md5[:8]):
        assert found(tracked, name) == second.md5
    for name in ("v7", "no-such-thing", "HEAD~9", "0123456789abcdef", "--help", "HEAD:data", ""):
        with pytest.raises(UsageError):
            found(tracked, name)
    # A branch that is called like the other version's md5.
    run(root, "git", "branch", first[:6])
    with pytest.raises(UsageError, match="may be any of"):
        found(tracked, first[:6])


def test_a_diff_reads_both_versions_and_touches_neither(tracked: Bench, tmp_path: Path) -> None:
    add(tracked.workspace, TASK, rows(tmp_path, "xyyyz"))
    before = (tracked.workspace.root / DATA).read_bytes()

    def compare(a: str, b: str) -> DataDiff:
        return diff(tracked.workspace, lambda: tracked.store, TASK, a, b, ruled=False)

    said = compare("HEAD", "workspace")
    assert (said.a.rows, said.b.rows) == (4, 5)
    assert list(said.added) == ["n4"]
    assert said.relabelled == (Changed("n2", "n2", before="x", after="y"),)
    back = compare("workspace", "HEAD")
    assert (back.added, back.removed) == ((), ("n4",))
    assert (tracked.workspace.root / DATA).read_bytes() == before
