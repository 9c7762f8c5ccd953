"""Callers of a server that runs: the official client, the judged answers, and who is refused."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import openai
import pytest
from callers import MOST, PROMPTS, TOKEN, Running, Served
from hostile_bodies import hostile_bodies

from pawl.commands.predict import predict
from pawl.serve.limits import BODY

pytestmark = pytest.mark.server
ROUTES = (
    ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"), ("GET", "/v1/models"),
    ("GET", "/v1/models/tickets"), ("GET", "/metrics"), ("GET", "/"), ("GET", "/docs"),
    ("GET", "/health/"), ("GET", "//health"), ("GET", "/nowhere"), ("PUT", "/v1/models"),
)  # fmt: skip
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "a", "function": {"name": "find", "arguments": {"a": "\ud800"}}}]}  # fmt: skip
CHAT = {"model": "tickets", "messages": [{"role": "user", "content": "ok"}]}


@pytest.fixture(scope="module")
def client(running: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture(scope="module")
def right(released: dict[str, Served]) -> dict[str, list[str]]:
    """What `pawl predict` answers, by task."""
    return {
        task: [one.answer for one in predict(one.workspace, one.store, task, PROMPTS, version=None)]
        for task, one in released.items()
    }


def test_the_official_client_gets_the_answers_of_pawl_predict(
    client: openai.OpenAI, right: dict[str, list[str]]
) -> None:
    for task, answers in right.items():
        for prompt, answer in zip(PROMPTS, answers, strict=True):
            chat = client.chat.completions.with_raw_response.create(
                model=task, messages=[{"role": "user", "content": prompt}]
            )
            said = chat.parse()
            assert said.choices[0].message.content == answer
            assert said.model == chat.headers["x-pawl-version"] == f"{task}-v1"
            assert said.usage is not None
            assert said.choices[0].finish_reason == (
                "length" if said.usage.completion_tokens == MOST else "stop"
            )
            assert said.system_fingerprint
    assert right["tickets"] != right["notes"]
    many = client.completions.create(model="tickets-v1", prompt=PROMPTS)
    assert [one.text for one in many.choices] == right["tickets"]


def test_a_stream_is_the_answer_in_pieces_with_its_count_at_the_end(
    client: openai.OpenAI, right: dict[str, list[str]]
) -> None:
    for prompt, answer in zip(PROMPTS[:3], right["notes"], strict=False):
        chunks = list(
            client.chat.completions.create(
                model="notes", messages=[{"role": "user", "content": prompt}], stream=True,
                stream_options={"include_usage": True},
            )
        )  # fmt: skip
        pieces = [one.choices[0].delta.content or "" for one in chunks if one.choices]
        assert "".join(pieces) == answer
        assert {one.model for one in chunks} == {"notes-v1"}
        assert chunks[-1].usage is not None
        assert chunks[-2].choices[0].finish_reason in ("stop", "length")
    assert len(pieces) > 3
    texts = client.completions.create(model="notes", prompt=PROMPTS[0], stream=True)
    assert "".join(one.choices[0].text for one in texts) == right["notes"][0]


def test_an_answer_ends_before_a_stop_text_streamed_or_not(
    client: openai.OpenAI, right: dict[str, list[str]]
) -> None:
    answer = right["tickets"][0]
    stop = answer[6:9]
    asked: Any = {"model": "tickets", "prompt": PROMPTS[0], "stop": [stop]}
    whole = client.completions.create(**asked)
    assert whole.choices[0].text == answer[: answer.index(stop)]
    assert whole.choices[0].finish_reason == "stop"
    pieces = [one.choices[0].text for one in client.completions.create(**asked, stream=True)]
    assert "".join(pieces) == whole.choices[0].text


def test_fewer_tokens_are_given_where_fewer_are_asked_for(client: openai.OpenAI) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        said = client.chat.completions.create(**CHAT, **{name: 2})  # type: ignore[call-overload]
        assert said.usage.completion_tokens == 2
        assert said.choices[0].finish_reason == "length"


def test_a_seed_draws_the_same_lots_again(client: openai.OpenAI) -> None:
    def drawn(seed: int) -> str | None:
        said = client.chat.completions.create(**CHAT, temperature=1.5, seed=seed)  # type: ignore[call-overload]
        return said.choices[0].message.content

    assert drawn(3) == drawn(3) != drawn(4)


def test_models_are_tasks_and_their_released_versions(client: openai.OpenAI) -> None:
    models = {one.id: one for one in client.models.list()}
    assert set(models) == {"tickets", "tickets-v1", "notes", "notes-v1"}
    assert models["tickets"].root == "tickets-v1"  # type: ignore[attr-defined]
    assert client.models.retrieve("notes").id == "notes"
    for name in ("tickets-v2", "tickets-v9", "nobody", "tickets-v1-v1", "notes-v01", "base"):
        with pytest.raises(openai.NotFoundError) as refused:
            client.chat.completions.create(**{**CHAT, "model": name})  # type: ignore[call-overload]
        assert refused.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"), ({"top_p": 0}, "top_p"), ({"seed": -1}, "seed"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"), ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**6}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tempreature": 0}, "tempreature"), ({"guided_json": {}}, "guided_json"),
        ({"tool_choice": "required"}, "tool_choice"), ({"stop": [""]}, "stop"),
        ({"stream": "yes"}, "stream"), ({"stream_options": {}}, "stream_options"),
        ({"messages": []}, "messages"), ({"messages": "ok"}, "messages"), ({"model": 1}, "model"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": "word " * 3000}]}, "messages"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages"),
        ({"messages": [{"role": "user", "\ud800": "a"}]}, "messages"),
        ({"messages": [CALL, {"role": "tool", "content": "a"}]}, "messages"),
    ],
)  # fmt: skip
def test_what_would_change_the_answer_and_is_not_obeyed_is_refused_by_name(
    running: Running, more: dict[str, Any], field: str
) -> None:
    status, _, said = running.ask("/v1/chat/completions", {**CHAT, **more})
    assert (status, said["error"]["param"]) == (400, field), said
    assert said["error"]["type"] == "invalid_request_error"
    assert field in said["error"]["message"] or "prompt has" in said["error"]["message"]


def test_what_changes_no_answer_is_passed_over(running: Running, right: Any) -> None:
    more = {"user": "u", "metadata": {"a": "b"}, "store": False, "n": 1, "logit_bias": {},
            "presence_penalty": 0.0, "response_format": {"type": "text"}, "seed": 5,
            "temperature": 0, "parallel_tool_calls": True, "service_tier": "auto",
            "top_p": None}  # fmt: skip
    status, _, said = running.chat(PROMPTS[3], **more)
    assert (status, said["choices"][0]["message"]["content"]) == (200, right["tickets"][3])


def test_functions_are_shown_to_the_model_as_to_the_judge(running: Running) -> None:
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    plain, shown = (running.chat("find it", **more) for more in ({}, {"tools": [tool]}))
    assert shown[0] == 200
    assert shown[2]["usage"]["prompt_tokens"] > plain[2]["usage"]["prompt_tokens"]
    streamed = running.chat("find it", tools=[tool], stream=True)
    assert (
        shown[2]["choices"][0]["message"]["content"] in streamed[2].decode() or streamed[0] == 200
    )


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}",
     TOKEN],
)  # fmt: skip
def test_every_route_but_health_is_refused_without_its_token(
    running: Running, method: str, path: str, header: str | None
) -> None:
    status, answer = raw(running, method, path, [f"Authorization: {header}"] if header else [])
    assert status == 401, answer
    assert b'"invalid_api_key"' in answer
    assert b"www-authenticate" in answer.lower()


def test_two_tokens_are_none(running: Running) -> None:
    lines = [f"Authorization: Bearer {TOKEN}", "Authorization: Bearer other-token-0123456789"]
    assert raw(running, "GET", "/v1/models", lines)[0] == 401


def test_health_is_for_everybody_and_says_to_callers_what_is_served(running: Running) -> None:
    assert running.ask("/health", token=None)[::2] == (200, {"status": "ok"})
    said = running.health()
    assert said["tasks"]["tickets"] == {"serving": "tickets-v1", "problem": None}


def test_prometheus_reads_what_was_answered_by_which_version(running: Running) -> None:
    running.chat("ok")
    text = running.ask("/metrics")[2].decode()
    assert 'pawl_requests_total{status="200",task="tickets",version="tickets-v1"}' in text
    assert 'pawl_serving_version{task="tickets"} 1.0' in text
    assert "pawl_engine_up 1.0" in text


def test_a_request_has_an_id_its_own_where_it_brought_one(running: Running) -> None:
    mine = running.ask("/health", token=None, **{"X-Request-Id": "abc.DEF-1"})[1]
    others = [
        running.ask("/health", token=None, **{"X-Request-Id": bad})[1]["x-request-id"]
        for bad in ("", "a b", "a" * 129, "é")
    ]
    assert mine["x-request-id"] == "abc.DEF-1"
    assert all(len(one) == 32 for one in others)


def test_unknown_routes_and_methods_are_told_as_openais_clients_read_them(
    running: Running,
) -> None:
    assert running.ask("/v1/embeddings", {})[0] == 404
    status, headers, said = running.ask("/v1/chat/completions")
    assert (status, headers["allow"]) == (405, "POST")
    assert said["error"]["message"]


def test_a_body_is_bounded_whether_it_says_its_length_or_not(running: Running) -> None:
    large = b'{"a":"' + b"x" * BODY + b'"}'
    status, _, said = running.ask("/v1/chat/completions", large)
    assert (status, said["error"]["code"]) == (413, "body_too_large")
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as line:
        line.sendall(head("POST", "/v1/completions", ["Transfer-Encoding: chunked", *BEARER]))
        try:
            for _ in range(40):
                line.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        except OSError:
            pass  # it has closed the line already
        assert b" 413 " in line.recv(4096)[:20]
    assert running.ask("/v1/completions", b"{}", **{"Content-Encoding": "gzip"})[0] == 415


def test_hostile_bodies_get_an_answer_that_is_no_fault(running: Running) -> None:
    statuses = send_all(running, hostile_bodies(300, seed=1))
    assert statuses <= {200, 400, 404, 413}
    assert running.chat("ok")[0] == 200


@pytest.mark.slow
def test_ten_thousand_hostile_bodies_get_no_fault(running: Running) -> None:
    statuses = send_all(running, hostile_bodies(10_000, seed=2))
    assert statuses <= {200, 400, 404, 413}
    assert running.chat("ok")[0] == 200
    assert "Traceback" not in running.said()


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_hangs_up_frees_his_place(running: Running, stream: bool) -> None:
    body = json.dumps(
        {"model": "tickets", "prompt": [PROMPTS[1]] * (1 if stream else 8), "stream": stream,
         "max_tokens": 800, "temperature": 2, "seed": 1}
    ).encode()  # fmt: skip
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as line:
        lines = [f"Content-Length: {len(body)}", *BEARER]
        line.sendall(head("POST", "/v1/completions", lines) + body)
        if stream:
            assert b"200 OK" in line.recv(4096)
        wait_until(lambda: running.health()["running"] > 0)
    wait_until(lambda: running.health()["running"] == 0)


def test_the_servers_answers_do_not_repeat_what_a_caller_could_make_a_terminal_obey(
    running: Running,
) -> None:
    running.chat("ok", "\x1b[31mred")
    running.ask("/v1/\x1b%0d%0aX".replace("\x1b", "%1b"), {})
    assert "\x1b" not in running.said()


BEARER = [f"Authorization: Bearer {TOKEN}"]


def head(method: str, path: str, lines: list[str]) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


def raw(running: Running, method: str, path: str, lines: list[str]) -> tuple[int, bytes]:
    """Status and bytes of the answer to a request that is sent as it is written here."""
    lines = [*lines, "Content-Length: 0", "Connection: close"]
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as line:
        line.sendall(head(method, path, lines))
        answer = b""
        while part := line.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1]), answer


def send_all(running: Running, bodies: Any) -> set[int]:
    statuses = set()
    for number, body in enumerate(bodies):
        path = ("/v1/chat/completions", "/v1/completions")[number % 2]
        status, _, said = running.ask(path, body)
        assert status < 500, (body[:2000], said)
        statuses.add(status)
    return statuses


def wait_until(true: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
