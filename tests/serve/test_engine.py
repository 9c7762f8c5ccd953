"""The engine: rows join and leave at any step, are answered right, and fail alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from callers import PROMPTS, write_real_adapter

from pawl.core.records import AdapterManifest, BaseInfo, Message
from pawl.evaluate.decode import greedy
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.base import dequantised, load_base
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.serve.engine import Engine
from pawl.serve.joining import Base, base_in_memory
from pawl.serve.rows import BrokenError, FullError, News, Row, Sampling
from pawl.train.qlora import save

LIMIT = 20
BASE = BaseInfo("base/tiny", None, "b" * 64)
NO_WORD = 10**6  # a token that no base has


class Listener:
    """Collects what the engine tells of one row."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.over = threading.Event()

    def __call__(self, news: News) -> None:
        self.news.append(news)
        if news.ended:
            self.over.set()

    def last(self) -> News:
        assert self.over.wait(60)
        return self.news[-1]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Adapters whose answers differ."""
    root = tmp_path_factory.mktemp("adapters")
    for seed in (1, 2):
        write_real_adapter(root / str(seed), seed, "tickets", BASE)
    return [root / "1", root / "2"]


@pytest.fixture(scope="module")
def tokens(tokenizer: Any) -> list[list[int]]:
    return [prompt_tokens(tokenizer, (Message("user", text),)) for text in PROMPTS]


@pytest.fixture(scope="module")
def right(base_folder: Path, folders: list[Path], tokens: list[list[int]]) -> list[list[str]]:
    """The answers as they are judged, by adapter and prompt, one prompt at a time."""
    found = []
    tokenizer = load_tokenizer(base_folder)
    for folder in folders:
        model: Any = load_adapter(dequantised(load_base(base_folder)), folder, name="chosen")
        answers = greedy(model, tokenizer, tokens, max_new_tokens=LIMIT, batch_size=1, label=None)
        found.append([answer.text for answer in answers])
    assert found[0] != found[1]
    return found


@pytest.fixture(scope="module")
def base(base_folder: Path) -> Base:
    return base_in_memory(dequantised(load_base(base_folder)), load_tokenizer(base_folder))


@pytest.fixture(scope="module")
def engine(base: Base, folders: list[Path]) -> Iterator[Engine]:
    """An engine with both adapters loaded as n1 and n2."""
    yield from _started(Engine(base, most=4, queue=50), folders)


@pytest.fixture
def other_engine(base_folder: Path, folders: list[Path]) -> Iterator[Engine]:
    """One on a base of its own, to be spoilt."""
    fresh = base_in_memory(dequantised(load_base(base_folder)), load_tokenizer(base_folder))
    yield from _started(Engine(fresh, most=1, queue=2), folders)


def _started(engine: Engine, folders: list[Path]) -> Iterator[Engine]:
    engine.start()
    for folder in folders:
        engine.call(lambda at=folder: engine.adapters.load(at, read_adapter(at))).result()
    yield engine
    engine.stop()


def row(prompt: list[int], adapter: int = 0, **more: Any) -> tuple[Row, Listener]:
    listener = Listener()
    return Row(tuple(prompt), f"n{adapter + 1}", LIMIT, listener, **more), listener


def text(tokenizer: Any, listener: Listener) -> str:
    return str(tokenizer.decode(list(listener.last().tokens), skip_special_tokens=True))


def ask_all(engine: Engine, tokens: list[list[int]], *, pause: float = 0.0) -> list[list[Listener]]:
    """Each prompt to each adapter, in turn."""
    listeners: list[list[Listener]] = [[], []]
    for prompt in tokens:
        for adapter in (0, 1):
            made, listener = row(prompt, adapter)
            engine.submit([made])
            listeners[adapter].append(listener)
            time.sleep(pause)
    return listeners


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_rows_of_several_adapters_join_and_leave_and_answer_as_each_would_alone(
    engine: Engine, tokenizer: Any, tokens: list[list[int]], right: list[list[str]], pause: float
) -> None:
    listeners = ask_all(engine, tokens, pause=pause)
    assert [[text(tokenizer, one) for one in of] for of in listeners] == right


def test_a_base_that_takes_no_shared_batch_answers_the_same(
    other_engine: Engine, tokenizer: Any, tokens: list[list[int]], right: list[list[str]]
) -> None:
    assert other_engine._base.joins
    other_engine._base = replace(other_engine._base, joins=False)
    other_engine._most, other_engine._queue = 4, 50
    listeners = ask_all(other_engine, tokens[:3])
    assert [[text(tokenizer, one) for one in of] for of in listeners] == [of[:3] for of in right]


def test_an_adapter_that_cannot_share_a_pass_has_batches_of_its_own(
    engine: Engine,
    base_folder: Path,
    tokenizer: Any,
    tokens: list[list[int]],
    right: list[list[str]],
    tmp_path: Path,
) -> None:
    dora = make_dora(tmp_path / "dora", base_folder)
    model: Any = load_adapter(dequantised(load_base(base_folder)), dora, name="chosen")
    wanted = greedy(model, tokenizer, tokens[:3], max_new_tokens=LIMIT, batch_size=1, label=None)
    name = engine.call(lambda: engine.adapters.load(dora, read_adapter(dora))).result()
    made = [(row(prompt), row(prompt)) for prompt in tokens[:3]]
    for (first, _), (second, _) in made:
        second.adapter = name
        engine.submit([first, second])
    assert [text(tokenizer, one) for _, (_, one) in made] == [one.text for one in wanted]
    assert [text(tokenizer, one) for (_, one), _ in made] == right[0][:3]
    engine.call(lambda: engine.adapters.unload(name)).result()


def test_a_row_that_cannot_be_computed_fails_alone(
    engine: Engine, tokenizer: Any, tokens: list[list[int]], right: list[list[str]]
) -> None:
    good = [row(prompt) for prompt in tokens[:3]]
    bad, told = row([5, NO_WORD, 7])
    engine.submit([good[0][0], bad, good[1][0], good[2][0]])
    assert told.last().ended == "failed"
    assert [text(tokenizer, listener) for _, listener in good] == right[0][:3]
    assert engine.broken is None


def test_an_adapter_that_is_not_there_fails_its_row_alone(
    engine: Engine, tokenizer: Any, tokens: list[list[int]], right: list[list[str]]
) -> None:
    good, heard = row(tokens[0])
    bad, told = row(tokens[1], 8)
    engine.submit([bad, good])
    assert told.last().ended == "failed"
    assert text(tokenizer, heard) == right[0][0]


@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_step_that_fails_once_costs_nobody_his_answer(
    engine: Engine,
    tokenizer: Any,
    tokens: list[list[int]],
    right: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    at: int,
) -> None:
    fail(engine, monkeypatch, lambda count: count == at)
    listeners = ask_all(engine, tokens[:3])
    assert [[text(tokenizer, one) for one in of] for of in listeners] == [of[:3] for of in right]
    assert engine.broken is None


def test_joining_that_fails_costs_nobody_his_answer(
    engine: Engine,
    tokenizer: Any,
    tokens: list[list[int]],
    right: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pawl.serve.batch import Batch

    join, count = Batch.join, [0]

    def once(self: Batch, other: Batch) -> None:
        count[0] += 1
        if count[0] == 1:
            raise RuntimeError("a fault while joining")
        join(self, other)

    monkeypatch.setattr(Batch, "join", once)
    listeners = ask_all(engine, tokens, pause=0.03)
    assert [[text(tokenizer, one) for one in of] for of in listeners] == right
    assert count[0]


def test_a_base_that_answers_nothing_any_more_is_told_to_everybody_at_once(
    other_engine: Engine, tokens: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(other_engine, monkeypatch, lambda _: True)
    monkeypatch.setattr(other_engine.adapters.model, "forward", broken)
    made = [row(prompt) for prompt in tokens[:2]]
    other_engine.submit([one for one, _ in made])
    assert {listener.last().ended for _, listener in made} == {"broken"}
    assert other_engine.broken
    with pytest.raises(BrokenError):
        other_engine.submit([row(tokens[0])[0]])
    with pytest.raises(BrokenError):
        other_engine.call(lambda: None).result()


def test_who_is_cancelled_leaves_his_place_and_hears_no_more(
    engine: Engine, tokens: list[list[int]]
) -> None:
    made, listener = row(tokens[0], watched=True)
    made.limit = 10**6
    made.sampling = Sampling(temperature=2.0)
    waits, other = row(tokens[1])
    engine.submit([made])
    engine.cancel(made)
    engine.submit([waits])
    other.last()
    heard = len(listener.news)
    assert engine.running + engine.waiting == 0
    assert not listener.over.is_set()
    assert len(listener.news) == heard


def test_no_more_wait_than_may_and_the_rest_is_answered(
    other_engine: Engine, tokens: list[list[int]]
) -> None:
    hold, held = threading.Event(), threading.Event()
    other_engine.call(lambda: held.set() or hold.wait())
    assert held.wait(10)
    made = [row(prompt) for prompt in tokens[:3]]
    other_engine.submit([made[0][0], made[1][0]])
    with pytest.raises(FullError):
        other_engine.submit([made[2][0]])
    hold.set()
    assert made[1][1].last().ended in ("stop", "length")


def test_a_job_that_fails_is_its_askers_matter_alone(
    engine: Engine, tokens: list[list[int]]
) -> None:
    with pytest.raises(ZeroDivisionError):
        engine.call(lambda: 1 // 0).result()
    made, listener = row(tokens[0])
    engine.submit([made])
    assert listener.last().ended


def test_lots_are_drawn_by_a_seed_and_at_no_temperature_not_at_all(
    engine: Engine, tokenizer: Any, tokens: list[list[int]], right: list[list[str]]
) -> None:
    def answers(*settings: Sampling) -> list[str]:
        made = [row(tokens[0], sampling=one) for one in settings]
        engine.submit([one for one, _ in made])
        return [text(tokenizer, listener) for _, listener in made]

    hot = Sampling(temperature=1.5, seed=7)
    same, again, other = answers(hot, hot, replace(hot, seed=8))
    assert same == again != other
    # The likeliest word alone is left; and a temperature near 0 chooses it as well.
    assert answers(replace(hot, top_p=1e-6), Sampling(temperature=1e-6)) == [right[0][0]] * 2


def test_an_adapter_is_unloaded_and_its_name_is_never_used_again(
    other_engine: Engine, folders: list[Path], tokens: list[list[int]]
) -> None:
    adapters = other_engine.adapters
    other_engine.call(lambda: adapters.unload("n2")).result()
    name = other_engine.call(lambda: adapters.load(folders[1], read_adapter(folders[1]))).result()
    assert name == "n3"
    made, listener = row(tokens[0], 1)
    other_engine.submit([made])
    assert listener.last().ended == "failed"


def make_dora(folder: Path, base_folder: Path) -> Path:
    """A DoRA of the tiny base, some steps from where it begins."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=4,
        use_dora=True,
        use_rslora=True,
        target_modules=["q_proj", "v_proj"],
        task_type="CAUSAL_LM",
    )
    model: Any = get_peft_model(dequantised(load_base(base_folder)), config)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    manifest = AdapterManifest("tickets", BASE, "d" * 64, 4, {"dora": True}, ("k",), {})
    save(model, manifest, folder)
    return folder


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("the device is gone")


def fail(engine: Engine, monkeypatch: pytest.MonkeyPatch, when: Any) -> None:
    """Let passes of batches fail, those of which `when` is true by their number."""
    passes, call = [0], type(engine.adapters).__call__

    def counted(self: Any, names: Any, **inputs: Any) -> Any:
        passes[0] += 1
        if when(passes[0]):
            raise RuntimeError("a fault in a pass")
        return call(self, names, **inputs)

    monkeypatch.setattr(type(engine.adapters), "__call__", counted)
