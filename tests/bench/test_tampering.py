"""What was cut, changed or forged is never used: `bench/tampering.py` with a few tries of each."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from workbench import TASK, Bench, make_bench

from pawl.cycle.snapshots import snapshot_champion
from pawl.errors import AdapterError, PawlError
from pawl.model.adapter import WEIGHTS
from pawl.release.local_copies import adapter_folder

TAMPERING = Path(__file__).parents[2] / "bench" / "tampering.py"
TRIES = 24
KINDS = ("adapter_config.json", "adapter_model.safetensors", "pawl.json", "signature", "verdict")


@pytest.fixture(scope="module")
def tampering() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tampering", TAMPERING)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two releases, and a store that has no files of them any more: nothing is mended from it."""
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    bench = make_bench(tmp_path_factory.mktemp("released") / "ws")
    bench.cycle(1)
    bench.cycle(2)
    shutil.rmtree(bench.workspace.home / "artifacts")
    yield bench
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_cut_or_has_a_bit_flipped_is_refused(
    released: Bench, tampering: ModuleType, kind: str
) -> None:
    adapter_folder(released.workspace, released.store, TASK)
    path, draw = tampering.files(released)[kind], random.Random(kind)
    for how in (tampering.cut, tampering.flip):
        for number in range(TRIES):
            by = tampering.refused(released, path, lambda old, f=how: f(old, draw))
            assert by not in (None, "nothing"), (how.__name__, number, by)
    adapter_folder(released.workspace, released.store, TASK)


@pytest.mark.parametrize("name", ["no signature", "another version's signature", "trusted keys"])
def test_a_signature_that_is_gone_swapped_or_trusted_no_more_is_refused(
    released: Bench, tampering: ModuleType, name: str
) -> None:
    with tampering.kept(released):
        tampering.REPLACED[name](released)
        assert tampering.said_of(released) in ("ledger", "signature")
    adapter_folder(released.workspace, released.store, TASK)


def test_a_release_that_is_forged_without_a_trusted_key_is_refused_by_its_signature(
    bench: Bench, tampering: ModuleType
) -> None:
    bench.cycle(1)
    bench.cycle(2)
    tampering.forge(bench)
    assert tampering.said_of(bench) == "signature"


@pytest.mark.parametrize("place", [f".pawl/adapters/{TASK}", f".pawl/adapters/{TASK}/1"])
def test_copies_behind_a_link_out_of_the_workspace_are_neither_used_nor_fetched(
    bench: Bench, tmp_path: Path, place: str
) -> None:
    bench.cycle(1)
    linked = bench.workspace.root / place
    linked.rename(tmp_path / "outside")
    linked.symlink_to(tmp_path / "outside")
    with pytest.raises(AdapterError, match="behind the link"):
        adapter_folder(bench.workspace, bench.store, TASK)


def test_a_champion_is_not_put_down_behind_a_link(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    snapshot_champion(bench.workspace, bench.store, TASK)
    place = bench.workspace.files(TASK).champion
    place.rename(tmp_path / "outside")
    place.symlink_to(tmp_path / "outside")
    with pytest.raises(PawlError, match="behind the link"):
        snapshot_champion(bench.workspace, bench.store, TASK)


@pytest.mark.parametrize("name", ["adapter", "model.bin", "adapter/x"])
def test_what_a_stored_adapter_must_not_hold_is_refused_whatever_its_name(
    bench: Bench, name: str
) -> None:
    bench.cycle(1, "reject")
    (weights,) = (bench.workspace.home / "artifacts").rglob(WEIGHTS)
    stray = weights.parent / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    with pytest.raises(AdapterError, match=f"unexpected files: {name.split('/')[0]}"):
        adapter_folder(bench.workspace, bench.store, TASK, 1)
    assert not (bench.workspace.home / "adapters" / TASK / "1").exists()
