"""Space is freed, and never at the cost of a rollback."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from workbench import TASK, Bench

from pawl.commands.compare import compare
from pawl.commands.gc import find_reclaimable, free
from pawl.commands.status import status
from pawl.core.files import write_text
from pawl.errors import RegistryError, UsageError
from pawl.ledger.ledger import model
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.release.history import history
from pawl.release.release import promote, rollback
from pawl.release.retire import retire
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
    run = Path(bench.store.client.get_run(get(bench.store, TASK, 1).run_id).info.artifact_uri)
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


def test_gc_finds_what_crashes_and_former_tasks_left_and_kept_answers(bench: Bench) -> None:
    root = bench.workspace.root
    for place in (root / "build" / TASK / ".eval.new-x1", root / "build" / TASK / ".adapter.old-x"):
        (place / "deep").mkdir(parents=True)
        os.utime(place, (1, 1))
    write_text(bench.workspace.answers / "a.jsonl", "{}")
    (root / "build" / "former").mkdir()
    (root / "build" / TASK / ".keep").mkdir()
    assert sorted(found(bench)) == [
        "build of a task that is no more",
        "kept answers",
        "left by a crash",
        "left by a crash",
    ]
    free(bench.store, find_reclaimable(bench.workspace, bench.store))
    assert found(bench) == []
    assert (root / "build" / TASK / ".keep").is_dir()
    assert (root / "build" / TASK / "inputs").is_dir()


@pytest.mark.parametrize("entry", ["2", "4"])
def test_nothing_is_freed_or_retired_on_a_ledger_in_doubt(bench: Bench, entry: str) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    bench.store.client.delete_model_version(model(TASK), entry)
    with pytest.raises(RegistryError, match=f"ledger entry {entry}"):
        find_reclaimable(bench.workspace, open_store(bench.workspace))
    with pytest.raises(RegistryError, match=f"ledger entry {entry}"):
        retire(bench.workspace, open_store(bench.workspace), TASK, 2, why="w", who="Bo")
