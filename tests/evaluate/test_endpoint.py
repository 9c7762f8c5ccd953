"""A real server on loopback: requests are well-formed, retried when busy, and never scored 0."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from chat_server import Respond, server

from pawl.config.judging import Endpoint, Evaluate
from pawl.core.records import Example, Message, SplitReport
from pawl.evaluate.endpoint import UnansweredError, chat_completions
from pawl.evaluate.other_contenders import score_endpoints
from pawl.evaluate.scoreboard import Scoreboard
from pawl.evaluate.scorers import scorers
from pawl.model.tokenizer import load_tokenizer

ROWS = [
    Example(f"r{i}", f"{i:016x}", (Message("user", f"question {i}"),), f"answer to question {i}")
    for i in range(6)
]
CHATS = [row.messages for row in ROWS]
SECRET = "sk-not-to-be-seen"


def answered(number: int, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    text = f"answer to {body['messages'][-1]['content']}"
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    return 200, {"choices": [{"message": {"content": text}}], "usage": usage}, {}


@pytest.fixture(scope="module")
def tokenizer(base_folder: Path) -> Any:
    return load_tokenizer(base_folder)


def replies(url: str, tokenizer: Any, *, limit: int = 8, key_env: str | None = None) -> list[Any]:
    large = Endpoint(url=url, model="large", key_env=key_env)
    return chat_completions(
        large, CHATS, max_new_tokens=limit, tokenizer=tokenizer, pauses=(0.01, 0.01)
    )


def test_replies_come_in_the_order_of_the_rows_and_are_requested_greedily(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    with server(answered) as (url, requests):
        got = replies(f"{url}/", tokenizer, key_env="A_KEY")
    assert [r.text for r in got] == [row.completion for row in ROWS]
    assert {(r.tokens, r.prompt_tokens, r.perplexity) for r in got} == {(5, 7, None)}
    assert all(r.seconds > 0 for r in got)
    for one in requests:
        assert one["path"] == "/v1/chat/completions"
        assert one["headers"]["Authorization"] == f"Bearer {SECRET}"
        assert one["body"].items() >= {"model": "large", "temperature": 0, "max_tokens": 8}.items()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_retried(tokenizer: Any, status: int) -> None:
    def busy_first(number: int, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        return answered(number, body) if number > 2 else (status, {}, {"Retry-After": "0"})

    with server(busy_first) as (url, requests):
        assert len(replies(url, tokenizer)) == len(ROWS)
    assert len(requests) == len(ROWS) + 2


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (503, b"down", "asked 3 times; the last time: HTTP 503: down"),
        (401, f"no such key: {SECRET}".encode(), r"HTTP 401: no such key: \*\*\*"),
        (404, b"no such model", "HTTP 404: no such model"),
        (200, b"<html>", "no JSON"),
        (200, {"choices": []}, "no choices"),
        (200, {"choices": [{"message": {"content": 7}}]}, "no text"),
        (200, {"choices": [{"message": {"content": "half a pair: \ud800"}}]}, "no text"),
    ],
)
def test_the_error_of_a_server_that_does_not_answer_has_the_reason_and_not_the_key(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, status: int, body: Any, says: str
) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    with (
        server(lambda *_: (status, body, {})) as (url, _),
        pytest.raises(UnansweredError, match=says) as caught,
    ):
        replies(url, tokenizer, key_env="A_KEY")
    assert SECRET not in str(caught.value)


def test_a_key_follows_no_redirect(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    with server(answered) as (elsewhere, requests):
        for status in (302, 307, 308):
            moved = (status, b"", {"Location": f"{elsewhere}/chat/completions"})
            with (
                server(lambda *_, moved=moved: moved) as (url, _),
                pytest.raises(UnansweredError, match=f"HTTP {status}"),
            ):
                replies(url, tokenizer, key_env="A_KEY")
    assert not requests


def test_a_key_that_is_not_set_and_a_server_that_is_not_there_are_named(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(UnansweredError, match="A_KEY"):
        replies("http://127.0.0.1:9", tokenizer, key_env="A_KEY")
    with pytest.raises(UnansweredError, match=r"asked 3 times; .*refused"):
        replies("http://127.0.0.1:9", tokenizer)


@pytest.mark.parametrize("usage", [None, {"completion_tokens": 900}])
def test_an_answer_longer_than_the_limit_is_truncated(tokenizer: Any, usage: Any) -> None:
    long = {"choices": [{"message": {"content": "word " * 300}}], "usage": usage}
    with server(lambda *_: (200, long, {})) as (url, _):
        got = replies(url, tokenizer)
    ids = tokenizer(got[0].text, add_special_tokens=False)["input_ids"]
    assert len(ids) <= 8
    assert {r.tokens for r in got} == {8 if usage else None}


def test_an_empty_answer_is_an_answer_and_an_absent_one_is_none(tokenizer: Any) -> None:
    def responding(content: str | None) -> Respond:
        return lambda *_: (200, {"choices": [{"message": {"content": content}}]}, {})

    with server(responding("")) as (url, _):
        assert {r.text for r in replies(url, tokenizer)} == {""}
    with server(responding(None)) as (url, _), pytest.raises(UnansweredError, match="null"):
        replies(url, tokenizer)


@pytest.mark.parametrize(
    "key", [f"{SECRET}\nX: y", f"{SECRET}\x01", f"{SECRET}\x7f", f"{SECRET}€", f"{SECRET} two"]
)
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("A_KEY", key)
    with (
        server(answered) as (url, requests),
        pytest.raises(UnansweredError, match="A_KEY, its key, holds") as caught,
    ):
        replies(url, tokenizer, key_env="A_KEY")
    assert "sk-" not in "".join(traceback.format_exception(caught.value))
    assert not requests


def test_blanks_around_a_key_are_no_part_of_it(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", f" {SECRET}\r\n")
    with server(answered) as (url, requests):
        replies(url, tokenizer, key_env="A_KEY")
    assert {one["headers"]["Authorization"] for one in requests} == {f"Bearer {SECRET}"}
    monkeypatch.setenv("A_KEY", " \n")
    with pytest.raises(UnansweredError, match="A_KEY, its key, is not set"):
        replies("http://127.0.0.1:9", tokenizer, key_env="A_KEY")


def test_no_part_of_a_key_is_shown_in_a_truncated_error_message(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    for words in (190, 1990):
        text = f"{'x' * 180}{' ' * (words - 180)}{SECRET}"
        with (
            server(lambda *_, text=text: (401, text.encode(), {})) as (url, _),
            pytest.raises(UnansweredError, match="HTTP 401") as caught,
        ):
            replies(url, tokenizer, key_env="A_KEY")
        assert "sk-" not in str(caught.value)


def test_an_answer_nested_too_deeply_or_cut_short_is_none(tokenizer: Any) -> None:
    with (
        server(lambda *_: (200, b"[" * 100_000, {})) as (url, _),
        pytest.raises(UnansweredError, match="no JSON"),
    ):
        replies(url, tokenizer)
    for status in (200, 400):
        short = (status, b"{", {"Content-Length": "9"})
        with (
            server(lambda *_, short=short: short) as (url, _),
            pytest.raises(UnansweredError, match=r"IncompleteRead|no JSON|HTTP 400"),
        ):
            replies(url, tokenizer)


def board() -> Scoreboard:
    splits = SplitReport("t", "data", "salt", {}, 0, {})
    return Scoreboard(scorers(None, Evaluate(), Path()), splits, timed=False)


def test_a_server_is_a_contender_with_the_long_prompt_and_one_that_fails_is_skipped_not_zero(
    tokenizer: Any,
) -> None:
    with server(answered) as (good, requests), server(lambda *_: (400, b"no", {})) as (bad, _):
        policy = Evaluate(
            endpoints={"good": Endpoint(good, "large"), "bad": Endpoint(bad, "large")}
        )
        found = board()
        skipped = score_endpoints(found, policy, ROWS, instruction="Be brief.", tokenizer=tokenizer)
    assert skipped == {"bad": "HTTP 400: no"}
    assert requests[0]["body"]["messages"][0] == {"role": "system", "content": "Be brief."}
    (only,) = found.contenders
    assert only.elsewhere == f"large at {good}"
    assert only.scores["exact_match"] == 1.0
    assert only.prompt_tokens == 7
    assert "perplexity" not in only.scores
    assert {score.contender for score in found.scores} == {"good"}
