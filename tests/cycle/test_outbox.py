"""A store that is down, slow or loses replies costs nothing that was trained or judged."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from proxy import Proxy
from tracking import Server
from workbench import TASK, Bench, make_bench

from pawl.cycle.conclude import deliver_outbox
from pawl.cycle.outbox import refused_orders, waiting_orders
from pawl.cycle.snapshots import snapshot_champion
from pawl.cycle.unjudged import find_cached_version
from pawl.errors import AdapterError, DataError, PawlError, WaitingError
from pawl.ledger.ledger import entries
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.model.adapter import WEIGHTS
from pawl.release.release import rollback
from pawl.store.client import Store, open_store
from pawl.store.registry import all_versions

NOWHERE = "http://127.0.0.1:9"


def ready(bench: Bench, seed: int = 1) -> None:
    """All but the conclusion of a cycle."""
    bench.train(seed)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("promote", champion, reserve_look(bench.workspace, bench.store, TASK))


def concluded_with_the_store_down(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as down:
        down.setenv("MLFLOW_TRACKING_URI", NOWHERE)
        down.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        away = Bench(bench.workspace, open_store(bench.workspace))
        with pytest.raises(WaitingError, match=r"wait in .*outbox/tickets") as raised:
            away.conclude("q")
    assert raised.value.exit_code == 6
    assert "pawl resume tickets" in raised.value.remedy


def registered_once(store: Store) -> None:
    assert len(all_versions(store, TASK)) == 1
    experiment = store.client.get_experiment_by_name(TASK)
    assert experiment is not None
    runs = store.client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]
    written = [entry.kind for entry in entries(store, TASK, whole=True)]
    assert written == ["look", "first"]
    assert read_state(store, TASK).champion.version == 1


def test_what_was_judged_waits_for_the_store_though_the_workspace_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(bench)
    concluded_with_the_store_down(bench, monkeypatch)
    bench.train(2)
    shutil.rmtree(bench.workspace.files(TASK).eval)
    ((question, cycle),) = deliver_outbox(bench.workspace, bench.store, TASK)
    assert (question, cycle.verdict, cycle.champion.version) == ("q", "promote", 1)
    registered_once(bench.store)
    assert waiting_orders(bench.workspace, TASK) == []
    assert deliver_outbox(bench.workspace, bench.store, TASK) == []


@pytest.mark.parametrize(
    "place",
    [
        "conclude.open_run",
        "conclude.register",
        "registration.append",
        "conclude.close_run",
        "conclude.leave_for_pages",
    ],
)
def test_a_delivery_that_is_killed_anywhere_is_taken_up_again_and_registers_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    ready(bench)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(f"pawl.cycle.{place}", crash)
        with pytest.raises(KeyboardInterrupt):
            bench.conclude("q")
    shutil.rmtree(bench.workspace.root / "build")
    ((_, cycle),) = deliver_outbox(bench.workspace, bench.store, TASK)
    assert cycle.verdict == "promote"
    registered_once(bench.store)


def test_a_rollback_while_a_candidate_waits_makes_its_verdict_stale(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    ready(bench, 3)
    concluded_with_the_store_down(bench, monkeypatch)
    rollback(bench.workspace, bench.store, TASK, why="it drools", who="Bo")
    ((_, cycle),) = deliver_outbox(bench.workspace, bench.store, TASK)
    assert (cycle.verdict, cycle.stale, cycle.champion.version) == ("inconclusive", True, 1)
    assert "(rollback by Bo: it drools)" in cycle.reasons[0]
    assert find_cached_version(bench.store, TASK, "q") is None, "the next cycle judges it again"


def refusal(bench: Bench) -> PawlError:
    """What is told of the one order that waits and cannot be delivered."""
    told: list[PawlError] = []
    assert deliver_outbox(bench.workspace, bench.store, TASK, refused=told.append) == []
    (error,) = told
    return error


def test_an_order_whose_bytes_changed_is_set_aside_and_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(bench)
    concluded_with_the_store_down(bench, monkeypatch)
    (folder,) = waiting_orders(bench.workspace, TASK)
    (weights,) = folder.rglob(WEIGHTS)
    weights.write_bytes(b"something else")
    assert isinstance(refusal(bench), AdapterError)
    assert deliver_outbox(bench.workspace, bench.store, TASK) == []
    assert [path.name for path in refused_orders(bench.workspace, TASK)] == [
        f"{folder.name}.refused"
    ]
    assert all_versions(bench.store, TASK) == []


def cut_the_order(folder: Path) -> None:
    order = folder / "order.json"
    order.write_text(order.read_text()[:50])


def turn_the_verdict(folder: Path) -> None:
    (verdict,) = folder.rglob("verdict.json")
    verdict.write_text(verdict.read_text().replace("the gate says promote", "the gate says so"))


def lose_the_verdict(folder: Path) -> None:
    next(folder.rglob("verdict.json")).unlink()


@pytest.mark.parametrize("spoil", [cut_the_order, turn_the_verdict, lose_the_verdict])
def test_an_order_that_is_not_as_it_was_posted_is_set_aside_and_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    ready(bench)
    concluded_with_the_store_down(bench, monkeypatch)
    (folder,) = waiting_orders(bench.workspace, TASK)
    spoil(folder)
    assert isinstance(refusal(bench), DataError)
    assert deliver_outbox(bench.workspace, bench.store, TASK) == []
    assert [path.name for path in refused_orders(bench.workspace, TASK)] == [
        f"{folder.name}.refused"
    ]


def spoiled(path: Path, draw: random.Random) -> str:
    """Damage a file as crashes, hands and disks do; how."""
    if draw.random() < 0.2:
        path.unlink()
        return "lost"
    whole = path.read_bytes()
    if draw.random() < 0.5:
        path.write_bytes(whole[: draw.randrange(len(whole) + 1)])
        return "cut"
    place = draw.randrange(len(whole)) if whole else 0
    path.write_bytes(whole[:place] + bytes([draw.randrange(256)]) + whole[place + 1 :])
    return f"byte {place}"


@pytest.mark.parametrize("seed", range(3))
def test_whatever_became_of_an_order_it_is_delivered_or_told_and_never_raised(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    ready(bench)
    concluded_with_the_store_down(bench, monkeypatch)
    (folder,) = waiting_orders(bench.workspace, TASK)
    whole = shutil.copytree(folder, tmp_path / "whole")
    told: list[PawlError] = []
    for path in sorted(path for path in whole.rglob("*") if path.is_file()):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        how = f"{path.name}: {spoiled(folder / path.relative_to(whole), draw)}"
        before = len(told)
        delivered = deliver_outbox(bench.workspace, bench.store, TASK, refused=told.append)
        assert len(delivered) + len(told) - before == (folder / "order.json").exists() or not (
            folder.exists()
        ), how
        assert waiting_orders(bench.workspace, TASK) == [], how
    assert told
    assert all(error.found and error.rule and error.remedy for error in told)
    assert len(all_versions(bench.store, TASK)) <= 1


def test_an_order_of_another_task_and_a_broken_one_hold_up_no_good_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ready(bench)
    concluded_with_the_store_down(bench, monkeypatch)
    (good,) = waiting_orders(bench.workspace, TASK)
    for name, text in (("a", "{"), ("b", (good / "order.json").read_text())):
        copy = shutil.copytree(good, good.with_name(name))
        (copy / "order.json").write_text(text.replace(f'"task": "{TASK}"', '"task": "other"'))
        os.utime(copy / "order.json", (0, 0))
    ((question, cycle),) = deliver_outbox(bench.workspace, bench.store, TASK)
    assert (question, cycle.verdict) == ("q", "promote")
    said = capsys.readouterr().err
    assert said.count("set aside: a judged candidate of 'tickets' that waited in the outbox") == 2
    assert "is an order of 'other'" in said
    assert [path.name for path in refused_orders(bench.workspace, TASK)] == [
        "a.refused",
        "b.refused",
    ]
    # Nothing of them is lost.
    assert all(next(path.rglob(WEIGHTS)) for path in refused_orders(bench.workspace, TASK))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    one.start()
    yield one
    one.kill()


@pytest.mark.server
def test_lost_replies_and_a_killed_server_leave_one_version_one_run_and_one_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    before = dict(os.environ)
    with Proxy(server.port) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        bench = make_bench(tmp_path / "ws")
        ready(bench)
        # Of the candidate's version and of its release: the server commits, nobody hears of it.
        create = b"model-versions/create"
        proxy.lose_reply(create, create)
        assert bench.conclude("q").verdict == "promote"
        assert proxy.lost == [create, create]
        registered_once(open_store(bench.workspace))

        ready(bench, 2)
        proxy.lose_reply(b"runs/create")
        with pytest.raises(WaitingError):
            bench.conclude("q2")
        server.kill()
        done = resume(bench)
        assert done.returncode == 6, done.stderr
        assert "the judged adapter and its evidence wait" in done.stderr
        assert "Traceback" not in done.stderr
        server.start()
        done = resume(bench)
        assert done.returncode == 0, done.stderr
        (cycle,) = json.loads(done.stdout)
        assert (cycle["verdict"], cycle["champion"]["version"]) == ("promote", 2)
        store = open_store(bench.workspace)
        assert [entry.kind for entry in entries(store, TASK)] == [
            "look", "first", "look", "promote",
        ]  # fmt: skip
        experiment = store.client.get_experiment_by_name(TASK)
        assert experiment is not None
        runs = store.client.search_runs([experiment.experiment_id])
        assert [run.info.status for run in runs] == ["FINISHED"] * 2
        page = store.client.get_model_version(f"{TASK}.ledger", "4")
        assert page.run_id in {run.info.run_id for run in runs}
        assert f"#/models/{TASK}/versions/2" in page.description
        assert f"(#/runs/{page.run_id})" in page.description
    os.environ.clear()
    os.environ.update(before)


def resume(bench: Bench) -> subprocess.CompletedProcess[str]:
    root = str(bench.workspace.root)
    command = [sys.executable, "-m", "pawl", "-C", root, "resume", TASK, "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
