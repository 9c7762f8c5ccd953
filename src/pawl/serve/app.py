"""The server's routes: chat and completions, models, health, metrics."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pawl.serve.asked import Kind, read_asked
from pawl.serve.body import read_body
from pawl.serve.call import Call, GoneError
from pawl.serve.journal import Line
from pawl.serve.refusals import Refused
from pawl.serve.releases import released, version_name
from pawl.serve.replies import Head, whole_reply
from pawl.serve.service import Service, prompts_of, version_of
from pawl.serve.stream import Stream
from pawl.serve.versions import Loaded

# The status of a request whose caller has hung up, in the log and in metrics.
HUNG_UP = 499


def application(service: Service) -> Starlette:
    """The ASGI application."""

    async def chat(request: Request) -> Response:
        return await _answer(service, request, "chat")

    async def completions(request: Request) -> Response:
        return await _answer(service, request, "completions")

    async def health(request: Request) -> Response:
        return _health(service, known=request.state.known)

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": _models(service)})

    async def model(request: Request) -> Response:
        name = request.path_params["name"]
        found = [one for one in _models(service) if one["id"] == name]
        if not found:
            raise Refused(404, "there is no such model", param="model", code="model_not_found")
        return JSONResponse(found[0])

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name}", model),
            Route("/health", health),
            Route("/metrics", metrics),
        ],
        exception_handlers={Refused: _refused, HTTPException: _no_route},
    )


async def _answer(service: Service, request: Request, kind: Kind) -> Response:
    line = Line(request.state.id, request.url.path)
    begun = time.monotonic()

    def record(status: int) -> None:
        line.status, line.seconds = status, round(time.monotonic() - begun, 4)
        service.metrics.answered(
            task=line.task, version=line.version, status=status, seconds=line.seconds,
            prompt=line.prompt_tokens, answer=line.answer_tokens,
        )  # fmt: skip
        service.journal.write(line)

    try:
        response = await _answered(service, request, kind, line)
    except Refused as refused:
        record(refused.status)
        raise
    except GoneError:
        record(HUNG_UP)
        return Response(status_code=HUNG_UP)
    except asyncio.CancelledError:
        record(503)
        raise
    except Exception:
        record(500)
        raise
    if isinstance(response, Stream):
        response.record = record
    else:
        record(200)
    return response


async def _answered(service: Service, request: Request, kind: Kind, line: Line) -> Response:
    deadline = asyncio.get_running_loop().time() + service.limits.seconds
    asked = read_asked(await read_body(request, deadline=deadline), kind)
    version = await version_of(service, asked.model, deadline)
    line.task, line.version, line.stream = version.task, version.name, asked.stream
    handed_on = False
    try:
        prompts, limits = await prompts_of(service, version, asked, kind)
        line.prompts, line.prompt_tokens = len(prompts), sum(map(len, prompts))
        call = Call(
            service.engine, version, asked, prompts=prompts, limits=limits, deadline=deadline,
            receive=request.receive,
        )  # fmt: skip
        head = _head(service, version, kind, line.request)
        if asked.stream:
            handed_on = True
            return await Stream.begun(
                call, head, asked, line, done=lambda: service.versions.give_back(version)
            )
        async with call:
            said = await call.whole()
        line.answer_tokens = sum(one.tokens for one in said)
        line.ended = ",".join(sorted({one.ended for one in said}))
        reply = whole_reply(head, said, prompt_tokens=line.prompt_tokens, calls=asked.calls)
        return JSONResponse(reply, headers={"x-pawl-version": version.name})
    finally:
        if not handed_on:
            service.versions.give_back(version)


def _head(service: Service, version: Loaded, kind: Kind, request: str) -> Head:
    base, adapter = service.versions.base[:8], (version.champion.digest or "")[:12]
    created = int(time.time())
    return Head(kind, request, created, version.name, f"pawl-{base}-{adapter}")


def _health(service: Service, *, known: bool) -> Response:
    """Whether callers are answered and, for who has a token, what each task's name means now."""
    engine, broken = service.engine, service.engine.broken
    tasks = {
        name: {"serving": one.current.name if one.current else None, "problem": one.problem}
        for name, one in service.versions.tasks.items()
    }
    well = all(one["serving"] and not one["problem"] for one in tasks.values())
    status = "broken" if broken else "ok" if well else "degraded"
    told: dict[str, Any] = {"status": status}
    if known:
        told |= {"tasks": tasks, "waiting": engine.waiting, "running": engine.running}
        told |= {"problem": broken} if broken else {}
    return JSONResponse(told, status_code=503 if broken else 200)


def _models(service: Service) -> list[dict[str, Any]]:
    found = []
    for task, one in service.versions.tasks.items():
        names = [(task, one.current.name)] if one.current else []
        names += [(name := version_name(task, v), name) for v in released(one.state).values()]
        for name, root in names:
            made = {"object": "model", "created": service.created, "owned_by": "pawl"}
            found.append({"id": name, **made, "root": root, "parent": service.versions.base})
    return found


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refused = Refused(error.status_code, f"{request.method} {request.url.path[:200]} is not served")
    headers = {**refused.headers, **(error.headers or {})}
    return JSONResponse(refused.body, status_code=error.status_code, headers=headers)
