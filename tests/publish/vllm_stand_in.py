"""A small server that speaks vLLM's routes, with the tiny base and the adapters that it loaded.

Its faults are those of replicas: it applies nothing under an adapter's name, forgets, is slow.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.base import dequantised, load_base
from pawl.serve.server import listening

BASE = "tiny"


class Brain:
    """The base and every adapter that was ever loaded on it, for all replicas of a test."""

    def __init__(self, base: Path) -> None:
        self._base: Any = dequantised(load_base(base))
        self._model: Any = None
        self._names: dict[str, str] = {}
        self._written: dict[tuple[str | None, tuple[int, ...]], int] = {}
        self._turn = threading.Lock()

    def load(self, folder: Path) -> str:
        """Read an adapter's files as they are now; returns what it is known by."""
        digest = read_adapter(folder).digest
        with self._turn:
            if digest not in self._names:
                name = f"a{len(self._names)}"
                self._model = load_adapter(self._model or self._base, folder, name=name)
                self._names[digest] = name
        return digest

    def writes(self, adapter: str | None, ids: Sequence[int]) -> int:
        """The token that follows; the same is asked often, and computed once."""
        with self._turn:
            if (asked := (adapter, tuple(ids))) not in self._written:
                self._written[asked] = self._computed(adapter, ids)
            return self._written[asked]

    def _computed(self, adapter: str | None, ids: Sequence[int]) -> int:
        if adapter is not None:
            self._model.set_adapter(self._names[adapter])
            return self._next(self._model, ids)
        if self._model is None:
            return self._next(self._base, ids)
        with self._model.disable_adapter():
            return self._next(self._model, ids)

    def _next(self, model: Any, ids: Sequence[int]) -> int:
        with torch.inference_mode():
            return int(model(input_ids=torch.tensor([list(ids)])).logits[0, -1].argmax())


@dataclass
class StandIn:
    """A replica. `bare`: adapters are listed and not applied, until they are loaded `again`.

    `asked` are the routes and bodies of its requests; `at_request` is called with each of them
    before it is answered.
    """

    brain: Brain
    key: str | None = None
    adapters: dict[str, tuple[str, str]] = field(default_factory=dict)
    bare: bool = False
    heals: bool = False
    slow: float = 0.0
    asked: list[tuple[str, Any]] = field(default_factory=list)
    at_request: Callable[[], None] = lambda: None
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the port of before if there was one."""
        at = listening("127.0.0.1", self.port)
        self.port = at.getsockname()[1]
        config = uvicorn.Config(self._app(), log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [at]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        """Go down, and forget what was loaded, as a process that ends."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
        self.adapters.clear()

    def routes(self) -> list[str]:
        return [route for route, _ in self.asked]

    def _app(self) -> Starlette:
        async def models(request: Request) -> Response:
            base = {"id": BASE, "root": "/models/tiny", "parent": None}
            loaded = [
                {"id": name, "root": root, "parent": BASE}
                for name, (root, _) in self.adapters.items()
            ]
            return await self._answer(request, lambda _: JSONResponse({"data": [base, *loaded]}))

        async def load(request: Request) -> Response:
            return await self._answer(request, self._load)

        async def unload(request: Request) -> Response:
            return await self._answer(request, self._unload)

        async def complete(request: Request) -> Response:
            return await self._answer(request, self._complete)

        return Starlette(
            routes=[
                Route("/v1/models", models),
                Route("/v1/load_lora_adapter", load, methods=["POST"]),
                Route("/v1/unload_lora_adapter", unload, methods=["POST"]),
                Route("/v1/completions", complete, methods=["POST"]),
            ]
        )

    async def _answer(self, request: Request, answer: Callable[[Any], Response]) -> Response:
        body = await request.json() if request.method == "POST" else None
        self.asked.append((request.url.path, body))
        self.at_request()
        if self.slow:
            time.sleep(self.slow)
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        return answer(body)

    def _load(self, body: Any) -> Response:
        name, root = body["lora_name"], body["lora_path"]
        if name in self.adapters:
            return _error(400, f"The lora adapter '{name}' has already been loaded.")
        if not Path(root).is_dir():
            return _error(404, f"Loading lora {name} failed: No adapter found for {root}")
        self.adapters[name] = (root, self.brain.load(Path(root)))
        if self.heals:
            self.bare = False
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    def _unload(self, body: Any) -> Response:
        name = body["lora_name"]
        if self.adapters.pop(name, None) is None:
            return _error(404, f"The lora adapter '{name}' cannot be found.")
        return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")

    def _complete(self, body: Any) -> Response:
        name = body["model"]
        if name != BASE and name not in self.adapters:
            return _error(404, f"The model `{name}` does not exist.")
        adapter = None if name == BASE or self.bare else self.adapters[name][1]
        assert (body["max_tokens"], body["return_token_ids"]) == (1, True)
        tokens = [self.brain.writes(adapter, one) for one in body["prompt"]]
        choices = [{"index": n, "token_ids": [token]} for n, token in enumerate(tokens)]
        return JSONResponse({"choices": choices})


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "code": status}}, status)


@contextmanager
def replicas(brain: Brain, count: int) -> Iterator[list[StandIn]]:
    """So many replicas, until the block ends."""
    found = [StandIn(brain) for _ in range(count)]
    try:
        for one in found:
            one.start()
        yield found
    finally:
        for one in found:
            one.stop()
