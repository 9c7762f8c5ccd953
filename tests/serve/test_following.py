"""A server follows the ledger: releases under load, forged ones, and its own end."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from callers import PROMPTS, Running, Served, serving

from pawl.commands.predict import predict
from pawl.model.adapter import WEIGHTS

pytestmark = pytest.mark.server
VERSIONS = (1, 2, 3)
TIMEOUT = 90.0


@pytest.fixture(scope="module")
def right(released: dict[str, Served]) -> dict[str, list[str]]:
    """What `pawl predict` answers, by the name of the version."""
    bench = released["tickets"]
    found = {}
    for version in VERSIONS:
        answers = predict(bench.workspace, bench.store, "tickets", PROMPTS, version=version)
        found[f"tickets-v{version}"] = [one.answer for one in answers]
    assert len({tuple(one) for one in found.values()}) == len(VERSIONS)
    return found


@pytest.fixture(scope="module")
def moving(copied: dict[str, Served]) -> Iterator[tuple[Running, Served]]:
    with serving(copied["tickets"].workspace, "tickets", "--batch", "16") as server:
        yield server, copied["tickets"]


@dataclass(frozen=True)
class Heard:
    """One answer: when it was asked for and came, its status, the version's name, the text."""

    prompt: int
    asked: float
    came: float
    status: int
    version: str
    text: str


@dataclass
class Crowd:
    """Clients that ask without a pause until they are told to end."""

    server: Running
    heard: list[Heard] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, count: int) -> None:
        self.threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> list[Heard]:
        self.over.set()
        for thread in self.threads:
            thread.join(TIMEOUT)
        return self.heard

    def _ask(self, seed: int) -> None:
        draw = random.Random(seed)
        while not self.over.is_set():
            at, begun = draw.randrange(len(PROMPTS)), time.monotonic()
            try:
                status, headers, said = self.server.chat(PROMPTS[at])
                version = headers.get("x-pawl-version", "")
                text = said["choices"][0]["message"]["content"] if status == 200 else str(said)
                if status == 200:
                    assert said["model"] == version
            except Exception as error:  # noqa: BLE001
                status, version, text = 0, "", repr(error)
            self.heard.append(Heard(at, begun, time.monotonic(), status, version, text))


def swap_under_load(
    server: Running, bench: Served, right: dict[str, list[str]], *, clients: int, calm: float
) -> None:
    """Two promotions and a rollback while clients ask; each answer is looked at."""
    make_champion(server, bench, 1)
    crowd = Crowd(server)
    crowd.start(clients)
    time.sleep(calm)
    moves = []
    for version in (2, 3, 1):
        moves.append((time.monotonic(), version))
        bench.release(version, back=version == 1)
        wait_for(lambda name=f"tickets-v{version}": now_serving(server) == name)
        time.sleep(calm)
    heard = crowd.stop()
    assert [one for one in heard if one.status != 200] == []
    for one in heard:
        assert one.text == right[one.version][one.prompt], one
    before = 1
    for number, (begun, version) in enumerate(moves):
        until = moves[number + 1][0] if number + 1 < len(moves) else float("inf")
        of = [one for one in heard if begun <= one.asked < until]
        allowed = {f"tickets-v{before}", f"tickets-v{version}"}
        assert {one.version for one in of} <= allowed
        new = [one for one in of if one.version == f"tickets-v{version}"]
        assert new
        # Whoever asks after somebody has heard the new version hears no older one.
        first = min(one.came for one in new)
        assert {one.version for one in of if one.asked > first} <= {f"tickets-v{version}"}
        before = version
    early = {one.version for one in heard if one.asked < moves[0][0]}
    assert early == {"tickets-v1"}


@pytest.mark.parametrize("what", ["signature", "weights"])
def test_a_release_that_does_not_hold_is_not_loaded_and_the_version_of_before_stays(
    moving: tuple[Running, Served], right: dict[str, list[str]], what: str
) -> None:
    server, bench = moving
    make_champion(server, bench, 1)
    wanted = 2 if what == "signature" else 3
    assert server.chat(PROMPTS[0], f"tickets-v{wanted}")[0] == 404
    # Asleep, it cannot load the version before it is spoilt.
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        bench.release(wanted)
        paths = [*signatures(bench, wanted)] if what == "signature" else [*weights(bench, wanted)]
        assert len(paths) == 2
        for path in paths:
            flip(path)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    wait_for(lambda: server.health()["status"] == "degraded")
    told = server.health()["tasks"]["tickets"]
    assert told["serving"] == "tickets-v1"
    assert what in told["problem"] or "digest" in told["problem"]
    status, headers, said = server.chat(PROMPTS[0])
    assert (status, headers["x-pawl-version"]) == (200, "tickets-v1")
    assert said["choices"][0]["message"]["content"] == right["tickets-v1"][0]
    status, headers, said = server.chat(PROMPTS[0], f"tickets-v{wanted}")
    assert (status, said["error"]["code"]) == (503, "version_refused")
    assert headers["retry-after"]
    text = server.ask("/metrics")[2].decode()
    assert 'pawl_task_problem{task="tickets"} 1.0' in text
    assert "tickets-v1 stays" in server.said()
    assert server.said().count(told["problem"]) <= 3, "it is told once, not at every look"
    for path in paths:
        flip(path)
    wait_for(lambda: now_serving(server) == f"tickets-v{wanted}")
    assert server.health()["status"] == "ok"


def test_promotions_and_a_rollback_under_load_fail_nobody_and_answer_right(
    moving: tuple[Running, Served], right: dict[str, list[str]]
) -> None:
    swap_under_load(*moving, right, clients=6, calm=1.0)


@pytest.mark.slow
def test_two_minutes_of_32_clients_with_two_promotions_and_a_rollback(
    moving: tuple[Running, Served], right: dict[str, list[str]]
) -> None:
    swap_under_load(*moving, right, clients=32, calm=30.0)


def test_a_store_that_cannot_be_read_changes_nothing_for_callers(
    moving: tuple[Running, Served],
) -> None:
    server, bench = moving
    serves = now_serving(server)
    database = bench.workspace.home / "mlflow.db"
    database.rename(database.with_suffix(".away"))
    try:
        wait_for(lambda: server.health()["status"] == "degraded")
        status, headers, _ = server.chat(PROMPTS[0])
        assert (status, headers["x-pawl-version"]) == (200, serves)
    finally:
        database.with_suffix(".away").rename(database)
    wait_for(lambda: server.health()["status"] == "ok")


def test_who_was_let_in_is_answered_before_the_server_ends(
    moving: tuple[Running, Served],
) -> None:
    """The last of this file: it ends the server."""
    server, _ = moving
    found: dict[str, list[Any]] = defaultdict(list)

    def ask(stream: bool) -> None:
        try:
            found["answers"].append(
                server.ask(
                    "/v1/completions",
                    {"model": "tickets", "prompt": PROMPTS[0], "stream": stream, "max_tokens": 150,
                     "temperature": 2, "stop": None},
                )
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001
            found["errors"].append(error)

    threads = [threading.Thread(target=ask, args=(n % 2 == 0,)) for n in range(24)]
    for thread in threads:
        thread.start()
    wait_for(lambda: server.health()["running"] + server.health()["waiting"] >= 20)
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: refused(server))
    for thread in threads:
        thread.join(TIMEOUT)
    assert server.process.wait(TIMEOUT) == 0
    assert found["errors"] == []
    assert [status for status, _, _ in found["answers"]] == [200] * 24
    streams = [said for _, _, said in found["answers"] if isinstance(said, bytes)]
    assert len(streams) == 12
    assert all(said.endswith(b"data: [DONE]\n\n") for said in streams)
    wait_for(lambda: "stopped" in server.said())


def make_champion(server: Running, bench: Served, version: int) -> None:
    if now_serving(server) != f"tickets-v{version}":
        bench.release(version, back=True)
        wait_for(lambda: now_serving(server) == f"tickets-v{version}")


def now_serving(server: Running) -> str:
    return str(server.health()["tasks"]["tickets"]["serving"])


def refused(server: Running) -> bool:
    try:
        server.health()
    except OSError:
        return True
    return False


def wait_for(true: Any) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def signatures(bench: Served, version: int) -> Iterator[Path]:
    """A release's signature, beside the local copy and in the store."""
    yield from (bench.workspace.home / "releases" / "tickets" / str(version)).glob("*.sig")
    run = bench.store.client.get_model_version("tickets", str(version)).run_id
    yield from (bench.workspace.home / "artifacts").rglob(f"{run}/**/release/*.sig")


def weights(bench: Served, version: int) -> Iterator[Path]:
    """A version's weights, as they lie here and in the store."""
    yield bench.workspace.home / "adapters" / "tickets" / str(version) / WEIGHTS
    run = bench.store.client.get_model_version("tickets", str(version)).run_id
    yield from (bench.workspace.home / "artifacts").rglob(f"{run}/**/{WEIGHTS}")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
