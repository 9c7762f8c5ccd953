"""A server that is full, late, broken or empty says so, and answers the rest."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from callers import PROMPTS, TOKEN, Served
from workbench import Bench

from pawl.model.base import context_length, dequantised, load_base
from pawl.model.tokenizer import load_tokenizer
from pawl.serve.engine import Engine
from pawl.serve.following import Follower
from pawl.serve.joining import Base, base_in_memory
from pawl.serve.journal import Journal
from pawl.serve.limits import Limits
from pawl.serve.metrics import Metrics
from pawl.serve.refusals import Refused
from pawl.serve.releases import Releases
from pawl.serve.server import guarded
from pawl.serve.service import Service
from pawl.serve.versions import Versions

LIMITS = Limits(batch=1, queue=1, seconds=30, prompt=100, answer=50)
CHAT = {"model": "tickets", "messages": [{"role": "user", "content": PROMPTS[0]}]}


@pytest.fixture(scope="module")
def base(base_folder: Path) -> Base:
    return base_in_memory(dequantised(load_base(base_folder)), load_tokenizer(base_folder))


@contextmanager
def service_of(
    served: Served,
    base: Base,
    base_folder: Path,
    *,
    limits: Limits = LIMITS,
    log: Path | None = None,
) -> Iterator[Service]:
    """A service in this process, with the champion of one task."""
    engine = Engine(base, most=limits.batch, queue=limits.queue)
    engine.start()
    versions = Versions(
        engine,
        Releases(served.workspace, served.store),
        load_tokenizer(base_folder),
        base=served.base.digest,
        tasks={"tickets": served.workspace.task("tickets").evaluate},
    )
    Follower(versions, every=60).look()
    context = context_length(base_folder)
    metrics = Metrics(engine, versions)
    yield Service(engine, versions, LIMITS, metrics, Journal(log), context=context)
    engine.stop()


@pytest.fixture
def service(
    released: dict[str, Served], base: Base, base_folder: Path, tmp_path: Path
) -> Iterator[Service]:
    log = tmp_path / "log" / "requests.jsonl"
    with service_of(released["tickets"], base, base_folder, log=log) as made:
        yield made


class Asker:
    """Asks an application without a server between."""

    def __init__(self, service: Service) -> None:
        transport = httpx.ASGITransport(app=guarded(service, (TOKEN,)))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client = httpx.AsyncClient(transport=transport, base_url="http://a", headers=headers)

    async def chat(self, **more: Any) -> httpx.Response:
        return await self.client.post("/v1/chat/completions", json={**CHAT, **more})


@contextmanager
def busy(engine: Engine) -> Iterator[None]:
    """Within this, the engine does nothing."""
    free, held = threading.Event(), threading.Event()
    engine.call(lambda: held.set() or free.wait())
    assert held.wait(10)
    try:
        yield
    finally:
        free.set()


def test_who_finds_the_queue_full_is_told_when_to_come_again(service: Service) -> None:
    async def both() -> list[httpx.Response]:
        ask = Asker(service)
        first = asyncio.create_task(ask.chat())
        while not service.engine.waiting:
            await asyncio.sleep(0.01)
        second = await ask.chat()
        return [second, await first]

    service.limits = replace(LIMITS, seconds=1)
    with busy(service.engine):
        full, late = asyncio.run(both())
    assert (full.status_code, full.headers["retry-after"]) == (429, "1")
    assert full.json()["error"]["type"] == "rate_limit_error"
    assert (late.status_code, late.json()["error"]["code"]) == (408, "timeout")
    service.limits = LIMITS
    assert asyncio.run(Asker(service).chat()).status_code == 200


def test_more_prompts_than_may_ever_wait_are_refused_for_good(service: Service) -> None:
    async def ask() -> httpx.Response:
        body = {"model": "tickets", "prompt": ["ok", "ok"]}
        return await Asker(service).client.post("/v1/completions", json=body)

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
    assert service.engine.waiting == 0


@pytest.mark.parametrize("header", [{"host": "evil.example"}, {"origin": "http://127.0.0.1:8888"}])
def test_without_a_token_no_web_page_is_answered(service: Service, header: Any) -> None:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=guarded(service, ()))
        url = "http://127.0.0.1:8000"
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            mine = await client.post("/v1/chat/completions", json=CHAT)
            return [mine, await client.post("/v1/chat/completions", json=CHAT, headers=header)]

    assert [one.status_code for one in asyncio.run(ask())] == [200, 403]


def test_a_stream_that_is_late_ends_with_the_error_as_its_last_event(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, free = service.engine.adapters.model, threading.Event()
    forward, calls = model.forward, itertools.count()

    def stuck_after_the_first_tokens(*args: Any, **named: Any) -> Any:
        if next(calls) >= 2:
            free.wait()
        return forward(*args, **named)

    async def ask() -> httpx.Response:
        return await Asker(service).chat(stream=True)

    service.limits = replace(LIMITS, seconds=1)
    with monkeypatch.context() as device:
        device.setattr(model, "forward", stuck_after_the_first_tokens)
        try:
            answer = asyncio.run(ask())
        finally:
            free.set()
    events = [line[6:] for line in answer.text.split("\n\n") if line]
    assert answer.status_code == 200
    assert json.loads(events[0])["object"] == "chat.completion.chunk"
    assert json.loads(events[-1])["error"]["code"] == "timeout"
    service.limits = LIMITS
    assert asyncio.run(Asker(service).chat(max_tokens=2)).status_code == 200


def test_limits_on_tokens_are_told_with_the_field(service: Service) -> None:
    long = {"messages": [{"role": "user", "content": "word " * 120}]}
    answers = [asyncio.run(Asker(service).chat(**more)) for more in (long, {"max_tokens": 51})]
    assert [one.status_code for one in answers] == [400, 400]
    assert answers[0].json()["error"]["code"] == "context_length_exceeded"
    assert answers[1].json()["error"]["param"] == "max_tokens"


def test_a_broken_engine_is_told_to_callers_and_by_health(
    released: dict[str, Served], base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = base_in_memory(dequantised(load_base(base_folder)), load_tokenizer(base_folder))
    with service_of(released["tickets"], spoilt, base_folder) as service:

        def gone(*_: object, **__: object) -> None:
            raise RuntimeError("the device is gone")

        monkeypatch.setattr(service.engine.adapters.model, "forward", gone)
        first, second = (asyncio.run(Asker(service).chat()) for _ in range(2))
        health = asyncio.run(Asker(service).client.get("/health"))
    assert [first.status_code, second.status_code, health.status_code] == [503] * 3
    assert first.headers["retry-after"]
    assert health.json()["status"] == "broken"
    assert "the device is gone" in health.json()["problem"]


def test_a_prompt_that_cannot_be_computed_is_no_fault_of_the_server(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pawl.serve.service.prompt_tokens", lambda *_: [5, 10**6])
    bad = asyncio.run(Asker(service).chat())
    monkeypatch.undo()
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "not_answered")
    assert asyncio.run(Asker(service).chat()).status_code == 200
    assert asyncio.run(Asker(service).client.get("/health")).json()["status"] == "ok"


def test_the_log_has_a_line_a_request_and_no_word_of_it(service: Service, tmp_path: Path) -> None:
    answered = asyncio.run(Asker(service).chat(max_tokens=3))
    refused = asyncio.run(Asker(service).chat(model="nobody"))
    path = tmp_path / "log" / "requests.jsonl"
    text = path.read_text()
    first, second = map(json.loads, text.splitlines())
    assert first["request"] == answered.headers["x-request-id"]
    assert (first["version"], first["status"], first["answer_tokens"]) == ("tickets-v1", 200, 3)
    assert (second["task"], second["status"]) == ("", 404)
    assert refused.status_code == 404
    assert path.stat().st_mode & 0o77 == 0
    for secret in (
        TOKEN,
        PROMPTS[0],
        "parcel",
        answered.json()["choices"][0]["message"]["content"],
    ):
        assert secret not in text


def test_versions_leave_memory_when_nobody_needs_them(
    fresh: dict[str, Served], base: Base, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pawl.serve.versions.MOST", 0)
    bench = fresh["tickets"]
    with service_of(bench, base, base_folder) as service:
        versions = service.versions
        for version in (2, 3):
            bench.release(version)
            assert versions.follow("tickets")
        # The champion and the one before stay; the first is fetched again for who names it.
        service.engine.call(lambda: None).result()
        assert {name.name for name in versions._loaded.values()} == {"tickets-v2", "tickets-v3"}
        assert versions.at_hand("tickets-v1") is None
        again = versions.load("tickets-v1")
        assert again.adapter == "n4"
        versions.give_back(again)


def test_a_task_without_a_champion_waits_for_its_first_one(bench: Bench, base: Base) -> None:
    versions = _versions(bench, base, "b" * 64)
    assert not versions.follow("tickets")
    assert versions.tasks["tickets"].problem == "task 'tickets' has no champion yet"
    with pytest.raises(Refused) as refused:
        versions.at_hand("tickets")
    assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "5")
    assert versions.names() == []


def test_a_champion_of_another_base_is_not_loaded_onto_this_one(
    released: dict[str, Served], base: Base
) -> None:
    versions = _versions(released["tickets"], base, "e" * 64)
    assert not versions.follow("tickets")
    assert "trained on another base" in (versions.tasks["tickets"].problem or "")


def _versions(bench: Bench, base: Base, digest: str) -> Versions:
    """What is served of a bench, on a base that is said to have this digest."""
    engine = Engine(base, most=1, queue=1)
    releases = Releases(bench.workspace, bench.store)
    tasks = {"tickets": bench.workspace.task("tickets").evaluate}
    return Versions(engine, releases, None, base=digest, tasks=tasks)  # type: ignore[arg-type]
