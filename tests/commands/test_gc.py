"""Space is freed, and never at the cost of a rollback."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest
import yaml
from workbench import TASK, Bench

from pawl.commands.compare import compare
from pawl.commands.gc import find_reclaimable, free, gc
from pawl.commands.status import status
from pawl.core.files import write_json, write_text
from pawl.errors import RegistryError, UsageError
from pawl.evaluate.answer_cache import cached_or_decoded
from pawl.evaluate.decode import Answer
from pawl.evaluate.drafted import Drafted
from pawl.ledger.ledger import model
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.release.history import history
from pawl.release.release import promote, rollback
from pawl.release.retire import retire
from pawl.report.console import Terminal
from pawl.report.terminal import show_gc
from pawl.store.client import open_store
from pawl.store.versions import get


def keep(bench: Bench, count: int) -> None:
    params = yaml.safe_load(bench.workspace.params_file.read_text())
    params["release"] = {"keep": count}
    bench.workspace.params_file.write_text(yaml.safe_dump(params))


def found(bench: Bench) -> list[str]:
    return [waste.what for waste in find_reclaimable(bench.workspace, bench.store)]


def copies(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.workspace.home / "adapters" / TASK).iterdir())


def test_rollbacks_work_with_every_artifact_of_the_store_gone(bench: Bench) -> None:
    for seed in (1, 2, 3, 4):
        bench.cycle(seed)
    free(bench.store, find_reclaimable(bench.workspace, bench.store))
    shutil.rmtree(bench.workspace.home / "artifacts")
    for expected in (3, 2, 1):
        rollback(bench.workspace, bench.store, TASK, why="back", who="Bo")
        champion = read_state(bench.store, TASK).champion
        assert champion.version == expected
        copy = bench.workspace.home / "adapters" / TASK / str(expected)
        assert read_adapter(copy).digest == champion.digest
    seen = status(bench.workspace, bench.store, TASK)
    assert (seen.champion.version, seen.looks) == (1, None)
    assert any("known.jsonl" in note for note in seen.notes), "and status tells that they are"
    assert any("in the tracking store" in note for note in seen.notes)


def test_a_target_that_cannot_be_verified_changes_nothing(bench: Bench) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    shutil.rmtree(bench.workspace.home / "artifacts")
    copy = bench.workspace.home / "adapters" / TASK / "1" / "adapter_model.safetensors"
    copy.write_bytes(copy.read_bytes()[:-1])
    before = history(bench.store, TASK)
    with pytest.raises(RegistryError, match="cannot be read"):
        rollback(bench.workspace, bench.store, TASK, why="back", who="Bo")
    assert history(bench.store, TASK) == before


def test_gc_frees_copies_beyond_those_that_are_kept_and_shows_them_first(bench: Bench) -> None:
    keep(bench, 1)
    for seed in (1, 2, 3):
        bench.cycle(seed)
    wastes = find_reclaimable(bench.workspace, bench.store)
    assert [waste.what for waste in wastes] == [f"local copy of {TASK} version 1"]
    assert wastes[0].size > 0
    assert copies(bench) == ["1", "2", "3"]
    free(bench.store, wastes)
    assert (copies(bench), found(bench)) == (["2", "3"], [])
    rollback(bench.workspace, bench.store, TASK, why="back", who="Bo")
    rollback(bench.workspace, bench.store, TASK, why="further", who="Bo", to=1)
    assert copies(bench) == ["1", "2", "3"], "an older one is fetched again"


def test_a_retired_version_is_freed_but_for_its_evidence_and_never_released_again(
    bench: Bench,
) -> None:
    keep(bench, 1)
    bench.cycle(1)
    bench.cycle(2, "reject")
    for seed in (3, 4):
        bench.cycle(seed)
    run_id = get(bench.store, TASK, 1).run_id
    run = bench.workspace.home / "artifacts" / TASK / run_id / "artifacts"
    entry = retire(bench.workspace, bench.store, TASK, 1, why="too old", who="Ada")
    assert (entry.kind, entry.new) == ("retire", None)
    assert (run / "adapter").is_dir()
    free(bench.store, find_reclaimable(bench.workspace, bench.store))
    assert not (run / "adapter").exists()
    assert (run / "verdict.json").is_file()
    assert (copies(bench), found(bench)) == (["3", "4"], [])
    with pytest.raises(UsageError, match="was retired by Ada on"):
        rollback(bench.workspace, bench.store, TASK, why="w", who="Bo", to=1)
    with pytest.raises(UsageError, match="was retired by Ada on"):
        promote(bench.workspace, bench.store, TASK, 1, why="w", who="Bo", override=True)
    assert compare(bench.store, TASK, 1, 4).versions == (1, 4)
    row = history(bench.store, TASK)[-1]
    assert (row.kind, row.version, row.why) == ("retire", 1, "too old")
    tags = bench.store.client.get_model_version(TASK, "1").tags
    assert tags["pawl.retired"].startswith("too old (Ada")


def test_what_a_rollback_needs_cannot_be_retired(bench: Bench) -> None:
    keep(bench, 1)
    for seed in (1, 2, 3):
        bench.cycle(seed)
    for version, words in ((3, "is the champion"), (2, "is what a rollback may need")):
        with pytest.raises(UsageError, match=words):
            retire(bench.workspace, bench.store, TASK, version, why="w", who="Bo")
    with pytest.raises(UsageError, match="no reason"):
        retire(bench.workspace, bench.store, TASK, 1, why=" ", who="Bo")
    retire(bench.workspace, bench.store, TASK, 1, why="w", who="Bo")
    with pytest.raises(UsageError, match="was retired on"):
        retire(bench.workspace, bench.store, TASK, 1, why="w", who="Bo")


def test_gc_finds_what_crashes_and_former_tasks_left(bench: Bench) -> None:
    root = bench.workspace.root
    task = root / "build" / TASK
    for place in (task / ".eval.new-x1x1x1x1", task / ".adapter.old-x1x1x1x1"):
        (place / "deep").mkdir(parents=True)
        os.utime(place, (1, 1))
    write_json(root / "build" / "former" / "verdict.json", {"task": "former"})
    (root / "build" / TASK / ".keep").mkdir()
    assert sorted(found(bench)) == [
        "build of a task that is no more",
        "left by a crash",
        "left by a crash",
    ]
    free(bench.store, find_reclaimable(bench.workspace, bench.store))
    assert found(bench) == []
    assert (root / "build" / TASK / ".keep").is_dir()
    assert (root / "build" / TASK / "inputs").is_dir()


def test_kept_answers_are_bounded_and_those_that_were_not_used_for_longest_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{i:064x}" for i in range(20)]
    answer = Drafted(Answer("yes", 3, 0.1), 1.5)
    for name in "abc":
        cached_or_decoded(bench.workspace.answers, name, rows, lambda at: [answer] * len(at))
        os.utime(bench.workspace.answers / f"{name}.jsonl", ns=(1, ord(name)))
    size = (bench.workspace.answers / "a.jsonl").stat().st_size
    monkeypatch.setattr("pawl.commands.gc.ANSWERS", 2 * size)
    # The oldest file is used again.
    _, cached = cached_or_decoded(bench.workspace.answers, "a", rows, lambda _: [])
    assert cached
    freed = gc(bench.workspace, yes=True)
    assert [(row.what, row.bytes) for row in freed.found] == [("kept answers", size)]
    assert sorted(path.name for path in bench.workspace.answers.iterdir()) == ["a.jsonl", "c.jsonl"]
    assert found(bench) == []


def everything(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_relative_to(root / ".pawl")
    }


def test_gc_leaves_what_it_cannot_know_to_be_pawls_and_names_it(
    bench: Bench, tmp_path: Path
) -> None:
    root = bench.workspace.root
    build, copies = root / "build", bench.workspace.home / "adapters"
    (tmp_path / "elsewhere").mkdir()
    write_text(tmp_path / "elsewhere" / "mine.txt", "mine")
    foreign = {
        "build/wheel/lib/mine.py": "x = 1",
        "build/docs/index.html": "<p>",
        "build/check/report.json": '{"task": "other"}',
        "build/Former/verdict.json": '{"task": "Former"}',
        "build/notes.txt": "mine",
        "build/former/notes.txt": "mine",
        "build/former/.notes.new-idea": "mine",
        "build/wheel/.notes.new-abcd_123": "mine",
        "data/plots/.notes.new-abcd_123": "mine",
        "data/.notes.new-2027": "mine",
    }
    for name, text in foreign.items():
        write_text(root / name, text)
        os.utime(root / name, (1, 1))
    (build / "empty").mkdir()
    (build / "link").symlink_to(tmp_path / "elsewhere")
    write_text(copies / TASK / "notes" / "mine.txt", "mine")
    write_text(copies / "My notes" / "mine.txt", "mine")
    before = everything(root)
    # Of the former task: its verdict names it, the check stands beside.
    write_json(build / "former" / "verdict.json", {"task": "former"})
    write_text(build / "former" / "check" / "rows.jsonl", "{}")
    write_text(build / "ran" / "known.jsonl", "")
    write_text(root / "dvc.lock", "schema: '2.0'\nstages: {check@ran: {cmd: c}}\n")
    shown, freed = gc(bench.workspace, yes=False), gc(bench.workspace, yes=True)
    assert (shown.found, shown.left) == (freed.found, freed.left)
    gone = {Path(row.where).relative_to(root).as_posix() for row in freed.found}
    assert gone == {"build/former/verdict.json", "build/former/check", "build/ran"}
    (root / "dvc.lock").unlink()
    assert everything(root) == before
    assert (tmp_path / "elsewhere" / "mine.txt").read_text() == "mine"
    named = {Path(path).relative_to(root).as_posix() for path in freed.left}
    assert named == {
        *(f"build/{name}" for name in ("wheel", "docs", "check", "Former", "notes.txt", "empty")),
        *("build/link", "build/former/notes.txt", "build/former/.notes.new-idea"),
        *(f".pawl/adapters/{name}" for name in (f"{TASK}/notes", "My notes")),
    }
    page = io.StringIO()
    show_gc(freed, console=Terminal(file=page, width=80))
    assert all(path in page.getvalue() for path in freed.left)


def test_what_cannot_be_deleted_is_an_error_and_not_called_freed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pawl.commands.gc.ANSWERS", 0)
    write_text(bench.workspace.answers / "a.jsonl", "{}")
    bench.workspace.answers.chmod(0o555)
    found = find_reclaimable(bench.workspace, bench.store)
    # Root may delete everywhere, somebody else may not.
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        with pytest.raises(UsageError, match="cannot be deleted") as refused:
            free(bench.store, found)
    finally:
        os.seteuid(user)
        bench.workspace.answers.chmod(0o755)
    assert refused.value.remedy
    assert (bench.workspace.answers / "a.jsonl").is_file()


@pytest.mark.parametrize("entry", ["2", "4"])
def test_nothing_is_freed_or_retired_on_a_ledger_in_doubt(bench: Bench, entry: str) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    bench.store.client.delete_model_version(model(TASK), entry)
    with pytest.raises(RegistryError, match=f"ledger entry {entry}"):
        find_reclaimable(bench.workspace, open_store(bench.workspace))
    with pytest.raises(RegistryError, match=f"ledger entry {entry}"):
        retire(bench.workspace, open_store(bench.workspace), TASK, 2, why="w", who="Bo")
