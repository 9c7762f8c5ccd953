"""Who may write to MLflow gets nothing signed, nothing promoted and no question answered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from workbench import TASK, Bench, manifest_of, write_adapter

from pawl.commands.compare import compare
from pawl.commands.lineage import lineage
from pawl.commands.status import status
from pawl.core.files import digest_file, digest_json
from pawl.core.records import Champion, Verdict, read_record, to_json
from pawl.cycle import conclude as conclude_module
from pawl.cycle.snapshots import snapshot_champion
from pawl.cycle.unjudged import find_cached_version
from pawl.errors import PawlError, RegistryError, UsageError
from pawl.ledger.judgements import is_judged
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.release.release import adopt, promote
from pawl.release.verify import verify
from pawl.store.client import open_store
from pawl.store.registry import set_alias
from pawl.store.version_tags import EVIDENCE_TAG
from pawl.store.versions import get, register, versions


def ready(bench: Bench, seed: int, decision: Any = "promote") -> Verdict:
    """All but the conclusion of a cycle."""
    bench.train(seed)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    return bench.judge(decision, champion, reserve_look(bench.workspace, bench.store, TASK))


def stored(bench: Bench, version: int, name: str) -> Path:
    """Where a file of a version's run lies on this disk."""
    folder = bench.workspace.home / "artifacts" / TASK
    run = get(bench.store, TASK, version).run_id
    found = next(folder.glob(f"{run}/artifacts/{name}"))
    assert urlparse(str(found)).scheme == ""
    return found


def plant(bench: Bench, run: str, tags: dict[str, str]) -> int:
    added = bench.store.client.create_model_version(
        TASK, "pawl:/planted", run, tags, await_creation_for=0
    )
    return int(added.version)


def test_a_version_that_bears_the_operations_id_is_not_taken_for_its_own(
    bench: Bench, tmp_path: Path
) -> None:
    bench.cycle(1)
    verdict = ready(bench, 2)
    mine = manifest_of(bench.workspace.files(TASK).adapter).digest
    assert verdict.look is not None
    op_id = f"cycle:{digest_json(['q', mine, verdict.look.question])}"
    # Another adapter, with all that a page can say, on a run of its own.
    write_adapter(tmp_path / "evil", 99)
    evil = manifest_of(tmp_path / "evil").digest
    page = bench.store.client.get_model_version(TASK, "1")
    run = bench.store.client.create_run(
        bench.store.client.get_experiment_by_name(TASK).experiment_id
    ).info.run_id
    bench.store.client.log_artifacts(run, str(tmp_path / "evil"), "adapter")
    bench.store.client.log_artifact(run, str(bench.workspace.files(TASK).verdict))
    for digest in (evil, mine):
        tags = {**page.tags, "pawl.op_id": op_id, "pawl.digest": digest, "pawl.verdict": "promote"}
        plant(bench, run, tags)
    cycle = bench.conclude("q")
    assert (cycle.verdict, cycle.champion) == ("promote", Champion(4, mine))
    names = {check.name for check in verify(bench.workspace, bench.store, TASK) if not check.ok}
    assert names == {"judgements"}, "the planted pages are told"


@pytest.mark.parametrize("what", ["weights", "manifest", "everything"])
def test_what_the_store_returns_is_compared_with_what_was_judged_here(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    bench.cycle(1)
    ready(bench, 2)
    write_adapter(tmp_path / "evil", 99)

    def registered(*args: Any, **named: Any) -> Any:
        version = register(*args, **named)
        folder = stored(bench, version.version, "adapter")
        if what == "weights":
            shutil.copyfile(tmp_path / "evil" / "adapter_model.safetensors", folder / WEIGHTS)
        elif what == "manifest":
            text = (folder / "pawl.json").read_text()
            (folder / "pawl.json").write_text(text.replace('"k1"', '"k3"'))
        else:
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "evil", folder)
            digest = manifest_of(folder).digest
            client, number = bench.store.client, str(version.version)
            client.set_model_version_tag(TASK, number, "pawl.digest", digest)
        return version

    monkeypatch.setattr(conclude_module, "register", registered)
    with pytest.raises(PawlError) as refused:
        bench.conclude("q")
    assert refused.value.remedy
    assert read_state(bench.store, TASK).champion.version == 1
    assert not (bench.workspace.home / "releases" / TASK / "2").exists()


WEIGHTS = "adapter_model.safetensors"


def test_while_a_cycle_is_under_way_its_operation_cannot_be_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(bench, 1)
    seen: list[str] = []

    def registered(*args: Any, **named: Any) -> Any:
        experiment = bench.store.client.get_experiment_by_name(TASK)
        for run in bench.store.client.search_runs([experiment.experiment_id]):
            seen.extend(run.data.tags.values())
        return register(*args, **named)

    monkeypatch.setattr(conclude_module, "register", registered)
    bench.conclude("q")
    op_id = get(bench.store, TASK, 1).op_id
    assert seen
    assert not any(op_id in value for value in seen)


def edited_verdict(bench: Bench, version: int) -> None:
    """Turn a rejection into a promotion everywhere: the stored verdict and the version's page."""
    path = stored(bench, version, "verdict.json")
    verdict = read_record(path, Verdict)
    text = path.read_text().replace('"reject"', '"promote"')
    path.write_text(text)
    assert read_record(path, Verdict).candidate == verdict.candidate
    client = bench.store.client
    client.set_model_version_tag(TASK, str(version), "pawl.verdict", "promote")
    client.set_model_version_tag(TASK, str(version), EVIDENCE_TAG, digest_file(path))


@pytest.mark.parametrize("override", [True, False])
def test_an_edited_verdict_is_not_promoted_by_whatever_means(bench: Bench, override: bool) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    assert is_judged(bench.store, get(bench.store, TASK, 2))
    edited_verdict(bench, 2)
    with pytest.raises(UsageError, match="is not what its signature was made over"):
        promote(bench.workspace, bench.store, TASK, 2, why="w", who="Bo", override=override)
    assert read_state(bench.store, TASK).champion.version == 1


def test_a_version_that_nobody_judged_is_not_adopted(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    client, page = bench.store.client, bench.store.client.get_model_version(TASK, "2")
    write_adapter(tmp_path / "evil", 99)
    run = client.create_run(client.get_experiment_by_name(TASK).experiment_id).info.run_id
    client.log_artifacts(run, str(tmp_path / "evil"), "adapter")
    client.log_artifact(run, str(stored(bench, 2, "verdict.json")))
    digest = manifest_of(tmp_path / "evil").digest
    number = plant(bench, run, page.tags | {"pawl.digest": digest, "pawl.op_id": "planted"})
    set_alias(bench.store, TASK, number)
    with pytest.raises(UsageError, match="the judgement on version 3"):
        adopt(bench.workspace, open_store(bench.workspace), TASK, why="it was moved", who="Bo")
    assert read_state(bench.store, TASK).champion.version == 1
    # A judged one may be: rejected, but what was judged.
    set_alias(bench.store, TASK, 2)
    adopt(bench.workspace, open_store(bench.workspace), TASK, why="it was moved", who="Bo")
    assert read_state(bench.store, TASK).champion.version == 2


def test_an_edited_manifest_of_a_judged_version_is_not_promoted(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    promote(bench.workspace, bench.store, TASK, 1, why="back", who="Bo", override=True)
    ready(bench, 3, "promote")
    bench.conclude("q")
    # As a cycle leaves it that died before its release: judged, and not released.
    assert get(bench.store, TASK, 3).against == Champion(1, get(bench.store, TASK, 1).digest)
    path = stored(bench, 3, "adapter") / "pawl.json"
    path.write_text(path.read_text().replace('"k1"', '"k3"'))
    shutil.rmtree(bench.workspace.home / "adapters" / TASK / "3")
    promote(bench.workspace, bench.store, TASK, 1, why="back", who="Bo", override=True)
    with pytest.raises(PawlError) as refused:
        promote(bench.workspace, bench.store, TASK, 3, why="w", who="Bo")
    assert refused.value.remedy


def test_a_made_up_verdict_on_another_adapters_look_is_not_promoted(
    bench: Bench, tmp_path: Path
) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    client, page = bench.store.client, bench.store.client.get_model_version(TASK, "2")
    write_adapter(tmp_path / "evil", 99)
    evil = manifest_of(tmp_path / "evil").digest
    verdict = read_record(stored(bench, 2, "verdict.json"), Verdict)
    forged = {**to_json(verdict), "decision": "promote", "candidate": evil}
    (tmp_path / "verdict.json").write_text(json.dumps(forged))
    experiment = client.get_experiment_by_name(TASK).experiment_id
    run = client.create_run(experiment).info.run_id
    client.log_artifacts(run, str(tmp_path / "evil"), "adapter")
    client.log_artifact(run, str(tmp_path / "verdict.json"))
    said = {"verdict": "promote", "digest": evil, "op_id": "made up"}
    tags = page.tags | {f"pawl.{key}": value for key, value in said.items()}
    tags[EVIDENCE_TAG] = digest_file(tmp_path / "verdict.json")
    number = plant(bench, run, tags)
    for signed in (True, False):
        if not signed:
            client.delete_model_version_tag(TASK, str(number), "pawl.judged")
        with pytest.raises(UsageError, match="the judgement on version 3 of 'tickets' is not"):
            promote(bench.workspace, bench.store, TASK, number, why="w", who="Bo")


@pytest.mark.parametrize("keep_signature", [True, False])
def test_a_planted_page_answers_no_question(bench: Bench, keep_signature: bool) -> None:
    bench.cycle(1)
    page = bench.store.client.get_model_version(TASK, "1")
    tags = page.tags | {"pawl.question": "next", "pawl.verdict": "reject", "pawl.op_id": "planted"}
    if not keep_signature:
        del tags["pawl.judged"]
    plant(bench, page.run_id, tags)
    assert find_cached_version(bench.store, TASK, "next") is None
    assert bench.cycle(2, question="next").verdict == "promote"
    cached = find_cached_version(bench.store, TASK, "next")
    assert cached is not None
    assert cached.version == 3


@pytest.mark.parametrize("tag", ["pawl.params", "pawl.scores", "pawl.against", "pawl.judged"])
def test_one_garbled_page_leaves_all_commands_about_the_others_as_they_are(
    bench: Bench, tag: str
) -> None:
    for seed in (1, 2, 3):
        bench.cycle(seed)
    before = to_json(compare(bench.store, TASK, 2, 3))
    bench.store.client.set_model_version_tag(TASK, "1", tag, "{")
    assert to_json(compare(bench.store, TASK, 2, 3)) == before
    assert [one.version for one in versions(bench.store, TASK)] == [2, 3]
    assert len(lineage(bench.workspace, bench.store, TASK).versions) == 2
    off = {check.name for check in verify(bench.workspace, bench.store, TASK) if not check.ok}
    assert off == {"judgements"}
    (note,) = status(bench.workspace, open_store(bench.workspace), TASK).notes
    assert "version 1 of 'tickets' lacks or garbles a tag" in note
    with pytest.raises(RegistryError, match="version 1 of 'tickets' lacks or garbles a tag"):
        get(bench.store, TASK, 1)
    assert bench.cycle(4).champion.version == 4
