"""Every replica serves the champion under its own name, proved, before the name moves."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from published import QUESTIONS, Published
from vllm_stand_in import StandIn

from pawl.core.records import Message
from pawl.core.records.publish import Served
from pawl.model.prompt import prompt_tokens
from pawl.store.versions import get


@pytest.fixture
def served(tickets: Published, pair: list[StandIn], tmp_path: Path) -> Published:
    urls = [one.url for one in pair]
    tickets.targets({"kind": "vllm", "urls": urls, "path": str(tmp_path / "out")})
    return tickets


def name(tickets: Published) -> Any:
    file = tickets.workspace.root.parent / "out" / "tickets.json"
    return json.loads(file.read_text())["served"] if file.is_file() else None


def of(found: tuple[Served, ...], replica: StandIn) -> Served:
    return next(one for one in found if replica.url in one.target)


def test_a_version_is_loaded_under_its_own_name_and_proved_and_the_one_before_it_stays(
    served: Published, pair: list[StandIn]
) -> None:
    for version in (None, 2, 3):
        if version:
            served.release(version)
        done = served.publish()
        assert done.ok, done
        assert all(
            "tokens as judged where its base writes others" in of(done.served, one).says
            for one in pair
        )
    for one in pair:
        assert sorted(one.adapters) == ["tickets-v2", "tickets-v3"]
        assert not any(body and "load_inplace" in body for _, body in one.asked)
    assert name(served) == "tickets-v3"
    assert all(one.ok for one in served.look())
    # Backwards the same way: the version is loaded already.
    served.release(2, back=True)
    pair[0].asked.clear()
    assert served.publish().ok
    assert "/v1/load_lora_adapter" not in pair[0].routes()[:3]
    assert name(served) == "tickets-v2"


def test_a_replica_that_is_down_is_told_and_the_name_waits_for_it(
    served: Published, pair: list[StandIn]
) -> None:
    served.publish()
    served.release(2)
    pair[1].stop()
    done = served.publish()
    assert not done.ok
    assert of(done.served, pair[0]).ok
    assert "does not answer" in of(done.served, pair[1]).says
    assert name(served) == "tickets-v1"
    assert "tickets-v1" in pair[0].adapters  # who asks by the name of before is answered
    pair[1].start()
    assert served.publish().ok
    assert name(served) == "tickets-v2"


def test_a_replica_that_lost_its_memory_shows_and_is_healed(
    served: Published, pair: list[StandIn]
) -> None:
    served.publish()
    pair[0].adapters.clear()
    told = of(served.look(), pair[0])
    assert not told.ok
    assert "lost its memory" in told.says
    assert served.publish().ok
    assert all(one.ok for one in served.look())


@pytest.mark.parametrize("heals", [True, False])
def test_a_base_under_the_adapters_name_is_told_and_healed_where_loading_anew_heals(
    served: Published, pair: list[StandIn], heals: bool
) -> None:
    pair[0].bare, pair[0].heals = True, False
    served.publish()  # loads, and is refused
    pair[0].bare, pair[0].heals = True, heals
    told = of(served.publish().served, pair[0])
    assert told.ok == heals
    assert ("before it was loaded anew" if heals else ": 0 of ") in told.says
    assert name(served) == ("tickets-v1" if heals else None)


@pytest.mark.slow
def test_another_adapter_under_the_name_is_replaced(
    served: Published, pair: list[StandIn], tmp_path: Path
) -> None:
    served.publish()
    served.release(2)
    served.publish()
    loaded = pair[0].adapters
    # From the right folder, with the weights that were there once.
    loaded["tickets-v2"] = (loaded["tickets-v2"][0], loaded["tickets-v1"][1])
    loaded["tickets-v1"] = ("/elsewhere", loaded["tickets-v1"][1])
    told = of(served.publish().served, pair[0])
    assert told.ok
    assert "before it was loaded anew" in told.says
    assert loaded["tickets-v1"][0] == str(tmp_path / "out" / "tickets-v1")


def test_a_replica_that_is_slow_holds_up_no_other_and_is_told(
    served: Published, pair: list[StandIn], tmp_path: Path
) -> None:
    urls = [one.url for one in pair]
    served.targets({"kind": "vllm", "urls": urls, "path": str(tmp_path / "out"), "timeout": 0.5})
    pair[1].slow = 1.5
    done = served.publish()
    assert "does not answer" in of(done.served, pair[1]).says
    assert name(served) is None


def test_a_key_is_sent_and_never_shown(
    served: Published, pair: list[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair[0].key = "sk-very-secret-123"
    target = {"kind": "vllm", "urls": [pair[0].url], "path": str(tmp_path / "out")}
    served.targets(target)
    assert "key_env" in served.publish().served[0].says
    served.targets({**target, "key_env": "VLLM_KEY"})
    assert "VLLM_KEY" in served.publish().served[0].says
    monkeypatch.setenv("VLLM_KEY", "sk-very-secret-123")
    done = served.publish()
    assert done.ok
    told = served.workspace.published("tickets").read_text()
    assert "sk-very-secret" not in f"{done} {told}"


def test_dev_prompts_alone_are_sent_and_stored_answers_that_were_altered_prove_nothing(
    served: Published, pair: list[StandIn], tokenizer: Any
) -> None:
    served.publish()
    asked = [body["prompt"] for route, body in pair[0].asked if route == "/v1/completions"]
    sent = {tuple(one) for prompts in asked for one in prompts}
    dev = [tuple(prompt_tokens(tokenizer, (Message("user", text),))) for text in QUESTIONS]
    assert sent
    assert all(any(one[: len(row)] == row for row in dev) for one in sent)
    run = get(served.store, "tickets", 1).run_id
    stored = served.workspace.home.rglob("eval/rows.jsonl")
    [kept] = [path for path in stored if run in path.parts]
    kept.write_text(kept.read_text() + "\n")
    [told, *_] = served.publish().served
    assert not told.ok
    assert "its verdict names" in told.says


@pytest.mark.slow
def test_a_release_during_a_publication_is_published_by_it(
    served: Published, pair: list[StandIn]
) -> None:
    """The ledger is read again once the name has moved."""
    once = threading.Event()

    def release() -> None:
        if pair[0].routes()[-1] == "/v1/completions" and not once.is_set():
            once.set()
            served.release(2)

    pair[0].at_request = release
    done = served.publish()
    assert done.ok
    assert done.name == name(served) == "tickets-v2"
