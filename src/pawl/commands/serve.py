"""`pawl serve`: answer callers with the champions of some tasks on one base."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pawl.config.schema import Task
from pawl.core.records import BaseInfo, BaseRef
from pawl.errors import PawlError, UsageError
from pawl.evaluate.judging import assumed, judged_model, judging
from pawl.model.base import base_info, context_length, find_base
from pawl.model.device import here
from pawl.model.tokenizer import load_tokenizer
from pawl.serve.access import refuse_open
from pawl.serve.engine import Engine
from pawl.serve.following import Follower
from pawl.serve.joining import base_in_memory
from pawl.serve.journal import Journal
from pawl.serve.metrics import Metrics
from pawl.serve.releases import Releases
from pawl.serve.server import Serving, listening, serve
from pawl.serve.service import Service
from pawl.serve.versions import Versions
from pawl.store.client import Store
from pawl.workspace.adapter_base import find_adapter_base
from pawl.workspace.paths import Workspace

LOG = logging.getLogger(__name__)


def serve_tasks(workspace: Workspace, store: Store, tasks: Sequence[str], serving: Serving) -> None:
    """Serve the champions of these tasks (none: all of params.yaml) until SIGTERM or Ctrl-C.

    Raises:
        UsageError: a task is not there, or was judged by answers that were held to its schema;
            tasks sit on several bases, the port is taken, or others than this machine would be
            answered without a token.
        BaseError: the base is not here.
    """
    refuse_open(serving.host, serving.tokens)
    sections = _sections(workspace, tasks)
    _refuse_held(sections)
    at = listening(serving.host, serving.port)
    _log_to_stderr()
    releases = Releases(workspace, store)
    place, info = _base_of(workspace, releases, sections)
    folder = find_base(place, workspace.root)
    service, follower = _service(serving, releases, sections, folder, info)
    address = at.getsockname()

    def tell() -> None:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        for name, one in service.versions.tasks.items():
            print(f"{name}: {one.current.name if one.current else one.problem}")
        asked = "" if serving.tokens else "; nobody is asked for a token"
        print(f"serving on http://{host}:{address[1]}/v1{asked}; Ctrl-C stops it", flush=True)

    serve(service, follower, serving, at=at, tell=tell)
    print("stopped", flush=True)


def _service(
    serving: Serving, releases: Releases, sections: dict[str, Task], folder: Path, info: BaseInfo
) -> tuple[Service, Follower]:
    """The base in memory, and all that answers on it."""
    tokenizer = load_tokenizer(folder)
    first = next(iter(sections.values()))
    held = judging(folder, replace(assumed(first), adapters=len(sections) + 1), here())
    if not held.fits:
        LOG.warning("%s", held.says())
    base = base_in_memory(judged_model(folder, held), tokenizer)
    if not base.joins:
        LOG.warning("rows share no batch on this base: each prompt is answered by itself")
    limits = serving.limits
    engine = Engine(base, most=limits.batch, queue=limits.queue)
    policies = {name: section.evaluate for name, section in sections.items()}
    versions = Versions(engine, releases, tokenizer, base=info.digest, tasks=policies)
    service = Service(
        engine, versions, limits, Metrics(engine, versions), Journal(serving.log),
        context=context_length(folder),
    )  # fmt: skip
    return service, Follower(versions, every=serving.every)


def _sections(workspace: Workspace, tasks: Sequence[str]) -> dict[str, Task]:
    params = workspace.params()
    names = list(dict.fromkeys(tasks)) or sorted(params.tasks)
    if not names:
        raise UsageError(
            "there is no task to serve",
            rule="a server answers with the champions of tasks",
            remedy="`pawl new TASK --data FILE` adds one",
        )
    return {name: params.task(name) for name in names}


def _refuse_held(sections: dict[str, Task]) -> None:
    held = [name for name, one in sections.items() if one.evaluate.schema_decoding == "all"]
    if held:
        raise UsageError(
            f"adapters of {', '.join(held)} were judged by answers held to the task's JSON Schema",
            rule="what is served answers as it was judged, and this server holds no decoding",
            remedy="serve them by a server that holds (`response_format` with the schema), or "
            "judge them free: `evaluate.schema_decoding: baselines`",
        )


def _base_of(
    workspace: Workspace, releases: Releases, sections: dict[str, Task]
) -> tuple[BaseRef, BaseInfo]:
    """The base that the champions sit on; where there is none yet, that of the tasks' sections.

    Raises:
        UsageError: there are several.
    """
    found: dict[str, tuple[BaseRef, BaseInfo, list[str]]] = {}
    for name, section in sections.items():
        place = _place(workspace, releases, name, section)
        info = base_info(place, workspace.root)
        found.setdefault(info.digest, (place, info, []))[2].append(name)
    if len(found) > 1:
        groups = [f"{', '.join(names)} on {of.model}" for of, _, names in found.values()]
        calls = [f"`pawl serve {' '.join(names)}`" for _, _, names in found.values()]
        raise UsageError(
            f"the tasks sit on {len(found)} bases: {'; '.join(groups)}",
            rule="a server has one base in memory, and the adapters of many tasks on it",
            remedy=f"start one for each, on a port of its own: {', '.join(calls)}",
        )
    [(place, info, _)] = found.values()
    return place, info


def _place(workspace: Workspace, releases: Releases, task: str, section: Task) -> BaseRef:
    """Where the base of a task's champion lies; without one, or one that is sound, the task's."""
    try:
        state = releases.read(task)
        if state.champion.version is None:
            return section.base
        with releases.verified(task, state.champion, state) as verified:
            base = verified.manifest.base
    except PawlError as error:
        # The follower says it once more, and tries again.
        LOG.warning("%s: %s", task, error.found)
        return section.base
    return find_adapter_base(workspace, task, base)


def _log_to_stderr() -> None:
    """What an operator should know, a line each, on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(levelname)s  %(message)s"))
    root = logging.getLogger("pawl.serve")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False
