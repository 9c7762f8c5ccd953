"""Releases are signed, and a signature that does not hold stops whatever would use them."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workbench import TASK, Bench

from pawl.core.files import digest_file
from pawl.cycle.snapshots import snapshot_champion
from pawl.errors import AdapterError, PawlError, RegistryError, UsageError
from pawl.ledger import keys
from pawl.ledger.keys import TRUSTED, make_keys, private_path, signing_key
from pawl.ledger.ledger import append
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.release.local_copies import adapter_folder
from pawl.release.release import promote, rollback
from pawl.store.versions import register
from pawl.workspace.paths import Workspace


def use_champion(bench: Bench) -> None:
    adapter_folder(bench.workspace, bench.store, TASK)


def judge_by_champion(bench: Bench) -> None:
    snapshot_champion(fresh(bench), bench.store, TASK)


def use_version(bench: Bench) -> None:
    adapter_folder(bench.workspace, bench.store, TASK, 1)


def roll_back(bench: Bench) -> None:
    rollback(bench.workspace, bench.store, TASK, to=1, why="w", who="Bo")


def promote_again(bench: Bench) -> None:
    promote(bench.workspace, bench.store, TASK, 1, why="w", who="Bo", override=True)


def fresh(bench: Bench) -> Workspace:
    shutil.rmtree(bench.workspace.files(TASK).champion, ignore_errors=True)
    return bench.workspace


def signature(bench: Bench, version: int) -> Path:
    return next((bench.workspace.home / "releases" / TASK / str(version)).glob("*.sig"))


def artifacts(bench: Bench) -> Path:
    return bench.workspace.home / "artifacts"


def test_a_release_is_signed_and_its_entry_names_signature_and_evidence(bench: Bench) -> None:
    bench.cycle(1)
    entry = read_state(bench.store, TASK).releases[-1]
    path = signature(bench, 1)
    assert entry.details["signature"] == digest_file(path)
    assert entry.evidence == digest_file(path.with_name("verdict.json"))
    assert snapshot_champion(fresh(bench), bench.store, TASK).version == 1


def test_a_rollback_needs_neither_the_stores_files_nor_a_second_signature(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    shutil.rmtree(artifacts(bench))
    rollback(bench.workspace, bench.store, TASK, why="w", who="Bo")
    first, _, back = read_state(bench.store, TASK).releases
    assert back.details["signature"] == first.details["signature"]
    assert back.evidence == first.evidence


def test_what_is_lost_on_disk_is_fetched_from_the_run(bench: Bench) -> None:
    bench.cycle(1)
    before = signature(bench, 1).read_bytes()
    shutil.rmtree(bench.workspace.home / "releases")
    adapter_folder(bench.workspace, bench.store, TASK)
    assert signature(bench, 1).read_bytes() == before


def spoil_verdict(bench: Bench) -> None:
    path = signature(bench, 1).with_name("verdict.json")
    path.write_text(path.read_text().replace("promote", "promoted"))


def spoil_signature(bench: Bench) -> None:
    signature(bench, 1).write_text("{}")
    for path in artifacts(bench).rglob("*.sig"):
        path.write_text("{}")


def drop_signature(bench: Bench) -> None:
    shutil.rmtree(bench.workspace.home / "releases")
    for path in artifacts(bench).rglob("*.sig"):
        path.unlink()


def trust_another_key(bench: Bench) -> None:
    (bench.workspace.root / TRUSTED).unlink()
    private_path(bench.workspace).unlink()
    make_keys(bench.workspace)


def trust_nobody(bench: Bench) -> None:
    (bench.workspace.root / TRUSTED).unlink()


SPOILS = [spoil_verdict, spoil_signature, drop_signature, trust_another_key, trust_nobody]
Use = Callable[[Bench], None]


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("use", [use_champion, judge_by_champion])
def test_a_champion_whose_signature_does_not_hold_is_not_used(
    bench: Bench, spoil: Use, use: Use
) -> None:
    bench.cycle(1)
    use(bench)
    spoil(bench)
    with pytest.raises(PawlError, match=r"sign|trust"):
        use(bench)


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("use", [use_version, roll_back, promote_again])
def test_a_version_whose_signature_does_not_hold_is_not_released_again(
    bench: Bench, spoil: Use, use: Use
) -> None:
    bench.cycle(1)
    bench.cycle(2)
    spoil(bench)
    before = read_state(bench.store, TASK)
    with pytest.raises(PawlError, match=r"sign|trust|release/"):
        use(bench)
    assert read_state(bench.store, TASK) == before


def test_a_machine_without_a_key_releases_nothing_where_others_have_keys(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    private_path(bench.workspace).unlink()
    with pytest.raises(UsageError, match="there is no signing key") as refused:
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    assert "`pawl keys`" in refused.value.remedy
    made = make_keys(bench.workspace)
    assert made.made
    assert len(made.trusted) == 2
    promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    # What the lost key signed still holds: it is trusted until somebody takes it out.
    rollback(bench.workspace, bench.store, TASK, why="w", who="Bo")


def test_keys_are_made_once_and_stay_private(bench: Bench) -> None:
    first = make_keys(bench.workspace)
    again = make_keys(bench.workspace)
    assert (first.made, again.made) == (True, False)
    assert first.fingerprint == again.fingerprint
    assert first.private.stat().st_mode & 0o777 == 0o600
    first.private.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        signing_key(bench.workspace)


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN PUBLIC KEY-----"])
def test_a_file_of_trusted_keys_that_holds_something_else_is_refused(
    bench: Bench, text: str
) -> None:
    make_keys(bench.workspace)
    (bench.workspace.root / TRUSTED).write_text(text)
    with pytest.raises(UsageError, match="something else than public keys"):
        signing_key(bench.workspace)


def test_an_unsigned_champion_is_refused_where_there_are_keys(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.cycle(1)
    monkeypatch.setattr("pawl.ledger.entries.State.signature", lambda *_: None)
    with pytest.raises(AdapterError, match="is not signed"):
        adapter_folder(bench.workspace, bench.store, TASK)


def stored_verdict(bench: Bench, version: int) -> Path:
    run = bench.store.client.get_model_version(TASK, str(version)).run_id
    return next(artifacts(bench).rglob(f"{run}/**/verdict.json"))


def alter_stored_verdict(bench: Bench) -> None:
    path = stored_verdict(bench, 2)
    path.write_text(path.read_text().replace('"reject"', '"promote"'))


def alter_registered_digest(bench: Bench) -> None:
    bench.store.client.set_model_version_tag(TASK, "2", "pawl.evidence", "0" * 64)


def drop_registered_digest(bench: Bench) -> None:
    bench.store.client.delete_model_version_tag(TASK, "2", "pawl.evidence")


@pytest.mark.parametrize(
    "alter", [alter_stored_verdict, alter_registered_digest, drop_registered_digest]
)
def test_a_verdict_that_is_not_the_one_registered_is_never_signed(bench: Bench, alter: Use) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    alter(bench)
    before = read_state(bench.store, TASK)
    with pytest.raises(RegistryError, match="verdict") as refused:
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    assert refused.value.rule
    assert refused.value.remedy
    assert read_state(bench.store, TASK) == before
    assert not (bench.workspace.home / "releases" / TASK / "2").exists()


def test_an_adapter_is_not_signed_together_with_a_verdict_on_another_one(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    bench.train(9)
    files = bench.workspace.files(TASK)
    stored = stored_verdict(bench, 2).with_name("adapter")
    shutil.rmtree(stored)
    shutil.copytree(files.adapter, stored)
    digest = read_adapter(files.adapter).digest
    bench.store.client.set_model_version_tag(TASK, "2", "pawl.digest", digest)
    shutil.rmtree(bench.workspace.home / "adapters" / TASK / "2", ignore_errors=True)
    with pytest.raises(RegistryError, match=f"is about another adapter than {digest[:12]}"):
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=True)
    assert read_state(bench.store, TASK).champion.version == 1


def test_a_cycle_releases_on_the_verdict_that_it_judged_and_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.cycle(1)

    def registered(*args: Any, **named: Any) -> Any:
        version = register(*args, **named)
        path = stored_verdict(bench, version.version)
        path.write_text(path.read_text().replace("the gate says", "the gate said"))
        return version

    monkeypatch.setattr("pawl.cycle.conclude.register", registered)
    with pytest.raises(PawlError, match="verdict"):
        bench.cycle(2)
    assert read_state(bench.store, TASK).champion.version == 1


def test_a_release_whose_entry_names_another_verdict_is_not_used(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    state = read_state(bench.store, TASK)
    first = state.releases[0]
    append(
        bench.store, TASK, op_id="forged", kind="rollback", expected=state.champion,
        new=first.new, who="Eve", why="forged", evidence="0" * 64, details=first.details,
    )  # fmt: skip
    with pytest.raises(AdapterError, match="another verdict"):
        adapter_folder(bench.workspace, bench.store, TASK)


def test_a_first_key_whose_making_was_killed_half_way_is_trusted_by_the_next_release(
    bench: Bench,
) -> None:
    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    (bench.workspace.root / TRUSTED).unlink(missing_ok=True)
    keys.private_path(bench.workspace).unlink(missing_ok=True)
    child = os.fork()
    if not child:
        # Between the private key and the list of trusted ones.
        keys.write_text = killed  # type: ignore[assignment]
        keys.signing_key(bench.workspace)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert keys.private_path(bench.workspace).exists()
    assert not keys.trusted_keys(bench.workspace)
    assert keys.signing_key(bench.workspace) == keys.private_path(bench.workspace)
    assert len(keys.trusted_keys(bench.workspace)) == 1
