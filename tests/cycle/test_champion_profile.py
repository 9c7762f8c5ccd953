"""The next check is told what the champion's data was like, and does without where it cannot be."""

from __future__ import annotations

import shutil

from workbench import TASK, Bench

from pawl.core.records import Profile, read_record, write_record
from pawl.cycle.champion_profile import snapshot_profile
from pawl.store.versions import get

KEPT = Profile(rows=3, prompt={"8": 1.0}, completion={"4": 1.0}, words={"parcel": 1.0})


def left(bench: Bench) -> Profile:
    snapshot_profile(bench.workspace, bench.store, TASK)
    return read_record(bench.workspace.files(TASK).champion_profile, Profile)


def test_the_champions_profile_comes_back_and_a_rejected_candidates_does_not(bench: Bench) -> None:
    assert left(bench) == Profile()
    path = bench.workspace.files(TASK).check / "profile.json"
    write_record(path, KEPT)
    bench.cycle(0)
    write_record(path, Profile(rows=99))
    bench.cycle(1, "reject")
    assert left(bench) == KEPT


def test_without_the_stores_artifacts_there_is_no_profile_and_no_error(bench: Bench) -> None:
    write_record(bench.workspace.files(TASK).check / "profile.json", KEPT)
    bench.cycle(0)
    run = get(bench.store, TASK, 1).run_id
    shutil.rmtree(next((bench.workspace.home / "artifacts").rglob(f"{run}/artifacts/check")))
    assert left(bench) == Profile()
