"""A training begins with new weights, the champion's, or each of them, and says so for good."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from prepared import TASK, examples, prepared, stopped_after

from pawl.core.files import digest_files
from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    Training,
    read_record,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError, ParamsError, TrainError
from pawl.evaluate.judged_rows import not_learned as rows_left
from pawl.evaluate.judged_rows import unseen_rows
from pawl.model.adapter import FILES, MANIFEST, WEIGHTS, read_adapter
from pawl.train.ancestor import ancestor, find_ancestor
from pawl.train.run import train
from pawl.workspace.paths import Workspace

VERSION = 3


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """The adapter of 16 rows that the others do not learn, and 24 that they do."""
    workspace = prepared(tmp_path_factory.mktemp("champion"), base_folder, rows=40, epochs=3)
    train(workspace, TASK)
    return workspace.files(TASK).adapter


def going_on(root: Path, base_folder: Path, champion: Path | None, **train: Any) -> Workspace:
    """A workspace whose flow left the champion to begin with."""
    workspace = prepared(root, base_folder, **train)
    folder = workspace.files(TASK).ancestor
    folder.mkdir(parents=True)
    record = Champion()
    if champion is not None:
        shutil.copytree(champion, folder / "adapter")
        record = Champion(VERSION, read_adapter(champion).digest)
    write_record(folder / "champion.json", record)
    return workspace


def trained(workspace: Workspace) -> tuple[AdapterManifest, Training]:
    train(workspace, TASK)
    files = workspace.files(TASK)
    return read_adapter(files.adapter), read_record(files.training, Training)


def test_a_training_goes_on_from_the_champions_weights_and_names_it(
    tmp_path: Path, base_folder: Path, champion: Path
) -> None:
    fresh, new = trained(prepared(tmp_path / "new", base_folder, epochs=1))
    mine, warm = trained(going_on(tmp_path / "warm", base_folder, champion, start="champion"))
    before = read_adapter(champion)
    assert warm.points[0].loss < 0.5 * new.points[0].loss, "the champion knows these rows"
    assert mine.ancestor == before.digest
    assert (fresh.ancestor, fresh.inherited, new.starts) == (None, (), ())
    # Rows 24 to 39 are those that the champion alone learned.
    theirs = {key for row in examples(16, start=24) for key in row_hashes(row)}
    assert set(mine.inherited) == theirs - set(mine.trained_on)
    assert mine.learned == before.learned
    (trial,) = warm.starts
    assert (trial.version, trial.digest, trial.kept) == (VERSION, before.digest, True)
    assert trial.dev_loss == warm.dev_loss


def test_rows_that_an_ancestor_learned_do_not_judge(
    tmp_path: Path, base_folder: Path, champion: Path
) -> None:
    mine, _ = trained(going_on(tmp_path, base_folder, champion, start="champion", epochs=1))
    rows = examples(60)
    assert [row.id for row in unseen_rows(rows, [mine, None])] == [f"r{i}" for i in range(40, 60)]
    assert rows_left(rows, [mine]) == unseen_rows(rows, [mine])
    # So it goes on over generations.
    grandchild = dataclasses.replace(mine, trained_on=("k",), inherited=tuple(mine.learned))
    assert unseen_rows(rows, [grandchild]) == unseen_rows(rows, [mine])


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.002, 0.0000001])
def test_of_both_starts_the_one_with_the_lower_dev_loss_is_the_candidate(
    tmp_path: Path, base_folder: Path, champion: Path, rate: float
) -> None:
    workspace = going_on(tmp_path, base_folder, champion, start="both", learning_rate=rate)
    mine, record = trained(workspace)
    fresh, warm = record.starts
    assert (fresh.version, warm.version) == (None, VERSION)
    assert warm.kept == (warm.dev_loss < fresh.dev_loss) != fresh.kept
    assert record.dev_loss == min(fresh.dev_loss, warm.dev_loss)
    assert record.seconds == pytest.approx(fresh.seconds + warm.seconds, abs=0.01)
    assert mine.ancestor == (warm.digest if warm.kept else None)
    # It is, to the byte, the adapter of that start alone.
    alone = "champion" if warm.kept else "base"
    same = going_on(tmp_path / "one", base_folder, champion, start=alone, learning_rate=rate)
    trained(same)
    one, other = (w.files(TASK).adapter / WEIGHTS for w in (workspace, same))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("start", ["champion", "both"])
def test_without_a_champion_a_training_begins_with_new_weights(
    tmp_path: Path, base_folder: Path, start: str
) -> None:
    plain, bare = prepared(tmp_path / "a", base_folder, epochs=1), tmp_path / "b"
    trained(plain)
    first = prepared(bare, base_folder, epochs=1, start=start)
    ancestor(first, TASK)
    mine, record = trained(first)
    assert [trial.version for trial in record.starts] == [None]
    assert mine.ancestor is None
    one, other = (w.files(TASK).adapter / WEIGHTS for w in (plain, first))
    assert one.read_bytes() == other.read_bytes()


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "another rank": ({"rank": 8}, "rank 16, not 8"),
    "another scale": ({"alpha": 8}, "alpha 16.*, not 8"),
    "other targets": ({"targets": ["q_proj"]}, "targets None, not .'q_proj'."),
    "DoRA": ({"dora": True}, "dora False, not True"),
    "another base": ({}, "the base .*, not "),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_champion_of_another_kind_is_refused_or_left_aside_before_anything_is_trained(
    tmp_path: Path, base_folder: Path, champion: Path, case: str
) -> None:
    changed, says = MISFITS[case]
    for start in ("champion", "both"):
        workspace = going_on(tmp_path / start, base_folder, champion, start=start, **changed)
        files = workspace.files(TASK)
        if case == "another base":
            base = read_record(files.base, BaseInfo)
            write_record(files.base, dataclasses.replace(base, digest="0" * 64))
        if start == "both":
            assert find_ancestor(workspace, TASK) is None
            continue
        with pytest.raises(ParamsError, match=f"version 3 has {says}") as refused:
            train(workspace, TASK)
        assert "train.start: base" in refused.value.remedy
        assert not files.adapter.exists()


@pytest.mark.slow
def test_dev_rows_that_the_champion_learned_choose_nothing(
    tmp_path: Path, base_folder: Path, champion: Path
) -> None:
    seen, unseen = examples(4, start=30), examples(5, start=500)
    mixed = going_on(
        tmp_path / "a", base_folder, champion, start="both", epochs=1, dev=[*seen, *unseen]
    )
    _, record = trained(mixed)
    assert len(record.dev_losses) == len(unseen)
    all_seen = going_on(tmp_path / "b", base_folder, champion, start="both", dev=seen)
    with pytest.raises(DataError, match="version 3 was trained on all 4 dev rows"):
        train(all_seen, TASK)


def test_a_snapshot_that_is_not_what_the_ledger_released_is_refused(
    tmp_path: Path, base_folder: Path, champion: Path
) -> None:
    workspace = going_on(tmp_path, base_folder, champion, start="champion")
    adapter = workspace.files(TASK).ancestor / "adapter"
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"lora_dropout": 0.5}))
    manifest = json.loads((adapter / MANIFEST).read_text())
    (adapter / MANIFEST).write_text(json.dumps(manifest | {"files": digest_files(adapter, FILES)}))
    with pytest.raises(DataError, match="the snapshot of champion 3"):
        train(workspace, TASK)


@pytest.mark.slow
def test_interrupted_trainings_from_both_starts_resume_to_the_same_bytes(
    tmp_path: Path, base_folder: Path, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params: dict[str, Any] = {"start": "both", "keep": "best", "dropout": 0.1}
    whole = going_on(tmp_path / "whole", base_folder, champion, **params)
    cut = going_on(tmp_path / "cut", base_folder, champion, **params)
    expected, record = trained(whole)
    for start in (None, VERSION):
        with monkeypatch.context() as patch:
            # Each training takes 6 steps; what was finished is restored and takes none.
            stopped_after(4, patch)
            with pytest.raises(TrainError, match="after step 4 of 6"):
                train(cut, TASK)
        names = {path.name for path in cut.checkpoints(TASK).iterdir()}
        assert (f"rank-16-from-{VERSION}" in names) == (start is not None)
    mine, again = trained(cut)
    assert mine.digest == expected.digest
    assert [dataclasses.replace(t, seconds=0) for t in again.starts] == [
        dataclasses.replace(t, seconds=0) for t in record.starts
    ]
    assert again.dev_points == record.dev_points
    assert not cut.checkpoints(TASK).exists()
